//! The server as existing clients see it, byte by byte, on the standard's wire.

mod support;

use mynah_chirp::server::ServerConfig;
use mynah_vfs::{Driver, FileKind};
use std::sync::Arc;
use support::{Raw, Serving, content, memory, path, put};

async fn served() -> (Arc<dyn Driver>, Raw) {
    let driver = memory();
    let raw = Raw::log_in(Serving::start(Arc::clone(&driver)).port).await;
    (driver, raw)
}

/// The fields of a STAT line.
async fn stat(raw: &mut Raw) -> Vec<i64> {
    let line = raw.line().await;
    let fields: Vec<i64> = line.split(' ').map(|field| field.parse().expect(&line)).collect();
    assert_eq!(fields.len(), 13, "{line}");
    fields
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused_one_by_one() {
    let mut raw = Raw::connect(Serving::start(memory()).port).await;
    for method in ["kerberos", "globus", "hostname", "address", "ticket", "no such method", ""] {
        assert_eq!(raw.ask(method).await, "no", "{method}");
    }
    assert_eq!(raw.ask("unix").await, "yes");
    raw.line().await;
    // The client could not make the file: the server waits for the next proposal.
    raw.send("no\nunix\n").await;
    assert_eq!(raw.line().await, "yes");
}

#[tokio::test]
async fn a_file_that_is_not_made_proves_nothing() {
    let mut raw = Raw::connect(Serving::start(memory()).port).await;
    raw.send("unix\n").await;
    raw.line().await;
    let challenge = raw.line().await;
    // Not an empty file of one's own: a link to somebody else's.
    std::os::unix::fs::symlink("/etc/passwd", &challenge).unwrap();
    assert_eq!(raw.ask("yes").await, "no");
    assert_eq!(raw.ask("unix").await, "yes");
    let _ = std::fs::remove_file(challenge);
}

#[tokio::test]
async fn who_we_are() {
    let (_, mut raw) = served().await;
    let count: usize = raw.ask("whoami 1024").await.parse().unwrap();
    let name = String::from_utf8(raw.bytes(count).await).unwrap();
    assert!(name.starts_with("unix:"), "{name}");
    assert_eq!(raw.ask("whoami 4").await, "4");
    assert_eq!(raw.bytes(4).await, b"unix");
    assert_eq!(raw.ask("getacl /").await, "0");
    assert_eq!(raw.lines(2).await, [format!("{name} rwldpax"), String::new()]);
}

#[tokio::test]
async fn a_file_is_written_and_read() {
    let (driver, mut raw) = served().await;
    assert_eq!(raw.ask("open /a%20b rwc 420").await, "0");
    assert_eq!(stat(&mut raw).await[7], 0);
    raw.send("pwrite 0 5 0\nhellopread 0 100 1\n").await;
    assert_eq!(raw.line().await, "5");
    assert_eq!(raw.line().await, "4");
    assert_eq!(raw.bytes(4).await, b"ello");
    assert_eq!(raw.ask("pread 0 100 5").await, "0");
    assert_eq!(raw.ask("fsync 0").await, "0");
    assert_eq!(raw.ask("fstat 0").await, "0");
    let fields = stat(&mut raw).await;
    assert_eq!((fields[2], fields[7]), (0o100_644, 5));
    assert_eq!(raw.ask("ftruncate 0 2").await, "0");
    // The lowest free number, again and again.
    assert_eq!(raw.ask("open /a%20b r 0").await, "1");
    stat(&mut raw).await;
    assert_eq!(raw.ask("close 0").await, "0");
    assert_eq!(raw.ask("close 0").await, "-12");
    assert_eq!(raw.ask("open /a%20b r 0").await, "0");
    assert_eq!(content(&*driver, "/a b").await, b"he");
}

#[tokio::test]
async fn appending_goes_to_the_end() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/log", b"one").await;
    assert_eq!(raw.ask("open /log wa 0").await, "0");
    stat(&mut raw).await;
    raw.send("pwrite 0 3 0\ntwo").await;
    assert_eq!(raw.line().await, "3");
    assert_eq!(content(&*driver, "/log").await, b"onetwo");
}

