//! Calls on their way to an answer.

use super::format::{Answer, Call, Place, Record, TEXT_MAX, Text, Told};
use super::{Tracer, nanoseconds, text};
use crate::agent::Agent;
use crate::lock;
use crate::syscalls::{Arg, i386, table};
use crate::tasks::Dir;
use mynah_intercept::{Abi, Notification, Tid, memory};
use mynah_vfs::{Driver, VPath};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Places that one call is said to lead to.
const PLACES_MAX: usize = 8;

tokio::task_local! {
    /// The call that the running handler works for. Handlers and drivers know nothing of the trace: what they come upon is
    /// noted here, by the few places through which all of it goes.
    static CURRENT: Arc<UnderWay>;
}

/// A call that was not answered yet.
pub(crate) struct UnderWay {
    number: u64,
    began: Instant,
    pid: i32,
    tid: Tid,
    name: Text,
    arguments: Vec<u64>,
    texts: Vec<Told>,
    /// Whether it names a path, so that a descriptor that it looks at is only where that path starts.
    names_path: bool,
    /// Whether what is walked to is what it means: a call on a descriptor has no path of its own.
    walks: bool,
    /// Whether it is worth a record however it is answered.
    is_told: bool,
    /// Whether it runs another program.
    is_exec: bool,
    places: Mutex<Vec<Place>>,
    /// The last that a server was asked about.
    asked: Mutex<Option<Place>>,
    requests: AtomicU64,
    fetched: AtomicU64,
    sent: AtomicU64,
}

impl UnderWay {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// A server is asked for it.
    pub(super) fn asks(&self, server: &Text, path: &Text) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        *lock(&self.asked) = Some(Place { server: Some(Arc::clone(server)), path: Arc::clone(path) });
    }

    pub(super) fn moved(&self, fetched: u64, sent: u64) {
        self.fetched.fetch_add(fetched, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
    }

    fn leads_to(&self, place: Place) {
        let mut places = lock(&self.places);
        if places.len() < PLACES_MAX && !places.contains(&place) {
            places.push(place);
        }
    }

    fn places(&self) -> Vec<Place> {
        let places = std::mem::take(&mut *lock(&self.places));
        // Of a name that was not found there is only the question.
        if places.is_empty() { lock(&self.asked).take().into_iter().collect() } else { places }
    }
}

/// The call that the running handler works for.
pub(super) fn current() -> Option<Arc<UnderWay>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// What the running handler's call comes to lead to, if the run is traced.
pub(crate) mod here {
    use super::{CURRENT, Driver, Place, UnderWay, VPath, text};
    use crate::object::Object;

    /// A path of the call leads to this path of a driver.
    pub(crate) fn is(driver: &dyn Driver, path: &VPath) {
        note(|call| {
            if call.walks {
                call.leads_to(place(driver, path));
            }
        });
    }

    /// A path of the call leads to this one of the machine's own.
    pub(crate) fn is_local(path: &VPath) {
        note(|call| {
            if call.walks {
                call.leads_to(Place { server: None, path: text(path.as_bytes()) });
            }
        });
    }

    /// A descriptor of the call stands for this.
    pub(crate) fn is_object(object: &Object) {
        note(|call| {
            if !call.names_path {
                call.leads_to(place(object.mount.driver.as_ref(), &object.driver_path()));
            }
        });
    }

    fn note(what: impl FnOnce(&UnderWay)) {
        // Nothing is under way where nothing is traced.
        let _ = CURRENT.try_with(|call| what(call));
    }

    fn place(driver: &dyn Driver, path: &VPath) -> Place {
        Place { server: driver.server().map(|server| text(server.as_bytes())), path: text(path.as_bytes()) }
    }
}

/// `work`, for the same call as the task that makes it.
pub(crate) fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let call = current();
    async move {
        match call {
            Some(call) => CURRENT.scope(call, work).await,
            None => work.await,
        }
    }
}

impl UnderWay {
    /// Decides for this call.
    pub(crate) fn decide<T>(self: &Arc<Self>, decide: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Arc::clone(self), decide)
    }

    /// Waits for this call.
    pub(crate) async fn wait<F: Future>(self: Arc<Self>, waiting: F) -> F::Output {
        CURRENT.scope(self, waiting).await
    }
}

impl Tracer {
    /// A call has come.
    pub(crate) fn begin(&self, agent: &Arc<Agent>, notification: &Notification) {
        let pid = self.process_of(agent, notification.tid);
        let call = Arc::new(self.under_way(agent, notification, pid));
        if call.is_exec {
            agent.tasks.runs_another_program(call.tid, call.pid);
        }
        lock(&self.under_way).insert(notification.id, call);
    }

    /// A call that was begun and is not answered.
    pub(crate) fn of(&self, notification: &Notification) -> Option<Arc<UnderWay>> {
        lock(&self.under_way).get(&notification.id).cloned()
    }

