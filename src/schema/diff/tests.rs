//! Changes as they are told.

use super::*;
use crate::schema::Language;

fn told(language: Language, old: &str, new: &str) -> Vec<String> {
    let parse =
        |text| Definition::parse(language, text, Some("Paid"), &[]).unwrap_or_else(|error| panic!("{error:?}: {text}"));
    changes(&parse(old), &parse(new)).iter().map(Change::to_string).collect()
}

#[test]
fn avro_changes_are_told_by_field() {
    let old = r#"{"type":"record","name":"shop.Paid","fields":[
        {"name":"id","type":"int"},
        {"name":"user","type":"string"},
        {"name":"at","type":"long"},
        {"name":"action","type":{"type":"enum","name":"Action","symbols":["VIEW","BUY"]}},
        {"name":"note","type":"string","default":""},
        {"name":"card","type":{"type":"record","name":"Card","fields":[{"name":"brand","type":"string"}]}},
        {"name":"gone","type":"double"}]}"#;
    let new = r#"{"type":"record","name":"store.Paid","fields":[
        {"name":"id","type":"long"},
        {"name":"user_id","type":"string","aliases":["user"]},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"action","type":{"type":"enum","name":"Action","symbols":["VIEW","RATE"],"default":"VIEW"}},
        {"name":"note","type":["string","null"],"default":"-"},
        {"name":"card","type":{"type":"record","name":"Card","fields":[{"name":"brand","type":"bytes"}]}},
        {"name":"item","type":["null","string"],"default":null},
        {"name":"tags","type":{"type":"array","items":"string"}}]}"#;
    assert_eq!(
        told(Language::Avro, old, new),
        [
            "~ its namespace changed, from `shop.Paid` to `store.Paid`",
            "~ `id`: promoted from int to long",
            "~ `user_id`: renamed from `user`, which it keeps as an alias",
            "~ `at`: meaning added: a time in milliseconds",
            "~ `action`: its namespace changed, from `shop.Action` to `store.Action`",
            "+ `action`: symbols added: `RATE`",
            "- `action`: symbols removed: `BUY`",
            "~ `action`: the symbol for unknown ones added: `VIEW`",
            "~ `note`: may be null now",
            "~ `note`: default changed from \"\" to \"-\"",
            "~ `card`: its namespace changed, from `shop.Card` to `store.Card`",
            "~ `card.brand`: type changed from string to bytes",
            "+ `item`: added optional field: string or null, default null",
            "+ `tags`: added field without a default: array of string",
            "- `gone`: removed field without a default: double",
        ]
    );
    assert!(told(Language::Avro, old, old).is_empty());
}

#[test]
fn json_changes_are_told_by_property() {
    let old = r##"{"type":"object","required":["id"],"properties":{
        "id":{"type":"integer"},"user":{"type":"string","maxLength":9},"kind":{"enum":["a","b"]},"gone":{"type":"number"},
        "tags":{"type":"array","items":{"type":"string"}},"next":{"$ref":"#"}}}"##;
    let new = r##"{"type":"object","required":["id","user"],"additionalProperties":false,"properties":{
        "id":{"type":"number"},"user":{"type":"string","maxLength":20},"kind":{"enum":["a","c"]},
        "tags":{"type":"array","items":{"type":["string","null"]}},"next":{"$ref":"#"},
        "at":{"type":"string","format":"date-time"}}}"##;
    assert_eq!(
        told(Language::Json, old, new),
        [
            "~ `id`: type changed from integer to number",
            "~ `user`: required now",
            "~ `user`: `maxLength` changed from 9 to 20",
            "+ `kind`: values added: \"c\"",
            "- `kind`: values removed: \"b\"",
            "~ `tags[]`: type changed from string to string or null",
            "+ `at`: added optional property: string (date-time)",
            "- `gone`: removed optional property: number",
            "~ closed: other properties are refused now",
        ]
    );
}

#[cfg(feature = "schemas")]
#[test]
fn protobuf_changes_are_told_by_number() {
    let old = "syntax = \"proto3\"; package shop;
        message Paid { int32 id = 1; string user = 2; Kind kind = 3; string gone = 4; string a = 5; map<string, int32> m = 7; }
        enum Kind { OTHER = 0; }";
    let new = "syntax = \"proto3\"; package shop;
        message Paid { int64 id = 1; string user_id = 2; Kind kind = 3; reserved 4; oneof of { string a = 5; string b = 6; }
            map<string, int64> m = 7; repeated Card cards = 8; }
        message Card { string brand = 1; }
        enum Kind { OTHER = 0; CARD = 1; }";
    assert_eq!(
        told(Language::Protobuf, old, new),
        [
            "+ `Card`: added message",
            "~ `Paid.id`: type changed from int32 to int64",
            "~ `Paid.user_id`: renamed from `user`",
            "~ `Paid.a`: it may be missing, it has its default where nothing is written before",
            "~ `Paid.a`: oneof added: `of`",
            "+ `Paid.b`: added field of the oneof `of`: string, number 6",
            "~ `Paid.m`: type changed from map of string to int32 to map of string to int64",
            "+ `Paid.cards`: added field: list of Card, number 8",
            "- `Paid.gone`: removed field: string, number 4 (reserved now)",
            "+ `Kind`: values added: `CARD` = 1",
        ]
    );
}
