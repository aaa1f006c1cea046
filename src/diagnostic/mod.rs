//! Problems as data: where they are, what they are called, and how they are shown.
//!
//! Nothing else in the product formats an error about a file for people. A room reports a problem here and goes on, so that
//! all of a file's problems are told in one go.

pub mod codes;
mod reads;
mod reference;
mod render;
mod sources;

use std::collections::{HashMap, HashSet};
use std::path::Path;

pub use codes::Code;
pub use reads::{Content, FileRead};
pub use reference::reference;
pub use render::Style;
pub(crate) use sources::floor;
pub use sources::{FileId, Place, Sources, Span};

use crate::limits::{DIAGNOSTICS_KEPT_MAX, DIAGNOSTICS_SHOWN_MAX, SUGGESTION_CHARS_MAX};

/// How bad a problem is: an error forbids the topology, a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One problem: what it is called, where it is, its cause and the ways out.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub code: &'static Code,
    pub severity: Severity,
    pub span: Span,
    pub message: String,
    /// What the caret says, where the message alone does not.
    pub label: Option<String>,
    /// Other places that matter, each with its text.
    pub secondary: Vec<(Span, String)>,
    pub help: Vec<String>,
    /// The line is no help: the file could not be read.
    pub without_source: bool,
}

/// The problems found so far, and the texts of the files they are in.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    sources: Sources,
    found: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// The last of those that are counted and not kept.
    beyond: Option<Box<Diagnostic>>,
    reads: Vec<FileRead>,
    /// By path: texts that are read in place of what the files have now.
    remembered: HashMap<String, String>,
}

/// A problem just reported, to which labels and help can be added.
pub struct Report<'a>(&'a mut Diagnostic);

impl Report<'_> {
    /// A way out: what to write instead, or what to do.
    pub fn help(self, text: impl Into<String>) -> Self {
        self.0.help.push(text.into());
        self
    }

    /// "did you mean" if one of the candidates is near to what was written.
    pub fn suggest<'c>(self, name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Self {
        match did_you_mean(name, candidates) {
            Some(near) => {
                let text = format!("did you mean `{near}`?");
                self.help(text)
            }
            None => self,
        }
    }

    /// The text at the caret.
    pub fn label(self, text: impl Into<String>) -> Self {
        self.0.label = Some(text.into());
        self
    }

    /// Shows the place without its line.
    pub fn without_source(self) -> Self {
        self.0.without_source = true;
        self
    }

    /// Another place that matters.
    pub fn also(self, span: Span, text: impl Into<String>) -> Self {
        self.0.secondary.push((span, text.into()));
        self
    }
}

impl Diagnostics {
    pub fn new() -> Self {
        Self::default()
    }

    /// For files as they were: these texts, by path, are read in their place.
    pub fn remembering(texts: HashMap<String, String>) -> Self {
        Diagnostics { remembered: texts, ..Self::default() }
    }

    /// The text that is read in place of a file, if there is one.
    pub fn remembered(&self, path: &Path) -> Option<&str> {
        self.remembered.get(&path.display().to_string()).map(String::as_str)
    }

    /// Registers a file, so that spans can point into it.
    pub fn add_file(&mut self, path: impl Into<String>, text: impl Into<std::sync::Arc<str>>) -> FileId {
        self.sources.add(path.into(), text.into())
    }

    /// From now on no report shows what stands there: it is a secret.
    pub fn hide(&mut self, span: Span) {
        self.sources.hide(span);
    }

