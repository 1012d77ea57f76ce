//! Watching remote directories and files by inotify(7).
//!
//! What a program's own inotify instance is given to watch is a shadow: a tree of directories in the cache that has the server's
//! names wherever something is watched. Each change that this Mynah makes at a server it makes in the shadow once more, and
//! the kernel tells of it as of any other: names, cookies, masks, one-shot watches and the limits of the queue are its
//! own. A regular file lies there by a hard link to its placeholder, and programs open it by that link, so that its writes and
//! closes are told to its directory. What others change at the server is not told.

use crate::lock;
use crate::object::Object;
use mynah_cache::{Ident, Placeholder, Store};
use mynah_vfs::{DriverId, Errno, FileKind, RenameHow, VPath};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, RenameFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Names that one watched directory may have: each takes an inode of the cache's file system.
const NAMES_MAX: usize = 64 * 1024;

/// The shadows of one run.
pub(crate) struct Watches {
    root: PathBuf,
    /// Whether anything was ever watched: until then nothing is done twice.
    any: AtomicBool,
    /// The directories whose shadows have all their names. Held while shadows change.
    whole: Mutex<HashSet<(DriverId, VPath)>>,
}

fn errno(error: io::Errno) -> Errno {
    Errno::new(error.raw_os_error()).unwrap_or(Errno::EIO)
}

fn ident(path: &Path) -> Option<Ident> {
    fs::lstat(path).ok().map(|stat| Ident { dev: stat.st_dev, ino: stat.st_ino })
}

/// An entry that stands for what is no regular file that somebody has open.
fn make(path: &Path, kind: FileKind) -> io::Result<()> {
    match kind {
        FileKind::Directory => fs::mkdir(path, Mode::RWXU),
        _ => fs::mknodat(CWD, path, FileType::RegularFile, Mode::RWXU, 0),
    }
}

/// Whatever is there, it goes.
fn take_away(path: &Path) {
    let gone = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    if let Err(error) = gone
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!("a shadow could not be taken away: {error}");
    }
}

/// A change could not be made a second time: a watcher misses it, and all else goes on.
fn told(what: &'static str, done: io::Result<()>) {
    if let Err(error) = done {
        tracing::debug!("{what} is not told to those who watch: {error}");
    }
}

impl Watches {
    pub(crate) fn new(store: &Store) -> Watches {
        Watches { root: store.shadows(), any: AtomicBool::new(false), whole: Mutex::default() }
    }

