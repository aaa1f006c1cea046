//! What goes on from snapshots, or with the state of another, behaves as if nothing had been.

use bytes::Bytes;

use super::*;
use crate::state::{Saved, Snapshot};

const MORE: &[(&str, &str)] = &[
    ("n", "count()"),
    ("mean", "sum(event.v).to_float() / count(event.v)"),
    ("ends", "[first(event.v), last(event.v), min(event.v), max(event.v)]"),
    ("all", "collect(event.v)"),
    ("spread", "stddev(event.v)"),
    ("often", "top(event.v, 2)"),
    ("kinds", "[distinct(event.v), approx_distinct(event.v), approx_quantile(event.v, 0.5)]"),
];

const FOLD: &[(&str, &str)] = &[("total", "fold(0, |acc, event| acc + event.v)"), ("n", "count()")];

/// Snapshots, the first of which is whole.
#[derive(Default)]
struct Checkpoints(Vec<Bytes>);

impl Checkpoints {
    fn take(&mut self, running: &mut Running) {
        let mut snapshot = Snapshot::new(self.0.is_empty());
        running.operator.snapshot(&mut snapshot);
        self.0.push(snapshot.finish());
    }

    fn saved(&self, of: &WindowStage) -> Saved {
        Saved { shape: of.shape().unwrap(), snapshots: self.0.clone() }
    }
}

fn fresh(stage: &WindowStage, running: &Running) -> Box<dyn Operator> {
    let layouts = stage.layouts(std::slice::from_ref(&running.input), &[Demand::default(), Demand::default()]);
    stage.operator(std::slice::from_ref(&running.input), &layouts)
}

/// A new operator of `stage` goes on with the state of one of `before`: given, or read from snapshots.
fn succeed(
    running: &mut Running,
    before: &WindowStage,
    stage: &WindowStage,
    checkpoints: &mut Checkpoints,
    moves: bool,
) {
    let held = running.operator.held();
    if moves {
        let state = running.operator.give().unwrap();
        assert_eq!(running.operator.held(), crate::flow::Held::default());
        running.operator = fresh(stage, running);
        assert!(running.operator.adopt(state));
        if before.shape() != stage.shape() {
            checkpoints.0.clear();
        }
    } else {
        checkpoints.take(running);
        running.operator = fresh(stage, running);
        running.operator.restore(&checkpoints.saved(before)).unwrap();
        checkpoints.0.clear();
    }
    assert_eq!(running.operator.held(), held);
}

fn kinds() -> Vec<(Kind, &'static [(&'static str, &'static str)])> {
    let mut kinds: Vec<(Kind, &[_])> = aligned_kinds().map(|spans| (Kind::Aligned(spans), MORE)).into();
    kinds.push((Kind::Aligned(Spans::new(12, 4, 1, false)), FOLD));
    kinds.push((Kind::Sessions(Gaps { gap: 4, max: 20 }), MORE));
    kinds.push((Kind::Counted(3), MORE));
    kinds.push((Kind::Counted(3), FOLD));
    kinds
}

