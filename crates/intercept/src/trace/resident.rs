//! A traced task in the hands of an errand.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use super::{Tracer, lock};
use crate::Tid;
use crate::ptrace::Stop;
use crate::transient::Scratch;

/// What became of a task that was let run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News {
    /// It has stopped; its id, which an execve may have changed.
    Stop(Tid, Stop),
    /// It is no more.
    Gone,
}

/// How an errand hears of its task, and speaks to the tracer.
#[derive(Clone, Debug)]
pub(crate) struct Resident {
    heard: Arc<Mutex<VecDeque<News>>>,
    tracer: Weak<Tracer>,
}

impl Resident {
    pub(super) fn new(tracer: &Arc<Tracer>) -> Resident {
        Resident { heard: Arc::default(), tracer: Arc::downgrade(tracer) }
    }

    pub(super) fn tell(&self, news: News) {
        lock(&self.heard).push_back(news);
    }

    /// The next stop or the end. Nobody is woken: the tracer polls when it has told something.
    pub(crate) async fn news(&self) -> News {
        poll_fn(|_| match lock(&self.heard).pop_front() {
            Some(news) => Poll::Ready(news),
            None => Poll::Pending,
        })
        .await
    }

    /// Has `scratch` unmapped from a task that waits in vfork, before it goes on.
    pub(crate) fn unmap_after_vfork(&self, parent: Tid, scratch: Scratch) {
        if let Some(tracer) = self.tracer.upgrade() {
            lock(&tracer.tasks).vfork.insert(parent, scratch);
        }
    }

    /// There is nothing to unmap any more.
    pub(crate) fn nothing_after_vfork(&self, parent: Tid) {
        if let Some(tracer) = self.tracer.upgrade() {
            lock(&tracer.tasks).vfork.remove(&parent);
        }
    }
}
