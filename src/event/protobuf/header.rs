//! What stands before a message in the framing of Confluent's serializers: a zero, the registry's number of the schema, and the way to
//! the message in its file.

use crate::event::packed::{Wire, write_varint};

use super::read;

/// Messages within each other in one file: as many as `protoc` takes.
const WAY_MAX: u64 = 32;

/// Bytes of the zero and the number.
const ID_BYTES: usize = 5;

/// How many bytes of the event come before its message. `way`: the one to the message that is expected.
#[inline(always)]
pub(super) fn read(wire: Wire, event: &[u8], way: &[u32]) -> Result<usize, String> {
    if wire == Wire::Confluent { read_confluent(event, way) } else { Ok(0) }
}

fn read_confluent(event: &[u8], way: &[u32]) -> Result<usize, String> {
    match event.first() {
        Some(0) if event.len() >= ID_BYTES => {}
        Some(0) => return Err(format!("{} bytes are too few for the number of a schema", event.len())),
        Some(first) => {
            return Err(format!(
                "the event starts with 0x{first:02x}, and in Confluent's framing with 0x00; is `wire` what the producer writes?"
            ));
        }
        None => {
            return Err(
                "the event has no bytes, where Confluent's framing has a 0x00 and the number of a schema".into()
            );
        }
    }
    let mut at = ID_BYTES;
    let mut next = || {
        let (value, after) = read::varint(event, at, event.len()).map_err(|_| CUT.to_owned())?;
        at = after;
        Ok::<i64, String>((value >> 1) as i64 ^ -((value & 1) as i64))
    };
    let count = next()?;
    // The first message of a file, by far the most usual, is written as a zero alone.
    let found = match u64::try_from(count) {
        Ok(0) => vec![0],
        Ok(count) if count <= WAY_MAX => (0..count).map(|_| next()).collect::<Result<Vec<i64>, String>>()?,
        _ => return Err(format!("a message {count} levels deep in its file, where at most {WAY_MAX} are possible")),
    };
    if found.len() != way.len() || found.iter().zip(way).any(|(found, wanted)| *found != i64::from(*wanted)) {
        return Err(format!("the event is the message {found:?} of its file, and the schema's message is {way:?}"));
    }
    Ok(at)
}

const CUT: &str = "the event ends before the number of its message";

/// The way to a message, as it is written behind the number of the schema.
pub(super) fn way(way: &[u32]) -> Vec<u8> {
    if way == [0] {
        return vec![0];
    }
    let mut out = Vec::new();
    let zigzag = |value: u64| value << 1;
    write_varint(&mut out, zigzag(way.len() as u64));
    way.iter().for_each(|index| write_varint(&mut out, zigzag(u64::from(*index))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_message_is_read_and_written() {
        for (way, bytes) in [(vec![0], vec![0]), (vec![1], vec![2, 2]), (vec![2, 0, 70], vec![6, 4, 0, 0x8c, 1])] {
            assert_eq!(super::way(&way), bytes);
            let out = [vec![0, 0, 0, 1, 2], bytes, vec![8, 1]].concat();
            assert_eq!(read(Wire::Confluent, &out, &way), Ok(out.len() - 2));
            assert!(read(Wire::Confluent, &out, &[9]).unwrap_err().contains("[9]"));
            for cut in 0..out.len() - 2 {
                assert!(read(Wire::Confluent, &out[..cut], &way).is_err(), "{cut} bytes");
            }
        }
        // Written in full, `[0]` is read as well.
        assert_eq!(read(Wire::Confluent, &[0, 0, 0, 0, 1, 2, 0], &[0]), Ok(7));
        assert!(read(Wire::Confluent, b"{\"a\":1}", &[0]).unwrap_err().contains("0x7b"));
        assert!(read(Wire::Confluent, &[0, 0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], &[0]).is_err());
        assert!(read(Wire::Confluent, &[0, 0, 0, 0, 1, 1], &[0]).is_err(), "minus one message");
        assert_eq!(read(Wire::Raw, b"", &[0]), Ok(0));
    }
}
