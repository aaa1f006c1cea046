//! Event time: milliseconds since the Unix epoch, UTC.

/// A moment in milliseconds since 1970-01-01T00:00:00Z. `NONE` stands for "no time" and sorts before every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// No time known, and the watermark before the first event.
    pub const NONE: Timestamp = Timestamp(i64::MIN);
    /// The watermark after the last event of a bounded input.
    pub const END: Timestamp = Timestamp(i64::MAX);

    /// Whether this is a moment.
    pub fn is_some(self) -> bool {
        self != Self::NONE
    }

    /// The moment as an option.
    pub fn get(self) -> Option<i64> {
        self.is_some().then_some(self.0)
    }

    /// `ms` earlier; `NONE` and `END` stay what they are.
    pub fn minus(self, ms: i64) -> Timestamp {
        match self {
            Self::NONE | Self::END => self,
            Timestamp(at) => Timestamp(at.saturating_sub(ms).max(i64::MIN + 1)),
        }
    }

    /// `ms` later; `NONE` and `END` stay what they are.
    pub fn plus(self, ms: i64) -> Timestamp {
        match self {
            Self::NONE | Self::END => self,
            Timestamp(at) => Timestamp(at.saturating_add(ms).min(i64::MAX - 1)),
        }
    }
}
