//! What this machine allows, found by trying.
//!
//! What cannot be undone (a filter, a namespace) is tried in a child that then ends. Nothing needs rights beyond those
//! of the caller; a refusal is a finding, not an error.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::filter::{self, Policy, Program, Row, Rule, Verdict};
use crate::launch;
use crate::listener::{AddFd, Answer, Listener, restart};
use crate::pidfd::PidFd;
use crate::transient;
use crate::{Mechanism, Tid, UserPtr, memory, sys};

/// The outcome of one trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether it works.
    pub ok: bool,
    /// What was found, in a few words without a full stop.
    pub detail: String,
}

impl Probe {
    fn new(outcome: io::Result<&str>) -> Probe {
        match outcome {
            Ok(detail) => Probe { ok: true, detail: detail.to_owned() },
            Err(error) => Probe { ok: false, detail: error.to_string() },
        }
    }
}

/// Whether a filter with a listener can be installed, and a notified call be answered.
#[must_use]
pub fn seccomp_listener() -> Probe {
    Probe::new(with_notified_child(|listener, child| {
        let notification = listener.recv()?;
        listener.answer(notification.id, Answer::Value(i64::from(ANSWER)))?;
        child.expect(ANSWER, "calls are notified and answered")
    }))
}

/// Whether a received notification keeps its caller from being disturbed by signals that do not kill it (Linux 5.19).
#[must_use]
pub fn wait_killable() -> Probe {
    Probe::new(
        in_child(|| {
            sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
            let program = notifying_filter().map_err(|_| libc::EINVAL)?;
            let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
            let listener = sys::seccomp_install(&program, flags);
            if listener < 0 { Err(-listener as i32) } else { Ok(()) }
        })
        .map(|()| "signals do not disturb calls that are being answered"),
    )
}

/// Whether a descriptor can be handed to a program as the answer to its call, in one step (Linux 5.14).
#[must_use]
pub fn addfd_send() -> Probe {
    Probe::new(with_notified_child(|listener, child| {
        let notification = listener.recv()?;
        let number = listener.add_fd(
            notification.id,
            child.report.as_fd(),
            AddFd { cloexec: true, at: None, answer: true },
        )?;
        child.expect(number, "descriptors can be handed to programs")
    }))
}

/// Whether a child's memory can be read with process_vm_readv(2); if not, `/proc/PID/mem` serves, more slowly.
#[must_use]
pub fn process_vm() -> Probe {
    static MARK: u64 = 0x4d79_6e61_6821_0a0d;
    Probe::new(with_notified_child(|_, child| {
        let mut bytes = [0; 8];
        let at = (&raw const MARK) as u64;
        match sys::process_vm_read(child.pid.0, at, &mut bytes) {
            Ok(8) if u64::from_ne_bytes(bytes) == MARK => Ok("memory of programs can be read"),
            Ok(_) => Err(io::Error::other("process_vm_readv gives wrong data")),
            Err(error) => match memory::read_u64(child.pid, UserPtr(at)) {
                Ok(_) => Err(io::Error::other(format!("process_vm_readv: {error}; /proc/PID/mem works"))),
                Err(_) => Err(error),
            },
        }
    }))
}

/// Whether a child's memory can be read in any way. Without that nothing works.
#[must_use]
pub fn memory() -> Probe {
    const VALUE: u64 = 0x4d79_6e61_6821_0b0d;
    static MARK: u64 = VALUE;
    let trial = || -> io::Result<&'static str> {
        let child = match sys::fork()? {
            0 => paused_child(),
            pid => Tid(pid),
        };
        let seen = memory::read_u64(child, UserPtr((&raw const MARK) as u64));
        end(child);
        match seen {
            Ok(VALUE) => Ok("memory of programs can be read"),
            Ok(_) => Err(io::Error::other("the memory of programs reads wrong")),
            Err(error) => Err(io::Error::other(error)),
        }
    };
    Probe::new(trial())
}

/// Whether a program can be seized with ptrace(2), and let go again.
#[must_use]
pub fn ptrace_seize() -> Probe {
    Probe::new(with_notified_child(|listener, child| {
        let notification = listener.recv()?;
        transient::interrupt(listener, &notification, restart::ERESTARTNOINTR).map_err(io::Error::other)?;
        let again = listener.recv()?;
        listener.answer(again.id, Answer::Value(i64::from(ANSWER)))?;
        child.expect(ANSWER, "programs can be traced for a moment")
    }))
}

