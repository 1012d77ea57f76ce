//! Error numbers as the kernel counts them.

use std::fmt;

/// A Linux error number: 1 to 4095, the range that a system call can return.
///
/// A checked number with constants rather than a closed enum, because kernels and servers know numbers that we do not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(u16);

macro_rules! errnos {
    ($($name:ident $text:literal),* $(,)?) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno(libc::$name as u16);)*

            /// The symbolic name, if it is one of the constants here.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self { $(Errno::$name => Some(stringify!($name)),)* _ => None }
            }

            /// What the number means, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Errno::$name => $text,)* _ => "unknown error" }
            }
        }
    };
}

errnos! {
    EPERM "operation not permitted",
    ENOENT "no such file or directory",
    ESRCH "no such process",
    EINTR "interrupted system call",
    EIO "input/output error",
    ENXIO "no such device or address",
    E2BIG "argument list too long",
    ENOEXEC "exec format error",
    EBADF "bad file descriptor",
    EAGAIN "resource temporarily unavailable",
    ENOMEM "cannot allocate memory",
    EACCES "permission denied",
    EFAULT "bad address",
    ENOTBLK "block device required",
    EBUSY "device or resource busy",
    EEXIST "file exists",
    EXDEV "invalid cross-device link",
    ENODEV "no such device",
    ENOTDIR "not a directory",
    EISDIR "is a directory",
    EINVAL "invalid argument",
    ENFILE "too many open files in system",
    EMFILE "too many open files",
    ENOTTY "inappropriate ioctl for device",
    ETXTBSY "text file busy",
    EFBIG "file too large",
    ENOSPC "no space left on device",
    ESPIPE "illegal seek",
    EROFS "read-only file system",
    EMLINK "too many links",
    EPIPE "broken pipe",
    ERANGE "numerical result out of range",
    ENAMETOOLONG "file name too long",
    ENOSYS "function not implemented",
    ENOTEMPTY "directory not empty",
    ELOOP "too many levels of symbolic links",
    ENODATA "no data available",
    EPROTO "protocol error",
    EBADMSG "bad message",
    EOVERFLOW "value too large for defined data type",
    EUSERS "too many users",
    EMSGSIZE "message too long",
    EOPNOTSUPP "operation not supported",
    EADDRINUSE "address already in use",
    EADDRNOTAVAIL "cannot assign requested address",
    ENETUNREACH "network is unreachable",
    ECONNABORTED "software caused connection abort",
    ECONNRESET "connection reset by peer",
    ETIMEDOUT "connection timed out",
    ECONNREFUSED "connection refused",
    EHOSTDOWN "host is down",
    EHOSTUNREACH "no route to host",
    ESTALE "stale file handle",
    EDQUOT "disk quota exceeded",
    ECANCELED "operation canceled",
}

impl Errno {
    /// The number as the kernel returns it, positive.
    #[must_use]
    pub const fn raw(self) -> i32 {
        self.0 as i32
    }

    /// Checks that a number can be an errno. `None` outside 1..=4095.
    #[must_use]
    pub const fn new(raw: i32) -> Option<Errno> {
        if raw >= 1 && raw <= 4095 { Some(Errno(raw as u16)) } else { None }
    }

    /// The errno of an [`std::io::Error`]; [`Errno::EIO`] when it carries none.
    #[must_use]
    pub fn of_io(error: &std::io::Error) -> Errno {
        use std::io::ErrorKind;
        match error.raw_os_error().and_then(Errno::new) {
            Some(errno) => errno,
            None => match error.kind() {
                ErrorKind::TimedOut => Errno::ETIMEDOUT,
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => Errno::ECONNRESET,
                ErrorKind::Interrupted => Errno::EINTR,
                _ => Errno::EIO,
            },
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.text()),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_a_system_call_can_return() {
        assert_eq!(Errno::new(2), Some(Errno::ENOENT));
        assert_eq!(Errno::new(0), None);
        assert_eq!(Errno::new(-2), None);
        assert_eq!(Errno::new(4096), None);
        assert_eq!(Errno::new(4000).map(Errno::raw), Some(4000));
    }

    #[test]
    fn names_and_unknown_numbers_are_told() {
        assert_eq!(Errno::EXDEV.to_string(), "invalid cross-device link (EXDEV)");
        assert_eq!(format!("{:?}", Errno::new(4000).unwrap()), "Errno(4000)");
    }
}
