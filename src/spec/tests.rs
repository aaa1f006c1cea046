//! The reader as a whole, over tables of its own: a language of one stage kind of each sort and one connector.

use std::path::Path;

use super::*;
use crate::diagnostic::{Diagnostics, Style};

static SOURCE: Table = Table::new(
    "file",
    "Files.",
    &[
        Key::new("path", Type::Glob, "A path.").required().example("a.jsonl"),
        Key::new("follow", Type::Bool, "Go on.").default("false"),
    ],
);
static BROKER: Table = Table::new("broker", "A broker.", &[Key::new("password", Type::Secret, "A password.")]).timed();
static SINK: Table = Table::new("file", "Files.", &[Key::new("path", Type::Template, "A path.").required()]);
static FILTER: Table = Table::new(
    "filter-map",
    "Filters.",
    &[
        Key::new("filter", Type::Expr, "A condition."),
        Key::new("map", Type::ExprOrMap, "The new event."),
        Key::new("set", Type::ExprMap, "Fields."),
    ],
)
.inline()
.rules(&[Rule::AtMostOne(&["map", "set"])]);
static ROUTE: Table =
    Table::new("route", "Routes.", &[Key::new("route", Type::PortMap, "Ports.")]).inline().ports(Ports::Written);
static WINDOW: Table = Table::new(
    "window",
    "Windows.",
    &[
        Key::new("tumbling", Type::Duration, "A size."),
        Key::new("count", Type::Int { min: 1, max: 10 }, "A number."),
        Key::new("lateness", Type::Duration, "How late.").default("0s"),
        Key::new(
            "emit",
            Type::OneOf(&[
                Type::Choice(&[Choice::new("final", "once"), Choice::new("updates", "often")]),
                Type::Section(&EMIT),
            ]),
            "When.",
        )
        .default("final"),
    ],
)
.rules(&[Rule::ExactlyOne(&["tumbling", "count"])])
.ports(Ports::MainAnd(&["late"]))
.stateful()
.timed_unless("count")
.revises_unless("emit", "final");
static EMIT: Table = Table::new("emit", "When.", &[Key::new("every", Type::Duration, "How often.").required()]);

static CATALOG: Catalog =
    Catalog { stages: &[&FILTER, &ROUTE, &WINDOW], sources: &[&SOURCE, &BROKER], sinks: &[&SINK] };

fn read_text(text: &str) -> (Option<TopologySpec>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let env = |name: &str| (name == "DATA").then(|| "data/in".to_string());
    let outside = Settings { set: &[], env: &env };
    let spec = read(Path::new("dir/t.yaml"), text, &CATALOG, outside, &mut diagnostics);
    (spec, diagnostics)
}

/// The codes of what is wrong with a text, in order of place.
fn codes(text: &str) -> Vec<&'static str> {
    let (_, diagnostics) = read_text(text);
    diagnostics.render(Style::Plain);
    diagnostics.sorted().iter().map(|found| found.code.id).collect()
}

/// A topology of one source, these stages, and a sink that reads `from`.
fn with_stages(stages: &str, from: &str) -> String {
    format!(
        "sources:\n  in: {{ file: {{ path: a.jsonl }} }}\nstages:\n{stages}\nsinks:\n  out: {{ from: {from}, file: {{ path: b.jsonl }} }}\n"
    )
}

