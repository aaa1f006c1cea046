//! The generator at work: events by their number, at the pace that was asked for.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::GeneratePlan;
use serde_json::json;

use crate::connectors::{ConnectorError, Position, Pull, Source, SourceOpen};
use crate::event::{BadFrame, Chunk, Timestamp, codes};
use crate::expr::{EvalError, Generator};
use crate::limits::{BATCH_BYTES_MAX, RAW_BYTES_KEPT_MAX};
use crate::operators::Place;
use crate::spec::units::Rate;

/// Waits are at least this long, so that fast events come some at a time.
const TICK: Duration = Duration::from_millis(5);
/// A chunk is sent after so much work, so that other tasks have their turn.
const WORK_MAX: Duration = Duration::from_millis(3);
/// Events made between two looks at the clock.
const EVENTS_A_LOOK: usize = 16;

pub struct GenerateSource {
    generator: Generator,
    place: Place,
    pace: Option<Pace>,
    count: u64,
    /// The number of the next event.
    next: u64,
    start_ms: i64,
    /// The time from one event to the next, as events in a time.
    step: Rate,
    events_max: usize,
    bytes_max: usize,
}

impl GenerateSource {
    /// Begins with the first event, or goes on where a checkpoint says. An event depends on its number alone, so that is all there
    /// is to a position.
    pub fn new(plan: &GeneratePlan, open: SourceOpen) -> Result<GenerateSource, ConnectorError> {
        let next = match open.resume.filter(|position| !position.is_null()) {
            None => 0,
            Some(position) => position.get("events").and_then(Position::as_u64).ok_or_else(|| {
                ConnectorError::fatal(format!(
                    "the checkpoint's position is not one of made-up events: {position}; `--fresh` starts over"
                ))
            })?,
        };
        Ok(GenerateSource {
            generator: plan.event.start(plan.seed),
            place: plan.place.clone(),
            pace: plan.rate.map(Pace::new),
            count: plan.count.unwrap_or(i64::MAX as u64),
            next,
            start_ms: plan.start_ms,
            step: plan.rate.unwrap_or(Rate { events: 1, per: Duration::from_millis(1) }),
            events_max: open.chunk_events_max,
            bytes_max: open.event_bytes_max,
        })
    }

    /// The time of event `i`.
    fn time(&self, i: u64) -> i64 {
        let ms = u128::from(i) * self.step.per.as_nanos() / u128::from(self.step.events.max(1)) / 1_000_000;
        self.start_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// Makes up to `wanted` events; fewer if they are large, or take long to make.
    fn make(&mut self, wanted: u64) -> Chunk {
        let begun = Instant::now();
        let wanted = wanted.min(self.events_max as u64).min(self.count.saturating_sub(self.next));
        let mut chunk = Chunk::default();
        let mut text = String::new();
        for made in 0..wanted as usize {
            if text.len() >= BATCH_BYTES_MAX
                || (made % EVENTS_A_LOOK == EVENTS_A_LOOK - 1 && begun.elapsed() > WORK_MAX)
            {
                break;
            }
            let (i, start) = (self.next, text.len());
            let time = self.time(i);
            self.next += 1;
            let bad = match self.generator.event(i, time, &mut text) {
                Err((fail, at)) => {
                    let error = EvalError { row: 0, code: fail.code, message: fail.message, offset: at };
                    let why = self.place.reject(&error);
                    Some((codes::GENERATE_FAILED, format!("event {i} cannot be made: {} ({})", why.message, why.at)))
                }
                Ok(()) if text.len() - start > self.bytes_max => {
                    let message = format!("event {i} has {} bytes, more than `limits.line`", text.len() - start);
                    Some((codes::LINE_TOO_LONG, message))
                }
                // A chunk of several events stays within its bound.
                Ok(()) if text.len() > BATCH_BYTES_MAX && start > 0 => {
                    text.truncate(start);
                    self.next -= 1;
                    break;
                }
                Ok(()) => None,
            };
            if let Some((code, message)) = bad {
                let raw = text.as_bytes().get(start..).unwrap_or_default();
                chunk.bad.push(BadFrame {
                    before: chunk.frames.len() as u32,
                    raw: Bytes::copy_from_slice(raw.get(..RAW_BYTES_KEPT_MAX).unwrap_or(raw)),
                    length: raw.len() as u64,
                    code,
                    message,
                    offset: Some(i as i64),
                });
                text.truncate(start);
            } else {
                chunk.frames.push(start as u32..text.len() as u32);
                chunk.times.push(Timestamp(time));
                chunk.offsets.push(i as i64);
            }
        }
        chunk.text = text.into();
        chunk
    }
}

impl Source for GenerateSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async move {
            loop {
                if self.next >= self.count {
                    return Ok(Pull::End);
                }
                let now = Instant::now();
                let due = match &mut self.pace {
                    Some(pace) => pace.due(self.next, now),
                    None => u64::MAX,
                };
                if due > 0 {
                    return Ok(Pull::Chunk(self.make(due)));
                }
                if let Some(pace) = &self.pace {
                    tokio::time::sleep_until(pace.next(self.next, now).into()).await;
                }
            }
        })
    }

    fn barrier(&mut self, _id: u64) -> Position {
        json!({ "events": self.next })
    }

    fn is_caught_up(&self) -> bool {
        // What is due is made at once; between two events there is silence.
        self.pace.is_some()
    }
}

/// When events are due.
struct Pace {
    rate: Rate,
    /// The moment from which events are counted, and the first of them.
    since: Option<(Instant, u64)>,
}

impl Pace {
    fn new(rate: Rate) -> Pace {
        Pace { rate, since: None }
    }

