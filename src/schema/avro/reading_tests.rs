//! Bytes through a pair of schemas: cells, JSON, and verdicts that no demand changes.

use std::sync::Arc;

use crate::event::avro::{AvroFormat, Writer, Writers};
use crate::event::decode::{Decoded, Decoder, Format};
use crate::event::encode::write_cell;
use crate::event::packed::Wire;
use crate::event::{Cell, Chunk, Demand, Layout};

use super::{AvroSchema, AvroWriters};

pub(super) const ALL: &str = r#"{"type":"record","name":"Payment","fields":[
  {"name":"id","type":"string"},
  {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
  {"name":"state","type":{"type":"enum","name":"State","symbols":["OPEN","PAID"]}},
  {"name":"merchant","type":["null",{"type":"record","name":"Merchant","fields":[
    {"name":"country","type":"string"},{"name":"rating","type":"float"}]}]},
  {"name":"tags","type":{"type":"map","values":"int"}},
  {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
    {"name":"n","type":"int"},{"name":"gift","type":"boolean"}]}}}
]}"#;

pub(super) fn schema(text: &str) -> Arc<AvroSchema> {
    Arc::new(AvroSchema::parse(text, &[]).unwrap_or_else(|error| panic!("{error}")))
}

pub(super) fn payment() -> Vec<u8> {
    let mut out = vec![4];
    out.extend(b"p1");
    out.extend([0xd0, 0x0f]); // 1000
    out.extend([4, 0x04, 0xd2]); // 12.34
    out.push(2); // PAID
    out.extend([2, 4, b'D', b'E']);
    out.extend(1.5_f32.to_le_bytes());
    out.extend([4, 2, b'a', 2, 2, b'b', 4, 0]); // { a: 1, b: 2 }
    out.extend([3, 8, 6, 1, 8, 0, 0]); // a block of two items with its size: [{3, true}, {4, false}]
    out
}

/// Decodes events that are written with one version of a type and read as another.
pub(super) fn decode(writer: &str, reader: &str, paths: &[&str], events: &[&[u8]]) -> Decoded {
    let writers = AvroWriters::new(schema(reader), [], None);
    let given = writers.by_text(writer).expect("a schema");
    decode_with(Wire::Container, Arc::new(writers), Some(given), paths, events)
}

pub(super) fn decode_with(
    wire: Wire,
    writers: Arc<dyn Writers>,
    given: Option<Arc<Writer>>,
    paths: &[&str],
    events: &[&[u8]],
) -> Decoded {
    let mut demand = Demand::default();
    for path in paths {
        demand.add(path.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect());
    }
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    for event in events {
        frames.push(text.len() as u32..(text.len() + event.len()) as u32);
        text.extend_from_slice(event);
    }
    let chunk = Chunk { text: text.into(), frames, writer: given, ..Chunk::default() };
    let layout = Arc::new(Layout::text(&demand));
    let format = Format::Packed(Arc::new(AvroFormat::new(wire, writers)));
    Decoder::new(format, layout, "s".into(), 128).decode(chunk, 0)
}

/// A whole event as JSON, what JSON cannot say as null.
pub(super) fn whole(decoded: &Decoded, row: usize) -> String {
    let (batch, mut out) = (&decoded.batch, Vec::new());
    match batch.columns[0].cells()[row] {
        Cell::Packed(at) => {
            let unpack = batch.meta.unpack.as_ref().expect("packed events can be unpacked");
            unpack.write_json(batch.texts.bytes(at), true, &mut out).expect("it is good");
        }
        cell => assert!(write_cell(&mut out, &batch.texts, cell)),
    }
    String::from_utf8(out).expect("UTF-8")
}

/// The cells of a row as JSON; `-` where there is none.
pub(super) fn row(decoded: &Decoded, row: usize) -> Vec<String> {
    let batch = &decoded.batch;
    let show = |cell: Cell| {
        let mut out = Vec::new();
        match cell {
            Cell::Missing => return "-".to_owned(),
            Cell::Packed(_) => return whole(decoded, row),
            cell => assert!(write_cell(&mut out, &batch.texts, cell)),
        }
        String::from_utf8(out).expect("UTF-8")
    };
    batch.columns.iter().map(|column| show(column.cells()[row])).collect()
}

#[test]
fn a_container_that_was_open_when_the_schema_changed_is_read_by_the_new_one() {
    let fields = |fields: &str| format!(r#"{{"type":"record","name":"Paid","fields":[{fields}]}}"#);
    let before = fields(r#"{"name":"amount","type":"int"}"#);
    let net = r#"{"name":"net","aliases":["amount"],"type":"long"}"#;
    let after = fields(&format!(r#"{net},{{"name":"country","type":"string","default":"DE"}}"#));
    let given = AvroWriters::new(schema(&before), [], None).by_text(&before).expect("a schema");
    let writers = Arc::new(AvroWriters::new(schema(&after), [], None));
    let decoded = decode_with(Wire::Container, writers, Some(given), &["amount", "net"], &[&[14], &[16]]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert_eq!(row(&decoded, 0), [r#"{"net":7,"country":"DE"}"#, "-", "7"]);
    assert_eq!(row(&decoded, 1)[2], "8");
}

#[test]
fn values_become_cells_and_json() {
    let paths = ["amount", "at", "id", "items", "merchant", "merchant.country", "state", "tags.b", "tags.c"];
    let decoded = decode(ALL, ALL, &paths, &[&payment()]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    let whole = concat!(
        r#"{"id":"p1","at":1000,"amount":12.34,"state":"PAID","merchant":{"country":"DE","rating":1.5},"#,
        r#""tags":{"a":1,"b":2},"items":[{"n":3,"gift":true},{"n":4,"gift":false}]}"#
    );
    let items = r#"[{"n":3,"gift":true},{"n":4,"gift":false}]"#;
    let merchant = r#"{"country":"DE","rating":1.5}"#;
    let expected = [whole, "12.34", "1000", "\"p1\"", items, merchant, "\"DE\"", "\"PAID\"", "2", "-"];
    assert_eq!(row(&decoded, 0), expected);
    assert_eq!(row(&decode(ALL, ALL, &[""], &[&payment()]), 0), [whole]);
}
