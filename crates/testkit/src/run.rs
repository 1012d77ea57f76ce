//! Running a program to its end, or to the end of the test's patience.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getuid, kill_process_group, pidfd_open};

/// The user that a program runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// User and group 0. Only to be had when the tests run as root.
    Root,
    /// A user without any privilege: 65534 when the tests run as root, otherwise whoever runs them.
    Ordinary,
}

impl Identity {
    /// Both, or the ordinary user alone when the tests do not run as root.
    #[must_use]
    pub fn available() -> &'static [Identity] {
        if getuid().is_root() { &[Identity::Ordinary, Identity::Root] } else { &[Identity::Ordinary] }
    }

    /// The user and group to change to, if that differs from who we are.
    #[must_use]
    pub fn change_to(self) -> Option<u32> {
        const NOBODY: u32 = 65534;
        (self == Identity::Ordinary && getuid().is_root()).then_some(NOBODY)
    }

    /// Makes `command` run as this user (and without supplementary groups, which the standard library drops).
    pub fn apply(self, command: &mut Command) {
        if let Some(id) = self.change_to() {
            command.uid(id).gid(id);
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::Root => "root",
            Identity::Ordinary => "user",
        })
    }
}

/// What `mynah run` is told besides, so that the same tests can be run in another mode: by the variable
/// `MYNAH_TEST_MECHANISM`, `trace` for instance.
#[must_use]
pub fn mode_options() -> Vec<OsString> {
    let mechanism = std::env::var_os("MYNAH_TEST_MECHANISM");
    mechanism.map_or_else(Vec::new, |mechanism| vec!["--mechanism".into(), mechanism])
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Not within the limit: it was killed, with its process group.
    TimedOut,
    /// It ended, but a descendant still held its output open at the limit, and was killed.
    OutputHeld,
}

impl Ended {
    fn from_status(status: ExitStatus) -> Ended {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exit(code),
            (None, signal) => Ended::Signal(signal.unwrap_or(0)),
        }
    }
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Runs `command` in a process group of its own, with nothing on its standard input unless the caller set one, and
/// collects what it writes until it has ended **and** nobody holds its output any more: the end of output is the event
/// that tells that the whole tree is gone.
pub fn run(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    run_fed(command.stdin(Stdio::null()), limit)
}

/// As [`run`], with the standard input that the caller set on `command`.
pub fn run_fed(command: &mut Command, limit: Duration) -> io::Result<Outcome> {
    start_fed(command)?.finish(limit)
}

/// Starts `command` as [`run`] does, without waiting for its end.
pub fn start(command: &mut Command) -> io::Result<Running> {
    start_fed(command.stdin(Stdio::null()))
}

/// As [`start`], with the standard input that the caller set on `command`.
pub fn start_fed(command: &mut Command) -> io::Result<Running> {
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(Running::adopt(child))
}

/// A program that runs, whose output is being collected.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    /// Takes over a child that leads its own process group; pipes of its output are drained from now on.
    #[must_use]
    pub fn adopt(mut child: Child) -> Running {
        let stdout = Collected::from(child.stdout.take());
        let stderr = Collected::from(child.stderr.take());
        Running { child, stdout, stderr }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits until `text` stands in the standard output; an error if the output or the limit ends before.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> io::Result<()> {
        let deadline = Instant::now() + limit;
        while !contains(&self.stdout.text, text.as_bytes()) {
            if !self.stdout.more(deadline) {
                let seen = String::from_utf8_lossy(&self.stdout.text);
                self.stderr.drain(Instant::now());
                let errors = String::from_utf8_lossy(&self.stderr.text);
                return Err(io::Error::other(format!(
                    "no {text:?} in the output {seen:?} (errors: {errors:?})"
                )));
            }
        }
        Ok(())
    }

    /// Waits for the end of the program and of its output; kills the process group when `limit` has passed.
    pub fn finish(mut self, limit: Duration) -> io::Result<Outcome> {
        let deadline = Instant::now() + limit;
        let in_time = wait_until(self.pid(), deadline)?;
        if !in_time {
            self.kill_group();
        }
        let mut ended = Ended::from_status(self.child.wait()?);
        if !(self.stdout.drain(deadline) && self.stderr.drain(deadline)) {
            ended = Ended::OutputHeld;
            self.kill_group();
            let last = Instant::now() + Duration::from_secs(2);
            self.stdout.drain(last);
            self.stderr.drain(last);
        }
        let ended = if in_time { ended } else { Ended::TimedOut };
        Ok(Outcome { ended, stdout: self.stdout.text, stderr: self.stderr.text })
    }

    fn kill_group(&self) {
        // It may be gone already, which is what is wanted.
        let _ = kill_process_group(self.pid(), Signal::KILL);
    }
}

/// What came out of a pipe so far.
#[derive(Debug)]
struct Collected {
    text: Vec<u8>,
    pieces: Receiver<Vec<u8>>,
}

impl Collected {
    /// Reads the pipe on a thread of its own, so that a program never waits for the test.
    fn from(pipe: Option<impl Read + Send + 'static>) -> Collected {
        let (sender, pieces) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            let mut pipe = pipe;
            while let Some(pipe) = &mut pipe {
                match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) if sender.send(buffer[..length].to_vec()).is_err() => break,
                    Err(e) if e.kind() != io::ErrorKind::Interrupted => break,
                    _ => {}
                }
            }
        });
        Collected { text: Vec::new(), pieces }
    }

    /// Takes one more piece; false at the end of the output or at the deadline.
    fn more(&mut self, deadline: Instant) -> bool {
        let piece = self.pieces.recv_timeout(remaining(deadline));
        piece.map(|piece| self.text.extend(piece)).is_ok()
    }

    /// Takes all that comes; true if the end was reached before the deadline.
    fn drain(&mut self, deadline: Instant) -> bool {
        while self.more(deadline) {}
        matches!(self.pieces.try_recv(), Err(TryRecvError::Disconnected))
    }
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}

/// Waits until the process has ended (true) or the deadline has passed (false). Does not reap it.
pub fn wait_until(pid: Pid, deadline: Instant) -> io::Result<bool> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    loop {
        let left = remaining(deadline);
        let limit = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(e) => return Err(e.into()),
        }
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
