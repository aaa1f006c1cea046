//! What stands before the bytes of an event and names the schema that it is written with.

use crate::event::packed::Wire;

/// Which of a source's writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::event) enum Name {
    /// The chunk or the source says it.
    Given,
    Fingerprint(u64),
    Id(u32),
}

/// How single-object encoding begins; the fingerprint follows, little endian.
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
/// How Confluent's serializers begin; the number follows, big endian.
const CONFLUENT: u8 = 0;

/// Reads what stands before an event: the writer, and where the event begins.
#[inline]
pub(in crate::event) fn read(wire: Wire, event: &[u8]) -> Result<(Name, usize), String> {
    match wire {
        Wire::Container | Wire::Raw => Ok((Name::Given, 0)),
        Wire::SingleObject => match event.split_first_chunk() {
            Some((&SINGLE_OBJECT, rest)) if rest.len() >= 8 => {
                let fingerprint = rest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
                Ok((Name::Fingerprint(fingerprint), 10))
            }
            _ => Err(unlike(event, "c3 01 and 8 bytes of a fingerprint, as Avro's single-object encoding has it", 10)),
        },
        Wire::Confluent => match event.split_first() {
            Some((&CONFLUENT, rest)) if rest.len() >= 4 => {
                let id = rest.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                Ok((Name::Id(id), 5))
            }
            _ => Err(unlike(event, "00 and 4 bytes of the schema's number, as Confluent's serializers write them", 5)),
        },
    }
}

/// What single-object encoding has before an event.
pub(super) fn single_object(fingerprint: u64) -> Vec<u8> {
    [&SINGLE_OBJECT[..], &fingerprint.to_le_bytes()].concat()
}

/// What an event begins with, if it is not what it should be.
#[cold]
fn unlike(event: &[u8], expected: &str, size: usize) -> String {
    let found: Vec<String> = event.iter().take(size).map(|byte| format!("{byte:02x}")).collect();
    let found = match found.is_empty() {
        true => "no bytes".to_owned(),
        false => found.join(" "),
    };
    let hint = match event.first() {
        Some(b'{') => "; this looks like JSON",
        Some(b'O') if event.starts_with(b"Obj\x01") => "; this is an object container file: `wire: container`",
        Some(0) if event.len() >= 5 => "; this looks like `wire: confluent`",
        Some(0xc3) if event.starts_with(&SINGLE_OBJECT) => "; this looks like `wire: single_object`",
        _ => "",
    };
    let cut = if event.len() < size { format!(", and {} bytes in all", event.len()) } else { String::new() };
    format!("expected {expected}; found {found}{cut}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_who_wrote() {
        let single = [&[0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8][..], &[9]].concat();
        assert_eq!(read(Wire::SingleObject, &single), Ok((Name::Fingerprint(0x0807_0605_0403_0201), 10)));
        assert_eq!(read(Wire::Confluent, &[0, 0, 0, 1, 2, 9]), Ok((Name::Id(258), 5)));
        assert_eq!(read(Wire::Raw, &[]), Ok((Name::Given, 0)));
    }

    #[test]
    fn what_was_found_is_told() {
        let why = read(Wire::Confluent, b"{\"a\":1}").unwrap_err();
        assert!(why.contains("found 7b 22 61 22 3a; this looks like JSON"), "{why}");
        let why = read(Wire::Confluent, &[0, 0, 1]).unwrap_err();
        assert!(why.contains("found 00 00 01, and 3 bytes in all"), "{why}");
        let why = read(Wire::SingleObject, &[0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]).unwrap_err();
        assert!(why.ends_with("`wire: confluent`"), "{why}");
        assert!(read(Wire::SingleObject, &single_cut()).is_err());
        assert!(read(Wire::SingleObject, &[]).unwrap_err().contains("found no bytes"));
    }

    fn single_cut() -> Vec<u8> {
        vec![0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7]
    }
}