    /// Whether nothing was ever watched.
    pub(crate) fn is_idle(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    fn path(&self, driver: DriverId, path: &VPath) -> PathBuf {
        let mut shadow = self.root.join(driver.0.to_string());
        shadow.extend(path.components().map(OsStr::from_bytes));
        shadow
    }

    /// Where names lie while they are in no directory that could be watched.
    fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    /// Whether all names of a directory are told of.
    fn is_whole(whole: &HashSet<(DriverId, VPath)>, driver: DriverId, directory: Option<VPath>) -> bool {
        directory.is_some_and(|directory| whole.contains(&(driver, directory)))
    }

    /// Whether a directory is watched already, so that its shadow has its names.
    pub(crate) fn knows(&self, driver: DriverId, directory: &VPath) -> bool {
        lock(&self.whole).contains(&(driver, directory.clone()))
    }

    /// The shadow of a directory with these names, each with whether it is a directory, and the object that is open there if any.
    ///
    /// # Errors
    /// ENOSPC for too many names, as for too many watches; those of the cache's file system.
    pub(crate) fn directory(
        &self,
        driver: DriverId,
        directory: &VPath,
        entries: Vec<(VPath, FileKind, Option<Arc<Object>>)>,
    ) -> Result<PathBuf, Errno> {
        self.any.store(true, Ordering::Release);
        let mut whole = lock(&self.whole);
        let shadow = self.path(driver, directory);
        if entries.len() > NAMES_MAX {
            return Err(Errno::ENOSPC);
        }
        std::fs::create_dir_all(&shadow).map_err(|error| Errno::of_io(&error))?;
        for (path, kind, object) in entries {
            self.enter(driver, &path, kind, object.as_deref()).map_err(errno)?;
        }
        whole.insert((driver, directory.clone()));
        Ok(shadow)
    }

    /// The shadow of anything else, alone in its directory's.
    ///
    /// # Errors
    /// Those of the cache's file system.
    pub(crate) fn alone(
        &self,
        driver: DriverId,
        path: &VPath,
        kind: FileKind,
        object: Option<&Object>,
    ) -> Result<PathBuf, Errno> {
        self.any.store(true, Ordering::Release);
        let _held = lock(&self.whole);
        let shadow = self.path(driver, path);
        if let Some(above) = shadow.parent() {
            std::fs::create_dir_all(above).map_err(|error| Errno::of_io(&error))?;
        }
        self.enter(driver, path, kind, object).map_err(errno)?;
        Ok(shadow)
    }

    /// Puts an entry where nobody watches yet. Descriptors that are open already go with the placeholder's name, which is moved,
    /// and then made again: the kernel knows by the name through which a file was opened whom to tell.
    fn enter(
        &self,
        driver: DriverId,
        path: &VPath,
        kind: FileKind,
        object: Option<&Object>,
    ) -> io::Result<()> {
        let shadow = self.path(driver, path);
        let Some(object) = object.filter(|_| kind == FileKind::Regular) else {
            return match make(&shadow, kind) {
                Err(io::Errno::EXIST) => Ok(()),
                made => made,
            };
        };
        if ident(&shadow) == Some(object.placeholder.ident) {
            return Ok(());
        }
        let kept = self.aside();
        take_away(&kept);
        match fs::link(&object.placeholder.path, &kept) {
            Err(io::Errno::XDEV) => return Self::stand_in(&shadow),
            linked => linked?,
        }
        fs::rename(&object.placeholder.path, &shadow)?;
        fs::rename(&kept, &object.placeholder.path)
    }

    /// For a program whose placeholder lies on another file system: its name is told of, and not that it is read.
    fn stand_in(shadow: &Path) -> io::Result<()> {
        match make(shadow, FileKind::Regular) {
            Err(io::Errno::EXIST) => Ok(()),
            made => made,
        }
    }

    /// A placeholder for a file whose shadow exists already, and stands for no other: the very same file.
    pub(crate) fn adopt(&self, store: &Store, driver: DriverId, path: &VPath) -> Option<Placeholder> {
        if self.is_idle() {
            return None;
        }
        let _held = lock(&self.whole);
        let shadow = self.path(driver, path);
        let stat = fs::lstat(&shadow).ok()?;
        let is_free = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1;
        if is_free { store.another_name(&shadow).ok() } else { None }
    }

    /// By which name a program is to open a file's placeholder.
    pub(crate) fn opened_by(&self, object: &Object) -> PathBuf {
        let own = || object.placeholder.path.clone();
        if self.is_idle() {
            return own();
        }
        let shadow = self.path(object.mount.driver_id, &object.driver_path());
        if ident(&shadow) == Some(object.placeholder.ident) { shadow } else { own() }
    }

    /// Whether a file's content is kept by its shadow, whoever lets it go.
    pub(crate) fn keeps(&self, object: &Object) -> bool {
        self.opened_by(object) != object.placeholder.path
    }

    /// A name has come to be.
    pub(crate) fn created(&self, driver: DriverId, path: &VPath, kind: FileKind) {
        self.appears(driver, path, |shadow| make(shadow, kind));
    }

    /// A file was opened. Whether that is the first that is seen of it in a watched directory.
    pub(crate) fn opened(&self, object: &Object) -> bool {
        let mut is_new = false;
        if self.is_idle() || object.kind != FileKind::Regular {
            return is_new;
        }
        let path = object.driver_path();
        self.appears(object.mount.driver_id, &path, |shadow| match ident(shadow) {
            None => {
                is_new = true;
                match fs::link(&object.placeholder.path, shadow) {
                    Err(io::Errno::XDEV) => Self::stand_in(shadow),
                    linked => linked,
                }
            }
            Some(there) if there == object.placeholder.ident => Ok(()),
            // Others have put another file, or other content, in its place: that much is told.
            Some(_) => {
                let aside = self.aside();
                take_away(&aside);
                match fs::link(&object.placeholder.path, &aside) {
                    Err(io::Errno::XDEV) => return Ok(()),
                    linked => linked?,
                }
                fs::rename(&aside, shadow)
            }
        });
        is_new
    }

    /// A file has got one more name.
    pub(crate) fn linked(&self, driver: DriverId, old: &VPath, new: &VPath) {
        let old = self.path(driver, old);
        self.appears(driver, new, |shadow| match fs::link(&old, shadow) {
            Err(io::Errno::NOENT) => make(shadow, FileKind::Regular),
            done => done,
        });
    }

    fn appears(&self, driver: DriverId, path: &VPath, put: impl FnOnce(&Path) -> io::Result<()>) {
        if self.is_idle() {
            return;
        }
        let whole = lock(&self.whole);
        if !Self::is_whole(&whole, driver, path.parent()) {
            return;
        }
        match put(&self.path(driver, path)) {
            Err(io::Errno::EXIST) => {}
            done => told("a new name", done),
        }
    }

    /// A name was taken away, with all below it.
    pub(crate) fn removed(&self, driver: DriverId, path: &VPath) {
        if self.is_idle() {
            return;
        }
        let mut whole = lock(&self.whole);
        take_away(&self.path(driver, path));
        whole.retain(|(id, directory)| *id != driver || !path.contains(directory));
    }

    /// A name has changed, or two have changed places. `kind` is what it is a name of.
    pub(crate) fn renamed(&self, driver: DriverId, old: &VPath, new: &VPath, how: RenameHow, kind: FileKind) {
        if self.is_idle() {
            return;
        }
        let mut whole = lock(&self.whole);
        let watched = |path: &VPath| Self::is_whole(&whole, driver, path.parent());
        let (from, to) = (self.path(driver, old), self.path(driver, new));
        let from_there = from.symlink_metadata().is_ok();
        if !from_there && !watched(new) {
            return take_away(&to);
        }
        let moved = || -> io::Result<()> {
            let from = if from_there { from.clone() } else { self.brought(kind)? };
            if let Some(above) = to.parent() {
                std::fs::create_dir_all(above).map_err(|_| io::Errno::IO)?;
            }
            if how == RenameHow::Exchange {
                return fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::EXCHANGE);
            }
            match fs::rename(&from, &to) {
                // What was there was of another kind, or had names that are gone at the server.
                Err(io::Errno::NOTDIR | io::Errno::ISDIR | io::Errno::NOTEMPTY | io::Errno::EXIST) => {
                    take_away(&to);
                    fs::rename(&from, &to)
                }
                done => done,
            }
        };
        told("a change of a name", moved());
        let aside = VPath::root().child(b"\xff exchanged \xff");
        let steps: &[(&VPath, &VPath)] = match how {
            RenameHow::Exchange => &[(old, &aside), (new, old), (&aside, new)],
            RenameHow::Replace | RenameHow::NoReplace => &[(old, new)],
        };
        for (old, new) in steps {
            *whole = whole.drain().map(|entry| moved_below(entry, driver, old, new)).collect();
        }
    }

