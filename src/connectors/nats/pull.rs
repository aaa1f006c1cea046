//! The task that keeps a JetStream source supplied: it asks for messages, takes them, acknowledges them, asks for more time for those
//! that a slow sink holds up, and mends what breaks. It is a task of its own so that all this goes on while the source waits.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_nats::datetime::DateTime;
use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;

use crate::connectors::ConnectorError;
use crate::limits::{NATS_PULL_BYTES_MAX, NATS_PULL_EVENTS_MAX};

use super::connect::{Link, is_connected};
use super::consumer::{Bound, Wanted, ack_wait};
use super::frame::position;
use super::ledger::Ledger;
use super::place::Begin;

/// A request for messages ends by itself after this time.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How often the server gives a sign while a request waits.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Without a sign for so long, a request is lost.
const SILENCE_MAX: Duration = Duration::from_secs(12);
/// The first pause after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What the source and its task share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the source: there are messages, or it has failed.
    pub arrived: Notify,
    /// Wakes the task: there is room, there are acknowledgements, or it is to stop.
    pub wanted: Notify,
}

/// See [`Shared`].
#[derive(Debug, Default)]
pub(super) struct State {
    pub ledger: Ledger,
    /// The consumer is there and requests reach it.
    pub bound: bool,
    /// Messages that a former run did not acknowledge may come again until then.
    pub unsettled_until: Option<Instant>,
    pub failed: Option<ConnectorError>,
    pub stopping: bool,
    /// When the stream was made whose sequences the ledger counts.
    pub stream_created: Option<DateTime>,
}

impl Shared {
    /// The state; a task that panicked leaves it usable.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The task's own.
pub(super) struct Puller {
    client: Client,
    link: Arc<Link>,
    shared: Arc<Shared>,
    wanted: Wanted,
    inbox: Subscriber,
    inbox_name: Subject,
    request_subject: Subject,
    limits: RequestLimits,
    /// Messages asked for and not yet given.
    asked: usize,
    /// The next message is larger than a request's bytes: ask for it alone.
    oversized: bool,
    heard: Instant,
    found: u64,
    ack_wait: Duration,
    stream_created: DateTime,
    /// Reading in order: the delivery that must come next.
    next_delivery: Option<u64>,
    /// After a failure: when to try again, and the pause after that.
    retry: Option<(Instant, Duration)>,
}

/// The consumer's own bounds on a request.
#[derive(Clone, Copy, Debug)]
struct RequestLimits {
    events: usize,
    bytes: usize,
    time: Duration,
}

impl Puller {
    /// Subscribes to an inbox for the messages of a consumer that is there.
    pub async fn new(
        client: Client,
        link: Arc<Link>,
        wanted: Wanted,
        bound: Bound,
        shared: Arc<Shared>,
        in_order: bool,
    ) -> Result<Puller, ConnectorError> {
        let (inbox_name, inbox) = subscribe(&client).await?;
        let request_subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", wanted.stream, wanted.durable).into();
        let found = link.found();
        let mut puller = Puller {
            client,
            link,
            shared,
            wanted,
            inbox,
            inbox_name,
            request_subject,
            limits: RequestLimits { events: NATS_PULL_EVENTS_MAX, bytes: NATS_PULL_BYTES_MAX, time: REQUEST_TIME },
            asked: 0,
            oversized: false,
            heard: Instant::now(),
            found,
            ack_wait: REQUEST_TIME,
            stream_created: bound.stream.created,
            next_delivery: in_order.then_some(1),
            retry: None,
        };
        puller.accept(&bound);
        Ok(puller)
    }

    /// Works until it is stopped or cannot go on.
    pub async fn run(mut self) {
        let period = (self.ack_wait / 6).clamp(Duration::from_millis(50), Duration::from_secs(1));
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let result = loop {
            if self.shared.lock().stopping {
                break self.stop().await;
            }
            if let Err(error) = self.work().await {
                break Err(error);
            }
            let outcome = tokio::select! {
                message = self.inbox.next() => self.take(message),
                () = self.shared.wanted.notified() => Ok(()),
                () = self.link.changed() => Ok(()),
                _ = tick.tick() => self.keep().await,
            };
            if let Err(error) = outcome {
                break Err(error);
            }
        };
        if let Err(error) = result {
            self.shared.lock().failed = Some(error);
            self.shared.arrived.notify_one();
        }
    }

    /// Does what is due: mends, acknowledges, asks for more.
    async fn work(&mut self) -> Result<(), ConnectorError> {
        self.link.check_refused()?;
        if !is_connected(&self.client) {
            return Ok(());
        }
        if self.link.found() != self.found {
            // What the old connection was to bring will not come; what it was to take may not have arrived.
            self.found = self.link.found();
            self.asked = 0;
            self.retry = Some((Instant::now(), PAUSE.0));
        }
        if self.retry.is_some_and(|(at, _)| at <= Instant::now()) {
            self.mend().await?;
        }
        let acks = self.shared.lock().ledger.take_acks();
        self.publish(acks, "+ACK").await?;
        if self.retry.is_some() {
            return Ok(());
        }
        let room = self.shared.lock().ledger.room().saturating_sub(self.asked);
        if room > 0 && self.asked < NATS_PULL_EVENTS_MAX / 2 {
            self.ask(room).await?;
        }
        Ok(())
    }

