//! Generate: made-up events, the same ones for the same seed.

mod source;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{ConnectContext, ConnectorError, Replay, Source, SourceKind, SourceOpen, SourcePlan};
use crate::diagnostic::codes::{BAD_VALUE, GENERATE_FAILS, NOT_TOGETHER};
use crate::event::Timestamp;
use crate::expr::GeneratorExpr;
use crate::operators::{Place, report};
use crate::schema::Shape;
use crate::spec::units::Rate;
use crate::spec::{Key, SourceSpec, Table, Type, Value};
use source::GenerateSource;

pub static TABLE: Table = Table::new(
    "generate",
    "Makes events by an expression: data to try a topology with. Nothing is random: the same `seed` gives the same events in every \
     run, however fast they come. An event's time starts at `start: { time: ... }`, where nothing is said at the beginning of 2026, \
     and moves on as `rate` says, without a rate by a millisecond for each event.",
    &[
        Key::new(
            "event",
            Type::Expr,
            "The event, an object. It sees `i`, the event's number from 0; `time`, its time in milliseconds; `params`; and functions \
             that only it has: `rand_int(low, high)`, `rand_float(low, high)`, `chance(share)`, `choose(array or weights)`, \
             `normal(mean, deviation)`, `zipf(count, exponent)`. With a key as the last argument, these give the same for the same key: \
             `choose([\"DE\", \"FR\"], user)` is where a user lives.",
        )
        .required()
        .example("'#{ id: i, user: `u${zipf(1000, 1.1)}`, amount: rand_int(1, 500) }'"),
        Key::new("rate", Type::Rate, "How many events in which time, by the wall clock.")
            .default_note("as fast as they are taken")
            .example("2000/s"),
        Key::new("count", Type::Int { min: 0, max: i64::MAX }, "How many events there are.")
            .default_note("no end")
            .example("10000"),
        Key::new("seed", Type::Int { min: 0, max: i64::MAX }, "Another seed gives other events.").default("0"),
    ],
)
.timed()
.example(
    "ticks:\n  generate:\n    rate: 10/s\n    count: 100\n    event: |\n      #{ id: i, even: i % 2 == 0, coin: choose([\"heads\", \"tails\"]) }\n",
);

pub const KIND: SourceKind = SourceKind { table: &TABLE, plan };

/// When the first event happens if nothing else is said: 2026-01-01T00:00:00Z.
const START_MS: i64 = 1_767_225_600_000;

#[derive(Clone)]
struct GeneratePlan {
    event: GeneratorExpr,
    /// Where the expression stands, for what goes wrong in it.
    place: Place,
    rate: Option<Rate>,
    count: Option<u64>,
    seed: u64,
    start_ms: i64,
}

fn plan(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>> {
    let config = &spec.config;
    let start_ms = start(spec, context);
    let is_json = decodes_json(spec, context);
    let text = config.expr("event");
    let event = match context.expr.compile_generator(&text.text) {
        Ok(event) => event,
        Err(problems) => {
            problems.iter().for_each(|problem| report(context.diagnostics, text, problem));
            return None;
        }
    };
    let plan = GeneratePlan {
        event,
        place: Place::new(text.clone(), Arc::new(context.diagnostics.sources().clone())),
        rate: config.rate_opt("rate"),
        count: config.int_opt("count").map(i64::unsigned_abs),
        seed: config.int("seed").unsigned_abs(),
        start_ms: start_ms?,
    };
    if let Err((fail, at)) = plan.event.start(plan.seed).event(0, plan.start_ms, &mut String::new()) {
        let span = text.span_of_bytes(at, at + 1);
        context
            .diagnostics
            .error(&GENERATE_FAILS, span, format!("the first event cannot be made: {}", fail.message))
            .help("the expression must give an object for every `i` from 0 on");
        return None;
    }
    is_json.then(|| Box::new(plan) as Box<dyn SourcePlan>)
}

/// When the first event happens.
fn start(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<i64> {
    let span = spec.common.span_of("start");
    match spec.common.value("start") {
        Some(Value::Section(section)) => {
            let time = Timestamp::parse_rfc3339(section.text("time").as_bytes());
            if time.is_none() {
                context
                    .diagnostics
                    .error(&BAD_VALUE, section.span_of("time"), "a time is needed, as RFC 3339 with an offset")
                    .help("`start: { time: 2026-01-01T00:00:00Z }`");
            }
            time.and_then(Timestamp::get)
        }
        Some(Value::Choice("latest")) => {
            context.diagnostics.error(&NOT_TOGETHER, span, "made-up events have no latest one to begin at").help(
                "leave out `start`, or say when the first event happens: `start: { time: 2026-01-01T00:00:00Z }`",
            );
            None
        }
        _ => Some(START_MS),
    }
}

fn decodes_json(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> bool {
    let is_json = matches!(spec.common.choice_opt("decode"), None | Some("json"));
    if !is_json {
        context
            .diagnostics
            .error(
                &NOT_TOGETHER,
                spec.common.span_of("decode"),
                "made-up events are objects, and there is nothing to decode",
            )
            .help("leave out `decode`");
    }
    is_json
}

impl SourcePlan for GeneratePlan {
    fn is_bounded(&self) -> bool {
        self.count.is_some()
    }

    fn has_time(&self) -> bool {
        true
    }

    fn shape(&self) -> Option<Shape> {
        Some(self.event.shape())
    }

    fn replay(&self) -> Replay {
        Replay::Position
    }

    fn outline(&self) -> String {
        let count = self.count.map_or("events without end".to_string(), |count| format!("{count} events"));
        let rate = match self.rate {
            Some(Rate { events, per }) => match per.as_secs() {
                1 => format!("{events}/s"),
                60 => format!("{events}/m"),
                3600 => format!("{events}/h"),
                _ => format!("{events} each {per:?}"),
            },
            None => "as fast as they are taken".to_string(),
        };
        format!("makes {count}, {rate} (seed {})", self.seed)
    }

    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>> {
        let source = GenerateSource::new(self, open);
        Box::pin(async move { Ok(Box::new(source?) as Box<dyn Source>) })
    }
}
