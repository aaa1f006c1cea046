//! The rules of resolution, one by one: what the reader's schema makes of what another one wrote.

use std::sync::Arc;

use super::reading_tests::{decode, decode_with, row, schema};
use super::{AvroSchema, AvroSchemasById, AvroWriters};
use crate::event::avro::Writers;
use crate::event::packed::{Numbered, Wire};

/// A record of one field `x` with these attributes.
fn of(attributes: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"x",{attributes}}}]}}"#)
}

/// The whole event and its field `x`, or the code and message of the error. Both must be the same whether `x` is demanded or not.
fn read(writer: &str, reader: &str, event: &[u8]) -> String {
    let verdict = |paths: &[&str]| {
        let decoded = decode(writer, reader, paths, &[event]);
        match decoded.rejects.first() {
            Some(reject) => vec![format!("{}: {}", reject.code.id, reject.message)],
            None => row(&decoded, 0),
        }
    };
    let (cells, alone, json) = (verdict(&["x"]), verdict(&[]), verdict(&[""]));
    assert_eq!((&cells[0], &cells[0]), (&alone[0], &json[0]));
    cells.join(" ")
}

/// What the value of one type is as another.
fn x(writer: &str, reader: &str, value: &[u8]) -> String {
    read(&of(&format!(r#""type":{writer}"#)), &of(&format!(r#""type":{reader}"#)), value)
}

#[test]
fn numbers_and_texts_are_promoted() {
    assert_eq!(x(r#""int""#, r#""long""#, &[3]), r#"{"x":-2} -2"#);
    assert_eq!(x(r#""int""#, r#""double""#, &[4]), r#"{"x":2.0} 2.0"#);
    assert_eq!(x(r#""long""#, r#""float""#, &[0x82, 0x80, 0x80, 0x10]), r#"{"x":16777216.0} 16777216.0"#);
    assert_eq!(x(r#""float""#, r#""double""#, &0.5_f32.to_le_bytes()), r#"{"x":0.5} 0.5"#);
    assert_eq!(x(r#""bytes""#, r#""string""#, &[2, b'a']), r#"{"x":"a"} "a""#);
    assert_eq!(x(r#""string""#, r#""bytes""#, &[2, b'a']), r#"{"x":"YQ=="} "YQ==""#);
    assert!(x(r#""bytes""#, r#""string""#, &[2, 0xff]).starts_with("utf8: byte 2 of 2, field `x`"));
    assert_eq!(
        x(r#""long""#, r#""int""#, &[2]),
        "avro-resolution: byte 1 of 1, field `x`: written as long, where the reader's schema has int"
    );
}

#[test]
fn unions_of_either_side() {
    assert_eq!(x(r#"["null","int"]"#, r#""long""#, &[2, 2]), r#"{"x":1} 1"#);
    assert_eq!(x(r#""int""#, r#"["null","double","long"]"#, &[2]), r#"{"x":1.0} 1.0"#);
    assert_eq!(x(r#""int""#, r#"["null","double","int"]"#, &[2]), r#"{"x":1} 1"#);
    assert_eq!(x(r#"["null","string"]"#, r#"["string","null"]"#, &[0]), r#"{"x":null} null"#);
    let refused = x(r#"["null","int"]"#, r#""int""#, &[0]);
    assert_eq!(refused, "avro-resolution: byte 2 of 1, field `x`: written as null, where the reader's schema has int");
    let refused = x(r#"["int","string"]"#, r#"["null","int"]"#, &[2, 2, b'a']);
    assert!(refused.ends_with("written as string, where the reader's schema has one of null, int"), "{refused}");
    assert!(x(r#"["null","int"]"#, r#"["null","int"]"#, &[4]).ends_with("branch 2 of a union of 2"));
    assert!(x(r#"["null","int"]"#, r#"["null","int"]"#, &[1]).ends_with("branch -1 of a union of 2"));
}

#[test]
fn symbols_are_those_of_the_reader() {
    let symbols = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":{symbols}}}"#);
    let wrote = symbols(r#"["A","B","C"]"#);
    let reads = symbols(r#"["C","A","OTHER"],"default":"OTHER""#);
    assert_eq!(x(&wrote, &reads, &[0]), r#"{"x":"A"} "A""#);
    assert_eq!(x(&wrote, &reads, &[2]), r#"{"x":"OTHER"} "OTHER""#);
    let refused = x(&wrote, &symbols(r#"["C","A"]"#), &[2]);
    assert_eq!(
        refused,
        "avro-resolution: byte 1 of 1, field `x`: symbol 1 of the writer's enum is unknown to the reader's, which has no default"
    );
    assert!(x(&wrote, &reads, &[6]).starts_with("avro-data"));
    assert!(x(&wrote, &reads, &[1]).ends_with("symbol -1 of an enum of 3"));
}

#[test]
fn logical_types() {
    let decimal = |scale| format!(r#"{{"type":"bytes","logicalType":"decimal","precision":9,"scale":{scale}}}"#);
    // The digits mean what the writer meant.
    assert_eq!(x(&decimal(2), &decimal(1), &[4, 0x04, 0xd2]), r#"{"x":12.34} 12.34"#);
    assert_eq!(x(r#""bytes""#, &decimal(0), &[2, 0xff]), r#"{"x":-1} -1"#);
    assert_eq!(x(&decimal(0), r#""bytes""#, &[2, 0xff]), r#"{"x":"/w=="} "/w==""#);
    let time = |unit| format!(r#"{{"type":"long","logicalType":"timestamp-{unit}"}}"#);
    assert_eq!(x(&time("millis"), &time("micros"), &[2]), r#"{"x":1000} 1000"#);
    assert_eq!(x(&time("micros"), &time("millis"), &[1]), r#"{"x":-1} -1"#);
    let uuid = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    let text = r#""00010203-0405-0607-0809-0a0b0c0d0e0f""#;
    assert_eq!(x(uuid, uuid, &(0..16).collect::<Vec<u8>>()), format!("{{\"x\":{text}}} {text}"));
    let duration = of(r#""type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#);
    let value = [1, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    let decoded = decode(&duration, &duration, &["x", "x.days", "x.millis"], &[&value]);
    let json = r#"{"months":1,"days":2,"millis":4294967295}"#;
    assert_eq!(row(&decoded, 0)[1..], [json, "2", "4294967295"]);
}

const FIRST: &str = r#"{"type":"record","name":"Paid","fields":[
  {"name":"gone","type":{"type":"map","values":"string"}},
  {"name":"b","type":"int"},
  {"name":"old","type":"string"}]}"#;

const SECOND: &str = r#"{"type":"record","name":"PaymentAuthorized","aliases":["Paid"],"fields":[
  {"name":"name","type":"string","aliases":["old"]},
  {"name":"place","type":{"type":"record","name":"Place","fields":[
     {"name":"country","type":"string"},{"name":"zip","type":["null","string"],"default":null}]},
   "default":{"country":"D\u00e9"}},
  {"name":"b","type":"long"},
  {"name":"rate","type":"double","default":1}]}"#;

#[test]
fn fields_are_matched_defaulted_left_out_and_put_in_the_readers_order() {
    let event = [2, 2, b'k', 2, b'v', 0, 6, 4, b'o', b'k'];
    let paths = ["b", "name", "place", "place.country", "place.zip", "rate", "gone"];
    let decoded = decode(FIRST, SECOND, &paths, &[&event]);
    let place = r#"{"country":"Dé","zip":null}"#;
    let whole = format!(r#"{{"name":"ok","place":{place},"b":3,"rate":1.0}}"#);
    // Columns are in the order of their paths.
    assert_eq!(row(&decoded, 0), [&whole, "3", "-", "\"ok\"", place, "\"Dé\"", "null", "1.0"]);
    assert_eq!(row(&decode(FIRST, SECOND, &[""], &[&event]), 0), [whole]);
    let refused = read(SECOND, FIRST, &event);
    assert!(refused.contains("where the reader's schema has the record `Paid`; an alias"), "{refused}");
    let lacking = of(r#""type":"int"},{"name":"y","type":"int""#);
    let refused = read(&of(r#""type":"int""#), &lacking, &[2]);
    assert!(refused.ends_with("the reader's field `y` has no default, and the writer's schema has no such field"));
}

#[test]
fn an_event_is_an_object() {
    assert!(read(r#""string""#, r#""string""#, &[2, b'a']).contains("an event is a record or a map"));
    assert_eq!(
        read(r#"{"type":"map","values":"int"}"#, r#"{"type":"map","values":"long"}"#, &[2, 2, b'x', 2, 0]),
        r#"{"x":1} 1"#
    );
    let either = r#"["null",{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}]"#;
    assert_eq!(read(either, either, &[2, 2]), r#"{"x":1} 1"#);
    assert!(read(either, either, &[0]).contains("an event is a record or a map"));
}

#[derive(Debug)]
struct Ids(Arc<AvroSchema>);

impl Numbered for Ids {
    fn is_known(&self, _id: u32) -> bool {
        true
    }

    fn learn(&self, _id: u32) -> Result<(), String> {
        Ok(())
    }

    fn forget_missing(&self) {}
}

impl AvroSchemasById for Ids {
    fn schema(&self, id: u32) -> Result<Arc<AvroSchema>, String> {
        if id == 7 { Ok(self.0.clone()) } else { Err(format!("no schema {id}")) }
    }
}

#[test]
fn headers_name_the_writer() {
    let (first, second) = (schema(FIRST), schema(SECOND));
    let body = [0, 6, 2, b'n'];
    let single = [&[0xc3, 0x01][..], &first.fingerprint().to_le_bytes(), &body].concat();
    let unknown = [&[0xc3, 0x01][..], &[9; 8], &body].concat();
    let writers: Arc<dyn Writers> =
        Arc::new(AvroWriters::new(second.clone(), [first.clone()], Some(Arc::new(Ids(first)))));
    let decoded =
        decode_with(Wire::SingleObject, writers.clone(), None, &["b"], &[&single, &unknown, &single[..9], b"{}"]);
    assert_eq!(row(&decoded, 0), [r#"{"name":"n","place":{"country":"Dé","zip":null},"b":3,"rate":1.0}"#, "3"]);
    let rejects: Vec<_> = decoded.rejects.iter().map(|reject| (reject.code.id, &*reject.message)).collect();
    assert!(rejects.iter().all(|(code, _)| *code == "avro-schema"), "{rejects:?}");
    assert!(rejects[0].1.starts_with("no version of the event type has the fingerprint 0909090909090909; known are"));
    assert!(rejects[2].1.contains("this looks like JSON"), "{rejects:?}");

    let confluent = [&[0, 0, 0, 0, 7][..], &body].concat();
    let decoded = decode_with(Wire::Confluent, writers, None, &["b"], &[&confluent, &[0, 0, 0, 0, 8, 0, 6], &single]);
    assert_eq!(row(&decoded, 0)[1], "3");
    assert_eq!(decoded.rejects[0].message, "no schema 8");
    assert!(decoded.rejects[1].message.contains("found c3 01"), "{:?}", decoded.rejects);
}
