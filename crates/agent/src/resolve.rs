//! From the path in a system call to the object that it names.
//!
//! Two steps. [`Task::begin`] asks, with one or two system calls and no waiting, whether the kernel alone will come to the
//! right answer: that is so when neither the path nor any link on it can lead into a mount. Everything else is walked
//! here, component by component, as path_resolution(7) tells, across the machine's own tree and all mounts.

use crate::dentries::Moment;
use crate::magic;
use crate::object::Object;
use crate::permission::{Credentials, SEARCH};
use crate::runs::Run;
use crate::tasks::{Dir, Task};
use crate::trace;
use mynah_vfs::{Errno, Error, FileKind, Mount, NAME_MAX, PATH_MAX, Place, Stat, VPath};
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, ResolveFlags};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Links followed in one path (path_resolution(7)).
const LINKS_MAX: u32 = 40;

/// Whether a link in the last place is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// The object behind it is meant.
    Follow,
    /// The link itself is meant.
    Keep,
    /// The entry itself is meant, to be made, removed or renamed: it is neither followed, not even for a trailing slash, nor
    /// asked for.
    Entry,
    /// The object behind it is meant, but in a mount the last name is not asked for: it is to be opened, and the server
    /// says then if it is a link. So an open costs one request.
    FollowByOpening,
}

/// The first answer about a path.
pub(crate) enum Begin {
    /// The kernel's answer is right.
    Native,
    /// It has to be walked, from here.
    Walk(Start),
    /// It fails.
    Fail(Errno),
}

/// A directory from which a walk starts.
pub(crate) struct Start {
    /// Its resolved name: the last one that it had, if it was removed.
    path: VPath,
    /// The object, if it is a remote one that is open.
    object: Option<Arc<Object>>,
}

impl Start {
    fn at(path: VPath) -> Start {
        Start { path, object: None }
    }

    fn root() -> Start {
        Start::at(VPath::root())
    }

    fn of(object: Arc<Object>, run: &Run) -> Result<Start, Errno> {
        let path = object.last_name_in(run).ok_or(Errno::ENOENT)?;
        Ok(Start { path, object: Some(object) })
    }
}

/// Where a walk came out.
pub(crate) enum Reached {
    /// In the machine's own tree.
    Native(NativeSpot),
    /// In a mount.
    Mounted(Spot),
    /// At a directory that only the namespace knows, such as `/chirp`.
    Virtual(VPath),
}

/// A name in the machine's own tree.
pub(crate) struct NativeSpot {
    /// The resolved name.
    pub(crate) path: VPath,
    /// Whether the kernel comes to the same name from what the program said: no mount was touched on the way.
    pub(crate) resumable: bool,
    /// See [`Spot::must_be_dir`].
    pub(crate) must_be_dir: bool,
}

/// A name in a mount. The object may or may not exist.
pub(crate) struct Spot {
    pub(crate) mount: Arc<Mount>,
    /// The name, as a path of the mount's driver.
    pub(crate) path: VPath,
    /// What the walk learned of the object; `None` where it did not ask or there is none.
    pub(crate) stat: Option<Stat>,
    /// A trailing slash was written, so only a directory is meant.
    pub(crate) must_be_dir: bool,
    /// What the last written component was.
    pub(crate) ending: Ending,
    /// When the walk began to ask.
    pub(crate) asked: Moment,
}

/// The last component of a path, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Name,
    Dot,
    DotDot,
}

impl Spot {
    /// Whether this is where the mount itself begins: it cannot be removed or renamed from inside.
    pub(crate) fn is_mount_point(&self) -> bool {
        self.path == self.mount.base
    }

    /// EROFS where the mount may not be changed.
    pub(crate) fn writable(&self) -> Result<(), Error> {
        if self.mount.options.read_only { Err(Errno::EROFS.into()) } else { Ok(()) }
    }
}

