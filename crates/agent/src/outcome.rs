//! What a handler is given, and what it may decide.
//!
//! A handler never touches the program itself: it says what is to be done, and the dispatcher does it when the answer is
//! known. So a call that had to wait can be answered to the program's restarted call instead, when a signal came between.

use crate::Agent;
use crate::programs::Program;
use crate::tasks::Task;
use mynah_intercept::{Notification, Tid, UserPtr, memory};
use mynah_vfs::{Errno, Error, PATH_MAX};
use rustix::fs::OFlags;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

/// What becomes of a call.
pub(crate) enum Outcome {
    /// The kernel performs it as if nobody had looked.
    Resume,
    /// It returns this.
    Value(i64),
    /// It fails with this number: an answer like any other.
    Errno(Errno),
    /// It fails, and the log says why.
    Fail(Error),
    /// These bytes go into the program's memory, then it returns `value`. EFAULT if they cannot.
    Fill { to: UserPtr, bytes: Vec<u8>, value: i64 },
    /// The same in several places.
    FillEach { parts: Vec<(UserPtr, Vec<u8>)>, value: i64 },
    /// The program gets a descriptor: the lowest free number, which the call returns.
    Install { fd: OwnedFd, cloexec: bool },
    /// The program gets a descriptor that only names this file (O_PATH), by opening it itself: none can be handed over. Its
    /// `flags` are the program's own.
    OpenPath { path: PathBuf, flags: OFlags },
    /// The program's working directory becomes this one.
    ChangeDir(OwnedFd),
    /// The call is an execve of this instead.
    Exec(Box<Program>),
    /// The kernel performs it, but the program sees this error: a close whose write-back failed.
    ResumeAndFail(Errno),
    /// The kernel performs it, and what it wrote is looked at, and perhaps changed, before the program sees it.
    PerformThen(Look),
    /// The kernel performs it with these arguments.
    PerformWith([u64; 6]),
    /// The kernel performs it, an execve, and the new program's auxiliary vector gets the shown identity.
    ExecShown,
    /// The answer needs waiting.
    Wait(Waiting),
}

/// Sees the result of a call that the kernel has performed.
pub(crate) type Look = Box<dyn FnOnce(i64) + Send>;

/// A call under way. Dropping it cancels it.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl Outcome {
    /// An outcome that waits for `future`.
    pub(crate) fn wait(future: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
        Outcome::Wait(Box::pin(future))
    }

    /// Something else in the place of leaving the call to the kernel.
    pub(crate) fn or_natively(self, otherwise: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
        match self {
            Outcome::Resume => otherwise(),
            Outcome::Wait(waiting) => Outcome::wait(async move { waiting.await.or_natively(otherwise) }),
            decided => decided,
        }
    }

    /// A plain success.
    pub(crate) const DONE: Outcome = Outcome::Value(0);
}

impl From<Result<Outcome, Error>> for Outcome {
    fn from(result: Result<Outcome, Error>) -> Outcome {
        result.unwrap_or_else(Outcome::Fail)
    }
}

impl From<Errno> for Outcome {
    fn from(errno: Errno) -> Outcome {
        Outcome::Errno(errno)
    }
}

/// One trapped call on its way through its handler.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The agent that answers.
    pub(crate) agent: &'a Arc<Agent>,
    /// The call itself.
    pub(crate) notification: &'a Notification,
}

impl Call<'_> {
    pub(crate) fn tid(&self) -> Tid {
        self.notification.tid
    }

    /// An argument as the kernel sees a pointer or a 64-bit number.
    pub(crate) fn arg(&self, index: usize) -> u64 {
        self.notification.call.args[index]
    }

    /// An argument as the kernel sees an `int`.
    pub(crate) fn int(&self, index: usize) -> i32 {
        self.notification.call.int(index)
    }

    /// An argument as the kernel sees an `unsigned int` or a set of flags.
    pub(crate) fn bits(&self, index: usize) -> u32 {
        self.int(index) as u32
    }

    pub(crate) fn pointer(&self, index: usize) -> UserPtr {
        UserPtr(self.arg(index))
    }

    /// [`Call::path`] for calls with several paths, of which the kernel would look up the first before it finds the second
    /// to be bad.
    pub(crate) fn path_or_errno(&self, index: usize) -> Result<Vec<u8>, Outcome> {
        let mut path = Vec::new();
        match memory::read_c_string_into(self.tid(), self.pointer(index), PATH_MAX, &mut path) {
            Ok(()) => Ok(path),
            Err(memory::MemoryError::Fault) => Err(Outcome::Errno(Errno::EFAULT)),
            Err(memory::MemoryError::TooLong) => Err(Outcome::Errno(Errno::ENAMETOOLONG)),
            Err(memory::MemoryError::Gone | memory::MemoryError::Denied) => Err(Outcome::Resume),
        }
    }

    /// The path that an argument points to. `None` where the kernel itself has the right answer: a bad pointer (EFAULT), a
    /// path that is too long, memory that may not be read.
    pub(crate) fn path(&self, index: usize) -> Option<Vec<u8>> {
        let mut path = Vec::new();
        memory::read_c_string_into(self.tid(), self.pointer(index), PATH_MAX, &mut path).ok()?;
        Some(path)
    }

    /// The caller, as far as the agent has come to know it.
    pub(crate) fn task(&self) -> Task {
        Task {
            agent: Arc::clone(self.agent),
            run: self.agent.run_of(self.tid()),
            tid: self.tid(),
            by_real_ids: false,
        }
    }
}
