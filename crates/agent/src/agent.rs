//! The agent of one run: what it is made of, and how it begins and ends.

use crate::dentries::Dentries;
use crate::identity::{Identity, View};
use crate::lock;
use crate::object::{Object, Objects};
use crate::pending::Pending;
use crate::permission::OfThread;
use crate::runs::{Run, Runs};
use crate::tasks::Tasks;
use crate::trace::Tracer;
use crate::unix_sockets::UnixSockets;
use mynah_cache::Store;
use mynah_intercept::Tid;
use mynah_intercept::listener::Listener;
use mynah_vfs::{Errno, Error, FileKind, Mount, Namespace, Op, Stat, VPath};
use rustix::event::{PollFd, PollFlags};
use rustix::fs;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a run is to be.
pub struct Config {
    /// Its names.
    pub namespace: Namespace,
    /// Where placeholders go.
    pub store: Store,
    /// How long a call may wait for a server that does not answer, where a mount does not say.
    pub timeout: Duration,
    /// Whether a system call that nobody knows ends the program instead of failing.
    pub strict_syscalls: bool,
    /// What writes down what programs do. The namespace's drivers are those of [`Tracer::connector`].
    pub tracer: Option<Arc<Tracer>>,
    /// Who its programs see themselves to be.
    pub identity: Identity,
}

/// A file whose changes could not be carried home.
#[derive(Debug)]
pub struct Lost {
    /// Its name in the program's namespace.
    pub name: String,
    /// Why.
    pub error: Error,
    /// Where its content was put instead; `None` if not even that was possible.
    pub rescued: Option<PathBuf>,
}

/// The agent of one run, and of all that are started inside it.
pub struct Agent {
    pub(crate) runs: Runs,
    pub(crate) objects: Objects,
    pub(crate) tasks: Tasks,
    pub(crate) dentries: Arc<Dentries>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) unix_sockets: UnixSockets,
    pub(crate) pending: Pending,
    pub(crate) runtime: Handle,
    /// Whom servers know: who this process is.
    pub(crate) credentials: OfThread,
    /// The device of /proc.
    pub(crate) proc_dev: u64,
    pub(crate) strict_syscalls: bool,
    pub(crate) tracer: Option<Arc<Tracer>>,
    pub(crate) identity: Identity,
    shows_identity: bool,
    /// Whether this agent may read programs that have closed themselves to their own user.
    pub(crate) reads_any_memory: bool,
    /// Unknown calls that were logged.
    pub(crate) unknown: Mutex<HashSet<u32>>,
    pub(crate) strict_violation: AtomicBool,
    /// What to tell the user at the end.
    pub(crate) notices: Mutex<Vec<String>>,
    timeout: Duration,
}

