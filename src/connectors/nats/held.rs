//! What a sink holds back until the checkpoint that contains it is on disk, and the ids by which the server knows a message that it is
//! sent again. Pure: no connection.

use std::collections::VecDeque;

use async_nats::{HeaderMap, HeaderName, HeaderValue, Subject};
use bytes::Bytes;

use crate::connectors::ConnectorError;
use crate::limits::NATS_HELD_BYTES_MAX;
use crate::state::Corrupt;
use crate::state::codec::{Reader, put_bytes, put_varint};

use super::publish::Outgoing;

/// The header by which a stream knows that it has a message already.
pub(super) const ID_HEADER: &str = "Nats-Msg-Id";
/// The form of what is held back in a checkpoint.
const VERSION: u64 = 1;
/// What a message costs in memory beside its bytes.
const MESSAGE_COST: usize = size_of::<usize>();

/// Messages that are held back, oldest first.
#[derive(Debug)]
pub(super) struct Held {
    /// With the checkpoint's number and the message's place in it, an id that no other message has.
    prefix: String,
    /// Since the last checkpoint.
    bytes: Vec<u8>,
    starts: Vec<usize>,
    /// Of checkpoints: their ids are given for good, as they may have been sent.
    sealed: VecDeque<Sealed>,
    sealed_bytes: usize,
}

/// The messages of one checkpoint.
#[derive(Debug)]
pub(super) struct Sealed {
    prefix: String,
    checkpoint: u64,
    bytes: Bytes,
    /// Where each message begins in `bytes`.
    starts: Vec<usize>,
    /// How many of them the server has.
    pub sent: usize,
}

impl Held {
    /// Nothing yet. `prefix`: what the ids of this run's messages begin with, and no others.
    pub fn new(prefix: String) -> Held {
        Held { prefix, bytes: Vec::new(), starts: Vec::new(), sealed: VecDeque::new(), sealed_bytes: 0 }
    }

    /// Takes back what a checkpoint kept, as `pending` gave it.
    pub fn restore(&mut self, pending: &Bytes) -> Result<(), Corrupt> {
        if pending.is_empty() {
            return Ok(());
        }
        let mut reader = Reader::new(pending);
        match reader.varint()? {
            VERSION => {}
            other => return Err(Corrupt(format!("it is of version {other}, and this runner writes {VERSION}"))),
        }
        while !reader.is_empty() {
            let prefix = std::str::from_utf8(reader.bytes()?).map_err(|_| Corrupt("an id is no text".into()))?;
            let checkpoint = reader.varint()?;
            let bytes = pending.slice_ref(reader.bytes()?);
            let sealed = Sealed { prefix: prefix.into(), checkpoint, starts: starts(&bytes)?, bytes, sent: 0 };
            self.sealed_bytes += sealed.cost();
            self.sealed.push_back(sealed);
        }
        Ok(())
    }

    /// Holds a message back.
    pub fn hold(&mut self, subject: &str, headers: Option<&HeaderMap>, payload: &[u8]) {
        self.starts.push(self.bytes.len());
        put_bytes(&mut self.bytes, subject.as_bytes());
        let count = headers.map_or(0, |headers| headers.iter().map(|(_, values)| values.len()).sum());
        put_varint(&mut self.bytes, count as u64);
        for (name, values) in headers.iter().flat_map(|headers| headers.iter()) {
            for value in values {
                let name: &str = name.as_ref();
                put_bytes(&mut self.bytes, name.as_bytes());
                put_bytes(&mut self.bytes, value.as_str().as_bytes());
            }
        }
        put_bytes(&mut self.bytes, payload);
    }

    /// What stands since the last checkpoint becomes this one's.
    pub fn seal(&mut self, checkpoint: u64) {
        if self.starts.is_empty() {
            return;
        }
        let sealed = Sealed {
            prefix: self.prefix.clone(),
            checkpoint,
            bytes: std::mem::take(&mut self.bytes).into(),
            starts: std::mem::take(&mut self.starts),
            sent: 0,
        };
        self.sealed_bytes += sealed.cost();
        self.sealed.push_back(sealed);
    }

