use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::event::Demand;
use crate::event::decode::{Decoder, Format};
use crate::event::frame::Framer;
use crate::event::samples::{Choices, NAMES, object};
use crate::limits::LINE_BYTES_MAX;
use crate::schema::{Field, JsonSchema, Kinds, Object};

/// The events of some lines, with the columns that a checker reads.
fn batch(checker: &Checker, lines: &str) -> (Batch, Checking) {
    let layout = Arc::new(Layout::text(&Demand { paths: checker.reads().collect() }));
    let mut framer = Framer::lines(LINE_BYTES_MAX);
    framer.buffer().extend_from_slice(lines.as_bytes());
    let chunk = framer.next_chunk(true).unwrap_or_default();
    let batch = Decoder::new(Format::Json, layout.clone(), "test".into(), 128).decode(chunk, 0).batch;
    (batch, checker.bind(&layout))
}

/// How many of these events are left to the validator, and what is said of those that are refused.
fn judged(checker: &Checker, events: &[&str]) -> (usize, Vec<(u32, String)>) {
    let (batch, checking) = batch(checker, &events.join("\n"));
    assert_eq!(batch.len(), events.len());
    (checking.unsure(&batch).len(), checking.refused(&batch))
}

fn paths(texts: &[&str]) -> BTreeSet<Path> {
    texts.iter().map(|text| text.split('.').map(Arc::from).collect()).collect()
}

fn read(document: &Value, texts: &[&str]) -> Checker {
    JsonSchema::parse(&document.to_string()).unwrap().checker(Some(&paths(texts))).unwrap()
}

/// A schema of one value: mostly what rules know, and sometimes more.
fn schema(choices: &mut Choices<'_>, depth: usize) -> Value {
    let texts = ["a", "b", "", "é", "2026-01-05T09:00:00Z"];
    let numbers = [json!(0), json!(1), json!(-5), json!(0.5), json!(1e3), json!(100)];
    let types = ["string", "number", "integer", "boolean", "null", "array", "object"];
    let number = |choices: &mut Choices<'_>| numbers[choices.below(numbers.len())].clone();
    let mut schema = json!({});
    for _ in 0..choices.below(3) + 1 {
        let (key, value) = match choices.below(if depth == 0 { 14 } else { 21 }) {
            0..=2 => ("type", json!(choices.of(&types))),
            3 => ("type", json!([choices.of(&types), "null"])),
            4 => ("enum", json!([choices.of(&texts), number(choices), null, choices.of(&texts)])),
            5 => ("const", if choices.below(2) == 0 { json!(choices.of(&texts)) } else { number(choices) }),
            6 => ("minimum", number(choices)),
            7 => ("maximum", number(choices)),
            8 => ("exclusiveMinimum", number(choices)),
            9 => ("exclusiveMaximum", number(choices)),
            10 => ("minLength", json!(choices.below(4))),
            11 => ("maxLength", json!(choices.below(4))),
            12 => ("format", json!(choices.of(&["date-time", "email", "color"]))),
            13 => ("pattern", json!("^a")),
            14 => ("items", self::schema(choices, depth - 1)),
            15 => ("anyOf", json!([self::schema(choices, depth - 1), self::schema(choices, depth - 1)])),
            16 => ("allOf", json!([self::schema(choices, depth - 1), self::schema(choices, depth - 1)])),
            17 => ("$ref", json!("#/$defs/known")),
            _ => {
                members_of(choices, depth - 1, &mut schema);
                continue;
            }
        };
        schema[key] = value;
    }
    schema
}

fn members_of(choices: &mut Choices<'_>, depth: usize, schema: &mut Value) {
    schema["type"] = json!("object");
    for _ in 0..choices.below(4) {
        schema["properties"][choices.of(&NAMES)] = self::schema(choices, depth);
    }
    match choices.below(6) {
        0 => schema["required"] = json!([choices.of(&NAMES)]),
        1 => schema["additionalProperties"] = json!(false),
        2 => schema["additionalProperties"] = self::schema(choices, depth),
        _ => {}
    }
}

/// Values at the edges of what [`edge_schema`] says, as JSON writes them.
const EDGES: [&str; 44] = [
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0.5",
    "-0.5",
    "1",
    "-1",
    "1.0",
    "9.99",
    "-9.99",
    "9.99999999999999999999",
    "10",
    "10.0",
    "-10",
    "-10.5",
    "99.5",
    "100",
    "100.0",
    "100.5",
    "1e2",
    "1E-2",
    "999999.99",
    "1000000",
    "1000000.0",
    "9007199254740991",
    "9007199254740993",
    "999999999999999.9",
    "1000000000000000.5",
    "1e400",
    "\"\"",
    "\"a\"",
    "\"ab\"",
    "\"\\u0061\"",
    "\"é\"",
    "\"éé\"",
    "\"😀\"",
    "\"abcd\"",
    "\"sixteen bytes ok\"",
    "\"seventeen bytes b\"",
    "null",
    "true",
    "[]",
    "{}",
];

