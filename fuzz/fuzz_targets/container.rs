//! Bytes as an Avro container: one of a random schema that the fuzzer has changed, or any bytes. What is found in it is the same in whatever
//! pieces it arrives, and goes on at every place that is named on the way; what was not damaged gives the events that were written; and
//! whatever is demanded of them, the verdicts are the same.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use topology_runner::event::avro::container::{Codec, FileHead};
use topology_runner::event::avro::{AvroFormat, Writers};
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::frame::{Containers, Framer};
use topology_runner::event::packed::Wire;
use topology_runner::event::samples::damage;
use topology_runner::event::{BadFrame, Chunk};
use topology_runner::schema::avro::samples::{self, Sampler};
use topology_runner::schema::avro::{AvroSchema, AvroWriters};
use topology_runner_fuzz::{Verdict, chunks, decode, layout};

const CODECS: [Codec; 4] = [Codec::Null, Codec::Deflate, Codec::Snappy, Codec::Zstandard];
/// Demands from nothing to everything.
const DEMANDS: [&[&str]; 3] = [&[], &[""], &["f0", "f1.f0", "f2", "f3.f0.f0"]];
/// Places of one input at which it is gone on with.
const PLACES_MAX: usize = 40;

/// An event's bytes, or what is said of what is none; and where that is.
type Item = (Result<Vec<u8>, (&'static str, String)>, i64);

fn items(chunks: &[Chunk]) -> Vec<Item> {
    let refused = |bad: &BadFrame| (Err((bad.code.id, bad.message.clone())), bad.offset.expect("files have offsets"));
    let mut items = Vec::new();
    for chunk in chunks {
        chunk.assert_sound();
        let mut bad = chunk.bad.iter().peekable();
        for (i, range) in chunk.frames.iter().enumerate() {
            while let Some(bad) = bad.next_if(|bad| bad.before as usize <= i) {
                items.push(refused(bad));
            }
            items.push((Ok(chunk.text[range.start as usize..range.end as usize].to_vec()), chunk.offsets[i]));
        }
        items.extend(bad.map(refused));
    }
    items
}

/// A container of random events, and these if it was not damaged; or what the fuzzer has made.
fn input(schema: &AvroSchema, written: &str, sampler: &mut Sampler<'_>) -> (Vec<u8>, Option<Vec<Vec<u8>>>) {
    let damages = sampler.choices().below(5);
    let mut head = FileHead::of(written, sampler.choices().of(&CODECS));
    if sampler.choices().below(4) == 3 {
        // One that looks like numbers.
        head.marker = [sampler.choices().byte(); 16];
    }
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    head.write(&mut bytes);
    if damages == 4 {
        let from = sampler.choices().of(&[0, 4, bytes.len(), bytes.len()]);
        bytes.truncate(from);
        bytes.extend_from_slice(sampler.choices().rest());
        return (bytes, None);
    }
    for _ in 0..sampler.choices().below(5) {
        let block: Vec<_> = (0..sampler.choices().below(5)).map(|_| samples::event(schema, sampler)).collect();
        head.write_block(block.len() as u64, &block.concat(), &mut bytes).expect("a vector takes it");
        events.extend(block);
    }
    (0..damages).for_each(|_| damage(sampler.choices(), &mut bytes));
    (bytes, (damages == 0).then_some(events))
}

fuzz_target!(|data: &[u8]| {
    let mut sampler = Sampler::new(data);
    let value = samples::schema(&mut sampler);
    let written = value.to_string();
    let schema = Arc::new(AvroSchema::parse(&written, &[]).expect("a sample is a schema"));
    let line_max = sampler.choices().of(&[1 << 20, 1 << 20, 24]);
    let step = sampler.choices().of(&[1, 2, 3, 5, 16, 64, 300]);
    let events_max = sampler.choices().of(&[1, 2, 3, 1024]);
    let (input, events) = input(&schema, &written, &mut sampler);

    let writers: Arc<dyn Writers> = Arc::new(AvroWriters::new(schema, [], None));
    let containers = Containers::new(writers.clone());
    let framer = || Framer::container(containers.clone(), line_max);
    let whole = chunks(framer(), &input, 1 << 20);
    let all = items(&whole);
    assert_eq!(items(&chunks(framer(), &input, step)), all, "in pieces of {step}");
    if let Some(events) = events.filter(|events| events.iter().all(|event| event.len() <= line_max)) {
        let found: Vec<_> = all.iter().map(|(item, _)| item.as_ref().expect("it was not damaged")).collect();
        assert_eq!(found, events.iter().collect::<Vec<_>>());
    }
    goes_on_anywhere(&framer, &input, step, events_max, &all);
    let uncut = chunks(framer().uncut().chunk_events_max(events_max), &input, step);
    verdicts_are_one(&writers, &[whole, uncut]);
});

/// Reads in pieces, and at each place that the framer names on the way lets another one read the rest.
fn goes_on_anywhere(framer: &dyn Fn() -> Framer, input: &[u8], step: usize, events_max: usize, all: &[Item]) {
    let mut first = framer().chunk_events_max(events_max);
    let (mut given, mut places) = (0, 0);
    let mut pieces = input.chunks(step);
    loop {
        let piece = pieces.next();
        first.buffer().extend_from_slice(piece.unwrap_or_default());
        loop {
            let chunk = first.next_chunk(piece.is_none());
            given += chunk.as_ref().map_or(0, |chunk| chunk.frames.len() + chunk.bad.len());
            places += 1;
            if places <= PLACES_MAX {
                let place = first.place();
                let rest = framer().resume(place, first.head());
                let rest = items(&chunks(rest, &input[place.at as usize..], 1 << 20));
                assert_eq!(rest, all[given..], "from {place:?}");
            }
            if chunk.is_none() {
                break;
            }
        }
        if piece.is_none() {
            break;
        }
    }
    assert_eq!(given, all.len());
}

/// Whatever is demanded, and wherever blocks are cut into events.
fn verdicts_are_one(writers: &Arc<dyn Writers>, ways: &[Vec<Chunk>]) {
    let format = Arc::new(AvroFormat::new(Wire::Container, writers.clone()));
    let mut verdicts = Vec::new();
    for (paths, chunks) in DEMANDS.iter().flat_map(|paths| ways.iter().map(move |chunks| (paths, chunks))) {
        let paths = paths.iter().map(|path| path.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect());
        let mut decoder = Decoder::new(Format::Packed(format.clone()), Arc::new(layout(paths)), "fuzz".into(), 32);
        let found = chunks.iter().flat_map(|chunk| decode(&mut decoder, chunk).1);
        let verdict = |verdict| match verdict {
            Verdict::Row(_) => None,
            Verdict::Refused { code, message } => Some((code, message)),
        };
        verdicts.push(found.map(verdict).collect::<Vec<_>>());
    }
    assert!(verdicts.iter().all(|one| *one == verdicts[0]), "{verdicts:?}");
}
