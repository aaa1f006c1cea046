//! The lint of an event's time.

use crate::schema::place::Spot;
use crate::schema::{Field, Kinds, Language, Meaning};

use super::{Finding, Subject, error, is_called, is_known, plain};

lint! {
    /// An event says when it happened, in a field whose type says what the number or text means. Windows, watermarks and replays go by that
    /// time; the time of arrival is another one at each reading. A bare `long` named `timestamp` has been read as seconds, as milliseconds
    /// and as local time before.
    ///
    /// A time is `timestamp-millis`, `-micros` or `-nanos` in Avro, `google.protobuf.Timestamp` in Protobuf, and a string with
    /// `"format": "date-time"` in JSON Schema. Local times do not count: they are no moments. A field that a project names in `event_time`
    /// counts whatever its type says. The field must always be there.
    EVENT_TIME = "event-time", "An event type without an event time of a type that says its unit"
}

/// Names that promise a time, in the spelling of [`plain`].
const NAMES: &[&str] =
    &["timestamp", "time", "ts", "eventtime", "eventtimestamp", "occurred", "happened", "created", "datetime"];

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    if !is_known(subject.shape) {
        return Vec::new();
    }
    let language = subject.definition.language();
    let fields = subject.envelope();
    let taught = &subject.principles.event_time;
    let is_time = |field: &Field| {
        matches!(field.shape.meaning, Some(Meaning::Time(_) | Meaning::TimeText)) || is_called(field, &[], taught)
    };
    let times: Vec<_> = fields.iter().filter(|(_, field)| is_time(field)).collect();
    if let Some((path, field)) = times.first() {
        // A message of Protobuf can always be missing, so that nothing better can be written.
        let always = |field: &Field| !field.shape.is_nullable() || language == Language::Protobuf;
        if times.iter().any(|(_, field)| always(field)) {
            return Vec::new();
        }
        let message = format!("`{}` may be missing or null, so that some events have no time", field.name);
        return vec![error(&EVENT_TIME, Spot::Field(path.clone()), message, "make the field required")];
    }
    match fields.iter().find(|(_, field)| promises_a_time(field)) {
        Some((path, field)) => {
            let shape = field.shape.clone().not_null();
            let message =
                format!("`{}` is of type {shape}, which does not say what it counts or in which zone", field.name);
            vec![error(&EVENT_TIME, Spot::Field(path.clone()), message, format!("write {}", written(language)))]
        }
        None => {
            let message = format!("`{}` does not say when it happened", subject.name);
            vec![error(&EVENT_TIME, Spot::Name, message, format!("add a field `timestamp`: {}", written(language)))]
        }
    }
}

fn promises_a_time(field: &Field) -> bool {
    let name = plain(&field.name);
    let ends = field.name.ends_with("_at") || field.name.ends_with("_time") || field.name.ends_with("At");
    let scalar = Kinds::NUMBER.and(Kinds::STRING).and(Kinds::NULL).has(field.shape.kinds);
    scalar && (ends || NAMES.contains(&name.as_str()) || name.ends_with("timestamp"))
}

fn written(language: Language) -> &'static str {
    match language {
        Language::Avro => r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
        Language::Protobuf => "google.protobuf.Timestamp",
        Language::Json => r#"{"type": "string", "format": "date-time"}"#,
    }
}
