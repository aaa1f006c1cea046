use proptest::prelude::*;

use super::*;
use crate::event::json_samples::{object, value};
use crate::event::{BatchBuilder, Body, Meta, Timestamp};

fn field(batch: &mut BatchBuilder, text: &str) -> Cell {
    Cell::Str(batch.text(text.as_bytes()))
}

fn finish(mut builder: BatchBuilder) -> Batch {
    builder.finish(0, Arc::new(Meta::of("test".into())))
}

fn lines(format: Format, batch: &Batch) -> (String, Vec<(u32, &'static str)>) {
    let mut encoder = Encoder::new(format, None);
    let (mut out, mut ends, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    encoder.encode(batch, true, &mut out, &mut ends, &mut errors);
    assert_eq!(ends.last().map_or(0, |end| *end as usize), out.len());
    let text = String::from_utf8([encoder.head(), &out].concat()).expect("UTF-8");
    (text, errors.into_iter().map(|(row, error)| (row, error.code.id)).collect())
}

#[test]
fn fields_are_written_in_order_and_escaped() {
    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["z", "a\"", "f", "j"])));
    let cells = [
        field(&mut builder, "line\nend"),
        Cell::Escaped(builder.text(br"\u00e9\n")),
        Cell::Float(2.0),
        Cell::Json(builder.text(b"{ \"x\":\n[1, 2] }")),
    ];
    builder.push(cells, Timestamp::NONE, Timestamp::NONE);
    let big = Cell::Number(builder.text(b"123456789012345678901234567890"));
    builder.push([Cell::Missing, Cell::Null, big, Cell::Bool(true)], Timestamp::NONE, Timestamp::NONE);
    builder.push([Cell::Missing; 4], Timestamp::NONE, Timestamp::NONE);
    builder.push([Cell::Int(-1), Cell::Float(f64::NAN)], Timestamp::NONE, Timestamp::NONE);
    let batch = finish(builder);
    let expected = [
        r#"{"z":"line\nend","a\"":"\u00e9\n","f":2.0,"j":{"x":[1,2]}}"#,
        r#"{"a\"":null,"f":123456789012345678901234567890,"j":true}"#,
        "{}",
        "",
    ];
    assert_eq!(lines(Format::Json, &batch), (expected.join("\n"), vec![(3, "encode-nan")]));
    let mut out = b"kept".to_vec();
    let error = encode_json(&batch, 3, &mut out).expect_err("NaN");
    assert!(error.message.contains("`a\"`"), "{}", error.message);
    assert_eq!(out, b"kept");
}

/// A batch of one text with columns after it and these edits.
fn patched(text: &str, edits: &[(&str, Option<Cell>)]) -> String {
    let mut columns = vec![None];
    let mut list = Vec::new();
    for (name, cell) in edits {
        list.push((Arc::from(*name), cell.map(|_| columns.len())));
        columns.extend(cell.map(|_| None));
    }
    let mut builder =
        BatchBuilder::new(Arc::new(Layout { slots: columns, body: Body::Patched { base: 0, edits: list } }));
    let base = Cell::Json(builder.text(text.as_bytes()));
    let cells = std::iter::once(base).chain(edits.iter().filter_map(|(_, cell)| *cell));
    builder.push(cells.collect::<Vec<_>>(), Timestamp::NONE, Timestamp::NONE);
    lines(Format::Json, &finish(builder)).0
}

#[test]
fn changes_are_made_in_place() {
    let text = r#"{"a": 1, "b":[1, 2],"\u0063":"x","a":2}"#;
    assert_eq!(patched(text, &[]), format!("{text}\n"));
    assert_eq!(patched(text, &[("b", Some(Cell::Int(7)))]), "{\"a\": 1,\"b\":7,\"\\u0063\":\"x\",\"a\":2}\n");
    assert_eq!(patched(text, &[("c", None), ("a", Some(Cell::Null))]), "{\"a\":null,\"b\":[1, 2]}\n");
    assert_eq!(patched(text, &[("a", None), ("b", Some(Cell::Missing)), ("c", None)]), "{}\n");
    assert_eq!(patched("{ }", &[("new", Some(Cell::Bool(true)))]), "{\"new\":true}\n");
    assert_eq!(patched("{\"a\":\n1}", &[("b", Some(Cell::Int(1))), ("b", Some(Cell::Int(2)))]), "{\"a\":1,\"b\":2}\n");
}

#[test]
fn text_is_copied_and_put_on_one_line() {
    let mut builder = BatchBuilder::new(Arc::new(Layout::text(&Default::default())));
    for text in ["{ \"a\" : 1.50 }", "{\r\n  \"text\": \"b\\n \",\n \"n\": [ ]}"] {
        let text = Cell::Json(builder.text(text.as_bytes()));
        builder.push([text], Timestamp::NONE, Timestamp::NONE);
    }
    let batch = finish(builder);
    assert_eq!(lines(Format::Json, &batch).0, "{ \"a\" : 1.50 }\n{\"text\":\"b\\n \",\"n\":[]}\n");
    assert_eq!(lines(Format::Text, &batch), ("b\n \n".to_owned(), vec![(0, "encode-text")]));
    assert_eq!(lines(Format::Json, &batch.select(vec![1])).0, "{\"text\":\"b\\n \",\"n\":[]}\n");
}

