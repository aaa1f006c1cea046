//! The source that reads a JetStream stream: each message is acknowledged once a barrier behind it has passed every sink.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use crate::connectors::{ConnectorError, Position, Pull, Source, SourceOpen};

use super::connect::{Access, Link, is_connected};
use super::consumer::{Bound, Wanted};
use super::frame::Framer;
use super::ledger::Order;
use super::place::{Begin, Standing, gap};
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
    stream: String,
}

impl StreamSource {
    /// Connects, finds or makes the consumer, and begins to read.
    pub async fn open(access: Access, wanted: Wanted, open: SourceOpen) -> Result<StreamSource, ConnectorError> {
        let (client, link) = access.connect().await?;
        let in_order = open.has_checkpoints;
        let begin = begin(&wanted, &open, &link)?;
        let bound = link.unless_refused(wanted.bind(&client, &begin, in_order)).await?;
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
        if in_order {
            let (committed, read) = behind(&wanted.stream, &begin, &bound, &link);
            shared.lock().ledger.begin_in_order(committed, read);
        }
        let stream = wanted.stream.clone();
        let puller = Puller::new(client.clone(), link.clone(), wanted, bound, shared.clone(), in_order).await?;
        let task = tokio::spawn(puller.run());
        Ok(StreamSource { client, link, shared, task, open, stream })
    }
}

/// Where the run wants to begin.
fn begin(wanted: &Wanted, open: &SourceOpen, link: &Link) -> Result<Begin, ConnectorError> {
    let position = match &open.resume {
        Some(position) if !position.is_null() => position,
        _ if open.fresh => return Ok(Begin::Start),
        _ => return Ok(Begin::Remembered),
    };
    let Some(standing) = Standing::parse(position) else {
        return Err(ConnectorError::fatal(format!(
            "the checkpoint has no position in a stream, but {position}; `--fresh` begins where `start` says"
        )));
    };
    if standing.stream != wanted.stream {
        link.note(format!("the checkpoint is of the stream `{}`: `{}` is read anew", standing.stream, wanted.stream));
        return Ok(Begin::Remembered);
    }
    let Standing { created, acknowledged, sequence, .. } = standing;
    Ok(Begin::Behind { created, acknowledged: acknowledged.min(sequence), sequence })
}

/// The message behind which a consumer that was just found or made gives all messages, and the one up to which they were read before.
fn behind(stream: &str, begin: &Begin, bound: &Bound, link: &Link) -> (u64, u64) {
    let given = bound.info.delivered.stream_sequence;
    match begin {
        Begin::Behind { created, acknowledged, sequence } if *created == bound.stream.created => {
            let last = bound.stream.last_sequence;
            if let Some(note) = gap(stream, *sequence, bound.stream.first_sequence, last) {
                link.note(note);
            }
            let read = (*sequence).min(last);
            (if bound.made { (*acknowledged).min(read) } else { given.min(read) }, read)
        }
        Begin::Behind { .. } => {
            link.note(format!("the stream `{stream}` is not the one of the checkpoint: it is read from its beginning"));
            (given, given)
        }
        Begin::Remembered | Begin::Start => (given, given),
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
        let mut state = self.shared.lock();
        state.ledger.barrier(id);
        let (Some(order), Some(created)) = (state.ledger.order(), state.stream_created) else { return Position::Null };
        let Order { committed: acknowledged, read: sequence } = order;
        Standing { stream: self.stream.clone(), created, sequence, acknowledged }.position()
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
