//! One row for each system call: how it is treated, by which handler, and what there is to know of it.
//!
//! The filter, the dispatcher, `mynah syscalls` and its page in the documentation all come from these rows. A call that
//! the pinned kernel headers know and the table does not is a compile error; a number newer than both is notified,
//! answered with ENOSYS and logged once.

use super::args::Arg::{self, Bits, Dirfd, Fd, Int, Mode, ModeOfNew, Path, Pointer, Size, Text};
use super::args::{ACCESS, AT, AT_ACCESS, DUP, MAP, NAMESPACES, OPEN, PROT, RENAME, UNLINK, XATTR};
#[cfg(target_arch = "x86_64")]
use super::signals;
use super::{
    attrs, cwd, descriptors, directories, exec, ids, memory, mounts, names, open, openat2, process, sockets,
    stat, watching, xattr,
};
use crate::identity::{Identity, View};
use crate::outcome::{Call, Outcome};
use mynah_intercept::filter::{Rule, Test, Verdict};
use syscalls::Sysno;

/// How a call is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The kernel's alone: never trapped.
    Native,
    /// Names a path: trapped, and answered by the kernel where the path is the machine's own.
    Path,
    /// Acts on a descriptor in a way that the kernel cannot answer alone for a remote object.
    Descriptor,
    /// Changes what the program is or where it stands.
    Process,
    /// Tells who the program is, or where: the kernel's alone unless an identity is shown there.
    Identity(View),
    /// Refused with this errno.
    Denied(i32),
}

