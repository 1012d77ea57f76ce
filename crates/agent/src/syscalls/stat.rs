//! Asking for attributes.

use super::ids;
use super::path_call::{PathArg, follow_unless, on_path, on_text, on_text_of};
use crate::identity::View;
use crate::object::Object;
use crate::outcome::{Call, Outcome};
use crate::resolve::{Last, Spot};
use crate::tasks::Task;
use mynah_intercept::UserPtr;
use mynah_intercept::arch::{self, StatFields, StatfsFields};
use mynah_vfs::{Errno, Error, FileKind, FsStat, Mount, NAME_MAX, Stat, Time, VPath};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno as Io;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Where the device numbers of mounts begin: major 0 as for all file systems without a disk, and minors that the kernel,
/// which counts them up from 1, does not come to.
const DEV_MINOR_BASE: u32 = 0xf_0000;

/// Where the numbers of mounts begin, for statx(2): above those that the kernel gives, which count up from 1.
const MNT_ID_BASE: u64 = 0x4000_0000;
/// What is known of `stx_attributes`.
const ATTRIBUTES: u64 = libc::STATX_ATTR_MOUNT_ROOT as u64;

/// The form in which a caller wants attributes.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Stat,
    Statx {
        flags: u32,
        mask: u32,
    },
    /// `struct stat64` of 32-bit programs.
    I386Stat64,
}

/// `st_dev` of a mount's objects.
pub(super) fn device(mount: &Mount) -> u64 {
    libc::makedev(0, DEV_MINOR_BASE | (mount.driver_id.0 & 0xffff))
}

fn time(time: Time) -> (i64, u32) {
    (time.sec, time.nsec)
}

fn fields((uid, gid): (u32, u32), mount: &Mount, path: &VPath, stat: &Stat) -> StatFields {
    StatFields {
        dev: stat.local_dev.unwrap_or_else(|| device(mount)),
        ino: stat.id.0,
        mode: stat.full_mode(),
        nlink: stat.nlink,
        uid,
        gid,
        rdev: stat.rdev,
        size: stat.size,
        blksize: mount.options.blksize.unwrap_or(stat.blksize),
        blocks: stat.blocks,
        atime: time(stat.atime),
        mtime: time(stat.mtime),
        ctime: time(stat.ctime),
        btime: stat.btime.map(time),
        mnt_id: Some(MNT_ID_BASE | u64::from(mount.driver_id.0 & 0xffff)),
        attributes: if *path == mount.base { ATTRIBUTES } else { 0 },
        attributes_mask: ATTRIBUTES,
    }
}

fn fill(task: &Task, mount: &Mount, path: &VPath, stat: &Stat, form: Form, to: UserPtr) -> Outcome {
    let fields = fields(task.shown_owner(stat), mount, path, stat);
    let bytes = match form {
        Form::Stat => arch::encode_stat(&fields).to_vec(),
        Form::I386Stat64 => arch::encode_i386_stat64(&fields).to_vec(),
        Form::Statx { mask, .. } => arch::encode_statx(&fields, mask).to_vec(),
    };
    Outcome::Fill { to, bytes, value: 0 }
}

impl Task {
    /// The attributes of what a walk came to, with what was changed here and is not yet at the server.
    pub(super) async fn stat_at(&self, spot: &Spot) -> Result<Stat, Error> {
        let mut stat = match spot.stat {
            Some(stat) => stat,
            None => self.agent.lstat_believed(&spot.mount, &spot.path, true).await?,
        };
        if spot.must_be_dir && stat.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if let Some(object) = self.agent.objects.by_file(spot.mount.driver_id, &stat) {
            // Something went home while the server was asked: its answer may be older than that.
            if object.was_writable() && spot.asked != self.agent.dentries.moment() {
                stat = self.agent.ask(&spot.mount, spot.mount.driver.lstat(&spot.path)).await?;
            }
            object.overlay(&mut stat);
        }
        Ok(stat)
    }
}

pub(super) async fn answer(task: Task, spot: Spot, form: Form, to: UserPtr) -> Result<Outcome, Error> {
    let stat = task.stat_at(&spot).await?;
    Ok(fill(&task, &spot.mount, &spot.path, &stat, form, to))
}

