//! A pseudo-terminal with a program on it, as a person has one.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchown};
use rustix::process::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcgetpgrp, tcsetwinsize};

use crate::run::Identity;

/// Ctrl-C.
pub const INTERRUPT: &[u8] = b"\x03";
/// Ctrl-Z.
pub const SUSPEND: &[u8] = b"\x1a";
/// Ctrl-\.
pub const QUIT: &[u8] = b"\x1c";

/// The side of a pseudo-terminal on which the person sits.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    /// Keeps the terminal and its modes alive when no program has it open.
    slave: OwnedFd,
    seen: Vec<u8>,
}

impl Terminal {
    /// A new terminal that nobody uses yet.
    pub fn open() -> io::Result<Terminal> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(std::ffi::OsStr::from_bytes(name.as_bytes()), flags, Mode::empty())?;
        Ok(Terminal { master, slave, seen: Vec::new() })
    }

    /// Starts a program in a session of its own with this as its controlling terminal and its three streams.
    pub fn start(&self, program: &Command) -> io::Result<Child> {
        self.start_with(&[], program)
    }

    /// As [`Terminal::start`], by a user, who owns the terminal from then on.
    pub fn start_as(&self, program: &Command, identity: Identity) -> io::Result<Child> {
        let Some(id) = identity.change_to() else { return self.start(program) };
        fchown(&self.slave, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
        let (user, group) = (format!("--reuid={id}"), format!("--regid={id}"));
        self.start_with(&["setpriv", &user, &group, "--clear-groups"], program)
    }

    fn start_with(&self, before: &[&str], program: &Command) -> io::Result<Child> {
        // setsid(1) does what needs code between fork and exec.
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(before).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let slave = || self.slave.try_clone().map(Stdio::from);
        command.stdin(slave()?).stdout(slave()?).stderr(slave()?).spawn()
    }

    /// Gives it another size, as a person does by its window's edge.
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.master, size)?)
    }

    /// Types.
    pub fn type_in(&self, keys: &[u8]) -> io::Result<()> {
        rustix::io::write(&self.master, keys)?;
        Ok(())
    }

    /// Reads on until `text` is on the screen after what was waited for before, and forgets all up to its end.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(at) = self.seen.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.seen.drain(..at + text.len());
                return Ok(());
            }
            if !self.read_more(deadline)? {
                let seen = String::from_utf8_lossy(&self.seen).into_owned();
                return Err(io::Error::other(format!("no {text:?} on the terminal, but {seen:?}")));
            }
        }
    }

    /// The group of processes that gets what is typed.
    pub fn foreground(&self) -> io::Result<Pid> {
        Ok(tcgetpgrp(&self.master)?)
    }

    /// Waits until what is typed goes to `group`.
    pub fn wait_for_foreground(&self, group: Pid, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        while self.foreground()? != group {
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("group {group} does not get the terminal")));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Whether it echoes and hands over whole lines, as a shell leaves it.
    pub fn is_usable(&self) -> io::Result<bool> {
        Ok(tcgetattr(&self.slave)?
            .local_modes
            .contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG))
    }

    fn read_more(&mut self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = Timespec::try_from(left).map_err(io::Error::other)?;
        if poll(&mut [PollFd::new(&self.master, PollFlags::IN)], Some(&limit))? == 0 {
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        let length = rustix::io::read(&self.master, &mut buffer)?;
        self.seen.extend(&buffer[..length]);
        Ok(length > 0)
    }
}
