//! What all calls that name a path have in common.

use crate::outcome::{Call, Outcome};
use crate::resolve::{Begin, Last, Reached, Spot};
use crate::tasks::Task;
use mynah_vfs::{Errno, Error};
use std::future::Future;
use std::sync::Arc;

/// Where a call's path is among its arguments, and how it is meant.
#[derive(Clone, Copy)]
pub(super) struct PathArg {
    /// The directory that a relative path starts from; AT_FDCWD for the working directory.
    pub(super) dirfd: i32,
    /// Index of the argument that points to the path.
    pub(super) path: usize,
    /// Whether a link in the last place is followed.
    pub(super) last: Last,
}

impl PathArg {
    /// A path that starts from the working directory.
    pub(super) fn cwd(path: usize, last: Last) -> PathArg {
        PathArg { dirfd: libc::AT_FDCWD, path, last }
    }

    /// A path that starts from the descriptor in argument `dirfd`.
    pub(super) fn at(call: Call<'_>, dirfd: usize, path: usize, last: Last) -> PathArg {
        PathArg { dirfd: call.int(dirfd), path, last }
    }
}

/// Follow the last link unless `flag` is among the flags.
pub(super) fn follow_unless(flags: u32, flag: i32) -> Last {
    if flags & flag as u32 != 0 { Last::Keep } else { Last::Follow }
}

/// Answers a call by `then` if its path leads into a mount; otherwise the kernel performs it.
pub(super) fn on_path<F, Fut>(call: Call<'_>, arg: PathArg, then: F) -> Outcome
where
    F: FnOnce(Task, Spot) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send,
{
    match call.path(arg.path) {
        Some(path) => on_text(call, arg.dirfd, path, arg.last, then),
        None => Outcome::Resume,
    }
}

/// [`on_path`] for a path that was read already.
pub(super) fn on_text<F, Fut>(call: Call<'_>, dirfd: i32, path: Vec<u8>, last: Last, then: F) -> Outcome
where
    F: FnOnce(Task, Spot) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send,
{
    on_text_of(call.task(), dirfd, path, last, then)
}

/// [`on_text`] for a caller as it is to be judged.
pub(super) fn on_text_of<F, Fut>(task: Task, dirfd: i32, path: Vec<u8>, last: Last, then: F) -> Outcome
where
    F: FnOnce(Task, Spot) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send,
{
    match task.begin(dirfd, &path, last) {
        Begin::Native => Outcome::Resume,
        Begin::Fail(errno) => Outcome::Errno(errno),
        Begin::Walk(start) => Outcome::wait(async move {
            match task.walk(start, &path, last).await {
                Ok(reached) => match task.spot(reached) {
                    Some(spot) => then(task, spot).await.into(),
                    None => Outcome::Resume,
                },
                Err(error) => Outcome::Fail(error),
            }
        }),
    }
}

/// Answers a call with two paths (rename, link) by `then` if either leads into a mount. Two names that do not lie in one
/// mount give EXDEV, as across file systems.
pub(super) fn on_two_paths<F, Fut>(call: Call<'_>, old: PathArg, new: PathArg, then: F) -> Outcome
where
    F: FnOnce(Task, Spot, Spot) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Outcome, Error>> + Send,
{
    let (old_path, new_path) = match (call.path_or_errno(old.path), call.path_or_errno(new.path)) {
        (Ok(old_path), Ok(new_path)) => (old_path, new_path),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let task = call.task();
    let begun = (task.begin(old.dirfd, &old_path, old.last), task.begin(new.dirfd, &new_path, new.last));
    let (start_old, start_new) = match begun {
        (Begin::Native, Begin::Native) => return Outcome::Resume,
        (Begin::Fail(errno), _) | (_, Begin::Fail(errno)) => return Outcome::Errno(errno),
        (old, new) => (old, new),
    };
    Outcome::wait(async move {
        let mut one = reach(&task, start_old, old.dirfd, &old_path, old.last).await;
        // link(2) looks its old name up before it comes to the new one; rename(2) only where both lie.
        if let (Ok(Reached::Mounted(spot)), true) = (&one, old.last != Last::Entry)
            && let Err(error) = task.stat_at(spot).await
        {
            one = Err(error);
        }
        let other = reach(&task, start_new, new.dirfd, &new_path, new.last).await;
        match (one, other) {
            (Ok(Reached::Native(a)), Ok(Reached::Native(b))) if a.resumable && b.resumable => Outcome::Resume,
            (Ok(a), Ok(b)) => {
                let (a, b) = (task.whole_spot(a), task.whole_spot(b));
                if !Arc::ptr_eq(&a.mount, &b.mount) {
                    return cross_mount(&task, &a, &b, old.last).await;
                }
                then(task, a, b).await.into()
            }
            // The kernel says what is wrong with the old name, before it says that the new one is empty.
            (Ok(Reached::Native(one)), Err(_)) if one.resumable && new_path.is_empty() => Outcome::Resume,
            (Err(error), _) | (_, Err(error)) => Outcome::Fail(error),
        }
    })
}

/// Across mounts: ENOENT if there is nothing to be named, EEXIST where link(2) would find its new name taken, else EXDEV.
async fn cross_mount(task: &Task, old: &Spot, new: &Spot, last: Last) -> Outcome {
    if let Err(error) = task.agent.ask(&old.mount, old.mount.driver.lstat(&old.path)).await {
        return Outcome::Fail(error);
    }
    let is_link = last != Last::Entry;
    if is_link && task.agent.ask(&new.mount, new.mount.driver.lstat(&new.path)).await.is_ok() {
        return Outcome::Errno(Errno::EEXIST);
    }
    Outcome::Errno(Errno::EXDEV)
}

/// Walks a path even if the kernel could resolve it, because its partner lies in a mount.
async fn reach(task: &Task, begin: Begin, dirfd: i32, path: &[u8], last: Last) -> Result<Reached, Error> {
    let start = match begin {
        Begin::Walk(start) => start,
        Begin::Fail(errno) => return Err(errno.into()),
        Begin::Native => task.native_start(dirfd, path)?,
    };
    task.walk(start, path, last).await
}
