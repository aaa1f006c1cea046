//! Barriers by the count of batches instead of by time, for tests: results must not depend on where they fall.

use std::collections::BTreeSet;

/// After how many batches of its own each source waits for a barrier, and for which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Checkpoint(u64),
    /// For a hand-over, which `Running::hand_over_due` tells.
    HandOver(u64),
}

/// How far a source is on its way to the next barrier.
#[derive(Debug)]
pub(super) struct Steps {
    /// `None`: it waits for none.
    every: Option<u64>,
    taken: u64,
    asked: bool,
}

impl Steps {
    pub fn new(pace: Option<Pace>, saves: bool) -> Steps {
        let every = match pace {
            Some(Pace::Checkpoint(every)) => Some(every).filter(|_| saves),
            Some(Pace::HandOver(every)) => Some(every),
            None => None,
        };
        Steps { every, taken: 0, asked: false }
    }

    /// A batch was sent.
    pub fn took(&mut self) {
        self.taken += 1;
    }

    /// Whether nothing is read before the barrier.
    pub fn wait(&self) -> bool {
        self.every.is_some_and(|every| self.taken >= every)
    }

    /// Whether to ask for the barrier: once, when it is time, or when others have to be waited for anyway.
    pub fn ask(&mut self, is_ahead: bool) -> bool {
        let asks = !self.asked && self.every.is_some() && (is_ahead || self.wait());
        self.asked |= asks;
        asks
    }

    /// The barrier was sent.
    pub fn begin_again(&mut self) {
        *self = Steps { every: self.every, taken: 0, asked: false };
    }
}

/// The sources that wait: a barrier is due when all do that have not ended.
#[derive(Debug, Default)]
pub(super) struct Waiters(BTreeSet<usize>);

impl Waiters {
    pub fn add(&mut self, source: usize) {
        self.0.insert(source);
    }

    /// Whether every source that is there waits, and there is one.
    pub fn are_all<T>(&self, sources: &[Option<T>]) -> bool {
        let there = || sources.iter().enumerate().filter(|(_, source)| source.is_some());
        there().next().is_some() && there().all(|(source, _)| self.0.contains(&source))
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_asks_once_for_each_barrier() {
        let mut steps = Steps::new(Some(Pace::HandOver(2)), false);
        steps.took();
        assert!(!steps.ask(false) && !steps.wait());
        steps.took();
        assert!(steps.wait() && steps.ask(false) && !steps.ask(false));
        steps.begin_again();
        assert!(!steps.wait() && steps.ask(true), "who waits for the others must not be waited for");
        let mut unsaved = Steps::new(Some(Pace::Checkpoint(1)), false);
        unsaved.took();
        assert!(!unsaved.wait(), "no checkpoint will come");
    }

    #[test]
    fn a_barrier_is_due_when_all_wait_that_have_not_ended() {
        let mut waiters = Waiters::default();
        waiters.add(2);
        assert!(!waiters.are_all(&[Some(()), None, Some(())]));
        assert!(waiters.are_all(&[None, None, Some(())]));
        assert!(!waiters.are_all::<()>(&[None, None, None]), "nobody waits any more");
    }
}
