//! Calls that wait: each a task of its own, cancelled when its caller dies, let go when its caller has to take a signal.
//!
//! The kernel holds a notified caller in a wait that only fatal signals end (WAIT_KILLABLE_RECV). So whoever has a signal
//! to take, or has to stop, is looked for here and sent on its way with the kernel's own restart code. Work that makes,
//! changes or removes names goes on meanwhile: if the program makes the same call again, as a restart does, it gets the
//! answer of the work already begun, so that nothing is done twice. All other work is dropped, and begun anew.

use crate::agent::Agent;
use crate::lock;
use crate::outcome::{Outcome, Waiting};
use crate::syscalls::table;
use crate::trace::format::Answer as How;
use mynah_intercept::listener::{Answer, restart};
use mynah_intercept::{Call, Notification, Tid, UserPtr, memory, transient};
use mynah_vfs::PATH_MAX;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// How often waiting callers are looked at. A caller with a signal is released within two of these.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Most answers come sooner than this, and need no looking after.
const LOOK_AFTER: Duration = Duration::from_millis(40);
/// How long work goes on for a caller that was sent off with a signal and has not come back.
const PARKED_FOR: Duration = Duration::from_secs(10);
/// How much of what each argument points to is compared, in bytes: a path's length.
const COMPARED: usize = PATH_MAX;

/// What a caller that comes back is known by: a restart repeats the call, from the same place, with the same arguments and
/// the same bytes behind them. (A program that got EINTR instead may well use its buffer for another path.)
#[derive(PartialEq, Eq, Hash)]
struct Returning {
    tid: i32,
    number: u32,
    ip: u64,
    args: [u64; 6],
    behind: blake3::Hash,
}

#[derive(Default)]
pub(crate) struct Pending {
    waiting: Mutex<HashMap<u64, Waiter>>,
    parked: Mutex<HashMap<Returning, oneshot::Sender<Notification>>>,
    begun: Notify,
}

struct Waiter {
    notification: Notification,
    since: Instant,
    release: Option<oneshot::Sender<Release>>,
}

/// Why a caller is let go before its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    /// It is dead, or no longer in the call.
    Gone,
    /// It has a signal to take, or to stop.
    Signalled {
        /// Whether it is certain that the signal is this thread's to take.
        its_own: bool,
    },
}

fn returning(notification: &Notification) -> Returning {
    let Notification { tid, call, .. } = notification;
    Returning { tid: tid.0, number: call.number, ip: call.ip, args: call.args, behind: behind(*tid, call) }
}

/// A digest of the texts that the arguments point to; what is no pointer to a text adds nothing.
fn behind(tid: Tid, call: &Call) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for argument in call.args {
        let text = memory::read_c_string(tid, UserPtr(argument), COMPARED).unwrap_or_default();
        hasher.update(&(text.len() as u64).to_ne_bytes());
        hasher.update(&text);
    }
    hasher.finalize()
}

impl Pending {
    /// Gives a restarted call to the work that was begun for it. False if there is none.
    pub(crate) fn reattach(&self, notification: &Notification) -> bool {
        let mut parked = lock(&self.parked);
        if parked.is_empty() {
            return false;
        }
        match parked.remove(&returning(notification)) {
            Some(work) => work.send(*notification).is_ok(),
            None => false,
        }
    }

    fn enter(&self, notification: &Notification) -> oneshot::Receiver<Release> {
        let (release, released) = oneshot::channel();
        let waiter = Waiter { notification: *notification, since: Instant::now(), release: Some(release) };
        lock(&self.waiting).insert(notification.id, waiter);
        self.begun.notify_one();
        released
    }

    fn leave(&self, id: u64) {
        lock(&self.waiting).remove(&id);
    }

    fn park(&self, notification: &Notification) -> oneshot::Receiver<Notification> {
        let (back, came_back) = oneshot::channel();
        lock(&self.parked).insert(returning(notification), back);
        came_back
    }

    /// Forgets all work that nobody waits at any more.
    fn unpark(&self) {
        lock(&self.parked).retain(|_, work| !work.is_closed());
    }
}

impl Agent {
    /// Sees a waiting call to its end.
    pub(crate) fn attend(self: &Arc<Self>, notification: &Notification, waiting: Waiting) {
        let released = self.pending.enter(notification);
        let agent = Arc::clone(self);
        let notification = *notification;
        self.runtime.spawn(agent.see_to_the_end(notification, waiting, released));
    }

