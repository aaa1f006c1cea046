//! The quick way against a program that has none, in which the machine reads every field by itself.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::machine::Scratch;
use super::super::tests::{DEMANDS, SAMPLES, layout, write_message};
use super::*;
use crate::event::packed::write_varint;
use crate::event::protobuf::fault::Fault;
use crate::event::protobuf::program::Program;
use crate::event::samples::Choices;

/// A program for one of the samples, with and without the quick way.
fn programs(sample: usize, paths: &[&str]) -> [Program; 2] {
    let types = Arc::new(SAMPLES[sample].model.types());
    let [quick, mut slow] = [(); 2].map(|()| Program::new(types.clone(), &layout(paths)));
    slow.levels.iter_mut().for_each(|level| level.quick = Table::default());
    [quick, slow]
}

/// What comes of an event: nothing, or what is wrong and in which field.
type Verdict = Result<(), (Fault, Vec<Arc<str>>)>;

/// Reads events, of which the chunk has `behind` after the last.
fn run(
    program: &Program,
    events: &[&[u8]],
    behind: &[u8],
    depth_max: usize,
) -> (Vec<Verdict>, Vec<Vec<Cell>>, Vec<u8>) {
    let text = [&events.concat(), behind].concat();
    let mut scratch = Scratch::new(program);
    let mut machine = Machine::new(program, &mut scratch, &text, events.len(), depth_max);
    let mut start = 0;
    let verdicts = events.iter().map(|event| {
        let (end, made) = (start + event.len(), machine.made.len());
        let read = machine.event(start, end);
        start = end;
        let verdict = read.map_err(|fault| (fault, machine.path.clone()));
        if verdict.is_err() {
            machine.clear_row(made);
        } else {
            machine.row += 1;
        }
        verdict
    });
    (verdicts.collect(), machine.columns, machine.made)
}

fn compare(sample: usize, event: &[u8], paths: &[&str], behind: &[u8], depth_max: usize) -> Result<(), TestCaseError> {
    let [quick, slow] = programs(sample, paths);
    let valid = if sample == 1 { &[8, 1][..] } else { &[24, 5] };
    let events = [valid, event, valid];
    prop_assert_eq!(run(&quick, &events, behind, depth_max), run(&slow, &events, behind, depth_max));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn the_quick_way_leads_where_the_machine_gets(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), sample in 0..2_usize, demand in 0..5_usize,
        behind in prop_oneof![Just(0_usize), Just(WINDOW), 0..WINDOW], filler in any::<u8>(), depth_max in prop_oneof![Just(128_usize), 1..8_usize],
    ) {
        let mut event = Vec::new();
        write_message(&mut Choices::new(&bytes), &SAMPLES[sample].descriptor, 6, &mut event);
        compare(sample, &event, DEMANDS[demand], &vec![filler; behind], depth_max)?;
    }

    #[test]
    fn it_does_so_with_damaged_messages(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), byte in any::<u8>(), what in 0..3_u8,
        sample in 0..2_usize, demand in 0..5_usize, filler in any::<u8>(),
    ) {
        let mut event = Vec::new();
        write_message(&mut Choices::new(&bytes), &SAMPLES[sample].descriptor, 6, &mut event);
        let at = at.index(event.len() + 1);
        match what {
            0 if at < event.len() => event[at] = byte,
            1 => event.truncate(at),
            _ => event.insert(at, byte),
        }
        compare(sample, &event, DEMANDS[demand], &[filler; WINDOW], 128)?;
    }

    #[test]
    fn it_does_so_with_any_bytes(event in proptest::collection::vec(any::<u8>(), 0..80), sample in 0..2_usize, demand in 0..5_usize) {
        compare(sample, &event, DEMANDS[demand], &[1; WINDOW], 128)?;
    }

    #[test]
    fn strings_of_every_length_are_checked_to_their_last_byte(length in 0_usize..200, at in 0_usize..220, byte in any::<u8>(), read in any::<bool>()) {
        // `a_string`, and a number behind it.
        let mut text = vec![b'a'; length];
        if let Some(there) = text.get_mut(at) {
            *there = byte;
        }
        let mut event = vec![0x72];
        write_varint(&mut event, length as u64);
        event.extend_from_slice(&text);
        event.extend([0x18, 5]);
        let paths: &[&str] = if read { &["a_string", "an_int32"] } else { &["an_int32"] };
        compare(0, &event, paths, &[0xff; WINDOW], 128)?;
        let [quick, _] = programs(0, paths);
        prop_assert_eq!(run(&quick, &[&event], &[0xff; WINDOW], 128).0[0].is_ok(), std::str::from_utf8(&text).is_ok());
    }
}