/// A path with nothing that a textual look could misread: no empty, `.` or `..` component.
fn is_plain(path: &[u8]) -> bool {
    let mut components = path.split(|&b| b == b'/');
    if path.starts_with(b"/") {
        components.next();
    }
    components.all(|component| !matches!(component, b"" | b"." | b".."))
}

fn os(path: &[u8]) -> &OsStr {
    OsStr::from_bytes(path)
}

impl Task {
    /// Whether the kernel alone comes to the right answer for `path`, taken from `dirfd` (AT_FDCWD for the working
    /// directory) if it is relative.
    pub(crate) fn begin(&self, dirfd: i32, path: &[u8], last: Last) -> Begin {
        if path.is_empty() {
            return Begin::Native;
        }
        if path.starts_with(b"/") {
            return if self.is_foreign() {
                Begin::Native
            } else {
                self.begin_absolute(path, last, Start::root)
            };
        }
        let base = if dirfd == libc::AT_FDCWD {
            self.cwd()
        } else {
            match self.begin_at_descriptor(dirfd, path, last) {
                Ok(begin) => return begin,
                Err(base) => base,
            }
        };
        match base {
            // Seen from another root, only what is ours by descriptor is ours.
            Dir::Native(_) if self.is_foreign() => Begin::Native,
            Dir::Native(cwd) => {
                let whole = [cwd.as_bytes(), if cwd.is_root() { b"" } else { b"/" }, path].concat();
                self.begin_absolute(&whole, last, || Start::at(cwd))
            }
            Dir::Hosted(object) => Start::of(object, &self.run).map_or_else(Begin::Fail, Begin::Walk),
            Dir::Nameless => Begin::Native,
        }
    }

    /// The quick look for a name relative to a descriptor: most such directories lie above no mount, so only a link could
    /// lead into one. `Err` with the directory when that does not settle it.
    fn begin_at_descriptor(&self, dirfd: i32, path: &[u8], last: Last) -> Result<Begin, Dir> {
        // The kernel has the right error for a descriptor that cannot be had.
        let Ok(fd) = self.descriptor(dirfd) else { return Ok(Begin::Native) };
        let Ok(stat) = fs::fstat(&fd) else { return Ok(Begin::Native) };
        let ident = mynah_cache::Ident { dev: stat.st_dev, ino: stat.st_ino };
        if let Some(object) = self.agent.objects.by_ident(ident) {
            return Err(Dir::Hosted(object));
        }
        // A directory of /proc may hold links and texts that name what is ours.
        let of_proc = stat.st_dev == self.agent.proc_dev && self.agent.retells_proc();
        if is_plain(path) && !of_proc && !self.run.above_mounts.contains(&ident) && !links_on(&fd, path, last)
        {
            return Ok(Begin::Native);
        }
        self.dir_of_descriptor(dirfd).map_or(Ok(Begin::Native), Err)
    }

    fn begin_absolute(&self, path: &[u8], last: Last, start: impl FnOnce() -> Start) -> Begin {
        let namespace = &self.run.namespace;
        if is_plain(path) && !namespace.covers(path) {
            let magic = path.starts_with(b"/proc/") && self.agent.retells_proc();
            if !magic && !links_on(CWD, path, last) {
                return Begin::Native;
            }
        }
        Begin::Walk(start())
    }

    /// Where a path that the kernel could resolve starts, when it has to be walked all the same.
    pub(crate) fn native_start(&self, dirfd: i32, path: &[u8]) -> Result<Start, Errno> {
        if path.starts_with(b"/") {
            return Ok(Start::root());
        }
        let base = if dirfd == libc::AT_FDCWD { self.cwd() } else { self.dir_of_descriptor(dirfd)? };
        match base {
            Dir::Native(path) => Ok(Start::at(path)),
            Dir::Hosted(object) => Start::of(object, &self.run),
            Dir::Nameless => Err(Errno::ENOENT),
        }
    }

    /// A path that the kernel resolves, as text from the root.
    pub(crate) fn native_text(&self, dirfd: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let start = self.native_start(dirfd, path)?;
        if path.starts_with(b"/") {
            return Ok(path.to_vec());
        }
        Ok([start.path.as_bytes(), b"/", path].concat())
    }

