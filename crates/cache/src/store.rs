//! The directory of one agent's placeholders.

use crate::changes::Changes;
use rustix::fs::{self, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Room that is always left free on the cache's file system, so that a full cache does not fill a borrowed disk.
const FREE_RESERVE: u64 = 64 << 20;

/// Names tried for the agent's own directory before giving up.
const NAME_TRIES: u32 = 64;

/// Device and inode: how the kernel tells one file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// What kind of placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceholderKind {
    /// A sparse regular file.
    File,
    /// An empty directory: its listing is answered by the agent.
    Directory,
    /// A FIFO.
    Fifo,
}

/// One placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placeholder {
    /// Where it lies. Never shown to a program.
    pub path: PathBuf,
    /// How the kernel knows it.
    pub ident: Ident,
    /// Its kind.
    pub kind: PlaceholderKind,
    /// What it may be used for.
    pub fit: Fit,
}

/// What a placeholder may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// To be read and written.
    Data,
    /// To be executed and mapped for execution, too.
    Programs,
}

/// Why there is no placeholder.
#[derive(Debug)]
pub enum StoreError {
    /// The object alone is larger than the cache may be: `size` and `limit` in bytes.
    TooBig {
        /// What was asked for.
        size: u64,
        /// What the cache may hold.
        limit: u64,
    },
    /// The file system of the cache is too full for `size` more bytes.
    NoSpace {
        /// What was asked for.
        size: u64,
        /// What is free.
        free: u64,
    },
    /// The kernel refused: what was done, and its answer.
    Os(&'static str, PathBuf, std::io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::TooBig { size, limit } => {
                write!(f, "{size} bytes do not fit in a cache of {limit}: give --cache-size more than that")
            }
            StoreError::NoSpace { size, free } => write!(
                f,
                "{size} bytes do not fit on the cache's disk, which has {free} free: give --cache-dir a place with room"
            ),
            StoreError::Os(what, path, error) => write!(f, "cannot {what} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Os(_, _, error) => Some(error),
            StoreError::TooBig { .. } | StoreError::NoSpace { .. } => None,
        }
    }
}

type Result<T> = std::result::Result<T, StoreError>;

fn os(what: &'static str, path: &Path) -> impl FnOnce(Errno) -> StoreError {
    let path = path.to_path_buf();
    move |errno| StoreError::Os(what, path, errno.into())
}

/// A directory of one agent: `ROOT/agents/NAME/` with the objects in `o/`. The lock on it lives as long as the agent; [`sweep`]
/// takes away what an agent left that could not do so.
struct Place {
    dir: PathBuf,
    dev: u64,
    _lock: OwnedFd,
}

impl Place {
    fn create(root: &Path) -> Result<Place> {
        let agents = root.join("agents");
        private_dir(root)?;
        private_dir(&agents)?;
        let (dir, lock) = {
            // One start at a time: another's sweep must not take what is made and not yet locked.
            let _starting = starting(&agents)?;
            sweep_unlocked(root);
            own_directory(&agents)?
        };
        private_dir(&dir.join("o"))?;
        let dev = fs::stat(&dir).map_err(os("look at", &dir))?.st_dev;
        Ok(Place { dir, dev, _lock: lock })
    }
}

/// The placeholders of one agent, with names for execution in `x/`, sockets in `s/`, what is watched in `w/`, and texts
/// in `t/`.
pub struct Store {
    data: Place,
    /// Where programs and libraries lie, if the file system of the others is mounted with noexec.
    programs: Option<Place>,
    limit: u64,
    next: AtomicU64,
    changes: Changes,
    /// By file and name.
    aliases: Mutex<HashMap<(PathBuf, Vec<u8>), PathBuf>>,
    sockets: OwnedFd,
}

