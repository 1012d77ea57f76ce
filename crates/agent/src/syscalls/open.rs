//! Opening: how a remote object becomes a real descriptor.

use super::{fifo, nameless};
use crate::magic;
use crate::object::{Object, Objects};
use crate::outcome::{Call, Outcome};
use crate::resolve::{Begin, Ending, Last, Reached, Spot};
use crate::tasks::Task;
use mynah_cache::Fit;
use mynah_vfs::{Errno, Error, File, FileKind, OpenHow, Opened, Stat};
use rustix::fs::{self, MemfdFlags, Mode, OFlags, ResolveFlags};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// What the program asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) flags: OFlags,
    pub(super) mode: u32,
    /// Nothing but a file of this machine's.
    local_only: bool,
}

/// Flags that the placeholder is opened with as the program gave them. The rest was settled with the server (O_CREAT,
/// O_EXCL, O_TRUNC), or belongs to the descriptor (O_CLOEXEC).
pub(super) const DESCRIPTION_FLAGS: OFlags = OFlags::RWMODE
    .union(OFlags::APPEND)
    .union(OFlags::NONBLOCK)
    .union(OFlags::DSYNC)
    .union(OFlags::SYNC)
    .union(OFlags::NOATIME)
    .union(OFlags::NOCTTY)
    .union(OFlags::DIRECT)
    .union(OFlags::from_bits_retain(libc::O_ASYNC as u32))
    // Settled on the way, too; F_GETFL shows them.
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW);

/// What counts beside O_PATH (open(2)).
pub(super) const PATH_FLAGS: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Neither for reading nor for writing: what comes nearest to a descriptor opened with O_PATH where the program cannot open the
/// placeholder itself, since it has changed its user or its root.
const NO_ACCESS: OFlags = OFlags::WRONLY.union(OFlags::RDWR);

impl Wanted {
    pub(super) fn new(flags: u32, mode: u32) -> Wanted {
        let flags = OFlags::from_bits_retain(flags);
        let flags = if flags.contains(OFlags::PATH) { flags & PATH_FLAGS } else { flags };
        Wanted { flags, mode: mode & 0o7777, local_only: false }
    }

    /// Whether it needs the right to read. (The fourth access mode needs both rights and gives neither: open(2).)
    pub(super) fn reads(self) -> bool {
        self.flags & OFlags::RWMODE != OFlags::WRONLY
    }

    /// Whether it needs the right to write.
    pub(super) fn writes(self) -> bool {
        self.flags & OFlags::RWMODE != OFlags::RDONLY
    }

    pub(super) fn has(self, flag: OFlags) -> bool {
        self.flags.contains(flag)
    }

    fn last(self, path: &[u8]) -> Last {
        let exclusive = self.has(OFlags::CREATE | OFlags::EXCL);
        if self.has(OFlags::CREATE) && path.ends_with(b"/") {
            // EISDIR, whatever there is.
            Last::Entry
        } else if self.has(OFlags::NOFOLLOW) || exclusive {
            Last::Keep
        } else {
            Last::FollowByOpening
        }
    }

    /// EINVAL for flags that contradict each other, which the kernel says before it looks at the path.
    fn check(self) -> Result<(), Errno> {
        let nameless = self.has(OFlags::TMPFILE);
        let contradict = match self.has(OFlags::CREATE) {
            true => self.has(OFlags::DIRECTORY) || nameless,
            false => nameless && !self.writes(),
        };
        if contradict { Err(Errno::EINVAL) } else { Ok(()) }
    }

    fn how(self, create: bool, mode: u32) -> OpenHow {
        OpenHow {
            read: self.reads(),
            write: self.writes(),
            create,
            exclusive: self.has(OFlags::EXCL),
            truncate: self.has(OFlags::TRUNC),
            mode,
        }
    }

