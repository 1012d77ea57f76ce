//! A process or thread held by descriptor: it is never confused with another that got its number later.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags};

use crate::Tid;
use crate::sys;

/// `PIDFD_THREAD`: the descriptor stands for one thread (Linux 6.9). It has the value of O_EXCL.
const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL as u32);

/// A process, or one thread of it, held by descriptor.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
}

impl PidFd {
    /// Holds the process whose leader is `tgid`. ESRCH: there is none; EINVAL or ENOENT: it is no leader's id.
    pub fn open(tgid: Tid) -> io::Result<PidFd> {
        Self::open_with(tgid, PidfdFlags::empty())
    }

    /// Holds one thread. Kernels before 6.9 can hold only a process, so there this succeeds for leaders alone
    /// and the descriptor stands for the whole process.
    pub fn open_thread(tid: Tid) -> io::Result<PidFd> {
        match Self::open_with(tid, PIDFD_THREAD) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Self::open(tid),
            outcome => outcome,
        }
    }

    fn open_with(tid: Tid, flags: PidfdFlags) -> io::Result<PidFd> {
        let pid = Pid::from_raw(tid.0).filter(|_| tid.0 > 0).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(PidFd { fd: rustix::process::pidfd_open(pid, flags)? })
    }

    /// Takes over a descriptor that came from pidfd_open(2) or clone(2).
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> PidFd {
        PidFd { fd }
    }

    /// A descriptor of ours (close-on-exec) for the open file description that `fd` is in the process's table. EBADF: it
    /// has no such descriptor; EPERM: we may not trace it; ESRCH: it has ended.
    pub fn get_fd(&self, fd: i32) -> io::Result<OwnedFd> {
        // Programs close(-1); rustix takes such a number for a mistake of ours.
        if fd < 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        Ok(rustix::process::pidfd_getfd(&self.fd, fd, PidfdGetfdFlags::empty())?)
    }

    /// Sends a signal (1..=64) to the process. ESRCH: it has ended.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        sys::pidfd_send_signal(self.fd.as_fd(), signal)
    }

    /// Whether it has ended (it may be a zombie yet). To wait for that, poll the descriptor for POLLIN.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        sys::poll(&self.fd, libc::POLLIN, 0).is_ok_and(|events| events & libc::POLLIN != 0)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
