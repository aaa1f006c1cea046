//! Logins, encryption, and what the user is told when the server says no.

use std::path::Path;
use std::process::Command;

use super::server::{Server, publish, tool};
use super::{Run, folder, numbers};

/// A topology that reads the stream IN.
fn topology(url: &str, more: &str) -> String {
    format!(
        "topology: test\nsources:\n  in: {{ nats: {{ url: \"{url}\", stream: IN{more} }}, time: arrival }}\n\
         sinks:\n  out: {{ from: in, file: {{ path: out.jsonl }} }}\n"
    )
}

/// Runs a topology that fails, and gives what it said.
fn refused(topology: &str) -> String {
    let dir = folder();
    let (code, log) = Run::start(dir.path(), topology).ended();
    assert_eq!(code, Some(1), "{log}");
    log
}

/// Certificates for 127.0.0.1, and one for a client, by an authority of their own.
pub fn certificates(dir: &Path) {
    let script = "import trustme\n\
        ca = trustme.CA()\n\
        ca.cert_pem.write_to_path('ca.pem')\n\
        for name, cert in [('server', ca.issue_cert('127.0.0.1')), ('client', ca.issue_cert('client@example.org'))]:\n\
        \x20   cert.private_key_pem.write_to_path(name + '.key')\n\
        \x20   cert.cert_chain_pems[0].write_to_path(name + '.pem')\n";
    let made = Command::new("python3")
        .args(["-c", script])
        .env("PYTHONPATH", tool("trustme"))
        .current_dir(dir)
        .output()
        .expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_told_with_the_command_that_makes_it() {
    let server = Server::start("");
    let log = refused(&topology(&server.url(), ", subject: \"in.>\""));
    assert!(log.contains("no stream `IN`") && log.contains("nats stream add IN --subjects 'in.>'"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_reads_something_else_is_told() {
    let server = Server::start("");
    let context = server.stream("IN", "in.>").await;
    let config = async_nats::jetstream::consumer::pull::Config {
        durable_name: Some("d".into()),
        filter_subject: "in.a".into(),
        ..Default::default()
    };
    context.create_consumer_on_stream(config, "IN").await.expect("the consumer is made");
    let log = refused(&topology(&server.url(), ", subject: in.b, durable: d"));
    assert!(log.contains("reads `in.a`, not `in.b`") && log.contains("nats consumer rm IN d"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_never_shown() {
    let server = Server::start("authorization { user: runner, password: right }");
    let dir = folder();
    std::fs::write(dir.path().join("secret"), "hunter2\n").expect("the secret is written");
    let text = topology(&server.url(), ", auth: { user: runner, password: { file: secret } }");
    let (code, log) = Run::start(dir.path(), &text).ended();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("refused the login") && !log.contains("hunter2"), "{log}");
    let log = refused(&topology(&server.url(), ""));
    assert!(log.contains("give one with `auth`"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_nkey_and_a_client_certificate_open_the_door() {
    let dir = folder();
    certificates(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let server = Server::start(&format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify: true }}\n\
         authorization {{ users: [ {{ nkey: {NKEY} }} ] }}\n",
        at("server.pem"),
        at("server.key"),
        at("ca.pem"),
    ));
    let client = async_nats::ConnectOptions::with_nkey(SEED.into())
        .add_root_certificates(dir.path().join("ca.pem"))
        .add_client_certificate(dir.path().join("client.pem"), dir.path().join("client.key"))
        .connect(server.url())
        .await
        .expect("a client can connect");
    let context = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "IN".into(),
        subjects: vec!["in.>".into()],
        ..Default::default()
    };
    context.create_stream(config).await.expect("the stream is made");
    publish(&context, "in.a", 0..10).await;
    std::fs::write(dir.path().join("seed"), SEED).expect("the seed is written");
    let auth = ", auth: { nkey: { file: seed } }";
    let own = "tls: { ca: ca.pem, cert: client.pem, key: client.key }";
    let mut run = Run::start(dir.path(), &topology(&server.url(), &format!("{auth}, {own}")));
    run.until("all is read", async || numbers(&dir.path().join("out.jsonl")).len() == 10).await;
    let log = run.stop();
    assert!(!log.contains(SEED), "{log}");
    // Without the authority's certificate the server's is worth nothing.
    let (code, log) = Run::start(dir.path(), &topology(&server.url(), auth)).ended();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("certificate") && log.contains("ca:"), "{log}");
}

/// A key for this test alone, and the name that the server knows it by.
const SEED: &str = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y";
const NKEY: &str = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK";
