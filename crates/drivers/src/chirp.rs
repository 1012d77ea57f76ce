//! Chirp servers.

use bytes::Bytes;
use mynah_chirp::client::{self, RemoteFile, Session};
use mynah_chirp::proto::Dialect;
use mynah_net::Endpoint;
use mynah_vfs::{
    Capabilities, Driver, Entry, File, FileKind, FsStat, Op, OpenHow, Opened, RenameHow, SetAttrs, Stat,
    VPath, XattrHow,
};
use std::sync::Arc;
use std::time::Duration;

/// What a driver for one server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChirpOptions {
    /// By when every call ends, and how long the server may leave one without progress.
    pub timeout: Duration,
    /// The most connections at one time.
    pub connections: usize,
}

impl Default for ChirpOptions {
    /// Five minutes, and [`client::CONNECTIONS`].
    fn default() -> ChirpOptions {
        ChirpOptions { timeout: Duration::from_secs(5 * 60), connections: client::CONNECTIONS }
    }
}

/// The files of one Chirp server. Links are never followed, here or there.
pub struct ChirpDriver {
    server: String,
    session: Arc<Session>,
}

impl ChirpDriver {
    /// A driver for the server at `endpoint`, which is not spoken to before the first call. Calls have to be made within a tokio
    /// runtime with I/O and time.
    #[must_use]
    #[allow(clippy::new_ret_no_self, reason = "a driver is used through its trait")]
    pub fn new(endpoint: Endpoint, options: ChirpOptions) -> Arc<dyn Driver> {
        let ChirpOptions { timeout, connections } = options;
        let server = format!("chirp://{endpoint}");
        let session = Session::new(endpoint, client::Options { timeout, connections });
        Arc::new(ChirpDriver { server, session })
    }
}

impl Driver for ChirpDriver {
    /// Until the server has been asked what it can do, the least is claimed.
    fn capabilities(&self) -> Capabilities {
        let time_step_ns = match self.session.known_dialect() {
            Some(Dialect::Extended) => 1,
            Some(Dialect::Standard) | None => 1_000_000_000,
        };
        Capabilities { write: true, stable_ids: true, time_step_ns }
    }

    fn server(&self) -> Option<&str> {
        Some(&self.server)
    }

    fn clock(&self) -> Option<Duration> {
        self.session.clock()
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        Box::pin(self.session.lstat(path))
    }

    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        Box::pin(self.session.list(path))
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        Box::pin(self.session.readlink(path))
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        Box::pin(async move {
            let (file, stat) = self.session.open(path, how).await?;
            Ok(Opened { file: Arc::new(ChirpFile(file)), stat })
        })
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        Box::pin(self.session.access(path, bits))
    }

    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat> {
        Box::pin(self.session.statfs(path))
    }

    fn md5<'a>(&'a self, path: &'a VPath) -> Op<'a, [u8; 16]> {
        Box::pin(self.session.md5(path))
    }

    fn mkdir<'a>(&'a self, path: &'a VPath, mode: u32) -> Op<'a, ()> {
        Box::pin(self.session.mkdir(path, mode))
    }

    fn mknod<'a>(&'a self, path: &'a VPath, kind: FileKind, mode: u32, rdev: u64) -> Op<'a, ()> {
        Box::pin(self.session.mknod(path, kind, mode, rdev))
    }

    fn unlink<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        Box::pin(self.session.unlink(path))
    }

    fn rmdir<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        Box::pin(self.session.rmdir(path))
    }

    fn rename<'a>(&'a self, old: &'a VPath, new: &'a VPath, how: RenameHow) -> Op<'a, ()> {
        Box::pin(self.session.rename(old, new, how))
    }

    fn link<'a>(&'a self, old: &'a VPath, new: &'a VPath) -> Op<'a, ()> {
        Box::pin(self.session.link(old, new))
    }

    fn symlink<'a>(&'a self, text: &'a [u8], new: &'a VPath) -> Op<'a, ()> {
        Box::pin(self.session.symlink(text, new))
    }

    fn set_attrs<'a>(&'a self, path: &'a VPath, attrs: SetAttrs) -> Op<'a, ()> {
        Box::pin(self.session.set_attrs(path, attrs))
    }

    fn getxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, Vec<u8>> {
        Box::pin(self.session.getxattr(path, name))
    }

    fn listxattr<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        Box::pin(self.session.listxattr(path))
    }

    fn setxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8], value: &'a [u8], how: XattrHow) -> Op<'a, ()> {
        Box::pin(self.session.setxattr(path, name, value, how))
    }

    fn removexattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, ()> {
        Box::pin(self.session.removexattr(path, name))
    }
}

struct ChirpFile(RemoteFile);

impl File for ChirpFile {
    fn stat(&self) -> Op<'_, Stat> {
        Box::pin(self.0.stat())
    }

    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes> {
        Box::pin(self.0.read_at(offset, len))
    }

    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()> {
        Box::pin(self.0.write_at(offset, data))
    }

    fn truncate(&self, size: u64) -> Op<'_, ()> {
        Box::pin(self.0.truncate(size))
    }

    fn sync(&self) -> Op<'_, ()> {
        Box::pin(self.0.sync())
    }

    fn moved(&self, path: &VPath) {
        self.0.moved(path);
    }

    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()> {
        Box::pin(self.0.set_attrs(attrs))
    }
}
