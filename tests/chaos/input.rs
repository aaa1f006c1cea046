//! The lines that a run reads: events of a few users whose times are out of order within the lag, now and then late, repeated or broken.

use super::rng::Rng;

/// When event time begins: 2024-01-01T00:00:00Z.
const BEGIN_MS: i64 = 1_704_067_200_000;
/// Far behind all others: its time closes every window.
const FAR_MS: i64 = BEGIN_MS + 300 * 24 * 3_600_000;
/// How much later than its successors an event may come and still be in order, as the topology says.
pub const LAG_MS: i64 = 2_000;
/// How late the latest events are.
const LATE_MS: u64 = 15_000;
/// Repetitions come within so many lines, well within the time in which `dedupe` remembers; others so many lines later that it has
/// forgotten.
const NEAR_LINES: u64 = 50;
const FAR_LINES: usize = 8_000;

/// Makes one line after the other.
pub struct Input {
    rng: Rng,
    number: u64,
    greatest_ms: i64,
    /// Whole and good lines.
    good: Vec<String>,
}

impl Input {
    pub fn new(rng: Rng) -> Input {
        Input { rng, number: 0, greatest_ms: BEGIN_MS, good: Vec::new() }
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> String {
        self.number += 1;
        self.greatest_ms += self.rng.within(0..40) as i64;
        match self.rng.within(0..100) {
            0 => self.bad(),
            1..6 if !self.good.is_empty() => {
                let back = self.rng.within(0..NEAR_LINES).min(self.good.len() as u64 - 1) as usize;
                self.good[self.good.len() - 1 - back].clone()
            }
            _ => {
                let line = self.event();
                self.good.push(line.clone());
                line
            }
        }
    }

    /// The last line, whose time is behind that of every other.
    pub fn last(&self) -> String {
        event("last", "u0", FAR_MS, 1)
    }

    fn event(&mut self) -> String {
        let back = match self.rng.within(0..100) {
            0..3 => self.rng.within(LAG_MS as u64..LATE_MS),
            3..50 => self.rng.within(0..LAG_MS as u64),
            _ => 0,
        };
        let at = self.greatest_ms - back as i64;
        let user = format!("u{}", self.rng.within(0..7));
        // A name that was used long ago is a new event.
        let id = match self.good.len().checked_sub(FAR_LINES) {
            Some(old) if self.rng.chance(3) => {
                let old = serde_json::from_str::<serde_json::Value>(&self.good[old]).expect("a good line");
                old["id"].as_str().expect("it has an id").to_string()
            }
            _ => format!("e{}", self.number),
        };
        event(&id, &user, at, self.rng.within(0..1_000))
    }

    fn bad(&mut self) -> String {
        let number = self.number;
        match self.rng.within(0..4) {
            0 => format!(r#"{{"id":"e{number}","user":"#),
            1 => format!("[{number}]"),
            2 => format!(r#"{{"id":"e{number}","user":"u1","amount":5}}"#),
            _ => format!(r#"{{"id":"e{number}","user":"u1","at":{},"amount":"much"}}"#, self.greatest_ms),
        }
    }
}

fn event(id: &str, user: &str, at: i64, amount: u64) -> String {
    format!(r#"{{"id":"{id}","user":"{user}","at":{at},"amount":{amount}}}"#)
}
