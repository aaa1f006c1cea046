//! Every aggregate against the same thing computed from the whole list.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::codes as event_codes;
use crate::event::{Layout, TextRef};

fn finish(aggregate: &Aggregate, held: &Accumulator) -> Result<serde_json::Value, Fail> {
    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["x"])));
    let cell = aggregate.finish(held, &mut builder)?;
    builder.push([cell], crate::event::Timestamp::NONE, crate::event::Timestamp::NONE);
    let batch = builder.finish(0, Arc::new(crate::event::Meta::of("test".into())));
    let mut json = Vec::new();
    assert!(Value::of(batch.cell(0, 0), &batch.texts).write_json(&mut json));
    Ok(serde_json::from_slice(&json).unwrap())
}

/// The result over these values, split into runs that are merged back to front (as panes may be).
fn aggregate(
    aggregate: &Aggregate,
    values: &[Cell],
    texts: &Texts,
    splits: &[usize],
) -> Result<serde_json::Value, Fail> {
    let mut runs = vec![aggregate.fresh()];
    for (i, value) in values.iter().enumerate() {
        if splits.contains(&i) {
            runs.push(aggregate.fresh());
        }
        let run = runs.last_mut().unwrap();
        aggregate.check_kind(*value)?;
        aggregate.check(run, *value, texts)?;
        aggregate.update(run, *value, texts, i as u64);
    }
    let mut whole = aggregate.fresh();
    runs.iter().rev().for_each(|run| aggregate.merge(&mut whole, run));
    finish(aggregate, &whole)
}

fn ints(values: &[i64]) -> Vec<Cell> {
    values.iter().map(|int| Cell::Int(*int)).collect()
}

fn exact() -> [Aggregate; 14] {
    [
        Aggregate::Count,
        Aggregate::CountOf,
        Aggregate::Sum,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Avg,
        Aggregate::First,
        Aggregate::Last,
        Aggregate::StdDev,
        Aggregate::Collect { max: 1000 },
        Aggregate::Distinct { max: 1000 },
        Aggregate::Top { k: 2, max: 1000 },
        Aggregate::ApproxDistinct,
        Aggregate::ApproxQuantile { q: 0.5 },
    ]
}

#[test]
fn each_gives_what_it_says() {
    let values = [Cell::Null, Cell::Int(4), Cell::Missing, Cell::Int(1), Cell::Int(4), Cell::Int(3)];
    let wanted = [
        "6",
        "4",
        "12",
        "1",
        "4",
        "3.0",
        "4",
        "3",
        "1.4142135623730951",
        "[4,1,4,3]",
        "3",
        r#"[{"value":4,"count":2},{"value":1,"count":1}]"#,
        "3",
        "3.0",
    ];
    for (aggregate_, wanted) in exact().iter().zip(wanted) {
        let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
        for splits in [&[][..], &[2], &[1, 3, 5]] {
            let got = aggregate(aggregate_, &values, &Texts::default(), splits).unwrap();
            assert_eq!(got, wanted, "{}", aggregate_.name());
        }
    }
}

#[test]
fn none_gives_null_or_zero() {
    for aggregate_ in exact() {
        let got = aggregate(&aggregate_, &[Cell::Null], &Texts::default(), &[]).unwrap();
        let wanted = match aggregate_ {
            Aggregate::Count => serde_json::json!(1),
            Aggregate::CountOf | Aggregate::Distinct { .. } | Aggregate::ApproxDistinct => serde_json::json!(0),
            Aggregate::Collect { .. } | Aggregate::Top { .. } => serde_json::json!([]),
            _ => serde_json::Value::Null,
        };
        assert_eq!(got, wanted, "{}", aggregate_.name());
    }
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let mut texts = Texts::default();
    texts.push("[1]".into());
    let at = TextRef { text: 0, start: 0, len: 3 };
    let refused = |of: Aggregate, values: &[Cell]| aggregate(&of, values, &texts, &[]).unwrap_err().code;
    assert_eq!(refused(Aggregate::Sum, &[Cell::Str(at)]), codes::TYPE);
    assert_eq!(refused(Aggregate::Avg, &[Cell::Number(at)]), codes::BIG_NUMBER);
    assert_eq!(refused(Aggregate::Max, &[Cell::Json(at)]), codes::TYPE);
    assert_eq!(refused(Aggregate::Min, &[Cell::Int(1), Cell::Str(at)]), codes::COMPARE);
    assert_eq!(refused(Aggregate::ApproxQuantile { q: 0.5 }, &[Cell::Float(f64::NAN)]), codes::TYPE);
    assert_eq!(refused(Aggregate::Collect { max: 2 }, &ints(&[1, 1, 1])), event_codes::AGGREGATE_LIMIT.id);
    assert_eq!(refused(Aggregate::Distinct { max: 2 }, &ints(&[1, 1, 2, 3])), event_codes::AGGREGATE_LIMIT.id);
    assert_eq!(refused(Aggregate::Sum, &ints(&[i64::MAX, 1])), codes::ARITHMETIC);
}

#[test]
fn kinds_that_only_meet_in_a_window_have_no_extreme() {
    let mut texts = Texts::default();
    texts.push("a".into());
    let text = Cell::Str(TextRef { text: 0, start: 0, len: 1 });
    let values = [Cell::Int(1), text, Cell::Null];
    let apart = aggregate(&Aggregate::Max, &values, &texts, &[1, 2]);
    assert_eq!(apart.unwrap_err().code, codes::COMPARE);
}

proptest! {
    #[test]
    fn merged_runs_are_the_whole(values in prop::collection::vec(-9_i64..9, 0..40), splits in prop::collection::vec(0_usize..40, 0..4)) {
        let values: Vec<Cell> = values.into_iter().map(|v| if v == 0 { Cell::Null } else { Cell::Int(v) }).collect();
        for aggregate_ in exact() {
            let whole = aggregate(&aggregate_, &values, &Texts::default(), &[]).unwrap();
            let merged = aggregate(&aggregate_, &values, &Texts::default(), &splits).unwrap();
            match (whole.as_f64(), merged.as_f64()) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9, "{}", aggregate_.name()),
                _ => prop_assert_eq!(whole, merged, "{}", aggregate_.name()),
            }
        }
    }
}
