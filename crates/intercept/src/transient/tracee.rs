//! One task under ptrace for a moment.

use std::io;

use super::own_calls;
use super::{Kin, TransientError};
use crate::arch::{self, INSTRUCTION_BYTES, Registers};
use crate::listener::{Answer, Listener, restart};
use crate::{Abi, Call, Notification, Tid, UserPtr, memory, sys};

const PTRACE_SYSCALL: libc::c_ulong = 24;
const PTRACE_DETACH: libc::c_ulong = 17;
const PTRACE_SEIZE: libc::c_ulong = 0x4206;
const PTRACE_INTERRUPT: libc::c_ulong = 0x4207;
const PTRACE_GETSIGMASK: libc::c_ulong = 0x420a;
const PTRACE_SETSIGMASK: libc::c_ulong = 0x420b;

const PTRACE_O_TRACESYSGOOD: u64 = 1;
const PTRACE_O_TRACEEXEC: u64 = 1 << 4;

const PTRACE_EVENT_EXEC: i32 = 4;
const PTRACE_EVENT_STOP: i32 = 128;

/// Bytes of the kernel's signal set.
const SIGSET_BYTES: u64 = 8;

/// A reason for a tracee to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Before or after a system call.
    Syscall,
    /// PTRACE_EVENT_EXEC: a new program is in place and has not run yet.
    Exec,
    /// PTRACE_EVENT_STOP: because of PTRACE_INTERRUPT, or with the whole process by job control.
    Interrupted,
    /// A signal is about to be delivered.
    Signal(i32),
}

/// A task that is traced by the calling thread until this is dropped.
///
/// A tracee that dies must be waited for by its tracer: until then its parent does not hear of it, and a sibling
/// thread that executes a program waits for it without end. So whatever the error was, dropping this waits for a stop, in which
/// the task can be let go, or for the end.
///
/// Waits are for whatever the calling thread is the parent or tracer of, which must be this task alone. A wait by id
/// would not be woken when a thread of the same process executes a program: then the ids change hands.
struct Seized {
    tid: Tid,
    detached: bool,
}

impl Seized {
    /// Seizes the caller of a pending notification and stops it, its call answered with a restart code.
    fn at_call(listener: &Listener, n: &Notification, code: i32) -> Result<Seized, TransientError> {
        match seize(n.tid) {
            // A task that is ending cannot be traced either.
            Err(_) if !listener.is_alive(n.id) => return Err(TransientError::Gone),
            outcome => outcome?,
        }
        let mut seized = Seized { tid: n.tid, detached: false };
        seized.stop_pending(listener, n.id, code)?;
        Ok(seized)
    }

    fn stop_pending(&mut self, listener: &Listener, id: u64, code: i32) -> Result<(), TransientError> {
        ask_to_stop(self.tid)?;
        match listener.answer(id, Answer::Errno(code)) {
            // It no longer waits: killed, or interrupted because the kernel has no WAIT_KILLABLE_RECV. It stops all the
            // same.
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error.into()),
            _ => {}
        }
        self.wait_for_interruption()
    }

    /// Waits for the stop asked for; a signal that is being delivered just then is let through.
    fn wait_for_interruption(&mut self) -> Result<(), TransientError> {
        loop {
            match self.wait()? {
                Stop::Interrupted => return Ok(()),
                Stop::Signal(signal) => self.resume(signal)?,
                Stop::Syscall | Stop::Exec => self.resume(0)?,
            }
        }
    }

    /// Lets it run to its next stop.
    fn resume(&self, signal: i32) -> io::Result<()> {
        sys::ptrace_value(PTRACE_SYSCALL, self.tid.0, 0, signal as u64)
    }

    /// Waits for its next stop.
    ///
    /// The stop is only looked at (WNOWAIT): it stays visible until the tracee runs again, so another thread of ours that
    /// looks at its children takes nothing away.
    fn wait(&mut self) -> Result<Stop, TransientError> {
        const LOOK: i32 = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL | libc::__WNOTHREAD;
        loop {
            match sys::waitid(libc::P_ALL, 0, LOOK) {
                Ok(Some(info)) if matches!(info.code, libc::CLD_TRAPPED | libc::CLD_STOPPED) => {
                    self.tid = Tid(info.pid);
                    let stop = stop_of(info.status);
                    if stop == Stop::Exec {
                        self.take_stop();
                    }
                    return Ok(stop);
                }
                Ok(Some(info)) => {
                    self.detached = true;
                    let_parent_know(Tid(info.pid));
                    return Err(TransientError::Gone);
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // There is nobody to wait for: it was released when a sibling executed a program.
                    self.detached = true;
                    return Err(error.into());
                }
            }
        }
    }

    /// Takes note of a stop for good. After an execve by which a thread has changed its id the kernel does not
    /// let us do anything with it before that, lest we mean its former leader.
    fn take_stop(&self) {
        const TAKE: i32 = libc::WSTOPPED | libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
        let _ = sys::waitid(libc::P_PID, self.tid.0, TAKE);
    }

    /// Lets it go. It is stopped.
    fn detach(&mut self) -> io::Result<()> {
        sys::ptrace_value(PTRACE_DETACH, self.tid.0, 0, 0)?;
        self.detached = true;
        Ok(())
    }
}

