//! What it costs to check events in JSON against a schema: the same filter-map with and without it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::compare;
use crate::data::{BEGIN_MS, BRANDS, CATEGORIES, DISORDER_MS, Input, PLACES, Random, USERS};
use crate::jobs::Job;
use crate::measure::{self, Taken};
use crate::report::{self, Row};

/// What CPU time with a schema may be, that without being 1, where what is read is checked.
const GOAL: f64 = 1.1;

/// How an event type is named on the source: what is read of its events is checked, or all of them.
const READ: &str = "schema: Payment";
const FULL: &str = "schema: Payment, validate: full";

const TOPOLOGY: &str = r#"
SCHEMAS
sources:
  card: { file: { path: $IN }, decode: json, SCHEMA }
$TRAVEL
"#;

/// The payments of `payment.avsc` once more.
const PROTO: &str = r#"
syntax = "proto3";
message PaymentAuthorized {
  string event_id = 1; string event_type = 2; int64 timestamp = 3; string user_id = 4; string card_id = 5; double amount = 6;
  string currency = 7; string card_country = 8; Merchant merchant = 9; string descriptor = 10; Channel channel = 11; int32 attempts = 12;
  optional string item_id = 13; float risk = 14; repeated string tags = 15; map<string, string> metadata = 16; int32 schema_version = 17;
  message Merchant { string id = 1; string category = 2; string country = 3; }
  enum Channel { WEB = 0; APP = 1; TERMINAL = 2; }
}
"#;

/// A filter-map that reads four of 17 fields.
pub fn json_schema(dir: &Path) -> io::Result<()> {
    report::title("Events in JSON with a schema: CPU time as a multiple of that without, filter-map of 4 of 17 fields");
    let events = measure::events().unwrap_or(Input::Payments.events());
    let input = dir.join(format!("payments-17-{events}.jsonl"));
    if !input.exists() {
        let part = input.with_extension("part");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
        let mut random = Random::new();
        (0..events).try_for_each(|id| payment(&mut out, &mut random, id))?;
        out.flush()?;
        std::fs::rename(part, &input)?;
    }
    let proto = dir.join("payment.proto");
    std::fs::write(&proto, PROTO)?;
    let ways = [
        ("no schema", None),
        ("JSON Schema", Some(("$HERE/payment.json".to_owned(), READ))),
        ("Avro", Some(("$HERE/payment.avsc".to_owned(), READ))),
        ("Protobuf", Some((proto.display().to_string(), READ))),
        ("JSON Schema, of the whole event", Some(("$HERE/payment.json".to_owned(), FULL))),
    ];
    let runners = ways.iter().enumerate().map(|(n, (_, schema))| runner(dir, &input, n, schema.as_ref()));
    let runners = runners.collect::<io::Result<Vec<_>>>()?;
    let mut best: Vec<Option<Taken>> = vec![None; ways.len()];
    for _ in 0..measure::runs() {
        for (best, (command, _)) in best.iter_mut().zip(&runners) {
            let taken = measure::run(command, crate::ONE_CORE, Stdio::null())?;
            *best = Some(best.map_or(taken, |best| best.better(taken)));
        }
    }
    let mut without = None;
    for (((name, schema), best), (_, out)) in ways.iter().zip(best).zip(&runners) {
        compare::equal(&runners[0].1, out, true)?;
        let cpu = best.map_or(0.0, |best| best.cpu.as_nanos() as f64 / events as f64);
        match without {
            None => Row::new("no schema, nanoseconds an event", cpu).print(),
            Some(without) => {
                let row = Row::new(name, cpu / without);
                let has_goal = schema.as_ref().is_some_and(|(_, how)| *how == READ);
                (if has_goal { row.goal(GOAL) } else { row }).print();
            }
        }
        without.get_or_insert(cpu);
    }
    Ok(())
}

/// A run of the topology, and the file that it writes.
fn runner(dir: &Path, input: &Path, n: usize, schema: Option<&(String, &str)>) -> io::Result<(Command, PathBuf)> {
    let out = dir.join("out").join(format!("schema-{n}.jsonl"));
    let text = match schema {
        None => TOPOLOGY.replace("SCHEMAS", "").replace(", SCHEMA ", " "),
        Some((path, how)) => TOPOLOGY
            .replace("SCHEMAS", &format!("schemas: {{ Payment: {path:?} }}"))
            .replace("SCHEMA ", &format!("{how} ")),
    };
    let topology = dir.join(format!("schema-{n}.yaml"));
    std::fs::write(&topology, Job::fill(&text, input, std::slice::from_ref(&out)))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command.args(["run", "--fresh"]).arg(topology);
    Ok((command, out))
}

fn payment(out: &mut impl Write, random: &mut Random, id: u64) -> io::Result<()> {
    let (country, card_country) = random.countries();
    let item = match random.below(2) {
        0 => "null".to_owned(),
        _ => format!("\"item-{:05}\"", random.below(5_000)),
    };
    writeln!(
        out,
        r#"{{"event_id":"evt-{id:012}","event_type":"payment","timestamp":{},"user_id":"user-{:06}","card_id":"card-{:08}","amount":{},"currency":"EUR","card_country":"{card_country}","merchant":{{"id":"m-{:05}","category":"{}","country":"{country}"}},"descriptor":"{}*Store {:04}*{}","channel":"{}","attempts":{},"item_id":{item},"risk":0.{:03},"tags":["card","eu"],"metadata":{{"campaign":"spring","device":"phone"}},"schema_version":3}}"#,
        BEGIN_MS + id * 3 / 10 + random.below(DISORDER_MS),
        random.below(USERS),
        random.below(5_000),
        random.amount(),
        random.below(20_000),
        random.one_of(&CATEGORIES),
        random.one_of(&BRANDS),
        random.below(10_000),
        random.one_of(&PLACES),
        random.one_of(&["WEB", "APP", "TERMINAL"]),
        1 + random.below(3),
        random.below(1_000),
    )
}
