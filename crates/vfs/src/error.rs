//! The error that travels: its errno is chosen once, where the failure happened.

use crate::Errno;
use std::borrow::Cow;
use std::fmt;

/// What a driver call gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Whether the same call can succeed later with nothing else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The answer will stay the same: a name is absent, a right is lacking.
    Never,
    /// The cause is of the moment: a lost connection, a full server.
    Later,
}

/// A failed call: the errno that a program sees, what happened in words for the log, and the cause below it.
#[derive(Debug)]
pub struct Error {
    errno: Errno,
    retry: Retry,
    what: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure that will stay: `what` says what was asked, of whom, and what came back.
    pub fn new(errno: Errno, what: impl Into<Cow<'static, str>>) -> Error {
        Error { errno, retry: Retry::Never, what: what.into(), source: None }
    }

    /// A failure of the moment; see [`Retry::Later`].
    pub fn transient(errno: Errno, what: impl Into<Cow<'static, str>>) -> Error {
        Error { errno, retry: Retry::Later, what: what.into(), source: None }
    }

    /// Adds the cause below this error.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// An operating-system error, with what was being done.
    pub fn io(what: impl Into<Cow<'static, str>>, source: std::io::Error) -> Error {
        Error::new(Errno::of_io(&source), what).caused_by(source)
    }

    /// The number that the program sees.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.retry
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        Error::new(errno, "")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.what.is_empty() { self.errno.fmt(f) } else { write!(f, "{}: {}", self.what, self.errno) }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