    /// All that is sealed and not yet with the server, for a checkpoint.
    pub fn pending(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.sealed.is_empty() {
            return out;
        }
        out.reserve(self.sealed_bytes);
        put_varint(&mut out, VERSION);
        for sealed in &self.sealed {
            put_bytes(&mut out, sealed.prefix.as_bytes());
            put_varint(&mut out, sealed.checkpoint);
            put_bytes(&mut out, &sealed.bytes);
        }
        out
    }

    /// The oldest messages, if they are of this checkpoint or an earlier one.
    pub fn due(&mut self, checkpoint: u64) -> Option<&mut Sealed> {
        self.sealed.front_mut().filter(|sealed| sealed.checkpoint <= checkpoint)
    }

    /// The server has the oldest messages.
    pub fn sent(&mut self) {
        if let Some(sealed) = self.sealed.pop_front() {
            self.sealed_bytes -= sealed.cost();
        }
    }

    /// The payloads of all that the server does not have, which is forgotten.
    pub fn give_back(&mut self) -> Vec<Bytes> {
        self.seal(u64::MAX);
        self.sealed_bytes = 0;
        let sealed = std::mem::take(&mut self.sealed);
        let messages = sealed.iter().flat_map(|sealed| (sealed.sent..sealed.len()).map(|index| sealed.read(index)));
        messages.filter_map(Result::ok).map(|message| message.payload).collect()
    }

    /// How many messages are held back.
    pub fn len(&self) -> usize {
        self.starts.len() + self.sealed.iter().map(|sealed| sealed.starts.len() - sealed.sent).sum::<usize>()
    }

    /// Whether a checkpoint should come soon. What comes until it does is what the edges before the sink hold.
    pub fn is_much(&self) -> bool {
        self.bytes.len() + self.starts.len() * MESSAGE_COST > NATS_HELD_BYTES_MAX / 2
    }

    /// Bytes that a message's own id adds to it, at most.
    pub fn id_bytes_max(&self) -> usize {
        const NUMBER: usize = 20;
        ID_HEADER.len() + ": \r\n".len() + self.prefix.len() + 2 * (NUMBER + 1)
    }
}

impl Sealed {
    /// How many messages.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    fn cost(&self) -> usize {
        self.bytes.len() + self.starts.len() * MESSAGE_COST
    }

    /// A message, with its id.
    pub fn message(&self, index: usize) -> Result<Outgoing, ConnectorError> {
        self.read(index).map_err(|why| ConnectorError::fatal(format!("what was held back cannot be read: {why}")))
    }

    fn read(&self, index: usize) -> Result<Outgoing, Corrupt> {
        let bad = |what: &str| Corrupt(format!("{what} is none"));
        let start = *self.starts.get(index).ok_or_else(|| bad("the message"))?;
        let mut reader = Reader::new(self.bytes.get(start..).unwrap_or_default());
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| bad("a text"));
        let subject = Subject::from(text(reader.bytes()?)?);
        let mut headers = HeaderMap::new();
        for _ in 0..reader.varint()? {
            let name: HeaderName = text(reader.bytes()?)?.parse().map_err(|_| bad("a header's name"))?;
            let value: HeaderValue = text(reader.bytes()?)?.parse().map_err(|_| bad("a header's value"))?;
            headers.append(name, value);
        }
        let payload = self.bytes.slice_ref(reader.bytes()?);
        let id = format!("{}.{}.{index}", self.prefix, self.checkpoint);
        headers.insert(ID_HEADER, id.parse::<HeaderValue>().map_err(|_| bad("the message's id"))?);
        Ok(Outgoing { subject, headers: Some(headers), payload })
    }
}

