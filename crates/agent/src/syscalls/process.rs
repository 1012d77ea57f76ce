//! Ends and beginnings of tasks.

use super::{handover, ids};
use crate::identity::View;
use crate::lock;
use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::tasks::{Task, is_writable};
use mynah_intercept::handover::OPTION;
use mynah_intercept::memory;
use mynah_vfs::Errno;
use std::sync::Arc;

/// exit(2) of a thread and exit_group(2): what the process wrote and still has open is home before anyone who waits for it
/// sees it end.
pub(super) fn exit(call: Call<'_>) -> Outcome {
    let task = call.task();
    call.agent.tasks.ended(call.tid());
    if !call.agent.objects.any_written_to() {
        return Outcome::Resume;
    }
    let left = changed_and_open(&task);
    if left.is_empty() {
        return Outcome::Resume;
    }
    Outcome::wait(async move {
        for object in left {
            // What fails here is tried again at the end of the run, and told there.
            if let Err(error) = object.carry_home(&task.agent.objects).await {
                tracing::error!(path = %object.driver_path(), "a process ends and its data is not home: {error}");
            }
        }
        Outcome::Resume
    })
}

/// The changed objects that a process has open or mapped.
fn changed_and_open(task: &Task) -> Vec<Arc<Object>> {
    let changed: Vec<Arc<Object>> =
        task.agent.objects.all().into_iter().filter(|object| object.may_differ()).collect();
    if changed.is_empty() {
        return changed;
    }
    let open: Vec<Arc<Object>> = task
        .descriptors()
        .into_iter()
        .filter_map(|number| task.hosted(number))
        .filter(|(_, fd)| is_writable(fd))
        .map(|(object, _)| object)
        .collect();
    // A mapping outlives its descriptor.
    let mapped =
        if changed.iter().any(|object| lock(&object.content).untold) { task.mappings() } else { Vec::new() };
    let holds = |object: &Arc<Object>| {
        open.iter().any(|one| Arc::ptr_eq(one, object)) || mapped.contains(&object.placeholder.ident.ino)
    };
    changed.into_iter().filter(holds).collect()
}

/// The flags of seccomp(2) with a filter, all of them.
const SECCOMP_FLAGS: u64 = libc::SECCOMP_FILTER_FLAG_TSYNC
    | libc::SECCOMP_FILTER_FLAG_LOG
    | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
    | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
    | libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH
    | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;

/// `sizeof(struct sock_fprog)`.
const FILTER_BYTES: usize = 16;

/// seccomp(2) with a listener: there is one. What is wrong with the call otherwise, the kernel tells first.
pub(super) fn seccomp(call: Call<'_>) -> Outcome {
    let flags = u64::from(call.bits(1));
    let has = |flag| flags & flag != 0;
    // Both results would be the return value.
    let ambiguous = has(libc::SECCOMP_FILTER_FLAG_TSYNC) && !has(libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
    if has(!SECCOMP_FLAGS) || ambiguous {
        return Outcome::Errno(Errno::EINVAL);
    }
    match memory::read(call.tid(), call.pointer(2), &mut [0; FILTER_BYTES]) {
        Ok(()) => Outcome::Errno(Errno::EBUSY),
        Err(_) => Outcome::Errno(Errno::EFAULT),
    }
}

/// clone(2) with a new mount or user namespace.
pub(super) fn clone(call: Call<'_>) -> Outcome {
    if asks_for_user_namespace(call) {
        return Outcome::Errno(Errno::EPERM);
    }
    if call.int(0) & (libc::CLONE_NEWNS | libc::CLONE_NEWUSER) != 0 {
        call.agent.tasks.root_changes(call.tid());
    }
    if call.int(0) & libc::CLONE_NEWUSER != 0 {
        call.agent.tasks.credentials_change(call.tid());
    }
    Outcome::Resume
}

/// unshare(2).
pub(super) fn unshare(call: Call<'_>) -> Outcome {
    if asks_for_user_namespace(call) {
        return Outcome::Errno(Errno::EPERM);
    }
    setns(call)
}

/// setns(2). Capabilities are those that one has in one's user namespace.
pub(super) fn setns(call: Call<'_>) -> Outcome {
    call.agent.tasks.root_changes(call.tid());
    ids::noted(call)
}

/// A user namespace maps real numbers, which the program does not know when others are shown to it.
fn asks_for_user_namespace(call: Call<'_>) -> bool {
    call.agent.identity.shows(View::User) && call.bits(0) & libc::CLONE_NEWUSER as u32 != 0
}

/// prctl(2), for some of its options, and one that is Mynah's own.
pub(super) fn prctl(call: Call<'_>) -> Outcome {
    let tasks = &call.agent.tasks;
    match call.int(0) {
        // What the launch set is ours, until the program says otherwise.
        libc::PR_GET_PDEATHSIG if tasks.has_our_death_signal(call.tid()) => {
            Outcome::Fill { to: call.pointer(1), bytes: 0i32.to_ne_bytes().to_vec(), value: 0 }
        }
        libc::PR_SET_PDEATHSIG => {
            tasks.sets_death_signal(call.tid());
            Outcome::Resume
        }
        option if option as u32 == OPTION => handover::answer(call),
        libc::PR_CAPBSET_DROP | libc::PR_SET_SECUREBITS => ids::noted(call),
        libc::PR_SET_DUMPABLE if !call.agent.reads_any_memory => set_dumpable(call),
        libc::PR_GET_DUMPABLE if tasks.says_not_dumpable(call.tid()) => Outcome::Value(0),
        _ => Outcome::Resume,
    }
}

/// A process that closes itself to its own user would close itself to an agent that is that user, and its paths could no
/// longer be read. It is told that it is closed, and is not (docs: semantics).
fn set_dumpable(call: Call<'_>) -> Outcome {
    match call.arg(1) {
        closed @ (0 | 1) => {
            call.agent.tasks.note_dumpable(call.tid(), closed == 1);
            Outcome::DONE
        }
        _ => Outcome::Resume,
    }
}
