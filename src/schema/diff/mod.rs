//! What changed from one version of an event type to another, in words: for people who review a change, where `compat` has the verdict.

mod avro;
mod json;
mod protobuf;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use super::Definition;
use crate::limits::{DIFF_CHANGES_MAX, DIFF_DEPTH_MAX};

/// A difference between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    /// Where: `merchant.country`, `[]` in an array, `{}` in a map; in Protobuf a message stands first: `Payment.country`. Empty: the whole.
    pub path: String,
    /// In words: `added optional string, default ""`.
    pub text: String,
}

/// Whether there is more or less than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// The changes that make the new version of the old one, in the order of the new one's fields; removed fields come behind those that stay.
/// What is beyond `DIFF_CHANGES_MAX` is left out.
pub fn changes(old: &Definition, new: &Definition) -> Vec<Change> {
    let mut changes = Changes::default();
    match (old, new) {
        (Definition::Avro(old), Definition::Avro(new)) => avro::compare(old, new, &mut changes),
        (Definition::Json(old), Definition::Json(new)) => json::compare(old, new, &mut changes),
        (Definition::Protobuf(old), Definition::Protobuf(new)) => {
            protobuf::compare(&old.model, &new.model, &mut changes)
        }
        (old, new) => changes.changed(format!("the language changed from {} to {}", old.language(), new.language())),
    }
    changes.found
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
        };
        match self.path.is_empty() {
            true => write!(f, "{sign} {}", self.text),
            false => write!(f, "{sign} `{}`: {}", self.path, self.text),
        }
    }
}

/// The changes found so far, and where the walk over both versions is.
#[derive(Default)]
struct Changes {
    found: Vec<Change>,
    path: String,
    depth: usize,
}

impl Changes {
    fn add(&mut self, kind: ChangeKind, text: String) {
        if self.found.len() < DIFF_CHANGES_MAX {
            self.found.push(Change { kind, path: self.path.clone(), text });
        }
    }

    fn added(&mut self, text: String) {
        self.add(ChangeKind::Added, text);
    }

    fn removed(&mut self, text: String) {
        self.add(ChangeKind::Removed, text);
    }

    fn changed(&mut self, text: String) {
        self.add(ChangeKind::Changed, text);
    }

    /// What is only in one of two lists, told in one change each.
    fn lists(&mut self, what: &str, old: &[String], new: &[String]) {
        let known: HashSet<&String> = old.iter().collect();
        let kept: HashSet<&String> = new.iter().collect();
        let more: Vec<&str> = new.iter().filter(|item| !known.contains(item)).map(String::as_str).collect();
        let less: Vec<&str> = old.iter().filter(|item| !kept.contains(item)).map(String::as_str).collect();
        if !more.is_empty() {
            self.added(format!("{what} added: {}", more.join(", ")));
        }
        if !less.is_empty() {
            self.removed(format!("{what} removed: {}", less.join(", ")));
        }
    }

    /// A value that is there or not.
    fn option(&mut self, what: &str, old: Option<String>, new: Option<String>) {
        match (old, new) {
            (Some(old), Some(new)) if old != new => self.changed(format!("{what} changed from {old} to {new}")),
            (None, Some(new)) => self.changed(format!("{what} added: {new}")),
            (Some(old), None) => self.changed(format!("{what} removed; it was {old}")),
            _ => {}
        }
    }

    /// Words about it, which are not repeated.
    fn words(&mut self, old: Option<&str>, new: Option<&str>) {
        if old != new {
            self.changed("its description changed".to_owned());
        }
    }

    /// Goes on at a place within this one; below a depth nothing is compared any more.
    fn within(&mut self, step: &str, go_on: impl FnOnce(&mut Self)) {
        if self.depth >= DIFF_DEPTH_MAX {
            return;
        }
        let before = self.path.len();
        if before > 0 && !step.starts_with(['[', '{']) {
            self.path.push('.');
        }
        self.path.push_str(step);
        self.depth += 1;
        go_on(self);
        self.depth -= 1;
        self.path.truncate(before);
    }
}

/// Pairs that have been compared: a type that contains itself is looked at once.
struct Met<T>(HashSet<(T, T)>);

impl<T: Eq + Hash> Met<T> {
    fn new() -> Met<T> {
        Met(HashSet::new())
    }

    /// Whether it is the first time.
    fn first(&mut self, old: T, new: T) -> bool {
        self.0.insert((old, new))
    }
}

#[cfg(test)]
mod tests;
