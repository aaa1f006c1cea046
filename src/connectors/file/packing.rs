//! How the events that a file gets stand in it: lines, messages behind their lengths, or blocks of an Avro container.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use crate::connectors::{ConnectorError, Frames};
use crate::event::avro::container::{FileHead, MAGIC, MARKER_BYTES, Trouble};
use crate::limits::AVRO_HEAD_BYTES_MAX;
use crate::schema::AvroSchema;

const NOTHING_ELSE: &str = "it is an Avro container, and no events in another form may follow in it";

/// Two numbers and the marker.
const BLOCK_AROUND_BYTES_MAX: usize = 10 + 10 + MARKER_BYTES;

/// How events stand in a file, and what is known of those on their way into it.
#[derive(Debug)]
pub enum Packing {
    Lines,
    Messages,
    Blocks(Blocks),
}

/// The blocks of a container.
#[derive(Debug)]
pub struct Blocks {
    head: FileHead,
    /// Bytes of the head as it is written.
    head_bytes: usize,
    /// Whether the head is in the file, or before the block that is being written.
    has_head: bool,
    /// Where each event ends that is to be in the next block.
    ends: Vec<u32>,
    /// The events of the block that is being written, and their ends: for whoever takes them back.
    writing: (Vec<u8>, Vec<u32>),
}

impl Packing {
    /// Of a file in which nothing is.
    pub fn new(frames: &Frames) -> Packing {
        match frames {
            Frames::Lines => Packing::Lines,
            Frames::Messages => Packing::Messages,
            Frames::Container(head) => Packing::Blocks(Blocks {
                head_bytes: {
                    let mut bytes = Vec::new();
                    head.write(&mut bytes);
                    bytes.len()
                },
                head: (**head).clone(),
                has_head: false,
                ends: Vec::new(),
                writing: (Vec::new(), Vec::new()),
            }),
        }
    }

    /// Goes on in a file that has something.
    pub fn go_on(&mut self, path: &Path, mut content: impl Read) -> Result<(), ConnectorError> {
        let refuse = |why: &str| {
            ConnectorError::fatal(format!(
                "cannot add to `{}`: {why}; write to another file, or let a run begin it anew (`--fresh`, with `mode: replace`)",
                path.display()
            ))
        };
        if self.is_plain() {
            let mut start = MAGIC.map(|_| 0);
            // What is too short for it, or no whole member of what it is compressed as, is no container.
            let is_container = content.read_exact(&mut start).is_ok() && start == MAGIC;
            return if is_container { Err(refuse(NOTHING_ELSE)) } else { Ok(()) };
        }
        let mut start = Vec::new();
        let read = content.take(AVRO_HEAD_BYTES_MAX as u64).read_to_end(&mut start);
        read.map_err(|why| refuse(&format!("its head cannot be read ({why})")))?;
        match FileHead::read(&start) {
            Ok((head, _)) => self.follow(head).map_err(refuse),
            Err(Trouble::Partly) => Err(refuse("it ends within its head")),
            Err(Trouble::Bad(why)) => Err(refuse(&why)),
        }
    }

