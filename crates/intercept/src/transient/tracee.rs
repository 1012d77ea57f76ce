//! One task that does what it is told for a moment, whichever way it was brought to it.

use super::TransientError;
use super::led::Led;
use super::stopped::Stopped;
use crate::listener::Listener;
use crate::memory::{self, MemoryError};
use crate::trace::Resident;
use crate::{Abi, Notification, Tid, UserPtr};

/// The caller of a pending notification, which makes other calls until it is let go. Dropped, it makes its own call once more.
pub(crate) enum Tracee {
    /// By ptrace.
    Stopped(Stopped),
    /// By instructions written into its memory.
    Led(Led),
}

impl Tracee {
    /// Stops the caller of a pending notification at its call, which is undone.
    pub(super) fn attach(listener: &Listener, n: &Notification) -> Result<Tracee, TransientError> {
        Stopped::attach(listener, n).map(Tracee::Stopped)
    }

    /// [`Tracee::attach`]; where a debugger has the caller, it is led.
    pub(super) fn attach_or_lead(listener: &Listener, n: &Notification) -> Result<Tracee, TransientError> {
        match Self::attach(listener, n) {
            Err(TransientError::Traced) => Led::begin(listener, n).map(Tracee::Led),
            attached => attached,
        }
    }

    /// Takes the caller of a pending notification from its tracer. The call is undone.
    pub(crate) async fn lent(resident: Resident, n: &Notification) -> Result<Tracee, TransientError> {
        Stopped::lent(resident, n).await.map(Tracee::Stopped)
    }

    /// Takes a task from its tracer that is in the middle of vfork, as [`Tracee::take_over`].
    pub(crate) async fn lent_in_vfork(resident: Resident, tid: Tid) -> Result<Tracee, TransientError> {
        Stopped::lent_in_vfork(resident, tid).await.map(Tracee::Stopped)
    }

    /// Takes over a seized and interrupted task that is not at a notified call, once it stops: it must have come from a
    /// system call, so that there is an instruction to make others by.
    pub(super) fn take_over(tid: Tid) -> Result<Tracee, TransientError> {
        Stopped::take_over(tid).map(Tracee::Stopped)
    }

    /// The tracer that lends it, if one does.
    pub(crate) fn resident(&self) -> Option<&Resident> {
        match self {
            Tracee::Stopped(stopped) => stopped.resident(),
            Tracee::Led(_) => None,
        }
    }

    pub(crate) fn tid(&self) -> Tid {
        match self {
            Tracee::Stopped(stopped) => stopped.tid(),
            Tracee::Led(led) => led.tid(),
        }
    }

    pub(crate) fn abi(&self) -> Abi {
        match self {
            Tracee::Stopped(stopped) => stopped.abi(),
            Tracee::Led(_) => Abi::Native,
        }
    }

    /// Where the stack of a new program, which has not run yet, ends.
    pub(super) fn stack_of_new_program(&self) -> std::io::Result<u64> {
        match self {
            Tracee::Stopped(stopped) => stopped.stack_pointer(),
            Tracee::Led(led) => led.stack_of_new_program(),
        }
    }

    /// Memory for so many bytes that it has already and nobody else uses; [`Tracee::write`] reaches it.
    pub(super) fn room(&self, length: u64) -> Option<u64> {
        match self {
            Tracee::Stopped(_) => None,
            Tracee::Led(led) => led.room(length),
        }
    }

    /// Writes into its memory.
    pub(super) fn write(&self, to: UserPtr, bytes: &[u8]) -> Result<(), MemoryError> {
        match self {
            Tracee::Led(led) if led.has(to) => led.write(to, bytes),
            _ => memory::write(self.tid(), to, bytes),
        }
    }

    /// Performs a call and gives its result. Restarts it as the kernel asks to.
    pub(crate) async fn perform(&mut self, number: u64, args: [u64; 6]) -> Result<i64, TransientError> {
        match self.run(number, args).await? {
            Ran::Returned(result) => Ok(result),
            // Only an execve ends so, and none is performed by this function.
            Ran::Executed => Err(TransientError::Gone),
        }
    }

    /// Performs a call that may be an execve.
    pub(super) async fn run(&mut self, number: u64, args: [u64; 6]) -> Result<Ran, TransientError> {
        match self {
            Tracee::Stopped(stopped) => stopped.run(number, args).await,
            Tracee::Led(led) => led.run(number, args),
        }
    }

    /// Closes one of its descriptors. That it was none is of no interest.
    pub(crate) async fn close(&mut self, fd: i32) -> Result<(), TransientError> {
        let close = crate::arch::numbers(self.abi()).close;
        self.perform(close, [fd as u64, 0, 0, 0, 0, 0]).await.map(drop)
    }

    /// Lets it go on as though the call it was taken at had returned `result`.
    pub(crate) fn go_on(self, result: i64) -> Result<(), TransientError> {
        match self {
            Tracee::Stopped(stopped) => stopped.go_on(result),
            Tracee::Led(led) => led.go_on(result),
        }
    }

    /// Lets it go on as it was.
    pub(crate) fn go_on_unchanged(self) -> Result<(), TransientError> {
        match self {
            Tracee::Stopped(stopped) => stopped.go_on_unchanged(),
            Tracee::Led(led) => led.go_on_unchanged(),
        }
    }

    /// Lets a new program begin.
    pub(super) fn begin_program(self) -> Result<(), TransientError> {
        match self {
            Tracee::Stopped(stopped) => stopped.begin_program(),
            Tracee::Led(led) => {
                led.end();
                Ok(())
            }
        }
    }

    /// It is no more: its id may be another's by now.
    pub(crate) fn abandon(self) {
        match self {
            Tracee::Stopped(stopped) => stopped.abandon(),
            Tracee::Led(led) => led.end(),
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
