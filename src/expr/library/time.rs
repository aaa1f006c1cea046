//! Times and durations. A time is an int of milliseconds since 1970-01-01T00:00:00Z, a duration an int of milliseconds.
//! Everything is UTC, and nothing reads a clock.

use jiff::fmt::strtime::BrokenDownTime;

use crate::event::Timestamp;

use super::convert::shown;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

const TIME: Param = Param::new("time", Types::INT);

/// A part of a time.
const fn part_function(
    name: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
    run: for<'a> fn(&[Value<'a>], &mut Call) -> Result<Returned<'a>>,
) -> Function {
    Function::new(name, &[TIME], Types::INT, doc, example, Run::Scalar(run))
}

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "parse_time",
        &[Param::new("text", Types::STRING), Param::optional("format", Types::STRING)],
        Types::INT,
        "The time that a text gives: RFC 3339 with an offset, or by a `strftime` format (`%Y-%m-%d %H:%M`). A format without an \
         offset (`%z`) is read as UTC, one without a time of day as midnight; `%s` is seconds since 1970.",
        (r#"parse_time("2026-03-04T13:00:00+01:00")"#, "1772625600000"),
        Run::Scalar(parse_time),
    )
    .checked(check_format),
    Function::new(
        "try_parse_time",
        &[Param::new("text", Types::STRING.or(Types::UNIT)), Param::optional("format", Types::STRING)],
        Types::INT.or(Types::UNIT),
        "As `parse_time`, but null where the text gives no time.",
        (r#"try_parse_time("yesterday") ?? 0"#, "0"),
        Run::Scalar(try_parse_time),
    )
    .checked(check_format),
    Function::new(
        "format_time",
        &[TIME, Param::optional("format", Types::STRING)],
        Types::STRING,
        "The time as a text: RFC 3339 in UTC (with milliseconds where there are some), or by a `strftime` format.",
        (r#"format_time(1772625600000, "%d.%m.%Y %H:%M")"#, r#""04.03.2026 12:00""#),
        Run::Scalar(format_time),
    )
    .checked(check_format),
    part_function("year", "The year.", ("year(1772625600000)", "2026"), |args, _| part(args, |at| at.year().into())),
    part_function("month", "The month, 1 to 12.", ("month(1772625600000)", "3"), |args, _| {
        part(args, |at| at.month().into())
    }),
    part_function("day", "The day of the month, 1 to 31.", ("day(1772625600000)", "4"), |args, _| {
        part(args, |at| at.day().into())
    }),
    part_function("hour", "The hour of the day, 0 to 23.", ("hour(1772625600000)", "12"), |args, _| {
        part(args, |at| at.hour().into())
    }),
    part_function("minute", "The minute of the hour, 0 to 59.", ("minute(1772625600000)", "0"), |args, _| {
        part(args, |at| at.minute().into())
    }),
    part_function("second", "The second of the minute, 0 to 59.", ("second(1772625601500)", "1"), |args, _| {
        part(args, |at| at.second().into())
    }),
    part_function("millisecond", "The millisecond of the second.", ("millisecond(1772625601500)", "500"), |args, _| {
        part(args, |at| at.millisecond().into())
    }),
    part_function(
        "weekday",
        "The day of the week: 1 is Monday, 7 is Sunday.",
        ("weekday(1772625600000)", "3"),
        |args, _| part(args, |at| at.weekday().to_monday_one_offset().into()),
    ),
    part_function("day_of_year", "The day of the year, 1 to 366.", ("day_of_year(1772625600000)", "63"), |args, _| {
        part(args, |at| at.day_of_year().into())
    }),
    Function::new(
        "add_time",
        &[TIME, Param::new("duration", Types::STRING.or(Types::INT))],
        Types::INT,
        "The time so much later, or earlier for a duration with a minus.",
        (r#"add_time(1772625600000, "1h30m")"#, "1772631000000"),
        Run::Scalar(add_time),
    )
    .checked(check_duration),
    Function::new(
        "truncate_time",
        &[TIME, Param::new("unit", Types::STRING.or(Types::INT))],
        Types::INT,
        "The start of the stretch of time that this time is in: of so long a duration, counted from 1970 as windows are, or of a \
         `\"week\"` (from Monday), a `\"month\"`, a `\"quarter\"` or a `\"year\"`.",
        (r#"format_time(truncate_time(1772625600000, "1d"))"#, r#""2026-03-04T00:00:00Z""#),
        Run::Scalar(truncate_time),
    )
    .checked(check_unit),
    Function::new(
        "duration",
        &[Param::new("text", Types::STRING)],
        Types::INT,
        "The milliseconds of a duration such as `90s`, `1h30m`, `1.5d`, `-5m`. Units: ms, s, m, h, d.",
        (r#"duration("1h30m")"#, "5400000"),
        Run::Scalar(duration),
    )
    .checked(|args| match args.first() {
        Some(Some(Value::Str(text))) => duration_ms(text).map(drop),
        _ => Ok(()),
    }),
    Function::new(
        "format_duration",
        &[Param::new("duration", Types::INT)],
        Types::STRING,
        "A duration in milliseconds as a text that `duration` reads.",
        ("format_duration(5400000)", r#""1h30m""#),
        Run::Scalar(format_duration),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

fn moment(ms: i64) -> Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(ms).map_err(|_| {
        Fail::argument(format!("`time` must be in milliseconds, between the years -9999 and 9999; it is {ms}"))
    })
}

fn civil(ms: i64) -> Result<jiff::civil::DateTime> {
    Ok(jiff::tz::Offset::UTC.to_datetime(moment(ms)?))
}

fn part<'a>(args: &[Value<'a>], of: fn(jiff::civil::DateTime) -> i64) -> Result<Returned<'a>> {
    let [Value::Int(ms)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Int(of(civil(*ms)?)).into())
}

fn parse_time<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let ms = match args {
        [Value::Str(text)] => parse_rfc3339(text).ok_or_else(|| {
            Fail::argument(format!(
                "{} is no RFC 3339 time with an offset, such as 2026-03-04T12:30:00Z; give its format as the second \
                 argument",
                shown(text)
            ))
        })?,
        [Value::Str(text), Value::Str(format)] => parse_with(text, format)?,
        _ => return Ok(Value::Unit.into()),
    };
    Ok(Value::Int(ms).into())
}

fn try_parse_time<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let ms = match args {
        [Value::Str(text)] => parse_rfc3339(text),
        [Value::Str(text), Value::Str(format)] => parse_with(text, format).ok(),
        _ => None,
    };
    Ok(ms.map_or(Value::Unit, Value::Int).into())
}

fn parse_with(text: &str, format: &str) -> Result<i64> {
    let refuse = |error: jiff::Error| {
        Fail::argument(format!("{} is no time of the format {}: {error}", shown(text), shown(format)))
    };
    let mut parts = BrokenDownTime::parse(format, text).map_err(refuse)?;
    if parts.timestamp().is_none() {
        if parts.hour().is_none() {
            parts.set_hour(Some(0)).map_err(refuse)?;
        }
        if parts.offset().is_none() {
            parts.set_offset(Some(jiff::tz::Offset::UTC));
        }
    }
    Ok(parts.to_timestamp().map_err(refuse)?.as_millisecond())
}

fn format_time<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    use std::fmt::Write;
    match args {
        [Value::Int(ms)] => {
            // Writing to a string cannot fail.
            let _ = write!(call.text, "{}", moment(*ms)?);
        }
        [Value::Int(ms), Value::Str(format)] => {
            push_formatted(&mut call.text, moment(*ms)?, format)?;
            call.room(call.text.len())?;
        }
        _ => return Ok(Value::Unit.into()),
    }
    Ok(Returned::Text)
}

