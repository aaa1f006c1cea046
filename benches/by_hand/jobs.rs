//! The jobs: each as a topology and as a program by hand.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::Input;
use crate::{avro, dedupe, protobuf, script, sessions, stateless, texts, two, windows};

/// One job.
pub struct Job {
    pub name: &'static str,
    pub input: Input,
    /// What the runner's CPU time may be, by hand being 1.
    pub goal: f64,
    /// A topology that reads `$IN` and writes `$OUT1`, `$OUT2`, ...; `$HERE` is the folder of this file, `$TRAVEL` is [`TRAVEL`].
    pub topology: &'static str,
    /// Files that it writes.
    pub outputs: usize,
    /// Whether lines come in an order that means something. The results of one window do not.
    pub ordered: bool,
    pub by_hand: fn(&Path, &[PathBuf]) -> io::Result<()>,
}

/// A filter and a map that read four fields, of events in several forms.
const TRAVEL: &str = r#"
stages:
  travel:
    from: card
    filter: event.amount > 500.0 && event.merchant.category == "travel"
    map: { user: event.user_id, amount: event.amount, merchant: event.merchant.id, fee: event.amount * 0.02 }
sinks:
  out: { from: travel, file: { path: $OUT1 } }
"#;

const OF_PROTOBUF: &str = r#"
schemas: { Payment: "$HERE/payment.proto" }
sources:
  card: { file: { path: $IN }, decode: protobuf, schema: Payment }
$TRAVEL
"#;

pub const JOBS: &[Job] = &[
    Job {
        name: "filter-map",
        input: Input::Payments,
        goal: 0.6,
        topology: r#"
sources:
  card: { file: { path: $IN } }
$TRAVEL
"#,
        outputs: 1,
        ordered: true,
        by_hand: stateless::filter_map,
    },
    Job {
        name: "map",
        input: Input::Payments,
        goal: 0.6,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  large:
    from: card
    filter: event.amount > 50.0
    map:
      user: event.user_id
      amount: event.amount
      country: event.merchant.country
      abroad: event.merchant.country != event.card_country
sinks:
  out: { from: large, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: stateless::map,
    },
    Job {
        name: "wide",
        input: Input::Orders,
        goal: 0.5,
        topology: r#"
sources:
  orders: { file: { path: $IN } }
stages:
  paid:
    from: orders
    filter: event.status == "paid"
    map: { order: event.order_id, total: event.total }
sinks:
  out: { from: paid, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: stateless::wide,
    },
    Job {
        name: "pass-through",
        input: Input::Payments,
        goal: 0.5,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  large: { from: card, filter: event.amount > 1000.0 }
sinks:
  out: { from: large, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: stateless::pass_through,
    },
    Job {
        name: "fan-out",
        input: Input::Payments,
        goal: 0.8,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  large: { from: card, filter: event.amount > 1500.0 }
  travel: { from: card, filter: event.merchant.category == "travel" }
  abroad: { from: card, filter: event.merchant.country != event.card_country }
sinks:
  large_out: { from: large, file: { path: $OUT1 } }
  travel_out: { from: travel, file: { path: $OUT2 } }
  abroad_out: { from: abroad, file: { path: $OUT3 } }
"#,
        outputs: 3,
        ordered: true,
        by_hand: stateless::fan_out,
    },
    Job {
        name: "tumbling",
        input: Input::Payments,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN }, time: event.timestamp, watermark: { lag: 2s } }
stages:
  minute:
    from: card
    window:
      key: { user: event.user_id }
      tumbling: 1m
      aggregate: { n: count(), total: sum(event.amount), largest: max(event.amount) }
sinks:
  out: { from: minute, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: false,
        by_hand: windows::tumbling,
    },
    Job {
        name: "sliding",
        input: Input::Payments,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN }, time: event.timestamp, watermark: { lag: 2s } }
stages:
  user:
    from: card
    window:
      key: { user: event.user_id }
      sliding: { size: 5m, every: 1m }
      aggregate: { n: count(), total: sum(event.amount), largest: max(event.amount) }
sinks:
  out: { from: user, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: false,
        by_hand: windows::sliding,
    },
    Job {
        name: "session",
        input: Input::Payments,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN }, time: event.timestamp, watermark: { lag: 2s } }
stages:
  user:
    from: card
    window:
      key: { user: event.user_id }
      session: { gap: 10s }
      aggregate: { n: count(), total: sum(event.amount), largest: max(event.amount) }
sinks:
  out: { from: user, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: false,
        by_hand: sessions::sessions,
    },
    Job {
        name: "dedupe",
        input: Input::Repeated,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN }, time: event.timestamp, watermark: { lag: 2s } }
