//! Objects: properties by the content model, what is required, dependencies, and what other properties may be.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Comparison;
use super::view::{View, view};

/// What an object lets through besides its properties.
#[derive(Clone, Copy)]
enum Others<'d> {
    /// Anything.
    Open,
    /// What fits a schema.
    Of(&'d Value),
    Closed,
}

impl<'d> Comparison<'d> {
    pub(super) fn objects(&mut self, written: &'d Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        self.required(written, read)
            & self.properties(written, read)
            & self.dependencies(written, read)
            & self.others(written, read)
            & self.at_most(written, read, "maxProperties", "MAX_PROPERTIES_ADDED", "MAX_PROPERTIES_DECREASED")
            & self.at_least(written, read, "minProperties", "MIN_PROPERTIES_ADDED", "MIN_PROPERTIES_INCREASED")
    }

    fn required(&mut self, written: &Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        let (before, after) = (names(written), names(read));
        let mut readable = true;
        for name in after.difference(&before) {
            let property = property(read, name);
            // A property that is new is judged with the properties.
            let is_new = property.is_some() && self::property(written, name).is_none();
            if is_new || property.is_some_and(|property| property.get("default").is_some()) {
                continue;
            }
            readable &= self.within(&format!("required/{name}"), |all| {
                let text = format!("`{name}` may be missing in what is written, and the reader requires it");
                all.breaks("REQUIRED_ATTRIBUTE_ADDED", text, "leave it optional, or give it a `default`")
            });
        }
        readable
    }

    fn properties(&mut self, written: &'d Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        let of = |keywords: &'d Map<String, Value>| keywords.get("properties").and_then(Value::as_object);
        let names_of = |keywords| of(keywords).into_iter().flat_map(Map::keys);
        let all: BTreeSet<&String> = names_of(written).chain(names_of(read)).collect();
        let mut readable = true;
        for name in all {
            let (before, after) = (property(written, name), property(read, name));
            readable &= self.within(&format!("properties/{name}"), |all| match (before, after) {
                (Some(before), Some(after)) => all.schema(before, after),
                (Some(before), None) => all.property_removed(name, before, read),
                (None, Some(after)) => all.property_added(name, after, written, read),
                (None, None) => true,
            });
        }
        readable
    }

    /// The reader does not have the property any more: what counts is what it lets through.
    fn property_removed(&mut self, name: &str, before: &'d Value, read: &'d Map<String, Value>) -> bool {
        match others(read, name) {
            Others::Open => true,
            Others::Of(schema) => {
                self.schema(before, schema) || {
                    let text = format!(
                        "`{name}` may be written, and the reader's schema for other properties does not take it"
                    );
                    let help = "keep the property, or widen `additionalProperties`";
                    self.breaks("PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", text, help)
                }
            }
            Others::Closed if view(self.writer, before) == Some(View::Never) => true,
            Others::Closed => {
                let text = format!("`{name}` may be written, and the reader has no such property and takes no others");
                self.breaks("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", text, "keep the property")
            }
        }
    }

    /// The writer did not have the property: what counts is what it let through.
    fn property_added(
        &mut self,
        name: &str,
        after: &'d Value,
        written: &'d Map<String, Value>,
        read: &'d Map<String, Value>,
    ) -> bool {
        let covered = match others(written, name) {
            Others::Open if view(self.reader, after) == Some(View::Any) => return true,
            Others::Open => {
                let text = format!(
                    "the writer lets other properties through, so anything may have been written as `{name}`, \
                     and the reader wants a certain type"
                );
                let help =
                    "close the older version with `\"additionalProperties\": false`, or give the property no type";
                return self.breaks("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", text, help);
            }
            Others::Of(schema) => {
                self.schema(schema, after) || {
                    let text = format!(
                        "the writer's schema for other properties allows more for `{name}` than the reader takes"
                    );
                    let help = "give the property a type that takes what `additionalProperties` allowed";
                    self.breaks("PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", text, help)
                }
            }
            Others::Closed => true,
        };
        if names(read).contains(name) && after.get("default").is_none() {
            let text = format!("`{name}` is not written, and the reader requires it and has no default for it");
            let help = "leave it optional, or give it a `default`";
            return self.breaks("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", text, help);
        }
        covered
    }

    fn others(&mut self, written: &'d Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        let of = |keywords: &'d Map<String, Value>| keywords.get("additionalProperties").unwrap_or(&Value::Bool(true));
        self.within("additionalProperties", |all| match (of(written), of(read)) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => true,
            (_, Value::Bool(false)) => {
                let text = "other properties may be written, and the reader takes none";
                all.breaks("ADDITIONAL_PROPERTIES_REMOVED", text, "let the reader take other properties")
            }
            (Value::Bool(true), _) => {
                let text =
                    "other properties may be anything when they are written, and the reader wants a certain type";
                all.breaks("ADDITIONAL_PROPERTIES_NARROWED", text, "leave out the schema of `additionalProperties`")
            }
            (before, after) => all.schema(before, after),
        })
    }

    /// `dependencies` of the older drafts, `dependentRequired` and `dependentSchemas` of the newer.
    fn dependencies(&mut self, written: &'d Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        let mut readable = true;
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            let before = written.get(keyword).and_then(Value::as_object);
            for (name, after) in read.get(keyword).and_then(Value::as_object).into_iter().flatten() {
                let before = before.and_then(|before| before.get(name));
                readable &= self.within(&format!("{keyword}/{name}"), |all| all.dependency(name, before, after));
            }
        }
        readable
    }

    fn dependency(&mut self, name: &str, before: Option<&'d Value>, after: &'d Value) -> bool {
        let help = "ask for no more than the older version does";
        let text = format!("with `{name}`, the reader asks for more than the writer does");
        match (before, after) {
            (None, Value::Array(_)) => self.breaks("DEPENDENCY_ARRAY_ADDED", text, help),
            (None, _) => self.breaks("DEPENDENCY_SCHEMA_ADDED", text, help),
            (Some(Value::Array(before)), Value::Array(after)) => {
                if after.iter().all(|name| before.contains(name)) {
                    return true;
                }
                let extended = before.iter().all(|name| after.contains(name));
                let rule = if extended { "DEPENDENCY_ARRAY_EXTENDED" } else { "DEPENDENCY_ARRAY_CHANGED" };
                self.breaks(rule, text, help)
            }
            (Some(before), after) => self.schema(before, after),
        }
    }
}

fn property<'d>(keywords: &'d Map<String, Value>, name: &str) -> Option<&'d Value> {
    keywords.get("properties")?.get(name)
}

fn names(keywords: &Map<String, Value>) -> BTreeSet<&str> {
    keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What the object says of a property that it does not name.
fn others<'d>(keywords: &'d Map<String, Value>, name: &str) -> Others<'d> {
    let patterns = keywords.get("patternProperties").and_then(Value::as_object).filter(|patterns| !patterns.is_empty());
    let matches = |pattern: &str| regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name));
    if let Some((_, schema)) = patterns.into_iter().flatten().find(|(pattern, _)| matches(pattern)) {
        return Others::Of(schema);
    }
    match keywords.get("additionalProperties") {
        Some(Value::Bool(false)) => Others::Closed,
        Some(schema @ Value::Object(_)) => Others::Of(schema),
        // With patterns and none that matches, an object is not open to the registry, and no schema tells what is let through.
        _ if patterns.is_some() => Others::Closed,
        _ => Others::Open,
    }
}
