//! Remote objects that programs have open: what each placeholder stands for.
//!
//! An object is found by the device and inode of its placeholder, which is how the kernel tells what a descriptor, a
//! working directory or a mapping refers to. So dup, fork, exec and descriptor passing need no books. On the remote side it
//! is known by its driver and the identity that the driver gives.

use crate::content::Content;
use crate::dentries::Dentries;
use crate::runs::Run;
use crate::watches::Watches;
use crate::{elf, junctions, lock};
use mynah_cache::{Fit, Ident, Placeholder, Store, StoreError, Watched};
use mynah_intercept::leases::has_writers;
use mynah_vfs::{DriverId, Errno, Error, FileId, FileKind, MemDriver, Mount, NamespaceId, Stat, Time, VPath};
use rustix::fs::{self, Mode, OFlags};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::mpsc;

/// One remote object with its placeholder.
pub(crate) struct Object {
    /// Its number in this run.
    pub(crate) id: u64,
    /// The mount through which it was first opened.
    pub(crate) mount: Arc<Mount>,
    /// Its kind.
    pub(crate) kind: FileKind,
    /// What stands for it here.
    pub(crate) placeholder: Placeholder,
    /// Where it is at the server, and what the server last said of it.
    pub(crate) remote: Mutex<Remote>,
    /// Its content and how far that is in step with the server.
    pub(crate) content: Mutex<Content>,
    /// Held by whoever moves content to or from the server: once for all who ask.
    pub(crate) moving: tokio::sync::Mutex<()>,
    /// What programs of each namespace that read the directory have been shown.
    pub(crate) listings: Mutex<HashMap<NamespaceId, Listing>>,
    /// The mounts through which namespaces other than that of `mount` first opened it.
    elsewhere: Mutex<HashMap<NamespaceId, Arc<Mount>>>,
    /// When it was last opened, in opens of the run.
    opened: AtomicU64,
}

/// An object's place at its server.
#[derive(Clone)]
pub(crate) struct Remote {
    /// Its last known name, as a path of its driver.
    pub(crate) path: VPath,
    /// Its identity at its driver.
    pub(crate) file_id: FileId,
    /// Whether that name still is one: an open file may outlive its names.
    pub(crate) linked: bool,
    /// Whether it never had a name and may be given one (O_TMPFILE).
    pub(crate) nameable: bool,
    /// Attributes as the server last told them.
    pub(crate) stat: Stat,
    /// The extended attributes of a file that no server knows yet; the servers keep all others.
    pub(crate) kept: Option<BTreeMap<Vec<u8>, Vec<u8>>>,
}

/// A directory's entries in a lasting order: a name keeps its position for as long as somebody may be reading, so that
/// telldir and seekdir hold while entries come and go.
#[derive(Default)]
pub(crate) struct Listing {
    /// Positions in use, ascending.
    pub(crate) entries: Vec<Listed>,
    /// The last position given.
    pub(crate) last: u64,
    /// The inode of the directory above.
    pub(crate) parent: u64,
}

/// One entry that was shown.
pub(crate) struct Listed {
    pub(crate) position: u64,
    pub(crate) name: Vec<u8>,
    pub(crate) ino: u64,
    pub(crate) kind: Option<FileKind>,
}

impl Object {
    /// Its name in a run's namespace, as far as it has one there.
    pub(crate) fn shown_in(&self, run: &Run) -> Option<VPath> {
        self.is_linked().then(|| self.last_name_in(run)).flatten()
    }

    /// [`Object::shown_in`], or the name that it had before it was removed.
    pub(crate) fn last_name_in(&self, run: &Run) -> Option<VPath> {
        let path = self.driver_path();
        if junctions::is_mount(&self.mount) {
            return run.knows_directory(&path).then_some(path);
        }
        self.mount_in(run)?.shown(&path)
    }

