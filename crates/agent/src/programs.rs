//! Handing a program to the kernel: by paths that the task can follow, under the name that it is to have.

use crate::Agent;
use crate::elf;
use crate::object::{Object, store_error};
use crate::outcome::Call;
use crate::trace::format::Answer as How;
use mynah_cache::StoreError;
use mynah_intercept::Notification;
use mynah_intercept::listener::AddFd;
use mynah_intercept::transient::{self, ExecOutcome, ExecPlan, TransientError};
use mynah_vfs::{Errno, Error};
use rustix::fs::{self, Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an execve becomes.
pub(crate) struct Program {
    /// What the kernel is to run.
    pub(crate) file: Lead,
    /// The loader that it is to have, where its own choice is not the machine's.
    pub(crate) loading: Option<Loading>,
    /// The name of the process.
    pub(crate) named: Vec<u8>,
    /// The argument vector in place of the program's own, for a script whose interpreter is run.
    pub(crate) argv: Option<Vec<Vec<u8>>>,
    /// The path that the new program is to see as its own.
    pub(crate) shown: Vec<u8>,
}

/// How a task comes to a file of this machine.
pub(crate) enum Lead {
    /// It can follow this path.
    Path(PathBuf),
    /// It is lent this for the time of the call.
    Descriptor(OwnedFd),
}

/// A loader that lies in a mount. The kernel looks for the path in the program's file, so it is given a copy of that with
/// another.
pub(crate) struct Loading {
    /// The program's object.
    pub(crate) program: Arc<Object>,
    /// Where the program names its loader.
    pub(crate) slot: elf::Loader,
    pub(crate) loader: Lead,
}

/// Why a program was not handed over.
enum Refused {
    Errno(Errno),
    Transient(TransientError),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Errno(error.errno())
    }
}

impl From<TransientError> for Refused {
    fn from(error: TransientError) -> Refused {
        Refused::Transient(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        store_error(error).into()
    }
}

impl Agent {
    /// Performs a pending execve.
    pub(crate) fn exec(
        self: &Arc<Self>,
        notification: &Notification,
        program: Program,
    ) -> Result<(), TransientError> {
        let mut lending = Lending { agent: self, notification, lent: Vec::new() };
        match lending.exec(program) {
            Ok(ExecOutcome::Done) => {
                self.trace(notification, How::Performed, Some(0));
                self.tasks.forget(notification.tid);
            }
            Ok(ExecOutcome::Failed(errno)) => {
                self.trace(notification, How::Performed, Some(-i64::from(errno)));
                tracing::debug!(errno, "an exec of a remote program failed");
            }
            Err(Refused::Transient(error)) => return Err(error),
            Err(Refused::Errno(errno)) => {
                self.trace(notification, How::Performed, Some(-i64::from(errno.raw())));
                transient::fail_closing(&self.listener, notification, errno.raw(), &lending.lent)?;
            }
        }
        Ok(())
    }
}

/// An execve under way, with the descriptors that its caller was lent.
struct Lending<'a> {
    agent: &'a Arc<Agent>,
    notification: &'a Notification,
    lent: Vec<i32>,
}

impl Lending<'_> {
    fn exec(&mut self, program: Program) -> Result<ExecOutcome, Refused> {
        let store = self.agent.objects.store();
        let file = match program.loading {
            Some(loading) => self.copy_with_loader(loading)?,
            None => program.file,
        };
        let file = self.path_to(file)?;
        let alias = store.alias(&file, &program.named)?;
        let task = Call { agent: self.agent, notification: self.notification }.task();
        let file = if task.reaches_cache() { alias } else { self.path_by_directory(&alias)? };
        let plan = ExecPlan {
            file: file.as_os_str().as_bytes().to_vec(),
            argv: program.argv,
            shown: program.shown,
            auxv: self.agent.shown_auxv(),
            close_on_failure: self.lent.clone(),
        };
        Ok(transient::exec(&self.agent.listener, self.notification, &plan)?)
    }

    fn copy_with_loader(&mut self, loading: Loading) -> Result<Lead, Refused> {
        let is_lent = matches!(loading.loader, Lead::Descriptor(_));
        let loader = self.path_to(loading.loader)?;
        let objects = &self.agent.objects;
        let copy =
            objects.copy_with_loader(&loading.program, &loading.slot, loader.as_os_str().as_bytes())?;
        if !is_lent {
            return Ok(Lead::Path(copy));
        }
        let opened = fs::open(&copy, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(kernel)?;
        open_to_others(&opened)?;
        Ok(Lead::Descriptor(opened))
    }

    fn path_to(&mut self, lead: Lead) -> Result<PathBuf, Refused> {
        match lead {
            Lead::Path(path) => Ok(path),
            Lead::Descriptor(fd) => self.lend(&fd),
        }
    }

    /// A path whose directory the task is lent, so that only its last component is looked up.
    fn path_by_directory(&mut self, path: &Path) -> Result<PathBuf, Refused> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Refused::Errno(Errno::ENOENT));
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = fs::open(dir, flags, Mode::empty()).map_err(kernel)?;
        Ok(self.lend(&dir)?.join(name))
    }

    /// Lends a descriptor until the new program begins, and tells its path.
    fn lend(&mut self, fd: &OwnedFd) -> Result<PathBuf, Refused> {
        let how = AddFd { cloexec: true, at: None, answer: false };
        let added = self.agent.listener.add_fd(self.notification.id, fd.as_fd(), how);
        let number = added.map_err(|error| Refused::Errno(Errno::of_io(&error)))?;
        self.lent.push(number);
        Ok(PathBuf::from(format!("/proc/thread-self/fd/{number}")))
    }
}

fn kernel(errno: rustix::io::Errno) -> Refused {
    Refused::Errno(Errno::of_io(&errno.into()))
}

/// Lets any user read and run a file of the cache. That is of use only to who was lent it: its directory is closed.
pub(crate) fn open_to_others(file: &OwnedFd) -> Result<(), Error> {
    fs::fchmod(file, Mode::from_raw_mode(0o755))
        .map_err(|errno| Error::io("opening a program to its user", errno.into()))
}
