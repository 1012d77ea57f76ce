//! Attributes and access.

use super::{Place, cases, fails, ok};
use mynah_vfs::{Errno, NewTime, SetAttrs, Time};

cases![
    every_mode_bit_is_kept,
    sizes_by_name,
    times_are_kept_to_the_step,
    now_is_the_servers_clock,
    one_time_alone,
    several_at_once,
    a_link_has_its_own_times,
    owners_that_stay_the_same,
    change_tells_what_is_wrong,
    access_asks_the_server,
    changes_are_seen_in_times,
];

const NONE: SetAttrs = SetAttrs { mode: None, uid: None, gid: None, size: None, atime: None, mtime: None };

fn at_time(sec: i64, nsec: u32) -> Option<NewTime> {
    Some(NewTime::At(Time { sec, nsec }))
}

async fn change(at: &Place, name: &str, attrs: SetAttrs) -> mynah_vfs::Result<()> {
    at.driver.set_attrs(&at.path(name), attrs).await
}

async fn every_mode_bit_is_kept(at: Place) {
    at.write("f", "").await;
    at.mkdir("d").await;
    for mode in [0o7777, 0o4711, 0o2755, 0o1777, 0o000, 0o123, 0o644] {
        for name in ["f", "d"] {
            ok(change(&at, name, SetAttrs { mode: Some(mode), ..NONE }).await);
            assert_eq!(at.stat(name).await.mode, mode, "{name}");
        }
    }
    ok(change(&at, "d", SetAttrs { mode: Some(0o755), ..NONE }).await);
}

async fn sizes_by_name(at: Place) {
    at.write("f", "content").await;
    ok(change(&at, "f", SetAttrs { size: Some(3), ..NONE }).await);
    assert_eq!(at.read("f").await, b"con");
    ok(change(&at, "f", SetAttrs { size: Some(5), ..NONE }).await);
    assert_eq!(at.read("f").await, b"con\0\0");
    at.mkdir("d").await;
    fails(change(&at, "d", SetAttrs { size: Some(0), ..NONE }).await, Errno::EISDIR);
}

async fn times_are_kept_to_the_step(at: Place) {
    let step = at.driver.capabilities().time_step_ns.max(1);
    at.write("f", "").await;
    at.mkdir("d").await;
    for name in ["f", "d"] {
        for (sec, nsec) in [(0, 0), (1_234_567_890, 123_456_789), (2_000_000_000, 999_999_999), (1, 1)] {
            ok(change(
                &at,
                name,
                SetAttrs { atime: at_time(sec, nsec), mtime: at_time(sec + 1, nsec), ..NONE },
            )
            .await);
            let stat = at.stat(name).await;
            let kept = nsec - nsec % step;
            assert_eq!(stat.atime, Time { sec, nsec: kept }, "atime of {name}");
            assert_eq!(stat.mtime, Time { sec: sec + 1, nsec: kept }, "mtime of {name}");
        }
    }
}

async fn now_is_the_servers_clock(at: Place) {
    at.write("f", "").await;
    ok(change(&at, "f", SetAttrs { atime: at_time(5, 0), mtime: at_time(5, 0), ..NONE }).await);
    ok(change(&at, "f", SetAttrs { atime: Some(NewTime::Now), mtime: Some(NewTime::Now), ..NONE }).await);
    let stat = at.stat("f").await;
    assert!(stat.mtime.sec > 5 && stat.atime == stat.mtime, "{:?} {:?}", stat.atime, stat.mtime);
}

async fn one_time_alone(at: Place) {
    at.write("f", "").await;
    ok(change(&at, "f", SetAttrs { atime: at_time(100, 0), mtime: at_time(200, 0), ..NONE }).await);
    ok(change(&at, "f", SetAttrs { atime: at_time(300, 0), ..NONE }).await);
    let stat = at.stat("f").await;
    assert_eq!((stat.atime.sec, stat.mtime.sec), (300, 200));
    ok(change(&at, "f", SetAttrs { mtime: at_time(400, 0), ..NONE }).await);
    let stat = at.stat("f").await;
    assert_eq!((stat.atime.sec, stat.mtime.sec), (300, 400));
}

