//! The aggregates of the language in one table, and their reference: `docs/aggregates.md` is made of it.

use std::fmt::Write;

/// An aggregate as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    pub name: &'static str,
    /// Least and most arguments; the closure of a `fold` does not count.
    pub arity: (usize, usize),
    /// How it is called.
    pub signature: &'static str,
    pub doc: &'static str,
    /// A call, and what it gives over [`EXAMPLE`].
    pub example: (&'static str, &'static str),
}

/// The events that the examples are over.
pub const EXAMPLE: &[&str] = &[
    r#"{"page":"home","ms":12}"#,
    r#"{"page":"cart","ms":8}"#,
    r#"{"page":"home","ms":null}"#,
    r#"{"page":"pay","ms":31}"#,
    r#"{"page":"home","ms":9}"#,
];

const fn function(
    name: &'static str,
    arity: (usize, usize),
    signature: &'static str,
    doc: &'static str,
    example: (&'static str, &'static str),
) -> Function {
    Function { name, arity, signature, doc, example }
}

/// Every aggregate.
pub static FUNCTIONS: &[Function] = &[
    function(
        "count",
        (0, 1),
        "count() | count(x)",
        "How many events; with an argument, how many for which it is not null. Count what holds for some: `count(if event.ms > 10 { 1 })`.",
        ("count(event.ms)", "4"),
    ),
    function(
        "sum",
        (1, 1),
        "sum(x)",
        "The sum of numbers. Ints are summed exactly; a sum beyond 64 bits is an error event of that window. One float makes the whole a float.",
        ("sum(event.ms)", "60"),
    ),
    function(
        "min",
        (1, 1),
        "min(x)",
        "The least of numbers, of strings, or of bools. With two arguments it is the function `min(a, b)`.",
        ("min(event.ms)", "8"),
    ),
    function(
        "max",
        (1, 1),
        "max(x)",
        "The greatest of numbers, of strings, or of bools. With two arguments it is the function `max(a, b)`.",
        ("max(event.page)", r#""pay""#),
    ),
    function("avg", (1, 1), "avg(x)", "The mean of numbers, a float.", ("avg(event.ms)", "15.0")),
    function(
        "stddev",
        (1, 1),
        "stddev(x)",
        "The standard deviation of a sample of numbers (n - 1); null below two.",
        ("stddev(event.ms)", "10.801234497346433"),
    ),
    function(
        "first",
        (1, 1),
        "first(x)",
        "The value of the event that arrived first.",
        ("first(event.page)", r#""home""#),
    ),
    function("last", (1, 1), "last(x)", "The value of the event that arrived last.", ("last(event.ms)", "9")),
    function(
        "collect",
        (1, 2),
        "collect(x) | collect(x, max)",
        "The values in a list, in order of arrival: at most `max`, else 1000 (`limits.collect` bounds `max`). An event past the bound is \
         an error.",
        ("collect(event.page)", r#"["home","cart","home","pay","home"]"#),
    ),
    function(
        "distinct",
        (1, 1),
        "distinct(x)",
        "How many different values, exactly. At most `limits.distinct`; an event with one more is an error.",
        ("distinct(event.page)", "3"),
    ),
    function(
        "top",
        (2, 2),
        "top(x, k)",
        "The `k` most frequent values and how often each came, ties in order of value. Exact, and bounded as `distinct` is.",
        ("top(event.page, 2)", r#"[{"value":"home","count":3},{"value":"cart","count":1}]"#),
    ),
    function(
        "approx_distinct",
        (1, 1),
        "approx_distinct(x)",
        "About how many different values: HyperLogLog with 4096 registers (4 KiB for a key and window), within 1.6 % two times in three \
         and 3.3 % nineteen in twenty.",
        ("approx_distinct(event.page)", "3"),
    ),
    function(
        "approx_quantile",
        (2, 2),
        "approx_quantile(x, q)",
        "About the value that a share `q` (from 0.0 to 1.0) of the numbers do not exceed, a float: KLL with k = 200, whose rank is within \
         1.3 % of `q`, 99 times in 100. Up to 200 values it is exact.",
        ("approx_quantile(event.ms, 0.5)", "9.0"),
    ),
    function(
        "fold",
        (1, 1),
        "fold(start, |acc, event| ...)",
        "Whatever the expression makes of the value so far and each event, in order of arrival. `start` is the first value so far. A fold cannot \
         be merged: a sliding window keeps one for each of its overlapping windows, and sessions cannot have one.",
        (r#"fold("", |acc, event| acc + event.page.sub_string(0, 1))"#, r#""hchph""#),
    ),
];

const HEAD: &str = "\
<!-- Written by `runner docs`; change `src/operators/aggregate/reference.rs` instead. -->

# Windows and aggregates

A [`window`](language.md#window) stage groups events by key and by spans of event time, and gives a result for each. Its `aggregate` has a
field for each thing to know of a group: an expression over the aggregates below, such as `sum(event.paid) / count()`.

```json file=payments.jsonl
{\"at\":\"2026-01-05T09:00:05Z\",\"user\":\"ada\",\"amount\":30}
{\"at\":\"2026-01-05T09:00:40Z\",\"user\":\"ben\",\"amount\":12.5}
{\"at\":\"2026-01-05T09:00:50Z\",\"user\":\"ada\",\"amount\":50}
{\"at\":\"2026-01-05T09:01:10Z\",\"user\":\"ada\",\"amount\":8}
```

```yaml file=velocity.yaml
sources:
  payments: { file: { path: payments.jsonl }, time: event.at }
stages:
  velocity:
    from: payments
    window:
      key: { user: event.user }
      tumbling: 1m
      lateness: 30s
      aggregate:
        payments: count()
        mean: sum(event.amount) / count()
        largest: max(event.amount)
sinks:
  shown: { from: velocity, stdout: {} }
```

```console
$ runner velocity.yaml
{\"user\":\"ada\",\"window_start\":1767603600000,\"window_end\":1767603660000,\"payments\":2,\"mean\":40,\"largest\":50}
{\"user\":\"ben\",\"window_start\":1767603600000,\"window_end\":1767603660000,\"payments\":1,\"mean\":12.5,\"largest\":12.5}
{\"user\":\"ada\",\"window_start\":1767603660000,\"window_end\":1767603720000,\"payments\":1,\"mean\":8,\"largest\":8}
```

## When results leave

The *watermark* of a source says how far event time has come: the greatest time seen, less the source's `lag`. It moves after each event.

- A window takes an event as long as the watermark before that event is below `window_end + lateness`. Later events leave by the port
  `late`. Of sliding windows an event counts in those that are still open, and is late when none is.
- `emit: final` gives one result, when the watermark reaches `window_end + lateness`.
- `emit: updates` gives a result when the watermark reaches `window_end`, and another, whole, for each event after that. `revision` counts
  the results of a window from 1.
- `emit: { every: 10s }` gives a result of each window that has changed whenever the watermark passes a multiple of 10 s, and at the end.
- A bounded input ends time: every window that is open then gives its result. A topology that is stopped leaves its windows open.
- The time of a result is `window_end - 1ms`, so that windows of equal size chain.

What leaves depends neither on how events were batched nor on how fast they came.

## Which windows

- `tumbling: 1m`: one after the other. An event at the end of one belongs to the next.
- `sliding: { size: 5m, every: 1m }`: overlapping. They share their parts, so that they cost little more than tumbling ones.
- `session: { gap: 30s, max: 4h }`: from an event to `gap` after the last one. An event exactly `gap` later starts a new session; a late one
  may join two. At `max` a session ends though events go on.
- `count: 100`: so many events of a key, whatever their time. `window_start` and `window_end` are the least time and the greatest plus 1 ms.

## Edited while it runs

- `lateness`, `emit`, `having`, `keys_max`, names, and what is computed of aggregates may change: windows stay as they are. What had closed
  stays closed. Windows that left at their end (`emit: updates`) and still take events leave once more, should `emit` become another.
- An aggregate that no field had before is null, for each key, in the windows that are open. Sliding windows share their parts, so there it is
  null in each window with a part from before.
- With another key, or windows of another kind, size or `offset`, what is open leaves at once, with `partial: true`; so do, when they end, the
  windows of the new kind that began before the last event of the old one. The two are parts: neither has all events. The same goes for a
  `fold` in sliding windows that is the first to come or the last to go, as windows with one share no parts. `having` is asked about parts, too.
  A CSV sink has no column `partial`: parts go to its `errors`, unless a `map` before it gives it one.

## Keys

Null and a missing field are the same key, and so are `1` and `1.0`; a key is given back as its first event wrote it. Keys whose windows are
closed take no memory. More keys at a time than `keys_max` (or `limits.keys`) are an error of the events that bring them.

## Aggregates

Values that are null or missing are left out; of no values `count` and `distinct` are 0, lists are empty, all else is null. An event that one
aggregate cannot take is an error event and counts in none. A result that cannot be computed (a sum beyond 64 bits, a division by zero) is an
error event that has the window's other fields.

The examples are over these events:

";

/// The whole reference.
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    let _ = write!(out, "```json\n{}\n```\n", EXAMPLE.join("\n"));
    for function in FUNCTIONS {
        let (call, result) = function.example;
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "\n### `{}`\n\n{}\n\n```rhai\n{}\n{call}   // {result}\n```\n",
            function.name, function.doc, function.signature,
        );
    }
    out
}

/// The aggregate of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1` rewrites the file.
    #[test]
    fn the_committed_reference_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/aggregates.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "docs/aggregates.md is stale: `runner docs` writes it");
    }
}
