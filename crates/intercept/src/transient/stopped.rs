//! One task under ptrace for a moment.
//!
//! What takes several stops is written as futures. Where the task was seized in passing they wait, blocking, on a thread of
//! their own, and are done when first polled; where a [tracer](crate::trace) has all tasks, it polls them as it hears of stops.

use std::io;

use super::own_calls;
use super::tracee::Ran;
use super::{Kin, TransientError};
use crate::arch::{self, INSTRUCTION_BYTES, Registers};
use crate::listener::{Answer, Listener, restart};
use crate::ptrace::{self, Stop};
use crate::trace::{News, Resident};
use crate::{Abi, Call, Notification, Tid, UserPtr, memory, sys};

/// A task that is traced by the calling thread until this is dropped, or that a tracer has and lends.
///
/// A tracee that dies must be waited for by its tracer: until then its parent does not hear of it, and a sibling
/// thread that executes a program waits for it without end. So whatever the error was, dropping this waits for a stop, in which
/// the task can be let go, or for the end.
///
/// Waits are for whatever the calling thread is the parent or tracer of, which must be this task alone. A wait by id
/// would not be woken when a thread of the same process executes a program: then the ids change hands.
struct Seized {
    tid: Tid,
    by: By,
    free: bool,
    /// It was kept from following its group into a stop.
    stops_later: bool,
}

enum By {
    ThisThread,
    Tracer(Resident),
}

impl Seized {
    /// Seizes the caller of a pending notification and stops it, its call answered with a restart code.
    fn at_call(listener: &Listener, n: &Notification, code: i32) -> Result<Seized, TransientError> {
        match seize_in_passing(n.tid) {
            // A task that is ending cannot be traced either.
            Err(_) if !listener.is_alive(n.id) => return Err(TransientError::Gone),
            outcome => outcome?,
        }
        let mut seized = Seized::new(n.tid, By::ThisThread);
        seized.stop_pending(listener, n.id, code)?;
        Ok(seized)
    }

    fn new(tid: Tid, by: By) -> Seized {
        Seized { tid, by, free: false, stops_later: false }
    }

