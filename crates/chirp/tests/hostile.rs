//! The client against servers that send nonsense: each call ends with the right errno, nothing panics, nothing hangs.

mod support;

use bytes::Bytes;
use mynah_chirp::client::Session;
use mynah_vfs::{Errno, Retry};
use std::sync::Arc;
use std::time::Duration;
use support::{CREATE, LONG, READ, path, session};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const FILE: &str = "1 2 33188 1 0 0 0 6 4096 8 1 2 3\n";
const DIRECTORY: &str = "1 2 16877 1 0 0 0 6 4096 8 1 2 3\n";

/// What a script does with a request line.
enum Act {
    Say(Vec<u8>),
    HangUp,
    Hang,
}

fn say(text: impl AsRef<[u8]>) -> Act {
    Act::Say(text.as_ref().to_vec())
}

/// A server that logs anybody in and then follows a script.
async fn scripted(
    dialect: &'static str,
    script: impl Fn(&str) -> Act + Send + Sync + 'static,
) -> Arc<Session> {
    scripted_for(LONG, dialect, script).await
}

async fn scripted_for(
    timeout: Duration,
    dialect: &'static str,
    script: impl Fn(&str) -> Act + Send + Sync + 'static,
) -> Arc<Session> {
    let script = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read);
                let mut line = String::new();
                while lines.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    let act = match line.trim_end() {
                        "unix" => say("no\n"),
                        "hostname" => say("yes\nyes\nyes\nhostname\nlocalhost\n"),
                        "mynah 1" => say(dialect),
                        request => script(request),
                    };
                    match act {
                        Act::Say(bytes) if write.write_all(&bytes).await.is_err() => return,
                        Act::Say(_) => {}
                        Act::HangUp => return,
                        Act::Hang => std::future::pending().await,
                    }
                    // The data of a write is not of interest.
                    if let Some(len) = line.strip_prefix("pwrite ").and_then(|rest| rest.split(' ').nth(1)) {
                        let mut data = vec![0; len.parse().expect("a length")];
                        if lines.read_exact(&mut data).await.is_err() {
                            return;
                        }
                    }
                    line.clear();
                }
            });
        }
    });
    session(port, timeout)
}

const STANDARD: &str = "-8\n";
const EXTENDED: &str = "1\n1763650000 5 boot\n";

/// A server whose every reply is `text`.
async fn always(text: &'static str) -> Arc<Session> {
    scripted(STANDARD, move |_| say(text)).await
}

#[tokio::test]
async fn replies_that_are_none() {
    for text in [
        "hello\n",
        "\n",
        "0\n1 2 3\n",
        "0\n1 2 33188 1 0 0 0 -6 4096 8 1 2 3\n",
        "0\n1 2 33188 1 0 0 0 9223372036854775808 4096 8 1 2 3\n",
        "0\n1 2 420 1 0 0 0 6 4096 8 1 2 3\n",
        "99999999999999999999\n",
        "-500\n",
        "-9223372036854775808\n",
    ] {
        let error = always(text).await.lstat(&path("/x")).await.unwrap_err();
        assert_eq!(error.errno(), Errno::EPROTO, "{text:?}");
        assert!(error.to_string().contains("lstat /x"), "{error}");
    }
    let endless = scripted(STANDARD, |_| say(vec![b'1'; 100_000])).await;
    assert_eq!(endless.lstat(&path("/x")).await.unwrap_err().errno(), Errno::EPROTO);
}

#[tokio::test]
async fn exact_errors_that_nobody_agreed_on() {
    let standard = always("-1002\n").await;
    assert_eq!(standard.lstat(&path("/x")).await.unwrap_err().errno(), Errno::EPROTO);
    let extended = scripted(EXTENDED, |_| say("-1002\n")).await;
    assert_eq!(extended.lstat(&path("/x")).await.unwrap_err().errno(), Errno::ENOENT);
    for text in ["-1000\n", "-5096\n", "-999\n"] {
        let extended = scripted(EXTENDED, move |_| say(text)).await;
        assert_eq!(extended.lstat(&path("/x")).await.unwrap_err().errno(), Errno::EPROTO, "{text:?}");
    }
}

#[tokio::test]
async fn unknown_errors_are_tried_once_more() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let session = scripted(STANDARD, move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        say("-127\n")
    })
    .await;
    assert_eq!(session.lstat(&path("/x")).await.unwrap_err().errno(), Errno::EIO);
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
    // What the standard's servers say of an absent attribute.
    assert_eq!(session.getxattr(&path("/x"), b"user.a").await.unwrap_err().errno(), Errno::ENODATA);
}

#[tokio::test]
async fn names_that_cannot_be() {
    for name in ["", "a/b", "/", "a\0b", &"x".repeat(256)] {
        let name = name.to_owned();
        let shown = name.clone();
        let session =
            scripted(STANDARD, move |_| say(format!("0\n.\n{DIRECTORY}..\n{DIRECTORY}{name}\n{FILE}\n")))
                .await;
        let listed = session.list(&path("/")).await;
        match shown.as_str() {
            // An empty line ends a listing; what follows was not asked for.
            "" => assert!(listed.is_ok_and(|entries| entries.is_empty())),
            _ => assert_eq!(listed.unwrap_err().errno(), Errno::EPROTO, "{shown:?}"),
        }
    }
    for name in ["%2E%2E", "a%2Fb", "a%00b", "."] {
        let session = scripted(EXTENDED, move |_| say(format!("0\n{name}\n-\n\n"))).await;
        let listed = session.list(&path("/")).await;
        assert!(
            listed.is_ok_and(|entries| entries.is_empty()) || name.contains("%2F") || name.contains("%00")
        );
    }
    let twice = scripted(STANDARD, |_| say(format!("0\na\n{FILE}b\n{FILE}a\n{FILE}\n"))).await;
    assert_eq!(twice.list(&path("/")).await.unwrap_err().errno(), Errno::EPROTO);
}

