//! ptrace in passing: what seccomp notification cannot do alone.
//!
//! A task whose call is pending is seized, its notification is answered with a restart code that no program ever sees,
//! and it stops on its way back to user mode. There its registers are changed so that the very instruction that made
//! the call makes another; then it is put back and let go, within some tens of microseconds. Nobody stays traced.
//!
//! How to use it:
//!
//! * **All functions block, and are to be called on a thread that does not serve notifications.** The calls that
//!   they make the program perform pass its filter and may be notified; whoever serves notifications gives each to [`takes`]
//!   before anything else. They are recognised by what was registered here just before: the thread, the number and all six
//!   arguments.
//! * The notification given must still be pending, and must not be answered by anybody else: these functions answer it.
//! * Where the [listener](crate::listener::Listener) is a tracer, all this is done by it: no task is seized, and the calling
//!   thread waits. There nothing is notified of what a program is made to do.
//! * Children must be looked at as [`subreaper`](crate::subreaper) says.
//! * A task that a debugger has cannot be seized. Most of these functions *lead* it then, by a few instructions in its own
//!   memory (`led.rs` tells how, and when not); for that, the pending call must be one that is notified whatever its arguments are.
//!
//! Signals: while a program is worked on all its signals but SIGKILL and SIGSTOP are blocked; what arrives stays pending
//! and is delivered when it goes on. A stop signal takes effect then, too. SIGKILL ends it at once and shows as
//! [`TransientError::Gone`].
//!
//! ptrace(2), `kernel/signal.c` (`get_signal`, `ptrace_stop`), `kernel/ptrace.c`.

mod exec;
mod image;
mod led;
mod own_calls;
mod stopped;
mod tracee;
mod vfork;

use std::ffi::CStr;
use std::fmt;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;

pub use exec::{ExecOutcome, ExecPlan, exec, exec_with_auxv};

use crate::arch;
use crate::listener::{Answer, Listener, restart};
use crate::{Notification, Tid, UserPtr, sys};

pub(crate) use exec::Scratch;
pub(crate) use stopped::{raw_number, restart_call};
pub(crate) use tracee::Tracee;

/// Why a task could not be worked on.
#[derive(Debug)]
pub enum TransientError {
    /// A debugger has it, or it may not be traced, and it cannot be led. Its notification is as it was.
    Traced,
    /// It has ended, or no longer makes the call that the notification was about.
    Gone,
    /// Another error of the operating system.
    Os(io::Error),
}

impl fmt::Display for TransientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransientError::Traced => f.write_str("the program is being debugged, or may not be traced"),
            TransientError::Gone => f.write_str("the program has ended or went on by itself"),
            TransientError::Os(error) => write!(f, "tracing the program: {error}"),
        }
    }
}

impl std::error::Error for TransientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TransientError::Os(error) => Some(error),
            TransientError::Traced | TransientError::Gone => None,
        }
    }
}

impl From<io::Error> for TransientError {
    fn from(error: io::Error) -> TransientError {
        match error.raw_os_error() {
            Some(libc::EPERM) => TransientError::Traced,
            Some(libc::ESRCH | libc::ECHILD) => TransientError::Gone,
            _ => TransientError::Os(error),
        }
    }
}

/// Takes a notification that is about a call that this module makes the program perform, and answers it, without a look at its
/// arguments. False if it is the program's own, and still to be answered.
#[must_use]
pub fn takes(listener: &Listener, notification: &Notification) -> bool {
    if own_calls::contains(notification) {
        // A caller that is gone needs no answer.
        let _ = listener.resume(notification.id);
        return true;
    }
    led::takes(notification)
}

/// Performs another call in place of the pending one, and lets the program go on with that one's result: a value, or minus
/// an errno, which is also returned.
///
/// `number` and `args` are in the ABI of the pending call. Pointers among them point into the program's memory.
pub fn replace_call(
    listener: &Listener,
    notification: &Notification,
    number: u64,
    args: [u64; 6],
) -> Result<i64, TransientError> {
    work_or_lead(listener, notification, move |mut tracee| async move {
        let result = tracee.perform(number, args).await?;
        tracee.go_on(result)?;
        Ok(result)
    })
}