    async fn ask(&mut self, room: usize) -> Result<(), ConnectorError> {
        let batch = if self.oversized { 1 } else { room.min(self.limits.events) };
        let mut request = serde_json::json!({
            "batch": batch,
            "expires": self.limits.time.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.min(self.limits.time / 2).as_nanos() as u64,
        });
        if !self.oversized {
            request["max_bytes"] = self.limits.bytes.into();
        }
        self.oversized = false;
        self.asked += batch;
        self.heard = Instant::now();
        let request = Bytes::from(request.to_string());
        let sent = self.client.publish_with_reply(self.request_subject.clone(), self.inbox_name.clone(), request).await;
        sent.map_err(|error| ConnectorError::fatal(format!("the connection to {} is gone: {error}", self.link.servers)))
    }

    async fn publish(&self, replies: Vec<Subject>, what: &'static str) -> Result<(), ConnectorError> {
        for reply in replies {
            let sent = self.client.publish(reply, Bytes::from_static(what.as_bytes())).await;
            sent.map_err(|error| {
                ConnectorError::fatal(format!("the connection to {} is gone: {error}", self.link.servers))
            })?;
        }
        Ok(())
    }

    /// Takes a message and all that came with it.
    fn take(&mut self, first: Option<Message>) -> Result<(), ConnectorError> {
        let mut next = first;
        self.heard = Instant::now();
        let shared = self.shared.clone();
        let mut state = shared.lock();
        // As many as may have been asked for, so that the rest of the loop gets its turn.
        for _ in 0..NATS_PULL_EVENTS_MAX {
            let Some(message) = next else {
                return Err(ConnectorError::fatal(format!("the connection to {} is closed", self.link.servers)));
            };
            match message.status {
                None | Some(StatusCode::OK) => self.take_event(message, &mut state),
                Some(status) => self.take_status(status, &message)?,
            }
            match self.inbox.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        drop(state);
        self.shared.arrived.notify_one();
        Ok(())
    }

    fn take_event(&mut self, message: Message, state: &mut State) {
        let found = message.reply.clone().and_then(|reply| position(&reply).map(|position| (reply, position)));
        let Some((reply, position)) = found else {
            // Nothing but the server sends to this inbox, and its messages all say where they are from.
            self.link.note(format!("ignored a message on `{}` that is not of the stream", message.subject));
            return;
        };
        if let Some(next) = &mut self.next_delivery {
            if position.delivery != *next {
                let missed = position.delivery.saturating_sub(*next);
                self.lose(&format!(
                    "{missed} messages of the consumer `{}` did not arrive (does another reader use it?)",
                    self.wanted.durable
                ));
                return;
            }
            *next += 1;
        }
        self.asked = self.asked.saturating_sub(1);
        state.ledger.arrive(message, reply, position, self.heard);
    }

    /// A request has ended, or the server gives a sign.
    fn take_status(&mut self, status: StatusCode, message: &Message) -> Result<(), ConnectorError> {
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(());
        }
        let why = message.description.clone().unwrap_or_default();
        let header = |name: &str| -> Option<usize> { message.headers.as_ref()?.get(name)?.as_str().parse().ok() };
        self.asked = header("Nats-Pending-Messages").map_or(0, |left| self.asked.saturating_sub(left));
        if status == StatusCode::TIMEOUT {
            return Ok(());
        }
        let why = why.to_lowercase();
        if why.contains("exceeds maxbytes") {
            // The rest of a request was too small for the next message. If all of it was, the message is larger than any request.
            self.oversized = header("Nats-Pending-Bytes").is_some_and(|left| left >= self.limits.bytes);
        } else if why.contains("push based") || why.contains("exceeded maxrequest") {
            return Err(ConnectorError::fatal(format!(
                "the consumer `{}` of the stream `{}` refuses requests: {why}; `nats consumer info {1} {0}` shows its limits",
                self.wanted.durable, self.wanted.stream
            )));
        } else if !why.contains("batch completed") {
            // The consumer was deleted or has no leader, or the server shuts down: look again in a moment.
            self.lose(&format!("the consumer `{}` does not answer ({status} {why})", self.wanted.durable));
        }
        Ok(())
    }

