//! The texts of timestamps and durations, as Protobuf's own JSON has them.

use crate::event::Timestamp;

/// Seconds from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z: what a timestamp may have.
pub(super) const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// About 10,000 years either way.
pub(super) const DURATION_SECONDS: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

/// Writes a moment as RFC 3339 in UTC, with as many digits of a second as it needs: none, three, six or nine.
pub(super) fn write_timestamp(out: &mut Vec<u8>, seconds: i64, nanos: i64) {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    padded(out, year, 4);
    for (sign, number) in
        [(b'-', month), (b'-', day), (b'T', second / 3_600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        out.push(sign);
        padded(out, number, 2);
    }
    fraction(out, nanos);
    out.push(b'Z');
}

/// Writes a duration as seconds: `-1.500s`.
pub(super) fn write_duration(out: &mut Vec<u8>, seconds: i64, nanos: i64) {
    let all = i128::from(seconds) * i128::from(NANOS) + i128::from(nanos);
    if all < 0 {
        out.push(b'-');
    }
    let all = all.unsigned_abs();
    let (seconds, nanos) = ((all / NANOS as u128) as u64, (all % NANOS as u128) as i64);
    out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
    fraction(out, nanos);
    out.push(b's');
}

/// The seconds and nanoseconds of an RFC 3339 text with an offset. Digits beyond the ninth are cut off.
pub(super) fn read_timestamp(text: &[u8]) -> Option<(i64, i32)> {
    let millis = Timestamp::parse_rfc3339(text)?.get()?;
    let nanos = match text.get(19) {
        Some(b'.') => {
            let digits = text.get(20..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
            nanos_of(text.get(20..20 + digits)?)?
        }
        _ => 0,
    };
    let seconds = millis.div_euclid(1_000);
    TIMESTAMP_SECONDS.contains(&seconds).then_some((seconds, nanos))
}

/// The seconds and nanoseconds of a text like `-1.5s`, of one sign.
pub(super) fn read_duration(text: &[u8]) -> Option<(i64, i32)> {
    let number = text.strip_suffix(b"s")?;
    let (sign, number) = match number {
        [b'-', rest @ ..] => (-1, rest),
        rest => (1, rest),
    };
    let (whole, fraction) = match number.iter().position(|byte| *byte == b'.') {
        Some(point) => (&number[..point], Some(&number[point + 1..])),
        None => (number, None),
    };
    let all_digits = |part: &[u8]| (1..=18).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    if !all_digits(whole) || fraction.is_some_and(|fraction| !all_digits(fraction)) {
        return None;
    }
    let seconds = whole.iter().fold(0_i64, |number, byte| number * 10 + i64::from(byte - b'0'));
    let nanos = fraction.map_or(Some(0), nanos_of)?;
    DURATION_SECONDS.contains(&seconds).then_some((seconds * sign, nanos * sign as i32))
}

/// The digits behind the point of a second, as nanoseconds.
fn nanos_of(digits: &[u8]) -> Option<i32> {
    let mut nanos = 0;
    for i in 0..9 {
        let digit = digits.get(i).copied().unwrap_or(b'0');
        nanos = nanos * 10 + i32::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
    }
    Some(nanos)
}

fn fraction(out: &mut Vec<u8>, nanos: i64) {
    let (value, digits) = match nanos {
        0 => return,
        nanos if nanos % 1_000_000 == 0 => (nanos / 1_000_000, 3),
        nanos if nanos % 1_000 == 0 => (nanos / 1_000, 6),
        nanos => (nanos, 9),
    };
    out.push(b'.');
    padded(out, value, digits);
}

fn padded(out: &mut Vec<u8>, number: i64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number);
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// Year, month and day of a number of days since 1970-01-01, by the method of Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timestamp(seconds: i64, nanos: i64) -> String {
        let mut out = Vec::new();
        write_timestamp(&mut out, seconds, nanos);
        String::from_utf8(out).unwrap()
    }

    fn duration(seconds: i64, nanos: i64) -> String {
        let mut out = Vec::new();
        write_duration(&mut out, seconds, nanos);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn timestamps_are_those_of_the_calendar_library(seconds in TIMESTAMP_SECONDS, nanos in prop_oneof![Just(0), 0..1_000_000_000_i64]) {
            let text = timestamp(seconds, nanos);
            prop_assert_eq!(read_timestamp(text.as_bytes()), Some((seconds, nanos as i32)), "{}", &text);
            // Its own range ends earlier by the largest offset.
            if let Ok(theirs) = jiff::Timestamp::new(seconds, nanos as i32) {
                prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap(), theirs);
            }
        }

        #[test]
        fn durations_come_back(seconds in 0..=315_576_000_000_i64, nanos in 0..1_000_000_000_i64, sign in prop_oneof![Just(1), Just(-1)]) {
            let text = duration(seconds * sign, nanos * sign);
            prop_assert_eq!(read_duration(text.as_bytes()), Some((seconds * sign, (nanos * sign) as i32)), "{}", &text);
        }
    }

    #[test]
    fn texts_have_the_digits_that_they_need() {
        assert_eq!(timestamp(-62_135_596_800, 0), "0001-01-01T00:00:00Z");
        assert_eq!(timestamp(253_402_300_799, 999_999_999), "9999-12-31T23:59:59.999999999Z");
        assert_eq!(timestamp(1, 20_000_000), "1970-01-01T00:00:01.020Z");
        assert_eq!(timestamp(-1, 1_000), "1969-12-31T23:59:59.000001Z");
        assert_eq!(duration(1, 500_000_000), "1.500s");
        assert_eq!(duration(0, -1), "-0.000000001s");
        // Signs that differ cannot be written so, but may be read.
        assert_eq!(duration(1, -500_000_000), "0.500s");
        for text in ["1", "s", "-s", "1.s", ".5s", "1e3s", "999999999999s", "--1s"] {
            assert_eq!(read_duration(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_timestamp(b"2026-12-01T00:00:00+01:00"), Some((1_796_079_600, 0)));
    }
}
