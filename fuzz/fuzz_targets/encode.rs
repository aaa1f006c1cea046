//! Random events through random filter-maps (fields set, removed, mapped, events filtered) to JSON and CSV: what serde_json and
//! csv-core read back is what the same changes make of serde_json's values, and what passes unchanged is written as it came.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::encode::{self, Encoder};
use topology_runner::event::samples::{self, Choices, NAMES};
use topology_runner::event::{Batch, Layout};
use topology_runner::flow::{Operator, Output, Progress};
use topology_runner::limits::BATCH_EVENTS_MAX;
use topology_runner_fuzz::{chunk, decode, reference, topology};

type Event = Map<String, Value>;

/// What a field is set to.
#[derive(Debug)]
enum Source {
    /// `event.a.b`: nothing, if the event has no such field.
    Field(Vec<&'static str>),
    /// `event.a ?? constant`, the constant as JSON, which is Rhai too.
    Or(&'static str, &'static str),
    Constant(&'static str),
}

#[derive(Debug)]
enum Step {
    /// Events go on that have no such field, or null in it.
    Filter(&'static str),
    Edit {
        set: Vec<(&'static str, Source)>,
        unset: Vec<&'static str>,
    },
    Map(Vec<(&'static str, Source)>),
}

/// Stages in a row, planned as a topology.
struct Chain {
    steps: Vec<Step>,
    decoder: Decoder,
    operators: Vec<(Box<dyn Operator>, Arc<[u16]>)>,
}

/// Chains of stages: made once, as planning one takes longer than running it.
const CHAINS: usize = 128;

thread_local! {
    static ALL: RefCell<Vec<Chain>> = RefCell::new((0..CHAINS).map(Chain::new).collect());
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let chain = choices.below(CHAINS);
    let written = choices.below(5);
    let mut events: Vec<Vec<u8>> = (0..written).map(|_| samples::object(&mut choices).into_bytes()).collect();
    events.extend(choices.rest().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).take(BATCH_EVENTS_MAX - written));
    ALL.with_borrow_mut(|all| all[chain].run(&events));
});

impl Chain {
    fn new(number: usize) -> Chain {
        let bytes: Vec<u8> =
            (0..64_u64).map(|i| ((number as u64 * 64 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let mut choices = Choices::new(&bytes);
        let steps: Vec<Step> = (0..number % 5).map(|_| step(&mut choices)).collect();
        let plan = topology::plan(&yaml(&steps));
        let source = plan.nodes.iter().find(|node| node.inputs.is_empty()).expect("a source");
        let layout = source.ports[0].layouts[0].clone();
        let operators = topology::stages(&plan).map(|(node, stage)| {
            let outputs: Vec<Vec<Arc<Layout>>> = node.ports.iter().map(|port| port.layouts.clone()).collect();
            (stage.stage.operator(&stage.inputs, &outputs), node.inputs[0].variants.clone())
        });
        Chain { operators: operators.collect(), decoder: Decoder::new(Format::Json, layout, "fuzz".into(), 128), steps }
    }

    fn run(&mut self, lines: &[Vec<u8>]) {
        let (batch, _) = decode(&mut self.decoder, &chunk(lines.iter().map(Vec::as_slice)));
        let bodies: Vec<&[u8]> =
            batch.columns[0].cells().iter().filter_map(|cell| Some(batch.texts.bytes(cell.text_ref()?))).collect();
        let mut models: Vec<Option<Event>> = bodies.iter().map(|body| self.by_hand(reference::object(body))).collect();
        let mut batches = vec![batch.clone()];
        for (operator, variants) in &mut self.operators {
            let mut out = Output::new(Duration::ZERO);
            for mut batch in batches {
                batch.variant = variants[usize::from(batch.variant)];
                assert_eq!(operator.on_batch(batch, &mut out).expect("a filter-map does not fail"), Progress::Done);
            }
            for rejected in out.take_rejected() {
                // A filter cannot compare a number beyond 64 bits. Rows keep their places.
                assert_eq!(rejected.why.code, "number-too-big", "{}", rejected.why.message);
                models[rejected.row as usize] = None;
            }
            batches = out.take_emitted().into_iter().map(|(_, batch)| batch).collect();
        }
        let kept: Vec<(&[u8], &Event)> =
            bodies.iter().zip(&models).filter_map(|(body, event)| Some((*body, event.as_ref()?))).collect();
        assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), kept.len());
        if kept.is_empty() {
            return;
        }
        for batch in batches.iter().cloned().chain(batches.iter().map(Batch::compact)) {
            batch.assert_sound();
            self.check_json(&batch, &kept);
            check_csv(&batch, &kept);
        }
    }

    fn by_hand(&self, event: Event) -> Option<Event> {
        self.steps.iter().try_fold(event, |event, step| step.by_hand(event))
    }

    fn check_json(&self, batch: &Batch, kept: &[(&[u8], &Event)]) {
        let (lines, errors) = encode(&mut Encoder::new(encode::Format::Json, None), batch);
        assert_eq!((lines.len(), errors), (kept.len(), 0));
        let unchanged = self.steps.iter().all(|step| matches!(step, Step::Filter(_)));
        for (line, (body, event)) in lines.iter().zip(kept) {
            assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
            let found = reference::object(line);
            assert_eq!(found, **event, "{:?}", self.steps);
            // What several stages set, remove and set again may stand elsewhere among the new fields.
            assert!(self.steps.len() > 1 || found.keys().eq(event.keys()));
            if unchanged && body.iter().any(|byte| b"\r\n".contains(byte)) {
                assert_eq!(*line, reference::minify(body));
            } else if unchanged {
                assert_eq!(line, body);
            }
        }
    }
}

/// What one batch is written as, an item an event, and how many were refused.
fn encode(encoder: &mut Encoder, batch: &Batch) -> (Vec<Vec<u8>>, usize) {
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode(batch, true, &mut out, &mut ends, &mut errors);
    assert_eq!(ends.last().map_or(0, |end| *end as usize), out.len());
    let starts = std::iter::once(0).chain(ends.iter().map(|end| *end as usize));
    let lines = starts
        .zip(&ends)
        .map(|(start, end)| out[start..*end as usize].strip_suffix(b"\n").expect("a line's end").to_vec());
    (lines.collect(), errors.len())
}

fn check_csv(batch: &Batch, kept: &[(&[u8], &Event)]) {
    let mut encoder = Encoder::new(encode::Format::Csv, None);
    let (lines, errors) = encode(&mut encoder, batch);
    let columns: Vec<String> = encoder.columns().unwrap_or_default().iter().map(|name| name.to_string()).collect();
    let fits = |event: &&Event| event.keys().all(|name| columns.contains(name));
    let events: Vec<&Event> = kept.iter().map(|(_, event)| *event).filter(fits).collect();
    assert_eq!((lines.len(), errors), (events.len(), kept.len() - events.len()));
    let written = [encoder.head(), &lines.join(&b'\n')].concat();
    let text = |field: Vec<u8>| String::from_utf8(field).expect("UTF-8");
    let records = reference::records(&written).into_iter();
    let mut records = records.map(|record| record.into_iter().map(text).collect::<Vec<String>>());
    let names = records.next().expect("a header");
    assert_eq!(names, if columns.is_empty() { vec![String::new()] } else { columns.clone() });
    for event in events {
        let record = records.next().expect("a record for each event");
        assert_eq!(record.len(), names.len());
        for (name, field) in names.iter().zip(&record) {
            check_field(event.get(name).filter(|_| !columns.is_empty()), field);
        }
    }
    assert!(records.next().is_none());
}

fn check_field(value: Option<&Value>, field: &str) {
    match value {
        None | Some(Value::Null) => assert_eq!(field, ""),
        Some(Value::Bool(value)) => assert_eq!(field, value.to_string()),
        Some(Value::String(value)) => assert_eq!(field, value),
        Some(value @ Value::Number(_)) => assert_eq!(reference::parse(field.as_bytes()).expect("a number"), *value),
        Some(value) => {
            assert_eq!(reference::parse(field.as_bytes()).expect("JSON"), *value);
            assert_eq!(reference::minify(field.as_bytes()), field.as_bytes());
        }
    }
}

fn step(choices: &mut Choices<'_>) -> Step {
    const SET: [&str; 9] = [NAMES[0], NAMES[1], NAMES[2], NAMES[3], NAMES[4], NAMES[5], "new", "\"quoted\\\"", "é,"];
    let fields = |choices: &mut Choices<'_>, least: usize| {
        let mut fields: Vec<(&'static str, Source)> = Vec::new();
        for _ in 0..least + choices.below(4) {
            let name = choices.of(&SET);
            if fields.iter().all(|(other, _)| *other != name) {
                fields.push((name, source(choices)));
            }
        }
        fields
    };
    match choices.below(7) {
        0 => Step::Filter(choices.of(&NAMES)),
        1 | 2 => Step::Map(fields(choices, 1)),
        _ => {
            let set = fields(choices, 0);
            let mut unset: Vec<&str> = (0..1 + choices.below(3)).map(|_| choices.of(&NAMES)).collect();
            unset.retain(|name| set.iter().all(|(other, _)| other != name));
            unset.sort_unstable();
            unset.dedup();
            Step::Edit { set, unset }
        }
    }
}

fn source(choices: &mut Choices<'_>) -> Source {
    match choices.below(5) {
        0 => Source::Constant(choices.of(&["7", "1.5", "true", "\"é\\n\\\",\"", "\"\""])),
        1 => Source::Or(choices.of(&NAMES[..5]), choices.of(&["7", "\"none\""])),
        2 => Source::Field(vec![choices.of(&NAMES), choices.of(&NAMES[..5])]),
        _ => Source::Field(vec![choices.of(&NAMES)]),
    }
}

fn yaml(steps: &[Step]) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let named = |fields: &[(&str, Source)]| {
        let fields = fields.iter().map(|(name, source)| format!("{}: {}", quoted(name), quoted(&source.rhai())));
        format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
    };
    let mut yaml = "sources:\n  in: { file: { path: in.jsonl } }\n".to_owned();
    let mut from = "in".to_owned();
    if !steps.is_empty() {
        yaml.push_str("stages:\n");
    }
    for (i, step) in steps.iter().enumerate() {
        yaml.push_str(&format!("  s{i}:\n    from: {from}\n"));
        from = format!("s{i}");
        match step {
            Step::Filter(name) => {
                yaml.push_str(&format!("    filter: {}\n", quoted(&format!("event[{name:?}] == ()"))))
            }
            Step::Map(fields) => yaml.push_str(&format!("    map: {}\n", named(fields))),
            Step::Edit { set, unset } => {
                if !set.is_empty() {
                    yaml.push_str(&format!("    set: {}\n", named(set)));
                }
                if !unset.is_empty() || set.is_empty() {
                    yaml.push_str(&format!("    unset: {}\n", serde_json::json!(unset)));
                }
            }
        }
    }
    format!("{yaml}sinks:\n  out: {{ from: {from}, file: {{ path: out.jsonl }} }}\n")
}

impl Source {
    fn rhai(&self) -> String {
        match self {
            Source::Field(path) => {
                format!("event[{:?}]{}", path[0], path[1..].iter().map(|name| format!(".{name}")).collect::<String>())
            }
            Source::Or(name, constant) => format!("event.{name} ?? {constant}"),
            Source::Constant(constant) => (*constant).to_owned(),
        }
    }

    fn by_hand(&self, event: &Event) -> Option<Value> {
        let constant = |json: &str| serde_json::from_str(json).expect("JSON");
        match self {
            Source::Field(path) => {
                let (first, rest) = path.split_first()?;
                rest.iter().try_fold(event.get(*first)?, |value, name| value.get(name)).cloned()
            }
            Source::Or(name, json) => {
                Some(event.get(*name).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| constant(json)))
            }
            Source::Constant(json) => Some(constant(json)),
        }
    }
}

impl Step {
    /// What becomes of an event, every expression of a step seeing it as it came in.
    fn by_hand(&self, event: Event) -> Option<Event> {
        match self {
            Step::Filter(name) => event.get(*name).is_none_or(Value::is_null).then_some(event),
            Step::Map(fields) => {
                let fields =
                    fields.iter().filter_map(|(name, source)| Some(((*name).to_owned(), source.by_hand(&event)?)));
                Some(fields.collect())
            }
            Step::Edit { set, unset } => {
                let mut after = event.clone();
                for (name, source) in set {
                    match source.by_hand(&event) {
                        Some(value) => drop(after.insert((*name).to_owned(), value)),
                        None => drop(after.shift_remove(*name)),
                    }
                }
                unset.iter().for_each(|name| drop(after.shift_remove(*name)));
                Some(after)
            }
        }
    }
}
