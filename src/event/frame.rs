//! From a stream of bytes to events' bytes: lines, and CSV records. What was read is handed on without a copy; only
//! the unfinished tail of a read is copied to the next buffer.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, LINE_BYTES_CEILING, RAW_BYTES_KEPT_MAX, READ_BYTES};

use super::chunk::{BadFrame, Chunk, CsvHeader, too_long};
use super::codes::{self, Code};
use super::decode::read_csv_header;

/// Cuts a stream into chunks. Read into [`Framer::buffer`], then take chunks from [`Framer::next_chunk`] until there is none.
///
/// Holds at most `limits.line` and one read (`READ_BYTES`) of unfinished text, whatever the input.
#[derive(Debug)]
pub struct Framer {
    rule: Rule,
    line_max: usize,
    chunk_events_max: usize,
    /// Read, and not yet given out.
    buffer: Vec<u8>,
    /// Where in the input `buffer` starts.
    position: u64,
    /// Where in `buffer` the search for the current line's end goes on.
    searched: usize,
    /// Inside a line that was given up: drop everything up to the next line end.
    discarding: bool,
    /// The lines found whose text is in `text`.
    frames: Vec<Range<u32>>,
    /// How many of `frames` were given out.
    given: usize,
    /// What was found between them and was not given out yet.
    asides: VecDeque<Aside>,
    text: Bytes,
    text_position: u64,
}

/// A place in an input at which framing can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The byte, from the input's start.
    pub at: u64,
    /// It is inside a line that was given up as too long: the rest of that is skipped.
    pub in_skipped_line: bool,
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// What was found that is no frame.
#[derive(Debug)]
struct Aside {
    /// How many of the framer's frames come before it.
    before: usize,
    /// Where in `text` it starts.
    start: usize,
    line: Line,
}

#[derive(Debug)]
enum Line {
    /// One that was given up.
    Bad(Box<BadFrame>),
    /// So many empty ones.
    Empty(u64),
}

/// Whether a line is the header of its input.
enum Header {
    No,
    Good,
    Bad(Box<BadFrame>),
}

/// What ends an event.
#[derive(Debug)]
enum Rule {
    Lines,
    Csv { state: Csv, header: Option<Arc<CsvHeader>> },
}

/// Where in a record the search is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Csv {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first of two.
    QuoteInQuoted,
}

impl Framer {
    /// Lines that end with LF or CRLF.
    pub fn lines(line_max: usize) -> Framer {
        Framer::new(Rule::Lines, line_max)
    }

    /// CSV records, which may hold line ends inside quotes. The first is the header.
    pub fn csv(line_max: usize) -> Framer {
        Framer::new(Rule::Csv { state: Csv::FieldStart, header: None }, line_max)
    }

    fn new(rule: Rule, line_max: usize) -> Framer {
        Framer {
            rule,
            line_max: line_max.min(LINE_BYTES_CEILING),
            chunk_events_max: BATCH_EVENTS_MAX,
            buffer: Vec::new(),
            position: 0,
            searched: 0,
            discarding: false,
            frames: Vec::new(),
            given: 0,
            asides: VecDeque::new(),
            text: Bytes::new(),
            text_position: 0,
        }
    }

    /// Chunks of fewer events than a batch takes.
    pub fn chunk_events_max(mut self, events: usize) -> Framer {
        self.chunk_events_max = events.clamp(1, BATCH_EVENTS_MAX);
        self
    }

    /// Goes on in the middle of an input, where another framer has stopped, with the header that its beginning had.
    pub fn resume(mut self, place: Place, known: Option<Arc<CsvHeader>>) -> Framer {
        self.position = place.at;
        self.discarding = place.in_skipped_line;
        if let Rule::Csv { header, .. } = &mut self.rule {
            *header = known;
        }
        self
    }

    /// The header of a CSV input, once it was read.
    pub fn header(&self) -> Option<&Arc<CsvHeader>> {
        match &self.rule {
            Rule::Lines => None,
            Rule::Csv { header, .. } => header.as_ref(),
        }
    }

    /// The place behind the last chunk that was given out.
    pub fn place(&self) -> Place {
        match self.next_start() {
            None => Place { at: self.position, in_skipped_line: self.discarding },
            Some(start) => Place { at: self.text_position + start as u64, in_skipped_line: false },
        }
    }

    /// Where in `text` the next line starts that was found and not given out.
    fn next_start(&self) -> Option<usize> {
        match self.asides.front() {
            Some(aside) if aside.before <= self.given => Some(aside.start),
            _ => self.frames.get(self.given).map(|frame| frame.start as usize),
        }
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Where to append what is read, at most `READ_BYTES` at a time; it has room for that.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer.reserve(READ_BYTES);
        &mut self.buffer
    }

