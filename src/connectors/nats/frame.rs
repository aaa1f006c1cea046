//! Messages of NATS as a chunk of events, and what a JetStream message's reply subject says of it.

use std::borrow::Cow;

use async_nats::Message;

use crate::connectors::{Pull, SourceOpen};
use crate::event::{BrokerMessage, ChunkBuilder, Timestamp};

use super::{KEY_HEADER, SUBJECT_HEADER};

/// What the reply subject of a JetStream message says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its number in the stream.
    pub sequence: u64,
    /// When the server stored it.
    pub time: Timestamp,
    /// The how-manieth delivery of its consumer this is; a number that is left out is one that did not arrive.
    pub delivery: u64,
    /// Messages behind it that this consumer has not been given.
    pub behind: u64,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`, and the newer form with
/// `<domain>.<account hash>` before the stream and perhaps a token at the end (NATS ADR-15).
pub(super) fn position(reply: &str) -> Option<Position> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let skipped = match rest.split('.').count() {
        7 => 3,
        n if n >= 9 => 5,
        _ => return None,
    };
    let mut tokens = rest.split('.').skip(skipped);
    let sequence = tokens.next()?.parse().ok()?;
    let delivery = tokens.next()?.parse().ok()?;
    let nanoseconds: i64 = tokens.next()?.parse().ok()?;
    let behind = tokens.next()?.parse().ok()?;
    Some(Position { sequence, time: Timestamp(nanoseconds.div_euclid(1_000_000)), delivery, behind })
}

/// Gathers messages until a batch is full.
pub(super) struct Framer {
    builder: ChunkBuilder,
    events_max: usize,
}

impl Framer {
    /// For one chunk of what is asked for.
    pub fn new(open: &SourceOpen) -> Framer {
        Framer { builder: ChunkBuilder::new(open.event_bytes_max), events_max: open.chunk_events_max }
    }

    /// Adds a message, unless the chunk is full.
    pub fn add(&mut self, message: &Message, position: Option<Position>) -> bool {
        if self.builder.len() >= self.events_max || self.builder.is_full_for(message.length) {
            return false;
        }
        let subject = message.subject.as_str();
        let headers = headers(message);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let key = headers.iter().find(|(name, _)| *name == KEY_HEADER).map_or(subject, |(_, key)| *key);
        self.builder.push(BrokerMessage {
            payload: &message.payload,
            key: Some(key),
            headers: &headers,
            offset: position.map(|position| i64::try_from(position.sequence).unwrap_or(i64::MAX)),
            time: position.map(|position| position.time),
        });
        true
    }

    /// The chunk, unless it is empty.
    pub fn finish(mut self) -> Option<Pull> {
        (!self.builder.is_empty()).then(|| Pull::Chunk(self.builder.finish(None)))
    }
}

/// The subject, then the headers in the order of their names; several values of one are joined as HTTP does it.
fn headers(message: &Message) -> Vec<(&str, Cow<'_, str>)> {
    let mut all = vec![(SUBJECT_HEADER, Cow::Borrowed(message.subject.as_str()))];
    for (name, values) in message.headers.iter().flat_map(|headers| headers.iter()) {
        let value = match values.as_slice() {
            [one] => Cow::Borrowed(one.as_str()),
            several => Cow::Owned(several.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", ")),
        };
        let name: &str = name.as_ref();
        if name != SUBJECT_HEADER {
            all.push((name, value));
        }
    }
    all[1..].sort_unstable_by_key(|(name, _)| *name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Column;
    use async_nats::{HeaderMap, HeaderValue};

    fn message(payload: &'static str, headers: &[(&'static str, &'static str)]) -> Message {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.append(*name, HeaderValue::from(*value)));
        Message {
            subject: "payments.eu".into(),
            reply: None,
            payload: payload.into(),
            headers: (!headers.is_empty()).then_some(map),
            status: None,
            description: None,
            length: payload.len(),
        }
    }

    fn open(chunk_events_max: usize) -> SourceOpen {
        SourceOpen {
            framing: Default::default(),
            event_bytes_max: 100,
            chunk_events_max,
            resume: None,
            fresh: false,
            has_checkpoints: false,
        }
    }

    #[test]
    fn a_message_keeps_its_payload_key_and_headers() {
        let mut framer = Framer::new(&open(10));
        assert!(framer.add(&message("{}", &[]), None));
        assert!(framer.add(&message("{\"a\":1}", &[("b", "1"), ("Key", "k\"1"), ("b", "2")]), None));
        let Some(Pull::Chunk(chunk)) = framer.finish() else { panic!("there are two events") };
        chunk.assert_sound();
        let text = |start: u32, end: u32| std::str::from_utf8(&chunk.text[start as usize..end as usize]).unwrap();
        let cell = |column: &Option<Column>, row: usize| {
            let at = column.as_ref().unwrap().cells()[row].text_ref().unwrap();
            text(at.start, at.start + at.len).to_string()
        };
        assert_eq!(text(chunk.frames[1].start, chunk.frames[1].end), "{\"a\":1}");
        assert_eq!(cell(&chunk.keys, 0), "payments.eu");
        assert_eq!(cell(&chunk.keys, 1), "k\"1");
        assert_eq!(cell(&chunk.headers, 0), r#"{"Nats-Subject":"payments.eu"}"#);
        assert_eq!(cell(&chunk.headers, 1), r#"{"Nats-Subject":"payments.eu","Key":"k\"1","b":"1, 2"}"#);
        assert!(chunk.offsets.is_empty() && chunk.times.is_empty());
    }

    #[test]
    fn a_chunk_is_full_at_its_bound() {
        let mut framer = Framer::new(&open(1));
        assert!(framer.add(&message("1", &[]), None));
        assert!(!framer.add(&message("2", &[]), None));
    }

    #[test]
    fn both_forms_of_an_ack_subject_are_read() {
        let expected = Some(Position { sequence: 100, time: Timestamp(1_790_230_470_084), delivery: 7, behind: 42 });
        assert_eq!(position("$JS.ACK.events.durable.3.100.7.1790230470084404000.42"), expected);
        assert_eq!(position("$JS.ACK.hub.h4sh.events.durable.3.100.7.1790230470084404000.42.t0ken"), expected);
        assert_eq!(position("$JS.ACK.hub.h4sh.events.durable.3.100.7.1790230470084404000.42"), expected);
        assert_eq!(position("_INBOX.abc"), None);
        assert_eq!(position("$JS.ACK.a.b.c.d.e.f.g"), None);
    }
}
