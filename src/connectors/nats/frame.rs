//! Messages of NATS as a chunk of events: payloads, subjects and headers in one text.

use std::ops::Range;

use async_nats::Message;

use crate::connectors::{Broken, Pull};
use crate::event::{Cell, Chunk, Column, Tags, TextRef, Timestamp};
use crate::limits::{BATCH_BYTES_MAX, RAW_BYTES_KEPT_MAX};

use super::{KEY_HEADER, SUBJECT_HEADER};

/// What the reply subject of a JetStream message says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its number in the stream.
    pub sequence: u64,
    /// When the server stored it.
    pub time: Timestamp,
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
    let nanoseconds: i64 = tokens.nth(1)?.parse().ok()?;
    let behind = tokens.next()?.parse().ok()?;
    Some(Position { sequence, time: Timestamp(nanoseconds.div_euclid(1_000_000)), behind })
}

/// Gathers messages until a batch is full.
pub(super) struct Framer {
    text: Vec<u8>,
    chunk: Chunk,
    keys: Vec<Cell>,
    headers: Vec<Cell>,
    events_max: usize,
    event_bytes_max: usize,
}

/// What became of a message that was offered.
pub(super) enum Framed {
    /// It is in the chunk.
    Taken,
    /// The chunk is full without it, or must leave before it.
    Full,
    /// It is no event, and the chunk is empty.
    Broken(Broken),
}

impl Framer {
    /// For chunks of at most so many events, each of at most so many bytes.
    pub fn new(events_max: usize, event_bytes_max: usize) -> Framer {
        Framer {
            text: Vec::new(),
            chunk: Chunk::default(),
            keys: Vec::new(),
            headers: Vec::new(),
            events_max,
            event_bytes_max,
        }
    }

    /// Adds a message; what is no event waits until the events before it have left.
    pub fn add(&mut self, message: &Message, position: Option<Position>) -> Framed {
        let events = self.chunk.frames.len();
        let fits = self.text.len() + message.length <= BATCH_BYTES_MAX;
        if events > 0 && (events >= self.events_max || !fits) {
            return Framed::Full;
        }
        let bytes = message.payload.len();
        if bytes > self.event_bytes_max || message.length > u32::MAX as usize / 4 {
            return if events > 0 { Framed::Full } else { Framed::Broken(self.broken(message, bytes)) };
        }
        let payload = self.append(&message.payload);
        self.chunk.frames.push(payload);
        if let Some(position) = position {
            self.chunk.offsets.push(i64::try_from(position.sequence).unwrap_or(i64::MAX));
            self.chunk.times.push(position.time);
        }
        let key = message.headers.as_ref().and_then(|headers| headers.get(KEY_HEADER)).map(|key| key.as_str());
        let key = self.append(key.unwrap_or(message.subject.as_str()).as_bytes());
        self.keys.push(Cell::Str(text_ref(&key)));
        let start = self.text.len();
        write_headers(message, &mut self.text);
        self.headers.push(Cell::Json(text_ref(&(start as u32..self.text.len() as u32))));
        Framed::Taken
    }

    /// The chunk, unless it is empty.
    pub fn finish(mut self) -> Option<Pull> {
        if self.chunk.frames.is_empty() {
            return None;
        }
        self.chunk.text = self.text.into();
        self.chunk.keys = Some(Column::new(self.keys, Tags::of(&[Cell::Str(NOWHERE)])));
        self.chunk.headers = Some(Column::new(self.headers, Tags::of(&[Cell::Json(NOWHERE)])));
        Some(Pull::Chunk(self.chunk))
    }

    fn append(&mut self, bytes: &[u8]) -> Range<u32> {
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        start..self.text.len() as u32
    }

    fn broken(&self, message: &Message, bytes: usize) -> Broken {
        Broken {
            code: "line-too-long",
            message: format!(
                "a message of {bytes} bytes on `{}` is longer than {}; raise `limits: {{ line: ... }}`",
                message.subject, self.event_bytes_max
            ),
            raw: message.payload[..bytes.min(RAW_BYTES_KEPT_MAX)].to_vec(),
        }
    }
}

const NOWHERE: TextRef = TextRef { text: 0, start: 0, len: 0 };