#[tokio::test]
async fn listings_have_dots_and_hide_the_protocols_own() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/f", b"abc").await;
    put(&*driver, "/.__acl", b"").await;
    put(&*driver, "/new\nline", b"").await;
    assert_eq!(raw.ask("getdir /").await, "0");
    assert_eq!(raw.lines(4).await, [".", "..", "f", ""]);
    assert_eq!(raw.ask("getlongdir /").await, "0");
    assert_eq!(raw.line().await, ".");
    assert_eq!(stat(&mut raw).await[2] & 0o170_000, 0o040_000);
    assert_eq!(raw.line().await, "..");
    stat(&mut raw).await;
    assert_eq!(raw.line().await, "f");
    assert_eq!(stat(&mut raw).await[7], 3);
    assert_eq!(raw.line().await, "");
    for request in
        ["open /.__acl r 0", "stat /.__acl", "unlink /.__acl", "mkdir /.__x 448", "rename /f /.__f"]
    {
        assert_eq!(raw.ask(request).await, "-2", "{request}");
    }
}

#[tokio::test]
async fn a_directory_of_hidden_files_counts_as_empty() {
    let (driver, mut raw) = served().await;
    driver.mkdir(&path("/d"), 0o755).await.unwrap();
    put(&*driver, "/d/.__acl", b"").await;
    put(&*driver, "/d/f", b"").await;
    assert_eq!(raw.ask("rmdir /d").await, "-15");
    assert_eq!(raw.ask("unlink /d/f").await, "0");
    assert_eq!(raw.ask("rmdir /d").await, "0");
}

#[tokio::test]
async fn errors_have_the_standards_numbers() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/f", b"").await;
    driver.mkdir(&path("/d"), 0o755).await.unwrap();
    driver.symlink(b"loop", &path("/loop")).await.unwrap();
    for (request, code) in [
        ("stat /absent", "-3"),
        ("stat /loop", "-8"),
        ("mkdir /f 448", "-4"),
        ("open /d w 0", "-13"),
        ("rmdir /f", "-14"),
        ("unlink /d", "-13"),
        ("pread 7 1 0", "-12"),
        ("frobnicate", "-8"),
        ("stat", "-8"),
        ("open /f", "-8"),
        ("stat /a%00b", "-8"),
        ("job_commit 1", "-23"),
        ("setacl / unix:x rwl", "-23"),
        ("thirdput /f host /f", "-23"),
        ("lgetxattr /f user.absent", "-8"),
    ] {
        assert_eq!(raw.ask(request).await, code, "{request}");
    }
    // Longer than the line allows with its escapes: the connection cannot be kept in step.
    assert_eq!(raw.ask(&format!("stat /{}", "x".repeat(2000))).await, "(hung up)");
}

#[tokio::test]
async fn odd_lines_are_understood() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/f", b"").await;
    raw.send("\n\r\naccess   /f   4   surplus words\r\n").await;
    assert_eq!(raw.line().await, "0");
    // Raw 8-bit bytes, and paths to be made normal.
    raw.send(b"mkdir /\xc3\xaf 448\nstat //a/../%C3%af/.\n").await;
    assert_eq!(raw.line().await, "0");
    assert_eq!(raw.line().await, "0");
    stat(&mut raw).await;
    assert_eq!(raw.ask("stat /..//../f").await, "0");
    stat(&mut raw).await;
    assert_eq!(raw.ask("\x04").await, "(hung up)");
}

#[tokio::test]
async fn data_of_refused_requests_is_passed_over() {
    let (_, mut raw) = served().await;
    for refused in [
        "pwrite 9 5 0\nstat ",
        "swrite 0 5 1 1 0\nstat ",
        "job_create 5\nstat ",
        "lsetxattr /absent a 5 0\nstat ",
    ] {
        raw.send(refused).await;
        assert!(raw.line().await.starts_with('-'), "{refused}");
        assert_eq!(raw.ask("access / 0").await, "0", "{refused}");
    }
    raw.send(b"lsetxattr / user.big 100000 0\n").await;
    raw.send(vec![b'x'; 100_000]).await;
    assert!(raw.line().await.starts_with('-'));
    assert_eq!(raw.ask("access / 0").await, "0");
    // Without a length, what follows cannot be understood.
    assert_eq!(raw.ask("pwrite 0 many 0").await, "-8");
    assert_eq!(raw.line().await, "(hung up)");
}

