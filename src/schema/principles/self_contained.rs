//! The lint of events that only refer elsewhere.

use crate::schema::Field;
use crate::schema::place::Spot;

use super::{Finding, Subject, error, plain};

lint! {
    /// An event brings what its readers need. One that has only `order_id`, `*_ref` or `*_url` makes each reader ask a service for the rest:
    /// the answer is another one a minute later, a replay of last month gets today's, and every reader depends on that service.
    ///
    /// Told where all fields refer elsewhere, apart from what says something of the event itself: its id, its time, its type, its schema's
    /// version, its source and ids for tracing.
    SELF_CONTAINED = "self-contained", "An event type that only refers to data elsewhere"
}

/// Ends of names of references.
const ENDS: &[&str] = &["id", "ids", "ref", "refs", "reference", "url", "urls", "uri", "link", "href", "key", "path"];

/// What is said of the event itself, in the spelling of [`plain`].
const OF_THE_EVENT: &[&str] = &[
    "id",
    "eventid",
    "messageid",
    "uuid",
    "eventuuid",
    "type",
    "eventtype",
    "name",
    "eventname",
    "version",
    "schemaversion",
    "eventversion",
    "schema",
    "dataschema",
    "source",
    "producer",
    "time",
    "timestamp",
    "ts",
    "metadata",
    "meta",
    "header",
    "headers",
    "envelope",
    "context",
    "traceid",
    "spanid",
    "correlationid",
    "causationid",
    "requestid",
];

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let data = subject.fields().iter().filter(|field| !is_of_the_event(field));
    let (refers, holds): (Vec<&Field>, Vec<&Field>) = data.partition(|field| refers(&field.name));
    let Some(first) = refers.first().filter(|_| holds.is_empty()) else { return Vec::new() };
    let names: Vec<String> = refers.iter().map(|field| format!("`{}`", field.name)).collect();
    let message = format!("`{}` has nothing but references: {}", subject.name, names.join(", "));
    let help = "add what its readers would ask for: the state that the event made, or what has changed";
    vec![error(&SELF_CONTAINED, Spot::Field(vec![first.name.to_string()]), message, help)]
}

fn is_of_the_event(field: &Field) -> bool {
    let is_time = field.shape.meaning.is_some_and(|meaning| {
        use crate::schema::Meaning::{Time, TimeText};
        matches!(meaning, Time(_) | TimeText)
    });
    is_time || OF_THE_EVENT.contains(&plain(&field.name).as_str())
}

/// By the last word of its name.
fn refers(name: &str) -> bool {
    super::words::split(name).last().is_some_and(|last| ENDS.contains(&last.as_str()))
}
