//! Starting the program, by the mechanism that can be had.

use super::plan::Plan;
use super::signals::Inherited;
use crate::cli::MechanismChoice;
use mynah_agent::syscalls::trappable;
use mynah_intercept::filter::Program;
use mynah_intercept::launch::{Launch, Launched, launch};
use mynah_intercept::memory::MemoryError;
use mynah_intercept::{Mechanism, probe};
use mynah_vfs::Errno;
use rustix::process::{Resource, Rlimit};
use std::error::Error;
use std::io;

/// A program that waits to be let go.
pub(super) struct Started {
    pub(super) program: Launched,
    /// The calls that another supervisor keeps from us.
    hidden: Vec<&'static str>,
}

impl Started {
    /// Logs what was chosen.
    pub(super) fn log(&self) {
        if self.program.listener.as_ref().is_some_and(|one| one.mechanism() == Mechanism::Trace) {
            tracing::info!("programs are traced: no debugger works inside");
        }
        for name in &self.hidden {
            tracing::warn!("another supervisor takes {name} for itself: it will not work on remote files");
        }
    }
}

/// Starts the program of a plan inside another run, whose agent is told of it.
///
/// # Errors
/// See [`start`].
pub(super) fn start_inside(plan: &Plan, inherited: &Inherited) -> Result<Launched, Box<dyn Error>> {
    let how = Launch {
        program: &plan.program,
        argv: &plan.argv,
        envp: &plan.environment,
        filter: None,
        limits: &[],
        ignored: &inherited.ignored,
        blocked: &inherited.blocked,
    };
    launch(&how).map_err(|error| cannot_start(&error).into())
}

/// Starts the program of a plan.
///
/// # Errors
/// Why it cannot be, in one line.
pub(super) fn start(
    plan: &Plan,
    inherited: &Inherited,
    limits: &[(Resource, Rlimit)],
) -> Result<Started, Box<dyn Error>> {
    let filter = mynah_agent::syscalls::filter(&plan.shown.identity)?;
    let by = |mechanism| {
        launch(&Launch {
            program: &plan.program,
            argv: &plan.argv,
            envp: &plan.environment,
            filter: Some(&filter.clone().by(mechanism)),
            limits,
            ignored: &inherited.ignored,
            blocked: &inherited.blocked,
        })
    };
    let traced = || -> Result<Started, Box<dyn Error>> {
        let hidden = hidden_calls(&filter)?;
        let program = by(Mechanism::Trace).map_err(|error| cannot_start(&error))?;
        Ok(Started { program, hidden })
    };
    if plan.mechanism == MechanismChoice::Trace {
        return traced();
    }
    let why_not = match by(Mechanism::Listener) {
        Ok(program) if may_be_replaced(plan) && lacks_hand_over() => {
            drop(program);
            "this kernel cannot hand descriptors to programs (Linux 5.14 is needed)".to_owned()
        }
        Ok(program) => return Ok(Started { program, hidden: Vec::new() }),
        Err(error) if may_be_replaced(plan) && means_no_listener(&error) => cannot_start(&error),
        Err(error) => return Err(cannot_start(&error).into()),
    };
    traced().map_err(|why| format!("{why_not}; instead of that, {why}").into())
}

fn may_be_replaced(plan: &Plan) -> bool {
    plan.mechanism == MechanismChoice::Auto
}

/// Tried with a small process first: whether programs can be traced, and which of their calls we would not see.
fn hidden_calls(filter: &Program) -> Result<Vec<&'static str>, Box<dyn Error>> {
    let numbers: Vec<u32> = trappable().map(|(number, ..)| number).collect();
    let hidden = probe::calls_out_of_sight(filter, &numbers).map_err(|error| why_not_traced(&error))?;
    let hidden: Vec<_> = trappable().filter(|(number, ..)| hidden.contains(number)).collect();
    match hidden.iter().find(|(.., vital)| *vital) {
        Some((_, name, _)) => {
            Err(format!("programs cannot be traced: the other supervisor takes {name} for itself").into())
        }
        None => Ok(hidden.into_iter().map(|(_, name, _)| name).collect()),
    }
}

/// Whether this kernel has listeners by which no descriptor can be handed over. Newer ones (Linux 5.14) are not asked.
fn lacks_hand_over() -> bool {
    let release = rustix::system::uname();
    is_before(&release.release().to_string_lossy(), (5, 14)) && !probe::addfd_send().ok
}

/// Whether a kernel's release, such as `5.10.0-8-amd64`, is older than a version. One that cannot be read is not.
fn is_before(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < version,
        _ => false,
    }
}

/// EBUSY: another supervisor has the one listener that a task can have. Otherwise an old kernel, or a container's filter.
fn means_no_listener(error: &io::Error) -> bool {
    matches!(Errno::of_io(error), Errno::EBUSY | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM | Errno::EACCES)
        && !means_closed_memory(error)
}

fn means_closed_memory(error: &io::Error) -> bool {
    error.get_ref().and_then(|cause| cause.downcast_ref::<MemoryError>()).is_some()
}

fn why_not_traced(error: &io::Error) -> String {
    if means_closed_memory(error) {
        cannot_start(error)
    } else {
        format!("programs cannot be traced: {error}")
    }
}

fn cannot_start(error: &io::Error) -> String {
    if means_closed_memory(error) {
        return closed_memory(probe::yama_scope());
    }
    match Errno::of_io(error) {
        Errno::EBUSY => "another supervisor has the seccomp listener of this process (a container's own, or an older Mynah), and a process can have one only".to_owned(),
        Errno::EINVAL | Errno::ENOSYS => {
            "this kernel does not give seccomp listeners (Linux 5.9 is needed): see mynah doctor".to_owned()
        }
        _ => format!("cannot start a program under a seccomp filter: {error}; see mynah doctor"),
    }
}

/// What to say where the memory of programs cannot be read, and so no name that they use. `yama_scope` is Yama's, if there
/// is a Yama.
pub(crate) fn closed_memory(yama_scope: Option<u8>) -> String {
    let (why, what_to_do) = match yama_scope {
        Some(scope @ 3..) => (
            format!("kernel.yama.ptrace_scope is {scope}"),
            "it can be lowered only at boot: set it to 1 in /etc/sysctl.d and start the machine anew",
        ),
        Some(2) => (
            "kernel.yama.ptrace_scope is 2".to_owned(),
            "run Mynah with CAP_SYS_PTRACE, or have it set to 1 (sysctl kernel.yama.ptrace_scope=1)",
        ),
        _ => (
            "the kernel refuses it".to_owned(),
            "the mynah program must be readable by its user, and a container must allow process_vm_readv; see mynah doctor",
        ),
    };
    format!("the memory of programs cannot be read, and so not the names that they use: {why}. {what_to_do}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert!(is_before("5.10.0-8-amd64", (5, 14)));
        assert!(is_before("4.18.0", (5, 14)));
        assert!(!is_before("5.14.0", (5, 14)));
        assert!(!is_before("6.1.0-rc3+", (5, 14)));
        assert!(!is_before("strange", (5, 14)));
    }

    #[test]
    fn closed_memory_is_told_with_its_cause_and_its_remedy_in_one_line() {
        for (scope, words) in [
            (Some(2), ["ptrace_scope is 2", "CAP_SYS_PTRACE"]),
            (Some(3), ["ptrace_scope is 3", "boot"]),
            (Some(1), ["refuses", "readable"]),
            (None, ["refuses", "process_vm_readv"]),
        ] {
            let line = closed_memory(scope);
            assert!(words.iter().all(|word| line.contains(word)), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
    }
}