    /// The mount of a run's namespace that it belongs to: the one through which programs there opened it, or else one that
    /// shows it, as of a descriptor that came from another run.
    pub(crate) fn mount_in(&self, run: &Run) -> Option<Arc<Mount>> {
        if self.mount.namespace == run.id() {
            return Some(Arc::clone(&self.mount));
        }
        if let Some(mount) = lock(&self.elsewhere).get(&run.id()) {
            return Some(Arc::clone(mount));
        }
        let path = self.driver_path();
        run.namespace.mount_of(self.mount.driver_id, &path, self.mount.shown(&path).as_ref())
    }

    /// A program opens it through this mount.
    fn met_through(&self, mount: &Arc<Mount>) {
        if mount.namespace != self.mount.namespace {
            lock(&self.elsewhere).entry(mount.namespace).or_insert_with(|| Arc::clone(mount));
        }
    }

    /// Whether a program of this namespace ever opened it.
    pub(crate) fn is_known_in(&self, namespace: NamespaceId) -> bool {
        self.mount.namespace == namespace || lock(&self.elsewhere).contains_key(&namespace)
    }

    /// No program of this namespace is left.
    pub(crate) fn forget_namespace(&self, namespace: NamespaceId) {
        lock(&self.elsewhere).remove(&namespace);
        lock(&self.listings).remove(&namespace);
    }

    /// Whether its last known name still is one.
    pub(crate) fn is_linked(&self) -> bool {
        lock(&self.remote).linked
    }

    /// Its name at its driver.
    pub(crate) fn driver_path(&self) -> VPath {
        lock(&self.remote).path.clone()
    }

    /// Its attributes: the server's, with what was changed here and is not yet there.
    pub(crate) fn stat(&self) -> Stat {
        self.stat_with(rustix::fs::stat(&self.placeholder.path).ok())
    }

    /// [`Object::stat`], with the placeholder's attributes as a descriptor of it tells them: it may have no name any more.
    pub(crate) fn stat_with(&self, here: Option<rustix::fs::Stat>) -> Stat {
        let Remote { mut stat, linked, .. } = lock(&self.remote).clone();
        self.overlay_with(&mut stat, here);
        if !linked {
            stat.nlink = 0;
        }
        stat
    }

    /// Its identity at its driver.
    pub(crate) fn file_id(&self) -> FileId {
        lock(&self.remote).file_id
    }

    fn key(&self) -> (DriverId, FileId) {
        (self.mount.driver_id, self.file_id())
    }
}

/// A moment, in opens of the run.
#[derive(Clone, Copy)]
pub(crate) struct Opens(u64);

/// All objects of the run.
pub(crate) struct Objects {
    store: Store,
    dentries: Arc<Dentries>,
    tables: Mutex<Tables>,
    count: AtomicUsize,
    /// Whether any object was ever opened for writing: until then no descriptor needs to be looked at when it closes.
    written_to: AtomicBool,
    /// Whether programs use asynchronous I/O.
    untold_writers: AtomicBool,
    draining: Mutex<()>,
    /// Bytes of content that are placed, and counts the opens.
    placed: AtomicU64,
    opens: AtomicU64,
    /// Objects whose last writer has gone.
    left: mpsc::UnboundedSender<Arc<Object>>,
    memory: MemDriver,
    numbers: AtomicU64,
    watches: Watches,
}

pub(crate) fn now() -> Time {
    // A clock from before 1970 is as wrong as 1970.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time { sec: now.as_secs() as i64, nsec: now.subsec_nanos() }
}

#[derive(Default)]
struct Tables {
    by_ident: HashMap<Ident, Arc<Object>>,
    by_file: HashMap<(DriverId, FileId), Arc<Object>>,
    by_path: HashMap<(DriverId, VPath), Arc<Object>>,
    by_id: HashMap<u64, Arc<Object>>,
    next: u64,
    /// Copies of programs that ask for another loader, by program and loader.
    copies: HashMap<(u64, Vec<u8>), Copy>,
}

/// A program's copy with another loader, and of which content of the program it was made.
struct Copy {
    placeholder: Placeholder,
    of: (i64, i64, u64),
}

