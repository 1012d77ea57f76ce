//! The few raw system calls that neither rustix nor std offers, as safe functions.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::filter::{Instruction, Program};

/// An ioctl whose argument points to a structure that the kernel reads and writes.
pub(crate) fn ioctl_struct<T>(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: &mut T) -> io::Result<i32> {
    let argument: *mut T = argument;
    // SAFETY: the descriptor is open and the pointer comes from an exclusive reference; callers pair each request
    // with the structure whose size it carries in its number, so the kernel stays inside.
    check_int(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) })
}

/// An ioctl whose argument is a number.
pub(crate) fn ioctl_value(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: u64) -> io::Result<i32> {
    // SAFETY: the descriptor is open; the request takes its argument by value and touches no memory of ours.
    check_int(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) })
}

/// The structure sizes of the running kernel's notification interface.
pub(crate) fn seccomp_notif_sizes() -> io::Result<libc::seccomp_notif_sizes> {
    let mut sizes = libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    let pointer: *mut libc::seccomp_notif_sizes = &mut sizes;
    // SAFETY: the pointer is valid for the structure that this operation fills in.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, pointer) })?;
    Ok(sizes)
}

/// Installs a filter on the calling thread. Gives the raw result: the listener's number, or minus an errno.
///
/// Makes nothing but system calls, so a freshly forked child may use it.
pub(crate) fn seccomp_install(program: &Program, flags: libc::c_ulong) -> i64 {
    let code: &[Instruction] = program.instructions();
    // `Instruction` has the layout of `struct sock_filter`; the length was checked when it was compiled.
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut().cast() };
    let pointer: *const libc::sock_fprog = &program;
    // SAFETY: the pointers describe `len` instructions that live until the call is over and are only read.
    result(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, pointer) })
}

/// Copies from a tracee. Returns how many bytes were readable.
pub(crate) fn process_vm_read(tid: i32, from: u64, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: from as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: the local vector describes an exclusive slice; the remote one is only interpreted in the tracee.
    check_size(unsafe { libc::process_vm_readv(tid, &local, 1, &remote, 1, 0) })
}

/// Copies into a tracee. Returns how many bytes were writable.
pub(crate) fn process_vm_write(tid: i32, to: u64, from: &[u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: to as *mut libc::c_void, iov_len: from.len() };
    // SAFETY: the local vector describes a live slice that the kernel only reads; the remote one belongs to the tracee.
    check_size(unsafe { libc::process_vm_writev(tid, &local, 1, &remote, 1, 0) })
}

/// fstat(2) as the kernel lays its answer out.
pub(crate) fn fstat_bytes(fd: BorrowedFd<'_>, bytes: &mut [u8; crate::arch::STAT_BYTES]) -> io::Result<()> {
    // SAFETY: the array has the size of the structure that the kernel fills in, and needs no alignment to be written to.
    check(unsafe { libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), bytes.as_mut_ptr()) }).map(drop)
}

/// statx(2) of an open file as the kernel lays its answer out.
pub(crate) fn statx_bytes(
    fd: BorrowedFd<'_>,
    flags: i32,
    mask: u32,
    bytes: &mut [u8; crate::arch::STATX_BYTES],
) -> io::Result<()> {
    let flags = flags | libc::AT_EMPTY_PATH;
    let pointer = bytes.as_mut_ptr();
    // SAFETY: the array has the size of the structure that the kernel fills in; the path is an empty string.
    check(unsafe { libc::syscall(libc::SYS_statx, fd.as_raw_fd(), c"".as_ptr(), flags, mask, pointer) })
        .map(drop)
}

/// ptrace(2) with plain numbers, for requests that touch no memory of ours.
pub(crate) fn ptrace_value(request: libc::c_ulong, tid: i32, addr: u64, data: u64) -> io::Result<()> {
    // SAFETY: callers pass only requests whose arguments are numbers (SEIZE, INTERRUPT, SYSCALL, CONT, DETACH).
    check(unsafe { libc::syscall(libc::SYS_ptrace, request, tid, addr, data) }).map(drop)
}

/// ptrace(2) with a structure that the kernel reads or fills in.
pub(crate) fn ptrace_struct<T>(request: libc::c_ulong, tid: i32, addr: u64, data: &mut T) -> io::Result<()> {
    let data: *mut T = data;
    // SAFETY: the pointer comes from an exclusive reference; callers pair the request with a structure of the
    // size that it moves (given to the kernel in `addr` or in the structure where that is not fixed).
    check(unsafe { libc::syscall(libc::SYS_ptrace, request, tid, addr, data) }).map(drop)
}

