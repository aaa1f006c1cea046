//! Why a registry did not do what it was asked.

use std::fmt;

use crate::limits::REGISTRY_REASON_CHARS_MAX;

/// A sentence for the user: what happened, the cause, and the way out. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryError {
    pub kind: ErrorKind,
    pub message: String,
}

/// What follows from an error of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It gave no answer, or none that counts: the same question may be answered later.
    Away,
    /// It knows no such subject, version or number.
    Unknown,
    /// It does not let us in.
    Denied,
    /// It does not take the schema.
    Refused,
    /// What it has there cannot be used: a schema that refers to itself, or in a language that is not known.
    Unusable,
    /// The settings, or what answers, cannot be used.
    Broken,
}

impl RegistryError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> RegistryError {
        RegistryError { kind, message: message.into() }
    }

    pub(super) fn broken(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Broken, message)
    }

    pub(super) fn unusable(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Unusable, message)
    }

    pub(super) fn unknown(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Unknown, message)
    }

    /// Whether the same question may be answered later.
    pub fn is_away(&self) -> bool {
        self.kind == ErrorKind::Away
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RegistryError {}

/// A text from outside on one line of bounded length, without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    let mut line = String::new();
    for (count, c) in text.trim().chars().enumerate() {
        if count == REGISTRY_REASON_CHARS_MAX {
            line.push_str(" ...");
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    line
}
