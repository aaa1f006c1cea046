//! Arbitrary bytes as JSON Lines. Lines are the same however the input is read; which are events is what serde_json says, whatever
//! is read of them; and what is read is what serde_json reads.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use topology_runner::event::decode::{Decoder, Format, cut_columns};
use topology_runner::event::frame::Framer;
use topology_runner::event::samples::Choices;
use topology_runner::event::{Batch, Cell, Path, json};
use topology_runner::limits::BATCH_EVENTS_MAX;
use topology_runner_fuzz::{Line, Verdict, chunk, chunks, decode, layout, lines, reference, text};

/// What must become of a line.
enum Expected {
    Event(Map<String, Value>),
    /// One of these codes.
    Refused(&'static [&'static str]),
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let line_max = choices.of(&[1 << 20, 1 << 20, 1 << 20, 24]);
    let step = choices.of(&[1 << 20, 1, 2, 3, 5, 8, 16, 64]);
    let depth_max = choices.of(&[128, 128, 128, 2]);
    let demanded = choices.byte();
    let input = choices.rest();
    if input.len() > 2 * BATCH_EVENTS_MAX {
        return; // Its lines may not fit into one chunk.
    }

    let framed = chunks(Framer::lines(line_max), input, step);
    let (found, empty) = lines(&framed);
    let (by_hand, empty_by_hand) = split(input, line_max);
    assert_eq!((&found, empty), (&by_hand, empty_by_hand));

    let events: Vec<&[u8]> =
        found.iter().filter_map(|line| if let Line::Event(text, _) = line { Some(*text) } else { None }).collect();
    let expected: Vec<Expected> = events.iter().map(|event| judge(event, depth_max)).collect();
    let together = chunk(events.iter().copied());
    let (batch, bare) = decode(&mut decoder([], depth_max), &together);
    check(&batch, &bare, &events, &expected);
    let mut decoder = decoder(paths(&expected, demanded), depth_max);
    // The second time names are foreseen.
    for _ in 0..2 {
        let (batch, verdicts) = decode(&mut decoder, &together);
        check(&batch, &verdicts, &events, &expected);
        same(&bare, &verdicts);
        let cut = cut_columns(decoder.layout(), &batch.columns[0], &batch.texts);
        assert!(cut.iter().zip(&batch.columns).all(|(cut, column)| cut.cells() == column.cells()));
    }
    let verdicts = framed.iter().flat_map(|chunk| decode(&mut decoder, chunk).1);
    let verdicts: Vec<Verdict> =
        verdicts.filter(|verdict| !matches!(verdict, Verdict::Refused { code: "line-too-long", .. })).collect();
    same_kinds(&bare, &verdicts);
});

fn decoder(paths: impl IntoIterator<Item = Path>, depth_max: usize) -> Decoder {
    Decoder::new(Format::Json, Arc::new(layout(paths)), "fuzz".into(), depth_max)
}

/// The lines of an input, and how many are empty.
fn split(input: &[u8], line_max: usize) -> (Vec<Line<'_>>, u64) {
    let (mut found, mut empty, mut at) = (Vec::new(), 0, 0);
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let (mut start, mut text) = (at, line.strip_suffix(b"\n").unwrap_or(line));
        at += line.len();
        if let (0, Some(rest)) = (start, text.strip_prefix(b"\xEF\xBB\xBF")) {
            (start, text) = (3, rest);
        }
        text = text.strip_suffix(b"\r").unwrap_or(text);
        match text.len() {
            0 => empty += 1,
            len if len > line_max => found.push(Line::TooLong(start as i64)),
            _ => found.push(Line::Event(text, start as i64)),
        }
    }
    (found, empty)
}

/// What serde_json says of a line.
fn judge(line: &[u8], depth_max: usize) -> Expected {
    if std::str::from_utf8(line).is_err() {
        return Expected::Refused(&["utf8"]);
    }
    let is_deep = reference::nesting(line) > depth_max;
    match reference::parse(line) {
        Err(_) if is_deep => Expected::Refused(&["json-syntax", "json-depth"]),
        Err(_) => Expected::Refused(&["json-syntax"]),
        Ok(_) if is_deep => Expected::Refused(&["json-depth"]),
        Ok(Value::Object(event)) => Expected::Event(event),
        Ok(_) => Expected::Refused(&["json-not-object"]),
    }
}

/// Paths to read: some that the events have, and some that they have not.
fn paths(expected: &[Expected], choice: u8) -> Vec<Path> {
    let mut known: Vec<Vec<Arc<str>>> = vec![vec!["none".into()], vec!["a".into(), "b".into()]];
    for event in expected {
        let Expected::Event(event) = event else { continue };
        walk(event, &mut Vec::new(), &mut known);
    }
    let (from, step) = (usize::from(choice % 4), usize::from(choice >> 4) / 4 + 1);
    known.iter().skip(from).step_by(step).take(6).map(|path| Path::from(&path[..])).collect()
}

