//! The events of Avro containers. Blocks are found by their numbers and unpacked; in them events lie one behind the other without
//! lengths, so that they are cut by the schema at the file's head. A damaged block costs itself: reading goes on at the next marker.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::avro::container::{
    Block as FileBlock, Codec, FileHead, MARKER_BYTES, Marker, Trouble, endless, left_over,
};
use crate::event::avro::{Fault, Walk, Writer, Writers};
use crate::event::chunk::too_long;
use crate::event::codes;
use crate::limits::{AVRO_BLOCK_BYTES_MAX, AVRO_EMPTY_ITEMS_MAX, AVRO_PROGRAMS_MAX, BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

use super::found::{Block, Origin};
use super::stream::{Stream, bad};
use super::{Head, Place};

/// The containers of a source: who knows how they are written. Files with the same schema share what is made of it.
#[derive(Clone)]
pub struct Containers(Arc<Shared>);

struct Shared {
    writers: Arc<dyn Writers>,
    /// By the text of the schema.
    known: Mutex<HashMap<String, Result<Arc<Writer>, String>>>,
}

/// What the head of a container says.
#[derive(Debug)]
pub struct ContainerHead {
    pub writer: Arc<Writer>,
    codec: Codec,
    marker: Marker,
    /// Of the head, for its functions.
    file: FileHead,
}

#[derive(Debug)]
pub(super) struct Container {
    containers: Containers,
    /// Usual blocks are left to decoders.
    pub uncut: bool,
    state: State,
    /// So many events of the next block were given before.
    given: u32,
}

#[derive(Clone, Debug)]
enum State {
    /// The head is not read.
    Begins,
    Blocks(Arc<ContainerHead>),
    /// Inside of a damaged block: what follows the next marker is a block.
    Lost(Arc<ContainerHead>),
    /// Nothing more comes of the input.
    GivenUp,
}

/// The blocks that were cut in one search.
struct Cut {
    /// Where in the buffer the next block begins.
    at: usize,
    /// What compressed blocks stand for.
    plain: Vec<u8>,
    blocks: Vec<Block>,
    walk: Walk,
}

impl Cut {
    fn new(head: &ContainerHead) -> Cut {
        Cut { at: 0, plain: Vec::new(), blocks: Vec::new(), walk: head.writer.ends.walk() }
    }

    /// Makes the blocks what was found.
    fn give(self, codec: Codec, stream: &mut Stream) {
        match codec {
            _ if self.at == 0 => {}
            Codec::Null => stream.hand_over(self.at, |_| Origin::Blocks(self.blocks)),
            _ => {
                stream.found.set_text(self.plain.into(), Origin::Blocks(self.blocks));
                stream.drop_front(self.at);
            }
        }
    }
}

impl Containers {
    pub fn new(writers: Arc<dyn Writers>) -> Containers {
        Containers(Arc::new(Shared { writers, known: Mutex::default() }))
    }

    fn writer(&self, schema: &str) -> Result<Arc<Writer>, String> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = known.get(schema) {
            return writer.clone();
        }
        if known.len() >= AVRO_PROGRAMS_MAX {
            known.clear();
        }
        let writer = self.0.writers.by_text(schema);
        known.insert(schema.to_owned(), writer.clone());
        writer
    }
}

impl fmt::Debug for Containers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Containers")
    }
}

impl Container {
    pub fn new(containers: Containers) -> Container {
        Container { containers, uncut: false, state: State::Begins, given: 0 }
    }

    pub fn resume(&mut self, place: Place, head: Option<Head>) {
        self.given = place.events;
        self.state = match head {
            _ if place.at == 0 => State::Begins,
            Some(Head::Container(Some(head))) if place.in_skipped => State::Lost(head),
            Some(Head::Container(Some(head))) => State::Blocks(head),
            _ => State::GivenUp,
        };
    }

    /// The head, once it was read; `None` in it: it cannot be used.
    pub fn head(&self) -> Option<Option<Arc<ContainerHead>>> {
        match &self.state {
            State::Begins => None,
            State::Blocks(head) | State::Lost(head) => Some(Some(head.clone())),
            State::GivenUp => Some(None),
        }
    }

    /// Whether what comes next belongs to what was given up.
    pub fn is_skipping(&self) -> bool {
        matches!(self.state, State::Lost(_) | State::GivenUp)
    }

