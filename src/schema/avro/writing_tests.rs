//! Events written by a schema are those that the decoder reads; what cannot be written is told.

use std::sync::Arc;

use super::{AvroSchema, AvroWriters, encoding};
use crate::event::avro::AvroFormat;
use crate::event::decode::{Decoder, Format};
use crate::event::encode::{self, Encoder};
use crate::event::packed::Wire;
use crate::event::{Batch, Chunk, Demand, Layout};

const EVENT: &str = r#"{"type":"record","name":"Event","fields":[
  {"name":"id","type":"string"},
  {"name":"n","type":["null","int","long","double"],"default":null},
  {"name":"state","type":{"type":"enum","name":"State","symbols":["OPEN","PAID"]},"default":"OPEN"},
  {"name":"amount","type":[{"type":"bytes","logicalType":"decimal","precision":6,"scale":2},"null"]},
  {"name":"raw","type":{"type":"fixed","name":"Raw","size":3},"default":"abc"},
  {"name":"who","type":[{"type":"record","name":"User","fields":[{"name":"user","type":"string"},{"name":"age","type":"int","default":7}]},
                        {"type":"record","name":"Robot","fields":[{"name":"serial","type":"long"}]},"null"]},
  {"name":"tags","type":{"type":"map","values":["string","boolean"]},"default":{}},
  {"name":"list","type":{"type":"array","items":"float"},"default":[1.5]}
]}"#;

fn schema(text: &str) -> Arc<AvroSchema> {
    Arc::new(AvroSchema::parse(text, &[]).unwrap_or_else(|error| panic!("{error}")))
}

fn chunk(events: &[&[u8]]) -> Chunk {
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    for event in events {
        let start = text.len() as u32;
        text.extend_from_slice(event);
        frames.push(start..text.len() as u32);
    }
    Chunk { text: text.into(), frames, ..Chunk::default() }
}

fn batch(format: Format, events: &[&[u8]]) -> Batch {
    let layout = Arc::new(Layout::text(&Demand::default()));
    let decoded = Decoder::new(format, layout, "test".into(), 128).decode(chunk(events), 0);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    decoded.batch
}

/// Each event, or why it cannot be written, in the order of the input.
fn write(schema: &AvroSchema, wire: Wire, batch: &Batch) -> Vec<Result<Vec<u8>, String>> {
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let format = encode::Format::Packed(Arc::new(encoding(schema, wire, None)));
    Encoder::new(format, None).encode(batch, false, &mut out, &mut ends, &mut errors);
    let starts = [0].into_iter().chain(ends.iter().copied());
    let mut written = starts.zip(ends.iter().copied()).map(|(start, end)| out[start as usize..end as usize].to_vec());
    let error = |row: u32| errors.iter().find(|(bad, _)| *bad == row).map(|(_, error)| error.message.clone());
    batch.selection.iter().map(|row| error(row).map_or_else(|| Ok(written.next().expect("an event")), Err)).collect()
}

fn read(schema: &Arc<AvroSchema>, wire: Wire, events: &[&[u8]]) -> Vec<String> {
    let writers = Arc::new(AvroWriters::new(schema.clone(), [], None));
    let batch = batch(Format::Packed(Arc::new(AvroFormat::new(wire, writers))), events);
    json(&batch)
}

fn json(batch: &Batch) -> Vec<String> {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    Encoder::new(encode::Format::Json, None).encode(batch, true, &mut out, &mut Vec::new(), &mut errors);
    assert_eq!(errors, []);
    String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned).collect()
}

fn again(event: &str) -> Result<String, String> {
    let schema = schema(EVENT);
    let written = write(&schema, Wire::Raw, &batch(Format::Json, &[event.as_bytes()])).remove(0)?;
    Ok(read(&schema, Wire::Raw, &[&written]).remove(0))
}