impl Objects {
    /// An empty table over a store. Objects whose last writer has gone come out of the returned end.
    pub(crate) fn new(
        store: Store,
        dentries: Arc<Dentries>,
    ) -> (Objects, mpsc::UnboundedReceiver<Arc<Object>>) {
        let (left, gone) = mpsc::unbounded_channel();
        let objects = Objects {
            watches: Watches::new(&store),
            store,
            dentries,
            tables: Mutex::default(),
            count: AtomicUsize::new(0),
            written_to: AtomicBool::new(false),
            untold_writers: AtomicBool::new(false),
            draining: Mutex::default(),
            placed: AtomicU64::new(0),
            opens: AtomicU64::new(0),
            left,
            memory: MemDriver::with_clock(now),
            numbers: AtomicU64::new(1),
        };
        (objects, gone)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What is remembered of names, and void when a file changes at its server.
    pub(crate) fn dentries(&self) -> &Dentries {
        &self.dentries
    }

    /// Whether no remote object was ever opened: then nothing here needs looking at.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Whether closing a descriptor may have to carry something home.
    pub(crate) fn any_written_to(&self) -> bool {
        self.written_to.load(Ordering::Acquire)
    }

    pub(crate) fn note_writing(&self) {
        self.written_to.store(true, Ordering::Release);
    }

    /// From now on programs may write without our being told: what is open for writing counts as changed, now and later.
    pub(crate) fn note_untold_writers(&self) {
        self.untold_writers.store(true, Ordering::Release);
        for object in self.all() {
            let mut content = lock(&object.content);
            content.untold |= content.writer.is_some();
        }
    }

    pub(crate) fn has_untold_writers(&self) -> bool {
        self.untold_writers.load(Ordering::Acquire)
    }

    /// The object that an open file stands for.
    pub(crate) fn of_descriptor(&self, fd: &OwnedFd) -> Option<Arc<Object>> {
        let stat = fs::fstat(fd).ok()?;
        self.by_ident(Ident { dev: stat.st_dev, ino: stat.st_ino })
    }

    pub(crate) fn by_ident(&self, ident: Ident) -> Option<Arc<Object>> {
        if !self.store.uses_device(ident.dev) {
            return None;
        }
        lock(&self.tables).by_ident.get(&ident).cloned()
    }

    /// Whether a path that the kernel tells may be one of ours. By text, so only a reason to look closer.
    pub(crate) fn may_be_hosted(&self, path: &[u8]) -> bool {
        !self.is_empty() && self.store.dirs().any(|dir| path.starts_with(dir.as_os_str().as_bytes()))
    }

    /// The open object that a server's answer is about. An identity that was given again, after the end of the file that
    /// had it, is not that file.
    pub(crate) fn by_file(&self, driver: DriverId, stat: &Stat) -> Option<Arc<Object>> {
        if self.is_empty() {
            return None;
        }
        let object = lock(&self.tables).by_file.get(&(driver, stat.id)).cloned()?;
        (object.kind == stat.kind && lock(&object.remote).linked).then_some(object)
    }

    /// The object for what the driver just told of, made if it is new.
    pub(crate) fn get(&self, mount: &Arc<Mount>, path: &VPath, stat: &Stat) -> Result<Arc<Object>, Error> {
        self.get_to(Fit::Data, mount, path, stat)
    }

    /// [`Objects::get`] for what a new object is to be used for.
    pub(crate) fn get_to(
        &self,
        fit: Fit,
        mount: &Arc<Mount>,
        path: &VPath,
        stat: &Stat,
    ) -> Result<Arc<Object>, Error> {
        let key = (mount.driver_id, stat.id);
        let mut tables = lock(&self.tables);
        if let Some(object) = tables.by_file.get(&key) {
            let object = Arc::clone(object);
            if object.kind == stat.kind && mount.driver.capabilities().stable_ids {
                let mut remote = lock(&object.remote);
                // An identity that was given again to a new file after the old one's end is not the old file.
                if remote.linked {
                    remote.stat.nlink = stat.nlink;
                    remote.path = path.clone();
                    drop(remote);
                    object.met_through(mount);
                    object.opened.store(self.opens.fetch_add(1, Ordering::AcqRel), Ordering::Release);
                    tables.by_path.insert((mount.driver_id, path.clone()), Arc::clone(&object));
                    return Ok(object);
                }
            }
        }
        let remote = Remote {
            path: path.clone(),
            file_id: stat.id,
            linked: true,
            nameable: false,
            stat: *stat,
            kept: None,
        };
        let object = self.make(&mut tables, fit, mount, remote)?;
        tables.by_file.insert(key, Arc::clone(&object));
        tables.by_path.insert((mount.driver_id, path.clone()), Arc::clone(&object));
        Ok(object)
    }

    /// An object that no name leads to, and no server knows.
    pub(crate) fn nameless(
        &self,
        mount: &Arc<Mount>,
        path: VPath,
        stat: &Stat,
        nameable: bool,
    ) -> Result<Arc<Object>, Error> {
        let kept = Some(BTreeMap::new());
        let remote = Remote { path, file_id: stat.id, linked: false, nameable, stat: *stat, kept };
        self.make(&mut lock(&self.tables), Fit::Data, mount, remote)
    }

    /// A nameless object has got a name at its server.
    pub(crate) fn named(&self, object: &Arc<Object>, path: VPath, stat: &Stat) {
        let mut tables = lock(&self.tables);
        {
            let mut remote = lock(&object.remote);
            (remote.path, remote.linked, remote.stat, remote.kept) = (path.clone(), true, *stat, None);
        }
        tables.by_file.insert(object.key(), Arc::clone(object));
        tables.by_path.insert((object.mount.driver_id, path), Arc::clone(object));
    }

    fn make(
        &self,
        tables: &mut Tables,
        fit: Fit,
        mount: &Arc<Mount>,
        remote: Remote,
    ) -> Result<Arc<Object>, Error> {
        let kind = remote.stat.kind;
        let shadow = (kind == FileKind::Regular && remote.linked && self.store.keeps_with_data(fit))
            .then(|| self.watches.adopt(&self.store, mount.driver_id, &remote.path))
            .flatten()
            // One that still stands for what was here before, for those who have it open.
            .filter(|shadow| !tables.by_ident.contains_key(&shadow.ident));
        let placeholder = match (kind, shadow) {
            (_, Some(shadow)) => shadow,
            (FileKind::Directory, None) => self.store.directory().map_err(store_error)?,
            (FileKind::Fifo, None) => self.store.fifo().map_err(store_error)?,
            (_, None) => self.store.file(fit).map_err(store_error)?,
        };
        tables.next += 1;
        let object = Arc::new(Object {
            id: tables.next,
            mount: Arc::clone(mount),
            kind,
            remote: Mutex::new(remote),
            content: Mutex::default(),
            moving: tokio::sync::Mutex::default(),
            listings: Mutex::default(),
            elsewhere: Mutex::default(),
            opened: AtomicU64::new(self.opens.fetch_add(1, Ordering::AcqRel)),
            placeholder,
        });
        tables.by_ident.insert(object.placeholder.ident, Arc::clone(&object));
        tables.by_id.insert(object.id, Arc::clone(&object));
        self.count.fetch_add(1, Ordering::AcqRel);
        Ok(object)
    }

    /// The object that is known by a name.
    pub(crate) fn by_path(&self, driver: DriverId, path: &VPath) -> Option<Arc<Object>> {
        lock(&self.tables).by_path.get(&(driver, path.clone())).cloned()
    }

    /// Who is to be told of changes.
    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    /// Where the attributes of nameless files are kept.
    pub(crate) fn memory(&self) -> &MemDriver {
        &self.memory
    }

    /// A number that is given once in a run.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// To be taken before a server is asked to take a name away, and given to [`Objects::unlinked`].
    pub(crate) fn moment(&self) -> Opens {
        Opens(self.opens.load(Ordering::Acquire))
    }

    /// A name was given to another object or taken away at the server: the object that had it may live on, unnamed. One that
    /// was opened since the server was asked may have got the name afterwards, and is left alone.
    pub(crate) fn unlinked(&self, asked: Opens, driver: DriverId, path: &VPath) {
        if self.is_empty() {
            return;
        }
        let object = {
            let mut tables = lock(&self.tables);
            let name = (driver, path.clone());
            let older = |found: &&Arc<Object>| found.opened.load(Ordering::Acquire) < asked.0;
            let Some(object) = tables.by_path.get(&name).filter(older).cloned() else { return };
            tables.by_path.remove(&name);
            object
        };
        {
            let mut remote = lock(&object.remote);
            let last = remote.stat.nlink <= 1 || object.kind == FileKind::Directory;
            if !last {
                remote.stat.nlink -= 1;
                return;
            }
            if remote.path != *path {
                return;
            }
            remote.linked = false;
        }
        // With a writer at work our books alone do not decide that nobody will miss it.
        if lock(&object.content).writer.is_none() {
            self.retire(&object);
        }
    }

    /// Nobody is to find this object any more: its file has no name, or is another by now, or others need its room. Whoever
    /// has it open keeps it. What was written through it must be home, or be for nobody.
    pub(crate) fn retire(&self, object: &Arc<Object>) {
        {
            let mut tables = lock(&self.tables);
            let is_it = |found: Option<&Arc<Object>>| found.is_some_and(|found| Arc::ptr_eq(found, object));
            if is_it(tables.by_file.get(&object.key())) {
                tables.by_file.remove(&object.key());
                self.placed.fetch_sub(object.room(), Ordering::AcqRel);
            }
            let name = (object.mount.driver_id, object.driver_path());
            if is_it(tables.by_path.get(&name)) {
                tables.by_path.remove(&name);
            }
            for (_, copy) in tables.copies.extract_if(|(id, _), _| *id == object.id) {
                self.store.remove(&copy.placeholder);
            }
        }
        // One that can still be written keeps its name: its content is read by it when it goes home.
        if object.was_writable() && lock(&object.content).writer.is_some() {
            return;
        }
        self.note_writing();
        match self.store.changes().watch_end(&object.placeholder.path, object.id) {
            Ok(()) => self.store.remove(&object.placeholder),
            // It stays until the end of the run.
            Err(errno) => tracing::debug!("cannot watch a placeholder for its end: {errno}"),
        }
    }

    /// The last descriptor of a retired object is gone.
    fn forget(&self, id: u64) {
        let mut tables = lock(&self.tables);
        let Some(object) = tables.by_id.remove(&id) else { return };
        let ident = object.placeholder.ident;
        // The inode may have been given to another placeholder before this was told.
        if tables.by_ident.get(&ident).is_some_and(|found| found.id == id) {
            tables.by_ident.remove(&ident);
        }
    }

    /// Makes room for `size` more bytes by retiring what was not opened for longest, is at home and complete.
    pub(crate) fn make_room(&self, size: u64) {
        self.placed.fetch_add(size, Ordering::AcqRel);
        if self.placed.load(Ordering::Acquire) <= self.store.limit() {
            return;
        }
        let mut candidates: Vec<Arc<Object>> = lock(&self.tables).by_file.values().cloned().collect();
        candidates.retain(|object| {
            object.kind == FileKind::Regular && object.is_idle() && !self.watches.keeps(object)
        });
        candidates.sort_by_key(|object| object.opened.load(Ordering::Acquire));
        for object in candidates {
            if self.placed.load(Ordering::Acquire) <= self.store.limit() {
                return;
            }
            self.retire(&object);
        }
    }

    /// A copy of a program that asks for the loader at another path of this machine. It stands for the same object.
    ///
    /// # Errors
    /// ETXTBSY while the program is open for writing.
    pub(crate) fn copy_with_loader(
        &self,
        object: &Arc<Object>,
        slot: &elf::Loader,
        loader: &[u8],
    ) -> Result<PathBuf, Error> {
        let failed = |errno: rustix::io::Errno| Error::io("the cache: copying a program", errno.into());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let program = fs::open(&object.placeholder.path, flags, Mode::empty()).map_err(failed)?;
        if has_writers(&program) {
            return Err(Errno::ETXTBSY.into());
        }
        let stat = fs::fstat(&program).map_err(failed)?;
        let of = (stat.st_mtime, stat.st_mtime_nsec as i64, stat.st_size as u64);
        let key = (object.id, loader.to_vec());
        if let Some(copy) = lock(&self.tables).copies.get(&key).filter(|copy| copy.of == of) {
            return Ok(copy.placeholder.path.clone());
        }
        let placeholder = self.store.file(Fit::Programs).map_err(store_error)?;
        self.store.admit(of.2, &placeholder).map_err(store_error)?;
        let into =
            fs::open(&placeholder.path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
        slot.copy_with(&program, into, loader).map_err(|e| Error::io("the cache: copying a program", e))?;
        let path = placeholder.path.clone();
        let mut tables = lock(&self.tables);
        tables.by_ident.insert(placeholder.ident, Arc::clone(object));
        if let Some(old) = tables.copies.insert(key, Copy { placeholder, of }) {
            self.store.remove(&old.placeholder);
        }
        Ok(path)
    }

    /// A name changed at the server, with all that lies below it.
    pub(crate) fn renamed(&self, driver: DriverId, old: &VPath, new: &VPath) {
        if self.is_empty() {
            return;
        }
        let mut tables = lock(&self.tables);
        let moved: Vec<VPath> = tables
            .by_path
            .keys()
            .filter(|(id, path)| *id == driver && old.contains(path))
            .map(|(_, path)| path.clone())
            .collect();
        for path in moved {
            let Some(object) = tables.by_path.remove(&(driver, path.clone())) else { continue };
            let Some(below) = path.below(old) else { continue };
            let now = new.join(&below);
            lock(&object.remote).path = now.clone();
            if let Some(file) = &lock(&object.content).writer {
                file.moved(&now);
            }
            tables.by_path.insert((driver, now), object);
        }
    }

    /// Two names changed places at the server, each with all that lies below it.
    pub(crate) fn exchanged(&self, driver: DriverId, one: &VPath, other: &VPath) {
        // No server has a name like this: it only keeps the two apart while they pass each other.
        let aside = VPath::root().child(b"\xff exchanged \xff");
        self.renamed(driver, one, &aside);
        self.renamed(driver, other, one);
        self.renamed(driver, &aside, other);
    }

    /// Takes note of what programs did to placeholders since the last time. The kernel queues these events before the
    /// calls that caused them return, so after this the agent knows all that was written before.
    pub(crate) fn drain(&self) {
        if !self.any_written_to() {
            return;
        }
        // One at a time: an event that another thread has read and not yet noted would not be known here.
        let _draining = lock(&self.draining);
        let drained = self.store.changes().drain(|event| match event {
            Watched::Written(id) => {
                if let Some(object) = self.by_id(id) {
                    lock(&object.content).written = true;
                }
            }
            Watched::ClosedAfterWrite(id) => {
                if let Some(object) = self.by_id(id) {
                    // The receiver is gone only when the run is over and all objects are settled one by one.
                    let _ = self.left.send(object);
                }
            }
            Watched::Gone(id) => self.forget(id),
            Watched::Overflow => {
                for object in self.all() {
                    if lock(&object.content).writer.is_some() {
                        lock(&object.content).written = true;
                        let _ = self.left.send(object);
                    }
                }
            }
        });
        if let Err(errno) = drained {
            tracing::error!("cannot read what was written to the cache: {errno}");
        }
    }

    fn by_id(&self, id: u64) -> Option<Arc<Object>> {
        lock(&self.tables).by_id.get(&id).cloned()
    }

    /// Every object.
    pub(crate) fn all(&self) -> Vec<Arc<Object>> {
        lock(&self.tables).by_id.values().cloned().collect()
    }
}

/// What a program sees when there can be no placeholder, and what the log says of it.
pub(crate) fn store_error(error: StoreError) -> Error {
    let errno = match &error {
        StoreError::TooBig { .. } => Errno::EFBIG,
        StoreError::NoSpace { .. } => Errno::ENOSPC,
        StoreError::Os(_, _, cause) => Errno::of_io(cause),
    };
    Error::new(errno, format!("the cache: {error}")).caused_by(error)
}