/// Bytes of a time's format; a conversion may be padded to 255 characters, so this bounds the result as well.
const FORMAT_BYTES_MAX: usize = 4096;

fn push_formatted(out: &mut String, time: jiff::Timestamp, format: &str) -> Result<()> {
    if format.len() > FORMAT_BYTES_MAX {
        return Err(Fail::argument(format!(
            "`format` has {} bytes, over the limit of {FORMAT_BYTES_MAX}",
            format.len()
        )));
    }
    BrokenDownTime::from(time)
        .format(format, out)
        .map_err(|error| Fail::argument(format!("{} is no format of a time: {error}", shown(format))))
}

fn check_format(args: &[Option<Value<'_>>]) -> Result<()> {
    match args.get(1) {
        Some(Some(Value::Str(format))) => push_formatted(&mut String::new(), jiff::Timestamp::UNIX_EPOCH, format),
        _ => Ok(()),
    }
}

fn check_duration(args: &[Option<Value<'_>>]) -> Result<()> {
    match args.get(1) {
        Some(Some(Value::Str(text))) => duration_ms(text).map(drop),
        _ => Ok(()),
    }
}

fn check_unit(args: &[Option<Value<'_>>]) -> Result<()> {
    match args.get(1) {
        Some(Some(unit)) => truncated(0, unit).map(drop),
        _ => Ok(()),
    }
}

fn add_time<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let (ms, by) = match args {
        [Value::Int(ms), Value::Str(text)] => (*ms, duration_ms(text)?),
        [Value::Int(ms), Value::Int(by)] => (*ms, *by),
        _ => return Ok(Value::Unit.into()),
    };
    let sum = ms.checked_add(by).ok_or_else(|| Fail::arithmetic("the time does not fit 64 bits"))?;
    Ok(Value::Int(sum).into())
}

fn truncate_time<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Int(ms), unit] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Int(truncated(*ms, unit)?).into())
}

