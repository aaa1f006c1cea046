use super::*;
use crate::event::avro::form::{FieldForm, FormNode, Names};
use crate::event::decode::{Decoder, Format};
use crate::event::frame::Framer;
use crate::event::{Demand, Layout};

/// A record of one field `f` of the type that the last node is.
fn form(mut nodes: Vec<FormNode>, default: Option<&[u8]>) -> Form {
    let node = nodes.len() as u32 - 1;
    nodes.push(FormNode::Record(RecordForm::new(vec![FieldForm {
        name: "f".into(),
        node,
        default: default.map(Into::into),
    }])));
    Form::new(nodes, node + 1)
}

/// What becomes of an event that came as JSON.
fn encode(form: &Form, text: &str) -> Result<Vec<u8>, String> {
    let layout = Arc::new(Layout::text(&Demand::default()));
    let mut framer = Framer::lines(1 << 20);
    framer.buffer().extend_from_slice(text.as_bytes());
    let chunk = framer.next_chunk(true).expect("a line");
    let batch = Decoder::new(Format::Json, layout, "s".into(), 128).decode(chunk, 0).batch;
    let mut encoder = AvroEncoding::raw(form.clone(), 1).encoder();
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode(&batch, false, &mut out, &mut ends, &mut errors);
    match errors.pop() {
        Some((_, error)) => {
            assert!(out.is_empty() && ends.is_empty());
            Err(error.message)
        }
        None => Ok(out),
    }
}

#[test]
fn each_type_takes_its_values() {
    let symbols = || FormNode::Enum(Names::new(["A", "B"]));
    let nullable = |node: FormNode| vec![FormNode::Null, node, FormNode::Union([0, 1].into())];
    let cases: Vec<(Vec<FormNode>, &str, &[u8])> = vec![
        (vec![FormNode::Int], "-1", &[1]),
        (vec![FormNode::Long], "9223372036854775807", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (vec![FormNode::Float], "1", &[0, 0, 0x80, 0x3f]),
        (vec![FormNode::Double], "0.5", &[0, 0, 0, 0, 0, 0, 0xe0, 0x3f]),
        (vec![FormNode::Boolean], "true", &[1]),
        (vec![FormNode::String], r#""a\n""#, b"\x04a\n"),
        (vec![FormNode::Bytes], r#""/wA=""#, &[4, 0xff, 0]),
        (vec![FormNode::Fixed(2)], r#""/wA=""#, &[0xff, 0]),
        (vec![FormNode::Decimal { precision: 9, scale: 2, size: None }], "12.34", &[4, 4, 0xd2]),
        (vec![FormNode::Decimal { precision: 9, scale: 2, size: Some(3) }], "-1", &[0xff, 0xff, 0x9c]),
        (vec![FormNode::Duration], r#"{"millis":1,"days":2}"#, &[0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]),
        (vec![symbols()], r#""B""#, &[2]),
        (nullable(FormNode::Long), "null", &[0]),
        (nullable(FormNode::Long), "7", &[2, 14]),
        (vec![FormNode::Int, FormNode::Array(0)], "[1, 2,3]", &[6, 2, 4, 6, 0]),
        (vec![FormNode::Int, FormNode::Array(0)], "[]", &[0]),
        (vec![FormNode::Int, FormNode::Map(0)], r#"{"k":1}"#, &[2, 2, b'k', 2, 0]),
    ];
    for (nodes, value, bytes) in cases {
        let shown = format!("{nodes:?}");
        assert_eq!(encode(&form(nodes, None), &format!("{{\"f\":{value}}}")).as_deref(), Ok(bytes), "{shown} {value}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    for (node, event, why) in [
        (
            FormNode::Int,
            r#"{"f":2147483648}"#,
            "the field `f` is the number 2147483648, and the schema has an int (a whole",
        ),
        (FormNode::Long, r#"{"f":1.5}"#, "the field `f` is the number 1.5, and the schema has a long"),
        (FormNode::Long, "{}", "the field `f` is missing, and the schema has no default"),
        (FormNode::Long, r#"{"f":1,"g":2}"#, "the field `g` is not in the schema"),
        (FormNode::Float, r#"{"f":1e99}"#, "is 1e99, which is beyond a float of 32 bits"),
        (FormNode::String, r#"{"f":[1]}"#, "is an array, and the schema has a string"),
        (FormNode::Bytes, r#"{"f":"a"}"#, "is \"a\", which is no base64"),
        (FormNode::Fixed(3), r#"{"f":"/wA="}"#, "has 2 bytes, and the schema has a fixed of 3"),
        (FormNode::Uuid, r#"{"f":"x"}"#, "which is no UUID"),
        (FormNode::Enum(Names::new(["A"])), r#"{"f":"B"}"#, "the text \"B\", which is no symbol of its enum"),
        (FormNode::Duration, r#"{"f":{"years":1}}"#, "the field `f.years` is no part of a duration"),
    ] {
        let found = encode(&form(vec![node], None), event).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
    let nested = form(vec![FormNode::Int, FormNode::Array(0), FormNode::Map(1)], None);
    let found = encode(&nested, r#"{"f":{"k":[1,"x"]}}"#).unwrap_err();
    assert!(found.starts_with("the field `f.k[1]` is the text \"x\""), "{found}");
}

#[test]
fn a_missing_field_has_the_schemas_default() {
    assert_eq!(encode(&form(vec![FormNode::Long], Some(&[14])), "{}"), Ok(vec![14]));
    let nullable = vec![FormNode::Null, FormNode::Long, FormNode::Union([1, 0].into())];
    assert_eq!(encode(&form(nullable, None), "{}"), Ok(vec![2]));
}

#[test]
fn a_union_has_the_branch_that_fits_best() {
    let branches = vec![
        FormNode::Bytes,
        FormNode::Double,
        FormNode::String,
        FormNode::Long,
        FormNode::Enum(Names::new(["AAAA"])),
        FormNode::Union([0, 1, 2, 3, 4].into()),
    ];
    let form = form(branches, None);
    for (value, branch) in [("\"AAAA\"", 4), ("\"AAAB\"", 2), ("1", 3), ("1.0", 1), ("1e3", 1)] {
        assert_eq!(encode(&form, &format!("{{\"f\":{value}}}")).unwrap()[0], branch * 2, "{value}");
    }
    assert!(encode(&form, r#"{"f":null}"#).unwrap_err().contains("is null, and the schema has bytes"));
}

#[test]
fn unions_that_never_fit_take_bounded_time() {
    // A record of two fields, each of which may be such a record or another of the same kind, for 40 levels: the last does not fit.
    let mut nodes = Vec::new();
    for level in 0..40 {
        let below = level * 3;
        for _ in 0..2 {
            let node = if level == 0 { FormNode::Boolean } else { FormNode::Union([below - 3, below - 2].into()) };
            if level == 0 {
                nodes.push(node);
                continue;
            }
            let inside = FieldForm { name: "f".into(), node: below - 1, default: None };
            nodes.push(FormNode::Record(RecordForm::new(vec![inside])));
        }
        nodes.push(FormNode::Union([below, below + 1].into()));
    }
    let text = format!("{}1{}", "{\"f\":".repeat(40), "}".repeat(40));
    let found = encode(&form(nodes, None), &text).unwrap_err();
    assert!(found.contains("is an object, and the schema has") || found.contains("too many attempts"), "{found}");
}