/// Whether programs can be traced for good, and calls that the filter shows to the tracer be answered: what is used where no
/// listener can be had (Linux 5.6, for [`PidFd::get_fd`]).
#[must_use]
pub fn tracing() -> Probe {
    Probe::new(notifying_filter().map_err(io::Error::other).and_then(|filter| {
        match calls_out_of_sight(&filter, &[libc::SYS_getpriority as u32])?.as_slice() {
            [] => Ok("programs can be traced, and their calls answered"),
            _ => Err(io::Error::other("another supervisor hides calls from a tracer")),
        }
    }))
}

/// Which of these native calls, all of which `filter` notifies, a tracer would not be shown. The filter of another supervisor
/// around us comes first: its listener gets what it asks for, and we do not.
///
/// They are made by a child with arguments that no call accepts, and not performed if they are seen. None of them may be one
/// that ends the child, or that has an effect whatever its arguments.
pub fn calls_out_of_sight(filter: &Program, numbers: &[u32]) -> io::Result<Vec<u32>> {
    let filter = filter.clone().by(Mechanism::Trace);
    // A thread of its own: it is the tracer, and what it traces ends with it.
    thread::scope(|scope| {
        let trial = thread::Builder::new().name("trial".into());
        let trial = trial.spawn_scoped(scope, || traced_trial(&filter, numbers))?;
        trial.join().unwrap_or_else(|_| Err(io::Error::other("the trial broke off")))
    })
}

fn traced_trial(filter: &Program, numbers: &[u32]) -> io::Result<Vec<u32>> {
    let (report, report_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let (gate_child, gate) = pipe_with(PipeFlags::CLOEXEC)?;
    let ends = [&report_child, &gate_child, &gate].map(std::os::fd::AsRawFd::as_raw_fd);
    let pid = match sys::fork()? {
        0 => {
            // Else the gate would have no end of file, being held open by the one who waits at it.
            sys::raw_close(ends[2]);
            traced_child(filter, numbers, ends[0], ends[1])
        }
        pid => Tid(pid),
    };
    drop((report_child, gate_child));
    let seen = read_word(&report).and_then(|installed| match installed {
        Some(0) => launch::check_memory(pid).and_then(|()| see_calls(pid, gate)),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::Error::other("the trial's process ended early")),
    });
    if seen.is_err() {
        end(pid);
    }
    let seen = seen?;
    Ok(numbers.iter().copied().filter(|number| !seen.contains(number)).collect())
}

/// Answers all that the child asks for, until it ends.
fn see_calls(child: Tid, gate: OwnedFd) -> io::Result<HashSet<u32>> {
    let listener = Listener::traced(child)?;
    if let Some(tracer) = listener.tracer() {
        tracer.open_gate(gate)?;
    }
    let mut seen = HashSet::new();
    loop {
        match listener.recv() {
            Ok(call) if seen.insert(call.call.number) => listener.answer(call.id, Answer::Value(0))?,
            // The child is done, and what it does to end is notified, too.
            Ok(call) => listener.resume(call.id)?,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(seen),
            Err(error) => return Err(error),
        }
    }
}

/// Reports 0 or an errno, waits at the gate, makes the calls and ends.
fn traced_child(filter: &Program, numbers: &[u32], report: i32, gate: i32) -> ! {
    let installed = sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
        .and_then(|()| sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1))
        .and_then(|()| launch::install(filter).map(drop));
    sys::raw_write(report, &installed.err().unwrap_or(0).to_ne_bytes());
    if sys::raw_read(gate, &mut [0]) == 1 {
        numbers.iter().for_each(|&number| sys::raw_unacceptable(number));
    }
    loop {
        sys::raw_kill_self();
    }
}

/// Yama's `ptrace_scope`: 0 all of a user's processes, 1 descendants only, 2 administrators only, 3 nobody. `None` on
/// kernels without Yama, which is as 0.
#[must_use]
pub fn yama_scope() -> Option<u8> {
    std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?.trim().parse().ok()
}

