//! Making, taking away and changing names.

use super::path_call::{PathArg, on_path, on_two_paths};
use crate::magic;
use crate::object::{Object, Opens};
use crate::outcome::{Call, Outcome};
use crate::permission::Newborn;
use crate::resolve::{Begin, Ending, Last, Reached, Spot};
use crate::tasks::Task;
use mynah_intercept::UserPtr;
use mynah_vfs::{Errno, Error, FileKind, RenameHow};
use std::sync::Arc;

#[cfg(target_arch = "x86_64")]
pub(super) fn mkdir(call: Call<'_>) -> Outcome {
    make_directory(call, PathArg::cwd(0, Last::Entry), call.bits(1))
}

pub(super) fn mkdirat(call: Call<'_>) -> Outcome {
    make_directory(call, PathArg::at(call, 0, 1, Last::Entry), call.bits(2))
}

/// The bits of mkdir(2)'s mode that Linux honours: permissions and the sticky bit.
const MKDIR_BITS: u32 = 0o1777;

fn make_directory(call: Call<'_>, arg: PathArg, mode: u32) -> Outcome {
    on_path(call, arg, move |task, spot| async move {
        let newborn = spot.may_be_made(&task).await?;
        let mode = mode & MKDIR_BITS & !task.umask();
        task.agent.ask(&spot.mount, spot.mount.driver.mkdir(&spot.path, mode)).await?;
        task.give(&spot, &newborn, FileKind::Directory, mode).await?;
        task.name_made(&spot, FileKind::Directory);
        Ok(Outcome::DONE)
    })
}

impl Spot {
    /// Whether the mount lets this name be made, and its caller may. A name that is there already gives EEXIST before EROFS, as
    /// in the kernel.
    pub(super) async fn may_be_made(&self, task: &Task) -> Result<Newborn, Error> {
        if self.ending != Ending::Name || self.is_mount_point() {
            return Err(Errno::EEXIST.into());
        }
        if self.mount.options.read_only {
            let there = task.agent.ask(&self.mount, self.mount.driver.lstat(&self.path)).await;
            return Err(if there.is_ok() { Errno::EEXIST } else { Errno::EROFS }.into());
        }
        task.may_make(self).await
    }

    /// The same for what is no directory. A trailing slash gives EEXIST or ENOENT, never ENOTDIR.
    async fn may_be_made_a_file(&self, task: &Task) -> Result<Newborn, Error> {
        let newborn = self.may_be_made(task).await?;
        if self.must_be_dir {
            task.agent.ask(&self.mount, self.mount.driver.lstat(&self.path)).await?;
            return Err(Errno::EEXIST.into());
        }
        Ok(newborn)
    }
}

impl Task {
    /// There is a new name.
    pub(super) fn name_made(&self, spot: &Spot, kind: FileKind) {
        self.name_changed(spot);
        self.agent.objects.watches().created(spot.mount.driver_id, &spot.path, kind);
    }

    /// A name is gone.
    fn name_gone(&self, asked: Opens, spot: &Spot) {
        self.agent.objects.unlinked(asked, spot.mount.driver_id, &spot.path);
        self.agent.objects.watches().removed(spot.mount.driver_id, &spot.path);
    }