impl Agent {
    /// An agent that answers `listener`. Its waiting work runs on `runtime`.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn new(config: Config, listener: Arc<Listener>, runtime: &Handle) -> std::io::Result<Arc<Agent>> {
        let dentries = Arc::new(Dentries::default());
        let (objects, gone) = Objects::new(config.store, Arc::clone(&dentries));
        let agent = Arc::new(Agent {
            runs: Runs::new(Run::new(config.namespace, None)),
            objects,
            tasks: Tasks::default(),
            dentries,
            listener,
            unix_sockets: UnixSockets::default(),
            pending: Pending::default(),
            runtime: runtime.clone(),
            credentials: OfThread::of_agent().ok_or(std::io::ErrorKind::NotFound)?,
            proc_dev: fs::stat("/proc").map_or(0, |stat| stat.st_dev),
            strict_syscalls: config.strict_syscalls,
            tracer: config.tracer,
            shows_identity: [View::User, View::Host].into_iter().any(|view| config.identity.shows(view)),
            identity: config.identity,
            reads_any_memory: rustix::process::geteuid().is_root(),
            unknown: Mutex::default(),
            strict_violation: AtomicBool::new(false),
            notices: Mutex::default(),
            timeout: config.timeout,
        });
        runtime.spawn(Arc::clone(&agent).follow_writers(gone));
        let watched = Arc::clone(&agent);
        std::thread::Builder::new().name("changes".into()).spawn(move || watched.watch_changes())?;
        if let Some(tracer) = &agent.tracer {
            tracer.start()?;
        }
        runtime.spawn(Arc::clone(&agent).watch_callers());
        Ok(agent)
    }

    /// Whether the program was ended for a system call that nobody knows.
    #[must_use]
    pub fn met_unknown_call(&self) -> bool {
        self.strict_violation.load(Ordering::Acquire)
    }

    /// What went wrong in this run that the user can mend, a line each.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        lock(&self.notices).clone()
    }

    /// Waits for a mount's driver, but not for ever.
    pub(crate) async fn ask<T>(&self, mount: &Mount, op: Op<'_, T>) -> Result<T, Error> {
        let limit = mount.options.timeout.unwrap_or(self.timeout);
        match tokio::time::timeout(limit, op).await {
            Ok(result) => result,
            Err(_) => Err(Error::transient(
                Errno::ETIMEDOUT,
                format!("{}: no answer within {} s (--timeout sets how long)", mount.prefix, limit.as_secs()),
            )),
        }
    }

    /// Whether there is something of which `/proc` has to be told otherwise than the kernel does.
    pub(crate) fn retells_proc(&self) -> bool {
        !self.objects.is_empty() || self.shows_identity
    }

    /// Attributes of a name in a mount, from what was lately learned if that still holds. Of a name on the way only a
    /// directory is believed, so that a link that has come to be there is seen.
    pub(crate) async fn lstat_believed(
        &self,
        mount: &Mount,
        path: &VPath,
        last: bool,
    ) -> Result<Stat, Error> {
        let (dentries, driver) = (&self.dentries, mount.driver_id);
        let known = if last { dentries.get(driver, path) } else { dentries.directory(driver, path) };
        if let Some(stat) = known {
            return Ok(stat);
        }
        let asked = self.dentries.moment();
        let stat = self.ask(mount, mount.driver.lstat(path)).await?;
        if stat.kind == FileKind::Directory {
            self.dentries.put(asked, mount.driver_id, path.clone(), stat);
        }
        Ok(stat)
    }

    /// Carries home what is left by writers as they go, each file by itself: one server that hangs keeps no other waiting.
    async fn follow_writers(self: Arc<Self>, mut gone: mpsc::UnboundedReceiver<Arc<Object>>) {
        while let Some(object) = gone.recv().await {
            let agent = Arc::clone(&self);
            self.runtime.spawn(async move { object.left_by_writers(&agent.objects).await });
        }
    }

    /// Looks at what was closed even when no program makes a trapped call, for as long as the process lives: a killed
    /// program's data goes home at once.
    fn watch_changes(&self) {
        let closing = self.objects.store().changes().closing();
        loop {
            let mut poll = [PollFd::new(&closing, PollFlags::IN)];
            match rustix::event::poll(&mut poll, None) {
                Ok(_) => self.objects.drain(),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return tracing::error!("cannot watch the cache: {errno}"),
            }
        }
    }

    /// Carries everything home at the end of the run, all files at once, until it is done or `enough` is. What cannot go is
    /// saved beside the cache and named.
    pub async fn settle(self: &Arc<Self>, enough: impl Future<Output = ()>) -> Vec<Lost> {
        self.objects.drain();
        let mut left: HashMap<u64, Arc<Object>> = self
            .objects
            .all()
            .into_iter()
            .filter(|object| object.is_missed())
            .map(|one| (one.id, one))
            .collect();
        let mut going = JoinSet::new();
        for object in left.values().map(Arc::clone) {
            let agent = Arc::clone(self);
            let carry = async move { (object.id, object.carry_home(&agent.objects).await) };
            going.spawn_on(carry, &self.runtime);
        }
        let mut lost = Vec::new();
        let all = async {
            while let Some(one) = going.join_next().await {
                // One that broke off is still among those that are left.
                let Ok((id, result)) = one else { continue };
                if let (Some(object), Err(error)) = (left.remove(&id), result) {
                    lost.push(self.rescue(&object, error));
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = enough => {}
        }
        going.shutdown().await;
        for object in left.values() {
            let error =
                Error::new(Errno::ECANCELED, "its server did not take it, and nobody waited any longer");
            lost.push(self.rescue(object, error));
        }
        lost
    }

    fn rescue(&self, object: &Object, error: Error) -> Lost {
        let name = object.shown_in(self.runs.first()).unwrap_or_else(|| object.driver_path()).to_string();
        Lost { name, error, rescued: self.objects.store().rescue(&object.placeholder).ok() }
    }

    /// The last thing: takes the placeholders away.
    pub fn remove_placeholders(&self) {
        if let Err(error) = self.objects.store().clear() {
            tracing::warn!("cannot remove the run's placeholders: {error}");
        }
    }

    /// Whether a call number was met for the first time.
    pub(crate) fn first_meeting(&self, number: u32) -> bool {
        lock(&self.unknown).insert(number)
    }

    /// The program that a run begins with.
    pub fn program_launched(&self, tid: Tid) {
        self.tasks.launched(tid);
    }

    /// The task is gone, as far as anybody remembers it: with this status, or by a signal, negated.
    pub fn task_ended(&self, tid: Tid, status: i32) {
        if let Some(tracer) = &self.tracer {
            tracer.ended(tid.0, status);
        }
        self.tasks.ended(tid);
    }
}
