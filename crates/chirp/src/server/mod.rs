//! A Chirp server over any driver.
//!
//! One task per connection; requests of one connection are answered strictly in order, also when they are pipelined.
//! Whoever proves to be the owner has all rights, everybody else none. Names that begin with `.__` are the protocol's own: they are neither shown nor served.

mod auth;
mod connection;
mod files;
mod names;
mod resolve;
mod rmall;
mod whole;
mod wire;

use mynah_vfs::{Driver, Error, Result};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Connections that wait to be accepted; beyond it the kernel makes clients wait.
const BACKLOG: u32 = 1024;
/// The pause after accept(2) failed, for instance for want of descriptors: it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The most bytes that all connections together hold of what they read but have not yet sent: 16 transfers of the greatest size.
const READ_BUDGET: usize = 16 * crate::proto::TRANSFER_MAX;
/// In what steps [`READ_BUDGET`] is counted, because a semaphore counts no further than 2^29 on small machines.
const BUDGET_UNIT: usize = 4 << 10;

/// What a server is told.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The user number whose processes own the server's files: they have all rights.
    pub owner: u32,
    /// Connections at one time; more are closed at once.
    pub connections: usize,
    /// How long a connection may stay silent between two requests.
    pub idle: Duration,
    /// How long a peer may leave us waiting in the middle of a request or reply.
    pub stall: Duration,
    /// Where the unix method asks clients to make a file. Our own client makes it in `/tmp` and nowhere else.
    pub challenge_dir: PathBuf,
    /// Changes when acknowledged writes may have been lost: a word of at most 64 bytes. `None`: not known.
    pub instance: Option<Vec<u8>>,
}

impl ServerConfig {
    /// The usual configuration: owned by this process's user, on storage that survives what this machine's kernel survives.
    ///
    /// Idle connections are kept for 10 minutes (clients keep them for later use, and the protocol asks for 60 seconds at least);
    /// 1024 connections are 128 programs that use all that our own client opens.
    #[must_use]
    pub fn of_this_process() -> ServerConfig {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        ServerConfig {
            owner: rustix::process::geteuid().as_raw(),
            connections: 1024,
            idle: Duration::from_secs(10 * 60),
            stall: Duration::from_secs(5 * 60),
            challenge_dir: PathBuf::from("/tmp"),
            instance: boot.map(|text| text.trim().as_bytes().to_vec()),
        }
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What all connections of a server share.
struct Shared {
    driver: Arc<dyn Driver>,
    config: ServerConfig,
    connections: Arc<Semaphore>,
    read_budget: Semaphore,
}

impl Server {
    /// Listens on `address` (port 0 picks a free one) and will serve `driver`. To be called within a tokio runtime. A port that a
    /// server used a moment ago can be used again at once.
    ///
    /// # Errors
    /// As bind(2) and listen(2) say: EADDRINUSE, EACCES, ...
    pub fn bind(address: SocketAddr, driver: Arc<dyn Driver>, config: ServerConfig) -> Result<Server> {
        let (listener, address) =
            listen(address).map_err(|error| Error::io(format!("listen on {address}"), error))?;
        let shared = Shared {
            driver,
            connections: Arc::new(Semaphore::new(config.connections)),
            read_budget: Semaphore::new(READ_BUDGET / BUDGET_UNIT),
            config,
        };
        Ok(Server { listener, address, shared: Arc::new(shared) })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is done; then closes all connections, those in the middle of a request too.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &mut tasks),
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        drop(self.listener);
        tasks.shutdown().await;
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        match Arc::clone(&self.shared.connections).try_acquire_owned() {
            Ok(place) => {
                tasks.spawn(serve(stream, peer, Arc::clone(&self.shared), place));
            }
            Err(_) => tracing::warn!(%peer, limit = self.shared.config.connections, "too many connections"),
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, _place: OwnedSemaphorePermit) {
    match connection::serve(stream, peer, shared).await {
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error) => tracing::debug!(%peer, %error, "connection lost"),
    }
}

fn listen(address: SocketAddr) -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Shared {
    /// Waits until `len` bytes may be read into memory; they are returned when the permit is dropped.
    async fn read_permit(&self, len: usize) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let units = len.div_ceil(BUDGET_UNIT).min(READ_BUDGET / BUDGET_UNIT);
        self.read_budget.acquire_many(u32::try_from(units).unwrap_or(u32::MAX)).await.ok()
    }
}
