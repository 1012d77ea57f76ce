//! Starting a program under a filter.
//!
//! [`launch`] forks. The child sets itself up, installs the filter and waits at a gate; the caller gets the listener and
//! can begin to serve it before [`Launched::go`] lets the child execute the program. From the filter on, all that the
//! child does is subject to it, the execve attempts included, which therefore are notified like any program's.
//!
//! Between fork and exec the child makes system calls only, so a process with several threads may launch as well.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::filter::{Program, Verdict};
use crate::listener::Listener;
use crate::memory::{self, MemoryError};
use crate::pidfd::PidFd;
use crate::{Abi, Call, Mechanism, Tid, UserPtr, handover, sys};

/// On which side of a fork one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The old process; the new one has this id.
    Parent(Tid),
    /// The new process.
    Child,
}

/// fork(2) for a process that has one thread only, so that the child may go on as any program. Refused otherwise:
/// locks that other threads held would stay locked in the child for ever.
pub fn fork_single_threaded() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("cannot fork: {threads} threads are running")));
    }
    Ok(match sys::fork()? {
        0 => Fork::Child,
        child => Fork::Parent(Tid(child)),
    })
}

/// What to start, and how.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// As typed: looked for in the PATH of `envp` if it has no slash, as execvp(3) does.
    pub program: &'a CStr,
    /// Arguments, the program's own name first.
    pub argv: &'a [CString],
    /// Environment, as `NAME=value`.
    pub envp: &'a [CString],
    /// The filter. It must allow read(2) and write(2) on pipes without a notification. `None` below an agent that is told of
    /// the program by [`handover`].
    pub filter: Option<&'a Program>,
    /// Resource limits to set: what the program is to find where our own process has others.
    pub limits: &'a [(Resource, Rlimit)],
    /// Signals to leave ignored: those that were when our own process began. All others get their default action.
    pub ignored: &'a [i32],
    /// Signals to leave blocked, likewise.
    pub blocked: &'a [i32],
}

/// A child that waits at the gate, or runs.
///
/// Dropping it before [`Launched::go`] ends the child. Reaping it is the caller's business:
/// [`subreaper::reap`](crate::subreaper::reap).
#[derive(Debug)]
pub struct Launched {
    /// The child.
    pub pid: Tid,
    /// Its filter's listener, if it was given a filter. No program inherits it: the child's own copy is close-on-exec.
    pub listener: Option<Arc<Listener>>,
    gate: Option<OwnedFd>,
    report: OwnedFd,
}

impl Launched {
    /// Opens the gate: the child executes the program. From here on notifications must be served, by another thread
    /// than the one that asks for [`Launched::exec_failure`].
    pub fn go(&mut self) -> io::Result<()> {
        match self.gate.take() {
            Some(gate) => {
                if let Some(tracer) = self.listener.as_ref().and_then(|listener| listener.tracer()) {
                    return tracer.open_gate(gate);
                }
                rustix::io::retry_on_intr(|| rustix::io::write(&gate, b"g")).map(drop).map_err(Into::into)
            }
            None => Ok(()),
        }
    }

    /// Waits until the program runs (`None`) or could not be executed: the errno of the attempt that says most, as
    /// execvp(3) chooses it. In that case the child exits with status 127. `None` also if it was killed before.
    pub fn exec_failure(&mut self) -> io::Result<Option<i32>> {
        Ok(read_report(&self.report)?.map(|report| report.value))
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        // Killed before its gate closes: its own end might be notified, with nobody to answer.
        if let Some(gate) = self.gate.take() {
            sys::kill(self.pid);
            drop(gate);
        }
    }
}

/// Forks a child with a filter; see the [module](self).
///
/// The child gets: a signal mask of `blocked`, default actions but for `ignored`, `limits`, SIGKILL when **the calling thread** ends
/// (PR_SET_PDEATHSIG; so call from a thread that lives as long as the agent), no_new_privs.
///
/// Errors are those of fork, pipe, prctl, setrlimit and seccomp; EBUSY says that a filter with a listener is already in
/// force, because we run under another supervisor. [`MemoryError::Denied`] is the cause of an error where the memory of
/// programs is closed to us.
pub fn launch(launch: &Launch<'_>) -> io::Result<Launched> {
    launch.filter.map(check_filter).transpose()?;
    let prepared = Prepared::new(launch);
    let (report, report_child) = pipe_with(PipeFlags::CLOEXEC)?;
    let (gate_child, gate) = pipe_with(PipeFlags::CLOEXEC)?;
    let ends = ChildEnds {
        gate: gate_child.as_raw_fd(),
        report: report_child.as_raw_fd(),
        not_ours: [gate.as_raw_fd(), report.as_raw_fd()],
    };
    let pid = fork_child(&prepared, ends)?;
    drop((gate_child, report_child));
    let report_of_child = read_report(&report);
    let listener = report_of_child
        .and_then(|said| {
            let mechanism = launch.filter.map(Program::mechanism);
            mechanism.map_or(Ok(()), |_| check_memory(pid)).and_then(|()| listener_of(pid, mechanism, said))
        })
        .inspect_err(|_| {
            // Its end may be notified, with nobody to answer. It is waited for so that no zombie stays.
            sys::kill(pid);
            let _ = sys::waitid(libc::P_PID, pid.0, libc::WEXITED);
        })?;
    Ok(Launched { pid, listener: listener.map(Arc::new), gate: Some(gate), report })
}

