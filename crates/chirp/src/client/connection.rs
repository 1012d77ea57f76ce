//! One connection: a task that writes requests and matches replies, whoever has given up waiting for them.

use crate::proto::reply::{BadReply, Decoder, Reply};
use crate::proto::request::Unsendable;
use crate::proto::{Dialect, Request};
use bytes::{Buf, Bytes, BytesMut};
use mynah_vfs::Errno;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

/// Requests under way or waiting on one connection; further callers wait for their turn.
const REQUESTS_MAX: usize = 256;
/// How often a connection that open files depend on says something: half of the shortest idle time that servers keep.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How much is asked of the socket at once when no length is known.
const READ_CHUNK: usize = 16 << 10;
/// A buffer that a big reply has made larger than this is given back.
const BUFFER_KEPT: usize = 256 << 10;
/// Small requests are gathered up to this size before they are written.
const GATHER_MAX: usize = 64 << 10;

/// What is known of the server at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) dialect: Dialect,
    /// The server's clock, where it tells.
    pub(super) clock: Option<ServerClock>,
    /// Its storage instance, where it tells.
    pub(super) instance: Option<Vec<u8>>,
}

/// What the server's clock showed at a moment of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerClock {
    /// The moment, on our monotonic clock.
    pub(super) at: Instant,
    /// What the server's clock showed, in nanoseconds since 1970.
    pub(super) showed_ns: i128,
    /// How long the question took: the two can be apart by as much.
    pub(super) error: Duration,
}

/// A connection that has been authenticated.
pub(super) struct Connection {
    pub(super) peer: Peer,
    queue: mpsc::UnboundedSender<Queued>,
    turns: Arc<Semaphore>,
    /// Requests whose reply has not come.
    load: Arc<AtomicUsize>,
    files: Arc<AtomicUsize>,
}

/// What a request came to.
pub(super) struct Received {
    pub(super) reply: Reply,
    /// The descriptor that an `open` made.
    pub(super) descriptor: Option<Descriptor>,
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// The reply was this negative number.
    Refused(i64),
    /// The reply made no sense.
    Nonsense(BadReply),
    /// The connection was lost.
    Lost {
        /// Whether the server may have seen the request.
        sent: bool,
        /// Why.
        errno: Errno,
    },
    /// The request could not be put into words.
    Unsendable(Unsendable),
}

/// An open descriptor of a connection. Dropping it closes it, also when nobody waits any more for the `open` that made it.
pub(super) struct Descriptor {
    pub(super) fd: i64,
    queue: mpsc::UnboundedSender<Queued>,
    files: Arc<AtomicUsize>,
}

struct Queued {
    line: Vec<u8>,
    payload: Bytes,
    slot: Slot,
}

/// Where the reply to one request goes.
struct Slot {
    decoder: Decoder,
    opens: bool,
    since: Instant,
    waiter: Option<oneshot::Sender<Result<Received, Failure>>>,
    _load: Load,
    _turn: Option<OwnedSemaphorePermit>,
}

/// One request that counts into a connection's load.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn on(count: &Arc<AtomicUsize>) -> Load {
        count.fetch_add(1, Ordering::Relaxed);
        Load(Arc::clone(count))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.files.fetch_sub(1, Ordering::Relaxed);
        let request = Request::Close { fd: self.fd };
        // Without a waiter it needs no turn: there are never more of these than open files. If the connection is gone, so is the descriptor.
        if let Ok(queued) = Queued::unwaited(&request) {
            let _ = self.queue.send(queued);
        }
    }
}

impl Queued {
    /// A request whose reply nobody waits for. All such requests read the same in both dialects.
    fn unwaited(request: &Request) -> Result<Queued, Unsendable> {
        let load = Load(Arc::new(AtomicUsize::new(1)));
        Queued::new(request, Dialect::Standard, Bytes::new(), load)
    }

    fn new(request: &Request, dialect: Dialect, payload: Bytes, load: Load) -> Result<Queued, Unsendable> {
        let mut line = Vec::new();
        request.encode(dialect, &mut line)?;
        let slot = Slot {
            decoder: Decoder::new(request.row().reply, dialect, request.reply_max()),
            opens: matches!(request, Request::Open { .. }),
            since: Instant::now(),
            waiter: None,
            _load: load,
            _turn: None,
        };
        Ok(Queued { line, payload, slot })
    }
}

