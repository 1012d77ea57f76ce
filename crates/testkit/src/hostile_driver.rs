//! A driver that breaks its contract, for tests of those who rely on drivers.
//!
//! It stands over an honest one and twists what that says. Nothing that the agent does with its answers may end in a
//! panic, in a name outside the mount, in set-id bits or in a call that hangs beyond its deadline.

use bytes::Bytes;
use mynah_vfs::{
    Capabilities, Driver, Entry, File, FileId, FileKind, FsStat, Op, OpenHow, Opened, RenameHow, Result,
    SetAttrs, Stat, Time, VPath, XattrHow,
};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One way to break the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malice {
    /// Listings also hold names that no entry can have.
    BadNames,
    /// Listings hold each name twice.
    DuplicateNames,
    /// Listings hold so many more entries.
    ManyNames(usize),
    /// Sizes beyond what a signed number can say.
    AbsurdSizes,
    /// Every object has set-id and sticky bits and all rights for all.
    SetIdModes,
    /// Regular files are shown as block devices, the first disk.
    Devices,
    /// Times that no calendar has.
    AbsurdTimes,
    /// Every look gives another identity.
    ChangingIds,
    /// All objects have one identity.
    OneId,
    /// Every link has this text.
    LinkText(Vec<u8>),
    /// Reads give one byte less than there is.
    ShortReads,
    /// Reads give more than was asked for.
    LongReads,
    /// These calls are never answered.
    Hangs(Call),
}

/// A call of [`Driver`] or [`File`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each has the name of its method")]
pub enum Call {
    Lstat,
    List,
    Readlink,
    Open,
    Access,
    Statfs,
    Mkdir,
    Mknod,
    Unlink,
    Rmdir,
    Rename,
    Link,
    Symlink,
    SetAttrs,
    Getxattr,
    Listxattr,
    Setxattr,
    Removexattr,
    FileStat,
    FileReadAt,
    FileWriteAt,
    FileTruncate,
    FileSync,
    FileSetAttrs,
}

/// Names that no directory entry can have, and one that is too long.
#[must_use]
pub fn bad_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> =
        [&b"."[..], b"..", b"/", b"a/b", b"/etc/passwd", b"../escape", b"nul\0name", b"\0"]
            .iter()
            .map(|name| name.to_vec())
            .collect();
    names.push(vec![b'n'; 256]);
    names.push(vec![b'n'; 100_000]);
    // Last, for on Chirp's wire it ends the listing.
    names.push(Vec::new());
    names
}

/// Twists an honest driver's answers; see the [module](self).
pub struct HostileDriver {
    twist: Arc<Twist>,
    inner: Arc<dyn Driver>,
}

struct Twist {
    malice: Vec<Malice>,
    next_id: AtomicU64,
}

impl HostileDriver {
    /// Breaks the contract of `inner` in all these ways.
    #[must_use]
    pub fn over(inner: Arc<dyn Driver>, malice: &[Malice]) -> HostileDriver {
        HostileDriver {
            twist: Arc::new(Twist { malice: malice.to_vec(), next_id: AtomicU64::new(1 << 40) }),
            inner,
        }
    }
}

impl Twist {
    fn has(&self, malice: &Malice) -> bool {
        self.malice.contains(malice)
    }

