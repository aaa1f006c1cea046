//! What is inferred holds for every event of a shape, whatever the expression; what is told is so.

use proptest::prelude::*;

use super::*;
use crate::event::json_samples::bytes;
use crate::event::samples::Choices;
use crate::expr::samples::{self, VALUES};
use crate::expr::testing;
use crate::expr::{Context, Want};

/// The shape of exactly this value.
fn shape_of(value: &serde_json::Value) -> Shape {
    match value {
        serde_json::Value::Null => Shape::of(Kinds::NULL),
        serde_json::Value::String(text) => Shape::symbols([text.as_str().into()]),
        serde_json::Value::Array(items) => {
            let items = items.iter().map(shape_of).reduce(|all, item| all.join(&item));
            Shape::array(items.unwrap_or(Shape::of(Kinds::NONE)))
        }
        serde_json::Value::Object(fields) => {
            Shape::record(fields.iter().map(|(name, value)| (name.as_str().into(), shape_of(value))))
        }
        scalar => constant(scalar),
    }
}

/// Whether a value may have the shape.
fn fits(value: &serde_json::Value, shape: &Shape) -> bool {
    let kind = match value {
        serde_json::Value::Null => return shape.is_nullable(),
        serde_json::Value::Bool(_) => Kinds::BOOL,
        serde_json::Value::Number(number) if number.is_f64() => Kinds::FLOAT,
        serde_json::Value::Number(_) => Kinds::INT,
        serde_json::Value::String(_) => Kinds::STRING,
        serde_json::Value::Array(_) => Kinds::ARRAY,
        serde_json::Value::Object(_) => Kinds::OBJECT,
    };
    let null = serde_json::Value::Null;
    shape.kinds.meets(kind)
        && match value {
            serde_json::Value::String(text) => {
                shape.symbols.as_ref().is_none_or(|symbols| symbols.iter().any(|symbol| **symbol == **text))
            }
            serde_json::Value::Array(items) => {
                shape.items.as_ref().is_none_or(|shape| items.iter().all(|item| fits(item, shape)))
            }
            serde_json::Value::Object(fields) => shape.object.as_ref().is_none_or(|object| {
                let known = object.fields.iter().map(|field| &*field.name);
                let mut names = fields.keys().map(String::as_str).chain(known);
                names
                    .all(|name| object.field(name).is_some_and(|shape| fits(fields.get(name).unwrap_or(&null), &shape)))
            }),
            _ => true,
        }
}

/// A shape of events, and all the events that it stands for.
fn events(choices: &mut Choices<'_>) -> (Shape, Vec<String>) {
    // Of numbers beyond 64 bits no shape tells.
    let values: Vec<&str> = VALUES.iter().copied().filter(|text| !text.contains("4567") && *text != "1e999").collect();
    let mut fields = Vec::new();
    let mut events = vec![String::new()];
    for name in ["a", "b", "c"] {
        let taken: Vec<&str> = (0..1 + choices.below(3)).map(|_| choices.of(&values)).collect();
        let missing = choices.below(4) == 0;
        let parsed = taken.iter().map(|text| serde_json::from_str(text).unwrap_or_default());
        let shape = parsed.map(|value| shape_of(&value)).reduce(|all, one| all.join(&one)).unwrap_or(Shape::ANY);
        fields.push((Arc::from(name), if missing { shape.or_null() } else { shape }));
        let with = |event: &String, value: &str| match event.as_str() {
            "" => format!("\"{name}\":{value}"),
            event => format!("{event},\"{name}\":{value}"),
        };
        let without = events.iter().filter(|_| missing).cloned().collect::<Vec<_>>();
        events = events.iter().flat_map(|event| taken.iter().map(move |value| with(event, value))).collect();
        events.extend(without);
    }
    (Shape::record(fields), events.into_iter().map(|event| format!("{{{event}}}")).collect())
}

/// A result of the interpreter; `None`: it failed.
fn value(text: &str) -> Option<serde_json::Value> {
    if text == "missing" { Some(serde_json::Value::Null) } else { serde_json::from_str(text).ok() }
}

