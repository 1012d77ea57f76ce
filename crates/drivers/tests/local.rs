//! The local driver: the suite, and what only it promises.

use mynah_drivers::LocalDriver;
use mynah_testkit::conformance::{self, Abilities};
use mynah_testkit::differential::{self, Plan};
use mynah_testkit::scratch::Scratch;
use mynah_vfs::{Driver, Errno, FileKind, MemDriver, OpenHow, RenameHow, SetAttrs, VPath};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

const READ: OpenHow =
    OpenHow { read: true, write: false, create: false, exclusive: false, truncate: false, mode: 0 };
const CREATE: OpenHow =
    OpenHow { read: true, write: true, create: true, exclusive: false, truncate: false, mode: 0o600 };

fn path(text: &str) -> VPath {
    VPath::normal(text.as_bytes()).expect("no NUL")
}

/// An empty directory, in a process whose umask does not touch modes: what every server process does.
fn scratch(name: &str) -> Scratch {
    rustix::process::umask(rustix::fs::Mode::empty());
    Scratch::new(name).expect("a scratch directory")
}

/// Whether the file system can hold `user.` attributes: not every one that a test may run on does.
fn has_xattrs(dir: &Path) -> bool {
    let probe = dir.join("probe");
    fs::write(&probe, "").expect("a writable directory");
    let can = rustix::fs::setxattr(&probe, "user.probe", b"", rustix::fs::XattrFlags::empty()).is_ok();
    fs::remove_file(probe).expect("our own file");
    can
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn suite() {
    let dir = scratch("suite");
    let able = Abilities { xattrs: has_xattrs(dir.path()), ..Abilities::ALL };
    conformance::run(LocalDriver::new(dir.path()).unwrap(), able).await;
}

#[tokio::test]
async fn agrees_with_the_model() {
    for seed in 1..=20 {
        let dir = scratch("differential");
        let able = Abilities { xattrs: has_xattrs(dir.path()), ..Abilities::ALL };
        let driver = LocalDriver::new(dir.path()).unwrap();
        differential::run(&MemDriver::new(), &*driver, Plan { seed, steps: 1500, able }).await;
    }
}

#[tokio::test]
async fn no_link_leads_out() {
    let dir = scratch("beneath");
    fs::create_dir(dir.join("root")).unwrap();
    fs::write(dir.join("secret"), "secret").unwrap();
    symlink("..", dir.join("root/up")).unwrap();
    symlink(dir.path(), dir.join("root/absolute")).unwrap();
    symlink("/proc/self/root", dir.join("root/magic")).unwrap();
    symlink("../secret", dir.join("root/file")).unwrap();
    let driver = LocalDriver::new(dir.join("root")).unwrap();
    for name in ["up/secret", "absolute/secret", "magic/etc", "file"] {
        let path = path(name);
        assert_eq!(driver.open(&path, READ).await.err().unwrap().errno(), Errno::ELOOP, "{name}");
        assert_eq!(driver.open(&path, CREATE).await.err().unwrap().errno(), Errno::ELOOP, "{name}");
    }
    for name in ["up/x", "absolute/x", "magic/x"] {
        let path = path(name);
        for result in [
            driver.mkdir(&path, 0o755).await,
            driver.unlink(&path).await,
            driver.symlink(b"x", &path).await,
            driver.mknod(&path, FileKind::Fifo, 0o600, 0).await,
            driver.rename(&VPath::root().child(b"file"), &path, RenameHow::Replace).await,
            driver.set_attrs(&path, SetAttrs { mode: Some(0), ..SetAttrs::default() }).await,
        ] {
            assert_eq!(result.unwrap_err().errno(), Errno::ELOOP, "{name}");
        }
    }
    assert_eq!(fs::read(dir.join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn a_root_that_is_moved_is_served_on() {
    let dir = scratch("moved");
    fs::create_dir(dir.join("root")).unwrap();
    let driver = LocalDriver::new(dir.join("root")).unwrap();
    fs::rename(dir.join("root"), dir.join("elsewhere")).unwrap();
    driver.mkdir(&path("d"), 0o755).await.unwrap();
    assert!(dir.join("elsewhere/d").is_dir());
}

#[tokio::test]
async fn one_file() {
    let dir = scratch("file");
    fs::write(dir.join("other"), "other").unwrap();
    let driver = LocalDriver::file(dir.join("f")).unwrap();
    let root = VPath::root();
    assert_eq!(driver.lstat(&root).await.unwrap_err().errno(), Errno::ENOENT);
    let opened = driver.open(&root, CREATE).await.unwrap();
    opened.file.write_at(0, "content".into()).await.unwrap();
    assert_eq!(fs::read(dir.join("f")).unwrap(), b"content");
    assert_eq!(driver.lstat(&root).await.unwrap().size, 7);
    assert_eq!(driver.local_path(&root), Some(dir.join("f")));
    assert_eq!(driver.local_path(&path("other")), None);
    for (result, errno) in [
        (driver.lstat(&path("other")).await.map(drop), Errno::ENOTDIR),
        (driver.list(&root).await.map(drop), Errno::ENOTDIR),
        (driver.readlink(&root).await.map(drop), Errno::EINVAL),
        (driver.unlink(&root).await, Errno::EBUSY),
        (driver.rmdir(&root).await, Errno::ENOTDIR),
        (driver.mkdir(&root, 0o755).await, Errno::EEXIST),
        (driver.rename(&root, &path("x"), RenameHow::Replace).await, Errno::EBUSY),
        (driver.link(&root, &path("x")).await, Errno::ENOTDIR),
    ] {
        assert_eq!(result.unwrap_err().errno(), errno);
    }
    // Whoever replaces it by a rename of his own has it served.
    fs::rename(dir.join("other"), dir.join("f")).unwrap();
    assert_eq!(driver.lstat(&root).await.unwrap().size, 5);
}

#[tokio::test]
async fn what_cannot_be_served_is_said() {
    let dir = scratch("absent");
    fs::write(dir.join("f"), "").unwrap();
    let absent = LocalDriver::new(dir.join("absent")).unwrap_err();
    assert_eq!(absent.errno(), Errno::ENOENT);
    assert!(absent.to_string().contains("absent"), "{absent}");
    assert_eq!(LocalDriver::new(dir.join("f")).unwrap_err().errno(), Errno::ENOTDIR);
    assert_eq!(LocalDriver::file("/").unwrap_err().errno(), Errno::EISDIR);
    assert_eq!(LocalDriver::file(dir.join("absent/f")).unwrap_err().errno(), Errno::ENOENT);
}

#[tokio::test]
async fn attributes_are_the_kernels() {
    let dir = scratch("attributes");
    fs::write(dir.join("f"), "content").unwrap();
    let _socket = UnixListener::bind(dir.join("s")).unwrap();
    let driver = LocalDriver::new(dir.path()).unwrap();
    for name in ["f", "s", ""] {
        let (stat, native) =
            (driver.lstat(&path(name)).await.unwrap(), fs::symlink_metadata(dir.join(name)).unwrap());
        assert_eq!(stat.full_mode(), native.mode());
        assert_eq!((stat.id.0, stat.local_dev), (native.ino(), Some(native.dev())));
        assert_eq!((stat.nlink, stat.size, stat.blocks), (native.nlink(), native.size(), native.blocks()));
        assert_eq!(
            (stat.uid, stat.gid, u64::from(stat.blksize)),
            (native.uid(), native.gid(), native.blksize())
        );
        assert_eq!((stat.mtime.sec, i64::from(stat.mtime.nsec)), (native.mtime(), native.mtime_nsec()));
        assert_eq!((stat.ctime.sec, i64::from(stat.ctime.nsec)), (native.ctime(), native.ctime_nsec()));
    }
    let null = LocalDriver::new("/dev").unwrap().lstat(&path("null")).await.unwrap();
    assert_eq!((null.kind, null.rdev), (FileKind::CharDevice, rustix::fs::makedev(1, 3)));
}

#[tokio::test]
async fn files_that_hide_their_size_are_read_whole() {
    let driver = LocalDriver::new("/proc/self").unwrap();
    let opened = driver.open(&path("status"), READ).await.unwrap();
    assert_eq!(opened.stat.size, 0);
    let text = opened.file.read_at(0, 1 << 20).await.unwrap();
    assert!(text.starts_with(b"Name:") && text.ends_with(b"\n"));
}

#[tokio::test]
async fn devices_are_never_opened() {
    let driver = LocalDriver::new("/dev").unwrap();
    assert_eq!(driver.open(&path("null"), READ).await.err().unwrap().errno(), Errno::ENXIO);
}
