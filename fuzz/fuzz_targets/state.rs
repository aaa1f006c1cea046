//! State as bytes that no runner wrote, or that were changed since: reading it gives an error or a state, and that can be gone on with.
//! Nothing panics, and no length that stands in the bytes is believed before there are so many.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::samples::Choices;
use topology_runner::event::{Batch, Layout, Timestamp};
use topology_runner::flow::{Operator, Output, Progress};
use topology_runner::plan::{Plan, StageNode};
use topology_runner::state::codec::{Reader, put_value};
use topology_runner::state::{Saved, Snapshot, records};
use topology_runner_fuzz::{chunk, decode, topology};

const YAML: &str = r#"
sources:
  in: { stdin: {}, time: arrival }
stages:
  tumbling:
    from: in
    window: { key: event.k, tumbling: 10s, aggregate: { n: count(), sum: sum(event.v), high: max(event.v), list: "collect(event.v, 9)", some: distinct(event.v), best: "top(event.v, 2)" } }
  sliding:
    from: in
    window: { key: { a: event.k, b: event.v }, sliding: { size: 10s, every: 2s }, aggregate: { mean: avg(event.v), spread: stddev(event.v), first: first(event.v), last: last(event.v) } }
  sessions:
    from: in
    window: { key: event.k, session: { gap: 5s, max: 1m }, aggregate: { people: approx_distinct(event.v), median: "approx_quantile(event.v, 0.5)", low: min(event.v) } }
  counted:
    from: in
    window: { key: event.k, count: 3, aggregate: { n: count(), all: "fold(0, |acc, event| acc + 1)" } }
  dedupe:
    from: in
    dedupe: { key: event.k, within: 10m }
sinks:
  out: { from: [tumbling, sliding, sessions, counted, dedupe], file: { path: out.jsonl } }
"#;

const EVENTS: [&str; 8] = [
    r#"{"k":"a","v":1}"#,
    r#"{"k":"b","v":2.5}"#,
    r#"{"k":"a","v":3}"#,
    r#"{"k":null,"v":-7}"#,
    r#"{"k":"a longer key than is kept in place","v":123456789012345678901234567890}"#,
    r#"{"k":[1,2],"v":1e300}"#,
    r#"{"k":"b"}"#,
    r#"{"k":4,"v":0}"#,
];

/// Stages that keep state, and what they write of it.
struct Stages {
    plan: Plan,
    input: Batch,
    good: Vec<Saved>,
}

thread_local! {
    static STAGES: RefCell<Stages> = RefCell::new(Stages::new());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let stage = choices.byte();
    let how = choices.below(4);
    STAGES.with_borrow(|stages| {
        let good = &stages.good[usize::from(stage) % stages.good.len()];
        let snapshot = match how {
            0 => choices.rest().to_vec(),
            1 => put(&mut choices),
            _ => damaged(&good.snapshots.concat(), &mut choices),
        };
        read(&snapshot);
        let saved = Saved { shape: good.shape.clone(), snapshots: vec![snapshot.into()] };
        let _ = saved.current();
        let (operator, _) = &mut stages.operator(usize::from(stage) % stages.good.len());
        if operator.restore(&saved).is_ok() {
            go_on(operator.as_mut(), &stages.input);
        }
    });
});

/// Records as they are framed, whatever their keys and values say.
fn put(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut snapshot = Snapshot::new(true);
    for _ in 0..1 + choices.below(4) {
        let (key, value) = (choices.below(12), choices.below(64));
        let (key, rest) = choices.rest().split_at(key.min(choices.rest().len()));
        let (value, rest) = rest.split_at(value.min(rest.len()));
        snapshot.put(key, |out| out.extend_from_slice(value));
        *choices = Choices::new(rest);
    }
    snapshot.finish().to_vec()
}

/// What a stage wrote, with some bytes changed, removed or added.
fn damaged(good: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..choices.below(6) {
        let at = (choices.below(256) << 8 | choices.below(256)) % (bytes.len() + 1);
        match choices.below(4) {
            0 => bytes.truncate(at.max(1)),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, choices.byte()),
            _ if at < bytes.len() => bytes[at] = choices.byte(),
            _ => {}
        }
    }
    bytes
}

/// The primitives of the format on the same bytes: what is read as a value is written as one again.
fn read(bytes: &[u8]) {
    assert!(records(bytes).count() <= bytes.len());
    let mut reader = Reader::new(bytes);
    while let Ok(value) = reader.value() {
        let mut written = Vec::new();
        put_value(&mut written, &value);
        let again = Reader::new(&written).value().expect("what was written");
        assert_eq!(value.kind(), again.kind());
    }
}

/// Events and the end, for an operator that has taken over a state.
fn go_on(operator: &mut dyn Operator, input: &Batch) {
    let mut out = Output::new(Duration::ZERO);
    let mut progress = operator.on_batch(input.clone(), &mut out);
    for mark in [Timestamp(1_000_000), Timestamp::END] {
        // What such a state makes of its events may be an error that stops the run, and may be much.
        for _ in 0..64 {
            match progress {
                Ok(Progress::Done) | Err(_) => break,
                Ok(Progress::More | Progress::Wait(_)) => progress = operator.resume(&mut out),
            }
        }
        if !matches!(progress, Ok(Progress::Done)) {
            return;
        }
        progress = operator.on_watermark(mark, &mut out);
    }
    for (_, batch) in out.take_emitted() {
        batch.assert_sound();
    }
    operator.snapshot(&mut Snapshot::new(true));
}

impl Stages {
    fn new() -> Stages {
        let plan = topology::plan(YAML);
        let source = plan.nodes.iter().find(|node| node.inputs.is_empty()).expect("a source");
        let layout = source.ports[0].layouts[0].clone();
        let (batch, _) = decode(
            &mut Decoder::new(Format::Json, layout, "fuzz".into(), 128),
            &chunk(EVENTS.iter().map(|event| event.as_bytes())),
        );
        let times = (0..EVENTS.len() as i64).map(|i| Timestamp(1_000 * i)).collect();
        let marks = vec![Timestamp(0); EVENTS.len()];
        let input = Batch { times: Arc::new(times), marks: Arc::new(marks), ..batch };
        let mut stages = Stages { plan, input, good: Vec::new() };
        stages.good = (0..topology::stages(&stages.plan).count()).map(|stage| stages.written(stage)).collect();
        stages
    }

    fn operator(&self, stage: usize) -> (Box<dyn Operator>, &StageNode) {
        let (node, stage) = topology::stages(&self.plan).nth(stage).expect("a stage");
        let outputs: Vec<Vec<Arc<Layout>>> = node.ports.iter().map(|port| port.layouts.clone()).collect();
        (stage.stage.operator(&stage.inputs, &outputs), stage)
    }

    /// What a stage writes after these events.
    fn written(&self, stage: usize) -> Saved {
        let (mut operator, stage) = self.operator(stage);
        let progress = operator.on_batch(self.input.clone(), &mut Output::new(Duration::ZERO));
        assert!(matches!(progress, Ok(Progress::Done)));
        let mut snapshot = Snapshot::new(true);
        operator.snapshot(&mut snapshot);
        let saved = Saved { shape: stage.stage.shape().expect("it keeps state"), snapshots: vec![snapshot.finish()] };
        assert_eq!(self.operator_of(stage).restore(&saved), Ok(()));
        saved
    }

    fn operator_of(&self, stage: &StageNode) -> Box<dyn Operator> {
        let place = topology::stages(&self.plan).position(|(_, other)| std::ptr::eq(other, stage)).expect("a stage");
        self.operator(place).0
    }
}
