//! A driver in memory: the reference model of the driver suite.

mod content;
mod tree;

use crate::{
    Capabilities, Driver, Entry, Errno, Error, File, FileKind, FsStat, Op, OpenHow, Opened, RenameHow,
    SetAttrs, Stat, Time, VPath, XattrHow,
};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tree::Tree;

/// Says what time it is.
type Clock = Box<dyn FnMut() -> Time + Send>;

/// Files in memory, as a Linux file system shows them to the superuser.
///
/// No permission bit is checked but that [`Driver::access`] asks one execute bit of a file, as the kernel does even for
/// root. Reading leaves `atime` alone. All calls are done, under one lock, when their future is first polled; none waits.
pub struct MemDriver {
    tree: Arc<Mutex<Tree>>,
}

impl MemDriver {
    /// An empty root directory of mode 0755, owned by user and group 0. The clock begins in September 2001 and moves on by a
    /// microsecond each time it is asked, so every run is the same.
    #[must_use]
    pub fn new() -> MemDriver {
        let mut now = Time { sec: 1_000_000_000, nsec: 0 };
        MemDriver::with_clock(move || {
            now.nsec += 1000;
            if now.nsec >= 1_000_000_000 {
                now = Time { sec: now.sec + 1, nsec: 0 };
            }
            now
        })
    }

    /// As [`MemDriver::new`], with a clock of the caller's.
    #[must_use]
    pub fn with_clock(clock: impl FnMut() -> Time + Send + 'static) -> MemDriver {
        MemDriver { tree: Arc::new(Mutex::new(Tree::new(Box::new(clock)))) }
    }

    fn at_path<'a, T: Send + 'a>(
        &'a self,
        what: &'static str,
        path: &'a VPath,
        call: impl FnOnce(&mut Tree) -> tree::Result<T> + Send + 'a,
    ) -> Op<'a, T> {
        Box::pin(async move {
            call(&mut lock(&self.tree)).map_err(|errno| Error::new(errno, format!("{what} of {path}")))
        })
    }
}

impl Default for MemDriver {
    fn default() -> MemDriver {
        MemDriver::new()
    }
}

impl fmt::Debug for MemDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDriver").finish_non_exhaustive()
    }
}

/// A panic in another call leaves nothing half done that could not be looked at.
fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver for MemDriver {
    fn capabilities(&self) -> Capabilities {
        Capabilities { write: true, stable_ids: true, time_step_ns: 1 }
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        self.at_path("lstat", path, |tree| tree.lstat(path))
    }

    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        self.at_path("listing", path, |tree| tree.list(path))
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        self.at_path("readlink", path, |tree| tree.readlink(path))
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        self.at_path("open", path, move |tree| {
            let (node, stat) = tree.open(path, how)?;
            let file = MemFile { tree: Arc::clone(&self.tree), node, read: how.read, write: how.write };
            Ok(Opened { file: Arc::new(file), stat })
        })
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        self.at_path("access check", path, move |tree| tree.access(path, bits))
    }

    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat> {
        self.at_path("statfs", path, |tree| tree.statfs(path))
    }

    fn mkdir<'a>(&'a self, path: &'a VPath, mode: u32) -> Op<'a, ()> {
        self.at_path("mkdir", path, move |tree| tree.mkdir(path, mode))
    }

    fn mknod<'a>(&'a self, path: &'a VPath, kind: FileKind, mode: u32, rdev: u64) -> Op<'a, ()> {
        self.at_path("mknod", path, move |tree| tree.mknod(path, kind, mode, rdev))
    }

    fn unlink<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.at_path("unlink", path, |tree| tree.unlink(path))
    }

    fn rmdir<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.at_path("rmdir", path, |tree| tree.rmdir(path))
    }

    fn rename<'a>(&'a self, old: &'a VPath, new: &'a VPath, how: RenameHow) -> Op<'a, ()> {
        self.at_path("rename", old, move |tree| tree.rename(old, new, how))
    }

    fn link<'a>(&'a self, old: &'a VPath, new: &'a VPath) -> Op<'a, ()> {
        self.at_path("link", old, |tree| tree.link(old, new))
    }

    fn symlink<'a>(&'a self, text: &'a [u8], new: &'a VPath) -> Op<'a, ()> {
        self.at_path("symlink", new, |tree| tree.symlink(text, new))
    }

    fn set_attrs<'a>(&'a self, path: &'a VPath, attrs: SetAttrs) -> Op<'a, ()> {
        self.at_path("change of attributes", path, move |tree| tree.set_attrs(path, &attrs))
    }

    fn getxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, Vec<u8>> {
        self.at_path("getxattr", path, |tree| tree.getxattr(path, name))
    }

    fn listxattr<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        self.at_path("listxattr", path, |tree| tree.listxattr(path))
    }

    fn setxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8], value: &'a [u8], how: XattrHow) -> Op<'a, ()> {
        self.at_path("setxattr", path, move |tree| tree.setxattr(path, name, value, how))
    }

    fn removexattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, ()> {
        self.at_path("removexattr", path, |tree| tree.removexattr(path, name))
    }
}

/// One open of a file in memory.
struct MemFile {
    tree: Arc<Mutex<Tree>>,
    node: tree::NodeId,
    read: bool,
    write: bool,
}

impl MemFile {
    /// A call on the open file; `allowed` is whether it was opened for that, and `otherwise` the errno if not.
    fn at_node<'a, T: Send + 'a>(
        &'a self,
        what: &'static str,
        allowed: bool,
        otherwise: Errno,
        call: impl FnOnce(&mut Tree, tree::NodeId) -> tree::Result<T> + Send + 'a,
    ) -> Op<'a, T> {
        Box::pin(async move {
            let result = if allowed { call(&mut lock(&self.tree), self.node) } else { Err(otherwise) };
            result.map_err(|errno| Error::new(errno, format!("{what} an open file in memory")))
        })
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        lock(&self.tree).close(self.node);
    }
}

impl File for MemFile {
    fn stat(&self) -> Op<'_, Stat> {
        self.at_node("fstat of", true, Errno::EBADF, |tree, node| tree.stat_node(node))
    }

    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes> {
        self.at_node("reading", self.read, Errno::EBADF, move |tree, node| tree.read(node, offset, len))
    }

    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()> {
        self.at_node("writing", self.write, Errno::EBADF, move |tree, node| tree.write(node, offset, &data))
    }

    fn truncate(&self, size: u64) -> Op<'_, ()> {
        self.at_node("truncating", self.write, Errno::EINVAL, move |tree, node| tree.truncate(node, size))
    }

    fn sync(&self) -> Op<'_, ()> {
        // Memory is all the storage there is, so what was written is there.
        self.at_node("syncing", true, Errno::EBADF, |_, _| Ok(()))
    }

    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()> {
        let allowed = self.write || attrs.size.is_none();
        self.at_node("changing attributes of", allowed, Errno::EINVAL, move |tree, node| {
            tree.set_node_attrs(node, &attrs)
        })
    }
}
