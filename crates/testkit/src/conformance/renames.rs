//! Renames.

use super::{Place, cases, fails, ok};
use mynah_vfs::{Errno, FileKind, RenameHow, Result};

cases![
    an_object_gets_another_name,
    a_target_is_replaced,
    only_like_replaces_like,
    a_directory_moves_with_all_it_holds,
    nothing_moves_into_itself,
    two_names_of_one_object_both_stay,
    rename_tells_what_is_wrong,
    noreplace_replaces_nothing,
    exchange_swaps,
    links_are_renamed_and_not_followed,
];

async fn rename(at: &Place, old: &str, new: &str, how: RenameHow) -> Result<()> {
    at.driver.rename(&at.path(old), &at.path(new), how).await
}

async fn replace(at: &Place, old: &str, new: &str) -> Result<()> {
    rename(at, old, new, RenameHow::Replace).await
}

async fn an_object_gets_another_name(at: Place) {
    at.write("a", "content").await;
    let before = at.stat("a").await;
    ok(replace(&at, "a", "b").await);
    fails(at.lstat("a").await, Errno::ENOENT);
    let after = at.stat("b").await;
    assert_eq!((after.id, after.mtime, after.nlink), (before.id, before.mtime, 1));
    assert_eq!(at.read("b").await, b"content");
    assert_eq!(at.names().await, [b"b"]);
}

async fn a_target_is_replaced(at: Place) {
    at.write("a", "new").await;
    at.write("b", "old").await;
    ok(replace(&at, "a", "b").await);
    assert_eq!(at.read("b").await, b"new");
    at.symlink("nowhere", "l").await;
    ok(replace(&at, "b", "l").await);
    assert_eq!(at.stat("l").await.kind, FileKind::Regular);
    at.mkdir("d").await;
    at.mkdir("e").await;
    at.write("d/f", "").await;
    ok(replace(&at, "d", "e").await);
    assert_eq!(at.read("e/f").await, b"");
    assert_eq!(at.names().await, [b"e", b"l"]);
}

async fn only_like_replaces_like(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.mkdir("full").await;
    at.write("full/f", "").await;
    fails(replace(&at, "f", "d").await, Errno::EISDIR);
    fails(replace(&at, "d", "f").await, Errno::ENOTDIR);
    fails(replace(&at, "d", "full").await, Errno::ENOTEMPTY);
    fails(replace(&at, "f", "full").await, Errno::EISDIR);
    assert_eq!(at.names().await, [&b"d"[..], b"f", b"full"]);
}

async fn a_directory_moves_with_all_it_holds(at: Place) {
    at.mkdir("a").await;
    at.mkdir("a/b").await;
    at.write("a/b/f", "content").await;
    at.mkdir("c").await;
    ok(replace(&at, "a/b", "c/d").await);
    assert_eq!(at.read("c/d/f").await, b"content");
    fails(at.lstat("a/b").await, Errno::ENOENT);
    // And can be moved up again, which only works if it knows its new parent.
    ok(replace(&at, "c/d", "d").await);
    ok(replace(&at, "c", "d/c").await);
    ok(at.driver.rmdir(&at.path("d/c")).await);
    ok(at.driver.rmdir(&at.path("a")).await);
}

async fn nothing_moves_into_itself(at: Place) {
    at.mkdir("a").await;
    at.mkdir("a/b").await;
    fails(replace(&at, "a", "a/c").await, Errno::EINVAL);
    fails(replace(&at, "a", "a/b").await, Errno::EINVAL);
    fails(replace(&at, "a", "a/b/c").await, Errno::EINVAL);
    fails(replace(&at, "a/b", "a").await, Errno::ENOTEMPTY);
    ok(replace(&at, "a", "a").await);
    assert_eq!(at.names().await, [b"a"]);
}

async fn two_names_of_one_object_both_stay(at: Place) {
    at.write("a", "content").await;
    ok(at.driver.link(&at.path("a"), &at.path("b")).await);
    ok(replace(&at, "a", "b").await);
    assert_eq!(at.names().await, [b"a", b"b"]);
    ok(replace(&at, "a", "a").await);
    assert_eq!(at.stat("a").await.nlink, 2);
}

async fn rename_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("d", "l").await;
    let long = "n".repeat(256);
    for (old, new, errno) in [
        ("absent", "new", Errno::ENOENT),
        ("absent", "f", Errno::ENOENT),
        ("f", "absent/new", Errno::ENOENT),
        ("f/below", "new", Errno::ENOTDIR),
        ("f", "f/below", Errno::ENOTDIR),
        ("f", "l/new", Errno::ELOOP),
        ("l/f", "new", Errno::ELOOP),
        ("f", long.as_str(), Errno::ENAMETOOLONG),
    ] {
        match replace(&at, old, new).await {
            Err(error) if error.errno() == errno => {}
            other => panic!("rename {old} {new}: {errno:?} is due, got {other:?}"),
        }
    }
    assert_eq!(at.names().await, [b"d", b"f", b"l"]);
}

async fn noreplace_replaces_nothing(at: Place) {
    at.write("f", "").await;
    at.write("g", "").await;
    if !at.able.rename_flags {
        return fails(rename(&at, "f", "h", RenameHow::NoReplace).await, Errno::EOPNOTSUPP);
    }
    at.mkdir("d").await;
    at.symlink("nowhere", "l").await;
    for target in ["f", "g", "d", "l"] {
        fails(rename(&at, "f", target, RenameHow::NoReplace).await, Errno::EEXIST);
    }
    fails(rename(&at, "absent", "new", RenameHow::NoReplace).await, Errno::ENOENT);
    ok(rename(&at, "f", "new", RenameHow::NoReplace).await);
    assert_eq!(at.names().await, [&b"d"[..], b"g", b"l", b"new"]);
}

async fn exchange_swaps(at: Place) {
    at.write("f", "file").await;
    at.mkdir("d").await;
    if !at.able.rename_flags {
        return fails(rename(&at, "f", "d", RenameHow::Exchange).await, Errno::EOPNOTSUPP);
    }
    at.mkdir("d/e").await;
    at.write("d/g", "inner").await;
    fails(rename(&at, "f", "absent", RenameHow::Exchange).await, Errno::ENOENT);
    fails(rename(&at, "d", "d/e", RenameHow::Exchange).await, Errno::EINVAL);
    fails(rename(&at, "d/e", "d", RenameHow::Exchange).await, Errno::EINVAL);
    ok(rename(&at, "f", "d", RenameHow::Exchange).await);
    assert_eq!((at.stat("f").await.kind, at.stat("d").await.kind), (FileKind::Directory, FileKind::Regular));
    assert_eq!(at.read("d").await, b"file");
    ok(rename(&at, "f/g", "d", RenameHow::Exchange).await);
    assert_eq!((at.read("f/g").await, at.read("d").await), (b"file".to_vec(), b"inner".to_vec()));
}

async fn links_are_renamed_and_not_followed(at: Place) {
    at.mkdir("d").await;
    at.symlink("d", "l").await;
    ok(replace(&at, "l", "d/m").await);
    assert_eq!(ok(at.driver.readlink(&at.path("d/m")).await), b"d");
    assert_eq!(at.names().await, [b"d"]);
}
