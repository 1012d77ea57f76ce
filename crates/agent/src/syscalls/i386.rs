//! Calls through the 32-bit interface of x86: by 32-bit programs, and by `int 0x80` in 64-bit ones.
//!
//! They work on the machine's own files, and may run programs of a mount. Any other path that leads to a server gives
//! EOPNOTSUPP: the structures of that interface are laid out differently, and no 32-bit program has asked for remote files yet.

use super::ids::{self, Width};
use super::path_call::on_text;
use super::stat::{self, Form};
use crate::identity::{Identity, NO_ID, View};
use crate::outcome::{Call, Outcome};
use crate::resolve::Last;
use mynah_intercept::arch::{self, OwnerAt};
use mynah_intercept::filter::Verdict;
use mynah_intercept::{UserPtr, memory};
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

/// Where the calls of the stat family put attributes: in which argument, and with the owner where.
const STATS: &[(&str, usize, OwnerAt)] = &[
    ("stat64", 1, arch::I386_STAT64_OWNER),
    ("lstat64", 1, arch::I386_STAT64_OWNER),
    ("fstat64", 1, arch::I386_STAT64_OWNER),
    ("fstatat64", 2, arch::I386_STAT64_OWNER),
    ("statx", 4, arch::STATX_OWNER),
    ("stat", 1, arch::I386_STAT_OWNER),
    ("lstat", 1, arch::I386_STAT_OWNER),
    ("fstat", 1, arch::I386_STAT_OWNER),
    ("oldstat", 1, arch::I386_OLD_STAT_OWNER),
    ("oldlstat", 1, arch::I386_OLD_STAT_OWNER),
    ("oldfstat", 1, arch::I386_OLD_STAT_OWNER),
];

/// Where the calls of the chown family have the owner, and how wide.
const CHOWNS: &[(&str, usize, Width)] = &[
    ("chown", 1, Width::Short),
    ("lchown", 1, Width::Short),
    ("fchown", 1, Width::Short),
    ("chown32", 1, Width::Full),
    ("lchown32", 1, Width::Full),
    ("fchown32", 1, Width::Full),
    ("fchownat", 2, Width::Full),
];

/// Where uname(2) and its forerunners have the host's name: behind a field of this many bytes.
const UNAMES: &[(&str, usize)] = &[("uname", 65), ("olduname", 65), ("oldolduname", 9)];