#[test]
fn a_topology_is_read_with_its_defaults() {
    let text = "topology: t\nparams: { limit: 0.5, list: [1, yes] }\nfunctions: [f.rhai]\nx-base: &base { path: \"${DATA}.jsonl\", follow: false }\n\
        sources:\n  in:\n    file: { <<: *base, follow: true }\n    time: { at: event.t, unit: s }\n\
        stages:\n  kept:\n    from: in\n    filter: event.a > 1\n    set: { b: event.a, c: 'event.b + \"x\"' }\n  \
        agg:\n    from: [kept]\n    window: { tumbling: 1m30s, emit: { every: 5s } }\n\
        sinks:\n  out: { from: [agg, agg.late], file: { path: 'out/{{ event.k }}-${NO:-x}.jsonl' } }\n";
    let (spec, diagnostics) = read_text(text);
    assert_eq!(diagnostics.render(Style::Plain), "");
    let spec = spec.unwrap();
    assert_eq!(spec.params["list"].value, serde_json::json!([1, "yes"]));
    assert_eq!(spec.functions[0].path, Path::new("dir/f.rhai"));
    let source = &spec.sources["in"];
    assert_eq!(source.config.glob("path"), "dir/data/in.jsonl");
    assert!(source.config.bool("follow"));
    assert_eq!(source.common.section("time").choice("unit"), "s");
    assert_eq!(source.common.section("watermark").duration("idle").as_secs(), 30);
    let kept = &spec.stages["kept"];
    assert_eq!(kept.config.exprs("set")[1].expr.text, "event.b + \"x\"");
    let window = &spec.stages["agg"].config;
    assert_eq!(window.duration("tumbling").as_secs(), 90);
    assert_eq!(window.section("emit").duration("every").as_secs(), 5);
    assert!(window.duration("lateness").is_zero() && !window.is_written("lateness"));
    assert_eq!(spec.stages["agg"].ports(), [None, Some("late")]);
    let path = spec.sinks["out"].config.template("path");
    assert_eq!(path.parts.len(), 3);
    assert_eq!(path.parts[2], TemplatePart::Text("-x.jsonl".into()));
    assert_eq!(spec.limits.int("depth"), 128);
    let mut seen = Vec::new();
    kept.config.each_expr(&mut |path, expr| seen.push(format!("{path}={}", expr.text)));
    assert_eq!(seen[0], "filter=event.a > 1");
}

#[test]
fn positions_inside_expressions_lead_into_the_file() {
    let text = with_stages("  a:\n    from: in\n    map: |\n      let x = 1;\n      x + oops\n", "a");
    let (spec, diagnostics) = read_text(&text);
    assert_eq!(diagnostics.render(Style::Plain), "");
    let spec = spec.unwrap();
    let expr = spec.stages["a"].config.one_or_named("map");
    let OneOrNamed::One(expr) = expr else { panic!("one expression") };
    let span = expr.span_of(2, 5);
    assert_eq!(diagnostics.sources().slice(span), Some("oops"));
    assert_eq!(diagnostics.sources().place(span).unwrap().to_string(), "dir/t.yaml:8:11");
}

#[test]
fn all_problems_are_told_in_one_go() {
    let text = "sorces: {}\nsources:\n  In: { fil: { path: x } }\n  a: { file: {}, start: lastest }\nstages:\n  s: { from: b, filter: !event.x }\n  \
        t: { from: s, window: { tumbling: 5 } }\nsinks:\n  o: { from: t.lat, file: { path: 'a{{' } }\n  a: {}\n";
    assert_eq!(
        codes(text),
        [
            "unknown-key",
            "bad-id",
            "unknown-key",
            "missing-key",
            "bad-choice",
            "unknown-node",
            "yaml-ate-not",
            "bad-duration",
            "bad-template",
            "duplicate-node",
        ]
    );
}

#[test]
fn yaml_eats_rhai() {
    let map = |value: &str| codes(&with_stages(&format!("  a:\n    from: in\n    filter: {value}"), "a"));
    for (value, code) in [
        ("!event.fraud", "yaml-ate-not"),
        ("!event.fraud && event.x", "yaml-ate-not"),
        ("!(event.fraud)", "yaml-ate-not"),
        ("#{ a: 1 }", "yaml-ate-comment"),
        ("event.items.map(|i| #{ a: i })", "yaml-ate-comment"),
        ("\"a\" == event.x", "yaml-ate-quotes"),
        ("'a' == event.x", "yaml-ate-quotes"),
        ("\"click\"", "text-without-quotes"),
        ("'very high'", "text-without-quotes"),
        ("event.x: y", "yaml-ate-colon"),
        ("event.t > 2024-01-01", "text-without-quotes"),
        ("'2024-01-01'", "text-without-quotes"),
        ("[event.a, event.b]", "yaml-ate-flow"),
        ("[event.a].len() > 1", "yaml-ate-flow"),
        ("{ a: 1 }", "yaml-ate-flow"),
        ("*x > 1", "yaml-ate-anchor"),
        ("*x", "yaml-alias"),
        ("& event.x", "yaml-ate-anchor"),
        ("% 2 == 0", "yaml-ate-indicator"),
        ("@x", "yaml-ate-indicator"),
        ("`a` == event.x", "yaml-ate-indicator"),
        ("|x| x", "yaml-ate-indicator"),
        ("> 5", "yaml-ate-indicator"),
        ("- event.x", "yaml-ate-indicator"),
        ("? event.x", "yaml-ate-indicator"),
        ("", "empty-value"),
        ("null", "empty-value"),
        ("''", "empty-value"),
    ] {
        assert_eq!(map(value), [code], "{value}");
    }
    for value in
        ["-event.x > 1", "true", "event.x == \"a\"", "'!event.x'", "event.a # why", "\"event\"", "5", "yes == 1"]
    {
        assert_eq!(map(value), [""; 0], "{value}");
    }
}

