//! A client: a session with one server over a few connections that are made, shared and renewed as needed.
//!
//! What a server sends is checked here before anybody sees it. A call that can be done twice is repeated on a new connection when the old
//! one is lost; one that cannot is settled by looking. Every call ends by its deadline.

mod calls;
mod connection;
mod file;
mod handshake;
mod pool;
mod settle;
mod standard;

pub use file::RemoteFile;

use crate::proto::reply::{BadReply, Reply};
use crate::proto::request::AfterLoss;
use crate::proto::{Dialect, Request, code};
use bytes::Bytes;
use connection::{Connection, Descriptor, Failure, Received, ServerClock};
use mynah_net::{Deadline, Endpoint};
use mynah_vfs::{Errno, Error, Result, Retry, Stat};
use pool::Pool;
use settle::Window;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Connections of one session, unless it is told otherwise. A server has one process or task for each, and calls of one program rarely
/// overlap more than eightfold.
pub const CONNECTIONS: usize = 8;
/// The most of a request that an error quotes, in bytes.
const QUOTED_MAX: usize = 200;

/// What a session is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// By when every call ends, and how long a server may leave one without progress.
    pub timeout: Duration,
    /// The most connections at one time, at least 1.
    pub connections: usize,
}

/// A session with one server. Nothing is sent before the first call.
pub struct Session {
    endpoint: Endpoint,
    options: Options,
    pool: Pool,
    /// The dialect of the connection that was used last: 0 while none has been.
    dialect: AtomicU8,
    /// What that connection's end told of its clock.
    clock: Mutex<Option<ServerClock>>,
}

/// A reply, with what it belongs to.
struct Answered {
    reply: Reply,
    /// The descriptor that an `open` made.
    descriptor: Option<Descriptor>,
    connection: Arc<Connection>,
}

impl Answered {
    /// The attributes that it brings.
    fn stat(&self) -> Option<Stat> {
        match self.reply {
            Reply::Stat(_, stat) => Some(stat),
            _ => None,
        }
    }
}

/// What one attempt at a request came to, if it was not refused.
enum Outcome {
    Replied(Answered),
    /// The connection was lost after the request had been sent: when it may have been carried out, and why it was lost.
    LostAfterSending(Window, Error),
    /// It was lost before: nothing has happened.
    LostBefore(Error),
}

impl Session {
    /// A session that will connect to `endpoint`.
    #[must_use]
    pub fn new(endpoint: Endpoint, options: Options) -> Arc<Session> {
        let options = Options { connections: options.connections.max(1), ..options };
        let pool = Pool::new(endpoint.clone(), options);
        Arc::new(Session { endpoint, options, pool, dialect: AtomicU8::new(0), clock: Mutex::default() })
    }

