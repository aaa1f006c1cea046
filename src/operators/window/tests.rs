//! Window stages against models that follow the rules and nothing else, over random events cut into random batches.

mod saved;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::assign::{Activity, Gaps, Spans};
use super::calls::Aggregates;
use super::open::{Emit, Timing};
use super::plan::{Kind, WindowStage};
use crate::diagnostic::Diagnostics;
use crate::event::{Batch, BatchBuilder, Cell, Demand, Layout, Meta, Timestamp, encode};
use crate::expr::{Context, Want};
use crate::flow::{Operator, Output, Progress};
use crate::operators::stage::{Stage, StageContext, StageLimits};
use crate::operators::testing;
use crate::spec::{ExprText, NamedExpr};

/// An event, and the watermark of its partition before it.
#[derive(Clone, Copy, Debug)]
struct Event {
    key: i64,
    time: i64,
    value: i64,
    mark: i64,
    partition: i64,
}

const LATENESS: i64 = 5;

fn stage(kind: Kind, emit: Emit, aggregates: &[(&str, &str)], having: Option<&str>) -> WindowStage {
    let fields: Vec<NamedExpr> = aggregates
        .iter()
        .map(|(name, text)| NamedExpr {
            name: (*name).to_owned(),
            name_span: crate::diagnostic::Span::NONE,
            expr: ExprText::detached(*text),
        })
        .collect();
    let (context, mut diagnostics) = (Context::empty(), Diagnostics::new());
    let limits = StageLimits { keys: 100, distinct: 100, collect: 100 };
    let aggregates = Aggregates::plan(&fields, &mut StageContext::new(&context, &mut diagnostics, limits));
    WindowStage {
        id: "window".into(),
        key: testing::exprs(&["event.k"]),
        key_names: vec!["k".into()],
        kind,
        timing: Timing { emit, lateness: LATENESS, keys_max: 100 },
        aggregates: aggregates.unwrap_or_else(|| panic!("{:?}", diagnostics.found())),
        having: having.map(|text| testing::expr(text, Want::Filter)),
        at: "test".into(),
    }
}

/// A stage at work, and what has left it.
struct Running {
    operator: Box<dyn Operator>,
    input: Arc<Layout>,
    results: Vec<Json>,
    late: Vec<i64>,
    errors: Vec<(&'static str, Json)>,
    /// The watermark that was told; results of windows of so many events do not keep to it.
    told: Option<i64>,
    largest: usize,
}

impl Running {
    fn start(stage: &WindowStage) -> Running {
        let input = Arc::new(Layout::fields(["k", "v"]));
        let layouts = stage.layouts(std::slice::from_ref(&input), &[Demand::default(), Demand::default()]);
        let operator = stage.operator(std::slice::from_ref(&input), &layouts);
        let told = (!matches!(stage.kind, Kind::Counted(_))).then_some(i64::MIN);
        Running { operator, input, results: Vec::new(), late: Vec::new(), errors: Vec::new(), told, largest: 0 }
    }

    fn give(&mut self, events: &[Event]) {
        let mut builder = BatchBuilder::new(self.input.clone());
        for event in events {
            builder.push([Cell::Int(event.key), Cell::Int(event.value)], Timestamp(event.time), Timestamp(event.mark));
        }
        let mut meta = Meta::of("test".into());
        meta.partition = events.first().map(|event| event.partition);
        let batch = builder.finish(0, Arc::new(meta));
        let mut out = Output::new(Duration::ZERO);
        let progress = self.operator.on_batch(batch, &mut out).unwrap();
        self.settle(progress, out);
    }

    fn watermark(&mut self, mark: i64) {
        let mut out = Output::new(Duration::ZERO);
        let progress = self.operator.on_watermark(Timestamp(mark), &mut out).unwrap();
        self.settle(progress, out);
        let output = self.operator.output_mark(Timestamp(mark)).0;
        self.told.iter_mut().for_each(|told| *told = output.max(*told));
    }

    fn cut(&mut self) {
        let mut out = Output::new(Duration::ZERO);
        let progress = self.operator.cut(&mut out).unwrap();
        self.settle(progress, out);
    }