    /// What the agent has to act on; `None` if the kernel can resume the call as it is.
    pub(crate) fn spot(&self, reached: Reached) -> Option<Spot> {
        match reached {
            Reached::Native(native) if native.resumable => None,
            reached => Some(self.whole_spot(reached)),
        }
    }

    /// Anything that a walk can reach, as a name in some mount: the machine's own tree and the namespace's own directories
    /// are mounts too, for whoever cannot leave them to the kernel.
    pub(crate) fn whole_spot(&self, reached: Reached) -> Spot {
        let (mount, path, must_be_dir) = match reached {
            Reached::Mounted(spot) => return spot,
            Reached::Native(native) => (self.run.namespace.native(), native.path, native.must_be_dir),
            Reached::Virtual(path) => (&self.run.junctions, path, true),
        };
        Spot {
            mount: Arc::clone(mount),
            path,
            stat: None,
            must_be_dir,
            ending: Ending::Name,
            asked: self.agent.dentries.moment(),
        }
    }

    /// The name of an open object.
    pub(crate) fn spot_of(&self, object: &Object) -> Spot {
        Spot {
            mount: self.mount_of(object),
            path: object.driver_path(),
            stat: None,
            must_be_dir: false,
            ending: Ending::Name,
            asked: self.agent.dentries.moment(),
        }
    }

    /// Walks `path` from `start`, a resolved directory of the namespace.
    ///
    /// # Errors
    /// Those of path_resolution(7), and EXDEV for a server's link that leads out of its mount.
    pub(crate) async fn walk(&self, start: Start, path: &[u8], last: Last) -> Result<Reached, Error> {
        self.walk_with(start, path, last, ResolveFlags::empty()).await
    }

    /// [`Task::walk`] within the limits of openat2(2). With IN_ROOT or BENEATH no path may begin with a slash any more.
    pub(crate) async fn walk_with(
        &self,
        start: Start,
        path: &[u8],
        last: Last,
        limits: ResolveFlags,
    ) -> Result<Reached, Error> {
        let start = if path.starts_with(b"/") { Start::root() } else { start };
        let ending = ending_of(path).ok_or(Errno::ENOENT)?;
        let touched_mount = !matches!(self.run.namespace.lookup(&start.path), Place::Native);
        let mut walk = Walk {
            task: self,
            root: start.path.clone(),
            at: start.path,
            rest: VecDeque::new(),
            last,
            limits,
            links_left: LINKS_MAX,
            fences: Vec::new(),
            touched_mount,
            must_be_dir: path.ends_with(b"/") || ending != Ending::Name,
            ending,
            stat: None,
            asked: self.agent.dentries.moment(),
            caller: self.judged(),
        };
        walk.queue(path);
        if let Some(object) = start.object {
            walk.start_in(&object)?;
        }
        let reached = walk.run().await?;
        if self.agent.tracer.is_some() {
            match &reached {
                Reached::Native(native) => trace::here::is_local(&native.path),
                Reached::Mounted(spot) => trace::here::is(spot.mount.driver.as_ref(), &spot.path),
                Reached::Virtual(_) => {}
            }
        }
        Ok(reached)
    }
}

fn leads_out(mount: &Mount, to: &VPath) -> Error {
    Error::new(
        Errno::EXDEV,
        format!("a link in {} leads out of it, to {to} (symlinks=all would allow that)", mount.prefix),
    )
}

/// `None` for the empty path, which names nothing.
fn ending_of(path: &[u8]) -> Option<Ending> {
    match path.split(|&b| b == b'/').rfind(|component| !component.is_empty()) {
        Some(b".") => Some(Ending::Dot),
        Some(b"..") => Some(Ending::DotDot),
        None if path.is_empty() => None,
        Some(_) | None => Some(Ending::Name),
    }
}