fn truncated(ms: i64, unit: &Value<'_>) -> Result<i64> {
    let length = match unit {
        Value::Str(unit @ ("week" | "month" | "quarter" | "year")) => return truncated_by_calendar(ms, unit),
        Value::Str(text) => duration_ms(text)?,
        Value::Int(length) => *length,
        _ => return Ok(ms),
    };
    if length <= 0 {
        return Err(Fail::argument("the duration must be more than 0"));
    }
    ms.checked_sub(ms.rem_euclid(length)).ok_or_else(|| Fail::arithmetic("the time does not fit 64 bits"))
}

fn truncated_by_calendar(ms: i64, unit: &str) -> Result<i64> {
    let day = civil(ms)?.date();
    let start = match unit {
        "week" => day.checked_sub(jiff::Span::new().days(day.weekday().to_monday_zero_offset())),
        "quarter" => jiff::civil::Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
        "year" => jiff::civil::Date::new(day.year(), 1, 1),
        _ => Ok(day.first_of_month()),
    };
    let start =
        start.and_then(|day| jiff::tz::Offset::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())));
    Ok(start
        .map_err(|_| Fail::argument(format!("`time` is too far from 1970 to be truncated: {ms}")))?
        .as_millisecond())
}

/// The milliseconds of an RFC 3339 time.
fn parse_rfc3339(text: &str) -> Option<i64> {
    Timestamp::parse_rfc3339(text.as_bytes()).and_then(Timestamp::get)
}

/// The units of durations with their milliseconds, the longest first.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// The milliseconds of a duration such as `1h30m`, `1.5s` or `-5m`.
pub fn duration_ms(text: &str) -> Result<i64> {
    let refuse = || {
        Fail::argument(format!("{} is no duration such as 90s, 1h30m or 250ms (units: ms, s, m, h, d)", shown(text)))
    };
    let trimmed = text.trim();
    let (mut rest, sign) = trimmed.strip_prefix('-').map_or((trimmed, 1), |rest| (rest, -1));
    if rest.is_empty() {
        return Err(refuse());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len()));
        let unit_ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms).ok_or_else(refuse)?;
        total += number_of_ms(number, unit_ms).ok_or_else(refuse)?;
        rest = after;
    }
    i64::try_from(total * sign).map_err(|_| refuse())
}

/// A decimal number of units in whole milliseconds, cut off below.
fn number_of_ms(number: &str, unit_ms: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // 18 digits times the longest unit stay far below an i128.
    if whole.is_empty() || fraction.is_empty() || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let number = whole.parse::<i128>().ok()? * scale + fraction.parse::<i128>().ok()?;
    Some(number * i128::from(unit_ms) / scale)
}

fn duration<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Int(duration_ms(text)?).into())
}

