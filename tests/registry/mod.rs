//! A real schema registry: what is registered, fetched and refused, and what becomes of topologies while it is away, slow or choosy.

pub mod server;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::nats::secure::certificates;
use crate::nats::server::Server;
use crate::support::{Finished, Run, finish, has_lines, runner};
use server::{Encrypted, Proxy, Registry, shared};

/// Three versions of a type: the second is compatible with the first, the third with none.
fn version(name: &str, number: u32) -> String {
    let more = match number {
        1 => "",
        2 => r#",{"name":"currency","type":"string","default":"EUR"}"#,
        _ => r#",{"name":"country","type":"string"}"#,
    };
    format!(
        r#"{{"type":"record","name":"{name}","fields":[{{"name":"id","type":"string"}},{{"name":"amount","type":"double"}}{more}]}}"#
    )
}

/// An event of Avro behind the number of its schema; `currency` where the second version wrote it.
fn event(schema: u32, id: &str, amount: f64, currency: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(schema.to_be_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(u8::try_from(text.len() * 2).expect("a short text"));
        bytes.extend(text.as_bytes());
    };
    text(&mut bytes, id);
    bytes.extend(amount.to_le_bytes());
    currency.into_iter().for_each(|currency| text(&mut bytes, currency));
    bytes
}

/// A topology that reads the stream IN into a file.
fn topology(registry: &str, subject: &str, nats: &str) -> String {
    format!(
        "topology: test\nregistry: {{ url: \"{registry}\", timeout: 3s }}\n\
         schemas: {{ Payment: {{ subject: {subject} }} }}\n\
         sources:\n  in:\n    nats: {{ url: \"{nats}\", stream: IN, subject: in }}\n    decode: avro\n    schema: Payment\n    time: arrival\n\
         checkpoint: {{ every: 100ms }}\n\
         sinks:\n  out: {{ from: in, file: {{ path: out.jsonl, mode: append }} }}\n"
    )
}

/// One that only has to be checked.
fn checked(registry: &str, subject: &str) -> String {
    format!(
        "registry: {registry}\nschemas: {{ Payment: {{ subject: {subject} }} }}\n\
         sources: {{ in: {{ nats: {{ url: \"nats://127.0.0.1:1\", subject: in }}, decode: avro, schema: Payment, time: arrival }} }}\n\
         sinks: {{ out: {{ from: in, discard: {{}} }} }}\n"
    )
}

fn folder(topology: &str) -> tempfile::TempDir {
    crate::support::folder(topology)
}

fn call(dir: &Path, args: &[&str]) -> Finished {
    let mut command = runner(dir);
    command.args(args);
    finish(command, None)
}

/// Checks the folder's topology, and gives the exit code and what was said.
fn check(dir: &Path) -> (Option<i32>, String) {
    let done = call(dir, &["check", "t.yaml"]);
    (done.status.code(), done.stderr)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("lines of JSON")).collect()
}

