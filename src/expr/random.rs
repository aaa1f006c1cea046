//! Numbers that look random and are not: a function of the seed, the event's number and the order of the calls, or of the seed and
//! a key. So a run can be repeated, and taken up at any event.

use rapidhash::v3::rapidhash_v3;

/// The numbers of one event after the other.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

/// The step of splitmix64 (Steele, Lea, Flood 2014): odd, so that the state goes through all values.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finish of splitmix64: spreads every bit of the state over the result.
fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { seed: mix(seed.wrapping_add(STEP)), state: 0 }
    }

    /// Starts the numbers of event `index`.
    pub fn start(&mut self, index: u64) {
        self.state = mix(self.seed ^ mix(index.wrapping_add(STEP)));
    }

    /// The numbers of a key, the same ones for every event.
    pub fn of_key(&self, key: &str) -> Random {
        Random { seed: self.seed, state: mix(self.seed ^ rapidhash_v3(key.as_bytes())) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        // 53 bits are what a float between 0 and 1 holds.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low` to `high`, both included; `low` if `high` is less.
    pub fn int(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low) as u128 + 1;
        if high <= low {
            return low;
        }
        let offset = (u128::from(self.next()) * span) >> 64;
        (i128::from(low) + offset as i128) as i64
    }

    /// Around `mean`, two thirds of them within `deviation` (Box and Muller 1958).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        mean + deviation * radius * (std::f64::consts::TAU * self.share()).cos()
    }

    /// From 0 to below `count`, `k` about as often as `1 / (k + 1)^exponent`: the inverse of the continuous distribution, cut down
    /// to whole numbers.
    pub fn zipf(&mut self, count: i64, exponent: f64) -> i64 {
        let (n, u) = (count.max(1) as f64 + 1.0, self.share());
        let power = 1.0 - exponent;
        let x = if power.abs() < 1e-9 { n.powf(u) } else { ((n.powf(power) - 1.0) * u + 1.0).powf(1.0 / power) };
        (x as i64 - 1).clamp(0, count.max(1) - 1)
    }

    /// The index of one of `weights`, as often as its weight says; none if no weight is above 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().map(|weight| weight.max(0.0)).sum();
        let mut left = self.share() * total;
        let mut last = None;
        for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            last = Some(i);
            if left < *weight {
                break;
            }
            left -= weight;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_numbers_whatever_came_before() {
        let mut one = Random::new(7);
        one.start(1000);
        let first = (one.int(0, 1 << 40), one.share().to_bits());
        let mut other = Random::new(7);
        other.start(3);
        other.share();
        other.start(1000);
        assert_eq!((other.int(0, 1 << 40), other.share().to_bits()), first);
        let mut other = Random::new(8);
        other.start(1000);
        assert_ne!(other.int(0, 1 << 40), first.0);
        assert_eq!(one.of_key("a").int(0, 1 << 40), Random::new(7).of_key("a").int(0, 1 << 40));
    }

    #[test]
    fn numbers_stay_in_their_bounds_and_are_spread() {
        let mut random = Random::new(0);
        random.start(0);
        let mut seen = [0u32; 6];
        for _ in 0..6000 {
            seen[random.int(0, 5) as usize] += 1;
        }
        assert!(seen.iter().all(|n| (850..1150).contains(n)), "{seen:?}");
        assert_eq!(random.int(i64::MIN, i64::MAX).signum().abs(), 1);
        assert_eq!(random.int(5, 1), 5);
        let mean = (0..10_000).map(|_| random.normal(50.0, 10.0)).sum::<f64>() / 10_000.0;
        assert!((49.0..51.0).contains(&mean), "{mean}");
        let ranks: Vec<i64> = (0..10_000).map(|_| random.zipf(100, 1.0)).collect();
        assert!(ranks.iter().all(|rank| (0..100).contains(rank)));
        let count = |rank| ranks.iter().filter(|r| **r == rank).count();
        assert!(count(0) > 3 * count(5) && count(5) > count(60));
        assert_eq!(random.zipf(0, 1.5), 0);
        assert_eq!(random.weighted(&[0.0, 2.0, -1.0]), Some(1));
        assert_eq!(random.weighted(&[0.0]), None);
    }
}