    /// The server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The dialect that the server speaks, as far as it has been asked.
    #[must_use]
    pub fn known_dialect(&self) -> Option<Dialect> {
        match self.dialect.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Dialect::Standard),
            _ => Some(Dialect::Extended),
        }
    }

    /// What the server's clock shows now, since 1970, or somewhat less; `None` if it has not told.
    #[must_use]
    pub fn clock(&self) -> Option<Duration> {
        let clock = (*self.clock.lock().unwrap_or_else(PoisonError::into_inner))?;
        let showed = Duration::from_nanos(u64::try_from(clock.showed_ns).ok()?);
        // Two clocks drift apart by less than a thousandth.
        let since = clock.at.elapsed();
        Some((showed + since).saturating_sub(clock.error + since / 1000))
    }

    /// The dialect that the server speaks; asks it if need be.
    async fn dialect(&self) -> Result<Dialect> {
        match self.known_dialect() {
            Some(dialect) => Ok(dialect),
            None => Ok(self.pool.connection(self.deadline()).await?.peer.dialect),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.options.timeout)
    }

    /// Bounds a call of several steps, each of which has a deadline of its own, by one deadline.
    async fn within<T>(&self, what: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let words = || format!("chirp://{}: {what}: no answer in time", self.endpoint);
        self.deadline().bound(words, call).await
    }

    /// A request that may be sent again after a lost reply.
    async fn ask(&self, request: &Request, payload: Bytes) -> Result<Answered> {
        debug_assert_eq!(request.row().after_loss, AfterLoss::Repeat, "{request:?}");
        let deadline = self.deadline();
        let mut backoff = Pool::backoff();
        let mut unknown = 0;
        let asking = async {
            loop {
                let lost = match self.attempt(request, payload.clone(), deadline).await {
                    Ok(Outcome::Replied(answered)) => return Ok(answered),
                    Ok(Outcome::LostBefore(error)) => error,
                    Ok(Outcome::LostAfterSending(_, error)) => error,
                    // The standard's word for anything at all: once more, in case it was of the moment.
                    Err(Refusal { code: Some(code::UNKNOWN), error }) if unknown == 0 => {
                        unknown += 1;
                        error
                    }
                    Err(refusal) => return Err(refusal.error),
                };
                self.pool.pause(&mut backoff, deadline, lost).await?;
            }
        };
        deadline.bound(|| self.words(request, "no answer in time"), asking).await
    }

    /// Sends a request once.
    async fn attempt(
        &self,
        request: &Request,
        payload: Bytes,
        deadline: Deadline,
    ) -> std::result::Result<Outcome, Refusal> {
        let connection = self.pool.connection(deadline).await?;
        let dialect = connection.peer.dialect;
        let known = if dialect == Dialect::Extended { 2 } else { 1 };
        self.dialect.store(known, Ordering::Relaxed);
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = connection.peer.clock;
        let sent = Instant::now();
        match connection.exchange(request, payload).await {
            Ok(Received { reply, descriptor }) => {
                Ok(Outcome::Replied(Answered { reply, descriptor, connection }))
            }
            Err(Failure::Lost { sent: true, errno }) => {
                let window = Window::new(&connection.peer, sent, Instant::now());
                Ok(Outcome::LostAfterSending(window, self.lost(request, errno)))
            }
            Err(Failure::Lost { sent: false, errno }) => Ok(Outcome::LostBefore(self.lost(request, errno))),
            Err(failure) => Err(self.refusal(request, dialect, failure)),
        }
    }

    /// The error for what a server answered, or could not be asked.
    fn refusal(&self, request: &Request, dialect: Dialect, failure: Failure) -> Refusal {
        match failure {
            Failure::Refused(code) => match code::decode(code, dialect) {
                Some((errno, Retry::Later)) => Refusal {
                    code: Some(code),
                    error: Error::transient(errno, self.words(request, "refused")),
                },
                Some((errno, Retry::Never)) => {
                    Refusal { code: Some(code), error: Error::new(errno, self.words(request, "refused")) }
                }
                None => Error::new(Errno::EPROTO, self.words(request, "an error that means nothing")).into(),
            },
            Failure::Nonsense(bad) => {
                let errno = match bad {
                    BadReply::Malformed(_) => Errno::EPROTO,
                    BadReply::TooBig => Errno::EFBIG,
                };
                Error::new(errno, self.words(request, "a reply that cannot be taken")).caused_by(bad).into()
            }
            Failure::Unsendable(bad) => {
                Error::new(bad.errno(), self.words(request, "cannot be asked of this server")).into()
            }
            Failure::Lost { errno, .. } => self.lost(request, errno).into(),
        }
    }

    fn lost(&self, request: &Request, errno: Errno) -> Error {
        Error::transient(errno, self.words(request, "the connection was lost"))
    }

    /// A reply that is well-formed and yet cannot be true.
    fn nonsense(&self, request: &Request, what: &str) -> Error {
        Error::new(Errno::EPROTO, self.words(request, what))
    }

    /// What was asked, of whom, and what came of it.
    fn words(&self, request: &Request, outcome: &str) -> String {
        let mut line = Vec::new();
        if request.encode(Dialect::Extended, &mut line).is_err() {
            line.extend_from_slice(request.row().verb.as_bytes());
        }
        let quoted = line.trim_ascii_end();
        let quoted = &quoted[..quoted.len().min(QUOTED_MAX)];
        format!("chirp://{}: {}: {outcome}", self.endpoint, quoted.escape_ascii())
    }
}

/// A failed attempt, with the server's own number if it gave one.
struct Refusal {
    code: Option<i64>,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { code: None, error }
    }
}
