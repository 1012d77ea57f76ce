//! A directory, or a single file, of this machine.
//!
//! Confinement is the kernel's: every path is opened below a descriptor of the root by openat2(2) with
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS` down to the parent, and the last name is then used
//! relative to that parent without following it. No rename or link made meanwhile leads out. A link in the middle of a
//! path is ELOOP: the caller resolves links.
//!
//! Where a call acts on the object and has no form that takes a name and leaves a link alone (chmod, truncation,
//! extended attributes), the object is held by an `O_PATH` descriptor and reached through `/proc/self/fd`, so `/proc`
//! must be mounted.
//!
//! The process's umask applies to what is made here: a process that serves others sets it to 0, for the modes it
//! receives have passed the caller's own umask. It also ignores SIGXFSZ, so that a file size limit is EFBIG.
//!
//! Calls on names are made in place: they are a few microseconds where the directory is cached, and a slow disk holds up
//! the worker that calls. Reading, writing, syncing and listing go to the runtime's blocking threads (reads that the
//! page cache can answer at once do not), so a tokio runtime must be running.

mod attrs;
mod file;
mod place;
mod xattr;

use attrs::{apply, stat_at};
use file::LocalFile;
use mynah_vfs::{
    Capabilities, Driver, Entry, Errno, Error, FileKind, FsStat, Op, OpenHow, Opened, RenameHow, Result,
    SetAttrs, Stat, VPath, XattrHow, check_name,
};
use place::{Handle, Root};
use rustix::fs::{self, Access, AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::Errno as Code;
use std::collections::HashSet;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest listing, in entries: at some 300 bytes each, a gigabyte. More is EFBIG.
pub const LIST_MAX: usize = 4 << 20;
/// Room for one getdents64(2), in bytes: about a thousand names a call.
const LIST_BUFFER: usize = 32 << 10;
/// How often an open with `create` looks again when the name comes and goes under it.
const OPEN_ROUNDS: usize = 16;

/// Serves a directory or a file of this machine; see the [module](self).
#[derive(Debug)]
pub struct LocalDriver {
    root: Root,
}

impl LocalDriver {
    /// Serves all that lies below the directory `root`, which may be named by a link.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EACCES; ENOSYS where the kernel has no openat2 (before 5.6, or forbidden by a sandbox).
    pub fn new(root: impl AsRef<Path>) -> Result<Arc<LocalDriver>> {
        Root::directory(root.as_ref()).map(|root| Arc::new(LocalDriver { root }))
    }

    /// Serves one file: `/` is the file, and there is nothing else. The file may be absent, its directory not.
    ///
    /// # Errors
    /// Those of [`LocalDriver::new`] for the file's directory; EISDIR if the path names none but a directory (`/`, `..`).
    pub fn file(path: impl AsRef<Path>) -> Result<Arc<LocalDriver>> {
        Root::file(path.as_ref()).map(|root| Arc::new(LocalDriver { root }))
    }

    fn lstat(&self, path: &VPath) -> rustix::io::Result<Stat> {
        let place = self.root.place(path)?;
        stat_at(place.dir(), place.name(), AtFlags::SYMLINK_NOFOLLOW, self.root.dev())
    }

    fn readlink(&self, path: &VPath) -> rustix::io::Result<Vec<u8>> {
        let place = self.root.place(path)?;
        if place.is_root_directory() {
            return Err(Code::INVAL);
        }
        fs::readlinkat(place.dir(), place.name(), Vec::new()).map(std::ffi::CString::into_bytes)
    }

    fn access(&self, path: &VPath, bits: u32) -> rustix::io::Result<()> {
        let access = Access::from_bits(bits).ok_or(Code::INVAL)?;
        let place = self.root.place(path)?;
        if place.is_root_directory() {
            return fs::accessat(fs::CWD, place.handle()?.proc_path(), access, AtFlags::EACCESS);
        }
        fs::accessat(place.dir(), place.name(), access, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EACCESS)
    }

    fn statfs(&self, path: &VPath) -> rustix::io::Result<FsStat> {
        let figures = fs::fstatfs(self.root.place(path)?.handle()?)?;
        Ok(FsStat {
            kind: unsigned(figures.f_type),
            bsize: unsigned(figures.f_bsize),
            blocks: figures.f_blocks,
            bfree: figures.f_bfree,
            bavail: figures.f_bavail,
            files: figures.f_files,
            ffree: figures.f_ffree,
        })
    }

    fn mkdir(&self, path: &VPath, mode: u32) -> rustix::io::Result<()> {
        let place = self.root.place_below(path, Code::EXIST)?;
        fs::mkdirat(place.dir(), place.name(), Mode::from_raw_mode(mode & 0o7777))
    }

    fn mknod(&self, path: &VPath, kind: FileKind, mode: u32, rdev: u64) -> rustix::io::Result<()> {
        let place = self.root.place_below(path, Code::EXIST)?;
        let kind = FileType::from_raw_mode(kind.mode_bits());
        fs::mknodat(place.dir(), place.name(), kind, Mode::from_raw_mode(mode & 0o7777), rdev)
    }

    fn unlink(&self, path: &VPath) -> rustix::io::Result<()> {
        let root = if self.root.is_file() { Code::BUSY } else { Code::ISDIR };
        let place = self.root.place_below(path, root)?;
        fs::unlinkat(place.dir(), place.name(), AtFlags::empty())
    }

    fn rmdir(&self, path: &VPath) -> rustix::io::Result<()> {
        let root = if self.root.is_file() { Code::NOTDIR } else { Code::BUSY };
        let place = self.root.place_below(path, root)?;
        fs::unlinkat(place.dir(), place.name(), AtFlags::REMOVEDIR)
    }

    fn rename(&self, old: &VPath, new: &VPath, how: RenameHow) -> rustix::io::Result<()> {
        let flags = match how {
            RenameHow::Replace => RenameFlags::empty(),
            RenameHow::NoReplace => RenameFlags::NOREPLACE,
            RenameHow::Exchange => RenameFlags::EXCHANGE,
        };
        let old = self.root.place_below(old, Code::BUSY)?;
        let new = self.root.place_below(new, Code::BUSY)?;
        fs::renameat_with(old.dir(), old.name(), new.dir(), new.name(), flags)
    }

    fn link(&self, old: &VPath, new: &VPath) -> rustix::io::Result<()> {
        let old = self.root.place(old)?;
        // The kernel looks the old name up before it goes to the new one's parent.
        let new = self.root.place_below(new, Code::EXIST).or_else(|code| old.handle().and(Err(code)))?;
        let old_name = if old.is_root_directory() { c"." } else { old.name() };
        fs::linkat(old.dir(), old_name, new.dir(), new.name(), AtFlags::empty())
    }

    fn symlink(&self, text: &[u8], new: &VPath) -> rustix::io::Result<()> {
        let new = self.root.place_below(new, Code::EXIST)?;
        fs::symlinkat(text, new.dir(), new.name())
    }

    fn set_attrs(&self, path: &VPath, attrs: &SetAttrs) -> rustix::io::Result<()> {
        apply(&self.root.place(path)?.handle()?, attrs)
    }

    /// Opens a regular file, and never anything else: not even for a moment, for the open of a FIFO or a device is an act.
    fn open_file(&self, path: &VPath, how: OpenHow) -> rustix::io::Result<Start> {
        let place = self.root.place(path)?;
        let flags = open_flags(how)?;
        for _ in 0..OPEN_ROUNDS {
            if how.create && !place.is_root_directory() {
                let create = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                match fs::openat(place.dir(), place.name(), create, Mode::from_raw_mode(how.mode & 0o7777)) {
                    Err(Code::EXIST) if !how.exclusive => {}
                    made => return made.map(Start::Opened),
                }
            }
            let handle = match place.handle() {
                Err(Code::NOENT) if how.create => continue,
                handle => handle?,
            };
            if how.create && how.exclusive {
                return Err(Code::EXIST);
            }
            return reopen(handle, flags);
        }
        // Somebody makes and removes the name faster than we can open it.
        Err(Code::AGAIN)
    }
}

/// An open that is done, or one that has to wait for somebody's lease on the file, fcntl(2) `F_SETLEASE`.
enum Start {
    Opened(OwnedFd),
    Leased(Handle, OFlags),
}

fn open_flags(how: OpenHow) -> rustix::io::Result<OFlags> {
    let access = match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (true, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (false, false) => return Err(Code::INVAL),
    };
    let truncate = if how.truncate { OFlags::TRUNC } else { OFlags::empty() };
    Ok(access | truncate | OFlags::CLOEXEC)
}

fn reopen(handle: Handle, flags: OFlags) -> rustix::io::Result<Start> {
    match handle.kind()? {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Code::ISDIR),
        FileType::Symlink => return Err(Code::LOOP),
        _ => return Err(Code::NXIO),
    }
    match handle.open(flags | OFlags::NONBLOCK) {
        Err(Code::AGAIN) => Ok(Start::Leased(handle, flags)),
        opened => opened.map(Start::Opened),
    }
}

/// All entries of an open directory.
fn read_entries(dir: &OwnedFd, root_dev: u64) -> rustix::io::Result<Vec<Entry>> {
    let mut buffer = vec![MaybeUninit::uninit(); LIST_BUFFER];
    let mut listing = RawDir::new(dir, &mut buffer);
    let mut entries = Vec::new();
    // A directory that changes while it is read may show a name twice.
    let mut seen = HashSet::new();
    while let Some(found) = listing.next() {
        let found = found?;
        let name = found.file_name();
        if check_name(name.to_bytes()).is_err() || !seen.insert(name.to_bytes().to_vec()) {
            continue;
        }
        let stat = match stat_at(dir, name, AtFlags::SYMLINK_NOFOLLOW, root_dev) {
            Ok(stat) => Some(stat),
            Err(Code::NOENT) => continue,
            // A directory that can be read but not searched shows its names alone.
            Err(_) => None,
        };
        if entries.len() == LIST_MAX {
            return Err(Code::FBIG);
        }
        entries.push(Entry { name: name.to_bytes().to_vec(), stat });
    }
    Ok(entries)
}

/// Runs what may wait for a disk where waiting holds up nobody else.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> rustix::io::Result<T> + Send + 'static,
    what: impl FnOnce() -> String,
) -> Result<T> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|code| failure(code, what())),
        Err(cause) => Err(Error::transient(Errno::EIO, what()).caused_by(cause)),
    }
}

/// The error of a system call, with what was asked.
fn failure(code: Code, what: String) -> Error {
    let errno = Errno::new(code.raw_os_error()).unwrap_or(Errno::EIO);
    match code {
        Code::AGAIN | Code::INTR | Code::NOMEM | Code::NFILE | Code::MFILE | Code::NOSPC | Code::DQUOT => {
            Error::transient(errno, what)
        }
        _ => Error::new(errno, what),
    }
}

/// A call made in place when its future is first polled.
fn at_once<'a, T: Send + 'a>(
    what: &'static str,
    path: &'a VPath,
    call: impl FnOnce() -> rustix::io::Result<T> + Send + 'a,
) -> Op<'a, T> {
    Box::pin(async move { call().map_err(|code| failure(code, format!("{what} of {path}"))) })
}

fn unsigned(figure: i64) -> u64 {
    u64::try_from(figure).unwrap_or(0)
}

impl Driver for LocalDriver {
    fn capabilities(&self) -> Capabilities {
        Capabilities { write: true, stable_ids: true, time_step_ns: 1 }
    }

    fn local_path(&self, path: &VPath) -> Option<PathBuf> {
        self.root.local_path(path)
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        at_once("lstat", path, || self.lstat(path))
    }

    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        Box::pin(async move {
            let what = || format!("listing of {path}");
            let dir = self.root.open_directory(path).map_err(|code| failure(code, what()))?;
            let root_dev = self.root.dev();
            blocking(move || read_entries(&dir, root_dev), what).await
        })
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        at_once("readlink", path, || self.readlink(path))
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        Box::pin(async move {
            let what = || format!("open of {path}");
            let fd = match self.open_file(path, how).map_err(|code| failure(code, what()))? {
                Start::Opened(fd) => fd,
                Start::Leased(handle, flags) => blocking(move || handle.open(flags), what).await?,
            };
            let file = LocalFile::new(fd, path.clone(), self.root.dev());
            let stat = file.stat_now().map_err(|code| failure(code, what()))?;
            Ok(Opened { file: Arc::new(file), stat })
        })
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        at_once("access check", path, move || self.access(path, bits))
    }

    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat> {
        at_once("statfs", path, || self.statfs(path))
    }

    fn mkdir<'a>(&'a self, path: &'a VPath, mode: u32) -> Op<'a, ()> {
        at_once("mkdir", path, move || self.mkdir(path, mode))
    }

    fn mknod<'a>(&'a self, path: &'a VPath, kind: FileKind, mode: u32, rdev: u64) -> Op<'a, ()> {
        at_once("mknod", path, move || self.mknod(path, kind, mode, rdev))
    }

    fn unlink<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        at_once("unlink", path, || self.unlink(path))
    }

    fn rmdir<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        at_once("rmdir", path, || self.rmdir(path))
    }

    fn rename<'a>(&'a self, old: &'a VPath, new: &'a VPath, how: RenameHow) -> Op<'a, ()> {
        at_once("rename", old, move || self.rename(old, new, how))
    }

    fn link<'a>(&'a self, old: &'a VPath, new: &'a VPath) -> Op<'a, ()> {
        at_once("link", old, || self.link(old, new))
    }

    fn symlink<'a>(&'a self, text: &'a [u8], new: &'a VPath) -> Op<'a, ()> {
        at_once("symlink", new, || self.symlink(text, new))
    }

    fn set_attrs<'a>(&'a self, path: &'a VPath, attrs: SetAttrs) -> Op<'a, ()> {
        at_once("change of attributes", path, move || self.set_attrs(path, &attrs))
    }

    fn getxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, Vec<u8>> {
        at_once("getxattr", path, || xattr::value(&self.root.place(path)?.handle()?, name))
    }

    fn listxattr<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        at_once("listxattr", path, || xattr::names(&self.root.place(path)?.handle()?))
    }

    fn setxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8], value: &'a [u8], how: XattrHow) -> Op<'a, ()> {
        at_once("setxattr", path, move || xattr::set(&self.root.place(path)?.handle()?, name, value, how))
    }

    fn removexattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, ()> {
        at_once("removexattr", path, || xattr::remove(&self.root.place(path)?.handle()?, name))
    }
}