#[tokio::test]
async fn whole_files() {
    let (driver, mut raw) = served().await;
    assert_eq!(raw.ask("putfile /absent/f 420 5").await, "-3");
    assert_eq!(raw.ask("putfile /f 493 300000").await, "0");
    raw.send(vec![b'x'; 300_000]).await;
    assert_eq!(raw.line().await, "300000");
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().mode, 0o755);
    assert_eq!(raw.ask("getfile /f").await, "300000");
    assert_eq!(raw.bytes(300_000).await, vec![b'x'; 300_000]);
    assert_eq!(raw.ask("getfile /").await, "-13");
    assert_eq!(raw.ask("putfile /empty 420 0").await, "0");
    assert_eq!(raw.line().await, "0");
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing() {
    let driver = memory();
    let serving = Serving::start(Arc::clone(&driver));
    let mut raw = Raw::log_in(serving.port).await;
    assert_eq!(raw.ask("putfile /f 420 1000").await, "0");
    raw.send("only a part").await;
    assert!(driver.lstat(&path("/f")).await.is_ok());
    drop(raw);
    while driver.lstat(&path("/f")).await.is_ok() {
        tokio::task::yield_now().await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn links_are_followed_but_not_out() {
    let (driver, mut raw) = served().await;
    driver.mkdir(&path("/d"), 0o755).await.unwrap();
    put(&*driver, "/d/f", b"four").await;
    driver.symlink(b"../../../d/./f", &path("/d/up")).await.unwrap();
    driver.symlink(b"/d", &path("/absolute")).await.unwrap();
    for name in ["/d/up", "/absolute/f", "/absolute/up"] {
        assert_eq!(raw.ask(&format!("stat {name}")).await, "0", "{name}");
        assert_eq!(stat(&mut raw).await[7], 4, "{name}");
    }
    assert_eq!(raw.ask("lstat /d/up").await, "0");
    assert_eq!(stat(&mut raw).await[2] & 0o170_000, 0o120_000);
    assert_eq!(raw.ask("readlink /d/up 4").await, "4");
    assert_eq!(raw.bytes(4).await, b"../.");
    // Existing clients escape the text of a link.
    assert_eq!(raw.ask("symlink a%20b /l").await, "0");
    assert_eq!(driver.readlink(&path("/l")).await.unwrap(), b"a b");
}

#[tokio::test]
async fn modes_and_owners_are_the_standards() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/f", b"").await;
    assert_eq!(raw.ask("chmod /f 2541").await, "0");
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().mode, 0o755);
    assert_eq!(raw.ask("chmod /f 0").await, "0");
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().mode, 0o600);
    assert_eq!(raw.ask("mkdir /d 0").await, "0");
    assert_eq!(driver.lstat(&path("/d")).await.unwrap().mode, 0o700);
    let before = driver.lstat(&path("/f")).await.unwrap();
    assert_eq!(raw.ask("chown /f 12 34").await, "0");
    assert_eq!(raw.ask("chown /absent 12 34").await, "-3");
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().uid, before.uid);
    assert_eq!(raw.ask("utime /f 5 -7").await, "0");
    assert_eq!(driver.lstat(&path("/f")).await.unwrap().mtime.sec, -7);
}

#[tokio::test]
async fn directories_can_be_opened_to_be_looked_at() {
    let (_, mut raw) = served().await;
    assert_eq!(raw.ask("open / r 0").await, "0");
    stat(&mut raw).await;
    assert_eq!(raw.ask("fstat 0").await, "0");
    stat(&mut raw).await;
    assert_eq!(raw.ask("pread 0 1 0").await, "-13");
    assert_eq!(raw.ask("open / rw 0").await, "-13");
}

#[tokio::test]
async fn trees_are_taken_away_whole() {
    let (driver, mut raw) = served().await;
    driver.mkdir(&path("/d"), 0o755).await.unwrap();
    put(&*driver, "/d/f", b"").await;
    assert_eq!(raw.ask("rmall /d").await, "0");
    assert_eq!(raw.ask("stat /d").await, "-3");
}

