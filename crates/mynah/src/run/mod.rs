//! `mynah run`: two processes around the program.
//!
//! The one that the user started (the watcher) stays in the foreground with the program: it passes signals on, stops when the
//! program stops, and ends with the program's status. Its child (the host) is the agent: it starts the program, answers its
//! calls, and is the ancestor of everything that the program starts. Each watches the other; whoever is left ends the
//! program's whole tree and removes what lies about.
//!
//! Below another Mynah the host is no agent: it hands the mounts over to the one that is there ([`around`]), and all else is the
//! same.

mod around;
mod control;
mod host;
mod identity;
mod launching;
mod plan;
mod signals;
mod terminal;
mod tree;
mod watcher;

pub(crate) use launching::closed_memory;

use crate::cli::RunArgs;
use mynah_intercept::launch::{Fork, fork_single_threaded};
use plan::Plan;
use std::error::Error;

/// Runs a program. Returns the exit status.
///
/// # Errors
/// What keeps it from being started, in one line.
pub(crate) fn run(args: &RunArgs) -> Result<u8, Box<dyn Error>> {
    let around = around::find()?;
    let plan = Plan::new(args, around)?;
    plan.around.map(|around| around.enter(&plan)).transpose()?;
    let inherited = signals::Inherited::take()?;
    let (mine, theirs) = control::pair()?;
    match fork_single_threaded()? {
        Fork::Parent(host) => {
            drop(theirs);
            Ok(watcher::watch(host, mine, &plan))
        }
        Fork::Child => {
            drop(mine);
            host::host(&plan, &inherited, &theirs)
        }
    }
}
