//! Opening, reading and writing.

use super::{CREATE, CREATE_NEW, Place, READ, READ_WRITE, cases, fails, ok};
use bytes::Bytes;
use mynah_vfs::{Errno, FileKind, NewTime, OpenHow, RenameHow, SetAttrs, Time, VPath};

cases![
    what_is_written_is_read,
    reads_end_where_the_file_ends,
    writes_beyond_the_end_leave_zeros,
    transfers_of_megabytes,
    beyond_four_gigabytes,
    a_new_file_has_its_mode_whatever_it_is,
    create_opens_what_is_there,
    exclusive_create_takes_no_name_twice,
    truncate_happens_with_the_open,
    only_regular_files_are_opened,
    open_tells_what_is_wrong_with_a_path,
    a_file_does_what_it_was_opened_for,
    truncate_cuts_and_extends,
    opens_share_one_content,
    an_open_file_outlives_its_name,
    an_open_file_follows_its_object_through_rename,
    attributes_through_an_open_file,
    sync_returns,
];

async fn what_is_written_is_read(at: Place) {
    let opened = ok(at.open("f", CREATE).await);
    assert_eq!((opened.stat.kind, opened.stat.size, opened.stat.nlink), (FileKind::Regular, 0, 1));
    ok(opened.file.write_at(0, Bytes::from_static(b"hello, world")).await);
    ok(opened.file.write_at(7, Bytes::from_static(b"W")).await);
    ok(opened.file.write_at(3, Bytes::new()).await);
    assert_eq!(ok(opened.file.read_at(0, 100).await), "hello, World");
    assert_eq!(ok(opened.file.stat().await).size, 12);
    assert_eq!(at.stat("f").await.size, 12, "what was written is at the server when the write returned");
    drop(opened);
    assert_eq!(at.read("f").await, b"hello, World");
}

async fn reads_end_where_the_file_ends(at: Place) {
    at.write("f", "0123456789").await;
    let file = ok(at.open("f", READ).await).file;
    assert_eq!(ok(file.read_at(0, 10).await), "0123456789");
    assert_eq!(ok(file.read_at(7, 10).await), "789");
    assert_eq!(ok(file.read_at(3, 2).await), "34");
    assert_eq!(ok(file.read_at(10, 10).await), "");
    assert_eq!(ok(file.read_at(1 << 40, 10).await), "");
    assert_eq!(ok(file.read_at(5, 0).await), "");
    at.write("empty", "").await;
    assert_eq!(ok(ok(at.open("empty", READ).await).file.read_at(0, 10).await), "");
}

async fn writes_beyond_the_end_leave_zeros(at: Place) {
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(5000, Bytes::from_static(b"end")).await);
    let data = ok(file.read_at(0, 6000).await);
    assert_eq!(data.len(), 5003);
    assert!(data[..5000].iter().all(|&byte| byte == 0));
    assert_eq!(data[5000..], *b"end");
    // Nothing written is nothing changed, wherever it would have been.
    ok(file.write_at(9000, Bytes::new()).await);
    assert_eq!(ok(file.stat().await).size, 5003);
}

async fn transfers_of_megabytes(at: Place) {
    let pattern: Vec<u8> = (0..5_000_011_u32).map(|n| (n ^ (n >> 9)) as u8).collect();
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(13, Bytes::from(pattern.clone())).await);
    let data = ok(file.read_at(13, pattern.len() + 100).await);
    assert!(data == pattern, "the content differs");
    let piece = ok(file.read_at(13 + 70_001, 300_007).await);
    assert!(piece == pattern[70_001..370_008], "a piece of the content differs");
}

async fn beyond_four_gigabytes(at: Place) {
    if !at.able.sparse {
        return;
    }
    const FAR: u64 = 5 << 30;
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(FAR, Bytes::from_static(b"far")).await);
    assert_eq!(at.stat("f").await.size, FAR + 3);
    assert_eq!(ok(file.read_at(FAR - 2, 10).await), &b"\0\0far"[..]);
    ok(file.truncate(FAR + 1).await);
    assert_eq!(ok(file.read_at(FAR, 10).await), "f");
}

