//! Receiving calls and performing what their handlers decide.

use crate::agent::Agent;
use crate::identity::View;
use crate::lock;
use crate::outcome::{Call, Look, Outcome, Waiting};
use crate::syscalls::{i386, table};
use crate::trace::UnderWay;
use crate::trace::format::Answer as How;
use mynah_cache::StoreError;
use mynah_intercept::listener::{AddFd, Answer};
use mynah_intercept::transient::{self, TransientError};
use mynah_intercept::{Abi, Notification, memory, pidfd::PidFd};
use mynah_vfs::{Errno, Error, Retry};
use rustix::fs::{self, Mode, OFlags};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

/// Notices for people that one run keeps.
const NOTICES_MAX: usize = 8;

impl Agent {
    /// Answers calls until no program is left that could make one.
    ///
    /// What needs no waiting is answered here, on the thread that received it; the rest goes to the runtime.
    pub fn serve(self: &Arc<Self>) {
        let _runtime = self.runtime.enter();
        loop {
            match self.listener.recv() {
                Ok(notification) => self.dispatch(&notification),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return,
                Err(error) => {
                    tracing::error!("the listener failed: {error}");
                    return;
                }
            }
        }
    }

    fn dispatch(self: &Arc<Self>, notification: &Notification) {
        if transient::takes(&self.listener, notification) {
            return;
        }
        if let Some(tracer) = &self.tracer {
            tracer.begin(self, notification);
        }
        if table::may_wait_natively(notification.call.number) {
            self.tasks.heard(notification);
        }
        if self.pending.reattach(notification) {
            return;
        }
        self.objects.drain();
        let outcome = match self.traced(notification) {
            Some(call) => call.decide(|| self.decide(notification)),
            None => self.decide(notification),
        };
        self.perform(notification, outcome);
    }

    /// The call as the trace follows it.
    fn traced(&self, notification: &Notification) -> Option<Arc<UnderWay>> {
        self.tracer.as_ref().and_then(|tracer| tracer.of(notification))
    }

    /// Tells the trace how a call was answered. `result` is what the program saw, `None` where nobody tells.
    pub(crate) fn trace(&self, notification: &Notification, how: How, result: Option<i64>) {
        if let Some(tracer) = &self.tracer {
            tracer.answered(self, notification, how, result);
        }
    }

    fn decide(self: &Arc<Self>, notification: &Notification) -> Outcome {
        let call = Call { agent: self, notification };
        let number = notification.call.number;
        match notification.call.abi {
            Abi::Native => match table::row(number).and_then(|row| row.handler) {
                Some(handler) => handler(call),
                None => self.unknown_call(notification),
            },
            Abi::I386 => i386::answer(call),
            // The x32 interface is compiled into few kernels and gone from most; its programs learn so at once.
            Abi::X32 => Outcome::Errno(Errno::ENOSYS),
        }
    }

    fn unknown_call(&self, notification: &Notification) -> Outcome {
        let number = notification.call.number;
        if self.first_meeting(number) {
            tracing::warn!(
                number,
                tid = notification.tid.0,
                "a system call that this Mynah does not know: ENOSYS"
            );
        }
        if self.strict_syscalls {
            self.strict_violation.store(true, Ordering::Release);
            if let Ok(pidfd) = PidFd::open_thread(notification.tid) {
                let _ = pidfd.kill(libc::SIGSYS);
            }
        }
        Outcome::Errno(Errno::ENOSYS)
    }

    /// Does what a handler decided. A caller that is gone needs no answer, so failures to answer are of no interest.
    pub(crate) fn perform(self: &Arc<Self>, notification: &Notification, outcome: Outcome) {
        let id = notification.id;
        match outcome {
            Outcome::Resume => {
                self.trace(notification, How::Native, None);
                let _ = self.listener.resume(id);
            }
            Outcome::Value(value) => self.succeed(notification, How::Value, value),
            Outcome::Errno(errno) => self.fail(notification, errno),
            Outcome::Fail(error) => {
                self.note_for_people(&error);
                log(notification, &error);
                self.fail(notification, error.errno());
            }
            Outcome::Fill { to, bytes, value } => match memory::write(notification.tid, to, &bytes) {
                Ok(()) => self.succeed(notification, How::Value, value),
                Err(_) => self.fail(notification, Errno::EFAULT),
            },
            Outcome::FillEach { parts, value } => {
                let written =
                    parts.iter().try_for_each(|(to, bytes)| memory::write(notification.tid, *to, bytes));
                match written {
                    Ok(()) => self.succeed(notification, How::Value, value),
                    Err(_) => self.fail(notification, Errno::EFAULT),
                }
            }
            Outcome::Install { fd, cloexec } => self.install(notification, fd, cloexec),
            Outcome::ChangeDir(_)
            | Outcome::OpenPath { .. }
            | Outcome::Exec(_)
            | Outcome::ResumeAndFail(_)
            | Outcome::PerformThen(_)
            | Outcome::PerformWith(_)
            | Outcome::ExecShown => {
                self.perform_by_ptrace(*notification, outcome);
            }
            Outcome::Wait(waiting) => match self.traced(notification) {
                Some(call) => self.begin_waiting(notification, Box::pin(call.wait(waiting))),
                None => self.begin_waiting(notification, waiting),
            },
        }
    }

