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

impl Timestamp {
    /// The moment that an RFC 3339 text with an offset means; fractions below a millisecond are cut off. `None`: it is no such text.
    /// A leap second (`:60`) is the second after it. Days are counted by the method of Howard Hinnant's `days_from_civil`.
    pub fn parse_rfc3339(text: &[u8]) -> Option<Timestamp> {
        let digits = |range: std::ops::Range<usize>| {
            text.get(range)?
                .iter()
                .try_fold(0_i64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
        };
        let is = |at: usize, allowed: &[u8]| text.get(at).filter(|byte| allowed.contains(byte)).map(|_| ());
        is(4, b"-").and(is(7, b"-")).and(is(10, b"Tt ")).and(is(13, b":")).and(is(16, b":"))?;
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        let mut millis = 0;
        if text.get(at) == Some(&b'.') {
            let length = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            let scale = [0, 100, 10, 1][length.min(3)];
            millis = digits(at + 1..at + 1 + length.min(3))? * scale;
            at += 1 + length;
        }
        let offset_minutes = match text.get(at)? {
            b'Z' | b'z' if text.len() == at + 1 => 0,
            sign @ (b'+' | b'-') if text.len() == at + 6 && text[at + 3] == b':' => {
                let (hours, minutes) = (digits(at + 1..at + 3)?, digits(at + 4..at + 6)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
            }
            _ => return None,
        };
        let seconds =
            days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
        Some(Timestamp(seconds * 1_000 + millis))
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mean_what_the_calendar_library_says() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-11-24T10:18:00.123456Z",
            "2024-02-29T23:59:59.9+05:30",
            "2000-03-01t00:00:00-11:00",
            "1999-12-31 23:59:59.05z",
            "2100-02-28T00:00:00+00:00",
        ] {
            let wanted: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(Timestamp::parse_rfc3339(text.as_bytes()), Some(Timestamp(wanted.as_millisecond())), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T10:18:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+é00",
            "-026-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text.as_bytes()), None, "{text}");
        }
    }
}