/// The child could not be told to go, nor tell of failures, if its pipes were subject to notification.
fn check_filter(filter: &Program) -> io::Result<()> {
    for number in [libc::SYS_read, libc::SYS_write] {
        let call = Call { abi: Abi::Native, number: number as u32, args: [0; 6], ip: 0 };
        if filter.run(&call).action != Verdict::Allow.action() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the filter does not allow read and write",
            ));
        }
    }
    Ok(())
}

fn listener_of(
    pid: Tid,
    mechanism: Option<Mechanism>,
    report: Option<Report>,
) -> io::Result<Option<Listener>> {
    match report {
        Some(Report { what: LISTENING, .. }) if mechanism == Some(Mechanism::Trace) => {
            Listener::traced(pid).map(Some)
        }
        Some(Report { what: LISTENING, value }) => Listener::new(PidFd::open(pid)?.get_fd(value)?).map(Some),
        Some(Report { what: READY, .. }) => Ok(None),
        Some(Report { value, .. }) => Err(io::Error::from_raw_os_error(value)),
        None => Err(io::Error::other("the child ended before it could install the filter")),
    }
}

/// Without a look into its memory nothing can be done for a program: better to know at once. The child is a copy of us, so
/// what we have at an address it has there, too.
pub(crate) fn check_memory(child: Tid) -> io::Result<()> {
    static SOMETHING: u64 = 0;
    match memory::read_u64(child, UserPtr((&raw const SOMETHING) as u64)) {
        Err(MemoryError::Denied) => Err(io::Error::new(io::ErrorKind::PermissionDenied, MemoryError::Denied)),
        _ => Ok(()),
    }
}

/// What the child tells through its pipe.
#[derive(Clone, Copy)]
struct Report {
    what: i32,
    /// The listener's number, or an errno.
    value: i32,
}

const LISTENING: i32 = 1;
const FAILED: i32 = 2;
const READY: i32 = 3;

fn read_report(pipe: &OwnedFd) -> io::Result<Option<Report>> {
    let mut bytes = [0; 8];
    // Eight bytes are written in one piece, and pipes keep pieces of that size whole.
    match rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut bytes))? {
        0 => Ok(None),
        _ => {
            let word =
                |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            Ok(Some(Report { what: word(0), value: word(4) }))
        }
    }
}

/// All that the child needs, made before the fork: the child allocates nothing.
struct Prepared<'a> {
    filter: Option<&'a Program>,
    /// What to try, in order.
    candidates: Vec<Candidate>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    limits: &'a [(Resource, Rlimit)],
    /// By signal number.
    ignored: [bool; SIGNALS],
    blocked: [bool; SIGNALS],
    parent: i32,
}

/// One more than the highest signal.
const SIGNALS: usize = 65;

const SHELL: &CStr = c"/bin/sh";

