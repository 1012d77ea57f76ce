//! Where the program stands.

use super::path_call::{PathArg, on_path};
use crate::outcome::{Call, Outcome};
use crate::permission::SEARCH;
use crate::resolve::Last;
use crate::tasks::Dir;
use mynah_vfs::{Errno, FileKind};

/// chdir(2). The kernel's own directory becomes the placeholder's, so that fork, exec and threads carry it on.
pub(super) fn chdir(call: Call<'_>) -> Outcome {
    if stays_in_removed(call) {
        return Outcome::DONE;
    }
    let outcome = on_path(call, PathArg::cwd(0, Last::Follow), |task, spot| async move {
        let stat = task.stat_at(&spot).await?;
        if stat.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        task.allows(&spot.mount, &spot.path, &stat, libc::X_OK as u32).await?;
        task.open_directory(&spot, &stat, rustix::fs::OFlags::empty()).map(Outcome::ChangeDir)
    });
    call.agent.tasks.directory_changes(call.tid());
    outcome
}

/// A program that stands in a directory that was removed may go to where it is, and nowhere below.
fn stays_in_removed(call: Call<'_>) -> bool {
    call.path(0).as_deref() == Some(b".")
        && matches!(call.task().cwd(), Dir::Hosted(object) if !object.is_linked())
}

/// fchdir(2): the kernel's, but for who may search the directory; and what was remembered of the old one is void.
pub(super) fn fchdir(call: Call<'_>) -> Outcome {
    let task = call.task();
    if task.judged().is_some()
        && let Some((object, _)) = task.hosted(call.int(0))
        && object.kind == FileKind::Directory
        && let Err(errno) = task.permits(&object.stat(), SEARCH)
    {
        return Outcome::Errno(errno);
    }
    call.agent.tasks.directory_changes(call.tid());
    Outcome::Resume
}

/// chroot(2): into a native directory it is the kernel's; remote names cannot be seen from there.
pub(super) fn chroot(call: Call<'_>) -> Outcome {
    let outcome = on_path(call, PathArg::cwd(0, Last::Follow), |task, spot| async move {
        let stat = task.stat_at(&spot).await?;
        if stat.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        task.allows(&spot.mount, &spot.path, &stat, libc::X_OK as u32).await?;
        Err(Errno::EPERM.into())
    });
    call.agent.tasks.root_changes(call.tid());
    outcome
}

/// getcwd(2): the kernel would tell the placeholder's name.
pub(super) fn getcwd(call: Call<'_>) -> Outcome {
    let task = call.task();
    if call.agent.objects.is_empty() && !task.run.renames_native {
        return Outcome::Resume;
    }
    let shown = match task.cwd() {
        Dir::Hosted(object) => match task.shown(&object) {
            Some(shown) => shown,
            None => return Outcome::Errno(Errno::ENOENT),
        },
        Dir::Native(path) if task.run.namespace.covers(path.as_bytes()) => path,
        Dir::Native(_) | Dir::Nameless => return Outcome::Resume,
    };
    let mut bytes = shown.as_bytes().to_vec();
    bytes.push(0);
    if (call.arg(1) as usize) < bytes.len() {
        return Outcome::Errno(Errno::ERANGE);
    }
    let value = bytes.len() as i64;
    Outcome::Fill { to: call.pointer(0), bytes, value }
}