/// Whether the kernel meets a symbolic link on the way, the last place included if it is followed.
fn links_on(dir: impl rustix::fd::AsFd, path: &[u8], last: Last) -> bool {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if matches!(last, Last::Keep | Last::Entry) {
        flags |= OFlags::NOFOLLOW;
    }
    // Any other failure (absent, no right to pass) comes before a link is met, and is what the kernel will tell.
    matches!(
        fs::openat2(dir, os(path), flags, Mode::empty(), ResolveFlags::NO_SYMLINKS),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOSYS)
    )
}

/// Links whose text is still being walked, and must come out in the mount that they were found in.
struct Fence {
    mount: Arc<Mount>,
    /// How many components were left when the link was met: with that many left again, its text is used up.
    left: usize,
}

struct Walk<'a> {
    task: &'a Task,
    /// Where it began: IN_ROOT and BENEATH do not let it out.
    root: VPath,
    /// Resolved so far: no link in it.
    at: VPath,
    rest: VecDeque<Vec<u8>>,
    last: Last,
    limits: ResolveFlags,
    links_left: u32,
    fences: Vec<Fence>,
    touched_mount: bool,
    must_be_dir: bool,
    ending: Ending,
    /// What is known of the object at `at`.
    stat: Option<Stat>,
    asked: Moment,
    /// Who has to be let through each directory, if it is for us to judge.
    caller: Option<Arc<Credentials>>,
}

