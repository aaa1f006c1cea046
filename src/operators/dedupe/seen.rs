//! Keys that were seen, each with the event times of its first events, until event time has passed them by.

use crate::event::Timestamp;
use crate::limits::EXPIRE_STEP_MAX;
use crate::state::codec::{Reader, put_i64, put_varint};
use crate::state::{Agenda, Corrupt, Few, KeyId, Keyed, Keys, Probe, Snapshot};

/// The firsts of one key, ascending. More than one where events of a key are further apart than `within`, while event time
/// has not passed the earlier ones.
type Firsts = Few<i64>;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    First,
    Duplicate,
    /// It would be a first, but as many are held as may be.
    Full,
}

/// The state of `dedupe`. Bounded by the number of firsts.
#[derive(Debug)]
pub struct Seen {
    within_ms: i64,
    firsts_max: usize,
    keys: Keyed<Firsts>,
    /// Every first by its time. Its key is in the table as long as it is here.
    due: Agenda<KeyId>,
}

impl Seen {
    /// Nothing seen. Events of a key within `within_ms` of a first are its duplicates.
    pub fn new(within_ms: i64, firsts_max: usize) -> Seen {
        Seen { within_ms, firsts_max, keys: Keyed::new(firsts_max), due: Agenda::new(within_ms) }
    }

    /// Looks up the keys of a batch.
    pub fn find_all(&self, keys: &mut Keys) {
        self.keys.find_all(keys);
    }

    /// Judges an event of event time `time`, before which the watermark of its partition was `mark`. What that watermark has
    /// passed counts as gone though it may still be held, so that the verdict does not depend on when `expire` was called.
    pub fn see(&mut self, key: &Probe<'_>, time: i64, mark: Timestamp) -> Verdict {
        let within = self.within_ms;
        let alive = |first: i64| Timestamp(first).plus(within) >= mark;
        let near = |first: i64| first.abs_diff(time) <= within.unsigned_abs();
        let known = self.keys.find_probe(key);
        let firsts = known.map_or(&[][..], |id| self.keys.get(id));
        if firsts.iter().any(|&first| near(first) && alive(first)) {
            return Verdict::Duplicate;
        }
        if self.due.len() >= self.firsts_max {
            return Verdict::Full;
        }
        let Some(id) = known.or_else(|| self.keys.find_or_insert(key).ok()) else { return Verdict::Full };
        let firsts = self.keys.get_mut(id);
        let at = firsts.partition_point(|&first| first <= time);
        firsts.insert(at, time);
        self.due.push(time, id);
        Verdict::First
    }

    /// Forgets what event time has passed, a bounded number of firsts a call; whether there is more to forget.
    pub fn expire(&mut self, mark: Timestamp) -> bool {
        // What is `within` before this is past.
        let past = match mark {
            Timestamp::END => i64::MAX,
            Timestamp(mark) => mark.saturating_sub(self.within_ms).saturating_sub(1),
        };
        for _ in 0..EXPIRE_STEP_MAX {
            let Some((first, id)) = self.due.pop_due(past) else { return false };
            if self.keys.get(id).len() <= 1 {
                self.keys.remove(id);
                continue;
            }
            let firsts = self.keys.get_mut(id);
            if let Some(at) = firsts.iter().position(|held| *held == first) {
                firsts.remove(at);
            }
        }
        true
    }

    /// Takes the place of another, and its settings: what that one has seen counts on.
    pub fn adopt(&mut self, other: Seen) {
        let (within_ms, firsts_max) = (self.within_ms, self.firsts_max);
        *self = Seen { within_ms, firsts_max, ..other };
        self.keys.set_keys_max(firsts_max);
    }

    /// All that was seen, and nothing is left.
    pub fn take(&mut self) -> Seen {
        let empty = Seen::new(self.within_ms, self.firsts_max);
        std::mem::replace(self, empty)
    }

