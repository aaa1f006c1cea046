use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::avro::container::{Codec, FileHead};
use crate::event::avro::{AvroFormat, Bytes, Ends, Node, Number, Reading, Record, Step, Writer, Writers};
use crate::event::packed::{PackedFormat, Wire};
use crate::event::{BadFrame, Demand, Layout};

const CODECS: [Codec; 4] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard];
const MARKER: [u8; 16] = *b"0123456789abcdef";

/// Knows one schema: a record of a text and a long.
#[derive(Debug)]
struct One;

impl Writers for One {
    fn own(&self) -> Arc<Writer> {
        let text = Node::Bytes { utf8: true, to: Bytes::Text };
        let steps = [1, 2].map(|node| Step { node, field: None });
        let record = Node::Record(Record { steps: steps.into(), absent: Box::default() });
        let reading = Arc::new(Reading::new(vec![record, text, Node::Long(Number::Int)], 0));
        Arc::new(Writer { ends: Ends::new(reading.clone()), reading, identity: 1, text: "".into(), reader: 1 })
    }

    fn by_fingerprint(&self, _: u64) -> Result<Arc<Writer>, String> {
        Err("none".to_owned())
    }

    fn by_id(&self, _: u32) -> Result<Arc<Writer>, String> {
        Err("none".to_owned())
    }

    fn by_text(&self, text: &str) -> Result<Arc<Writer>, String> {
        if text == "one" { Ok(self.own()) } else { Err(format!("`{text}` is no schema")) }
    }

    fn identity(&self) -> u64 {
        1
    }

    fn reader(&self) -> u64 {
        1
    }
}

fn framer(line_max: usize) -> Framer {
    Framer::container(Containers::new(Arc::new(One)), line_max)
}

fn head(codec: Codec) -> FileHead {
    FileHead { schema: "one".to_owned(), codec, marker: MARKER }
}

/// An event of the schema: its text is the letter so many times, its number the length.
fn event(letter: u8, times: usize) -> Vec<u8> {
    assert!(times < 64);
    [&[2 * times as u8][..], &vec![letter; times], &[2 * times as u8]].concat()
}

/// A container of blocks of such events, and where each block begins.
fn container(codec: Codec, blocks: &[Vec<Vec<u8>>]) -> (Vec<u8>, Vec<usize>) {
    let (head, mut bytes, mut starts) = (head(codec), Vec::new(), Vec::new());
    head.write(&mut bytes);
    for block in blocks {
        starts.push(bytes.len());
        head.write_block(block.len() as u64, &block.concat(), &mut bytes).unwrap();
    }
    (bytes, starts)
}

/// An event, or the code of what is none; its offset; what is wrong with it, and the bytes that it has.
type Found = (Vec<u8>, i64, String, u64);

/// What comes of an input that arrives in pieces of `step` bytes.
fn all_of(mut framer: Framer, input: &[u8], step: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut collect = |framer: &mut Framer, ended: bool| {
        while let Some(chunk) = framer.next_chunk(ended) {
            let chunk = cut(chunk);
            let mut bad = chunk.bad.iter().peekable();
            let bad_frame = |bad: &BadFrame| {
                (bad.code.id.as_bytes().to_vec(), bad.offset.unwrap_or(-1), bad.message.clone(), bad.length)
            };
            for (i, range) in chunk.frames.iter().enumerate() {
                while let Some(bad) = bad.next_if(|bad| bad.before as usize <= i) {
                    found.push(bad_frame(bad));
                }
                let bytes = chunk.text[range.start as usize..range.end as usize].to_vec();
                found.push((bytes, chunk.offsets[i], String::new(), 0));
            }
            found.extend(bad.map(bad_frame));
        }
    };
    for piece in input.chunks(step) {
        framer.buffer().extend_from_slice(piece);
        collect(&mut framer, false);
    }
    collect(&mut framer, true);
    assert_eq!((framer.held(), framer.next_chunk(true).is_none()), (0, true));
    found
}

/// The chunk as a decoder leaves it.
fn cut(mut chunk: Chunk) -> Chunk {
    chunk.assert_sound();
    if chunk.uncut {
        let layout = Layout::text(&Demand::default());
        let rows = AvroFormat::new(Wire::Container, Arc::new(One)).decoder(&layout, 64).decode(&mut chunk).rows;
        assert_eq!(rows.columns[0].cells().len() + rows.bad.len(), chunk.frames.len());
        chunk.assert_sound();
        assert!(!chunk.uncut);
    }
    chunk
}