    fn stop_pending(&mut self, listener: &Listener, id: u64, code: i32) -> Result<(), TransientError> {
        ptrace::interrupt(self.tid)?;
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
                Stop::Interrupted | Stop::Group(_) => return Ok(()),
                Stop::Signal(signal) => self.resume(signal)?,
                _ => self.resume(0)?,
            }
        }
    }

    /// Lets it run to its next stop.
    fn resume(&self, signal: i32) -> io::Result<()> {
        ptrace::cont_to_syscall(self.tid, signal)
    }

    /// Runs a task that is inside a call to the stop after it.
    async fn stop_after_call(&mut self) -> Result<(), TransientError> {
        loop {
            self.resume(0)?;
            if self.next_stop().await? == Stop::Syscall {
                return Ok(());
            }
        }
    }

    /// Its next stop.
    async fn next_stop(&mut self) -> Result<Stop, TransientError> {
        let By::Tracer(resident) = &self.by else { return self.wait() };
        match resident.news().await {
            News::Stop(tid, stop) => {
                self.tid = tid;
                self.stops_later |= matches!(stop, Stop::Group(_));
                Ok(stop)
            }
            News::Gone => {
                self.free = true;
                Err(TransientError::Gone)
            }
        }
    }

    /// Waits for the next stop of one that was seized in passing.
    ///
    /// The stop is only looked at (WNOWAIT): it stays visible until the tracee runs again, so another thread of ours that
    /// looks at its children takes nothing away.
    fn wait(&mut self) -> Result<Stop, TransientError> {
        const LOOK: i32 = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL | libc::__WNOTHREAD;
        loop {
            match sys::waitid(libc::P_ALL, 0, LOOK) {
                Ok(Some(info)) if matches!(info.code, libc::CLD_TRAPPED | libc::CLD_STOPPED) => {
                    self.tid = Tid(info.pid);
                    let stop = Stop::of(info.status);
                    if stop == Stop::Exec {
                        self.take_stop();
                    }
                    return Ok(stop);
                }
                Ok(Some(info)) => {
                    self.free = true;
                    let_parent_know(Tid(info.pid));
                    return Err(TransientError::Gone);
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // There is nobody to wait for: it was released when a sibling executed a program.
                    self.free = true;
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
    fn let_go(&mut self) -> io::Result<()> {
        match self.by {
            By::ThisThread => ptrace::detach(self.tid)?,
            By::Tracer(_) => {
                if self.stops_later {
                    ptrace::interrupt(self.tid)?;
                }
                ptrace::cont(self.tid, 0)?;
            }
        }
        self.free = true;
        Ok(())
    }
}

impl Drop for Seized {
    fn drop(&mut self) {
        while !self.free && self.let_go().is_err() {
            // A tracer hears of it by itself.
            if matches!(self.by, By::Tracer(_)) || self.wait().is_err() {
                return;
            }
        }
    }
}

/// A task that is seized. It is in a ptrace stop whenever a method is called.
pub(crate) struct Stopped {
    seized: Seized,
    abi: Abi,
    /// The end of the instruction by which calls are made.
    ip: u64,
    /// What to do with it if nothing else was said.
    saved: Registers,
    mask: u64,
    released: bool,
}

impl Stopped {
    /// Stops the caller of a pending notification at its call, which is undone.
    pub(super) fn attach(listener: &Listener, n: &Notification) -> Result<Stopped, TransientError> {
        let seized = Seized::at_call(listener, n, restart::ERESTARTNOINTR)?;
        let mut saved = Registers::read(n.tid.0)?;
        if !saved.is_about_to_restart(&n.call) {
            return Err(TransientError::Gone);
        }
        // Left alone, it makes its call once more.
        undo(&mut saved, &n.call);
        Self::prepare(seized, n.call.abi, n.call.ip, saved)
    }

    /// Takes the caller of a pending notification from its tracer. The call is undone.
    pub(crate) async fn lent(resident: Resident, n: &Notification) -> Result<Stopped, TransientError> {
        let mut seized = Seized::new(n.tid, By::Tracer(resident));
        let mut saved = Registers::read(n.tid.0)?;
        let mut skipping = saved;
        skipping.skip_call(n.tid.0, 0)?;
        seized.stop_after_call().await?;
        undo(&mut saved, &n.call);
        Self::prepare(seized, n.call.abi, n.call.ip, saved)
    }

    /// Takes a task from its tracer that is in the middle of vfork, as [`Stopped::take_over`].
    pub(crate) async fn lent_in_vfork(resident: Resident, tid: Tid) -> Result<Stopped, TransientError> {
        let mut seized = Seized::new(tid, By::Tracer(resident));
        seized.stop_after_call().await?;
        Self::after_call(seized)
    }

    /// Takes over a seized and interrupted task that is not at a notified call, once it stops: it must have come from a
    /// system call, so that there is an instruction to make others by.
    pub(super) fn take_over(tid: Tid) -> Result<Stopped, TransientError> {
        let mut seized = Seized::new(tid, By::ThisThread);
        seized.wait_for_interruption()?;
        Self::after_call(seized)
    }

    fn after_call(seized: Seized) -> Result<Stopped, TransientError> {
        let tid = seized.tid;
        let saved = Registers::read(tid.0)?;
        let ip = saved.instruction_pointer();
        let mut code = [0; INSTRUCTION_BYTES as usize];
        let before = UserPtr(ip.wrapping_sub(INSTRUCTION_BYTES));
        memory::read(tid, before, &mut code).map_err(|_| TransientError::Gone)?;
        let abi = arch::abi_of_instruction(code).ok_or(TransientError::Gone)?;
        Self::prepare(seized, abi, ip, saved)
    }

    /// Blocks its signals.
    fn prepare(seized: Seized, abi: Abi, ip: u64, saved: Registers) -> Result<Stopped, TransientError> {
        let mask = ptrace::signal_mask(seized.tid)?;
        let tracee = Stopped { seized, abi, ip, saved, mask, released: false };
        tracee.set_mask(u64::MAX)?;
        Ok(tracee)
    }

    /// The tracer that lends it, if one does.
    pub(crate) fn resident(&self) -> Option<&Resident> {
        match &self.seized.by {
            By::ThisThread => None,
            By::Tracer(resident) => Some(resident),
        }
    }

    pub(crate) fn tid(&self) -> Tid {
        self.seized.tid
    }

    pub(crate) fn abi(&self) -> Abi {
        self.abi
    }

    /// Where its stack ends now.
    pub(super) fn stack_pointer(&self) -> io::Result<u64> {
        Ok(Registers::read(self.tid().0)?.stack_pointer())
    }

    /// Performs a call, which may be an execve. Restarts it as the kernel asks to.
    pub(super) async fn run(&mut self, number: u64, args: [u64; 6]) -> Result<Ran, TransientError> {
        if self.seized.free {
            return Err(TransientError::Gone);
        }
        let args = if self.abi == Abi::Native { args } else { args.map(|arg| arg & u64::from(u32::MAX)) };
        let _registration = own_calls::register(self.tid(), number, args);
        loop {
            let mut registers = self.saved;
            registers.set_call(self.abi, self.ip, number, args);
            registers.write(self.tid().0)?;
            if self.next_syscall_stop().await? == Stop::Exec || self.next_syscall_stop().await? == Stop::Exec
            {
                return Ok(Ran::Executed);
            }
            let result = Registers::read(self.tid().0)?.result(self.abi);
            if !(-516..=-512).contains(&result) {
                return Ok(Ran::Returned(result));
            }
        }
    }

    /// Runs it to the next entry to or exit from a system call, or to a new program.
    async fn next_syscall_stop(&mut self) -> Result<Stop, TransientError> {
        let mut signal = 0;
        loop {
            self.seized.resume(signal)?;
            signal = match self.seized.next_stop().await? {
                stop @ (Stop::Syscall | Stop::Exec) => return Ok(stop),
                Stop::Signal(signal) => signal,
                // A group stop takes effect when it is let go; and a tracer has no say in what it is made to do.
                _ => 0,
            };
        }
    }

    /// Lets it go on as though the call it was seized in had returned `result`.
    pub(crate) fn go_on(mut self, result: i64) -> Result<(), TransientError> {
        self.saved.set_returned(self.ip, result);
        self.release()
    }

    /// Lets it go on as it was.
    pub(crate) fn go_on_unchanged(mut self) -> Result<(), TransientError> {
        self.release()
    }

    /// Lets a new program begin.
    pub(super) fn begin_program(mut self) -> Result<(), TransientError> {
        self.released = true;
        self.set_mask(self.mask)?;
        Ok(self.seized.let_go()?)
    }

    /// It is no more: its id may be another's by now.
    pub(crate) fn abandon(mut self) {
        self.seized.free = true;
    }

    fn release(&mut self) -> Result<(), TransientError> {
        self.released = true;
        if self.seized.free {
            return Err(TransientError::Gone);
        }
        self.saved.write(self.tid().0)?;
        self.set_mask(self.mask)?;
        Ok(self.seized.let_go()?)
    }

    fn set_mask(&self, mask: u64) -> io::Result<()> {
        ptrace::set_signal_mask(self.tid(), mask)
    }
}

impl Drop for Stopped {
    /// After an error: back to where it was. If it is gone there is nothing to put back.
    fn drop(&mut self) {
        if !self.released {
            let _ = self.release();
        }
    }
}

/// See [`super::interrupt`].
pub(super) fn stop_once(listener: &Listener, n: &Notification, code: i32) -> Result<(), TransientError> {
    Ok(Seized::at_call(listener, n, code)?.let_go()?)
}

/// Ends a pending call, whose caller a tracer lends, with a restart code; it will be looked at.
pub(crate) async fn restart_call(
    resident: Resident,
    n: &Notification,
    code: i32,
) -> Result<(), TransientError> {
    let mut seized = Seized::new(n.tid, By::Tracer(resident));
    let mut registers = Registers::read(n.tid.0)?;
    let mut skipping = registers;
    skipping.skip_call(n.tid.0, 0)?;
    seized.stop_after_call().await?;
    registers.set_restart(n.tid.0, &n.call, code)?;
    // The kernel looks for restart codes on its way through a stop, or to a handler.
    seized.stops_later = true;
    Ok(seized.let_go()?)
}

/// Begins to trace a task for a moment, without stopping it.
pub(super) fn seize_in_passing(tid: Tid) -> io::Result<()> {
    ptrace::seize(tid, ptrace::options::SYSGOOD | ptrace::options::EXEC)
}

/// Makes registers repeat `call`, without help from the kernel's own restart.
fn undo(registers: &mut Registers, call: &Call) {
    registers.set_call(call.abi, call.ip, raw_number(call), call.args);
}

/// A call's number as it stands in the register.
pub(crate) fn raw_number(call: &Call) -> u64 {
    u64::from(match call.abi {
        Abi::X32 => call.number | crate::filter::X32_BIT,
        Abi::Native | Abi::I386 => call.number,
    })
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