fn format_duration<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Int(ms)] = args else { return Ok(Value::Unit.into()) };
    push_duration(&mut call.text, *ms);
    Ok(Returned::Text)
}

fn push_duration(out: &mut String, ms: i64) {
    use std::fmt::Write;
    if ms == 0 {
        return out.push_str("0s");
    }
    if ms < 0 {
        out.push('-');
    }
    let mut rest = ms.unsigned_abs();
    for (unit, unit_ms) in UNITS {
        let count = rest / unit_ms.unsigned_abs();
        if count > 0 {
            let _ = write!(out, "{count}{unit}");
            rest -= count * unit_ms.unsigned_abs();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("5s", 5000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1.5d", 129_600_000),
            ("-1m", -60_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(duration_ms(text), Ok(ms), "{text}");
            let mut out = String::new();
            push_duration(&mut out, ms);
            assert_eq!(duration_ms(&out), Ok(ms), "{out}");
        }
        for text in ["", "-", "5", "s", "5 s", "1.s", ".5s", "1..5s", "5y", "1w", "1h-5m", "999999999999999999d", "é"]
        {
            assert_eq!(duration_ms(text).unwrap_err().code, codes::ARGUMENT, "{text}");
        }
        gives("format_duration", &[Value::Int(i64::MIN)], r#""-106751991167d7h12m55s808ms""#);
    }

    #[test]
    fn times_are_read_by_format() {
        for (text, format, ms) in [
            ("04.03.2026", "%d.%m.%Y", 1_772_582_400_000_i64),
            ("2026-03-04 13:00 +0100", "%Y-%m-%d %H:%M %z", 1_772_625_600_000),
            ("1772625600", "%s", 1_772_625_600_000),
            ("Mar  4 2026 12:00:00.5", "%b %e %Y %H:%M:%S%.f", 1_772_625_600_500),
        ] {
            gives("parse_time", &[Value::Str(text), Value::Str(format)], &ms.to_string());
        }
        fails("parse_time", &[Value::Str("2026-03-04 12:00"), Value::Str("%Y-%m-%d")], codes::ARGUMENT);
        fails("parse_time", &[Value::Str("2026-03-04")], codes::ARGUMENT);
        gives("try_parse_time", &[Value::Unit], "null");
        gives("try_parse_time", &[Value::Str("x"), Value::Str("%Y")], "null");
    }

    #[test]
    fn times_are_written() {
        gives("format_time", &[Value::Int(1_772_625_600_250)], r#""2026-03-04T12:00:00.25Z""#);
        gives(
            "format_time",
            &[Value::Int(0), Value::Str("%Y-%m-%dT%H:%M:%S%z %A")],
            r#""1970-01-01T00:00:00+0000 Thursday""#,
        );
        fails("format_time", &[Value::Int(0), Value::Str("%Q %!")], codes::ARGUMENT);
        fails("format_time", &[Value::Int(i64::MAX)], codes::ARGUMENT);
        fails("year", &[Value::Int(i64::MIN)], codes::ARGUMENT);
        assert!(check_format(&[None, Some(Value::Str("%Y-%"))]).is_err());
        assert!(check_unit(&[None, Some(Value::Str("fortnight"))]).is_err());
    }

    #[test]
    fn times_are_truncated() {
        let at = Value::Int(parse_rfc3339("2026-05-17T12:34:56Z").unwrap());
        for (unit, start) in [
            ("1h", "2026-05-17T12:00:00Z"),
            ("week", "2026-05-11T00:00:00Z"),
            ("month", "2026-05-01T00:00:00Z"),
            ("quarter", "2026-04-01T00:00:00Z"),
            ("year", "2026-01-01T00:00:00Z"),
        ] {
            gives("truncate_time", &[at, Value::Str(unit)], &parse_rfc3339(start).unwrap().to_string());
        }
        gives("truncate_time", &[Value::Int(-1), Value::Int(1000)], "-1000");
        fails("truncate_time", &[at, Value::Str("0s")], codes::ARGUMENT);
        fails("truncate_time", &[Value::Int(i64::MIN), Value::Int(1000)], codes::ARITHMETIC);
    }
}
