//! What the agent knows of the tasks that call it: a kept pidfd, the working directory, whether it sees our root.
//!
//! Everything here is a memory of what the kernel says and can be forgotten at any time.

use crate::object::Object;
use crate::permission::OfThread;
use crate::runs::Run;
use crate::{Agent, lock, trace};
use mynah_cache::Ident;
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::{Call, Notification, Tid};
use mynah_vfs::{Errno, Mount, VPath};
use rustix::fs::{self, AtFlags, OFlags};
use rustix::thread::CapabilitySet;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::read_link;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A directory from which a relative name starts.
#[derive(Clone)]
pub(crate) enum Dir {
    /// One of the machine's own, with its path.
    Native(VPath),
    /// One that stands for an object of a mount.
    Hosted(Arc<Object>),
    /// The machine's own, but with a path that cannot be told (removed, or outside our root).
    Nameless,
}

/// Tasks remembered at once; beyond it the memory starts anew.
const REMEMBERED_MAX: usize = 4096;

/// A chdir or a change of ids that was handed to the kernel has been performed after this time, whatever else its caller does.
const SETTLED_AFTER: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(crate) struct Tasks {
    known: Mutex<HashMap<i32, Known>>,
    /// Counts every chdir and directory rename: a remembered directory is good only for the count at which it was seen.
    epoch: AtomicU64,
    /// The callers whose chdir the kernel may not have performed yet.
    unsettled: Mutex<HashMap<i32, Instant>>,
    /// The last call of each task that may have waited.
    heard: Mutex<HashMap<i32, Call>>,
    /// Whether some program may have a root or mount namespace that is not ours.
    foreign: AtomicBool,
    /// Whether some program may have other credentials than we.
    credentials_vary: AtomicBool,
    /// Counts the programs begun since they vary: what was remembered of a thread's is good only for the count at which it was seen.
    programs: AtomicU64,
    /// The first program of each run, which was launched with a parent-death signal, until it sets one of its own.
    launched: Mutex<HashSet<i32>>,
    /// Tasks that have made themselves not dumpable, as far as they know.
    closed: Mutex<HashSet<i32>>,
}

struct Known {
    pidfd: Arc<PidFd>,
    run: Option<Arc<Run>>,
    cwd: Option<(u64, Dir)>,
    foreign: Option<(u64, bool)>,
    /// Its credentials, which only the thread itself can change.
    credentials: Option<(u64, Arc<OfThread>)>,
    /// When it last asked for others.
    credentials_asked: Option<Instant>,
    /// Its process, once the trace has told of it.
    traced: Option<i32>,
}

