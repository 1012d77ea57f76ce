//! Calls that name a path and have no meaning for a remote one: an errno that says so.

use super::path_call::{PathArg, on_path, on_text};
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use mynah_vfs::Errno;

fn refused(call: Call<'_>, arg: PathArg, errno: Errno) -> Outcome {
    on_path(call, arg, move |_, _| async move { Err(errno.into()) })
}

/// Calls whose first two arguments are a directory's descriptor and a path.
pub(super) fn not_remote(call: Call<'_>) -> Outcome {
    refused(call, PathArg::at(call, 0, 1, Last::Follow), Errno::EOPNOTSUPP)
}

/// fanotify_mark(2).
pub(super) fn fanotify_mark(call: Call<'_>) -> Outcome {
    refused(call, PathArg::at(call, 3, 4, Last::Follow), Errno::EOPNOTSUPP)
}

/// name_to_handle_at(2): the errno of file systems without handles.
pub(super) fn no_handles(call: Call<'_>) -> Outcome {
    refused(call, PathArg::at(call, 0, 1, Last::Follow), Errno::EOPNOTSUPP)
}

/// umount2(2), swapon(2), swapoff(2), acct(2): not a mount point, not a device, not a file of this machine.
pub(super) fn one_path(call: Call<'_>) -> Outcome {
    refused(call, PathArg::cwd(0, Last::Follow), Errno::EINVAL)
}

/// mount(2): the target, and the source where it is a directory and not a device or a mere word.
pub(super) fn mount(call: Call<'_>) -> Outcome {
    if call.arg(3) & (libc::MS_BIND | libc::MS_MOVE) == 0 {
        return refused(call, PathArg::cwd(1, Last::Follow), Errno::EPERM);
    }
    either(call, PathArg::cwd(0, Last::Follow), PathArg::cwd(1, Last::Follow))
}

/// pivot_root(2).
pub(super) fn pivot_root(call: Call<'_>) -> Outcome {
    let outcome = either(call, PathArg::cwd(0, Last::Follow), PathArg::cwd(1, Last::Follow));
    call.agent.tasks.root_changes(call.tid());
    outcome
}

/// move_mount(2).
pub(super) fn move_mount(call: Call<'_>) -> Outcome {
    either(call, PathArg::at(call, 0, 1, Last::Follow), PathArg::at(call, 2, 3, Last::Follow))
}

/// EPERM if either path is remote.
fn either(call: Call<'_>, one: PathArg, other: PathArg) -> Outcome {
    match refused(call, one, Errno::EPERM) {
        Outcome::Resume => refused(call, other, Errno::EPERM),
        Outcome::Wait(first) => {
            let second = refused(call, other, Errno::EPERM);
            Outcome::wait(async move {
                match first.await {
                    Outcome::Resume => settle(second).await,
                    decided => decided,
                }
            })
        }
        decided => decided,
    }
}

async fn settle(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Wait(waiting) => waiting.await,
        decided => decided,
    }
}

/// quotactl(2): the device's path is its second argument.
pub(super) fn quotactl(call: Call<'_>) -> Outcome {
    match call.path(1) {
        Some(path) => {
            on_text(call, libc::AT_FDCWD, path, Last::Follow, |_, _| async { Err(Errno::EOPNOTSUPP.into()) })
        }
        None => Outcome::Resume,
    }
}
