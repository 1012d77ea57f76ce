//! The trace of a run: what programs asked for by name, what was asked of servers for it, and how both went.
//!
//! Calls are followed from the thread that received them to their answer (`calls`); requests are seen by a layer
//! over each driver (`layer`); [`mod@format`] is what becomes of both. Nobody waits for the trace: records gather in memory,
//! and a thread of its own hands them to the sinks.

mod calls;
pub mod format;
mod layer;

pub(crate) use calls::{UnderWay, here, inherit};

use crate::lock;
use format::{Header, Record, Text, Writer};
use layer::Layered;
use mynah_vfs::Connector;
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Whose numbers the flags in a trace are.
const ARCH: &str = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
/// Records wait at most this long for their way to the sink: what a killed run loses.
const HANDED_ON_WITHIN: Duration = Duration::from_millis(100);
/// So many bytes do not wait.
const HANDED_ON_AT: usize = 256 << 10;
/// Bytes that may wait for sinks that are slow; what comes beyond is counted, and lost. Some 200,000 calls.
const WAITING_MAX: usize = 16 << 20;
/// How long the end of a run waits for a sink that does not take what is left.
const FINISHED_WITHIN: Duration = Duration::from_secs(10);

/// Writes the trace of one run.
pub struct Tracer {
    begun: Instant,
    calls: AtomicU64,
    under_way: Mutex<HashMap<u64, Arc<UnderWay>>>,
    gathered: Mutex<Gathered>,
    news: Condvar,
    sinks: Mutex<Option<Sinks>>,
    finished: Mutex<Receiver<()>>,
}

/// Takes a trace's bytes.
pub type Sink = Box<dyn Write + Send>;

/// Where records go, and who is told when all are there.
type Sinks = (Vec<Sink>, SyncSender<()>);

#[derive(Default)]
struct Gathered {
    writer: Writer,
    bytes: Vec<u8>,
    lost: u64,
    closed: bool,
    failed: Option<String>,
}

impl Tracer {
    /// A tracer of the run of `command`, that writes to each of `sinks`, but not before the agent starts. `program` is the
    /// version that writes.
    #[must_use]
    pub fn new(command: Vec<Vec<u8>>, program: &str, sinks: Vec<Sink>) -> Arc<Tracer> {
        let (done, finished) = sync_channel(1);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let tracer = Tracer {
            begun: Instant::now(),
            calls: AtomicU64::new(0),
            under_way: Mutex::default(),
            gathered: Mutex::default(),
            news: Condvar::new(),
            sinks: Mutex::new(Some((sinks, done))),
            finished: Mutex::new(finished),
        };
        tracer.record(&Record::Header(Header {
            arch: ARCH.to_owned(),
            begun: (since.as_secs(), since.subsec_nanos()),
            command,
            program: program.to_owned(),
        }));
        Arc::new(tracer)
    }

    /// `inner`, with each driver that it makes seen by this tracer.
    #[must_use]
    pub fn connector(self: &Arc<Self>, inner: Arc<dyn Connector>) -> Arc<dyn Connector> {
        Arc::new(Layered { inner, tracer: Arc::clone(self) })
    }

    /// Starts to hand records to the sinks.
    ///
    /// # Errors
    /// No thread can be had.
    pub(crate) fn start(self: &Arc<Self>) -> io::Result<()> {
        let Some((sinks, done)) = lock(&self.sinks).take() else { return Ok(()) };
        let tracer = Arc::clone(self);
        std::thread::Builder::new().name("trace".into()).spawn(move || {
            tracer.hand_on(sinks);
            // Whoever waited may have gone.
            let _ = done.send(());
        })?;
        Ok(())
    }

    /// The run ends with this status: writes what is left. Says what became of the trace if it is not whole.
    #[must_use]
    pub fn finish(&self, status: i32) -> Option<String> {
        self.record(&Record::End { at: self.now(), status });
        lock(&self.gathered).closed = true;
        self.news.notify_one();
        if lock(&self.finished).recv_timeout(FINISHED_WITHIN).is_err() {
            return Some(format!("it was not taken within {} s", FINISHED_WITHIN.as_secs()));
        }
        lock(&self.gathered).failed.clone()
    }

    /// A process has ended: with its status, or by a signal, negated.
    pub(crate) fn ended(&self, pid: i32, status: i32) {
        self.record(&Record::Ended { at: self.now(), pid, status });
    }

    fn now(&self) -> i64 {
        nanoseconds(self.begun.elapsed()) as i64
    }

    fn since_begin(&self, moment: Instant) -> i64 {
        nanoseconds(moment.saturating_duration_since(self.begun)) as i64
    }

    fn record(&self, record: &Record) {
        let mut gathered = lock(&self.gathered);
        if gathered.closed {
            return;
        }
        if gathered.bytes.len() >= WAITING_MAX {
            gathered.lost += 1;
            return;
        }
        let before = gathered.bytes.len();
        let Gathered { writer, bytes, lost, .. } = &mut *gathered;
        if *lost > 0 {
            writer.write(&Record::Lost { count: std::mem::take(lost) }, bytes);
        }
        writer.write(record, bytes);
        let news = before == 0 || (before < HANDED_ON_AT && bytes.len() >= HANDED_ON_AT);
        drop(gathered);
        if news {
            self.news.notify_one();
        }
    }

    /// One that fails gets nothing more; the others do.
    fn hand_on(&self, mut sinks: Vec<Sink>) {
        let mut closed = false;
        while !closed && !sinks.is_empty() {
            let bytes;
            (bytes, closed) = self.next_bytes();
            sinks.retain_mut(|sink| match sink.write_all(&bytes).and_then(|()| sink.flush()) {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!("the trace ends here, the run goes on: {error}");
                    lock(&self.gathered).failed = Some(error.to_string());
                    false
                }
            });
        }
        let mut gathered = lock(&self.gathered);
        gathered.closed = true;
        gathered.bytes = Vec::new();
    }

    /// Waits until there is something to hand on. True when nothing will follow.
    fn next_bytes(&self) -> (Vec<u8>, bool) {
        let waiting = |gathered: &mut Gathered| gathered.bytes.is_empty() && !gathered.closed;
        let gathered = lock(&self.gathered);
        let gathered = self.news.wait_while(gathered, waiting).unwrap_or_else(PoisonError::into_inner);
        let few = |gathered: &mut Gathered| gathered.bytes.len() < HANDED_ON_AT && !gathered.closed;
        let (mut gathered, _) = self
            .news
            .wait_timeout_while(gathered, HANDED_ON_WITHIN, few)
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut gathered.bytes), gathered.closed)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn text(bytes: &[u8]) -> Text {
    Text::from(bytes)
}
