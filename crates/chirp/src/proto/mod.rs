//! The wire, without I/O: what a request, a reply, a path, an error look like as bytes.
//!
//! Client and server share this module. Nothing in it can panic, whatever bytes it is given, and every length is
//! bounded before memory is taken for it. The standard dialect is the one that other Chirp programs speak; the extended
//! one is described in `docs/formats/chirp-extensions.md`.

pub mod argument;
pub mod code;
pub mod line;
pub mod path;
pub mod reply;
pub mod request;
pub mod stat;

pub use argument::{Attrs, Flags, Path, Text, Word};
pub use reply::{Decoder, Entry, Reply};
pub use request::{AfterLoss, Request, Row, Shape};

use mynah_vfs::PATH_MAX;
use std::fmt;

/// The highest version of the extended dialect that this code speaks.
pub const EXTENSION_VERSION: i64 = 1;

/// The TCP port of Chirp servers unless another is named.
pub const DEFAULT_PORT: u16 = 9094;

/// The most bytes that one `pread` or `pwrite` moves.
pub const TRANSFER_MAX: usize = 16 << 20;

/// The longest reply line that is read, with its newline. A STAT line of 17 numbers with 20 digits each has 357 bytes, a name of
/// 255 bytes has 765 when all of it is escaped; the standard's limit is 1024.
pub const REPLY_LINE_MAX: usize = 4 << 10;

/// The longest value of an extended attribute, and the longest list of their names, in bytes (`limits.h`, XATTR_SIZE_MAX).
pub const XATTR_MAX: usize = 64 << 10;

/// Which of the two forms of the protocol a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The protocol of all Chirp programs.
    Standard,
    /// The form that two Mynahs agree on.
    Extended,
}

impl Dialect {
    /// The longest request line, with its newline.
    #[must_use]
    pub const fn line_max(self) -> usize {
        match self {
            Dialect::Standard => 1024,
            Dialect::Extended => 2 * 3 * PATH_MAX + 1024,
        }
    }
}

/// Bytes that the protocol does not allow; the words say what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed: expected {}", self.0)
    }
}

impl std::error::Error for Malformed {}