    /// The call itself, or one that never ends.
    fn pass<'a, T: Send + 'a>(&self, call: Call, op: Op<'a, T>) -> Op<'a, T> {
        if self.has(&Malice::Hangs(call)) { Box::pin(pending()) } else { op }
    }

    fn stat(&self, mut stat: Stat) -> Stat {
        if self.has(&Malice::AbsurdSizes) {
            stat.size = u64::MAX;
            stat.blocks = u64::MAX;
            stat.nlink = u64::MAX;
        }
        if self.has(&Malice::SetIdModes) {
            stat.mode = 0o7777;
        }
        if self.has(&Malice::Devices) && stat.kind == FileKind::Regular {
            stat.kind = FileKind::BlockDevice;
            stat.rdev = 8 << 8;
        }
        if self.has(&Malice::AbsurdTimes) {
            let never = Time { sec: i64::MIN, nsec: u32::MAX };
            (stat.atime, stat.mtime, stat.ctime) = (never, Time { sec: i64::MAX, ..never }, never);
        }
        if self.has(&Malice::ChangingIds) {
            stat.id = FileId(self.next_id.fetch_add(1, Ordering::Relaxed));
        }
        if self.has(&Malice::OneId) {
            stat.id = FileId(1);
        }
        stat
    }

    fn entries(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut twisted: Vec<Entry> = entries
            .into_iter()
            .map(|entry| Entry { stat: entry.stat.map(|stat| self.stat(stat)), ..entry })
            .collect();
        if self.has(&Malice::DuplicateNames) {
            twisted.extend(twisted.clone());
        }
        if self.has(&Malice::BadNames) {
            twisted.extend(bad_names().into_iter().map(bare));
        }
        for malice in &self.malice {
            if let Malice::ManyNames(count) = malice {
                twisted.extend((0..*count).map(|number| bare(format!("many-{number}").into_bytes())));
            }
        }
        twisted
    }

    fn link_text(&self, text: Vec<u8>) -> Vec<u8> {
        self.malice
            .iter()
            .find_map(|malice| match malice {
                Malice::LinkText(text) => Some(text.clone()),
                _ => None,
            })
            .unwrap_or(text)
    }

    fn read(&self, asked: usize, data: &Bytes) -> Bytes {
        if self.has(&Malice::LongReads) {
            return Bytes::from(vec![b'x'; asked + 4096]);
        }
        let short = usize::from(self.has(&Malice::ShortReads));
        data.slice(..data.len().saturating_sub(short))
    }
}

fn bare(name: Vec<u8>) -> Entry {
    Entry { name, stat: None }
}

/// The answer, twisted if there is one.
fn twisted<'a, T: Send + 'a>(op: Op<'a, T>, twist: impl FnOnce(T) -> T + Send + 'a) -> Op<'a, T> {
    Box::pin(async move { op.await.map(twist) })
}

