//! A table of events: shared columns, a selection of rows, and beside them time, watermark and origin of each row.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BATCH_TEXTS_MAX, COMPACT_BELOW_ONE_IN, COMPACT_BYTES_MAX};

use super::packed::Unpack;
use super::{Cell, Column, Layout, TextRef, Texts, Timestamp};

/// Which rows of a batch are there, in order.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Rows `0..n`.
    All(u32),
    /// These rows, ascending.
    Rows(Arc<Vec<u32>>),
}

impl Selection {
    /// How many rows.
    pub fn len(&self) -> usize {
        match self {
            Selection::All(n) => *n as usize,
            Selection::Rows(rows) => rows.len(),
        }
    }

    /// Whether no row is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (range, rows) = match self {
            Selection::All(n) => (0..*n, &[][..]),
            Selection::Rows(rows) => (0..0, rows.as_slice()),
        };
        range.chain(rows.iter().copied())
    }

    /// The rows as a list.
    pub fn to_vec(&self) -> Vec<u32> {
        match self {
            Selection::All(n) => (0..*n).collect(),
            Selection::Rows(rows) => rows.to_vec(),
        }
    }
}

/// Where events came from: `meta` of an expression. Columns have a cell a row of the batch; their text is in its `texts`.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The id of the source, or of the stage that made the events.
    pub source: Arc<str>,
    /// The partition of the source, where it has such.
    pub partition: Option<i64>,
    /// The position in the partition (Kafka's offset, JetStream's sequence, a file's byte offset).
    pub offset: Option<Column>,
    /// The key: the `key` expression of the source, else the broker's.
    pub key: Option<Column>,
    /// The broker's headers, an object of texts.
    pub headers: Option<Column>,
    /// Reads packed events, in batches that have such.
    pub unpack: Option<Arc<dyn Unpack>>,
}

impl Meta {
    /// Events that a node made itself.
    pub fn of(source: Arc<str>) -> Meta {
        Meta { source, partition: None, offset: None, key: None, headers: None, unpack: None }
    }
}

/// A batch of at most `BATCH_EVENTS_MAX` events of one layout. Cloning it shares everything.
#[derive(Clone, Debug)]
pub struct Batch {
    pub layout: Arc<Layout>,
    /// Which of the port's layouts this is: readers keep a program for each.
    pub variant: u16,
    /// A column for each slot of the layout, all of the same length.
    pub columns: Vec<Column>,
    pub texts: Texts,
    pub selection: Selection,
    /// The event time of each row, `Timestamp::NONE` where there is none.
    pub times: Arc<Vec<Timestamp>>,
    /// The watermark of the row's source partition before that row. Lateness is judged by it, so that it depends
    /// neither on how rows were batched nor on what was filtered.
    pub marks: Arc<Vec<Timestamp>>,
    pub meta: Arc<Meta>,
}

impl Batch {
    /// Selected events.
    pub fn len(&self) -> usize {
        self.selection.len()
    }

    /// Whether no event is selected.
    pub fn is_empty(&self) -> bool {
        self.selection.is_empty()
    }

    /// Rows that the columns hold, selected or not.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// The cell of a column in a row; missing beyond either.
    pub fn cell(&self, column: usize, row: u32) -> Cell {
        self.columns.get(column).and_then(|column| column.cells().get(row as usize)).copied().unwrap_or(Cell::Missing)
    }

    /// The same batch with only these rows (ascending, a subset of the selection).
    pub fn select(&self, rows: Vec<u32>) -> Batch {
        let mut batch = self.clone();
        if rows.len() < self.len() {
            batch.selection = Selection::Rows(Arc::new(rows));
        }
        batch
    }

    /// Whether so little of what the batch holds is still selected that a copy is cheaper to carry on.
    pub fn is_sparse(&self) -> bool {
        self.len() * COMPACT_BELOW_ONE_IN < self.rows() || self.texts.len() > BATCH_TEXTS_MAX
    }

