//! Sources whose events meet in a stateful stage are kept together: one that is too far ahead in event time waits, so that what
//! it would pile up in windows stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::event::Timestamp;

/// The watermarks of sources that meet, a place each. `END` stands for one that nobody waits for: idle, ended, or not begun.
#[derive(Clone, Debug)]
pub(super) struct Drift(Arc<Vec<AtomicI64>>);

impl Drift {
    /// A group of `n` sources, none of which has begun.
    pub fn new(n: usize) -> Drift {
        Drift(Arc::new((0..n).map(|_| AtomicI64::new(Timestamp::END.0)).collect()))
    }

    /// Notes where a source is.
    pub fn report(&self, member: usize, mark: Timestamp) {
        self.0[member].store(if mark.is_some() { mark.0 } else { Timestamp::END.0 }, Relaxed);
    }

    /// Nobody needs to wait for this source.
    pub fn leave(&self, member: usize) {
        self.0[member].store(Timestamp::END.0, Relaxed);
    }

    /// Whether a source at `mark` is further than `max_ms` ahead of the slowest other.
    pub fn is_ahead(&self, member: usize, mark: Timestamp, max_ms: i64) -> bool {
        let others = self.0.iter().enumerate().filter(|(i, _)| *i != member).map(|(_, mark)| mark.load(Relaxed));
        mark.is_some() && others.min().is_some_and(|slowest| mark.minus(max_ms).0 > slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_have_begun_and_are_awake_hold_others_back() {
        let drift = Drift::new(3);
        assert!(!drift.is_ahead(0, Timestamp(1_000_000), 10), "nobody else has begun");
        drift.report(1, Timestamp(500));
        assert!(drift.is_ahead(0, Timestamp(511), 10));
        assert!(!drift.is_ahead(0, Timestamp(510), 10));
        drift.leave(1);
        assert!(!drift.is_ahead(0, Timestamp(511), 10));
    }
}