/// Reads a register set of a stopped thread.
#[cfg(target_arch = "aarch64")]
pub(crate) fn ptrace_get_regset<T>(tid: i32, set: u64, registers: &mut T) -> io::Result<()> {
    const PTRACE_GETREGSET: libc::c_ulong = 0x4204;
    let mut vector = libc::iovec { iov_base: (&raw mut *registers).cast(), iov_len: size_of::<T>() };
    ptrace_struct(PTRACE_GETREGSET, tid, set, &mut vector)
}

/// Writes a register set of a stopped thread.
#[cfg(target_arch = "aarch64")]
pub(crate) fn ptrace_set_regset<T>(tid: i32, set: u64, registers: &mut T) -> io::Result<()> {
    const PTRACE_SETREGSET: libc::c_ulong = 0x4205;
    let mut vector = libc::iovec { iov_base: (&raw mut *registers).cast(), iov_len: size_of::<T>() };
    ptrace_struct(PTRACE_SETREGSET, tid, set, &mut vector)
}

/// What waitid(2) tells: `si_code` and `si_status`, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitInfo {
    pub(crate) pid: i32,
    pub(crate) code: i32,
    pub(crate) status: i32,
}

/// waitid(2); `None` if nothing was there and WNOHANG was asked for. Not restarted on EINTR.
pub(crate) fn waitid(which: libc::idtype_t, id: i32, options: i32) -> io::Result<Option<WaitInfo>> {
    // SAFETY: all-zero bytes are a valid siginfo_t: it is made of numbers.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let pointer: *mut libc::siginfo_t = &mut info;
    // SAFETY: the pointer is valid for the structure that the kernel fills in. The raw call is used because the C
    // library's wrappers differ in which of the kernel's option bits they let through.
    check(unsafe {
        libc::syscall(libc::SYS_waitid, which, id, pointer, options, std::ptr::null_mut::<libc::rusage>())
    })?;
    // SAFETY: waitid fills in the SIGCHLD members, or leaves the zeros.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    Ok((pid != 0).then_some(WaitInfo { pid, code: info.si_code, status }))
}

/// pidfd_send_signal(2), for all 64 signals.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open; a null siginfo means the same as kill(2)'s.
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) })
        .map(drop)
}

/// fork(2). In the child of a process with several threads only system calls may follow.
pub(crate) fn fork() -> io::Result<i32> {
    // SAFETY: fork copies the process; callers keep to system calls in the child where other threads existed.
    check_int(unsafe { libc::fork() })
}

/// Ends the process at once, with no handlers run.
pub(crate) fn exit_group(status: i32) -> ! {
    // SAFETY: takes a number and does not return, unless a filter refuses it.
    unsafe { libc::syscall(libc::SYS_exit_group, status) };
    std::process::abort()
}

/// Blocks all signals of the calling thread; gives the mask that was.
pub(crate) fn block_all_signals() -> libc::sigset_t {
    let mut all = no_signals();
    // SAFETY: the pointer comes from an exclusive reference.
    unsafe { libc::sigfillset(&mut all) };
    swap_signal_mask(&all)
}

/// Sets the calling thread's signal mask.
pub(crate) fn set_signal_mask(mask: &libc::sigset_t) {
    swap_signal_mask(mask);
}

/// The empty set.
pub(crate) fn no_signals() -> libc::sigset_t {
    // SAFETY: a signal set is an array of integers; all zeros is the empty one.
    unsafe { std::mem::zeroed() }
}

fn swap_signal_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut old = no_signals();
    // SAFETY: both pointers come from references to signal sets. It cannot fail: the way is a constant.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut old) };
    old
}

/// Sets the calling thread's signal mask to the signals whose number is true in `blocked`, for a forked child.
///
/// Not through the C library, as below.
pub(crate) fn block_only(blocked: &[bool]) {
    const SIGSET_BYTES: usize = 8;
    // Signal n is bit n - 1; there are 64 of them.
    let set = blocked.iter().skip(1).rev().fold(0_u64, |set, &blocked| set << 1 | u64::from(blocked));
    let old = std::ptr::null_mut::<u64>();
    // SAFETY: the set lives until the call is over, and is as long as is said.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, old, SIGSET_BYTES) };
}

/// Sets a signal's action to SIG_DFL or SIG_IGN. Of no effect on signals that cannot be set.
///
/// Not through the C library, which keeps the first real-time signals to itself.
pub(crate) fn set_signal_action(signal: i32, action: libc::sighandler_t) {
    set_signal_action_with(signal, action, 0);
}

