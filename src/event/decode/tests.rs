use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::encode::{self, Encoder};
use crate::event::frame::Framer;
use crate::event::{BrokerMessage, ChunkBuilder, Demand, Tag};

fn decoder(format: Format, paths: &[&str]) -> Decoder {
    let mut demand = Demand::default();
    paths.iter().for_each(|text| demand.add(text.split('.').map(Arc::from).collect()));
    Decoder::new(format, Arc::new(Layout::text(&demand)), "test".into(), 128)
}

fn frame(mut framer: Framer, input: &[u8]) -> Chunk {
    framer.buffer().extend_from_slice(input);
    framer.next_chunk(true).expect("a chunk")
}

/// The events of a batch as JSON Lines.
fn lines(batch: &Batch) -> String {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    Encoder::new(encode::Format::Json, None).encode(batch, true, &mut out, &mut Vec::new(), &mut errors);
    assert_eq!(errors, []);
    String::from_utf8(out).expect("UTF-8")
}

fn cell(batch: &Batch, column: usize, row: u32) -> String {
    let mut out = Vec::new();
    encode::write_cell(&mut out, &batch.texts, batch.cell(column, row));
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn csv_records_become_objects_of_texts() {
    let input = b"id,name,id.x\n1,\"a \"\"b\"\"\n\",\n2,\xc3\xa9,\"c,d\"\n3,too few\n4,\xff,\n5,\"x\"y,a\"b\n";
    let decoded = decoder(Format::Csv, &["id", "id.x", "name"]).decode(frame(Framer::csv(1000), input), 0);
    let expected = [
        r#"{"id":"1","name":"a \"b\"\n","id.x":""}"#,
        r#"{"id":"2","name":"é","id.x":"c,d"}"#,
        r#"{"id":"5","name":"xy","id.x":"a\"b"}"#,
    ];
    assert_eq!(lines(&decoded.batch), expected.map(|line| line.to_owned() + "\n").concat());
    assert_eq!((cell(&decoded.batch, 1, 2), cell(&decoded.batch, 3, 0)), ("\"5\"".into(), r#""a \"b\"\n""#.into()));
    assert_eq!(decoded.batch.cell(2, 0), Cell::Missing);
    let codes: Vec<_> =
        decoded.rejects.iter().map(|reject| (reject.before, reject.code.id, &reject.message[..])).collect();
    let expected = [
        (2, "csv-fields", "the record has 2 fields, the header 3"),
        (2, "utf8", "byte 3: not valid UTF-8, found 0xff"),
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_byte_order_mark_is_dropped_only_where_the_input_starts() {
    let input = "\u{feff}a,b\n\u{feff}1,2\n\u{feff},\u{feff}\n";
    let decoded = decoder(Format::Csv, &[]).decode(frame(Framer::csv(100), input.as_bytes()), 0);
    assert_eq!(lines(&decoded.batch), "{\"a\":\"\u{feff}1\",\"b\":\"2\"}\n{\"a\":\"\u{feff}\",\"b\":\"\u{feff}\"}\n");
}

#[test]
fn csv_without_a_header_is_refused_record_by_record() {
    let mut decoder = decoder(Format::Csv, &[]);
    for (chunk, rejects) in [(frame(Framer::csv(100), b"\xff\na\nb\n"), 3), (frame(Framer::lines(100), b"a\nb\n"), 2)] {
        let decoded = decoder.decode(chunk, 0);
        assert_eq!((decoded.batch.len(), decoded.rejects.len()), (0, rejects));
        assert!(decoded.rejects.iter().all(|reject| reject.code == crate::event::codes::CSV_HEADER));
    }
}

#[test]
fn lines_become_text_or_bytes() {
    let input = b"plain\nq\"\t\\\n\xff\x00\n";
    let decoded = decoder(Format::Text, &["text", "text.x", "other"]).decode(frame(Framer::lines(100), input), 0);
    assert_eq!(lines(&decoded.batch), "{\"text\":\"plain\"}\n{\"text\":\"q\\\"\\t\\\\\"}\n");
    let text = |row| decoded.batch.cell(2, row).tag();
    assert_eq!((text(0), text(1), decoded.batch.cell(1, 0)), (Tag::Str, Tag::Escaped, Cell::Missing));
    assert_eq!((decoded.rejects.len(), decoded.rejects[0].code.id), (1, "utf8"));

    let decoded = decoder(Format::Bytes, &["bytes"]).decode(frame(Framer::lines(100), input), 0);
    assert_eq!(lines(&decoded.batch), "{\"bytes\":\"cGxhaW4=\"}\n{\"bytes\":\"cSIJXA==\"}\n{\"bytes\":\"/wA=\"}\n");
}

#[test]
fn a_character_cut_by_a_frame_is_not_utf8() {
    let mut messages = ChunkBuilder::new(100);
    messages.push(BrokerMessage { payload: b"\xc3", ..BrokerMessage::default() });
    messages.push(BrokerMessage { payload: b"\xa9", ..BrokerMessage::default() });
    let chunk = messages.finish(None);
    for format in [Format::Text, Format::Json] {
        assert_eq!(decoder(format, &[]).decode(chunk.clone(), 0).rejects.len(), 2);
    }
}

#[test]
fn keys_and_headers_stay_beside_their_events() {
    let mut messages = ChunkBuilder::new(20);
    let headers = [("n", "1")];
    for (i, payload) in
        [&b"{\"a\":1}"[..], b"broken", b"{\"a\":\"much too long for it\"}", b"{\"a\":2}"].iter().enumerate()
    {
        let key = ["k0", "k1", "k2", "k3"][i];
        messages.push(BrokerMessage {
            payload,
            key: Some(key),
            headers: &headers[..i % 2],
            offset: Some(i as i64),
            time: None,
        });
    }
    let chunk = messages.finish(Some(4));
    for format in [Format::Json, Format::Text] {
        let decoded = decoder(format.clone(), &["a"]).decode(chunk.clone(), 0);
        let batch = &decoded.batch;
        let last = batch.len() - 1;
        let shown = |column: &Option<Column>| {
            let cell = column.as_ref().expect("a column").cells()[last];
            batch.texts.str(cell.text_ref().expect("a text")).to_owned()
        };
        assert_eq!((shown(&batch.meta.key), shown(&batch.meta.headers)), ("k3".into(), r#"{"n":"1"}"#.into()));
        assert_eq!(batch.meta.offset.as_ref().map(|column| column.cells()[last]), Some(Cell::Int(3)));
        assert_eq!(batch.meta.partition, Some(4));
        let rejects: Vec<_> = decoded.rejects.iter().map(|reject| (reject.before, reject.code.id)).collect();
        match &format {
            Format::Json => assert_eq!(rejects, [(1, "json-syntax"), (1, "line-too-long")]),
            _ => assert_eq!(rejects, [(2, "line-too-long")]),
        }
        if let Some(first) = decoded.rejects.first().filter(|reject| reject.code.id == "json-syntax") {
            assert_eq!(
                (first.key.as_deref(), first.headers.as_deref()),
                (Some(&b"k1"[..]), Some(&br#"{"n":"1"}"#[..]))
            );
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_is_an_event_a_reject_or_an_empty_line(
        input in prop::collection::vec(prop_oneof![3 => Just(b'\n'), 1 => Just(b'"'), 2 => any::<u8>()], 0..80),
        step in 1usize..20,
    ) {
        for format in [Format::Json, Format::NumberedJson, Format::Csv, Format::Text, Format::Bytes] {
            let mut framer = if matches!(format, Format::Csv) { Framer::csv(8) } else { Framer::lines(8) };
            let is_csv = matches!(format, Format::Csv);
            let mut decoder = decoder(format, &["a", "text", "bytes"]);
            let mut found = 0;
            let mut take = |framer: &mut Framer, ended: bool| {
                while let Some(chunk) = framer.next_chunk(ended) {
                    let decoded = decoder.decode(chunk, 0);
                    found += decoded.batch.len() as u64 + decoded.rejects.len() as u64 + decoded.empty_lines;
                }
            };
            for piece in input.chunks(step) {
                framer.buffer().extend_from_slice(piece);
                take(&mut framer, false);
            }
            take(&mut framer, true);
            let lines = input.split_inclusive(|byte| *byte == b'\n').count() as u64;
            if !is_csv {
                prop_assert_eq!(found, lines);
            }
        }
    }

    #[test]
    fn csv_comes_back_as_it_was_written(rows in prop::collection::vec(("\\PC{0,8}|[,\"\r\n]{0,4}", "[a\n\"]{0,3}"), 1..5)) {
        let text = |(a, b): &(String, String)| serde_json::json!({ "a": a, "b,c": b }).to_string();
        let input: Vec<String> = rows.iter().map(text).collect();
        let decoded = decoder(Format::Json, &[]).decode(frame(Framer::lines(1000), input.join("\n").as_bytes()), 0);
        let mut encoder = Encoder::new(encode::Format::Csv, None);
        let mut out = Vec::new();
        encoder.encode(&decoded.batch, true, &mut out, &mut Vec::new(), &mut Vec::new());
        let csv = [encoder.head(), &out].concat();
        let back = decoder(Format::Csv, &[]).decode(frame(Framer::csv(1000), &csv), 0);
        let values = |text: &str| text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect::<Vec<_>>();
        prop_assert_eq!(values(&lines(&back.batch)), values(&input.join("\n")));
    }
}
