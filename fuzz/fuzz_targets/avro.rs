//! Bytes as Avro: a random schema, and an event of it that the fuzzer has changed, or any bytes. Whatever is demanded, the verdict is the
//! same and the reader stays within the bytes; what is good to us is good to apache-avro, and reads the same.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use topology_runner::event::Cell;
use topology_runner::event::avro::{AvroFormat, Writers};
use topology_runner::event::decode::{Decoder, Format};
use topology_runner::event::packed::Wire;
use topology_runner::event::samples::damage;
use topology_runner::schema::avro::samples::{self, Sampler};
use topology_runner::schema::avro::{AvroSchema, AvroWriters};
use topology_runner_fuzz::{Verdict, apache, decode, layout, surroundings, text};

/// Demands from nothing to everything.
const DEMANDS: [&[&str]; 4] = [
    &[],
    &[""],
    &["f0", "f1", "f2", "f3", "f4"],
    &["f0.f0", "f1.f0.f1", "f2.months", "f0.a", "f1.aa.f0", "f2.f1", "f3.f0.f0.f0", "f3"],
];

fuzz_target!(|data: &[u8]| {
    let mut sampler = Sampler::new(data);
    let damages = sampler.choices().below(5);
    let written = samples::schema(&mut sampler).to_string();
    let schema = Arc::new(AvroSchema::parse(&written, &[]).expect("a sample is a schema"));
    let mut event = match damages {
        4 => sampler.choices().rest().to_vec(),
        _ => samples::event(&schema, &mut sampler),
    };
    (0..damages % 4).for_each(|_| damage(sampler.choices(), &mut event));
    let writers: Arc<dyn Writers> = Arc::new(AvroWriters::new(schema, [], None));
    let format = Arc::new(AvroFormat::new(Wire::Raw, writers));
    let mut verdicts = Vec::new();
    let mut whole = None;
    for paths in DEMANDS {
        let paths = paths.iter().map(|path| path.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect());
        let layout = Arc::new(layout(paths));
        let mut decoder = Decoder::new(Format::Packed(format.clone()), layout, "fuzz".into(), 32);
        for chunk in surroundings(&event) {
            let (batch, mut verdict) = decode(&mut decoder, &chunk);
            let verdict = verdict.remove(0);
            if let (Verdict::Row(0), Some(json @ Cell::Json(_))) = (&verdict, batch.columns[0].cells().first()) {
                whole = text(&batch, *json);
            }
            verdicts.push(match verdict {
                Verdict::Row(_) => None,
                Verdict::Refused { code, message } => Some((code, message)),
            });
        }
    }
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    let Some(whole) = whole else { return };
    let ours: serde_json::Value = serde_json::from_slice(&whole).expect("what is written is JSON");
    match apache::read(&written, &written, &event, sampler.scale()) {
        Some((theirs, left)) => assert!(left == 0 && apache::alike(&ours, &theirs), "ours {ours} theirs {theirs}"),
        // Decimals that it finds too short for their precision, and texts that are no UUID, are good to us.
        None => assert!(written.contains("decimal") || written.contains("uuid"), "only good to us: {ours}"),
    }
});