#[tokio::test]
async fn link_texts_that_cannot_be() {
    for text in ["0\n", "3\na\0b", "4096\n", "9223372036854775807\n"] {
        let session = always(text).await;
        assert_eq!(session.readlink(&path("/l")).await.unwrap_err().errno(), Errno::EPROTO, "{text:?}");
    }
    assert_eq!(always("3\na b").await.readlink(&path("/l")).await.unwrap(), b"a b");
}

#[tokio::test]
async fn counts_that_cannot_be() {
    for (read, write) in [("11\n", "4\n"), ("16777217\n", "0\n"), ("9223372036854775807\n", "-0x1\n")] {
        let session = scripted(STANDARD, move |request| match request.split(' ').next() {
            Some("lstat") => say(format!("0\n{FILE}")),
            Some("open") => say(format!("0\n{FILE}")),
            Some("pread") => say(read),
            Some("pwrite") => say(write),
            _ => say("0\n"),
        })
        .await;
        let (file, _) = session.open(&path("/f"), CREATE).await.unwrap();
        assert_eq!(file.read_at(0, 10).await.unwrap_err().errno(), Errno::EPROTO, "{read:?}");
        let (file, _) = session.open(&path("/f"), CREATE).await.unwrap();
        let written = file.write_at(0, Bytes::from_static(b"abc")).await;
        assert_eq!(written.unwrap_err().errno(), Errno::EPROTO, "{write:?}");
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    for (stat, errno) in [
        (DIRECTORY, Errno::EISDIR),
        ("1 2 8630 1 0 0 259 0 4096 0 1 2 3\n", Errno::ENXIO),
        ("1 2 41471 1 0 0 0 3 4096 0 1 2 3\n", Errno::ELOOP),
    ] {
        let session = scripted(STANDARD, move |request| match request.split(' ').next() {
            Some("lstat") => say(format!("0\n{FILE}")),
            _ => say(format!("0\n{stat}")),
        })
        .await;
        assert_eq!(session.open(&path("/f"), READ).await.err().unwrap().errno(), errno);
    }
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_end_the_connection() {
    // The second reply must not be taken for that to the next request.
    let session = scripted(STANDARD, |request| match request {
        "access /a 0" => say("0\n-3\n"),
        _ => say("-4\n"),
    })
    .await;
    for _ in 0..20 {
        session.access(&path("/a"), 0).await.unwrap();
        assert_eq!(session.access(&path("/b"), 0).await.unwrap_err().errno(), Errno::EEXIST);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let short = Duration::from_millis(100);
    let session = scripted_for(short, STANDARD, |_| Act::Hang).await;
    for call in 0..3 {
        let error = session.lstat(&path("/x")).await.unwrap_err();
        assert_eq!((error.errno(), error.retry()), (Errno::ETIMEDOUT, Retry::Later), "call {call}");
    }
    // An answer that never ends, byte by byte.
    let session = scripted_for(short, STANDARD, |_| say("0")).await;
    assert_eq!(session.lstat(&path("/x")).await.unwrap_err().errno(), Errno::ETIMEDOUT);
    // No word at all, not even while logging in.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let session = support::session(silent.local_addr().unwrap().port(), short);
    assert_eq!(session.lstat(&path("/x")).await.unwrap_err().errno(), Errno::ETIMEDOUT);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_given_up() {
    let session = scripted_for(Duration::from_millis(200), STANDARD, |_| Act::HangUp).await;
    let error = session.lstat(&path("/x")).await.unwrap_err();
    assert!([Errno::ECONNRESET, Errno::ETIMEDOUT].contains(&error.errno()), "{error}");
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn what_speaks_no_chirp_is_told() {
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 ftp ready\r\n", &"x".repeat(5000)] {
        let greeting = greeting.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(greeting.as_bytes()).await;
                let _ = stream.read(&mut [0; 1000]).await;
            }
        });
        let error = session(port, LONG).lstat(&path("/x")).await.unwrap_err();
        assert_eq!((error.errno(), error.retry()), (Errno::EPROTO, Retry::Never), "{error}");
        assert!(error.to_string().contains("not a Chirp server"), "{error}");
    }
}

#[tokio::test]
async fn a_login_that_lies() {
    for hello in ["0\n1 2 x\n", "2\n1 2 x\n", "1\n1 2\n", "1\n1 1000000000 x\n", "1\n1 2 x\nmore\n"] {
        let session = scripted(hello, |_| say("0\n")).await;
        let error = session.access(&path("/"), 0).await.unwrap_err();
        assert_eq!(error.errno(), Errno::EPROTO, "{hello:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut line = [0; 100];
                while stream.read(&mut line).await.is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"no\n").await;
                }
            });
        }
    });
    let error = session(port, LONG).lstat(&path("/x")).await.unwrap_err();
    assert_eq!((error.errno(), error.retry()), (Errno::EACCES, Retry::Never));
}
