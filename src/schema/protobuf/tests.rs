use super::*;
use crate::schema::{Kinds, Meaning, Shape};

const PAYMENT: &str = r#"
syntax = "proto3";
package shop.v1;

import "google/protobuf/timestamp.proto";
import "common/money.proto";

// A payment was made.
// By a card.
message PaymentMade {
  reserved 4, 10 to 12;
  reserved "old";
  string event_id = 1;            // Unique.
  optional string note = 2;
  google.protobuf.Timestamp at = 3;
  common.Money amount = 16;
  map<string, int64> counts = 6;
  repeated sint32 steps = 5 [deprecated = true];
  oneof how { Card card = 7; string iban = 8; }
  Kind kind = 9;
  message Card { string number = 1; Card before = 2; }
  enum Kind { KIND_UNSPECIFIED = 0; KIND_ONLINE = 1; }
}
"#;

fn imports(name: &str) -> Result<Option<String>, String> {
    let money = "syntax = \"proto3\"; package common; message Money { int64 units = 1; string currency = 2; } message Unused {}";
    Ok((name == "common/money.proto").then(|| money.to_owned()))
}

fn parse(text: &str, message: Option<&str>) -> Result<Model, String> {
    Model::parse("payment.proto", text, Rc::new(imports), message)
}

fn root_field<'a>(model: &'a Model, name: &str) -> &'a Field {
    model.root().field_named(name).unwrap_or_else(|| panic!("no field {name}"))
}

#[test]
fn a_file_becomes_a_model() {
    let model = parse(PAYMENT, None).unwrap();
    let names: Vec<_> = model.messages.iter().map(|message| &*message.full_name).collect();
    assert_eq!(
        names,
        [
            "shop.v1.PaymentMade",
            "shop.v1.PaymentMade.CountsEntry",
            "shop.v1.PaymentMade.Card",
            "google.protobuf.Timestamp",
            "common.Money",
        ]
        .map(|name| name),
        "an import's other messages are not among them"
    );
    let root = model.root();
    assert_eq!(root.doc.as_deref(), Some("A payment was made.\nBy a card."));
    let fields: Vec<_> = root.fields.iter().map(|field| (&*field.name, field.number, field.label)).collect();
    assert_eq!(
        fields,
        [
            ("event_id", 1, Label::Implicit),
            ("note", 2, Label::Optional),
            ("at", 3, Label::Optional),
            ("amount", 16, Label::Optional),
            ("counts", 6, Label::Map),
            ("steps", 5, Label::Repeated),
            ("card", 7, Label::Optional),
            ("iban", 8, Label::Optional),
            ("kind", 9, Label::Implicit),
        ]
    );
    assert_eq!(root_field(&model, "event_id").doc.as_deref(), Some("Unique."));
    assert_eq!(&*root_field(&model, "event_id").json_name, "eventId");
    assert!(root_field(&model, "steps").deprecated && root_field(&model, "steps").is_packed);
    assert_eq!(
        (root.oneofs.len(), root_field(&model, "card").oneof, root_field(&model, "note").oneof),
        (1, Some(0), None)
    );
    assert_eq!(root.reserved_numbers, [4..=4, 10..=12]);
    assert_eq!(&*root.reserved_names[0], "old");
    assert_eq!(model.messages[2].index_path, [0, 1]);
    assert_eq!(model.message_of(root_field(&model, "at")).and_then(|message| message.known), Some(Known::Timestamp));
    assert!(model.messages[2].is_own && !model.messages[4].is_own);
    let kind = model.enum_of(root_field(&model, "kind")).unwrap();
    assert_eq!((&*kind.values[1].name, kind.values[1].number, kind.is_closed), ("KIND_ONLINE", 1, false));
    assert_eq!(model.imports.iter().map(|import| &*import.name).collect::<Vec<_>>(), ["common/money.proto"]);
}

