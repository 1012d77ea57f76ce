//! Calls through the 32-bit interface of x86: by 32-bit programs, and by `int 0x80` in 64-bit ones.
//!
//! They work on the machine's own files, and may run programs of a mount. Any other path that leads into a mount gives
//! EOPNOTSUPP: the structures of that interface are laid out differently, and no 32-bit program has asked for remote files yet.

use super::path_call::on_text;
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use mynah_intercept::filter::Verdict;
use mynah_vfs::{Errno, Error};

/// Where a 32-bit call has its path; `dirfd` is the index of the directory's descriptor.
struct PathAt {
    name: &'static str,
    dirfd: Option<usize>,
    path: usize,
}

const fn cwd(name: &'static str, path: usize) -> PathAt {
    PathAt { name, dirfd: None, path }
}

const fn at(name: &'static str, dirfd: usize) -> PathAt {
    PathAt { name, dirfd: Some(dirfd), path: dirfd + 1 }
}

/// Each path of each call that names one.
const PATHS: &[PathAt] = &[
    cwd("open", 0),
    cwd("creat", 0),
    cwd("link", 0),
    cwd("link", 1),
    cwd("unlink", 0),
    cwd("chdir", 0),
    cwd("mknod", 0),
    cwd("chmod", 0),
    cwd("lchown", 0),
    cwd("lchown32", 0),
    cwd("chown", 0),
    cwd("chown32", 0),
    cwd("oldstat", 0),
    cwd("oldlstat", 0),
    cwd("stat", 0),
    cwd("lstat", 0),
    cwd("stat64", 0),
    cwd("lstat64", 0),
    cwd("mount", 0),
    cwd("mount", 1),
    cwd("umount", 0),
    cwd("umount2", 0),
    cwd("utime", 0),
    cwd("utimes", 0),
    cwd("access", 0),
    cwd("rename", 0),
    cwd("rename", 1),
    cwd("mkdir", 0),
    cwd("rmdir", 0),
    cwd("acct", 0),
    cwd("chroot", 0),
    cwd("symlink", 1),
    cwd("readlink", 0),
    cwd("uselib", 0),
    cwd("swapon", 0),
    cwd("swapoff", 0),
    cwd("truncate", 0),
    cwd("truncate64", 0),
    cwd("statfs", 0),
    cwd("statfs64", 0),
    cwd("pivot_root", 0),
    cwd("setxattr", 0),
    cwd("lsetxattr", 0),
    cwd("getxattr", 0),
    cwd("lgetxattr", 0),
    cwd("listxattr", 0),
    cwd("llistxattr", 0),
    cwd("removexattr", 0),
    cwd("lremovexattr", 0),
    cwd("inotify_add_watch", 1),
    at("openat", 0),
    at("openat2", 0),
    at("mkdirat", 0),
    at("mknodat", 0),
    at("fchownat", 0),
    at("futimesat", 0),
    at("fstatat64", 0),
    at("unlinkat", 0),
    at("renameat", 0),
    at("renameat", 2),
    at("renameat2", 0),
    at("renameat2", 2),
    at("linkat", 0),
    at("linkat", 2),
    at("symlinkat", 1),
    at("readlinkat", 0),
    at("fchmodat", 0),
    at("fchmodat2", 0),
    at("faccessat", 0),
    at("faccessat2", 0),
    at("utimensat", 0),
    at("utimensat_time64", 0),
    at("name_to_handle_at", 0),
    at("statx", 0),
];

/// The name of a 32-bit call.
#[cfg(target_arch = "x86_64")]
pub(crate) fn name_of(number: u32) -> Option<&'static str> {
    syscalls::x86::Sysno::new(number as usize).map(|sysno| sysno.name())
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn name_of(_number: u32) -> Option<&'static str> {
    None
}

/// What the filter does with each 32-bit call: those that name a path, change where the program stands or cannot be seen
/// into are treated like their 64-bit namesakes, all other known ones are the kernel's.
#[must_use]
pub(crate) fn verdicts() -> Vec<(u32, Verdict)> {
    (0..1024u32)
        .filter_map(|number| {
            let name = name_of(number)?;
            let verdict = if name == "io_uring_setup" {
                Verdict::Errno(libc::ENOSYS as u16)
            } else if is_ours(name) {
                Verdict::Notify
            } else {
                Verdict::Allow
            };
            Some((number, verdict))
        })
        .collect()
}

fn is_ours(name: &str) -> bool {
    PATHS.iter().any(|path| path.name == name)
        || matches!(
            name,
            "execve"
                | "execveat"
                | "fchdir"
                | "unshare"
                | "setns"
                | "exit"
                | "exit_group"
                | "close"
                | "dup2"
                | "dup3"
                | "fsync"
        )
}

/// Answers a call that came through the 32-bit interface.
pub(crate) fn answer(call: Call<'_>) -> Outcome {
    let Some(name) = name_of(call.notification.call.number) else { return Outcome::Errno(Errno::ENOSYS) };
    match name {
        "close" => return super::descriptors::close(call),
        "dup2" | "dup3" => return super::descriptors::dup_over(call),
        "fsync" => return super::descriptors::fsync(call),
        "exit" | "exit_group" => return super::process::exit(call),
        "execve" => return super::exec::execve(call),
        "execveat" => return super::exec::execveat(call),
        "fchdir" => return super::cwd::fchdir(call),
        "unshare" | "setns" => return super::process::unshare(call),
        "chdir" | "chroot" | "pivot_root" => call.agent.tasks.root_changes(call.tid()),
        _ => {}
    }
    for path in PATHS.iter().filter(|path| path.name == name) {
        let Some(text) = call.path(path.path) else { continue };
        let dirfd = path.dirfd.map_or(libc::AT_FDCWD, |index| call.int(index));
        let outcome = on_text(call, dirfd, text, Last::Follow, |_, spot| async move {
            Err(Error::new(Errno::EOPNOTSUPP, format!("{} through the 32-bit interface", spot.path)))
        });
        if !matches!(outcome, Outcome::Resume) {
            return outcome;
        }
    }
    Outcome::Resume
}
