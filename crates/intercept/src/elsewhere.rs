//! Doing something from another directory than this process stands in.

use std::io;
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
