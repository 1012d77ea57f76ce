//! A server of a test's own: `mynah serve`, or the ancestor's.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::run::Identity;

/// How long a server may take until it listens: far more than it needs, so that only a broken one fails.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A server process on loopback, killed when dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    port: u16,
}

impl Serving {
    /// Starts `binary serve` over `root` as `identity` and waits until it listens.
    ///
    /// `state` is an existing directory for its port file (`port`) and what it writes (`log`). The server dies with the thread that calls this,
    /// so that a test that is killed leaves none behind: call it from the main thread, or drop it before the thread ends.
    pub fn start(binary: &Path, root: &Path, state: &Path, identity: Identity) -> io::Result<Serving> {
        Serving::start_at(binary, root, state, identity, 0)
    }

    /// As [`Serving::start`], on a port of one's choice (0 picks one).
    pub fn start_at(
        binary: &Path,
        root: &Path,
        state: &Path,
        identity: Identity,
        port: u16,
    ) -> io::Result<Serving> {
        let mut command = Command::new(binary);
        command.arg("serve").arg("--root").arg(root).arg("--listen").arg(format!("127.0.0.1:{port}"));
        command.arg("--port-file").arg(port_file(state));
        Serving::start_command(&command, state, identity)
    }

    /// Starts the ancestor's `chirp_server` over `root`, which speaks the standard's dialect. It serves an ordinary user's
    /// files alone, so whoever uses it has to be that user. The rest is as in [`Serving::start`].
    pub fn start_standard(root: &Path, state: &Path) -> io::Result<Serving> {
        let everyone = state.join("everyone");
        fs::write(&everyone, "unix:* rwldax\n")?;
        let mut command = Command::new("chirp_server");
        command.arg("--root").arg(root).arg("--default-acl").arg(&everyone).arg("--inherit-default-acl");
        command.args(["--auth", "unix", "--interface", "127.0.0.1", "--advertise", "127.0.0.1"]);
        command.arg("--transient").arg(state).arg("--port-file").arg(port_file(state)).current_dir(state);
        Serving::start_command(&command, state, Identity::Ordinary)
    }

    fn start_command(server: &Command, state: &Path, identity: Identity) -> io::Result<Serving> {
        let port_file = port_file(state);
        remove_old(&port_file)?;
        let log = fs::File::create(state.join("log"))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(server.get_program()).args(server.get_args());
        if let Some(directory) = server.get_current_dir() {
            command.current_dir(directory);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        identity.apply(&mut command);
        let watch = Watch::of(state)?;
        let mut child = command.spawn()?;
        match watch.port(&port_file, &child) {
            Ok(port) => Ok(Serving { child, port }),
            Err(cause) => {
                end(&mut child);
                let said = fs::read_to_string(state.join("log")).unwrap_or_default();
                Err(io::Error::new(cause.kind(), format!("{cause}; the server said: {said}")))
            }
        }
    }

    /// The port it listens on, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory under which a program of `mynah run` sees what is served.
    #[must_use]
    pub fn mount(&self) -> PathBuf {
        PathBuf::from(format!("/chirp/127.0.0.1:{}", self.port))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn port_file(state: &Path) -> PathBuf {
    state.join("port")
}

fn end(child: &mut Child) {
    // It may have ended by itself; the wait collects it either way.
    let _ = child.kill();
    let _ = child.wait();
}

fn remove_old(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Waits for a file to appear by the kernel's own notice.
struct Watch {
    notices: rustix::fd::OwnedFd,
}

impl Watch {
    fn of(directory: &Path) -> io::Result<Watch> {
        let notices = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let events = inotify::WatchFlags::MOVED_TO | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&notices, directory, events)?;
        Ok(Watch { notices })
    }

    fn port(&self, file: &Path, child: &Child) -> io::Result<u16> {
        let deadline = Instant::now() + READY_WITHIN;
        let life = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        loop {
            if let Ok(text) = fs::read_to_string(file)
                && !text.is_empty()
            {
                return text
                    .trim()
                    .parse()
                    .map_err(|_| io::Error::other(format!("not a port number: {text:?}")));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let mut events = [PollFd::new(&self.notices, PollFlags::IN), PollFd::new(&life, PollFlags::IN)];
            let limit = Timespec::try_from(left).map_err(io::Error::other)?;
            if poll(&mut events, Some(&limit))? == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server wrote no port file"));
            }
            if !events[1].revents().is_empty() {
                return Err(io::Error::other("the server ended before it was ready"));
            }
            self.drain()?;
        }
    }

    fn drain(&self) -> io::Result<()> {
        let mut space = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.notices.as_fd(), &mut space);
        loop {
            match reader.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }
}
