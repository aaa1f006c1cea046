use proptest::prelude::*;

use super::*;
use crate::limits::{BATCH_BYTES_MAX, CSV_NAMES_BYTES_MAX, LINE_BYTES_MAX, RAW_BYTES_KEPT_MAX};

/// All events of an input that arrives in pieces of `step` bytes: text or code, and the position.
fn run(mut framer: Framer, input: &[u8], step: usize) -> (Vec<(String, i64)>, u64) {
    let (mut events, mut empty) = (Vec::new(), 0);
    let mut collect = |framer: &mut Framer, ended: bool| {
        while let Some(chunk) = framer.next_chunk(ended) {
            chunk.assert_sound();
            let mut bad = chunk.bad.iter().peekable();
            for (i, range) in chunk.frames.iter().enumerate() {
                while let Some(bad) = bad.next_if(|bad| bad.before as usize <= i) {
                    events.push((bad.code.id.to_owned(), bad.offset.unwrap_or(-1)));
                }
                let text = String::from_utf8_lossy(&chunk.text[range.start as usize..range.end as usize]).into_owned();
                events.push((text, chunk.offsets[i]));
            }
            events.extend(bad.map(|bad| (bad.code.id.to_owned(), bad.offset.unwrap_or(-1))));
            empty += chunk.empty_lines;
        }
    };
    for piece in input.chunks(step) {
        framer.buffer().extend_from_slice(piece);
        collect(&mut framer, false);
    }
    collect(&mut framer, true);
    assert_eq!((framer.held(), framer.next_chunk(true).is_none()), (0, true));
    (events, empty)
}

fn events(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(text, at)| (text.to_string(), *at)).collect()
}

#[test]
fn lines_end_with_lf_or_crlf_or_the_input() {
    let input = b"\xEF\xBB\xBFa\r\n\n\r\nb\rc\n\0\n  \nlast";
    for step in [1, 2, 3, 7, 100] {
        let (found, empty) = run(Framer::lines(100), input, step);
        assert_eq!(found, events(&[("a", 3), ("b\rc", 9), ("\0", 13), ("  ", 15), ("last", 18)]));
        assert_eq!(empty, 2);
    }
    assert_eq!(run(Framer::lines(100), b"", 1), (vec![], 0));
    assert_eq!(run(Framer::lines(100), b"\xEF\xBB\xBF", 1).0, events(&[]));
}

