//! The principles of event design as lints over event types, a file each. The doc comment of a lint is its section in
//! `docs/principles.md`.

/// Declares a lint's code: its doc comment, its name, and its title in a line.
macro_rules! lint {
    ($(#[doc = $doc:literal])* $name:ident = $id:literal, $title:literal) => {
        $(#[doc = $doc])*
        pub static $name: crate::diagnostic::Code =
            crate::diagnostic::Code { id: $id, title: $title, doc: concat!($($doc, "\n"),*), example: None };
    };
}

mod corrections;
mod event_id;
mod event_time;
mod null_default;
mod past_tense;
mod reference;
mod schema_version;
mod self_contained;
mod words;

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Severity};

use super::place::Spot;
use super::{Definition, Field, Kinds, Shape};

pub use self::corrections::CORRECTIONS;
pub use self::reference::reference;

/// A principle: its code, and what finds where a type does not follow it.
struct Lint {
    code: &'static Code,
    find: fn(&Subject<'_>) -> Vec<Finding>,
}

/// All of them, in the order of the documentation.
static LINTS: &[Lint] = &[
    Lint { code: &past_tense::PAST_TENSE, find: past_tense::find },
    Lint { code: &event_id::EVENT_ID, find: event_id::find },
    Lint { code: &event_time::EVENT_TIME, find: event_time::find },
    Lint { code: &schema_version::SCHEMA_VERSION, find: schema_version::find },
    Lint { code: &self_contained::SELF_CONTAINED, find: self_contained::find },
    Lint { code: &null_default::NULL_DEFAULT, find: null_default::find },
    Lint { code: &corrections::CORRECTIONS, find: corrections::find },
];

/// The codes of all principles.
pub fn codes() -> impl Iterator<Item = &'static Code> {
    LINTS.iter().map(|lint| lint.code)
}

/// What a project has of its own: what it allows, and names that it teaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principles {
    /// Words that count as verbs in the past tense.
    pub past_tense: Vec<String>,
    /// Names of fields that identify an event.
    pub event_id: Vec<String>,
    /// Names of fields that hold an event's time.
    pub event_time: Vec<String>,
    /// Names of fields that hold a schema's version.
    pub schema_version: Vec<String>,
    /// By a type's name, short or full, or `*` for all types: the codes that are not told of it.
    pub allow: BTreeMap<String, Vec<String>>,
}

/// Where a type does not follow a principle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: &'static Code,
    pub severity: Severity,
    pub spot: Spot,
    pub message: String,
    pub help: String,
}

/// The type that is looked at.
struct Subject<'a> {
    /// Without a namespace.
    name: &'a str,
    definition: &'a Definition,
    shape: &'a Shape,
    principles: &'a Principles,
}

/// What of a type is against the principles and not allowed. `name`: the type's, with or without a namespace.
pub fn check(name: &str, definition: &Definition, principles: &Principles) -> Vec<Finding> {
    let shape = definition.shape();
    let short = name.rsplit('.').next().unwrap_or(name);
    let subject = Subject { name: short, definition, shape: &shape, principles };
    let lints = LINTS.iter().filter(|lint| !principles.allows(lint.code, name));
    lints.flat_map(|lint| (lint.find)(&subject)).collect()
}

impl Principles {
    /// Whether a type need not follow a principle.
    pub fn allows(&self, code: &Code, name: &str) -> bool {
        let short = name.rsplit('.').next().unwrap_or(name);
        let allowed = [name, short, "*"].into_iter().filter_map(|key| self.allow.get(key)).flatten();
        allowed.into_iter().any(|id| id == code.id)
    }
}

impl Subject<'_> {
    fn fields(&self) -> &[Field] {
        self.shape.object.as_deref().map_or(&[], |object| &object.fields)
    }

    /// The fields that say something of the event itself: its own, and those of an envelope within it. Each with the names that lead to it.
    fn envelope(&self) -> Vec<(Vec<String>, &Field)> {
        let mut found = Vec::new();
        for field in self.fields() {
            found.push((vec![field.name.to_string()], field));
            let inner = field.shape.object.as_deref().filter(|_| ENVELOPES.contains(&plain(&field.name).as_str()));
            for inner in inner.iter().flat_map(|object| &object.fields) {
                found.push((vec![field.name.to_string(), inner.name.to_string()], inner));
            }
        }
        found
    }
}

/// Fields whose own fields say something of the event, in the spelling of [`plain`].
const ENVELOPES: &[&str] = &["metadata", "meta", "header", "headers", "envelope", "context", "event", "eventmetadata"];

/// A field's name without what its spelling adds: `eventId`, `event_id` and `event-id` are one name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether a field has one of these names, or one that was taught.
fn is_called(field: &Field, known: &[&str], taught: &[String]) -> bool {
    let name = plain(&field.name);
    known.contains(&name.as_str()) || taught.iter().any(|taught| plain(taught) == name)
}

/// Whether the shape of events is known at all.
fn is_known(shape: &Shape) -> bool {
    shape.kinds.meets(Kinds::OBJECT) && shape.object.is_some()
}

fn error(code: &'static Code, spot: Spot, message: String, help: impl Into<String>) -> Finding {
    Finding { code, severity: Severity::Error, spot, message, help: help.into() }
}

#[cfg(test)]
mod tests;
