//! A seccomp listener.
//!
//! When the last copy of the descriptor is closed, pending and later notified calls fail with ENOSYS.
//!
//! seccomp_unotify(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{AddFd, Answer, abandoned, call_of};
use crate::sys;
use crate::{Notification, Tid};

/// A listening descriptor of a seccomp filter.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
    /// Whether the kernel wakes callers on the CPU of the one who answers. It came together with the change by
    /// which reception ends when no program is left.
    wakes_synchronously: bool,
}

/// Bytes set aside for one received notification: the kernel's structure of today (80), with room to grow.
const NOTIFICATION_BYTES: usize = 256;

/// Room for a notification, aligned as the kernel's structure is.
#[repr(C)]
union Received {
    notification: libc::seccomp_notif,
    room: [u64; NOTIFICATION_BYTES / 8],
}

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`: the answer wakes the caller on the answering CPU, which is some eight times
/// cheaper than waking an idle one.
const SYNC_WAKE_UP: u64 = 1;

impl Listener {
    /// Takes over a listening descriptor. Fails if it is none, or if the kernel's structures have outgrown ours.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Listener> {
        let sizes = sys::seccomp_notif_sizes()?;
        if usize::from(sizes.seccomp_notif) > NOTIFICATION_BYTES
            || usize::from(sizes.seccomp_notif_resp) > size_of::<libc::seccomp_notif_resp>()
        {
            return Err(io::Error::other(
                "this kernel's seccomp notifications are larger than this build knows",
            ));
        }
        let set = sys::ioctl_value(fd.as_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
        Ok(Listener { fd, wakes_synchronously: set.is_ok() })
    }

    /// Waits for the next notification.
    ///
    /// Fails with [`io::ErrorKind::BrokenPipe`] once no task is left that the filter applies to. A caller that died before its
    /// notification was received is passed over.
    pub(super) fn recv(&self) -> io::Result<Notification> {
        loop {
            if !self.wakes_synchronously {
                self.wait_readable()?;
            }
            match self.try_recv() {
                Ok(notification) => return Ok(notification),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::ENOENT) => self.fail_if_abandoned()?,
                    _ => return Err(error),
                },
            }
        }
    }

    fn try_recv(&self) -> io::Result<Notification> {
        // The kernel insists on a zeroed buffer.
        let mut received = Received { room: [0; NOTIFICATION_BYTES / 8] };
        sys::ioctl_struct(self.fd.as_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &mut received)?;
        // SAFETY: every bit pattern is a valid seccomp_notif, and the kernel has filled it in.
        let raw = unsafe { received.notification };
        Ok(decode(&raw))
    }

    /// Older kernels go on waiting when the last program has ended, so there the end is looked for first.
    fn wait_readable(&self) -> io::Result<()> {
        match sys::poll(&self.fd, libc::POLLIN, -1) {
            Ok(events) if events & libc::POLLIN == 0 && events & libc::POLLHUP != 0 => Err(abandoned()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn fail_if_abandoned(&self) -> io::Result<()> {
        let events = sys::poll(&self.fd, libc::POLLIN, 0)?;
        if events & libc::POLLHUP != 0 && events & libc::POLLIN == 0 { Err(abandoned()) } else { Ok(()) }
    }

    /// Whether the caller still waits for the answer to notification `id`. To be asked after something was looked up by
    /// the caller's thread id, and before it is relied upon: ids of dead threads are used again.
    pub(crate) fn is_alive(&self, id: u64) -> bool {
        let mut id = id;
        self.request(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &mut id).is_ok()
    }

    /// Lets the kernel perform the call as it stands. ENOENT: the caller no longer waits.
    pub(crate) fn resume(&self, id: u64) -> io::Result<()> {
        self.send(libc::seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        })
    }

    pub(crate) fn answer(&self, id: u64, answer: Answer) -> io::Result<()> {
        let (val, error) = match answer {
            Answer::Value(value) => (value, 0),
            Answer::Errno(errno) => (0, -errno),
        };
        self.send(libc::seccomp_notif_resp { id, val, error, flags: 0 })
    }

    fn send(&self, mut response: libc::seccomp_notif_resp) -> io::Result<()> {
        self.request(libc::SECCOMP_IOCTL_NOTIF_SEND, &mut response).map(drop)
    }

    /// An ioctl about one notification. The kernel waits interruptibly for its lock, and for the caller to take a
    /// descriptor; an interrupted request has had no effect.
    fn request<T>(&self, request: libc::Ioctl, argument: &mut T) -> io::Result<i32> {
        loop {
            match sys::ioctl_struct(self.fd.as_fd(), request, argument) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }

    /// Puts a descriptor into the caller's table, sharing the open file description, and gives its number there.
    ///
    /// Errors are the kernel's: ENOENT the caller no longer waits; EMFILE its limit; EBADF an `O_PATH` descriptor or an
    /// `at` beyond the limit; EINVAL a kernel without [`AddFd::answer`].
    pub(super) fn add_fd(&self, id: u64, fd: BorrowedFd<'_>, how: AddFd) -> io::Result<i32> {
        let mut flags = 0;
        if how.at.is_some() {
            flags |= libc::SECCOMP_ADDFD_FLAG_SETFD as u32;
        }
        if how.answer {
            flags |= libc::SECCOMP_ADDFD_FLAG_SEND as u32;
        }
        let newfd = u32::try_from(how.at.unwrap_or(0)).map_err(|_| io::ErrorKind::InvalidInput)?;
        let newfd_flags = if how.cloexec { libc::O_CLOEXEC as u32 } else { 0 };
        let srcfd = fd.as_raw_fd() as u32;
        let mut request = libc::seccomp_notif_addfd { id, flags, srcfd, newfd, newfd_flags };
        self.request(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &mut request)
    }
}

fn decode(raw: &libc::seccomp_notif) -> Notification {
    let call = call_of(raw.data.arch, raw.data.nr as u32, raw.data.args, raw.data.instruction_pointer);
    Notification { id: raw.id, tid: Tid(raw.pid as i32), call }
}