#[tokio::test]
async fn others_have_no_rights() {
    let driver = memory();
    put(&*driver, "/f", b"secret").await;
    let config = ServerConfig::of_this_process();
    let config = ServerConfig { owner: config.owner + 1, ..config };
    let mut raw = Raw::log_in(Serving::start_with(Arc::clone(&driver), 0, config).port).await;
    for request in
        ["open /f r 0", "stat /f", "getdir /", "getfile /f", "unlink /f", "getacl /", "putfile /g 420 3"]
    {
        assert_eq!(raw.ask(request).await, "-2", "{request}");
    }
    raw.send("pwrite 0 5 0\nstat ").await;
    assert_eq!(raw.line().await, "-2");
    assert_eq!(raw.ask("whoami 5").await, "5");
    assert_eq!(raw.bytes(5).await, b"unix:");
    assert_eq!(raw.ask("mynah 1").await, "1");
    raw.line().await;
    assert_eq!(raw.ask("lstat /f").await, "-1013");
}

#[tokio::test]
async fn the_extended_dialect() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/new\nline", b"").await;
    driver.symlink(b"new\nline", &path("/l")).await.unwrap();
    assert_eq!(raw.ask("mynah 7").await, "1");
    assert_eq!(raw.line().await.split(' ').count(), 3);
    assert_eq!(raw.ask("lstat /absent").await, "-1002");
    assert_eq!(raw.ask("frobnicate").await, "-1038");
    assert_eq!(raw.ask("open /l r 0").await, "-1040");
    assert_eq!(raw.ask("stat /l").await, "0");
    assert_eq!(raw.line().await.split(' ').count(), 17);
    assert_eq!(raw.ask("setattr /l - - - - - 5.000000006").await, "0");
    let mtime = driver.lstat(&path("/l")).await.unwrap().mtime;
    assert_eq!((mtime.sec, mtime.nsec), (5, 6));
    assert_eq!(raw.ask(&format!("mknod /fifo {} 0", 0o010_640)).await, "0");
    let fifo = driver.lstat(&path("/fifo")).await.unwrap();
    assert_eq!((fifo.kind, fifo.mode), (FileKind::Fifo, 0o640));
    assert_eq!(raw.ask("renameat /fifo /l 1").await, "-1017");
    assert_eq!(raw.ask("renameat /fifo /l 2").await, "0");
    assert_eq!(raw.ask("readlink /fifo 100").await, "8");
    assert_eq!(raw.bytes(8).await, b"new\nline");
    assert_eq!(raw.ask("getdir /").await, "0");
    let mut names = raw.lines(4).await;
    names.sort();
    assert_eq!(names, ["", "fifo", "l", "new%0Aline"]);
    assert_eq!(raw.ask(&format!("lstat /{}", "%41".repeat(1000))).await, "-1036");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (driver, mut raw) = served().await;
    put(&*driver, "/f", b"0123456789").await;
    assert_eq!(raw.ask("open /f r 0").await, "0");
    stat(&mut raw).await;
    let requests: String = (0..1000).map(|at| format!("pread 0 1 {}\n", at % 10)).collect();
    raw.send(requests).await;
    for at in 0..1000 {
        assert_eq!(raw.line().await, "1");
        assert_eq!(raw.bytes(1).await, (at % 10).to_string().as_bytes());
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed() {
    let config = ServerConfig { connections: 1, ..ServerConfig::of_this_process() };
    let serving = Serving::start_with(memory(), 0, config);
    let mut first = Raw::log_in(serving.port).await;
    let mut second = Raw::connect(serving.port).await;
    assert_eq!(second.line().await, "(hung up)");
    assert_eq!(first.ask("access / 0").await, "0");
    drop(first);
    // The place is free as soon as the server has seen the end of the first.
    loop {
        let mut third = Raw::connect(serving.port).await;
        third.send("address\n").await;
        if third.line().await == "no" {
            break;
        }
    }
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let idle = std::time::Duration::from_millis(50);
    let config = ServerConfig { idle, ..ServerConfig::of_this_process() };
    let mut raw = Raw::log_in(Serving::start_with(memory(), 0, config).port).await;
    assert_eq!(raw.line().await, "(hung up)");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_is_shown_out() {
    let mut raw = Raw::connect(Serving::start(memory()).port).await;
    raw.send("unix\n").await;
    assert_eq!(raw.line().await, "yes");
    raw.line().await;
    assert_eq!(raw.line().await, "(hung up)");
}