    /// The files registered so far. Cheap to clone; a run keeps a copy to tell the places of errors.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    pub fn error(&mut self, code: &'static Code, span: Span, message: impl Into<String>) -> Report<'_> {
        self.push(Severity::Error, code, span, message.into())
    }

    pub fn warning(&mut self, code: &'static Code, span: Span, message: impl Into<String>) -> Report<'_> {
        self.push(Severity::Warning, code, span, message.into())
    }

    fn push(&mut self, severity: Severity, code: &'static Code, span: Span, message: String) -> Report<'_> {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        let diagnostic = Diagnostic {
            code,
            severity,
            span,
            message,
            label: None,
            secondary: Vec::new(),
            help: Vec::new(),
            without_source: false,
        };
        if self.found.len() < DIAGNOSTICS_KEPT_MAX {
            let last = self.found.len();
            self.found.push(diagnostic);
            Report(&mut self.found[last])
        } else {
            Report(self.beyond.insert(Box::new(diagnostic)))
        }
    }

    /// Those that others did not find too, at the same place of the same text.
    pub fn beyond(mut self, others: &Diagnostics) -> Diagnostics {
        let known: HashSet<_> = others.found.iter().map(|d| (d.code.id, d.span, d.message.as_str())).collect();
        self.found.retain(|d| !known.contains(&(d.code.id, d.span, d.message.as_str())));
        self.errors = self.found.iter().filter(|d| d.severity == Severity::Error).count();
        self.warnings = self.found.len() - self.errors;
        self
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were reported, repetitions counted.
    pub fn errors(&self) -> usize {
        self.errors
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Errors and warnings, each place and text counted once.
    pub fn count(&self) -> (usize, usize) {
        let sorted = self.sorted();
        let errors = sorted.iter().filter(|d| d.severity == Severity::Error).count();
        let (kept, beyond) = (self.found.len(), self.errors + self.warnings);
        // What was not kept cannot be told apart.
        let more = beyond.saturating_sub(kept);
        (errors + more, sorted.len() - errors)
    }

    /// What was found, in the order of reporting.
    pub fn found(&self) -> &[Diagnostic] {
        &self.found
    }

    /// What was found, by file and place, without repetitions.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut seen = HashSet::new();
        let mut sorted: Vec<&Diagnostic> =
            self.found.iter().filter(|d| seen.insert((d.code.id, d.span, d.message.as_str()))).collect();
        sorted.sort_by_key(|d| (d.span.file, d.span.start, d.span.end, d.severity));
        sorted
    }

    /// The problems as text for people, by place, with a bound on how many are shown.
    pub fn render(&self, style: Style) -> String {
        let sorted = self.sorted();
        let mut out = String::new();
        for diagnostic in sorted.iter().take(DIAGNOSTICS_SHOWN_MAX) {
            out.push_str(&render::one(&self.sources, diagnostic, style));
            out.push_str("\n\n");
        }
        let all = sorted.len() + (self.errors + self.warnings - self.found.len());
        if all > DIAGNOSTICS_SHOWN_MAX {
            let more = all - DIAGNOSTICS_SHOWN_MAX;
            out.push_str(&format!("... and {more} more problems, not shown\n"));
        }
        out
    }
}

/// The candidate that `name` was most likely meant to be, if one is near.
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if name.chars().nth(SUGGESTION_CHARS_MAX).is_some() {
        return None;
    }
    let wanted = name.to_lowercase();
    let far = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && candidate.len() <= 4 * SUGGESTION_CHARS_MAX)
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let prefix = wanted.len() >= 3 && (lower.starts_with(&wanted) || wanted.starts_with(&lower));
            // `amnt` for `amount`.
            let short =
                wanted.len() >= 3 && distance <= 3 && wanted.get(..1) == lower.get(..1) && is_within(&wanted, &lower);
            let near = distance <= far || (prefix && distance <= 6) || short;
            near.then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether the one is the other with letters left out.
fn is_within(short: &str, long: &str) -> bool {
    let mut left = long.chars();
    short.chars().all(|wanted| left.any(|found| found == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_near_and_nothing_else() {
        let fields = ["amount", "user", "merchant"];
        assert_eq!(did_you_mean("amuont", fields), Some("amount"));
        assert_eq!(did_you_mean("usr", fields), Some("user"));
        assert_eq!(did_you_mean("amnt", fields), Some("amount"));
        assert_eq!(did_you_mean("mrchnt", fields), Some("merchant"));
        assert_eq!(did_you_mean("country", fields), None);
        assert_eq!(did_you_mean("x", ["y"]), Some("y"));
    }

    #[test]
    fn sorts_by_place_and_drops_repetitions() {
        let mut diagnostics = Diagnostics::new();
        let file = diagnostics.add_file("a.yaml", "one\ntwo\n");
        diagnostics.error(&codes::UNKNOWN_KEY, Span::new(file, 4, 7), "b");
        diagnostics.error(&codes::UNKNOWN_KEY, Span::new(file, 0, 3), "a");
        diagnostics.error(&codes::UNKNOWN_KEY, Span::new(file, 4, 7), "b");
        let messages: Vec<_> = diagnostics.sorted().iter().map(|d| d.message.clone()).collect();
        assert_eq!(messages, ["a", "b"]);
        assert_eq!(diagnostics.count(), (2, 0));
    }
}
