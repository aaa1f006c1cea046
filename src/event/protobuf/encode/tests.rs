use proptest::prelude::*;
use prost_reflect::DynamicMessage;
use serde_json::{Value as Json, json};

use super::super::tests::{SAMPLES, Sample, decode, decoder, layout, reference, whole, write_message};
use super::*;
use crate::event::encode::{Encoder, Format};
use crate::event::json::RawMembers;
use crate::event::packed::Wire;
use crate::event::samples::Choices;
use crate::event::{Batch, BatchBuilder, Body, Cell, Layout, Meta, TextRef, Timestamp, codes};

#[derive(Debug)]
struct Seven;

impl Numbering for Seven {
    fn number(&self) -> Result<u32, String> {
        Ok(7)
    }
}

fn encoder(sample: &Sample, wire: Wire) -> Encoder {
    let types = Arc::new(sample.model.types());
    let encoding = match wire {
        Wire::Confluent => ProtobufEncoding::numbered(types, Arc::new(Seven)),
        _ => ProtobufEncoding::raw(types),
    };
    Encoder::new(Format::Packed(Arc::new(encoding)), None)
}

/// The bytes of one row, or why there are none.
fn encode(encoder: &mut Encoder, batch: &Batch, lines: bool) -> Vec<Result<Vec<u8>, String>> {
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode(batch, lines, &mut out, &mut ends, &mut errors);
    let mut start = 0;
    let mut ends = ends.into_iter();
    let mut errors = errors.into_iter().peekable();
    let rows = batch.selection.iter().map(|row| match errors.next_if(|(bad, _)| *bad == row) {
        Some((_, error)) => Err(error.message),
        None => {
            let end = ends.next().unwrap() as usize;
            Ok(out[std::mem::replace(&mut start, end)..end].to_vec())
        }
    });
    rows.collect()
}

/// A batch of one event, an object's text.
fn batch_of_text(text: &str) -> Batch {
    let mut builder = BatchBuilder::new(layout(&[]));
    let at = builder.text(text.as_bytes());
    builder.push([Cell::Json(at)], Timestamp::NONE, Timestamp::NONE);
    builder.finish(0, Arc::new(Meta::of("test".into())))
}

/// The same with a column for each field.
fn batch_of_fields(text: &str) -> Batch {
    let members: Vec<_> = RawMembers::new(text.as_bytes()).collect();
    let names: Vec<_> = members.iter().map(|member| member.name(text.as_bytes())).collect();
    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(names.iter().map(|name| &**name))));
    let base = builder.text(text.as_bytes());
    let cells: Vec<Cell> = members
        .iter()
        .map(|member| {
            let cell = member.cell(text.as_bytes());
            cell.text_ref()
                .map_or(cell, |at| cell.with_text_ref(TextRef { text: 0, start: base.start + at.start, ..at }))
        })
        .collect();
    builder.push(cells, Timestamp::NONE, Timestamp::NONE);
    builder.finish(0, Arc::new(Meta::of("test".into())))
}

