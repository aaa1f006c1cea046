//! Avro's object container files: what stands at their head, and around each block of events.

mod codec;

use std::ops::Range;

use rapidhash::v3::rapidhash_v3;

use super::fault::{Fault, Why};
use super::read;
use crate::limits::AVRO_HEAD_BYTES_MAX;

pub use self::codec::Codec;

/// How a container begins.
pub const MAGIC: [u8; 4] = *b"Obj\x01";
/// Bytes of the marker behind the head and behind each block.
pub const MARKER_BYTES: usize = 16;

/// What ends each block: the same bytes in all of a file, and by chance nowhere else.
pub type Marker = [u8; MARKER_BYTES];

/// The head of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileHead {
    /// The text of the schema that all events of it are written with.
    pub schema: String,
    pub codec: Codec,
    pub marker: Marker,
}

/// Why a head or a block is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not end in the bytes that are there.
    Partly,
    /// What is wrong, in words that follow the place.
    Bad(String),
}

/// A block, as far as the numbers before it and the marker behind it say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub events: u64,
    /// Where its events are, as the codec has them.
    pub data: Range<usize>,
    /// What follows its marker.
    pub end: usize,
}

impl FileHead {
    /// The head of a file for events of a schema. The marker follows from the rest, so that what is written again is the same.
    pub fn of(schema: &str, codec: Codec) -> FileHead {
        let half = |which: &str| rapidhash_v3(format!("{which} of {} {schema}", codec.name()).as_bytes());
        let mut marker = [0; MARKER_BYTES];
        let halves = half("marker").to_le_bytes().into_iter().chain(half("second half").to_le_bytes());
        marker.iter_mut().zip(halves).for_each(|(byte, half)| *byte = half);
        FileHead { schema: schema.to_owned(), codec, marker }
    }

    /// Reads the head that `bytes` begin with. Gives what follows it.
    pub fn read(bytes: &[u8]) -> Result<(FileHead, usize), Trouble> {
        // What is said of other bytes does not depend on how few came at first.
        let start = bytes.get(..MAGIC.len()).ok_or(Trouble::Partly)?;
        if *start != MAGIC {
            return Err(Trouble::Bad(unlike(start)));
        }
        match metadata(bytes) {
            Ok((metadata, end)) => metadata.head(bytes, end),
            Err(Fault { why: Why::CutOff { .. }, .. }) if bytes.len() < AVRO_HEAD_BYTES_MAX => Err(Trouble::Partly),
            Err(Fault { why: Why::CutOff { .. }, .. }) => {
                Err(Trouble::Bad(format!("its head has more than {AVRO_HEAD_BYTES_MAX} bytes")))
            }
            Err(fault) => Err(Trouble::Bad(told(fault, bytes, 0))),
        }
    }

    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        read::write_long(out, 2);
        for (key, value) in [("avro.schema", &*self.schema), ("avro.codec", self.codec.name())] {
            for text in [key, value] {
                read::write_long(out, text.len() as i64);
                out.extend_from_slice(text.as_bytes());
            }
        }
        read::write_long(out, 0);
        out.extend_from_slice(&self.marker);
    }

    /// Writes a block of so many events.
    pub fn write_block(&self, events: u64, data: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        let packed = self.codec.pack(data)?;
        read::write_long(out, events as i64);
        read::write_long(out, packed.len() as i64);
        out.extend_from_slice(&packed);
        out.extend_from_slice(&self.marker);
        Ok(())
    }

    /// Reads what is around the block at `at`. On trouble that is no lack of bytes, also where the marker behind it is to be looked for.
    pub fn block(&self, bytes: &[u8], at: usize, size_max: usize) -> Result<Block, (Trouble, usize)> {
        let failed = |fault: Fault| match fault.why {
            Why::CutOff { .. } => (Trouble::Partly, at),
            _ => (Trouble::Bad(told(fault, bytes, at)), at),
        };
        let bad = |why: String, from: usize| Err((Trouble::Bad(why), from));
        let rest = bytes.get(at..).unwrap_or_default();
        // No block begins so: it would have fewer than no events.
        if rest.starts_with(&MAGIC) {
            let why = "another container begins there, and a file is one container: give each a file of its own";
            return bad(why.to_owned(), at + MAGIC.len());
        }
        if MAGIC.starts_with(rest) {
            return Err((Trouble::Partly, at));
        }
        let (events, after) = read::long(bytes, at).map_err(failed)?;
        let (size, start) = read::long(bytes, after).map_err(failed)?;
        if events < 0 {
            return bad(format!("it claims to have {events} events"), start);
        }
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= size_max) else {
            return bad(format!("it claims to have {size} bytes, and at most {size_max} are read"), start);
        };
        let end = start + size + MARKER_BYTES;
        match bytes.get(start + size..end) {
            Some(marker) if marker == self.marker => {
                Ok(Block { events: events as u64, data: start..start + size, end })
            }
            Some(_) => bad(format!("the file's marker does not follow its {size} bytes"), start),
            None => Err((Trouble::Partly, start)),
        }
    }
}

