//! Removing scratch memory from a vfork child's parent.
//!
//! A child of vfork runs in its parent's memory until it executes a program. What was mapped for the execve then stays
//! with the parent, which the kernel lets run at that very moment. So the parent's thread, while it still waits in
//! vfork, is seized and asked to stop on its way back; there it unmaps the memory, before it runs. One that a tracer has
//! stops there anyway.

use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use super::exec::Scratch;
use super::stopped;
use super::tracee::Tracee;
use super::{Kin, TransientError, at_once};
use crate::trace::Resident;
use crate::{Tid, UserPtr, memory, ptrace};

/// The watch over the parent, if there is one that shares the memory.
///
/// The parent is traced by a thread of its own: if the execve fails that thread ends, and with it, without the parent's
/// having stopped, the tracing.
pub(super) enum ParentWatch {
    Nobody,
    InPassing(InPassing),
    Resident(Resident, Tid),
}

pub(super) struct InPassing {
    parent: Tid,
    executed: Sender<()>,
    watcher: JoinHandle<()>,
}

impl ParentWatch {
    /// `contents` is what the scratch memory holds: it begins with a number that no other's does.
    pub(super) fn begin(
        kin: &Kin,
        scratch: Scratch,
        contents: &[u8],
        resident: Option<&Resident>,
    ) -> ParentWatch {
        // Nothing was mapped.
        if scratch.length == 0 {
            return ParentWatch::Nobody;
        }
        let Some(parent) = waiting_thread(kin, scratch, contents) else { return ParentWatch::Nobody };
        match resident {
            Some(resident) => {
                resident.unmap_after_vfork(parent, scratch);
                ParentWatch::Resident(resident.clone(), parent)
            }
            None => Self::seize(parent, scratch).map_or(ParentWatch::Nobody, ParentWatch::InPassing),
        }
    }

    fn seize(parent: Tid, scratch: Scratch) -> Option<InPassing> {
        let (executed, outcome) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let watcher = thread::Builder::new().name("vfork".into()).spawn(move || {
            let seized = stopped::seize_in_passing(parent).and_then(|()| ptrace::interrupt(parent));
            let is_seized = ready.send(()).is_ok() && seized.is_ok();
            if is_seized && outcome.recv().is_ok() {
                report(unmap(parent, scratch));
            }
        });
        let watcher = watcher.ok()?;
        is_ready.recv().ok()?;
        Some(InPassing { parent, executed, watcher })
    }

    /// The child executes another program: the parent goes on.
    pub(super) fn executed(self) {
        if let ParentWatch::InPassing(InPassing { executed, watcher, .. }) = self {
            let _ = executed.send(());
            let _ = watcher.join();
        }
    }

    /// The child is still in the parent's memory.
    pub(super) fn failed(self) {
        match self {
            ParentWatch::Nobody => {}
            ParentWatch::Resident(resident, parent) => resident.nothing_after_vfork(parent),
            ParentWatch::InPassing(InPassing { parent, executed, watcher }) => {
                drop(executed);
                let _ = watcher.join();
                wait_until_untraced(parent);
            }
        }
    }
}

/// A thread is joined a little before the kernel has ended its tracing. The child may try another file at once, and then
/// the parent has to be free to be seized again.
fn wait_until_untraced(parent: Tid) {
    /// Far more than a thread's end takes; a debugger that seized the parent meanwhile is not waited for.
    const LOOKS_MAX: usize = 1000;
    for _ in 0..LOOKS_MAX {
        match Kin::of(parent) {
            Ok(kin) if kin.is_traced => thread::yield_now(),
            _ => return,
        }
    }
}

/// The parent's thread that waits for this child, if they share memory.
fn waiting_thread(kin: &Kin, scratch: Scratch, contents: &[u8]) -> Option<Tid> {
    let mut seen = vec![0; contents.len()];
    memory::read(kin.parent, UserPtr(scratch.start), &mut seen).ok()?;
    if seen != contents {
        return None;
    }
    let child = kin.tgid.to_string();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", kin.parent)).ok()?;
    tasks.flatten().find_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).ok()?;
        children.split_ascii_whitespace().find(|&pid| pid == child)?;
        task.file_name().to_str()?.parse().ok().map(Tid)
    })
}

fn unmap(parent: Tid, scratch: Scratch) -> Result<(), TransientError> {
    let mut tracee = Tracee::take_over(parent)?;
    at_once(async {
        scratch.unmap(&mut tracee).await?;
        tracee.go_on_unchanged()
    })
}

fn report(unmapped: Result<(), TransientError>) {
    match unmapped {
        Ok(()) | Err(TransientError::Gone) => {}
        Err(error) => {
            tracing::debug!(%error, "a vfork parent keeps the memory mapped for its child's execve")
        }
    }
}
