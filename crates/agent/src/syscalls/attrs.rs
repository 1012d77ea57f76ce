//! Changing attributes.

use super::path_call::{PathArg, follow_unless, on_path};
use crate::identity::NO_ID;
use crate::object::{Object, Objects, now};
use crate::outcome::{Call, Outcome};
use crate::resolve::{Last, Spot};
use crate::tasks::Task;
use mynah_intercept::{Tid, UserPtr, memory};
use mynah_vfs::{DriverId, Errno, Error, FileKind, NewTime, SetAttrs, Stat, Time, VPath};
use rustix::thread::CapabilitySet;
use std::sync::Arc;
use syscalls::Sysno;

impl Task {
    /// Changes attributes at the server, and what is remembered and shown here with them. What was written before and is not
    /// yet home goes first: its own time must not come over the one that is set.
    async fn set_attrs_at(&self, spot: &Spot, attrs: SetAttrs) -> Result<(), Error> {
        spot.writable()?;
        let stat = self.stat_at(spot).await?;
        let attrs = self.may_change(&stat, attrs)?;
        let agent = &self.agent;
        let object = agent.objects.by_file(spot.mount.driver_id, &stat);
        let Some(object) = object else {
            agent.ask(&spot.mount, spot.mount.driver.set_attrs(&spot.path, attrs)).await?;
            self.forget_attrs(spot.mount.driver_id, &spot.path, stat.kind);
            self.tell_attrs(spot.mount.driver_id, &spot.path, attrs);
            return Ok(());
        };
        object.carry_home(&agent.objects).await?;
        let _moving = object.moving.lock().await;
        agent.ask(&spot.mount, spot.mount.driver.set_attrs(&spot.path, attrs)).await?;
        self.forget_attrs(spot.mount.driver_id, &spot.path, stat.kind);
        let stat = agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await?;
        object.follow(&agent.objects, &stat, attrs)?;
        self.tell_attrs(spot.mount.driver_id, &spot.path, attrs);
        Ok(())
    }

    /// A directory's attributes say who may learn anything of what lies below.
    fn forget_attrs(&self, driver: DriverId, path: &VPath, kind: FileKind) {
        let dentries = &self.agent.dentries;
        if kind == FileKind::Directory {
            dentries.forget_tree(driver, path);
        } else {
            dentries.forget(driver, path);
        }
    }

    /// Tells those who watch.
    fn tell_attrs(&self, driver: DriverId, path: &VPath, attrs: SetAttrs) {
        let watches = self.agent.objects.watches();
        if attrs.size.is_some() {
            watches.content_changed(driver, path);
        } else {
            watches.attributes_changed(driver, path);
        }
    }

    /// The same for an open object: through its open file if it has one, which needs no name.
    async fn set_attrs_of(&self, object: &Arc<Object>, attrs: SetAttrs) -> Result<(), Error> {
        let mount = self.mount_of(object);
        if mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        let attrs = self.may_change(&object.stat(), attrs)?;
        let agent = &self.agent;
        object.carry_home(&agent.objects).await?;
        let _moving = object.moving.lock().await;
        let writer = crate::lock(&object.content).writer.clone();
        let path = object.driver_path();
        let stat = if let Some(file) = writer {
            agent.ask(&mount, file.set_attrs(attrs)).await?;
            agent.ask(&mount, file.stat()).await?
        } else {
            if !object.is_linked() {
                return self.set_attrs_here(object, attrs);
            }
            agent.ask(&mount, mount.driver.set_attrs(&path, attrs)).await?;
            agent.ask(&mount, mount.driver.lstat(&path)).await?
        };
        self.forget_attrs(mount.driver_id, &path, object.kind);
        object.follow(&agent.objects, &stat, attrs)?;
        if object.is_linked() {
            self.tell_attrs(mount.driver_id, &path, attrs);
        }
        Ok(())
    }