impl Drop for Seized {
    fn drop(&mut self) {
        while !self.detached && self.detach().is_err() {
            let _ = self.wait();
        }
    }
}

/// A task that is seized. It is in a ptrace stop whenever a method is called.
pub(super) struct Tracee {
    seized: Seized,
    abi: Abi,
    /// The end of the instruction by which calls are made.
    ip: u64,
    /// What to do with it if nothing else was said.
    saved: Registers,
    mask: u64,
    released: bool,
}

impl Tracee {
    /// Stops the caller of a pending notification at its call, which is undone.
    pub(super) fn attach(listener: &Listener, n: &Notification) -> Result<Tracee, TransientError> {
        let seized = Seized::at_call(listener, n, restart::ERESTARTNOINTR)?;
        let mut saved = Registers::read(n.tid.0)?;
        if !saved.is_about_to_restart(&n.call) {
            return Err(TransientError::Gone);
        }
        // Left alone, it makes its call once more.
        undo(&mut saved, &n.call);
        Self::prepare(seized, n.call.abi, n.call.ip, saved)
    }

    /// Takes over a seized and interrupted task that is not at a notified call, once it stops: it must have come from a
    /// system call, so that there is an instruction to make others by.
    pub(super) fn take_over(tid: Tid) -> Result<Tracee, TransientError> {
        let mut seized = Seized { tid, detached: false };
        seized.wait_for_interruption()?;
        let saved = Registers::read(tid.0)?;
        let ip = saved.instruction_pointer();
        let mut code = [0; INSTRUCTION_BYTES as usize];
        let before = UserPtr(ip.wrapping_sub(INSTRUCTION_BYTES));
        memory::read(tid, before, &mut code).map_err(|_| TransientError::Gone)?;
        let abi = arch::abi_of_instruction(code).ok_or(TransientError::Gone)?;
        Self::prepare(seized, abi, ip, saved)
    }

    /// Blocks its signals.
    fn prepare(seized: Seized, abi: Abi, ip: u64, saved: Registers) -> Result<Tracee, TransientError> {
        let mut mask = 0;
        sys::ptrace_struct(PTRACE_GETSIGMASK, seized.tid.0, SIGSET_BYTES, &mut mask)?;
        let tracee = Tracee { seized, abi, ip, saved, mask, released: false };
        tracee.set_mask(u64::MAX)?;
        Ok(tracee)
    }

    pub(super) fn tid(&self) -> Tid {
        self.seized.tid
    }

    pub(super) fn abi(&self) -> Abi {
        self.abi
    }

    /// Where its stack ends now.
    pub(super) fn stack_pointer(&self) -> io::Result<u64> {
        Ok(Registers::read(self.tid().0)?.stack_pointer())
    }

    /// Performs a call and gives its result. Restarts it as the kernel asks to.
    pub(super) fn perform(&mut self, number: u64, args: [u64; 6]) -> Result<i64, TransientError> {
        match self.run(number, args)? {
            Ran::Returned(result) => Ok(result),
            // Only an execve ends so, and none is performed by this function.
            Ran::Executed => Err(TransientError::Gone),
        }
    }

    /// Performs a call that may be an execve.
    pub(super) fn run(&mut self, number: u64, args: [u64; 6]) -> Result<Ran, TransientError> {
        let args = if self.abi == Abi::Native { args } else { args.map(|arg| arg & u64::from(u32::MAX)) };
        let _registration = own_calls::register(self.tid(), number, args);
        loop {
            let mut registers = self.saved;
            registers.set_call(self.abi, self.ip, number, args);
            registers.write(self.tid().0)?;
            if self.next_syscall_stop()? == Stop::Exec || self.next_syscall_stop()? == Stop::Exec {
                return Ok(Ran::Executed);
            }
            let result = Registers::read(self.tid().0)?.result(self.abi);
            if !(-516..=-512).contains(&result) {
                return Ok(Ran::Returned(result));
            }
        }
    }