#[test]
fn the_shape_is_that_of_decoded_values() {
    let shape = parse(PAYMENT, None).unwrap().shape();
    let field = |path: &[&str]| path.iter().fold(shape.clone(), |shape, name| shape.field(name).unwrap());
    assert_eq!(field(&["event_id"]), Shape::of(Kinds::STRING));
    assert_eq!(field(&["note"]), Shape::of(Kinds::STRING).or_null());
    assert_eq!(field(&["at"]), Shape::meaning(Kinds::STRING, Meaning::TimeText).or_null());
    assert_eq!(field(&["amount", "units"]), Shape::of(Kinds::INT).or_null());
    assert_eq!(field(&["counts", "x"]), Shape::of(Kinds::INT).or_null());
    assert_eq!(field(&["steps"]), Shape::array(Shape::of(Kinds::INT)));
    assert_eq!(field(&["kind"]).symbols.unwrap().len(), 2);
    assert!(field(&["card", "before", "before", "number"]).is_nullable());
    assert!(shape.field("amuont").is_err());
}

#[test]
fn proto2_has_defaults_groups_and_what_is_required() {
    let text = r#"syntax = "proto2"; message M {
        required int32 id = 1; optional string s = 2 [default = "x"]; optional group G = 3 { optional bool b = 1; }
        repeated int32 plain = 4; repeated int32 packed = 5 [packed = true]; optional E e = 6; enum E { A = 1; B = 2; } extensions 100 to 200; }"#;
    let model = parse(text, None).unwrap();
    let field = |name: &str| root_field(&model, name);
    assert_eq!((field("id").label, field("s").default.as_deref()), (Label::Required, Some("x")));
    assert!(matches!(field("g").kind, Kind::Group(_)));
    assert!(!field("plain").is_packed && field("packed").is_packed);
    assert!(model.enum_of(field("e")).unwrap().is_closed);
}

#[test]
fn the_message_is_named_or_the_only_one() {
    let text = "syntax = \"proto3\"; package p; message A { message Inner { } } message B { }";
    let why = parse(text, None).unwrap_err();
    assert_eq!(why, "the file has several messages, `A`, `B`: name the one that events are with `message`");
    for (name, path) in [("A", vec![0]), ("p.B", vec![1]), ("A.Inner", vec![0, 0])] {
        assert_eq!(parse(text, Some(name)).unwrap().root().index_path, path, "{name}");
    }
    assert_eq!(parse(text, Some("C")).unwrap_err(), "the file has no message `C`; it has `A`, `B`");
    assert_eq!(parse("syntax = \"proto3\";", None).unwrap_err(), "the file has no message");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let why = parse("syntax = \"proto3\";\nmessage A { string a = 1 }", None).unwrap_err();
    assert!(why.starts_with("payment.proto:2:"), "{why}");
    let why = parse("syntax = \"proto3\";\nimport \"none.proto\";\nmessage A { }", None).unwrap_err();
    assert_eq!(
        why,
        "payment.proto:2:1: import 'none.proto' not found; imports are looked for beside the file and in the folders there"
    );
    let why = parse("syntax = \"proto3\";\nmessage A { Missing a = 1; }", None).unwrap_err();
    assert!(why.contains("Missing") && why.starts_with("payment.proto:2:"), "{why}");
    let why = parse("edition = \"2023\"; message A { }", None).unwrap_err();
    assert!(why.ends_with("write `syntax = \"proto3\";`"), "{why}");
    let why = parse("syntax = \"proto3\"; import \"../a.proto\"; message A { }", None).unwrap_err();
    assert!(why.ends_with("an import may not lead out of the folder either"), "{why}");
    let deep = format!("syntax = \"proto3\"; option (x) = {}", "{a ".repeat(100_000));
    assert!(parse(&deep, None).unwrap_err().contains("nested"));
    let itself = Model::parse("a.proto", "syntax = \"proto3\"; import \"a.proto\";", Rc::new(|_| Ok(None)), None);
    assert!(itself.unwrap_err().contains("cycle"));
}

#[test]
fn the_identity_is_what_decides_how_events_are_read() {
    let base = parse(PAYMENT, None).unwrap().identity();
    let other = |from: &str, to: &str| {
        assert!(PAYMENT.contains(from));
        parse(&PAYMENT.replace(from, to), None).unwrap().identity()
    };
    assert_eq!(base, other("// By a card.", "// By any card."));
    assert_eq!(base, other("repeated sint32 steps = 5 [deprecated = true];", "repeated sint32 steps = 5;"));
    for (from, to) in [
        ("event_id = 1", "event_id = 20"),
        ("event_id", "id"),
        ("string note", "bytes note"),
        ("KIND_ONLINE", "KIND_SHOP"),
    ] {
        assert_ne!(base, other(from, to), "{from} -> {to}");
    }
}
