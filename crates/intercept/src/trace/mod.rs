//! The tracer: what stands behind a [`Listener`](crate::listener::Listener) where the kernel gives none.
//!
//! The filter returns RET_TRACE, every task is traced from its first moment to its last, and a trapped call is a stop
//! before it is performed. Everything ptrace(2) asks of a tracer is asked of one thread: so one thread, that which
//! asks for notifications, waits for all stops and makes all requests. Others put what they want into its inbox and wait.
//!
//! What takes several stops (a descriptor handed over, an execve performed as another) is an *errand*: a future that is
//! polled when its task stops. Many may be under way, and none holds up the others: a task may well wait in the call it is
//! made to perform for what another one does.
//!
//! A stopped task is woken by SIGKILL alone, so a caller that waits for its answer is disturbed by no other signal; whoever
//! answers looks for pending signals, as with a listener whose callers wait killably.
//!
//! A tracer is shown its tasks' ends and stops before their parents are; what concerns us as a parent goes to
//! [`subreaper`].
//!
//! ptrace(2); `kernel/seccomp.c` (`__seccomp_filter`), `kernel/signal.c` (`do_jobctl_trap`).

mod handover;
mod resident;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rustix::event::EventfdFlags;

use crate::arch::Registers;
use crate::listener::{AddFd, Answer, abandoned, call_of, restart};
use crate::ptrace::{self, Stop, options};
use crate::transient::{Scratch, Tracee, TransientError, raw_number, restart_call};
use crate::{Abi, Notification, Tid, subreaper, sys};

pub(crate) use resident::{News, Resident};

/// Everything that the tree starts is traced as well, and ends with us.
const OPTIONS: u64 = options::SYSGOOD
    | options::FORK
    | options::VFORK
    | options::CLONE
    | options::EXEC
    | options::VFORK_DONE
    | options::SECCOMP
    | options::EXITKILL;

/// How soon a tracer that was just falling asleep when it was knocked at is knocked at again.
const KNOCK_AGAIN: Duration = Duration::from_millis(1);

/// The tracer of one tree of programs.
pub(crate) struct Tracer {
    first: Tid,
    /// The tracing thread, once it has begun.
    thread: OnceLock<(ThreadId, i32)>,
    asleep: AtomicBool,
    /// Whoever stops is killed.
    ending: AtomicBool,
    inbox: Mutex<Inbox>,
    tasks: Mutex<Tasks>,
    gate: Mutex<Gate>,
    news: OwnedFd,
}

/// What other threads want done. `None` when nobody will do it any more.
type Inbox = Option<VecDeque<Request>>;
type Request = Box<dyn FnOnce(&Arc<Tracer>) + Send>;
type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// What the child waits for: it may run when it is traced and somebody said so.
#[derive(Debug)]
enum Gate {
    Closed,
    /// To be opened when the child is traced.
    Asked(OwnedFd),
    /// The child is traced.
    Traced,
}

#[derive(Default)]
struct Tasks {
    last_id: u64,
    /// Callers whose calls are pending.
    held: HashMap<u64, Held>,
    errands: HashMap<Tid, Errand>,
    /// Not received yet.
    ready: VecDeque<Notification>,
    /// Those stopped with their group.
    stopped: HashSet<Tid>,
    /// What is to be unmapped from those who wait in vfork.
    vfork: HashMap<Tid, Scratch>,
}

struct Held {
    notification: Notification,
    at: At,
}

/// Where a caller is kept.
enum At {
    /// Before its call.
    Entry,
    /// After another call that it was made to perform; its own is undone.
    Parked(Box<Tracee>),
    /// An errand has it, and will give it back.
    Lent,
}

struct Errand {
    resident: Resident,
    future: Future,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("first", &self.first).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code that can panic runs under these locks, so what they guard is whole even then.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}