    /// Runs it to the next entry to or exit from a system call, or to a new program.
    fn next_syscall_stop(&mut self) -> Result<Stop, TransientError> {
        let mut signal = 0;
        loop {
            self.seized.resume(signal)?;
            signal = match self.seized.wait()? {
                stop @ (Stop::Syscall | Stop::Exec) => return Ok(stop),
                // A group stop: it takes effect after the detach.
                Stop::Interrupted => 0,
                Stop::Signal(signal) => signal,
            };
        }
    }

    /// Closes one of its descriptors. That it was none is of no interest.
    pub(super) fn close(&mut self, fd: i32) -> Result<(), TransientError> {
        let close = arch::numbers(self.abi).close;
        self.perform(close, [fd as u64, 0, 0, 0, 0, 0]).map(drop)
    }

    /// Lets it go on as though the call it was seized in had returned `result`.
    pub(super) fn go_on(mut self, result: i64) -> Result<(), TransientError> {
        self.saved.set_returned(self.ip, result);
        self.release()
    }

    /// Lets it go on as it was.
    pub(super) fn go_on_unchanged(mut self) -> Result<(), TransientError> {
        self.release()
    }

    /// Lets a new program begin.
    pub(super) fn begin_program(mut self) -> Result<(), TransientError> {
        self.released = true;
        self.set_mask(self.mask)?;
        Ok(self.seized.detach()?)
    }

    fn release(&mut self) -> Result<(), TransientError> {
        self.released = true;
        self.saved.write(self.tid().0)?;
        self.set_mask(self.mask)?;
        Ok(self.seized.detach()?)
    }

    fn set_mask(&self, mask: u64) -> io::Result<()> {
        let mut mask = mask;
        sys::ptrace_struct(PTRACE_SETSIGMASK, self.tid().0, SIGSET_BYTES, &mut mask)
    }
}

impl Drop for Tracee {
    /// After an error: back to where it was. If it is gone there is nothing to put back.
    fn drop(&mut self) {
        if !self.released {
            let _ = self.release();
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// With this result.
    Returned(i64),
    /// In a new program.
    Executed,
}

/// See [`super::interrupt`].
pub(super) fn stop_once(listener: &Listener, n: &Notification, code: i32) -> Result<(), TransientError> {
    if !(restart::ERESTARTSYS..=restart::ERESTARTNOHAND).contains(&code) {
        return Err(TransientError::Os(io::ErrorKind::InvalidInput.into()));
    }
    Ok(Seized::at_call(listener, n, code)?.detach()?)
}

/// Begins to trace a task, without stopping it.
pub(super) fn seize(tid: Tid) -> io::Result<()> {
    sys::ptrace_value(PTRACE_SEIZE, tid.0, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC)
}

/// Makes a seized task stop before it next gets to user mode.
pub(super) fn ask_to_stop(tid: Tid) -> io::Result<()> {
    sys::ptrace_value(PTRACE_INTERRUPT, tid.0, 0, 0)
}

/// Makes registers repeat `call`, without help from the kernel's own restart.
fn undo(registers: &mut Registers, call: &Call) {
    registers.set_call(call.abi, call.ip, raw_number(call), call.args);
}

/// A call's number as it stands in the register.
pub(super) fn raw_number(call: &Call) -> u64 {
    u64::from(match call.abi {
        Abi::X32 => call.number | crate::filter::X32_BIT,
        Abi::Native | Abi::I386 => call.number,
    })
}

fn stop_of(status: i32) -> Stop {
    const SYSCALL: i32 = libc::SIGTRAP | 0x80;
    match (status >> 8, status & 0xff) {
        (PTRACE_EVENT_EXEC, _) => Stop::Exec,
        (PTRACE_EVENT_STOP, _) => Stop::Interrupted,
        (_, SYSCALL) => Stop::Syscall,
        (_, signal) => Stop::Signal(signal),
    }
}

/// A tracee that has died is shown to its tracer first. If another process is its parent, only our taking note passes
/// the news on; if we are, it is left for [`subreaper`](crate::subreaper) to be reaped. A thread's end concerns nobody else.
fn let_parent_know(tid: Tid) {
    let ours = Kin::of(tid)
        .is_ok_and(|kin| kin.tgid == tid && kin.parent.0 == rustix::process::getpid().as_raw_nonzero().get());
    if !ours {
        const TAKE: i32 = libc::WEXITED | libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
        let _ = sys::waitid(libc::P_PID, tid.0, TAKE);
    }
}
