//! Changes of JSON Schemas: properties, what is required, types, values and bounds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Changes, Met};
use crate::schema::JsonSchema;
use crate::schema::compat::followed;

pub(super) fn compare(old: &JsonSchema, new: &JsonSchema, changes: &mut Changes) {
    let (old, new) = (old.document(), new.document());
    Comparison { old, new, met: Met::new() }.schemas(old, new, changes);
}

struct Comparison<'d> {
    old: &'d Value,
    new: &'d Value,
    met: Met<*const Value>,
}

/// Keywords whose values are told as they are.
const VALUES: &[&str] = &[
    "const",
    "default",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Keywords with schemas in them, of which it is told that they changed.
const OTHERS: &[&str] = &[
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "prefixItems",
    "additionalItems",
    "contains",
    "patternProperties",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
];

impl<'d> Comparison<'d> {
    fn schemas(&mut self, old: &'d Value, new: &'d Value, changes: &mut Changes) {
        let (old, new) = (followed(self.old, old), followed(self.new, new));
        if !self.met.first(std::ptr::from_ref(old), std::ptr::from_ref(new)) {
            return;
        }
        let (Value::Object(before), Value::Object(after)) = (old, new) else {
            if old != new {
                changes.changed(format!("changed from {} to {}", type_words(old), type_words(new)));
            }
            return;
        };
        let (was, is) = (type_words(old), type_words(new));
        if was != is {
            changes.changed(format!("type changed from {was} to {is}"));
        }
        let enumerated = |keywords: &Map<String, Value>| -> Vec<String> {
            let values = keywords.get("enum").and_then(Value::as_array).into_iter().flatten();
            values.map(|value| format!("{:.80}", value.to_string())).collect()
        };
        match (before.contains_key("enum"), after.contains_key("enum")) {
            (false, true) => changes.changed(format!("only these values now: {}", enumerated(after).join(", "))),
            (true, false) => changes.changed("no longer only certain values".to_owned()),
            _ => changes.lists("values", &enumerated(before), &enumerated(after)),
        }
        for keyword in VALUES {
            let of = |keywords: &Map<String, Value>| {
                keywords.get(*keyword).map(|value| format!("{:.80}", value.to_string()))
            };
            changes.option(&format!("`{keyword}`"), of(before), of(after));
        }
        for keyword in OTHERS.iter().filter(|keyword| before.get(**keyword) != after.get(**keyword)) {
            changes.changed(match (before.get(*keyword), after.get(*keyword)) {
                (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() != new.len() => {
                    format!("`{keyword}` has {} schemas, {} before", new.len(), old.len())
                }
                (None, _) => format!("`{keyword}` added"),
                (_, None) => format!("`{keyword}` removed"),
                _ => format!("`{keyword}` changed"),
            });
        }
        let text = |keywords: &'d Map<String, Value>| keywords.get("description").and_then(Value::as_str);
        changes.words(text(before), text(after));
        self.properties(before, after, changes);
        self.content(before, after, changes);
        if let (Some(before @ (Value::Object(_) | Value::Bool(_))), Some(after)) =
            (before.get("items"), after.get("items"))
        {
            changes.within("[]", |changes| self.schemas(before, after, changes));
        }
    }

    fn properties(&mut self, old: &'d Map<String, Value>, new: &'d Map<String, Value>, changes: &mut Changes) {
        let of = |keywords: &'d Map<String, Value>| keywords.get("properties").and_then(Value::as_object);
        let (before, after) = (of(old), of(new));
        let (was, is) = (required(old), required(new));
        let need = |required: &BTreeSet<&str>, name: &str| match required.contains(name) {
            true => "required",
            false => "optional",
        };
        for (name, property) in after.into_iter().flatten() {
            let old_property = before.and_then(|before| before.get(name));
            changes.within(name, |changes| match old_property {
                None => {
                    let words = type_words(followed(self.new, property));
                    changes.added(format!("added {} property: {words}", need(&is, name)));
                }
                Some(old_property) => {
                    match (was.contains(name.as_str()), is.contains(name.as_str())) {
                        (false, true) => changes.changed("required now".to_owned()),
                        (true, false) => changes.changed("optional now".to_owned()),
                        _ => {}
                    }
                    self.schemas(old_property, property, changes);
                }
            });
        }
        for (name, property) in before.into_iter().flatten() {
            if after.is_none_or(|after| !after.contains_key(name)) {
                let words = type_words(followed(self.old, property));
                let text = format!("removed {} property: {words}", need(&was, name));
                changes.within(name, |changes| changes.removed(text));
            }
        }
    }

    fn content(&mut self, old: &'d Map<String, Value>, new: &'d Map<String, Value>, changes: &mut Changes) {
        let of = |keywords: &'d Map<String, Value>| keywords.get("additionalProperties").unwrap_or(&Value::Bool(true));
        match (of(old), of(new)) {
            (before @ Value::Object(_), after @ Value::Object(_)) => {
                changes.within("{}", |changes| self.schemas(before, after, changes));
            }
            (before, after) if before == after => {}
            (_, Value::Bool(false)) => changes.changed("closed: other properties are refused now".to_owned()),
            (_, Value::Bool(true)) => changes.changed("open: other properties are let through now".to_owned()),
            (_, after) => {
                changes.changed(format!("other properties are {} now", type_words(followed(self.new, after))))
            }
        }
    }
}

fn required(keywords: &Map<String, Value>) -> BTreeSet<&str> {
    keywords.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// `string`, `string or null`, `array of integer`, `any`.
fn type_words(schema: &Value) -> String {
    let Some(keywords) = schema.as_object() else {
        return if *schema == Value::Bool(false) { "nothing".to_owned() } else { "any".to_owned() };
    };
    let name = match keywords.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ if keywords.contains_key("properties") => "object".to_owned(),
        _ => match ["enum", "const", "anyOf", "oneOf", "allOf"].iter().find(|keyword| keywords.contains_key(**keyword))
        {
            Some(keyword) => format!("`{keyword}`"),
            None => "any".to_owned(),
        },
    };
    match keywords.get("format").and_then(Value::as_str) {
        Some(format) => format!("{name} ({format})"),
        None => name,
    }
}
