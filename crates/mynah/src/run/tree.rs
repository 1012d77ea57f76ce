//! Ending everything that descends from this process.
//!
//! Host and watcher are subreapers: whatever a program starts stays below one of them, setsid or not.

use mynah_intercept::subreaper;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long what a program left behind has to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// How often one looks whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long one waits for killed processes that do not go: those in the kernel's uninterruptible sleep.
const STUCK: Duration = Duration::from_secs(20);

/// Ends of children taken note of between two looks at everything else: in a storm of them there is always one more.
pub(super) const REAPED_AT_ONCE: usize = 256;

/// How gently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// SIGTERM first, and some time.
    Grace,
    /// At once.
    AtOnce,
}

/// Ends all descendants and reaps them. `last` is called when there is no more mercy.
pub(super) fn end(manner: Manner, last: impl FnOnce()) {
    if manner == Manner::Grace {
        reap();
        if descendants().is_empty() {
            return;
        }
        signal_all(Signal::TERM);
        signal_all(Signal::CONT);
        let begun = Instant::now();
        while begun.elapsed() < GRACE {
            reap();
            if descendants().is_empty() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
    last();
    let mut seen = Vec::new();
    let mut since = Instant::now();
    loop {
        let killed = kill_children();
        if killed.is_empty() {
            return;
        }
        // As long as there are others each time, it is a storm, and there is progress.
        if killed != seen {
            seen = killed;
            since = Instant::now();
        } else if since.elapsed() > STUCK {
            return;
        }
        std::thread::yield_now();
    }
}

/// Takes the status of the children that have ended, and kills those that there are.
///
/// Only children are looked at: what a killed one leaves behind becomes a child of ours and is met the next time. One short
/// read finds them all, so that even processes that live for a millisecond, each starting the next, are outrun.
fn kill_children() -> Vec<Pid> {
    reap();
    let children = children();
    for child in &children {
        let _ = kill_process(*child, Signal::KILL);
    }
    children
}

/// The children of this process: those of its first thread, which is the one that starts any and inherits orphans.
fn children() -> Vec<Pid> {
    let numbers = Numbers::of_proc();
    let list =
        std::fs::read_to_string(format!("/proc/self/task/{}/children", numbers.own)).unwrap_or_default();
    let listed: Vec<Pid> =
        list.split_whitespace().filter_map(|pid| numbers.here(pid.parse().ok()?)).collect();
    // Kernels without that file (CONFIG_PROC_CHILDREN) are asked the long way.
    if list.is_empty() { descendants() } else { listed }
}

fn signal_all(signal: Signal) {
    for pid in descendants() {
        let _ = kill_process(pid, signal);
    }
}

/// Takes the status of children that have ended: of all, unless there is a storm of them.
pub(super) fn reap() {
    let mut left = REAPED_AT_ONCE;
    while left > 0 && matches!(subreaper::reap(), Ok(Some(_))) {
        left -= 1;
    }
}

/// All processes below this one that have not ended.
fn descendants() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some(parent) = living_parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let numbers = Numbers::of_proc();
    let mut found = Vec::new();
    let mut next = vec![numbers.own];
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.extend(numbers.here(child));
            next.push(child);
        }
    }
    found
}

/// The numbers that processes have in `/proc`, which may be that of a PID namespace around ours (`unshare --pid` without a
/// `/proc` of its own): there they are not those that kill(2) takes.
struct Numbers {
    /// Our own.
    own: i32,
    /// Where among a process's numbers (the field NSpid, outermost first) the one in our namespace stands; `None` if there is
    /// but one.
    place: Option<usize>,
}

impl Numbers {
    fn of_proc() -> Numbers {
        let here = rustix::process::getpid().as_raw_nonzero().get();
        let link = std::fs::read_link("/proc/self").ok();
        let own = link.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(here);
        let place = (own != here).then(|| numbers_of(own).len().saturating_sub(1));
        Numbers { own, place }
    }

    /// The process of this number in `/proc`, as our namespace knows it.
    fn here(&self, listed: i32) -> Option<Pid> {
        Pid::from_raw(match self.place {
            None => listed,
            Some(place) => *numbers_of(listed).get(place)?,
        })
    }
}

fn numbers_of(pid: i32) -> Vec<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    field.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// The parent of a process that has not ended.
fn living_parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // A zombie whose parent is somebody else's business must still be looked through: its children have moved on already.
    (state != "Z" && state != "X").then_some(parent)
}