#[test]
fn a_line_over_the_limit_is_one_error() {
    let mut input = b"ok\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 50));
    input.extend_from_slice(b"\nalso ok\n1234567890\n12345678901");
    for step in [1, 5, 30, 1000] {
        let (found, _) = run(Framer::lines(10), &input, step);
        let expected = [("ok", 0), ("line-too-long", 3), ("also ok", 54), ("1234567890", 62), ("line-too-long", 73)];
        assert_eq!(found, events(&expected), "in steps of {step}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    for (line, found) in [("1234567890", ("1234567890", 3)), ("12345678901", ("line-too-long", 3))] {
        for step in [1, 4, 100] {
            assert_eq!(run(Framer::lines(10), format!("\u{feff}{line}\n").as_bytes(), step).0, events(&[found]));
        }
    }
    // The quote behind it is the first byte of a field.
    let input = "\u{feff}\"a\n,\",b\n1,2\n".as_bytes();
    for step in [1, 2, 3, 4, 100] {
        assert_eq!(run(Framer::csv(100), input, step).0, events(&[("1,2", 11)]));
    }
}

#[test]
fn a_line_of_100_mb_is_held_only_up_to_the_limit() {
    let mut framer = Framer::lines(1 << 20);
    let piece = vec![b'x'; 64 << 10];
    let mut bad = 0;
    for _ in 0..1600 {
        framer.buffer().extend_from_slice(&piece);
        while let Some(chunk) = framer.next_chunk(false) {
            bad += chunk.bad.len();
            assert!(chunk.bad.iter().all(|bad| bad.raw.len() == RAW_BYTES_KEPT_MAX));
        }
        assert!(framer.held() <= (1 << 20) + piece.len());
    }
    framer.buffer().extend_from_slice(b"\nnext\n");
    let chunk = framer.next_chunk(false).expect("the line after it");
    assert_eq!((&chunk.text[..], bad), (&b"next"[..], 1));
}

#[test]
fn chunks_are_cut_at_rows_and_bytes() {
    let mut framer = Framer::lines(LINE_BYTES_MAX);
    framer.buffer().extend_from_slice("{}\n".repeat(2500).as_bytes());
    framer.buffer().extend_from_slice(&[&b"y".repeat(BATCH_BYTES_MAX + 1)[..], b"\nz\n"].concat());
    let sizes: Vec<_> = std::iter::from_fn(|| framer.next_chunk(false)).map(|chunk| chunk.frames.len()).collect();
    assert_eq!(sizes, [1024, 1024, 452, 1, 1]);
}

#[test]
fn csv_records_may_hold_line_ends() {
    let input = b"id,\"na\"\"me\"\r\n1,\"two\nlines\"\r\n\n2,in\"ner\n\"3\" ,\"\"\"\n\"\"\"\n";
    for step in [1, 2, 5, 100] {
        let mut framer = Framer::csv(100);
        framer.buffer().extend_from_slice(&input[..12]);
        let (found, empty) = run(Framer::csv(100), input, step);
        let records = [("1,\"two\nlines\"", 13), ("2,in\"ner", 29), ("\"3\" ,\"\"\"\n\"\"\"", 38)];
        assert_eq!((found, empty), (events(&records), 1));
    }
    let mut framer = Framer::csv(100);
    framer.buffer().extend_from_slice(input);
    let chunk = framer.next_chunk(true).expect("records");
    assert_eq!(chunk.header.expect("a header").0, Ok(vec!["id".to_owned(), "na\"me".to_owned()]));
}

#[test]
fn a_quote_left_open_costs_one_error() {
    let input = [&b"a,b\n1,\""[..], &b"x".repeat(20), b"\n2,3\n"].concat();
    let (found, _) = run(Framer::csv(10), &input, 4);
    assert_eq!(found, events(&[("line-too-long", 4), ("2,3", 28)]));

    let mut framer = Framer::csv(10);
    framer.buffer().extend_from_slice(b"a header that is long\n1\n");
    let chunk = framer.next_chunk(true).expect("records");
    assert!(chunk.header.is_some_and(|header| header.0.is_err()), "a record is never taken for the header");
    assert_eq!((chunk.bad.len(), chunk.frames.len()), (1, 1));
}

/// Of each chunk: its frames, before which of them the bad ones are, the empty lines, and the place behind it.
fn chunks(mut framer: Framer, input: &[u8]) -> Vec<(usize, Vec<u32>, u64, u64)> {
    framer.buffer().extend_from_slice(input);
    let mut found = Vec::new();
    while let Some(chunk) = framer.next_chunk(true) {
        chunk.assert_sound();
        let before = chunk.bad.iter().map(|bad| bad.before).collect();
        found.push((chunk.frames.len(), before, chunk.empty_lines, framer.place().at));
    }
    found
}

#[test]
fn what_is_no_frame_goes_with_the_frames_before_it() {
    let input = b"\n123456\na\n\nb\n\n\r\n654321\nc\n123456\nd\r\ne\n\n";
    let expected = [(2, vec![0, 2], 4, 23), (2, vec![1], 0, 35), (1, vec![], 1, 38)];
    assert_eq!(chunks(Framer::lines(5).chunk_events_max(2), input), expected);
}

#[test]
fn a_chunk_takes_so_many_bad_lines() {
    let input = [b"a\n".to_vec(), b"xx\n".repeat(2 * BATCH_EVENTS_MAX + 1), b"b\n".to_vec()].concat();
    let found = chunks(Framer::lines(1), &input);
    let numbers: Vec<_> = found.iter().map(|(frames, bad, _, place)| (*frames, bad.len(), *place)).collect();
    assert_eq!(numbers, [(1, 1024, 2 + 3 * 1024), (0, 1024, 2 + 6 * 1024), (1, 1, 2 + 6 * 1024 + 5)]);
    assert!(found[0].1.iter().all(|before| *before == 1) && found[2].1 == [0]);
}

#[test]
fn a_long_csv_header_makes_small_chunks() {
    let name = "n".repeat(CSV_NAMES_BYTES_MAX / 4);
    for (header, frames) in
        [(format!("{name},b"), 3), (format!("{name}{name}{name}{name}"), 1), ("a,b".to_owned(), 1024)]
    {
        let input = format!("{header}\n{}", "1,2\n".repeat(BATCH_EVENTS_MAX));
        let found = chunks(Framer::csv(LINE_BYTES_MAX), input.as_bytes());
        assert_eq!(found.first().map(|chunk| chunk.0), Some(frames));
        assert_eq!(found.iter().map(|chunk| chunk.0).sum::<usize>(), BATCH_EVENTS_MAX);
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(input in "[a\r\n,\"]{0,60}", step in 1usize..9) {
        for framer in [Framer::lines, Framer::csv] {
            prop_assert_eq!(run(framer(100), input.as_bytes(), step), run(framer(100), input.as_bytes(), 100));
        }
    }

    #[test]
    fn framing_goes_on_at_every_place(input in "[a\r\n,\"]{0,60}", max in 3usize..20, events in 1usize..4) {
        for framer in [Framer::lines, Framer::csv] {
            let all = run(framer(max), input.as_bytes(), 100).0;
            let mut first = framer(max).chunk_events_max(events);
            first.buffer().extend_from_slice(input.as_bytes());
            let mut given = 0;
            while let Some(chunk) = first.next_chunk(true) {
                given += chunk.frames.len() + chunk.bad.len();
                let rest = framer(max).resume(first.place(), first.head());
                let rest = run(rest, &input.as_bytes()[first.place().at as usize..], 100).0;
                prop_assert_eq!(&rest, &all[given..]);
            }
        }
    }

    #[test]
    fn records_end_where_csv_core_ends_them(input in "[ab\n,\"]{0,60}") {
        let ours = run(Framer::csv(100).resume(Place::at(1), Some(Head::Csv(Arc::new(CsvHeader(Ok(vec![])))))), input.as_bytes(), 100);
        let mut theirs = csv::ReaderBuilder::new();
        theirs.has_headers(false).flexible(true).terminator(csv::Terminator::Any(b'\n'));
        let records: Vec<_> = theirs.from_reader(input.as_bytes()).into_byte_records().map(Result::unwrap).collect();
        prop_assert_eq!(ours.0.len(), records.len());
    }
}