/// A schema of one value that a loop over cells can mostly judge.
fn edge_schema(choices: &mut Choices<'_>) -> Value {
    let bounds = [
        json!(0),
        json!(1),
        json!(-1),
        json!(10),
        json!(-10),
        json!(100),
        json!(0.5),
        json!(9.99),
        json!(1_000_000),
        json!(1u64 << 53),
    ];
    let bound = |choices: &mut Choices<'_>| bounds[choices.below(bounds.len())].clone();
    let edges = |choices: &mut Choices<'_>| {
        let some = (0..choices.below(6) + 1).map(|_| serde_json::from_str::<Value>(choices.of(&EDGES)));
        some.filter_map(Result::ok).collect::<Vec<_>>()
    };
    let mut schema = match choices.below(6) {
        0 => json!({ "type": "string", "minLength": choices.below(4), "maxLength": choices.below(18) }),
        1 => json!({ "enum": edges(choices) }),
        2 => json!({ "enum": edges(choices), "maxLength": choices.below(18), "maximum": bound(choices) }),
        3 => json!({ "type": choices.of(&["number", "integer"]), "minimum": bound(choices) }),
        4 => json!({ "type": "number", "exclusiveMinimum": bound(choices), "exclusiveMaximum": bound(choices) }),
        _ => json!({ "minimum": bound(choices), "maximum": bound(choices), "minLength": choices.below(4) }),
    };
    if let (Some(name), 0) = (schema.get("type").cloned(), choices.below(3)) {
        schema["type"] = json!([name, "null"]);
    }
    schema
}

