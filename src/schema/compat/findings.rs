//! What a comparison finds, and the list that it is gathered in: of a bounded length, and with a way to take back what was only tried.

use std::fmt;

use crate::limits::COMPAT_FINDINGS_MAX;

/// Something that a reader does with what a writer wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Its name, as registries use it: `READER_FIELD_MISSING_DEFAULT_VALUE`.
    pub rule: &'static str,
    /// Where in the reader: `merchant.country` (Avro; `[]` is in an array, `{}` in a map), `#/properties/country` (JSON Schema),
    /// `Payment.country` (Protobuf). Empty: the whole.
    pub path: String,
    /// What is wrong, in plain words.
    pub text: String,
    /// The way out.
    pub help: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Not everything that is written can be read.
    Breaks,
    /// The rules allow it, and yet a value may not be read as it was meant.
    Caution,
}

impl Finding {
    pub(super) fn breaks(rule: &'static str, path: &str, text: impl Into<String>) -> Finding {
        Finding { severity: Severity::Breaks, rule, path: path.into(), text: text.into(), help: None }
    }

    pub(super) fn caution(rule: &'static str, path: &str, text: impl Into<String>) -> Finding {
        Finding { severity: Severity::Caution, ..Finding::breaks(rule, path, text) }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Finding {
        Finding { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => write!(f, "{}", self.text),
            false => write!(f, "`{}`: {}", self.path, self.text),
        }
    }
}

/// The findings of one comparison.
#[derive(Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    /// How many there are of each, also of those that are not kept for want of room.
    breaks: usize,
    cautions: usize,
}

/// A place in the list to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    kept: usize,
    breaks: usize,
    cautions: usize,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        // Each has a room of its own: cautions must not keep out what breaks.
        let count = match finding.severity {
            Severity::Breaks => &mut self.breaks,
            Severity::Caution => &mut self.cautions,
        };
        *count += 1;
        if *count <= COMPAT_FINDINGS_MAX {
            self.kept.push(finding);
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { kept: self.kept.len(), breaks: self.breaks, cautions: self.cautions }
    }

    /// Takes what was found since out of the list.
    pub(super) fn take_since(&mut self, mark: Mark) -> Vec<Finding> {
        (self.breaks, self.cautions) = (mark.breaks, mark.cautions);
        self.kept.split_off(mark.kept.min(self.kept.len()))
    }

    pub(super) fn into_list(self) -> Vec<Finding> {
        self.kept
    }
}