impl Store {
    /// Makes this agent's directory below `root` (made too, 0700, if it is absent), and one below `programs` for what is
    /// to be executed, where the first does not do for that. `limit` is the largest object that may be placed, in bytes.
    ///
    /// # Errors
    /// A root belongs to somebody else, or the kernel refuses.
    pub fn create(root: &Path, programs: Option<&Path>, limit: u64) -> Result<Store> {
        let data = Place::create(root)?;
        let programs = programs.map(Place::create).transpose()?;
        for part in ["x", "s", "w", "t"] {
            private_dir(&data.dir.join(part))?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let sockets = fs::open(data.dir.join("s"), flags, Mode::empty()).map_err(os("open", &data.dir))?;
        let changes = Changes::new().map_err(os("watch", &data.dir))?;
        Ok(Store {
            data,
            programs,
            limit,
            next: AtomicU64::new(1),
            changes,
            aliases: Mutex::default(),
            sockets,
        })
    }

    /// The directories that this agent's placeholders lie in.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.places().map(|place| place.dir.as_path())
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.data).chain(&self.programs)
    }

    /// Whether placeholders lie on this device: a file of another is none of them.
    #[must_use]
    pub fn uses_device(&self, dev: u64) -> bool {
        self.places().any(|place| place.dev == dev)
    }

    /// Whether a placeholder that is to be executed has to be made for that.
    #[must_use]
    pub fn sets_programs_apart(&self) -> bool {
        self.programs.is_some()
    }

    /// The watch over them.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Where sockets are bound.
    #[must_use]
    pub fn socket_names(&self) -> PathBuf {
        self.data.dir.join("s")
    }

    /// The same as a descriptor, by which its path is short.
    #[must_use]
    pub fn sockets(&self) -> &OwnedFd {
        &self.sockets
    }

    /// Where directories lie that are watched in place of the server's.
    #[must_use]
    pub fn shadows(&self) -> PathBuf {
        self.data.dir.join("w")
    }

    /// A file that lies among the shadows, as a placeholder: by one more name.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn another_name(&self, file: &Path) -> Result<Placeholder> {
        let fit = if self.programs.is_none() { Fit::Programs } else { Fit::Data };
        let path = self.fresh_path(fit);
        fs::link(file, &path).map_err(os("link", &path))?;
        Self::placed(path, PlaceholderKind::File, fit)
    }

    /// Whether a placeholder for this lies with those of data, and so on the file system of the shadows.
    #[must_use]
    pub fn keeps_with_data(&self, fit: Fit) -> bool {
        fit == Fit::Data || self.programs.is_none()
    }

    fn fresh_path(&self, fit: Fit) -> PathBuf {
        let place = match (fit, &self.programs) {
            (Fit::Programs, Some(programs)) => programs,
            (Fit::Programs, None) | (Fit::Data, _) => &self.data,
        };
        place.dir.join("o").join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn placed(path: PathBuf, kind: PlaceholderKind, fit: Fit) -> Result<Placeholder> {
        let stat = fs::lstat(&path).map_err(os("look at", &path))?;
        Ok(Placeholder { path, ident: Ident { dev: stat.st_dev, ino: stat.st_ino }, kind, fit })
    }

    /// An empty file, mode 0700: set-id bits and rights for others never reach a placeholder.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn file(&self, fit: Fit) -> Result<Placeholder> {
        // Where nothing is set apart, what is read may be executed as well.
        let fit = if self.programs.is_none() { Fit::Programs } else { fit };
        let path = self.fresh_path(fit);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        fs::open(&path, flags, Mode::RWXU).map_err(os("make", &path))?;
        Self::placed(path, PlaceholderKind::File, fit)
    }

    /// Whether `size` bytes may be put into this placeholder.
    ///
    /// # Errors
    /// [`StoreError::TooBig`], [`StoreError::NoSpace`].
    pub fn admit(&self, size: u64, into: &Placeholder) -> Result<()> {
        if size > self.limit {
            return Err(StoreError::TooBig { size, limit: self.limit });
        }
        if size < FREE_RESERVE / 64 {
            return Ok(());
        }
        // A placeholder that was retired meanwhile is its opener's concern.
        let Ok(figures) = fs::statvfs(&into.path) else { return Ok(()) };
        let free = figures.f_bavail.saturating_mul(figures.f_frsize);
        if size.saturating_add(FREE_RESERVE) > free {
            return Err(StoreError::NoSpace { size, free });
        }
        Ok(())
    }

    /// An empty directory.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn directory(&self) -> Result<Placeholder> {
        let path = self.fresh_path(Fit::Data);
        // Not to be written: nothing may come to be here in place of the server. Others may stand in it, as a program of
        // root's that has changed its user: by a descriptor only, since the directory above is closed to them.
        fs::mkdir(&path, Mode::RUSR | Mode::XUSR | Mode::XGRP | Mode::XOTH).map_err(os("make", &path))?;
        Self::placed(path, PlaceholderKind::Directory, Fit::Data)
    }

    /// A FIFO.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn fifo(&self) -> Result<Placeholder> {
        let path = self.fresh_path(Fit::Data);
        fs::mknodat(fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(os("make", &path))?;
        Self::placed(path, PlaceholderKind::Fifo, Fit::Data)
    }

    /// Another name for a file, ending in `name`: the kernel takes a process's `comm` from the path that it is given, not
    /// from the file.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn alias(&self, file: &Path, name: &[u8]) -> Result<PathBuf> {
        let mut aliases = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (file.to_path_buf(), name.to_vec());
        if let Some(path) = aliases.get(&key) {
            return Ok(path.clone());
        }
        let holder = self.data.dir.join("x").join(aliases.len().to_string());
        // Others may look a name up in it, if they are given a descriptor of it.
        fs::mkdir(&holder, Mode::RWXU | Mode::XGRP | Mode::XOTH).map_err(os("make", &holder))?;
        let path = holder.join(OsStr::from_bytes(name));
        fs::symlink(file, &path).map_err(os("link", &path))?;
        aliases.insert(key, path.clone());
        Ok(path)
    }

    /// A file of the run's own, which a mount shows to programs: readable by all, `text` in it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn text(&self, name: &str, text: &[u8]) -> Result<PathBuf> {
        let path = self.data.dir.join("t").join(name);
        let failed = |error| StoreError::Os("write", path.clone(), error);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&path).map_err(failed)?;
        file.write_all(text).map_err(failed)?;
        Ok(path)
    }

    /// Takes a placeholder's name away. Descriptors of it go on working; when the last is gone, so is the room it took.
    pub fn remove(&self, placeholder: &Placeholder) {
        // What cannot be removed now goes with the directory at the end.
        let _ = match placeholder.kind {
            PlaceholderKind::Directory => std::fs::remove_dir(&placeholder.path),
            PlaceholderKind::File | PlaceholderKind::Fifo => std::fs::remove_file(&placeholder.path),
        };
    }

    /// How many bytes of content there may be at one time.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Saves a placeholder's content beside the agents' directories, for a user whose server would not take it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rescue(&self, placeholder: &Placeholder) -> std::io::Result<PathBuf> {
        let root = self.data.dir.parent().and_then(Path::parent).unwrap_or(&self.data.dir);
        let dir = root.join("rescued");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let run = self.data.dir.file_name().unwrap_or_default().to_string_lossy();
        let object = placeholder.path.file_name().unwrap_or_default().to_string_lossy();
        let kept = dir.join(format!("{run}-{object}"));
        std::fs::copy(&placeholder.path, &kept)?;
        Ok(kept)
    }

    /// Takes everything away, at the end of the agent.
    ///
    /// # Errors
    /// The kernel's, with what could not be removed left for [`sweep`].
    pub fn clear(&self) -> std::io::Result<()> {
        self.places().map(|place| std::fs::remove_dir_all(&place.dir)).fold(Ok(()), std::io::Result::and)
    }
}