async fn several_at_once(at: Place) {
    at.write("f", "content").await;
    let attrs = SetAttrs { mode: Some(0o640), size: Some(2), mtime: at_time(1000, 0), ..NONE };
    ok(change(&at, "f", attrs).await);
    let stat = at.stat("f").await;
    assert_eq!((stat.mode, stat.size, stat.mtime.sec), (0o640, 2, 1000));
    ok(change(&at, "f", NONE).await);
    assert_eq!(at.stat("f").await, stat, "nothing asked, nothing changed");
}

async fn a_link_has_its_own_times(at: Place) {
    at.write("f", "").await;
    ok(change(&at, "f", SetAttrs { mtime: at_time(100, 0), ..NONE }).await);
    at.symlink("f", "l").await;
    ok(change(&at, "l", SetAttrs { mtime: at_time(200, 0), ..NONE }).await);
    assert_eq!((at.stat("f").await.mtime.sec, at.stat("l").await.mtime.sec), (100, 200));
    fails(change(&at, "l", SetAttrs { mode: Some(0o600), ..NONE }).await, Errno::EOPNOTSUPP);
    at.symlink("nowhere", "dangling").await;
    ok(change(&at, "dangling", SetAttrs { mtime: at_time(300, 0), ..NONE }).await);
}

async fn owners_that_stay_the_same(at: Place) {
    at.write("f", "").await;
    at.symlink("f", "l").await;
    for name in ["f", "l"] {
        let stat = at.stat(name).await;
        ok(change(&at, name, SetAttrs { uid: Some(stat.uid), gid: Some(stat.gid), ..NONE }).await);
        let after = at.stat(name).await;
        assert_eq!((after.uid, after.gid), (stat.uid, stat.gid));
    }
    fails(change(&at, "f", SetAttrs { uid: Some(u32::MAX), ..NONE }).await, Errno::EINVAL);
}

async fn change_tells_what_is_wrong(at: Place) {
    at.write("f", "").await;
    at.symlink("f", "l").await;
    for attrs in [
        SetAttrs { mode: Some(0o600), ..NONE },
        SetAttrs { size: Some(0), ..NONE },
        SetAttrs { mtime: Some(NewTime::Now), ..NONE },
    ] {
        fails(change(&at, "absent", attrs).await, Errno::ENOENT);
        fails(change(&at, "f/below", attrs).await, Errno::ENOTDIR);
        fails(change(&at, "l/below", attrs).await, Errno::ELOOP);
    }
    fails(change(&at, "l", SetAttrs { size: Some(0), ..NONE }).await, Errno::ELOOP);
    fails(change(&at, "f", SetAttrs { size: Some(1 << 63), ..NONE }).await, Errno::EINVAL);
}

async fn access_asks_the_server(at: Place) {
    const R_W: u32 = 6;
    const X: u32 = 1;
    at.write("f", "").await;
    at.mkdir("d").await;
    at.symlink("nowhere", "l").await;
    ok(at.driver.access(&at.path("f"), 0).await);
    ok(at.driver.access(&at.path("f"), R_W).await);
    fails(at.driver.access(&at.path("f"), X).await, Errno::EACCES);
    ok(change(&at, "f", SetAttrs { mode: Some(0o755), ..NONE }).await);
    ok(at.driver.access(&at.path("f"), R_W | X).await);
    ok(at.driver.access(&at.path("d"), R_W | X).await);
    ok(at.driver.access(&at.path("l"), 0).await);
    fails(at.driver.access(&at.path("absent"), 0).await, Errno::ENOENT);
    fails(at.driver.access(&at.path("f/below"), 0).await, Errno::ENOTDIR);
}

async fn changes_are_seen_in_times(at: Place) {
    at.write("f", "one").await;
    let past = SetAttrs { atime: at_time(5, 0), mtime: at_time(5, 0), ..NONE };
    ok(change(&at, "f", past).await);
    at.write("f", "other").await;
    assert!(at.stat("f").await.mtime.sec > 5, "a write sets mtime");
    ok(at.driver.set_attrs(&at.dir, past).await);
    ok(at.unlink("f").await);
    assert!(ok(at.driver.lstat(&at.dir).await).mtime.sec > 5, "a name that goes sets its directory's mtime");
}