impl Slot {
    fn deliver(self, result: Result<Received, Failure>) {
        if let Some(waiter) = self.waiter {
            // Nobody there: the call was dropped, and its reply with it.
            let _ = waiter.send(result);
        }
    }

    fn is_abandoned(&self) -> bool {
        self.waiter.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
}

impl Connection {
    /// Takes an authenticated connection into service. A server that leaves a request without a byte of progress for `stall` is given up.
    pub(super) fn start(stream: TcpStream, peer: Peer, stall: Duration) -> Connection {
        let (queue, requests) = mpsc::unbounded_channel();
        let files = Arc::new(AtomicUsize::new(0));
        let line =
            Line { pending: Mutex::default(), stall, queue: queue.downgrade(), files: Arc::clone(&files) };
        tokio::spawn(line.serve(stream, requests));
        let turns = Arc::new(Semaphore::new(REQUESTS_MAX));
        Connection { peer, queue, turns, load: Arc::default(), files }
    }

    /// Whether it has been lost.
    pub(super) fn is_lost(&self) -> bool {
        self.queue.is_closed()
    }

    /// How much it has to do: requests first, then open files.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.load.load(Ordering::Relaxed), self.files.load(Ordering::Relaxed))
    }

    /// Sends a request and waits for its reply. Dropping this leaves the connection in step: a request that has been written is answered
    /// all the same, and one that has not never is.
    pub(super) async fn exchange(&self, request: &Request, payload: Bytes) -> Result<Received, Failure> {
        const GONE: Failure = Failure::Lost { sent: false, errno: Errno::ECONNRESET };
        let load = Load::on(&self.load);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| GONE)?;
        let mut queued =
            Queued::new(request, self.peer.dialect, payload, load).map_err(Failure::Unsendable)?;
        let (waiter, reply) = oneshot::channel();
        queued.slot.waiter = Some(waiter);
        queued.slot._turn = Some(turn);
        self.queue.send(queued).map_err(|_| GONE)?;
        // The task ends only after it has answered everything, so a missing answer means that its runtime has ended.
        let received = reply.await.unwrap_or(Err(Failure::Lost { sent: true, errno: Errno::ECONNRESET }))?;
        match received.reply {
            Reply::Error(code) => Err(Failure::Refused(code)),
            _ => Ok(received),
        }
    }
}

