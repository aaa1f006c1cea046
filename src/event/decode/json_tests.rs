use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Decoded, Decoder, Format};
use super::*;
use crate::event::json::Value;
use crate::event::json_samples::text;
use crate::event::{Demand, Path};

#[path = "verdict_tests.rs"]
mod verdicts;

fn path(text: &str) -> Path {
    text.split('.').map(Arc::from).collect()
}

fn decoder(paths: &[&str]) -> Decoder {
    let mut demand = Demand::default();
    paths.iter().for_each(|text| demand.add(path(text)));
    Decoder::new(Format::Json, Arc::new(Layout::text(&demand)), "test".into(), 128)
}

/// A chunk of one event a line; the lines may not be UTF-8. Behind the last there is enough text for a window.
fn chunk(lines: &[&[u8]]) -> Chunk {
    chunk_of(lines, b"\n", &[b'\n'; WINDOW])
}

/// A chunk of events with `between` behind each, and `behind` them all.
fn chunk_of(lines: &[&[u8]], between: &[u8], behind: &[u8]) -> Chunk {
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    for line in lines {
        let start = text.len() as u32;
        text.extend_from_slice(line);
        frames.push(start..text.len() as u32);
        text.extend_from_slice(between);
    }
    text.extend_from_slice(behind);
    let offsets = (0..frames.len() as i64).collect();
    Chunk { text: text.into(), frames, offsets, ..Chunk::default() }
}

/// A column of a batch as JSON, `-` for a missing value.
fn column(decoded: &Decoded, name: &str) -> Vec<String> {
    let batch = &decoded.batch;
    let slot = batch.layout.slots.iter().position(|slot| *slot == Some(path(name))).expect("a demanded path");
    let show = |cell: &Cell| {
        let mut out = Vec::new();
        crate::event::encode::write_cell(&mut out, &batch.texts, *cell);
        if *cell == Cell::Missing { "-".to_owned() } else { String::from_utf8(out).expect("UTF-8") }
    };
    batch.columns[slot].cells().iter().map(show).collect()
}

fn codes(decoded: &Decoded) -> Vec<(u32, &'static str)> {
    decoded.rejects.iter().map(|reject| (reject.before, reject.code.id)).collect()
}

