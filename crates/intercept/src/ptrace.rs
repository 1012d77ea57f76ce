//! ptrace(2): the requests in use, and the reasons for stops.

use std::io;

use crate::{Tid, sys};

const PTRACE_CONT: libc::c_ulong = 7;
const PTRACE_SYSCALL: libc::c_ulong = 24;
const PTRACE_DETACH: libc::c_ulong = 17;
const PTRACE_GETEVENTMSG: libc::c_ulong = 0x4201;
const PTRACE_SEIZE: libc::c_ulong = 0x4206;
const PTRACE_INTERRUPT: libc::c_ulong = 0x4207;
const PTRACE_LISTEN: libc::c_ulong = 0x4208;
const PTRACE_GETSIGMASK: libc::c_ulong = 0x420a;
const PTRACE_SETSIGMASK: libc::c_ulong = 0x420b;
const PTRACE_GET_SYSCALL_INFO: libc::c_ulong = 0x420e;

/// What a tracer may ask to be told, and to be done.
pub(crate) mod options {
    pub(crate) const SYSGOOD: u64 = 1;
    pub(crate) const FORK: u64 = 1 << 1;
    pub(crate) const VFORK: u64 = 1 << 2;
    pub(crate) const CLONE: u64 = 1 << 3;
    pub(crate) const EXEC: u64 = 1 << 4;
    pub(crate) const VFORK_DONE: u64 = 1 << 5;
    pub(crate) const SECCOMP: u64 = 1 << 7;
    pub(crate) const EXITKILL: u64 = 1 << 20;
}

const EVENT_FORK: i32 = 1;
const EVENT_VFORK: i32 = 2;
const EVENT_CLONE: i32 = 3;
const EVENT_EXEC: i32 = 4;
const EVENT_VFORK_DONE: i32 = 5;
const EVENT_SECCOMP: i32 = 7;
const EVENT_STOP: i32 = 128;

/// Bytes of the kernel's signal set.
const SIGSET_BYTES: u64 = 8;

/// A reason for a tracee to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before or after a system call.
    Syscall,
    /// The filter says that the tracer is to see this call, which has not been performed yet.
    Seccomp,
    /// A new program is in place and has not run yet.
    Exec,
    /// A child or thread was made.
    Birth,
    /// A child of vfork needs this one's memory no longer.
    VforkDone,
    /// Because of PTRACE_INTERRUPT, because it has just been born, or because its group was continued.
    Interrupted,
    /// With its whole process, by this job control signal.
    Group(i32),
    /// A signal is about to be delivered.
    Signal(i32),
}

impl Stop {
    /// From the status that waitid(2) gives of a trapped or stopped tracee.
    pub(crate) fn of(status: i32) -> Stop {
        const SYSCALL: i32 = libc::SIGTRAP | 0x80;
        match (status >> 8, status & 0xff) {
            (EVENT_FORK | EVENT_VFORK | EVENT_CLONE, _) => Stop::Birth,
            (EVENT_EXEC, _) => Stop::Exec,
            (EVENT_VFORK_DONE, _) => Stop::VforkDone,
            (EVENT_SECCOMP, _) => Stop::Seccomp,
            (EVENT_STOP, libc::SIGTRAP) => Stop::Interrupted,
            (EVENT_STOP, signal) => Stop::Group(signal),
            (_, SYSCALL) => Stop::Syscall,
            (_, signal) => Stop::Signal(signal),
        }
    }
}

/// Begins to trace a task, without stopping it.
pub(crate) fn seize(tid: Tid, options: u64) -> io::Result<()> {
    sys::ptrace_value(PTRACE_SEIZE, tid.0, 0, options)
}

/// Makes a seized task stop before it next gets to user mode.
pub(crate) fn interrupt(tid: Tid) -> io::Result<()> {
    sys::ptrace_value(PTRACE_INTERRUPT, tid.0, 0, 0)
}

/// Lets a stopped task go on, with a signal (0: none).
pub(crate) fn cont(tid: Tid, signal: i32) -> io::Result<()> {
    sys::ptrace_value(PTRACE_CONT, tid.0, 0, signal as u64)
}

/// [`cont`], to the next beginning or end of a system call.
pub(crate) fn cont_to_syscall(tid: Tid, signal: i32) -> io::Result<()> {
    sys::ptrace_value(PTRACE_SYSCALL, tid.0, 0, signal as u64)
}

/// Leaves a task that stopped with its group in that stop, and waits for its end.
pub(crate) fn listen(tid: Tid) -> io::Result<()> {
    sys::ptrace_value(PTRACE_LISTEN, tid.0, 0, 0)
}

/// Ends tracing a stopped task, which goes on.
pub(crate) fn detach(tid: Tid) -> io::Result<()> {
    sys::ptrace_value(PTRACE_DETACH, tid.0, 0, 0)
}

/// What an event stop is about; of an exec, the id that the task had before.
pub(crate) fn event_message(tid: Tid) -> io::Result<u64> {
    let mut message: u64 = 0;
    sys::ptrace_struct(PTRACE_GETEVENTMSG, tid.0, 0, &mut message)?;
    Ok(message)
}

/// The signals that a stopped task blocks.
pub(crate) fn signal_mask(tid: Tid) -> io::Result<u64> {
    let mut mask = 0;
    sys::ptrace_struct(PTRACE_GETSIGMASK, tid.0, SIGSET_BYTES, &mut mask)?;
    Ok(mask)
}

/// Sets what [`signal_mask`] tells.
pub(crate) fn set_signal_mask(tid: Tid, mask: u64) -> io::Result<()> {
    let mut mask = mask;
    sys::ptrace_struct(PTRACE_SETSIGMASK, tid.0, SIGSET_BYTES, &mut mask)
}

/// `struct ptrace_syscall_info` for a stop before a call (Linux 5.3).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct CallInfo {
    op: u8,
    padding: [u8; 3],
    /// `AUDIT_ARCH_*`
    pub(crate) audit_arch: u32,
    pub(crate) ip: u64,
    stack: u64,
    pub(crate) number: u64,
    pub(crate) args: [u64; 6],
    /// What a filter adds to RET_TRACE.
    data: u64,
}

/// The call that a task in [`Stop::Seccomp`] is about to make.
pub(crate) fn call_info(tid: Tid) -> io::Result<CallInfo> {
    let mut info = CallInfo::default();
    sys::ptrace_struct(PTRACE_GET_SYSCALL_INFO, tid.0, size_of::<CallInfo>() as u64, &mut info)?;
    Ok(info)
}
