//! The contract between whoever serves storage and whoever uses it.

use crate::{Errno, Error, FileKind, FsStat, Result, SetAttrs, Stat, VPath};
use bytes::Bytes;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One call under way. Dropping it cancels the call: the driver must then leave nothing locked and no connection
/// out of step. Whether the server had already acted is not known.
pub type Op<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What a driver can do beyond the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Objects can be made and changed.
    pub write: bool,
    /// `Stat::id` stays the same for the life of an object and is shared by its hard links.
    pub stable_ids: bool,
    /// Finest step of times, in nanoseconds.
    pub time_step_ns: u32,
}

/// How to open a regular file. `create`, `exclusive` and `truncate` are done by the server in one step with the open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHow {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// Make it if it is absent.
    pub create: bool,
    /// With `create`: fail with EEXIST if the name is taken, by a link too.
    pub exclusive: bool,
    /// Cut it to nothing.
    pub truncate: bool,
    /// Permission bits of a file that is made, after the caller's umask.
    pub mode: u32,
}

/// An opened file with the attributes it had at that moment.
pub struct Opened {
    /// The file.
    pub file: Arc<dyn File>,
    /// Its attributes right after the open (so `size` is 0 after `truncate`).
    pub stat: Stat,
}

/// One entry of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A name that has passed [`crate::check_name`]; each once in a listing.
    pub name: Vec<u8>,
    /// Attributes of the entry itself (a link is not followed), where the listing brings them.
    pub stat: Option<Stat>,
}

/// What rename does with an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameHow {
    /// rename(2): a target of the same kind is replaced.
    Replace,
    /// RENAME_NOREPLACE: EEXIST.
    NoReplace,
    /// RENAME_EXCHANGE: the two change places.
    Exchange,
}

/// What setxattr does with an existing attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrHow {
    /// Set in either case.
    Set,
    /// XATTR_CREATE: EEXIST if it is there.
    Create,
    /// XATTR_REPLACE: ENODATA if it is not.
    Replace,
}

