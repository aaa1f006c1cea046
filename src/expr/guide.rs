//! The examples of `docs/expressions.md` give what the page says, in both engines.

use super::testing::eval;

const GUIDE: &str = include_str!("../../docs/expressions.md");

/// The texts of the fenced blocks of a language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let open = format!("```{language}\n");
    GUIDE.split("\n```\n").filter_map(move |part| part.rsplit_once(&open).map(|(_, block)| block))
}

#[test]
fn every_example_of_the_guide_holds() {
    let event = blocks("json").next().unwrap();
    let mut count = 0;
    for line in blocks("rhai").flat_map(str::lines) {
        let (expression, wanted) = line.split_once("  // ").unwrap_or_else(|| panic!("no result: {line}"));
        let got = eval(expression.trim(), event);
        match wanted.trim().strip_prefix("error: ") {
            Some(code) => assert_eq!(got.split('@').next(), Some(code), "{line}"),
            // A literal beyond 64 bits would be a float in an expression, so what is the same text needs no second look.
            None if got == wanted.trim() => {}
            None => assert_eq!(got.replace("missing", "null"), eval(wanted.trim(), event), "{line}"),
        }
        count += 1;
    }
    assert!(count > 40, "only {count} examples were found");
}
