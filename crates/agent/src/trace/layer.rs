//! A layer over a driver, which tells of each request.

use super::calls::{UnderWay, current};
use super::format::{Record, Request, Text};
use super::{Tracer, nanoseconds, text};
use bytes::Bytes;
use mynah_vfs::mounts::{MountOptions, Url};
use mynah_vfs::{
    Capabilities, Connector, Driver, Entry, Error, File, FileKind, FsStat, Op, OpenHow, Opened, RenameHow,
    Result, SetAttrs, Stat, VPath, XattrHow,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes drivers with the layer over them.
pub(super) struct Layered {
    pub(super) inner: Arc<dyn Connector>,
    pub(super) tracer: Arc<Tracer>,
}

impl Connector for Layered {
    fn connect(&self, url: &Url, options: &MountOptions) -> Result<Arc<dyn Driver>> {
        let inner = self.inner.connect(url, options)?;
        // A driver of the machine's own files asks nobody.
        let Some(server) = inner.server().map(|server| text(server.as_bytes())) else { return Ok(inner) };
        Ok(Arc::new(Traced { inner, asker: Asker { tracer: Arc::clone(&self.tracer), server } }))
    }

    fn resolver(&self, prefix: &VPath, program: &VPath, options: &MountOptions) -> Result<Arc<dyn Driver>> {
        self.inner.resolver(prefix, program, options)
    }

    fn native(&self) -> Arc<dyn Driver> {
        self.inner.native()
    }
}

/// Whose requests these are.
#[derive(Clone)]
struct Asker {
    tracer: Arc<Tracer>,
    server: Text,
}

/// What an answer tells beyond its value.
#[derive(Default)]
struct Learned {
    fetched: u64,
    sent: u64,
    size: Option<u64>,
}

impl Learned {
    fn size(stat: &Stat) -> Learned {
        Learned { size: Some(stat.size), ..Learned::default() }
    }
}

fn nothing<T>(_: &T) -> Learned {
    Learned::default()
}

impl Asker {
    /// `op`, told of when it ends or is dropped.
    fn ask<'a, T: Send + 'a>(
        &self,
        operation: &'static str,
        path: &Text,
        other: Option<&VPath>,
        op: Op<'a, T>,
        learned: impl FnOnce(&T) -> Learned + Send + 'a,
    ) -> Op<'a, T> {
        let asker = self.clone();
        let path = Arc::clone(path);
        let other = other.map(|other| text(other.as_bytes()));
        Box::pin(async move {
            let mut asked = Asked::begin(asker, operation, path, other);
            let result = op.await;
            match &result {
                Ok(value) => asked.answered(0, learned(value)),
                Err(error) => asked.failed(error),
            }
            result
        })
    }
}

/// A request under way; told of when it is dropped.
struct Asked {
    asker: Asker,
    call: Option<Arc<UnderWay>>,
    began: Instant,
    operation: &'static str,
    path: Text,
    other: Option<Text>,
    /// `None` if it is given up.
    error: Option<i32>,
    learned: Learned,
}

impl Asked {
    fn begin(asker: Asker, operation: &'static str, path: Text, other: Option<Text>) -> Asked {
        let call = current();
        if let Some(call) = &call {
            call.asks(&asker.server, &path);
        }
        let began = Instant::now();
        Asked { asker, call, began, operation, path, other, error: None, learned: Learned::default() }
    }

    fn answered(&mut self, error: i32, learned: Learned) {
        self.error = Some(error);
        self.learned = learned;
    }

    fn failed(&mut self, error: &Error) {
        self.answered(error.errno().raw(), Learned::default());
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Learned { fetched, sent, size } = self.learned;
        if let Some(call) = &self.call {
            call.moved(fetched, sent);
        }
        let tracer = &self.asker.tracer;
        tracer.record(&Record::Request(Box::new(Request {
            at: tracer.since_begin(self.began),
            took: nanoseconds(self.began.elapsed()),
            call: self.call.as_ref().map(|call| call.number()),
            server: Arc::clone(&self.asker.server),
            operation: text(self.operation.as_bytes()),
            path: Arc::clone(&self.path),
            other: self.other.take(),
            error: self.error,
            bytes: fetched + sent,
            size,
        })));
    }
}

struct Traced {
    inner: Arc<dyn Driver>,
    asker: Asker,
}

impl Traced {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        path: &VPath,
        op: Op<'a, T>,
        learned: impl FnOnce(&T) -> Learned + Send + 'a,
    ) -> Op<'a, T> {
        self.asker.ask(operation, &text(path.as_bytes()), None, op, learned)
    }

    fn ask_two<'a>(
        &'a self,
        operation: &'static str,
        path: &VPath,
        other: &VPath,
        op: Op<'a, ()>,
    ) -> Op<'a, ()> {
        self.asker.ask(operation, &text(path.as_bytes()), Some(other), op, nothing)
    }
}