#[test]
fn yaml_eats_rhai_within_braces() {
    let map = |value: &str| codes(&with_stages(&format!("  a: {{ from: in, map: {{ x: {value} }} }}"), "a"));
    for (value, code) in [
        ("max(event.a, event.b)", "yaml-ate-comma"),
        ("event.a.f(1, 2), y: event.b", "yaml-ate-comma"),
        ("event.tags[0]", "yaml-ate-flow"),
        ("event[\"new\"]", "yaml-ate-flow"),
        ("if event.a { 1 } else { 2 }", "yaml-ate-flow"),
        ("event.a in [1, 2]", "yaml-ate-flow"),
        ("event.a ? 1 : 2", "yaml-ate-colon"),
        ("\"hello \" + event.a", "yaml-ate-quotes"),
        ("!event.a", "yaml-ate-not"),
    ] {
        assert_eq!(map(value), [code], "{value}");
    }
    assert_eq!(map("event.a.f(1), y: 'event.tags[0]'"), [""; 0]);
}

#[test]
fn corrected_lines_are_shown() {
    let (_, diagnostics) = read_text(&with_stages("  a: { from: in, filter: !event.a && f('x', 1), map: event }", "a"));
    let text = diagnostics.render(Style::Plain);
    assert!(text.contains("`filter: '!event.a && f(''x'', 1)'`"), "{text}");
}

#[test]
fn hostile_files_are_told_and_nothing_else() {
    let bomb = (1..30)
        .fold("a0: &a0 [x, x]\n".to_string(), |text, i| text + format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1).as_str());
    assert_eq!(codes(&bomb), ["yaml-too-large"]);
    assert_eq!(codes(&format!("a: {}", "[".repeat(100_000))), ["yaml-too-deep"]);
    assert_eq!(codes(&"- ".repeat(10_000)), ["yaml-too-deep"]);
    let nested =
        (0..40).fold("a0: &a0 [x]\n".to_string(), |text, i| text + format!("a{}: &a{0} [[*a{i}]]\n", i + 1).as_str());
    assert_eq!(codes(&nested), ["yaml-too-deep"]);
    for (text, code) in [
        ("", "file-empty"),
        ("# nothing\n", "file-empty"),
        ("~\n", "file-empty"),
        ("a: 1\n---\nb: 2\n", "yaml-several-documents"),
        ("sources:\n\ta: 1\n", "yaml-tab"),
        ("a: {b: 1\n", "yaml-syntax"),
        ("just text\n", "wrong-type"),
        ("[1]\n", "wrong-type"),
        ("%YAML 1.2\n---\na: 1\n", "yaml-syntax"),
        ("a: \"\\q\"\n", "yaml-syntax"),
        ("a: &a [*a]\n", "yaml-alias"),
    ] {
        assert!(codes(text).contains(&code), "{text}");
    }
    codes("\u{feff}a: \u{0}\u{7f}\n");
    codes("? [a, b]\n: 1\n? {}\n: 2\n");
}