    /// The next chunk of whole lines, or `None` when more must be read. `ended`: nothing more can be, so the rest is a line.
    pub fn next_chunk(&mut self, ended: bool) -> Option<Chunk> {
        if self.next_start().is_none() {
            self.search(ended);
        }
        self.take()
    }

    /// Finds all lines that are whole in the buffer and moves them to `text`.
    fn search(&mut self, ended: bool) {
        self.skip_given_up();
        if !ended && self.position == 0 && self.buffer.len() < MARK.len() && MARK.starts_with(&self.buffer) {
            return; // It may become a byte order mark.
        }
        self.searched = self.searched.max(self.mark());
        let mut start = 0;
        while let Some(end) = self.rule.find_end(&self.buffer, &mut self.searched) {
            self.line(start, end);
            start = end + 1;
        }
        if ended && start < self.buffer.len() {
            self.line(start, self.buffer.len());
            self.rule.reset();
            start = self.buffer.len();
        }
        if start > 0 {
            self.hand_over(start);
        } else if self.buffer.len() - self.mark() - usize::from(self.buffer.ends_with(b"\r")) > self.line_max {
            // A CR may be a part of the line's end.
            self.give_up();
        }
    }

    /// Drops the rest of a line that was given up.
    fn skip_given_up(&mut self) {
        if !self.discarding {
            return;
        }
        let dropped = match memchr::memchr(b'\n', &self.buffer) {
            Some(end) => {
                self.discarding = false;
                end + 1
            }
            None => self.buffer.len(),
        };
        self.buffer.drain(..dropped);
        self.position += dropped as u64;
    }

    /// Notes the line from `start` to before its LF at `end`, or to the end of the input.
    fn line(&mut self, mut start: usize, mut end: usize) {
        if start == 0 {
            start = self.mark();
        }
        if end > start && self.buffer[end - 1] == b'\r' {
            end -= 1;
        }
        if start >= end {
            return self.empty_line(start);
        }
        if end - start > self.line_max {
            self.no_header();
            return self.aside(start, Line::Bad(Box::new(self.too_long(start, end))));
        }
        match self.take_header(start, end) {
            Header::No => self.frames.push(start as u32..end as u32),
            Header::Good => {}
            Header::Bad(bad) => self.aside(start, Line::Bad(bad)),
        }
    }

    fn empty_line(&mut self, start: usize) {
        match self.asides.back_mut() {
            Some(Aside { before, line: Line::Empty(count), .. }) if *before == self.frames.len() => *count += 1,
            _ => self.aside(start, Line::Empty(1)),
        }
    }

    fn aside(&mut self, start: usize, line: Line) {
        self.asides.push_back(Aside { before: self.frames.len(), start, line });
    }

    /// Takes the line as the header if the input is CSV and has none yet.
    fn take_header(&mut self, start: usize, end: usize) -> Header {
        let Rule::Csv { header: header @ None, .. } = &mut self.rule else { return Header::No };
        let read = read_csv_header(&self.buffer[start..end]);
        let why = read.0.as_ref().err().cloned();
        *header = Some(Arc::new(read));
        match why {
            None => Header::Good,
            Some(message) => Header::Bad(Box::new(self.bad(start, end, codes::CSV_HEADER, message))),
        }
    }

    /// If the input still has no header, what was given up was it: the next record is not.
    fn no_header(&mut self) {
        if let Rule::Csv { header: header @ None, .. } = &mut self.rule {
            *header =
                Some(Arc::new(CsvHeader(Err("the first record, the CSV header, is over limits.line".to_owned()))));
        }
    }

    fn too_long(&self, start: usize, end: usize) -> BadFrame {
        self.bad(start, end, codes::LINE_TOO_LONG, too_long("line", end - start, self.line_max))
    }

    fn bad(&self, start: usize, end: usize, code: Code, message: String) -> BadFrame {
        let kept = &self.buffer[start..end.min(start + RAW_BYTES_KEPT_MAX)];
        BadFrame {
            before: 0,
            raw: Bytes::copy_from_slice(kept),
            length: (end - start) as u64,
            code,
            message,
            offset: i64::try_from(self.position + start as u64).ok(),
        }
    }

    /// How long the byte order mark is that the buffer starts with: only an input's first bytes are one.
    fn mark(&self) -> usize {
        if self.position == 0 && self.buffer.starts_with(MARK) { MARK.len() } else { 0 }
    }

    /// The line that fills the buffer is over the limit, wherever it ends.
    fn give_up(&mut self) {
        let bad = self.too_long(self.mark(), self.buffer.len());
        self.no_header();
        self.aside(0, Line::Bad(Box::new(bad)));
        self.rule.reset();
        self.discarding = true;
        self.text_position = self.position;
        self.position += self.buffer.len() as u64;
        self.searched = 0;
        self.buffer = Vec::new();
    }

