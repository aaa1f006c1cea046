//! The texts that problems are found in, and places in them.

use std::sync::Arc;

/// A file registered in `Sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

impl FileId {
    /// No file: a value that was filled in, or given on the command line.
    pub const NONE: FileId = FileId(u32::MAX);
}

/// A range of bytes of a file. `start <= end`; both may be at the file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// A place that is in no file.
    pub const NONE: Span = Span { file: FileId::NONE, start: 0, end: 0 };

    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file, start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The whole of a file, shown as its first line.
    pub fn of_file(file: FileId) -> Self {
        Span { file, start: 0, end: 0 }
    }

    /// From the start of this span to the end of the other one.
    pub fn to(self, other: Span) -> Span {
        Span { end: other.end.max(self.end), ..self }
    }
}

/// Where something is, for people: lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: String,
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

#[derive(Clone, Debug)]
struct File {
    path: String,
    text: Arc<str>,
}

/// The registered files. Cloning shares the texts.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    /// What must not be printed.
    hidden: Vec<Span>,
}

impl Sources {
    pub(super) fn add(&mut self, path: String, text: Arc<str>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX - 1));
        self.files.push(File { path, text });
        id
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    pub(super) fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// A part of a file to be shown, with stars where it must not be.
    pub(super) fn shown(&self, id: FileId, from: usize, to: usize) -> Option<std::borrow::Cow<'_, str>> {
        let text = self.text(id)?.get(from..to)?;
        let hidden = self.hidden.iter().filter(|span| span.file == id);
        let inside = hidden.filter(|span| (span.start as usize) < to && (span.end as usize) > from);
        let mut bytes: Option<Vec<u8>> = None;
        for span in inside {
            let bytes = bytes.get_or_insert_with(|| text.as_bytes().to_vec());
            let end = (span.end as usize).min(to) - from;
            bytes[(span.start as usize).max(from) - from..end].fill(b'*');
        }
        if text.contains("\r\n") {
            let bytes = bytes.get_or_insert_with(|| text.as_bytes().to_vec());
            for at in text.match_indices("\r\n").map(|(at, _)| at) {
                bytes[at] = b' ';
            }
        }
        Some(match bytes {
            None => text.into(),
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        })
    }

    /// Every file's path and text.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|file| (file.path.as_str(), &*file.text))
    }

    pub fn path(&self, id: FileId) -> Option<&str> {
        self.file(id).map(|file| file.path.as_str())
    }

    pub fn text(&self, id: FileId) -> Option<&str> {
        self.file(id).map(|file| &*file.text)
    }

    /// The text that a span covers, cut to whole characters.
    pub fn slice(&self, span: Span) -> Option<&str> {
        let text = self.text(span.file)?;
        text.get(floor(text, span.start as usize)..floor(text, span.end as usize))
    }

    /// Line and column of a span's start; none for a place in no file.
    pub fn place(&self, span: Span) -> Option<Place> {
        let file = self.file(span.file)?;
        let at = floor(&file.text, span.start as usize);
        let before = &file.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Place {
            path: file.path.clone(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }
}

/// The greatest character boundary of `text` that is not after `at`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("t.yaml".into(), "ä: 1\nbé: x\n".into());
        let place = sources.place(Span::new(file, 11, 12)).unwrap();
        assert_eq!(place.to_string(), "t.yaml:2:5");
        assert_eq!(sources.slice(Span::new(file, 6, 9)), Some("bé"));
        assert_eq!(sources.place(Span::NONE), None);
        assert_eq!(sources.place(Span::new(file, 999, 999)).unwrap().line, 3);
    }
}
