//! Bytes that are no events: each is refused, says why and where, and costs no more than it has.

use std::sync::Arc;

use super::own;
use super::reading_tests::{ALL, decode, payment, row, schema, whole};
use crate::event::avro::Ends;

/// The code and message for an event, which are the same for every demand.
fn refused(schema: &str, event: &[u8]) -> String {
    let verdict = |paths: &[&str]| {
        let decoded = decode(schema, schema, paths, &[event]);
        let reject = decoded.rejects.first().unwrap_or_else(|| panic!("it is refused: {:?}", row(&decoded, 0)));
        format!("{}: {}", reject.code.id, reject.message)
    };
    let verdicts = [&[][..], &[""], &["x"], &["x.a", "x.x"]].map(verdict);
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    verdicts[0].clone()
}

fn of(ty: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"x","type":{ty}}}]}}"#)
}

/// 2^60 as a varint, and its negative.
const MANY: [u8; 9] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
const MINUS_MANY: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f];

#[test]
fn every_beginning_of_an_event_is_refused() {
    let event = payment();
    for end in 0..event.len() {
        let decoded = decode(ALL, ALL, &["merchant.country", "items"], &[&event[..end], &event]);
        assert_eq!((decoded.rejects.len(), decoded.batch.len()), (1, 1), "{end}");
        assert_eq!(decoded.rejects[0].code.id, "avro-data");
        assert_eq!(row(&decoded, 0)[2], "\"DE\"");
    }
    let longer = [&event[..], &[0]].concat();
    let decoded = decode(ALL, ALL, &[], &[&longer]);
    let end = event.len();
    let expected = format!("byte {} of {}: the event is complete, yet 1 more bytes follow", end + 1, end + 1);
    assert_eq!(decoded.rejects[0].message, expected);
}

#[test]
fn lengths_and_counts_are_not_believed() {
    for ty in [r#""string""#, r#""bytes""#] {
        assert!(refused(&of(ty), &MANY).contains("field `x`: a value of 1152921504606846976 bytes, and 0 are left"));
        assert!(refused(&of(ty), &[3]).ends_with("a length is -2"));
    }
    for ty in [r#"{"type":"array","items":"int"}"#, r#"{"type":"map","values":"null"}"#] {
        assert!(refused(&of(ty), &MANY).ends_with("a block of 1152921504606846976 items, and 0 bytes are left"));
        let sized = [&MINUS_MANY[..], &[2, 0]].concat();
        assert!(refused(&of(ty), &sized).ends_with("items, and 1 bytes are left"), "{}", refused(&of(ty), &sized));
        // Of 2^63 items the count has no negative.
        let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0];
        assert!(refused(&of(ty), &least).contains("a block of 9223372036854775808 items"));
        assert!(refused(&of(ty), &[1, 1, 0]).ends_with("a length is -1"));
    }
    let ints = of(r#"{"type":"array","items":"int"}"#);
    assert!(
        refused(&ints, &[3, 2, 2, 2, 0]).ends_with("a block of items says that it has 1 bytes, and has 2"),
        "{}",
        refused(&ints, &[3, 2, 2, 2, 0])
    );
}

#[test]
fn items_of_no_bytes_are_counted() {
    for items in [r#""null""#, r#"{"type":"record","name":"E","fields":[]}"#, r#"{"type":"fixed","name":"F","size":0}"#]
    {
        let schema = of(&format!(r#"{{"type":"array","items":{items}}}"#));
        let many = [&MANY[..], &[0]].concat();
        assert!(refused(&schema, &many).ends_with("more than 100000 items of no bytes"));
        // 60,000 are not too many, twice they are.
        let block = [0xc0, 0xa9, 0x07];
        assert!(decode(&schema, &schema, &["x"], &[&[&block[..], &[0]].concat()]).rejects.is_empty());
        refused(&schema, &[&block[..], &block, &[0]].concat());
    }
}

#[test]
fn types_that_hold_themselves_nest_only_so_deep() {
    let list = r#"{"type":"record","name":"R","fields":[{"name":"x","type":["null","R"]}]}"#;
    let deep = |depth: usize| [vec![2; depth - 1], vec![0]].concat();
    let decoded = decode(list, list, &["x.x.x"], &[&deep(128)]);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert!(refused(list, &deep(129)).starts_with("json-depth: byte 129 of 129"), "{}", refused(list, &deep(129)));
    assert!(refused(list, &deep(100_000)).contains("nested deeper than limits.depth = 128"));
    let endless = r#"["null",{"type":"record","name":"R","fields":[{"name":"x","type":"R"}]}]"#;
    let endless = format!(r#"{{"type":"record","name":"O","fields":[{{"name":"o","type":{endless}}}]}}"#);
    assert!(refused(&endless, &[2]).starts_with("json-depth"));
    let arrays = r#"{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"array","items":"R"}}]}"#;
    assert!(refused(arrays, &[vec![2; 1000], vec![0; 1000]].concat()).starts_with("json-depth"));
}

#[test]
fn values_out_of_range() {
    assert!(refused(&of(r#""boolean""#), &[2]).ends_with("a boolean is 0 or 1, found 2"));
    assert!(refused(&of(r#""int""#), &MANY).ends_with("an int is 1152921504606846976, which has more than 32 bits"));
    assert!(refused(&of(r#""long""#), &[0xff; 11]).ends_with("a number of more than 64 bits"));
    assert!(refused(&of(r#""string""#), &[2, 0xff]).starts_with("utf8: byte 2 of 2, field `x`"));
    let keys = of(r#"{"type":"map","values":"int"}"#);
    assert!(refused(&keys, &[2, 2, 0xff, 2, 0]).starts_with("utf8"));
    let decimal = of(r#"{"type":"bytes","logicalType":"decimal","precision":9}"#);
    assert!(refused(&decimal, &[vec![0x82, 0x04], vec![1; 257]].concat()).contains("a decimal of 257 bytes"));
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts() {
    let schema = r#"{"type":"map","values":["int",{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}]}"#;
    let event = [6, 2, b'x', 2, 10, 2, b'y', 0, 2, 2, b'x', 0, 4, 0];
    let decoded = decode(schema, schema, &["x", "x.a", "y"], &[&event]);
    assert_eq!(row(&decoded, 0)[1..], ["2", "-", "1"]);
}

#[test]
fn what_json_cannot_say_is_an_error_where_it_is_written() {
    let schema = of(r#"{"type":"array","items":"double"}"#);
    let event = [&[2][..], &f64::NAN.to_le_bytes(), &[0]].concat();
    let decoded = decode(&schema, &schema, &["x"], &[&event]);
    assert_eq!(whole(&decoded, 0), r#"{"x":[null]}"#);
    let batch = &decoded.batch;
    let unpack = batch.meta.unpack.as_ref().expect("it is packed");
    let packed = batch.columns[0].cells()[0].text_ref().expect("it is packed");
    let error = unpack.write_json(batch.texts.bytes(packed), false, &mut Vec::new()).expect_err("NaN");
    assert_eq!(
        (error.code.id, &*error.message),
        ("encode-nan", "byte 2 of 10, field `x[0]`: a number that is NaN or infinite, which JSON cannot say",)
    );
}

#[test]
fn the_ends_of_events_are_found() {
    let mut ends = Ends::new(Arc::new(own(&schema(ALL)))).walk();
    let events = [payment(), payment(), vec![1, 2, 3]].concat();
    let size = payment().len();
    assert_eq!(ends.end(&events, 0), Ok(size));
    assert_eq!(ends.end(&events, size), Ok(2 * size));
    assert!(ends.end(&events, 2 * size).is_err());
}
