//! JetStream as the medium: a stream that lines are published to, and one that outputs are read from.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::nats::server::Server;

use super::oracle::Outputs;
use super::story::More;
use super::writer::Target;

/// How long the server may take to confirm a message before it is sent again.
const CONFIRM: Duration = Duration::from_millis(500);

/// A runtime of one thread, for a client.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Makes the streams `IN` and `OUT`.
pub fn make_streams(server: &Server) {
    runtime().block_on(async {
        server.stream("IN", "in.>").await;
        server.stream("OUT", "out.>").await;
    });
}

/// Publishes lines one by one, so that their order is that of the stream, and again until the stream has them.
pub struct Publisher {
    runtime: Runtime,
    context: Context,
    number: u64,
}

impl Publisher {
    /// A client of the server at this address.
    pub fn connect(url: &str) -> Publisher {
        let runtime = runtime();
        let client = runtime.block_on(async_nats::ConnectOptions::new().connect(url)).expect("a client can connect");
        let mut context = {
            let _entered = runtime.enter();
            async_nats::jetstream::new(client)
        };
        context.set_timeout(CONFIRM);
        Publisher { runtime, context, number: 0 }
    }
}

impl Target for Publisher {
    fn write(&mut self, lines: &[String]) {
        for line in lines {
            self.number += 1;
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", self.number.to_string());
            self.runtime.block_on(until_done(async || {
                let sent = self.context.publish_with_headers("in.events", headers.clone(), line.clone().into()).await;
                sent.ok()?.await.ok()
            }));
        }
    }
}

/// Reads a stream from where it has come to.
pub struct Reader {
    runtime: Runtime,
    context: Context,
    stream: &'static str,
    next: u64,
    /// The messages, by what follows the first `.` of their subject.
    read: Outputs,
}

impl Reader {
    pub fn new(server: &Server, stream: &'static str) -> Reader {
        let runtime = runtime();
        let context = runtime.block_on(server.jetstream());
        Reader { runtime, context, stream, next: 1, read: Outputs::new() }
    }
}

impl More for Reader {
    fn read(&mut self) -> &Outputs {
        let messages = self.runtime.block_on(until_done(async || {
            let stream = self.context.get_stream(self.stream).await.ok()?;
            let last = stream.cached_info().state.last_sequence;
            let config = pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next },
                ..pull::OrderedConfig::default()
            };
            let mut messages = stream.create_consumer(config).await.ok()?.messages().await.ok()?;
            let mut got = Vec::new();
            while self.next + (got.len() as u64) <= last {
                let message = messages.next().await?.ok()?;
                let name = message.subject.split_once('.').expect("a name").1.to_string();
                got.push((name, String::from_utf8_lossy(&message.payload).into_owned()));
            }
            Some(got)
        }));
        self.next += messages.len() as u64;
        for (name, line) in messages {
            self.read.entry(name).or_default().push(line);
        }
        &self.read
    }
}

/// Tries until it is done: the server may have just come back.
async fn until_done<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