/// Attributes of what a path names: ours where it leads into a mount.
fn of_path(call: Call<'_>, arg: PathArg, form: Form, to: UserPtr) -> Outcome {
    let Some(path) = call.path(arg.path) else { return Outcome::Resume };
    let task = call.task();
    let named = Named { path: path.clone(), last: arg.last };
    let outcome = on_text(call, arg.dirfd, path, arg.last, move |task, spot| answer(task, spot, form, to));
    outcome.or_natively(move || natively(task, arg.dirfd, Some(named), form, to))
}

/// A path of the machine's own.
struct Named {
    path: Vec<u8>,
    last: Last,
}

/// Attributes that are the kernel's to tell: of a path, or without one of the descriptor itself. If an identity is shown, we
/// ask in the program's stead where we would be told the same, which is some ten times quicker than to change what the
/// kernel has told the program.
fn natively(task: Task, dirfd: i32, named: Option<Named>, form: Form, to: UserPtr) -> Outcome {
    if !task.agent.identity.shows(View::User) {
        return Outcome::Resume;
    }
    let at = match form {
        Form::Stat => arch::STAT_OWNER,
        Form::Statx { .. } => arch::STATX_OWNER,
        Form::I386Stat64 => arch::I386_STAT64_OWNER,
    };
    let seen = match named {
        Some(named) => task.look(dirfd, &named),
        None => task.own_file(dirfd).map_err(|_| Unseen::Otherwise),
    };
    let bytes = seen.and_then(|file| bytes_of(&file, form).map_err(|_| Unseen::Otherwise));
    match bytes {
        Ok(mut bytes) => {
            task.agent.identity.show_owner(&mut bytes, at);
            Outcome::Fill { to, bytes, value: 0 }
        }
        Err(Unseen::Fails(errno)) => Outcome::Errno(errno),
        Err(Unseen::Otherwise) => ids::with_shown_owner(task, to, at),
    }
}

fn bytes_of(file: &OwnedFd, form: Form) -> std::io::Result<Vec<u8>> {
    Ok(match form {
        Form::I386Stat64 => return Err(std::io::ErrorKind::Unsupported.into()),
        Form::Stat => arch::stat_of(file.as_fd())?.to_vec(),
        Form::Statx { flags, mask } => {
            arch::statx_of(file.as_fd(), (flags & STATX_SYNC) as i32, mask)?.to_vec()
        }
    })
}

/// Why we cannot look in a program's stead.
enum Unseen {
    /// It would come to nothing either.
    Fails(Errno),
    /// It may see something else than we.
    Otherwise,
}

