//! Client and server in the standard dialect, as if each spoke to an existing program.

mod support;

use bytes::Bytes;
use mynah_chirp::client::Session;
use mynah_chirp::proto::Dialect;
use mynah_vfs::{Driver, Errno, FileKind, NewTime, OpenHow, RenameHow, SetAttrs, Time, XattrHow};
use std::sync::Arc;
use support::{CREATE, LONG, Loss, Proxy, READ, Serving, memory, path, put, session};

async fn standard() -> (Arc<dyn Driver>, Proxy, Arc<Session>) {
    let driver = memory();
    let proxy = Proxy::start_standard(Serving::start(Arc::clone(&driver)).port).await;
    let session = session(proxy.port, LONG);
    (driver, proxy, session)
}

#[tokio::test]
async fn files_and_directories() {
    let (driver, _proxy, session) = standard().await;
    session.mkdir(&path("/d"), 0o755).await.unwrap();
    assert_eq!(session.known_dialect(), Some(Dialect::Standard));
    let name = path("/d/a b\u{ef}\u{7f}%41");
    let (file, stat) = session.open(&name, OpenHow { mode: 0o750, ..CREATE }).await.unwrap();
    assert_eq!((stat.kind, stat.mode, stat.size), (FileKind::Regular, 0o750, 0));
    file.write_at(0, Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(file.read_at(1, 100).await.unwrap(), "ello");
    file.truncate(2).await.unwrap();
    file.sync().await.unwrap();
    assert_eq!(file.stat().await.unwrap().size, 2);
    session.rename(&name, &path("/f"), RenameHow::Replace).await.unwrap();
    session.link(&path("/f"), &path("/g")).await.unwrap();
    session.symlink(b"../g", &path("/d/l")).await.unwrap();
    assert_eq!(session.readlink(&path("/d/l")).await.unwrap(), b"../g");
    let listed = session.list(&path("/")).await.unwrap();
    let mut names: Vec<_> =
        listed.iter().map(|entry| (entry.name.clone(), entry.stat.unwrap().kind)).collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [(&b"d"[..], FileKind::Directory), (b"f", FileKind::Regular), (b"g", FileKind::Regular)];
    assert_eq!(names, expected.map(|(name, kind)| (name.to_vec(), kind)));
    session.unlink(&path("/d/l")).await.unwrap();
    session.rmdir(&path("/d")).await.unwrap();
    session.access(&path("/f"), 4).await.unwrap();
    assert!(session.statfs(&path("/f")).await.unwrap().bsize > 0);
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().nlink, 2);
}

#[tokio::test]
async fn errors_are_as_exact_as_the_wire_allows() {
    let (driver, _proxy, session) = standard().await;
    put(&*driver, "/f", b"").await;
    driver.symlink(b"f", &path("/l")).await.unwrap();
    let errno = |result: mynah_vfs::Result<()>| result.unwrap_err().errno();
    assert_eq!(errno(session.lstat(&path("/absent")).await.map(drop)), Errno::ENOENT);
    assert_eq!(errno(session.mkdir(&path("/f"), 0o755).await), Errno::EEXIST);
    assert_eq!(errno(session.open(&path("/"), READ).await.map(drop)), Errno::EISDIR);
    assert_eq!(errno(session.open(&path("/l"), READ).await.map(drop)), Errno::ELOOP);
    let exclusive = OpenHow { exclusive: true, ..CREATE };
    assert_eq!(errno(session.open(&path("/l"), exclusive).await.map(drop)), Errno::EEXIST);
    assert_eq!(errno(session.lstat(&path(&"/xxxxxxxxx".repeat(110))).await.map(drop)), Errno::ENAMETOOLONG);
}

#[tokio::test]
async fn what_the_wire_cannot_say_is_not_pretended() {
    let (driver, _proxy, session) = standard().await;
    put(&*driver, "/f", b"").await;
    put(&*driver, "/g", b"").await;
    let mine = driver.lstat(&path("/f")).await.unwrap();
    for refused in [
        session.mknod(&path("/fifo"), FileKind::Fifo, 0o600, 0).await,
        session.rename(&path("/f"), &path("/h"), RenameHow::NoReplace).await,
        session.rename(&path("/f"), &path("/g"), RenameHow::Exchange).await,
        session.symlink(b"a b", &path("/l")).await,
        session.mkdir(&path("/new\nline"), 0o755).await,
        session.setxattr(&path("/f"), b"user.a b", b"v", XattrHow::Set).await,
    ] {
        assert_eq!(refused.unwrap_err().errno(), Errno::EOPNOTSUPP);
    }
    for attrs in [
        SetAttrs { uid: Some(mine.uid + 1), ..SetAttrs::default() },
        SetAttrs { mode: Some(0o4755), ..SetAttrs::default() },
    ] {
        assert_eq!(session.set_attrs(&path("/f"), attrs).await.unwrap_err().errno(), Errno::EPERM);
    }
    let same = SetAttrs { uid: Some(mine.uid), gid: Some(mine.gid), ..SetAttrs::default() };
    session.set_attrs(&path("/f"), same).await.unwrap();
    assert_eq!(driver.list(&path("/")).await.unwrap().len(), 2);
}

#[tokio::test]
async fn attributes_change_one_by_one() {
    let (driver, _proxy, session) = standard().await;
    put(&*driver, "/f", b"content").await;
    let attrs = SetAttrs {
        mode: Some(0o711),
        size: Some(3),
        mtime: Some(NewTime::At(Time { sec: 77, nsec: 5 })),
        ..SetAttrs::default()
    };
    session.set_attrs(&path("/f"), attrs).await.unwrap();
    let stat = driver.lstat(&path("/f")).await.unwrap();
    assert_eq!((stat.mode, stat.size, stat.mtime), (0o711, 3, Time { sec: 77, nsec: 0 }));
    let (file, _) = session.open(&path("/f"), OpenHow { write: true, ..READ }).await.unwrap();
    let attrs = SetAttrs { mode: Some(0o700), atime: Some(NewTime::Now), ..SetAttrs::default() };
    file.set_attrs(attrs).await.unwrap();
    let stat = driver.lstat(&path("/f")).await.unwrap();
    assert_eq!((stat.mode, stat.mtime.sec), (0o700, 77));
    session.setxattr(&path("/f"), b"user.a", b"v", XattrHow::Set).await.unwrap();
    assert_eq!(session.getxattr(&path("/f"), b"user.a").await.unwrap(), b"v");
    assert_eq!(session.listxattr(&path("/f")).await.unwrap(), [b"user.a"]);
    session.removexattr(&path("/f"), b"user.a").await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_that_cannot_be_settled_is_told() {
    let (driver, proxy, session) = standard().await;
    session.access(&path("/"), 0).await.unwrap();
    proxy.lose("mkdir", Loss::Reply);
    let error = session.mkdir(&path("/d"), 0o755).await.unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    assert!(error.to_string().contains("whether it was done cannot be told"), "{error}");
    assert!(driver.lstat(&path("/d")).await.is_ok());
    // Where looking can tell, it does.
    proxy.lose("mkdir", Loss::Request);
    session.mkdir(&path("/e"), 0o755).await.unwrap();
    proxy.lose("rmdir", Loss::Reply);
    session.rmdir(&path("/e")).await.unwrap();
}
