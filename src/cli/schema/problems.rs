//! How problems of event types are told: for people on stderr, or as JSON for machines.

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostics, Severity, codes};
use crate::schema::compat::{Check, Direction, Finding, Severity as Weight};
use crate::schema::place::Spot;
use crate::schema::{Language, principles};

use super::super::load;
use super::files::Loaded;

/// Prints the problems to stderr, unless machines read them.
pub(super) fn report(diagnostics: &Diagnostics, json: bool) {
    if !json {
        load::report(diagnostics);
    }
}

/// The problems, by place.
pub(super) fn to_json(diagnostics: &Diagnostics) -> Value {
    let one = |found: &&crate::diagnostic::Diagnostic| {
        let place = diagnostics.sources().place(found.span);
        json!({
            "code": found.code.id,
            "severity": if found.severity == Severity::Error { "error" } else { "warning" },
            "message": found.message,
            "help": found.help,
            "file": place.as_ref().map(|place| &place.path),
            "line": place.as_ref().map(|place| place.line),
            "column": place.as_ref().map(|place| place.column),
        })
    };
    diagnostics.sorted().iter().map(one).collect()
}

/// Adds what is against the principles.
pub(super) fn add_findings(found: Vec<principles::Finding>, version: &Loaded, diagnostics: &mut Diagnostics) {
    for finding in found {
        let span = version.span(&finding.spot);
        let report = match finding.severity {
            Severity::Error => diagnostics.error(finding.code, span, finding.message),
            Severity::Warning => diagnostics.warning(finding.code, span, finding.message),
        };
        report.help(finding.help);
    }
}

/// Adds what a comparison of two versions found. A finding's place is in the one that reads.
pub(super) fn add_check(check: &Check, old: &Loaded, new: &Loaded, diagnostics: &mut Diagnostics) {
    let (reader, writer) = match check.direction {
        Direction::Backward => (new, old),
        Direction::Forward => (old, new),
    };
    for finding in &check.findings {
        let span = reader.span(&spot(reader.definition.language(), &finding.path));
        let (reads, wrote) = (reader.called(), writer.called());
        // Where there is no caret, the path is the place.
        let told = if span.end > span.start { finding.text.clone() } else { finding.to_string() };
        let report = match finding.severity {
            Weight::Breaks => {
                let message = format!("{reads} cannot read what {wrote} wrote: {told}");
                diagnostics.error(&codes::SCHEMA_INCOMPATIBLE, span, message)
            }
            Weight::Caution => {
                let message = format!("{reads} reads what {wrote} wrote, but {told}");
                diagnostics.warning(&codes::SCHEMA_DOUBTFUL, span, message)
            }
        };
        let report = match &finding.help {
            Some(help) => report.help(help.as_str()),
            None => report,
        };
        report.help(format!("registries call this {}", finding.rule));
    }
}

/// What `compat::Finding::path` says, as a place to look for.
fn spot(language: Language, path: &str) -> Spot {
    if path.is_empty() {
        return Spot::Name;
    }
    match language {
        Language::Json => Spot::Path(path.trim_start_matches('#').replace('/', ".")),
        Language::Protobuf => match path.rsplit_once('.') {
            Some((owner, field)) => {
                let owner = owner.rsplit('.').next().unwrap_or(owner);
                Spot::FieldOf(owner.to_owned(), field.to_owned())
            }
            None => Spot::Field(vec![path.to_owned()]),
        },
        Language::Avro => {
            let names = path.split('.').map(|name| name.replace("[]", "").replace("{}", ""));
            Spot::Field(names.filter(|name| !name.is_empty()).collect())
        }
    }
}

/// A finding for machines.
pub(super) fn finding_json(finding: &Finding) -> Value {
    json!({
        "breaks": finding.severity == Weight::Breaks,
        "rule": finding.rule,
        "path": finding.path,
        "text": finding.text,
        "help": finding.help,
    })
}