impl<'a> Prepared<'a> {
    fn new(launch: &Launch<'a>) -> Prepared<'a> {
        Prepared {
            filter: launch.filter,
            candidates: paths(launch.program, launch.envp)
                .into_iter()
                .map(|path| Candidate::new(path, launch.argv))
                .collect(),
            argv: pointers(launch.argv),
            envp: pointers(launch.envp),
            limits: launch.limits,
            ignored: by_number(launch.ignored),
            blocked: by_number(launch.blocked),
            parent: rustix::process::getpid().as_raw_nonzero().get(),
        }
    }
}

/// Numbers that are no signals are left out.
fn by_number(signals: &[i32]) -> [bool; SIGNALS] {
    let mut set = [false; SIGNALS];
    for &signal in signals {
        if let Some(slot) = usize::try_from(signal).ok().and_then(|signal| set.get_mut(signal)) {
            *slot = true;
        }
    }
    set
}

/// One path at which the program may be.
struct Candidate {
    path: CString,
    /// `/bin/sh PATH ARGUMENTS...`: how execvp(3) runs a file that the kernel does not take for a program.
    shell_argv: Vec<*const libc::c_char>,
}

impl Candidate {
    fn new(path: CString, argv: &[CString]) -> Candidate {
        let arguments = argv.iter().skip(1).map(|arg| arg.as_ptr());
        let shell_argv =
            [SHELL.as_ptr(), path.as_ptr()].into_iter().chain(arguments).chain([std::ptr::null()]).collect();
        Candidate { path, shell_argv }
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The paths under which a program may be found. An empty element of PATH is the current directory.
fn paths(program: &CStr, envp: &[CString]) -> Vec<CString> {
    const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";
    let name = program.to_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return vec![program.to_owned()];
    }
    let path = envp.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
    path.split(|&byte| byte == b':')
        .filter_map(|directory| {
            let separator: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            CString::new([directory, separator, name].concat()).ok()
        })
        .collect()
}

/// The child's ends of the pipes, and its copies of the parent's.
#[derive(Clone, Copy)]
struct ChildEnds {
    gate: i32,
    report: i32,
    not_ours: [i32; 2],
}

/// Forks with all signals blocked, so that no handler of ours runs in the child.
fn fork_child(prepared: &Prepared<'_>, ends: ChildEnds) -> io::Result<Tid> {
    let mask = sys::block_all_signals();
    let forked = sys::fork();
    if let Ok(0) = forked {
        run_child(prepared, ends);
    }
    sys::set_signal_mask(&mask);
    forked.map(Tid)
}

/// The child's life until the program's begins. Nothing here allocates, locks or panics.
fn run_child(prepared: &Prepared<'_>, ends: ChildEnds) -> ! {
    let ChildEnds { gate, report, not_ours } = ends;
    // Else the gate would have no end of file, being held open by the one who waits at it.
    not_ours.into_iter().for_each(sys::raw_close);
    let failure = match set_up(prepared) {
        Ok(listener) => {
            match listener {
                Some(number) => send(report, LISTENING, number),
                None => send(report, READY, 0),
            }
            if !pass_gate(gate) {
                sys::exit_group(127);
            }
            execute(prepared)
        }
        Err(errno) => errno,
    };
    send(report, FAILED, failure);
    sys::exit_group(127)
}

/// The listener's number, if there is a filter, or an errno.
fn set_up(prepared: &Prepared<'_>) -> Result<Option<i32>, i32> {
    sys::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong)?;
    if sys::parent_process() != prepared.parent {
        return Err(libc::ESRCH);
    }
    for (signal, &ignored) in prepared.ignored.iter().enumerate().skip(1) {
        sys::set_signal_action(signal as i32, if ignored { libc::SIG_IGN } else { libc::SIG_DFL });
    }
    sys::block_only(&prepared.blocked);
    for (resource, limit) in prepared.limits {
        setrlimit(*resource, *limit).map_err(rustix::io::Errno::raw_os_error)?;
    }
    sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1)?;
    if let Some(filter) = prepared.filter {
        return install(filter).map(Some);
    }
    sys::prctl(handover::OPTION as i32, handover::Op::Launched as libc::c_ulong)?;
    Ok(None)
}

/// Installs a filter and gives its listener's number, 0 for one without, or an errno. System calls only.
///
/// WAIT_KILLABLE_RECV: a caller whose notification was received is not disturbed by signals that do not kill it. Kernels
/// before 5.19 do not know it.
pub(crate) fn install(filter: &Program) -> Result<i32, i32> {
    const LISTEN: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if filter.mechanism() == Mechanism::Trace {
        let installed = sys::seccomp_install(filter, 0);
        return if installed < 0 { Err(-installed as i32) } else { Ok(0) };
    }
    let mut listener = sys::seccomp_install(filter, LISTEN | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if listener == -i64::from(libc::EINVAL) {
        listener = sys::seccomp_install(filter, LISTEN);
    }
    if listener < 0 { Err(-listener as i32) } else { Ok(listener as i32) }
}

fn send(report: i32, what: i32, value: i32) {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&what.to_ne_bytes());
    bytes[4..].copy_from_slice(&value.to_ne_bytes());
    sys::raw_write(report, &bytes);
}

/// Whether the parent said to go; otherwise it is gone itself, or has dropped us.
fn pass_gate(gate: i32) -> bool {
    let mut byte = [0];
    loop {
        match sys::raw_read(gate, &mut byte) {
            1 => return true,
            count if count == -i64::from(libc::EINTR) => {}
            _ => return false,
        }
    }
}

/// Tries the candidates as execvp(3) does. Returns the errno that says most.
fn execute(prepared: &Prepared<'_>) -> i32 {
    let mut forbidden = false;
    let mut errno = libc::ENOENT;
    for candidate in &prepared.candidates {
        errno = sys::raw_execve(&candidate.path, &prepared.argv, &prepared.envp);
        match errno {
            libc::ENOEXEC => return sys::raw_execve(SHELL, &candidate.shell_argv, &prepared.envp),
            libc::EACCES => forbidden = true,
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            _ => return errno,
        }
    }
    if forbidden { libc::EACCES } else { errno }
}
