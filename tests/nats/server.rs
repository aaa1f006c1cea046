//! A NATS server of the test's own, on a free port, that cannot outlive it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, consumer, stream};

/// A server at work.
pub struct Server {
    child: Child,
    port: u16,
    config: PathBuf,
    dir: tempfile::TempDir,
}

/// Where `tests/run.sh` installs a tool. Fails loudly where it is not.
pub fn tool(path: &str) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(path);
    assert!(found.exists(), "{} is missing: run tests/run.sh once, it installs what the tests need", found.display());
    found
}

impl Server {
    /// A server with JetStream; `config` is appended to its configuration.
    pub fn start(config: &str) -> Server {
        let dir = tempfile::tempdir().expect("a folder for the server");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let file = dir.path().join("server.conf");
        let store = dir.path().join("store");
        let text = format!("listen: 127.0.0.1:{port}\njetstream: {{ store_dir: {store:?} }}\n{config}\n");
        std::fs::write(&file, text).expect("the server's configuration is written");
        Server { child: launch(&file, port, dir.path()), port, config: file, dir }
    }

    /// `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server can be waited for");
    }

    /// Starts it again on the same port, with what it has stored.
    pub fn restart(&mut self) {
        self.child = launch(&self.config, self.port, self.dir.path());
    }

    /// A client without login.
    pub async fn client(&self) -> async_nats::Client {
        async_nats::ConnectOptions::new().connect(self.url()).await.expect("a client can connect")
    }

    /// JetStream, by a client of its own.
    pub async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client().await)
    }

    /// Makes a stream.
    pub async fn stream(&self, name: &str, subject: &str) -> jetstream::Context {
        let context = self.jetstream().await;
        let config = stream::Config { name: name.into(), subjects: vec![subject.into()], ..Default::default() };
        context.create_stream(config).await.expect("the stream is made");
        context
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(config: &Path, port: u16, dir: &Path) -> Child {
    let mut child = Command::new(tool("nats/bin/nats-server"))
        .arg("-c")
        .arg(config)
        .arg("-l")
        .arg(dir.join("server.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the NATS server starts");
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().expect("the server can be waited for");
        let log = || std::fs::read_to_string(dir.join("server.log")).unwrap_or_default();
        assert!(ended.is_none(), "the NATS server ended: {}", log());
        assert!(Instant::now() < until, "the NATS server does not answer: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Publishes `{"n": i}` for each number and waits until the stream has them all.
pub async fn publish(context: &jetstream::Context, subject: &str, numbers: std::ops::Range<u64>) {
    let mut acks = std::collections::VecDeque::new();
    for n in numbers {
        acks.push_back(
            context.publish(subject.to_string(), format!("{{\"n\": {n}}}").into()).await.expect("a message is sent"),
        );
        // The client allows a bounded number of messages without an answer.
        if acks.len() >= 1_000
            && let Some(ack) = acks.pop_front()
        {
            ack.await.expect("the stream has the message");
        }
    }
    for ack in acks {
        ack.await.expect("the stream has the message");
    }
}

/// A durable consumer that gives an event again after `ack_wait`.
pub async fn consumer(context: &jetstream::Context, stream: &str, durable: &str, ack_wait: Duration) {
    let config = consumer::pull::Config { durable_name: Some(durable.into()), ack_wait, ..Default::default() };
    context.create_consumer_on_stream(config, stream).await.expect("the consumer is made");
}

/// What the server knows of a consumer.
pub async fn info(context: &jetstream::Context, stream: &str, durable: &str) -> consumer::Info {
    let stream = context.get_stream(stream).await.expect("the stream is there");
    stream.consumer_info(durable).await.expect("the consumer is there")
}
