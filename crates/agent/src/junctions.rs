//! The directories that only the namespace knows: service roots such as `/chirp`, and what lies above a mount point where
//! the machine has nothing. They list mounts, and cannot be changed.

use mynah_vfs::mounts::MountOptions;
use mynah_vfs::{
    Capabilities, Driver, DriverId, Entry, Errno, Error, FileId, FileKind, FsStat, Mount, Namespace,
    NamespaceId, Op, OpenHow, Opened, Stat, Time, VPath,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The number of those of one namespace. Drivers count up from 0, these down from the top.
fn driver_id(namespace: NamespaceId) -> DriverId {
    DriverId(u32::MAX - namespace.0)
}

/// Whether a mount is these directories.
pub(crate) fn is_mount(mount: &Mount) -> bool {
    mount.driver_id == driver_id(mount.namespace)
}

/// The magic number of ramfs, which is what a directory without a disk is.
const RAMFS_MAGIC: u64 = 0x8584_58f6;

struct Junctions {
    namespace: Arc<Namespace>,
}

/// All of them as one mount over everything, so that the agent treats them like any other remote directory.
pub(crate) fn mount(namespace: &Arc<Namespace>) -> Arc<Mount> {
    Arc::new(Mount {
        namespace: namespace.id(),
        prefix: VPath::root(),
        driver: Arc::new(Junctions { namespace: Arc::clone(namespace) }),
        driver_id: driver_id(namespace.id()),
        base: VPath::root(),
        options: MountOptions { read_only: true, ..MountOptions::default() },
        native: false,
    })
}

fn ready<'a, T: Send + 'a>(result: Result<T, Error>) -> Op<'a, T> {
    Box::pin(std::future::ready(result))
}

fn stat_of(path: &VPath) -> Stat {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    Stat {
        kind: FileKind::Directory,
        mode: 0o555,
        id: FileId(hasher.finish() >> 1),
        nlink: 2,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        blksize: 4096,
        blocks: 0,
        atime: Time::default(),
        mtime: Time::default(),
        ctime: Time::default(),
        btime: None,
        local_dev: None,
    }
}

impl Driver for Junctions {
    fn capabilities(&self) -> Capabilities {
        Capabilities { write: false, stable_ids: true, time_step_ns: 1 }
    }

    fn lstat<'a>(&'a self, path: &'a VPath) -> Op<'a, Stat> {
        ready(Ok(stat_of(path)))
    }

    fn list<'a>(&'a self, _path: &'a VPath) -> Op<'a, Vec<Entry>> {
        // Mount points are put into every listing by the agent; nothing else is here.
        ready(Ok(Vec::new()))
    }

    fn readlink<'a>(&'a self, _path: &'a VPath) -> Op<'a, Vec<u8>> {
        ready(Err(Errno::EINVAL.into()))
    }

    fn open<'a>(&'a self, path: &'a VPath, how: OpenHow) -> Op<'a, Opened> {
        let known = self.namespace.lies_above_mounts(path)
            || matches!(self.namespace.lookup(path), mynah_vfs::Place::ServiceRoot);
        ready(Err(match (known, how.create) {
            (true, _) => Errno::EISDIR.into(),
            (false, true) => Errno::EROFS.into(),
            (false, false) => Errno::ENOENT.into(),
        }))
    }

    fn access<'a>(&'a self, _path: &'a VPath, bits: u32) -> Op<'a, ()> {
        let writes = bits & libc::W_OK as u32 != 0;
        ready(if writes { Err(Errno::EROFS.into()) } else { Ok(()) })
    }

    fn statfs<'a>(&'a self, _path: &'a VPath) -> Op<'a, FsStat> {
        ready(Ok(FsStat {
            kind: RAMFS_MAGIC,
            bsize: 4096,
            blocks: 0,
            bfree: 0,
            bavail: 0,
            files: 0,
            ffree: 0,
        }))
    }
}