    /// The selected rows alone, in memory of their own: columns gathered, and of the texts only what they point at.
    /// A batch whose rows would not fit into one text (`COMPACT_BYTES_MAX`) stays as it is.
    pub fn compact(&self) -> Batch {
        let rows = self.selection.to_vec();
        let share = self.texts.size() / self.rows().max(1) * rows.len();
        let mut copied = Vec::with_capacity(share.min(BATCH_BYTES_MAX));
        let from: Vec<&Column> = self.columns.iter().chain(self.beside().into_iter().flatten()).collect();
        let mut to: Vec<Vec<Cell>> = from.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        let mut last: Vec<Option<(TextRef, u32)>> = vec![None; from.len()];
        for &row in &rows {
            let mut home = Home::new();
            for ((from, to), last) in from.iter().zip(&mut to).zip(&mut last) {
                to.push(self.rehome(from.cells()[row as usize], &mut home, last, &mut copied));
            }
            if copied.len() > COMPACT_BYTES_MAX {
                return self.clone();
            }
        }
        let mut to = to.into_iter().map(Column::from);
        let columns = to.by_ref().take(self.columns.len()).collect();
        let [offset, key, headers] = self.beside().map(|column| column.and_then(|_| to.next()));
        let mut texts = Texts::default();
        texts.push(copied.into());
        let gather = |from: &[Timestamp]| Arc::new(rows.iter().map(|&row| from[row as usize]).collect());
        Batch {
            layout: self.layout.clone(),
            variant: self.variant,
            columns,
            texts,
            selection: Selection::All(rows.len() as u32),
            times: gather(&self.times),
            marks: gather(&self.marks),
            meta: Arc::new(Meta {
                source: self.meta.source.clone(),
                partition: self.meta.partition,
                offset,
                key,
                headers,
                unpack: self.meta.unpack.clone(),
            }),
        }
    }

    fn beside(&self) -> [Option<&Column>; 3] {
        [self.meta.offset.as_ref(), self.meta.key.as_ref(), self.meta.headers.as_ref()]
    }

    /// Copies the text of a cell to `copied`: once for all cells of the row that lie within the same range, and once for
    /// cells of a column that follow each other with the same range (a constant). `last` is the column's copy before.
    fn rehome(&self, cell: Cell, home: &mut Home, last: &mut Option<(TextRef, u32)>, copied: &mut Vec<u8>) -> Cell {
        let Some(at) = cell.text_ref() else { return cell };
        let within = |(from, _): &&(TextRef, u32)| {
            from.text == at.text && from.start <= at.start && at.start + at.len <= from.start + from.len
        };
        if let Some((from, start)) = home.iter().find(within) {
            return cell.with_text_ref(TextRef { text: 0, start: start + (at.start - from.start), len: at.len });
        }
        let start = match *last {
            Some((from, start)) if from == at => start,
            _ => {
                let start = copied.len() as u32;
                copied.extend_from_slice(self.texts.bytes(at));
                start
            }
        };
        *last = Some((at, start));
        if home.len() < HOMES_MAX {
            home.push((at, start));
        } else if let Some(smallest) = home.iter_mut().min_by_key(|(from, _)| from.len)
            && smallest.0.len < at.len
        {
            *smallest = (at, start);
        }
        cell.with_text_ref(TextRef { text: 0, start, len: at.len })
    }

    /// Checks what every batch promises. For tests and debug builds.
    pub fn assert_sound(&self) {
        assert!(self.rows() <= BATCH_EVENTS_MAX, "a batch of {} rows", self.rows());
        assert_eq!(self.columns.len(), self.layout.slots.len());
        assert_eq!(self.marks.len(), self.rows());
        assert!(self.columns.iter().all(|column| column.cells().len() == self.rows()));
        assert!(self.selection.iter().all(|row| (row as usize) < self.rows()));
    }
}

/// The largest ranges copied for a row so far: where each was, and is.
type Home = SmallVec<[(TextRef, u32); HOMES_MAX]>;

/// Ranges of one row that later cells are looked for in: its text, and a few that stages have made.
const HOMES_MAX: usize = 4;

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
