//! Publishing: every message is confirmed by the server before it counts as sent.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::{
    Client, HeaderMap, HeaderName, HeaderValue, Message, PublishErrorKind, StatusCode, Subject, Subscriber,
};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::connectors::ConnectorError;

use super::connect::{ANSWER_TIME_MAX, Access, Link, is_connected};
use super::consumer::stream_error;
use crate::event::codes;

/// The bytes around the headers of a message.
const HEADERS_COST: usize = "NATS/1.0\r\n\r\n".len();
/// How soon the server is asked again what a stream takes, when it does not seem to take a subject.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The server's code for a message over the stream's own bound.
const MESSAGE_TOO_LARGE: u64 = 10054;

/// Where events go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The subject, unless each event has its own.
    pub subject: Option<String>,
    /// The stream that confirms each event. Without one the server confirms that it has them.
    pub stream: Option<String>,
    /// Events that are sent and not confirmed.
    pub max_pending: usize,
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub subject: Subject,
    pub headers: Option<HeaderMap>,
    pub payload: Bytes,
}

/// A connection to publish on.
pub(super) struct Publisher {
    pub client: Client,
    link: Arc<Link>,
    pub target: Target,
    receipts: Receipts,
    /// What the stream takes.
    takes: Option<Takes>,
}

/// What a stream takes, as the server last said.
#[derive(Debug)]
pub(super) struct Takes {
    subjects: Vec<String>,
    /// Bytes of a message; `None`: as many as the server takes.
    message_max: Option<usize>,
    duplicate_window: Duration,
    looked: Instant,
}

/// An inbox for confirmations: each is awaited under a number of its own, so one that comes late is told from the one awaited.
struct Receipts {
    inbox: Subscriber,
    prefix: String,
    next: u64,
}

impl Publisher {
    /// Connects, and checks that the stream is there and that confirmations can be received.
    pub async fn connect(access: Access, target: Target) -> Result<Publisher, ConnectorError> {
        let (client, link) = access.connect().await?;
        let takes = target.look(&client, &link).await?;
        let prefix = client.new_inbox();
        let inbox = client
            .subscribe(format!("{prefix}.*"))
            .await
            .map_err(|error| ConnectorError::transient(format!("cannot subscribe to an inbox: {error}")))?;
        let receipts = Receipts { inbox, prefix, next: 0 };
        let mut publisher = Publisher { client, link, target, receipts, takes };
        publisher.probe().await?;
        Ok(publisher)
    }

