//! The receiving end of the filter: notifications, answers, injected descriptors.
//!
//! A [`Listener`] may be used from several threads; each notification may be answered from any. Behind it stands either
//! [`Mechanism`]: its users see no difference but one. Under [`Mechanism::Trace`] the thread that first asks for a
//! notification becomes the tracer: it alone may go on to ask, and must, until nobody is left.

mod notify;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::arch;
use crate::filter::X32_BIT;
use crate::trace::Tracer;
use crate::{Abi, Call, Mechanism, Notification, Tid};

pub(crate) use notify::Listener as Notified;

/// The kernel's internal restart codes: results that it never shows to a program. On the way back to user mode it
/// turns them into a restart of the call or into EINTR. It looks for them only if a signal or a ptrace stop is pending:
/// see [`transient::interrupt`](crate::transient::interrupt).
pub mod restart {
    /// Restart if no handler runs, or if it was installed with SA_RESTART; else EINTR.
    pub const ERESTARTSYS: i32 = 512;
    /// Restart always.
    pub const ERESTARTNOINTR: i32 = 513;
    /// Restart if no handler runs; else EINTR.
    pub const ERESTARTNOHAND: i32 = 514;
}

/// What a call that is not performed returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This value.
    Value(i64),
    /// An error, positive: an errno (1..=4095) or one of the [`restart`] codes.
    Errno(i32),
}

/// How a descriptor is put into a program's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AddFd {
    /// Close it when the program executes another.
    pub cloexec: bool,
    /// Put it on this number, closing what is there (as dup2 would); otherwise on the lowest free one.
    pub at: Option<i32>,
    /// Answer the call with the number, in one step.
    pub answer: bool,
}

/// Where the calls of one tree of programs arrive.
#[derive(Debug)]
pub struct Listener(Way);

#[derive(Debug)]
enum Way {
    Notified(Arc<Notified>),
    Traced(Arc<Tracer>),
}

impl Listener {
    /// Takes over a listening descriptor. Fails if it is none, or if the kernel's structures have outgrown ours.
    pub fn new(fd: OwnedFd) -> io::Result<Listener> {
        Ok(Listener(Way::Notified(Arc::new(Notified::new(fd)?))))
    }

    /// For a child that waits under a filter for [`Mechanism::Trace`], and whatever it starts.
    pub(crate) fn traced(child: Tid) -> io::Result<Listener> {
        Ok(Listener(Way::Traced(Arc::new(Tracer::new(child)?))))
    }

    /// Which of the two it is.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        match &self.0 {
            Way::Notified(_) => Mechanism::Listener,
            Way::Traced(_) => Mechanism::Trace,
        }
    }

    /// The tracer, if there is one.
    pub(crate) fn tracer(&self) -> Option<&Arc<Tracer>> {
        match &self.0 {
            Way::Notified(_) => None,
            Way::Traced(tracer) => Some(tracer),
        }
    }

    /// The kernel's listener, if that is what it is.
    pub(crate) fn notified(&self) -> Option<&Arc<Notified>> {
        match &self.0 {
            Way::Notified(listener) => Some(listener),
            Way::Traced(_) => None,
        }
    }

    /// Waits for the next notification.
    ///
    /// Fails with [`io::ErrorKind::BrokenPipe`] once no task is left that the filter applies to. A caller that died before its
    /// notification was received is passed over.
    pub fn recv(&self) -> io::Result<Notification> {
        match &self.0 {
            Way::Notified(listener) => listener.recv(),
            Way::Traced(tracer) => tracer.recv(),
        }
    }

    /// Whether the caller still waits for the answer to notification `id`. To be asked after something was looked up by
    /// the caller's thread id, and before it is relied upon: ids of dead threads are used again.
    #[must_use]
    pub fn is_alive(&self, id: u64) -> bool {
        match &self.0 {
            Way::Notified(listener) => listener.is_alive(id),
            Way::Traced(tracer) => tracer.is_alive(id),
        }
    }

    /// Lets the kernel perform the call as it stands. ENOENT: the caller no longer waits.
    pub fn resume(&self, id: u64) -> io::Result<()> {
        match &self.0 {
            Way::Notified(listener) => listener.resume(id),
            Way::Traced(tracer) => tracer.resume(id),
        }
    }

    /// Ends the call with a result, without performing it. ENOENT: the caller no longer waits.
    /// [`io::ErrorKind::InvalidInput`]: an error number that is not positive or beyond 4095.
    pub fn answer(&self, id: u64, answer: Answer) -> io::Result<()> {
        if let Answer::Errno(errno) = answer
            && !(1..=4095).contains(&errno)
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match &self.0 {
            Way::Notified(listener) => listener.answer(id, answer),
            Way::Traced(tracer) => tracer.answer(id, answer),
        }
    }

    /// Puts a descriptor into the caller's table, sharing the open file description, and gives its number there.
    ///
    /// Errors are the kernel's: ENOENT the caller no longer waits; EMFILE its limit; EBADF an `at` beyond the limit;
    /// EINVAL a kernel without [`AddFd::answer`]. A listener's kernel also refuses `O_PATH` descriptors (EBADF). Tracing
    /// does it by calls that the program is made to perform, so there any of their errors may come back, ENOMEM for one.
    pub fn add_fd(&self, id: u64, fd: BorrowedFd<'_>, how: AddFd) -> io::Result<i32> {
        match &self.0 {
            Way::Notified(listener) => listener.add_fd(id, fd, how),
            Way::Traced(tracer) => tracer.add_fd(id, fd, how),
        }
    }

    /// Whether a thread under the filter is stopped by job control. (One that waits in a call is not, though its group may be.)
    #[must_use]
    pub fn has_stopped(&self, tid: Tid) -> bool {
        match &self.0 {
            // The state comes after the name, which may have any bytes in it.
            Way::Notified(_) => std::fs::read_to_string(format!("/proc/{tid}/stat"))
                .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))),
            Way::Traced(tracer) => tracer.has_stopped(tid),
        }
    }

    /// Where programs are traced: whoever stops from now on is killed, and so every child before it runs. A listener has
    /// nobody in its hands; there this does nothing.
    pub fn kill_at_next_stop(&self) {
        if let Some(tracer) = self.tracer() {
            tracer.kill_at_next_stop();
        }
    }

    /// Becomes readable when [`subreaper`](crate::subreaper) has something new to tell that no SIGCHLD announced: a
    /// tracer hears of its tasks first. Clear it with [`Listener::heard`] before looking.
    #[must_use]
    pub fn news(&self) -> Option<BorrowedFd<'_>> {
        self.tracer().map(|tracer| tracer.news())
    }

    /// Takes note of [`Listener::news`].
    pub fn heard(&self) {
        if let Some(tracer) = self.tracer() {
            tracer.heard();
        }
    }
}

pub(crate) fn abandoned() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "no program is left under the filter")
}

/// A call, from what the kernel tells of it.
pub(crate) fn call_of(audit_arch: u32, raw_number: u32, args: [u64; 6], ip: u64) -> Call {
    let (abi, number) = if audit_arch != arch::AUDIT_ARCH_NATIVE {
        (Abi::I386, raw_number)
    } else if arch::HAS_X32 && raw_number & X32_BIT != 0 {
        (Abi::X32, raw_number & !X32_BIT)
    } else {
        (Abi::Native, raw_number)
    };
    Call { abi, number, args, ip }
}
