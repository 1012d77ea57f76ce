//! Closing and syncing: when what was written goes home.

use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::tasks::{Task, is_writable};
use mynah_vfs::{Errno, Error, FileKind};
use std::sync::Arc;

/// close(2): held until the server has what was written, so that an error can be told here.
pub(super) fn close(call: Call<'_>) -> Outcome {
    close_number(call, call.int(0))
}

/// dup2(2) and dup3(2) close what their target was.
pub(super) fn dup_over(call: Call<'_>) -> Outcome {
    if call.int(0) == call.int(1) || !call.agent.objects.any_written_to() {
        return Outcome::Resume;
    }
    let task = call.task();
    match task.changed(call.int(1)) {
        // An error of the implied close has nowhere to go (dup2(2)): it is told by the next call, and at the end.
        Some(object) => Outcome::wait(async move {
            report(&object, object.carry_home(&task.agent.objects).await);
            Outcome::Resume
        }),
        None => Outcome::Resume,
    }
}

/// fcntl(2) F_NOTIFY. EINVAL is what a kernel without dnotify gives; that a file is no directory, any kernel tells.
pub(super) fn fcntl(call: Call<'_>) -> Outcome {
    match call.task().hosted(call.int(0)) {
        Some((object, _)) if object.kind == FileKind::Directory => Errno::EINVAL.into(),
        _ => Outcome::Resume,
    }
}

/// ioctl(2) on what a file system keeps of a file beside its content: the placeholder's would be this machine's. ENOTTY is what
/// file systems without such things give.
pub(super) fn ioctl(call: Call<'_>) -> Outcome {
    match call.task().opened(call.int(0)) {
        Some(_) => Errno::ENOTTY.into(),
        None => Outcome::Resume,
    }
}

/// Flags (chattr, lsattr), generation numbers, project numbers, fs-verity, and freezing or trimming the file system
/// (ioctl_iflags(2), linux/fs.h, linux/fsverity.h).
pub(super) const OF_FILE_SYSTEM: &[u32] = &[
    0x8008_6601, // FS_IOC_GETFLAGS
    0x4008_6602, // FS_IOC_SETFLAGS
    0x8008_7601, // FS_IOC_GETVERSION
    0x4008_7602, // FS_IOC_SETVERSION
    0x801c_581f, // FS_IOC_FSGETXATTR
    0x401c_5820, // FS_IOC_FSSETXATTR
    0x4080_6685, // FS_IOC_ENABLE_VERITY
    0xc004_6686, // FS_IOC_MEASURE_VERITY
    0xc004_5877, // FIFREEZE
    0xc004_5878, // FITHAW
    0xc018_5879, // FITRIM
];

fn report(object: &Object, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::error!(path = %object.driver_path(), "what was written could not be carried home: {error}");
    }
}

fn close_number(call: Call<'_>, number: i32) -> Outcome {
    if !call.agent.objects.any_written_to() {
        return Outcome::Resume;
    }
    let task = call.task();
    let Some(object) = task.changed(number) else { return Outcome::Resume };
    Outcome::wait(async move {
        match object.carry_home(&task.agent.objects).await {
            Ok(()) => Outcome::Resume,
            Err(error) => {
                let errno = error.errno();
                report(&object, Err(error));
                Outcome::ResumeAndFail(errno)
            }
        }
    })
}

impl Task {
    /// The object behind a descriptor that can be written through, if it was changed since it last went home.
    fn changed(&self, number: i32) -> Option<Arc<Object>> {
        let (object, fd) = self.hosted(number)?;
        (is_writable(&fd) && object.may_differ()).then_some(object)
    }

    /// All such objects among the descriptors from `first` to `last`.
    fn changed_among(&self, first: u32, last: u32) -> Vec<Arc<Object>> {
        let numbers = self.descriptors().into_iter();
        numbers.filter(|&n| (first..=last).contains(&(n as u32))).filter_map(|n| self.changed(n)).collect()
    }
}

/// close_range(2).
pub(super) fn close_range(call: Call<'_>) -> Outcome {
    let objects = &call.agent.objects;
    let only_marks = call.bits(2) & libc::CLOSE_RANGE_CLOEXEC != 0;
    if only_marks || !objects.any_written_to() || !objects.all().iter().any(|object| object.may_differ()) {
        return Outcome::Resume;
    }
    let task = call.task();
    let changed = task.changed_among(call.bits(0), call.bits(1));
    if changed.is_empty() {
        return Outcome::Resume;
    }
    Outcome::wait(async move {
        for object in changed {
            report(&object, object.carry_home(&task.agent.objects).await);
        }
        Outcome::Resume
    })
}

/// fsync(2) and fdatasync(2): at the server, and on its disk.
pub(super) fn fsync(call: Call<'_>) -> Outcome {
    let task = call.task();
    let Some((object, _)) = task.opened(call.int(0)) else { return Outcome::Resume };
    // Of pipes and the like the kernel says that they cannot be synced.
    if !matches!(object.kind, FileKind::Regular | FileKind::Directory) {
        return Outcome::Resume;
    }
    Outcome::wait(async move { task.bring_home_for_good(&object).await.map(|()| Outcome::DONE).into() })
}

impl Task {
    async fn bring_home_for_good(&self, object: &Object) -> Result<(), Error> {
        object.carry_home(&self.agent.objects).await?;
        let writer = crate::lock(&object.content).writer.clone();
        match writer {
            Some(file) => self.agent.ask(&object.mount, file.sync()).await,
            None => Ok(()),
        }
    }

    async fn bring_all_home(&self) -> Result<(), Error> {
        let mut first = Ok(());
        for object in self.agent.objects.all().into_iter().filter(|object| object.may_differ()) {
            let brought = self.bring_home_for_good(&object).await;
            if let Err(error) = &brought {
                tracing::error!(path = %object.driver_path(), "what was written could not be carried home: {error}");
            }
            first = first.and(brought);
        }
        first
    }
}

/// syncfs(2) of a remote file: all that was written through this Mynah.
pub(super) fn syncfs(call: Call<'_>) -> Outcome {
    let task = call.task();
    if task.opened(call.int(0)).is_none() {
        return Outcome::Resume;
    }
    Outcome::wait(async move { task.bring_all_home().await.map(|()| Outcome::DONE).into() })
}

/// sync(2): the machine's own file systems, and all that was written through this Mynah.
pub(super) fn sync(call: Call<'_>) -> Outcome {
    if !call.agent.objects.any_written_to() {
        return Outcome::Resume;
    }
    let task = call.task();
    Outcome::wait(async move {
        // sync(2) has no error to give; each was logged.
        match task.bring_all_home().await {
            Ok(()) | Err(_) => Outcome::Resume,
        }
    })
}