/// [`replace_call`], and then closes descriptor `close` of the program's: one that was
/// [injected](crate::listener::Listener::add_fd) for this call alone.
pub fn replace_call_closing(
    listener: &Listener,
    notification: &Notification,
    number: u64,
    args: [u64; 6],
    close: i32,
) -> Result<i64, TransientError> {
    work_or_lead(listener, notification, move |mut tracee| async move {
        let result = tracee.perform(number, args).await?;
        tracee.close(close).await?;
        tracee.go_on(result)?;
        Ok(result)
    })
}

/// [`replace_call`] with a path, which is put into the program's memory for the time of the call: argument `at` points to it.
pub fn replace_call_with_path(
    listener: &Listener,
    notification: &Notification,
    number: u64,
    mut args: [u64; 6],
    at: usize,
    path: &CStr,
) -> Result<i64, TransientError> {
    let bytes = path.to_bytes_with_nul().to_vec();
    work_or_lead(listener, notification, move |mut tracee| async move {
        let scratch = match Scratch::map(&mut tracee, bytes.len()).await? {
            Ok(scratch) => scratch,
            Err(errno) => {
                tracee.go_on(-i64::from(errno))?;
                return Ok(-i64::from(errno));
            }
        };
        let result = match tracee.write(UserPtr(scratch.start), &bytes) {
            Ok(()) => {
                args[at] = scratch.start;
                tracee.perform(number, args).await?
            }
            Err(_) => -i64::from(libc::EFAULT),
        };
        scratch.unmap(&mut tracee).await?;
        tracee.go_on(result)?;
        Ok(result)
    })
}

/// Performs the pending call as it is, and lets the program go on with an error instead of its result: `errno`, positive. A
/// close(2) that failed has closed the descriptor all the same.
pub fn perform_call_failing(
    listener: &Listener,
    notification: &Notification,
    errno: i32,
) -> Result<(), TransientError> {
    let call = notification.call;
    work_or_lead(listener, notification, move |mut tracee| async move {
        tracee.perform(raw_number(&call), call.args).await?;
        tracee.go_on(-i64::from(errno))
    })
}

/// Lets the pending call fail with `errno`, positive, after closing descriptors that the program was given for it.
pub fn fail_closing(
    listener: &Listener,
    notification: &Notification,
    errno: i32,
    close: &[i32],
) -> Result<(), TransientError> {
    let close = close.to_vec();
    work_or_lead(listener, notification, move |mut tracee| async move {
        for fd in close {
            tracee.close(fd).await?;
        }
        tracee.go_on(-i64::from(errno))
    })
}

/// Performs the pending call as it is, and lets the program go on with its result once `look` has seen that: what the kernel
/// wrote into the program's memory can be changed there before the program sees it.
pub fn perform_call_then(
    listener: &Listener,
    notification: &Notification,
    look: impl FnOnce(i64) + Send + 'static,
) -> Result<(), TransientError> {
    let call = notification.call;
    work(listener, notification, move |mut tracee| async move {
        let result = tracee.perform(raw_number(&call), call.args).await?;
        look(result);
        tracee.go_on(result)
    })
}

/// Ends the pending call with one of the [restart codes](crate::listener::restart), after making sure that the
/// thread will look at it: the kernel turns a restart code into a restart or into EINTR only on a thread with a signal
/// or a stop pending. A thread that is just receiving a signal directed to its whole process may not have one itself.
pub fn interrupt(
    listener: &Listener,
    notification: &Notification,
    restart_code: i32,
) -> Result<(), TransientError> {
    if !(restart::ERESTARTSYS..=restart::ERESTARTNOHAND).contains(&restart_code) {
        return Err(TransientError::Os(io::ErrorKind::InvalidInput.into()));
    }
    if listener.tracer().is_some() {
        return Ok(listener.answer(notification.id, Answer::Errno(restart_code))?);
    }
    on_childless_thread(|| stopped::stop_once(listener, notification, restart_code))
}

