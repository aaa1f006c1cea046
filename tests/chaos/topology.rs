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
    /// A stage and a sink have other names than at first.
    is_renamed: bool,
    /// Another pattern of the same files, or how much of a stream may be unacknowledged.
    other_source: bool,
    rotate_kib: u64,
    open_max: u64,
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
    ("passed", "ONCE"),
    ("again", "ONCE.duplicates"),
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
        "rest" => (".jsonl", ", rotate: { size: ROTATEKiB }"),
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
            is_renamed: false,
            other_source: false,
            rotate_kib: 20,
            open_max: 2,
            extra_stage: false,
            side: None,
        }
    }

    /// Another version, one or several changes away.
    pub fn next(&self, rng: &mut Rng) -> Version {
        let mut next = Version { number: self.number + 1, ..self.clone() };
        for _ in 0..rng.within(0..4) {
            match rng.within(0..13) {
                0 => next.every_ms = *rng.pick(&[50, 100, 200]),
                1 => next.within_s = rng.within(20..25),
                2 => next.session_lateness_s = rng.within(40..60),
                3 => next.keys_max = rng.within(50_000..100_000),
                4 => next.least = -(rng.within(0..100) as i64),
                5 => next.batch_events = *rng.pick(&[1, 100, 1_024]),
                6 => next.having = !next.having,
                7 => next.extra_stage = !next.extra_stage,
                8 => next.is_renamed = !next.is_renamed,
                9 => next.other_source = !next.other_source,
                10 => next.rotate_kib = rng.within(10..30),
                11 => next.open_max = rng.within(1..5),
                _ => next.side = if next.side.is_some() { None } else { Some(next.number) },
            }
        }
        next
    }

    /// The file.
    pub fn yaml(&self, medium: &Medium) -> String {
        let Version { number, every_ms, within_s, session_lateness_s, keys_max, least, .. } = self;
        let source = match (medium, self.other_source) {
            (Medium::Files, false) => r#"file: { path: "in/*.jsonl", follow: true }"#.to_string(),
            (Medium::Files, true) => r#"file: { path: "in/*.json[l]", follow: true }"#.to_string(),
            (Medium::Nats(url), other) => {
                let pending = if other { 500 } else { 1_000 };
                format!(r#"nats: {{ url: "{url}", stream: IN, subject: in.events, max_pending: {pending} }}"#)
            }
        };
        let [once, was] = self.names(["once", "only"]);
        let (extra, before) = match self.extra_stage {
            true => ("  extra: { from: sane, filter: event.amount < 1000000 }\n", "extra"),
            false => ("", "sane"),
        };
        let having = if self.having { ", having: event.n > 0" } else { "" };
        format!(
            "# Version {number}.
topology: chaos
checkpoint: {{ every: {every_ms}ms }}
dead_letters: {{ max: {keys_max}KiB }}
sources:
  in:
    {source}
    time: event.at
    watermark: {{ lag: 2s, idle: 1h }}
stages:
  sane: {{ from: in, filter: event.amount >= {least} }}
{extra}  {once}: {{ was: {was}, from: {before}, dedupe: {{ key: event.id, within: {within_s}s, keys_max: {keys_max} }} }}
  known: {{ from: {once}, enrich: {{ table: {{ file: {{ path: users.csv }} }}, on: {{ id: event.user }}, as: who }} }}
  triage: {{ from: known, route: {{ big: event.amount >= 900, foreign: event.who == () }} }}
  some: {{ from: {once}, sample: {{ every: 7 }} }}
  per_user:
    from: {once}
    window:
      key: {{ user: event.user }}
      tumbling: 5s
      lateness: 1s
      aggregate: {{ n: count(), total: sum(event.amount), first: first(event.id) }}
  minutes: {{ from: per_user, window: {{ tumbling: 1m, aggregate: {{ n: sum(event.n), windows: count() }} }} }}
  sliding:
    from: {once}
    window:
      key: {{ user: event.user }}
      sliding: {{ size: 20s, every: 5s }}
      aggregate: {{ n: count(), least: min(event.amount), most: max(event.amount) }}
  sessions:
    from: {once}
    window: {{ key: {{ user: event.user }}, session: {{ gap: 1500ms }}, lateness: {session_lateness_s}s, aggregate: {{ n: count(), total: sum(event.amount) }}{having} }}
  tens: {{ from: {once}, window: {{ key: {{ user: event.user }}, count: 10, aggregate: {{ ids: collect(event.id) }} }} }}
sinks:
{}",
            self.sinks(medium)
        )
    }

    /// A name and the one that it was before, of these two.
    fn names(&self, [first, second]: [&'static str; 2]) -> [&'static str; 2] {
        if self.is_renamed { [second, first] } else { [first, second] }
    }

    fn sinks(&self, medium: &Medium) -> String {
        let Version { open_max, rotate_kib, batch_events, .. } = self;
        let [once, _] = self.names(["once", "only"]);
        let mut text = format!(
            "  some_out: {{ from: some, file: {{ path: \"out/some-{{{{ event.at / 60000 }}}}.jsonl\", mode: append, open_max: {open_max} }} }}\n"
        );
        for (output, port) in SINKS {
            let to = match medium {
                Medium::Nats(url) if SENT.contains(&output) => {
                    format!("nats: {{ url: \"{url}\", stream: OUT, subject: out.{output} }}, delivery: exactly_once")
                }
                _ => {
                    let (ending, more) = settings(output);
                    format!("file: {{ path: out/{output}{ending}{more} }}")
                }
            };
            let (port, to) = (port.replace("ONCE", once), to.replace("ROTATE", &rotate_kib.to_string()));
            let [id, was] = match output {
                "tens" => self.names(["tens_out", "tens_to"]).map(String::from),
                _ => [format!("{output}_out"), format!("{output}_old")],
            };
            text += &format!("  {id}: {{ was: {was}, from: {port}, {to}, batch: {{ events: {batch_events} }} }}\n");
        }
        if let Some(number) = self.side {
            text += &format!("  side: {{ from: {once}, file: {{ path: out/side-{number}.jsonl }} }}\n");
        }
        text
    }
}

/// The table that events are enriched with.
pub fn users() -> String {
    let rows = USERS.iter().map(|(id, tier)| format!("{id},{tier}\n"));
    format!("id,tier\n{}", rows.collect::<String>())
}