    /// Finds events of whole blocks, or what is wrong, until there is something or more must be read. `events_max`: of a chunk.
    pub fn search(&mut self, stream: &mut Stream, events_max: usize, ended: bool) {
        loop {
            let goes_on = match self.state.clone() {
                State::Begins => self.begin(stream, ended),
                State::Blocks(head) => {
                    self.uncut_blocks(&head, stream, events_max) || self.blocks(&head, stream, ended)
                }
                State::Lost(head) => self.seek(head, stream, ended),
                State::GivenUp => {
                    stream.drop_front(stream.buffer.len());
                    false
                }
            };
            if !goes_on || !stream.found.is_empty() {
                return;
            }
        }
    }

    /// Reads the head.
    fn begin(&mut self, stream: &mut Stream, ended: bool) -> bool {
        let read = FileHead::read(&stream.buffer).and_then(|(file, end)| {
            let writer = self.containers.writer(&file.schema);
            let writer = writer.map_err(|why| Trouble::Bad(format!("its schema cannot be used: {why}")))?;
            Ok((ContainerHead { writer, codec: file.codec, marker: file.marker, file }, end))
        });
        let why = match read {
            Ok((head, end)) => {
                self.state = State::Blocks(Arc::new(head));
                stream.drop_front(end);
                return true;
            }
            Err(Trouble::Partly) if !ended || stream.buffer.is_empty() => return false,
            Err(Trouble::Partly) => "it ends within its head".to_owned(),
            Err(Trouble::Bad(why)) => why,
        };
        let bad = stream.bad(0, stream.buffer.len(), codes::AVRO_CONTAINER, format!("no container is read: {why}"));
        stream.found.push_bad(Place::at(stream.position), bad);
        stream.drop_front(stream.buffer.len());
        self.state = State::GivenUp;
        true
    }

    /// Takes usual blocks as they are, as many as there are before the first that is to be looked at: that is bad, has more than goes into a
    /// chunk, or was given in part.
    fn uncut_blocks(&mut self, head: &Arc<ContainerHead>, stream: &mut Stream, events_max: usize) -> bool {
        if !self.uncut || self.given > 0 {
            return false;
        }
        let mut cut = Cut::new(head);
        // So that no event can be too long.
        let size_max = BATCH_BYTES_MAX.min(stream.line_max);
        while cut.plain.len() < BATCH_BYTES_MAX {
            let Ok(block) = head.file.block(&stream.buffer, cut.at, size_max) else { break };
            if block.events == 0 || block.events > events_max as u64 {
                break;
            }
            let data = match head.codec {
                Codec::Null => block.data,
                codec => {
                    let start = cut.plain.len();
                    let packed = stream.buffer.get(block.data).unwrap_or_default();
                    if codec.unpack(packed, size_max, &mut cut.plain).is_err() {
                        cut.plain.truncate(start);
                        break;
                    }
                    start..cut.plain.len()
                }
            };
            let first = stream.found.frames();
            cut.blocks.push(Block { first, at: stream.position + cut.at as u64, before: 0 });
            stream.found.push_uncut(data, block.events as usize);
            cut.at = block.end;
        }
        let moved = cut.at > 0;
        cut.give(head.codec, stream);
        moved
    }

    /// Cuts whole blocks, as many as fill a batch.
    fn blocks(&mut self, head: &Arc<ContainerHead>, stream: &mut Stream, ended: bool) -> bool {
        let mut cut = Cut::new(head);
        let size_max = AVRO_BLOCK_BYTES_MAX.max(stream.line_max);
        let mut lost = false;
        while stream.found.frames() < BATCH_EVENTS_MAX && cut.at.max(cut.plain.len()) < BATCH_BYTES_MAX {
            if cut.at == stream.buffer.len() {
                break;
            }
            let (why, from) = match head.file.block(&stream.buffer, cut.at, size_max) {
                Ok(block) => {
                    self.cut(head, stream, block, &mut cut);
                    continue;
                }
                Err((Trouble::Partly, _)) if !ended => break,
                Err((Trouble::Partly, from)) => ("the input ends within it".to_owned(), from),
                Err((Trouble::Bad(why), from)) => (why, from),
            };
            let rest = stream.buffer.get(from..).unwrap_or_default();
            let marker = memchr::memmem::find(rest, &head.marker).map(|found| from + found + MARKER_BYTES);
            let end = marker.unwrap_or(stream.buffer.len());
            let offset = stream.position + cut.at as u64;
            let bad = stream.bad(cut.at, end, codes::AVRO_BLOCK, format!("the block at byte {offset}: {why}"));
            stream.found.push_bad(Place::at(offset), bad);
            self.given = 0;
            match marker {
                Some(end) => cut.at = end,
                None => {
                    // A marker that looks like the numbers before a block is none.
                    (cut.at, lost) = (from, true);
                    break;
                }
            }
        }
        let moved = cut.at > 0;
        cut.give(head.codec, stream);
        if lost {
            self.state = State::Lost(head.clone());
        }
        moved || lost
    }

