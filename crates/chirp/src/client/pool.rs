//! The connections of a session.

use super::connection::Connection;
use super::{Options, handshake};
use mynah_net::{Backoff, Deadline, Endpoint};
use mynah_vfs::{Error, Result, Retry};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Pauses between attempts to reach a server that was there before.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A few connections to one endpoint, opened as they are needed.
pub(super) struct Pool {
    endpoint: Endpoint,
    options: Options,
    state: Mutex<State>,
    opened: Notify,
    /// Whether the server has been reached, and no call has given up on it since. Only then is a refused connection worth waiting for.
    was_up: AtomicBool,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    opening: usize,
}

/// What can be done for a caller at the moment.
enum Place {
    Ready(Arc<Connection>),
    /// Nothing is idle and there is room for one more connection. The second is what to use if that fails.
    Room(Option<Arc<Connection>>),
    /// All that there may be are being opened by others.
    Wait,
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint, options: Options) -> Pool {
        Pool {
            endpoint,
            options,
            state: Mutex::default(),
            opened: Notify::new(),
            was_up: AtomicBool::new(false),
        }
    }

    pub(super) fn backoff() -> Backoff {
        Backoff::new(FIRST_PAUSE, LONGEST_PAUSE)
    }

    /// The least busy connection, or a new one while all are busy and few. A server that was there before is waited for up to the deadline.
    ///
    /// # Errors
    /// Those of [`handshake::connect`].
    pub(super) async fn connection(&self, deadline: Deadline) -> Result<Arc<Connection>> {
        let mut backoff = Pool::backoff();
        backoff.pause();
        loop {
            let error = match self.try_connection(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if error.retry() == Retry::Never || !self.was_up.load(Ordering::Relaxed) {
                return Err(error);
            }
            self.pause(&mut backoff, deadline, error).await?;
        }
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    /// The error itself, if the deadline comes before the pause is over: the server then counts as gone.
    pub(super) async fn pause(&self, backoff: &mut Backoff, deadline: Deadline, error: Error) -> Result<()> {
        let pause = backoff.pause();
        if pause >= deadline.remaining() {
            self.was_up.store(false, Ordering::Relaxed);
            return Err(error);
        }
        tracing::debug!(endpoint = %self.endpoint, %error, ?pause, "trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn try_connection(&self, deadline: Deadline) -> Result<Arc<Connection>> {
        loop {
            let opened = self.opened.notified();
            match self.place() {
                Place::Ready(connection) => return Ok(connection),
                Place::Room(busy) => {
                    let opening = Opening(self);
                    let made = handshake::connect(&self.endpoint, &self.options, deadline).await;
                    return match (made, busy) {
                        (Ok(made), _) => Ok(opening.done(made)),
                        // The server may not want more of them.
                        (Err(error), Some(busy)) if !busy.is_lost() => {
                            tracing::debug!(endpoint = %self.endpoint, %error, "no further connection");
                            Ok(busy)
                        }
                        (Err(error), _) => Err(error),
                    };
                }
                Place::Wait => opened.await,
            }
        }
    }

    fn place(&self) -> Place {
        let mut state = self.state();
        state.connections.retain(|connection| !connection.is_lost());
        let best = state.connections.iter().min_by_key(|connection| connection.load()).cloned();
        let room = state.connections.len() + state.opening < self.options.connections;
        match best {
            Some(best) if best.load().0 == 0 || !room => Place::Ready(best),
            best if room => {
                state.opening += 1;
                Place::Room(best)
            }
            _ => Place::Wait,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a connection that is being opened; given back when it is dropped.
struct Opening<'a>(&'a Pool);

impl Opening<'_> {
    fn done(self, connection: Connection) -> Arc<Connection> {
        let connection = Arc::new(connection);
        self.0.state().connections.push(Arc::clone(&connection));
        self.0.was_up.store(true, Ordering::Relaxed);
        connection
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.state().opening -= 1;
        self.0.opened.notify_waiters();
    }
}