    /// Makes the first `cut` bytes shared text and copies the rest to a new buffer.
    fn hand_over(&mut self, cut: usize) {
        let rest = &self.buffer[cut..];
        let mut next = Vec::with_capacity(rest.len() + READ_BYTES);
        next.extend_from_slice(rest);
        let full = std::mem::replace(&mut self.buffer, next);
        self.text = Bytes::from(full);
        self.text_position = self.position;
        self.position += cut as u64;
        self.searched -= cut;
    }

    /// A chunk of the lines that were found, as many as one batch takes.
    fn take(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        let end = self.take_asides(self.given + self.fitting(), &mut chunk);
        let frames = self.frames.get(self.given..end).unwrap_or_default();
        if let (Some(first), Some(last)) = (frames.first(), frames.last()) {
            let (start, base) = (first.start, self.text_position);
            chunk.text = self.text.slice(start as usize..last.end as usize);
            chunk.offsets = frames.iter().map(|frame| (base + u64::from(frame.start)) as i64).collect();
            chunk.frames = frames.iter().map(|frame| frame.start - start..frame.end - start).collect();
        }
        self.given = end;
        if self.next_start().is_none() {
            self.frames.clear();
            self.given = 0;
            self.text = Bytes::new();
        }
        if chunk.is_empty() && chunk.empty_lines == 0 {
            return None;
        }
        chunk.header = self.header().cloned();
        Some(chunk)
    }

    /// How many of the next frames fit into a chunk: one does, whatever its size.
    fn fitting(&self) -> usize {
        let frames = self.frames.get(self.given..).unwrap_or_default();
        let header_max = self.header().map_or(BATCH_EVENTS_MAX, |header| header.records_max());
        let frames = &frames[..frames.len().min(self.chunk_events_max).min(header_max)];
        let Some(first) = frames.first() else { return 0 };
        frames.partition_point(|frame| (frame.end - first.start) as usize <= BATCH_BYTES_MAX).max(1)
    }

    /// Moves to the chunk what is found aside before the frame `end`, or up to where there are too many bad ones for a chunk,
    /// and says before which frame it is over.
    fn take_asides(&mut self, end: usize, chunk: &mut Chunk) -> usize {
        while let Some(aside) = self.asides.front().filter(|aside| aside.before <= end) {
            if matches!(aside.line, Line::Bad(_)) && chunk.bad.len() >= BATCH_EVENTS_MAX {
                return aside.before;
            }
            let before = (aside.before - self.given) as u32;
            match self.asides.pop_front().map(|aside| aside.line) {
                Some(Line::Bad(bad)) => chunk.bad.push(BadFrame { before, ..*bad }),
                Some(Line::Empty(count)) => chunk.empty_lines += count,
                None => {}
            }
        }
        end
    }
}

impl Rule {
    /// The next LF that ends an event, at or after `*from`, which moves behind it, or to the end of what is known.
    fn find_end(&mut self, bytes: &[u8], from: &mut usize) -> Option<usize> {
        let found = match self {
            Rule::Lines => memchr::memchr(b'\n', bytes.get(*from..)?).map(|at| *from + at),
            Rule::Csv { state, .. } => record_end(bytes, *from, state),
        };
        *from = found.map_or(bytes.len(), |at| at + 1);
        found
    }

    /// The next byte is the first of an event.
    fn reset(&mut self) {
        if let Rule::Csv { state, .. } = self {
            *state = Csv::FieldStart;
        }
    }
}

/// The end of a CSV record (RFC 4180 as csv-core reads it: a quote counts only at the start of a field), from quote to quote.
fn record_end(bytes: &[u8], mut at: usize, state: &mut Csv) -> Option<usize> {
    loop {
        let rest = bytes.get(at..)?;
        match *state {
            Csv::Quoted => {
                at += memchr::memchr(b'"', rest)? + 1;
                *state = Csv::QuoteInQuoted;
            }
            Csv::QuoteInQuoted if *rest.first()? == b'"' => {
                at += 1;
                *state = Csv::Quoted;
            }
            Csv::QuoteInQuoted => *state = Csv::Unquoted,
            Csv::FieldStart | Csv::Unquoted => {
                let found = memchr::memchr2(b'"', b'\n', rest).unwrap_or(rest.len());
                let at_start = match rest[..found].last() {
                    Some(byte) => *byte == b',',
                    None => *state == Csv::FieldStart,
                };
                let quote = rest.get(found) == Some(&b'"');
                *state = match (quote, at_start) {
                    (true, true) => Csv::Quoted,
                    (false, true) => Csv::FieldStart,
                    (_, false) => Csv::Unquoted,
                };
                at += found;
                if !quote {
                    rest.get(found)?;
                    *state = Csv::FieldStart;
                    return Some(at);
                }
                at += 1;
            }
        }
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
