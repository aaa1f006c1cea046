//! RFC 3339 times, read without any allocation; sources read their events' times here as well.

/// Milliseconds since 1970 of an RFC 3339 time such as `2026-03-04T12:30:00.250Z` or `2026-03-04 14:30:00+02:00`; `None` is
/// anything else. The offset is required; digits beyond the millisecond are cut off; a leap second is the second after.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, wanted)| head[*at] != *wanted) || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = digits(&head[0..4])?;
    let (month, day) = (digits(&head[5..7])?, digits(&head[8..10])?);
    let (hour, minute, second) = (digits(&head[11..13])?, digits(&head[14..16])?, digits(&head[17..19])?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (ms, rest) = fraction_ms(rest)?;
    let offset_min = offset_min(rest)?;
    let seconds = days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset_min * 60;
    // A leap second has no number of its own in Unix time; whatever its fraction, it is the start of the next second.
    Some(seconds * 1000 + if second == 60 { 0 } else { ms })
}

/// Digits only, so short that they cannot overflow.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// The milliseconds of a fraction, if there is one, and what follows it.
fn fraction_ms(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let Some(fraction) = bytes.strip_prefix(b".") else { return Some((0, bytes)) };
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let (fraction, rest) = fraction.split_at(len);
    let kept = digits(fraction.get(..3).unwrap_or(fraction))?;
    Some((kept * [1, 100, 10, 1][len.min(3)], rest))
}

/// `Z`, or hours and minutes with a sign.
fn offset_min(bytes: &[u8]) -> Option<i64> {
    match bytes {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let minutes = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
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

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    // The year starts in March here, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-03-04T14:30:00.25+02:00", 1_772_627_400_250),
            ("2026-03-04 12:30:00.250999999z", 1_772_627_400_250),
            ("2016-12-31T23:59:60.5Z", 1_483_228_800_000),
            ("0000-02-29t00:00:00-23:59", -62_162_035_260_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "2026-03-04",
            "2026-03-04T12:30:00",
            "2026-03-04T12:30:00.Z",
            "2026-03-04T12:30:00+0200",
            "2026-03-04T12:30:00ZZ",
            "2026-02-29T12:30:00Z",
            "2026-13-01T12:30:00Z",
            "2026-03-04T24:00:00Z",
            "2026-03-04T12:30:00+24:00",
            "2026-03-04T12:30:61Z",
            "+026-03-04T12:30:00Z",
            "２026-03-04T12:30:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_jiff(ms in -60_000_000_000_000_i64..250_000_000_000_000) {
            let time = jiff::Timestamp::from_millisecond(ms).unwrap();
            proptest::prop_assert_eq!(parse_rfc3339(&time.to_string()), Some(ms));
            let offset = jiff::tz::Offset::constant((ms % 14) as i8);
            proptest::prop_assert_eq!(parse_rfc3339(&time.display_with_offset(offset).to_string()), Some(ms));
        }
    }
}