fn emits(kind: Kind) -> &'static [Emit] {
    match kind {
        Kind::Counted(_) => &[Emit::Final],
        _ => &[Emit::Final, Emit::Updates, Emit::Every(7)],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_noticed(
        events in (1..3_i64).prop_flat_map(events),
        cuts in prop::collection::vec(0_usize..60, 0..20),
        doings in prop::collection::vec(0..6_u8, 60),
    ) {
        for (kind, fields) in kinds() {
            for emit in emits(kind) {
                let stage = stage(kind, *emit, fields, None);
                let wanted = run(&stage, &events, &cuts);
                let mut checkpoints = Checkpoints::default();
                let got = run_with(&stage, &events, &cuts, &mut |running, at| match doings[at - 1] {
                    0..3 => checkpoints.take(running),
                    3 => succeed(running, &stage, &stage, &mut checkpoints, false),
                    4 => succeed(running, &stage, &stage, &mut checkpoints, true),
                    _ => {}
                });
                prop_assert_eq!(&got.results, &wanted.results, "{:?} {:?}", kind, emit);
                prop_assert_eq!((&got.late, &got.errors), (&wanted.late, &wanted.errors));
            }
        }
    }

    #[test]
    fn windows_are_whole_whenever_results_leave(
        events in events(1),
        cuts in prop::collection::vec(0_usize..60, 0..20),
        doings in prop::collection::vec((0..3_usize, any::<bool>(), 0..3_u8), 60),
    ) {
        // What a window says last is what it would have said last without any change of `emit`.
        for (kind, fields) in kinds().into_iter().take(5) {
            let stages: Vec<WindowStage> = emits(kind).iter().map(|emit| stage(kind, *emit, fields, None)).collect();
            let (wanted, mut now, mut checkpoints) = (run(&stages[0], &events, &cuts), 0, Checkpoints::default());
            let got = run_with(&stages[0], &events, &cuts, &mut |running, at| match doings[at - 1] {
                (next, moves, 0) => {
                    succeed(running, &stages[now], &stages[next], &mut checkpoints, moves);
                    now = next;
                }
                (_, _, 1) => checkpoints.take(running),
                _ => {}
            });
            // A session that was told of while it was shorter has another name.
            let (mut got_last, wanted_last) = (last_of_each(&got.results), last_of_each(&wanted.results));
            got_last.retain(|name, _| !matches!(kind, Kind::Sessions(_)) || wanted_last.contains_key(name));
            prop_assert_eq!(got_last, wanted_last, "{:?}", kind);
            prop_assert_eq!(&got.late, &wanted.late);
        }
    }

    #[test]
    fn another_lateness_doubles_nothing_and_loses_nothing(
        events in events(1),
        cuts in prop::collection::vec(0_usize..60, 0..20),
        doings in prop::collection::vec((0..12_i64, any::<bool>(), 0..3_u8), 60),
    ) {
        for (kind, fields) in kinds().into_iter().take(5) {
            let mut before = stage(kind, Emit::Final, fields, None);
            let mut checkpoints = Checkpoints::default();
            let got = run_with(&stage(kind, Emit::Final, fields, None), &events, &cuts, &mut |running, at| {
                if let (lateness, moves, 0) = doings[at - 1] {
                    let mut next = stage(kind, Emit::Final, fields, None);
                    next.timing.lateness = lateness;
                    succeed(running, &before, &next, &mut checkpoints, moves);
                    before = next;
                }
            });
            let mut names: Vec<String> = got.results.iter().map(name).collect();
            let results = names.len();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), results, "{:?}", kind);
            if matches!(kind, Kind::Sessions(_)) || matches!(kind, Kind::Aligned(spans) if spans.next(0) == spans.end(0)) {
                let counted: i64 = got.results.iter().map(|result| result["n"].as_i64().unwrap()).sum();
                prop_assert_eq!(counted as usize + got.late.len(), events.len());
            }
        }
    }

    #[test]
    fn what_is_cut_leaves_in_parts_that_make_up_the_whole(
        events in events(2),
        cuts in prop::collection::vec(0_usize..60, 0..20),
        doings in prop::collection::vec(0..4_u8, 60),
    ) {
        for (kind, fields) in kinds() {
            for emit in emits(kind) {
                let stage = stage(kind, *emit, fields, None);
                let wanted = run(&stage, &events, &cuts);
                let (mut at_cuts, mut checkpoints) = (Vec::new(), Checkpoints::default());
                let got = run_with(&stage, &events, &cuts, &mut |running, at| match doings[at - 1] {
                    0 => {
                        let before = running.results.len();
                        running.cut();
                        assert_eq!(running.operator.held(), crate::flow::Held::default());
                        at_cuts.push(before..running.results.len());
                        let until = running.operator.cut_until().unwrap();
                        running.operator = fresh(&stage, running);
                        running.operator.begin_partial(until);
                        checkpoints.0.clear();
                    }
                    1 => succeed(running, &stage, &stage, &mut checkpoints, at % 2 == 0),
                    _ => {}
                });
                // An event may have been in time only for a session that is gone.
                prop_assert!(got.late == wanted.late || matches!(kind, Kind::Sessions(_)));
                let is_partial = |result: &Json| result.get("partial") == Some(&json!(true));
                for range in &at_cuts {
                    let cut = &got.results[range.clone()];
                    prop_assert!(cut.iter().all(is_partial));
                    prop_assert!(cut.is_sorted_by_key(|result| result["window_end"].as_i64()));
                }
                prop_assert!(at_cuts.is_empty() != got.results.iter().any(is_partial) || at_cuts.iter().all(|cut| cut.is_empty()));
                if let (Kind::Aligned(_), Emit::Final) = (kind, emit) {
                    prop_assert_eq!(whole(&got.results), whole(&wanted.results), "{:?}", kind);
                    let named = |result: &Json| got.results.iter().filter(|other| name(other) == name(result)).count();
                    prop_assert!(got.results.iter().all(|result| named(result) == 1 || is_partial(result)));
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error_or_something_else_but_no_panic(
        events in events(1),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        for (kind, fields) in kinds() {
            for emit in emits(kind) {
                let stage = stage(kind, *emit, fields, None);
                let mut checkpoints = Checkpoints::default();
                run_with(&stage, &events, &[], &mut |running, _| checkpoints.take(running));
                let good = checkpoints.0[0].to_vec();
                let at = at.index(good.len());
                let mut flipped = good.clone();
                flipped[at] ^= 1 << bit;
                for bytes in [flipped, good[..at].to_vec()] {
                    let saved = Saved { shape: stage.shape().unwrap(), snapshots: vec![bytes.into()] };
                    drop(fresh(&stage, &Running::start(&stage)).restore(&saved));
                }
            }
        }
    }
}

/// The events of each window, over all its results.
fn whole(results: &[Json]) -> std::collections::BTreeMap<String, i64> {
    let mut whole = std::collections::BTreeMap::new();
    results.iter().for_each(|result| *whole.entry(name(result)).or_default() += result["n"].as_i64().unwrap());
    whole
}

fn name(result: &Json) -> String {
    format!("{} {} {}", result["k"], result["window_start"], result["window_end"])
}

/// What was said last of each window.
fn last_of_each(results: &[Json]) -> std::collections::BTreeMap<String, Json> {
    let last = results.iter().map(|result| {
        let mut last = result.clone();
        let fields = last.as_object_mut().unwrap();
        fields.remove("revision");
        fields.remove("mark");
        (name(result), last)
    });
    last.collect()
}

#[test]
fn many_windows_are_cut_a_batch_at_a_time() {
    let list: Vec<(i64, i64, i64)> = (0..3000).map(|key| (key, key / 150, key)).collect();
    let mut stage = stage(Kind::Aligned(Spans::new(10, 10, 0, true)), Emit::Final, &[("n", "count()")], None);
    stage.timing.keys_max = 3000;
    let mut running = Running::start(&stage);
    in_order(&list).chunks(1000).for_each(|events| running.give(events));
    running.cut();
    assert_eq!((running.results.len(), running.largest), (3000, 1024));
    assert!(running.results.iter().all(|result| result["partial"] == true));
    let keys = running.results.iter().map(|result| result["k"].as_i64().unwrap());
    assert!(keys.eq(0..3000), "by window, and in it in the order in which the keys came");
}

#[test]
fn aggregates_come_and_go() {
    [true, false].into_iter().for_each(aggregates_come_and_go_when_the_state);
}

fn aggregates_come_and_go_when_the_state(moves: bool) {
    let kind = Kind::Aligned(Spans::new(10, 10, 0, true));
    let before =
        stage(kind, Emit::Final, &[("n", "count()"), ("total", "sum(event.v)"), ("top", "max(event.v)")], None);
    let fields = &[
        ("fresh", "count(event.v)"),
        ("share", "sum(event.v) / count(event.v)"),
        ("twice", "sum(event.v) * 2"),
        ("all", "count()"),
        ("folded", "fold(0, |acc, event| acc + 1)"),
    ];
    let after = stage(Kind::Aligned(Spans::new(10, 10, 0, true)), Emit::Final, fields, None);
    let events = in_order(&[(1, 0, 5), (2, 1, 7), (1, 2, 8), (1, 15, 4), (2, 30, 1)]);
    let mut checkpoints = Checkpoints::default();
    let got = run_with(&before, &events, &[2], &mut |running, at| {
        if at == 2 {
            succeed(running, &before, &after, &mut checkpoints, moves);
        }
    });
    let results: Vec<Json> = got
        .results
        .iter()
        .map(|result| {
            json!([
                result["k"],
                result["fresh"],
                result["share"],
                result["twice"],
                result["all"],
                result["folded"],
                result.get("top")
            ])
        })
        .collect();
    let old = |key: i64, twice: i64, all: i64| json!([key, null, null, twice, all, null, null]);
    let new = |key: i64, value: i64| json!([key, 1, value, 2 * value, 1, 1, null]);
    assert_eq!(results, [old(1, 26, 2), old(2, 14, 1), new(1, 4), new(2, 1)]);
    assert!(
        got.results.iter().all(|result| result.as_object().unwrap().contains_key("fresh")),
        "it is null, not missing"
    );
}

#[test]
fn what_becomes_of_the_state_is_told() {
    use crate::operators::stage::Carry;
    let tumbling =
        |fields: &[(&str, &str)]| stage(Kind::Aligned(Spans::new(10, 10, 0, true)), Emit::Final, fields, None);
    let before = tumbling(&[("n", "count()"), ("p", "approx_quantile(event.v, 0.5)")]).shape().unwrap();
    let same = tumbling(&[("m", "count( ) + 1"), ("p", "approx_quantile(event.v, 0.9)")]);
    assert_eq!(same.carry(&before), Carry::Kept);
    let one = tumbling(&[("n", "count()"), ("largest", "max(event.v)")]);
    assert_eq!(one.carry(&before), Carry::Changed("`largest` is null in the windows that are open".into()));
    let more = tumbling(&[("a", "max(event.v)"), ("b", "count() / sum(event.v)"), ("c", "min(event.v)")]);
    assert_eq!(more.carry(&before), Carry::Changed("`a`, `b` and `c` are null in the windows that are open".into()));
    let mut key = tumbling(&[("n", "count()")]);
    key.key = testing::exprs(&["event.other"]);
    assert_eq!(key.carry(&before), Carry::Cut("its key has changed".into()));
    let longer = stage(Kind::Aligned(Spans::new(20, 20, 0, true)), Emit::Final, FIELDS, None);
    assert!(matches!(longer.carry(&before), Carry::Cut(why) if why == "its windows have changed"));
    let folded = stage(Kind::Aligned(Spans::new(12, 4, 0, false)), Emit::Final, FOLD, None);
    let panes = stage(Kind::Aligned(Spans::new(12, 4, 0, true)), Emit::Final, &[("n", "count()")], None);
    assert!(matches!(panes.carry(&folded.shape().unwrap()), Carry::Cut(_)), "panes are no windows");
}