/// Removes the directories of agents that are gone: those whose lock is free.
pub fn sweep(root: &Path) {
    if let Ok(_starting) = starting(&root.join("agents")) {
        sweep_unlocked(root);
    }
}

/// Held while directories of agents are made or swept.
fn starting(agents: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lock = fs::open(agents, flags, Mode::empty()).map_err(os("open", agents))?;
    rustix::io::retry_on_intr(|| fs::flock(&lock, FlockOperation::LockExclusive))
        .map_err(os("lock", agents))?;
    Ok(lock)
}

fn sweep_unlocked(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root.join("agents")) else { return };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let Ok(lock) = fs::open(&dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        else {
            continue;
        };
        if fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // A failure leaves it for the next sweep.
            let _ = std::fs::remove_dir_all(&dir);
        }
    }
}

fn own_directory(agents: &Path) -> Result<(PathBuf, OwnedFd)> {
    let pid = std::process::id();
    for attempt in 0..NAME_TRIES {
        let dir = agents.join(format!("{pid}-{attempt}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let lock = fs::open(&dir, flags, Mode::empty()).map_err(os("open", &dir))?;
                if fs::flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive).is_ok() {
                    return Ok((dir, lock));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::Os("make", dir, error)),
        }
    }
    Err(StoreError::Os("find a free name in", agents.to_path_buf(), Errno::EXIST.into()))
}

