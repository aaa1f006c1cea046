//! Containers of random schemas and events, damaged or not: blocks that are cut into events when they are decoded give the same rows,
//! errors and offsets as those that are cut when they are found.

use std::sync::Arc;

use proptest::prelude::*;

use super::reading_tests::whole;
use super::samples::{self, Sampler};
use super::{AvroSchema, AvroWriters};
use crate::event::avro::AvroFormat;
use crate::event::avro::container::{Codec, FileHead};
use crate::event::decode::{Decoder, Format};
use crate::event::frame::{Containers, Framer};
use crate::event::packed::Wire;
use crate::event::{Cell, Demand, Layout};

/// A row as JSON, or the bytes, code and message of what is none; with its offset.
type Item = (Result<String, (Vec<u8>, u64, &'static str, String)>, i64);

/// What a decoder makes of what a framer finds.
fn items(mut framer: Framer, decoder: &mut Decoder, input: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    framer.buffer().extend_from_slice(input);
    while let Some(chunk) = framer.next_chunk(true) {
        let decoded = decoder.decode(chunk, 0);
        let mut rejects = decoded.rejects.iter().peekable();
        let bad = |reject: &crate::event::decode::Undecodable| {
            let why = (reject.raw.to_vec(), reject.length, reject.code.id, reject.message.clone());
            (Err(why), reject.offset.unwrap_or(-1))
        };
        for row in 0..decoded.batch.rows() {
            while let Some(reject) = rejects.next_if(|reject| reject.before as usize <= row) {
                items.push(bad(reject));
            }
            let offset = match decoded.batch.meta.offset.as_ref().map(|column| column.cells()[row]) {
                Some(Cell::Int(offset)) => offset,
                other => panic!("{other:?}"),
            };
            items.push((Ok(whole(&decoded, row)), offset));
        }
        items.extend(rejects.map(bad));
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn it_does_not_matter_where_blocks_are_cut(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        evolved: bool,
        demanded: bool,
        sizes in proptest::collection::vec(0_usize..5, 0..4),
        claimed in -1_i64..3,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        line_max in prop::sample::select(&[8_usize, 1 << 20][..]),
        codec in prop::sample::select(&[Codec::Null, Codec::Null, Codec::Deflate, Codec::Snappy][..]),
    ) {
        let mut sampler = Sampler::new(&bytes);
        let written = samples::schema(&mut sampler);
        let read = if evolved { samples::evolved(&written, &mut sampler) } else { written.clone() };
        let parse = |schema: &serde_json::Value| AvroSchema::parse(&schema.to_string(), &[]).expect("a schema");
        let writer = parse(&written);
        let head = FileHead { schema: written.to_string(), codec, marker: *b"0123456789abcdef" };
        let (mut input, mut all) = (Vec::new(), Vec::new());
        head.write(&mut input);
        let begin = input.len();
        for size in sizes {
            let events: Vec<Vec<u8>> = (0..size).map(|_| samples::event(&writer, &mut sampler)).collect();
            let events_said = (size as i64 + if edits.is_empty() { 0 } else { claimed }).max(0);
            head.write_block(events_said as u64, &events.concat(), &mut input).expect("a vector takes it");
            all.extend(events);
        }
        for (at, byte) in &edits {
            if input.len() > begin {
                let at = begin + at.index(input.len() - begin);
                input[at] = *byte;
            }
        }
        let writers = Arc::new(AvroWriters::new(Arc::new(parse(&read)), [], None));
        let mut demand = Demand::default();
        for name in ["f0", "f1", "f2"].into_iter().filter(|_| demanded) {
            demand.add(Arc::from([Arc::from(name)]));
        }
        let format = Format::Packed(Arc::new(AvroFormat::new(Wire::Container, writers.clone())));
        let mut decoder = Decoder::new(format, Arc::new(Layout::text(&demand)), "s".into(), 32);
        let containers = Containers::new(writers);
        let cut = items(Framer::container(containers.clone(), line_max), &mut decoder, &input);
        let uncut = items(Framer::container(containers, line_max).uncut(), &mut decoder, &input);
        prop_assert_eq!(&uncut, &cut, "{} as {}: {:?}", written, read, input);
        if edits.is_empty() && !evolved && all.iter().all(|event| event.len() <= line_max) {
            prop_assert_eq!(cut.len(), all.len());
            prop_assert!(cut.iter().all(|(item, _)| item.is_ok()));
        }
    }
}
