//! What comes out does not depend on how many cores read the input.

use std::fmt::Write;
use std::fs;

use crate::support::{finish, folder, runner};

const TOPOLOGY: &str = "\
sources:
  in:
    file: { path: in.jsonl }
    time: event.t
    key: event.user
    watermark: { lag: 1s, max_future: 1h }
stages:
  sums:
    from: in
    window: { key: { user: meta.key }, tumbling: 10s, aggregate: { n: count(), total: sum(event.amount), first: first(event.i) } }
  # Not the message: it says how far ahead of the clock an event is.
  bad: { from: in.errors, map: { code: event.code, event: event.event, raw: event.raw } }
sinks:
  all: { from: in, file: { path: all.jsonl } }
  sums_out: { from: sums, file: { path: sums.jsonl } }
  late: { from: sums.late, file: { path: late.jsonl } }
  bad_out: { from: bad, file: { path: bad.jsonl } }
";

/// Lines in disorder, and among them what is no JSON, has no time, is too early or too late.
fn input() -> String {
    let mut text = String::new();
    for i in 0..40_000u64 {
        let noise = (i * 2_654_435_761) % 4_096;
        let t = 1_700_000_000_000 + i * 7 + noise;
        let written = match noise % 500 {
            0 => writeln!(text, "{{\"i\":{i},\"t\":{t},"),
            1 => writeln!(text, "{{\"i\":{i},\"user\":\"u1\"}}"),
            2 => writeln!(text, "{{\"i\":{i},\"t\":3900000000000,\"user\":\"u2\"}}"),
            3 => writeln!(text),
            4 => writeln!(text, "{{\"i\":{i},\"t\":{},\"user\":\"u3\",\"amount\":1.5}}", t - 60_000),
            _ => writeln!(text, "{{\"i\":{i},\"t\":{t},\"user\":\"u{}\",\"amount\":{}.25}}", noise % 97, noise % 300),
        };
        written.expect("a string takes everything");
    }
    text
}

#[test]
fn the_same_comes_out_whatever_the_number_of_threads() {
    let input = input();
    let outputs = ["1", "2", "5"].map(|threads| {
        let dir = folder(TOPOLOGY);
        fs::write(dir.path().join("in.jsonl"), &input).expect("the input is written");
        let mut command = runner(dir.path());
        command.arg("t.yaml").env("TOKIO_WORKER_THREADS", threads);
        let done = finish(command, None);
        assert!(done.status.success(), "{}", done.stderr);
        ["all", "sums", "late", "bad"].map(|name| {
            let text = fs::read_to_string(dir.path().join(name).with_extension("jsonl")).expect("it is written");
            assert!(text.lines().count() > 30, "{name} has something in it");
            text
        })
    });
    let [one, others @ ..] = outputs;
    for other in others {
        for (one, other) in one.iter().zip(other) {
            assert!(*one == other, "the outputs differ");
        }
    }
}
