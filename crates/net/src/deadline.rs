//! The moment at which a call gives up.

use mynah_vfs::{Errno, Error, Result};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// A fixed moment by which a call has to end, however many steps and attempts it takes.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `timeout` from now; never further away than a year, so that it can always be represented.
    #[must_use]
    pub fn after(timeout: Duration) -> Deadline {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Deadline(Instant::now() + timeout.min(YEAR))
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Runs a step until it ends or the moment has come.
    ///
    /// # Errors
    /// Those of the step; ETIMEDOUT, transient, with the words of `what` when the moment came first. The step is dropped then.
    pub async fn bound<T>(
        &self,
        what: impl FnOnce() -> String,
        step: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout_at(self.0, step).await {
            Ok(result) => result,
            Err(_) => Err(Error::transient(Errno::ETIMEDOUT, what())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mynah_vfs::Retry;

    #[tokio::test(start_paused = true)]
    async fn a_step_that_never_ends_times_out() {
        let deadline = Deadline::after(Duration::from_secs(5));
        assert!(!deadline.has_passed());
        let error = deadline
            .bound(|| "ask the oracle".to_owned(), std::future::pending::<Result<()>>())
            .await
            .unwrap_err();
        assert_eq!((error.errno(), error.retry()), (Errno::ETIMEDOUT, Retry::Later));
        assert_eq!(error.to_string(), "ask the oracle: connection timed out (ETIMEDOUT)");
        assert!(deadline.has_passed());
    }

    #[tokio::test]
    async fn an_endless_timeout_can_be_represented() {
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }
}