/// Where the quick way over an event ends.
fn reach(paths: &[&str], event: &[u8]) -> usize {
    let [program, _] = programs(0, paths);
    let text = [event, &[0; WINDOW]].concat();
    let mut scratch = Scratch::new(&program);
    let mut machine = Machine::new(&program, &mut scratch, &text, 1, 128);
    let mut open = Open { level: &program.levels[program.root], end: event.len(), depth: 1 };
    machine.quick(&mut open, 0, 0)
}

#[test]
fn usual_fields_need_no_detour() {
    let fields: [(&str, &[u8]); 16] = [
        ("a_double", &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        ("a_float", &[0x15, 0, 0, 0x80, 0x3f]),
        ("an_int32", &[0x18, 0xac, 0x02]),
        ("an_int32", &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("a_bool", &[0x68, 1]),
        ("a_string", &[0x72, 3, b'a', 0xc3, 0xa9]),
        ("", &[0x7a, 2, 0xff, 0xff]),
        ("kind", &[0x80, 0x01, 1]),
        ("inner.inner.size", &[0x8a, 0x01, 7, 0x0a, 1, b'x', 0x1a, 2, 0x10, 9]),
        ("an_int32", &[0x82, 0x02, 4, 0x08, 1, 0x10, 5]), // at
        ("an_int32", &[0x92, 0x02, 3, 0x08, 0x80, 0x01]), // wrapped
        ("an_int32", &[0x90, 0x01, 5]),                   // ints
        ("a_string", &[0xa2, 0x01, 1, b's']),
        ("inner.name", &[0x8a, 0x01, 5, 0x0a, 1, b'x', 0x78, 1]), // and what nobody knows
        ("kind", &[0xe2, 0x02, 1, 0xff]),                         // the same, behind the greatest number but one
        ("kind", &[0xba, 0x01, 5, 0x0a, 1, b'k', 0x10, 1]),
    ];
    for (path, field) in fields {
        let event = [field, &[0x18, 1]].concat();
        assert_eq!((reach(&[], &event), reach(&[path], &event)), (event.len(), event.len()), "{path} {field:x?}");
    }
    // A list that is wanted, a member of a oneof that takes another away, a group that nobody knows in the message within, a tag that has a
    // byte too many, one of three bytes, nanoseconds that are cut off.
    let others: [(&[&str], &[u8], usize); 6] = [
        (&["ints"], &[0x18, 1, 0x90, 0x01, 5], 2),
        (&["message.name", "number"], &[0x18, 1, 0xda, 0x01, 0], 2),
        (&["inner.name"], &[0x8a, 0x01, 6, 0x0a, 1, b'x', 0x7b, 1, 0x7c], 6),
        (&[], &[0x18, 1, 0x81, 0x00, 1], 2),
        (&[], &[0x18, 1, 0x80, 0x80, 0x01, 1], 2),
        (&[], &[0x82, 0x02, 4, 0x08, 1, 0x10, 0x80], 5),
    ];
    for (paths, event, end) in others {
        assert_eq!(reach(paths, event), end, "{paths:?}");
    }
}

#[test]
fn the_way_to_a_fault_is_told_however_deep_it_is() {
    for depth in [0, 1, OUTER_MAX - 1, OUTER_MAX, OUTER_MAX + 1, 3 * OUTER_MAX] {
        // `name`, with a byte that is no UTF-8.
        let mut event = vec![0x0a, 1, 0xff];
        for level in 0..=depth {
            let tag: &[u8] = if level == depth { &[0x8a, 0x01] } else { &[0x1a] };
            let mut around = tag.to_vec();
            write_varint(&mut around, event.len() as u64);
            event = [around, event].concat();
        }
        for paths in [&[][..], &["inner.inner.inner.name"]] {
            for program in programs(0, paths) {
                let (verdicts, ..) = run(&program, &[&event], &[0; WINDOW], 128);
                let (fault, path) = verdicts[0].as_ref().unwrap_err();
                assert_eq!(fault.at as usize, event.len() - 1);
                let names: Vec<&str> = path.iter().rev().map(|name| &**name).collect();
                assert_eq!(names, [&vec!["inner"; depth + 1][..], &["name"]].concat());
            }
        }
    }
}
