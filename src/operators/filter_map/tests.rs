//! What a filter-map makes of events.

use super::super::testing::{Running, expr};
use super::*;

fn fields(list: &[(&str, &str)]) -> Vec<(Arc<str>, StageExpr)> {
    list.iter().map(|(name, text)| (Arc::from(*name), expr(text, Want::Value))).collect()
}

fn run(filter: Option<&str>, then: Then, read: &[&str], lines: &[&str]) -> Running {
    let stage = FilterMap { filter: filter.map(|text| expr(text, Want::Filter)), then };
    let mut run = Running::start(&stage, 1, read);
    run.give(lines);
    run
}

#[test]
fn a_filter_keeps_events_as_they_are_written() {
    let lines = [r#"{ "a" : 1 }"#, r#"{"a":0}"#, r#"{"a":"x"}"#, r#"{"a":2.50,"b":[1, 2]}"#];
    let run = run(Some("event.a > 0"), Then::Pass, &[], &lines);
    assert_eq!(run.ports[0], [lines[0], lines[3]]);
    assert_eq!(run.errors, [(crate::expr::codes::COMPARE, lines[2].to_owned())]);
}

#[test]
fn a_map_makes_fields_in_written_order() {
    let map = fields(&[("z", "event.user.id"), ("sum", "event.a + 1"), ("b", "event.none"), ("text", "`n${event.a}`")]);
    let lines = [r#"{"a":1,"user":{"id":1.10}}"#, r#"{"a":[],"user":{}}"#, r#"{"a":2,"user":null}"#];
    let run = run(None, Then::Fields(map), &["z", "sum"], &lines);
    assert_eq!(run.ports[0], [r#"{"z":1.10,"sum":2,"text":"n1"}"#, r#"{"sum":3,"text":"n2"}"#]);
    assert_eq!(run.errors.len(), 1, "one error an event, whatever the number of fields that fail");
}

#[test]
fn a_map_copies_what_no_number_type_holds() {
    let map = fields(&[("big", "event.big"), ("list", "[event.big]")]);
    let run = run(None, Then::Fields(map), &[], &[r#"{"big":123456789012345678901234567890}"#]);
    let want = r#"{"big":123456789012345678901234567890,"list":[123456789012345678901234567890]}"#;
    assert_eq!(run.ports[0], [want]);
}

#[test]
fn a_block_returns_an_object() {
    let block = "let x = event.a * 2;\n#{ twice: x, inner: #{ a: event.a } }";
    let lines = [r#"{"a":1}"#, r#"{"a":"1"}"#];
    let run = run(None, Then::Object(expr(block, Want::Object)), &["twice", "inner.a"], &lines);
    assert_eq!(run.ports[0], [r#"{"inner":{"a":1},"twice":2}"#]);
    assert_eq!(run.errors.len(), 1);
}

#[test]
fn a_block_whose_fields_are_not_known_is_cut_for_its_readers() {
    let block = "let o = #{ x: event.a }; if event.a > 1 { o.y = #{ z: 7 }; } o";
    let lines = [r#"{"a":1}"#, r#"{"a":2}"#];
    let run = run(None, Then::Object(expr(block, Want::Object)), &["x", "y.z"], &lines);
    assert_eq!(run.ports[0], [r#"{"x":1}"#, r#"{"x":2,"y":{"z":7}}"#]);
}

#[test]
fn an_object_of_the_event_becomes_the_event() {
    let then = Then::Object(expr("event.payload", Want::Object));
    let run = run(None, then, &["id"], &[r#"{"payload":{ "id": 7.0 }}"#, r#"{"payload":1}"#, r#"{}"#]);
    assert_eq!(run.ports[0], [r#"{ "id": 7.0 }"#]);
    assert_eq!(run.errors.len(), 2);
}

#[test]
fn set_and_unset_change_the_event_in_its_place() {
    let then = || Then::Edit {
        set: fields(&[("a", "event.a + 1"), ("c", "event.b.x")]),
        unset: vec!["b".into()],
        unset_at: vec![],
    };
    let lines = [r#"{"a":1,"b":{"x":"y"},"d":1.0}"#, r#"{"a":1}"#];
    let run = run(Some("event.a == 1"), then(), &["a", "b", "d"], &lines);
    assert_eq!(run.ports[0], [r#"{"a":2,"d":1.0,"c":"y"}"#, r#"{"a":2}"#]);
}

#[test]
fn an_array_becomes_events_of_their_own() {
    let flat = || Then::FlatMap(expr("event.items", Want::Array));
    let lines =
        [r#"{"items":[{"n":1}, { "n" : 2.0 }]}"#, r#"{"items":[]}"#, r#"{"items":[{"n":3},4]}"#, r#"{"items":5}"#];
    let run = run(None, flat(), &["n"], &lines);
    assert_eq!(run.ports[0], [r#"{"n":1}"#, r#"{ "n" : 2.0 }"#]);
    let codes: Vec<&str> = run.errors.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["not-an-object", crate::expr::codes::RESULT]);
}

#[test]
fn a_long_array_takes_several_batches() {
    let items: Vec<String> = (0..2_500).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let long = format!(r#"{{"items":[{}],"t":5}}"#, items.join(", "));
    let then = Then::FlatMap(expr("event.items", Want::Array));
    let run = run(None, then, &["n"], &[r#"{"items":[{"n":"first"}]}"#, &long, r#"{"items":[{"n":"last"}]}"#]);
    assert_eq!(run.ports[0].len(), 2_502);
    assert_eq!(run.ports[0][1..2_501], items);
    assert_eq!(run.largest, crate::limits::BATCH_EVENTS_MAX);
}

/// Gives events to stages one after the other, planned as a topology would plan them.
fn chain(stages: &[FilterMap], read: Demand, lines: &[&str]) -> Vec<String> {
    let mut demands = vec![read];
    for stage in stages.iter().rev() {
        demands.push(stage.demand(&demands[demands.len() - 1..]));
    }
    let mut layout = Arc::new(Layout::text(&demands[stages.len()]));
    let mut batches = vec![super::super::testing::batch(lines, &layout)];
    for (i, stage) in stages.iter().enumerate() {
        let inputs = [layout];
        let outputs = stage.layouts(&inputs, &demands[stages.len() - 1 - i..stages.len() - i]);
        let mut operator = stage.operator(&inputs, &outputs);
        let mut out = Output::new(std::time::Duration::ZERO);
        for batch in batches {
            assert_eq!(operator.on_batch(batch, &mut out).unwrap(), Progress::Done);
        }
        assert!(out.take_rejected().is_empty());
        batches = out.take_emitted().into_iter().map(|(_, batch)| batch).collect();
        batches.iter().for_each(Batch::assert_sound);
        layout = outputs[0][0].clone();
    }
    let text = |batch: &Batch, row| {
        let mut text = Vec::new();
        crate::event::encode::encode_json(batch, row, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    batches.iter().flat_map(|batch| batch.selection.iter().map(|row| text(batch, row)).collect::<Vec<_>>()).collect()
}

mod edits_in_a_row {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::super::super::testing::path;
    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "d"];

    /// What a stage does with each name: nothing, remove it, or set it to what another has.
    type Step = [Option<Option<usize>>; 4];

    fn stage(step: &Step) -> FilterMap {
        let set: Vec<(&str, String)> =
            (0..4).filter_map(|i| Some((NAMES[i], format!("event.{}", NAMES[step[i]??])))).collect();
        let set: Vec<(&str, &str)> = set.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let unset = (0..4).filter(|i| step[*i] == Some(None)).map(|i| Arc::from(NAMES[i])).collect();
        FilterMap { filter: None, then: Then::Edit { set: fields(&set), unset, unset_at: Vec::new() } }
    }

    /// The same by hand. A copy of a missing field is missing.
    fn by_hand(step: &Step, event: &Map<String, Value>) -> Map<String, Value> {
        let mut after = event.clone();
        for (i, change) in step.iter().enumerate() {
            let Some(change) = change else { continue };
            match change.and_then(|from| event.get(NAMES[from])) {
                Some(value) => drop(after.insert(NAMES[i].to_owned(), value.clone())),
                None => drop(after.remove(NAMES[i])),
            }
        }
        after
    }

    fn arb_step() -> impl Strategy<Value = Step> {
        prop::array::uniform4(prop::option::weighted(0.6, prop::option::weighted(0.7, 0..4_usize)))
    }

    proptest! {
        #[test]
        fn give_what_they_give_by_hand(
            steps in prop::collection::vec(arb_step(), 1..5),
            has in prop::array::uniform4(any::<bool>()),
            from_fields in any::<bool>(),
            read in prop::collection::vec(0..4_usize, 0..3),
        ) {
            let mut event = Map::new();
            for i in (0..4).filter(|i| has[*i]) {
                event.insert(NAMES[i].to_owned(), serde_json::json!({ "x": i }));
            }
            let mut stages: Vec<FilterMap> = steps.iter().map(stage).collect();
            if from_fields {
                let all: Vec<(&str, &str)> = vec![("a", "event.a"), ("b", "event.b"), ("c", "event.c"), ("d", "event.d")];
                stages.insert(0, FilterMap { filter: None, then: Then::Fields(fields(&all)) });
            }
            let mut demand = Demand::default();
            read.iter().for_each(|i| demand.add(path(&format!("{}.x", NAMES[*i]))));
            let line = Value::Object(event.clone()).to_string();
            let got: Vec<Value> =
                chain(&stages, demand, &[&line]).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            let want = steps.iter().fold(event, |event, step| by_hand(step, &event));
            prop_assert_eq!(got, [Value::Object(want)]);
        }
    }
}