    /// The same for what has neither a name nor an open file at the server: it is with those who have it open, and only they
    /// can see the change. The rights that the server would ask for are asked for here (chmod(2), chown(2), utimensat(2)).
    fn set_attrs_here(&self, object: &Object, attrs: SetAttrs) -> Result<(), Error> {
        if attrs.size.is_some() {
            let path = object.driver_path();
            return Err(Error::new(Errno::ESTALE, format!("{path} has no name at the server any more")));
        }
        let stat = object.stat();
        let (user, _) = self.file_owner().ok_or(Errno::ESRCH)?;
        let owns = user == stat.uid || self.is_capable(CapabilitySet::FOWNER);
        let gives_away = attrs.uid.is_some_and(|uid| uid != stat.uid)
            || attrs.gid.is_some_and(|gid| gid != stat.gid && !self.is_in_group(gid));
        let may_give = self.is_capable(CapabilitySet::CHOWN) || (user == stat.uid && !gives_away);
        let changes_owner = attrs.uid.is_some() || attrs.gid.is_some();
        let changes_other = attrs.mode.is_some() || attrs.atime.is_some() || attrs.mtime.is_some();
        if (changes_owner && !may_give) || (changes_other && !owns) {
            return Err(Errno::EPERM.into());
        }
        object.change_here(attrs);
        Ok(())
    }
}

impl Object {
    /// Changes what is shown of a file that no server has any more.
    fn change_here(&self, attrs: SetAttrs) {
        let now = now();
        let moment = |new: NewTime| match new {
            NewTime::Now => now,
            NewTime::At(time) => time,
        };
        let stat = &mut crate::lock(&self.remote).stat;
        stat.mode = attrs.mode.unwrap_or(stat.mode);
        stat.uid = attrs.uid.unwrap_or(stat.uid);
        stat.gid = attrs.gid.unwrap_or(stat.gid);
        stat.atime = attrs.atime.map_or(stat.atime, moment);
        stat.mtime = attrs.mtime.map_or(stat.mtime, moment);
        stat.ctime = now;
    }

    /// Shows what was just changed at the server.
    fn follow(&self, objects: &Objects, stat: &Stat, attrs: SetAttrs) -> Result<(), Error> {
        if attrs.size.is_some() && self.kind == FileKind::Regular {
            return self.resized(objects, stat);
        }
        if attrs.mtime.is_some() && self.kind == FileKind::Regular {
            return self.dated(objects, stat);
        }
        crate::lock(&self.remote).stat = *stat;
        Ok(())
    }
}

fn set(call: Call<'_>, arg: PathArg, attrs: SetAttrs) -> Outcome {
    on_path(call, arg, move |task, spot| async move {
        task.set_attrs_at(&spot, attrs).await.map(|()| Outcome::DONE)
    })
}

/// By fchmod(2) and its kin, which need the file to be open.
fn set_of_open(call: Call<'_>, attrs: SetAttrs) -> Outcome {
    match call.task().opened(call.int(0)) {
        Some(_) => set_of_descriptor(call, attrs),
        None => Outcome::Resume,
    }
}

fn set_of_descriptor(call: Call<'_>, attrs: SetAttrs) -> Outcome {
    let task = call.task();
    let Some(object) = task.object_of(call.int(0)) else { return Outcome::Resume };
    Outcome::wait(async move { task.set_attrs_of(&object, attrs).await.map(|()| Outcome::DONE).into() })
}

/// Whether a call with flags means the descriptor itself.
fn names_descriptor(call: Call<'_>, flags: u32) -> bool {
    flags & libc::AT_EMPTY_PATH as u32 != 0 && call.path(1).is_some_and(|path| path.is_empty())
}

/// The two flags that these calls know.
fn has_unknown_flags(flags: u32) -> bool {
    flags & !((libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) as u32) != 0
}