    async fn see_to_the_end(
        self: Arc<Self>,
        mut notification: Notification,
        mut waiting: Waiting,
        mut released: oneshot::Receiver<Release>,
    ) {
        loop {
            let release = tokio::select! {
                biased;
                outcome = &mut waiting => {
                    self.pending.leave(notification.id);
                    return self.perform(&notification, outcome);
                }
                release = &mut released => release.unwrap_or(Release::Gone),
            };
            self.pending.leave(notification.id);
            let Release::Signalled { its_own } = release else {
                return self.trace(&notification, How::Gone, None);
            };
            if !table::changes_names(notification.call.number) {
                drop(waiting);
                return self.let_go(notification, its_own);
            }
            let mut came_back = self.pending.park(&notification);
            self.let_go(notification, its_own);
            tokio::select! {
                biased;
                back = &mut came_back => match back {
                    Ok(back) => {
                        notification = back;
                        released = self.pending.enter(&notification);
                    }
                    // Another call of the same thread took the place: this one will not come back.
                    Err(_) => return,
                },
                outcome = &mut waiting => return self.keep_for_return(outcome, came_back).await,
            }
        }
    }

    /// The work is done and its caller away with a signal: the answer is kept for a while.
    async fn keep_for_return(
        self: &Arc<Self>,
        outcome: Outcome,
        mut came_back: oneshot::Receiver<Notification>,
    ) {
        let back = match tokio::time::timeout(PARKED_FOR, &mut came_back).await {
            Ok(back) => back.ok(),
            Err(_) => {
                came_back.close();
                self.pending.unpark();
                came_back.try_recv().ok()
            }
        };
        if let Some(back) = back {
            self.perform(&back, outcome);
        }
    }

    fn let_go(self: &Arc<Self>, notification: Notification, its_own: bool) {
        self.trace(&notification, How::Signalled, None);
        let code = restart_code(notification.call.number);
        if its_own {
            let answer = Answer::Errno(code);
            let _ = self.listener.answer(notification.id, answer);
            return;
        }
        // A signal to a whole process may be another thread's to take; a restart code that no signal goes with would
        // reach the program as a number. Stopping the thread for a moment makes the kernel handle it in either case.
        let agent = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            let released = transient::interrupt(&agent.listener, &notification, code);
            if let Err(error) = released {
                tracing::debug!(tid = notification.tid.0, "could not let a signalled thread go: {error:?}");
            }
        });
    }

    /// Looks after the callers of waiting calls until the runtime ends.
    pub(crate) async fn watch_callers(self: Arc<Self>) {
        loop {
            if lock(&self.pending.waiting).is_empty() {
                self.pending.begun.notified().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_at_callers();
        }
    }

    fn look_at_callers(&self) {
        let old: Vec<Notification> = lock(&self.pending.waiting)
            .values()
            .filter(|waiter| waiter.since.elapsed() >= LOOK_AFTER)
            .map(|waiter| waiter.notification)
            .collect();
        let mut stopping = HashMap::new();
        for notification in old {
            let release = if !self.listener.is_alive(notification.id) {
                Release::Gone
            } else if let Some(its_own) = self.has_signal_to_take(notification.tid, &mut stopping) {
                Release::Signalled { its_own }
            } else {
                continue;
            };
            let sender = lock(&self.pending.waiting)
                .get_mut(&notification.id)
                .and_then(|waiter| waiter.release.take());
            if let Some(sender) = sender {
                // The answer may have come meanwhile.
                let _ = sender.send(release);
            }
        }
    }
}

/// How a call goes on after its caller's signal. Few calls may end with EINTR when a handler does not ask for restarts: those
/// that wait natively too. All others are begun again whatever the handler wants, for no program expects stat or mkdir to
/// be interrupted, and after an interrupted close it would not know what became of the descriptor.
fn restart_code(number: u32) -> i32 {
    if table::may_be_interrupted(number) { restart::ERESTARTSYS } else { restart::ERESTARTNOINTR }
}

impl Agent {
    /// Whether a thread has to leave its call for a signal or a stop; if so, whether that is certainly its own to take.
    /// `stopping` remembers, for one look, which thread groups are.
    fn has_signal_to_take(&self, tid: Tid, stopping: &mut HashMap<i32, bool>) -> Option<bool> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", tid.0)).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim())
        };
        let set = |name: &str| field(name).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let unwanted = set("SigBlk:") | set("SigIgn:");
        if set("SigPnd:") & !unwanted != 0 {
            return Some(true);
        }
        let leader: i32 = field("Tgid:")?.parse().ok()?;
        if set("ShdPnd:") & !unwanted != 0 {
            // The kernel gives a process's signal to its leader if that does not block it (signal.c, complete_signal).
            return Some(leader == tid.0);
        }
        // A stop of the whole group is under way when another thread has stopped: this one has been told to follow.
        let alone = field("Threads:") == Some("1");
        (!alone && *stopping.entry(leader).or_insert_with(|| self.group_is_stopping(leader))).then_some(true)
    }

    /// Whether a thread of the group has stopped. (One that waits in a call has not.)
    fn group_is_stopping(&self, leader: i32) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{leader}/task")) else { return false };
        let threads = threads.flatten().filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        threads.map(Tid).any(|thread| self.listener.has_stopped(thread))
    }
}