    /// Keeps what is held from being given again, and notices silence.
    async fn keep(&mut self) -> Result<(), ConnectorError> {
        if !is_connected(&self.client) {
            return Ok(());
        }
        if self.asked > 0 && self.retry.is_none() && self.heard.elapsed() > SILENCE_MAX {
            self.lose(&format!("the consumer `{}` is silent", self.wanted.durable));
        }
        let overdue = self.shared.lock().ledger.overdue(Instant::now(), self.ack_wait / 3);
        self.publish(overdue, "+WPI").await
    }

    fn lose(&mut self, why: &str) {
        self.asked = 0;
        if self.retry.is_none() {
            self.link.note(format!("{why}; looking for it again"));
            self.retry = Some((Instant::now() + PAUSE.0, PAUSE.0 * 2));
        }
    }

    /// Finds the consumer again. If it is gone it is made anew, to begin where this source stands.
    async fn mend(&mut self) -> Result<(), ConnectorError> {
        let next = {
            let mut state = self.shared.lock();
            state.bound = false;
            state.ledger.resume_at()
        };
        let begin = match next {
            Some(next) => {
                let before = next.saturating_sub(1);
                Begin::Behind { created: self.stream_created, acknowledged: before, sequence: before }
            }
            None => Begin::Remembered,
        };
        let in_order = self.next_delivery.is_some();
        match self.wanted.bind(&self.client, &begin, in_order).await {
            Ok(bound) => {
                if bound.made {
                    // What the old consumer still sends is left where it is: the new one sends it too.
                    (self.inbox_name, self.inbox) = subscribe(&self.client).await?;
                    self.asked = 0;
                    self.link.note(format!("the consumer `{}` is made anew", self.wanted.durable));
                }
                self.accept(&bound);
                Ok(())
            }
            Err(error) if error.is_transient() => {
                let pause = self.retry.map_or(PAUSE.0, |(_, pause)| pause);
                self.retry = Some((Instant::now() + pause, (pause * 2).min(PAUSE.1)));
                self.link.note(error.message);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn accept(&mut self, bound: &Bound) {
        let config = &bound.info.config;
        let own = |limit: i64| usize::try_from(limit).ok().filter(|limit| *limit > 0);
        self.limits = RequestLimits {
            events: own(config.max_batch).unwrap_or(NATS_PULL_EVENTS_MAX).min(NATS_PULL_EVENTS_MAX),
            bytes: own(config.max_bytes).unwrap_or(NATS_PULL_BYTES_MAX).min(NATS_PULL_BYTES_MAX),
            time: if config.max_expires.is_zero() { REQUEST_TIME } else { config.max_expires.min(REQUEST_TIME) },
        };
        self.ack_wait = ack_wait(&bound.info);
        self.retry = None;
        self.heard = Instant::now();
        let mut state = self.shared.lock();
        state.bound = true;
        if let Some(next) = &mut self.next_delivery {
            *next = bound.info.delivered.consumer_sequence + 1;
        }
        state.stream_created = Some(bound.stream.created);
        if std::mem::replace(&mut self.stream_created, bound.stream.created) != bound.stream.created {
            self.link.note(format!("the stream `{}` is a new one; it is read from its beginning", self.wanted.stream));
            state.ledger.forget_sequences(0);
        } else if bound.stream.last_sequence < state.ledger.arrived_up_to() {
            let last = bound.stream.last_sequence;
            self.link.note(format!("the stream `{}` has lost what it had behind {last}", self.wanted.stream));
            state.ledger.forget_sequences(last);
        }
        state.ledger.set_behind(bound.info.num_pending);
        let elsewhere = bound.info.num_ack_pending > state.ledger.held();
        state.unsettled_until = elsewhere.then(|| Instant::now() + self.ack_wait);
    }

    /// Ends in order: nothing more comes, what is committed is acknowledged, and the rest is given back, so that the next run need
    /// not wait for it.
    async fn stop(&mut self) -> Result<(), ConnectorError> {
        if !is_connected(&self.client) {
            return Ok(());
        }
        // Unsubscribed, and everything before it is on its way: what the server sent until then is in the inbox after one answer.
        let _ = self.inbox.drain().await;
        let patience = Instant::now() + Duration::from_secs(2);
        while let Ok(Some(message)) = tokio::time::timeout_at(patience.into(), self.inbox.next()).await {
            if message.status.is_none() {
                let shared = self.shared.clone();
                self.take_event(message, &mut shared.lock());
            }
        }
        let (acks, rest) = {
            let mut state = self.shared.lock();
            (state.ledger.take_acks(), state.ledger.give_up())
        };
        self.publish(acks, "+ACK").await?;
        self.publish(rest, "-NAK").await?;
        let _ = self.client.flush().await;
        Ok(())
    }
}

/// An inbox of its own.
async fn subscribe(client: &Client) -> Result<(Subject, Subscriber), ConnectorError> {
    let name = Subject::from(client.new_inbox());
    let inbox = client
        .subscribe(name.clone())
        .await
        .map_err(|error| ConnectorError::transient(format!("cannot subscribe to an inbox: {error}")))?;
    Ok((name, inbox))
}