/// The answer of a default method: the driver has no such thing, and says so.
#[must_use]
pub fn unsupported<'a, T: Send + 'a>(what: &'static str) -> Op<'a, T> {
    Box::pin(std::future::ready(Err(Error::new(Errno::EOPNOTSUPP, what))))
}

/// A place that stores files, seen from its own root.
///
/// Paths never hold links to be followed: the caller resolves them, and every method here acts on the entry itself. (A
/// driver whose server follows a link that appeared meanwhile must not let that lead out of its root.) All methods may
/// be called at once from many tasks; none waits for another. What a server sends is checked before it is returned:
/// names by [`crate::check_name`], no duplicates, sizes within `i64`.
///
/// # Errors
/// Those of the system call of the same name, chosen where the failure happened: ENOENT, ENOTDIR, EACCES, EEXIST,
/// ENOTEMPTY, ... A server that cannot be reached gives ECONNREFUSED, EHOSTUNREACH or ETIMEDOUT with
/// [`crate::Retry::Later`]; a reply that makes no sense gives EPROTO. What the driver cannot do gives EOPNOTSUPP,
/// never a silent success.
pub trait Driver: Send + Sync + 'static {
    /// What this driver can do.
    fn capabilities(&self) -> Capabilities;

    /// The server that it speaks to, as a URL without a path (`chirp://host:9094`); `None` if there is none.
    fn server(&self) -> Option<&str> {
        None
    }

    /// What the server's clock shows now, since 1970, or somewhat less; `None` if it has not told.
    fn clock(&self) -> Option<Duration> {
        None
    }

    /// Where this path lies on this machine, if the driver serves the machine's own files: the caller may then use the
    /// kernel on that path directly.
    fn local_path(&self, _path: &VPath) -> Option<PathBuf> {
        None
    }

    /// Attributes of the entry itself.
    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat>;

    /// All entries but `.` and `..`, in the server's order. EFBIG beyond a driver's named bound.
    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>>;

    /// The text of a symbolic link, 1 to 4095 bytes, no NUL. EINVAL if it is none.
    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>>;

    /// Opens a regular file. EISDIR for a directory, ELOOP for a link, ENXIO for anything else.
    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened>;

    /// Whether the server lets us (`bits` of access(2): R_OK, W_OK, X_OK; 0 asks for existence).
    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()>;

    /// Figures of the file system that holds the path.
    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat>;

    /// The MD5 digest (RFC 1321) of a regular file's content, made by the server.
    fn md5<'a>(&'a self, _path: &'a VPath) -> Op<'a, [u8; 16]> {
        unsupported("md5")
    }

    /// Makes a directory; `mode` after the caller's umask.
    fn mkdir<'a>(&'a self, _path: &'a VPath, _mode: u32) -> Op<'a, ()> {
        unsupported("mkdir")
    }

    /// Makes a FIFO, a socket's name or (where the server allows) a device; `mode` after the umask.
    fn mknod<'a>(&'a self, _path: &'a VPath, _kind: FileKind, _mode: u32, _rdev: u64) -> Op<'a, ()> {
        unsupported("mknod")
    }

    /// Takes away a name that is not a directory.
    fn unlink<'a>(&'a self, _path: &'a VPath) -> Op<'a, ()> {
        unsupported("unlink")
    }

    /// Takes away an empty directory.
    fn rmdir<'a>(&'a self, _path: &'a VPath) -> Op<'a, ()> {
        unsupported("rmdir")
    }

    /// Gives an object another name within this driver.
    fn rename<'a>(&'a self, _old: &'a VPath, _new: &'a VPath, _how: RenameHow) -> Op<'a, ()> {
        unsupported("rename")
    }

    /// Gives a file one more name within this driver.
    fn link<'a>(&'a self, _old: &'a VPath, _new: &'a VPath) -> Op<'a, ()> {
        unsupported("link")
    }

    /// Makes a symbolic link with this text.
    fn symlink<'a>(&'a self, _text: &'a [u8], _new: &'a VPath) -> Op<'a, ()> {
        unsupported("symlink")
    }

    /// Changes attributes: all that are given, or an error.
    fn set_attrs<'a>(&'a self, _path: &'a VPath, _attrs: SetAttrs) -> Op<'a, ()> {
        unsupported("change of attributes")
    }

    /// The value of one extended attribute. ENODATA if it is absent.
    fn getxattr<'a>(&'a self, _path: &'a VPath, _name: &'a [u8]) -> Op<'a, Vec<u8>> {
        unsupported("getxattr")
    }

    /// The names of the extended attributes.
    fn listxattr<'a>(&'a self, _path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        unsupported("listxattr")
    }

    /// Sets an extended attribute.
    fn setxattr<'a>(
        &'a self,
        _path: &'a VPath,
        _name: &'a [u8],
        _value: &'a [u8],
        _how: XattrHow,
    ) -> Op<'a, ()> {
        unsupported("setxattr")
    }

    /// Takes an extended attribute away. ENODATA if it is absent.
    fn removexattr<'a>(&'a self, _path: &'a VPath, _name: &'a [u8]) -> Op<'a, ()> {
        unsupported("removexattr")
    }
}

/// An open regular file of a driver. It stays usable when its name is changed, made unreadable or taken away, as an
/// open file does in the kernel. Dropping the last reference closes it; what was written is at the server when the
/// write returned.
pub trait File: Send + Sync {
    /// Attributes now.
    fn stat(&self) -> Op<'_, Stat>;

    /// Up to `len` bytes from `offset`. Fewer only at the end of the file; empty at or beyond it.
    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes>;

    /// Writes all of `data` at `offset`, extending the file as need be.
    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()>;

    /// Cuts or extends the file.
    fn truncate(&self, size: u64) -> Op<'_, ()>;

    /// Returns when the server has put it on stable storage.
    fn sync(&self) -> Op<'_, ()>;

    /// Changes attributes: all that are given, or an error. ESTALE for times, where the server dates files by name and the name is another
    /// file's or nobody's by now.
    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()>;

    /// It was given another name. What finds its file again by name, after a lost connection, needs to know.
    fn moved(&self, _path: &VPath) {}
}
