//! A demo that is told to stop stops after its step, and takes away what it has made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Whether SIGINT or SIGTERM has come. The terminal's Ctrl-C reaches the step's shell too, and ends it.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on these signals do not end this process.
    pub(super) fn watch(runtime: &Runtime) -> io::Result<Interrupt> {
        let came = Arc::new(AtomicBool::new(false));
        let _entered = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let (mut signals, came) = (signal(kind)?, Arc::clone(&came));
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    came.store(true, Ordering::Relaxed);
                }
            });
        }
        Ok(Interrupt(came))
    }

    /// Whether one has come.
    pub(super) fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
