//! Signals: taken by reading, never by handlers.

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;

/// What the watcher passes on to the program when somebody sends it to Mynah.
const PASSED_ON: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
    Signal::SIGCONT,
];

/// What the terminal does to a whole group at once: the program gets it too.
const OF_THE_TERMINAL: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

/// The signal state that we were started with, which the program is to find again.
pub(super) struct Inherited {
    /// Signals that were ignored.
    pub(super) ignored: Vec<i32>,
    /// Signals that were blocked.
    pub(super) blocked: Vec<i32>,
}

impl Inherited {
    /// Notes the state and blocks all that is to be read from [`Signals`].
    pub(super) fn take() -> io::Result<Inherited> {
        let inherited = Inherited::told_by(&std::fs::read_to_string("/proc/self/status")?);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ours()), None)?;
        Ok(inherited)
    }

    /// The state is told by the kernel, so that nothing need be changed to read it.
    fn told_by(status: &str) -> Inherited {
        // The Rust runtime ignores SIGPIPE by itself before main; a user who really had it ignored is rare, a program that
        // must not find it ignored is not.
        let ignored = signals_in(status, "SigIgn:").filter(|n| *n != Signal::SIGPIPE as i32).collect();
        Inherited { ignored, blocked: signals_in(status, "SigBlk:").collect() }
    }
}

fn ours() -> SigSet {
    let mut set: SigSet = PASSED_ON.into_iter().chain(OF_THE_TERMINAL).collect();
    set.add(Signal::SIGCHLD);
    set.add(Signal::SIGPIPE);
    // A file size limit is to be an error of the write, not our end.
    set.add(Signal::SIGXFSZ);
    // Somebody opened a placeholder while a lease on it was looked at: that is all there is to it.
    set.add(Signal::SIGIO);
    set
}

/// The signals of one field of /proc/self/status, real-time ones too.
fn signals_in(status: &str, field: &str) -> impl Iterator<Item = i32> + use<> {
    let field = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0");
    let bits = u64::from_str_radix(field.trim(), 16).unwrap_or(0);
    (1..=64).filter(move |n| bits & (1 << (n - 1)) != 0)
}

/// Reads signals.
pub(super) struct Signals(SignalFd);

/// A signal and where it came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) signal: i32,
    /// Sent by a process, not by the kernel or the terminal.
    pub(super) by_process: bool,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        Ok(Signals(SignalFd::with_flags(&ours(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The next signal that came, without waiting.
    pub(super) fn next(&self) -> Option<Came> {
        let info = self.0.read_signal().ok()??;
        Some(Came { signal: info.ssi_signo as i32, by_process: info.ssi_code <= 0 })
    }
}

impl std::os::fd::AsFd for Signals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a signal that came is to be passed on. What the kernel sends for a terminal goes to the program as well, but for
/// the hang-up: that is sent to the session's leader alone, who may be us.
pub(super) fn is_passed_on(came: Came) -> bool {
    let hung_up = came.signal == Signal::SIGHUP as i32 && leads_session();
    (came.by_process || hung_up) && PASSED_ON.iter().any(|signal| *signal as i32 == came.signal)
}

/// The leader is 0, and not us, when it is outside our PID namespace.
fn leads_session() -> bool {
    nix::unistd::getsid(None).is_ok_and(|leader| leader == nix::unistd::getpid())
}

/// Keeps every signal away from the calling thread: for threads that only work.
pub(super) fn block_all() -> io::Result<()> {
    Ok(pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None)?)
}