/// Answers one call.
pub(crate) type Handler = fn(Call<'_>) -> Outcome;

/// One system call.
pub struct Row {
    /// Its name, as the kernel's headers spell it.
    pub name: &'static str,
    /// Its number on this processor.
    pub number: u32,
    /// How it is treated.
    pub class: Class,
    /// What the filter does with it.
    pub rule: Rule,
    /// Who answers it; `None` where it never reaches the agent.
    pub(crate) handler: Option<Handler>,
    /// What its arguments are, if it can reach the agent.
    pub args: &'static [Arg],
    /// What a user may want to know.
    pub note: &'static str,
}

impl Row {
    /// What the filter does with it for programs that see this identity.
    fn rule_for(&self, identity: &Identity) -> Rule {
        match self.class {
            Class::Identity(view) if !identity.shows(view) => Rule::Always(Verdict::Allow),
            _ => self.rule,
        }
    }
}

const NOTIFY: Rule = Rule::Always(Verdict::Notify);

const fn notify_when(tests: &'static [Test]) -> Rule {
    Rule::When { tests, then: Verdict::Notify, otherwise: Verdict::Allow }
}

/// A file mapping that is shared: stores through it are seen by no call.
const SHARED_FILE_MAPPING: Rule = notify_when(&[
    Test::AnyBits { arg: 3, bits: libc::MAP_SHARED as u32 },
    Test::NoBits { arg: 3, bits: libc::MAP_ANONYMOUS as u32 },
]);
/// A child that gets a mount or user namespace of its own, or that is not to be traced, which a tracer that intercepts calls
/// must not let happen.
const NEW_NAMESPACE: Rule = notify_when(&[Test::AnyBits {
    arg: 0,
    bits: (libc::CLONE_NEWNS | libc::CLONE_NEWUSER | libc::CLONE_UNTRACED) as u32,
}]);
/// The parent-death signal, which the first program has from us, and the dumpable attribute, without which an agent that is
/// not root could not read a program's memory. What changes the rights of the next program. And what a Mynah asks that finds
/// itself below another.
const ASKS_ABOUT_ITSELF: Rule = notify_when(&[Test::OneOf {
    arg: 0,
    values: &[
        libc::PR_SET_PDEATHSIG as u32,
        libc::PR_GET_PDEATHSIG as u32,
        libc::PR_SET_DUMPABLE as u32,
        libc::PR_GET_DUMPABLE as u32,
        libc::PR_CAPBSET_DROP as u32,
        libc::PR_SET_SECUREBITS as u32,
        mynah_intercept::handover::OPTION,
    ],
}]);
/// Notices of changes by signals (dnotify), which nobody sends for a directory of a server.
const ASKS_FOR_NOTICES: Rule = notify_when(&[Test::OneOf { arg: 1, values: &[libc::F_NOTIFY as u32] }]);
/// What a file system keeps of a file beside its content.
const ASKS_FILE_SYSTEM: Rule = notify_when(&[Test::OneOf { arg: 1, values: descriptors::OF_FILE_SYSTEM }]);
/// The peer of a socket, by its numbers.
const PEER: Rule = notify_when(&[
    Test::OneOf { arg: 1, values: &[libc::SOL_SOCKET as u32] },
    Test::OneOf { arg: 2, values: &[libc::SO_PEERCRED as u32] },
]);
const HAS_ADDRESS: Rule = notify_when(&[Test::NotZero { arg: 4 }]);

/// A filter with a listener. Where programs are traced the kernel would allow it, and show the listener what we are to see.
const ASKS_FOR_LISTENER: Rule = Rule::When {
    tests: &[
        Test::OneOf { arg: 0, values: &[libc::SECCOMP_SET_MODE_FILTER] },
        Test::AnyBits { arg: 1, bits: libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32 },
    ],
    then: Verdict::Notify,
    otherwise: Verdict::Allow,
};

macro_rules! rows {
    ($($(#[$attr:meta])* $name:ident: $class:tt $(($detail:tt))? $($handler:path [$($arg:expr),*])? $(, if $rule:expr)? $(, $note:literal)?;)*) => {
        /// The table, in the order of its families.
        pub static TABLE: &[Row] = &[$($(#[$attr])* Row {
            name: stringify!($name),
            number: Sysno::$name as u32,
            class: rows!(@class $class $($detail)?),
            rule: rows!(@rule $class $(($detail))? $(, $rule)?),
            handler: rows!(@handler $($handler)?),
            args: &[$($($arg),*)?],
            note: rows!(@note $($note)?),
        }),*];
    };
    (@class native) => { Class::Native };
    (@class path) => { Class::Path };
    (@class descriptor) => { Class::Descriptor };
    (@class process) => { Class::Process };
    (@class identity user) => { Class::Identity(View::User) };
    (@class identity host) => { Class::Identity(View::Host) };
    (@class denied $errno:ident) => { Class::Denied(libc::$errno) };
    (@rule native) => { Rule::Always(Verdict::Allow) };
    (@rule denied ($errno:ident)) => { Rule::Always(Verdict::Errno(libc::$errno as u16)) };
    (@rule identity ($view:ident), $rule:expr) => { $rule };
    (@rule identity ($view:ident)) => { NOTIFY };
    (@rule $class:tt, $rule:expr) => { $rule };
    (@rule $class:tt) => { NOTIFY };
    (@handler $handler:path) => { Some($handler as Handler) };
    (@handler) => { None };
    (@note $note:literal) => { $note };
    (@note) => { "" };
}

rows! {
    // Opening.
    #[cfg(target_arch = "x86_64")] open: path open::open [Path, OPEN, ModeOfNew];
    #[cfg(target_arch = "x86_64")] creat: path open::creat [Path, Mode];
    openat: path open::openat [Dirfd, Path, OPEN, ModeOfNew];
    openat2: path openat2::openat2 [Dirfd, Path, Pointer, Size], "RESOLVE_CACHED gives EAGAIN on remote paths: the program asks again without it";
    name_to_handle_at: path mounts::no_handles [Dirfd, Path, Pointer, Pointer, AT], "EOPNOTSUPP for remote paths";
    open_by_handle_at: native;

    // Attributes.
    #[cfg(target_arch = "x86_64")] stat: path stat::stat [Path, Pointer];
    #[cfg(target_arch = "x86_64")] lstat: path stat::lstat [Path, Pointer];
    #[cfg(target_arch = "x86_64")] newfstatat: path stat::fstatat [Dirfd, Path, Pointer, AT];
    #[cfg(target_arch = "aarch64")] fstatat: path stat::fstatat [Dirfd, Path, Pointer, AT];
    statx: path stat::statx [Dirfd, Path, AT, Bits, Pointer];
    fstat: descriptor stat::fstat [Fd, Pointer];
    statfs: path stat::statfs [Path, Pointer];
    fstatfs: descriptor stat::fstatfs [Fd, Pointer];
    #[cfg(target_arch = "x86_64")] ustat: native;
    #[cfg(target_arch = "x86_64")] access: path stat::access [Path, ACCESS];
    faccessat: path stat::faccessat [Dirfd, Path, ACCESS];
    faccessat2: path stat::faccessat [Dirfd, Path, ACCESS, AT_ACCESS];
    #[cfg(target_arch = "x86_64")] chmod: path attrs::chmod [Path, Mode];
    fchmod: descriptor attrs::fchmod [Fd, Mode];
    fchmodat: path attrs::fchmodat [Dirfd, Path, Mode];
    fchmodat2: path attrs::fchmodat [Dirfd, Path, Mode, AT];
    #[cfg(target_arch = "x86_64")] chown: path attrs::chown [Path, Int, Int];
    #[cfg(target_arch = "x86_64")] lchown: path attrs::lchown [Path, Int, Int];
    fchown: descriptor attrs::fchown [Fd, Int, Int];
    fchownat: path attrs::fchownat [Dirfd, Path, Int, Int, AT];
    #[cfg(target_arch = "x86_64")] utime: path attrs::utime [Path, Pointer];
    #[cfg(target_arch = "x86_64")] utimes: path attrs::utimes [Path, Pointer];
    #[cfg(target_arch = "x86_64")] futimesat: path attrs::futimesat [Dirfd, Path, Pointer];
    utimensat: path attrs::utimensat [Dirfd, Path, Pointer, AT];
    truncate: path attrs::truncate [Path, Size];
    ftruncate: native, "the kernel's on the placeholder; carried home with the content";
    fallocate: native, "the kernel's on the placeholder; holes are carried home as zeros";
    setxattr: path xattr::setxattr [Path, Text, Pointer, Size, XATTR];
    lsetxattr: path xattr::setxattr [Path, Text, Pointer, Size, XATTR];
    fsetxattr: descriptor xattr::fsetxattr [Fd, Text, Pointer, Size, XATTR];
    getxattr: path xattr::getxattr [Path, Text, Pointer, Size];
    lgetxattr: path xattr::getxattr [Path, Text, Pointer, Size];
    fgetxattr: descriptor xattr::fgetxattr [Fd, Text, Pointer, Size];
    listxattr: path xattr::listxattr [Path, Pointer, Size];
    llistxattr: path xattr::listxattr [Path, Pointer, Size];
    flistxattr: descriptor xattr::flistxattr [Fd, Pointer, Size];
    removexattr: path xattr::removexattr [Path, Text];
    lremovexattr: path xattr::removexattr [Path, Text];
    fremovexattr: descriptor xattr::fremovexattr [Fd, Text];
    setxattrat: path xattr::setxattrat [Dirfd, Path, AT, Text, Pointer, Size];
    getxattrat: path xattr::getxattrat [Dirfd, Path, AT, Text, Pointer, Size];
    listxattrat: path xattr::listxattrat [Dirfd, Path, AT, Pointer, Size];
    removexattrat: path xattr::removexattrat [Dirfd, Path, AT, Text];
    file_getattr: path mounts::not_remote [Dirfd, Path, Pointer, Size, AT], "EOPNOTSUPP for remote paths";
    file_setattr: path mounts::not_remote [Dirfd, Path, Pointer, Size, AT], "EOPNOTSUPP for remote paths";

    // Names.
    #[cfg(target_arch = "x86_64")] mkdir: path names::mkdir [Path, Mode];
    mkdirat: path names::mkdirat [Dirfd, Path, Mode];
    #[cfg(target_arch = "x86_64")] rmdir: path names::rmdir [Path];
    #[cfg(target_arch = "x86_64")] unlink: path names::unlink [Path];
    unlinkat: path names::unlinkat [Dirfd, Path, UNLINK];
    #[cfg(target_arch = "x86_64")] rename: path names::rename [Path, Path];
    renameat: path names::renameat [Dirfd, Path, Dirfd, Path];
    renameat2: path names::renameat [Dirfd, Path, Dirfd, Path, RENAME];
    #[cfg(target_arch = "x86_64")] link: path names::link [Path, Path];
    linkat: path names::linkat [Dirfd, Path, Dirfd, Path, AT];
    #[cfg(target_arch = "x86_64")] symlink: path names::symlink [Text, Path];
    symlinkat: path names::symlinkat [Text, Dirfd, Path];
    #[cfg(target_arch = "x86_64")] readlink: path names::readlink [Path, Pointer, Size];
    readlinkat: path names::readlinkat [Dirfd, Path, Pointer, Size];
    #[cfg(target_arch = "x86_64")] mknod: path names::mknod [Path, Mode, Size];
    mknodat: path names::mknodat [Dirfd, Path, Mode, Size];

    // Directories and where the program stands.
    #[cfg(target_arch = "x86_64")] getdents: descriptor directories::getdents [Fd, Pointer, Size];
    getdents64: descriptor directories::getdents64 [Fd, Pointer, Size];
    getcwd: process cwd::getcwd [Pointer, Size];
    chdir: process cwd::chdir [Path];
    fchdir: process cwd::fchdir [Fd];
    chroot: process cwd::chroot [Path], "EPERM for remote directories; after a native one remote paths are out of sight";

    // Descriptors.
    close: descriptor descriptors::close [Fd], "held until what was written is at the server";
    close_range: descriptor descriptors::close_range [Fd, Fd, Bits], "held until what was written is at the server";
    dup: native;
    #[cfg(target_arch = "x86_64")] dup2: descriptor descriptors::dup_over [Fd, Fd], "the descriptor that is closed by it is held like close";
    dup3: descriptor descriptors::dup_over [Fd, Fd, DUP], "the descriptor that is closed by it is held like close";
    fsync: descriptor descriptors::fsync [Fd];
    fdatasync: descriptor descriptors::fsync [Fd];
    sync_file_range: native, "of no effect at the server: fsync is what carries data home";
    syncfs: descriptor descriptors::syncfs [Fd];
    sync: process descriptors::sync [];
    read: native;
    write: native;
    pread64: native;
    pwrite64: native;
    readv: native;
    writev: native;
    preadv: native;
    pwritev: native;
    preadv2: native;
    pwritev2: native;
    lseek: native;
    sendfile: native;
    splice: native;
    tee: native;
    vmsplice: native;
    copy_file_range: native;
    readahead: native;
    fadvise64: native;
    fcntl: descriptor descriptors::fcntl [Fd, Int, Size], if ASKS_FOR_NOTICES, "trapped only for F_NOTIFY, which is EINVAL for remote directories; locks on remote files are between the programs of this Mynah";
    flock: native, "between the programs of this Mynah";
    ioctl: descriptor descriptors::ioctl [Fd, Bits, Size], if ASKS_FILE_SYSTEM, "trapped only for inode flags, fs-verity and the like, which are ENOTTY for remote files";
    cachestat: native;

    // Programs.
    execve: process exec::execve [Path, Pointer, Pointer];
    execveat: process exec::execveat [Dirfd, Path, Pointer, Pointer, AT];
    exit: process process::exit [Int];
    exit_group: process process::exit [Int];
    clone: process process::clone [Bits], if NEW_NAMESPACE, "trapped only for a new mount or user namespace";
    clone3: native;
    #[cfg(target_arch = "x86_64")] fork: native;
    #[cfg(target_arch = "x86_64")] vfork: native;
    unshare: process process::unshare [NAMESPACES];
    setns: process process::setns [Fd, NAMESPACES];

    // Memory.
    mmap: descriptor memory::mmap [Pointer, Size, PROT, MAP, Fd, Size], if SHARED_FILE_MAPPING, "trapped only for shared mappings of files";
    munmap: native;
    mprotect: native;
    mremap: native;
    msync: native, "a shared mapping's stores are carried home by fsync, close and exit";
    brk: native;
    madvise: native;
    mincore: native;
    mlock: native;
    mlock2: native;
    mlockall: native;
    munlock: native;
    munlockall: native;
    mbind: native;
    set_mempolicy: native;
    get_mempolicy: native;
    set_mempolicy_home_node: native;
    migrate_pages: native;
    move_pages: native;
    pkey_mprotect: native;
    pkey_alloc: native;
    pkey_free: native;
    remap_file_pages: native;
    memfd_create: native;
    memfd_secret: native;
    mseal: native;
    process_vm_readv: native;
    process_vm_writev: native;
    process_madvise: native;
    process_mrelease: native;
    userfaultfd: native;
    map_shadow_stack: native;

    // Sockets.
    bind: path sockets::bind [Fd, Pointer, Size], "a Unix socket in a remote directory joins the programs of this Mynah";
    connect: path sockets::connect [Fd, Pointer, Size], "through a remote name the peer's credentials are those of the agent";
    sendto: path sockets::sendto [Fd, Pointer, Size, Bits, Pointer, Size], if HAS_ADDRESS, "through a remote name the peer's credentials are those of the agent";
    sendmsg: path sockets::sendmsg [Fd, Pointer, Bits], "through a remote name the peer's credentials are those of the agent";
    sendmmsg: path sockets::sendmmsg [Fd, Pointer, Int, Bits], "through a remote name the peer's credentials are those of the agent";
    socket: native;
    socketpair: native;
    listen: native;
    accept: native;
    accept4: native;
    getsockname: descriptor sockets::getsockname [Fd, Pointer, Pointer];
    getpeername: descriptor sockets::getpeername [Fd, Pointer, Pointer];
    recvfrom: native;
    recvmsg: native;
    recvmmsg: native;
    shutdown: native;
    setsockopt: native;
    getsockopt: identity(user) ids::native_getsockopt [Fd, Int, Int, Pointer, Pointer], if PEER, "only SO_PEERCRED; peers in SCM_CREDENTIALS and SO_PEERGROUPS are the machine's own";

    // Watching.
    inotify_add_watch: path watching::inotify_add_watch [Fd, Path, Bits], "of remote files: what is changed through this Mynah is told";
    inotify_init1: native;
    #[cfg(target_arch = "x86_64")] inotify_init: native;
    inotify_rm_watch: native;
    fanotify_init: native;
    fanotify_mark: path mounts::fanotify_mark [Fd, Bits, Bits, Dirfd, Path], "EOPNOTSUPP for remote paths";

    // Mounts: the kernel's own table. What lies in Mynah's namespace cannot be mounted, nor mounted over.
    mount: path mounts::mount [Text, Path, Text, Bits, Pointer], "EPERM where source or target is remote";
    umount2: path mounts::umount2 [Path, Bits], "EINVAL for remote paths";
    pivot_root: path mounts::pivot_root [Path, Path], "EPERM for remote paths";
    move_mount: path mounts::move_mount [Dirfd, Path, Dirfd, Path, Bits], "EPERM for remote paths";
    open_tree: path mounts::not_remote [Dirfd, Path, Bits], "EOPNOTSUPP for remote paths";
    open_tree_attr: path mounts::not_remote [Dirfd, Path, Bits, Pointer, Size], "EOPNOTSUPP for remote paths";
    mount_setattr: path mounts::not_remote_mounting [Dirfd, Path, AT, Pointer, Size], "EOPNOTSUPP for remote paths";
    fspick: path mounts::not_remote_mounting [Dirfd, Path, Bits], "EOPNOTSUPP for remote paths";
    fsopen: native;
    fsconfig: native;
    fsmount: native;
    statmount: native;
    listmount: native;
    swapon: path mounts::swapon [Path, Bits], "EINVAL for remote paths";
    swapoff: path mounts::swapoff [Path], "EINVAL for remote paths";
    acct: path mounts::acct [Path], "EINVAL for remote paths";
    quotactl: path mounts::quotactl [Bits, Path, Int, Pointer], "ENOTBLK for remote paths";
    quotactl_fd: native;
    #[cfg(target_arch = "x86_64")] uselib: denied(ENOSYS);
    bpf: native, "paths in its attributes are the machine's own";
    landlock_create_ruleset: denied(EOPNOTSUPP), "the agent opens files for programs, whom a ruleset of theirs would not hold back";
    landlock_add_rule: native;
    landlock_restrict_self: native;

    // Asynchronous I/O that seccomp cannot see into.
    io_uring_setup: denied(ENOSYS), "its opens would be invisible";
    io_uring_enter: native;
    io_uring_register: native;
    io_setup: descriptor memory::io_setup [Bits, Pointer], "noted: the kernel gives no notice of what is written by it";
    io_destroy: native;
    io_getevents: native;
    io_pgetevents: native;
    io_submit: native;
    io_cancel: native;

    // Waiting and events.
    #[cfg(target_arch = "x86_64")] poll: native;
    ppoll: native;
    #[cfg(target_arch = "x86_64")] select: native;
    pselect6: native;
    epoll_create1: native;
    #[cfg(target_arch = "x86_64")] epoll_create: native;
    epoll_ctl: native;
    #[cfg(target_arch = "x86_64")] epoll_wait: native;
    epoll_pwait: native;
    epoll_pwait2: native;
    #[cfg(target_arch = "x86_64")] epoll_ctl_old: native;
    #[cfg(target_arch = "x86_64")] epoll_wait_old: native;
    eventfd2: native;
    #[cfg(target_arch = "x86_64")] eventfd: native;
    signalfd4: native;
    #[cfg(target_arch = "x86_64")] signalfd: native;
    timerfd_create: native;
    timerfd_settime: native;
    timerfd_gettime: native;
    #[cfg(target_arch = "x86_64")] pipe: native;
    pipe2: native;
    wait4: native;
    waitid: native;
    #[cfg(target_arch = "x86_64")] pause: native;

    // Signals.
    rt_sigaction: native;
    rt_sigprocmask: native;
    #[cfg(target_arch = "x86_64")] rt_sigreturn: process signals::sigreturn [], "a trapped call that the signal took away is begun again";
    #[cfg(not(target_arch = "x86_64"))] rt_sigreturn: native, "a trapped call that the signal took away stays EINTR";
    rt_sigpending: native;
    rt_sigtimedwait: native;
    rt_sigqueueinfo: native;
    rt_tgsigqueueinfo: native;
    rt_sigsuspend: native;
    sigaltstack: native;
    kill: native;
    tkill: native;
    tgkill: native;
    restart_syscall: native;
    pidfd_open: native;
    pidfd_send_signal: native;
    pidfd_getfd: native;

    // Time.
    nanosleep: native;
    clock_nanosleep: native;
    clock_gettime: native;
    clock_settime: native;
    clock_getres: native;
    clock_adjtime: native;
    #[cfg(target_arch = "x86_64")] time: native;
    gettimeofday: native;
    settimeofday: native;
    adjtimex: native;
    getitimer: native;
    setitimer: native;
    #[cfg(target_arch = "x86_64")] alarm: native;
    timer_create: native;
    timer_settime: native;
    timer_gettime: native;
    timer_getoverrun: native;
    timer_delete: native;
    times: native;

    // Who one is.
    getpid: native;
    getppid: native;
    gettid: native;
    getuid: identity(user) ids::native [];
    geteuid: identity(user) ids::native [];
    getgid: identity(user) ids::native [];
    getegid: identity(user) ids::native [];
    getresuid: identity(user) ids::native [Pointer, Pointer, Pointer];
    getresgid: identity(user) ids::native [Pointer, Pointer, Pointer];
    getgroups: identity(user) ids::native [Int, Pointer];
    setuid: process ids::change [Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setgid: process ids::change [Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setreuid: process ids::change [Int, Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setregid: process ids::change [Int, Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setresuid: process ids::change [Int, Int, Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setresgid: process ids::change [Int, Int, Int], "noted, to judge what the caller may do; EPERM but for oneself where an identity is shown";
    setgroups: process ids::change [Int, Pointer], "noted; EPERM but for what one has, as root, where an identity is shown";
    setfsuid: process ids::change [Int], "noted; changes nothing where an identity is shown";
    setfsgid: process ids::change [Int], "noted; changes nothing where an identity is shown";
    capget: native;
    capset: process ids::noted [Pointer, Pointer], "noted, to judge what the caller may do";
    setpgid: native;
    getpgid: native;
    #[cfg(target_arch = "x86_64")] getpgrp: native;
    getsid: native;
    setsid: native;
    personality: native;
    prctl: process process::prctl [Int, Size, Size, Size, Size], if ASKS_ABOUT_ITSELF, "trapped only for what the agent must know of or has changed";
    #[cfg(target_arch = "x86_64")] arch_prctl: native;
    umask: native;
    uname: identity(host) ids::uname [Pointer];
    sethostname: identity(host) ids::sethostname [Pointer, Size], "EPERM";
    setdomainname: native;
    sysinfo: native;
    getrusage: native;
    getrlimit: native;
    setrlimit: native;
    prlimit64: native;
    getpriority: native;
    setpriority: native;
    ioprio_get: native;
    ioprio_set: native;

    // Scheduling and threads.
    futex: native;
    futex_waitv: native;
    futex_wake: native;
    futex_wait: native;
    futex_requeue: native;
    set_robust_list: native;
    get_robust_list: native;
    set_tid_address: native;
    #[cfg(target_arch = "x86_64")] set_thread_area: native;
    #[cfg(target_arch = "x86_64")] get_thread_area: native;
    rseq: native;
    membarrier: native;
    sched_yield: native;
    sched_setparam: native;
    sched_getparam: native;
    sched_setscheduler: native;
    sched_getscheduler: native;
    sched_get_priority_max: native;
    sched_get_priority_min: native;
    sched_rr_get_interval: native;
    sched_setaffinity: native;
    sched_getaffinity: native;
    sched_setattr: native;
    sched_getattr: native;
    getcpu: native;
    kcmp: native;
    ptrace: native;
    seccomp: process process::seccomp [Int, Bits, Pointer], if ASKS_FOR_LISTENER, "a program that asks for a listener of its own gets EBUSY";
    perf_event_open: native;

    // System V and POSIX message objects: they have names of their own, not paths.
    shmget: native;
    shmat: native;
    shmctl: native;
    shmdt: native;
    semget: native;
    semop: native;
    semctl: native;
    semtimedop: native;
    msgget: native;
    msgsnd: native;
    msgrcv: native;
    msgctl: native;
    mq_open: native;
    mq_unlink: native;
    mq_timedsend: native;
    mq_timedreceive: native;
    mq_notify: native;
    mq_getsetattr: native;

    // The rest of the kernel's business.
    add_key: native;
    request_key: native;
    keyctl: native;
    getrandom: native;
    syslog: native;
    reboot: native;
    vhangup: native;
    #[cfg(target_arch = "x86_64")] iopl: native;
    #[cfg(target_arch = "x86_64")] ioperm: native;
    #[cfg(target_arch = "x86_64")] modify_ldt: native;
    init_module: native;
    finit_module: native;
    delete_module: native;
    kexec_load: native;
    kexec_file_load: native;
    lookup_dcookie: native;
    lsm_get_self_attr: native;
    lsm_set_self_attr: native;
    lsm_list_modules: native;
    nfsservctl: native;
    #[cfg(target_arch = "x86_64")] create_module: native;
    #[cfg(target_arch = "x86_64")] get_kernel_syms: native;
    #[cfg(target_arch = "x86_64")] query_module: native;
    #[cfg(target_arch = "x86_64")] sysfs: native;
    // Numbers of 32-bit processors' calls: no 64-bit kernel answers them.
    #[cfg(target_arch = "aarch64")] clock_gettime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] clock_settime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] clock_adjtime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] clock_getres_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] clock_nanosleep_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] timer_gettime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] timer_settime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] timerfd_gettime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] timerfd_settime64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] utimensat_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] pselect6_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] ppoll_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] io_pgetevents_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] recvmmsg_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] mq_timedsend_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] mq_timedreceive_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] semtimedop_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] rt_sigtimedwait_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] futex_time64: denied(ENOSYS);
    #[cfg(target_arch = "aarch64")] sched_rr_get_interval_time64: denied(ENOSYS);
    #[cfg(target_arch = "x86_64")] uprobe: native;
    #[cfg(target_arch = "x86_64")] uretprobe: native;
    #[cfg(target_arch = "x86_64")] _sysctl: native;
    #[cfg(target_arch = "x86_64")] getpmsg: native;
    #[cfg(target_arch = "x86_64")] putpmsg: native;
    #[cfg(target_arch = "x86_64")] afs_syscall: native;
    #[cfg(target_arch = "x86_64")] tuxcall: native;
    #[cfg(target_arch = "x86_64")] security: native;
    #[cfg(target_arch = "x86_64")] vserver: native;
}

/// Numbers up to here are looked at for completeness; the kernel's own are far below.
const NUMBERS: usize = 1024;

/// Every call that the pinned headers know has a row, and each row is its call's only one.
const _COMPLETE: () = {
    let mut number = 0;
    while number < NUMBERS {
        let known = Sysno::new(number).is_some();
        let mut rows = 0;
        let mut at = 0;
        while at < TABLE.len() {
            if TABLE[at].number as usize == number {
                rows += 1;
            }
            at += 1;
        }
        assert!(!known || rows == 1, "a system call of the kernel's headers has no row, or two");
        number += 1;
    }
};

/// The row of a number; `None` if the table does not know it.
#[must_use]
pub fn row(number: u32) -> Option<&'static Row> {
    static INDEX: std::sync::LazyLock<Vec<Option<&'static Row>>> = std::sync::LazyLock::new(|| {
        let mut index = vec![None; NUMBERS];
        for row in TABLE {
            if let Some(slot) = index.get_mut(row.number as usize) {
                *slot = Some(row);
            }
        }
        index
    });
    INDEX.get(number as usize).copied().flatten()
}

/// The calls that make, change or remove names, of attributes too: done twice they give another answer than done once.
const NAME_CHANGES: &[&str] = &[
    "open",
    "creat",
    "openat",
    "openat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mknod",
    "mknodat",
    "bind",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "setxattrat",
    "removexattrat",
];

/// Whether a call changes names, so that it must not be begun anew once it was begun.
pub(crate) fn changes_names(number: u32) -> bool {
    row(number).is_some_and(|row| NAME_CHANGES.contains(&row.name))
}

/// The calls that may wait natively for as long as somebody else likes, and end with EINTR then (signal(7)).
const INTERRUPTED: &[&str] =
    &["open", "creat", "openat", "openat2", "connect", "sendto", "sendmsg", "sendmmsg"];

/// Whether a program has to expect EINTR of a call.
pub(crate) fn may_be_interrupted(number: u32) -> bool {
    row(number).is_some_and(|row| INTERRUPTED.contains(&row.name))
}

/// Calls that are always trapped and, where the kernel performs them, may wait and end with EINTR.
pub(crate) fn may_wait_natively(number: u32) -> bool {
    const WAITING: &[u32] = &[
        #[cfg(target_arch = "x86_64")]
        (Sysno::open as u32),
        #[cfg(target_arch = "x86_64")]
        (Sysno::creat as u32),
        Sysno::openat as u32,
        Sysno::openat2 as u32,
        Sysno::connect as u32,
        Sysno::sendmsg as u32,
        Sysno::sendmmsg as u32,
        Sysno::flock as u32,
    ];
    WAITING.contains(&number)
}

/// Whether a call is trapped, whatever its arguments are.
#[cfg(target_arch = "x86_64")]
pub(crate) fn is_always_trapped(number: u32) -> bool {
    row(number).is_some_and(|row| row.rule == NOTIFY && row.handler.is_some())
}

/// The calls without which an agent would be of no use.
const VITAL: &[&str] = &["openat", "execve", "statx", "close"];

/// The native calls that are always trapped and may be tried with arguments that no call accepts; each with its name, and
/// whether an agent that does not see it is of no use.
pub fn trappable() -> impl Iterator<Item = (u32, &'static str, bool)> {
    // These end their caller, or have their effect whatever they are given.
    const NOT_TO_BE_TRIED: &[&str] = &["exit", "exit_group", "rt_sigreturn", "vhangup", "sync"];
    TABLE
        .iter()
        .filter(|row| row.rule == NOTIFY && !NOT_TO_BE_TRIED.contains(&row.name))
        .map(|row| (row.number, row.name, VITAL.contains(&row.name)))
}

/// The row of a call's name.
#[must_use]
pub fn row_of_name(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// The policy of the filter, as the rows say it, for programs that see this identity.
///
/// # Errors
/// A filter too long for the kernel, which a test keeps from happening.
pub fn filter(
    identity: &Identity,
) -> Result<mynah_intercept::filter::Program, mynah_intercept::filter::FilterError> {
    use mynah_intercept::filter::{self, Policy};
    let native: Vec<filter::Row> =
        TABLE.iter().map(|row| filter::Row { number: row.number, rule: row.rule_for(identity) }).collect();
    let i386 = super::i386::verdicts(identity);
    filter::compile(&Policy {
        native: &native,
        unknown: Verdict::Notify,
        i386: &i386,
        i386_unknown: Verdict::Notify,
        x32: Verdict::Notify,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_where_paths_are() {
        // Their paths are in the structure of an address.
        let in_address = ["bind", "connect", "sendto", "sendmsg", "sendmmsg"];
        for row in TABLE {
            let paths = row.args.iter().filter(|arg| **arg == Path).count();
            if row.class == Class::Path {
                assert!(paths > 0 || in_address.contains(&row.name), "{} has no path", row.name);
            }
            assert!(row.args.len() <= 6, "{} has more arguments than registers", row.name);
            let dangling = row.args.iter().zip(row.args.iter().skip(1).map(Some).chain([None]));
            for (arg, next) in dangling.filter(|(arg, _)| **arg == Dirfd) {
                assert_eq!(next, Some(&Path), "{}: {arg:?} starts nothing", row.name);
            }
        }
        assert_eq!(row_of_name("openat").map(|row| row.args.len()), Some(4));
    }
}
