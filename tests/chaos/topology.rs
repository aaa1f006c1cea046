//! The topology under test, in versions that all give the same results.

use super::oracle::USERS;
use super::rng::Rng;

/// What a version of the topology looks like.
#[derive(Clone)]
pub struct Version {
    number: u64,
    every_ms: u64,
    within_s: u64,
    session_lateness_s: u64,
    keys_max: u64,
    least: i64,
    batch_events: u64,
    having: bool,
    /// One more stage in the way of everything.
    extra_stage: bool,
    /// The number of a sink more.
    pub side: Option<u64>,
}

/// Where events come from and go to.
#[derive(Clone)]
pub enum Medium {
    Files,
    /// JetStream at this address, and some files.
    Nats(String),
}

/// The outputs, with the port that each is of.
const SINKS: [(&str, &str); 12] = [
    ("passed", "once"),
    ("again", "once.duplicates"),
    ("big", "triage.big"),
    ("foreign", "triage.foreign"),
    ("rest", "triage.otherwise"),
    ("per_user", "per_user"),
    ("per_user_late", "per_user.late"),
    ("minutes", "minutes"),
    ("sliding", "sliding"),
    ("sliding_late", "sliding.late"),
    ("sessions", "sessions"),
    ("tens", "tens"),
];

/// What follows the path of a file sink.
fn settings(output: &str) -> (&'static str, &'static str) {
    match output {
        "rest" => (".jsonl", ", rotate: { size: 20KiB }"),
        "sliding" => (".jsonl.gz", ""),
        "sessions" => (".jsonl.zst", ""),
        "foreign" => (".jsonl", ", mode: append"),
        _ => (".jsonl", ""),
    }
}

/// The outputs that are sent to JetStream, where there is one.
pub const SENT: [&str; 5] = ["passed", "big", "per_user", "sliding", "sessions"];

impl Version {
    pub fn first() -> Version {
        Version {
            number: 0,
            every_ms: 100,
            within_s: 20,
            session_lateness_s: 40,
            keys_max: 100_000,
            least: 0,
            batch_events: 1_024,
            having: false,
            extra_stage: false,
            side: None,
        }
    }

    /// Another version, one or several changes away.
    pub fn next(&self, rng: &mut Rng) -> Version {
        let mut next = Version { number: self.number + 1, ..self.clone() };
        for _ in 0..rng.within(0..4) {
            match rng.within(0..9) {
                0 => next.every_ms = *rng.pick(&[50, 100, 200]),
                1 => next.within_s = rng.within(20..25),
                2 => next.session_lateness_s = rng.within(40..60),
                3 => next.keys_max = rng.within(50_000..100_000),
                4 => next.least = -(rng.within(0..100) as i64),
                5 => next.batch_events = *rng.pick(&[1, 100, 1_024]),
                6 => next.having = !next.having,
                7 => next.extra_stage = !next.extra_stage,
                _ => next.side = if next.side.is_some() { None } else { Some(next.number) },
            }
        }
        next
    }

    /// The file.
    pub fn yaml(&self, medium: &Medium) -> String {
        let Version { number, every_ms, within_s, session_lateness_s, keys_max, least, .. } = self;
        let source = match medium {
            Medium::Files => r#"file: { path: "in/*.jsonl", follow: true }"#.to_string(),
            Medium::Nats(url) => format!(r#"nats: {{ url: "{url}", stream: IN, subject: in.events }}"#),
        };
        let (extra, before) = match self.extra_stage {
            true => ("  extra: { from: sane, filter: event.amount < 1000000 }\n", "extra"),
            false => ("", "sane"),
        };
        let having = if self.having { ", having: event.n > 0" } else { "" };
        format!(
            "# Version {number}.
topology: chaos
checkpoint: {{ every: {every_ms}ms }}
sources:
  in:
    {source}
    time: event.at
    watermark: {{ lag: 2s, idle: 1h }}
stages:
  sane: {{ from: in, filter: event.amount >= {least} }}
{extra}  once: {{ from: {before}, dedupe: {{ key: event.id, within: {within_s}s, keys_max: {keys_max} }} }}
  known: {{ from: once, enrich: {{ table: {{ file: {{ path: users.csv }} }}, on: {{ id: event.user }}, as: who }} }}
  triage: {{ from: known, route: {{ big: event.amount >= 900, foreign: event.who == () }} }}
  some: {{ from: once, sample: {{ every: 7 }} }}
  per_user:
    from: once
    window:
      key: {{ user: event.user }}
      tumbling: 5s
      lateness: 1s
      aggregate: {{ n: count(), total: sum(event.amount), first: first(event.id) }}
  minutes: {{ from: per_user, window: {{ tumbling: 1m, aggregate: {{ n: sum(event.n), windows: count() }} }} }}
  sliding:
    from: once
    window:
      key: {{ user: event.user }}
      sliding: {{ size: 20s, every: 5s }}
      aggregate: {{ n: count(), least: min(event.amount), most: max(event.amount) }}
  sessions:
    from: once
    window: {{ key: {{ user: event.user }}, session: {{ gap: 1500ms }}, lateness: {session_lateness_s}s, aggregate: {{ n: count(), total: sum(event.amount) }}{having} }}
  tens: {{ from: once, window: {{ key: {{ user: event.user }}, count: 10, aggregate: {{ ids: collect(event.id) }} }} }}
sinks:
{}",
            self.sinks(medium)
        )
    }

    fn sinks(&self, medium: &Medium) -> String {
        let mut text = String::from(
            "  some_out: { from: some, file: { path: \"out/some-{{ event.at / 60000 }}.jsonl\", mode: append, open_max: 2 } }\n",
        );
        for (output, port) in SINKS {
            let batch = format!("batch: {{ events: {} }}", self.batch_events);
            let to = match medium {
                Medium::Nats(url) if SENT.contains(&output) => {
                    format!("nats: {{ url: \"{url}\", stream: OUT, subject: out.{output} }}, delivery: exactly_once")
                }
                _ => {
                    let (ending, more) = settings(output);
                    format!("file: {{ path: out/{output}{ending}{more} }}")
                }
            };
            text += &format!("  {output}_out: {{ from: {port}, {to}, {batch} }}\n");
        }
        if let Some(number) = self.side {
            text += &format!("  side: {{ from: once, file: {{ path: out/side-{number}.jsonl }} }}\n");
        }
        text
    }
}

/// The table that events are enriched with.
pub fn users() -> String {
    let rows = USERS.iter().map(|(id, tier)| format!("{id},{tier}\n"));
    format!("id,tier\n{}", rows.collect::<String>())
}
