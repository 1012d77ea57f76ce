//! Extended attributes.

use super::{Place, cases, fails, ok};
use mynah_vfs::{Errno, XattrHow};

cases![
    values_are_any_bytes,
    names_are_listed,
    create_and_replace,
    absent_ones_are_told,
    they_belong_to_the_object,
    where_there_are_none_every_call_says_so,
];

async fn set(at: &Place, name: &str, value: &[u8]) {
    ok(at.driver.setxattr(&at.path("f"), name.as_bytes(), value, XattrHow::Set).await);
}

async fn value(at: &Place, file: &str, name: &str) -> mynah_vfs::Result<Vec<u8>> {
    at.driver.getxattr(&at.path(file), name.as_bytes()).await
}

async fn values_are_any_bytes(at: Place) {
    if !at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    let long: Vec<u8> = (0..2000_u32).map(|n| n as u8).collect();
    for wanted in [&b"text"[..], b"", b"\0\xff\n", &long] {
        set(&at, "user.key", wanted).await;
        assert_eq!(ok(value(&at, "f", "user.key").await), wanted);
    }
}

async fn names_are_listed(at: Place) {
    if !at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    at.mkdir("d").await;
    for name in ["user.one", "user.two words", "user.\u{e4}%41"] {
        set(&at, name, b"x").await;
    }
    let mut names = ok(at.driver.listxattr(&at.path("f")).await);
    names.retain(|name| name.starts_with(b"user."));
    names.sort();
    assert_eq!(names, [&b"user.one"[..], b"user.two words", "user.\u{e4}%41".as_bytes()]);
    let names = ok(at.driver.listxattr(&at.path("d")).await);
    assert!(!names.iter().any(|name| name.starts_with(b"user.")));
}

async fn create_and_replace(at: Place) {
    if !at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    let path = at.path("f");
    fails(at.driver.setxattr(&path, b"user.a", b"0", XattrHow::Replace).await, Errno::ENODATA);
    ok(at.driver.setxattr(&path, b"user.a", b"1", XattrHow::Create).await);
    fails(at.driver.setxattr(&path, b"user.a", b"2", XattrHow::Create).await, Errno::EEXIST);
    ok(at.driver.setxattr(&path, b"user.a", b"3", XattrHow::Replace).await);
    assert_eq!(ok(value(&at, "f", "user.a").await), b"3");
}

async fn absent_ones_are_told(at: Place) {
    if !at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    fails(value(&at, "f", "user.a").await, Errno::ENODATA);
    fails(at.driver.removexattr(&at.path("f"), b"user.a").await, Errno::ENODATA);
    set(&at, "user.a", b"x").await;
    ok(at.driver.removexattr(&at.path("f"), b"user.a").await);
    fails(value(&at, "f", "user.a").await, Errno::ENODATA);
    fails(value(&at, "absent", "user.a").await, Errno::ENOENT);
    fails(at.driver.listxattr(&at.path("absent")).await, Errno::ENOENT);
    at.symlink("f", "l").await;
    fails(at.driver.setxattr(&at.path("l"), b"user.a", b"x", XattrHow::Set).await, Errno::EPERM);
    fails(at.driver.setxattr(&at.path("f"), b"nospace", b"x", XattrHow::Set).await, Errno::EOPNOTSUPP);
}

async fn they_belong_to_the_object(at: Place) {
    if !at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    set(&at, "user.a", b"x").await;
    ok(at.driver.link(&at.path("f"), &at.path("g")).await);
    ok(at.unlink("f").await);
    assert_eq!(ok(value(&at, "g", "user.a").await), b"x");
}

async fn where_there_are_none_every_call_says_so(at: Place) {
    if at.able.xattrs {
        return;
    }
    at.write("f", "").await;
    let path = at.path("f");
    fails(at.driver.setxattr(&path, b"user.a", b"x", XattrHow::Set).await, Errno::EOPNOTSUPP);
    fails(at.driver.getxattr(&path, b"user.a").await, Errno::EOPNOTSUPP);
    fails(at.driver.removexattr(&path, b"user.a").await, Errno::EOPNOTSUPP);
}
