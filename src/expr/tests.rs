//! The meaning of expressions, in both engines.

use super::testing::{eval, results};
use super::{Context, FunctionFile, Limits, Want, problem::Problem};

#[track_caller]
fn check(text: &str, event: &str, want: &str) {
    assert_eq!(eval(text, event), want, "{text} on {event}");
}

#[test]
fn fields_are_read_as_rhai_would() {
    check("event.a", r#"{"a":1.50}"#, "1.50");
    check("event.a", "{}", "missing");
    check("event.a.b", r#"{"a":{"b":"x\n"}}"#, r#""x\n""#);
    check("event.a.b.c", r#"{"a":1}"#, "missing");
    check("event[\"new\"] + 1", r#"{"new":41}"#, "42");
    check("event.a[1]", r#"{"a":[1,2]}"#, "2");
    check("event.a[-1]", r#"{"a":[1,2]}"#, "2");
    check("event.a[2]", r#"{"a":[1,2]}"#, "out-of-bounds@8");
    check("event.a ?? 7", r#"{"a":null}"#, "7");
    check("event.a == ()", "{}", "true");
    check("event", r#"{"a": 1}"#, r#"{"a": 1}"#);
    check("meta.source", "{}", r#""card""#);
    check("meta.time + 1", "{}", "1700000000001");
}

#[test]
fn long_chains_and_sizes_have_room() {
    let sum: Vec<String> = (0..40).map(|i| format!("event.n * {i}")).collect();
    check(&sum.join(" + "), r#"{"n":1}"#, "780");
    let any: Vec<String> = (0..50).map(|i| format!("event.n == {i}")).collect();
    check(&any.join(" || "), r#"{"n":49}"#, "true");
    let limits = Limits { string: 100, array: 4, map: 4, ..Limits::default() };
    let context = Context::new(Default::default(), &[], limits).unwrap();
    let event = format!(r#"{{"s":"{}","a":[1,2,3]}}"#, "x".repeat(60));
    for text in [
        "event.s + event.s",
        "event.a + event.a",
        "[event.a, event.a]",
        "`${event.s}${event.s}`",
        "#{ a: event.s, b: event.s }",
    ] {
        let expr = context.compile(text, Want::Value).unwrap();
        let got = results_of_code(&expr, &event);
        assert_eq!(got, ["expression-limit", "expression-limit"], "{text}");
    }
}

/// What both engines say, without the place: Rhai counts a literal item by item.
fn results_of_code(expr: &super::Expr, event: &str) -> Vec<String> {
    let (compiled, interpreted) = super::testing::run(expr, &[event]);
    let code = |result: &String| result.split('@').next().unwrap_or_default().to_owned();
    [compiled, interpreted].iter().flatten().map(code).collect()
}

#[test]
fn closures_see_the_event_while_they_walk_through_it() {
    check("event.a.map(|x| x + event.n)", r#"{"a":[1,2],"n":10}"#, "[11,12]");
    check("event.a.filter(|x| event.a.len() > x)", r#"{"a":[1,2]}"#, "[1]");
    check("event.a.map(|event| event + 1)", r#"{"a":[1,2]}"#, "[2,3]");
    check("let n = event.n; event.a.map(|x| x + n + meta.time)", r#"{"a":[1],"n":10}"#, "[1700000000011]");
}

#[test]
fn what_is_no_order_is_an_error() {
    check("event.a > 1", "{}", "not-comparable@8");
    check("event.a > 1", r#"{"a":null}"#, "not-comparable@8");
    check("event.a > 1", r#"{"a":"2"}"#, "not-comparable@8");
    check("event.a > 1", r#"{"a":2.5}"#, "true");
    check("event.a < \"b\"", r#"{"a":"a"}"#, "true");
    check("event.a == 1", r#"{"a":"1"}"#, "false");
    check("event.a && true", r#"{"a":1}"#, "not-a-bool@5");
}

#[test]
fn numbers_beyond_64_bits_pass_but_do_not_compute() {
    let event = r#"{"a":123456789012345678901234567890}"#;
    check("event.a", event, "123456789012345678901234567890");
    check("[event.a]", event, "[123456789012345678901234567890]");
    check("#{ x: event.a }", event, r#"{"x":123456789012345678901234567890}"#);
    check("event.a + 1", event, "number-too-big@8");
    check("event.a == 1", event, "number-too-big@8");
    check("9223372036854775807 + event.a", r#"{"a":1}"#, "arithmetic@20");
    check("1 / event.a", r#"{"a":0}"#, "arithmetic@2");
}

#[test]
fn closures_read_the_event_that_their_array_is_of() {
    let event = r#"{"items":[{"n":1},{"n":2}],"rate":10,"by":{"x":1}}"#;
    check("event.items.map(|item| item.n * event.rate)", event, "[10,20]");
    check("event.items.map(|item| event.items.filter(|other| other.n >= item.n).len())", event, "[2,1]");
    check("event.items.some(|item| item.n == event.by.x && meta.source == \"card\")", event, "true");
    check("let rate = event.rate; event.items.map(|item| item.n + rate)", event, "[11,12]");
    check("event.items.map(|event| event.n)", event, "[1,2]");
    check("event.items.map(|x| event.items.map(|y| x.n * y.n * event.rate))", event, "[[10,20],[20,40]]");
    check("event.items.map(|x| x.n + event.rate) + event.items.map(|event| event.n)", event, "[11,12,1,2]");
    check("let n = event.items.map(|x| x.n + event.rate); let event = 5; n.map(|x| x + event)", event, "[16,17]");
}

#[test]
fn texts_objects_and_statements() {
    check("\"a\" + event.n + event.none", r#"{"n":1}"#, r#""a1""#);
    check("`<${event.n}>`", r#"{"n":1.5}"#, r#""<1.5>""#);
    check("let x = event.n * 2; if x > 3 { \"big\" } else { \"small\" }", r#"{"n":2}"#, r#""big""#);
    check("#{ b: 1, a: [event.n, ()] }", r#"{"n":2}"#, r#"{"a":[2,null],"b":1}"#);
    check("switch event.n { 1 => \"one\", 2 | 3 => \"more\", _ => \"many\" }", r#"{"n":3}"#, r#""more""#);
    check("event.list.map(|x| x + event.n)", r#"{"list":[1,2],"n":5}"#, "[6,7]");
    check("event.list.map(|event| event.n)", r#"{"list":[{"n":1}]}"#, "[1]");
    check(
        "let n = event.n; event.list.map(|x| event.list.map(|y| x * y + n))",
        r#"{"list":[1,2],"n":5}"#,
        "[[6,7],[7,9]]",
    );
    check("event.list.map(|x| x * 2).filter(|x| x > 2)", r#"{"list":[1,2,3]}"#, "[4,6]");
    check("let s = 0; for x in event.list { s += x; } s", r#"{"list":[1,2,3]}"#, "6");
    check("\"b\" in event.list", r#"{"list":["a","b"]}"#, "true");
    check("throw \"no\"", "{}", "thrown@0");
    check("to_upper(event.s)", r#"{"s":"x"}"#, r#""X""#);
    check("event.s.to_upper()", r#"{"s":"x"}"#, r#""X""#);
    check("to_upper(event.s)", r#"{"s":1}"#, "type-mismatch@0");
}

#[test]
fn functions_of_files_are_called() {
    let text = "fn double(x) { x * 2 }\nfn risk(e) { if e.n > params.limit { return \"high\"; } \"low\" }";
    let file = FunctionFile { name: "risk.rhai".into(), text: text.into() };
    let params = serde_json::json!({ "limit": 10 }).as_object().cloned().unwrap();
    let context = Context::new(params, &[file], Limits::default()).unwrap();
    let expr = context.compile("risk(event) + double(event.n)", Want::Value).unwrap();
    assert_eq!(results(&expr, &[r#"{"n":11}"#, r#"{"n":1}"#]), [r#""high22""#, r#""low2""#]);
    assert_eq!(results(&expr, &[r#"{"n":"x"}"#]), ["not-comparable@0"]);
    let problems = context.compile("doubel(event.n) + params.limt", Want::Value).err().unwrap();
    let told: Vec<_> = problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    assert_eq!(told, ["did you mean `double`?", "did you mean `limit`?"]);
}

#[test]
fn limits_hold() {
    check("loop { }", "{}", "expression-limit@5");
    check("let s = \"x\"; for i in 0..40 { s += s; } s", "{}", "expression-limit@32");
    let text = "fn deep(n) { 1 + deep(n + 1) }";
    let file = FunctionFile { name: "deep.rhai".into(), text: text.into() };
    let context = Context::new(Default::default(), &[file], Limits::default()).unwrap();
    let expr = context.compile("deep(event.n)", Want::Value).unwrap();
    assert_eq!(results(&expr, &[r#"{"n":1}"#]), ["expression-limit@0"]);
}

#[test]
fn problems_have_places_and_ways_out() {
    let problems = |text: &str| Context::empty().compile(text, Want::Value).err().unwrap_or_default();
    let first = |text: &str| -> (String, String, Problem) {
        let problem = problems(text).remove(0);
        (problem.code.id.to_owned(), text[problem.range.clone()].to_owned(), problem)
    };
    let (code, at, problem) = first("event.new > 1");
    assert_eq!((code.as_str(), at.as_str()), ("expr-reserved-word", "new"));
    assert!(problem.help.unwrap().contains("event[\"new\"]"));
    let (code, at, problem) = first("evnt.a > 1");
    assert_eq!((code.as_str(), at.as_str()), ("expr-unknown-variable", "evnt"));
    assert_eq!(problem.help.unwrap(), "did you mean `event`?");
    assert_eq!(first("abs(1, 2)").0, "expr-wrong-arity");
    assert_eq!(first("event.a = 1").0, "expr-read-only");
    assert_eq!(first("eval(\"1\")").0, "expr-forbidden");
    assert_eq!(first("event.a >").0, "expr-syntax");
    assert_eq!(first("meta.sorce").2.help.unwrap(), "did you mean `source`?");
    assert_eq!(problems("foo(a) + bar(b)").len(), 4);
    assert_eq!(first("").0, "expr-syntax");
}

#[test]
fn closures_see_what_is_around_them() {
    let params = serde_json::json!({ "least": 2 }).as_object().cloned().unwrap();
    let context = Context::new(params, &[], Limits::default()).unwrap();
    let event = r#"{"lines":[{"n":1},{"n":2},{"n":3}],"by":10}"#;
    for (text, want) in [
        ("event.lines.filter(|l| l.n >= params.least).len()", "2"),
        ("event.lines.map(|l| l.n * event.by)", "[10,20,30]"),
        ("let k = 2; event.lines.map(|l| l.n * k + event.by)", "[12,14,16]"),
        ("event.lines.all(|l| l.n > 0) && event.lines.some(|l| l.n > 2)", "true"),
        ("event.lines.find(|l| l.n > 1).n", "2"),
        ("event.lines.sort_by(|a, b| b.n - a.n).map(|l| l.n)", "[3,2,1]"),
        ("event.lines.map(|l| meta.source + l.n)", r#"["card1","card2","card3"]"#),
        ("event.lines.map(|l| l.n > \"x\")", "not-comparable@24"),
        ("event.lines.filter(|l| l.n)", "not-a-bool@12"),
    ] {
        let expr =
            context.compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {}", problems[0].message));
        assert!(expr.is_lowered().is_err(), "{text}");
        assert_eq!(results(&expr, &[event]), [want], "{text}");
    }
}

/// As deep as the limits allow, on the stack of a worker thread.
#[test]
fn the_deepest_expressions_fit_the_stack() {
    let nested = |depth: usize, inner: &str| {
        let open: String = (0..depth).map(|_| "(1 + ").collect();
        format!("{open}{inner}{}", ")".repeat(depth))
    };
    let body = |call: &str| nested(25, &format!("if x > 1000000 {{ x }} else {{ {call} }}"));
    let mut text = format!("fn endless(x) {{ {} }}\n", body("endless(x + 1)"));
    for i in 0..14 {
        text +=
            &format!("fn f{i}(x) {{ {} }}\n", body(&if i < 13 { format!("f{}(x)", i + 1) } else { "x".to_owned() }));
    }
    let run = move || {
        let file = FunctionFile { name: "deep.rhai".into(), text };
        let context = Context::new(Default::default(), &[file], Limits::default())
            .unwrap_or_else(|problems| panic!("{}", problems[0].1.message));
        let endless = context.compile(&nested(28, "endless(event.n)"), Want::Value).unwrap();
        assert_eq!(results(&endless, &[r#"{"n":1}"#]), ["expression-limit@140"]);
        let chain = context.compile(&nested(28, "f0(event.n)"), Want::Value).unwrap();
        assert_eq!(results(&chain, &[r#"{"n":1}"#]), [(1 + 28 + 14 * 25).to_string()]);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}