fn set_signal_action_with(signal: i32, action: libc::sighandler_t, flags: usize) {
    const SIGSET_BYTES: usize = 8;
    // The kernel's `struct sigaction`: handler, flags, restorer, mask.
    let kernel_action: [usize; 4] = [action, flags, 0, 0];
    let old = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the structure lives until the call is over. The two actions are no functions, so nothing of ours is ever
    // run by them.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, kernel_action.as_ptr(), old, SIGSET_BYTES) };
}

/// prctl(2) with one numeric argument. The errno on failure.
pub(crate) fn prctl(option: i32, argument: libc::c_ulong) -> Result<(), i32> {
    const UNUSED: libc::c_ulong = 0;
    // SAFETY: callers pass only options whose argument is a number.
    match unsafe { libc::prctl(option, argument, UNUSED, UNUSED, UNUSED) } {
        -1 => Err(errno()),
        _ => Ok(()),
    }
}

/// The handover's prctl: the value, or minus an errno. An agent writes no more into `reply` than its length, which
/// [`handover`](crate::handover) sees to.
pub(crate) fn prctl_handover(option: u32, op: u64, request: &[u8], reply: &mut [u8]) -> i64 {
    // SAFETY: the pointers come from slices that live as long as the call; no kernel knows the option and looks at them, and
    // an agent reads the request's bytes only and writes the reply's only.
    result(unsafe {
        libc::syscall(libc::SYS_prctl, option, op, request.as_ptr(), request.len(), reply.as_mut_ptr())
    })
}

/// The parent's process id, from the kernel.
pub(crate) fn parent_process() -> i32 {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::getppid() }
}

/// write(2) on a raw number, for a forked child. The count, or minus an errno.
pub(crate) fn raw_write(fd: i32, bytes: &[u8]) -> i64 {
    // SAFETY: pointer and length describe a live slice that is only read.
    result(unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) })
}

/// read(2) on a raw number, for a forked child. The count, or minus an errno.
pub(crate) fn raw_read(fd: i32, bytes: &mut [u8]) -> i64 {
    // SAFETY: pointer and length describe an exclusive slice.
    result(unsafe { libc::syscall(libc::SYS_read, fd, bytes.as_mut_ptr(), bytes.len()) })
}

/// close(2) on a raw number, for a forked child.
pub(crate) fn raw_close(fd: i32) {
    // SAFETY: callers name a descriptor of the child's that nothing else there uses.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}

/// getpriority(2) of the calling process, for a forked child.
pub(crate) fn raw_getpriority() -> i64 {
    // SAFETY: the arguments are numbers.
    result(unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) })
}

/// Makes a native call with arguments that are no addresses, no descriptors and no flags, for a forked child.
pub(crate) fn raw_unacceptable(number: u32) {
    const BAD: libc::c_long = -1;
    // SAFETY: no argument is an address that is mapped, so nothing of ours is touched.
    unsafe { libc::syscall(number.into(), BAD, BAD, BAD, BAD, BAD, BAD) };
}

/// Ends the calling process by SIGKILL, for a forked child: calls to exit may be notified.
pub(crate) fn raw_kill_self() {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the arguments are numbers.
    unsafe { libc::syscall(libc::SYS_kill, process, libc::SIGKILL) };
}

/// Waits for a signal, for a forked child.
pub(crate) fn raw_pause() {
    let nothing = std::ptr::null_mut::<libc::pollfd>();
    // SAFETY: no descriptors are announced and none passed; null means no limit of time and no change of mask.
    unsafe { libc::syscall(libc::SYS_ppoll, nothing, 0, nothing, nothing, 0) };
}

/// unshare(2). The errno on failure.
pub(crate) fn unshare(flags: i32) -> Result<(), i32> {
    // SAFETY: takes a number. The namespaces asked for concern no memory or descriptor of ours.
    match unsafe { libc::unshare(flags) } {
        -1 => Err(errno()),
        _ => Ok(()),
    }
}