fn written(text: &Json) -> Result<Json, String> {
    let sample = &SAMPLES[0];
    let mut encoder = encoder(sample, Wire::Raw);
    let from_text = encode(&mut encoder, &batch_of_text(&text.to_string()), false).remove(0);
    let from_fields = encode(&mut encoder, &batch_of_fields(&text.to_string()), false).remove(0);
    assert_eq!(from_text, from_fields);
    let message = DynamicMessage::decode(sample.descriptor.clone(), from_text?.as_slice()).unwrap();
    reference(&message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_was_read_is_written_again(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0..2_usize) {
        let sample = &SAMPLES[which];
        let mut event = Vec::new();
        write_message(&mut Choices::new(&bytes), &sample.descriptor, 6, &mut event);
        let decoded = decode(&mut decoder(&sample.model, Wire::Raw, &[""]), &[&event]);
        if !decoded.rejects.is_empty() {
            return Ok(());
        }
        let json = whole(&decoded, 0);
        let mut encoder = encoder(sample, Wire::Raw);
        let ours = encode(&mut encoder, &decoded.batch, false).remove(0).map_err(TestCaseError::fail)?;
        let message = DynamicMessage::decode(sample.descriptor.clone(), ours.as_slice()).unwrap();
        prop_assert_eq!(reference(&message).unwrap(), json.clone());
        let fields = encode(&mut encoder, &batch_of_fields(&json.to_string()), false).remove(0);
        prop_assert_eq!(fields, Ok(ours));
    }
}

#[test]
fn an_event_that_is_not_changed_leaves_as_it_came() {
    let sample = &SAMPLES[0];
    // Not as any encoder would write it: a default, and a field that nobody knows.
    let event = [&[24, 0][..], &[0xa0, 0x1f, 1], &[24, 5]].concat();
    let decoded = decode(&mut decoder(&sample.model, Wire::Raw, &["an_int32"]), &[&event, &event]);
    let mut raw = encoder(sample, Wire::Raw);
    assert_eq!(encode(&mut raw, &decoded.batch, false), [Ok(event.clone()), Ok(event.clone())]);
    let delimited = [&[event.len() as u8][..], &event].concat();
    assert_eq!(encode(&mut raw, &decoded.batch, true), [Ok(delimited.clone()), Ok(delimited)]);
    // Another framing: read and written anew.
    let framed = [0, 0, 0, 0, 7, 0, 24, 5];
    let mut confluent = encoder(sample, Wire::Confluent);
    assert_eq!(encode(&mut confluent, &decoded.batch, false), [Ok(framed.to_vec()), Ok(framed.to_vec())]);
    let decoded = decode(&mut decoder(&sample.model, Wire::Confluent, &["an_int32"]), &[&framed, &framed[1..]]);
    assert_eq!(decoded.batch.cell(1, 0), Cell::Int(5));
    assert!(
        decoded.rejects[0].message.contains("bytes are too few") || decoded.rejects[0].code == codes::PROTOBUF_HEADER
    );
}

#[test]
fn values_are_written_by_their_type() {
    let good = json!({
        "an_int32": 5.0, "a_uint64": 18_446_744_073_709_551_615_u64, "a_sint32": -2_147_483_648_i64, "a_double": "NaN", "a_float": 0.5,
        "some_bytes": "YWI=", "kind": "FAR", "kinds": ["ONE", 7, "MINUS"], "at": "2026-12-01T01:00:00.5+01:00", "took": "-1.5s",
        "counts": { "a": 1, "b": -1 }, "by_number": { "-3": { "name": "x" } }, "by_bool": { "true": "" }, "text": "",
        "object": { "a": [1, null, "x", { "b": true }] }, "any": null, "wrapped": 0, "note": null, "inner": { "inner": {} },
    });
    let mut input = good.clone();
    assert_eq!(
        written(&input).unwrap_err(),
        "the field `note` is not in the schema; leave it out with `unset` or a `map`"
    );
    input.as_object_mut().unwrap().remove("note");
    let found = written(&input).unwrap();
    for (name, wanted) in [
        ("an_int32", json!(5)),
        ("a_uint64", json!(u64::MAX)),
        ("some_bytes", json!("YWI=")),
        ("kinds", json!(["ONE", 7, "MINUS"])),
        ("at", json!("2026-12-01T00:00:00.500Z")),
        ("took", json!("-1.500s")),
        ("by_number", json!({ "-3": { "name": "x", "size": 0, "more": [] } })),
        ("text", json!("")),
        ("object", json!({ "a": [1.0, null, "x", { "b": true }] })),
        ("any", json!(null)),
        ("wrapped", json!(0)),
        ("a_double", json!("NaN")),
        ("counts", json!({ "a": 1, "b": -1 })),
    ] {
        assert_eq!(found[name], wanted, "{name}");
    }
}

#[test]
fn what_a_field_cannot_hold_is_that_events_error() {
    for (event, why) in [
        (
            json!({ "an_int32": 2_147_483_648_i64 }),
            "the field `an_int32` is the number 2147483648, and the schema has an int of 32 bits",
        ),
        (
            json!({ "a_uint32": -1 }),
            "the field `a_uint32` is the number -1, and the schema has an int of 32 bits from 0 on",
        ),
        (json!({ "an_int64": 1.5 }), "the field `an_int64` is the number 1.5, and the schema has an int of 64 bits"),
        (
            json!({ "a_float": 1e39 }),
            "the field `a_float` is the number 1e+39, and the schema has a float (a number of 32 bits)",
        ),
        (json!({ "a_string": 1 }), "the field `a_string` is the number 1, and the schema has a string"),
        (
            json!({ "some_bytes": "!" }),
            "the field `some_bytes` is the text \"!\", and the schema has bytes (a text in base64)",
        ),
        (
            json!({ "inner": { "inner": { "nmae": 1 } } }),
            "the field `inner.inner.nmae` is not in the schema; leave it out with `unset` or a `map`",
        ),
        (json!({ "inner": [] }), "the field `inner` is an array, and the schema has a message (an object)"),
        (
            json!({ "inners": [{}, 1] }),
            "the field `inners[1]` is the number 1, and the schema has a message (an object)",
        ),
        (json!({ "ints": [1, null] }), "the field `ints[1]` is null, and the schema has an int of 32 bits"),
        (json!({ "text": "x", "number": 1 }), "the event has `text` and `number`, of which the schema takes one"),
        (
            json!({ "by_number": { "x": {} } }),
            "the field `by_number[\"x\"]` is the text \"x\", and the schema has an int of 32 bits",
        ),
        (
            json!({ "took": "1" }),
            "the field `took` is the text \"1\", and the schema has a Duration (seconds as a text like \"1.5s\")",
        ),
    ] {
        assert_eq!(written(&event).unwrap_err(), why, "{event}");
    }
    let why = written(&json!({ "kind": "THREE" })).unwrap_err();
    assert_eq!(
        why,
        "the field `kind` is the text \"THREE\", and the schema has an enum (NONE, ONE, TWO, ALSO_TWO, MINUS, FAR)"
    );
    assert!(written(&json!({ "at": 1_764_547_200_000_i64 })).unwrap_err().contains("format_time"));
}

#[test]
fn a_bad_event_leaves_no_bytes_and_disturbs_no_other() {
    let sample = &SAMPLES[0];
    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["an_int32", "note"])));
    for (number, note) in [(1, Cell::Missing), (2, Cell::Bool(true)), (i64::MAX, Cell::Missing), (3, Cell::Missing)] {
        builder.push([Cell::Int(number), note], Timestamp::NONE, Timestamp::NONE);
    }
    let batch = builder.finish(0, Arc::new(Meta::of("test".into())));
    let rows = encode(&mut encoder(sample, Wire::Raw), &batch, true);
    assert_eq!(rows[0], Ok(vec![2, 24, 1]));
    assert_eq!(rows[1], Err("the field `note` is not in the schema; leave it out with `unset` or a `map`".to_owned()));
    assert!(rows[2].is_err());
    assert_eq!(rows[3], Ok(vec![2, 24, 3]));
}

#[test]
fn fields_are_set_and_removed() {
    let sample = &SAMPLES[0];
    let mut layout = (*layout(&[])).clone();
    layout.slots.push(None);
    layout.body = Body::Patched { base: 0, edits: vec![("an_int32".into(), Some(1)), ("a_string".into(), None)] };
    let mut builder = BatchBuilder::new(Arc::new(layout));
    let text = builder.text(br#"{"a_bool":true,"an_int32":1,"a_string":"x"}"#);
    builder.push([Cell::Json(text), Cell::Int(9)], Timestamp::NONE, Timestamp::NONE);
    let batch = builder.finish(0, Arc::new(Meta::of("test".into())));
    assert_eq!(encode(&mut encoder(sample, Wire::Raw), &batch, false), [Ok(vec![24, 9, 104, 1])]);
}
