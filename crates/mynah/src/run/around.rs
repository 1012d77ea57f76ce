//! A run inside another: the agent around it answers for its programs too, in a namespace of their own below.

use super::control::Control;
use super::host::wait_for_signal;
use super::plan::Plan;
use crate::complain;
use mynah_intercept::handover::{self, Op, VERSION};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Most runs have nothing left to carry home at their end, and the agent says so at once.
const AT_ONCE: Duration = Duration::from_millis(20);

/// The agent that answers for this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around(());

/// Looks for an agent around.
///
/// # Errors
/// It is of another version, and would not understand.
pub(super) fn find() -> Result<Option<Around>, Box<dyn Error>> {
    match handover::agent_version() {
        None => Ok(None),
        Some(VERSION) => Ok(Some(Around(()))),
        Some(other) => Err(format!(
            "inside a mynah run of another version (it speaks version {other} of the handover, this one {VERSION}): use the same mynah"
        )
        .into()),
    }
}

impl Around {
    /// Hands the mounts over: whatever this process starts from here on is in its own namespace.
    ///
    /// # Errors
    /// What the agent finds wrong with the mounts.
    pub(super) fn enter(self, plan: &Plan) -> Result<(), Box<dyn Error>> {
        let timeout_ms = u64::try_from(plan.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut request = timeout_ms.to_le_bytes().to_vec();
        for mount in &plan.mounts {
            request.extend_from_slice(format!("{mount}\n").as_bytes());
        }
        answered(Op::Enter, &request)
    }

    /// Makes this process one that keeps the run, as its parent does.
    ///
    /// # Errors
    /// The agent does not take it.
    pub(super) fn keep(self) -> Result<(), Box<dyn Error>> {
        answered(Op::Keep, &[])
    }

    /// True if everything that was written is at its server. A signal to Mynah ends the waiting for servers.
    pub(super) fn carry_home(self, control: &Control) -> bool {
        let settled = Arc::new(AtomicBool::new(false));
        let (done, outcome) = mpsc::channel();
        let told = Arc::clone(&settled);
        let asking = std::thread::Builder::new().spawn(move || {
            let reply = handover::ask(Op::Settle, &[]);
            told.store(true, Ordering::Release);
            // The one who waits may have been told that nobody does any more.
            let _ = done.send(reply);
        });
        if let Err(error) = asking {
            return is_home(Err(error));
        }
        if let Ok(reply) = outcome.recv_timeout(AT_ONCE) {
            return is_home(reply);
        }
        let (enough, mut impatient) = tokio::sync::oneshot::channel();
        wait_for_signal(control, &settled, enough);
        if impatient.try_recv().is_ok() {
            complain("what is not at its server yet is left to the mynah run around this one");
            return false;
        }
        is_home(outcome.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())))
    }
}

fn answered(op: Op, request: &[u8]) -> Result<(), Box<dyn Error>> {
    let reply =
        handover::ask(op, request).map_err(|error| format!("the mynah run around this one: {error}"))?;
    if reply.is_empty() { Ok(()) } else { Err(String::from_utf8_lossy(&reply).into()) }
}

fn is_home(reply: io::Result<Vec<u8>>) -> bool {
    match reply {
        Ok(lost) => {
            for line in String::from_utf8_lossy(&lost).lines() {
                complain(&format!(
                    "{line}; the mynah run around this one has its content, and tries again at its end"
                ));
            }
            lost.is_empty()
        }
        Err(error) => {
            complain(&format!("the mynah run around this one did not say what is at its server: {error}"));
            false
        }
    }
}
