//! One value of one event in 16 bytes, columns of them, and the texts that they point into.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

/// A range of one of a batch's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRef {
    /// Which of the batch's texts.
    pub text: u16,
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl TextRef {
    /// The bytes from `start` to `end` of those that start here.
    #[inline(always)]
    pub fn part(self, start: usize, end: usize) -> TextRef {
        TextRef { text: self.text, start: self.start + start as u32, len: (end - start) as u32 }
    }
}

/// One value. Copying a cell copies no text; a cell means something only beside its batch's `Texts`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// The event has no such field. In an expression it is `()`, as null is; a bare copy leaves the field out.
    Missing,
    /// JSON null.
    Null,
    Bool(bool),
    Int(i64),
    /// A computed float. May hold NaN or an infinity, which are errors where the event is written.
    Float(f64),
    /// A JSON number that is not written as an i64: a float, or an int beyond i64. Its text.
    Number(TextRef),
    /// A string without escapes: the bytes between the quotes are its value (valid UTF-8, any character allowed when
    /// computed: the encoder escapes).
    Str(TextRef),
    /// A string as JSON wrote it between its quotes, with at least one escape; every escape is valid, surrogates are paired.
    Escaped(TextRef),
    /// An object or array: its valid JSON text, as it was written.
    Json(TextRef),
    /// A whole event in its source's binary form, which `Meta::unpack` reads; only ever in the column of a body, where no expression sees it. Need not be UTF-8.
    Packed(TextRef),
}

const _: () = assert!(size_of::<Cell>() == 16);

/// The kind of a cell, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Tag {
    Missing = 1,
    Null = 2,
    Bool = 4,
    Int = 8,
    Float = 16,
    Number = 32,
    Str = 64,
    Escaped = 128,
    Json = 256,
    Packed = 512,
}

impl Cell {
    /// The kind of this cell.
    pub fn tag(&self) -> Tag {
        match self {
            Cell::Missing => Tag::Missing,
            Cell::Null => Tag::Null,
            Cell::Bool(_) => Tag::Bool,
            Cell::Int(_) => Tag::Int,
            Cell::Float(_) => Tag::Float,
            Cell::Number(_) => Tag::Number,
            Cell::Str(_) => Tag::Str,
            Cell::Escaped(_) => Tag::Escaped,
            Cell::Json(_) => Tag::Json,
            Cell::Packed(_) => Tag::Packed,
        }
    }

    /// The range of text that this cell stands for, if it does.
    pub fn text_ref(&self) -> Option<TextRef> {
        match self {
            Cell::Number(at) | Cell::Str(at) | Cell::Escaped(at) | Cell::Json(at) | Cell::Packed(at) => Some(*at),
            Cell::Missing | Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => None,
        }
    }

    /// The same kind of cell over another range; cells without text stay as they are.
    pub fn with_text_ref(self, at: TextRef) -> Cell {
        match self {
            Cell::Number(_) => Cell::Number(at),
            Cell::Str(_) => Cell::Str(at),
            Cell::Escaped(_) => Cell::Escaped(at),
            Cell::Json(_) => Cell::Json(at),
            Cell::Packed(_) => Cell::Packed(at),
            Cell::Missing | Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => self,
        }
    }

    /// Missing or null: `()` in an expression.
    pub fn is_unit(&self) -> bool {
        matches!(self, Cell::Missing | Cell::Null)
    }
}

/// A set of kinds: which kinds of cells a column may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tags(pub u16);

impl Tags {
    pub const NONE: Tags = Tags(0);
    pub const INT: Tags = Tags(Tag::Int as u16);
    pub const FLOAT: Tags = Tags(Tag::Float as u16);
    pub const BOOL: Tags = Tags(Tag::Bool as u16);

    /// Adds a kind.
    pub fn add(&mut self, tag: Tag) {
        self.0 |= tag as u16;
    }

    /// Whether a cell of this kind may occur.
    pub fn has(self, tag: Tag) -> bool {
        self.0 & tag as u16 != 0
    }

    /// Whether no kind but these occurs.
    pub fn only(self, allowed: Tags) -> bool {
        self.0 & !allowed.0 == 0
    }

    /// The kinds of these cells.
    pub fn of(cells: &[Cell]) -> Tags {
        cells.iter().fold(Tags::NONE, |tags, cell| Tags(tags.0 | cell.tag() as u16))
    }
}

impl std::ops::BitOr for Tags {
    type Output = Tags;
    fn bitor(self, other: Tags) -> Tags {
        Tags(self.0 | other.0)
    }
}

/// One field of every row of a batch, shared. `tags` covers every kind in it (it may cover more).
#[derive(Clone, Debug)]
pub struct Column {
    cells: Arc<Vec<Cell>>,
    tags: Tags,
}

impl Column {
    /// A column whose kinds the caller knows (a superset will do).
    pub fn new(cells: Vec<Cell>, tags: Tags) -> Column {
        debug_assert!(Tags::of(&cells).only(tags));
        Column { cells: Arc::new(cells), tags }
    }

    /// The cells, a row each.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The kinds that may occur.
    pub fn tags(&self) -> Tags {
        self.tags
    }
}

impl From<Vec<Cell>> for Column {
    fn from(cells: Vec<Cell>) -> Column {
        let tags = Tags::of(&cells);
        Column { cells: Arc::new(cells), tags }
    }
}

/// The texts that a batch's cells point into, by index; indices only grow, so cells stay valid when a text is added.
/// Every range that a cell names is valid UTF-8, but that of a packed event.
#[derive(Clone, Debug, Default)]
pub struct Texts(Arc<SmallVec<[Bytes; 3]>>);

impl Texts {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a text and returns its index. Callers keep below `BATCH_TEXTS_MAX` by compacting the batch.
    pub fn push(&mut self, text: Bytes) -> u16 {
        let texts = Arc::make_mut(&mut self.0);
        let index = u16::try_from(texts.len()).expect("a batch is compacted long before it has 65,536 texts");
        texts.push(text);
        index
    }

    /// The bytes that a range stands for; empty for a range of another batch.
    pub fn bytes(&self, at: TextRef) -> &[u8] {
        let start = at.start as usize;
        self.0.get(at.text as usize).and_then(|text| text.get(start..start + at.len as usize)).unwrap_or_default()
    }

    /// The same, and all that stands behind them in their text: whoever reads a value up to its end can look at whole words there.
    pub fn bytes_from(&self, at: TextRef) -> &[u8] {
        self.0.get(at.text as usize).and_then(|text| text.get(at.start as usize..)).unwrap_or_default()
    }

    /// The range as shared bytes: no copy.
    pub fn shared(&self, at: TextRef) -> Bytes {
        let start = at.start as usize;
        match self.0.get(at.text as usize) {
            Some(text) if text.len() >= start + at.len as usize => text.slice(start..start + at.len as usize),
            _ => Bytes::new(),
        }
    }

    /// The range as a string.
    pub fn str(&self, at: TextRef) -> &str {
        std::str::from_utf8(self.bytes(at)).unwrap_or_default()
    }

    /// All bytes held, whether referred to or not.
    pub fn size(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// The texts in order of their index.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }
}
