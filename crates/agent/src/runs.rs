//! The runs that one agent answers for: the one that it was started for, and those of each `mynah run` inside it, which hands
//! its mounts over to this agent because a tree of processes can have but one.
//!
//! A run inside another has *keepers*: the processes of its `mynah run`, which are subreapers. Whoever is below a keeper is of
//! its run, for life: an orphan moves to the next keeper above, so that each process has one among its ancestors for as long
//! as one lives. The keepers themselves are of the run around. When the last keeper has ended, so does all that is left below.

use crate::agent::Agent;
use crate::junctions;
use crate::lock;
use crate::object::Object;
use mynah_cache::Ident;
use mynah_intercept::Tid;
use mynah_intercept::pidfd::PidFd;
use mynah_vfs::mounts::{self, Consistency};
use mynah_vfs::{Errno, Error, Mount, Namespace, NamespaceId, Place, VPath};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fs;
use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Runs within runs: each look-up of a name goes through all that lie around.
const DEEPEST: usize = 16;
/// Keepers at one time. A program that starts runs in a loop must not fill our memory.
const KEEPERS_MAX: usize = 4096;
/// Ends of keepers that are looked at in one go.
const ENDS_AT_ONCE: usize = 64;
/// How often a task's ancestors are looked at anew because one of them ended meanwhile.
const LOOKS_MAX: u32 = 64;

/// One run: what its programs see.
pub(crate) struct Run {
    pub(crate) namespace: Arc<Namespace>,
    /// The directories that only the namespace knows, as a mount.
    pub(crate) junctions: Arc<Mount>,
    /// The machine's own directories below which mounts lie.
    pub(crate) above_mounts: HashSet<Ident>,
    /// Whether directories of the machine's own appear under other names.
    pub(crate) renames_native: bool,
}

impl Run {
    pub(crate) fn new(namespace: Namespace, around: Option<&Run>) -> Run {
        let namespace = Arc::new(namespace);
        let mut above_mounts = directories_above(&namespace);
        above_mounts.extend(around.into_iter().flat_map(|run| &run.above_mounts));
        Run {
            junctions: junctions::mount(&namespace),
            above_mounts,
            renames_native: namespace.renames_native(),
            namespace,
        }
    }

    /// Whether a name is that of a directory that only the namespace knows.
    pub(crate) fn knows_directory(&self, path: &VPath) -> bool {
        self.namespace.lies_above_mounts(path) || matches!(self.namespace.lookup(path), Place::ServiceRoot)
    }

    pub(crate) fn id(&self) -> NamespaceId {
        self.namespace.id()
    }
}

/// The machine's own directories on the way to each mount point, by whatever name they are seen.
fn directories_above(namespace: &Namespace) -> HashSet<Ident> {
    let mut above = HashSet::new();
    let root = VPath::root();
    for prefix in namespace.prefixes().chain([&root]) {
        let mut dir = Some(prefix.clone());
        while let Some(path) = dir {
            if let Some(stat) = native_path(namespace, &path).and_then(|path| fs::stat(&path).ok()) {
                above.insert(Ident { dev: stat.st_dev, ino: stat.st_ino });
            }
            dir = path.parent();
        }
    }
    above
}

fn native_path(namespace: &Namespace, path: &VPath) -> Option<PathBuf> {
    match namespace.lookup(path) {
        Place::Native => namespace.native().driver.local_path(path),
        Place::Mounted(mount, at) => mount.driver.local_path(&at),
        Place::ServiceRoot | Place::Refused(_) => None,
    }
}

/// All runs of one agent.
pub(crate) struct Runs {
    first: Arc<Run>,
    keepers: Mutex<HashMap<i32, Keeper>>,
    /// Where the ends of keepers are told.
    ends: OnceLock<rustix::io::Result<Arc<OwnedFd>>>,
    /// Whether there ever was another run: until then nobody's ancestors need be looked at.
    any: AtomicBool,
}

#[derive(Clone)]
struct Keeper {
    process: Arc<PidFd>,
    /// Where it is itself.
    own: Arc<Run>,
    /// Where all below it are.
    below: Arc<Run>,
}

