use proptest::prelude::*;

use super::*;
use crate::event::encode::write_cell;

/// A cell over one of three texts of 40 letters each.
fn cell() -> impl Strategy<Value = Cell> {
    let at =
        (0u16..3, 0u32..40, 0u32..40).prop_map(|(text, start, len)| TextRef { text, start, len: len.min(40 - start) });
    prop_oneof![
        Just(Cell::Missing),
        Just(Cell::Null),
        any::<bool>().prop_map(Cell::Bool),
        any::<i64>().prop_map(Cell::Int),
        (-1e9..1e9).prop_map(Cell::Float),
        at.clone().prop_map(Cell::Str),
        at.clone().prop_map(Cell::Escaped),
        at.clone().prop_map(Cell::Number),
        at.prop_map(Cell::Json),
    ]
}

/// Batches of up to 20 rows and three columns, with key and headers, of which some rows are selected.
fn batch() -> impl Strategy<Value = Batch> {
    let row = (prop::collection::vec(cell(), 5), any::<i64>(), any::<bool>());
    prop::collection::vec(row, 0..20).prop_map(|rows| {
        let column = |at: usize| Column::from(rows.iter().map(|(cells, ..)| cells[at]).collect::<Vec<_>>());
        let mut texts = Texts::default();
        for first in [b'a', b'A', b'0'] {
            texts.push((0..40).map(|i| first + i % 10).collect::<Vec<u8>>().into());
        }
        let times = Arc::new(rows.iter().map(|(_, time, _)| Timestamp(*time)).collect::<Vec<_>>());
        let selected = (0u32..).zip(&rows).filter(|(_, (.., selected))| *selected).map(|(row, _)| row).collect();
        let (key, headers) = (Some(column(3)), Some(column(4)));
        Batch {
            layout: Arc::new(Layout::fields(["a", "b", "c"])),
            variant: 1,
            columns: (0..3).map(column).collect(),
            texts,
            selection: Selection::Rows(Arc::new(selected)),
            marks: times.clone(),
            times,
            meta: Arc::new(Meta { key, headers, ..Meta::of("test".into()) }),
        }
    })
}

/// Everything that a reader sees of a batch.
fn seen(batch: &Batch) -> Vec<(Vec<(u16, String)>, Timestamp, Timestamp)> {
    let columns: Vec<&Column> = batch.columns.iter().chain(&batch.meta.key).chain(&batch.meta.headers).collect();
    let show = |cell: Cell| {
        let mut out = Vec::new();
        write_cell(&mut out, &batch.texts, cell);
        (cell.tag() as u16, String::from_utf8(out).unwrap())
    };
    let row = |row: u32| {
        let row = row as usize;
        let cells = columns.iter().map(|column| show(column.cells()[row])).collect();
        (cells, batch.times[row], batch.marks[row])
    };
    batch.selection.iter().map(row).collect()
}

proptest! {
    #[test]
    fn a_compacted_batch_says_the_same_in_its_own_memory(batch in batch()) {
        let compact = batch.compact();
        compact.assert_sound();
        prop_assert_eq!(seen(&compact), seen(&batch));
        prop_assert_eq!(compact.rows(), batch.len());
        let columns = batch.columns.iter().chain(&batch.meta.key).chain(&batch.meta.headers);
        let referred: usize = columns
            .flat_map(|column| batch.selection.iter().filter_map(|row| column.cells()[row as usize].text_ref()))
            .map(|at| at.len as usize)
            .sum();
        prop_assert!(compact.texts.size() <= referred);
        prop_assert_eq!(compact.texts.len(), 1);
    }
}

#[test]
fn text_that_rows_share_is_copied_once() {
    let mut texts = Texts::default();
    texts.push("constant".into());
    let body = texts.push(r#"{"a":1}{"a":2}{"a":3}"#.into());
    let text = |text, start, len| TextRef { text, start, len };
    let constant = vec![Cell::Str(text(0, 0, 8)); 3];
    let whole = (0..3).map(|row| Cell::Json(text(body, row * 7, 7))).collect::<Vec<_>>();
    let inside = (0..3).map(|row| Cell::Number(text(body, row * 7 + 5, 1))).collect::<Vec<_>>();
    let times = Arc::new(vec![Timestamp::NONE; 3]);
    let batch = Batch {
        layout: Arc::new(Layout::fields(["k", "w", "n"])),
        variant: 0,
        columns: [constant, whole, inside].into_iter().map(Column::from).collect(),
        texts,
        selection: Selection::Rows(Arc::new(vec![1, 2])),
        marks: times.clone(),
        times,
        meta: Arc::new(Meta::of("test".into())),
    };
    let compact = batch.compact();
    assert_eq!(seen(&compact), seen(&batch));
    assert_eq!(compact.texts.size(), 8 + 2 * 7);
}