    /// A call was answered.
    pub(crate) fn answered(
        &self,
        agent: &Agent,
        notification: &Notification,
        answer: Answer,
        result: Option<i64>,
    ) {
        let Some(call) = lock(&self.under_way).remove(&notification.id) else { return };
        if call.is_exec {
            agent.tasks.runs_another_program(call.tid, call.pid);
        }
        let places = call.places();
        if !call.is_told && places.is_empty() && answer == Answer::Native {
            return;
        }
        self.record(&Record::Call(Box::new(Call {
            at: self.since_begin(call.began),
            took: nanoseconds(call.began.elapsed()),
            number: call.number,
            pid: call.pid,
            tid: call.tid.0,
            name: Arc::clone(&call.name),
            arguments: call.arguments.clone(),
            texts: call.texts.clone(),
            answer,
            result,
            places,
            requests: call.requests.load(Ordering::Relaxed),
            fetched: call.fetched.load(Ordering::Relaxed),
            sent: call.sent.load(Ordering::Relaxed),
        })));
    }

    /// The process of a thread. One that is new is told.
    fn process_of(&self, agent: &Agent, tid: Tid) -> i32 {
        if let Some(pid) = agent.tasks.traced_process(tid) {
            return pid;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", tid.0)).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse::<i32>().ok()
        };
        let pid = field("Tgid:").unwrap_or(tid.0);
        let parent = field("PPid:").unwrap_or(0);
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = text(name.strip_suffix(b"\n").unwrap_or(&name));
        if agent.tasks.trace_process(tid, pid) {
            self.record(&Record::Process { at: self.now(), pid, parent, name });
        }
        pid
    }

    fn under_way(&self, agent: &Arc<Agent>, notification: &Notification, pid: i32) -> UnderWay {
        let began = Instant::now();
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let call = &notification.call;
        let row = match call.abi {
            Abi::Native => table::row(call.number),
            Abi::I386 | Abi::X32 => None,
        };
        let name = match (row, call.abi) {
            (Some(row), _) => row.name.to_owned(),
            (None, Abi::I386) => i386::name_of(call.number)
                .map_or_else(|| format!("i386.{}", call.number), |name| format!("i386.{name}")),
            (None, Abi::Native) => format!("syscall_{}", call.number),
            (None, Abi::X32) => format!("x32.{}", call.number),
        };
        let kinds = row.map_or(&[][..], |row| row.args);
        let arguments = match row {
            Some(_) => kinds.iter().zip(call.args).map(|(kind, value)| kind.kept(value)).collect(),
            None => call.args.to_vec(),
        };
        let texts = texts(agent, notification, kinds);
        let names_path = texts.iter().any(|told: &Told| !told.text.is_empty());
        let class = row.map(|row| row.class);
        UnderWay {
            number,
            began,
            pid,
            tid: notification.tid,
            is_exec: name.ends_with("execve") || name.ends_with("execveat"),
            name: text(name.as_bytes()),
            arguments,
            texts,
            names_path,
            is_told: names_path || class.is_none_or(|class| class == table::Class::Process),
            walks: class != Some(table::Class::Descriptor),
            places: Mutex::default(),
            asked: Mutex::default(),
            requests: AtomicU64::new(0),
            fetched: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }
}

/// The texts that arguments point to. What cannot be read is left out.
fn texts(agent: &Arc<Agent>, notification: &Notification, kinds: &[Arg]) -> Vec<Told> {
    let mut texts = Vec::new();
    for (index, kind) in kinds.iter().enumerate().filter(|(_, kind)| kind.is_text()) {
        let mut read = Vec::new();
        let pointer = notification.call.pointer(index);
        if pointer.is_null()
            || memory::read_c_string_into(notification.tid, pointer, TEXT_MAX, &mut read).is_err()
        {
            continue;
        }
        let relative = *kind == Arg::Path && !read.is_empty() && !read.starts_with(b"/");
        let dirfd = index.checked_sub(1).filter(|before| kinds[*before] == Arg::Dirfd);
        let dirfd = dirfd.map_or(libc::AT_FDCWD, |before| notification.call.int(before));
        let from = if relative { directory(agent, notification.tid, dirfd) } else { None };
        texts.push(Told { argument: index, text: read.into(), from });
    }
    texts
}

/// The name of the directory from which relative paths start.
fn directory(agent: &Arc<Agent>, tid: Tid, dirfd: i32) -> Option<Text> {
    let task =
        crate::tasks::Task { agent: Arc::clone(agent), run: agent.run_of(tid), tid, by_real_ids: false };
    let dir = if dirfd == libc::AT_FDCWD { task.cwd() } else { task.dir_of_descriptor(dirfd).ok()? };
    match dir {
        Dir::Native(path) => Some(text(path.as_bytes())),
        Dir::Hosted(object) => task.shown(&object).map(|shown| text(shown.as_bytes())),
        Dir::Nameless => None,
    }
}
