//! The serializers of Confluent's client for Python, a schema registry and NATS: each side reads what the other has written.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::nats::server::Server;
use crate::registry::server::shared;
use crate::support::{Run, finish, folder, has_lines, runner};

const AVRO: &str = r#"{"type":"record","name":"Trade","namespace":"test","fields":[
    {"name":"id","type":"string"},
    {"name":"amount","type":"double"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"side","type":{"type":"enum","name":"Side","symbols":["BUY","SELL"]}},
    {"name":"note","type":["null","string"],"default":null},
    {"name":"tags","type":{"type":"array","items":"string"}}]}"#;
const PROTOBUF: &str = "syntax = \"proto3\";\npackage test;\nmessage Other {}\nmessage Trade {\n  string id = 1;\n  double amount = 2;\n  \
     repeated string tags = 3;\n}\n";
const JSON: &str = r#"{"$schema":"http://json-schema.org/draft-07/schema#","title":"Trade","type":"object","properties":{
    "id":{"type":"string"},"amount":{"type":"number"},"note":{"type":["string","null"]}},"required":["id","amount"]}"#;
/// What the serializers write, as `decode` calls it.
const FORMS: [&str; 3] = ["avro", "json", "protobuf"];
const EVENTS: &str = r#"{"id":"a","amount":1.5,"price":12.34,"at":1767225600123,"side":"BUY","note":null,"tags":[]}
{"id":"ü","amount":-0.1,"price":-0.05,"at":-1,"side":"SELL","note":"by hand","tags":["x","y"]}
{"id":"","amount":1e300,"price":1234567890.12,"at":0,"side":"BUY","note":"","tags":[""]}
"#;

/// Runs the script beside this file.
fn python(what: &str, registry: &str, dir: &Path, input: Option<String>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root.join("target/test-tools/confluent")).env("NO_PROXY", "127.0.0.1");
    command.env("PYTHONIOENCODING", "utf-8").current_dir(dir);
    command.arg(root.join("tests/interop/confluent.py")).args([what, registry, "."]);
    let got = finish(command, input.map(String::into_bytes));
    assert!(got.status.success(), "tests/run.sh installs what this needs: {}", got.stderr);
    String::from_utf8(got.stdout).expect("it is text")
}

fn values(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("lines of JSON")).collect()
}

/// A folder with the topology, the schemas and the events.
fn prepared(topology: &str) -> tempfile::TempDir {
    let dir = folder(topology);
    for (name, text) in
        [("trade.avsc", AVRO), ("trade.json", JSON), ("trade.proto", PROTOBUF), ("events.jsonl", EVENTS)]
    {
        fs::write(dir.path().join(name), text).expect("it is written");
    }
    dir
}

fn of_hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("it is ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("it is hexadecimal")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runner_reads_what_the_serializers_write() {
    let (registry, nats) = (shared().url(), Server::start(""));
    let context = nats.stream("IN", "in.>").await;
    let mut topology = format!(
        "topology: test\nregistry: {{ url: \"{registry}\" }}\ncheckpoint: {{ every: 100ms }}\n\
         schemas:\n  Trade: {{ subject: trades.avro-value }}\n  Plain: {{ subject: trades.json-value }}\n  \
         Message: {{ path: trade.proto, message: test.Trade }}\nsources:\n"
    );
    for (form, more) in FORMS.iter().zip(["schema: Trade", "schema: Plain, wire: confluent", "schema: Message"]) {
        let nats = format!("nats: {{ url: \"{}\", stream: IN, subject: in.{form} }}", nats.url());
        topology += &format!("  {form}: {{ {nats}, decode: {form}, {more}, time: arrival }}\n");
    }
    topology += "sinks:\n";
    for form in FORMS {
        topology += &format!("  {form}_out: {{ from: {form}, file: {{ path: {form}.jsonl, mode: append }} }}\n");
    }
    let dir = prepared(&topology);
    for line in python("write", &registry, dir.path(), None).lines() {
        let (form, hex) = line.split_once(' ').expect("a format and an event");
        let sent = context.publish(format!("in.{form}"), of_hex(hex).into()).await.expect("it is sent");
        sent.await.expect("it is stored");
    }
    let run = Run::start(dir.path(), &["t.yaml"]);
    let out = |form: &str| dir.path().join(format!("{form}.jsonl"));
    FORMS.iter().for_each(|form| has_lines(&out(form), 3));
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let read = |form: &str| values(&fs::read_to_string(out(form)).expect("it was written"));
    assert_eq!(read("avro"), values(EVENTS));
    assert_eq!(read("json"), values(EVENTS));
    let part = |event: Value| json!({ "id": event["id"], "amount": event["amount"], "tags": event["tags"] });
    assert_eq!(read("protobuf"), values(EVENTS).into_iter().map(part).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deserializers_read_what_the_runner_writes() {
    let (registry, nats) = (shared().url(), Server::start(""));
    let context = nats.stream("OUT", "out.>").await;
    let mut topology = format!(
        "registry: {{ url: \"{registry}\" }}\nschemas:\n  Trade: {{ path: trade.avsc, subject: written.avro-value }}\n  \
         Plain: {{ path: trade.json, subject: written.json-value }}\n\
         sources: {{ in: {{ file: {{ path: events.jsonl }}, time: arrival }} }}\nsinks:\n"
    );
    for (form, schema) in [("avro", "Trade"), ("json", "Plain")] {
        let nats = format!("nats: {{ url: \"{}\", stream: OUT, subject: out.{form} }}", nats.url());
        let encode = format!("encode: {form}, wire: confluent, schema: {schema}, register: true");
        topology += &format!("  {form}: {{ from: in, {nats}, {encode} }}\n");
    }
    let dir = prepared(&topology);
    let mut command = runner(dir.path());
    command.arg("t.yaml");
    let done = finish(command, None);
    assert!(done.status.success(), "{}", done.stderr);
    let stream = context.get_stream("OUT").await.expect("the stream");
    let mut written = Vec::new();
    for number in 1..=6 {
        let message = stream.get_raw_message(number).await.expect("the event");
        let hex: String = message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        written.push((message.subject.trim_start_matches("out.").to_owned(), hex));
    }
    // The events of each form by themselves, in their order.
    written.sort_by(|(one, _), (other, _)| one.cmp(other));
    let written = written.iter().map(|(form, hex)| format!("{form} {hex}\n")).collect();
    let read = values(&python("read", &registry, dir.path(), Some(written)));
    assert_eq!(read, [values(EVENTS), values(EVENTS)].concat());
}
