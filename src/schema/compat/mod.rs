//! Verdicts: can one version of an event type read what another one wrote, and may a new version follow those before it.
//!
//! `check` is the question of a registry: a new version, the versions before it, and one of seven modes. `can_read` is the question
//! that it is made of. Avro goes by the resolution rules of its specification, JSON Schema and Protobuf by those that Confluent's
//! Schema Registry publishes; a finding has the name that the registry gives it, so that it can be looked up.

mod avro;
mod findings;
mod json;
mod protobuf;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::findings::{Finding, Severity};
pub(super) use self::json::followed;

use super::Definition;

/// What a new version must be able to do. A mode that is not transitive looks at the last version before it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    None,
    /// The new version reads what the last one wrote: readers go first.
    Backward,
    BackwardTransitive,
    /// The last version reads what the new one writes: writers go first.
    Forward,
    ForwardTransitive,
    /// Both: in any order.
    Full,
    FullTransitive,
}

/// Which of the two versions reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The new one reads what the old one wrote.
    Backward,
    /// The old one reads what the new one writes.
    Forward,
}

/// The verdict on a new version.
#[derive(Clone, Debug)]
pub struct Report {
    pub mode: Mode,
    /// One for each version and direction that the mode looks at, the last version first.
    pub checks: Vec<Check>,
}

/// One version of the history in one direction.
#[derive(Clone, Debug)]
pub struct Check {
    /// Which version: an index into the history.
    pub against: usize,
    pub direction: Direction,
    pub findings: Vec<Finding>,
}

/// Whether a new version may follow those before it, of which the oldest is the first.
pub fn check(mode: Mode, new: &Definition, history: &[&Definition]) -> Report {
    let reach = if mode.is_transitive() { history.len() } else { 1 };
    let mut checks = Vec::new();
    for (against, old) in history.iter().enumerate().rev().take(reach) {
        for &direction in mode.directions() {
            let findings = match direction {
                Direction::Backward => can_read(new, old),
                Direction::Forward => can_read(old, new),
            };
            checks.push(Check { against, direction, findings });
        }
    }
    Report { mode, checks }
}

/// What stands in the way of `reader` reading what `writer` wrote, and what should be known if nothing does. A finding's place is in
/// the reader.
pub fn can_read(reader: &Definition, writer: &Definition) -> Vec<Finding> {
    match (reader, writer) {
        (Definition::Avro(reader), Definition::Avro(writer)) => avro::can_read(reader, writer),
        (Definition::Json(reader), Definition::Json(writer)) => json::can_read(reader, writer),
        (Definition::Protobuf(reader), Definition::Protobuf(writer)) => {
            protobuf::can_read(&reader.model, &writer.model)
        }
        (reader, writer) => {
            let why = format!("it is {}, and what is read was written by {}", reader.language(), writer.language());
            vec![Finding::breaks("SCHEMA_TYPE_CHANGED", "", why)]
        }
    }
}

impl Report {
    /// Whether nothing stands in the way.
    pub fn is_compatible(&self) -> bool {
        self.checks.iter().all(Check::is_compatible)
    }
}

impl Check {
    pub fn is_compatible(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Breaks)
    }
}

impl Mode {
    pub const ALL: [Mode; 7] = [
        Mode::None,
        Mode::Backward,
        Mode::BackwardTransitive,
        Mode::Forward,
        Mode::ForwardTransitive,
        Mode::Full,
        Mode::FullTransitive,
    ];

    /// By its name in any case: `BACKWARD`, `full_transitive`.
    pub fn of(name: &str) -> Option<Mode> {
        Mode::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    /// As registries call it.
    pub fn name(self) -> &'static str {
        match self {
            Mode::None => "NONE",
            Mode::Backward => "BACKWARD",
            Mode::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Mode::Forward => "FORWARD",
            Mode::ForwardTransitive => "FORWARD_TRANSITIVE",
            Mode::Full => "FULL",
            Mode::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether it looks at all versions before, and not at the last one alone.
    pub fn is_transitive(self) -> bool {
        matches!(self, Mode::BackwardTransitive | Mode::ForwardTransitive | Mode::FullTransitive)
    }

    /// Who must be able to read what.
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Mode::None => &[],
            Mode::Backward | Mode::BackwardTransitive => &[Direction::Backward],
            Mode::Forward | Mode::ForwardTransitive => &[Direction::Forward],
            Mode::Full | Mode::FullTransitive => &[Direction::Backward, Direction::Forward],
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Backward => "the new version reads what the old one wrote",
            Direction::Forward => "the old version reads what the new one writes",
        })
    }
}