impl Walk<'_> {
    fn queue(&mut self, text: &[u8]) {
        let components: Vec<Vec<u8>> = text
            .split(|&b| b == b'/')
            .filter(|component| !matches!(*component, b"" | b"."))
            .map(<[u8]>::to_vec)
            .collect();
        for component in components.into_iter().rev() {
            self.rest.push_front(component);
        }
    }

    /// In a directory that was removed there is only itself, and what was above it. ENOTDIR for what is none.
    fn start_in(&mut self, object: &Object) -> Result<(), Errno> {
        if object.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let removed = !object.is_linked();
        // Of one that has a name, the attributes are asked for by it: entries come and go in a directory.
        if self.rest.is_empty() && removed {
            self.stat = Some(object.stat());
        }
        if removed && self.rest.front().is_some_and(|component| component != b"..") {
            return Err(Errno::ENOENT);
        }
        Ok(())
    }

    async fn run(mut self) -> Result<Reached, Error> {
        loop {
            self.check_fences()?;
            if self.rest.is_empty() {
                break;
            }
            self.search().await?;
            let Some(component) = self.rest.pop_front() else { break };
            if component.len() > NAME_MAX {
                return Err(Errno::ENAMETOOLONG.into());
            }
            if component == b".." {
                self.step_up()?;
                continue;
            }
            let next = self.at.child(&component);
            let place = self.task.run.namespace.lookup(&next);
            self.may_cross(&place)?;
            match place {
                Place::Refused(errno) => return Err(errno.into()),
                Place::ServiceRoot => {
                    self.touched_mount = true;
                    self.arrive(next, None);
                }
                Place::Native => {
                    if let Some(reached) = self.step_native(next)? {
                        self.refuse_outside()?;
                        return Ok(reached);
                    }
                }
                Place::Mounted(mount, path) => {
                    self.enter().await?;
                    self.step_mounted(next, mount, path).await?;
                }
            }
        }
        // A dot is looked up like any other name.
        if self.ending == Ending::Dot {
            self.search().await?;
        }
        self.finish()
    }

    /// Whether the caller may look a name up where the walk is. Of the machine's own directories that is the kernel's to say, as
    /// long as it goes the same way.
    async fn search(&self) -> Result<(), Error> {
        let Some(caller) = &self.caller else { return Ok(()) };
        let agent = &self.task.agent;
        let directory = match self.task.run.namespace.lookup(&self.at) {
            Place::Mounted(mount, path) => match self.stat {
                Some(stat) => Ok(stat),
                None => agent.lstat_believed(&mount, &path, false).await,
            },
            Place::Native if self.touched_mount => self.native_stat(&self.at).await,
            _ => return Ok(()),
        };
        match directory {
            Ok(directory) if directory.is_dir() => Ok(caller.permits(&directory, SEARCH)?),
            // What is wrong with it the call itself will find.
            _ => Ok(()),
        }
    }

    async fn native_stat(&self, path: &VPath) -> Result<Stat, Error> {
        let native = self.task.run.namespace.native();
        self.task.agent.ask(native, native.driver.lstat(path)).await
    }

    /// The walk comes to a mount. The kernel would not have got there where the caller may not pass.
    async fn enter(&mut self) -> Result<(), Error> {
        let comes_from_native = !self.touched_mount;
        self.touched_mount = true;
        let Some(caller) = self.caller.clone().filter(|_| comes_from_native) else { return Ok(()) };
        let mut above = Some(self.at.clone());
        while let Some(path) = above {
            if matches!(self.task.run.namespace.lookup(&path), Place::Native)
                && let Ok(directory) = self.native_stat(&path).await
            {
                caller.permits(&directory, SEARCH)?;
            }
            above = path.parent();
        }
        Ok(())
    }

    fn arrive(&mut self, at: VPath, stat: Option<Stat>) {
        self.at = at;
        self.stat = stat;
    }

    fn is_scoped(&self) -> bool {
        self.limits.intersects(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT)
    }

    /// `..`: at the root of its scope a walk stays, or is refused.
    fn step_up(&mut self) -> Result<(), Errno> {
        if self.is_scoped() && self.at == self.root {
            return if self.limits.contains(ResolveFlags::IN_ROOT) { Ok(()) } else { Err(Errno::EXDEV) };
        }
        let mut above = self.at.clone();
        above.pop();
        self.may_cross(&self.task.run.namespace.lookup(&above))?;
        self.arrive(above, None);
        Ok(())
    }

    /// To `/`, as a link says that begins with it.
    fn step_to_root(&mut self) -> Result<(), Errno> {
        if self.limits.contains(ResolveFlags::BENEATH) {
            return Err(Errno::EXDEV);
        }
        let root = if self.is_scoped() { self.root.clone() } else { VPath::root() };
        self.may_cross(&self.task.run.namespace.lookup(&root))?;
        self.arrive(root, None);
        Ok(())
    }

    /// EXDEV where NO_XDEV forbids to leave one mount for another. The machine's own tree counts as one: as long as nothing
    /// else is met, the kernel walks itself, and knows its mounts.
    fn may_cross(&self, to: &Place) -> Result<(), Errno> {
        if !self.limits.contains(ResolveFlags::NO_XDEV) {
            return Ok(());
        }
        let same = match (self.task.run.namespace.lookup(&self.at), to) {
            (Place::Mounted(here, _), Place::Mounted(there, _)) => Arc::ptr_eq(&here, there),
            (Place::Native, Place::Native) | (Place::ServiceRoot, Place::ServiceRoot) => true,
            _ => false,
        };
        if same { Ok(()) } else { Err(Errno::EXDEV) }
    }

    /// Whether one of the links of `/proc` may be followed that lead wherever a descriptor does (openat2(2)).
    fn may_jump(&mut self) -> Result<(), Errno> {
        if self.limits.intersects(ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS) {
            return Err(Errno::ELOOP);
        }
        if self.is_scoped() {
            return Err(Errno::EXDEV);
        }
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::ELOOP)?;
        Ok(())
    }

    fn is_last(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether the component just taken is the entry that the call makes, removes or renames.
    fn is_entry(&self) -> bool {
        self.is_last() && self.last == Last::Entry && self.ending == Ending::Name
    }

    /// A trailing slash makes the last link one that is followed.
    fn keeps_link(&self) -> bool {
        self.is_entry() || (self.is_last() && self.last == Last::Keep && !self.must_be_dir)
    }

    /// One step in the machine's own tree. Some when the walk need not go on.
    fn step_native(&mut self, next: VPath) -> Result<Option<Reached>, Error> {
        if let Some(found) = self.step_magic(&next)? {
            return Ok(found);
        }
        if !self.keeps_link() {
            match fs::readlinkat(CWD, os(next.as_bytes()), Vec::new()) {
                Ok(text) => {
                    self.follow(text.as_bytes(), None)?;
                    return Ok(None);
                }
                Err(rustix::io::Errno::INVAL) => {}
                Err(_) if self.task.run.namespace.lies_above_mounts(&next) => {}
                Err(errno) if !self.is_last() || errno != rustix::io::Errno::NOENT => {
                    return self.stop_native(&next, errno).map(Some);
                }
                Err(_) => {}
            }
        }
        self.arrive(next, None);
        Ok(None)
    }

    /// The way ends in the machine's own tree before the path does: the kernel has the right error, if it goes the same way.
    fn stop_native(&mut self, next: &VPath, errno: rustix::io::Errno) -> Result<Reached, Error> {
        if self.touched_mount {
            return Err(Errno::new(errno.raw_os_error()).unwrap_or(Errno::ENOENT).into());
        }
        Ok(self.native(next.clone()))
    }

    /// The links of `/proc` that lead wherever a task's descriptor or directory is.
    fn step_magic(&mut self, next: &VPath) -> Result<Option<Option<Reached>>, Error> {
        if next.as_bytes() != b"/proc" {
            return Ok(None);
        }
        let found = magic::target(self.task, self.rest.make_contiguous());
        let follows = |used: usize| used < self.rest.len() || !matches!(self.last, Last::Keep | Last::Entry);
        match found {
            magic::Target::Object { object, used } if follows(used) => {
                let Some(shown) = self.task.shown(&object) else {
                    return Ok(Some(Some(self.below_proc(next))));
                };
                let stat = (object.kind != FileKind::Directory || !object.is_linked()).then(|| object.stat());
                self.jump(used, shown, stat)?;
                self.touched_mount = true;
                Ok(Some(None))
            }
            // Behind such a directory there may be a mount; the directory itself is the kernel's.
            magic::Target::Directory { path, used } if used < self.rest.len() => {
                self.jump(used, path, None)?;
                Ok(Some(None))
            }
            magic::Target::Kernel { link: Some(used) } if self.touched_mount && follows(used) => {
                self.may_jump()?;
                Ok(Some(Some(self.below_proc(next))))
            }
            _ => Ok(Some(Some(self.below_proc(next)))),
        }
    }

    fn jump(&mut self, used: usize, to: VPath, stat: Option<Stat>) -> Result<(), Error> {
        self.may_jump()?;
        self.may_cross(&self.task.run.namespace.lookup(&to))?;
        self.rest.drain(..used);
        self.arrive(to, stat);
        Ok(())
    }

    /// Below /proc the kernel knows best; what it shows of ours is put right by those who read it. A file without a name
    /// is reached through its descriptor natively, too.
    fn below_proc(&self, proc: &VPath) -> Reached {
        let mut whole = proc.clone();
        for (at, component) in self.rest.iter().enumerate() {
            match component.as_slice() {
                b".." => whole.pop(),
                // What the agent has to look at itself must not mean the agent.
                b"self" | b"thread-self" if at == 0 && self.touched_mount => {
                    whole.push(self.task.tid.0.to_string().as_bytes());
                }
                name => whole.push(name),
            }
        }
        self.native(whole)
    }

    fn native(&self, path: VPath) -> Reached {
        Reached::Native(NativeSpot { path, resumable: !self.touched_mount, must_be_dir: self.must_be_dir })
    }

    async fn step_mounted(&mut self, next: VPath, mount: Arc<Mount>, path: VPath) -> Result<(), Error> {
        let by_opening = self.is_last() && self.last == Last::FollowByOpening && !self.must_be_dir;
        if by_opening || self.is_entry() {
            self.arrive(next, None);
            return Ok(());
        }
        let agent = &self.task.agent;
        let stat = match agent.lstat_believed(&mount, &path, self.is_last()).await {
            Ok(stat) => stat,
            Err(error) if error.errno() == Errno::ENOENT => {
                let may_be_absent = self.is_last() && self.ending == Ending::Name;
                if !may_be_absent && !self.task.run.namespace.lies_above_mounts(&next) {
                    return Err(error);
                }
                self.arrive(next, None);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if stat.kind == FileKind::Symlink && !self.keeps_link() {
            let text = agent.ask(&mount, mount.driver.readlink(&path)).await?;
            return self.follow(&text, Some(mount));
        }
        if stat.kind != FileKind::Directory && (!self.is_last() || self.must_be_dir) {
            return Err(Errno::ENOTDIR.into());
        }
        self.arrive(next, Some(stat));
        Ok(())
    }

    /// Goes on with a link's text, from the directory that holds it.
    fn follow(&mut self, text: &[u8], mount: Option<Arc<Mount>>) -> Result<(), Error> {
        if self.limits.contains(ResolveFlags::NO_SYMLINKS) {
            return Err(Errno::ELOOP.into());
        }
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::ELOOP)?;
        if text.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let pending: usize = self.rest.iter().map(|component| component.len() + 1).sum();
        if text.len() + pending >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if let Some(mount) = mount.filter(|mount| !mount.links_may_leave()) {
            self.fences.push(Fence { mount, left: self.rest.len() });
        }
        if text.ends_with(b"/") && self.is_last() {
            self.must_be_dir = true;
        }
        if text.starts_with(b"/") {
            self.step_to_root()?;
        }
        self.stat = None;
        self.queue(text);
        Ok(())
    }

    /// A server's link whose text is used up must have come out in what its mount may name.
    fn check_fences(&mut self) -> Result<(), Error> {
        while let Some(fence) = self.fences.last() {
            if self.rest.len() > fence.left {
                break;
            }
            let out = match self.task.run.namespace.lookup(&self.at) {
                Place::Mounted(mount, _) => !Arc::ptr_eq(&mount, &fence.mount),
                _ => true,
            };
            if out {
                return Err(leads_out(&fence.mount, &self.at));
            }
            self.fences.pop();
        }
        Ok(())
    }

    /// The walk ends in the machine's own tree: no server's link may have led there.
    fn refuse_outside(&self) -> Result<(), Error> {
        match self.fences.last() {
            Some(fence) => Err(leads_out(&fence.mount, &self.at)),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Reached, Error> {
        match self.task.run.namespace.lookup(&self.at) {
            Place::Refused(errno) => Err(errno.into()),
            Place::ServiceRoot => Ok(Reached::Virtual(self.at)),
            Place::Native => Ok(self.finish_native()),
            Place::Mounted(mount, path) => Ok(Reached::Mounted(Spot {
                mount,
                path,
                stat: self.stat,
                must_be_dir: self.must_be_dir,
                ending: self.ending,
                asked: self.asked,
            })),
        }
    }

    fn finish_native(self) -> Reached {
        let above = self.task.run.namespace.lies_above_mounts(&self.at);
        if above && fs::statat(CWD, os(self.at.as_bytes()), AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Reached::Virtual(self.at);
        }
        self.native(self.at.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_can_be_read_as_text() {
        for plain in ["/", "/a", "a", "a/b", "/a/b.c/..d"] {
            assert_eq!(is_plain(plain.as_bytes()), plain != "/", "{plain}");
        }
        for not in ["//a", "/a//b", "/a/./b", "a/..", "..", ".", "a/", "/a/"] {
            assert!(!is_plain(not.as_bytes()), "{not}");
        }
    }

    #[test]
    fn endings_are_what_was_written() {
        assert_eq!(ending_of(b"/a/.."), Some(Ending::DotDot));
        assert_eq!(ending_of(b"a/./"), Some(Ending::Dot));
        assert_eq!(ending_of(b"/a/b/"), Some(Ending::Name));
        assert_eq!(ending_of(b"/"), Some(Ending::Name));
        assert_eq!(ending_of(b""), None);
    }
}
