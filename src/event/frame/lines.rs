//! Lines that end with LF or CRLF, and CSV records, which may hold line ends inside quotes.

use std::sync::Arc;

use crate::event::BadFrame;
use crate::event::chunk::{CsvHeader, too_long};
use crate::event::codes;
use crate::event::decode::read_csv_header;

use super::found::Origin;
use super::stream::Stream;
use super::{Head, Place};

#[derive(Debug)]
pub(super) struct Lines {
    rule: Rule,
    /// Where in the buffer the search for the current line's end goes on.
    searched: usize,
    /// Inside a line that was given up: drop everything up to the next line end.
    discarding: bool,
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

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

impl Lines {
    pub fn plain() -> Lines {
        Lines { rule: Rule::Lines, searched: 0, discarding: false }
    }

    /// The first record is the header.
    pub fn csv() -> Lines {
        Lines { rule: Rule::Csv { state: Csv::FieldStart, header: None }, searched: 0, discarding: false }
    }

    pub fn resume(&mut self, place: Place, head: Option<Head>) {
        self.discarding = place.in_skipped;
        if let (Rule::Csv { header, .. }, Some(Head::Csv(known))) = (&mut self.rule, head) {
            *header = Some(known);
        }
    }

    /// The header of a CSV input, once it was read.
    pub fn header(&self) -> Option<&Arc<CsvHeader>> {
        match &self.rule {
            Rule::Lines => None,
            Rule::Csv { header, .. } => header.as_ref(),
        }
    }

    /// Whether what comes next belongs to a line that was given up.
    pub fn is_skipping(&self) -> bool {
        self.discarding
    }

    /// Finds all lines that are whole in the buffer.
    pub fn search(&mut self, stream: &mut Stream, ended: bool) {
        self.skip_given_up(stream);
        if !ended && stream.position == 0 && stream.buffer.len() < MARK.len() && MARK.starts_with(&stream.buffer) {
            return; // It may become a byte order mark.
        }
        self.searched = self.searched.max(mark(stream));
        let mut start = 0;
        while let Some(end) = self.rule.find_end(&stream.buffer, &mut self.searched) {
            self.line(stream, start, end);
            start = end + 1;
        }
        if ended && start < stream.buffer.len() {
            self.line(stream, start, stream.buffer.len());
            self.rule.reset();
            start = stream.buffer.len();
        }
        if start > 0 {
            stream.hand_over(start, Origin::Lines);
            self.searched -= start;
        } else if stream.buffer.len() - mark(stream) - usize::from(stream.buffer.ends_with(b"\r")) > stream.line_max {
            // A CR may be a part of the line's end.
            self.give_up(stream);
        }
    }

    /// Drops the rest of a line that was given up.
    fn skip_given_up(&mut self, stream: &mut Stream) {
        if !self.discarding {
            return;
        }
        let end = memchr::memchr(b'\n', &stream.buffer);
        self.discarding = end.is_none();
        stream.drop_front(end.map_or(stream.buffer.len(), |end| end + 1));
    }

    /// Notes the line from `start` to before its LF at `end`, or to the end of the input.
    fn line(&mut self, stream: &mut Stream, mut start: usize, mut end: usize) {
        if start == 0 {
            start = mark(stream);
        }
        if end > start && stream.buffer[end - 1] == b'\r' {
            end -= 1;
        }
        let place = Place::at(stream.position + start as u64);
        if start >= end {
            return stream.found.push_empty(place);
        }
        if end - start > stream.line_max {
            self.no_header();
            let bad = over_limit(stream, start, end);
            return stream.found.push_bad(place, bad);
        }
        match self.take_header(stream, start, end) {
            Header::No => stream.found.push(start..end),
            Header::Good => {}
            Header::Bad(bad) => stream.found.push_bad(place, *bad),
        }
    }

    /// Takes the line as the header if the input is CSV and has none yet.
    fn take_header(&mut self, stream: &Stream, start: usize, end: usize) -> Header {
        let Rule::Csv { header: header @ None, .. } = &mut self.rule else { return Header::No };
        let read = read_csv_header(&stream.buffer[start..end]);
        let why = read.0.as_ref().err().cloned();
        *header = Some(Arc::new(read));
        match why {
            None => Header::Good,
            Some(message) => Header::Bad(Box::new(stream.bad(start, end, codes::CSV_HEADER, message))),
        }
    }

    /// If the input still has no header, what was given up was it: the next record is not.
    fn no_header(&mut self) {
        if let Rule::Csv { header: header @ None, .. } = &mut self.rule {
            *header =
                Some(Arc::new(CsvHeader(Err("the first record, the CSV header, is over limits.line".to_owned()))));
        }
    }

    /// The line that fills the buffer is over the limit, wherever it ends.
    fn give_up(&mut self, stream: &mut Stream) {
        let bad = over_limit(stream, mark(stream), stream.buffer.len());
        self.no_header();
        stream.found.push_bad(Place::at(stream.position), bad);
        self.rule.reset();
        self.discarding = true;
        self.searched = 0;
        stream.drop_front(stream.buffer.len());
    }
}

fn over_limit(stream: &Stream, start: usize, end: usize) -> BadFrame {
    stream.bad(start, end, codes::LINE_TOO_LONG, too_long("line", end - start, stream.line_max))
}

/// How long the byte order mark is that the buffer starts with: only an input's first bytes are one.
fn mark(stream: &Stream) -> usize {
    if stream.position == 0 && stream.buffer.starts_with(MARK) { MARK.len() } else { 0 }
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