    /// Writes the keys that have changed: the firsts of each.
    pub fn save(&mut self, into: &mut Snapshot) {
        self.keys.snapshot(into, |_, firsts, out| {
            put_varint(out, firsts.len() as u64);
            firsts.iter().for_each(|first| put_i64(out, *first));
        });
    }

    /// Adds a key that `save` wrote.
    pub fn load(&mut self, key: &[u8], from: &mut Reader<'_>) -> Result<(), Corrupt> {
        let mut firsts = Firsts::default();
        for _ in 0..from.size()? {
            firsts.push(from.i64()?);
        }
        if firsts.is_empty() || !firsts.is_sorted() {
            return Err(Corrupt("the times of a key are not in order".into()));
        }
        let id = self.keys.restore(key, firsts.clone())?;
        firsts.iter().for_each(|first| self.due.push(*first, id));
        Ok(())
    }

    /// How many firsts are held.
    pub fn len(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_MARK: Timestamp = Timestamp::NONE;

    fn see(seen: &mut Seen, key: &[u8], time: i64, mark: Timestamp) -> Verdict {
        let mut keys = Keys::default();
        keys.push(100, |out| {
            out.extend_from_slice(key);
            0
        });
        seen.find_all(&mut keys);
        seen.see(&keys.probe(0), time, mark)
    }

    #[test]
    fn the_first_passes_and_others_near_it_do_not() {
        let mut seen = Seen::new(10, 100);
        assert_eq!(see(&mut seen, b"a", 100, NO_MARK), Verdict::First);
        assert_eq!(see(&mut seen, b"b", 100, NO_MARK), Verdict::First);
        assert_eq!(see(&mut seen, b"a", 110, NO_MARK), Verdict::Duplicate);
        assert_eq!(see(&mut seen, b"a", 90, NO_MARK), Verdict::Duplicate, "before it too");
        assert_eq!(see(&mut seen, b"a", 111, NO_MARK), Verdict::First, "a duplicate prolongs nothing");
        assert_eq!(see(&mut seen, b"a", 105, NO_MARK), Verdict::Duplicate, "the old first still counts");
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn state_goes_with_event_time_and_a_straggler_passes() {
        let mut seen = Seen::new(10, 100);
        see(&mut seen, b"a", 100, NO_MARK);
        assert!(!seen.expire(Timestamp(110)), "not yet past");
        assert_eq!(see(&mut seen, b"a", 101, Timestamp(110)), Verdict::Duplicate);
        assert_eq!(
            see(&mut seen, b"a", 101, Timestamp(111)),
            Verdict::First,
            "gone for this row, whether forgotten or not"
        );
        seen.expire(Timestamp(112));
        assert_eq!(seen.len(), 0);
        assert!(seen.keys.is_empty());
    }

    #[test]
    fn a_full_state_takes_no_new_key_and_keeps_judging_old_ones() {
        let mut seen = Seen::new(10, 1);
        assert_eq!(see(&mut seen, b"a", 0, NO_MARK), Verdict::First);
        assert_eq!(see(&mut seen, b"b", 0, NO_MARK), Verdict::Full);
        assert_eq!(see(&mut seen, b"a", 5, NO_MARK), Verdict::Duplicate);
        seen.expire(Timestamp::END);
        assert_eq!(see(&mut seen, b"b", 0, NO_MARK), Verdict::First);
    }

    #[test]
    fn forgetting_many_is_done_in_steps() {
        let mut seen = Seen::new(0, 2 * EXPIRE_STEP_MAX);
        for i in 0..2 * EXPIRE_STEP_MAX as i64 {
            see(&mut seen, &i.to_be_bytes(), i, NO_MARK);
        }
        assert!(seen.expire(Timestamp::END));
        assert_eq!(seen.len(), EXPIRE_STEP_MAX);
        seen.expire(Timestamp::END);
        assert_eq!(seen.len(), 0);
        assert!(!seen.expire(Timestamp::END));
    }
}