/// The same, without what is wrong.
fn run(framer: Framer, input: &[u8], step: usize) -> Vec<(Vec<u8>, i64)> {
    all_of(framer, input, step).into_iter().map(|(bytes, offset, ..)| (bytes, offset)).collect()
}

/// The same of a container, whose blocks may be cut when they are found or when they are decoded.
fn run_container(line_max: usize, input: &[u8], step: usize) -> Vec<(Vec<u8>, i64)> {
    let all = all_of(framer(line_max), input, step);
    assert_eq!(all_of(framer(line_max).uncut(), input, step), all);
    all.into_iter().map(|(bytes, offset, ..)| (bytes, offset)).collect()
}

fn expected(parts: &[(&[u8], usize)]) -> Vec<(Vec<u8>, i64)> {
    parts.iter().map(|(bytes, at)| (bytes.to_vec(), *at as i64)).collect()
}

#[test]
fn messages_stand_behind_their_lengths() {
    let long = vec![b'x'; 200];
    let input = [&b"\x03one\0\xc8\x01"[..], &long, b"\x81\x00y"].concat();
    for step in [1, 2, 300] {
        let found = run(Framer::delimited(200), &input, step);
        assert_eq!(found, expected(&[(b"one", 0), (b"", 4), (&long, 5), (b"y", 207)]));
    }
}

#[test]
fn behind_a_length_that_cannot_be_nothing_is_read() {
    let endless = [0xff; 10];
    let huge = [&[0xff; 8][..], &[0x0f]].concat();
    for wrong in [&endless[..], &huge, b"\x0b", b"\x0a123", b"\xff"] {
        let input = [b"\x03one", wrong].concat();
        for step in [1, 3, 100] {
            let found = run(Framer::delimited(10), &input, step);
            assert_eq!(found, expected(&[(b"one", 0), (b"message-length", 4)]), "{wrong:?} in steps of {step}");
        }
    }
    let mut framer = Framer::delimited(10);
    framer.buffer().extend_from_slice(b"\x0b");
    assert!(framer.next_chunk(false).is_some());
    assert!(framer.place().in_skipped);
    assert_eq!(run(Framer::delimited(10).resume(framer.place(), None), b"\x01a", 1), []);
}