    /// How many events are due now, if `next` is the next one. What could not be taken for more than a second is not made up for.
    fn due(&mut self, next: u64, now: Instant) -> u64 {
        let (begun, first) = *self.since.get_or_insert((now, next));
        let elapsed = now.saturating_duration_since(begun).as_nanos();
        let by_now = elapsed * u128::from(self.rate.events) / self.rate.per.as_nanos().max(1) + 1;
        let due = by_now.saturating_sub(u128::from(next - first));
        if due > 1 && due as f64 > self.rate.per_second() + 1.0 {
            self.since = Some((now, next));
            return 1;
        }
        u64::try_from(due).unwrap_or(u64::MAX)
    }

    /// When to look again.
    fn next(&self, next: u64, now: Instant) -> Instant {
        let (begun, first) = self.since.unwrap_or((now, next));
        let nanos = u128::from(next - first) * self.rate.per.as_nanos() / u128::from(self.rate.events.max(1));
        let due = begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 2));
        due.max(now + TICK)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::Sources;
    use crate::expr::Context;
    use crate::spec::ExprText;

    const OPEN: SourceOpen = SourceOpen {
        framing: crate::connectors::Framing::Lines,
        event_bytes_max: 1000,
        chunk_events_max: 100,
        resume: None,
        fresh: false,
        has_checkpoints: false,
    };

    fn plan(event: &str, rate: Option<Rate>, count: Option<u64>) -> GeneratePlan {
        let event = Context::empty().compile_generator(event).unwrap_or_else(|problems| panic!("{problems:?}"));
        let place = Place::new(ExprText::detached(""), Arc::new(Sources::default()));
        GeneratePlan { event, place, rate, count, seed: 1, start_ms: 1000 }
    }

    async fn all(plan: &GeneratePlan) -> (String, Vec<i64>, Vec<(i64, &'static str)>) {
        let mut source = GenerateSource::new(plan, OPEN).unwrap();
        let (mut text, mut times, mut bad) = (String::new(), Vec::new(), Vec::new());
        while let Ok(Pull::Chunk(chunk)) = source.next().await {
            chunk.assert_sound();
            text += std::str::from_utf8(&chunk.text).unwrap();
            times.extend(chunk.times.iter().map(|time| time.0));
            bad.extend(chunk.bad.iter().map(|bad| (bad.offset.unwrap(), bad.code.id)));
        }
        (text, times, bad)
    }

    #[tokio::test]
    async fn two_runs_give_the_same_events() {
        let plan = plan("#{ i: i, n: rand_int(0, 1000000), t: time }", None, Some(1000));
        let (text, times, bad) = all(&plan).await;
        assert_eq!(all(&plan).await.0, text);
        assert!(text.contains(r#""t":1999}"#));
        assert_eq!((times.len(), times.first(), times.last(), bad.len()), (1000, Some(&1000), Some(&1999), 0));
    }

    #[tokio::test]
    async fn it_goes_on_from_a_position_to_the_same_end() {
        let plan = plan("#{ i: i, n: rand_int(0, 1000000), t: time }", None, Some(1000));
        let whole = all(&plan).await.0;
        let mut source = GenerateSource::new(&plan, OPEN).unwrap();
        let mut first = String::new();
        for _ in 0..3 {
            let Ok(Pull::Chunk(chunk)) = source.next().await else { panic!("a chunk") };
            first += std::str::from_utf8(&chunk.text).unwrap();
        }
        let mut rest = GenerateSource::new(&plan, SourceOpen { resume: Some(source.barrier(1)), ..OPEN }).unwrap();
        while let Ok(Pull::Chunk(chunk)) = rest.next().await {
            first += std::str::from_utf8(&chunk.text).unwrap();
        }
        assert_eq!(first, whole);
        assert_eq!(rest.barrier(2), json!({ "events": 1000 }));
        assert!(GenerateSource::new(&plan, SourceOpen { resume: Some(json!(7)), ..OPEN }).is_err());
    }

    #[tokio::test]
    async fn what_cannot_be_made_is_an_error_in_its_place() {
        let long = r#"if i == 1 { throw "no" } else if i == 2 { #{ a: "x".repeat(2000) } } else { #{ a: i } }"#;
        let (text, _, bad) = all(&plan(long, None, Some(4))).await;
        assert_eq!(text, r#"{"a":0}{"a":3}"#);
        assert_eq!(bad, [(1, "generate-failed"), (2, "line-too-long")]);
    }

    #[tokio::test]
    async fn a_rate_holds_by_the_clock() {
        let rate = Rate { events: 200, per: Duration::from_secs(1) };
        let begun = Instant::now();
        let (_, times, _) = all(&plan("#{ i: i }", Some(rate), Some(41))).await;
        assert!((200..600).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        assert_eq!(times.last(), Some(&1200));
    }

    #[test]
    fn a_long_stop_is_not_made_up_for() {
        let mut pace = Pace::new(Rate { events: 100, per: Duration::from_secs(1) });
        let now = Instant::now();
        assert_eq!(pace.due(0, now), 1);
        assert_eq!(pace.due(1, now), 0);
        assert_eq!(pace.due(1, now + Duration::from_millis(500)), 50);
        assert_eq!(pace.due(1, now + Duration::from_secs(10)), 1);
        assert_eq!(pace.due(2, now + Duration::from_millis(10_100)), 10);
        let mut slow = Pace::new(Rate { events: 1, per: Duration::from_secs(3600) });
        assert_eq!((slow.due(0, now), slow.due(1, now)), (1, 0));
        assert_eq!(slow.due(1, now + Duration::from_secs(3600)), 1);
    }
}