fn text_ref(range: &Range<u32>) -> TextRef {
    TextRef { text: 0, start: range.start, len: range.end - range.start }
}

/// The headers as a JSON object: the message's in the order of their names, a list where one has several values, and the subject.
fn write_headers(message: &Message, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut named: Vec<_> = message.headers.iter().flat_map(|headers| headers.iter()).collect();
    named.sort_unstable_by(|(a, _), (b, _)| AsRef::<str>::as_ref(a).cmp(b.as_ref()));
    for (name, values) in named {
        let name: &str = name.as_ref();
        if name == SUBJECT_HEADER {
            continue;
        }
        write_string(name, out);
        out.push(b':');
        match values.as_slice() {
            [one] => write_string(one.as_str(), out),
            several => {
                out.push(b'[');
                for (i, value) in several.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_string(value.as_str(), out);
                }
                out.push(b']');
            }
        }
        out.push(b',');
    }
    write_string(SUBJECT_HEADER, out);
    out.push(b':');
    write_string(message.subject.as_str(), out);
    out.push(b'}');
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_message_keeps_its_payload_key_and_headers() {
        let mut framer = Framer::new(10, 100);
        assert!(matches!(framer.add(&message("{}", &[]), None), Framed::Taken));
        let headers = [("b", "1"), ("Key", "k\"1"), ("b", "2")];
        assert!(matches!(framer.add(&message("{\"a\":1}", &headers), None), Framed::Taken));
        let Some(Pull::Chunk(chunk)) = framer.finish() else { panic!("there are two events") };
        let text = |at: Range<u32>| std::str::from_utf8(&chunk.text[at.start as usize..at.end as usize]).unwrap();
        let cell = |column: &Option<Column>, row: usize| {
            let at = column.as_ref().unwrap().cells()[row].text_ref().unwrap();
            text(at.start..at.start + at.len).to_string()
        };
        assert_eq!(text(chunk.frames[1].clone()), "{\"a\":1}");
        assert_eq!(cell(&chunk.keys, 0), "payments.eu");
        assert_eq!(cell(&chunk.keys, 1), "k\"1");
        assert_eq!(cell(&chunk.headers, 0), r#"{"Nats-Subject":"payments.eu"}"#);
        assert_eq!(
            cell(&chunk.headers, 1),
            r#"{"Key":"k\"1","b":["1","2"],"Nats-Subject":"payments.eu"}"#
        );
        assert!(chunk.offsets.is_empty() && chunk.times.is_empty());
    }

    #[test]
    fn what_is_too_long_leaves_alone_and_after_what_came_before() {
        let mut framer = Framer::new(10, 3);
        assert!(matches!(framer.add(&message("1", &[]), None), Framed::Taken));
        assert!(matches!(framer.add(&message("1234", &[]), None), Framed::Full));
        let mut framer = Framer::new(10, 3);
        let Framed::Broken(broken) = framer.add(&message("1234", &[]), None) else { panic!("it is too long") };
        assert_eq!((broken.code, broken.raw.as_slice()), ("line-too-long", &b"1234"[..]));
        assert!(framer.finish().is_none());
    }

    #[test]
    fn a_chunk_is_full_at_its_bound() {
        let mut framer = Framer::new(1, 3);
        assert!(matches!(framer.add(&message("1", &[]), None), Framed::Taken));
        assert!(matches!(framer.add(&message("2", &[]), None), Framed::Full));
    }

    #[test]
    fn both_forms_of_an_ack_subject_are_read() {
        let expected = Some(Position { sequence: 100, time: Timestamp(1_790_230_470_084), behind: 42 });
        assert_eq!(position("$JS.ACK.events.durable.3.100.7.1790230470084404000.42"), expected);
        assert_eq!(position("$JS.ACK.hub.h4sh.events.durable.3.100.7.1790230470084404000.42.t0ken"), expected);
        assert_eq!(position("$JS.ACK.hub.h4sh.events.durable.3.100.7.1790230470084404000.42"), expected);
        assert_eq!(position("_INBOX.abc"), None);
        assert_eq!(position("$JS.ACK.a.b.c.d.e.f.g"), None);
    }
}