impl Task {
    /// The very file behind a descriptor, or the working directory.
    fn own_file(&self, fd: i32) -> std::io::Result<OwnedFd> {
        if fd != libc::AT_FDCWD {
            return self.descriptor(fd);
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(fs::open(self.proc("cwd"), flags, Mode::empty())?)
    }

    /// What a path of the machine's own names for the program.
    fn look(&self, dirfd: i32, named: &Named) -> Result<OwnedFd, Unseen> {
        if self.is_foreign() || self.agent.tasks.credentials_vary() {
            return Err(Unseen::Otherwise);
        }
        let start = if named.path.starts_with(b"/") { None } else { Some(self.own_file(dirfd)) };
        let start = start.transpose().map_err(|_| Unseen::Otherwise)?;
        let start = start.as_ref().map_or(fs::CWD, |start| start.as_fd());
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if named.last == Last::Keep {
            flags |= OFlags::NOFOLLOW;
        }
        let path = OsStr::from_bytes(&named.path);
        // A magic link leads each process somewhere else, and so does /proc/self.
        let file =
            fs::openat2(start, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(|errno| {
                match errno {
                    Io::NOENT | Io::NOTDIR | Io::ACCESS | Io::NAMETOOLONG => {
                        Errno::new(errno.raw_os_error()).map_or(Unseen::Otherwise, Unseen::Fails)
                    }
                    _ => Unseen::Otherwise,
                }
            })?;
        let stat = fs::fstat(&file).map_err(|_| Unseen::Otherwise)?;
        let numbered = named
            .path
            .strip_prefix(b"/proc/")
            .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit));
        if stat.st_dev == self.agent.proc_dev && !numbered {
            return Err(Unseen::Otherwise);
        }
        Ok(file)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn stat(call: Call<'_>) -> Outcome {
    let to = call.pointer(1);
    of_path(call, PathArg::cwd(0, Last::Follow), Form::Stat, to)
}

#[cfg(target_arch = "x86_64")]
pub(super) fn lstat(call: Call<'_>) -> Outcome {
    let to = call.pointer(1);
    of_path(call, PathArg::cwd(0, Last::Keep), Form::Stat, to)
}

pub(super) fn fstatat(call: Call<'_>) -> Outcome {
    let flags = call.bits(3);
    at(call, flags, Form::Stat, call.pointer(2))
}

pub(super) fn statx(call: Call<'_>) -> Outcome {
    let flags = call.bits(2);
    at(call, flags, Form::Statx { flags, mask: call.bits(3) }, call.pointer(4))
}

/// The flags that stat calls know (statx(2), fstatat(2)); all others give EINVAL.
const STAT_FLAGS: i32 = libc::AT_SYMLINK_NOFOLLOW
    | libc::AT_NO_AUTOMOUNT
    | libc::AT_EMPTY_PATH
    | libc::AT_STATX_FORCE_SYNC
    | libc::AT_STATX_DONT_SYNC;
const STATX_SYNC: u32 = (libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC) as u32;
const STATX_RESERVED: u32 = 0x8000_0000;

fn is_known(flags: u32, form: Form) -> bool {
    let mask_is_known = match form {
        Form::Statx { mask, .. } => mask & STATX_RESERVED == 0 && flags & STATX_SYNC != STATX_SYNC,
        _ => flags & STATX_SYNC == 0,
    };
    mask_is_known && flags & !(STAT_FLAGS as u32) == 0
}

fn at(call: Call<'_>, flags: u32, form: Form, to: UserPtr) -> Outcome {
    if !is_known(flags, form) {
        return Outcome::Errno(Errno::EINVAL);
    }
    if flags & libc::AT_EMPTY_PATH as u32 != 0
        && (call.arg(1) == 0 || call.path(1).is_some_and(|path| path.is_empty()))
    {
        return of_descriptor(call, form, to);
    }
    let last = follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    of_path(call, PathArg::at(call, 0, 1, last), form, to)
}

pub(super) fn fstat(call: Call<'_>) -> Outcome {
    of_descriptor(call, Form::Stat, call.pointer(1))
}

fn of_descriptor(call: Call<'_>, form: Form, to: UserPtr) -> Outcome {
    let task = call.task();
    let (object, stat) = match task.hosted(call.int(0)) {
        Some((object, fd)) => {
            let stat = object.stat_with(rustix::fs::fstat(&fd).ok());
            (object, stat)
        }
        None => match task.object_of(call.int(0)) {
            Some(object) => (Arc::clone(&object), object.stat()),
            None => return natively(task, call.int(0), None, form, to),
        },
    };
    // What others may have changed since it was opened, through names that are not known here, is asked for.
    if !object.is_linked() || (stat.kind != FileKind::Directory && stat.nlink <= 1) {
        return fill(&task, &task.mount_of(&object), &object.driver_path(), &stat, form, to);
    }
    Outcome::wait(async move {
        let (mount, path) = (task.mount_of(&object), object.driver_path());
        let now = match task.agent.lstat_believed(&mount, &path, true).await {
            Ok(mut now) if now.id == object.file_id() => {
                object.overlay(&mut now);
                now
            }
            _ => stat,
        };
        fill(&task, &mount, &path, &now, form, to)
    })
}

impl Task {
    /// The object that a descriptor, or AT_FDCWD, stands for.
    pub(super) fn object_of(&self, fd: i32) -> Option<Arc<Object>> {
        if self.agent.objects.is_empty() {
            return None;
        }
        if fd == libc::AT_FDCWD {
            return match self.cwd() {
                crate::tasks::Dir::Hosted(object) => Some(object),
                crate::tasks::Dir::Native(_) | crate::tasks::Dir::Nameless => None,
            };
        }
        self.hosted(fd).map(|(object, _)| object)
    }
}

fn fill_statfs(mount: &Mount, figures: &FsStat, to: UserPtr) -> Outcome {
    let fields = StatfsFields {
        kind: figures.kind,
        bsize: figures.bsize,
        blocks: figures.blocks,
        bfree: figures.bfree,
        bavail: figures.bavail,
        files: figures.files,
        ffree: figures.ffree,
        fsid: [device(mount) as i32, 0],
        namelen: NAME_MAX as u64,
        flags: if mount.options.read_only { libc::ST_RDONLY } else { 0 },
    };
    Outcome::Fill { to, bytes: arch::encode_statfs(&fields).to_vec(), value: 0 }
}

pub(super) fn statfs(call: Call<'_>) -> Outcome {
    let to = call.pointer(1);
    on_path(call, PathArg::cwd(0, Last::Follow), move |task, spot| async move {
        task.stat_at(&spot).await?;
        let figures = task.agent.ask(&spot.mount, spot.mount.driver.statfs(&spot.path)).await?;
        Ok(fill_statfs(&spot.mount, &figures, to))
    })
}

pub(super) fn fstatfs(call: Call<'_>) -> Outcome {
    let task = call.task();
    let to = call.pointer(1);
    let Some((object, _)) = task.hosted(call.int(0)) else { return Outcome::Resume };
    Outcome::wait(async move {
        let mount = task.mount_of(&object);
        // Without a name left, there is still the storage that it is on.
        let path = if object.is_linked() { object.driver_path() } else { mount.base.clone() };
        let figures = task.agent.ask(&mount, mount.driver.statfs(&path)).await;
        figures.map(|figures| fill_statfs(&mount, &figures, to)).into()
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn access(call: Call<'_>) -> Outcome {
    may(call, PathArg::cwd(0, Last::Follow), call.bits(1), 0)
}

/// faccessat(2), whose system call has no flags, and faccessat2(2).
pub(super) fn faccessat(call: Call<'_>) -> Outcome {
    let flags = if call.notification.call.number == libc::SYS_faccessat2 as u32 { call.bits(3) } else { 0 };
    if flags & !((libc::AT_SYMLINK_NOFOLLOW | libc::AT_EACCESS | libc::AT_EMPTY_PATH) as u32) != 0 {
        return Outcome::Errno(Errno::EINVAL);
    }
    if flags & libc::AT_EMPTY_PATH as u32 != 0 && call.path(1).is_some_and(|path| path.is_empty()) {
        return may_descriptor(call, flags);
    }
    let last = follow_unless(flags, libc::AT_SYMLINK_NOFOLLOW);
    may(call, PathArg::at(call, 0, 1, last), call.bits(2), flags)
}

/// R_OK, W_OK and X_OK in one: other bits are no mode of access(2).
const ACCESS_BITS: u32 = 7;

fn may(call: Call<'_>, arg: PathArg, bits: u32, flags: u32) -> Outcome {
    if bits & !ACCESS_BITS != 0 {
        return Outcome::Errno(Errno::EINVAL);
    }
    let Some(path) = call.path(arg.path) else { return Outcome::Resume };
    on_text_of(asking(call, flags), arg.dirfd, path, arg.last, move |task, spot| async move {
        let stat = task.stat_at(&spot).await?;
        task.allows(&spot.mount, &spot.path, &stat, bits).await.map(|()| Outcome::DONE)
    })
}

/// Who asks: the real user, unless the effective one is meant.
fn asking(call: Call<'_>, flags: u32) -> Task {
    Task { by_real_ids: flags & libc::AT_EACCESS as u32 == 0, ..call.task() }
}

fn may_descriptor(call: Call<'_>, flags: u32) -> Outcome {
    let task = asking(call, flags);
    let bits = call.bits(2);
    let Some(object) = task.object_of(call.int(0)) else { return Outcome::Resume };
    Outcome::wait(async move {
        let allowed = task.allows(&task.mount_of(&object), &object.driver_path(), &object.stat(), bits).await;
        allowed.map(|()| Outcome::DONE).into()
    })
}

impl Task {
    /// Whether mount and server, or we in its place, allow an access (`bits` of access(2)).
    pub(super) async fn allows(
        &self,
        mount: &Mount,
        path: &VPath,
        stat: &Stat,
        bits: u32,
    ) -> Result<(), Error> {
        let writes = bits & libc::W_OK as u32 != 0;
        let runs = bits & libc::X_OK as u32 != 0 && stat.kind == FileKind::Regular;
        if writes && mount.options.read_only {
            return Err(Errno::EROFS.into());
        }
        if runs && mount.options.noexec {
            return Err(Errno::EACCES.into());
        }
        if bits == 0 || stat.kind == FileKind::Symlink {
            return Ok(());
        }
        if let Some(caller) = self.judged() {
            return Ok(caller.permits(stat, bits)?);
        }
        self.agent.ask(mount, mount.driver.access(path, bits)).await
    }
}