fn mode(bits: u32) -> SetAttrs {
    SetAttrs { mode: Some(bits & 0o7777), ..SetAttrs::default() }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn chmod(call: Call<'_>) -> Outcome {
    set(call, PathArg::cwd(0, Last::Follow), mode(call.bits(1)))
}

pub(super) fn fchmod(call: Call<'_>) -> Outcome {
    set_of_open(call, mode(call.bits(1)))
}

/// fchmodat(2), whose system call has no flags, and fchmodat2(2).
pub(super) fn fchmodat(call: Call<'_>) -> Outcome {
    let flags = if call.notification.call.number == Sysno::fchmodat2 as u32 { call.bits(3) } else { 0 };
    if has_unknown_flags(flags) {
        return Outcome::Errno(Errno::EINVAL);
    }
    let attrs = mode(call.bits(2));
    if names_descriptor(call, flags) {
        return set_of_descriptor(call, attrs);
    }
    let last = follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    on_path(call, PathArg::at(call, 0, 1, last), move |task, spot| async move {
        if task.stat_at(&spot).await?.kind == FileKind::Symlink {
            // Linux has no modes of links (fchmodat(2)).
            return Err(Errno::EOPNOTSUPP.into());
        }
        task.set_attrs_at(&spot, attrs).await.map(|()| Outcome::DONE)
    })
}

/// Owner and group of a chown whose arguments they are from `at` on; all bits set means that one stays. `then` is given what
/// is really meant, and has to leave the machine's own files to the kernel.
fn change_owner(call: Call<'_>, at: usize, then: impl FnOnce(SetAttrs) -> Outcome) -> Outcome {
    let (uid, gid) = (call.bits(at), call.bits(at + 1));
    let identity = &call.agent.identity;
    let (real_uid, real_gid) = match identity.owner(uid, gid) {
        Ok(real) => real,
        Err(errno) => return Outcome::Errno(errno),
    };
    let given = |id| (id != NO_ID).then_some(id);
    let attrs = SetAttrs { uid: given(real_uid), gid: given(real_gid), ..SetAttrs::default() };
    let outcome = then(attrs);
    if (real_uid, real_gid) == (uid, gid) {
        return outcome;
    }
    let mut args = call.notification.call.args;
    (args[at], args[at + 1]) = (u64::from(real_uid), u64::from(real_gid));
    outcome.or_natively(move || Outcome::PerformWith(args))
}

#[cfg(target_arch = "x86_64")]
pub(super) fn chown(call: Call<'_>) -> Outcome {
    change_owner(call, 1, |attrs| set(call, PathArg::cwd(0, Last::Follow), attrs))
}

#[cfg(target_arch = "x86_64")]
pub(super) fn lchown(call: Call<'_>) -> Outcome {
    change_owner(call, 1, |attrs| set(call, PathArg::cwd(0, Last::Keep), attrs))
}

pub(super) fn fchown(call: Call<'_>) -> Outcome {
    change_owner(call, 1, |attrs| set_of_open(call, attrs))
}

pub(super) fn fchownat(call: Call<'_>) -> Outcome {
    let flags = call.bits(4);
    if has_unknown_flags(flags) {
        return Outcome::Errno(Errno::EINVAL);
    }
    let last = follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    change_owner(call, 2, |attrs| {
        if names_descriptor(call, flags) {
            return set_of_descriptor(call, attrs);
        }
        set(call, PathArg::at(call, 0, 1, last), attrs)
    })
}

pub(super) fn truncate(call: Call<'_>) -> Outcome {
    let length = call.arg(1) as i64;
    on_path(call, PathArg::cwd(0, Last::Follow), move |task, spot| async move {
        let size = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
        let stat = task.stat_at(&spot).await?;
        match stat.kind {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        if size > stat.size && size > task.file_size_limit() {
            task.signal(libc::SIGXFSZ);
            return Err(Errno::EFBIG.into());
        }
        let attrs = SetAttrs { size: Some(size), ..SetAttrs::default() };
        task.set_attrs_at(&spot, attrs).await.map(|()| Outcome::DONE)
    })
}

/// The forms in which callers give two times.
#[derive(Clone, Copy)]
enum TimeForm {
    /// `struct timespec[2]`.
    Timespec,
    /// `struct timeval[2]`.
    #[cfg(target_arch = "x86_64")]
    Timeval,
    /// `struct utimbuf`.
    #[cfg(target_arch = "x86_64")]
    Utimbuf,
}

/// Reads two times. `None` for a bad pointer, which the kernel has the answer to.
fn times(tid: Tid, from: UserPtr, form: TimeForm) -> Option<Result<SetAttrs, Errno>> {
    if from.is_null() {
        let now = Some(NewTime::Now);
        return Some(Ok(SetAttrs { atime: now, mtime: now, ..SetAttrs::default() }));
    }
    let mut words = [0i64; 4];
    let count = match form {
        #[cfg(target_arch = "x86_64")]
        TimeForm::Utimbuf => 2,
        _ => 4,
    };
    for (at, word) in words.iter_mut().take(count).enumerate() {
        *word = memory::read_u64(tid, from.offset(8 * at as u64)).ok()? as i64;
    }
    Some(match form {
        TimeForm::Timespec => timespecs(words),
        #[cfg(target_arch = "x86_64")]
        TimeForm::Timeval => timevals(words),
        #[cfg(target_arch = "x86_64")]
        TimeForm::Utimbuf => {
            let at = |sec| Some(NewTime::At(Time { sec, nsec: 0 }));
            Ok(SetAttrs { atime: at(words[0]), mtime: at(words[1]), ..SetAttrs::default() })
        }
    })
}

fn timespecs(words: [i64; 4]) -> Result<SetAttrs, Errno> {
    let one = |sec: i64, nsec: i64| match nsec {
        libc::UTIME_NOW => Ok(Some(NewTime::Now)),
        libc::UTIME_OMIT => Ok(None),
        0..=999_999_999 => Ok(Some(NewTime::At(Time { sec, nsec: nsec as u32 }))),
        _ => Err(Errno::EINVAL),
    };
    let (atime, mtime) = (one(words[0], words[1])?, one(words[2], words[3])?);
    Ok(SetAttrs { atime, mtime, ..SetAttrs::default() })
}

#[cfg(target_arch = "x86_64")]
fn timevals(words: [i64; 4]) -> Result<SetAttrs, Errno> {
    let one = |sec: i64, usec: i64| match usec {
        0..=999_999 => Ok(Some(NewTime::At(Time { sec, nsec: usec as u32 * 1000 }))),
        _ => Err(Errno::EINVAL),
    };
    let (atime, mtime) = (one(words[0], words[1])?, one(words[2], words[3])?);
    Ok(SetAttrs { atime, mtime, ..SetAttrs::default() })
}

fn date(call: Call<'_>, arg: PathArg, times_at: UserPtr, form: TimeForm) -> Outcome {
    match times(call.tid(), times_at, form) {
        // With nothing to change the kernel does not even look at the path (utimensat(2)).
        Some(Ok(attrs)) if attrs.is_empty() => Outcome::DONE,
        Some(Ok(attrs)) => set(call, arg, attrs),
        // The kernel looks at the path first, but for a timeval.
        Some(Err(errno)) if !matches!(form, TimeForm::Timespec) => Outcome::Errno(errno),
        Some(Err(errno)) => on_path(call, arg, move |task, spot| async move {
            task.stat_at(&spot).await?;
            Err(errno.into())
        }),
        None => Outcome::Resume,
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn utime(call: Call<'_>) -> Outcome {
    date(call, PathArg::cwd(0, Last::Follow), call.pointer(1), TimeForm::Utimbuf)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn utimes(call: Call<'_>) -> Outcome {
    date(call, PathArg::cwd(0, Last::Follow), call.pointer(1), TimeForm::Timeval)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn futimesat(call: Call<'_>) -> Outcome {
    if call.arg(1) == 0 && call.task().opened(call.int(0)).is_none() {
        return Outcome::Resume;
    }
    if call.arg(1) == 0 {
        return date_descriptor(call, call.pointer(2), TimeForm::Timeval);
    }
    date(call, PathArg::at(call, 0, 1, Last::Follow), call.pointer(2), TimeForm::Timeval)
}

pub(super) fn utimensat(call: Call<'_>) -> Outcome {
    let flags = call.bits(3);
    if has_unknown_flags(flags) {
        return Outcome::Errno(Errno::EINVAL);
    }
    if call.arg(1) == 0 && call.task().opened(call.int(0)).is_none() {
        return Outcome::Resume;
    }
    // Without a path there is nothing that flags could be about; with nothing to change the kernel does not look at them.
    if call.arg(1) == 0 && flags != 0 {
        return match times(call.tid(), call.pointer(2), TimeForm::Timespec) {
            Some(Ok(attrs)) if !attrs.is_empty() => Outcome::Errno(Errno::EINVAL),
            _ => Outcome::Resume,
        };
    }
    if call.arg(1) == 0 || names_descriptor(call, flags) {
        return date_descriptor(call, call.pointer(2), TimeForm::Timespec);
    }
    let last = follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    date(call, PathArg::at(call, 0, 1, last), call.pointer(2), TimeForm::Timespec)
}

fn date_descriptor(call: Call<'_>, times_at: UserPtr, form: TimeForm) -> Outcome {
    if call.task().object_of(call.int(0)).is_none() {
        return Outcome::Resume;
    }
    match times(call.tid(), times_at, form) {
        Some(Ok(attrs)) if attrs.is_empty() => Outcome::DONE,
        Some(Ok(attrs)) => set_of_descriptor(call, attrs),
        Some(Err(errno)) => Outcome::Errno(errno),
        None => Outcome::Errno(Errno::EFAULT),
    }
}