/// What the filter does with each 32-bit call: those that name a path, change where the program stands or cannot be seen
/// into are treated like their 64-bit namesakes, all other known ones are the kernel's.
#[must_use]
pub(crate) fn verdicts(identity: &Identity) -> Vec<(u32, Verdict)> {
    (0..1024u32)
        .filter_map(|number| {
            let name = name_of(number)?;
            let verdict = if name == "io_uring_setup" {
                Verdict::Errno(libc::ENOSYS as u16)
            } else if is_ours(name) || is_of(identity, name) {
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
        || ids::is_change(id_call(name).0)
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

/// Whether a call is trapped because of what is shown.
fn is_of(identity: &Identity, name: &str) -> bool {
    let of_user = || {
        ids::NAMES.contains(&id_call(name).0)
            || STATS.iter().any(|stat| stat.0 == name)
            || CHOWNS.iter().any(|chown| chown.0 == name)
            || matches!(name, "getsockopt" | "socketcall")
    };
    let of_host = || name == "sethostname" || UNAMES.iter().any(|uname| uname.0 == name);
    (identity.shows(View::User) && of_user()) || (identity.shows(View::Host) && of_host())
}

/// The 64-bit name of a call that has to do with ids, and how wide they are.
fn id_call(name: &str) -> (&str, Width) {
    name.strip_suffix("32").map_or((name, Width::Short), |name| (name, Width::Full))
}

/// Answers a call that came through the 32-bit interface.
pub(crate) fn answer(call: Call<'_>) -> Outcome {
    let Some(name) = name_of(call.notification.call.number) else { return Outcome::Errno(Errno::ENOSYS) };
    let identity = &call.agent.identity;
    if identity.shows(View::Host) {
        if let Some(&(_, room)) = UNAMES.iter().find(|uname| uname.0 == name) {
            return ids::named(call, room);
        }
        if name == "sethostname" {
            return ids::sethostname(call);
        }
    }
    if !identity.shows(View::User) {
        return plainly(call, name);
    }
    let (id_name, width) = id_call(name);
    match name {
        "getsockopt" => ids::getsockopt(call, call.notification.call.args),
        "socketcall" => socketcall(call),
        _ => ids::answer(call, id_name, width).unwrap_or_else(|| with_owners(call, name)),
    }
}

/// socketcall(2), one call for all that can be done with sockets: of interest here is getsockopt(2), whose arguments are in
/// memory.
fn socketcall(call: Call<'_>) -> Outcome {
    const SYS_GETSOCKOPT: i32 = 15;
    const ARGUMENTS: usize = 5;
    let mut bytes = [0; 4 * ARGUMENTS];
    if call.int(0) != SYS_GETSOCKOPT || memory::read(call.tid(), call.pointer(1), &mut bytes).is_err() {
        return Outcome::Resume;
    }
    let mut args = [0; 6];
    for (argument, word) in args.iter_mut().zip(bytes.chunks_exact(4)) {
        *argument = u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    ids::getsockopt(call, args)
}

/// Calls that tell of owners, or change them, with those that are shown; all others as they are.
fn with_owners(call: Call<'_>, name: &str) -> Outcome {
    if let Some(&(_, to, at)) = STATS.iter().find(|stat| stat.0 == name) {
        let (task, to) = (call.task(), call.pointer(to));
        return plainly(call, name).or_natively(move || ids::with_shown_owner(task, to, at));
    }
    let Some(&(_, at, width)) = CHOWNS.iter().find(|chown| chown.0 == name) else {
        return plainly(call, name);
    };
    let given = (width.id(call.bits(at)), width.id(call.bits(at + 1)));
    let real = match call.agent.identity.owner(given.0, given.1) {
        Ok(real) if real == given => return plainly(call, name),
        Ok(real) => real,
        Err(errno) => return Outcome::Errno(errno),
    };
    let too_wide = |id: u32| width == Width::Short && id != NO_ID && id >= u32::from(u16::MAX);
    if too_wide(real.0) || too_wide(real.1) {
        return Outcome::Errno(Errno::EOVERFLOW);
    }
    let mut args = call.notification.call.args;
    (args[at], args[at + 1]) = (u64::from(real.0), u64::from(real.1));
    plainly(call, name).or_natively(move || Outcome::PerformWith(args))
}

/// In which form a call asks for attributes, if it is one that glibc makes, and where it wants them.
fn attributes(call: Call<'_>, name: &str) -> Option<(Form, UserPtr)> {
    Some(match name {
        "stat64" | "lstat64" => (Form::I386Stat64, call.pointer(1)),
        "fstatat64" => (Form::I386Stat64, call.pointer(2)),
        "statx" => (Form::Statx { flags: call.bits(2), mask: call.bits(3) }, call.pointer(4)),
        _ => return None,
    })
}

/// Answers a call as if nobody but the real user were shown.
fn plainly(call: Call<'_>, name: &str) -> Outcome {
    match name {
        "close" => return super::descriptors::close(call),
        "dup2" | "dup3" => return super::descriptors::dup_over(call),
        "fsync" => return super::descriptors::fsync(call),
        "exit" | "exit_group" => return super::process::exit(call),
        "execve" => return super::exec::execve(call),
        "execveat" => return super::exec::execveat(call),
        "fchdir" => return super::cwd::fchdir(call),
        "unshare" => return super::process::unshare(call),
        "setns" => return super::process::setns(call),
        "open" => return super::open::open_local_only(call, 0),
        "openat" => return super::open::open_local_only(call, 1),
        _ if ids::is_change(id_call(name).0) => return ids::noted(call),
        "chdir" | "chroot" | "pivot_root" => call.agent.tasks.root_changes(call.tid()),
        _ => {}
    }
    for path in PATHS.iter().filter(|path| path.name == name) {
        let Some(text) = call.path(path.path) else { continue };
        let dirfd = path.dirfd.map_or(libc::AT_FDCWD, |index| call.int(index));
        let attributes = attributes(call, name);
        let outcome = on_text(call, dirfd, text, Last::Follow, move |task, spot| async move {
            if let Some((form, to)) = attributes
                && spot.mount.driver.local_path(&spot.path).is_some()
            {
                return stat::answer(task, spot, form, to).await;
            }
            Err(Error::new(Errno::EOPNOTSUPP, format!("{} through the 32-bit interface", spot.path)))
        });
        if !matches!(outcome, Outcome::Resume) {
            return outcome;
        }
    }
    Outcome::Resume
}