impl Tasks {
    /// A working directory changes, for this task and all that share it.
    pub(crate) fn directory_changes(&self, tid: Tid) {
        lock(&self.unsettled).insert(tid.0, Instant::now());
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Directories may have got other names.
    pub(crate) fn forget_directories(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Some program asks for a root or a mount namespace of its own.
    pub(crate) fn root_changes(&self, tid: Tid) {
        self.foreign.store(true, Ordering::Release);
        self.directory_changes(tid);
    }

    /// A thread asks for other credentials.
    pub(crate) fn credentials_change(&self, tid: Tid) {
        self.credentials_vary.store(true, Ordering::Release);
        // One that is gone changes nothing any more.
        let _ = self.with(tid, |known| {
            known.credentials = None;
            known.credentials_asked = Some(Instant::now());
        });
    }

    /// A thread may be about to run another program, which can change credentials, and gives the thread its process's number.
    pub(crate) fn program_begins(&self) {
        if self.credentials_vary() {
            self.programs.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether a program may have other credentials than we have. What it can see of the machine, only the kernel can tell then.
    pub(crate) fn credentials_vary(&self) -> bool {
        self.credentials_vary.load(Ordering::Acquire)
    }

    /// The program that a run began with.
    pub(crate) fn launched(&self, tid: Tid) {
        lock(&self.launched).insert(tid.0);
    }

    pub(crate) fn has_our_death_signal(&self, tid: Tid) -> bool {
        lock(&self.launched).contains(&tid.0)
    }

    pub(crate) fn sets_death_signal(&self, tid: Tid) {
        // Any other task's is its own already.
        lock(&self.launched).remove(&tid.0);
    }

    pub(crate) fn note_dumpable(&self, tid: Tid, dumpable: bool) {
        let mut closed = lock(&self.closed);
        if dumpable {
            closed.remove(&tid.0)
        } else {
            closed.insert(tid.0)
        };
    }

    pub(crate) fn says_not_dumpable(&self, tid: Tid) -> bool {
        lock(&self.closed).contains(&tid.0)
    }

    /// Remembers a call that may wait: one that ends with EINTR may have been received, or not.
    pub(crate) fn heard(&self, notification: &Notification) {
        lock(&self.heard).insert(notification.tid.0, notification.call);
    }

    /// Whether this is the call of the task that was last received, among those that may wait.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "signal frames are read on x86_64"))]
    pub(crate) fn last_heard(&self, tid: Tid, call: &Call) -> bool {
        lock(&self.heard).get(&tid.0) == Some(call)
    }

    /// The task ends.
    pub(crate) fn ended(&self, tid: Tid) {
        lock(&self.launched).remove(&tid.0);
        self.forget(tid);
    }

    /// Nothing that was remembered of the task need be true any more.
    pub(crate) fn forget(&self, tid: Tid) {
        lock(&self.closed).remove(&tid.0);
        lock(&self.known).remove(&tid.0);
        lock(&self.unsettled).remove(&tid.0);
        lock(&self.heard).remove(&tid.0);
    }

    /// The process of a task, if the trace has told of it.
    pub(crate) fn traced_process(&self, tid: Tid) -> Option<i32> {
        self.with(tid, |known| known.traced).ok().flatten()
    }

    /// Notes a task's process, for the trace. False if the trace has told of the process already.
    pub(crate) fn trace_process(&self, tid: Tid, pid: i32) -> bool {
        let is_told = tid.0 != pid && self.traced_process(Tid(pid)).is_some();
        // One that cannot be remembered is gone, or is told once more.
        let _ = self.with(tid, |known| known.traced = Some(pid));
        !is_told
    }

    /// A task may be about to run another program, which the trace has then to tell of.
    pub(crate) fn runs_another_program(&self, tid: Tid, pid: i32) {
        let mut known = lock(&self.known);
        for task in [tid.0, pid] {
            if let Some(task) = known.get_mut(&task) {
                task.traced = None;
            }
        }
    }

    /// A task that calls again has had its last chdir performed.
    fn settle(&self, tid: Tid) -> bool {
        let mut unsettled = lock(&self.unsettled);
        if unsettled.is_empty() {
            return true;
        }
        unsettled.remove(&tid.0);
        unsettled.retain(|_, since| since.elapsed() < SETTLED_AFTER);
        unsettled.is_empty()
    }

    /// The run of a task, if it is known.
    pub(crate) fn run(&self, tid: Tid) -> Option<Arc<Run>> {
        let known = lock(&self.known);
        let task = known.get(&tid.0).filter(|task| !task.pidfd.has_ended())?;
        task.run.clone()
    }

    /// The task belongs to this run.
    pub(crate) fn note_run(&self, tid: Tid, run: &Arc<Run>) {
        // A task that is gone belongs nowhere.
        let _ = self.with(tid, |known| known.run = Some(Arc::clone(run)));
    }

    /// The tasks that are known to belong to a run.
    pub(crate) fn of_run(&self, run: &Arc<Run>) -> Vec<Arc<PidFd>> {
        let known = lock(&self.known);
        let of_it = |task: &&Known| task.run.as_ref().is_some_and(|one| Arc::ptr_eq(one, run));
        known.values().filter(of_it).map(|task| Arc::clone(&task.pidfd)).collect()
    }

    fn with<T>(&self, tid: Tid, look: impl FnOnce(&mut Known) -> T) -> std::io::Result<T> {
        let mut known = lock(&self.known);
        // A number that was given to another task since must not be taken for the old one.
        if known.get(&tid.0).is_some_and(|task| task.pidfd.has_ended()) {
            known.remove(&tid.0);
        }
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let task = match known.entry(tid.0) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let pidfd = Arc::new(PidFd::open_thread(tid)?);
                free.insert(Known {
                    pidfd,
                    run: None,
                    cwd: None,
                    foreign: None,
                    credentials: None,
                    credentials_asked: None,
                    traced: None,
                })
            }
        };
        Ok(look(task))
    }
}

/// One calling task.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) agent: Arc<Agent>,
    /// The run in whose namespace names are meant.
    pub(crate) run: Arc<Run>,
    pub(crate) tid: Tid,
    /// Whether the real user's rights are meant (access(2)).
    pub(crate) by_real_ids: bool,
}

impl Task {
    /// The name of an object in the task's namespace, as far as it has one.
    pub(crate) fn shown(&self, object: &Object) -> Option<VPath> {
        object.shown_in(&self.run)
    }