impl Driver for HostileDriver {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        let op = twisted(self.inner.lstat(path), |stat| self.twist.stat(stat));
        self.twist.pass(Call::Lstat, op)
    }

    fn list<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Entry>> {
        let op = twisted(self.inner.list(path), |entries| self.twist.entries(entries));
        self.twist.pass(Call::List, op)
    }

    fn readlink<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<u8>> {
        let op = twisted(self.inner.readlink(path), |text| self.twist.link_text(text));
        self.twist.pass(Call::Readlink, op)
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        let op = twisted(self.inner.open(path, how), |opened| Opened {
            file: Arc::new(HostileFile { twist: Arc::clone(&self.twist), inner: opened.file }),
            stat: self.twist.stat(opened.stat),
        });
        self.twist.pass(Call::Open, op)
    }

    fn access<'a>(&'a self, path: &'a VPath, bits: u32) -> Op<'a, ()> {
        self.twist.pass(Call::Access, self.inner.access(path, bits))
    }

    fn statfs<'a>(&'a self, path: &'a VPath) -> Op<'a, FsStat> {
        self.twist.pass(Call::Statfs, self.inner.statfs(path))
    }

    fn mkdir<'a>(&'a self, path: &'a VPath, mode: u32) -> Op<'a, ()> {
        self.twist.pass(Call::Mkdir, self.inner.mkdir(path, mode))
    }

    fn mknod<'a>(&'a self, path: &'a VPath, kind: FileKind, mode: u32, rdev: u64) -> Op<'a, ()> {
        self.twist.pass(Call::Mknod, self.inner.mknod(path, kind, mode, rdev))
    }

    fn unlink<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.twist.pass(Call::Unlink, self.inner.unlink(path))
    }

    fn rmdir<'a>(&'a self, path: &'a VPath) -> Op<'a, ()> {
        self.twist.pass(Call::Rmdir, self.inner.rmdir(path))
    }

    fn rename<'a>(&'a self, old: &'a VPath, new: &'a VPath, how: RenameHow) -> Op<'a, ()> {
        self.twist.pass(Call::Rename, self.inner.rename(old, new, how))
    }

    fn link<'a>(&'a self, old: &'a VPath, new: &'a VPath) -> Op<'a, ()> {
        self.twist.pass(Call::Link, self.inner.link(old, new))
    }

    fn symlink<'a>(&'a self, text: &'a [u8], new: &'a VPath) -> Op<'a, ()> {
        self.twist.pass(Call::Symlink, self.inner.symlink(text, new))
    }

    fn set_attrs<'a>(&'a self, path: &'a VPath, attrs: SetAttrs) -> Op<'a, ()> {
        self.twist.pass(Call::SetAttrs, self.inner.set_attrs(path, attrs))
    }

    fn getxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, Vec<u8>> {
        self.twist.pass(Call::Getxattr, self.inner.getxattr(path, name))
    }

    fn listxattr<'a>(&'a self, path: &'a VPath) -> Op<'a, Vec<Vec<u8>>> {
        self.twist.pass(Call::Listxattr, self.inner.listxattr(path))
    }

    fn setxattr<'a>(&'a self, path: &'a VPath, name: &'a [u8], value: &'a [u8], how: XattrHow) -> Op<'a, ()> {
        self.twist.pass(Call::Setxattr, self.inner.setxattr(path, name, value, how))
    }

    fn removexattr<'a>(&'a self, path: &'a VPath, name: &'a [u8]) -> Op<'a, ()> {
        self.twist.pass(Call::Removexattr, self.inner.removexattr(path, name))
    }
}

struct HostileFile {
    twist: Arc<Twist>,
    inner: Arc<dyn File>,
}

impl File for HostileFile {
    fn stat(&self) -> Op<'_, Stat> {
        self.twist.pass(Call::FileStat, twisted(self.inner.stat(), |stat| self.twist.stat(stat)))
    }

    fn read_at(&self, offset: u64, len: usize) -> Op<'_, Bytes> {
        let op = twisted(self.inner.read_at(offset, len), move |data| self.twist.read(len, &data));
        self.twist.pass(Call::FileReadAt, op)
    }

    fn write_at(&self, offset: u64, data: Bytes) -> Op<'_, ()> {
        self.twist.pass(Call::FileWriteAt, self.inner.write_at(offset, data))
    }

    fn truncate(&self, size: u64) -> Op<'_, ()> {
        self.twist.pass(Call::FileTruncate, self.inner.truncate(size))
    }

    fn sync(&self) -> Op<'_, ()> {
        self.twist.pass(Call::FileSync, self.inner.sync())
    }

    fn set_attrs(&self, attrs: SetAttrs) -> Op<'_, ()> {
        self.twist.pass(Call::FileSetAttrs, self.inner.set_attrs(attrs))
    }
}

/// Fills an honest driver with what tests of hostility look at: `file` ("content\n"), `dir/inner` ("inner\n"), and `link`,
/// which leads to `file`.
///
/// # Errors
/// Those of the driver.
pub async fn furnish(driver: &dyn Driver) -> Result<()> {
    let root = VPath::root();
    let dir = root.child(b"dir");
    driver.mkdir(&dir, 0o755).await?;
    for (path, content) in [(root.child(b"file"), "content\n"), (dir.child(b"inner"), "inner\n")] {
        let how = OpenHow { write: true, create: true, mode: 0o644, ..OpenHow::default() };
        driver.open(&path, how).await?.file.write_at(0, Bytes::from_static(content.as_bytes())).await?;
    }
    driver.symlink(b"file", &root.child(b"link")).await
}
