//! What a program reads: columns of the batch as they are, or made once a batch with escapes undone and numbers parsed.

use crate::event::{Body, Cell, Path, Tag, Tags, Texts};
use crate::expr::cells::{self, Arena, Place, Space};
use crate::expr::interpret;
use crate::expr::json::{self, Number};

use super::{Buf, Run, Vector};

/// A column that is made of the batch when it is first needed.
#[derive(Debug)]
pub(super) struct Made {
    pub origin: Origin,
    /// Escapes undone, numbers parsed.
    pub normal: bool,
    pub now: Option<Now>,
}

#[derive(Debug)]
pub(super) enum Origin {
    Read(Option<Place>),
    Arg(usize),
    Meta(&'static str),
    Whole,
}

/// What it is for the batch at hand.
#[derive(Debug)]
pub(super) enum Now {
    Const(Cell),
    Column(usize),
    Arg(usize),
    Buf(Buf),
}

impl Run<'_> {
    /// What is made once a batch and is neither a read nor a raw read.
    pub(super) fn made_of(&mut self, origin: &Origin) -> Vector {
        let same = |made: &Made| match (&made.origin, origin) {
            (Origin::Whole, Origin::Whole) => true,
            (Origin::Meta(a), Origin::Meta(b)) => a == b,
            (Origin::Arg(a), Origin::Arg(b)) => a == b,
            _ => false,
        };
        let index = self.m.frame.made.iter().position(same).unwrap_or_else(|| {
            let origin = match origin {
                Origin::Meta(name) => Origin::Meta(name),
                Origin::Arg(index) => Origin::Arg(*index),
                Origin::Whole | Origin::Read(_) => Origin::Whole,
            };
            self.m.frame.made.push(Made { origin, normal: true, now: None });
            self.m.frame.made.len() - 1
        });
        self.made(index)
    }

    pub(super) fn made(&mut self, index: usize) -> Vector {
        if let Some(made) = self.m.frame.made.get(index)
            && made.now.is_none()
        {
            let now = self.make(index);
            self.m.frame.made[index].now = Some(now);
        }
        Vector::Made(index)
    }

    fn make(&mut self, index: usize) -> Now {
        let made = &self.m.frame.made[index];
        let normal = made.normal;
        let (cells, fallback) = match &made.origin {
            Origin::Read(None) => return Now::Const(Cell::Missing),
            Origin::Read(Some(place)) => {
                let rest = place.rest.clone();
                let column = place.column;
                match self.batch.columns.get(column) {
                    Some(_) if !rest.is_empty() => return self.lookup(column, &rest, normal),
                    Some(cells) => (cells.clone(), Now::Column(column)),
                    None => return Now::Const(Cell::Missing),
                }
            }
            Origin::Arg(arg) => match self.args.get(*arg) {
                Some(cells) => (cells.clone(), Now::Arg(*arg)),
                None => return Now::Const(Cell::Missing),
            },
            Origin::Meta(name) => return self.make_meta(name),
            Origin::Whole => match self.batch.layout.body {
                Body::Text(column) => return Now::Column(column),
                Body::Fields(_) | Body::Patched { .. } => return self.make_whole(),
            },
        };
        let whole = cells.cells().len() >= self.batch.rows();
        if whole && (!normal || cells.tags().only(NORMAL)) {
            return fallback;
        }
        Now::Buf(self.normal(|row| cells.cells().get(row as usize).copied().unwrap_or(Cell::Missing)))
    }

    /// A part of the objects in a column.
    fn lookup(&mut self, column: usize, rest: &Path, normal: bool) -> Now {
        let batch = self.batch;
        let texts = &batch.texts;
        // A batch's own texts never lie in the arena.
        let nothing = Arena::default();
        let space = Space { index: u16::MAX, ..Space::new(texts, &nothing) };
        if normal {
            return Now::Buf(self.normal(|row| space.lookup(batch.cell(column, row), rest)));
        }
        let mut buf = self.buf();
        for &row in self.top {
            buf.cells[row as usize] = space.lookup(batch.cell(column, row), rest);
        }
        buf.tags = tags_at(&buf.cells, self.top);
        Now::Buf(buf)
    }

    fn make_meta(&mut self, name: &'static str) -> Now {
        if name == "source" {
            return Now::Const(Cell::Str(self.arena.push(&self.batch.meta.source)));
        }
        let batch = self.batch;
        Now::Buf(self.normal(|row| interpret::meta_cell(batch, row, name)))
    }

    fn make_whole(&mut self) -> Now {
        let mut buf = self.buf();
        for &row in self.top {
            let event = cells::event_dynamic(self.batch, row, &self.space());
            // What an event holds can be written as JSON but for floats without one; these are null here.
            buf.cells[row as usize] = cells::from_dynamic(&event, self.arena).unwrap_or(Cell::Null);
        }
        buf.tags = tags_at(&buf.cells, self.top);
        Now::Buf(buf)
    }

    /// Cells of the top selection with escapes undone and numbers parsed.
    fn normal(&mut self, cell: impl Fn(u32) -> Cell) -> Buf {
        let mut buf = self.buf();
        let mut scratch = std::mem::take(&mut self.m.scratch);
        for &row in self.top {
            let cell = normal(cell(row), &self.batch.texts, self.arena, &mut scratch);
            buf.tags.add(cell.tag());
            buf.cells[row as usize] = cell;
        }
        self.m.scratch = scratch;
        buf
    }
}

/// The kinds of cells that a program computes with.
const NORMAL: Tags = Tags(
    Tag::Missing as u16
        | Tag::Null as u16
        | Tag::Bool as u16
        | Tag::Int as u16
        | Tag::Float as u16
        | Tag::Str as u16
        | Tag::Json as u16,
);

fn tags_at(cells: &[Cell], rows: &[u32]) -> Tags {
    rows.iter().fold(Tags::NONE, |tags, row| Tags(tags.0 | cells[*row as usize].tag() as u16))
}

/// A cell with escapes undone and its number parsed; a number that is left is one that nothing computes with.
pub(super) fn normal(cell: Cell, texts: &Texts, arena: &mut Arena, scratch: &mut String) -> Cell {
    match cell {
        Cell::Number(at) => {
            let space = Space::new(texts, arena);
            let number = json::usual_number(space.bytes(at)).unwrap_or_else(|| json::number(space.str(at)));
            match number {
                Number::Int(int) => Cell::Int(int),
                Number::Float(float) => Cell::Float(float),
                Number::Big => cell,
            }
        }
        Cell::Escaped(at) => {
            scratch.clear();
            json::unescape(Space::new(texts, arena).str(at), scratch);
            Cell::Str(arena.push(scratch))
        }
        other => other,
    }
}
