//! Random schemas, versions and events: what `apache-avro` reads, as JSON, is what we write; what it cannot read we refuse; and no
//! demand changes a verdict.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;

use super::apache::{self, alike};
use super::reading_tests::{decode_with, whole};
use super::samples::{self, Sampler};
use super::{AvroSchema, AvroWriters, own};
use crate::event::avro::{Ends, Writers};
use crate::event::decode::Decoded;
use crate::event::packed::Wire;

/// A pair of versions and an event of the first.
struct Case {
    writer: String,
    reader: String,
    event: Vec<u8>,
    /// Of all decimals.
    scale: usize,
}

impl Case {
    fn draw(bytes: &[u8], same: bool) -> Case {
        let mut sampler = Sampler::new(bytes);
        let scale = sampler.scale();
        let writer = samples::schema(&mut sampler);
        let reader = if same { writer.clone() } else { samples::evolved(&writer, &mut sampler) };
        let model = AvroSchema::parse(&writer.to_string(), &[]).unwrap_or_else(|error| panic!("{error}: {writer}"));
        let event = samples::event(&model, &mut sampler);
        Case { writer: writer.to_string(), reader: reader.to_string(), event, scale }
    }

    fn ours(&self, paths: &[&str]) -> Decoded {
        let reader = AvroSchema::parse(&self.reader, &[]).unwrap_or_else(|error| panic!("{error}: {}", self.reader));
        let writers = AvroWriters::new(Arc::new(reader), [], None);
        let given = writers.by_text(&self.writer).unwrap_or_else(|error| panic!("{error}: {}", self.writer));
        decode_with(Wire::Container, Arc::new(writers), Some(given), paths, &[&self.event])
    }

    fn theirs(&self) -> Option<(Value, usize)> {
        apache::read(&self.writer, &self.reader, &self.event, self.scale)
    }
}

/// Demands from nothing to everything.
const DEMANDS: &[&[&str]] = &[
    &[],
    &[""],
    &["f0", "f1", "f2", "f3", "f4"],
    &["f0.f0", "f1.f0.f1", "f2.months", "f0.a", "f1.aa.f0", "f2.f1", "f3.f0.f0.f0", "f3", "new2"],
];

/// The verdict: the code and message of the error, or none. It is the same for every demand.
fn verdict(case: &Case) -> Option<(&'static str, String)> {
    let verdicts: Vec<_> = DEMANDS
        .iter()
        .map(|paths| case.ours(paths).rejects.into_iter().next().map(|reject| (reject.code.id, reject.message)))
        .collect();
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}: {} {:?}", case.reader, case.event);
    verdicts.into_iter().next().flatten()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn events_are_read_as_apache_avro_reads_them(bytes in proptest::collection::vec(any::<u8>(), 0..400), same: bool) {
        let case = Case::draw(&bytes, same);
        prop_assert_eq!(verdict(&case), None, "{} as {}: {:?}", case.writer, case.reader, case.event);
        let writer = AvroSchema::parse(&case.writer, &[]).expect("a schema");
        prop_assert_eq!(Ends::new(Arc::new(own(&writer))).walk().end(&case.event, 0), Ok(case.event.len()));
        let ours = whole(&case.ours(&[]), 0);
        prop_assert_eq!(&whole(&case.ours(&[""]), 0), &ours);
        if let Some((theirs, left)) = case.theirs() {
            prop_assert_eq!(left, 0);
            let value: Value = serde_json::from_str(&ours).expect("JSON");
            prop_assert!(alike(&value, &theirs), "{} as {}: ours {} theirs {}", case.writer, case.reader, ours, theirs);
        } else {
            prop_assert!(!same, "{}: {:?}", case.writer, case.event);
        }
    }

    #[test]
    fn what_apache_avro_refuses_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        instead in proptest::option::weighted(0.2, proptest::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut case = Case::draw(&bytes, true);
        case.event = instead.unwrap_or(case.event);
        for (at, byte) in edits {
            if !case.event.is_empty() {
                let at = at.index(case.event.len());
                case.event[at] = byte;
            }
        }
        if let Some(cut) = cut {
            case.event.truncate(cut.index(case.event.len() + 1));
        }
        if verdict(&case).is_none() {
            let ours: Value = serde_json::from_str(&whole(&case.ours(&[]), 0)).expect("JSON");
            let theirs = case.theirs();
            // Decimals that it finds too short for their precision, and texts that are no UUID, are good to us.
            let loose = ["decimal", "uuid"].iter().any(|logical| case.writer.contains(logical));
            prop_assume!(theirs.is_some() || !loose);
            prop_assert!(
                theirs.as_ref().is_some_and(|(theirs, left)| *left == 0 && alike(&ours, theirs)),
                "{}: ours {} theirs {:?} of {:?}", case.writer, ours, theirs, case.event
            );
        }
    }
}