#[test]
fn a_version_that_breaks_readers_is_refused_with_the_reasons_of_the_registry() {
    let (registry, dir) = (shared(), tempfile::tempdir().expect("a folder"));
    let url = registry.url();
    let types = dir.path().join("refused");
    std::fs::create_dir(&types).expect("a folder");
    for number in [1, 2] {
        std::fs::write(types.join(format!("{number}.avsc")), version("Refused", number)).expect("a schema");
    }
    std::fs::write(dir.path().join("3.avsc"), version("Refused", 3)).expect("a schema");
    let done = call(dir.path(), &["schema", "register", "refused", "--registry", &url]);
    assert!(done.status.success(), "{}", done.stderr);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(said.contains("1.avsc: Refused, version 1") && said.contains("2.avsc: Refused, version 2"), "{said}");
    registry.hold_to("Refused", "BACKWARD");
    for ask in [&["--registry", &url][..], &["--registry", &url, "--check"]] {
        let done = call(dir.path(), &[&["schema", "register", "3.avsc"], ask].concat());
        assert_eq!(done.status.code(), Some(3), "{}", done.stderr);
        assert!(done.stderr.contains("against version 2") && done.stderr.contains("`country`"), "{}", done.stderr);
        let reasons = done.stderr.contains("HTTP 409: ") && done.stderr.contains("[country at /fields/2]");
        assert!(reasons || ask.len() == 3, "the registry's words: {}", done.stderr);
    }
    let done = call(dir.path(), &["schema", "pull", "Refused", "--registry", &url]);
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), version("Refused", 2), "{}", done.stderr);
    let done = call(dir.path(), &["schema", "pull", "Refused", "--all", "--out", "pulled", "--registry", &url]);
    assert!(done.status.success(), "{}", done.stderr);
    let pulled = std::fs::read_to_string(dir.path().join("pulled/1.avsc")).expect("it is written");
    assert_eq!(pulled.trim(), version("Refused", 1));
    let done = call(dir.path(), &["schema", "pull", "Refused@7", "--registry", &url]);
    assert!(done.status.code() == Some(1) && done.stderr.contains("version 7"), "{}", done.stderr);
}

