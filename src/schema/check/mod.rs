//! Whether events are what their type says. A schema's rules look at whole columns, by the kinds of cells in them, and at single cells
//! where that does not tell; whom they do not surely let pass, the validator judges and finds words for.

mod compile;
mod quick;
mod rule;
mod shape;
mod watch;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::event::json::{self, members};
use crate::event::{Batch, Layout, Path};
use crate::limits::JSON_DEPTH_MAX;

use self::rule::Rule;
use self::watch::Watched;
use super::Shape;

/// Checks events. Cloning it shares everything.
#[derive(Clone)]
pub struct Checker(Arc<Check>);

struct Check {
    validator: jsonschema::Validator,
    /// The fields of the event that the validator sees; all, where it is not told.
    fields: Option<BTreeSet<Arc<str>>>,
    /// What an event surely may be, if a rule can say it.
    rule: Option<Rule>,
    /// The same for columns; `None`: it takes the whole event.
    watched: Option<Vec<Watched>>,
}

impl Checker {
    /// Checks events against a JSON Schema, which says nothing but of these paths. `Err`: it is none.
    pub fn new(document: &Value, paths: Option<&BTreeSet<Path>>) -> Result<Checker, String> {
        let validator = jsonschema::validator_for(document).map_err(|error| error.to_string())?;
        let rule = compile::rule(document);
        let watched = rule.as_ref().and_then(|rule| watch::columns(rule, paths));
        let fields = paths.map(|paths| paths.iter().filter_map(|path| path.first().cloned()).collect());
        Ok(Checker(Arc::new(Check { validator, fields, rule, watched })))
    }

    /// Checks that the events of a type, or these paths of them, have the values that expressions expect. Fields that the type does not
    /// know are let pass.
    pub fn of_shape(shape: &Shape, paths: Option<&BTreeSet<Path>>) -> Result<Checker, String> {
        Checker::new(&shape::document(shape, paths), paths)
    }

    /// The paths that should be columns of a batch, so that not each event has to be read again.
    pub fn reads(&self) -> impl Iterator<Item = Path> {
        self.0.watched.iter().flatten().map(|watched| watched.path.clone())
    }

    /// The check of batches of a layout, whose body is a text.
    pub fn bind(&self, layout: &Layout) -> Checking {
        let slot = |watched: &Watched| layout.slots.iter().position(|path| path.as_ref() == Some(&watched.path));
        let slots = self.0.watched.as_ref().and_then(|all| all.iter().map(slot).collect());
        Checking { checker: self.clone(), slots }
    }

    /// `Err`: what is wrong with the event (the text of an object), and where in it.
    pub fn check(&self, event: &[u8]) -> Result<(), String> {
        let is_seen = |name: &str| self.0.fields.as_ref().is_none_or(|fields| fields.contains(name));
        let fields = members(event).filter(|(name, _)| is_seen(name));
        let event = Value::Object(fields.map(|(name, value)| (name.into_owned(), to_serde(value, 1))).collect());
        self.0.validator.validate(&event).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!("at `{place}`: ") };
            format!("{place}{:.300}", error.to_string())
        })
    }
}

/// A checker that knows where in batches the paths are.
pub struct Checking {
    checker: Checker,
    /// The columns of what is watched, in its order. `None`: each event is read again.
    slots: Option<Vec<usize>>,
}

impl Checking {
    /// The rows of selected events that are refused, in order, and why.
    pub fn refused(&self, batch: &Batch) -> Vec<(u32, String)> {
        let why = |row: u32| {
            let text = batch.cell(0, row).text_ref()?;
            self.checker.check(batch.texts.bytes(text)).err().map(|why| (row, why))
        };
        self.unsure(batch).into_iter().filter_map(why).collect()
    }

    /// The rows that the rules do not let pass, in order.
    fn unsure(&self, batch: &Batch) -> Vec<u32> {
        let check = &*self.checker.0;
        let mut unsure = Vec::new();
        match (&self.slots, &check.watched, &check.rule) {
            (Some(slots), Some(watched), _) => {
                for (column, &slot) in watched.iter().zip(slots) {
                    let within = column.within.and_then(|within| slots.get(within)).copied();
                    column.unsure(batch, slot, within, &mut unsure);
                }
                unsure.sort_unstable();
                unsure.dedup();
            }
            (_, _, Some(rule)) => {
                let is_unsure = |row: &u32| !rule.allows_cell(batch.cell(0, *row), &batch.texts);
                unsure.extend(batch.selection.iter().filter(is_unsure));
            }
            (_, _, None) => unsure.extend(batch.selection.iter()),
        }
        unsure
    }
}

/// What is left of the paths that begin with a name.
pub(super) fn behind<'p>(paths: &[&'p [Arc<str>]], name: &str) -> Vec<&'p [Arc<str>]> {
    paths
        .iter()
        .filter_map(|path| path.split_first())
        .filter(|(first, _)| ***first == *name)
        .map(|(_, rest)| rest)
        .collect()
}

/// A value for the validator. A number beyond f64 counts as the greatest float.
fn to_serde(value: json::Value<'_>, depth: usize) -> Value {
    match value {
        json::Value::Null => Value::Null,
        json::Value::Bool(value) => value.into(),
        json::Value::Int(value) => value.into(),
        json::Value::Number(text) => {
            if let Some(value) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok()) {
                return value.into();
            }
            let greatest = || if text.first() == Some(&b'-') { f64::MIN } else { f64::MAX };
            json::number_to_f64(text).unwrap_or_else(greatest).into()
        }
        json::Value::Str(_) | json::Value::Escaped(_) => value.as_str().unwrap_or_default().into(),
        json::Value::Json(_) if depth > JSON_DEPTH_MAX => Value::Null,
        json::Value::Json(text) if text.first() == Some(&b'[') => {
            json::items(text).map(|item| to_serde(item, depth + 1)).collect()
        }
        json::Value::Json(text) => {
            let fields = members(text).map(|(name, value)| (name.into_owned(), to_serde(value, depth + 1)));
            Value::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests;