    /// The mount whose options count for what the task does with an object that it has open.
    pub(crate) fn mount_of(&self, object: &Object) -> Arc<Mount> {
        object.mount_in(&self.run).unwrap_or_else(|| Arc::clone(&object.mount))
    }

    /// The path of one of the task's own files in `/proc`.
    pub(crate) fn proc(&self, entry: &str) -> String {
        format!("/proc/{}/{entry}", self.tid.0)
    }

    /// The very open file that a descriptor of the task refers to.
    pub(crate) fn descriptor(&self, fd: i32) -> std::io::Result<OwnedFd> {
        let pidfd = self.agent.tasks.with(self.tid, |known| Arc::clone(&known.pidfd))?;
        pidfd.get_fd(fd)
    }

    /// The object that a descriptor of the task stands for, with the descriptor; `None` for one of the machine's own, and
    /// where the kernel itself will say what is wrong with it.
    pub(crate) fn hosted(&self, fd: i32) -> Option<(Arc<Object>, OwnedFd)> {
        if self.agent.objects.is_empty() {
            return None;
        }
        let fd = self.descriptor(fd).ok()?;
        let object = self.agent.objects.of_descriptor(&fd)?;
        if self.agent.tracer.is_some() {
            trace::here::is_object(&object);
        }
        Some((object, fd))
    }

    /// [`Task::hosted`] for calls that need the file to be open: the kernel refuses them (EBADF) for one that is only named
    /// (O_PATH).
    pub(crate) fn opened(&self, fd: i32) -> Option<(Arc<Object>, OwnedFd)> {
        self.hosted(fd).filter(|(_, fd)| !is_only_named(fd))
    }

    /// Where relative names start.
    pub(crate) fn cwd(&self) -> Dir {
        let tasks = &self.agent.tasks;
        let settled = tasks.settle(self.tid);
        let epoch = tasks.epoch.load(Ordering::Acquire);
        if settled {
            let remembered = tasks.with(self.tid, |known| match &known.cwd {
                Some((seen, dir)) if *seen == epoch => Some(dir.clone()),
                _ => None,
            });
            if let Ok(Some(dir)) = remembered {
                return dir;
            }
        }
        let dir = self.dir_of_link(&self.proc("cwd"));
        if settled {
            // Failing to remember costs time only.
            let _ = tasks.with(self.tid, |known| known.cwd = Some((epoch, dir.clone())));
        }
        dir
    }

    /// Where names relative to a descriptor start. The kernel's error for a bad one.
    pub(crate) fn dir_of_descriptor(&self, fd: i32) -> Result<Dir, Errno> {
        if let Some((object, _)) = self.hosted(fd) {
            return Ok(Dir::Hosted(object));
        }
        match self.dir_of_link(&self.proc(&format!("fd/{fd}"))) {
            Dir::Nameless if self.descriptor(fd).is_err() => Err(Errno::EBADF),
            dir => Ok(dir),
        }
    }

    fn dir_of_link(&self, link: &str) -> Dir {
        let Ok(text) = read_link(link) else { return Dir::Nameless };
        let text = text.into_os_string().into_vec();
        if self.agent.objects.may_be_hosted(&text)
            && let Some(object) = self.object_of_link(link)
        {
            return Dir::Hosted(object);
        }
        if !text.starts_with(b"/") || text.ends_with(b" (deleted)") {
            return Dir::Nameless;
        }
        let Some(path) = VPath::normal(&text) else { return Dir::Nameless };
        Dir::Native(self.run.namespace.shown_as(&path).unwrap_or(path))
    }

