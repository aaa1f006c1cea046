//! Event time: the rule of a source, and what a value means as a time.

use crate::event::{Cell, Texts, Timestamp, codes, json};
use crate::operators::StageExpr;
pub use crate::schema::TimeUnit;

/// The years that an event's time may lie in; anything else is a wrong unit or a broken clock.
const FIRST_MS: i64 = 631_152_000_000; // 1990-01-01
const LAST_MS: i64 = 4_133_980_800_000; // 2101-01-01

/// Where the time of an event comes from.
#[derive(Clone)]
pub enum TimeRule {
    /// Events have no time.
    None,
    /// The broker's timestamp.
    Broker,
    /// The moment at which the event is read.
    Arrival,
    Expr {
        expr: StageExpr,
        unit: TimeUnit,
    },
}

impl TimeRule {
    /// The expression, if there is one.
    pub fn expr(&self) -> Option<&StageExpr> {
        match self {
            TimeRule::Expr { expr, .. } => Some(expr),
            TimeRule::None | TimeRule::Broker | TimeRule::Arrival => None,
        }
    }
}

impl TimeUnit {
    /// The milliseconds of so many.
    fn millis(self, number: i64) -> i64 {
        match self {
            TimeUnit::Seconds => number.saturating_mul(1_000),
            TimeUnit::Millis => number,
            TimeUnit::Micros => number.div_euclid(1_000),
            TimeUnit::Nanos => number.div_euclid(1_000_000),
        }
    }

    fn millis_of_float(self, number: f64) -> f64 {
        let factor = match self {
            TimeUnit::Seconds => 1e3,
            TimeUnit::Millis => 1.0,
            TimeUnit::Micros => 1e-3,
            TimeUnit::Nanos => 1e-6,
        };
        (number * factor).floor()
    }
}

/// The time that a value means; else a code and what is wrong with it.
pub fn event_time(cell: Cell, texts: &Texts, unit: TimeUnit) -> Result<Timestamp, (&'static str, String)> {
    let at = match cell {
        Cell::Int(number) => unit.millis(number),
        Cell::Float(number) => unit.millis_of_float(number) as i64,
        Cell::Number(at) => match json::number_to_f64(texts.bytes(at)) {
            Some(number) => unit.millis_of_float(number) as i64,
            None => return Err((codes::TIME_INVALID.id, format!("`{}` is too large for a time", texts.str(at)))),
        },
        Cell::Str(at) | Cell::Escaped(at) => {
            let text = json::unescape(texts.bytes(at));
            match Timestamp::parse_rfc3339(text.as_bytes()) {
                Some(time) => time.0,
                None => {
                    return Err((
                        codes::TIME_INVALID.id,
                        format!("`{text:.60}` is no time: write RFC 3339 with an offset, as 2026-01-31T12:00:00Z"),
                    ));
                }
            }
        }
        Cell::Missing | Cell::Null | Cell::Packed(_) => {
            return Err((codes::TIME_MISSING.id, "the event has no time".into()));
        }
        Cell::Bool(_) | Cell::Json(_) => {
            return Err((
                codes::TIME_INVALID.id,
                "a time is an RFC 3339 text or a number, not a bool, object or array".into(),
            ));
        }
    };
    if (FIRST_MS..LAST_MS).contains(&at) {
        return Ok(Timestamp(at));
    }
    let message = format!(
        "the time {at} ms since 1970 lies outside the years 1990 to 2100; if it counts seconds, write `time: {{ at: ..., unit: s }}`"
    );
    Err((codes::TIME_RANGE.id, message))
}
