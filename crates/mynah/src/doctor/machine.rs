//! Looking at this machine.

use crate::places;
use mynah_intercept::handover;
use mynah_intercept::probe::{self, Probe};
use rustix::fs::Access;
use rustix::process::Resource;
use std::io;
use std::path::{Path, PathBuf};

/// Whether something is as wished, and what was seen.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) ok: bool,
    pub(super) detail: String,
}

impl From<Probe> for Finding {
    fn from(probe: Probe) -> Finding {
        Finding { ok: probe.ok, detail: probe.detail }
    }
}

/// Limits of open files; `None` is no limit.
#[derive(Debug)]
pub(super) struct OpenFiles {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

/// Room for placeholders.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) directory: PathBuf,
    /// Bytes that this user can still write there, or why there are none.
    pub(super) free: io::Result<u64>,
    /// Where programs are run from; `None` if nowhere.
    pub(super) programs: Option<PathBuf>,
}

/// All that the doctor looks at.
#[derive(Debug)]
pub(super) struct Machine {
    /// Kernel, its release and the processor.
    pub(super) system: String,
    /// The version of the handover that the agent of a `mynah run` around us speaks.
    pub(super) around: Option<i64>,
    pub(super) seccomp_listener: Finding,
    pub(super) addfd_send: Finding,
    pub(super) wait_killable: Finding,
    pub(super) tracing: Finding,
    pub(super) memory: Finding,
    pub(super) process_vm: Finding,
    pub(super) ptrace_seize: Finding,
    pub(super) yama_scope: Option<u8>,
    pub(super) user_namespaces: Finding,
    pub(super) fuse_device: Finding,
    pub(super) open_files: OpenFiles,
    /// Files that this user may watch.
    pub(super) inotify_watches: Option<u64>,
    pub(super) cache: Room,
}

impl Machine {
    /// Tries everything once; what is tried is undone at once.
    pub(super) fn look(cache_dir: &Path) -> Machine {
        let limit = rustix::process::getrlimit(Resource::Nofile);
        Machine {
            system: system(),
            around: handover::agent_version(),
            seccomp_listener: probe::seccomp_listener().into(),
            addfd_send: probe::addfd_send().into(),
            wait_killable: probe::wait_killable().into(),
            tracing: probe::tracing().into(),
            memory: probe::memory().into(),
            process_vm: probe::process_vm().into(),
            ptrace_seize: probe::ptrace_seize().into(),
            yama_scope: probe::yama_scope(),
            user_namespaces: probe::user_namespaces().into(),
            fuse_device: probe::fuse_device().into(),
            open_files: OpenFiles { soft: limit.current, hard: limit.maximum },
            inotify_watches: kernel_number("/proc/sys/fs/inotify/max_user_watches"),
            cache: Room {
                directory: cache_dir.to_owned(),
                free: free_below(cache_dir),
                programs: match places::may_execute(cache_dir) {
                    true => Some(cache_dir.to_owned()),
                    false => places::programs_dir(cache_dir),
                },
            },
        }
    }
}

fn system() -> String {
    let name = rustix::system::uname();
    let [system, release, machine] =
        [name.sysname(), name.release(), name.machine()].map(|text| text.to_string_lossy());
    format!("{system} {release} ({machine})")
}

fn kernel_number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Bytes that an ordinary user can write where `directory` is or would be made.
fn free_below(directory: &Path) -> io::Result<u64> {
    let there = directory.ancestors().find(|ancestor| ancestor.exists()).ok_or(io::ErrorKind::NotFound)?;
    if !there.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)?;
    let figures = rustix::fs::statvfs(there)?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_that_of_the_nearest_directory_that_exists() {
        let there = free_below(&std::env::temp_dir()).unwrap();
        let below = free_below(&std::env::temp_dir().join("no/such/place")).unwrap();
        assert!(there > 0 && below > 0);
        assert!(free_below(Path::new("/proc/self/cmdline/x")).is_err());
    }

    #[test]
    fn the_kernel_says_its_numbers() {
        assert!(kernel_number("/proc/sys/kernel/pid_max").unwrap() > 0);
        assert_eq!(kernel_number("/proc/sys/kernel/ostype"), None);
    }
}