#[test]
fn a_damaged_block_costs_itself() {
    for codec in CODECS {
        let blocks: Vec<_> = (0..3).map(|i| vec![event(b'a' + i, 3), event(b'a' + i, 5)]).collect();
        let (good, starts) = container(codec, &blocks);
        let one = |i: usize| [(&*blocks[i][0], starts[i]), (&*blocks[i][1], starts[i])];
        assert_eq!(run_container(100, &good, 7), expected(&[one(0), one(1), one(2)].concat()));
        // Other numbers before the block, or another marker behind it.
        let damages: [(usize, &[u8]); 5] = [
            (starts[1], &[1]),
            (starts[1] + 1, &[1]),
            (starts[1] + 1, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
            (starts[1] + 1, &[0]),
            (starts[1], &[0xff; 12]),
        ];
        for (at, bytes) in damages {
            let mut damaged = good.clone();
            damaged[at..at + bytes.len()].copy_from_slice(bytes);
            let wanted = [&one(0)[..], &[(b"avro-block", starts[1])], &one(2)].concat();
            for step in [1, 13, 1000] {
                assert_eq!(run_container(100, &damaged, step), expected(&wanted), "{codec:?} {bytes:?} by {step}");
            }
        }
        let cut = &good[..good.len() - 1];
        let wanted = [&one(0)[..], &one(1), &[(b"avro-block", starts[2])]].concat();
        assert_eq!(run_container(100, cut, 9), expected(&wanted));
    }
}

#[test]
fn a_marker_that_looks_like_numbers_is_looked_for_behind_them() {
    // `3` is -26 where a number is expected.
    let head = FileHead { marker: [b'3'; 16], ..head(Codec::Null) };
    let mut input = Vec::new();
    head.write(&mut input);
    let at = input.len();
    input.extend_from_slice(&[b'3'; 18]);
    head.write_block(1, &event(b'a', 1), &mut input).unwrap();
    let behind = event(b'a', 1);
    for step in [1, 2, 3, 1000] {
        let found = run(framer(100), &input, step);
        assert_eq!(found, expected(&[(b"avro-block", at), (&behind, at + 18)]), "in pieces of {step}");
    }
}

#[test]
fn what_is_wrong_inside_a_block_costs_the_rest_of_it() {
    let (head, mut bytes) = (head(Codec::Deflate), Vec::new());
    head.write(&mut bytes);
    let start = bytes.len();
    let (good, long) = (event(b'a', 2), event(b'b', 60));
    head.write_block(4, &[&good[..], &long, &good, &[9]].concat(), &mut bytes).unwrap();
    let second = bytes.len();
    head.write_block(1, &[&good[..], b"more"].concat(), &mut bytes).unwrap();
    let third = bytes.len();
    head.write_block(1 << 60, &good, &mut bytes).unwrap();
    let last = bytes.len();
    head.write_block(0, &[], &mut bytes).unwrap();
    assert_eq!(bytes.len(), last + 20);
    head.write_block(1, &good, &mut bytes).unwrap();
    let wanted: [(&[u8], usize); 8] = [
        (&good, start),
        (b"line-too-long", start),
        (&good, start),
        (b"avro-block", start),
        (&good, second),
        (b"avro-block", second),
        (b"avro-block", third),
        (&good, last + 20),
    ];
    assert_eq!(run_container(50, &bytes, 11), expected(&wanted));
}

#[test]
fn what_is_joined_to_a_container_is_told_of() {
    let (one, _) = container(Codec::Null, &[vec![event(b'a', 2)]]);
    let mut other = FileHead { marker: *b"fedcba9876543210", ..head(Codec::Null) };
    let mut bytes = one.clone();
    other.schema.push(' ');
    other.write(&mut bytes);
    other.write_block(1, &event(b'b', 2), &mut bytes).unwrap();
    for step in [1, 2, 3, 100] {
        let found = all_of(framer(100), &bytes, step);
        assert_eq!((found.len(), found[1].1), (2, one.len() as i64), "by {step}");
        assert!(found[1].2.contains("another container begins there"), "by {step}: {}", found[1].2);
    }
}

#[test]
fn what_is_no_container_is_one_error() {
    let mut other = Vec::new();
    FileHead { schema: "two".to_owned(), ..head(Codec::Null) }.write(&mut other);
    for input in [&b"{\"a\": 1}\n{\"a\": 2}\n"[..], &other, b"Obj\x01", b"Obj\x01\x02\x05"] {
        for step in [1, 100] {
            assert_eq!(run_container(100, input, step), expected(&[(b"avro-container", 0)]));
        }
    }
    assert_eq!(run_container(100, b"", 1), []);
}

proptest! {
    #[test]
    fn containers_go_on_at_every_place(
        blocks in prop::collection::vec(prop::collection::vec(0_usize..30, 0..5), 0..5),
        damage in prop::option::of((0_usize..400, any::<u8>())),
        events in 1_usize..6,
        codec in 0_usize..4,
        line_max in prop::sample::select(&[20_usize, 60, 1000][..]),
        uncut: bool,
    ) {
        let blocks: Vec<Vec<_>> =
            blocks.iter().map(|block| block.iter().map(|times| event(b'a', *times)).collect()).collect();
        let (mut input, _) = container(CODECS[codec], &blocks);
        if let Some((at, byte)) = damage && let Some(damaged) = input.get_mut(at) {
            *damaged = byte;
        }
        let framer = || if uncut { framer(line_max).uncut() } else { framer(line_max) };
        let all = run_container(line_max, &input, 1 << 20);
        let offset_max = |found: &[(Vec<u8>, i64)]| found.iter().map(|event| event.1).max();
        prop_assert_eq!(offset_max(&run_container(line_max, &input, 3)), offset_max(&all));
        let mut first = framer().chunk_events_max(events);
        first.buffer().extend_from_slice(&input);
        let mut given = 0;
        while let Some(chunk) = first.next_chunk(true) {
            prop_assert!(chunk.frames.len() <= events);
            let chunk = cut(chunk);
            given += chunk.frames.len() + chunk.bad.len();
            let rest = framer().resume(first.place(), first.head());
            let rest = run(rest, &input[first.place().at as usize..], 1 << 20);
            prop_assert_eq!(&rest, &all[given..]);
        }
    }

    #[test]
    fn messages_go_on_at_every_place(input in prop::collection::vec(0_u8..9, 0..60), events in 1_usize..4, step in 1_usize..9) {
        let all = run(Framer::delimited(6), &input, 100);
        prop_assert_eq!(&run(Framer::delimited(6), &input, step), &all);
        let mut first = Framer::delimited(6).chunk_events_max(events);
        first.buffer().extend_from_slice(&input);
        let mut given = 0;
        while let Some(chunk) = first.next_chunk(true) {
            given += chunk.frames.len() + chunk.bad.len();
            let rest = run(Framer::delimited(6).resume(first.place(), None), &input[first.place().at as usize..], 100);
            prop_assert_eq!(&rest, &all[given..]);
        }
    }
}
