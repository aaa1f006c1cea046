//! The sink that publishes: every event is confirmed by the server before it counts as taken.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::{
    Client, HeaderMap, HeaderName, HeaderValue, Message, PublishErrorKind, StatusCode, Subject, Subscriber,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::connectors::{ConnectorError, Encoded, Sink};

use super::KEY_HEADER;
use super::connect::{ANSWER_TIME_MAX, Access, Link, is_connected};
use super::consumer::stream_error;
use crate::event::codes;

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

/// A sink at work.
pub(super) struct NatsSink {
    client: Client,
    link: Arc<Link>,
    target: Target,
    receipts: Receipts,
}

/// An inbox for confirmations: each is awaited under a number of its own, so one that comes late is told from the one awaited.
struct Receipts {
    inbox: Subscriber,
    prefix: String,
    next: u64,
}

impl NatsSink {
    /// Connects, and checks that the stream is there and that confirmations can be received.
    pub async fn open(access: Access, target: Target) -> Result<NatsSink, ConnectorError> {
        let (client, link) = access.connect().await?;
        if let Some(stream) = &target.stream {
            let subject = target.subject.as_deref();
            let context = jetstream::new(client.clone());
            let look =
                async { context.get_stream(stream).await.map_err(|error| stream_error(stream, subject, &error)) };
            let found = link.unless_refused(look).await?;
            let subjects = &found.cached_info().config.subjects;
            if let Some(subject) = subject.filter(|subject| !subjects.iter().any(|pattern| covers(pattern, subject))) {
                return Err(ConnectorError::fatal(format!(
                    "the stream `{stream}` takes `{}`, not `{subject}`; `nats stream edit {stream} --subjects ...` changes it",
                    subjects.join("`, `")
                )));
            }
        }
        let prefix = client.new_inbox();
        let inbox = client
            .subscribe(format!("{prefix}.*"))
            .await
            .map_err(|error| ConnectorError::transient(format!("cannot subscribe to an inbox: {error}")))?;
        let mut sink = NatsSink { client, link, target, receipts: Receipts { inbox, prefix, next: 0 } };
        sink.probe().await?;
        Ok(sink)
    }

    /// Publishes events and waits until the server has confirmed them. Moves `done` past those that it has.
    async fn send(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        while *done < events.len() {
            if !is_connected(&self.client) {
                return Err(self.lost());
            }
            let found = self.link.found();
            let to = events.len().min(*done + self.target.max_pending);
            let (sent, refused) = self.publish(events, *done..to).await;
            if self.target.stream.is_some() {
                self.await_acks(found, sent, done).await?;
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

    /// Publishes events until one cannot be. Gives those that were, and the error of the one behind them.
    async fn publish(&mut self, events: &Encoded, range: Range<usize>) -> (Range<usize>, Option<ConnectorError>) {
        // One copy for all, which the client's messages share.
        let bytes = Bytes::copy_from_slice(events.events(range.start, range.end));
        let mut at = 0;
        let first = self.receipts.next;
        for i in range.clone() {
            let payload = bytes.slice(at..at + events.event(i).len());
            at += payload.len();
            let reply = self.target.stream.is_some().then(|| self.receipts.subject(first + (i - range.start) as u64));
            if let Err(error) = self.publish_one(events, i, payload, reply).await {
                return (range.start..i, Some(error));
            }
        }
        (range, None)
    }

    async fn publish_one(
        &self,
        events: &Encoded,
        i: usize,
        payload: Bytes,
        reply: Option<Subject>,
    ) -> Result<(), ConnectorError> {
        let subject = match (&self.target.subject, events.targets.get(i)) {
            (_, Some(target)) => Subject::from(&**target),
            (Some(subject), None) => Subject::from(subject.as_str()),
            (None, None) => return Err(ConnectorError::event(codes::BAD_SUBJECT.id, "the event has no subject")),
        };
        check_subject(&subject).map_err(|why| ConnectorError::event(codes::BAD_SUBJECT.id, why))?;
        let size = payload.len();
        let headers = headers(events, i)?;
        let sent = match (headers, reply) {
            (None, None) => self.client.publish(subject, payload).await,
            (None, Some(reply)) => self.client.publish_with_reply(subject, reply, payload).await,
            (Some(headers), None) => self.client.publish_with_headers(subject, headers, payload).await,
            (Some(headers), Some(reply)) => {
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => ConnectorError::event(
                codes::MESSAGE_TOO_LARGE.id,
                format!(
                    "an event of {size} bytes is larger than a message of {} may be, {} bytes; raise `max_payload` of the server",
                    self.link.servers,
                    self.client.max_payload()
                ),
            ),
            PublishErrorKind::InvalidSubject => ConnectorError::event(codes::BAD_SUBJECT.id, error.to_string()),
            PublishErrorKind::Send => {
                ConnectorError::fatal(format!("the connection to {} is closed: {error}", self.link.servers))
            }
        })
    }

    /// Waits for the acknowledgements of events that were just published, and moves `done` past those that have theirs with
    /// none missing before.
    async fn await_acks(&mut self, found: u64, sent: Range<usize>, done: &mut usize) -> Result<(), ConnectorError> {
        let first = self.receipts.next;
        self.receipts.next += sent.len() as u64;
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

impl Target {
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

/// The key and the headers of an event, or none.
fn headers(events: &Encoded, i: usize) -> Result<Option<HeaderMap>, ConnectorError> {
    let key = events.keys.get(i).and_then(Option::as_deref).map(|key| (KEY_HEADER, key));
    let own = events.headers.get(i).map(Vec::as_slice).unwrap_or_default();
    let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut map = HeaderMap::new();
    for (name, value) in key.into_iter().chain(own) {
        let bad = |what: &str| {
            ConnectorError::event(
                codes::BAD_HEADER.id,
                format!("{what} `{name}` cannot be sent: no line end may be in it"),
            )
        };
        let header: HeaderName = name.parse().map_err(|_| bad("a header's name"))?;
        let value: HeaderValue = value.parse().map_err(|_| bad("the value of header"))?;
        map.append(header, value);
    }
    Ok((!map.is_empty()).then_some(map))
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

impl Sink for NatsSink {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        Box::pin(self.send(events, done))
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        // Nothing is taken that is not confirmed.
        Box::pin(async { Ok(()) })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async {
            // A courtesy: the server need not wait for a connection that times out.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.client.flush()).await;
            Ok(())
        })
    }
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

    #[test]
    fn headers_that_cannot_be_sent_are_the_events_error() {
        let with = |key: Option<&str>, headers: &[(&str, &str)]| Encoded {
            ends: vec![0],
            keys: vec![key.map(String::from)],
            headers: vec![headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()],
            ..Default::default()
        };
        assert!(headers(&with(None, &[]), 0).unwrap().is_none());
        let map = headers(&with(Some("k"), &[("a", "1"), ("a", "2")]), 0).unwrap().unwrap();
        assert_eq!((map.get("Key").unwrap().as_str(), map.get_all("a").count()), ("k", 2));
        for bad in [with(Some("k\n"), &[]), with(None, &[("a:", "1")]), with(None, &[("a", "1\r\n")])] {
            assert!(headers(&bad, 0).is_err_and(|error| !error.is_transient()));
        }
    }
}