/// Makes a directory that only its owner may enter, or checks that it is one.
fn private_dir(dir: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) => return Err(StoreError::Os("make", dir.to_path_buf(), error)),
    }
    let meta = std::fs::symlink_metadata(dir).map_err(|e| StoreError::Os("look at", dir.to_path_buf(), e))?;
    let ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
    if !ours {
        return Err(StoreError::Os("trust", dir.to_path_buf(), Errno::PERM.into()));
    }
    if meta.mode() & 0o077 != 0 {
        fs::chmod(dir, Mode::RWXU).map_err(os("close to others", dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store(limit: u64) -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::create(&root.path().join("cache"), None, limit).unwrap();
        (root, store)
    }

    fn dir_of(store: &Store) -> PathBuf {
        store.dirs().next().unwrap().to_path_buf()
    }

    #[test]
    fn placeholders_are_private() {
        let (_root, store) = store(1 << 30);
        let placed = store.file(Fit::Data).unwrap();
        let meta = std::fs::metadata(&placed.path).unwrap();
        assert_eq!((meta.len(), meta.permissions().mode() & 0o7077), (0, 0));
        assert_eq!(std::fs::metadata(dir_of(&store)).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn programs_lie_apart_where_the_cache_may_not_execute() {
        let root = tempfile::tempdir().unwrap();
        let (data, programs) = (root.path().join("data"), root.path().join("programs"));
        let store = Store::create(&data, Some(&programs), 1000).unwrap();
        assert!(store.file(Fit::Data).unwrap().path.starts_with(&data));
        assert!(store.file(Fit::Programs).unwrap().path.starts_with(&programs));
        store.clear().unwrap();
        assert_eq!(std::fs::read_dir(programs.join("agents")).unwrap().count(), 0);
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_to_set() {
        let (_root, store) = store(1000);
        let placed = store.file(Fit::Data).unwrap();
        let told = store.admit(1001, &placed).unwrap_err().to_string();
        assert!(told.contains("--cache-size") && told.contains("1001"), "{told}");
    }

    #[test]
    fn the_living_keep_their_directory_and_the_dead_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let alive = Store::create(root.path(), None, 1).unwrap();
        let dead = Store::create(root.path(), None, 1).unwrap();
        let (alive_dir, dead_dir) = (dir_of(&alive), dir_of(&dead));
        drop(dead);
        sweep(root.path());
        assert!(alive_dir.exists());
        assert!(!dead_dir.exists());
        alive.clear().unwrap();
        assert!(!alive_dir.exists());
    }

    #[test]
    fn an_alias_is_the_same_file_under_another_name() {
        let (_root, store) = store(1000);
        let placed = store.file(Fit::Data).unwrap();
        let alias = store.alias(&placed.path, b"prog").unwrap();
        assert_eq!(std::fs::metadata(&alias).unwrap().ino(), placed.ident.ino);
        assert_eq!(alias.file_name(), Some(OsStr::new("prog")));
        assert_eq!(store.alias(&placed.path, b"prog").unwrap(), alias);
        assert_ne!(store.alias(&placed.path, b"other").unwrap(), alias);
    }
}