#[test]
fn what_is_written_is_read_again() {
    let whole = r#"{"id":"a\"b","n":3000000000,"state":"PAID","amount":-12.30,"raw":"AQID","who":{"serial":5},"tags":{"a":"x","b":true},"list":[1.0,-2.5]}"#;
    assert_eq!(again(whole).unwrap(), whole);
    // In another order, with null and defaults for what is missing, ints and exponents as decimals.
    assert_eq!(
        again(r#"{"who":{"age":1,"user":"u"},"amount":12e1,"id":"x"}"#).unwrap(),
        r#"{"id":"x","n":null,"state":"OPEN","amount":120.00,"raw":"YWJj","who":{"user":"u","age":1},"tags":{},"list":[1.5]}"#
    );
    // Of names that come twice the last one counts.
    let twice = again(r#"{"id":"x","n":1,"who":null,"id":"y","n":2.5,"tags":{}}"#).unwrap();
    assert!(twice.starts_with(r#"{"id":"y","n":2.5,"#), "{twice}");
    assert!(again(r#"{"id":"x","who":{"user":"u"}}"#).unwrap().contains(r#""age":7"#));
}

#[test]
fn what_cannot_be_written_is_told_with_its_place() {
    for (event, why) in [
        (r#"{"n":1}"#, "the field `id` is missing, and has no default"),
        (r#"{"id":1}"#, "field `id`: the int 1, where there must be a string"),
        (r#"{"id":"x","extra":1}"#, "`Event` has no field `extra`"),
        (r#"{"id":"x","state":"PAYED"}"#, "field `state`: \"PAYED\" is no symbol of the enum; the nearest is `PAID`"),
        (
            r#"{"id":"x","amount":1.234}"#,
            "field `amount`: the number 1.234 has more than the 2 digits behind the point",
        ),
        (r#"{"id":"x","amount":12345}"#, "field `amount`: the int 12345 has more than the 6 digits"),
        (r#"{"id":"x","raw":"AQI="}"#, "field `raw`: 2 bytes, where there must be 3"),
        (r#"{"id":"x","raw":"?"}"#, "field `raw`: the string \"?\" is no base64"),
        (r#"{"id":"x","who":{"user":1}}"#, "field `who.user`: the int 1, where there must be a string"),
        (r#"{"id":"x","who":{"name":"u"}}"#, "field `who`: `User` has no field `name`"),
        (r#"{"id":"x","list":[1,"a"]}"#, "field `list[1]`: the string \"a\", where there must be a number"),
        (r#"{"id":"x","list":[1e39]}"#, "field `list[0]`: the number 1e39 is larger than a float of 32 bits can be"),
        (r#"{"id":"x","tags":{"a":1}}"#, "field `tags[\"a\"]`: the int 1, where there must be a string or a boolean"),
    ] {
        let found = again(event).expect_err(event);
        assert!(found.starts_with(why), "{event}: {found}");
    }
}

#[test]
fn an_event_that_cannot_be_written_leaves_nothing() {
    let schema = schema(EVENT);
    let lines: [&[u8]; 3] = [br#"{"id":"a","who":null}"#, br#"{"id":"b","list":[{}]}"#, br#"{"id":"c","who":null}"#];
    let written = write(&schema, Wire::SingleObject, &batch(Format::Json, &lines));
    assert!(written[1].is_err());
    let events = [written[0].as_deref().unwrap(), written[2].as_deref().unwrap()];
    assert_eq!(events[0][..2], [0xc3, 0x01]);
    assert_eq!(events[0][2..10], schema.fingerprint().to_le_bytes());
    let read = read(&schema, Wire::SingleObject, &events);
    assert!(read[0].contains(r#""id":"a""#) && read[1].contains(r#""id":"c""#));
}

#[test]
fn what_came_by_the_schema_leaves_as_its_bytes() {
    let schema = schema(EVENT);
    let json = batch(Format::Json, &[br#"{"id":"a","who":null,"list":[]}"#]);
    let mut single = write(&schema, Wire::SingleObject, &json).remove(0).unwrap();
    // The number 0 in a form that no encoder chooses: it is still there in what leaves.
    let at = single.len() - 1;
    single.splice(at.., [0x80, 0x00]);
    let writers = Arc::new(AvroWriters::new(schema.clone(), [], None));
    let packed = batch(Format::Packed(Arc::new(AvroFormat::new(Wire::SingleObject, writers))), &[&single]);
    assert_eq!(write(&schema, Wire::SingleObject, &packed), [Ok(single.clone())]);
    assert_eq!(write(&schema, Wire::Raw, &packed), [Ok(single[10..].to_vec())]);
    // By another version it is written anew.
    let newer = self::schema(&EVENT.replace(r#""name":"Event","#, r#""name":"Event","doc":"newer","#));
    let anew = write(&newer, Wire::Raw, &packed).remove(0).unwrap();
    assert_eq!(anew, single[10..at].iter().copied().chain([0]).collect::<Vec<u8>>());
}
