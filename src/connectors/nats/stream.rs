//! The source that reads a JetStream stream: each message is acknowledged once a barrier behind it has passed every sink.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use crate::connectors::{ConnectorError, Position, Pull, Source, SourceOpen};

use super::connect::{Access, Link, is_connected};
use super::consumer::Wanted;
use super::frame::Framer;
use super::pull::{Puller, Shared};

/// How long an orderly end may take.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// A stream being read.
pub(super) struct StreamSource {
    client: Client,
    link: Arc<Link>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    open: SourceOpen,
}

impl StreamSource {
    /// Connects, finds or makes the consumer, and begins to read.
    pub async fn open(access: Access, wanted: Wanted, open: SourceOpen) -> Result<StreamSource, ConnectorError> {
        let (client, link) = access.connect().await?;
        let bound = link.unless_refused(wanted.bind(&client, None)).await?;
        let (server, own) = (bound.info.config.max_ack_pending, wanted.max_pending);
        if !bound.made && server > 0 && server < own {
            link.note(format!(
                "the consumer `{durable}` allows {server} unacknowledged events, fewer than `max_pending`; \
                 `nats consumer edit {stream} {durable} --max-pending {own}` changes it",
                durable = wanted.durable,
                stream = wanted.stream,
            ));
        }
        let shared = Arc::new(Shared::default());
        let puller = Puller::new(client.clone(), link.clone(), wanted, bound, shared.clone()).await?;
        let task = tokio::spawn(puller.run());
        Ok(StreamSource { client, link, shared, task, open })
    }
}

impl Source for StreamSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async {
            loop {
                {
                    let mut state = self.shared.lock();
                    let framer = Framer::new(&self.open);
                    if let Some(pull) = state.ledger.read(framer) {
                        self.shared.wanted.notify_one();
                        return Ok(pull);
                    }
                    if let Some(error) = state.failed.take() {
                        return Err(error);
                    }
                    if self.task.is_finished() {
                        return Err(ConnectorError::fatal("the reader of the stream has ended"));
                    }
                }
                self.shared.arrived.notified().await;
            }
        })
    }

    fn is_caught_up(&self) -> bool {
        let state = self.shared.lock();
        let settled = state.unsettled_until.is_none_or(|until| until <= Instant::now());
        state.bound && settled && state.ledger.is_empty() && is_connected(&self.client)
    }

    fn barrier(&mut self, id: u64) -> Position {
        self.shared.lock().ledger.barrier(id);
        Position::Null
    }

    fn commit(&mut self, id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        let mut state = self.shared.lock();
        state.ledger.commit(id);
        if state.ledger.has_acks() {
            self.shared.wanted.notify_one();
        }
        Box::pin(async { Ok(()) })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async {
            self.shared.lock().stopping = true;
            self.shared.wanted.notify_one();
            // What is not acknowledged in time comes again: late, but it comes.
            let _ = tokio::time::timeout(CLOSE_TIME_MAX, &mut self.task).await;
            Ok(())
        })
    }

    fn take_notes(&mut self) -> Vec<String> {
        self.link.take_notes()
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        self.task.abort();
    }
}