    /// The directory of the machine's own that a magic link of `/proc` leads to, by its name in the namespace: not one that
    /// another root or mount namespace shows, whose name means something else here.
    pub(crate) fn directory_of_link(&self, link: &str) -> Option<VPath> {
        let there = fs::statat(fs::CWD, link, AtFlags::empty()).ok()?;
        if fs::FileType::from_raw_mode(there.st_mode) != fs::FileType::Directory {
            return None;
        }
        let Dir::Native(path) = self.dir_of_link(link) else { return None };
        let here = fs::statat(fs::CWD, OsStr::from_bytes(path.as_bytes()), AtFlags::SYMLINK_NOFOLLOW);
        // Where a mount shows the directory under another name, that name may mean nothing to the kernel.
        let same = here.is_ok_and(|here| (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino));
        (same || self.run.renames_native).then_some(path)
    }

    /// The object that a magic link of `/proc` leads to.
    pub(crate) fn object_of_link(&self, link: &str) -> Option<Arc<Object>> {
        let stat = fs::statat(fs::CWD, link, AtFlags::empty()).ok()?;
        self.agent.objects.by_ident(Ident { dev: stat.st_dev, ino: stat.st_ino })
    }

    /// Whether the task sees a root or mounts that are not ours: its paths are then the kernel's alone.
    pub(crate) fn is_foreign(&self) -> bool {
        let tasks = &self.agent.tasks;
        if !tasks.foreign.load(Ordering::Acquire) {
            return false;
        }
        let settled = tasks.settle(self.tid);
        let epoch = tasks.epoch.load(Ordering::Acquire);
        let remembered = tasks.with(self.tid, |known| known.foreign.filter(|(seen, _)| *seen == epoch));
        if let (true, Ok(Some((_, foreign)))) = (settled, remembered) {
            return foreign;
        }
        let foreign = self.sees_another_root();
        if settled {
            let _ = tasks.with(self.tid, |known| known.foreign = Some((epoch, foreign)));
        }
        foreign
    }

    fn sees_another_root(&self) -> bool {
        let root =
            |path: &str| fs::statat(fs::CWD, path, AtFlags::empty()).map(|s| (s.st_dev, s.st_ino)).ok();
        let mounts = |path: &str| read_link(path).ok();
        root(&self.proc("root/.")) != root("/") || mounts(&self.proc("ns/mnt")) != mounts("/proc/self/ns/mnt")
    }

    /// The file mode creation mask.
    pub(crate) fn umask(&self) -> u32 {
        // 022 is what a task has that nobody gave another; a task that is gone needs none.
        self.status_field("Umask:").and_then(|text| u32::from_str_radix(&text, 8).ok()).unwrap_or(0o022)
    }

    /// By what the kernel judges the task; `None` for one that is gone.
    pub(crate) fn credentials(&self) -> Option<Arc<OfThread>> {
        let tasks = &self.agent.tasks;
        let programs = tasks.programs.load(Ordering::Acquire);
        let remembered = tasks.with(self.tid, |known| match &known.credentials {
            Some((seen, credentials)) if *seen == programs => Some(Arc::clone(credentials)),
            _ => None,
        });
        if let Ok(Some(credentials)) = remembered {
            return Some(credentials);
        }
        let credentials = Arc::new(OfThread::of(self.tid.0)?);
        // Failing to remember costs time only. While the kernel may not have performed the last change, work that the thread
        // left for a signal could still see the old ones.
        let _ = tasks.with(self.tid, |known| {
            let is_settled = known.credentials_asked.is_none_or(|at| at.elapsed() >= SETTLED_AFTER);
            known.credentials = is_settled.then(|| (programs, Arc::clone(&credentials)));
        });
        Some(credentials)
    }

    /// The user and group by which the kernel judges what the task may do with files.
    pub(crate) fn file_owner(&self) -> Option<(u32, u32)> {
        let fourth = |field: &str| self.status_field(field)?.split_whitespace().nth(3)?.parse().ok();
        Some((fourth("Uid:")?, fourth("Gid:")?))
    }

