//! Where reading of a stream begins: what a checkpoint keeps of it, and whether the server's consumer can be taken as it stands.
//! Pure: what the server said is an argument.

use async_nats::datetime::{self, DateTime};
use async_nats::jetstream::consumer::{DeliverPolicy, Info};

use crate::connectors::Position;

/// Where a source stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub stream: String,
    /// When the stream was made: one that was removed and made anew counts its messages from 1 again.
    pub created: DateTime,
    /// All messages up to this one that the consumer reads were given.
    pub sequence: u64,
    /// Those up to this one are in a checkpoint on disk: so far the server may have been told.
    pub acknowledged: u64,
}

impl Standing {
    /// As a checkpoint keeps it.
    pub fn position(&self) -> Position {
        let created = i64::try_from(self.created.unix_timestamp_nanos()).unwrap_or_default();
        serde_json::json!({
            "stream": self.stream,
            "created_ns": created,
            "sequence": self.sequence,
            "acknowledged": self.acknowledged,
        })
    }

    /// From a checkpoint.
    pub fn parse(position: &Position) -> Option<Standing> {
        Some(Standing {
            stream: position.get("stream")?.as_str()?.to_string(),
            created: datetime::from_nanos(position.get("created_ns")?.as_i64()?.into()).ok()?,
            sequence: position.get("sequence")?.as_u64()?,
            acknowledged: position.get("acknowledged")?.as_u64()?,
        })
    }
}

/// Where a consumer is to begin.
#[derive(Clone, Debug)]
pub(super) enum Begin {
    /// Where the server remembers it; a new one where `start` says.
    Remembered,
    /// Where `start` says, whatever the server remembers.
    Start,
    /// Behind a message of the stream that was made then, which is at or before `sequence`, the last that was read, and not before
    /// `acknowledged`: until a checkpoint is on disk that has the rest, the server must not forget it.
    Behind { created: DateTime, acknowledged: u64, sequence: u64 },
}

/// What is to be done about the consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Use it as it is.
    Take,
    /// Make it, in place of the one that is there.
    Make(DeliverPolicy),
}

/// `found`: the consumer, if it exists, in a stream that was made at `created`.
/// `in_order`: every message must come once and in the order of the stream. The server gives again what was not acknowledged only
/// after a while, behind what is newer; so a consumer with such messages is made anew in front of them.
pub(super) fn choose(
    begin: &Begin,
    in_order: bool,
    start: DeliverPolicy,
    created: DateTime,
    found: Option<&Info>,
) -> Choice {
    let behind = |sequence: u64| Choice::Make(DeliverPolicy::ByStartSequence { start_sequence: sequence + 1 });
    let is_settled = |info: &Info| info.num_ack_pending == 0;
    match (begin, found) {
        (Begin::Start, _) | (Begin::Remembered, None) => Choice::Make(start),
        (Begin::Remembered, Some(info)) if !in_order || is_settled(info) => Choice::Take,
        (Begin::Remembered, Some(info)) => behind(info.ack_floor.stream_sequence),
        (Begin::Behind { .. }, Some(_)) if !in_order => Choice::Take,
        (Begin::Behind { created: known, .. }, _) if *known != created => Choice::Make(DeliverPolicy::All),
        (Begin::Behind { acknowledged, sequence, .. }, Some(info))
            if is_settled(info) && (*acknowledged..=*sequence).contains(&info.delivered.stream_sequence) =>
        {
            Choice::Take
        }
        (Begin::Behind { acknowledged, .. }, _) => behind(*acknowledged),
    }
}