impl Runs {
    pub(crate) fn new(first: Run) -> Runs {
        Runs {
            first: Arc::new(first),
            keepers: Mutex::default(),
            ends: OnceLock::new(),
            any: AtomicBool::new(false),
        }
    }

    pub(crate) fn first(&self) -> &Arc<Run> {
        &self.first
    }

    fn keeper(&self, process: i32) -> Option<Keeper> {
        lock(&self.keepers).get(&process).filter(|keeper| !keeper.process.has_ended()).cloned()
    }
}

/// A task's process and that one's parent, by number; 0 where it is outside our PID namespace.
fn lineage(task: i32) -> Option<(i32, i32)> {
    let status = std::fs::read_to_string(format!("/proc/{task}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
    Some((field("Tgid:")?, field("PPid:")?))
}

impl Agent {
    /// The run that a task belongs to.
    pub(crate) fn run_of(&self, tid: Tid) -> Arc<Run> {
        if !self.runs.any.load(Ordering::Acquire) {
            return Arc::clone(&self.runs.first);
        }
        if let Some(run) = self.tasks.run(tid) {
            return run;
        }
        let run = self.find_run(tid);
        self.tasks.note_run(tid, &run);
        run
    }

    /// Looks for the nearest keeper among the ancestors. While we look, one of them may end and its number be given to
    /// another: what was seen counts only if all the links still hold afterwards, for then everybody has lived meanwhile.
    fn find_run(&self, tid: Tid) -> Arc<Run> {
        for _ in 0..LOOKS_MAX {
            let mut links = Vec::new();
            if let Some(run) = self.climb(tid, &mut links)
                && links.iter().all(|&(child, parent)| lineage(child).is_some_and(|(_, now)| now == parent))
            {
                return run;
            }
        }
        tracing::error!(tid = tid.0, "the task's ancestors change too fast to be looked at");
        Arc::clone(&self.runs.first)
    }

    /// One look. Notes each child and parent that it passes; `None` when one of them is gone.
    fn climb(&self, tid: Tid, links: &mut Vec<(i32, i32)>) -> Option<Arc<Run>> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut at = tid.0;
        loop {
            let (process, parent) = lineage(at)?;
            if let Some(keeper) = self.runs.keeper(process) {
                return Some(if links.is_empty() { keeper.own } else { keeper.below });
            }
            if let Some(run) = self.tasks.run(Tid(process)) {
                return Some(run);
            }
            links.push((process, parent));
            if parent == own || parent <= 1 {
                return Some(Arc::clone(&self.runs.first));
            }
            at = parent;
        }
    }

    /// Begins a run of everybody who will be below the caller.
    pub(crate) fn enter(self: &Arc<Self>, caller: Tid, timeout: Duration, text: &[u8]) -> Result<(), Error> {
        let around = self.run_of(caller);
        if around.namespace.depth() >= DEEPEST {
            let why = format!("{DEEPEST} runs lie around this one already, and no more are taken");
            return Err(Error::new(Errno::EUSERS, why));
        }
        let specs = mounts::parse_file(text, |spec| match spec.options.consistency {
            Consistency::Session => Ok(()),
            Consistency::Strict => Err("consistency=strict is not built yet".to_owned()),
        })
        .map_err(|error| Error::new(Errno::EINVAL, error.message))?;
        let namespace = Namespace::within(&around.namespace, &specs, &VPath::root(), timeout)?;
        let run = Arc::new(Run::new(namespace, Some(&around)));
        tracing::info!(
            tid = caller.0,
            run = run.id().0,
            mounts = specs.len(),
            "a run inside this one begins"
        );
        self.keep(caller, (around, run))
    }

    /// Makes the caller a keeper of the run that its parent keeps.
    pub(crate) fn keep_too(self: &Arc<Self>, caller: Tid) -> Option<Result<(), Error>> {
        let (process, parent) = lineage(caller.0)?;
        let keeper = self.runs.keeper(parent)?;
        let kept = self.keep(Tid(process), (Arc::clone(&keeper.own), keeper.below));
        self.tasks.note_run(caller, &keeper.own);
        Some(kept)
    }

    fn keep(self: &Arc<Self>, caller: Tid, (own, below): (Arc<Run>, Arc<Run>)) -> Result<(), Error> {
        let watching = |error| Error::io("a keeper's end cannot be watched", error);
        let process = lineage(caller.0).map_or(caller.0, |(process, _)| process);
        let pidfd = Arc::new(PidFd::open(Tid(process)).map_err(watching)?);
        {
            let mut keepers = lock(&self.runs.keepers);
            if keepers.get(&process).is_some_and(|keeper| !keeper.process.has_ended()) {
                return Err(Error::new(Errno::EBUSY, "this process keeps a run already"));
            }
            if keepers.len() >= KEEPERS_MAX {
                return Err(Error::new(Errno::EUSERS, format!("{KEEPERS_MAX} processes keep runs already")));
            }
            let ends = self.runs.ends.get_or_init(|| self.watch_keepers());
            let ends = ends.as_ref().map_err(|errno| watching((*errno).into()))?;
            let once = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
            epoll::add(ends, &pidfd, epoll::EventData::new_u64(process as u64), once)
                .map_err(|errno| watching(errno.into()))?;
            keepers.insert(process, Keeper { process: pidfd, own, below });
        }
        self.runs.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Begins to wait for the ends of keepers, in a thread of its own.
    fn watch_keepers(self: &Arc<Self>) -> rustix::io::Result<Arc<OwnedFd>> {
        let ends = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let (agent, watched) = (Arc::clone(self), Arc::clone(&ends));
        let watch = move || loop {
            let mut events = Vec::with_capacity(ENDS_AT_ONCE);
            match epoll::wait(&watched, spare_capacity(&mut events), None) {
                Ok(_) => events.iter().for_each(|event| agent.keeper_ended(event.data.u64() as i32)),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return tracing::error!("cannot watch keepers: {errno}"),
            }
        };
        match std::thread::Builder::new().name("keepers".into()).spawn(watch) {
            Ok(_) => Ok(ends),
            Err(_) => Err(rustix::io::Errno::AGAIN),
        }
    }

    fn keeper_ended(&self, process: i32) {
        let over = {
            let mut keepers = lock(&self.runs.keepers);
            let ended = keepers.get(&process).filter(|keeper| keeper.process.has_ended());
            let Some(run) = ended.map(|keeper| Arc::clone(&keeper.below)) else { return };
            keepers.remove(&process);
            (!keepers.values().any(|keeper| Arc::ptr_eq(&keeper.below, &run))).then_some(run)
        };
        let Some(run) = over else { return };
        // Its keepers end what is below them before they end. Both were killed if there is anybody left.
        for left in self.tasks.of_run(&run) {
            // It may end by itself at this moment.
            let _ = left.kill(libc::SIGKILL);
        }
        for object in self.objects.all() {
            object.forget_namespace(run.id());
        }
        tracing::info!(run = run.id().0, "a run inside this one is over");
    }

    /// The run that a caller keeps.
    pub(crate) fn kept_by(&self, caller: Tid) -> Option<Arc<Run>> {
        let (process, _) = lineage(caller.0)?;
        self.runs.keeper(process).map(|keeper| keeper.below)
    }

    /// Carries home what was written in a run. What could not go is kept, and tried again when the whole agent ends.
    pub(crate) async fn settle_run(self: &Arc<Self>, run: &Run) -> Vec<String> {
        self.objects.drain();
        let mut left: Vec<Arc<Object>> = self.objects.all();
        left.retain(|object| object.is_missed() && object.is_known_in(run.id()));
        let mut going = tokio::task::JoinSet::new();
        for object in left {
            let agent = Arc::clone(self);
            going.spawn_on(async move { (object.carry_home(&agent.objects).await, object) }, &self.runtime);
        }
        let mut lost = Vec::new();
        while let Some(one) = going.join_next().await {
            if let Ok((Err(error), object)) = one {
                let name = object.shown_in(run).unwrap_or_else(|| object.driver_path());
                lost.push(format!("{name} was not written: {error}"));
            }
        }
        lost
    }
}
