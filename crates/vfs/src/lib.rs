//! The waist of Mynah: what a storage driver is, what a file is, and how names become files.
//!
//! Everything that serves storage implements [`Driver`] and [`File`]; everything that uses storage (the agent,
//! the Chirp server) sees nothing else. The crate does no I/O, reads no clock and no environment, and depends on no
//! sibling.

mod attr;
mod driver;
mod errno;
mod error;
mod mem;
pub mod mounts;
mod namespace;
mod path;

pub use attr::{FileId, FileKind, FsStat, NewTime, SetAttrs, Stat, Time};
pub use driver::{Capabilities, Driver, Entry, File, Op, OpenHow, Opened, RenameHow, XattrHow, unsupported};
pub use errno::Errno;
pub use error::{Error, Result, Retry};
pub use mem::MemDriver;
pub use namespace::{Connector, DriverId, Mount, MountPoint, Namespace, NamespaceId, Place};
pub use path::{NAME_MAX, NameError, PATH_MAX, VPath, check_name};
