//! What the tests of client and server start: servers over memory, a proxy that loses what it is told to lose, scripts.

#![allow(dead_code, reason = "each test binary uses its part")]

use bytes::Bytes;
use mynah_chirp::client::{Options, Session};
use mynah_chirp::server::{Server, ServerConfig};
use mynah_net::Endpoint;
use mynah_vfs::{Driver, MemDriver, OpenHow, Time, VPath};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes; only what hangs reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn path(text: &str) -> VPath {
    VPath::normal(text.as_bytes()).expect("no NUL")
}

pub(crate) const READ: OpenHow =
    OpenHow { read: true, write: false, create: false, exclusive: false, truncate: false, mode: 0 };
pub(crate) const CREATE: OpenHow =
    OpenHow { read: true, write: true, create: true, exclusive: false, truncate: false, mode: 0o644 };

/// A driver in memory whose times are the machine's.
pub(crate) fn memory() -> Arc<dyn Driver> {
    memory_of(Arc::default())
}

/// A driver in memory whose times lie behind the machine's, by as many seconds as `behind` says at the moment.
pub(crate) fn memory_of(behind: Arc<AtomicI64>) -> Arc<dyn Driver> {
    Arc::new(MemDriver::with_clock(move || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        Time { sec: since.as_secs() as i64 - behind.load(Ordering::Relaxed), nsec: since.subsec_nanos() }
    }))
}

pub(crate) async fn put(driver: &dyn Driver, name: &str, content: &[u8]) {
    let opened = driver.open(&path(name), OpenHow { truncate: true, ..CREATE }).await.expect("open");
    opened.file.write_at(0, Bytes::copy_from_slice(content)).await.expect("write");
}

pub(crate) async fn content(driver: &dyn Driver, name: &str) -> Vec<u8> {
    let opened = driver.open(&path(name), READ).await.expect("open");
    opened.file.read_at(0, 1 << 20).await.expect("read").to_vec()
}

pub(crate) fn session(port: u16, timeout: Duration) -> Arc<Session> {
    let endpoint = Endpoint::new("127.0.0.1", port).expect("an address");
    Session::new(endpoint, Options { timeout, connections: 8 })
}

/// A server of ours that can be stopped.
pub(crate) struct Serving {
    pub(crate) port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn start(driver: Arc<dyn Driver>) -> Serving {
        Serving::start_with(driver, 0, ServerConfig::of_this_process())
    }

    pub(crate) fn start_with(driver: Arc<dyn Driver>, port: u16, config: ServerConfig) -> Serving {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], port)), driver, config).expect("bind");
        let port = server.local_addr().port();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move {
            // A server whose handle is dropped runs on.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Serving { port, stop, task }
    }

    /// Ends with all its connections closed.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.expect("the server's task");
    }
}

/// What a proxy does when it sees a text in what a client sends.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// The request does not arrive, and the connection is closed.
    Request,
    /// The request arrives and is answered; the answer does not come back, and the connection is closed.
    Reply,
    /// Nothing passes any more on this connection, and it stays open.
    Silence,
}

type Rule = Arc<Mutex<Option<(&'static str, Loss)>>>;

/// A proxy in front of a server.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    rule: Rule,
}

impl Proxy {
    /// Passes everything on.
    pub(crate) async fn start(server: u16) -> Proxy {
        Proxy::start_with(server, false).await
    }

    /// Passes everything on but the question for the extended dialect: to each end the other is an existing program.
    pub(crate) async fn start_standard(server: u16) -> Proxy {
        Proxy::start_with(server, true).await
    }

    async fn start_with(server: u16, standard: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let rule = Rule::default();
        let rules = Arc::clone(&rule);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                tokio::spawn(relay(client, server, Arc::clone(&rules), standard));
            }
        });
        Proxy { port, rule }
    }

    /// The next time a client sends `text`, lose something. Once.
    pub(crate) fn lose(&self, text: &'static str, loss: Loss) {
        *self.rule.lock().expect("rule") = Some((text, loss));
    }

    /// Whether what was to be lost has been.
    pub(crate) fn has_lost(&self) -> bool {
        self.rule.lock().expect("rule").is_none()
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, rule: Rule, standard: bool) {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(len @ 1..) = read else { return };
                if standard && up[..len] == *b"mynah 1\n" {
                    up[..len].copy_from_slice(b"unknown\n");
                }
                match triggered(&rule, &up[..len]) {
                    Some(Loss::Request) => return,
                    Some(Loss::Reply) => {
                        let _ = server.write_all(&up[..len]).await;
                        // The answer shows that the request has been carried out.
                        let _ = server.read(&mut down).await;
                        return;
                    }
                    Some(Loss::Silence) => return std::future::pending().await,
                    None => {
                        if server.write_all(&up[..len]).await.is_err() {
                            return;
                        }
                    }
                }
            }
            read = server.read(&mut down) => {
                let Ok(len @ 1..) = read else { return };
                if client.write_all(&down[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn triggered(rule: &Rule, sent: &[u8]) -> Option<Loss> {
    let mut rule = rule.lock().expect("rule");
    let (text, loss) = (*rule)?;
    let seen = sent.windows(text.len()).any(|window| window == text.as_bytes());
    if seen {
        *rule = None;
    }
    seen.then_some(loss)
}

/// The other end of a raw connection, line by line.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn connect(port: u16) -> Raw {
        Raw(TcpStream::connect(("127.0.0.1", port)).await.expect("connect"))
    }

    /// Connects and authenticates by the unix method, as an existing client does.
    pub(crate) async fn log_in(port: u16) -> Raw {
        let mut raw = Raw::connect(port).await;
        raw.send("unix\n").await;
        assert_eq!(raw.line().await, "yes");
        let challenge = raw.line().await;
        assert!(challenge.starts_with("/tmp/challenge."), "{challenge}");
        std::fs::File::create_new(&challenge).expect("the challenge");
        raw.send("yes\n").await;
        assert_eq!(raw.line().await, "yes");
        let _ = std::fs::remove_file(&challenge);
        assert_eq!(raw.line().await, "yes");
        assert_eq!(raw.line().await, "unix");
        raw.line().await;
        raw
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.expect("send");
    }

    /// One line without its newline; a text that no peer sends if the peer has hung up.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        loop {
            match self.0.read_u8().await {
                Ok(b'\n') => return String::from_utf8(line).expect("ASCII"),
                Ok(byte) => line.push(byte),
                Err(_) => return "(hung up)".to_owned(),
            }
        }
    }

    pub(crate) async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.line().await);
        }
        lines
    }

    pub(crate) async fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact(&mut bytes).await.expect("bytes");
        bytes
    }

    /// Sends a line and gives the line that comes back.
    pub(crate) async fn ask(&mut self, request: &str) -> String {
        self.send(format!("{request}\n")).await;
        self.line().await
    }
}