/// Of the metadata of a head, what is known here.
#[derive(Default)]
struct Metadata<'a> {
    schema: Option<&'a [u8]>,
    codec: Option<&'a [u8]>,
}

/// Reads the map behind the magic, and gives where it ends.
fn metadata(bytes: &[u8]) -> super::fault::Read<(Metadata<'_>, usize)> {
    let (mut found, mut at) = (Metadata::default(), MAGIC.len());
    loop {
        let (count, mut next) = read::long(bytes, at)?;
        if count == 0 {
            read::bytes(bytes, next, MARKER_BYTES)?;
            return Ok((found, next));
        }
        if count < 0 {
            next = read::long(bytes, next)?.1;
        }
        // Each takes bytes, so that no count is believed.
        for _ in 0..count.unsigned_abs() {
            let (key, value_at) = read::string(bytes, next)?;
            let (value, end) = read::prefixed(bytes, value_at)?;
            match key {
                b"avro.schema" => found.schema = Some(value),
                b"avro.codec" => found.codec = Some(value),
                _ => {}
            }
            next = end;
        }
        at = next;
    }
}

impl Metadata<'_> {
    fn head(&self, bytes: &[u8], end: usize) -> Result<(FileHead, usize), Trouble> {
        let bad = |why: &str| Trouble::Bad(why.to_owned());
        let schema = self.schema.ok_or_else(|| bad("its head has no `avro.schema`"))?;
        let schema = std::str::from_utf8(schema).map_err(|_| bad("its `avro.schema` is not valid UTF-8"))?;
        let codec = Codec::named(self.codec.unwrap_or(b"null")).map_err(Trouble::Bad)?;
        let marker = bytes.get(end..).and_then(|rest| rest.first_chunk()).ok_or(Trouble::Partly)?;
        Ok((FileHead { schema: schema.to_owned(), codec, marker: *marker }, end + MARKER_BYTES))
    }
}

/// A fault of numbers in what begins at `start`. How many bytes have come behind it is chance, and not told.
fn told(fault: Fault, bytes: &[u8], start: usize) -> String {
    let read = bytes.get(start..=fault.at as usize).unwrap_or_default();
    Fault::new((fault.at as usize).saturating_sub(start), fault.why).message(read, "", 0, "")
}

/// What is wrong with a block at this byte of its file of whose events one has no end: `fault`, which counts in the block's bytes.
pub fn endless(at: i64, block: &[u8], event: u64, events: u64, fault: Fault) -> String {
    let why = fault.message(block, "", 0, "");
    format!("the block at byte {at}: event {event} of {events}, {why}; the rest of it is not read")
}

/// What is wrong with a block that goes on behind the last of its events.
pub fn left_over(at: i64, bytes: usize, events: u64) -> String {
    format!("the block at byte {at}: {bytes} bytes follow the last of its {events} events")
}

/// What a file begins with, if it is not what it should be.
fn unlike(start: &[u8]) -> String {
    let found: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let hint = match start {
        [b'{', ..] => "; this looks like JSON",
        [0xc3, 0x01, ..] => "; this looks like single-object encoding behind no length",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, ..] => "; this looks like a compressed file: `compression` says how",
        _ => "",
    };
    format!("an object container file begins with 4f 62 6a 01 (`Obj` and 1), found {}{hint}", found.join(" "))
}

#[cfg(test)]
mod tests;