/// The task's side of a connection.
struct Line {
    pending: Mutex<Pending>,
    stall: Duration,
    /// For the descriptors that it makes; weak, so that the task ends when nobody can ask any more.
    queue: mpsc::WeakUnboundedSender<Queued>,
    files: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Pending {
    slots: VecDeque<Slot>,
    /// When a byte last went either way.
    progress: Option<Instant>,
}

impl Line {
    async fn serve(self, stream: TcpStream, mut requests: mpsc::UnboundedReceiver<Queued>) {
        let (read, write) = stream.into_split();
        let errno = tokio::select! {
            errno = self.write_requests(write, &mut requests) => errno,
            errno = self.read_replies(read) => errno,
        };
        requests.close();
        let slots = std::mem::take(&mut self.pending().slots);
        for slot in slots {
            slot.deliver(Err(Failure::Lost { sent: true, errno }));
        }
        while let Some(queued) = requests.recv().await {
            queued.slot.deliver(Err(Failure::Lost { sent: false, errno }));
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends with the reason why no more can be written.
    async fn write_requests(
        &self,
        mut write: OwnedWriteHalf,
        requests: &mut mpsc::UnboundedReceiver<Queued>,
    ) -> Errno {
        let mut out = Vec::new();
        loop {
            let first = match timeout(KEEP_ALIVE, requests.recv()).await {
                Ok(Some(queued)) => queued,
                Ok(None) => return Errno::ECONNABORTED,
                Err(_) if self.files.load(Ordering::Relaxed) == 0 => continue,
                Err(_) => match Queued::unwaited(&Request::Whoami { length: 1024 }) {
                    Ok(keep_alive) => keep_alive,
                    Err(unsendable) => return unsendable.errno(),
                },
            };
            if let Err(error) = self.write_gathered(&mut write, &mut out, first, requests).await {
                return Errno::of_io(&error);
            }
        }
    }

    /// Writes `first` and what else has been queued, in few writes.
    async fn write_gathered(
        &self,
        write: &mut OwnedWriteHalf,
        out: &mut Vec<u8>,
        first: Queued,
        requests: &mut mpsc::UnboundedReceiver<Queued>,
    ) -> std::io::Result<()> {
        let mut next = Some(first);
        while let Some(Queued { line, payload, mut slot }) = next.take() {
            if !slot.is_abandoned() {
                slot.since = Instant::now();
                self.pending().slots.push_back(slot);
                out.extend_from_slice(&line);
                if out.len() + payload.len() > GATHER_MAX {
                    self.write_all(write, Buf::chain(&out[..], payload)).await?;
                    out.clear();
                } else {
                    out.extend_from_slice(&payload);
                }
            }
            next = requests.try_recv().ok();
        }
        self.write_all(write, &out[..]).await?;
        out.clear();
        Ok(())
    }

    async fn write_all(&self, write: &mut OwnedWriteHalf, mut bytes: impl Buf) -> std::io::Result<()> {
        while bytes.has_remaining() {
            write.write_buf(&mut bytes).await?;
            self.pending().progress = Some(Instant::now());
        }
        Ok(())
    }

    /// Ends with the reason why no more can be read.
    async fn read_replies(&self, mut read: OwnedReadHalf) -> Errno {
        let mut input = BytesMut::new();
        loop {
            let missing = match self.take_replies(&mut input) {
                Ok(missing) => missing,
                Err(errno) => return errno,
            };
            if input.is_empty() && input.capacity() > BUFFER_KEPT {
                input = BytesMut::new();
            }
            input.reserve(missing.max(READ_CHUNK));
            if let Err(errno) = self.read_some(&mut read, &mut input).await {
                return errno;
            }
        }
    }

    /// Hands out the replies that are whole; gives how many more bytes the next one certainly needs.
    fn take_replies(&self, input: &mut BytesMut) -> Result<usize, Errno> {
        let mut pending = self.pending();
        pending.progress = Some(Instant::now());
        while !input.is_empty() {
            // Bytes that nobody asked for.
            let Some(slot) = pending.slots.front_mut() else { return Err(Errno::EPROTO) };
            match slot.decoder.feed(input) {
                Ok(None) => return Ok(slot.decoder.missing(input.len())),
                Ok(Some(reply)) => {
                    if let Some(slot) = pending.slots.pop_front() {
                        let received = self.received(reply, slot.opens);
                        slot.deliver(Ok(received));
                    }
                }
                Err(bad) => {
                    if let Some(slot) = pending.slots.pop_front() {
                        slot.deliver(Err(Failure::Nonsense(bad)));
                    }
                    return Err(Errno::EPROTO);
                }
            }
        }
        Ok(0)
    }

    fn received(&self, reply: Reply, opens: bool) -> Received {
        let descriptor = match (&reply, self.queue.upgrade()) {
            (Reply::Stat(fd, _), Some(queue)) if opens => {
                self.files.fetch_add(1, Ordering::Relaxed);
                Some(Descriptor { fd: *fd, queue, files: Arc::clone(&self.files) })
            }
            _ => None,
        };
        Received { reply, descriptor }
    }

    async fn read_some(&self, read: &mut OwnedReadHalf, input: &mut BytesMut) -> Result<(), Errno> {
        loop {
            match timeout(self.patience(), read.read_buf(input)).await {
                Ok(Ok(0)) => return Err(Errno::ECONNRESET),
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(Errno::of_io(&error)),
                Err(_) if self.patience().is_zero() => return Err(Errno::ETIMEDOUT),
                Err(_) => {}
            }
        }
    }

    /// How much longer the server may stay silent; as long as nothing is asked, the whole time.
    fn patience(&self) -> Duration {
        let pending = self.pending();
        let Some(front) = pending.slots.front() else { return self.stall };
        let since = pending.progress.map_or(front.since, |progress| progress.max(front.since));
        self.stall.saturating_sub(since.elapsed())
    }
}
