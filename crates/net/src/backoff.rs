//! Growing pauses between attempts.

use std::time::Duration;

/// The pauses before repeated attempts: none before the first, then doubling up to a bound.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Pauses of zero, `first`, twice `first`, and so on, never more than `max`.
    #[must_use]
    pub const fn new(first: Duration, max: Duration) -> Backoff {
        Backoff { next: Duration::ZERO, first, max }
    }

    /// The pause before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = if pause.is_zero() { self.first } else { pause.saturating_mul(2) }.min(self.max);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(35));
        let pauses: Vec<u128> = (0..5).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [0, 10, 20, 35, 35]);
    }
}
