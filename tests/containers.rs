//! Avro containers and messages of Protobuf in files that are added to, followed, rotated and changed by a reload, and in pipes: whatever
//! happens, `apache-avro` reads what is there, or the runner has said why it wrote nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::{Codec, Reader, Schema, Writer};

use crate::support::{Finished, Run, finish, folder, has_lines, replace, runner};

const PAID: &str = r#"{"type":"record","name":"Paid","fields":[{"name":"n","type":"long"}]}"#;
const NOTED: &str = r#"{"type":"record","name":"Paid","fields":[{"name":"n","type":"long"},{"name":"note","type":"string","default":""}]}"#;

/// A folder with the schemas of two versions, a topology and events as JSON Lines.
fn place(topology: &str, events: std::ops::Range<i64>) -> tempfile::TempDir {
    let dir = folder(topology);
    fs::write(dir.path().join("paid.avsc"), PAID).expect("it is written");
    fs::write(dir.path().join("noted.avsc"), NOTED).expect("it is written");
    let lines: String = events.map(|n| format!("{{\"n\":{n}}}\n")).collect();
    fs::write(dir.path().join("in.jsonl"), lines).expect("it is written");
    dir
}

fn run(dir: &Path) -> Finished {
    let mut command = runner(dir);
    command.arg("t.yaml");
    finish(command, None)
}

/// A container as the reference writes it, in blocks of two events.
fn container(events: std::ops::Range<i64>, codec: Codec) -> Vec<u8> {
    let schema = Schema::parse_str(PAID).expect("it is a schema");
    let mut writer = Writer::with_codec(&schema, Vec::new(), codec).expect("it is one of a record");
    for n in events {
        writer.append_value(Value::Record(vec![("n".into(), Value::Long(n))])).expect("it is of the schema");
        if n % 2 == 1 {
            writer.flush().expect("a vector takes it");
        }
    }
    writer.into_inner().expect("a vector takes it")
}

