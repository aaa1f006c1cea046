//! `principles.yaml`, which lies beside event types: what a project allows and teaches, read by a table of keys like every file of the language.

use std::path::Path;

use super::read;
use super::reader::Reader;
use super::table::{Choice, Key, Table, Type};
use super::value::{Section, Value};
use super::{reference, tree};
use crate::diagnostic::{Diagnostics, Span, codes};
use crate::schema::compat::Mode;
use crate::schema::principles::Principles;

/// The name of the file.
pub const PRINCIPLES_FILE: &str = "principles.yaml";

/// The principles that a type can be freed of; `schema::principles` has them with their reasons.
const CODES: Type = Type::ListOf(&Type::Choice(&[
    Choice::new("past-tense", "its name need not say what has happened"),
    Choice::new("event-id", "it needs no id"),
    Choice::new("event-time", "it needs no time"),
    Choice::new("schema-version", "its events need not tell their schema's version"),
    Choice::new("self-contained", "it may have nothing but references"),
    Choice::new("null-default", "nullable fields need no default"),
    Choice::new("corrections", "it may correct without a field that names what it corrects"),
]));

static PRINCIPLES: Table = Table::new(
    "principles",
    "What the lints of event types allow and are taught, and how versions must fit. The nearest `principles.yaml` counts: in the folder of a \
     type, or in one above it.",
    &[
        Key::new("past_tense", Type::ListOf(&Type::Text), "Words that count as verbs in the past tense.")
            .example("[Rebased, Upserten]"),
        Key::new("event_id", Type::ListOf(&Type::Text), "Names of fields that identify an event.")
            .example("[message_key]"),
        Key::new("event_time", Type::ListOf(&Type::Text), "Names of fields that hold an event's time.")
            .example("[booked_on]"),
        Key::new("schema_version", Type::ListOf(&Type::Text), "Names of fields that hold the schema's version.")
            .example("[rev]"),
        Key::new(
            "allow",
            Type::MapOf(&CODES),
            "By the name of a type, or `\"*\"` for all: the principles that it need not follow.",
        )
        .example("{ UserInteractionEvent: [past-tense] }"),
        Key::new(
            "mode",
            Type::Choice(&[
                Choice::new("BACKWARD", "a version reads what the one before it wrote: readers are deployed first"),
                Choice::new("BACKWARD_TRANSITIVE", "it reads what all before it wrote: whole streams are replayed"),
                Choice::new("FORWARD", "the one before it reads what it writes: writers are deployed first"),
                Choice::new("FORWARD_TRANSITIVE", "all before it read what it writes"),
                Choice::new("FULL", "both, in any order"),
                Choice::new("FULL_TRANSITIVE", "both, with all before it"),
                Choice::new("NONE", "nothing is compared"),
            ]),
            "How each version must fit to those before it.",
        )
        .default("BACKWARD"),
        Key::new("ignore", Type::ListOf(&Type::Glob), "Files that look like schemas of event types and are none.")
            .example("[topology.schema.json]"),
    ],
);

/// What a project has said.
#[derive(Clone, Debug)]
pub struct SchemaRules {
    pub principles: Principles,
    pub mode: Mode,
    /// Patterns of paths.
    pub ignore: Vec<String>,
}

impl Default for SchemaRules {
    fn default() -> SchemaRules {
        SchemaRules { principles: Principles::default(), mode: Mode::Backward, ignore: Vec::new() }
    }
}

/// Reads a `principles.yaml`. What could not be read was reported, and is as if it were not written.
pub fn read_principles(path: &Path, diagnostics: &mut Diagnostics) -> SchemaRules {
    let Some(text) = read::text_of(path, diagnostics) else { return SchemaRules::default() };
    let file = diagnostics.add_file(path.display().to_string(), text.as_str());
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return SchemaRules::default();
    }
    let Some(root) = tree::parse(file, &text, diagnostics) else { return SchemaRules::default() };
    let dir = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader { text: &text, dir, env: &|_| None, diagnostics, lost: 0 };
    let section = reader.section((PRINCIPLES_FILE, Span::of_file(file)), &root, &PRINCIPLES);
    section.map_or_else(SchemaRules::default, |section| rules_of(&section, diagnostics))
}

fn rules_of(section: &Section, diagnostics: &mut Diagnostics) -> SchemaRules {
    let texts = |key: &str| {
        let items = section.list_opt(key).unwrap_or_default().iter();
        let text = |value: &Value| match value {
            Value::Text(text) | Value::Glob(text) => Some(text.clone()),
            Value::Choice(name) => Some((*name).to_owned()),
            _ => None,
        };
        items.filter_map(|item| text(&item.value)).collect::<Vec<String>>()
    };
    let mut principles = Principles {
        past_tense: texts("past_tense"),
        event_id: texts("event_id"),
        event_time: texts("event_time"),
        schema_version: texts("schema_version"),
        ..Principles::default()
    };
    if let Some(Value::Map(allow)) = section.value("allow") {
        for (name, item) in allow {
            let Value::List(items) = &item.value else { continue };
            let codes = items.iter().filter_map(|item| match item.value {
                Value::Choice(code) => Some(code.to_owned()),
                _ => None,
            });
            principles.allow.insert(name.clone(), codes.collect());
        }
    }
    for pattern in texts("ignore") {
        if let Err(error) = glob::Pattern::new(&pattern) {
            let span = section.span_of("ignore");
            diagnostics.error(&codes::BAD_VALUE, span, format!("`{pattern}` is no pattern: {error}"));
        }
    }
    let mode = section.choice_opt("mode").and_then(Mode::of).unwrap_or(Mode::Backward);
    SchemaRules { principles, mode, ignore: texts("ignore") }
}

/// The keys as Markdown.
pub fn principles_reference() -> String {
    let mut out = format!("{}\n\n", PRINCIPLES.doc);
    reference::table_of(&mut out, &PRINCIPLES);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principle_can_be_allowed() {
        let Type::ListOf(Type::Choice(choices)) = CODES else { panic!("a list of words") };
        let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
        let codes: Vec<&str> = crate::schema::principles::codes().map(|code| code.id).collect();
        assert_eq!(names, codes);
    }

    #[test]
    fn what_is_said_is_read_and_what_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PRINCIPLES_FILE);
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut diagnostics = Diagnostics::new();
            let rules = read_principles(&path, &mut diagnostics);
            let codes: Vec<&str> = diagnostics.found().iter().map(|found| found.code.id).collect();
            (rules, codes)
        };
        let (rules, codes) = read(
            "past_tense: [Rebased]\nallow: { A: [past-tense, event-id], '*': event-time }\nmode: FULL\nignore: x.json\n",
        );
        assert_eq!(codes, Vec::<&str>::new());
        assert_eq!(rules.principles.past_tense, ["Rebased"]);
        assert_eq!(rules.principles.allow["A"], ["past-tense", "event-id"]);
        assert_eq!(rules.principles.allow["*"], ["event-time"]);
        assert_eq!(rules.mode, Mode::Full);
        assert_eq!(rules.ignore, [folder.path().join("x.json").display().to_string()]);
        assert_eq!(read("# nothing yet\n").1, Vec::<&str>::new());
        assert_eq!(read("allow: { A: [past-tens] }\n").1, ["bad-choice"]);
        assert_eq!(read("allows: {}\n").1, ["unknown-key"]);
        assert_eq!(read("ignore: 'a[b'\n").1.len(), 1);
    }
}