/// Events of the same fields, the value of one of which is mostly of the same kind, as a program would write them.
fn edge_event(choices: &mut Choices<'_>, kinds: &[usize; 4]) -> String {
    let value = |choices: &mut Choices<'_>, kind: usize| match choices.below(4) {
        0 => choices.of(&EDGES),
        _ => EDGES[(kind + choices.below(4)) % EDGES.len()],
    };
    let [a, b, c, d] = kinds.map(|kind| value(choices, kind));
    match choices.below(9) {
        0 => format!(r#"{{"a":{a},"c":{{"d":{d},"x":{c}}}}}"#),
        1 => format!(r#"{{"a":{a},"b":{b},"c":{c}}}"#),
        2 => format!(r#"{{"a":{a},"b":{b},"a":{c},"c":{{"d":{d},"d":{b}}}}}"#),
        3 => format!(r#"{{"\u0061":{a},"b":{b},"c":{{"\u0064":{d},"x":{c}}}}}"#),
        4 => format!(r#"{{"a":{a},"b":{b},"c":{{"d":{d},"x":{c}}},"c":{{"x":{a}}}}}"#),
        _ => format!(r#"{{"a":{a},"b":{b},"c":{{"d":{d},"x":{c}}}}}"#),
    }
}

/// Whether a batch of these events is judged as the validator judges each of them.
fn all_are_judged_as_alone(checker: &Checker, lines: &str) -> Result<(), TestCaseError> {
    let (batch, checking) = batch(checker, lines);
    let alone = |row: u32| checker.check(batch.texts.bytes(batch.cell(0, row).text_ref()?)).err();
    let alone: Vec<_> = batch.selection.iter().filter_map(|row| Some((row, alone(row)?))).collect();
    prop_assert_eq!(checking.refused(&batch), alone, "{:?} {}", checker.0.rule, lines);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn columns_and_single_events_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let choices = &mut Choices::new(&bytes);
        let mut document = json!({ "$defs": { "known": { "type": ["string", "integer"] } } });
        if choices.below(2) == 0 {
            document["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        }
        members_of(choices, 2, &mut document);
        let deep = format!("{}.{}", choices.of(&NAMES), choices.of(&NAMES));
        let fields = paths(&[choices.of(&NAMES), &deep, &format!("{deep}.{}", choices.of(&NAMES))]);
        let Ok(parsed) = JsonSchema::parse(&document.to_string()) else { return Ok(()) };
        let lines = (0..8).map(|_| object(choices).replace(['\n', '\r'], " ") + "\n").collect::<String>();
        for checker in [parsed.checker(None).unwrap(), parsed.checker(Some(&fields)).unwrap()] {
            all_are_judged_as_alone(&checker, &lines)?;
        }
    }

    #[test]
    fn columns_are_judged_alike_at_the_edges(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let choices = &mut Choices::new(&bytes);
        let inner = json!({ "type": "object", "properties": { "d": edge_schema(choices), "x": edge_schema(choices) }, "required": ["d"] });
        let mut document = json!({ "properties": { "a": edge_schema(choices), "b": edge_schema(choices), "c": inner } });
        if choices.below(2) == 0 {
            document["required"] = json!(["b", "c"]);
        }
        let Ok(parsed) = JsonSchema::parse(&document.to_string()) else { return Ok(()) };
        let fields = paths(&["a", "b", "c.d", "c.x"]);
        let kinds = [(); 4].map(|()| choices.below(EDGES.len()));
        let lines = (0..16).map(|_| edge_event(choices, &kinds) + "\n").collect::<String>();
        for checker in [parsed.checker(None).unwrap(), parsed.checker(Some(&fields)).unwrap()] {
            all_are_judged_as_alone(&checker, &lines)?;
        }
    }
}

#[test]
fn good_events_need_no_validator() {
    let document = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["id", "amount", "at"],
        "properties": {
            "id": { "type": "string", "minLength": 1, "maxLength": 20 },
            "amount": { "type": "number", "minimum": 0, "maximum": 10000 },
            "at": { "type": "string", "format": "date-time" },
            "action": { "enum": ["view", "buy", null] },
            "note": { "anyOf": [{ "type": "string" }, { "type": "null" }], "description": "free text" },
            "merchant": { "$ref": "#/definitions/merchant" },
            "tags": { "type": "array", "items": { "type": "string" } }
        },
        "definitions": {
            "merchant": {
                "type": "object",
                "required": ["country"],
                "properties": { "country": { "type": "string" }, "n": { "type": "integer" } },
                "additionalProperties": { "type": "string" }
            }
        }
    });
    let good = [
        r#"{"id":"é","amount":0,"at":"2026-01-05T09:00:00.123Z","action":"view","merchant":{"country":"DE","x":"y"}}"#,
        r#"{"id":"a\n","amount":12.5,"at":"2026-12-31T23:59:59+01:00","action":null,"note":null,"tags":[]}"#,
        r#"{"id":"b","id":"c","amount":1e3,"at":"2024-02-28T00:00:00Z","note":"n","tags":["a","b"],"new":1}"#,
    ];
    let bad = [
        (r#"{"id":"","amount":0,"at":"2026-01-05T09:00:00Z"}"#, "/id"),
        (r#"{"id":"a","amount":-0.5,"at":"2026-01-05T09:00:00Z"}"#, "/amount"),
        (r#"{"id":"a","amount":1,"at":"2026-02-30T09:00:00Z"}"#, "/at"),
        (r#"{"id":"a","amount":1,"at":"2026-01-05T09:00:00Z","merchant":{"n":1}}"#, "/merchant"),
        (r#"{"id":"a","amount":1,"at":"2026-01-05T09:00:00Z","merchant":{"country":"DE","x":1}}"#, "/merchant/x"),
        (r#"{"id":"a","amount":1,"at":"2026-01-05T09:00:00Z","tags":["a",1]}"#, "/tags/1"),
        (r#"{"id":"a","amount":1e400,"at":"2026-01-05T09:00:00Z"}"#, "/amount"),
    ];
    let names = ["id", "amount", "at", "action", "note", "merchant", "tags"];
    for checker in [read(&document, &names), Checker::new(&document, None).unwrap()] {
        assert_eq!(judged(&checker, &good), (0, vec![]));
        for (event, place) in bad {
            let (_, refused) = judged(&checker, &[event]);
            assert!(refused.len() == 1 && refused[0].1.starts_with(&format!("at `{place}`: ")), "{event}: {refused:?}");
        }
    }
}

#[test]
fn numbers_at_bounds_are_judged_alike() {
    let bounds = [-100, -10, -1, 0, 1, 10, 100];
    let values: Vec<String> =
        ["0", "0.0", "0.5", "1", "1.0", "5", "9.99999999999999", "10", "10.0", "10.5", "100.0", "100.5", "1e1"]
            .iter()
            .flat_map(|value| [format!("{{\"a\":{value}}}\n"), format!("{{\"a\":-{value}}}\n")])
            .collect();
    for keyword in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        for bound in bounds {
            for rule in [json!({ keyword: bound }), json!({ keyword: bound, "const": 5 })] {
                let document = json!({ "properties": { "a": rule } });
                all_are_judged_as_alone(&read(&document, &["a"]), &values.concat()).unwrap();
            }
        }
    }
}

#[test]
fn what_is_not_read_is_not_looked_at() {
    let document = json!({ "type": "object", "properties": { "a": { "type": "integer" }, "b": { "pattern": "^x" } } });
    let events = [r#"{"a":1,"b":"y","c":1e400}"#, r#"{"a":"1","b":"x","c":1e400}"#];
    let (unsure, refused) = judged(&read(&document, &["a"]), &events);
    assert_eq!((unsure, refused.len()), (1, 1));
    assert_eq!(refused[0], (1, "at `/a`: \"1\" is not of type \"integer\"".to_owned()));
    let (unsure, refused) = judged(&read(&document, &["a", "b"]), &events);
    assert_eq!((unsure, refused.len()), (2, 2), "no rule says what a pattern says");
}

#[test]
fn parts_of_objects_are_columns_of_their_own() {
    let merchant = json!({
        "type": "object",
        "properties": { "id": { "type": "string" }, "n": { "type": "integer" }, "other": { "pattern": "^x" } },
        "required": ["id", "other"],
        "additionalProperties": false
    });
    let nullable =
        json!({ "type": ["object", "null"], "properties": { "id": { "type": "string" } }, "required": ["id"] });
    let document = json!({
        "type": "object",
        "properties": { "needed": { "$ref": "#/$defs/merchant" }, "known": nullable },
        "required": ["needed"],
        "$defs": { "merchant": merchant }
    });
    let checker = read(&document, &["needed.id", "needed.n", "known.id"]);
    let good = [
        r#"{"needed":{"id":"a","other":1},"known":{"id":"b"}}"#,
        r#"{"needed":{"id":"a","n":2,"more":3},"known":null}"#,
        r#"{"needed":{"id":"a"}}"#,
    ];
    assert_eq!(judged(&checker, &good), (0, vec![]));
    for bad in [
        r#"{"known":{"id":"b"}}"#,
        r#"{"needed":null}"#,
        r#"{"needed":{"n":1}}"#,
        r#"{"needed":{"id":"a","n":"1"}}"#,
        r#"{"needed":{"id":"a"},"known":{}}"#,
        r#"{"needed":{"id":"a"},"known":"b"}"#,
    ] {
        assert_eq!(judged(&checker, &[bad]).1.len(), 1, "{bad}");
    }
    let mut read: Vec<String> = checker.reads().map(|path| path.join(".")).collect();
    read.sort();
    assert_eq!(read, ["known", "known.id", "needed.id", "needed.n"]);
}

#[test]
fn shapes_are_checked_by_the_same_means() {
    let field = |name: &str, shape: Shape| Field { name: name.into(), shape, doc: None, has_default: false };
    let shape = Shape::object(Object {
        name: None,
        fields: vec![
            field("n", Shape::of(Kinds::INT)),
            field("x", Shape::of(Kinds::NUMBER).or_null()),
            field("action", Shape::symbols(["view".into(), "buy".into()]).or_null()),
            field("more", Shape::map(Shape::array(Shape::of(Kinds::STRING))).or_null()),
        ],
        rest: None,
    });
    let good = [
        r#"{"n":1,"x":2.5,"action":"buy","more":{"a":["b"]},"unknown":1}"#,
        r#"{"n":-1,"x":null,"action":null}"#,
        r#"{"n":2,"x":1}"#,
    ];
    let bad = [
        (r#"{"x":1}"#, "\"n\" is a required property"),
        (r#"{"n":1.0}"#, "at `/n`: 1.0 is not of type \"integer\""),
        (r#"{"n":1,"x":"1"}"#, "at `/x`: \"1\" is not of types \"null\", \"number\""),
        (r#"{"n":1,"more":{"a":["b",1]}}"#, "at `/more/a/1`: 1 is not of type \"string\""),
    ];
    for fields in [None, Some(paths(&["n", "x", "action", "more"]))] {
        let checker = Checker::of_shape(&shape, fields.as_ref()).unwrap();
        assert_eq!(judged(&checker, &good), (0, vec![]));
        for (event, why) in bad {
            assert_eq!(judged(&checker, &[event]).1, [(0, why.to_owned())], "{event}");
        }
        assert_eq!(judged(&checker, &[r#"{"n":1,"action":"sell"}"#]).1.len(), 1);
    }
}