/// The numbers that the reference finds in a container; it panics at anything that is none.
#[track_caller]
fn numbers(bytes: &[u8]) -> Vec<i64> {
    let number = |event| match event {
        Ok(Value::Record(fields)) => match fields.first() {
            Some((name, Value::Long(n))) if name == "n" => *n,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    Reader::new(bytes).expect("it is a container").map(number).collect()
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Waits until more is written to a file than there is.
#[track_caller]
fn grows(path: &Path) {
    let len = || fs::metadata(path).map_or(0, |found| found.len());
    let (before, until) = (len(), Instant::now() + Duration::from_secs(20));
    while len() <= before {
        assert!(Instant::now() < until, "nothing is added to {}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The number that stands in one datum of the type.
fn datum(bytes: &[u8]) -> i64 {
    let schema = Schema::parse_str(PAID).expect("it is a schema");
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    match reader.read_value(&mut &bytes[..]) {
        Ok(Value::Record(fields)) => match fields[0].1 {
            Value::Long(n) => n,
            ref other => panic!("{other:?}"),
        },
        other => panic!("{other:?} in {bytes:?}"),
    }
}

const APPENDS: &str = "\
schemas: { Paid: paid.avsc }
sources: { in: { file: { path: in.jsonl } } }
sinks: { out: { from: in, file: { path: a.avro, mode: append }, encode: avro, schema: Paid } }
";

#[test]
fn a_container_of_the_same_schema_is_added_to_with_its_own_codec() {
    for codec in [Codec::Null, Codec::Deflate(Default::default())] {
        let dir = place(APPENDS, 10..13);
        let path = dir.path().join("a.avro");
        let before = container(0..10, codec);
        fs::write(&path, &before).expect("it is written");
        for round in 1..3 {
            let finished = run(dir.path());
            assert!(finished.status.success(), "{}", finished.stderr);
            let bytes = read(&path);
            assert!(bytes.starts_with(&before), "what was there stays");
            let wanted: Vec<i64> = (0..10).chain((10..13).cycle().take(3 * round)).collect();
            assert_eq!(numbers(&bytes), wanted);
        }
    }
}

/// Each file is left as it was, and the message names the file, what is wrong with it, and the way out.
#[test]
fn what_would_spoil_a_file_is_refused_and_the_file_left_alone() {
    let noted = APPENDS.replace("paid.avsc", "noted.avsc");
    let lines = APPENDS.replace("encode: avro, schema: Paid", "encode: json");
    let single = APPENDS.replace("schema: Paid", "schema: Paid, wire: single_object");
    let whole = container(0..4, Codec::Null);
    for (topology, content, why) in [
        (&*noted, &*whole, "the events in it are of another schema"),
        (&lines, &whole, "it is an Avro container, and no events in another form may follow in it"),
        (&single, &whole, "it is an Avro container, and no events in another form may follow in it"),
        (APPENDS, &whole[..30], "it ends within its head"),
        (APPENDS, b"{\"n\":1}\n", "this looks like JSON"),
        (APPENDS, b"O", "it ends within its head"),
    ] {
        let dir = place(topology, 10..13);
        let path = dir.path().join("a.avro");
        fs::write(&path, content).expect("it is written");
        let finished = run(dir.path());
        assert_eq!(finished.status.code(), Some(1), "{why}: {}", finished.stderr);
        for part in ["cannot add to `a.avro`", why, "write to another file"] {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        assert_eq!(read(&path), content, "{why}");
    }
}

#[test]
fn each_rotated_file_is_a_container_within_its_size() {
    let dir = place(
        "schemas: { Paid: noted.avsc }\nsources: { in: { file: { path: in.jsonl } } }\n\
         sinks: { out: { from: in, file: { path: a.avro, rotate: { size: 1KiB } }, encode: avro, schema: Paid } }\n",
        0..2000,
    );
    for args in [&[][..], &["--batch-events", "7"]] {
        let mut command = runner(dir.path());
        command.arg("run").arg("t.yaml").args(args);
        let finished = finish(command, None);
        assert!(finished.status.success(), "{}", finished.stderr);
        let mut found = Vec::new();
        let files = (1..).map(|number| dir.path().join(format!("a-{number:06}.avro"))).take_while(|path| path.exists());
        for bytes in files.map(|path| read(&path)) {
            assert!(bytes.len() <= 1024, "{} bytes", bytes.len());
            let numbers = numbers(&bytes);
            assert!(!numbers.is_empty());
            found.extend(numbers);
        }
        assert!(found.into_iter().eq(0..2000), "{args:?}");
    }
}

#[test]
fn a_followed_container_is_read_block_by_block() {
    let topology = "\
schemas: { Paid: paid.avsc }
sources: { in: { file: { path: 'a*.avro', follow: true }, decode: avro, schema: Paid, time: arrival } }
sinks: { out: { from: in, file: { path: out.jsonl } } }
";
    for latest in [false, true] {
        let dir =
            place(&if latest { topology.replace("time:", "start: latest, time:") } else { topology.into() }, 0..0);
        let bytes = container(0..6, Codec::Null);
        // Within the head, at the end of the head, within a block, all but the last byte.
        let block = bytes.len() - 2 - 2 - 16;
        let cuts = [20, bytes.len() - 3 * (2 + 2 + 16), block + 1, bytes.len() - 1, bytes.len()];
        let (path, out) = (dir.path().join("a.avro"), dir.path().join("out.jsonl"));
        fs::write(&path, if latest { &bytes } else { &bytes[..cuts[0]] }).expect("it is written");
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("running t");
        std::thread::sleep(Duration::from_millis(400));
        let mut file = File::options().append(true).open(&path).expect("it is there");
        if latest {
            // Another program adds a block to it.
            file.write_all(&bytes[block..]).expect("it is written");
            has_lines(&out, 2);
        } else {
            for cut in cuts.windows(2) {
                file.write_all(&bytes[cut[0]..cut[1]]).expect("it is written");
                std::thread::sleep(Duration::from_millis(100));
            }
            has_lines(&out, 6);
        }
        // A file that comes later is read from its start.
        fs::write(dir.path().join("a2.avro"), container(20..24, Codec::Null)).expect("it is written");
        has_lines(&out, if latest { 6 } else { 10 });
        let (code, said) = run.stop();
        assert_eq!(code, Some(0), "{said}");
        let wanted: Vec<i64> = if latest { vec![4, 5] } else { (0..6).collect() };
        let lines: String = wanted.into_iter().chain(20..24).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        assert_eq!(fs::read_to_string(&out).expect("it is text"), lines, "{said}");
        assert!(said.contains("0 errors"), "{said}");
    }
}

#[test]
fn what_follows_in_an_open_container_is_read_by_the_schema_of_the_reload() {
    let topology = "\
schemas: { Paid: paid.avsc }
sources: { in: { file: { path: a.avro, follow: true }, decode: avro, schema: Paid, time: arrival } }
sinks: { out: { from: in, file: { path: out.jsonl } } }
";
    let (dir, bytes) = (place(topology, 0..0), container(0..6, Codec::Null));
    let (path, out) = (dir.path().join("a.avro"), dir.path().join("out.jsonl"));
    let cut = bytes.len() - 2 * (2 + 2 + 16);
    fs::write(&path, &bytes[..cut]).expect("it is written");
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    has_lines(&out, 2);
    let renamed = NOTED.replace(r#""name":"n","#, r#""name":"number","aliases":["n"],"#);
    fs::write(dir.path().join("paid.avsc"), renamed).expect("it is written");
    run.says("reloaded");
    File::options().append(true).open(&path).and_then(|mut file| file.write_all(&bytes[cut..])).expect("it is written");
    has_lines(&out, 6);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let before = (0..2).map(|n| format!("{{\"n\":{n}}}\n"));
    let after = (2..6).map(|n| format!("{{\"number\":{n},\"note\":\"\"}}\n"));
    assert_eq!(fs::read_to_string(&out).expect("it is text"), before.chain(after).collect::<String>(), "{said}");
}

/// A source that never ends, and a sink of containers.
const TICKS: &str = "\
checkpoint: { every: 50ms }
schemas: { Paid: paid.avsc }
sources: { in: { generate: { event: '#{ n: i }', rate: 2000/s } } }
sinks:
  all: { from: in, file: { path: all.jsonl } }
  out: { from: in, file: { path: a.avro }, encode: avro, schema: Paid }
";

#[test]
fn a_reload_that_would_spoil_a_container_is_refused_and_one_that_does_not_goes_on_in_it() {
    let dir = place(TICKS, 0..0);
    let file = dir.path().join("t.yaml");
    let (first, second) = (dir.path().join("a.avro"), dir.path().join("b.avro"));
    let mut run = Run::start(dir.path(), &["t.yaml"]);
    run.says("running t");
    grows(&first);
    for (from, to, why) in [
        ("paid.avsc", "noted.avsc", "the events in it are of another schema"),
        ("encode: avro, schema: Paid", "encode: json", "it is an Avro container"),
    ] {
        replace(&file, from, to);
        run.says(why);
        grows(&first);
        fs::write(&file, TICKS).expect("it is written");
    }
    // To the other version, in another file; and at last back to the first file.
    fs::write(&file, TICKS.replace("paid.avsc", "noted.avsc").replace("a.avro", "b.avro")).expect("it is written");
    grows(&second);
    fs::write(&file, TICKS.replace("{ n: i }", "{ n: i + 0 }")).expect("it is written");
    grows(&first);
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let (first, second) = (numbers(&read(&first)), numbers(&read(&second)));
    assert!(!second.is_empty(), "{said}");
    let from = second[0] as usize;
    let all: Vec<i64> = first[..from].iter().chain(&second).chain(&first[from..]).copied().collect();
    let lines = fs::read_to_string(dir.path().join("all.jsonl")).expect("it is text").lines().count();
    assert!(all.into_iter().eq(0..lines as i64), "{said}");
}

/// A sink that comes back goes on in what the one before it began, and one of another schema is refused: there is one head in a pipe.
#[test]
fn a_pipe_has_one_container_whatever_is_reloaded() {
    let piped = TICKS.replace("file: { path: a.avro }", "stdout: {}");
    let (without, _) = piped.split_once("  out:").expect("it has that sink");
    let dir = place(&piped, 0..0);
    let (file, out) = (dir.path().join("t.yaml"), dir.path().join("stdout"));
    let stdout = File::create(&out).expect("it is made");
    let mut run = Run::start_with(dir.path(), &["t.yaml"], stdout.into());
    run.says("running t");
    grows(&out);
    for (text, says) in [
        (
            piped.replace("paid.avsc", "noted.avsc"),
            "cannot add to standard output: the events in it are of another schema",
        ),
        (piped.replace(", encode: avro, schema: Paid", ""), "cannot add to standard output: it is an Avro container"),
        (without.to_owned(), "reloaded t.yaml"),
        (piped.clone(), "reloaded t.yaml"),
    ] {
        fs::write(&file, &text).expect("it is written");
        run.says(says);
        if text != without {
            grows(&out);
        }
    }
    let (code, said) = run.stop();
    assert_eq!(code, Some(0), "{said}");
    let found = numbers(&read(&out));
    let gaps: Vec<usize> = (1..found.len()).filter(|&i| found[i] != found[i - 1] + 1).collect();
    assert!(gaps.len() == 1 && found[gaps[0]] > found[gaps[0] - 1], "{gaps:?}\n{said}");
}

#[test]
fn what_a_stuck_sink_of_packed_events_held_is_whole_in_the_dead_letters() {
    // Beyond 63 a number has two bytes, which are no text.
    let stuck = TICKS
        .replace("n: i }", "n: i + 1000 }")
        .replace("path: a.avro", "path: /dev/full")
        .replace("schema: Paid }", "schema: Paid, retry: { first: 60s } }");
    for wire in ["container", "raw"] {
        let dir = place(&stuck.replace("encode: avro", &format!("encode: avro, wire: {wire}")), 0..0);
        let mut run = Run::start(dir.path(), &["t.yaml"]);
        run.says("trying again");
        std::thread::sleep(Duration::from_millis(300));
        let (without, _) = stuck.split_once("  out:").expect("it has that sink");
        fs::write(dir.path().join("t.yaml"), without).expect("it is written");
        run.says("reloaded t.yaml");
        let (code, said) = run.stop();
        assert_eq!(code, Some(0), "{said}");
        let letters = fs::read_to_string(dir.path().join("out/t.dead.jsonl")).expect("there are some");
        let mut found: Vec<i64> = letters.lines().map(letter).collect();
        found.sort_unstable();
        assert!(letters.contains("raw_base64"), "{letters}");
        assert!(found.iter().copied().eq(1000..1000 + found.len() as i64), "{wire}: {found:?}\n{said}");
    }
}

/// The number of the event that a dead letter holds: as an object, as text, or as bytes.
fn letter(line: &str) -> i64 {
    let letter: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let bytes = match (&letter["event"]["n"], &letter["raw_base64"], &letter["raw"]) {
        (serde_json::Value::Number(n), ..) => return n.as_i64().expect("an int"),
        (_, serde_json::Value::String(text), _) => {
            topology_runner::event::json::base64_bytes(text.as_bytes()).expect("it is base64")
        }
        (_, _, serde_json::Value::String(text)) => text.clone().into_bytes(),
        other => panic!("{other:?}"),
    };
    assert_eq!(letter["raw_bytes"], bytes.len(), "{line}");
    datum(&bytes)
}

#[test]
fn compressed_files_hold_containers_and_messages() {
    let proto = "syntax = \"proto3\";\nmessage Paid { int64 n = 1; }\n";
    let write = "\
schemas: { Paid: paid.avsc, Sent: sent.proto }
sources: { in: { file: { path: in.jsonl } } }
sinks:
  gz: { from: in, file: { path: a.avro.gz, mode: append }, encode: avro, schema: Paid, codec: deflate }
  zst: { from: in, file: { path: a.avro.zst, mode: append }, encode: avro, schema: Paid }
  pb: { from: in, file: { path: a.pb.gz, mode: append }, encode: protobuf, schema: Sent }
";
    let dir = place(write, 0..5);
    fs::write(dir.path().join("sent.proto"), proto).expect("it is written");
    // The second run adds a member to each.
    for _ in 0..2 {
        let finished = run(dir.path());
        assert!(finished.status.success(), "{}", finished.stderr);
    }
    let mut plain = Vec::new();
    let mut gzip = flate2::read::MultiGzDecoder::new(File::open(dir.path().join("a.avro.gz")).expect("it is there"));
    std::io::Read::read_to_end(&mut gzip, &mut plain).expect("it is gzip");
    let wanted: Vec<i64> = (0..5).chain(0..5).collect();
    assert_eq!(numbers(&plain), wanted);
    let zstd = zstd::decode_all(File::open(dir.path().join("a.avro.zst")).expect("it is there")).expect("it is zstd");
    assert_eq!(numbers(&zstd), wanted);

    let again = "\
schemas: { Paid: paid.avsc, Sent: sent.proto }
sources:
  avro: { file: { path: 'a.avro.*' }, decode: avro, schema: Paid }
  pb: { file: { path: a.pb.gz }, decode: protobuf, schema: Sent }
sinks:
  avro_out: { from: avro, file: { path: avro.jsonl } }
  pb_out: { from: pb, file: { path: pb.jsonl } }
";
    fs::write(dir.path().join("t.yaml"), again).expect("it is written");
    let finished = run(dir.path());
    assert!(finished.status.success() && finished.stderr.contains("0 errors"), "{}", finished.stderr);
    let lines: String = wanted.iter().map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let text = |name| fs::read_to_string(dir.path().join(name)).expect("it is text");
    assert_eq!(text("avro.jsonl"), lines.repeat(2));
    // A field that has its default is not written.
    assert_eq!(text("pb.jsonl").lines().count(), 10);
    // A head is not read twice where a file is compressed and cut: what is there is read, and the file is named.
    let bytes = read(&dir.path().join("a.avro.gz"));
    fs::write(dir.path().join("a.avro.gz"), &bytes[..bytes.len() - 12]).expect("it is written");
    let finished = run(dir.path());
    assert!(finished.stderr.contains("a.avro.gz"), "{}", finished.stderr);
}