/// Where each message begins.
fn starts(bytes: &[u8]) -> Result<Vec<usize>, Corrupt> {
    let mut reader = Reader::new(bytes);
    let mut starts = Vec::new();
    let mut at = 0;
    while !reader.is_empty() {
        starts.push(at);
        let before = reader.len();
        reader.bytes()?;
        for _ in 0..reader.varint()? {
            reader.bytes()?;
            reader.bytes()?;
        }
        reader.bytes()?;
        at += before - reader.len();
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> Held {
        Held::new("2a.fraud/alerts".into())
    }

    /// The ids and payloads of what is due, all of which is then sent.
    fn send(held: &mut Held, checkpoint: u64) -> Vec<(String, String)> {
        let mut all = Vec::new();
        while let Some(sealed) = held.due(checkpoint) {
            for i in sealed.sent..sealed.len() {
                let message = sealed.message(i).unwrap();
                let id = message.headers.unwrap().get(ID_HEADER).unwrap().to_string();
                all.push((id, String::from_utf8(message.payload.to_vec()).unwrap()));
            }
            held.sent();
        }
        all
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, payload)| (id.to_string(), payload.to_string())).collect()
    }

    #[test]
    fn a_message_is_sent_with_its_checkpoint_and_keeps_its_id_over_a_restart() {
        let mut first = held();
        let mut headers = HeaderMap::new();
        headers.append("Key", "k");
        first.hold("a.b", Some(&headers), b"one");
        first.hold("a.b", None, b"two");
        first.seal(7);
        first.hold("a.c", None, b"three");
        let pending = Bytes::from(first.pending());
        assert_eq!(first.due(6).map(|sealed| sealed.len()), None);
        let expected = pairs(&[("2a.fraud/alerts.7.0", "one"), ("2a.fraud/alerts.7.1", "two")]);
        assert_eq!(send(&mut first, 7), expected);
        assert_eq!(first.len(), 1, "the third is of no checkpoint");

        let mut second = Held::new("2b.fraud/renamed".into());
        second.restore(&pending).unwrap();
        let message = second.due(7).unwrap().message(0).unwrap();
        assert_eq!((message.subject.as_str(), message.headers.unwrap().get("Key").unwrap().as_str()), ("a.b", "k"));
        assert_eq!(send(&mut second, 7), expected);
        second.hold("a", None, b"last");
        second.seal(8);
        assert_eq!(send(&mut second, 8), pairs(&[("2b.fraud/renamed.8.0", "last")]));
    }

    #[test]
    fn what_an_abandoned_checkpoint_took_is_in_the_next_one() {
        let mut held = held();
        held.hold("a", None, b"one");
        held.seal(1);
        held.hold("a", None, b"two");
        held.seal(2);
        let mut restored = self::held();
        restored.restore(&Bytes::from(held.pending())).unwrap();
        let expected = pairs(&[("2a.fraud/alerts.1.0", "one"), ("2a.fraud/alerts.2.0", "two")]);
        assert_eq!(send(&mut restored, 2), expected);
        assert!(restored.pending().is_empty());
        restored.seal(3);
        assert!(restored.pending().is_empty());
    }

    #[test]
    fn bytes_that_are_cut_or_of_another_version_are_refused() {
        let mut held = held();
        held.hold("a", None, b"one");
        held.seal(1);
        let pending = held.pending();
        for cut in 1..pending.len() {
            let short = Bytes::copy_from_slice(&pending[..cut]);
            assert!(self::held().restore(&short).is_err() || cut == 1, "{cut}");
        }
        assert!(self::held().restore(&Bytes::from_static(&[9])).is_err());
    }

    #[test]
    fn what_was_not_sent_is_given_back() {
        let mut held = held();
        ["one", "two"].iter().for_each(|text| held.hold("a", None, text.as_bytes()));
        held.seal(1);
        held.hold("a", None, b"three");
        held.due(1).unwrap().sent = 1;
        assert_eq!(held.give_back(), ["two", "three"]);
        assert_eq!((held.len(), held.pending().len()), (0, 0));
    }

    #[test]
    fn much_is_half_of_the_bound() {
        let mut held = held();
        held.hold("a", None, &vec![0; NATS_HELD_BYTES_MAX / 2]);
        assert!(held.is_much());
        held.seal(1);
        assert!(!held.is_much());
    }
}