    /// Publishes messages and waits until the server has confirmed them. Moves `done` past those that it has.
    pub async fn send<F>(&mut self, count: usize, message: F, done: &mut usize) -> Result<(), ConnectorError>
    where
        F: Fn(usize) -> Result<Outgoing, ConnectorError> + Send + Sync,
    {
        while *done < count {
            if !is_connected(&self.client) {
                return Err(self.lost());
            }
            let found = self.link.found();
            let to = count.min(*done + self.target.max_pending);
            let first = self.receipts.next;
            let (sent, refused) = self.publish(&message, *done..to).await;
            if self.target.stream.is_some() {
                self.await_acks(found, first, sent, done).await?;
            } else {
                self.probe().await?;
                if self.link.found() != found {
                    return Err(self.lost());
                }
                *done = sent.end;
            }
            if let Some(error) = refused {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Publishes messages until one cannot be. Gives those that were, and the error of the one behind them.
    async fn publish<F>(&mut self, message: &F, range: Range<usize>) -> (Range<usize>, Option<ConnectorError>)
    where
        F: Fn(usize) -> Result<Outgoing, ConnectorError> + Send + Sync,
    {
        // Taken before anything is sent: what is dropped in the middle of this is told from what comes after it.
        let first = self.receipts.next;
        self.receipts.next += range.len() as u64;
        for i in range.clone() {
            let reply = self.target.stream.is_some().then(|| self.receipts.subject(first + (i - range.start) as u64));
            let sent = match message(i) {
                Ok(outgoing) => self.publish_one(outgoing, reply).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                return (range.start..i, Some(error));
            }
        }
        (range, None)
    }

    async fn publish_one(&self, message: Outgoing, reply: Option<Subject>) -> Result<(), ConnectorError> {
        let Outgoing { subject, headers, payload } = message;
        let size = payload.len();
        let sent = match (headers, reply) {
            (None, None) => self.client.publish(subject, payload).await,
            (None, Some(reply)) => self.client.publish_with_reply(subject, reply, payload).await,
            (Some(headers), None) => self.client.publish_with_headers(subject, headers, payload).await,
            (Some(headers), Some(reply)) => {
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => self.too_large(size),
            PublishErrorKind::InvalidSubject => ConnectorError::event(codes::BAD_SUBJECT.id, error.to_string()),
            PublishErrorKind::Send => {
                ConnectorError::fatal(format!("the connection to {} is closed: {error}", self.link.servers))
            }
        })
    }

    fn too_large(&self, size: usize) -> ConnectorError {
        ConnectorError::event(
            codes::MESSAGE_TOO_LARGE.id,
            format!(
                "an event of {size} bytes is larger than a message of {} may be, {} bytes; raise `max_payload` of the server",
                self.link.servers,
                self.client.max_payload()
            ),
        )
    }

    /// Whether the server and the stream will take a message of so many bytes, as far as that can be known before it is sent.
    /// `more`: bytes of headers that it will get beside its own.
    pub async fn check(
        &mut self,
        subject: &str,
        headers: Option<&HeaderMap>,
        size: usize,
        more: usize,
    ) -> Result<(), ConnectorError> {
        let whole = size + more + headers.map_or(HEADERS_COST, headers_size);
        if whole > self.client.max_payload() {
            return Err(self.too_large(size));
        }
        let Some(stream) = self.target.stream.clone() else { return Ok(()) };
        let is_known = self.takes.as_ref().is_some_and(|takes| takes.takes(subject));
        if !is_known && self.takes.as_ref().is_none_or(|takes| takes.looked.elapsed() > LOOK_AGAIN) {
            self.takes = self.target.look(&self.client, &self.link).await?;
        }
        let Some(known) = &self.takes else { return Ok(()) };
        if !known.takes(subject) {
            return Err(ConnectorError::event(codes::BAD_SUBJECT.id, not_taken(&stream, &known.subjects, subject)));
        }
        match known.message_max {
            Some(max) if whole > max => Err(ConnectorError::event(
                codes::MESSAGE_TOO_LARGE.id,
                format!(
                    "an event of {size} bytes is larger than the stream `{stream}` takes, {max} bytes with its headers; \
                     `nats stream edit {stream} --max-msg-size ...` changes it"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// How long the stream knows the id of a message that it has.
    pub fn duplicate_window(&self) -> Option<Duration> {
        self.takes.as_ref().map(|takes| takes.duplicate_window)
    }

    /// Waits for the acknowledgements of events that were just published, and moves `done` past those that have theirs with
    /// none missing before.
    async fn await_acks(
        &mut self,
        found: u64,
        first: u64,
        sent: Range<usize>,
        done: &mut usize,
    ) -> Result<(), ConnectorError> {
        let mut acked = vec![false; sent.len()];
        while *done < sent.end {
            let (number, message) = self.receipts.receive(&self.link, found, &self.client).await?;
            let Some(slot) = number.checked_sub(first).and_then(|at| acked.get_mut(usize::try_from(at).ok()?)) else {
                continue;
            };
            // The first failure ends the wait: everything from `done` on is published again, so that it stays in order.
            let is_first = number - first == (*done - sent.start) as u64;
            self.target.check_ack(&message, is_first)?;
            *slot = true;
            while acked.get(*done - sent.start) == Some(&true) {
                *done += 1;
            }
        }
        Ok(())
    }

    /// Sends a message to itself. Once it is back the server has everything that was sent before it on this connection.
    async fn probe(&mut self) -> Result<(), ConnectorError> {
        let found = self.link.found();
        let number = self.receipts.next;
        self.receipts.next += 1;
        let sent = self.client.publish(self.receipts.subject(number), Bytes::new()).await;
        sent.map_err(|error| {
            ConnectorError::fatal(format!("the connection to {} is closed: {error}", self.link.servers))
        })?;
        loop {
            let (back, _) = self.receipts.receive(&self.link, found, &self.client).await?;
            if back == number {
                return Ok(());
            }
        }
    }

    fn lost(&self) -> ConnectorError {
        lost(&self.link)
    }
}

fn lost(link: &Link) -> ConnectorError {
    ConnectorError::transient(format!("the connection to {} is lost; what was on its way is sent again", link.servers))
}

impl Receipts {
    fn subject(&self, number: u64) -> Subject {
        format!("{}.{number}", self.prefix).into()
    }

    /// The next confirmation and its number. Ends with an error when the connection is lost or the server is silent for long.
    async fn receive(&mut self, link: &Link, found: u64, client: &Client) -> Result<(u64, Message), ConnectorError> {
        let silence = tokio::time::sleep(ANSWER_TIME_MAX);
        tokio::pin!(silence);
        loop {
            let message = tokio::select! {
                biased;
                message = self.inbox.next() => message,
                () = link.changed() => {
                    if let Some(refused) = link.take_refused() {
                        return Err(ConnectorError::fatal(format!(
                            "{} refuses: {refused}; this user must be allowed to publish there, and to publish and subscribe to \
                             `_INBOX.>`, by which the server confirms what it has",
                            link.servers
                        )));
                    }
                    if !is_connected(client) || link.found() != found {
                        return Err(lost(link));
                    }
                    continue;
                }
                () = &mut silence => {
                    return Err(ConnectorError::transient(format!(
                        "{} has confirmed nothing for {} seconds",
                        link.servers,
                        ANSWER_TIME_MAX.as_secs()
                    )));
                }
            };
            let Some(message) = message else {
                return Err(ConnectorError::fatal(format!("the connection to {} is closed", link.servers)));
            };
            let number = message.subject.rsplit('.').next().and_then(|number| number.parse().ok());
            if let Some(number) = number {
                return Ok((number, message));
            }
        }
    }
}

impl Takes {
    fn takes(&self, subject: &str) -> bool {
        self.subjects.iter().any(|pattern| covers(pattern, subject))
    }
}

impl Target {
    /// What the stream takes, if there is one. Fails if it does not take the subject.
    pub async fn look(&self, client: &Client, link: &Link) -> Result<Option<Takes>, ConnectorError> {
        let (Some(stream), subject) = (&self.stream, self.subject.as_deref()) else { return Ok(None) };
        let context = jetstream::new(client.clone());
        let look = async { context.get_stream(stream).await.map_err(|error| stream_error(stream, subject, &error)) };
        let found = link.unless_refused(look).await?;
        let config = &found.cached_info().config;
        let takes = Takes {
            subjects: config.subjects.clone(),
            message_max: usize::try_from(config.max_message_size).ok().filter(|max| *max > 0),
            duplicate_window: config.duplicate_window,
            looked: Instant::now(),
        };
        match subject.filter(|subject| !takes.takes(subject)) {
            Some(subject) => Err(ConnectorError::fatal(not_taken(stream, &takes.subjects, subject))),
            None => Ok(Some(takes)),
        }
    }

    /// Whether the stream has the event, by its answer.
    /// `is_first`: it is the event at `done`, so that the error can be its own.
    fn check_ack(&self, message: &Message, is_first: bool) -> Result<(), ConnectorError> {
        let stream = self.stream.as_deref().unwrap_or_default();
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(ConnectorError::transient(format!(
                "no stream takes the subject of an event, or the stream `{stream}` has no leader now; `nats stream info {stream}` \
                 shows its subjects"
            )));
        }
        let ack: serde_json::Value = serde_json::from_slice(&message.payload)
            .map_err(|error| ConnectorError::transient(format!("an answer that is no acknowledgement: {error}")))?;
        if let Some(error) = ack.get("error") {
            let why = error.get("description").and_then(serde_json::Value::as_str).unwrap_or("an error without a text");
            let too_large = error.get("err_code").and_then(serde_json::Value::as_u64) == Some(MESSAGE_TOO_LARGE);
            return Err(if too_large && is_first {
                ConnectorError::event(
                    codes::MESSAGE_TOO_LARGE.id,
                    format!("the stream `{stream}`: {why}; `nats stream edit {stream} --max-msg-size ...` changes it"),
                )
            } else {
                ConnectorError::transient(format!("the stream `{stream}` refuses an event: {why}"))
            });
        }
        match ack.get("stream").and_then(serde_json::Value::as_str) {
            Some(name) if name == stream => Ok(()),
            other => Err(ConnectorError::fatal(format!(
                "the subject of an event belongs to the stream `{}`, not to `{stream}`; `nats stream ls` shows the streams",
                other.unwrap_or("?")
            ))),
        }
    }
}

fn not_taken(stream: &str, subjects: &[String], subject: &str) -> String {
    format!(
        "the stream `{stream}` takes `{}`, not `{subject}`; `nats stream edit {stream} --subjects ...` changes it",
        subjects.join("`, `")
    )
}

/// The bytes of headers on the wire.
fn headers_size(headers: &HeaderMap) -> usize {
    let values = |(name, values): (&HeaderName, &Vec<HeaderValue>)| {
        let name: &str = name.as_ref();
        values.iter().map(|value| name.len() + value.as_str().len() + ": \r\n".len()).sum::<usize>()
    };
    HEADERS_COST + headers.iter().map(values).sum::<usize>()
}

/// Whether a message can be published on a subject; the error says why not.
pub(super) fn check_subject(subject: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("`{subject}` cannot be a subject to publish on: {why}"));
    if subject.split('.').any(str::is_empty) {
        return bad("there is nothing before, after or between its dots");
    }
    if subject.split('.').any(|token| token == "*" || token == ">") {
        return bad("`*` and `>` are for reading");
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return bad("there is a space, a tab or a line end in it");
    }
    Ok(())
}

/// Whether a pattern with `*` and `>` takes a subject.
fn covers(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in pattern.split('.') {
        match (part, tokens.next()) {
            (">", token) => return token.is_some(),
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_subjects() {
        assert!(covers("a.>", "a.b.c") && covers("a.*", "a.b") && covers("a", "a") && covers(">", "a"));
        assert!(!covers("a.>", "a") && !covers("a.*", "a.b.c") && !covers("a.b", "a") && !covers("a", "b"));
    }

    #[test]
    fn subjects_to_publish_on_have_no_wildcards_gaps_or_spaces() {
        assert!(check_subject("alerts.eu-1.x*y").is_ok());
        for bad in ["", "a.", ".a", "a..b", "a.*", ">", "a b", "a\n"] {
            assert!(check_subject(bad).is_err(), "{bad:?}");
        }
    }
}
