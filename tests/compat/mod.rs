//! The table of compatibility: pairs and histories of event types in the three languages, each with its verdict in all seven modes.
//! A new row needs no recompile.

mod differential;

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use topology_runner::schema::compat::{self, Finding, Mode, Severity};
use topology_runner::schema::{Definition, Language};

/// As the head of each file describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    #[serde(default)]
    types: Vec<Value>,
    #[serde(default)]
    fields: Vec<Value>,
    #[serde(default)]
    versions: Vec<Value>,
    message: Option<String>,
    holds: String,
    #[serde(default)]
    backward: String,
    #[serde(default)]
    forward: String,
}

impl Row {
    fn definitions(&self, language: Language) -> Vec<Definition> {
        let record = |fields: Value| json!({ "type": "record", "name": "Event", "fields": fields });
        let of_type = |of: &Value| match language {
            Language::Avro => record(json!([{ "name": "n", "type": of }])),
            _ => json!({ "type": "object", "properties": { "n": of } }),
        };
        let types = self.types.iter().map(of_type);
        let schemas = types.chain(self.fields.iter().cloned().map(record)).chain(self.versions.iter().cloned());
        schemas
            .map(|schema| {
                let text = match (language, schema) {
                    (Language::Protobuf, Value::String(text)) => text,
                    (_, schema) => schema.to_string(),
                };
                let parsed = Definition::parse(language, &text, self.message.as_deref(), &[]);
                parsed.unwrap_or_else(|error| panic!("{}: {error:?} in {text}", self.case))
            })
            .collect()
    }

    /// What the row says that is not so.
    fn wrong(&self, language: Language) -> Vec<String> {
        let versions = self.definitions(language);
        let (new, history) = versions.split_last().expect("a row has versions");
        let history: Vec<&Definition> = history.iter().collect();
        let before = history.last().expect("a row has at least two versions");
        let mut wrong = Vec::new();
        let holds: Vec<&str> = self.holds.split(' ').collect();
        for mode in Mode::ALL {
            let report = compat::check(mode, new, &history);
            if report.is_compatible() != holds.contains(&mode.name()) {
                wrong.push(format!("{mode}: {}\n{report:#?}", report.is_compatible()));
            }
        }
        for (name, expected, findings) in [
            ("backward", &self.backward, compat::can_read(new, before)),
            ("forward", &self.forward, compat::can_read(before, new)),
        ] {
            let found = breaks(&findings);
            if found != *expected {
                wrong.push(format!("{name}: expected `{expected}`, found `{found}`\n{findings:#?}"));
            }
            let silent = findings.iter().filter(|finding| finding.text.is_empty());
            wrong.extend(silent.map(|finding| format!("{name}: {} says nothing", finding.rule)));
        }
        wrong
    }
}

fn breaks(findings: &[Finding]) -> String {
    let broken = findings.iter().filter(|finding| finding.severity == Severity::Breaks);
    let shown = broken.map(|finding| match finding.path.as_str() {
        "" => finding.rule.to_owned(),
        path => format!("{} at {path}", finding.rule),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Rows of which fewer would mean that some were lost.
fn table(language: Language, name: &str, rows_min: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/compat").join(name);
    let text = fs::read_to_string(&path).expect("the table is read");
    let rows: Vec<Row> = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(rows.len() >= rows_min, "{name} has {} rows", rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|row| row.wrong(language).into_iter().map(|wrong| format!("{name}, {}: {wrong}", row.case)))
        .collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn avro_is_judged_by_the_resolution_rules() {
    table(Language::Avro, "avro.yaml", 60);
}

#[test]
fn json_schemas_are_judged_by_the_rules_of_the_registry() {
    table(Language::Json, "json.yaml", 30);
}

#[test]
fn protobuf_is_judged_by_the_rules_of_the_registry() {
    table(Language::Protobuf, "protobuf.yaml", 30);
}

#[test]
fn no_language_reads_another() {
    let parse = |language, text| Definition::parse(language, text, None, &[]).expect("it is a schema");
    let (avro, json) = (parse(Language::Avro, "\"string\""), parse(Language::Json, "{\"type\":\"string\"}"));
    assert_eq!(breaks(&compat::can_read(&avro, &json)), "SCHEMA_TYPE_CHANGED");
    assert!(compat::check(Mode::None, &avro, &[&json]).is_compatible());
}
