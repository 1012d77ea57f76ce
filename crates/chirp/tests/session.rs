//! Client and server over loopback: calls that are given up, connections and replies that are lost, servers that come back.

mod support;

use bytes::Bytes;
use mynah_chirp::server::ServerConfig;
use mynah_vfs::{Driver, Errno, FileKind, OpenHow, RenameHow, Result, Retry, SetAttrs, XattrHow};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use support::{CREATE, LONG, Loss, Proxy, READ, Serving, content, memory, memory_of, path, put, session};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once() {
    let driver = memory();
    let session = session(Serving::start(Arc::clone(&driver)).port, LONG);
    let mut tasks = Vec::new();
    for caller in 0..16u32 {
        let session = Arc::clone(&session);
        tasks.push(tokio::spawn(async move {
            let name = path(&format!("/f{caller}"));
            let (file, _) = session.open(&name, CREATE).await.unwrap();
            for round in 0..50u32 {
                let data = Bytes::from(format!("{caller} {round}"));
                file.write_at(u64::from(round) * 16, data.clone()).await.unwrap();
                assert_eq!(file.read_at(u64::from(round) * 16, data.len()).await.unwrap(), data);
                assert_eq!(session.lstat(&name).await.unwrap().kind, FileKind::Regular);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(driver.list(&path("/")).await.unwrap().len(), 16);
}

#[tokio::test]
async fn big_transfers_come_through() {
    let driver = memory();
    let session = session(Serving::start(Arc::clone(&driver)).port, LONG);
    let data: Bytes = (0..20_000_003u32).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into();
    let (file, _) = session.open(&path("/f"), CREATE).await.unwrap();
    file.write_at(5, data.clone()).await.unwrap();
    assert_eq!(file.read_at(5, 30_000_000).await.unwrap(), data);
    assert_eq!(file.read_at(20_000_000, 1 << 20).await.unwrap(), data.slice(19_999_995..));
    assert!(file.read_at(1 << 40, 10).await.unwrap().is_empty());
    file.sync().await.unwrap();
}

#[tokio::test]
async fn calls_that_are_dropped_leave_the_connection_in_step() {
    let driver = memory();
    put(&*driver, "/big", &vec![7; 1 << 20]).await;
    let session = session(Serving::start(Arc::clone(&driver)).port, LONG);
    let (file, _) = session.open(&path("/big"), READ).await.unwrap();
    for round in 0..200u64 {
        // Given up at a different moment each time: before it is sent, while it is under way, when it is answered.
        let call = file.read_at(0, 1 << 20);
        tokio::select! {
            biased;
            () = yields(round % 20) => {}
            read = call => assert_eq!(read.unwrap().len(), 1 << 20),
        }
        assert_eq!(file.stat().await.unwrap().size, 1 << 20);
        assert_eq!(session.lstat(&path("/absent")).await.unwrap_err().errno(), Errno::ENOENT);
    }
}

async fn yields(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn files_whose_open_was_dropped_are_closed() {
    let driver = memory();
    put(&*driver, "/f", b"x").await;
    let session = session(Serving::start(Arc::clone(&driver)).port, LONG);
    let name = path("/f");
    // More than a connection may have open, if they were not closed.
    for round in 0..5000u64 {
        tokio::select! {
            biased;
            () = yields(round % 8) => {}
            opened = session.open(&name, READ) => drop(opened.unwrap()),
        }
    }
    let mut files = Vec::new();
    for _ in 0..100 {
        files.push(session.open(&path("/f"), READ).await.unwrap());
    }
}

#[tokio::test]
async fn a_long_transfer_keeps_nobody_waiting() {
    let driver = memory();
    put(&*driver, "/f", b"x").await;
    let serving = Serving::start(driver);
    let proxy = Proxy::start(serving.port).await;
    let session = session(proxy.port, LONG);
    let (file, _) = session.open(&path("/f"), READ).await.unwrap();
    proxy.lose("pread", Loss::Silence);
    let stuck = tokio::spawn(async move { file.read_at(0, 1).await });
    while !proxy.has_lost() {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        session.lstat(&path("/f")).await.unwrap();
    }
    stuck.abort();
}

#[tokio::test]
async fn a_server_that_stops_answering_times_out() {
    let driver = memory();
    put(&*driver, "/f", b"x").await;
    let serving = Serving::start(driver);
    let proxy = Proxy::start(serving.port).await;
    let session = session(proxy.port, Duration::from_millis(300));
    session.lstat(&path("/f")).await.unwrap();
    proxy.lose("lstat", Loss::Silence);
    let error = session.lstat(&path("/f")).await.unwrap_err();
    assert_eq!((error.errno(), error.retry()), (Errno::ETIMEDOUT, Retry::Later));
    // The next call does not use the connection that is stuck.
    session.lstat(&path("/f")).await.unwrap();
}

#[tokio::test]
async fn nobody_there() {
    let port = Serving::start(memory());
    let free = port.port;
    port.stop().await;
    let error = session(free, LONG).lstat(&path("/")).await.unwrap_err();
    assert_eq!((error.errno(), error.retry()), (Errno::ECONNREFUSED, Retry::Later));
    assert!(error.to_string().contains(&format!("127.0.0.1:{free}")), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_is_waited_for() {
    let driver = memory();
    put(&*driver, "/f", b"before").await;
    let serving = Serving::start(Arc::clone(&driver));
    let port = serving.port;
    let session = session(port, LONG);
    let (file, _) = session.open(&path("/f"), OpenHow { write: true, ..READ }).await.unwrap();
    serving.stop().await;
    let waiting = {
        let session = Arc::clone(&session);
        tokio::spawn(async move { session.lstat(&path("/f")).await })
    };
    yields(100).await;
    let _serving = Serving::start_with(Arc::clone(&driver), port, ServerConfig::of_this_process());
    assert_eq!(waiting.await.unwrap().unwrap().size, 6);
    assert_eq!(file.read_at(0, 10).await.unwrap(), "before");
    file.write_at(0, Bytes::from_static(b"after!")).await.unwrap();
    file.sync().await.unwrap();
    assert_eq!(content(&*driver, "/f").await, b"after!");
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up() {
    let serving = Serving::start(memory());
    let session = session(serving.port, Duration::from_millis(300));
    session.lstat(&path("/")).await.unwrap();
    serving.stop().await;
    let error = session.lstat(&path("/")).await.unwrap_err();
    assert!([Errno::ECONNREFUSED, Errno::ETIMEDOUT].contains(&error.errno()), "{error}");
    // From then on it is known to be away.
    let error = session.lstat(&path("/")).await.unwrap_err();
    assert_eq!(error.errno(), Errno::ECONNREFUSED);
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_is_stale() {
    let driver = memory();
    put(&*driver, "/f", b"old").await;
    let serving = Serving::start(Arc::clone(&driver));
    let proxy = Proxy::start(serving.port).await;
    let session = session(proxy.port, LONG);
    let (file, _) = session.open(&path("/f"), READ).await.unwrap();
    let (other, _) = session.open(&path("/f"), READ).await.unwrap();
    driver.unlink(&path("/f")).await.unwrap();
    // While the connection holds, the file is there without a name.
    assert_eq!(file.read_at(0, 10).await.unwrap(), "old");
    proxy.lose("pread", Loss::Request);
    assert_eq!(file.read_at(0, 10).await.unwrap_err().errno(), Errno::ESTALE);
    put(&*driver, "/f", b"new").await;
    proxy.lose("pread", Loss::Request);
    assert_eq!(other.read_at(0, 10).await.unwrap_err().errno(), Errno::ESTALE);
}

#[tokio::test]
async fn a_reboot_that_may_have_lost_writes_shows_at_sync() {
    let driver = memory();
    let config = || ServerConfig { instance: Some(b"first".to_vec()), ..ServerConfig::of_this_process() };
    let serving = Serving::start_with(Arc::clone(&driver), 0, config());
    let port = serving.port;
    let session = session(port, LONG);
    let (file, _) = session.open(&path("/f"), CREATE).await.unwrap();
    file.write_at(0, Bytes::from_static(b"x")).await.unwrap();
    serving.stop().await;
    let serving = Serving::start_with(Arc::clone(&driver), port, config());
    file.sync().await.unwrap();
    file.write_at(0, Bytes::from_static(b"y")).await.unwrap();
    serving.stop().await;
    let other = ServerConfig { instance: Some(b"second".to_vec()), ..config() };
    let _serving = Serving::start_with(driver, port, other);
    let error = file.sync().await.unwrap_err();
    assert_eq!(error.errno(), Errno::EIO);
    assert!(error.to_string().contains("may be lost"), "{error}");
    file.sync().await.unwrap();
}

/// A session through a proxy, over a directory with a few things that have been in it for a while.
async fn lossy() -> (Arc<dyn Driver>, Proxy, Arc<mynah_chirp::client::Session>) {
    let behind = Arc::new(AtomicI64::new(1000));
    let driver = memory_of(Arc::clone(&behind));
    put(&*driver, "/f", b"f").await;
    put(&*driver, "/g", b"g").await;
    driver.mkdir(&path("/d"), 0o755).await.expect("mkdir");
    behind.store(0, Ordering::Relaxed);
    let proxy = Proxy::start(Serving::start(Arc::clone(&driver)).port).await;
    let session = session(proxy.port, LONG);
    (driver, proxy, session)
}

/// A call during which something is lost.
async fn losing<T>(
    proxy: &Proxy,
    text: &'static str,
    loss: Loss,
    call: impl Future<Output = Result<T>>,
) -> Result<T> {
    proxy.lose(text, loss);
    let result = call.await;
    assert!(proxy.has_lost(), "{text} was never sent");
    result
}

#[tokio::test]
async fn lost_requests_are_done_once() {
    for loss in [Loss::Request, Loss::Reply] {
        let (driver, proxy, session) = lossy().await;
        let (f, g, h, d) = (path("/f"), path("/g"), path("/h"), path("/d"));
        let (new, moved, l, fifo, x) = (path("/new"), path("/new/f"), path("/l"), path("/fifo"), path("/x"));
        losing(&proxy, "mkdir", loss, session.mkdir(&new, 0o700)).await.unwrap();
        losing(&proxy, "unlink", loss, session.unlink(&g)).await.unwrap();
        losing(&proxy, "rmdir", loss, session.rmdir(&d)).await.unwrap();
        losing(&proxy, "rename", loss, session.rename(&f, &moved, RenameHow::Replace)).await.unwrap();
        losing(&proxy, "link", loss, session.link(&moved, &h)).await.unwrap();
        losing(&proxy, "symlink", loss, session.symlink(b"text", &l)).await.unwrap();
        losing(&proxy, "mknod", loss, session.mknod(&fifo, FileKind::Fifo, 0o600, 0)).await.unwrap();
        losing(&proxy, "renameat", loss, session.rename(&l, &fifo, RenameHow::Exchange)).await.unwrap();
        let create = session.setxattr(&h, b"user.a", b"v", XattrHow::Create);
        losing(&proxy, "setxattr", loss, create).await.unwrap();
        losing(&proxy, "removexattr", loss, session.removexattr(&h, b"user.a")).await.unwrap();
        let how = OpenHow { exclusive: true, ..CREATE };
        let (file, _) = losing(&proxy, "open", loss, session.open(&x, how)).await.unwrap();
        losing(&proxy, "pwrite", loss, file.write_at(0, Bytes::from_static(b"written"))).await.unwrap();
        let attrs = SetAttrs { mode: Some(0o640), ..SetAttrs::default() };
        losing(&proxy, "setattr", loss, session.set_attrs(&x, attrs)).await.unwrap();

        let mut names: Vec<_> = driver.list(&path("/")).await.unwrap().into_iter().map(|e| e.name).collect();
        names.sort();
        assert_eq!(names, [&b"fifo"[..], b"h", b"l", b"new", b"x"]);
        assert_eq!(driver.lstat(&fifo).await.unwrap().kind, FileKind::Symlink);
        assert_eq!(driver.lstat(&l).await.unwrap().kind, FileKind::Fifo);
        assert_eq!(driver.lstat(&h).await.unwrap().nlink, 2);
        assert_eq!(driver.lstat(&x).await.unwrap().mode, 0o640);
        assert_eq!(content(&*driver, "/x").await, b"written");
        assert_eq!(driver.getxattr(&h, b"user.a").await.unwrap_err().errno(), Errno::ENODATA);
    }
}

#[tokio::test]
async fn what_was_there_before_is_not_taken_for_ours() {
    for loss in [Loss::Request, Loss::Reply] {
        let (driver, proxy, session) = lossy().await;
        let (f, g, d) = (path("/f"), path("/g"), path("/d"));
        let how = OpenHow { exclusive: true, ..CREATE };
        let refused = [
            losing(&proxy, "mkdir", loss, session.mkdir(&d, 0o700)).await,
            losing(&proxy, "open", loss, session.open(&f, how)).await.map(drop),
            losing(&proxy, "symlink", loss, session.symlink(b"text", &f)).await,
            losing(&proxy, "link", loss, session.link(&f, &g)).await,
            losing(&proxy, "renameat", loss, session.rename(&f, &g, RenameHow::NoReplace)).await,
        ];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.errno(), Errno::EEXIST, "{error}");
        }
        assert_eq!(content(&*driver, "/g").await, b"g");
    }
}

#[tokio::test(start_paused = true)]
async fn open_files_keep_their_connection_alive() {
    let driver = memory();
    put(&*driver, "/f", b"x").await;
    let config = ServerConfig { idle: Duration::from_secs(60), ..ServerConfig::of_this_process() };
    let serving = Serving::start_with(Arc::clone(&driver), 0, config);
    let session = session(serving.port, Duration::from_secs(3600));
    let (file, _) = session.open(&path("/f"), READ).await.unwrap();
    // Without its name it could not be opened again.
    driver.unlink(&path("/f")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(file.read_at(0, 10).await.unwrap(), "x");
}
