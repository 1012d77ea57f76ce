//! Where a path of the driver lies: a descriptor of its parent and its last name.

use super::failure;
use mynah_vfs::{Result, VPath};
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno as Code;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What is served: a directory, or one name in a directory.
#[derive(Debug)]
pub(super) struct Root {
    /// The directory, or the parent of the file: `O_PATH`.
    dir: OwnedFd,
    /// The file's name, if a file is served.
    file: Option<CString>,
    /// Canonical path of the directory or file.
    path: PathBuf,
    dev: u64,
}

/// One path, opened down to its parent.
#[derive(Debug)]
pub(super) struct Place<'a> {
    dir: Dir<'a>,
    /// Empty for a root directory.
    name: CString,
}

#[derive(Debug)]
enum Dir<'a> {
    Root(BorrowedFd<'a>),
    Opened(OwnedFd),
}

/// One object, held by an `O_PATH` descriptor: it stays this object whatever happens to its names.
#[derive(Debug)]
pub(super) struct Handle(OwnedFd);

impl Root {
    pub(super) fn directory(path: &Path) -> Result<Root> {
        let what = || format!("opening {} to serve it", path.display());
        let canonical = canonical(path)?;
        let dir = open_path(&canonical).map_err(|code| failure(code, what()))?;
        let dev = fs::fstat(&dir).map_err(|code| failure(code, what()))?.st_dev;
        // Better to learn here than at the first use that the kernel cannot confine us.
        open_beneath(dir.as_fd(), OsStr::new("."))
            .map_err(|code| failure(code, format!("{} below itself by openat2", what())))?;
        Ok(Root { dir, file: None, path: canonical, dev })
    }

    pub(super) fn file(path: &Path) -> Result<Root> {
        let Some(name) = path.file_name().map(OsStr::to_os_string) else {
            return Err(failure(Code::ISDIR, format!("{} as a file to serve", path.display())));
        };
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let mut root = Root::directory(parent)?;
        root.path.push(&name);
        root.file =
            Some(CString::new(name.into_vec()).map_err(|_| failure(Code::INVAL, "NUL in a name".into()))?);
        Ok(root)
    }

    pub(super) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// The device number of the root's own file system.
    pub(super) fn dev(&self) -> u64 {
        self.dev
    }

    pub(super) fn local_path(&self, path: &VPath) -> Option<PathBuf> {
        match (&self.file, path.is_root()) {
            (_, true) => Some(self.path.clone()),
            (Some(_), false) => None,
            (None, false) => Some(self.path.join(OsStr::from_bytes(relative(path)))),
        }
    }

    /// Where `path` lies; its last name need not exist.
    pub(super) fn place(&self, path: &VPath) -> rustix::io::Result<Place<'_>> {
        let Some(name) = path.name() else {
            let name = self.file.clone().unwrap_or_default();
            return Ok(Place { dir: Dir::Root(self.dir.as_fd()), name });
        };
        if self.is_file() {
            return Err(Code::NOTDIR);
        }
        let dir = match path.parent() {
            Some(parent) if !parent.is_root() => {
                Dir::Opened(open_beneath(self.dir.as_fd(), OsStr::from_bytes(relative(&parent)))?)
            }
            _ => Dir::Root(self.dir.as_fd()),
        };
        Ok(Place { dir, name: CString::new(name).map_err(|_| Code::INVAL)? })
    }

    /// As [`Root::place`], for calls that cannot have the root itself as their object.
    pub(super) fn place_below(&self, path: &VPath, at_root: Code) -> rustix::io::Result<Place<'_>> {
        if path.is_root() { Err(at_root) } else { self.place(path) }
    }

    /// Opens a directory for listing.
    pub(super) fn open_directory(&self, path: &VPath) -> rustix::io::Result<OwnedFd> {
        let place = self.place(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if place.is_root_directory() {
            return place.handle()?.open(flags);
        }
        fs::openat(place.dir(), place.name(), flags | OFlags::NOFOLLOW, Mode::empty())
    }
}

impl Place<'_> {
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        match &self.dir {
            Dir::Root(dir) => *dir,
            Dir::Opened(dir) => dir.as_fd(),
        }
    }

    /// The last name; empty for a root directory, where only calls that take `AT_EMPTY_PATH` can use it.
    pub(super) fn name(&self) -> &CStr {
        &self.name
    }

    pub(super) fn is_root_directory(&self) -> bool {
        self.name.is_empty()
    }

    /// Holds the object itself, a link included.
    pub(super) fn handle(&self) -> rustix::io::Result<Handle> {
        if self.is_root_directory() {
            return rustix::io::fcntl_dupfd_cloexec(self.dir(), 0).map(Handle);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(self.dir(), self.name(), flags, Mode::empty()).map(Handle)
    }
}

impl Handle {
    pub(super) fn kind(&self) -> rustix::io::Result<FileType> {
        Ok(FileType::from_raw_mode(fs::fstat(&self.0)?.st_mode))
    }

    /// A name of the object that works as long as the handle is held.
    pub(super) fn proc_path(&self) -> String {
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }

    /// Opens the object, which is not a link.
    pub(super) fn open(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        fs::open(self.proc_path(), flags, Mode::empty())
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
        .map_err(|cause| mynah_vfs::Error::io(format!("opening {} to serve it", path.display()), cause))
}

fn open_path(path: &Path) -> rustix::io::Result<OwnedFd> {
    fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_beneath(root: BorrowedFd<'_>, path: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(root, path, flags, Mode::empty(), resolve)
}

/// The path without its leading slash.
fn relative(path: &VPath) -> &[u8] {
    &path.as_bytes()[1..]
}