    pub(super) fn install(self, fd: OwnedFd) -> Outcome {
        Outcome::Install { fd, cloexec: self.has(OFlags::CLOEXEC) }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn open(call: Call<'_>) -> Outcome {
    start(call, libc::AT_FDCWD, 0, Wanted::new(call.bits(1), call.bits(2)))
}

#[cfg(target_arch = "x86_64")]
pub(super) fn creat(call: Call<'_>) -> Outcome {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC;
    start(call, libc::AT_FDCWD, 0, Wanted::new(flags.bits(), call.bits(1)))
}

pub(super) fn openat(call: Call<'_>) -> Outcome {
    start(call, call.int(0), 1, Wanted::new(call.bits(2), call.bits(3)))
}

/// open(2) or openat(2), whose path is in argument `path`, through the 32-bit interface: EOPNOTSUPP for what is at a server.
pub(super) fn open_local_only(call: Call<'_>, path: usize) -> Outcome {
    let dirfd = if path == 0 { libc::AT_FDCWD } else { call.int(0) };
    let wanted = Wanted { local_only: true, ..Wanted::new(call.bits(path + 1), call.bits(path + 2)) };
    start(call, dirfd, path, wanted)
}

fn start(call: Call<'_>, dirfd: i32, path: usize, wanted: Wanted) -> Outcome {
    let Some(path) = call.path(path) else { return Outcome::Resume };
    start_with(call, Way { dirfd, path, limits: ResolveFlags::empty() }, wanted)
}

/// How to get to what is to be opened.
pub(super) struct Way {
    pub(super) dirfd: i32,
    pub(super) path: Vec<u8>,
    pub(super) limits: ResolveFlags,
}

pub(super) fn start_with(call: Call<'_>, way: Way, wanted: Wanted) -> Outcome {
    let task = call.task();
    let last = wanted.last(&way.path);
    let start = match task.begin(way.dirfd, &way.path, last) {
        Begin::Native => return Outcome::Resume,
        Begin::Fail(errno) => return Outcome::Errno(errno),
        Begin::Walk(start) => start,
    };
    Outcome::wait(async move {
        let opened = async {
            wanted.check()?;
            let reached = task.walk_with(start, &way.path, last, way.limits).await?;
            // Whether limits of openat2 let a program get to a file of the machine's own, only the kernel can tell.
            if way.limits.is_empty()
                && let Some(outcome) = proc_text(&task, &reached, wanted)
            {
                return Ok(outcome);
            }
            match task.spot(reached) {
                Some(spot) => open_or_follow(&task, &way, &spot, wanted).await,
                None => Ok(Outcome::Resume),
            }
        };
        opened.await.into()
    })
}

/// What `/proc` tells otherwise than the kernel: a copy, as it is at this moment.
fn proc_text(task: &Task, reached: &Reached, wanted: Wanted) -> Option<Outcome> {
    let Reached::Native(native) = reached else { return None };
    let mut components = native.path.components().map(<[u8]>::to_vec);
    if components.next()? != b"proc" || wanted.writes() || wanted.has(OFlags::PATH) {
        return None;
    }
    let told = magic::retold(task, &components.collect::<Vec<_>>())?;
    let fd = fs::memfd_create("proc", MemfdFlags::CLOEXEC).ok()?;
    rustix::io::write(&fd, &told).ok().filter(|&written| written == told.len())?;
    fs::fchmod(&fd, Mode::from_raw_mode(0o444)).ok()?;
    fs::seek(&fd, fs::SeekFrom::Start(0)).ok()?;
    Some(wanted.install(fd))
}

/// Opens, and follows the last name if the server says that it is a link.
async fn open_or_follow(task: &Task, way: &Way, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    match open_at(task, spot, wanted).await {
        Err(error) if error.errno() == Errno::ELOOP && wanted.last(&way.path) == Last::FollowByOpening => {}
        done => return done,
    }
    let start = task.native_start(way.dirfd, &way.path)?;
    let reached = task.walk_with(start, &way.path, Last::Follow, way.limits).await?;
    match task.spot(reached) {
        Some(spot) => open_at(task, &spot, wanted).await,
        None => Ok(Outcome::Resume),
    }
}

async fn open_at(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    if wanted.local_only && spot.mount.driver.local_path(&spot.path).is_none() {
        return Err(Error::new(Errno::EOPNOTSUPP, format!("{} through the 32-bit interface", spot.path)));
    }
    if wanted.has(OFlags::PATH) {
        return open_path(task, spot, wanted).await;
    }
    if wanted.has(OFlags::TMPFILE) {
        return nameless::open(task, spot, wanted).await;
    }
    if spot.ending != Ending::Name && wanted.has(OFlags::CREATE | OFlags::EXCL) {
        return Err(Errno::EEXIST.into());
    }
    if spot.must_be_dir && wanted.has(OFlags::CREATE) {
        return Err(Errno::EISDIR.into());
    }
    if spot.must_be_dir || wanted.has(OFlags::DIRECTORY) {
        return open_named_directory(task, spot, wanted).await;
    }
    if let Some(path) = spot.mount.driver.local_path(&spot.path) {
        return open_local(task, spot, &path, wanted).await;
    }
    open_remote(task, spot, wanted).await
}

async fn open_remote(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    let truncate = wanted.has(OFlags::TRUNC);
    if wanted.writes() || truncate {
        spot.writable()?;
    }
    let create = wanted.has(OFlags::CREATE) && !spot.mount.options.read_only;
    // Without a number to give there is nothing to be made or cut first.
    if (create || truncate) && !task.has_free_descriptor() {
        return Err(Errno::EMFILE.into());
    }
    let mode = if create { wanted.mode & !task.umask() } else { 0 };
    let how = wanted.how(create, mode);
    for _ in 0..REPLACED_MAX {
        let opening = task.may_open(spot, how, wanted.has(OFlags::NOATIME)).await?;
        let opened = match task.open_at_server(spot, opening.how).await {
            Ok(opened) => opened,
            Err(error) if opening.is_outrun(how, error.errno()) => continue,
            Err(error) => return open_otherwise(task, spot, wanted, how, error).await,
        };
        let opened = task.follow_up(spot, &opening, opened).await?;
        match open_regular(task, spot, wanted, &opened, opening.sheds).await {
            // Others took the name away, or gave it to another file, between our two steps.
            Err(error) if error.errno() == Errno::ESTALE => {}
            done => return done,
        }
    }
    Err(replaced(spot))
}

/// How often an open is begun anew because the file was replaced meanwhile: each time somebody else got further.
const REPLACED_MAX: u32 = 64;

/// What an open comes to that the server did not answer with a regular file.
async fn open_otherwise(
    task: &Task,
    spot: &Spot,
    wanted: Wanted,
    how: OpenHow,
    error: Error,
) -> Result<Outcome, Error> {
    match error.errno() {
        Errno::EISDIR if !wanted.writes() && !wanted.has(OFlags::CREATE) => {
            open_named_directory(task, spot, wanted).await
        }
        Errno::ENXIO => open_special(task, spot, wanted).await,
        Errno::ENOENT if wanted.has(OFlags::CREATE) && !how.create => Err(Errno::EROFS.into()),
        _ => Err(error),
    }
}

impl Task {
    /// The object that was opened. Whoever has older content of it open keeps that, as after a close-to-open of NFS; from here
    /// on there is the new one. So it goes, too, with a program whose placeholder lies where nothing may be executed.
    pub(super) async fn object_as_it_is_now(
        &self,
        spot: &Spot,
        opened: &Opened,
    ) -> Result<Arc<Object>, Error> {
        let objects = &self.agent.objects;
        let mut fit = Fit::Data;
        for _ in 0..REPLACED_MAX {
            let object = objects.get_to(fit, &spot.mount, &spot.path, &opened.stat)?;
            if object.is_outdated(objects, &opened.file, &opened.stat).await? {
                objects.retire(&object);
                continue;
            }
            if object.placeholder.fit == Fit::Programs || !object.is_program(objects, &opened.file).await {
                return Ok(object);
            }
            object.left_by_writers(objects).await;
            if !object.is_left() {
                return Ok(object);
            }
            objects.retire(&object);
            fit = Fit::Programs;
        }
        Err(replaced(spot))
    }

    /// Opens at the server; for writing, if the server allows, for reading as well: what is there has to be fetched.
    async fn open_at_server(&self, spot: &Spot, how: OpenHow) -> Result<Opened, Error> {
        let driver = &spot.mount.driver;
        if how.write && !how.read && !how.truncate {
            let both = OpenHow { read: true, ..how };
            match self.agent.ask(&spot.mount, driver.open(&spot.path, both)).await {
                Err(error) if error.errno() == Errno::EACCES => {}
                opened => return opened,
            }
        }
        self.agent.ask(&spot.mount, driver.open(&spot.path, how)).await
    }
}

async fn open_regular(
    task: &Task,
    spot: &Spot,
    wanted: Wanted,
    opened: &Opened,
    sheds_set_id: bool,
) -> Result<Outcome, Error> {
    let agent = &task.agent;
    let objects = &agent.objects;
    let object = if wanted.has(OFlags::TRUNC) {
        objects.get(&spot.mount, &spot.path, &opened.stat)?
    } else {
        task.object_as_it_is_now(spot, opened).await?
    };
    if wanted.has(OFlags::TRUNC) {
        let writable = truncating(task, spot, wanted, opened).await?;
        object.emptied(objects, &writable, &opened.stat).await?;
    } else if !object.is_current(objects, &opened.stat) {
        let readable = readable(task, spot, wanted, opened).await?;
        objects.make_room(opened.stat.size);
        object.fetch(objects, &readable, &opened.stat).await?;
    }
    let is_new = objects.watches().opened(&object);
    if wanted.writes() || wanted.has(OFlags::CREATE) || wanted.has(OFlags::TRUNC) {
        agent.dentries.forget(spot.mount.driver_id, &spot.path);
    }
    let flags = wanted.flags & DESCRIPTION_FLAGS;
    let fd = if wanted.writes() {
        object.open_for_writing(objects, &opened.file, flags, sheds_set_id).await?
    } else {
        object.open_for_program(objects, flags)?
    };
    if wanted.has(OFlags::TRUNC) && !is_new {
        objects.watches().content_changed(spot.mount.driver_id, &spot.path);
    }
    Ok(wanted.install(fd))
}

/// A file to cut through: with O_RDONLY|O_TRUNC the one that was opened cannot.
async fn truncating(
    task: &Task,
    spot: &Spot,
    wanted: Wanted,
    opened: &Opened,
) -> Result<Arc<dyn File>, Error> {
    if wanted.writes() {
        return Ok(Arc::clone(&opened.file));
    }
    let how = OpenHow { write: true, ..OpenHow::default() };
    Ok(task.agent.ask(&spot.mount, spot.mount.driver.open(&spot.path, how)).await?.file)
}

/// A file to fetch from: one that was opened for writing only cannot be read.
async fn readable(task: &Task, spot: &Spot, wanted: Wanted, opened: &Opened) -> Result<Arc<dyn File>, Error> {
    if wanted.reads() || opened.stat.size == 0 || opened.file.read_at(0, 1).await.is_ok() {
        return Ok(Arc::clone(&opened.file));
    }
    let how = OpenHow { read: true, ..OpenHow::default() };
    let again = task.agent.ask(&spot.mount, spot.mount.driver.open(&spot.path, how)).await?;
    if again.stat.id != opened.stat.id {
        return Err(Error::transient(
            Errno::ESTALE,
            format!("{} was replaced while it was opened", spot.path),
        ));
    }
    Ok(again.file)
}

/// A fresh description of the object's placeholder for the program.
fn describe(objects: &Objects, object: &Object, wanted: Wanted) -> Result<Outcome, Error> {
    let fd = object.open_for_program(objects, wanted.flags & DESCRIPTION_FLAGS)?;
    Ok(wanted.install(fd))
}

async fn open_named_directory(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    let stat = task.stat_at(spot).await?;
    check_directory(&stat, wanted)?;
    if wanted.writes() || wanted.has(OFlags::CREATE) || wanted.has(OFlags::TRUNC) {
        return Err(Errno::EISDIR.into());
    }
    if stat.mode & 0o444 != 0o444 {
        task.allows(&spot.mount, &spot.path, &stat, libc::R_OK as u32).await?;
    }
    if wanted.has(OFlags::NOATIME) {
        task.owns(&stat)?;
    }
    task.open_directory(spot, &stat, wanted.flags & DESCRIPTION_FLAGS).map(|fd| wanted.install(fd))
}

/// ENOTDIR for what is none; ELOOP where it is a link that is to be followed.
pub(super) fn check_directory(stat: &Stat, wanted: Wanted) -> Result<(), Errno> {
    match stat.kind {
        FileKind::Directory => Ok(()),
        FileKind::Symlink if !wanted.has(OFlags::NOFOLLOW) => Err(Errno::ELOOP),
        _ => Err(Errno::ENOTDIR),
    }
}

impl Task {
    /// A descriptor of a directory: the placeholder's, or the machine's own.
    pub(super) fn open_directory(&self, spot: &Spot, stat: &Stat, flags: OFlags) -> Result<OwnedFd, Error> {
        if let Some(path) = spot.mount.driver.local_path(&spot.path) {
            let only = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
            let opened = fs::open(&path, flags | only, Mode::empty());
            return opened.map_err(|errno| Error::io("a local directory", errno.into()));
        }
        let object = self.agent.objects.get(&spot.mount, &spot.path, stat)?;
        lock_stat(&object, stat);
        object.open_for_program(&self.agent.objects, flags)
    }
}

fn lock_stat(object: &Object, stat: &Stat) {
    crate::lock(&object.remote).stat = *stat;
}

/// O_PATH: names an object without opening it.
async fn open_path(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    let stat = task.stat_at(spot).await?;
    if stat.kind == FileKind::Symlink && !wanted.has(OFlags::NOFOLLOW) {
        return Err(Errno::ELOOP.into());
    }
    if wanted.has(OFlags::DIRECTORY) && stat.kind != FileKind::Directory {
        return Err(Errno::ENOTDIR.into());
    }
    let flags = wanted.flags & PATH_FLAGS;
    if let Some(path) = spot.mount.driver.local_path(&spot.path) {
        return Ok(Outcome::OpenPath { path, flags: flags | OFlags::NOFOLLOW });
    }
    let object = task.agent.objects.get(&spot.mount, &spot.path, &stat)?;
    if stat.kind == FileKind::Directory {
        lock_stat(&object, &stat);
    }
    if task.reaches_cache() {
        return Ok(Outcome::OpenPath { path: object.placeholder.path.clone(), flags });
    }
    let flags = match object.kind {
        FileKind::Directory => OFlags::DIRECTORY,
        FileKind::Fifo => OFlags::RDWR,
        _ => NO_ACCESS,
    };
    Ok(wanted.install(object.open_for_program(&task.agent.objects, flags | OFlags::NONBLOCK)?))
}

/// A file of this machine that the program reaches through a mount or a server's link: a real one, opened here.
async fn open_local(task: &Task, spot: &Spot, path: &Path, wanted: Wanted) -> Result<Outcome, Error> {
    if wanted.writes() || wanted.has(OFlags::TRUNC) {
        spot.writable()?;
    }
    // All links on the way were followed, but for those of /proc, which are no names.
    let follows = if path.starts_with("/proc") { OFlags::empty() } else { OFlags::NOFOLLOW };
    let mut flags = wanted.flags | OFlags::CLOEXEC | follows;
    if spot.mount.options.read_only {
        flags.remove(OFlags::CREATE);
    }
    let how = wanted.how(flags.contains(OFlags::CREATE), wanted.mode & !task.umask());
    for _ in 0..REPLACED_MAX {
        let opening = task.may_open(spot, how, wanted.has(OFlags::NOATIME)).await?;
        if is_fifo(path) && fifo::waits(wanted) {
            return fifo::open(path, wanted).await;
        }
        flags.set(OFlags::CREATE, opening.how.create);
        flags.set(OFlags::EXCL, opening.how.exclusive);
        match fs::open(path, flags, Mode::from_raw_mode(opening.how.mode)) {
            Ok(fd) => {
                task.follow_up_locally(spot, &opening).await?;
                return Ok(wanted.install(fd));
            }
            Err(errno) => {
                let error = Error::io("a local file", errno.into());
                if !opening.is_outrun(how, error.errno()) {
                    return Err(error);
                }
            }
        }
    }
    Err(replaced(spot))
}

fn replaced(spot: &Spot) -> Error {
    Error::transient(Errno::ESTALE, format!("{} is replaced again and again", spot.path))
}

fn is_fifo(path: &Path) -> bool {
    fs::lstat(path).is_ok_and(|stat| fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::Fifo)
}

/// What is neither file nor directory nor link.
async fn open_special(task: &Task, spot: &Spot, wanted: Wanted) -> Result<Outcome, Error> {
    let stat = task.stat_at(spot).await?;
    match stat.kind {
        FileKind::Fifo => open_fifo(task, spot, &stat, wanted).await,
        FileKind::Socket => Err(Errno::ENXIO.into()),
        // As on a file system mounted without devices.
        _ => Err(Errno::EACCES.into()),
    }
}

/// A FIFO of a server joins the programs of this Mynah.
async fn open_fifo(task: &Task, spot: &Spot, stat: &Stat, wanted: Wanted) -> Result<Outcome, Error> {
    let object = task.agent.objects.get(&spot.mount, &spot.path, stat)?;
    if fifo::waits(wanted) {
        return fifo::open(&object.placeholder.path, wanted).await;
    }
    describe(&task.agent.objects, &object, wanted)
}