/// What the user should know when a source goes on behind a message of a stream whose messages are now `first..=last`.
pub(super) fn gap(stream: &str, sequence: u64, first: u64, last: u64) -> Option<String> {
    if last < sequence {
        return Some(format!(
            "the stream `{stream}` ends at {last}, before the checkpoint's {sequence}: it has lost messages, and what comes now is read"
        ));
    }
    let gone = first.saturating_sub(sequence + 1);
    (gone > 0).then(|| {
        format!(
            "the stream `{stream}` no longer has {gone} of its messages behind the checkpoint ({} to {}): they are not read",
            sequence + 1,
            first - 1
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(seconds: i128) -> DateTime {
        datetime::from_nanos(seconds * 1_000_000_000 + 123_456_789).unwrap()
    }

    fn consumer(floor: u64, delivered: u64, pending: usize) -> Info {
        let text = serde_json::json!({
            "stream_name": "IN", "name": "d", "created": "2026-01-01T00:00:00Z",
            "config": { "deliver_policy": "all", "ack_policy": "explicit", "replay_policy": "instant" },
            "delivered": { "consumer_seq": delivered, "stream_seq": delivered },
            "ack_floor": { "consumer_seq": floor, "stream_seq": floor },
            "num_ack_pending": pending, "num_redelivered": 0, "num_waiting": 0, "num_pending": 5,
        });
        serde_json::from_value(text).unwrap()
    }

    fn at(sequence: u64) -> Choice {
        Choice::Make(DeliverPolicy::ByStartSequence { start_sequence: sequence })
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let standing = Standing { stream: "IN".into(), created: made(1_790_000_000), sequence: 42, acknowledged: 40 };
        assert_eq!(Standing::parse(&standing.position()), Some(standing));
        assert_eq!(Standing::parse(&serde_json::json!({ "stream": "IN" })), None);
    }

    #[test]
    fn a_consumer_that_stands_elsewhere_is_made_anew() {
        let behind = |sequence| Begin::Behind { created: made(1), acknowledged: sequence - 2, sequence };
        let choose = |begin: &Begin, info: &Info| super::choose(begin, true, DeliverPolicy::New, made(1), Some(info));
        assert_eq!(choose(&behind(10), &consumer(10, 10, 0)), Choice::Take);
        assert_eq!(choose(&behind(10), &consumer(9, 9, 0)), Choice::Take, "what is left of the checkpoint comes again");
        assert_eq!(choose(&behind(10), &consumer(10, 12, 2)), at(9), "given, and not acknowledged");
        assert_eq!(choose(&behind(10), &consumer(20, 20, 0)), at(9), "acknowledged beyond the checkpoint");
        assert_eq!(choose(&behind(10), &consumer(5, 5, 0)), at(9), "acknowledgements were lost");
        assert_eq!(choose(&Begin::Remembered, &consumer(7, 9, 1)), at(8));
        assert_eq!(choose(&Begin::Remembered, &consumer(9, 9, 0)), Choice::Take);
        assert_eq!(choose(&Begin::Start, &consumer(9, 9, 0)), Choice::Make(DeliverPolicy::New));
        let other = super::choose(&behind(10), true, DeliverPolicy::New, made(2), Some(&consumer(10, 10, 0)));
        assert_eq!(other, Choice::Make(DeliverPolicy::All), "the stream is another one");
    }

    #[test]
    fn without_checkpoints_the_server_remembers() {
        let choose =
            |begin: &Begin, found: Option<&Info>| super::choose(begin, false, DeliverPolicy::All, made(1), found);
        assert_eq!(choose(&Begin::Remembered, Some(&consumer(7, 9, 1))), Choice::Take);
        assert_eq!(choose(&Begin::Remembered, None), Choice::Make(DeliverPolicy::All));
        let behind = Begin::Behind { created: made(1), acknowledged: 3, sequence: 3 };
        assert_eq!(choose(&behind, Some(&consumer(7, 9, 1))), Choice::Take);
        assert_eq!(choose(&behind, None), at(4));
    }

    #[test]
    fn messages_that_are_gone_are_counted() {
        assert_eq!(gap("IN", 10, 11, 20), None);
        assert_eq!(gap("IN", 10, 1, 10), None);
        assert!(
            gap("IN", 10, 14, 20).is_some_and(|text| text.contains("3 of its messages") && text.contains("11 to 13"))
        );
        assert!(gap("IN", 10, 1, 4).is_some_and(|text| text.contains("ends at 4")));
    }
}
