//! Calls that name a path and have no meaning for a remote one: an errno that says so.

use super::path_call::{PathArg, follow_unless, on_path, on_text};
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use mynah_vfs::Errno;
use rustix::thread::CapabilitySet;

/// The flags of umount2(2): MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW.
const UMOUNT_FLAGS: u64 = 0xf;

/// The flags of swapon(2): a priority, and what is to be discarded.
const SWAP_FLAGS: u64 = 0x7_ffff;

/// An errno for what is there; what is not has its own.
fn refused(call: Call<'_>, arg: PathArg, errno: Errno) -> Outcome {
    on_path(call, arg, move |task, spot| async move {
        task.stat_at(&spot).await?;
        Err(errno.into())
    })
}

/// EINVAL, or EISDIR, for calls that need a file, and look whether the caller has a right before they look at the path.
fn refused_file(call: Call<'_>, right: CapabilitySet) -> Outcome {
    if !call.task().is_capable(right) {
        return Outcome::Resume;
    }
    on_path(call, PathArg::cwd(0, Last::Follow), |task, spot| async move {
        let stat = task.stat_at(&spot).await?;
        Err(if stat.is_dir() { Errno::EISDIR } else { Errno::EINVAL }.into())
    })
}

/// Calls whose first two arguments are a directory's descriptor and a path.
pub(super) fn not_remote(call: Call<'_>) -> Outcome {
    refused(call, PathArg::at(call, 0, 1, Last::Follow), Errno::EOPNOTSUPP)
}

/// Calls of that form that nobody may make who may not mount.
pub(super) fn not_remote_mounting(call: Call<'_>) -> Outcome {
    if call.task().is_capable(CapabilitySet::SYS_ADMIN) { not_remote(call) } else { Outcome::Resume }
}

/// fanotify_mark(2). What is no fanotify group, the kernel refuses before it looks at the path.
pub(super) fn fanotify_mark(call: Call<'_>) -> Outcome {
    let group = std::fs::read_link(call.task().proc(&format!("fd/{}", call.int(0))));
    if !group.is_ok_and(|name| name.as_os_str() == "anon_inode:[fanotify]") {
        return Outcome::Resume;
    }
    refused(call, PathArg::at(call, 3, 4, Last::Follow), Errno::EOPNOTSUPP)
}

/// name_to_handle_at(2): the errno of file systems without handles.
pub(super) fn no_handles(call: Call<'_>) -> Outcome {
    let last = if call.int(4) & libc::AT_SYMLINK_FOLLOW != 0 { Last::Follow } else { Last::Keep };
    refused(call, PathArg::at(call, 0, 1, last), Errno::EOPNOTSUPP)
}

/// acct(2): not a file of this machine.
pub(super) fn acct(call: Call<'_>) -> Outcome {
    refused_file(call, CapabilitySet::SYS_PACCT)
}

/// swapon(2): nothing to swap to.
pub(super) fn swapon(call: Call<'_>) -> Outcome {
    if call.arg(1) & !SWAP_FLAGS != 0 { Outcome::Resume } else { swapoff(call) }
}

/// swapoff(2).
pub(super) fn swapoff(call: Call<'_>) -> Outcome {
    refused_file(call, CapabilitySet::SYS_ADMIN)
}

/// umount2(2): not a mount point of the kernel's.
pub(super) fn umount2(call: Call<'_>) -> Outcome {
    if call.arg(1) & !UMOUNT_FLAGS != 0 {
        return Outcome::Resume;
    }
    let last = follow_unless(call.arg(1) as u32, libc::UMOUNT_NOFOLLOW);
    let may = call.task().is_capable(CapabilitySet::SYS_ADMIN);
    refused(call, PathArg::cwd(0, last), if may { Errno::EINVAL } else { Errno::EPERM })
}

/// mount(2): the target, and the source where it is a directory and not a device or a mere word.
pub(super) fn mount(call: Call<'_>) -> Outcome {
    let path = |index| refused(call, PathArg::cwd(index, Last::Follow), Errno::EPERM);
    let has_source = call.arg(3) & (libc::MS_BIND | libc::MS_MOVE) != 0;
    if has_source && call.task().is_capable(CapabilitySet::SYS_ADMIN) {
        either(path(0), path(1))
    } else {
        path(1)
    }
}

/// pivot_root(2).
pub(super) fn pivot_root(call: Call<'_>) -> Outcome {
    let outcome = if call.task().is_capable(CapabilitySet::SYS_ADMIN) {
        let path = |index| refused(call, PathArg::cwd(index, Last::Follow), Errno::EPERM);
        either(path(0), path(1))
    } else {
        Outcome::Resume
    };
    call.agent.tasks.root_changes(call.tid());
    outcome
}

/// move_mount(2).
pub(super) fn move_mount(call: Call<'_>) -> Outcome {
    if !call.task().is_capable(CapabilitySet::SYS_ADMIN) {
        return Outcome::Resume;
    }
    let path = |dirfd| refused(call, PathArg::at(call, dirfd, dirfd + 1, Last::Follow), Errno::EPERM);
    either(path(0), path(2))
}

/// The kernel's, if both are.
fn either(one: Outcome, other: Outcome) -> Outcome {
    match one {
        Outcome::Resume => other,
        Outcome::Wait(first) => Outcome::wait(async move {
            match first.await {
                Outcome::Resume => settle(other).await,
                decided => decided,
            }
        }),
        decided => decided,
    }
}

async fn settle(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Wait(waiting) => waiting.await,
        decided => decided,
    }
}

/// quotactl(2): the device's path is its second argument, and no remote file is a device of this machine.
pub(super) fn quotactl(call: Call<'_>) -> Outcome {
    match call.path(1) {
        Some(path) => on_text(call, libc::AT_FDCWD, path, Last::Follow, |task, spot| async move {
            task.stat_at(&spot).await?;
            Err(Errno::ENOTBLK.into())
        }),
        None => Outcome::Resume,
    }
}