    /// Goes on in a container with this head: it has to be one of the same schema, and keeps its marker and codec; nothing else may be added
    /// to one. The error says why not.
    pub fn follow(&mut self, head: FileHead) -> Result<(), &'static str> {
        let Packing::Blocks(blocks) = self else { return Err(NOTHING_ELSE) };
        if !is_same(&head.schema, &blocks.head.schema) {
            return Err("the events in it are of another schema, whose version `schema: Payment@1` would name");
        }
        (blocks.head, blocks.has_head) = (head, true);
        Ok(())
    }

    /// The head of the container that has been begun.
    pub fn begun(&self) -> Option<&FileHead> {
        match self {
            Packing::Blocks(blocks) if blocks.has_head => Some(&blocks.head),
            Packing::Blocks(_) | Packing::Lines | Packing::Messages => None,
        }
    }

    /// Whether the bytes of events go into the file as they are.
    pub fn is_plain(&self) -> bool {
        !matches!(self, Packing::Blocks(_))
    }

    /// Events that are to be in the next block and might have no bytes.
    pub fn waiting(&self) -> usize {
        match self {
            Packing::Blocks(blocks) => blocks.ends.len(),
            Packing::Lines | Packing::Messages => 0,
        }
    }

    /// Bytes that will stand around the events of the next block, at most.
    pub fn around(&self) -> usize {
        match self {
            Packing::Blocks(blocks) if blocks.has_head => BLOCK_AROUND_BYTES_MAX,
            Packing::Blocks(blocks) => blocks.head_bytes + BLOCK_AROUND_BYTES_MAX,
            Packing::Lines | Packing::Messages => 0,
        }
    }

    /// Events come behind `taken` bytes; each ends so many bytes behind `start`.
    pub fn note(&mut self, taken: usize, ends: &[u32], start: u32) {
        if let Packing::Blocks(blocks) = self {
            blocks.ends.extend(ends.iter().map(|end| end - start + taken as u32));
        }
    }

    /// What is written of events that were taken.
    pub fn pack(&mut self, taken: Vec<u8>) -> io::Result<Vec<u8>> {
        let Packing::Blocks(blocks) = self else { return Ok(taken) };
        let mut out = Vec::with_capacity(taken.len() + 64);
        if !blocks.has_head {
            blocks.head.write(&mut out);
        }
        if !blocks.ends.is_empty() {
            blocks.head.write_block(blocks.ends.len() as u64, &taken, &mut out)?;
        }
        blocks.has_head = true;
        blocks.writing = (taken, std::mem::take(&mut blocks.ends));
        Ok(out)
    }

    /// The block is in the file.
    pub fn wrote(&mut self) {
        if let Packing::Blocks(blocks) = self {
            blocks.writing = (Vec::new(), Vec::new());
        }
    }

    /// The events that were taken and are not in the file: those of `block`, whose first `sent` bytes are, unless they are kept here, then
    /// those of `taken`.
    pub fn give_back(&mut self, block: Vec<u8>, sent: usize, mut taken: Vec<u8>) -> Vec<Bytes> {
        match self {
            Packing::Lines => {
                let mut text = block;
                text.drain(..sent.min(text.len()));
                text.append(&mut taken);
                let text = Bytes::from(text);
                let lines =
                    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
                lines.filter(|line| !line.is_empty()).map(|line| text.slice_ref(line)).collect()
            }
            Packing::Messages => {
                let (block, taken) = (Bytes::from(block), Bytes::from(taken));
                [messages(&block, sent), messages(&taken, 0)].concat()
            }
            Packing::Blocks(blocks) => {
                let (writing, ends) = std::mem::take(&mut blocks.writing);
                let taken_ends = std::mem::take(&mut blocks.ends);
                [cut(writing, &ends), cut(taken, &taken_ends)].concat()
            }
        }
    }
}

/// Whether two texts of schemas say the same.
fn is_same(one: &str, other: &str) -> bool {
    let identity = |text| AvroSchema::parse(text, &[]).map(|schema| schema.identity());
    one == other || matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn cut(bytes: Vec<u8>, ends: &[u32]) -> Vec<Bytes> {
    let bytes = Bytes::from(bytes);
    let starts = std::iter::once(0).chain(ends.iter().map(|end| *end as usize));
    starts.zip(ends).map(|(start, end)| bytes.slice(start..*end as usize)).collect()
}

/// The messages that end behind `from`, without their lengths.
fn messages(bytes: &Bytes, from: usize) -> Vec<Bytes> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (mut length, mut shift) = (0_usize, 0);
        while let Some(byte) = bytes.get(at) {
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if *byte < 0x80 || shift >= usize::BITS {
                break;
            }
        }
        let end = at.saturating_add(length).min(bytes.len());
        // One that is written in part is none that anybody has.
        if end > from {
            found.push(bytes.slice(at..end));
        }
        at = end;
    }
    found
}
