//! Children and orphans.
//!
//! As a subreaper we become the parent of every orphan below us. [`transient`](crate::transient) traces tasks from
//! threads of this very process, and the kernel then lets any thread's wait(2) on a child see, and consume, the stops that
//! the tracing thread waits for. **A process that uses `transient` must therefore look at its children only through this
//! module** (or with waitid's WNOWAIT): nothing here consumes a stop.

use std::io;

use rustix::process::{DumpableBehavior, Pid, Signal};

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

/// What a child is doing, without reaping it. ECHILD: it is no child of ours, or was reaped.
pub fn child_state(child: Tid) -> io::Result<ChildState> {
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
    )
    .map_err(|_| io::Error::from_raw_os_error(libc::ECHILD))?;
    loop {
        if let Some((_, exit)) = reap_child(child)? {
            return Ok(exit);
        }
        retry(|| sys::poll(&pidfd, libc::POLLIN, -1))?;
    }
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