#[test]
fn what_refers_to_others_is_registered_and_fetched_with_them() {
    let (registry, dir) = (shared(), tempfile::tempdir().expect("a folder"));
    let url = registry.url();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a schema");
    write("money.proto", "syntax = \"proto3\";\npackage shop;\nmessage Money { int64 cents = 1; }\n");
    write(
        "order.proto",
        "syntax = \"proto3\";\npackage shop;\nimport \"money.proto\";\nmessage OrderPlaced { Money total = 1; }\n",
    );
    let ok = |args: &[&str]| {
        let done = call(dir.path(), &[args, &["--registry", &url]].concat());
        assert!(done.status.success(), "{}", done.stderr);
    };
    ok(&["schema", "register", "money.proto", "--subject", "referred.money"]);
    let reference = "money.proto=referred.money@1";
    ok(&["schema", "register", "order.proto", "--subject", "referred.order", "--reference", reference]);
    ok(&["schema", "pull", "referred.order", "--out", "pulled"]);
    let pulled = std::fs::read_to_string(dir.path().join("pulled/money.proto")).expect("it is written");
    assert!(pulled.contains("int64 cents"), "{pulled}");
    // Without a reference, what lies beside it becomes a subject of its name.
    ok(&["schema", "register", "order.proto", "--subject", "imported.order"]);
    ok(&["schema", "pull", "imported.order", "--out", "again"]);
    let pulled = std::fs::read_to_string(dir.path().join("again/money.proto")).expect("it is written");
    assert!(pulled.contains("int64 cents"), "{pulled}");
    let links = &registry.ask("GET", "/subjects/imported.order/versions/1", None)["references"];
    assert_eq!(links[0]["subject"], "money.proto", "{links}");
    let unknown = [
        "schema",
        "register",
        "order.proto",
        "--subject",
        "x",
        "--reference",
        "money.proto=nobody@1",
        "--registry",
        &url,
    ];
    let done = call(dir.path(), &unknown);
    assert!(done.status.code() == Some(1) && done.stderr.contains("no subject `nobody`"), "{}", done.stderr);
    write(
        "1.json",
        r#"{ "$schema": "http://json-schema.org/draft-07/schema#", "title": "referred.json", "type": "object" }"#,
    );
    ok(&["schema", "register", "1.json"]);
    let text = checked(&format!("{{ url: \"{url}\" }}"), "referred.json").replace("decode: avro", "decode: json");
    write("t.yaml", &text);
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_by_the_schema_that_their_number_names() {
    let (registry, nats) = (shared(), Server::start(""));
    let context = nats.stream("IN", "in").await;
    let first = registry.register("Numbered", &version("Numbered", 1));
    let second = registry.register("Numbered", &version("Numbered", 2));
    let other = registry.register("Numbered-other", r#"{"type":"enum","name":"E","symbols":["A"]}"#);
    let events = [
        event(first, "a", 1.5, None),
        event(999_999, "b", 2.0, None),
        event(second, "c", 2.5, Some("USD")),
        event(other, "d", 3.0, None),
        b"{\"id\":\"e\"}".to_vec(),
        event(first, "f", 3.5, None),
    ];
    for event in events {
        context.publish("in", event.into()).await.expect("it is sent").await.expect("it is stored");
    }
    let dir = folder(&topology(&registry.url(), "Numbered", &nats.url()));
    let run = Run::start(dir.path(), &["t.yaml"]);
    has_lines(&dir.path().join("out.jsonl"), 3);
    has_lines(&dir.path().join("out/test.dead.jsonl"), 3);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let read = lines(&dir.path().join("out.jsonl"));
    let expected = [("a", 1.5, "EUR"), ("c", 2.5, "USD"), ("f", 3.5, "EUR")];
    let expected =
        expected.map(|(id, amount, currency)| serde_json::json!({ "id": id, "amount": amount, "currency": currency }));
    assert_eq!(read, expected, "{said}");
    let dead = lines(&dir.path().join("out/test.dead.jsonl"));
    let codes: Vec<_> = dead.iter().map(|error| error["code"].as_str().unwrap_or_default()).collect();
    assert_eq!(codes[..1], ["unknown-schema-id"], "{dead:?}");
    assert_eq!(codes[2..], ["avro-schema"], "{dead:?}");
    assert!(dead[0]["message"].as_str().is_some_and(|message| message.contains("has no schema 999999")), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_stops_only_what_has_not_been_seen() {
    let (mut registry, nats) = (Registry::start(), Server::start(""));
    let context = nats.stream("IN", "in").await;
    let publish = async |event: Vec<u8>| {
        context.publish("in", event.into()).await.expect("it is sent").await.expect("it is stored");
    };
    let first = registry.register("Away", &version("Away", 1));
    let dir = folder(&topology(&registry.url(), "Away", &nats.url()));
    let out = dir.path().join("out.jsonl");
    // It has seen the first version, and goes away.
    let run = Run::start(dir.path(), &["t.yaml"]);
    publish(event(first, "a", 1.0, None)).await;
    has_lines(&out, 1);
    assert_eq!(run.stop().0, Some(0));
    let second = registry.register("Away", &version("Away", 2));
    registry.stop();
    // Who has not seen it cannot start, and is told why; who has seen it is warned.
    let fresh = folder(&topology(&registry.url(), "Away", &nats.url()));
    let (code, said) = check(fresh.path());
    assert!(code == Some(3) && said.contains("Connection refused") && said.contains(&registry.url()), "{said}");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("version 1 of `Away` is used, which was the newest at ");
    publish(event(first, "b", 2.0, None)).await;
    has_lines(&out, 2);
    // An event that names what nobody has seen waits, and what is behind it; checkpoints do not.
    publish(event(second, "c", 3.0, Some("USD"))).await;
    publish(event(first, "d", 4.0, None)).await;
    run.says("events wait for their schema");
    run.says("events wait for their schema");
    drop(run);
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("events wait for their schema");
    assert_eq!(lines(&out).len(), 2);
    // A stop does not wait for the registry.
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("events wait for their schema");
    registry.restart();
    has_lines(&out, 4);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let ids: Vec<_> = lines(&out).iter().map(|event| event["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(ids, ["a", "b", "c", "d"].map(|id| Some(id.to_owned())), "each once: {said}");
}

#[test]
fn a_slow_registry_is_waited_for_so_long_and_no_longer() {
    let registry = shared();
    registry.register("Slow", &version("Slow", 1));
    let proxy = Proxy::start(registry, None);
    proxy.delay(Duration::from_millis(300));
    let dir = folder(&checked(&format!("{{ url: \"{}\", timeout: 5s }}", proxy.url()), "Slow"));
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(0), "{said}");
    // It is warned of what it has seen, and cannot go on without.
    proxy.delay(Duration::from_secs(3));
    let short = checked(&format!("{{ url: \"{}\", timeout: 1s }}", proxy.url()), "Slow");
    std::fs::write(dir.path().join("t.yaml"), &short).expect("it is written");
    let (code, said) = check(dir.path());
    assert!(
        code == Some(0) && said.contains("warning[registry-away]") && said.contains("no answer within 1s"),
        "{said}"
    );
    let (code, said) = check(folder(&short).path());
    assert!(
        code == Some(3) && said.contains("error[registry]") && said.contains("`timeout` can give it longer"),
        "{said}"
    );
}

#[test]
fn a_wrong_login_is_told_and_never_shown() {
    let registry = shared();
    registry.register("Closed", &version("Closed", 1));
    // `runner:hunter2`.
    let proxy = Proxy::start(registry, Some("Basic cnVubmVyOmh1bnRlcjI="));
    let with = |auth: &str| checked(&format!("{{ url: \"{}\"{auth} }}", proxy.url()), "Closed");
    let dir = folder(&with(", auth: { user: runner, password: { file: secret } }"));
    std::fs::write(dir.path().join("secret"), "swordfish\n").expect("a secret");
    let (code, said) = check(dir.path());
    assert!(code == Some(3) && said.contains("HTTP 401: who are you?") && said.contains("check the secret"), "{said}");
    assert!(!said.contains("swordfish"), "{said}");
    std::fs::write(dir.path().join("secret"), "hunter2\n").expect("a secret");
    let (code, said) = check(dir.path());
    assert_eq!(code, Some(0), "{said}");
    let done = call(dir.path(), &["schema", "pull", "Closed", "--registry", "t.yaml"]);
    assert!(done.status.success(), "by the login of the topology: {}", done.stderr);
    let (code, said) = check(folder(&with("")).path());
    assert!(code == Some(3) && said.contains("give one with `auth`"), "{said}");
    let bearer = Proxy::start(registry, Some("Bearer t0ken"));
    let text = checked(&format!("{{ url: \"{}\", auth: {{ token: {{ env: TEST_TOKEN }} }} }}", bearer.url()), "Closed");
    let mut command = runner(folder(&text).path());
    let dir = folder(&text);
    command.current_dir(dir.path()).args(["check", "t.yaml"]).env("TEST_TOKEN", "t0ken");
    assert!(finish(command, None).status.success());
    let (code, said) = check(dir.path());
    assert!(code == Some(3) && said.contains("`TEST_TOKEN`"), "it is not set: {said}");
}

#[test]
fn an_encrypted_registry_is_asked_by_who_has_a_certificate() {
    let registry = shared();
    registry.register("Encrypted", &version("Encrypted", 1));
    let dir = tempfile::tempdir().expect("a folder");
    certificates(dir.path());
    let encrypted = Encrypted::start(registry, dir.path());
    let url = format!("https://127.0.0.1:{}/apis/ccompat/v7", encrypted.port);
    let check = |tls: &str| {
        let text = checked(&format!("{{ url: \"{url}\", timeout: 3s{tls} }}"), "Encrypted");
        std::fs::write(dir.path().join("t.yaml"), text).expect("it is written");
        check(dir.path())
    };
    let (code, said) = check("");
    assert!(code == Some(3) && said.contains("certificate") && said.contains("`tls: { ca: FILE }`"), "{said}");
    let (code, said) = check(", tls: { ca: ca.pem }");
    assert!(code == Some(3) && said.contains("`tls: { cert: FILE, key: FILE }`"), "{said}");
    let (code, said) = check(", tls: { ca: ca.pem, cert: client.pem, key: nothing.key }");
    assert!(code == Some(3) && said.contains("`key`: nothing.key cannot be read"), "{said}");
    let (code, said) = check(", tls: { ca: ca.pem, cert: client.pem, key: client.key }");
    assert_eq!(code, Some(0), "{said}");
}

/// A message in two versions, whose bytes cannot be read as each other's.
fn message(name: &str, number: u32) -> String {
    let id = if number == 1 { "string" } else { "double" };
    format!("syntax = \"proto3\";\nmessage {name} {{\n  {id} id = 1;\n  double amount = 2;\n}}\n")
}

/// An event of the first version behind the number of its schema, as the first message of its file.
fn framed(schema: u32, id: &str, amount: f64) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(schema.to_be_bytes());
    bytes.extend([0, 0x0a, u8::try_from(id.len()).expect("a short text")]);
    bytes.extend(id.as_bytes());
    bytes.push(0x11);
    bytes.extend(amount.to_le_bytes());
    bytes
}

/// A topology that writes events behind the number of their schema, which it registers.
fn writing(registry: &str, nats: &str) -> String {
    format!(
        "topology: test\nregistry: {{ url: \"{registry}\" }}\nschemas: {{ Written: written.proto }}\n\
         sources:\n  in: {{ file: {{ path: in.jsonl }}, time: arrival }}\n\
         sinks:\n  out:\n    from: in\n    nats: {{ url: \"{nats}\", subject: out, stream: OUT }}\n    encode: protobuf\n    schema: Written\n\
         \x20   register: true\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_registers_its_schema_before_it_writes_and_stops_where_it_is_refused() {
    let (registry, nats) = (shared(), Server::start(""));
    let context = nats.stream("OUT", "out").await;
    let dir = folder(&writing(&registry.url(), &nats.url()));
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("it is written");
    write("in.jsonl", "{\"id\":\"a\",\"amount\":1.5}\n");
    write("written.proto", &message("Written", 1));
    let done = call(dir.path(), &["t.yaml"]);
    assert!(done.status.success(), "{}", done.stderr);
    let id =
        registry.ask("GET", "/subjects/Written/versions/latest", None)["id"].as_u64().expect("it is registered") as u32;
    let mut stream = context.get_stream("OUT").await.expect("the stream");
    let first = stream.get_raw_message(1).await.expect("the event");
    assert_eq!(first.payload.to_vec(), framed(id, "a", 1.5));
    // What its readers could not read is not registered, and nothing is written.
    registry.hold_to("Written", "BACKWARD");
    write("written.proto", &message("Written", 2));
    write("in.jsonl", "{\"id\":2.5,\"amount\":1.5}\n");
    let done = call(dir.path(), &["t.yaml"]);
    assert_eq!(done.status.code(), Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("HTTP 409: ") && done.stderr.contains("`Written`"), "{}", done.stderr);
    // Without leave to register, the schema must be there.
    let text = writing(&registry.url(), &nats.url()).replace("    register: true\n", "");
    write("t.yaml", &text);
    let done = call(dir.path(), &["t.yaml"]);
    assert_eq!(done.status.code(), Some(1), "{}", done.stderr);
    assert!(
        done.stderr.contains("no version of `Written`") && done.stderr.contains("`register: true`"),
        "{}",
        done.stderr
    );
    write("written.proto", &message("Written", 1));
    write("in.jsonl", "{\"id\":\"c\",\"amount\":2.5}\n");
    let done = call(dir.path(), &["t.yaml"]);
    assert!(done.status.success(), "{}", done.stderr);
    let info = stream.info().await.expect("the stream");
    assert_eq!(info.state.messages, 2, "of what was refused nothing was written");
}

#[test]
fn a_sink_registers_the_files_that_its_schema_imports() {
    let (registry, dir) = (shared(), tempfile::tempdir().expect("a folder"));
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("it is written");
    let file = |imports: &str, rest: &str| format!("syntax = \"proto3\";\npackage shipping;\n{imports}\n{rest}\n");
    write("units.proto", &file("", "enum Unit { KILOGRAM = 0; POUND = 1; }"));
    write("weight.proto", &file("import \"units.proto\";", "message Weight { double value = 1; Unit unit = 2; }"));
    let both = "import \"weight.proto\";\nimport \"units.proto\";\nimport \"google/protobuf/timestamp.proto\";";
    write("parcel.proto", &file(both, "message ParcelSent { string id = 1; Weight weight = 2; Unit unit = 3; }"));
    write("in.jsonl", "{\"id\":\"a\",\"weight\":{\"value\":1.5,\"unit\":\"POUND\"}}\n");
    let topology = |register: bool| {
        format!(
            "topology: test\nregistry: {{ url: \"{}\" }}\nschemas: {{ Sent: parcel.proto }}\n\
             sources:\n  in: {{ file: {{ path: in.jsonl }}, time: arrival }}\n\
             sinks:\n  out: {{ from: in, stdout: {{}}, encode: protobuf, wire: confluent, schema: Sent, register: {register} }}\n",
            registry.url()
        )
    };
    write("t.yaml", &topology(false));
    let done = call(dir.path(), &["t.yaml"]);
    assert!(done.status.code() == Some(1) && done.stderr.contains("imports `units.proto`"), "{}", done.stderr);
    write("t.yaml", &topology(true));
    let done = call(dir.path(), &["t.yaml"]);
    assert!(done.status.success(), "{}", done.stderr);
    let sent = registry.ask("GET", "/subjects/shipping.ParcelSent/versions/1", None);
    let id = sent["id"].as_u64().expect("a number") as u32;
    let named = |links: &serde_json::Value| {
        links.as_array().expect("links").iter().map(|link| link["name"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(named(&sent["references"]), ["\"units.proto\"", "\"weight.proto\""]);
    let weight = registry.ask("GET", "/subjects/weight.proto/versions/1", None);
    assert_eq!(named(&weight["references"]), ["\"units.proto\""]);
    // The length of the event, a zero, the number, the first message of its file.
    assert_eq!(&done.stdout[1..7], [&[0][..], &id.to_be_bytes(), &[0]].concat());
    // It is all there now.
    write("t.yaml", &topology(false));
    let again = call(dir.path(), &["t.yaml"]);
    assert!(again.status.success() && again.stdout == done.stdout, "{}", again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_with_a_schema_that_is_refused_changes_nothing() {
    let (registry, nats) = (shared(), Server::start(""));
    let context = nats.stream("IN", "in").await;
    nats.stream("OUT", "out").await;
    let text = writing(&registry.url(), &nats.url()).replace("Written", "Reloaded").replace("written", "reloaded");
    let source = format!("nats: {{ url: \"{}\", stream: IN, subject: in }}", nats.url());
    let dir = folder(&text.replace("file: { path: in.jsonl }", &source));
    let schema = dir.path().join("reloaded.proto");
    std::fs::write(&schema, message("Reloaded", 1)).expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    let mut out = context.get_stream("OUT").await.expect("the stream");
    let publish = async |text: &str| {
        context.publish("in", text.to_owned().into()).await.expect("it is sent").await.expect("it is stored");
    };
    publish("{\"id\":\"a\",\"amount\":1.5}").await;
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while out.info().await.expect("the stream").state.messages < 1 {
        assert!(std::time::Instant::now() < until, "nothing is written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    registry.hold_to("Reloaded", "BACKWARD");
    std::fs::write(&schema, message("Reloaded", 2)).expect("it is written");
    run.says("HTTP 409");
    publish("{\"id\":\"b\",\"amount\":2.5}").await;
    while out.info().await.expect("the stream").state.messages < 2 {
        assert!(std::time::Instant::now() < until, "what runs does not go on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
}
