//! Doing something from another directory than this process stands in.

use rustix::net::{SocketAddrUnix, bind};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;

use crate::sys;

/// From where.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// Relative names start here.
    Directory(&'a Path),
    /// Absolute names start here. Needs the right to chroot(2).
    Root(&'a Path),
}

/// Does `work` on a thread whose working directory or root is another, while all other threads keep theirs.
///
/// # Errors
/// Those of unshare(2), chdir(2) and chroot(2).
pub fn from<T: Send>(place: From<'_>, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let there = move || {
            sys::unshare(libc::CLONE_FS).map_err(io::Error::from_raw_os_error)?;
            match place {
                From::Directory(directory) => rustix::process::chdir(directory)?,
                From::Root(root) => {
                    rustix::process::chroot(root)?;
                    rustix::process::chdir("/")?;
                }
            }
            Ok(work())
        };
        let thread = thread::Builder::new().name("elsewhere".into()).spawn_scoped(scope, there)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread broke off")))
    })
}

/// bind(2) of a Unix socket by a name that begins with a slash, for which `root` stands, where chroot(2) is not ours to make: a child does it, in a user
/// namespace of its own. It is left to whoever reaps this process's children.
///
/// # Errors
/// Those of fork(2), unshare(2) and chroot(2); inside, those of bind(2).
pub fn bind_below(
    root: &Path,
    socket: impl AsFd,
    address: &SocketAddrUnix,
) -> io::Result<rustix::io::Result<()>> {
    let root = CString::new(root.as_os_str().as_bytes())?;
    let (said, told) = pipe_with(PipeFlags::CLOEXEC)?;
    let mask = sys::block_all_signals();
    let forked = sys::fork();
    if let Ok(0) = forked {
        // Nothing here allocates, locks or panics.
        let prepared = sys::unshare(libc::CLONE_NEWUSER)
            .and_then(|()| rustix::process::chroot(&root).map_err(rustix::io::Errno::raw_os_error));
        let (step, errno) = match prepared {
            Err(errno) => (NOT_THERE, errno),
            Ok(()) => (BOUND, bind(socket, address).err().map_or(0, rustix::io::Errno::raw_os_error)),
        };
        let [a, b, c, d] = errno.to_ne_bytes();
        sys::raw_write(told.as_raw_fd(), &[step, a, b, c, d]);
        sys::exit_group(0);
    }
    sys::set_signal_mask(&mask);
    forked?;
    drop(told);
    let mut report = [0; 5];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&said, &mut report))?;
    let [step, a, b, c, d] = report;
    let errno = i32::from_ne_bytes([a, b, c, d]);
    match step {
        _ if read < report.len() => Err(io::Error::other("the child ended before it could bind")),
        BOUND if errno == 0 => Ok(Ok(())),
        BOUND => Ok(Err(rustix::io::Errno::from_raw_os_error(errno))),
        _ => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// What the child of [`bind_below`] came to.
const NOT_THERE: u8 = 1;
const BOUND: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_work_is_elsewhere() {
        let here = std::env::current_dir().unwrap();
        let there = from(From::Directory(Path::new("/proc")), || std::path::Path::new("version").exists());
        assert!(there.unwrap());
        assert_eq!(std::env::current_dir().unwrap(), here);
    }
}