    /// What was remembered of a name, and of its directory, is void.
    pub(super) fn name_changed(&self, spot: &Spot) {
        self.agent.dentries.forget(spot.mount.driver_id, &spot.path);
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn mknod(call: Call<'_>) -> Outcome {
    make_node(call, PathArg::cwd(0, Last::Entry), call.bits(1), u64::from(call.bits(2)))
}

pub(super) fn mknodat(call: Call<'_>) -> Outcome {
    make_node(call, PathArg::at(call, 0, 1, Last::Entry), call.bits(2), u64::from(call.bits(3)))
}

fn make_node(call: Call<'_>, arg: PathArg, mode: u32, rdev: u64) -> Outcome {
    let kind = match mode & libc::S_IFMT {
        0 => FileKind::Regular,
        libc::S_IFDIR => return Outcome::Errno(Errno::EPERM),
        bits => match FileKind::of_mode(bits) {
            Some(kind) if kind != FileKind::Symlink => kind,
            _ => return Outcome::Errno(Errno::EINVAL),
        },
    };
    on_path(call, arg, move |task, spot| async move {
        let newborn = spot.may_be_made_a_file(&task).await?;
        newborn.may_be(kind, rdev)?;
        let mode = newborn.mode(kind, mode & 0o7777 & !task.umask());
        let driver = &spot.mount.driver;
        if kind == FileKind::Regular {
            let how =
                mynah_vfs::OpenHow { create: true, exclusive: true, write: true, mode, ..Default::default() };
            task.agent.ask(&spot.mount, driver.open(&spot.path, how)).await?;
        } else {
            task.agent.ask(&spot.mount, driver.mknod(&spot.path, kind, mode, rdev)).await?;
        }
        task.give(&spot, &newborn, kind, mode).await?;
        task.name_made(&spot, kind);
        Ok(Outcome::DONE)
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn unlink(call: Call<'_>) -> Outcome {
    take_file_away(call, PathArg::cwd(0, Last::Entry))
}

#[cfg(target_arch = "x86_64")]
pub(super) fn rmdir(call: Call<'_>) -> Outcome {
    take_directory_away(call, PathArg::cwd(0, Last::Entry))
}

pub(super) fn unlinkat(call: Call<'_>) -> Outcome {
    let arg = PathArg::at(call, 0, 1, Last::Entry);
    match call.int(2) {
        0 => take_file_away(call, arg),
        libc::AT_REMOVEDIR => take_directory_away(call, arg),
        _ => Outcome::Errno(Errno::EINVAL),
    }
}

fn take_file_away(call: Call<'_>, arg: PathArg) -> Outcome {
    on_path(call, arg, |task, spot| async move {
        if spot.ending != Ending::Name {
            return Err(Errno::EISDIR.into());
        }
        spot.may_be_taken_away(&task).await?;
        task.may_remove(&spot).await?;
        if spot.must_be_dir {
            let stat = task.agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await?;
            return Err(if stat.is_dir() { Errno::EISDIR } else { Errno::ENOTDIR }.into());
        }
        let asked = task.agent.objects.moment();
        task.agent.ask(&spot.mount, spot.mount.driver.unlink(&spot.path)).await?;
        task.name_gone(asked, &spot);
        task.name_changed(&spot);
        Ok(Outcome::DONE)
    })
}

fn take_directory_away(call: Call<'_>, arg: PathArg) -> Outcome {
    on_path(call, arg, |task, spot| async move {
        match spot.ending {
            Ending::Dot => return Err(Errno::EINVAL.into()),
            Ending::DotDot => return Err(Errno::ENOTEMPTY.into()),
            Ending::Name => {}
        }
        spot.may_be_taken_away(&task).await?;
        task.may_remove(&spot).await?;
        let asked = task.agent.objects.moment();
        task.agent.ask(&spot.mount, spot.mount.driver.rmdir(&spot.path)).await?;
        task.name_gone(asked, &spot);
        task.agent.dentries.forget_tree(spot.mount.driver_id, &spot.path);
        Ok(Outcome::DONE)
    })
}

impl Spot {
    /// EBUSY for a mount point or what lies above one; EROFS where nothing may be changed, if there is something.
    async fn may_be_taken_away(&self, task: &Task) -> Result<(), Error> {
        let busy = self.is_mount_point()
            || self.mount.shown(&self.path).is_some_and(|shown| task.run.namespace.lies_above_mounts(&shown));
        if busy {
            return Err(Errno::EBUSY.into());
        }
        if self.mount.options.read_only {
            task.agent.ask(&self.mount, self.mount.driver.lstat(&self.path)).await?;
            return Err(Errno::EROFS.into());
        }
        Ok(())
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn rename(call: Call<'_>) -> Outcome {
    change_name(call, PathArg::cwd(0, Last::Entry), PathArg::cwd(1, Last::Entry), 0)
}

/// renameat(2), whose system call has no flags, and renameat2(2).
pub(super) fn renameat(call: Call<'_>) -> Outcome {
    let flags = if call.notification.call.number == libc::SYS_renameat2 as u32 { call.bits(4) } else { 0 };
    let (old, new) = (PathArg::at(call, 0, 1, Last::Entry), PathArg::at(call, 2, 3, Last::Entry));
    change_name(call, old, new, flags)
}

fn change_name(call: Call<'_>, old: PathArg, new: PathArg, flags: u32) -> Outcome {
    let known = libc::RENAME_NOREPLACE | libc::RENAME_EXCHANGE | libc::RENAME_WHITEOUT;
    let contradict = flags & libc::RENAME_EXCHANGE != 0 && flags != libc::RENAME_EXCHANGE;
    if flags & !known != 0 || contradict {
        return Outcome::Errno(Errno::EINVAL);
    }
    let outcome = on_two_paths(call, old, new, move |task, old, new| async move {
        let how = match flags {
            0 => RenameHow::Replace,
            libc::RENAME_NOREPLACE => RenameHow::NoReplace,
            libc::RENAME_EXCHANGE => RenameHow::Exchange,
            // No server makes whiteouts.
            _ => return Err(Errno::EINVAL.into()),
        };
        if old.ending != Ending::Name {
            return Err(Errno::EBUSY.into());
        }
        if new.ending != Ending::Name || new.is_mount_point() {
            return Err(if how == RenameHow::NoReplace { Errno::EEXIST } else { Errno::EBUSY }.into());
        }
        old.may_be_taken_away(&task).await?;
        check_slashes(&task, &old, &new, how).await?;
        task.may_rename(&old, &new, how).await?;
        let driver = &old.mount.driver;
        let kind = task.kind_if_watched(&old).await?;
        let asked = task.agent.objects.moment();
        task.agent.ask(&old.mount, driver.rename(&old.path, &new.path, how)).await?;
        task.renamed(asked, &old, &new, how);
        if let Some(kind) = kind.filter(|_| old.path != new.path) {
            let watches = task.agent.objects.watches();
            watches.renamed(old.mount.driver_id, &old.path, &new.path, how, kind);
        }
        Ok(Outcome::DONE)
    });
    // A directory of the machine's own may have got another name, and with it whatever stands in it.
    call.agent.tasks.forget_directories();
    outcome
}

/// A trailing slash, on either name, is for directories only; what else is wrong is told first.
async fn check_slashes(task: &Task, old: &Spot, new: &Spot, how: RenameHow) -> Result<(), Error> {
    if !old.must_be_dir && !new.must_be_dir {
        return Ok(());
    }
    let look = |spot: &Spot| {
        let (mount, path) = (Arc::clone(&spot.mount), spot.path.clone());
        async move { task.agent.ask(&mount, mount.driver.lstat(&path)).await }
    };
    let old_is_dir = look(old).await?.is_dir();
    match how {
        RenameHow::Replace => {}
        RenameHow::NoReplace if look(new).await.is_ok() => return Err(Errno::EEXIST.into()),
        RenameHow::NoReplace => {}
        RenameHow::Exchange => {
            if !look(new).await?.is_dir() && new.must_be_dir {
                return Err(Errno::ENOTDIR.into());
            }
        }
    }
    let of_new = new.must_be_dir && how != RenameHow::Exchange;
    if !old_is_dir && (old.must_be_dir || of_new) { Err(Errno::ENOTDIR.into()) } else { Ok(()) }
}

impl Task {
    /// The kind of what is to be renamed, which is asked for only where somebody may be told of it.
    async fn kind_if_watched(&self, old: &Spot) -> Result<Option<FileKind>, Error> {
        if self.agent.objects.watches().is_idle() {
            return Ok(None);
        }
        let stat = self.agent.ask(&old.mount, old.mount.driver.lstat(&old.path)).await?;
        Ok(Some(stat.kind))
    }

    fn renamed(&self, asked: Opens, old: &Spot, new: &Spot, how: RenameHow) {
        let agent = &self.agent;
        let driver = old.mount.driver_id;
        match how {
            RenameHow::Exchange => agent.objects.exchanged(driver, &old.path, &new.path),
            RenameHow::Replace | RenameHow::NoReplace => {
                if old.path != new.path {
                    agent.objects.unlinked(asked, driver, &new.path);
                    agent.objects.renamed(driver, &old.path, &new.path);
                }
            }
        }
        agent.dentries.forget_tree(driver, &old.path);
        agent.dentries.forget_tree(driver, &new.path);
        agent.tasks.forget_directories();
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn link(call: Call<'_>) -> Outcome {
    add_name(call, PathArg::cwd(0, Last::Keep), PathArg::cwd(1, Last::Entry))
}

pub(super) fn linkat(call: Call<'_>) -> Outcome {
    let flags = call.bits(4);
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) as u32 != 0 {
        return Outcome::Errno(Errno::EINVAL);
    }
    let follow = flags & libc::AT_SYMLINK_FOLLOW as u32 != 0;
    if flags & libc::AT_EMPTY_PATH as u32 != 0 && call.path(1).is_some_and(|path| path.is_empty()) {
        return add_name_of_descriptor(call);
    }
    let old = PathArg::at(call, 0, 1, if follow { Last::Follow } else { Last::Keep });
    add_name(call, old, PathArg::at(call, 2, 3, Last::Entry))
}

fn add_name(call: Call<'_>, old: PathArg, new: PathArg) -> Outcome {
    if old.last == Last::Follow
        && let Some(object) = nameless_behind(call, old)
    {
        return add_name_of(call, object);
    }
    on_two_paths(call, old, new, |task, old, new| async move {
        let newborn = new.may_be_made_a_file(&task).await;
        let stat = task.stat_at(&old).await?;
        // The kernel looks at the file before it looks at the directory.
        if newborn.as_ref().err().is_none_or(|error| error.errno() == Errno::EACCES) {
            task.may_link(&stat)?;
        }
        newborn?;
        task.agent.ask(&old.mount, old.mount.driver.link(&old.path, &new.path)).await?;
        task.name_changed(&old);
        task.name_changed(&new);
        task.agent.objects.watches().linked(old.mount.driver_id, &old.path, &new.path);
        task.count_names(&new).await?;
        Ok(Outcome::DONE)
    })
}

impl Task {
    /// An open file that got another name shows how many it has.
    async fn count_names(&self, new: &Spot) -> Result<(), Error> {
        if self.agent.objects.is_empty() {
            return Ok(());
        }
        let stat = self.agent.ask(&new.mount, new.mount.driver.lstat(&new.path)).await?;
        if let Some(object) = self.agent.objects.by_file(new.mount.driver_id, &stat) {
            crate::lock(&object.remote).stat.nlink = stat.nlink;
        }
        Ok(())
    }
}

/// The object without a name that a link of `/proc` leads to: open(2) tells programs to name a file of O_TMPFILE so.
fn nameless_behind(call: Call<'_>, old: PathArg) -> Option<Arc<Object>> {
    let path = call.path(old.path)?;
    let below = path.strip_prefix(b"/proc/").map(<[u8]>::to_vec).or_else(|| {
        let number = path.strip_prefix(b"/dev/fd/")?;
        Some([b"self/fd/", number].concat())
    })?;
    let components: Vec<Vec<u8>> = below.split(|&b| b == b'/').map(<[u8]>::to_vec).collect();
    match magic::target(&call.task(), &components) {
        magic::Target::Object { object, used } if used == components.len() => {
            (!object.is_linked()).then_some(object)
        }
        _ => None,
    }
}

/// linkat(fd, "", ...): a name for an open file.
fn add_name_of_descriptor(call: Call<'_>) -> Outcome {
    match call.task().object_of(call.int(0)) {
        Some(object) => add_name_of(call, object),
        None => Outcome::Resume,
    }
}

fn add_name_of(call: Call<'_>, object: Arc<Object>) -> Outcome {
    let new = PathArg::at(call, 2, 3, Last::Entry);
    let Some(path) = call.path(new.path) else { return Outcome::Resume };
    let task = call.task();
    let start = match task.begin(new.dirfd, &path, new.last) {
        // The placeholder has no business in the machine's own tree.
        Begin::Native => return Outcome::Errno(Errno::EXDEV),
        Begin::Fail(errno) => return Outcome::Errno(errno),
        Begin::Walk(start) => start,
    };
    Outcome::wait(async move {
        let named = async {
            let new = task.whole_spot(task.walk(start, &path, Last::Entry).await?);
            if new.mount.driver_id != object.mount.driver_id {
                return Err(Errno::EXDEV.into());
            }
            new.may_be_made_a_file(&task).await?;
            if !object.is_linked() {
                return task.name_nameless(&object, &new).await;
            }
            let old = object.driver_path();
            task.agent.ask(&new.mount, new.mount.driver.link(&old, &new.path)).await?;
            task.name_changed(&new);
            task.agent.objects.watches().linked(new.mount.driver_id, &old, &new.path);
            task.count_names(&new).await
        };
        named.await.map(|()| Outcome::DONE).into()
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn symlink(call: Call<'_>) -> Outcome {
    add_link(call, PathArg::cwd(1, Last::Entry))
}

pub(super) fn symlinkat(call: Call<'_>) -> Outcome {
    add_link(call, PathArg::at(call, 1, 2, Last::Entry))
}

fn add_link(call: Call<'_>, new: PathArg) -> Outcome {
    let Some(text) = call.path(0) else { return Outcome::Resume };
    on_path(call, new, move |task, spot| async move {
        if text.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let newborn = spot.may_be_made_a_file(&task).await?;
        task.agent.ask(&spot.mount, spot.mount.driver.symlink(&text, &spot.path)).await?;
        task.give(&spot, &newborn, FileKind::Symlink, 0o777).await?;
        task.name_made(&spot, FileKind::Symlink);
        Ok(Outcome::DONE)
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn readlink(call: Call<'_>) -> Outcome {
    read_link(call, PathArg::cwd(0, Last::Keep), call.pointer(1), call.int(2))
}

pub(super) fn readlinkat(call: Call<'_>) -> Outcome {
    if call.path(1).is_some_and(|path| path.is_empty()) {
        return read_link_of_descriptor(call);
    }
    read_link(call, PathArg::at(call, 0, 1, Last::Keep), call.pointer(2), call.int(3))
}

fn fill_text(mut text: Vec<u8>, to: UserPtr, room: i32) -> Result<Outcome, Error> {
    let room = usize::try_from(room).ok().filter(|&room| room > 0).ok_or(Errno::EINVAL)?;
    text.truncate(room);
    Ok(Outcome::Fill { to, value: text.len() as i64, bytes: text })
}

fn read_link(call: Call<'_>, arg: PathArg, to: UserPtr, room: i32) -> Outcome {
    if room <= 0 {
        return Outcome::Errno(Errno::EINVAL);
    }
    let Some(path) = call.path(arg.path) else { return Outcome::Resume };
    if let Some(outcome) = magic_link(&call.task(), &path, to, room) {
        return outcome;
    }
    let task = call.task();
    let start = match task.begin(arg.dirfd, &path, Last::Keep) {
        Begin::Native => return Outcome::Resume,
        Begin::Fail(errno) => return Outcome::Errno(errno),
        Begin::Walk(start) => start,
    };
    Outcome::wait(async move {
        match task.walk(start, &path, Last::Keep).await {
            Ok(reached) => task.link_text(reached, to, room).await.into(),
            Err(error) => Outcome::Fail(error),
        }
    })
}

impl Task {
    async fn link_text(&self, reached: Reached, to: UserPtr, room: i32) -> Result<Outcome, Error> {
        if let Reached::Native(native) = &reached
            && let Some(outcome) = magic_link(self, native.path.as_bytes(), to, room)
        {
            return Ok(outcome);
        }
        let Some(spot) = self.spot(reached) else { return Ok(Outcome::Resume) };
        let stat = self.stat_at(&spot).await?;
        if stat.kind != FileKind::Symlink {
            return Err(Errno::EINVAL.into());
        }
        let text = self.agent.ask(&spot.mount, spot.mount.driver.readlink(&spot.path)).await?;
        fill_text(text, to, room)
    }
}

/// A link of `/proc` that leads to a placeholder, or to a directory that a mount shows, tells the name that the program
/// knows.
fn magic_link(task: &Task, path: &[u8], to: UserPtr, room: i32) -> Option<Outcome> {
    if !path.starts_with(b"/proc/") || (task.agent.objects.is_empty() && !task.run.renames_native) {
        return None;
    }
    let components: Vec<Vec<u8>> =
        path.split(|&b| b == b'/').filter(|c| !c.is_empty()).skip(1).map(<[u8]>::to_vec).collect();
    let text = match magic::target(task, &components) {
        magic::Target::Object { object, used } if used == components.len() => object_name(task, &object)?,
        _ => magic::local_name(task, &components)?,
    };
    Some(fill_text(text, to, room).into())
}

/// What a link to an object says: its name, or the last one that it had.
fn object_name(task: &Task, object: &Object) -> Option<Vec<u8>> {
    // One of another run that this one cannot name shows the name that it has there, as the kernel does for other mounts.
    let name = object.last_name_in(&task.run).or_else(|| object.mount.shown(&object.driver_path()))?;
    if object.is_linked() {
        return Some(name.as_bytes().to_vec());
    }
    Some([name.as_bytes(), b" (deleted)"].concat())
}

/// readlinkat(fd, ""): of a link that was opened with O_PATH.
fn read_link_of_descriptor(call: Call<'_>) -> Outcome {
    let (to, room) = (call.pointer(2), call.int(3));
    let task = call.task();
    let Some(object) = task.object_of(call.int(0)) else { return Outcome::Resume };
    Outcome::wait(async move {
        if object.kind != FileKind::Symlink {
            return Outcome::Errno(Errno::ENOENT);
        }
        let path = object.driver_path();
        let text = task.agent.ask(&object.mount, object.mount.driver.readlink(&path)).await;
        text.and_then(|text| fill_text(text, to, room)).into()
    })
}