async fn a_new_file_has_its_mode_whatever_it_is(at: Place) {
    for mode in [0o000, 0o200, 0o444, 0o600, 0o640, 0o666, 0o755, 0o777, 0o4755] {
        let name = format!("{mode:o}");
        let opened = ok(at.open(&name, OpenHow { mode, ..CREATE }).await);
        assert_eq!(opened.stat.mode, mode, "as told by open");
        assert_eq!(at.stat(&name).await.mode, mode, "as told by lstat");
        // The maker of a file can write it whatever mode he gave it.
        ok(opened.file.write_at(0, Bytes::from_static(b"x")).await);
    }
}

async fn create_opens_what_is_there(at: Place) {
    at.write("f", "content").await;
    let before = at.stat("f").await;
    let opened = ok(at.open("f", OpenHow { mode: 0o600, ..CREATE }).await);
    assert_eq!((opened.stat.size, opened.stat.mode, opened.stat.id), (7, before.mode, before.id));
    assert_eq!(ok(opened.file.read_at(0, 10).await), "content");
}

async fn exclusive_create_takes_no_name_twice(at: Place) {
    ok(at.open("f", CREATE_NEW).await);
    fails(at.open("f", CREATE_NEW).await, Errno::EEXIST);
    at.mkdir("d").await;
    fails(at.open("d", CREATE_NEW).await, Errno::EEXIST);
    at.symlink("nowhere", "l").await;
    fails(at.open("l", CREATE_NEW).await, Errno::EEXIST);
    fails(at.lstat("nowhere").await, Errno::ENOENT);
}

async fn truncate_happens_with_the_open(at: Place) {
    at.write("f", "content").await;
    let id = at.stat("f").await.id;
    let opened = ok(at.open("f", OpenHow { truncate: true, ..READ_WRITE }).await);
    assert_eq!((opened.stat.size, opened.stat.id), (0, id));
    assert_eq!(at.stat("f").await.size, 0);
}

async fn only_regular_files_are_opened(at: Place) {
    at.mkdir("d").await;
    at.write("f", "").await;
    at.symlink("f", "link").await;
    at.symlink("nowhere", "dangling").await;
    for how in [READ, READ_WRITE, CREATE] {
        fails(at.open("d", how).await, Errno::EISDIR);
        fails(at.open("link", how).await, Errno::ELOOP);
        fails(at.open("dangling", how).await, Errno::ELOOP);
        fails(at.driver.open(&VPath::root(), how).await, Errno::EISDIR);
    }
    fails(at.lstat("nowhere").await, Errno::ENOENT);
    if at.able.special_files {
        for (name, kind) in [("fifo", FileKind::Fifo), ("socket", FileKind::Socket)] {
            ok(at.driver.mknod(&at.path(name), kind, 0o666, 0).await);
            for how in [READ, READ_WRITE, CREATE, OpenHow { read: false, ..READ_WRITE }] {
                fails(at.open(name, how).await, Errno::ENXIO);
            }
        }
    }
}

async fn open_tells_what_is_wrong_with_a_path(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("d", "link").await;
    let long = [b'n'; 256];
    for how in [READ, CREATE] {
        fails(at.open("f/below", how).await, Errno::ENOTDIR);
        fails(at.open("f/below/it", how).await, Errno::ENOTDIR);
        fails(at.open("absent/below", how).await, Errno::ENOENT);
        fails(at.open("link/below", how).await, Errno::ELOOP);
        fails(at.open(long, how).await, Errno::ENAMETOOLONG);
    }
    fails(at.open("absent", READ).await, Errno::ENOENT);
    ok(at.open(&long[..255], CREATE).await);
    ok(at.lstat(&long[..255]).await);
}

async fn a_file_does_what_it_was_opened_for(at: Place) {
    at.write("f", "content").await;
    let reader = ok(at.open("f", READ).await).file;
    fails(reader.write_at(0, Bytes::from_static(b"x")).await, Errno::EBADF);
    fails(reader.truncate(0).await, Errno::EINVAL);
    let writer = ok(at.open("f", OpenHow { read: false, ..READ_WRITE }).await).file;
    fails(writer.read_at(0, 1).await, Errno::EBADF);
    // Nothing read and nothing written are not allowed either.
    fails(reader.write_at(0, Bytes::new()).await, Errno::EBADF);
    fails(writer.read_at(0, 0).await, Errno::EBADF);
    ok(writer.write_at(0, Bytes::from_static(b"C")).await);
    assert_eq!(ok(reader.read_at(0, 100).await), "Content");
}