/// Whether an unprivileged user may make a user namespace with a mount namespace in it.
#[must_use]
pub fn user_namespaces() -> Probe {
    Probe::new(
        in_child(|| sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS))
            .map(|()| "user and mount namespaces can be made"),
    )
}

/// Whether `/dev/fuse` may be opened.
#[must_use]
pub fn fuse_device() -> Probe {
    Probe::new(OpenOptions::new().read(true).write(true).open("/dev/fuse").map(|_| "/dev/fuse can be opened"))
}

/// What the notified call of a trial is answered with.
const ANSWER: i32 = 41;

/// A filter that notifies one harmless call.
fn notifying_filter() -> Result<Program, filter::FilterError> {
    let rows = [Row { number: libc::SYS_getpriority as u32, rule: Rule::Always(Verdict::Notify) }];
    filter::compile(&Policy {
        native: &rows,
        unknown: Verdict::Allow,
        i386: &[],
        i386_unknown: Verdict::Allow,
        x32: Verdict::Allow,
    })
}

/// A child that makes the notified call and reports what came back.
struct NotifiedChild {
    pid: Tid,
    report: OwnedFd,
}

impl NotifiedChild {
    /// Checks what the child's call returned.
    fn expect<'a>(&self, result: i32, meaning: &'a str) -> io::Result<&'a str> {
        match read_word(&self.report)? {
            Some(seen) if seen == result => Ok(meaning),
            _ => Err(io::Error::other("the program did not get the answer that it was given")),
        }
    }
}

/// Runs a trial with a child under the filter. The child is killed and reaped afterwards.
fn with_notified_child(
    trial: impl FnOnce(&Listener, &NotifiedChild) -> io::Result<&'static str>,
) -> io::Result<&'static str> {
    let program = notifying_filter().map_err(io::Error::other)?;
    let (report, report_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let pid = match sys::fork()? {
        0 => notified_child(&program, std::os::fd::AsRawFd::as_raw_fd(&report_child)),
        pid => Tid(pid),
    };
    drop(report_child);
    let child = NotifiedChild { pid, report };
    let outcome = listener_of(&child).and_then(|listener| trial(&listener, &child));
    end(pid);
    outcome
}

/// Reports the listener's number or minus an errno, then the result of the notified call, then waits to be killed.
fn notified_child(program: &Program, report: i32) -> ! {
    let listener = match sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)
        .and_then(|()| sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1))
    {
        Ok(()) => launch::install(program).unwrap_or_else(|errno| -errno),
        Err(errno) => -errno,
    };
    sys::raw_write(report, &listener.to_ne_bytes());
    sys::raw_write(report, &(sys::raw_getpriority() as i32).to_ne_bytes());
    loop {
        sys::raw_pause();
    }
}

/// Waits to be killed.
fn paused_child() -> ! {
    // It is killed by the one who made it; should that one end before, by this.
    let _ = sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
    loop {
        sys::raw_pause();
    }
}

fn listener_of(child: &NotifiedChild) -> io::Result<Listener> {
    match read_word(&child.report)? {
        Some(number) if number >= 0 => Listener::new(PidFd::open(child.pid)?.get_fd(number)?),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::Error::other("the trial's process ended early")),
    }
}

/// Runs `trial` in a child; its errno is what came of it.
fn in_child(trial: impl FnOnce() -> Result<(), i32>) -> io::Result<()> {
    let (report, report_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let pid = match sys::fork()? {
        0 => {
            let errno = trial().err().unwrap_or(0);
            sys::raw_write(std::os::fd::AsRawFd::as_raw_fd(&report_child), &errno.to_ne_bytes());
            sys::exit_group(0)
        }
        pid => Tid(pid),
    };
    drop(report_child);
    let errno = read_word(&report);
    end(pid);
    match errno? {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::Error::other("the trial's process ended early")),
    }
}

fn read_word(pipe: &OwnedFd) -> io::Result<Option<i32>> {
    let mut word = [0; 4];
    let count = rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut word))?;
    Ok((count == word.len()).then(|| i32::from_ne_bytes(word)))
}

/// Kills and reaps a trial's child.
fn end(child: Tid) {
    if let Ok(pidfd) = PidFd::open(child) {
        let _ = pidfd.kill(libc::SIGKILL);
    }
    let _ = crate::subreaper::wait(child);
}