    /// Something that comes from where nobody watches.
    fn brought(&self, kind: FileKind) -> io::Result<PathBuf> {
        let aside = self.aside();
        take_away(&aside);
        make(&aside, kind)?;
        Ok(aside)
    }

    /// Mode, owner or times were changed.
    pub(crate) fn attributes_changed(&self, driver: DriverId, path: &VPath) {
        self.touch(driver, path, |shadow, stat| fs::chmod(shadow, Mode::from_raw_mode(stat.st_mode)));
    }

    /// The content was changed by name.
    pub(crate) fn content_changed(&self, driver: DriverId, path: &VPath) {
        self.touch(driver, path, |shadow, stat| {
            // The kernel takes a change of this time alone for a change of the content.
            let times = Timestamps {
                last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
                last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
            };
            fs::utimensat(CWD, shadow, &times, AtFlags::SYMLINK_NOFOLLOW)
        });
    }

    fn touch(&self, driver: DriverId, path: &VPath, change: impl FnOnce(&Path, &fs::Stat) -> io::Result<()>) {
        if self.is_idle() {
            return;
        }
        let _held = lock(&self.whole);
        let shadow = self.path(driver, path);
        let Ok(stat) = fs::lstat(&shadow) else { return };
        told("a change", change(&shadow, &stat));
    }
}

fn moved_below(
    (driver, directory): (DriverId, VPath),
    of: DriverId,
    old: &VPath,
    new: &VPath,
) -> (DriverId, VPath) {
    match directory.below(old) {
        Some(below) if driver == of => (driver, new.join(&below)),
        _ => (driver, directory),
    }
}