async fn truncate_cuts_and_extends(at: Place) {
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(0, Bytes::from(vec![7; 10_000])).await);
    ok(file.truncate(100).await);
    assert_eq!(ok(file.stat().await).size, 100);
    ok(file.truncate(9000).await);
    let data = ok(file.read_at(0, 20_000).await);
    assert_eq!(data.len(), 9000);
    assert!(data[..100].iter().all(|&byte| byte == 7));
    assert!(data[100..].iter().all(|&byte| byte == 0), "what was cut off must not come back");
    fails(file.truncate(1 << 63).await, Errno::EINVAL);
}

async fn opens_share_one_content(at: Place) {
    let one = ok(at.open("f", CREATE).await).file;
    let other = ok(at.open("f", READ_WRITE).await).file;
    ok(one.write_at(0, Bytes::from_static(b"aaaa")).await);
    ok(other.write_at(2, Bytes::from_static(b"bbbb")).await);
    assert_eq!(ok(one.read_at(0, 10).await), "aabbbb");
    ok(one.truncate(3).await);
    assert_eq!(ok(other.stat().await).size, 3);
    ok(at.open("f", OpenHow { truncate: true, ..READ_WRITE }).await);
    assert_eq!(ok(one.read_at(0, 10).await), "");
}

async fn an_open_file_outlives_its_name(at: Place) {
    at.write("f", "old").await;
    let old = ok(at.open("f", READ_WRITE).await).file;
    ok(at.unlink("f").await);
    at.write("f", "new").await;
    assert_eq!(ok(old.read_at(0, 10).await), "old");
    ok(old.write_at(3, Bytes::from_static(b"er")).await);
    assert_eq!(ok(old.read_at(0, 10).await), "older");
    assert_eq!(ok(old.stat().await).nlink, 0);
    ok(old.truncate(1).await);
    assert_eq!(at.read("f").await, b"new");
}

async fn an_open_file_follows_its_object_through_rename(at: Place) {
    at.write("a", "object a").await;
    at.write("b", "object b").await;
    let (a, b) = (ok(at.open("a", READ_WRITE).await).file, ok(at.open("b", READ_WRITE).await).file);
    ok(at.driver.rename(&at.path("a"), &at.path("b"), RenameHow::Replace).await);
    ok(at.driver.set_attrs(&at.path("b"), SetAttrs { mode: Some(0), ..SetAttrs::default() }).await);
    assert_eq!(ok(a.read_at(0, 10).await), "object a");
    assert_eq!(ok(b.read_at(0, 10).await), "object b");
    ok(a.write_at(0, Bytes::from_static(b"O")).await);
    ok(at.driver.set_attrs(&at.path("b"), SetAttrs { mode: Some(0o600), ..SetAttrs::default() }).await);
    assert_eq!(at.read("b").await, b"Object a");
}

async fn attributes_through_an_open_file(at: Place) {
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(0, Bytes::from_static(b"content")).await);
    let moment = Time { sec: 1_000_000_001, nsec: 0 };
    let attrs = SetAttrs {
        mode: Some(0o600),
        size: Some(3),
        mtime: Some(NewTime::At(moment)),
        ..SetAttrs::default()
    };
    ok(file.set_attrs(attrs).await);
    for stat in [ok(file.stat().await), at.stat("f").await] {
        assert_eq!((stat.mode, stat.size, stat.mtime), (0o600, 3, moment));
    }
    ok(file.set_attrs(SetAttrs::default()).await);
    // It acts on the object, not on the name.
    ok(at.unlink("f").await);
    at.write("f", "").await;
    ok(file.set_attrs(SetAttrs { mode: Some(0o400), ..SetAttrs::default() }).await);
    assert_eq!(ok(file.stat().await).mode, 0o400);
    assert_eq!(at.stat("f").await.mode, 0o644);
}

async fn sync_returns(at: Place) {
    let file = ok(at.open("f", CREATE).await).file;
    ok(file.write_at(0, Bytes::from_static(b"x")).await);
    ok(file.sync().await);
    ok(ok(at.open("f", READ).await).file.sync().await);
}