    fn settle(&mut self, mut progress: Progress, mut out: Output) {
        loop {
            for (port, batch) in out.take_emitted() {
                batch.assert_sound();
                self.largest = self.largest.max(batch.len());
                for row in batch.selection.iter() {
                    let (time, mark) = (batch.times[row as usize].0, batch.marks[row as usize].0);
                    match port {
                        0 => {
                            assert!(mark <= time, "a result of {time} would be late at {mark}");
                            assert!(self.told <= Some(time), "a result of {time} comes after {:?}", self.told);
                            let mut event = event_json(&batch, row);
                            assert_eq!(time, event["window_end"].as_i64().unwrap() - 1);
                            event["mark"] = json!(mark);
                            self.results.push(event);
                        }
                        _ => self.late.push(time),
                    }
                }
            }
            let rejected = out.take_rejected();
            self.errors.extend(rejected.iter().map(|it| (it.why.code, event_json(&it.batch, it.row))));
            if progress == Progress::Done {
                return;
            }
            progress = self.operator.resume(&mut out).unwrap();
        }
    }
}

fn event_json(batch: &Batch, row: u32) -> Json {
    let mut text = Vec::new();
    encode::encode_json(batch, row, &mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Runs events in batches that end at these places; the watermark follows each batch.
fn run(stage: &WindowStage, events: &[Event], cuts: &[usize]) -> Running {
    run_with(stage, events, cuts, &mut |_, _| {})
}

/// The same; after each batch, something is done that should not be noticed. It is told how many events there were.
fn run_with(
    stage: &WindowStage,
    events: &[Event],
    cuts: &[usize],
    between: &mut dyn FnMut(&mut Running, usize),
) -> Running {
    let mut running = Running::start(stage);
    let mut marks = std::collections::BTreeMap::new();
    let mut start = 0;
    for end in 1..=events.len() {
        let partition = events[end - 1].partition;
        let changes = events.get(end).is_some_and(|next| next.partition != partition);
        if !(cuts.contains(&end) || changes || end == events.len()) {
            continue;
        }
        running.give(&events[start..end]);
        for event in &events[start..end] {
            let mark: &mut i64 = marks.entry(event.partition).or_insert(i64::MIN);
            *mark = (*mark).max(event.mark).max(event.time - LAG);
        }
        start = end;
        if marks.len() as i64 == 1 + events.iter().map(|event| event.partition).max().unwrap_or(0) {
            running.watermark(marks.values().copied().min().unwrap());
        }
        between(&mut running, end);
    }
    running.watermark(i64::MAX);
    assert_eq!(running.operator.held(), crate::flow::Held::default(), "all is closed at the end");
    running
}

const LAG: i64 = 3;

/// Random events of some partitions, with the watermark that each partition's order of times makes.
fn events(partitions: i64) -> impl Strategy<Value = Vec<Event>> {
    let one = (0..3_i64, 0..60_i64, -5..9_i64, 0..partitions);
    prop::collection::vec(one, 1..60).prop_map(move |list| {
        let mut marks = vec![i64::MIN; partitions as usize];
        let of = |(i, (key, jitter, value, partition)): (usize, (i64, i64, i64, i64))| {
            let time = i as i64 + jitter / 2;
            let mark = &mut marks[partition as usize];
            let event = Event { key, time, value, mark: *mark, partition };
            *mark = (*mark).max(time - LAG);
            event
        };
        list.into_iter().enumerate().map(of).collect()
    })
}

/// A result of a model, as the stage writes it.
fn result(key: i64, start: i64, end: i64, values: &[i64], revision: Option<i64>) -> Json {
    let mut result = json!({
        "k": key, "window_start": start, "window_end": end,
        "n": values.len(), "mean": values.iter().sum::<i64>() as f64 / values.len() as f64,
        "first": values[0], "all": values,
    });
    if let Some(revision) = revision {
        result["revision"] = json!(revision);
    }
    result
}

const FIELDS: &[(&str, &str)] = &[
    ("n", "count()"),
    ("mean", "sum(event.v).to_float() / count(event.v)"),
    ("first", "first(event.v)"),
    ("all", "collect(event.v)"),
];

/// The results without what the models do not know, in a fixed order.
fn sorted(results: &[Json]) -> Vec<String> {
    let mut texts: Vec<String> = results
        .iter()
        .map(|result| {
            let mut result = result.clone();
            result.as_object_mut().unwrap().remove("mark");
            result.as_object_mut().unwrap().sort_keys();
            result.to_string()
        })
        .collect();
    texts.sort();
    texts
}

fn windows_of(spans: Spans, time: i64) -> Vec<i64> {
    let unit = spans.unit(time);
    let first = spans.first_window(unit);
    std::iter::successors(Some(first), |w| Some(spans.next(*w))).take_while(|w| *w <= spans.last_window(unit)).collect()
}

/// Tumbling and sliding windows by the rules: all of them, in a list.
fn aligned_model(spans: Spans, updates: bool, events: &[Event]) -> (Vec<Json>, Vec<i64>) {
    struct Open {
        key: i64,
        start: i64,
        values: Vec<i64>,
        revision: i64,
    }
    let (mut open, mut results, mut late) = (Vec::<Open>::new(), Vec::new(), Vec::new());
    let mut ended = i64::MIN;
    for event in events {
        if updates && event.mark > ended {
            ended = event.mark;
            for window in open.iter_mut().filter(|window| spans.end(window.start) <= ended && window.revision == 0) {
                window.revision = 1;
                let end = spans.end(window.start);
                results.push(result(window.key, window.start, end, &window.values, Some(1)));
            }
        }
        let mut counted = false;
        for start in windows_of(spans, event.time) {
            if event.mark >= spans.end(start) + LATENESS {
                continue;
            }
            counted = true;
            let found = open.iter_mut().position(|window| window.key == event.key && window.start == start);
            let at = found.unwrap_or_else(|| {
                open.push(Open { key: event.key, start, values: Vec::new(), revision: 0 });
                open.len() - 1
            });
            let window = &mut open[at];
            window.values.push(event.value);
            if updates && spans.end(start) <= ended {
                window.revision += 1;
                let end = spans.end(start);
                results.push(result(event.key, start, end, &window.values, Some(window.revision)));
            }
        }
        if !counted {
            late.push(event.time);
        }
    }
    for window in open.iter().filter(|window| !updates || window.revision == 0) {
        let revision = updates.then_some(1);
        results.push(result(window.key, window.start, spans.end(window.start), &window.values, revision));
    }
    (results, late)
}

/// Sessions by the rules.
fn session_model(gaps: Gaps, events: &[Event]) -> (Vec<Json>, Vec<i64>) {
    let (mut open, mut results, mut late) = (Vec::<(i64, Activity, Vec<(usize, i64)>)>::new(), Vec::new(), Vec::new());
    let mut close = |(key, activity, mut values): (i64, Activity, Vec<(usize, i64)>)| {
        values.sort();
        let values: Vec<i64> = values.into_iter().map(|(_, value)| value).collect();
        results.push(result(key, activity.first, gaps.end(activity), &values, None));
    };
    for (i, event) in events.iter().enumerate() {
        let closed = |activity: Activity| gaps.end(activity) + LATENESS <= event.mark;
        let (gone, mut stay): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(key, activity, _)| *key == event.key && closed(*activity));
        gone.into_iter().for_each(&mut close);
        stay.sort_by_key(|(_, activity, _)| activity.first);
        let alone = Activity { first: event.time, last: event.time };
        let (mut whole, mut values, mut rest) = (alone, vec![(i, event.value)], Vec::new());
        let before = stay.clone();
        for session in stay {
            match gaps.join(whole, session.1) {
                Some(joined) if session.0 == event.key && gaps.is_near(alone, session.1) => {
                    whole = joined;
                    values.extend(session.2);
                }
                _ => rest.push(session),
            }
        }
        if closed(whole) {
            // Also where it would have brought the end of a session so long before that it is past.
            late.push(event.time);
            rest = before;
        } else {
            rest.push((event.key, whole, values));
        }
        open = rest;
    }
    open.into_iter().for_each(&mut close);
    (results, late)
}

fn aligned_kinds() -> [Spans; 3] {
    [Spans::new(10, 10, 0, true), Spans::new(12, 4, 1, true), Spans::new(15, 6, 0, true)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn aligned_windows_are_what_the_rules_say(events in events(1), cuts in prop::collection::vec(0_usize..60, 0..6)) {
        for spans in aligned_kinds() {
            for emit in [Emit::Final, Emit::Updates] {
                let stage = stage(Kind::Aligned(spans), emit, FIELDS, None);
                let (wanted, late) = aligned_model(spans, emit == Emit::Updates, &events);
                let got = run(&stage, &events, &cuts);
                prop_assert_eq!(sorted(&got.results), sorted(&wanted), "{:?} {:?}", spans, emit);
                prop_assert_eq!(&got.late, &late);
                let ones: Vec<usize> = (0..=events.len()).collect();
                prop_assert_eq!(run(&stage, &events, &ones).results, got.results, "batches of one");
            }
        }
    }

    #[test]
    fn several_partitions_do_not_disturb_each_other(events in events(3), cuts in prop::collection::vec(0_usize..60, 0..6)) {
        for spans in aligned_kinds() {
            let stage = stage(Kind::Aligned(spans), Emit::Final, FIELDS, None);
            let (wanted, late) = aligned_model(spans, false, &events);
            let got = run(&stage, &events, &cuts);
            prop_assert_eq!(sorted(&got.results), sorted(&wanted), "{:?}", spans);
            prop_assert_eq!(&got.late, &late);
        }
    }

    #[test]
    fn sessions_are_what_the_rules_say(events in events(1), cuts in prop::collection::vec(0_usize..60, 0..6), max in 8_i64..40) {
        let gaps = Gaps { gap: 4, max };
        let (wanted, late) = session_model(gaps, &events);
        let stage_final = stage(Kind::Sessions(gaps), Emit::Final, FIELDS, None);
        let got = run(&stage_final, &events, &cuts);
        prop_assert_eq!(sorted(&got.results), sorted(&wanted));
        prop_assert_eq!(&got.late, &late);
        let ones: Vec<usize> = (0..=events.len()).collect();
        for emit in [Emit::Final, Emit::Updates, Emit::Every(7)] {
            let stage = stage(Kind::Sessions(gaps), emit, FIELDS, None);
            prop_assert_eq!(run(&stage, &events, &ones).results, run(&stage, &events, &cuts).results, "{:?}", emit);
        }
    }

    #[test]
    fn the_last_of_early_results_is_the_whole(events in events(1), cuts in prop::collection::vec(0_usize..60, 0..6)) {
        let ones: Vec<usize> = (0..=events.len()).collect();
        for spans in aligned_kinds() {
            let early = stage(Kind::Aligned(spans), Emit::Every(7), FIELDS, None);
            let got = run(&early, &events, &cuts).results;
            prop_assert_eq!(&run(&early, &events, &ones).results, &got, "batches of one");
            let mut last = std::collections::BTreeMap::new();
            for mut result in got {
                let revision = result.as_object_mut().unwrap().remove("revision").unwrap().as_i64().unwrap();
                let name = (result["k"].as_i64(), result["window_start"].as_i64());
                let before = last.insert(name, (revision, result)).map_or(0, |(revision, _)| revision);
                prop_assert_eq!(revision, before + 1);
            }
            let (wanted, _) = aligned_model(spans, false, &events);
            let last: Vec<Json> = last.into_values().map(|(_, result)| result).collect();
            prop_assert_eq!(sorted(&last), sorted(&wanted));
        }
    }

    #[test]
    fn folds_have_a_state_for_each_window(events in events(1), cuts in prop::collection::vec(0_usize..60, 0..6)) {
        let spans = Spans::new(12, 4, 1, true);
        let fields = &[("v", "sum(event.v)"), ("n", "count()")];
        let folded = &[("v", "fold(0, |acc, event| acc + event.v)"), ("n", "count()")];
        let stage_of = |spans, fields| stage(Kind::Aligned(spans), Emit::Final, fields, None);
        let wanted = run(&stage_of(spans, fields), &events, &cuts).results;
        let got = run(&stage_of(Spans::new(12, 4, 1, false), folded), &events, &cuts).results;
        prop_assert_eq!(sorted(&got), sorted(&wanted));
    }
}

/// Events of one partition in the order of their times.
fn in_order(list: &[(i64, i64, i64)]) -> Vec<Event> {
    let mut mark = i64::MIN;
    let of = |&(key, time, value): &(i64, i64, i64)| {
        let event = Event { key, time, value, mark, partition: 0 };
        mark = mark.max(time - LAG);
        event
    };
    list.iter().map(of).collect()
}

#[test]
fn a_window_of_events_leaves_when_it_is_full_and_the_rest_at_the_end() {
    let events = in_order(&[(1, 10, 1), (2, 11, 2), (1, 5, 3), (1, 12, 4), (1, 13, 5), (2, 14, 6), (1, 15, 7)]);
    let stage = stage(Kind::Counted(3), Emit::Final, &[("all", "collect(event.v)")], None);
    for cuts in [&[][..], &[1, 2, 3, 4, 5, 6]] {
        let got = run(&stage, &events, cuts);
        let wanted = [json!([1, 3, 4]), json!([2, 6]), json!([5, 7])];
        assert_eq!(got.results.iter().map(|result| result["all"].clone()).collect::<Vec<_>>(), wanted);
        let times: Vec<_> = got.results.iter().map(|result| (&result["window_start"], &result["window_end"])).collect();
        assert_eq!(times, [(&json!(5), &json!(13)), (&json!(11), &json!(15)), (&json!(13), &json!(16))]);
    }
}

#[test]
fn many_windows_leave_a_batch_at_a_time() {
    let list: Vec<(i64, i64, i64)> = (0..3000).map(|key| (key % 1500, key / 1500, key)).collect();
    let mut stage = stage(Kind::Aligned(Spans::new(10, 10, 0, true)), Emit::Final, &[("n", "count()")], None);
    stage.timing.keys_max = 1400;
    let got = run(&stage, &in_order(&list), &[500, 1000, 1500, 2000, 2500]);
    assert_eq!(got.results.len(), 1400);
    assert_eq!(
        got.results.iter().map(|result| result["k"].as_i64().unwrap()).collect::<Vec<_>>(),
        Vec::from_iter(0..1400)
    );
    assert!(got.results.iter().all(|result| result["n"] == 2));
    assert_eq!(got.errors.len(), 200);
    assert!(got.errors.iter().all(|(code, event)| *code == "keys-full" && event["k"].as_i64() >= Some(1400)));
    assert_eq!(got.largest, 1024);
}

#[test]
fn having_drops_results_and_errors_name_the_event() {
    let events = in_order(&[(1, 0, i64::MAX), (1, 1, 1), (2, 2, 3), (3, 3, 0), (4, 4, 8)]);
    let fields = &[("total", "sum(event.v)"), ("share", "100 / min(event.v)")];
    let stage = stage(Kind::Aligned(Spans::new(10, 10, 0, true)), Emit::Final, fields, Some("event.total > 3"));
    let got = run(&stage, &events, &[]);
    assert_eq!(got.results.len(), 1);
    assert_eq!((&got.results[0]["k"], &got.results[0]["share"]), (&json!(4), &json!(12)));
    let errors: Vec<_> = got.errors.iter().map(|(code, event)| (*code, event["k"].as_i64().unwrap())).collect();
    assert_eq!(errors, [(crate::expr::codes::ARITHMETIC, 1), (crate::expr::codes::ARITHMETIC, 3)]);
}

#[test]
fn a_refused_event_leaves_no_trace() {
    let events = in_order(&[(1, 0, 1), (1, 1, 2), (1, 2, 3), (1, 3, 4)]);
    let fields =
        &[("n", "count()"), ("few", "collect(event.v, 2)"), ("f", "fold(0, |acc, event| acc + 6 / (event.v - 2))")];
    let stage = stage(Kind::Aligned(Spans::new(10, 10, 0, false)), Emit::Final, fields, None);
    let got = run(&stage, &events, &[]);
    let result = &got.results[0];
    assert_eq!((&result["n"], &result["few"], &result["f"]), (&json!(2), &json!([1, 3]), &json!(0)));
    let errors: Vec<_> = got.errors.iter().map(|(code, event)| (*code, event["v"].as_i64().unwrap())).collect();
    assert_eq!(errors, [(crate::expr::codes::ARITHMETIC, 2), ("aggregate-limit", 4)]);
}

#[test]
fn the_examples_of_the_reference_hold() {
    for function in crate::operators::aggregate::FUNCTIONS {
        let (call, wanted) = function.example;
        let mut stage = stage(Kind::Counted(1000), Emit::Final, &[("it", call)], None);
        (stage.key, stage.key_names) = (Vec::new(), Vec::new());
        let mut running = testing::Running::start(&stage, 2, &[]);
        running.give(crate::operators::aggregate::EXAMPLE).watermark(i64::MAX);
        assert!(running.errors.is_empty(), "{call}: {:?}", running.errors);
        let result = format!(r#"{{"window_start":null,"window_end":null,"it":{wanted}}}"#);
        assert_eq!(running.ports[0], [result], "{call}");
    }
}