fn check(text: &str, shape: &Shape, events: &[String], want: Want) -> Result<(), TestCaseError> {
    let Ok(expr) = samples::context().compile(text, want) else { return Ok(()) };
    let inferred = expr.infer(&Scope { event: shape, of: "in", locals: &[] });
    let lines: Vec<&str> = events.iter().map(String::as_str).collect();
    let (_, results) = testing::run(&expr, &lines);
    for (line, result) in lines.iter().zip(&results) {
        let Some(value) = value(result) else { continue };
        prop_assert!(fits(&value, &inferred.shape), "{text}\non {line}: {value} is no {:?}", inferred.shape);
        let event = serde_json::from_str(line).unwrap_or_default();
        let known = if want == Want::Filter && value == false { &inferred.fails } else { &inferred.holds };
        prop_assert!(fits(&event, known), "{text}\non {line}: known is {known:?}");
    }
    let failed = results.iter().filter(|result| value(result).is_none()).count();
    for finding in inferred.findings.iter().filter(|finding| finding.always) {
        let told = format!("{text}: {finding:?}\nof {shape:?}");
        match finding.sort {
            Sort::Fails => prop_assert!(failed == results.len(), "not every event fails: {told}"),
            // A field as it comes with the event may be null whatever else there is.
            Sort::Null if ["event.a", "event.b", "event.c"].contains(&&text[finding.problem.range.clone()]) => {
                prop_assert!(failed > 0, "no event fails: {told}");
            }
            Sort::Null | Sort::Never | Sort::NoField => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_inferred_holds(bytes in bytes()) {
        let mut choices = Choices::new(&bytes);
        let (shape, events) = events(&mut choices);
        let text = samples::expression(&mut choices);
        for want in [Want::Value, Want::Filter, Want::Text] {
            check(&text, &shape, &events, want)?;
            // The same without its statements is a condition that tells something.
            check(text.trim_start_matches("let x = event.a; "), &shape, &events, want)?;
        }
    }
}

/// What is told of an expression over payments, as `code at text: message`.
fn told(text: &str) -> Vec<String> {
    let (string, int) = (Shape::of(Kinds::STRING), Shape::of(Kinds::INT));
    let merchant = Shape::record([("country".into(), string.clone()), ("rating".into(), int.clone().or_null())]);
    let event = Shape::record([
        ("user".into(), string.clone()),
        ("amount".into(), Shape::of(Kinds::NUMBER)),
        ("discount".into(), int.clone().or_null()),
        ("action".into(), Shape::symbols(["VIEW".into(), "CLICK".into()])),
        ("merchant".into(), merchant.or_null()),
        ("tags".into(), Shape::array(string)),
        ("any".into(), Shape::ANY),
    ]);
    let expr = Context::empty().compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let inferred = expr.infer(&Scope { event: &event, of: "card", locals: &[] });
    let show = |finding: &Finding| {
        let problem = &finding.problem;
        format!("{} at {}", problem.code.id, &text[problem.range.clone()])
    };
    inferred.findings.iter().map(show).collect()
}

#[track_caller]
fn tells(text: &str, findings: &[&str]) {
    assert_eq!(told(text), findings, "{text}");
}

#[test]
fn what_is_wrong_is_told_at_its_place() {
    tells("event.amuont > 1", &["unknown-field at amuont"]);
    tells("event.merchant.cuontry == \"DE\"", &["unknown-field at cuontry"]);
    tells("event[\"usr\"]", &["unknown-field at \"usr\""]);
    tells("event.user.x", &["unknown-field at x"]);
    tells("event.user > 5", &["type-mismatch at event.user > 5"]);
    tells("event.user * 2", &["type-mismatch at event.user * 2"]);
    tells("1 + (event.tags - 1)", &["type-mismatch at event.tags - 1"]);
    tells("event.user == 5", &["never-equal at event.user == 5"]);
    tells("event.discount > 10", &["nullable at event.discount"]);
    tells("event.merchant.rating + 1", &["nullable at event.merchant.rating"]);
    tells("event.action == \"CLIKC\"", &["unknown-symbol at \"CLIKC\""]);
    tells("event.action in [\"VIEW\", \"BUY\"]", &["unknown-symbol at \"BUY\""]);
    tells("switch event.action { \"VIEW\" => 1, \"BUY\" => 2, _ => 3 }", &["unknown-symbol at \"BUY\""]);
    tells("if event.amount { 1 } else { 2 }", &["type-mismatch at event.amount"]);
    tells("to_upper(event.amount)", &["expr-bad-argument at event.amount"]);
    tells("abs(event.discount)", &["nullable at event.discount"]);
    tells("event.discount.abs()", &["nullable at event.discount"]);
    tells("!event.user", &["type-mismatch at event.user"]);
}

#[test]
fn what_was_asked_for_is_known() {
    for fine in [
        "event.discount != () && event.discount > 10",
        "event.discount == () || event.discount > 10",
        "if event.discount != () { event.discount + 1 } else { 0 }",
        "if event.discount == () { return 0; } event.discount + 1",
        "if is_null(event.discount) { 0 } else { event.discount + 1 }",
        "!event.discount.is_null() && event.discount > 1",
        "(event.discount ?? 0) > 10",
        "event.merchant.rating != () && event.merchant.country > \"a\"",
        "let d = event.discount ?? 0; d + 1",
        "let d = event.discount; if d == () { d = 1; } d + 1",
        "switch event.discount { () => 0, _ => event.discount + 1 }",
        "event.any.x > event.any.y.z + 1",
        "event.user + event.discount",
        "event.discount in [1, 2] && event.discount > 1",
        "event.tags.filter(|tag| tag.x > 1).len() > 0",
        "let n = 0; for tag in event.tags { n += 1; } n + 1",
        "event.action == \"VIEW\" || event.action == \"CLICK\"",
        "(switch event.action { \"VIEW\" => 1, \"CLICK\" => 2 }) + 1",
        "try { event.user > 5 } catch { false }",
        "event.merchant?.country?.len()",
    ] {
        tells(fine, &[]);
    }
}
