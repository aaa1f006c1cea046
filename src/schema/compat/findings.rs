//! What a comparison finds, and the list that it is gathered in: of a bounded length, and with a way to take back what was only tried.
//! And what it remembers, so that no pair of types is looked at twice.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

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

    /// The first that breaks of what was found since and kept.
    pub(super) fn first_break_since(&self, mark: Mark) -> Option<&Finding> {
        self.kept.iter().skip(mark.kept).find(|finding| finding.severity == Severity::Breaks)
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

/// What is known of pairs of types (the reader's and the writer's) that were compared, or are: each is looked at once, however often
/// it is used, and may contain itself.
pub(super) struct Pairs<T> {
    known: HashMap<(T, T), Pair>,
    /// The pairs that were found readable, in their order.
    settled: Vec<(T, T)>,
}

/// What is known of one.
#[derive(Clone)]
pub(super) enum Pair {
    /// It is being compared; where it comes again within itself it is taken to be readable.
    Open,
    Readable,
    /// And what was first found to be in the way, with its place.
    Unreadable(Option<Box<Finding>>),
}

/// A comparison of a pair that has begun.
pub(super) struct Begun {
    settled: usize,
    findings: Mark,
}

impl<T: Copy + Eq + Hash> Pairs<T> {
    pub(super) fn new() -> Pairs<T> {
        Pairs { known: HashMap::new(), settled: Vec::new() }
    }

    /// `Err`: what is known of the pair, which is not to be compared again.
    pub(super) fn begin(&mut self, pair: (T, T), findings: &Findings) -> Result<Begun, Pair> {
        if let Some(known) = self.known.get(&pair) {
            return Err(known.clone());
        }
        self.known.insert(pair, Pair::Open);
        Ok(Begun { settled: self.settled.len(), findings: findings.mark() })
    }

    pub(super) fn end(&mut self, pair: (T, T), begun: Begun, is_readable: bool, findings: &Findings) {
        if is_readable {
            self.known.insert(pair, Pair::Readable);
            self.settled.push(pair);
            return;
        }
        // What was found readable in the meantime may have been so only because this pair was taken to be.
        for pair in self.settled.drain(begun.settled..) {
            self.known.remove(&pair);
        }
        let why = findings.first_break_since(begun.findings).cloned().map(Box::new);
        self.known.insert(pair, Pair::Unreadable(why));
    }
}

impl Pair {
    /// Whether it can be read; if not, a finding at another place than the first is added.
    pub(super) fn again(self, path: &str, findings: &mut Findings) -> bool {
        let Pair::Unreadable(why) = self else { return true };
        findings.add(match why {
            // It was found there in an attempt that came to nothing.
            Some(why) if why.path == path => *why,
            Some(why) => Finding { text: format!("as at `{}`: {}", why.path, why.text), path: path.to_owned(), ..*why },
            None => Finding::breaks("TYPE_MISMATCH", path, "it cannot be read here either"),
        });
        false
    }
}