impl Driver for Traced {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn server(&self) -> Option<&str> {
        self.inner.server()
    }

    fn local_path(&self, path: &VPath) -> Option<PathBuf> {
        self.inner.local_path(path)
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        self.ask("lstat", path, self.inner.lstat(path), Learned::size)
    }

    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        self.ask("list", path, self.inner.list(path), nothing)
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        self.ask("readlink", path, self.inner.readlink(path), nothing)
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        let told = text(path.as_bytes());
        let size = |opened: &Opened| Learned::size(&opened.stat);
        let opening = self.asker.ask("open", &told, None, self.inner.open(path, how), size);
        let asker = self.asker.clone();
        Box::pin(async move {
            let Opened { file, stat } = opening.await?;
            Ok(Opened { file: Arc::new(TracedFile { inner: file, asker, path: told }), stat })
        })
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        self.ask("access", path, self.inner.access(path, bits), nothing)
    }

    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat> {
        self.ask("statfs", path, self.inner.statfs(path), nothing)
    }

    fn clock(&self) -> Option<Duration> {
        self.inner.clock()
    }

    fn md5<'a>(&'a self, path: &'a VPath) -> Op<'a, [u8; 16]> {
        self.ask("md5", path, self.inner.md5(path), nothing)
    }

    fn mkdir<'a>(&'a self, path: &'a VPath, mode: u32) -> Op<'a, ()> {
        self.ask("mkdir", path, self.inner.mkdir(path, mode), nothing)
    }

    fn mknod<'a>(&'a self, path: &'a VPath, kind: FileKind, mode: u32, rdev: u64) -> Op<'a, ()> {
        self.ask("mknod", path, self.inner.mknod(path, kind, mode, rdev), nothing)
    }

    fn unlink<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.ask("unlink", path, self.inner.unlink(path), nothing)
    }

    fn rmdir<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.ask("rmdir", path, self.inner.rmdir(path), nothing)
    }

    fn rename<'a>(&'a self, old: &'a VPath, new: &'a VPath, how: RenameHow) -> Op<'a, ()> {
        self.ask_two("rename", old, new, self.inner.rename(old, new, how))
    }

    fn link<'a>(&'a self, old: &'a VPath, new: &'a VPath) -> Op<'a, ()> {
        self.ask_two("link", old, new, self.inner.link(old, new))
    }

    fn symlink<'a>(&'a self, told: &'a [u8], new: &'a VPath) -> Op<'a, ()> {
        self.ask("symlink", new, self.inner.symlink(told, new), nothing)
    }

    fn set_attrs<'a>(&'a self, path: &'a VPath, attrs: SetAttrs) -> Op<'a, ()> {
        self.ask("set_attrs", path, self.inner.set_attrs(path, attrs), nothing)
    }

    fn getxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, Vec<u8>> {
        self.ask("getxattr", path, self.inner.getxattr(path, name), nothing)
    }

    fn listxattr<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        self.ask("listxattr", path, self.inner.listxattr(path), nothing)
    }

    fn setxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8], value: &'a [u8], how: XattrHow) -> Op<'a, ()> {
        self.ask("setxattr", path, self.inner.setxattr(path, name, value, how), nothing)
    }

    fn removexattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, ()> {
        self.ask("removexattr", path, self.inner.removexattr(path, name), nothing)
    }
}

struct TracedFile {
    inner: Arc<dyn File>,
    asker: Asker,
    path: Text,
}

impl TracedFile {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        op: Op<'a, T>,
        learned: impl FnOnce(&T) -> Learned + Send + 'a,
    ) -> Op<'a, T> {
        self.asker.ask(operation, &self.path, None, op, learned)
    }
}

impl File for TracedFile {
    fn stat(&self) -> Op<'_, Stat> {
        self.ask("fstat", self.inner.stat(), Learned::size)
    }

    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes> {
        self.ask("read", self.inner.read_at(offset, len), |data| Learned {
            fetched: data.len() as u64,
            ..Learned::default()
        })
    }

    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()> {
        let sent = data.len() as u64;
        self.ask("write", self.inner.write_at(offset, data), move |()| Learned { sent, ..Learned::default() })
    }

    fn truncate(&self, size: u64) -> Op<'_, ()> {
        self.ask("truncate", self.inner.truncate(size), move |()| Learned {
            size: Some(size),
            ..Learned::default()
        })
    }

    fn sync(&self) -> Op<'_, ()> {
        self.ask("sync", self.inner.sync(), nothing)
    }

    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()> {
        self.ask("fset_attrs", self.inner.set_attrs(attrs), nothing)
    }

    fn moved(&self, path: &VPath) {
        self.inner.moved(path);
    }
}
