//! Directories and their listings.

use super::{Place, cases, fails, ok};
use mynah_vfs::{Errno, FileKind, RenameHow, VPath};
use std::collections::BTreeSet;

cases![
    directories_come_and_go,
    a_new_directory_has_its_mode,
    mkdir_tells_what_is_wrong,
    rmdir_takes_only_empty_directories,
    unlink_takes_only_what_is_no_directory,
    the_root_stays,
    names_are_any_bytes,
    a_listing_shows_each_entry_once,
    entries_carry_their_own_attributes,
    listing_tells_what_is_wrong,
    thousands_of_entries,
    deep_paths,
    figures_of_the_file_system,
];

/// Names that meet every quoting rule on their way.
const ODD_NAMES: &[&[u8]] = &[
    b" ",
    b"a b",
    b" lead",
    b"trail ",
    b"new\nline",
    b"tab\t",
    b"ret\r",
    b"%41",
    b"%",
    b"back\\slash",
    b"'quoted\"",
    b"-n",
    b"...",
    b".hidden",
    b"#",
    b"?a=b&c",
    b"a:b",
    b"\x01\x1b\x7f",
    b"\xc3\xa4",
    b"\xff\xfe\x80",
    b"\xc3\xb6\xc3\xbc",
];

async fn directories_come_and_go(at: Place) {
    at.mkdir("d").await;
    at.mkdir("d/e").await;
    assert_eq!(at.stat("d/e").await.kind, FileKind::Directory);
    ok(at.driver.rmdir(&at.path("d/e")).await);
    fails(at.lstat("d/e").await, Errno::ENOENT);
    ok(at.driver.rmdir(&at.path("d")).await);
    assert!(at.names().await.is_empty());
}

async fn a_new_directory_has_its_mode(at: Place) {
    for mode in [0o700, 0o755, 0o777, 0o500, 0o1777, 0o000] {
        let name = format!("{mode:o}");
        ok(at.driver.mkdir(&at.path(&name), mode).await);
        assert_eq!(at.stat(&name).await.mode & 0o1777, mode);
    }
}

async fn mkdir_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("nowhere", "dangling").await;
    at.symlink("d", "link").await;
    for (name, errno) in [
        ("f", Errno::EEXIST),
        ("d", Errno::EEXIST),
        ("dangling", Errno::EEXIST),
        ("f/below", Errno::ENOTDIR),
        ("absent/below", Errno::ENOENT),
        ("link/below", Errno::ELOOP),
    ] {
        fails(at.driver.mkdir(&at.path(name), 0o755).await, errno);
    }
    fails(at.driver.mkdir(&at.path([b'n'; 256]), 0o755).await, Errno::ENAMETOOLONG);
    fails(at.driver.mkdir(&VPath::root(), 0o755).await, Errno::EEXIST);
}

async fn rmdir_takes_only_empty_directories(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.write("d/f", "").await;
    at.symlink("d", "link").await;
    fails(at.driver.rmdir(&at.path("d")).await, Errno::ENOTEMPTY);
    fails(at.driver.rmdir(&at.path("f")).await, Errno::ENOTDIR);
    fails(at.driver.rmdir(&at.path("link")).await, Errno::ENOTDIR);
    fails(at.driver.rmdir(&at.path("absent")).await, Errno::ENOENT);
    fails(at.driver.rmdir(&at.path("f/below")).await, Errno::ENOTDIR);
    assert_eq!(at.names().await, [&b"d"[..], b"f", b"link"]);
}

async fn unlink_takes_only_what_is_no_directory(at: Place) {
    at.mkdir("d").await;
    at.symlink("d", "link").await;
    fails(at.unlink("d").await, Errno::EISDIR);
    fails(at.unlink("absent").await, Errno::ENOENT);
    fails(at.unlink("absent/below").await, Errno::ENOENT);
    fails(at.unlink("link/below").await, Errno::ELOOP);
    ok(at.unlink("link").await);
    assert_eq!(at.names().await, [b"d"]);
}