#[test]
fn the_graph_is_checked() {
    let graph = |stages: &str, from: &str| codes(&with_stages(stages, from));
    assert_eq!(graph("  a: { from: b, filter: true }\n  b: { from: [a, in], filter: true }", "a"), ["cycle"]);
    assert_eq!(graph("  a: { from: [a, in], filter: true }", "a"), ["cycle"]);
    assert_eq!(graph("  a: { from: in, filter: true }", "in"), ["unread-stage"]);
    assert_eq!(graph("  a: { from: in, route: { x: true } }", "a"), ["unknown-port"]);
    assert_eq!(graph("  a: { from: in, route: { x: true, y: true } }", "[a.x, a.otherwise]"), ["unread-port"]);
    assert_eq!(graph("  a: { from: in, window: { tumbling: 1m } }", "a"), ["no-time"]);
    assert_eq!(graph("  a: { from: in, window: { count: 5 } }", "[a, a.errors]"), [""; 0]);
    assert_eq!(
        graph(
            "  a: { from: in, window: { count: 5, emit: updates } }\n  b: { from: a, filter: true }\n  c: { from: b, window: { count: 2 } }",
            "c"
        ),
        ["updates-feed-state"]
    );
    assert_eq!(graph("  a: { from: [in, in], filter: true }", "a"), ["duplicate-from"]);
    assert_eq!(graph("  a: { from: out, filter: true }", "[in, a]"), ["from-sink"]);
    assert_eq!(graph("  a: { from: in, was: in, filter: true }", "a"), ["former-id"]);
    assert_eq!(graph("  a: { from: in }", "a"), ["no-kind"]);
    assert_eq!(graph("  a: { from: in, filter: true, window: { count: 1 } }", "a"), ["several-kinds"]);
    assert_eq!(graph("  a: { from: in, window: { count: 1, tumbling: 1s } }", "a"), ["exactly-one"]);
    assert_eq!(graph("  a: { from: in, map: event, set: { a: 1 } }", "a"), ["not-together"]);
    assert_eq!(graph("  a: { from: in, route: { errors: true } }", "a.otherwise"), ["bad-id"]);
    assert_eq!(graph("  a: { from: in, tumbling: 1m }", "a"), ["unknown-key"]);
}

#[test]
fn values_are_read_by_their_types() {
    let file =
        |value: &str| codes(&with_stages("  a: { from: in, filter: true }", "a").replace("path: a.jsonl", value));
    assert_eq!(file("path: a, follow: yes"), ["bad-value"]);
    assert_eq!(file("path: a, follow: \"true\""), ["wrong-type"]);
    assert_eq!(file("path: [a]"), ["wrong-type"]);
    assert_eq!(file("path: '${NOPE}/x'"), ["env-unset"]);
    assert_eq!(file("path: ${NOPE}/x"), ["yaml-ate-flow"]);
    assert_eq!(file("path: '${NOPE:-there}/x'"), [""; 0]);
    assert_eq!(file("path: '${BAD-NAME}'"), ["env-syntax"]);
    assert_eq!(file("path: 'x['"), ["bad-pattern"]);
    assert_eq!(file("path: !x y"), ["yaml-tag"]);
    assert_eq!(file("path: x, path: y"), ["duplicate-key"]);
    let secret = |value: &str| {
        codes(
            &with_stages("  a: { from: in, filter: true }", "a")
                .replace("file: { path: a.jsonl }", &format!("broker: {{ password: {value} }}")),
        )
    };
    assert_eq!(secret("hunter2"), ["plain-secret"]);
    assert_eq!(secret("{ env: PASSWORD }"), [""; 0]);
    assert_eq!(secret("{ envv: PASSWORD }"), ["unknown-key"]);
    let (_, diagnostics) = read_text("sources: { in: { broker: { password: hunter2 } } }");
    assert!(!diagnostics.render(Style::Plain).contains("hunter2"));
}

#[test]
fn parameters_are_overridden_from_outside() {
    let text = with_stages("  a: { from: in, filter: true }", "a") + "params: { limit: 1 }\n";
    let mut diagnostics = Diagnostics::new();
    let set = [("limit".to_string(), "2.5".to_string()), ("limt".to_string(), "x".to_string())];
    let outside = Settings { set: &set, env: &|_| None };
    let spec = read(Path::new("t.yaml"), &text, &CATALOG, outside, &mut diagnostics).unwrap();
    assert_eq!(spec.params["limit"].value, serde_json::json!(2.5));
    assert!(diagnostics.render(Style::Plain).contains("did you mean `limit`?"));
}

