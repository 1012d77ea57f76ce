//! Children and orphans.
//!
//! As a subreaper we become the parent of every orphan below us. [`transient`](crate::transient) traces tasks from
//! threads of this very process, and the kernel then lets any thread's wait(2) on a child see, and consume, the stops that
//! the tracing thread waits for. **A process that uses `transient` must therefore look at its children only through this
//! module** (or with waitid's WNOWAIT): nothing here consumes a stop.
//!
//! Where a tracer has all tasks, it is the one that waits for them; it tells here what became of them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rustix::process::{DumpableBehavior, Pid, Signal};

use crate::transient::Kin;
use crate::{Tid, sys};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By exit(2), with this status (0..=255).
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a child is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// It runs, sleeps, or is held by a tracer for a moment.
    Running,
    /// It is stopped by this job control signal.
    Stopped(i32),
    /// It has ended and waits to be reaped.
    Ended(Exit),
}

/// What tracers have told.
#[derive(Default)]
struct Told {
    ended: VecDeque<(Tid, Exit)>,
    stopped: HashMap<Tid, i32>,
    /// There is a tracer, or was one.
    by_tracer: bool,
}

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

fn told() -> MutexGuard<'static, Told> {
    // No code that can panic runs under the lock, so the table is whole even then.
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is a tracer from now on: those that it has are not to be reaped behind its back.
pub(crate) fn leave_to_tracer() {
    told().by_tracer = true;
}

/// A tracer has waited for a task's end.
pub(crate) fn tell_end(task: Tid, info: sys::WaitInfo) {
    let mut told = told();
    told.stopped.remove(&task);
    told.ended.push_back((task, exit_of(info)));
}

/// A traced task has stopped with its group, or goes on.
pub(crate) fn tell_stop(task: Tid, signal: Option<i32>) {
    match signal {
        Some(signal) => told().stopped.insert(task, signal),
        None => told().stopped.remove(&task),
    };
}

/// Makes this process the parent of all orphans among its descendants.
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Asks for a signal when the thread that created this process ends. Does not outlive fork, nor the execve of a
/// set-user-id program. The parent may have ended before: compare `getppid` afterwards.
pub fn parent_death_signal(signal: Signal) -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(signal))?)
}

/// Whether ordinary processes of the same user may trace this one and read its memory, and whether it leaves a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumpable {
    /// As most processes.
    Yes,
    /// Closed to all but the privileged.
    No,
}

/// Sets this process's dumpable attribute.
pub fn set_dumpable(dumpable: Dumpable) -> io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(match dumpable {
        Dumpable::Yes => DumpableBehavior::Dumpable,
        Dumpable::No => DumpableBehavior::NotDumpable,
    })?)
}

/// What a child is doing, as its tracer tells. One of which it has told nothing runs.
fn told_of(child: Tid) -> Option<ChildState> {
    let told = told();
    let ended = told.ended.iter().find(|(ended, _)| *ended == child);
    let stopped = told.stopped.get(&child);
    match (ended, stopped) {
        (Some((_, exit)), _) => Some(ChildState::Ended(*exit)),
        (None, Some(signal)) => Some(ChildState::Stopped(*signal)),
        (None, None) => told.by_tracer.then_some(ChildState::Running),
    }
}

/// What a child is doing, without reaping it. ECHILD: it is no child of ours, or was reaped.
pub fn child_state(child: Tid) -> io::Result<ChildState> {
    if let Some(told) = told_of(child) {
        return Ok(told);
    }
    const LOOK: i32 = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    let info = retry(|| sys::waitid(libc::P_PID, child.0, LOOK))?;
    Ok(info.map_or(ChildState::Running, |info| match info.code {
        libc::CLD_STOPPED => ChildState::Stopped(info.status),
        libc::CLD_TRAPPED | libc::CLD_CONTINUED => ChildState::Running,
        _ => ChildState::Ended(exit_of(info)),
    }))
}

