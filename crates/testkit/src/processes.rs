//! Finding the processes of a test, and waiting until they are gone.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::run::wait_until;

/// The living processes that run a program below `directory` (a test's own scratch directory, so that these are its own).
pub fn running_below(directory: &Path) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let number = entry.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        // A process that ends meanwhile, and a zombie, have no program any more.
        let program = fs::read_link(entry.path().join("exe"));
        if let (Some(pid), Ok(program)) = (number, program)
            && program.starts_with(directory)
        {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The living processes that run exactly this program.
pub fn running(program: &Path) -> io::Result<Vec<Pid>> {
    let below = program.parent().unwrap_or(program);
    let runs = |pid: &Pid| {
        fs::read_link(format!("/proc/{}/exe", pid.as_raw_nonzero())).is_ok_and(|exe| exe == program)
    };
    Ok(running_below(below)?.into_iter().filter(runs).collect())
}

/// Waits until no process runs a program below `directory`: those that are left at the limit are the error.
pub fn wait_until_none(directory: &Path, limit: Duration) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let left = running_below(directory)?;
        let Some(&first) = left.first() else { return Ok(()) };
        match wait_until(first, deadline) {
            Ok(true) => {}
            Ok(false) => return Err(io::Error::other(format!("still there: {}", describe(&left)))),
            // Gone between the look and the wait.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
    }
}

fn describe(pids: &[Pid]) -> String {
    let lines = pids.iter().map(|pid| {
        let pid = pid.as_raw_nonzero();
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        format!("{pid} {}", String::from_utf8_lossy(&command).replace('\0', " "))
    });
    lines.collect::<Vec<_>>().join("; ")
}
