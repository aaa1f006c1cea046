//! Arbitrary bytes as CSV: records and their fields are those of csv-core, and each good record is an object of texts.
#![no_main]

use std::collections::HashSet;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::frame::Framer;
use topology_runner::event::samples::Choices;
use topology_runner::event::{Batch, Cell};
use topology_runner::event::{Path, json};
use topology_runner_fuzz::{Line, Verdict, chunks, decode, layout, lines, reference, text};

/// The fields of a record.
type Record = Vec<Vec<u8>>;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let step = choices.of(&[1 << 20, 1, 2, 3, 5, 8, 16, 64]);
    let input = choices.rest();
    let framed = chunks(Framer::csv(1 << 20), input, step);
    let (found, _) = lines(&framed);
    let frames: Vec<&[u8]> =
        found.iter().filter_map(|line| if let Line::Event(text, _) = line { Some(*text) } else { None }).collect();
    let of_frames = records_of(&frames);
    let mut records: Vec<Record> = reference::records(input);
    // A CR before the line's end belongs to it; to csv-core, told of LF as the only end, it is a part of the last field.
    if !input.contains(&b'\r') {
        let header = records.first().cloned();
        if !records.is_empty() {
            records.remove(0);
        }
        assert_eq!(of_frames, records);
        let names = framed.iter().find_map(|chunk| chunk.header.as_ref()).map(|header| header.0.clone());
        // A header with nothing behind it makes no chunk.
        assert!(names.is_some() || frames.is_empty());
        if let Some(names) = names {
            assert_eq!(names.ok(), header.and_then(|header| usable(&header)));
        }
    }
    let names = framed.iter().find_map(|chunk| chunk.header.as_ref()).and_then(|header| header.0.clone().ok());
    let paths = names.iter().flatten().step_by(2).map(|name| Path::from([Arc::from(name.as_str())]));
    let whole = input.len().is_multiple_of(2).then(|| Path::from([]));
    let layout = Arc::new(layout(paths.chain([Path::from([Arc::from("none")])]).chain(whole)));
    let mut decoder = Decoder::new(Format::Csv, layout, "fuzz".into(), 128);
    let mut frames = frames.into_iter().zip(&of_frames);
    for chunk in &framed {
        let (batch, verdicts) = decode(&mut decoder, chunk);
        let mut bad = chunk.bad.len();
        for verdict in verdicts {
            if bad > 0 && matches!(&verdict, Verdict::Refused { code: "csv-header", .. }) && names.is_none() {
                bad -= 1; // The header itself.
                continue;
            }
            let (frame, record) = frames.next().expect("a frame for each verdict");
            check(&batch, &verdict, frame, record, names.as_deref());
        }
    }
    assert!(frames.next().is_none());
});

/// The JSON of an event, which stays packed where nobody needs it.
fn whole(batch: &Batch, row: u32) -> Vec<u8> {
    match (batch.cell(0, row), &batch.meta.unpack) {
        (Cell::Json(at), _) => batch.texts.bytes(at).to_vec(),
        (Cell::Packed(at), Some(unpack)) => {
            let mut out = Vec::new();
            unpack.write_json(batch.texts.bytes(at), false, &mut out).expect("a record is an object");
            out
        }
        other => panic!("a row has its text: {other:?}"),
    }
}

/// The record of each frame, behind a first one, as a byte order mark would be dropped before that.
fn records_of(frames: &[&[u8]]) -> Vec<Record> {
    let mut records = reference::records(&[b"first\n", &frames.join(&b'\n')[..]].concat());
    records.remove(0);
    assert_eq!(records.len(), frames.len());
    records
}

/// The names of a header, if an event can have them.
fn usable(header: &Record) -> Option<Vec<String>> {
    let names: Option<Vec<String>> = header.iter().map(|name| String::from_utf8(name.clone()).ok()).collect();
    names.filter(|names| names.iter().collect::<HashSet<_>>().len() == names.len())
}

fn check(batch: &Batch, verdict: &Verdict, frame: &[u8], record: &Record, names: Option<&[String]>) {
    let expected = match names {
        None => Err("csv-header"),
        Some(_) if std::str::from_utf8(frame).is_err() => Err("utf8"),
        Some(names) if names.len() != record.len() => Err("csv-fields"),
        Some(names) => Ok(names),
    };
    match (verdict, expected) {
        (Verdict::Refused { code, .. }, Err(expected)) => assert_eq!(*code, expected),
        (Verdict::Row(row), Ok(names)) => {
            let values =
                || record.iter().map(|value| String::from_utf8(value.clone()).expect("UTF-8 as its record is"));
            let object: Vec<(String, Value)> = reference::object(&whole(batch, *row)).into_iter().collect();
            let want: Vec<(String, Value)> = names.iter().cloned().zip(values().map(Value::String)).collect();
            assert_eq!(object, want);
            for (slot, path) in batch.layout.slots.iter().enumerate() {
                let Some([name]) = path.as_deref() else { continue };
                let want =
                    names.iter().zip(values()).find(|(other, _)| other.as_str() == &**name).map(|(_, value)| value);
                let cell = batch.cell(slot, *row);
                let found = text(batch, cell).map(|text| json::unescape(&text[1..text.len() - 1]).into_owned());
                assert_eq!(found, want);
            }
        }
        other => panic!("{other:?}"),
    }
}