/// execve(2). Returns only on failure, with the errno. Both arrays end in a null pointer and otherwise point to
/// strings that live as long as the caller's frame.
pub(crate) fn raw_execve(
    path: &std::ffi::CStr,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
) -> i32 {
    // SAFETY: the path is a live C string and the arrays are as required above; the kernel only reads them.
    unsafe { libc::syscall(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    errno()
}

/// A raw system call's result as the kernel gave it: a value, or minus an errno.
pub(crate) fn result(value: libc::c_long) -> i64 {
    if value == -1 { -i64::from(errno()) } else { value }
}

/// The calling thread's errno, without allocation.
pub(crate) fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Polls one descriptor for `events`; gives what came, 0 on timeout. `timeout_ms` below 0 waits without end.
pub(crate) fn poll(fd: &impl AsFd, events: i16, timeout_ms: i32) -> io::Result<i16> {
    let mut poll = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events, revents: 0 };
    let pointer: *mut libc::pollfd = &mut poll;
    // SAFETY: one structure is passed and one announced.
    check_int(unsafe { libc::poll(pointer, 1, timeout_ms) })?;
    Ok(poll.revents)
}

fn check(value: libc::c_long) -> io::Result<libc::c_long> {
    if value == -1 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn check_int(value: libc::c_int) -> io::Result<libc::c_int> {
    if value == -1 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

fn check_size(value: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| io::Error::last_os_error())
}

/// fcntl(2), F_SETLEASE.
pub(crate) fn set_lease(fd: RawFd, kind: i32) -> io::Result<()> {
    // SAFETY: the call takes two numbers and touches no memory of ours; a number that is no descriptor is an error.
    let result = unsafe { libc::fcntl(fd, libc::F_SETLEASE, kind) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a Unix socket an address of the kernel's choice (unix(7), "autobind").
pub(crate) fn autobind(socket: BorrowedFd<'_>) -> io::Result<()> {
    let family = libc::AF_UNIX as libc::sa_family_t;
    let pointer: *const libc::sa_family_t = &family;
    let length = size_of::<libc::sa_family_t>() as libc::socklen_t;
    // SAFETY: the length covers the family alone, which is what the pointer points to.
    check_int(unsafe { libc::bind(socket.as_raw_fd(), pointer.cast(), length) }).map(drop)
}

/// The limits of open descriptors of another process.
pub(crate) fn limit_of(process: crate::Tid) -> io::Result<rustix::process::Rlimit> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    let nothing = std::ptr::null::<libc::rlimit64>();
    // SAFETY: no new limit is passed, and the old one goes into a structure of ours.
    check_int(unsafe { libc::prlimit64(process.0, libc::RLIMIT_NOFILE, nothing, &mut limit) })?;
    let bounded = |value| (value != libc::RLIM64_INFINITY).then_some(value);
    Ok(rustix::process::Rlimit { current: bounded(limit.rlim_cur), maximum: bounded(limit.rlim_max) })
}

/// Makes a signal interrupt the call that a thread waits in, and do nothing else.
pub(crate) fn make_interrupting(signal: i32) -> io::Result<()> {
    extern "C" fn nothing(_: i32) {}
    let handler: extern "C" fn(i32) = nothing;
    // SAFETY: all-zero bytes are a valid sigaction: no flags (so calls are not restarted), an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: the structure is live, and its handler touches nothing.
    check_int(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }).map(drop)
}

/// Keeps SIGCHLD, at its default action, for children that end: none for those that stop.
pub(crate) fn announce_no_stops() {
    set_signal_action_with(libc::SIGCHLD, libc::SIG_DFL, libc::SA_NOCLDSTOP as usize);
}

/// Blocks one signal of the calling thread.
pub(crate) fn block_signal(signal: i32) {
    change_signal_mask(libc::SIG_BLOCK, signal);
}

/// Unblocks one signal of the calling thread.
pub(crate) fn unblock_signal(signal: i32) {
    change_signal_mask(libc::SIG_UNBLOCK, signal);
}

fn change_signal_mask(how: i32, signal: i32) {
    let mut set = no_signals();
    // SAFETY: the pointer comes from an exclusive reference.
    unsafe { libc::sigaddset(&mut set, signal) };
    // SAFETY: the set is live, and the old mask is not asked for.
    unsafe { libc::pthread_sigmask(how, &set, std::ptr::null_mut()) };
}

/// Kills the process of a thread. Of no effect on one that has ended.
pub(crate) fn kill(thread: crate::Tid) {
    // SAFETY: the arguments are numbers.
    unsafe { libc::syscall(libc::SYS_tkill, thread.0, libc::SIGKILL) };
}

/// Sends a signal to a thread of this process. Of no effect on one that has ended.
pub(crate) fn signal_own_thread(tid: i32, signal: i32) {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: the arguments are numbers.
    unsafe { libc::syscall(libc::SYS_tgkill, process, tid, signal) };
}