proptest::proptest! {
    /// Whatever is in a file, the reader says something and goes on.
    #[test]
    fn no_file_makes_it_panic(lines in proptest::collection::vec(
        "( {0,6})(sources|stages|sinks|a|b|from|filter|map|window|route|file|path|tumbling|- |\\? |<<)?(: ?)?(a|b\\.c|!x|#\\{|\"x\"|'|\\[a|\\]|\\{|\\}|\\*a|&a|5s|\\||>-?|\\$\\{X|%|\t|\u{e9})?", 0..12,
    )) {
        codes(&lines.join("\n"));
    }
}

#[test]
fn the_defaults_of_limits_are_the_bounds() {
    use crate::limits as bound;
    let text = with_stages("  a: { from: in, filter: true }", "a");
    let limits = read_text(&text).0.unwrap().limits;
    for (key, bound) in [
        ("depth", bound::JSON_DEPTH_MAX),
        ("array", bound::EXPR_ARRAY_ITEMS_MAX),
        ("map", bound::EXPR_MAP_FIELDS_MAX),
        ("operations", bound::EXPR_OPERATIONS_MAX as usize),
        ("edge_events", bound::BATCH_EVENTS_MAX * bound::EDGE_BATCHES_MAX),
    ] {
        assert_eq!(limits.int(key), bound as i64, "{key}");
    }
    assert_eq!(limits.size("line"), bound::LINE_BYTES_MAX as u64);
    assert_eq!(limits.size("string"), bound::EXPR_STRING_BYTES_MAX as u64);
    assert_eq!(limits.size("edge_bytes"), (bound::BATCH_BYTES_MAX * bound::EDGE_BATCHES_MAX) as u64);
}

#[test]
fn many_problems_take_little_time() {
    let start = std::time::Instant::now();
    let many = |line: &dyn Fn(usize) -> String| (0..20_000).map(line).collect::<String>();
    codes(&format!("sources:\n{}", many(&|i| format!("  n{i}: {{ fil: 1 }}\n"))));
    codes(&with_stages("  a: { from: in, filter: true }", &format!("[{}]", many(&|i| format!("n{i}, ")))));
    codes(&format!("x-a: &a\n{}x-b:\n  <<: *a\n", many(&|i| format!("  k{i}: 1\n"))));
    codes(&format!("limits:\n{}", many(&|i| format!("  key_of_some_length_{i}: 1\n"))));
    codes(&format!("{}: 1\n", "k".repeat(1_000_000)));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn files_that_are_no_topology() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.yaml");
    let code = |path: &Path| {
        let mut diagnostics = Diagnostics::new();
        let outside = Settings { set: &[], env: &|_| None };
        assert!(read_file(path, &CATALOG, outside, &mut diagnostics).is_none());
        diagnostics.render(Style::Plain);
        diagnostics.found()[0].code.id
    };
    assert_eq!(code(&file), "file-unreadable");
    assert_eq!(code(dir.path()), "file-unreadable");
    std::fs::write(&file, b"sources:\n  a\xff\xfe: 1\n").unwrap();
    assert_eq!(code(&file), "file-not-text");
    std::fs::write(&file, b"\x7fELF\0\0\0\x01").unwrap();
    code(&file);
    std::fs::write(&file, "# long\n".repeat(1 << 20)).unwrap();
    assert_eq!(code(&file), "file-too-large");
}

proptest::proptest! {
    /// A topology in which anything was broken by hand is told about, and nothing panics; spans lie in the file.
    #[test]
    fn no_broken_topology_makes_it_panic(
        edits in proptest::collection::vec((0usize..2000, 0usize..40, "[\\PC\n\t]{0,3}"), 1..6),
    ) {
        let mut text = include_str!("../../topologies/fraud.yaml").to_string();
        for (at, len, put) in edits {
            let at = crate::diagnostic::floor(&text, at);
            let end = crate::diagnostic::floor(&text, at + len);
            text.replace_range(at..end, &put);
        }
        let (_, diagnostics) = read_text(&text);
        diagnostics.render(Style::Plain);
        for found in diagnostics.found() {
            assert!(found.span.end as usize <= text.len(), "{found:?}");
        }
    }
}
