//! A first schema from events: what they were, joined over all of them in bounded memory, and written in a language of schemas.

mod avro;
mod json;
mod protobuf;
mod seen;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::limits::INFER_NODES_MAX;

use self::seen::Seen;
use super::{Language, Meaning, Shape, TimeUnit};

/// What events have been so far.
#[derive(Debug)]
pub struct Inference {
    root: Seen,
    /// How many more different fields are told apart.
    room: usize,
}

/// A schema, and what its author should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    pub text: String,
    pub notes: Vec<String>,
}

impl Default for Inference {
    fn default() -> Inference {
        Inference { root: Seen::default(), room: INFER_NODES_MAX }
    }
}

impl Inference {
    /// Takes an event. Whether it is an object is the caller's to see.
    pub fn add(&mut self, event: &Value) {
        self.root.add(event, 0, &mut self.room);
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.root.count()
    }

    /// What the events have in common.
    pub fn shape(&self) -> Shape {
        self.root.shape("", true)
    }

    /// A schema of this name that all events so far follow.
    pub fn schema(&self, name: &str, language: Language) -> Inferred {
        let shape = self.shape();
        let mut notes = Vec::new();
        let text = match language {
            Language::Avro => avro::write(name, &shape, &mut notes),
            Language::Protobuf => protobuf::write(name, &shape, &mut notes),
            Language::Json => json::write(name, &shape),
        };
        if self.room == 0 || self.root.is_full() {
            notes.push("there are too many different fields; those that came last are left out".to_owned());
        }
        Inferred { text, notes }
    }
}

/// `order_items` as the name of a type: `OrderItems`.
fn type_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut out = String::new();
    for word in words {
        let (first, rest) = word.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, 'T');
    }
    out
}

/// A name that a language of letters, digits and `_` takes.
fn plain_name(name: &str, notes: &mut Vec<String>) -> String {
    let mut plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if plain.is_empty() || plain.starts_with(|c: char| c.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    if plain != name {
        notes.push(format!("`{name}` cannot be the name of a field and is called `{plain}`"));
    }
    plain
}

/// A name that is not taken yet: it, or it with a number.
fn unused(name: String, taken: &mut std::collections::HashSet<String>) -> String {
    let mut next = name.clone();
    let mut n = 2;
    while !taken.insert(next.clone()) {
        next = format!("{name}{n}");
        n += 1;
    }
    next
}

/// What an int of epoch time counts, as a note says it.
fn seconds_note(name: &str, shape: &Shape, notes: &mut Vec<String>) {
    if shape.meaning == Some(Meaning::Time(TimeUnit::Seconds)) {
        notes.push(format!("`{name}` seems to count seconds since 1970, for which there is no logical type"));
    }
}