fn walk(object: &Map<String, Value>, above: &mut Vec<Arc<str>>, found: &mut Vec<Vec<Arc<str>>>) {
    for (name, value) in object {
        if found.len() >= 40 || above.len() >= 4 {
            return;
        }
        above.push(name.as_str().into());
        found.push(above.clone());
        if let Value::Object(inner) = value {
            walk(inner, above, found);
        }
        above.pop();
    }
}

fn check(batch: &Batch, verdicts: &[Verdict], events: &[&[u8]], expected: &[Expected]) {
    assert_eq!(verdicts.len(), expected.len());
    for ((verdict, expected), event) in verdicts.iter().zip(expected).zip(events) {
        let shown = String::from_utf8_lossy(event);
        match (verdict, expected) {
            (Verdict::Row(row), Expected::Event(object)) => check_row(batch, *row, event, object),
            (Verdict::Refused { code, message }, Expected::Refused(codes)) => {
                assert!(codes.contains(code), "{code} and not {codes:?}: {shown:?}");
                check_place(message, event.len());
            }
            (Verdict::Refused { message, .. }, Expected::Event(_)) => panic!("refused {shown:?}: {message}"),
            (Verdict::Row(_), Expected::Refused(codes)) => panic!("accepted {shown:?}, which is {codes:?}"),
        }
    }
}

/// The byte that a message names, counted from 1, is in the text or the one after it.
fn check_place(message: &str, len: usize) {
    let Some((_, rest)) = message.split_once("byte ") else { return };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let at: usize = digits.parse().unwrap_or_else(|_| panic!("{message}"));
    assert!(at <= len + 1, "{message}, of {len} bytes");
}

fn check_row(batch: &Batch, row: u32, event: &[u8], object: &Map<String, Value>) {
    let Cell::Json(body) = batch.cell(0, row) else { panic!("a row has its text") };
    assert_eq!(batch.texts.bytes(body), trim(event));
    for (slot, path) in batch.layout.slots.iter().enumerate() {
        let Some(path) = path else { continue };
        let cell = batch.cell(slot, row);
        let theirs = reference::get(object, path);
        let ours = text(batch, cell).map(|text| reference::parse(&text).expect("a value"));
        assert_eq!(ours.as_ref(), theirs, "{path:?} of {:?}", String::from_utf8_lossy(event));
        check_cell(batch, cell, theirs);
        assert_eq!(json::lookup_cell(&batch.texts, body, path), cell);
    }
}

/// The kind of a cell is that of its value.
fn check_cell(batch: &Batch, cell: Cell, value: Option<&Value>) {
    match (cell, value) {
        (Cell::Missing, None)
        | (Cell::Null, Some(Value::Null))
        | (Cell::Json(_), Some(Value::Object(_) | Value::Array(_))) => {}
        (Cell::Bool(ours), Some(Value::Bool(theirs))) => assert_eq!(ours, *theirs),
        (Cell::Int(ours), Some(Value::Number(theirs))) => assert_eq!(Some(ours), theirs.as_i64()),
        (Cell::Number(at), Some(Value::Number(theirs))) => {
            assert!(theirs.as_i64().is_none());
            let ours = json::number_to_f64(batch.texts.bytes(at));
            let theirs: Option<f64> = batch.texts.str(at).parse().ok().filter(|float: &f64| float.is_finite());
            assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits));
        }
        (Cell::Str(at), Some(Value::String(theirs))) => assert_eq!(batch.texts.str(at), theirs),
        (Cell::Escaped(at), Some(Value::String(theirs))) => {
            assert_eq!(json::unescape(batch.texts.bytes(at)), theirs.as_str())
        }
        other => panic!("{other:?}"),
    }
}

fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| b" \t\r\n".contains(byte);
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Neither what is read nor the chunk that an event is in decides what is said of it.
fn same(a: &[Verdict], b: &[Verdict]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        match (a, b) {
            (Verdict::Row(a), Verdict::Row(b)) => assert_eq!(a, b),
            (Verdict::Refused { code: a, message: why }, Verdict::Refused { code: b, message: reason }) => {
                assert_eq!((a, why), (b, reason));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The same but for the numbers of rows, which count within a chunk.
fn same_kinds(a: &[Verdict], b: &[Verdict]) {
    let numbered = |verdicts: &[Verdict]| -> Vec<Verdict> {
        let verdict = |verdict: &Verdict| match verdict {
            Verdict::Row(_) => Verdict::Row(0),
            Verdict::Refused { code, message } => Verdict::Refused { code, message: message.clone() },
        };
        verdicts.iter().map(verdict).collect()
    };
    same(&numbered(a), &numbered(b));
}