    /// Cuts the events of a block.
    fn cut(&mut self, head: &ContainerHead, stream: &mut Stream, block: FileBlock, cut: &mut Cut) {
        let walk = &mut cut.walk;
        let Stream { buffer, position, line_max, found } = stream;
        let at = *position + cut.at as u64;
        let skipped = std::mem::take(&mut self.given);
        cut.at = block.end;
        let data = buffer.get(block.data.clone()).unwrap_or_default();
        let unpacked = match head.codec {
            Codec::Null => Ok((buffer.get(..block.data.end).unwrap_or_default(), block.data.start)),
            codec => {
                let start = cut.plain.len();
                match codec.unpack(data, AVRO_BLOCK_BYTES_MAX.max(*line_max), &mut cut.plain) {
                    Ok(()) => Ok((&*cut.plain, start)),
                    Err(why) => {
                        cut.plain.truncate(start);
                        Err(why)
                    }
                }
            }
        };
        let refuse = |why: String| bad(data, at, codes::AVRO_BLOCK, format!("the block at byte {at}: {why}"));
        let (text, start) = match unpacked {
            Ok(unpacked) => unpacked,
            Err(why) => return found.push_bad(Place::at(at), refuse(why)),
        };
        // Events of no bytes are the only ones that could be more than the bytes are.
        if block.events > (text.len() - start).max(AVRO_EMPTY_ITEMS_MAX) as u64 {
            let why = format!("it claims to have {} events, in {} bytes", block.events, text.len() - start);
            return found.push_bad(Place::at(at), refuse(why));
        }
        let mut events = Events { at, skipped, next: 0, found, blocks: &mut cut.blocks };
        events.begin();
        let mut from = start;
        while u64::from(events.next) < block.events {
            let end = match walk.end(text, from) {
                Ok(end) => end,
                Err(fault) => {
                    let fault = Fault { at: fault.at.saturating_sub(start as u32), ..fault };
                    let data = text.get(start..).unwrap_or_default();
                    let why = endless(at as i64, data, u64::from(events.next) + 1, block.events, fault);
                    let rest = text.get(from..).unwrap_or_default();
                    return events.bad(bad(rest, at, codes::AVRO_BLOCK, why));
                }
            };
            if end - from > *line_max {
                let message = too_long("event", end - from, *line_max);
                let event = text.get(from..end).unwrap_or_default();
                events.bad(bad(event, at, codes::LINE_TOO_LONG, message));
                events.begin();
            } else {
                events.good(from..end);
            }
            from = end;
        }
        if from < text.len() {
            let rest = text.get(from..).unwrap_or_default();
            let why = left_over(at as i64, rest.len(), block.events);
            events.bad(bad(rest, at, codes::AVRO_BLOCK, why));
        }
    }

    /// Looks for the marker behind a damaged block.
    fn seek(&mut self, head: Arc<ContainerHead>, stream: &mut Stream, ended: bool) -> bool {
        if let Some(found) = memchr::memmem::find(&stream.buffer, &head.marker) {
            stream.drop_front(found + MARKER_BYTES);
            self.state = State::Blocks(head);
            return true;
        }
        // It may have begun.
        let kept = if ended { 0 } else { MARKER_BYTES - 1 };
        stream.drop_front(stream.buffer.len().saturating_sub(kept));
        false
    }
}

/// The events of a block as they are found.
struct Events<'a> {
    /// Where the block is.
    at: u64,
    /// So many of its first were given before.
    skipped: u32,
    /// The number of the next one.
    next: u32,
    found: &'a mut super::found::Found,
    blocks: &'a mut Vec<Block>,
}

impl Events<'_> {
    /// The next frame is the next event.
    fn begin(&mut self) {
        self.blocks.push(Block { first: self.found.frames(), at: self.at, before: self.next.max(self.skipped) });
    }

    fn good(&mut self, event: std::ops::Range<usize>) {
        if self.next >= self.skipped {
            self.found.push(event);
        }
        self.next += 1;
    }

    fn bad(&mut self, bad: crate::event::BadFrame) {
        if self.next >= self.skipped {
            self.found.push_bad(Place { events: self.next, ..Place::at(self.at) }, bad);
        }
        self.next += 1;
    }
}
