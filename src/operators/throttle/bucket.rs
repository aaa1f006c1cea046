//! Token buckets by key: how many events may pass now, exactly, whatever the rate.

use std::time::Duration;

use hashbrown::HashMap;

/// A rate and a burst, in units in which both a nanosecond and an event count whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units that one nanosecond adds.
    events: u128,
    /// Units that one event takes: nanoseconds of the rate's span.
    per_ns: u128,
    /// Units of a full bucket.
    full: u128,
}

impl Rate {
    /// `events` in each span `per`, and at most `burst` at once; all at least one.
    pub fn new(events: u64, per: Duration, burst: u64) -> Rate {
        let per_ns = per.as_nanos().max(1);
        Rate { events: u128::from(events.max(1)), per_ns, full: per_ns * u128::from(burst.max(1)) }
    }

    /// How long an empty bucket takes to be full again.
    fn refill(&self) -> Duration {
        nanos(self.full.div_ceil(self.events))
    }
}

fn nanos(ns: u128) -> Duration {
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u128,
    at: Duration,
}

impl Bucket {
    fn level(&self, rate: &Rate, now: Duration) -> u128 {
        let elapsed = now.saturating_sub(self.at).as_nanos();
        self.level.saturating_add(elapsed.saturating_mul(rate.events)).min(rate.full)
    }

    fn take(&mut self, rate: &Rate, now: Duration) -> Take {
        let level = self.level(rate, now);
        if level < rate.per_ns {
            let wait = nanos((rate.per_ns - level).div_ceil(rate.events));
            return Take::NotBefore(now.saturating_add(wait));
        }
        *self = Bucket { level: level - rate.per_ns, at: now };
        Take::Passed
    }
}

/// Whether an event may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    Passed,
    /// Not before this time.
    NotBefore(Duration),
    /// Its key has no bucket, and as many are held as may be.
    Full,
}

/// A bucket for each key, full at first. A bucket that is full again is the same as none, so it can be forgotten.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    keys_max: usize,
    buckets: HashMap<Box<[u8]>, Bucket, foldhash::fast::RandomState>,
    swept: Duration,
}

impl Buckets {
    pub fn new(rate: Rate, keys_max: usize) -> Buckets {
        Buckets { rate, keys_max, buckets: HashMap::default(), swept: Duration::ZERO }
    }

    /// Takes one event's worth from the key's bucket, if that is there.
    pub fn take(&mut self, key: &[u8], now: Duration) -> Take {
        let rate = self.rate;
        if let Some(bucket) = self.buckets.get_mut(key) {
            return bucket.take(&rate, now);
        }
        if self.buckets.len() >= self.keys_max {
            self.sweep(now);
        }
        if self.buckets.len() >= self.keys_max {
            return Take::Full;
        }
        let mut bucket = Bucket { level: rate.full, at: now };
        let taken = bucket.take(&rate, now);
        self.buckets.insert(key.into(), bucket);
        taken
    }

    /// Forgets the buckets that are full again. Looks at all of them, so not more often than some could have filled.
    fn sweep(&mut self, now: Duration) {
        let pause = (self.rate.refill() / 8).min(Duration::from_secs(1));
        if now < self.swept.saturating_add(pause) {
            return;
        }
        self.swept = now;
        let rate = self.rate;
        self.buckets.retain(|_, bucket| bucket.level(&rate, now) < rate.full);
    }

    /// All buckets, and none is left.
    pub fn take_all(&mut self) -> Buckets {
        let empty = Buckets::new(self.rate, self.keys_max);
        std::mem::replace(self, empty)
    }

    /// Goes on with the buckets of another; false if they are of another rate.
    pub fn adopt(&mut self, other: Buckets) -> bool {
        if self.rate != other.rate {
            return false;
        }
        *self = Buckets { keys_max: self.keys_max, ..other };
        true
    }

    /// How many keys have a bucket.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let mut buckets = Buckets::new(Rate::new(10, ms(1000), 3), 1);
        for _ in 0..3 {
            assert_eq!(buckets.take(b"", ms(0)), Take::Passed);
        }
        assert_eq!(buckets.take(b"", ms(0)), Take::NotBefore(ms(100)));
        assert_eq!(buckets.take(b"", ms(99)), Take::NotBefore(ms(100)));
        assert_eq!(buckets.take(b"", ms(100)), Take::Passed);
        for _ in 0..3 {
            assert_eq!(buckets.take(b"", ms(10_000)), Take::Passed, "no more than a burst is saved up");
        }
        assert_eq!(buckets.take(b"", ms(10_000)), Take::NotBefore(ms(10_100)));
    }

    #[test]
    fn a_rate_is_exact_though_it_does_not_divide_a_second() {
        let mut buckets = Buckets::new(Rate::new(3, ms(1000), 1), 1);
        let mut now = Duration::ZERO;
        let mut passed = 0;
        while passed < 3_001 {
            match buckets.take(b"", now) {
                Take::Passed => passed += 1,
                Take::NotBefore(then) => {
                    assert!(then > now);
                    now = then;
                }
                Take::Full => unreachable!(),
            }
        }
        assert!(now >= ms(1_000_000) && now < ms(1_000_001), "{now:?}");
    }

    #[test]
    fn keys_have_buckets_of_their_own_and_full_ones_are_forgotten() {
        let mut buckets = Buckets::new(Rate::new(1, ms(1000), 1), 2);
        assert_eq!(buckets.take(b"a", ms(0)), Take::Passed);
        assert_eq!(buckets.take(b"b", ms(0)), Take::Passed);
        assert_eq!(buckets.take(b"a", ms(500)), Take::NotBefore(ms(1000)));
        assert_eq!(buckets.take(b"c", ms(500)), Take::Full);
        assert_eq!(buckets.take(b"c", ms(1500)), Take::Passed);
        assert_eq!(buckets.len(), 1);
    }
}