/// Reaps one child that has ended, if there is one. Does not wait. ECHILD: there are no children at all.
///
/// A task that is no child of ours but dies while [`transient`](crate::transient) works on it may be shown, too; its own
/// parent is told none the less.
pub fn reap() -> io::Result<Option<(Tid, Exit)>> {
    let (ended, by_tracer) = {
        let mut told = told();
        (told.ended.pop_front(), told.by_tracer)
    };
    if ended.is_some() {
        return Ok(ended);
    }
    if by_tracer {
        // One that had been waited for by its tracer before it became our child.
        return reap_among(children()?.into_iter().filter(|child| is_left_to_us(*child)).collect());
    }
    const LOOK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    match retry(|| sys::waitid(libc::P_ALL, 0, LOOK))? {
        None => Ok(None),
        Some(info) if has_ended(info) => reap_child(Tid(info.pid)),
        // A child in a ptrace stop is shown first, and would be for as long as the stop lasts.
        Some(_) => reap_among(children()?),
    }
}

/// Waits until `child` has ended, and reaps it. ECHILD: it is no child of ours, or was reaped elsewhere.
pub fn wait(child: Tid) -> io::Result<Exit> {
    let pidfd = rustix::process::pidfd_open(
        Pid::from_raw(child.0).filter(|_| child.0 > 0).ok_or(io::ErrorKind::InvalidInput)?,
        rustix::process::PidfdFlags::empty(),
    );
    let Ok(pidfd) = pidfd else { return told_at_last(child) };
    loop {
        if !is_traced(child) {
            match reap_child(child) {
                Ok(Some((_, exit))) => return Ok(exit),
                Ok(None) => {}
                Err(_) => return told_at_last(child),
            }
        }
        retry(|| sys::poll(&pidfd, libc::POLLIN, -1))?;
        // Its tracer waits for it before we may.
        if is_traced(child) {
            std::thread::yield_now();
        }
    }
}

/// What a tracer tells of a child that is reaped already: at once, or in a moment. ECHILD if none does.
fn told_at_last(child: Tid) -> io::Result<Exit> {
    /// Far more than a tracer needs from its wait to its telling.
    const LOOKS_MAX: usize = 100_000;
    for _ in 0..LOOKS_MAX {
        let mut told = told();
        if let Some(at) = told.ended.iter().position(|(ended, _)| *ended == child)
            && let Some((_, exit)) = told.ended.remove(at)
        {
            return Ok(exit);
        }
        if !told.by_tracer {
            break;
        }
        drop(told);
        std::thread::yield_now();
    }
    Err(io::Error::from_raw_os_error(libc::ECHILD))
}

/// Whether a child has ended, and no tracer is to wait for it first.
fn is_left_to_us(child: Tid) -> bool {
    const LOOK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let state = retry(|| sys::waitid(libc::P_PID, child.0, LOOK));
    matches!(state, Ok(Some(info)) if has_ended(info)) && !is_traced(child)
}

/// Whether a tracer has a child for good. (Whoever is traced in passing, and dies, is left to be reaped by us.)
fn is_traced(child: Tid) -> bool {
    told().by_tracer && Kin::of(child).is_ok_and(|kin| kin.is_traced)
}

fn reap_among(children: Vec<Tid>) -> io::Result<Option<(Tid, Exit)>> {
    for child in children {
        match reap_child(child) {
            Ok(None) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {}
            outcome => return outcome,
        }
    }
    Ok(None)
}

/// Reaps this child if it has ended.
fn reap_child(child: Tid) -> io::Result<Option<(Tid, Exit)>> {
    const LOOK: i32 = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    match retry(|| sys::waitid(libc::P_PID, child.0, LOOK))? {
        // An ended child stays ended, so this takes what was seen.
        Some(info) if has_ended(info) => {
            retry(|| sys::waitid(libc::P_PID, child.0, libc::WEXITED | libc::WNOHANG | libc::__WALL))?;
            Ok(Some((child, exit_of(info))))
        }
        _ => Ok(None),
    }
}

/// Our children, from `/proc/self/task/*/children`. None where the kernel does not offer that list; a later call finds
/// them when the stop that hid them is over.
fn children() -> io::Result<Vec<Tid>> {
    let mut children = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let list = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).map(Tid));
    }
    Ok(children)
}

fn has_ended(info: sys::WaitInfo) -> bool {
    matches!(info.code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED)
}

fn exit_of(info: sys::WaitInfo) -> Exit {
    if info.code == libc::CLD_EXITED { Exit::Code(info.status) } else { Exit::Signal(info.status) }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}