#[test]
fn demanded_values_are_cut_out() {
    let mut decoder = decoder(&["a", "a.b", "a.c.d", "z"]);
    let decoded = decoder.decode(
        chunk(&[
            br#"{"a":{"b":1,"c":{"d":"x"}},"y":[1,{"a":2}],"z":-0}"#,
            br#" { "z" : 1e999 , "a" : null } "#,
            br#"{"a":{"c":[{"d":1}],"b":99999999999999999999},"\u007a":"\u0041"}"#,
            br#"{}"#,
        ]),
        3,
    );
    assert_eq!(column(&decoded, "a.b"), ["1", "-", "99999999999999999999", "-"]);
    assert_eq!(column(&decoded, "a.c.d"), ["\"x\"", "-", "-", "-"]);
    assert_eq!(column(&decoded, "z"), ["-0", "1e999", "\"\\u0041\"", "-"]);
    assert_eq!(column(&decoded, "a")[1], "null");
    assert_eq!((decoded.batch.variant, decoded.rejects.len()), (3, 0));
    let Cell::Json(at) = decoded.batch.cell(0, 1) else { panic!("the body") };
    assert_eq!(decoded.batch.texts.str(at), r#"{ "z" : 1e999 , "a" : null }"#);
}

#[test]
fn the_last_of_duplicates_counts_with_all_below_it() {
    let mut decoder = decoder(&["a.b", "a.c", "n"]);
    let lines: [&[u8]; 4] = [
        br#"{"a":{"b":1,"c":2},"n":1,"a":{"b":3},"n":2}"#,
        br#"{"a":{"b":1},"a":7}"#,
        br#"{"a":{"b":1,"b":{}},"\u0061":{"c":"\n"}}"#,
        br#"{"a":5,"a":{"c":1}}"#,
    ];
    let decoded = decoder.decode(chunk(&lines), 0);
    assert_eq!(column(&decoded, "a.b"), ["3", "-", "-", "-"]);
    assert_eq!(column(&decoded, "a.c"), ["-", "-", "\"\\n\"", "1"]);
    assert_eq!(column(&decoded, "n"), ["2", "-", "-", "-"]);
}

#[test]
fn bad_events_leave_no_trace_in_the_batch() {
    let mut input = chunk(&[
        br#"{"a":1}"#,
        br#"{"a":2,"b"}"#,
        b"[1]",
        b"\xff{}",
        b"{\"a\":\"\xc3\"}",
        br#"{"a":3}"#,
        br#"{"a":4} x"#,
        br#"{"a":"\ud800"}"#,
        b"{\"a\":\"\0\"}",
        b"",
        br#"{"a":5}"#,
    ]);
    input.times = (0..11).map(crate::event::Timestamp).collect();
    let text = input.text.clone();
    let decoded = decoder(&["a"]).decode(input, 0);
    assert_eq!(column(&decoded, "a"), ["1", "3", "5"]);
    let expected = [
        (1, "json-syntax"),
        (1, "json-not-object"),
        (1, "utf8"),
        (1, "utf8"),
        (2, "json-syntax"),
        (2, "json-syntax"),
        (2, "json-syntax"),
        (2, "json-syntax"),
    ];
    assert_eq!(codes(&decoded), expected);
    let first = &decoded.rejects[0];
    assert_eq!(first.message, "byte 11: expected `:` after a field name, found `}`");
    assert_eq!((&first.raw[..], first.length, first.offset), (&text[8..19], 11, Some(1)));
    assert_eq!(decoded.rejects[3].message, "byte 7: not valid UTF-8, found 0xc3");
    let times: Vec<_> = decoded.batch.times.iter().map(|time| time.0).collect();
    assert_eq!(times, [0, 5, 10]);
    assert_eq!(decoded.batch.meta.offset.as_ref().map(|column| column.cells()[1]), Some(Cell::Int(5)));
}

#[test]
fn nesting_is_bounded_whatever_is_demanded() {
    let deep = "a.".repeat(200) + "a";
    for paths in [&[][..], &["a"], &["a.a.a"], &[deep.as_str()]] {
        let mut decoder = decoder(paths);
        for (levels, fine) in [(127, true), (128, false), (100_000, false)] {
            let text = [&"{\"a\":".repeat(levels), "{}", &"}".repeat(levels)].concat();
            let decoded = decoder.decode(chunk(&[text.as_bytes()]), 0);
            let expected: &[_] = if fine { &[] } else { &[(0, "json-depth")] };
            assert_eq!(codes(&decoded), expected, "{levels} levels");
            let brackets = ["{\"a\":", &"[".repeat(levels), &"]".repeat(levels), "}"].concat();
            assert_eq!(codes(&decoder.decode(chunk(&[brackets.as_bytes()]), 0)), expected, "{levels} brackets");
        }
    }
}

#[test]
fn optional_fields_do_not_confuse_the_remembered_order() {
    let mut decoder = decoder(&["user_id", "amount", "note"]);
    let lines: [&[u8]; 6] = [
        br#"{"user_id":1,"amount":2,"note":"a long enough tail"}"#,
        br#"{"user_id":2,"note":"a long enough tail"}"#,
        br#"{"amount":3,"user_id":3,"note":"a long enough tail"}"#,
        br#"{"user_i":4,"amounT":4,"note ":"a long enough tail"}"#,
        br#"{"user_id" :5,"amount": 5, "note":"a long enough tail"}"#,
        br#"{"user_id":6,"amount":6,"note":6}"#,
    ];
    let decoded = decoder.decode(chunk(&lines), 0);
    assert_eq!(column(&decoded, "user_id"), ["1", "2", "3", "-", "5", "6"]);
    assert_eq!(column(&decoded, "amount"), ["2", "-", "3", "-", "5", "6"]);
}

#[test]
fn columns_cut_from_checked_text_are_those_of_a_decoder() {
    let lines: [&[u8]; 3] = [br#"{"a":{"b":1},"c":"x"}"#, b"{}", br#" {"c":[1],"a":{"b":null}} "#];
    let decoded = decoder(&["a.b", "c"]).decode(chunk(&lines), 0);
    let batch = &decoded.batch;
    let cut = cut_columns(&batch.layout, &batch.columns[0], &batch.texts);
    let cells = |columns: &[Column]| columns.iter().flat_map(|column| column.cells().to_vec()).collect::<Vec<_>>();
    assert_eq!(cells(&cut), cells(&batch.columns));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn demand_never_changes_what_is_accepted(texts in prop::collection::vec(text(), 1..4)) {
        let lines: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let mut bare = decoder(&[]);
        let theirs: Vec<_> = lines.iter().map(|line| serde_json::from_slice::<serde_json::Value>(line)).collect();
        // A number beyond f64 is fine here as long as nobody computes with it.
        prop_assume!(theirs.iter().filter_map(|value| value.as_ref().err()).all(|error| !error.to_string().contains("out of range")));
        let oracle: Vec<bool> = theirs.iter().map(|value| matches!(value, Ok(serde_json::Value::Object(_)))).collect();
        let expected = bare.decode(chunk(&lines), 0);
        for paths in [&["a"][..], &["a.b.c", "c"], &["a", "a.b", "b.a", "longer name of a field"]] {
            let mut decoder = decoder(paths);
            // The second time all names are foreseen.
            for _ in 0..2 {
                let decoded = decoder.decode(chunk(&lines), 0);
                prop_assert_eq!(codes(&decoded), codes(&expected));
                let mut good = oracle.iter().zip(&lines).filter(|(good, _)| **good);
                prop_assert_eq!(decoded.batch.len(), good.clone().count());
                for row in 0..decoded.batch.len() {
                    let line = good.next().expect("as many").1;
                    for (slot, path) in decoded.batch.layout.slots.iter().enumerate() {
                        let Some(path) = path else { continue };
                        let ours = Some(decoded.batch.cell(slot, row as u32)).filter(|cell| *cell != Cell::Missing);
                        let mut text = Vec::new();
                        ours.map(|cell| crate::event::encode::write_cell(&mut text, &decoded.batch.texts, cell));
                        let ours = ours.map(|_| serde_json::from_slice::<serde_json::Value>(&text).expect("a value"));
                        let looked_up = json::lookup(line, path).map(|value| value != Value::Null);
                        prop_assert_eq!(ours.as_ref().map(|value| !value.is_null()), looked_up);
                        let mut theirs = serde_json::from_slice::<serde_json::Value>(line).ok();
                        for name in path.iter() {
                            theirs = theirs.and_then(|value| value.get(&**name).cloned());
                        }
                        prop_assert_eq!(ours, theirs);
                    }
                }
            }
        }
    }
}