    /// What the user can mend, by an option of the next run, is told at the end of this one.
    fn note_for_people(&self, error: &Error) {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<StoreError>());
        if let Some(StoreError::TooBig { .. } | StoreError::NoSpace { .. }) = cause {
            let mut notices = lock(&self.notices);
            let notice = error.to_string();
            if notices.len() < NOTICES_MAX && !notices.contains(&notice) {
                notices.push(notice);
            }
        }
    }

    fn succeed(&self, notification: &Notification, how: How, value: i64) {
        self.trace(notification, how, Some(value));
        let _ = self.listener.answer(notification.id, Answer::Value(value));
    }

    pub(crate) fn fail(&self, notification: &Notification, errno: Errno) {
        self.trace(notification, How::Value, Some(-i64::from(errno.raw())));
        drop(self.listener.answer(notification.id, Answer::Errno(errno.raw())));
    }

    /// Two calls rather than one that also answers: our own copy must be closed before the program goes on, or a lock
    /// would outlive its holder and a FIFO its last writer.
    fn install(&self, notification: &Notification, fd: OwnedFd, cloexec: bool) {
        let how = AddFd { cloexec, at: None, answer: false };
        let added = self.listener.add_fd(notification.id, fd.as_fd(), how);
        drop(fd);
        match added {
            Ok(number) => self.succeed(notification, How::Descriptor, number.into()),
            // EMFILE: the program's own limit.
            Err(error) => self.fail(notification, Errno::of_io(&error)),
        }
    }

    /// Looks once whether the answer is there already; only what really waits changes threads.
    fn begin_waiting(self: &Arc<Self>, notification: &Notification, mut waiting: Waiting) {
        let mut context = Context::from_waker(Waker::noop());
        match waiting.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => self.perform(notification, outcome),
            Poll::Pending => self.attend(notification, waiting),
        }
    }

    /// What only the program itself can do is done by it, stopped for a moment, on a thread that may block.
    fn perform_by_ptrace(self: &Arc<Self>, notification: Notification, outcome: Outcome) {
        let agent = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            let result = match outcome {
                Outcome::ChangeDir(dir) => agent.change_dir(&notification, &dir),
                Outcome::OpenPath { path, flags } => agent.open_path(&notification, &path, flags),
                Outcome::Exec(program) => agent.exec(&notification, *program),
                Outcome::ResumeAndFail(errno) => agent.resume_and_fail(&notification, errno),
                Outcome::PerformThen(look) => agent.perform_then(&notification, look),
                Outcome::PerformWith(args) => agent.perform_with(&notification, args),
                Outcome::ExecShown => agent.exec_shown(&notification),
                other => return agent.perform(&notification, other),
            };
            if let Err(error) = result {
                agent.not_by_ptrace(&notification, &error);
            }
        });
    }

    /// By a descriptor, since a program that has changed its user could not get to the directory by name.
    fn change_dir(&self, notification: &Notification, dir: &OwnedFd) -> Result<(), TransientError> {
        let how = AddFd { cloexec: true, at: None, answer: false };
        self.tasks.directory_changes(notification.tid);
        match self.listener.add_fd(notification.id, dir.as_fd(), how) {
            Ok(number) => {
                let args = [number as u64, 0, 0, 0, 0, 0];
                let call = libc::SYS_fchdir as u64;
                let result =
                    transient::replace_call_closing(&self.listener, notification, call, args, number)?;
                self.trace(notification, How::Performed, Some(result));
            }
            // chdir(2) needs no free number.
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                let path = fs::readlink(format!("/proc/self/fd/{}", dir.as_raw_fd()), Vec::new());
                let path = path.map_err(|errno| TransientError::Os(errno.into()))?;
                self.by_path(notification, libc::SYS_chdir, [0; 6], 0, &path)?;
            }
            Err(error) => return Err(TransientError::Os(error)),
        }
        self.tasks.forget_directories();
        Ok(())
    }

    fn open_path(
        &self,
        notification: &Notification,
        path: &Path,
        flags: OFlags,
    ) -> Result<(), TransientError> {
        let name =
            CString::new(path.as_os_str().as_bytes()).map_err(|error| TransientError::Os(error.into()))?;
        let args = [libc::AT_FDCWD as u64, 0, u64::from(flags.bits()), 0, 0, 0];
        match self.by_path(notification, libc::SYS_openat, args, 1, &name) {
            // What comes nearest, for a program that is being debugged.
            Err(TransientError::Traced) => {
                let nearest = OFlags::WRONLY | OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let fd = fs::open(&name, nearest, Mode::empty())
                    .map_err(|errno| TransientError::Os(errno.into()))?;
                self.install(notification, fd, flags.contains(OFlags::CLOEXEC));
                Ok(())
            }
            done => done,
        }
    }

    /// The program makes another call, whose argument `at` is a path.
    fn by_path(
        &self,
        notification: &Notification,
        number: i64,
        args: [u64; 6],
        at: usize,
        path: &CStr,
    ) -> Result<(), TransientError> {
        let number = number as u64;
        let result = transient::replace_call_with_path(&self.listener, notification, number, args, at, path)?;
        self.trace(notification, How::Performed, Some(result));
        Ok(())
    }

    /// Entries for the auxiliary vector of a new program.
    pub(crate) fn shown_auxv(&self) -> Vec<(u64, u64)> {
        if self.identity.shows(View::User) { self.identity.auxv().to_vec() } else { Vec::new() }
    }

    fn exec_shown(&self, notification: &Notification) -> Result<(), TransientError> {
        self.trace(notification, How::Native, None);
        match transient::exec_with_auxv(&self.listener, notification, &self.shown_auxv()) {
            Err(TransientError::Traced) => self.resume_traced(notification),
            done => done.map(drop),
        }
    }

    fn perform_then(self: &Arc<Self>, notification: &Notification, look: Look) -> Result<(), TransientError> {
        let (agent, pending) = (Arc::clone(self), *notification);
        let seen = move |result| {
            look(result);
            agent.trace(&pending, How::Performed, Some(result));
        };
        match transient::perform_call_then(&self.listener, notification, seen) {
            Err(TransientError::Traced) => {
                self.trace(notification, How::Native, None);
                self.resume_traced(notification)
            }
            done => done,
        }
    }

    fn perform_with(&self, notification: &Notification, args: [u64; 6]) -> Result<(), TransientError> {
        let number = u64::from(notification.call.number);
        let result = transient::replace_call(&self.listener, notification, number, args)?;
        self.trace(notification, How::Performed, Some(result));
        Ok(())
    }

    /// What only shows an identity is left out for a program that a debugger has: it sees the kernel's answer.
    fn resume_traced(&self, notification: &Notification) -> Result<(), TransientError> {
        // A caller that is gone needs no answer.
        let _ = self.listener.resume(notification.id);
        Ok(())
    }

    /// A close that the kernel performs and that fails all the same: the descriptor goes, the error is told.
    fn resume_and_fail(&self, notification: &Notification, errno: Errno) -> Result<(), TransientError> {
        self.trace(notification, How::Performed, Some(-i64::from(errno.raw())));
        transient::perform_call_failing(&self.listener, notification, errno.raw())
    }

    fn not_by_ptrace(&self, notification: &Notification, error: &TransientError) {
        let errno = match error {
            TransientError::Gone => return self.trace(notification, How::Gone, None),
            TransientError::Traced => Errno::EPERM,
            TransientError::Os(error) => Errno::of_io(error),
        };
        tracing::warn!(tid = notification.tid.0, "cannot act inside the program for a moment: {error:?}");
        self.fail(notification, errno);
    }
}

/// The one place where a failed call is logged.
fn log(notification: &Notification, error: &Error) {
    let name = table::row(notification.call.number).map_or("a call", |row| row.name);
    let tid = notification.tid.0;
    match error.retry() {
        Retry::Later => tracing::warn!(tid, call = name, "{error}"),
        Retry::Never => tracing::debug!(tid, call = name, "{error}"),
    }
}
