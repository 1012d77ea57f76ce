//! The process that the user started.

use super::control::{Control, Message};
use super::plan::Plan;
use super::signals::{self, Signals};
use super::terminal::Terminal;
use super::tree::{self, Manner};
use crate::{MYNAH_FAILED, complain};
use mynah_intercept::{Tid, subreaper};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpid, kill_process};
use std::io;

/// Watches the host until the run is over. Returns the exit status.
pub(super) fn watch(host: Tid, control: Control, plan: &Plan) -> u8 {
    let terminal = Terminal::note();
    let ended = follow(&control);
    let (status, violently) = match ended {
        Ok(Some((status, violently))) => (status, violently),
        Ok(None) => {
            complain(match plan.around {
                None => {
                    "the agent ended before the program: the program is ended too, and what it wrote to remote files and had not closed or synced is lost"
                }
                Some(_) => "Mynah's second process ended before the program: the program is ended too",
            });
            (MYNAH_FAILED, true)
        }
        Err(error) => {
            complain(&format!("cannot watch over the program: {error}"));
            (MYNAH_FAILED, true)
        }
    };
    drop(control);
    if ended_badly(&ended_of(host)) || violently {
        tree::end(Manner::AtOnce, || {});
        if plan.around.is_none() {
            mynah_cache::sweep(&plan.cache_root);
        }
    }
    if violently && let Some(terminal) = terminal {
        terminal.restore();
    }
    status
}

/// Waits for the host itself, which ends by itself once it has told the end, or has ended already.
fn ended_of(host: Tid) -> io::Result<subreaper::Exit> {
    subreaper::wait(host)
}

fn ended_badly(exit: &io::Result<subreaper::Exit>) -> bool {
    !matches!(exit, Ok(subreaper::Exit::Code(_)))
}

/// Follows host and signals. The status that the host told, or `None` when it is gone without.
fn follow(control: &Control) -> io::Result<Option<(u8, bool)>> {
    subreaper::become_subreaper()?;
    let signals = Signals::new()?;
    // What the program closes is to be closed: nobody here keeps its pipes open.
    super::host::leave_standard_streams()?;
    loop {
        let mut ready = [PollFd::new(&signals, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        if !ready[1].revents().is_empty() {
            match control.hear() {
                Some(Message::Ended { status, violently }) => return Ok(Some((status, violently))),
                Some(Message::Stopped(_)) => stop_too(),
                Some(Message::Signal(_)) => {}
                None => return Ok(None),
            }
        }
        while let Some(came) = signals.next() {
            if signals::is_passed_on(came) {
                control.tell(Message::Signal(came.signal));
            }
        }
    }
}

/// The program has stopped: so does the job that a shell sees. The shell's SIGCONT goes to the whole group.
fn stop_too() {
    // Stopping oneself cannot fail.
    let _ = kill_process(getpid(), Signal::STOP);
}
