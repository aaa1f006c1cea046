//! What a topology must give, computed from the lines that it reads alone, in the plainest way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::input::LAG_MS;

/// What must be in each output, as lines; in their order for the ports of events that pass unchanged.
pub type Outputs = BTreeMap<String, Vec<String>>;

/// The users of the table, and what it says of them.
pub const USERS: [(&str, &str); 6] =
    [("u0", "gold"), ("u1", "gold"), ("u2", "silver"), ("u3", "silver"), ("u4", "iron"), ("u5", "iron")];

pub const TUMBLING_MS: i64 = 5_000;
pub const TUMBLING_LATENESS_MS: i64 = 1_000;
pub const SLIDING_MS: i64 = 20_000;
pub const SLIDING_EVERY_MS: i64 = 5_000;
pub const GAP_MS: i64 = 1_500;
pub const COUNT: usize = 10;
pub const SAMPLE: usize = 7;
const MINUTE_MS: i64 = 60_000;
/// What `dedupe` is told, at least; the input has no two events of one name that are further apart and near to it.
const WITHIN_MS: i64 = 20_000;
/// At least; no event is so late that it matters.
const SESSION_LATENESS_MS: i64 = 40_000;

/// An event that has passed `dedupe`.
struct Event {
    line: String,
    id: String,
    user: String,
    at: i64,
    amount: i64,
    /// The watermark before it.
    mark: i64,
}

/// What lines give.
pub fn expected(lines: &[String]) -> Outputs {
    let mut outputs = Outputs::new();
    let mut add = |output: &str, line: String| outputs.entry(output.to_string()).or_default().push(line);
    let mut events: Vec<Event> = Vec::new();
    let mut firsts: HashMap<String, i64> = HashMap::new();
    let mut greatest = i64::MIN / 2;
    for line in lines {
        let mark = greatest - LAG_MS;
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(_) => {
                add("dead", dead("json-syntax", "in", json!(line)));
                continue;
            }
        };
        if !value.is_object() {
            add("dead", dead("json-not-object", "in", json!(line)));
            continue;
        }
        let Some(at) = value["at"].as_i64() else {
            add("dead", dead("time-missing", "in", value));
            continue;
        };
        greatest = greatest.max(at);
        let Some(amount) = value["amount"].as_i64() else {
            add("dead", dead("not-comparable", "sane", value));
            continue;
        };
        let text = |name: &str| value[name].as_str().expect("a text").to_string();
        let id = text("id");
        match firsts.get(&id) {
            Some(first) if (at - first).abs() <= WITHIN_MS => add("again", line.clone()),
            _ => {
                firsts.insert(id.clone(), at);
                add("passed", line.clone());
                events.push(Event { line: line.clone(), id, user: text("user"), at, amount, mark });
            }
        }
    }
    let end = greatest - LAG_MS;
    routed(&events, &mut add);
    tumbling(&events, end, &mut add);
    sliding(&events, end, &mut add);
    sessions(&events, end, &mut add);
    counted(&events, &mut add);
    outputs
}

/// A dead letter, as far as it does not depend on where the topology's file says what.
pub fn dead(code: &str, node: &str, what: Value) -> String {
    json!({ "code": code, "node": node, "what": what }).to_string()
}