async fn the_root_stays(at: Place) {
    let root = VPath::root();
    assert_eq!(ok(at.driver.lstat(&root).await).kind, FileKind::Directory);
    fails(at.driver.rmdir(&root).await, Errno::EBUSY);
    fails(at.driver.unlink(&root).await, Errno::EISDIR);
    fails(at.driver.rename(&root, &at.path("x"), RenameHow::Replace).await, Errno::EBUSY);
    fails(at.driver.rename(&at.dir, &root, RenameHow::Replace).await, Errno::EBUSY);
    fails(at.driver.symlink(b"x", &root).await, Errno::EEXIST);
    fails(at.driver.link(&root, &at.path("x")).await, Errno::EPERM);
    fails(at.driver.readlink(&root).await, Errno::EINVAL);
    assert!(ok(at.driver.list(&root).await).iter().any(|entry| Some(&entry.name[..]) == at.dir.name()));
}

async fn names_are_any_bytes(at: Place) {
    for name in ODD_NAMES {
        at.write(name, *name).await;
    }
    let names: BTreeSet<Vec<u8>> = at.names().await.into_iter().collect();
    assert_eq!(names, ODD_NAMES.iter().map(|name| name.to_vec()).collect());
    for name in ODD_NAMES {
        assert_eq!(at.read(name).await, *name, "{}", name.escape_ascii());
        ok(at.unlink(name).await);
    }
    for name in ODD_NAMES {
        at.mkdir(name).await;
        at.symlink(name, [name, &b"/l"[..]].concat()).await;
        let link = at.path([name, &b"/l"[..]].concat());
        assert_eq!(ok(at.driver.readlink(&link).await), *name);
    }
}

async fn a_listing_shows_each_entry_once(at: Place) {
    assert!(at.names().await.is_empty(), "neither . nor ..");
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("nowhere", "l").await;
    assert_eq!(at.names().await, [b"d", b"f", b"l"]);
    ok(at.driver.link(&at.path("f"), &at.path("g")).await);
    assert_eq!(at.names().await, [b"d", b"f", b"g", b"l"]);
}

async fn entries_carry_their_own_attributes(at: Place) {
    at.write("f", "four").await;
    at.mkdir("d").await;
    at.symlink("f", "l").await;
    for entry in ok(at.driver.list(&at.dir).await) {
        if let Some(stat) = entry.stat {
            assert_eq!(stat, at.stat(&entry.name).await, "{}", entry.name.escape_ascii());
        }
    }
}

async fn listing_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("d", "link").await;
    fails(at.driver.list(&at.path("f")).await, Errno::ENOTDIR);
    fails(at.driver.list(&at.path("link")).await, Errno::ENOTDIR);
    fails(at.driver.list(&at.path("absent")).await, Errno::ENOENT);
    fails(at.driver.list(&at.path("link/d")).await, Errno::ELOOP);
    fails(at.lstat("f/below").await, Errno::ENOTDIR);
    fails(at.lstat([b'n'; 256]).await, Errno::ENAMETOOLONG);
}

async fn thousands_of_entries(at: Place) {
    let wanted: BTreeSet<Vec<u8>> =
        (0..3000).map(|n| format!("a-name-of-some-length-{n}").into_bytes()).collect();
    for name in &wanted {
        at.write(name, "").await;
    }
    let names = at.names().await;
    assert_eq!(names.len(), wanted.len());
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), wanted);
}

async fn deep_paths(at: Place) {
    // Longer than one line of an old Chirp server once it is written with escapes, shorter than PATH_MAX.
    let name = "x".repeat(200);
    let mut path = String::new();
    for _ in 0..15 {
        path.push_str(&name);
        at.mkdir(&path).await;
        path.push('/');
    }
    path.push_str("file");
    at.write(&path, "deep").await;
    assert_eq!(at.read(&path).await, b"deep");
}

async fn figures_of_the_file_system(at: Place) {
    at.write("f", "").await;
    for path in [at.dir.clone(), at.path("f"), VPath::root()] {
        let figures = ok(at.driver.statfs(&path).await);
        assert!(figures.bsize > 0 && figures.blocks >= figures.bfree && figures.bfree >= figures.bavail);
        assert!(figures.files >= figures.ffree);
    }
    fails(at.driver.statfs(&at.path("absent")).await, Errno::ENOENT);
}
