//! What the table of pairs does not show: cautions, words, types that contain each other, and bounds.

use super::*;
use crate::limits::COMPAT_FINDINGS_MAX;
use crate::schema::Language;

fn parse(language: Language, text: &str) -> Definition {
    Definition::parse(language, text, Some("Paid"), &[]).unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

fn found(language: Language, reader: &str, writer: &str) -> Vec<Finding> {
    can_read(&parse(language, reader), &parse(language, writer))
}

fn rules(findings: &[Finding], severity: Severity) -> Vec<(&'static str, &str)> {
    findings.iter().filter(|found| found.severity == severity).map(|found| (found.rule, &*found.path)).collect()
}

#[test]
fn modes_have_the_names_that_registries_use() {
    for mode in Mode::ALL {
        assert_eq!(Mode::of(&mode.name().to_lowercase()), Some(mode));
    }
    assert_eq!(Mode::of("BACKWARDS"), None);
    let versions: Vec<Definition> = ["\"int\"", "\"long\"", "\"double\""].map(|ty| parse(Language::Avro, ty)).into();
    let report = check(Mode::FullTransitive, &versions[2], &[&versions[0], &versions[1]]);
    let looked_at: Vec<_> = report.checks.iter().map(|check| (check.against, check.direction)).collect();
    use Direction::{Backward, Forward};
    assert_eq!(looked_at, [(1, Backward), (1, Forward), (0, Backward), (0, Forward)]);
    assert_eq!(check(Mode::Full, &versions[2], &[]).checks.len(), 0);
}

/// `B` is readable only if `A` is. While `A` is tried as the first branch of a union it is taken to be, and it is not.
#[test]
fn what_was_found_readable_under_an_assumption_falls_with_it() {
    let writer = r#"{"type":"record","name":"Paid","fields":[
        {"name":"x","type":{"type":"record","name":"A","fields":[
            {"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}},
            {"name":"f","type":"string"}]}},
        {"name":"y","type":"B"}]}"#;
    let reader = r#"{"type":"record","name":"Paid","fields":[
        {"name":"x","type":[
            {"type":"record","name":"p.A","fields":[
                {"name":"b","type":{"type":"record","name":"p.B","fields":[{"name":"a","type":["null","p.A"]}]}},
                {"name":"f","type":"int"}]},
            {"type":"record","name":"q.A","fields":[]}]},
        {"name":"y","type":"p.B"}]}"#;
    let findings = found(Language::Avro, reader, writer);
    assert_eq!(rules(&findings, Severity::Breaks), [("TYPE_MISMATCH", "y.a")]);
}

#[test]
fn what_the_rules_allow_and_yet_changes_values_is_a_caution() {
    let event = |ty: &str| format!(r#"{{"type":"record","name":"Paid","fields":[{{"name":"n","type":{ty}}}]}}"#);
    let cautions = |reader: &str, writer: &str| {
        let findings = found(Language::Avro, &event(reader), &event(writer));
        assert!(rules(&findings, Severity::Breaks).is_empty(), "{findings:?}");
        findings.into_iter().map(|finding| (finding.rule, finding.path)).collect::<Vec<_>>()
    };
    let time = |unit: &str| format!(r#"{{"type":"long","logicalType":"timestamp-{unit}"}}"#);
    let at = |rule| vec![(rule, "n".to_owned())];
    assert_eq!(cautions(&time("micros"), &time("millis")), at("LOGICAL_TYPE_CHANGED"));
    assert_eq!(cautions(&time("millis"), "\"long\""), []);
    assert_eq!(cautions("\"double\"", "\"long\""), at("PROMOTED"));
    assert_eq!(cautions("\"double\"", "\"int\""), []);
    assert_eq!(cautions("[\"null\", \"string\"]", "\"bytes\""), at("PROMOTED"));
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4}"#;
    assert_eq!(cautions("\"bytes\"", decimal), at("LOGICAL_TYPE_CHANGED"));
    let symbols = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":{symbols},"default":"A"}}"#);
    assert_eq!(cautions(&symbols(r#"["A"]"#), &symbols(r#"["A","B"]"#)), at("MISSING_ENUM_SYMBOLS"));

    let other = r#"{"type":"object","properties":{"at":{"type":"string","format":"date"}}}"#;
    let one = r#"{"type":"object","properties":{"at":{"type":"string"}}}"#;
    let findings = found(Language::Json, other, one);
    assert_eq!(rules(&findings, Severity::Caution), [("NOT_COMPARED", "#/properties/at")]);
}

#[cfg(feature = "schemas")]
#[test]
fn a_free_number_of_a_removed_field_is_a_caution() {
    let message = |fields: &str| format!("syntax = \"proto3\"; message Paid {{ {fields} }}");
    let cautions = |reader: &str, writer: &str| {
        let findings = found(Language::Protobuf, &message(reader), &message(writer));
        assert!(rules(&findings, Severity::Breaks).is_empty(), "{findings:?}");
        findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(cautions("int32 a = 1;", "int32 a = 1; int32 b = 2;"), ["FIELD_REMOVED"]);
    assert_eq!(cautions("int32 a = 1; reserved 2;", "int32 a = 1; int32 b = 2;"), [""; 0]);
    assert_eq!(cautions("int32 a = 1; int32 c = 2;", "int32 a = 1; reserved 2;"), ["RESERVED_REUSED"]);
    assert_eq!(cautions("int32 a = 1;", "int64 a = 1;"), ["FIELD_NARROWED"]);
    assert_eq!(cautions("int32 b = 1;", "int32 a = 1;"), ["FIELD_NAME_CHANGED"]);
    assert_eq!(cautions("string a = 1;", "repeated string a = 1;"), ["FIELD_STRING_OR_BYTES_LABEL_CHANGED"]);
}

#[test]
fn findings_say_what_is_wrong_and_what_to_do() {
    let reader = r#"{"type":"record","name":"Paid","fields":[{"name":"note","type":"string"}]}"#;
    let findings = found(Language::Avro, reader, r#"{"type":"record","name":"Paid","fields":[]}"#);
    assert_eq!(findings[0].to_string(), "`note`: `note` is not written, and the reader has no default for it");
    assert!(findings[0].help.as_deref().is_some_and(|help| help.starts_with("give the field a `default`")));
}

#[test]
fn a_comparison_is_bounded() {
    // Each level refers twice to the next: a walk that forgets where it was would double with each.
    let levels = |ty: &str| {
        let level = |at: usize| {
            let next = at + 1;
            format!(
                r##""l{at}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/l{next}"}},"b":{{"$ref":"#/$defs/l{next}"}}}}}}"##
            )
        };
        let defs: Vec<String> = (0..40).map(level).collect();
        format!(r##"{{"$ref":"#/$defs/l0","$defs":{{{},"l40":{{"type":"{ty}"}}}}}}"##, defs.join(","))
    };
    let findings = found(Language::Json, &levels("integer"), &levels("integer"));
    assert!(rules(&findings, Severity::Breaks).len() <= COMPAT_FINDINGS_MAX);

    let fields = |ty: &str| {
        let fields: Vec<String> = (0..1_000).map(|at| format!(r#"{{"name":"f{at}","type":"{ty}"}}"#)).collect();
        format!(r#"{{"type":"record","name":"Paid","fields":[{}]}}"#, fields.join(","))
    };
    let findings = found(Language::Avro, &fields("int"), &fields("long"));
    assert_eq!(findings.len(), COMPAT_FINDINGS_MAX);
    assert!(found(Language::Avro, &fields("int"), &fields("int")).is_empty());
}