/// Stops the caller of a notification, has `with` work on it, and waits until that is done.
fn work<T: Send + 'static, Working>(
    listener: &Listener,
    notification: &Notification,
    with: impl FnOnce(Tracee) -> Working + Send + 'static,
) -> Result<T, TransientError>
where
    Working: Future<Output = Result<T, TransientError>> + Send + 'static,
{
    work_by(Tracee::attach, listener, notification, with)
}

/// [`work`]; where a debugger has the caller, it is led.
fn work_or_lead<T: Send + 'static, Working>(
    listener: &Listener,
    notification: &Notification,
    with: impl FnOnce(Tracee) -> Working + Send + 'static,
) -> Result<T, TransientError>
where
    Working: Future<Output = Result<T, TransientError>> + Send + 'static,
{
    work_by(Tracee::attach_or_lead, listener, notification, with)
}

fn work_by<T: Send + 'static, Working>(
    attach: impl FnOnce(&Listener, &Notification) -> Result<Tracee, TransientError> + Send,
    listener: &Listener,
    notification: &Notification,
    with: impl FnOnce(Tracee) -> Working + Send + 'static,
) -> Result<T, TransientError>
where
    Working: Future<Output = Result<T, TransientError>> + Send + 'static,
{
    match listener.tracer() {
        Some(tracer) => tracer.work(notification.id, with),
        None => on_childless_thread(|| at_once(with(attach(listener, notification)?))),
    }
}

/// The outcome of work on a task that was seized in passing: all its waits are the calling thread's own.
fn at_once<T>(working: impl Future<Output = Result<T, TransientError>>) -> Result<T, TransientError> {
    match pin!(working).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(TransientError::Gone),
    }
}

/// Runs `work` on a thread that has nobody to wait for, neither children nor tracees that died and are left to be reaped
/// by others, so that a tracee is all that it can wait for. This one, if it is so.
fn on_childless_thread<T: Send>(
    work: impl FnOnce() -> Result<T, TransientError> + Send,
) -> Result<T, TransientError> {
    const LOOK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL | libc::__WNOTHREAD;
    let anybody = sys::waitid(libc::P_ALL, 0, LOOK);
    if anybody.is_err_and(|error| error.raw_os_error() == Some(libc::ECHILD)) {
        return work();
    }
    thread::scope(|scope| {
        let tracer = thread::Builder::new().name("tracer".into()).spawn_scoped(scope, work)?;
        tracer.join().unwrap_or(Err(TransientError::Gone))
    })
}

/// The number of close(2) and others in the ABI of a notification's call.
fn numbers(notification: &Notification) -> arch::Numbers {
    arch::numbers(notification.call.abi)
}

/// The fields of `/proc/TID/status` that tell who a task is.
pub(crate) struct Kin {
    /// The process it belongs to.
    pub(crate) tgid: Tid,
    /// That process's parent.
    parent: Tid,
    /// Whether anybody traces it.
    pub(crate) is_traced: bool,
}

impl Kin {
    pub(crate) fn of(tid: Tid) -> Result<Kin, TransientError> {
        let status = std::fs::read(format!("/proc/{tid}/status")).map_err(|_| TransientError::Gone)?;
        // The name in the first line need not be UTF-8, but has no line breaks: the kernel escapes them.
        let status = String::from_utf8_lossy(&status);
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok().map(Tid)
        };
        match (field("Tgid:"), field("PPid:"), field("TracerPid:")) {
            (Some(tgid), Some(parent), Some(tracer)) => Ok(Kin { tgid, parent, is_traced: tracer != Tid(0) }),
            _ => Err(TransientError::Gone),
        }
    }
}
