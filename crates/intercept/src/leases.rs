//! File leases, for what they tell.

use rustix::fd::{AsFd, AsRawFd};

use crate::sys;

/// Whether anybody has a file open for writing, by a descriptor or a shared mapping: a read lease is given only when nobody
/// has (fcntl(2), F_SETLEASE). `fd` is open for reading only. True also where no lease can be had, on file systems without
/// leases.
///
/// The lease is given back at once. Whoever opens the file between waits that long, and the kernel sends us SIGIO, which
/// therefore must be blocked or ignored.
pub fn has_writers(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    if sys::set_lease(fd.as_raw_fd(), libc::F_RDLCK).is_err() {
        return true;
    }
    // A lease that cannot be given back ends when the descriptor is closed.
    let _ = sys::set_lease(fd.as_raw_fd(), libc::F_UNLCK);
    false
}