impl Tracer {
    /// For `first`, which waits at its gate.
    pub(crate) fn new(first: Tid) -> io::Result<Tracer> {
        sys::make_interrupting(KNOCK)?;
        // Each stop of each task would otherwise be announced to the whole process.
        sys::announce_no_stops();
        subreaper::leave_to_tracer();
        Ok(Tracer {
            first,
            thread: OnceLock::new(),
            asleep: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            inbox: Mutex::new(Some(VecDeque::new())),
            tasks: Mutex::default(),
            gate: Mutex::new(Gate::Closed),
            news: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Lets the child pass its gate as soon as it is traced.
    pub(crate) fn open_gate(&self, gate: OwnedFd) -> io::Result<()> {
        let mut state = lock(&self.gate);
        match &*state {
            Gate::Traced => pass(&gate),
            _ => {
                *state = Gate::Asked(gate);
                Ok(())
            }
        }
    }

    pub(crate) fn news(&self) -> BorrowedFd<'_> {
        self.news.as_fd()
    }

    pub(crate) fn heard(&self) {
        let mut count = [0; 8];
        // Nothing to read is as good.
        let _ = rustix::io::read(&self.news, &mut count);
    }

    fn tell_news(&self) {
        // Full is as good.
        let _ = rustix::io::write(&self.news, &1_u64.to_ne_bytes());
    }

    /// See [`Listener::recv`](crate::listener::Listener::recv).
    pub(crate) fn recv(self: &Arc<Self>) -> io::Result<Notification> {
        self.begin()?;
        loop {
            {
                let mut tasks = lock(&self.tasks);
                while let Some(next) = tasks.ready.pop_front() {
                    if tasks.held.contains_key(&next.id) {
                        return Ok(next);
                    }
                }
            }
            self.step()?;
        }
    }

    fn begin(&self) -> io::Result<()> {
        if self.is_this_thread() {
            return Ok(());
        }
        let me = (thread::current().id(), rustix::thread::gettid().as_raw_nonzero().get());
        if self.thread.set(me).is_err() {
            return Err(io::Error::other("another thread is the tracer of these programs"));
        }
        sys::block_signal(KNOCK);
        let mut gate = lock(&self.gate);
        let asked = std::mem::replace(&mut *gate, Gate::Closed);
        // A child that cannot be traced finds its gate gone.
        ptrace::seize(self.first, OPTIONS)?;
        *gate = Gate::Traced;
        match asked {
            Gate::Asked(gate) => pass(&gate),
            Gate::Closed | Gate::Traced => Ok(()),
        }
    }

    fn is_this_thread(&self) -> bool {
        self.thread.get().is_some_and(|(id, _)| *id == thread::current().id())
    }

    /// Sees to one stop, or to what is in the inbox. Waits if there is nothing.
    fn step(self: &Arc<Self>) -> io::Result<()> {
        const LOOK: i32 = libc::WEXITED | libc::WSTOPPED | libc::__WALL | libc::__WNOTHREAD;
        while let Some(request) = lock(&self.inbox).as_mut().and_then(VecDeque::pop_front) {
            request(self);
        }
        let seen = match sys::waitid(libc::P_ALL, 0, LOOK | libc::WNOHANG) {
            Ok(None) => self.sleep(|| sys::waitid(libc::P_ALL, 0, LOOK)),
            other => other,
        };
        match seen {
            Ok(Some(info)) => self.see(info),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                *lock(&self.inbox) = None;
                let nobody = error.raw_os_error() == Some(libc::ECHILD);
                return Err(if nobody { abandoned() } else { error });
            }
        }
        Ok(())
    }

    /// Waits so that [`knock`](Self::knock) is heard, unless there is something in the inbox.
    fn sleep<T>(&self, wait: impl FnOnce() -> io::Result<Option<T>>) -> io::Result<Option<T>> {
        self.asleep.store(true, Ordering::SeqCst);
        sys::unblock_signal(KNOCK);
        let empty = lock(&self.inbox).as_ref().is_none_or(VecDeque::is_empty);
        let seen = if empty { wait() } else { Ok(None) };
        sys::block_signal(KNOCK);
        self.asleep.store(false, Ordering::SeqCst);
        seen
    }

    /// Wakes the tracer. One that was just about to fall asleep may not hear it.
    fn knock(&self) {
        if let (true, Some((_, tid))) = (self.asleep.load(Ordering::SeqCst), self.thread.get()) {
            sys::signal_own_thread(*tid, KNOCK);
        }
    }

    /// Has `begin` called by the tracing thread, and waits for what it, or an errand that it starts, sends. `None` if
    /// nothing will be.
    fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        begin: impl FnOnce(&Arc<Tracer>, Sender<T>) + Send + 'static,
    ) -> Option<T> {
        let (reply, outcome) = mpsc::channel();
        if self.is_this_thread() {
            begin(self, reply);
            loop {
                match outcome.try_recv() {
                    Ok(outcome) => return Some(outcome),
                    Err(TryRecvError::Disconnected) => return None,
                    Err(TryRecvError::Empty) => self.step().ok()?,
                }
            }
        }
        lock(&self.inbox).as_mut()?.push_back(Box::new(move |tracer| begin(tracer, reply)));
        loop {
            self.knock();
            match outcome.recv_timeout(KNOCK_AGAIN) {
                Ok(outcome) => return Some(outcome),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let taken = lock(&self.inbox).as_ref().is_none_or(VecDeque::is_empty);
                    if taken {
                        return outcome.recv().ok();
                    }
                }
            }
        }
    }

    /// See [`Listener::is_alive`](crate::listener::Listener::is_alive).
    pub(crate) fn is_alive(&self, id: u64) -> bool {
        lock(&self.tasks).held.contains_key(&id)
    }

    /// Whether a thread is stopped by job control.
    pub(crate) fn has_stopped(&self, tid: Tid) -> bool {
        lock(&self.tasks).stopped.contains(&tid)
    }

    /// See [`Listener::kill_at_next_stop`](crate::listener::Listener::kill_at_next_stop).
    pub(crate) fn kill_at_next_stop(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// See [`Listener::resume`](crate::listener::Listener::resume).
    pub(crate) fn resume(self: &Arc<Self>, id: u64) -> io::Result<()> {
        let begin = move |tracer: &Arc<Tracer>, reply: Sender<_>| drop(reply.send(tracer.resume_here(id)));
        self.ask(begin).unwrap_or_else(|| Err(gone()))
    }

    /// See [`Listener::answer`](crate::listener::Listener::answer).
    pub(crate) fn answer(self: &Arc<Self>, id: u64, answer: Answer) -> io::Result<()> {
        let begin =
            move |tracer: &Arc<Tracer>, reply: Sender<_>| drop(reply.send(tracer.answer_here(id, answer)));
        self.ask(begin).unwrap_or_else(|| Err(gone()))
    }

    /// See [`Listener::add_fd`](crate::listener::Listener::add_fd).
    pub(crate) fn add_fd(self: &Arc<Self>, id: u64, fd: BorrowedFd<'_>, how: AddFd) -> io::Result<i32> {
        let fd = fd.try_clone_to_owned()?;
        let begin = move |tracer: &Arc<Tracer>, reply: Sender<_>| tracer.add_fd_here(id, fd, how, reply);
        self.ask(begin).unwrap_or_else(|| Err(gone()))
    }

    /// Lends the caller of a pending call to `with`, which answers it.
    pub(crate) fn work<T: Send + 'static, Working>(
        self: &Arc<Self>,
        id: u64,
        with: impl FnOnce(Tracee) -> Working + Send + 'static,
    ) -> Result<T, TransientError>
    where
        Working: std::future::Future<Output = Result<T, TransientError>> + Send + 'static,
    {
        let begin = move |tracer: &Arc<Tracer>, reply: Sender<_>| {
            let Some(held) = tracer.take(id) else { return };
            tracer.lend(held, move |tracee| async move {
                let outcome = match tracee {
                    Ok(tracee) => with(tracee).await,
                    Err(error) => Err(error),
                };
                // Whoever asked may be tired of waiting.
                let _ = reply.send(outcome);
            });
        };
        self.ask(begin).unwrap_or(Err(TransientError::Gone))
    }

    // From here on: by the tracing thread alone.

    /// One whose answer is about to be given.
    fn take(&self, id: u64) -> Option<Held> {
        let mut tasks = lock(&self.tasks);
        match tasks.held.get(&id)?.at {
            At::Lent => None,
            At::Entry | At::Parked(_) => tasks.held.remove(&id),
        }
    }

    fn resume_here(self: &Arc<Self>, id: u64) -> io::Result<()> {
        let Held { notification, at } = self.take(id).ok_or_else(gone)?;
        match at {
            At::Entry => {
                keep_children_traced(&notification)?;
                ptrace::cont(notification.tid, 0)
            }
            at @ At::Parked(_) => {
                let call = notification.call;
                self.lend(Held { notification, at }, move |tracee| async move {
                    let Ok(mut tracee) = tracee else { return };
                    if let Ok(result) = tracee.perform(raw_number(&call), call.args).await {
                        let _ = tracee.go_on(result);
                    }
                });
                Ok(())
            }
            At::Lent => Err(gone()),
        }
    }

    fn answer_here(self: &Arc<Self>, id: u64, answer: Answer) -> io::Result<()> {
        let Held { notification, at } = self.take(id).ok_or_else(gone)?;
        let result = match answer {
            Answer::Value(value) => value,
            Answer::Errno(code @ restart::ERESTARTSYS..=restart::ERESTARTNOHAND) => {
                match at {
                    At::Entry => self.restart(notification, code),
                    // Its call is undone already: let go, it makes it again.
                    At::Parked(tracee) => drop(tracee),
                    At::Lent => {}
                }
                return Ok(());
            }
            Answer::Errno(errno) => -i64::from(errno),
        };
        match at {
            At::Entry => {
                let tid = notification.tid;
                Registers::read(tid.0)?.skip_call(tid.0, result)?;
                ptrace::cont(tid, 0)
            }
            At::Parked(tracee) => tracee.go_on(result).map_err(|_| gone()),
            At::Lent => Err(gone()),
        }
    }

    fn restart(self: &Arc<Self>, notification: Notification, code: i32) {
        let resident = Resident::new(self);
        let lent = resident.clone();
        let future = Box::pin(async move {
            // What cannot be restarted has ended.
            let _ = restart_call(lent, &notification, code).await;
        });
        self.start(notification.tid, Errand { resident, future });
    }

    fn add_fd_here(self: &Arc<Self>, id: u64, fd: OwnedFd, how: AddFd, reply: Sender<io::Result<i32>>) {
        let Some(held) = self.take(id) else { return };
        let notification = held.notification;
        lock(&self.tasks).held.insert(id, Held { notification, at: At::Lent });
        let tracer = Arc::clone(self);
        self.lend(held, move |tracee| async move {
            let Ok(mut tracee) = tracee else { return };
            let Ok(added) = handover::hand_over(&mut tracee, fd, how).await else { return };
            match added {
                Ok(number) if how.answer => {
                    lock(&tracer.tasks).held.remove(&id);
                    let _ = tracee.go_on(i64::from(number));
                }
                _ => drop(
                    lock(&tracer.tasks)
                        .held
                        .insert(id, Held { notification, at: At::Parked(Box::new(tracee)) }),
                ),
            }
            let _ = reply.send(added.map_err(io::Error::from_raw_os_error));
        });
    }

    /// Starts an errand with the caller of a pending call.
    fn lend<Working>(
        self: &Arc<Self>,
        held: Held,
        with: impl FnOnce(Result<Tracee, TransientError>) -> Working + Send + 'static,
    ) where
        Working: std::future::Future<Output = ()> + Send + 'static,
    {
        let Held { notification, at } = held;
        let tid = notification.tid;
        let errand = match at {
            At::Entry => {
                let resident = Resident::new(self);
                let lent = resident.clone();
                let future = async move { with(Tracee::lent(lent, &notification).await).await };
                Errand { resident, future: Box::pin(future) }
            }
            At::Parked(tracee) => {
                let Some(resident) = tracee.resident().cloned() else { return };
                Errand { resident, future: Box::pin(with(Ok(*tracee))) }
            }
            At::Lent => return,
        };
        self.start(tid, errand);
    }

    fn start(&self, tid: Tid, errand: Errand) {
        lock(&self.tasks).errands.insert(tid, errand);
        self.poll(tid);
    }

    /// Goes on with a task's errand.
    fn poll(&self, tid: Tid) {
        let Some(mut errand) = lock(&self.tasks).errands.remove(&tid) else { return };
        let mut context = Context::from_waker(Waker::noop());
        if errand.future.as_mut().poll(&mut context).is_pending() {
            lock(&self.tasks).errands.insert(tid, errand);
        }
    }

    fn see(self: &Arc<Self>, info: sys::WaitInfo) {
        let tid = Tid(info.pid);
        match info.code {
            libc::CLD_TRAPPED | libc::CLD_STOPPED => self.see_stop(tid, Stop::of(info.status)),
            _ => {
                self.forget(tid);
                subreaper::tell_end(tid, info);
                self.tell_news();
            }
        }
    }

    fn see_stop(self: &Arc<Self>, tid: Tid, stop: Stop) {
        if self.ending.load(Ordering::Acquire) {
            return sys::kill(tid);
        }
        if stop == Stop::Exec {
            self.ids_change_hands(tid);
        }
        let errand = lock(&self.tasks).errands.get(&tid).map(|errand| errand.resident.clone());
        if let Some(resident) = errand {
            resident.tell(News::Stop(tid, stop));
            return self.poll(tid);
        }
        // A task that is gone needs nothing more: its end is heard of.
        let _ = match stop {
            Stop::Seccomp => self.hold(tid),
            Stop::VforkDone => self.unmap_or_go_on(tid),
            Stop::Group(signal) => self.stopped(tid, signal),
            Stop::Signal(signal) => ptrace::cont(tid, signal),
            Stop::Interrupted => {
                self.continued(tid);
                ptrace::cont(tid, 0)
            }
            Stop::Syscall | Stop::Exec | Stop::Birth => ptrace::cont(tid, 0),
        };
    }

    fn hold(&self, tid: Tid) -> io::Result<()> {
        let info = ptrace::call_info(tid)?;
        let call = call_of(info.audit_arch, info.number as u32, info.args, info.ip);
        let mut tasks = lock(&self.tasks);
        tasks.last_id += 1;
        let notification = Notification { id: tasks.last_id, tid, call };
        tasks.held.insert(notification.id, Held { notification, at: At::Entry });
        tasks.ready.push_back(notification);
        Ok(())
    }

    fn unmap_or_go_on(self: &Arc<Self>, tid: Tid) -> io::Result<()> {
        let Some(scratch) = lock(&self.tasks).vfork.remove(&tid) else { return ptrace::cont(tid, 0) };
        let resident = Resident::new(self);
        let lent = resident.clone();
        let future = Box::pin(async move {
            let Ok(mut tracee) = Tracee::lent_in_vfork(lent, tid).await else { return };
            if scratch.unmap(&mut tracee).await.is_ok() {
                let _ = tracee.go_on_unchanged();
            }
        });
        self.start(tid, Errand { resident, future });
        Ok(())
    }

    fn stopped(&self, tid: Tid, signal: i32) -> io::Result<()> {
        ptrace::listen(tid)?;
        lock(&self.tasks).stopped.insert(tid);
        subreaper::tell_stop(tid, Some(signal));
        self.tell_news();
        Ok(())
    }

    fn continued(&self, tid: Tid) {
        if lock(&self.tasks).stopped.remove(&tid) {
            subreaper::tell_stop(tid, None);
            self.tell_news();
        }
    }

    /// A thread that executes a program gets the id of its leader, and all the others are gone: its former leader too, of
    /// whose end nobody is told.
    fn ids_change_hands(&self, tid: Tid) {
        let Ok(former) = ptrace::event_message(tid) else { return };
        let former = Tid(former as i32);
        if former == tid {
            return;
        }
        self.forget(tid);
        let mut tasks = lock(&self.tasks);
        if let Some(errand) = tasks.errands.remove(&former) {
            tasks.errands.insert(tid, errand);
        }
        tasks.stopped.remove(&former);
    }

    /// A task is no more.
    fn forget(&self, tid: Tid) {
        let (held, errand) = {
            let mut tasks = lock(&self.tasks);
            tasks.stopped.remove(&tid);
            tasks.vfork.remove(&tid);
            let id = tasks.held.iter().find(|(_, held)| held.notification.tid == tid).map(|(id, _)| *id);
            let held = id.and_then(|id| tasks.held.remove(&id));
            (held, tasks.errands.get(&tid).map(|errand| errand.resident.clone()))
        };
        if let Some(Held { at: At::Parked(tracee), .. }) = held {
            tracee.abandon();
        }
        if let Some(resident) = errand {
            resident.tell(News::Gone);
            self.poll(tid);
            let left = lock(&self.tasks).errands.remove(&tid);
            drop(left);
        }
    }
}

/// Wakes the tracer out of its wait. Nobody sends it for anything else, and it is ignored by default.
const KNOCK: i32 = libc::SIGURG;

fn pass(gate: &OwnedFd) -> io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::io::write(gate, b"g"))?;
    Ok(())
}

/// A child that asks not to be traced would find its trapped calls to fail: it is traced all the same.
fn keep_children_traced(notification: &Notification) -> io::Result<()> {
    const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
    let call = &notification.call;
    if call.abi == Abi::Native && call.number == libc::SYS_clone as u32 && call.args[0] & UNTRACED != 0 {
        let mut registers = Registers::read(notification.tid.0)?;
        registers.set_first_argument(call.abi, call.args[0] & !UNTRACED);
        registers.write(notification.tid.0)?;
    }
    Ok(())
}