stages:
  once:
    from: card
    dedupe: { key: event.event_id, within: 10m }
sinks:
  out: { from: once, file: { path: $OUT1 } }
  again: { from: once.duplicates, discard: {} }
"#,
        outputs: 1,
        ordered: true,
        by_hand: dedupe::dedupe,
    },
    Job {
        name: "strings",
        input: Input::Payments,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  shops:
    from: card
    filter: event.descriptor.to_lower().contains("d*store")
    map:
      brand: event.descriptor.to_lower().split("*")[0]
      place: event.descriptor.split("*")[2]
      who: event.user_id + "@" + event.card_country
sinks:
  out: { from: shops, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: texts::strings,
    },
    Job {
        name: "script",
        input: Input::Payments,
        goal: 0.5,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  level:
    from: card
    map:
      user: event.user_id
      level: |
        let level = 0; for limit in [100.0, 500.0, 1500.0] { if event.amount > limit { level += 1; } } level
sinks:
  out: { from: level, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: script::script,
    },
    Job {
        name: "csv",
        input: Input::Csv,
        goal: 1.0,
        topology: r#"
sources:
  card: { file: { path: $IN } }
stages:
  large:
    from: card
    filter: parse_float(event.amount) > 50.0
    map:
      user: event.user_id
      amount: parse_float(event.amount)
      merchant: event.merchant
      country: event.country
      note: event.note
sinks:
  out: { from: large, file: { path: $OUT1 } }
"#,
        outputs: 1,
        ordered: true,
        by_hand: texts::csv,
    },
    Job {
        name: "avro",
        input: Input::Avro,
        goal: 0.3,
        topology: r#"
schemas: { Payment: "$HERE/payment.avsc" }
sources:
  card: { file: { path: $IN }, decode: avro, schema: Payment }
$TRAVEL
"#,
        outputs: 1,
        ordered: true,
        by_hand: avro::filter_map,
    },
    Job {
        name: "protobuf",
        input: Input::Protobuf,
        goal: 0.8,
        topology: OF_PROTOBUF,
        outputs: 1,
        ordered: true,
        by_hand: protobuf::filter_map,
    },
    Job {
        name: "protobuf-whole",
        input: Input::Protobuf,
        goal: 0.8,
        topology: OF_PROTOBUF,
        outputs: 1,
        ordered: true,
        by_hand: protobuf::filter_map_whole,
    },
];

impl Job {
    /// A topology with its files in place.
    pub fn fill(topology: &str, input: &Path, outputs: &[PathBuf]) -> String {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/by_hand");
        let mut text = topology
            .replace("$TRAVEL", TRAVEL)
            .replace("$IN", &quoted(input))
            .replace("$HERE", &here.display().to_string());
        for (n, path) in outputs.iter().enumerate() {
            text = text.replace(&format!("$OUT{}", n + 1), &quoted(path));
        }
        text
    }

    /// The program by hand of this name. Some jobs have one for two cores as well.
    pub fn by_hand(name: &str) -> Option<fn(&Path, &[PathBuf]) -> io::Result<()>> {
        match name {
            "filter-map-2" => Some(two::filter_map),
            "tumbling-2" => Some(two::tumbling),
            _ => JOBS.iter().find(|job| job.name == name).map(|job| job.by_hand),
        }
    }
}