    /// Whether the task has a right that root has. One that is gone needs none.
    pub(crate) fn is_capable(&self, right: CapabilitySet) -> bool {
        let effective = self.status_field("CapEff:").and_then(|text| u64::from_str_radix(&text, 16).ok());
        CapabilitySet::from_bits_retain(effective.unwrap_or(0)).contains(right)
    }

    /// Whether a group is the task's own, or one of its supplementary ones.
    pub(crate) fn is_in_group(&self, group: u32) -> bool {
        let own = self.file_owner().is_some_and(|(_, own)| own == group);
        let others = self.status_field("Groups:").unwrap_or_default();
        own || others.split_whitespace().any(|other| other.parse() == Ok(group))
    }

    /// Whether the task can follow a path into the cache: it is the cache's user, and sees our root.
    pub(crate) fn reaches_cache(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        !self.is_foreign() && self.file_owner().is_some_and(|(uid, _)| uid == own)
    }

    /// Whether an open would find a free number (RLIMIT_NOFILE). Looked for from above: numbers are given from below.
    pub(crate) fn has_free_descriptor(&self) -> bool {
        let Some(limit) = self.limit("Max open files").and_then(|limit| i32::try_from(limit).ok()) else {
            return true;
        };
        !(0..limit).rev().all(|number| self.descriptor(number).is_ok())
    }

    /// A soft limit, by its name in proc(5), whose columns are wide; `None` for no limit, or a task that is gone.
    fn limit(&self, name: &str) -> Option<u64> {
        let limits = std::fs::read_to_string(self.proc("limits")).ok()?;
        let row = limits.lines().find_map(|line| line.strip_prefix(name))?;
        row.split_whitespace().next()?.parse().ok()
    }

    fn status_field(&self, name: &str) -> Option<String> {
        let status = std::fs::read_to_string(self.proc("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim().to_owned())
    }

    /// RLIMIT_FSIZE: how many bytes a file may have that the task makes longer. The kernel sees to it where it does the work.
    pub(crate) fn file_size_limit(&self) -> u64 {
        self.limit("Max file size").unwrap_or(u64::MAX)
    }

    /// Sends the task a signal, as the kernel does when it refuses something. One that has ended needs none.
    pub(crate) fn signal(&self, signal: i32) {
        if let Ok(pidfd) = self.agent.tasks.with(self.tid, |known| Arc::clone(&known.pidfd)) {
            let _ = pidfd.kill(signal);
        }
    }

    /// Whether a descriptor goes when the task runs another program.
    pub(crate) fn closes_on_exec(&self, fd: i32) -> bool {
        let info = std::fs::read_to_string(self.proc(&format!("fdinfo/{fd}"))).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0);
        flags & OFlags::CLOEXEC.bits() != 0
    }

    /// The inodes of the files that the task has mapped, of the cache's file system or of others (proc(5): the fifth field).
    pub(crate) fn mappings(&self) -> Vec<u64> {
        let maps = std::fs::read(self.proc("maps")).unwrap_or_default();
        let inode = |line: &[u8]| {
            let field = line.split(|&b| b == b' ').filter(|field| !field.is_empty()).nth(4)?;
            std::str::from_utf8(field).ok()?.parse().ok().filter(|&inode: &u64| inode != 0)
        };
        maps.split(|&b| b == b'\n').filter_map(inode).collect()
    }

    /// The numbers of the task's open descriptors.
    pub(crate) fn descriptors(&self) -> Vec<i32> {
        let Ok(entries) = std::fs::read_dir(self.proc("fd")) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}

/// Whether a descriptor only names its file.
pub(crate) fn is_only_named(fd: &OwnedFd) -> bool {
    fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::PATH))
}

/// Whether a descriptor can be written through.
pub(crate) fn is_writable(fd: &OwnedFd) -> bool {
    fs::fcntl_getfl(fd).is_ok_and(|flags| {
        let mode = flags & OFlags::RWMODE;
        mode == OFlags::WRONLY || mode == OFlags::RDWR
    })
}
