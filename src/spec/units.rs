//! Durations, sizes and rates, as people write them.

use std::time::Duration;

/// Events for each span of time; both are at least one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub events: u64,
    pub per: Duration,
}

impl Rate {
    pub fn per_second(self) -> f64 {
        self.events as f64 / self.per.as_secs_f64()
    }
}

/// The longest duration that may be written: a hundred years, so that sums of times cannot overflow.
const DURATION_MAX: u128 = 100 * 366 * 86_400 * 1_000_000_000;

/// `5s`, `1h30m`, `100ms`: numbers with units, the larger ones first. Units: `d h m s ms us ns`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut nanos: u128 = 0;
    let mut last = u128::MAX;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = nanos_of(unit)?;
        // `1m1h` and `5s5s` are most likely slips.
        if unit >= last {
            return None;
        }
        last = unit;
        nanos = nanos.checked_add(u128::from(number).checked_mul(unit)?)?;
        rest = after;
    }
    if nanos > DURATION_MAX {
        return None;
    }
    Some(Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32))
}

fn nanos_of(unit: &str) -> Option<u128> {
    Some(match unit {
        "d" => 86_400 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "s" => 1_000_000_000,
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

/// `512B`, `64KiB`, `16MiB`, `1GiB`, `1TiB`; `KB`, `MB`, `GB`, `TB` count by 1000; a bare number is bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim())?;
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit).filter(|bytes| i64::try_from(*bytes).is_ok())
}

/// `1000/s`, `100/m`, `5/h`, `1/d`.
pub fn rate(text: &str) -> Option<Rate> {
    let (number, unit) = split_number(text.trim())?;
    let unit = unit.trim_start().strip_prefix('/')?.trim_start();
    let per = match unit {
        "s" | "m" | "h" | "d" => nanos_of(unit)?,
        _ => return None,
    };
    (number > 0).then_some(Rate { events: number, per: Duration::from_nanos(per as u64) })
}

/// Leading digits (`_` between them allowed) and the rest.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.starts_with('_') || digits.ends_with('_') {
        return None;
    }
    let number: u64 = digits.replace('_', "").parse().ok()?;
    Some((number, rest))
}

/// The shape of what `duration` reads, for the JSON Schema.
pub const DURATION_PATTERN: &str = r"^\s*(0|([0-9]+(_+[0-9]+)*d)?([0-9]+(_+[0-9]+)*h)?([0-9]+(_+[0-9]+)*m)?([0-9]+(_+[0-9]+)*s)?([0-9]+(_+[0-9]+)*ms)?([0-9]+(_+[0-9]+)*us)?([0-9]+(_+[0-9]+)*ns)?)\s*$";
/// The shape of what `size` reads.
pub const SIZE_PATTERN: &str = r"^\s*[0-9]+(_+[0-9]+)*\s*(B|KB|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?\s*$";
/// The shape of what `rate` reads.
pub const RATE_PATTERN: &str = r"^\s*[0-9]+(_+[0-9]+)*\s*/\s*[smhd]\s*$";

/// `10 minutes`, `30min`, `1 hour` as they are written here.
pub fn shortened(text: &str) -> Option<String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => "d",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => "ms",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(duration("1s500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 86400)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for bad in ["", "5", "s", "5 s x", "1m1h", "5s5s", "-5s", "1.5s", "99999999999999999999s", "300000d", "5S"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(size("64MiB"), Some(64 << 20));
        assert_eq!(size("1_000"), Some(1000));
        assert_eq!(size("2 KB"), Some(2000));
        assert_eq!(size("64M"), None);
        assert_eq!(size("9999999999TiB"), None);
        assert_eq!(rate("1000/s"), Some(Rate { events: 1000, per: Duration::from_secs(1) }));
        assert_eq!(rate("100 / m").map(Rate::per_second), Some(100.0 / 60.0));
        assert_eq!(rate("0/s"), None);
        assert_eq!(rate("100/ms"), None);
        assert_eq!(rate("100"), None);
    }
}
