//! The sink: it publishes events as they come, or holds them back until the checkpoint that contains them is on disk.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue, Subject};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::connectors::{ConnectorError, Encoded, ErrorKind, Sink, SinkOpen, SinkState};
use crate::event::codes;
use crate::state::failpoint;

use super::KEY_HEADER;
use super::connect::Access;
use super::held::Held;
use super::publish::{Outgoing, Publisher, Target, check_subject};

/// The duplicate window that a server gives a stream unless it is told otherwise; a restart of the runner should fit into it.
const DUPLICATE_WINDOW_MIN: Duration = Duration::from_secs(120);

/// A sink at work.
pub(super) struct NatsSink {
    publisher: Publisher,
    held: Held,
    /// Whether events wait for a checkpoint.
    holds: bool,
}

impl NatsSink {
    /// Connects, and sends what a checkpoint kept: the stream drops what it has.
    pub async fn open(
        access: Access,
        target: Target,
        exactly_once: bool,
        open: SinkOpen,
    ) -> Result<NatsSink, ConnectorError> {
        let publisher = Publisher::connect(access, target).await?;
        let resumed = open.resume.as_ref().map_or(0, |resume| resume.id);
        // Another one than any run before: that one may have sent, with the same checkpoint's number, what this one makes otherwise.
        let run = RandomState::new().build_hasher().finish();
        let mut held = Held::new(format!("{:x}.{run:x}.{}", open.lineage, open.name));
        if let Some(resume) = &open.resume {
            held.restore(&resume.pending).map_err(|why| {
                ConnectorError::fatal(format!("what the checkpoint holds back for this sink cannot be read: {why}"))
            })?;
        }
        let holds = exactly_once && open.has_checkpoints;
        if let Some(window) = publisher.duplicate_window().filter(|window| holds && *window < DUPLICATE_WINDOW_MIN) {
            let stream = publisher.target.stream.as_deref().unwrap_or_default();
            tracing::warn!(
                node = %open.name,
                "the stream `{stream}` knows a message again for {window:?} only: where the runner is down for longer in the middle \
                 of publishing, events are in it twice; `nats stream edit {stream} --dupe-window 10m` changes it"
            );
        }
        let mut sink = NatsSink { publisher, held, holds };
        sink.send_held(resumed).await?;
        Ok(sink)
    }

    /// Publishes events and waits until the server has confirmed them.
    async fn send(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        // One copy for all, which the client's messages share.
        let first = *done;
        let bytes = Bytes::copy_from_slice(events.events(first, events.len()));
        let target = self.publisher.target.subject.clone();
        let message = |i: usize| {
            let end = events.events(first, i + 1).len();
            let payload = bytes.slice(end - events.event(i).len()..end);
            let subject = Subject::from(subject(events, i, target.as_deref())?);
            Ok(Outgoing { subject, headers: headers(events, i)?, payload })
        };
        self.publisher.send(events.len(), message, done).await
    }

    /// Holds events back. What the stream would refuse later is refused now, while it can still be the event's own error.
    async fn hold(&mut self, events: &Encoded, done: &mut usize) -> Result<(), ConnectorError> {
        let target = self.publisher.target.subject.clone();
        while *done < events.len() {
            let (subject, headers) = (subject(events, *done, target.as_deref())?, headers(events, *done)?);
            let payload = events.event(*done);
            self.publisher.check(subject, headers.as_ref(), payload.len(), self.held.id_bytes_max()).await?;
            self.held.hold(subject, headers.as_ref(), payload);
            *done += 1;
        }
        Ok(())
    }

    /// Sends what was held back for this checkpoint and earlier ones, and goes on where it stopped.
    async fn send_held(&mut self, checkpoint: u64) -> Result<(), ConnectorError> {
        while let Some(sealed) = self.held.due(checkpoint) {
            let mut sent = sealed.sent;
            let message = |i: usize| {
                failpoint::hit("publish");
                sealed.message(i)
            };
            let result = self.publisher.send(sealed.len(), message, &mut sent).await;
            sealed.sent = sent;
            result.map_err(waits)?;
            self.held.sent();
        }
        Ok(())
    }
}

/// An error of a message that is in a checkpoint: it cannot be the event's own any more, so it waits until the stream takes it.
fn waits(error: ConnectorError) -> ConnectorError {
    match error.kind {
        ErrorKind::Event(_) => ConnectorError::transient(format!("it took the event before: {error}")),
        ErrorKind::Transient | ErrorKind::Fatal => error,
    }
}

/// Where an event goes; or why it cannot go there.
fn subject<'a>(events: &'a Encoded, i: usize, always: Option<&'a str>) -> Result<&'a str, ConnectorError> {
    let bad = |why: String| ConnectorError::event(codes::BAD_SUBJECT.id, why);
    let subject = events.targets.get(i).map(|target| &**target).or(always);
    let subject = subject.ok_or_else(|| bad("the event has no subject".into()))?;
    check_subject(subject).map_err(bad)?;
    Ok(subject)
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

impl Sink for NatsSink {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        if self.holds { Box::pin(self.hold(events, done)) } else { Box::pin(self.send(events, done)) }
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        // What is taken is confirmed, or waits for its checkpoint.
        Box::pin(async { Ok(()) })
    }

    fn checkpoint(&mut self, id: u64) -> BoxFuture<'_, Result<SinkState, ConnectorError>> {
        self.held.seal(id);
        let state = serde_json::json!({ "stream": self.publisher.target.stream, "held": self.held.len() });
        let pending = self.held.pending().into();
        Box::pin(async { Ok(SinkState { state, pending, sync: Vec::new() }) })
    }

    fn commit(&mut self, id: u64) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(self.send_held(id))
    }

    fn wants_checkpoint(&self) -> bool {
        self.held.is_much()
    }

    fn holds_back(&self) -> bool {
        self.held.len() > 0
    }

    fn give_back(&mut self) -> Vec<Bytes> {
        self.held.give_back()
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async {
            // A courtesy: the server need not wait for a connection that times out.
            let _ = tokio::time::timeout(Duration::from_secs(1), self.publisher.client.flush()).await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
