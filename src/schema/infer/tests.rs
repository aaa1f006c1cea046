//! What is inferred of small streams, in all three languages.

use serde_json::json;

use super::*;
use crate::schema::{Definition, principles};

fn of(events: impl IntoIterator<Item = Value>) -> Inference {
    let mut inference = Inference::default();
    events.into_iter().for_each(|event| inference.add(&event));
    inference
}

fn interaction(n: u64) -> Value {
    let mut event = json!({
        "event_id": format!("00000000-0000-4000-8000-{n:012}"),
        "timestamp": 1_760_000_000_000_u64 + n,
        "created": "2026-01-01T00:00:00Z",
        "action": (["CLICK", "VIEW", "BUY"][n as usize % 3]),
        "score": if n.is_multiple_of(2) { json!(1) } else { json!(0.5) },
        "user": { "name": format!("u{n}"), "age": n },
        "tags": ["a", format!("t{n}")],
        "metadata": { (format!("k{}", n % 5)): "v" },
    });
    if n.is_multiple_of(4) {
        event["item_id"] = json!(format!("i{n}"));
    }
    event
}

#[test]
fn shapes_are_joined_over_all_events() {
    let shape = of((0..100).map(interaction)).shape();
    let told = |name: &str| shape.field(name).unwrap().to_string();
    assert_eq!(told("event_id"), "uuid");
    assert_eq!(told("timestamp"), "time in ms");
    assert_eq!(told("created"), "time as text");
    assert_eq!(told("action"), r#""BUY" | "CLICK" | "VIEW""#);
    assert_eq!(told("score"), "float");
    assert_eq!(told("item_id"), "string?");
    assert_eq!(told("tags"), "[string]");
    assert_eq!(told("metadata"), "{string: string}");
    assert_eq!(shape.field("user").unwrap().field("age").unwrap().to_string(), "int");
    let few = of((0..10).map(interaction)).shape();
    assert_eq!(few.field("action").unwrap().to_string(), "string", "few events are no proof of an enum");
}

#[test]
fn what_is_written_can_be_read_in_each_language() {
    let inference = of((0..100).map(interaction));
    for language in [Language::Avro, Language::Protobuf, Language::Json] {
        let inferred = inference.schema("user_interacted", language);
        let definition = Definition::parse(language, &inferred.text, None, &[]);
        let definition = definition.unwrap_or_else(|why| panic!("{language}: {why:?}\n{}", inferred.text));
        assert_eq!(definition.full_name(), Some("UserInteracted"));
        if language == Language::Avro {
            let found: Vec<&str> = principles::check("UserInteracted", &definition, &Default::default())
                .iter()
                .map(|f| f.code.id)
                .collect();
            assert_eq!(found, ["schema-version"], "all else that an event needs is there");
        }
        if let Definition::Json(schema) = &definition {
            let checker = schema.checker(None).unwrap();
            (0..100).for_each(|n| assert_eq!(checker.check(interaction(n).to_string().as_bytes()), Ok(())));
        }
    }
}

#[test]
fn odd_events_become_schemas_too() {
    let odd = [
        json!({}),
        json!({ "a b": 1, "a_b": null, "1": [], "empty": {}, "mixed": [1, "x", { "y": [] }, null] }),
        json!({ "mixed": { "record": 1 }, "big": 18_446_744_073_709_551_615_u64, "nested": [[1], [2]] }),
        json!({ "mixed": "text", "nested": [], "a_b": { "a_b": { "a_b": 1 } } }),
    ];
    let inference = of(odd);
    for language in [Language::Avro, Language::Protobuf, Language::Json] {
        let inferred = inference.schema("1 odd", language);
        if let Err(why) = Definition::parse(language, &inferred.text, None, &[]) {
            panic!("{language}: {why:?}\n{}", inferred.text);
        }
    }
}

#[test]
fn memory_is_bounded_however_many_keys_there_are() {
    let inference = of((0..3_000).map(|n| json!({ "m": { (format!("k{n}")): n }, (format!("root{n}")): 1 })));
    let shape = inference.shape();
    assert_eq!(shape.field("m").unwrap().to_string(), "{string: int}");
    assert!(shape.object.unwrap().fields.len() <= crate::limits::INFER_FIELDS_MAX);
}
