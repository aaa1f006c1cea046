//! From a stream of bytes to events' bytes: lines, CSV records, messages behind their length, and Avro containers. What was read is
//! handed on without a copy, unless it is compressed; only the unfinished tail of a read is copied to the next buffer.

mod container;
mod delimited;
mod found;
mod lines;
mod stream;

use std::sync::Arc;

use crate::limits::{BATCH_EVENTS_MAX, LINE_BYTES_CEILING, READ_BYTES};

use self::container::Container;
use self::delimited::Delimited;
use self::lines::Lines;
use self::stream::Stream;
use super::chunk::{Chunk, CsvHeader};

pub use self::container::{ContainerHead, Containers};

/// Cuts a stream into chunks. Read into [`Framer::buffer`], then take chunks from [`Framer::next_chunk`] until there is none.
///
/// Holds at most `limits.line` and one read (`READ_BYTES`) of unfinished text, whatever the input; of a container one block.
#[derive(Debug)]
pub struct Framer {
    stream: Stream,
    rule: Rule,
    chunk_events_max: usize,
}

/// A place in an input at which framing can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The byte, from the input's start: of a container that where a block begins.
    pub at: u64,
    /// It is inside of what was given up: a line that is too long, a damaged block, all that follows a length that cannot be.
    pub in_skipped: bool,
    /// Of the block there, so many events were given before.
    pub events: u32,
}

impl Place {
    /// A place where an event or block begins.
    pub fn at(at: u64) -> Place {
        Place { at, ..Place::default() }
    }
}

/// What stands at the beginning of an input and is needed to go on anywhere in it.
#[derive(Clone, Debug)]
pub enum Head {
    Csv(Arc<CsvHeader>),
    /// `None`: it is none that can be read, and so nothing of the input is.
    Container(Option<Arc<ContainerHead>>),
}

/// What makes an event.
#[derive(Debug)]
enum Rule {
    Lines(Lines),
    Delimited(Delimited),
    Container(Container),
}

impl Framer {
    /// Lines that end with LF or CRLF.
    pub fn lines(line_max: usize) -> Framer {
        Framer::new(Rule::Lines(Lines::plain()), line_max)
    }

    /// CSV records, which may hold line ends inside quotes. The first is the header.
    pub fn csv(line_max: usize) -> Framer {
        Framer::new(Rule::Lines(Lines::csv()), line_max)
    }

    /// Messages, each behind its length as a varint.
    pub fn delimited(line_max: usize) -> Framer {
        Framer::new(Rule::Delimited(Delimited::default()), line_max)
    }

    /// The events of an Avro object container file.
    pub fn container(containers: Containers, line_max: usize) -> Framer {
        Framer::new(Rule::Container(Container::new(containers)), line_max)
    }

    /// Leaves it to decoders to cut the usual blocks of a container into events: to find their ends is half of decoding them.
    pub fn uncut(mut self) -> Framer {
        if let Rule::Container(container) = &mut self.rule {
            container.uncut = true;
        }
        self
    }

    fn new(rule: Rule, line_max: usize) -> Framer {
        Framer { stream: Stream::new(line_max.min(LINE_BYTES_CEILING)), rule, chunk_events_max: BATCH_EVENTS_MAX }
    }

    /// Chunks of fewer events than a batch takes.
    pub fn chunk_events_max(mut self, events: usize) -> Framer {
        self.chunk_events_max = events.clamp(1, BATCH_EVENTS_MAX);
        self
    }

    /// Goes on in the middle of an input, where another framer has stopped, with the head that its beginning had.
    pub fn resume(mut self, place: Place, head: Option<Head>) -> Framer {
        self.stream.position = place.at;
        match &mut self.rule {
            Rule::Lines(lines) => lines.resume(place, head),
            Rule::Delimited(delimited) => delimited.resume(place),
            Rule::Container(container) => container.resume(place, head),
        }
        self
    }

    /// The head of the input, once it was read; `None` also where inputs have none.
    pub fn head(&self) -> Option<Head> {
        match &self.rule {
            Rule::Lines(lines) => lines.header().cloned().map(Head::Csv),
            Rule::Delimited(_) => None,
            Rule::Container(container) => container.head().map(Head::Container),
        }
    }

    /// The place behind the last chunk that was given out.
    pub fn place(&self) -> Place {
        let in_skipped = match &self.rule {
            Rule::Lines(lines) => lines.is_skipping(),
            Rule::Delimited(delimited) => delimited.is_given_up(),
            Rule::Container(container) => container.is_skipping(),
        };
        let behind_all = || Place { in_skipped, ..Place::at(self.stream.position) };
        self.stream.found.next_place().unwrap_or_else(behind_all)
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.stream.buffer.len()
    }

    /// Where to append what is read, at most `READ_BYTES` at a time; it has room for that.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.stream.buffer.reserve(READ_BYTES);
        &mut self.stream.buffer
    }

    /// The next chunk of whole events, or `None` when more must be read. `ended`: nothing more can be, so the rest is a line, or is
    /// cut off.
    pub fn next_chunk(&mut self, ended: bool) -> Option<Chunk> {
        if self.stream.found.is_empty() {
            match &mut self.rule {
                Rule::Lines(lines) => lines.search(&mut self.stream, ended),
                Rule::Delimited(delimited) => delimited.search(&mut self.stream, ended),
                Rule::Container(container) => container.search(&mut self.stream, self.chunk_events_max, ended),
            }
        }
        let header_max = match &self.rule {
            Rule::Lines(lines) => lines.header().map_or(BATCH_EVENTS_MAX, |header| header.records_max()),
            Rule::Delimited(_) | Rule::Container(_) => BATCH_EVENTS_MAX,
        };
        let chunk = self.stream.found.take(self.chunk_events_max.min(header_max))?;
        Some(match self.head() {
            Some(Head::Csv(header)) => Chunk { header: Some(header), ..chunk },
            Some(Head::Container(head)) => Chunk { writer: head.map(|head| head.writer.clone()), ..chunk },
            None => chunk,
        })
    }
}

#[cfg(test)]
mod binary_tests;
#[cfg(test)]
mod tests;
