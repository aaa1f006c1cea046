//! Each lint finds what it is for, and nothing in types that follow it.

use serde_json::Value;

use super::*;
use crate::schema::Language;

/// Fields that satisfy all lints but that of the name.
const GOOD: &str = r#"{"name": "event_id", "type": "string"},
    {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "schema_version", "type": "int"}, {"name": "amount", "type": "double"}"#;

fn avro(name: &str, fields: &str) -> Definition {
    let text = format!(r#"{{"type": "record", "name": "{name}", "fields": [{fields}]}}"#);
    Definition::parse(Language::Avro, &text, None, &[]).unwrap()
}

fn found_with(name: &str, fields: &str, principles: &Principles) -> Vec<(&'static str, Severity)> {
    let found = check(name, &avro(name, fields), principles);
    found.iter().map(|finding| (finding.code.id, finding.severity)).collect()
}

fn codes_of(name: &str, fields: &str) -> Vec<&'static str> {
    found_with(name, fields, &Principles::default()).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn names_in_the_past_tense_pass() {
    for name in [
        "PaymentAuthorized",
        "EmailSent",
        "AuctionWon",
        "LoggedIn",
        "UserSignedUp",
        "OrderShippedToCustomer",
        "PriceSet",
        "OrderPlacedEvent",
        "FeedUpdated",
        "HTTPRequestSent",
        "ModelRetrained",
        "IndexRebuilt",
        "payment_captured",
        "Paid",
        "TermsAgreed",
        "ItemTakenBack",
        "BookRead",
        "LetterWritten",
        "BuildBegun",
        "OptionChosen",
        "StakeSold",
    ] {
        assert_eq!(codes_of(name, GOOD), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn other_names_are_told_with_a_better_one() {
    for (name, better) in [
        ("AuthorizePayment", "`PaymentAuthorized`"),
        ("SendEmail", "`EmailSent`"),
        ("SetPrice", "`PriceSet`"),
        ("SubmitOrderEvent", "`OrderSubmitted`"),
        ("AuthorizedPayment", "`PaymentAuthorized`"),
        ("Payment", "`PaymentCreated`"),
        ("UserFeed", "`UserFeedCreated`"),
        ("NotifyUser", "`UserNotified`"),
        ("TakeOrder", "`OrderTaken`"),
    ] {
        let found = check(name, &avro(name, GOOD), &Principles::default());
        let [finding] = found.as_slice() else { panic!("{name}: {found:?}") };
        assert_eq!((finding.code.id, finding.severity), ("past-tense", Severity::Error), "{name}");
        assert!(finding.help.contains(better), "{name}: {}", finding.help);
    }
    let kind = found_with("UserInteractionEvent", GOOD, &Principles::default());
    assert_eq!(kind, [("past-tense", Severity::Warning)], "a kind of facts is only pointed out");
}

#[test]
fn a_project_teaches_and_allows() {
    let taught = Principles { past_tense: vec!["Rebased".into(), "Upserten".into()], ..Principles::default() };
    assert!(found_with("RowUpserten", GOOD, &taught).is_empty());
    let mut allowing = Principles::default();
    allowing.allow.insert("Payment".into(), vec!["past-tense".into()]);
    assert!(found_with("Payment", GOOD, &allowing).is_empty());
    assert!(check("shop.Payment", &avro("Payment", GOOD), &allowing).is_empty(), "the short name is enough");
    assert_eq!(found_with("Refund", GOOD, &allowing), [("past-tense", Severity::Error)]);
    allowing.allow.insert("*".into(), vec!["past-tense".into(), "event-id".into()]);
    assert!(found_with("Refund", GOOD, &allowing).is_empty());
}

#[test]
fn what_every_event_has_is_missed() {
    let without = |part: &str| {
        let fields: Value = serde_json::from_str(&format!("[{GOOD}]")).unwrap();
        let kept = fields.as_array().unwrap().iter().filter(|field| field["name"] != part);
        kept.map(Value::to_string).collect::<Vec<String>>().join(",")
    };
    assert_eq!(codes_of("OrderMade", &without("event_id")), ["event-id"]);
    assert_eq!(codes_of("OrderMade", &without("timestamp")), ["event-time"]);
    let nullable = GOOD.replace(r#""type": "string""#, r#""type": ["null", "string"], "default": null"#);
    assert_eq!(codes_of("OrderMade", &nullable), ["event-id"]);
    let versionless = GOOD.replace("schema_version", "count");
    assert_eq!(codes_of("OrderMade", &versionless), ["schema-version"]);
    let in_envelope = format!(
        r#"{{"name": "header", "type": {{"type": "record", "name": "Header", "fields": [{GOOD}]}}}}, {{"name": "amount", "type": "int"}}"#
    );
    assert!(codes_of("OrderMade", &in_envelope).is_empty(), "the envelope has it all");
}

#[test]
fn a_time_without_a_unit_is_pointed_at() {
    let bare = GOOD.replace(r#"{"type": "long", "logicalType": "timestamp-millis"}"#, r#""long""#);
    let found = check("OrderMade", &avro("OrderMade", &bare), &Principles::default());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].spot, Spot::Field(vec!["timestamp".into()]));
    assert!(found[0].message.contains("`timestamp` is of type int"), "{}", found[0].message);
    let local = GOOD.replace("timestamp-millis", "local-timestamp-millis");
    assert_eq!(codes_of("OrderMade", &local), ["event-time"], "local times are no moments");
    let taught = Principles { event_time: vec!["timestamp".into()], ..Principles::default() };
    assert!(found_with("OrderMade", &bare, &taught).is_empty());
}

#[test]
fn events_of_references_alone_are_told() {
    let bare = GOOD.replace(
        r#"{"name": "amount", "type": "double"}"#,
        r#"{"name": "order_id", "type": "string"}, {"name": "receiptUrl", "type": "string"}"#,
    );
    assert_eq!(codes_of("OrderMade", &bare), ["self-contained"]);
    let with_data = format!(r#"{bare}, {{"name": "reason", "type": "string"}}"#);
    assert!(codes_of("OrderMade", &with_data).is_empty());
}

#[test]
fn nullable_fields_without_a_default_are_found_in_every_record() {
    let inner = r#"{"name": "to", "type": {"type": "record", "name": "Place", "fields": [{"name": "city", "type": ["string", "null"]}]}}"#;
    let fields = format!(r#"{GOOD}, {inner}, {{"name": "note", "type": ["null", "string"], "default": null}}"#);
    let found = check("OrderMade", &avro("OrderMade", &fields), &Principles::default());
    let spots: Vec<&Spot> = found.iter().map(|finding| &finding.spot).collect();
    assert_eq!(spots, [&Spot::FieldOf("Place".into(), "city".into())]);
}

#[test]
fn a_correction_names_what_it_corrects() {
    assert_eq!(codes_of("OrderCorrected", GOOD), ["corrections"]);
    for field in ["corrects", "corrected_event_id", "originalEventId"] {
        let fields = format!(r#"{GOOD}, {{"name": "{field}", "type": "string"}}"#);
        assert!(codes_of("OrderCorrected", &fields).is_empty(), "{field}");
    }
}

#[test]
fn messages_of_protobuf_are_looked_at_alike() {
    let text = r#"syntax = "proto3"; import "google/protobuf/timestamp.proto";
        message OrderPlaced { string event_id = 1; google.protobuf.Timestamp timestamp = 2; int32 amount = 3; }"#;
    let definition = Definition::parse(Language::Protobuf, text, None, &[]).unwrap();
    let found = check("OrderPlaced", &definition, &Principles::default());
    let found: Vec<&str> = found.iter().map(|finding| finding.code.id).collect();
    assert_eq!(found, ["schema-version"], "a message that may be missing is no fault of its author");
}
