//! Symbolic links, hard links, and names of FIFOs and sockets.

use super::{CREATE, Place, READ, cases, fails, ok};
use mynah_vfs::{Errno, FileKind, VPath};

cases![
    a_link_keeps_its_text,
    links_are_never_followed,
    symlink_tells_what_is_wrong,
    readlink_reads_only_links,
    hard_links_are_one_object,
    link_tells_what_is_wrong,
    a_link_can_have_names_too,
    special_files_are_names,
];

async fn a_link_keeps_its_text(at: Place) {
    let long = vec![b'x'; 4000];
    let texts: &[&[u8]] = &[
        b"a",
        b"/",
        b"../../etc/passwd",
        b"a b",
        b"a%20b",
        b"new\nline",
        b"\xff\x80",
        b"//a//",
        b"back\\slash",
        &long,
    ];
    for (number, text) in texts.iter().enumerate() {
        let name = format!("l{number}");
        at.symlink(text, &name).await;
        assert_eq!(ok(at.driver.readlink(&at.path(&name)).await), *text, "{}", text.escape_ascii());
        let stat = at.stat(&name).await;
        assert_eq!((stat.kind, stat.size), (FileKind::Symlink, text.len() as u64));
    }
}

async fn links_are_never_followed(at: Place) {
    at.mkdir("d").await;
    at.write("d/f", "content").await;
    at.symlink("d", "link").await;
    for path in ["link/f", "link/absent"] {
        fails(at.lstat(path).await, Errno::ELOOP);
        fails(at.open(path, READ).await, Errno::ELOOP);
        fails(at.driver.readlink(&at.path(path)).await, Errno::ELOOP);
        fails(at.driver.access(&at.path(path), 0).await, Errno::ELOOP);
    }
    at.symlink("/etc", "out").await;
    fails(at.lstat("out/passwd").await, Errno::ELOOP);
    at.symlink("link", "chain").await;
    assert_eq!(at.stat("chain").await.kind, FileKind::Symlink);
    ok(at.unlink("chain").await);
    assert_eq!(at.stat("link").await.kind, FileKind::Symlink);
}

async fn symlink_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.symlink("nowhere", "l").await;
    for (name, errno) in [
        ("f", Errno::EEXIST),
        ("l", Errno::EEXIST),
        ("f/below", Errno::ENOTDIR),
        ("absent/below", Errno::ENOENT),
        ("l/below", Errno::ELOOP),
    ] {
        fails(at.driver.symlink(b"text", &at.path(name)).await, errno);
    }
    fails(at.driver.symlink(b"", &at.path("new")).await, Errno::ENOENT);
    fails(at.driver.symlink(&[b'x'; 4096], &at.path("new")).await, Errno::ENAMETOOLONG);
}

async fn readlink_reads_only_links(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    fails(at.driver.readlink(&at.path("f")).await, Errno::EINVAL);
    fails(at.driver.readlink(&at.path("d")).await, Errno::EINVAL);
    fails(at.driver.readlink(&at.path("absent")).await, Errno::ENOENT);
    fails(at.driver.readlink(&at.path("f/below")).await, Errno::ENOTDIR);
}

async fn hard_links_are_one_object(at: Place) {
    at.write("a", "content").await;
    at.mkdir("d").await;
    ok(at.driver.link(&at.path("a"), &at.path("d/b")).await);
    let (a, b) = (at.stat("a").await, at.stat("d/b").await);
    assert_eq!((a.nlink, b.nlink), (2, 2));
    if at.driver.capabilities().stable_ids {
        assert_eq!(a.id, b.id);
        assert_ne!(a.id, at.stat("d").await.id);
    }
    at.write("d/b", "changed").await;
    assert_eq!(at.read("a").await, b"changed");
    ok(at.unlink("a").await);
    assert_eq!(at.stat("d/b").await.nlink, 1);
    assert_eq!(at.read("d/b").await, b"changed");
}

async fn link_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.write("g", "").await;
    at.mkdir("d").await;
    at.symlink("d", "l").await;
    for (old, new, errno) in [
        ("f", "g", Errno::EEXIST),
        ("f", "f", Errno::EEXIST),
        ("f", "d", Errno::EEXIST),
        ("d", "new", Errno::EPERM),
        ("absent", "new", Errno::ENOENT),
        ("f", "absent/new", Errno::ENOENT),
        ("f", "g/new", Errno::ENOTDIR),
        ("f/below", "new", Errno::ENOTDIR),
        ("f", "l/new", Errno::ELOOP),
        ("l/f", "new", Errno::ELOOP),
    ] {
        let what = format!("{old} {new}");
        match at.driver.link(&at.path(old), &at.path(new)).await {
            Err(error) if error.errno() == errno => {}
            other => panic!("link {what}: {errno:?} is due, got {other:?}"),
        }
    }
}

async fn a_link_can_have_names_too(at: Place) {
    at.symlink("nowhere", "l").await;
    ok(at.driver.link(&at.path("l"), &at.path("m")).await);
    let (l, m) = (at.stat("l").await, at.stat("m").await);
    assert_eq!((m.kind, m.nlink, m.id), (FileKind::Symlink, 2, l.id));
}

async fn special_files_are_names(at: Place) {
    if !at.able.special_files {
        return fails(at.driver.mknod(&at.path("fifo"), FileKind::Fifo, 0o644, 0).await, Errno::EOPNOTSUPP);
    }
    for (name, kind, mode) in [("fifo", FileKind::Fifo, 0o622), ("socket", FileKind::Socket, 0o777)] {
        ok(at.driver.mknod(&at.path(name), kind, mode, 0).await);
        let stat = at.stat(name).await;
        assert_eq!((stat.kind, stat.mode, stat.size, stat.nlink), (kind, mode, 0, 1));
        fails(at.driver.mknod(&at.path(name), kind, mode, 0).await, Errno::EEXIST);
        fails(at.driver.list(&at.path(name)).await, Errno::ENOTDIR);
    }
    ok(at.driver.mknod(&at.path("plain"), FileKind::Regular, 0o640, 0).await);
    assert_eq!(at.stat("plain").await.kind, FileKind::Regular);
    ok(at.open("plain", CREATE).await);
    fails(at.driver.mknod(&at.path("absent/x"), FileKind::Fifo, 0o644, 0).await, Errno::ENOENT);
    fails(at.driver.mknod(&VPath::root(), FileKind::Fifo, 0o644, 0).await, Errno::EEXIST);
    fails(at.driver.mknod(&at.path("dir"), FileKind::Directory, 0o755, 0).await, Errno::EPERM);
    ok(at.unlink("fifo").await);
    ok(at.unlink("socket").await);
}