fn routed(events: &[Event], add: &mut impl FnMut(&str, String)) {
    for (number, event) in events.iter().enumerate() {
        let open = event.line.strip_suffix('}').expect("an object");
        let tier = USERS.iter().find(|(id, _)| *id == event.user).map(|(_, tier)| tier);
        let who = tier.map_or("null".into(), |tier| format!(r#"{{"id":"{}","tier":"{tier}"}}"#, event.user));
        let line = format!(r#"{open},"who":{who}}}"#);
        match (event.amount, tier) {
            (900.., _) => add("big", line),
            (_, None) => add("foreign", line),
            _ => add("rest", line),
        }
        if (number + 1).is_multiple_of(SAMPLE) {
            add(&format!("some-{}", event.at / MINUTE_MS), event.line.clone());
        }
    }
}

fn tumbling(events: &[Event], end: i64, add: &mut impl FnMut(&str, String)) {
    let mut windows: BTreeMap<(i64, &str), Vec<&Event>> = BTreeMap::new();
    for event in events {
        let start = event.at - event.at.rem_euclid(TUMBLING_MS);
        if event.mark >= start + TUMBLING_MS + TUMBLING_LATENESS_MS {
            add("per_user_late", event.line.clone());
        } else {
            windows.entry((start, &event.user)).or_default().push(event);
        }
    }
    let mut minutes: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for ((start, user), held) in &windows {
        let until = start + TUMBLING_MS;
        if until + TUMBLING_LATENESS_MS > end {
            continue;
        }
        let (n, total) = (held.len(), held.iter().map(|event| event.amount).sum::<i64>());
        let first = &held[0].id;
        add(
            "per_user",
            format!(
                r#"{{"user":"{user}","window_start":{start},"window_end":{until},"n":{n},"total":{total},"first":"{first}"}}"#
            ),
        );
        let minute = minutes.entry(start - start.rem_euclid(MINUTE_MS)).or_default();
        minute.0 += n;
        minute.1 += 1;
    }
    for (start, (n, windows)) in minutes {
        let until = start + MINUTE_MS;
        if until <= end - TUMBLING_LATENESS_MS {
            let line = format!(r#"{{"window_start":{start},"window_end":{until},"n":{n},"windows":{windows}}}"#);
            add("minutes", line);
        }
    }
}

fn sliding(events: &[Event], end: i64, add: &mut impl FnMut(&str, String)) {
    let mut windows: BTreeMap<(i64, &str), Vec<i64>> = BTreeMap::new();
    for event in events {
        let last = event.at - event.at.rem_euclid(SLIDING_EVERY_MS);
        let starts = (0..SLIDING_MS / SLIDING_EVERY_MS).map(|back| last - back * SLIDING_EVERY_MS);
        let open: Vec<i64> = starts.filter(|start| event.mark < start + SLIDING_MS).collect();
        if open.is_empty() {
            add("sliding_late", event.line.clone());
        }
        for start in open {
            windows.entry((start, &event.user)).or_default().push(event.amount);
        }
    }
    for ((start, user), amounts) in windows {
        let until = start + SLIDING_MS;
        let (n, least, most) = (amounts.len(), amounts.iter().min(), amounts.iter().max());
        if until <= end {
            let (least, most) = (least.expect("one"), most.expect("one"));
            add(
                "sliding",
                format!(
                    r#"{{"user":"{user}","window_start":{start},"window_end":{until},"n":{n},"least":{least},"most":{most}}}"#
                ),
            );
        }
    }
}

fn sessions(events: &[Event], end: i64, add: &mut impl FnMut(&str, String)) {
    let users: BTreeSet<&str> = events.iter().map(|event| &*event.user).collect();
    for user in users {
        let mut times: Vec<(i64, i64)> =
            events.iter().filter(|event| event.user == user).map(|event| (event.at, event.amount)).collect();
        times.sort_unstable();
        for session in times.chunk_by(|a, b| b.0 - a.0 < GAP_MS) {
            let (start, until) = (session[0].0, session[session.len() - 1].0 + GAP_MS);
            let (n, total) = (session.len(), session.iter().map(|(_, amount)| amount).sum::<i64>());
            if until + SESSION_LATENESS_MS <= end {
                add(
                    "sessions",
                    format!(
                        r#"{{"user":"{user}","window_start":{start},"window_end":{until},"n":{n},"total":{total}}}"#
                    ),
                );
            }
        }
    }
}

fn counted(events: &[Event], add: &mut impl FnMut(&str, String)) {
    let users: BTreeSet<&str> = events.iter().map(|event| &*event.user).collect();
    for user in users {
        let own: Vec<&Event> = events.iter().filter(|event| event.user == user).collect();
        for window in own.chunks_exact(COUNT) {
            let times = || window.iter().map(|event| event.at);
            let (start, until) = (times().min().expect("one"), times().max().expect("one") + 1);
            let ids: Vec<&str> = window.iter().map(|event| &*event.id).collect();
            let ids = json!(ids);
            add("tens", format!(r#"{{"user":"{user}","window_start":{start},"window_end":{until},"ids":{ids}}}"#));
        }
    }
}