#[test]
fn csv_has_the_columns_of_the_first_event() {
    let mut builder = BatchBuilder::new(Arc::new(Layout::text(&Default::default())));
    for text in [
        r#"{"id":1,"na,me":"a \"b\"","o":{"x": 1}}"#,
        r#"{"o":null,"id":"two\nlines"}"#,
        r#"{"id":3,"other":1}"#,
        r#"{"id":1e999,"na,me":true}"#,
    ] {
        let text = Cell::Json(builder.text(text.as_bytes()));
        builder.push([text], Timestamp::NONE, Timestamp::NONE);
    }
    let expected = "id,\"na,me\",o\n1,\"a \"\"b\"\"\",\"{\"\"x\"\":1}\"\n\"two\nlines\",,\n1e999,true,\n";
    assert_eq!(lines(Format::Csv, &finish(builder)), (expected.to_owned(), vec![(2, "encode-csv-column")]));

    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["a"])));
    builder.push([Cell::Missing], Timestamp::NONE, Timestamp::NONE);
    builder.push([Cell::Float(f64::INFINITY)], Timestamp::NONE, Timestamp::NONE);
    assert_eq!(lines(Format::Csv, &finish(builder)), ("a\n\"\"\n".to_owned(), vec![(1, "encode-nan")]));
}

/// A cell that stands for a JSON text.
fn any_cell(builder: &mut BatchBuilder, text: &str) -> Cell {
    let mut texts = crate::event::Texts::default();
    texts.push(format!("[{text}]").into_bytes().into());
    let whole = TextRef { text: 0, start: 0, len: text.len() as u32 + 2 };
    let item = crate::event::json::items(texts.bytes(whole)).next_cell().expect("an item");
    builder.cell(item, &texts)
}

#[test]
fn shared_text_counts_once_for_every_row() {
    let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["a"])));
    let long = field(&mut builder, &"x".repeat(1 << 20));
    for _ in 0..20 {
        builder.push([long], Timestamp::NONE, Timestamp::NONE);
    }
    let batch = finish(builder);
    assert_eq!(fitting(&batch, 100), 4);
    assert_eq!(fitting(&batch.select(vec![3, 4]), 1), 1);
    assert_eq!(fitting(&batch.select(vec![]), 9), 1);
}

proptest! {
    #[test]
    fn changes_are_those_of_a_model(
        base in object(),
        edits in prop::collection::vec((prop_oneof![Just("a"), Just("b"), Just("new")], prop::option::of(value())), 0..4),
    ) {
        let mut model: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&base).unwrap();
        let (mut slots, mut list) = (vec![None], Vec::new());
        for (name, value) in &edits {
            list.push((Arc::from(*name), value.as_ref().map(|_| slots.len())));
            match value {
                Some(value) => {
                    slots.push(None);
                    model.insert(name.to_string(), serde_json::from_str(value).unwrap());
                }
                None => {
                    model.shift_remove(*name);
                }
            }
        }
        let mut builder = BatchBuilder::new(Arc::new(Layout { slots, body: Body::Patched { base: 0, edits: list } }));
        let mut cells = vec![Cell::Json(builder.text(base.as_bytes()))];
        for value in edits.iter().filter_map(|(_, value)| value.as_ref()) {
            cells.push(any_cell(&mut builder, value));
        }
        builder.push(cells, Timestamp::NONE, Timestamp::NONE);
        let (text, errors) = lines(Format::Json, &finish(builder));
        prop_assert_eq!(errors, []);
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert_eq!(serde_json::from_str::<serde_json::Map<_, _>>(&text).unwrap(), model);
    }

    #[test]
    fn fields_read_back_as_what_they_were(values in prop::collection::vec(value(), 4), float in any::<f64>()) {
        let mut builder = BatchBuilder::new(Arc::new(Layout::fields(["a", "b", "c", "d", "f"])));
        let mut cells: Vec<Cell> = values.iter().map(|value| any_cell(&mut builder, value)).collect();
        cells.push(Cell::Float(float));
        builder.push(cells, Timestamp::NONE, Timestamp::NONE);
        let (text, errors) = lines(Format::Json, &finish(builder));
        prop_assert_eq!(errors.len(), usize::from(!float.is_finite()));
        if float.is_finite() {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
            let expected = values.iter().map(|value| serde_json::from_str(value).unwrap()).chain([float.into()]);
            prop_assert_eq!(object.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), expected.collect::<Vec<serde_json::Value>>());
        }
    }
}
