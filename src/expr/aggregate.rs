//! Aggregates: `sum(event.a) / count()` is split into its calls, each over one event, and an outer expression over their results.

use std::ops::Range;

use rhai::{Position, Token};

use crate::diagnostic::codes;

use super::compile::{Expr, Want};
use super::context::Context;
use super::problem::{Problem, Source, did_you_mean};

/// An aggregate as written: its calls, and what is made of them when a window fires.
#[derive(Clone)]
pub struct AggregateExpr {
    /// In written order.
    pub calls: Vec<AggregateCall>,
    /// Its variables (`locals` at evaluation) are the results of `calls`, in order. It reads neither `event` nor `meta`.
    pub outer: Expr,
}

/// One call of an aggregate.
#[derive(Clone)]
pub struct AggregateCall {
    pub name: String,
    /// Bytes of the text: the call from its name to its closing bracket.
    pub range: Range<usize>,
    pub args: Vec<AggregateArg>,
    /// Of `fold`: what is made of the value so far (the variable 0 of its scope) and an event.
    pub fold: Option<AggregateArg>,
}

/// An argument of an aggregate: an expression over one event.
#[derive(Clone)]
pub struct AggregateArg {
    pub expr: Expr,
    /// Bytes of the whole text; offsets of the expression's errors count from its start.
    pub range: Range<usize>,
}

/// How the variables begin that stand for calls.
pub(super) const AGGREGATE: &str = "agg_";

/// A call in the text; `None`: one with problems.
struct Found {
    name: String,
    range: Range<usize>,
    compiled: Option<AggregateCall>,
}

/// A token with its first byte.
struct Lexed {
    token: Token,
    start: usize,
}

impl Context {
    /// Splits and checks an aggregate; `names` are the aggregates that exist.
    pub fn compile_aggregate(&self, text: &str, names: &[&str]) -> Result<AggregateExpr, Vec<Problem>> {
        // The whole first, so that a syntax error is told as one.
        let source = Source::new(text);
        if let Err(error) = self.shared.parser.compile(text) {
            return Err(vec![super::check::syntax(&source, &error)]);
        }
        let mut split = Split { context: self, source: &source, names, tokens: Vec::new(), problems: Vec::new() };
        split.tokens = split.lex();
        let found = split.calls(0..split.tokens.len());
        let mut problems = split.problems;
        let variables: Vec<String> = (0..found.len()).map(|i| format!("{AGGREGATE}{i}")).collect();
        let scope: Vec<&str> = variables.iter().map(String::as_str).collect();
        match self.compile_with(&outer(text, &found), Want::Value, &scope) {
            Ok(_) if found.is_empty() && problems.is_empty() => {
                let message = "there is no aggregate in it".to_owned();
                let help = Some(format!("an aggregate is one of {}", names.join(", ")));
                problems.push(Problem { code: &codes::EXPR_BAD_AGGREGATE, range: 0..text.len(), message, help });
            }
            Ok(outer) if problems.is_empty() => {
                problems.extend(reads_event(&outer, text));
                if problems.is_empty() {
                    return Ok(AggregateExpr {
                        calls: found.into_iter().filter_map(|call| call.compiled).collect(),
                        outer,
                    });
                }
            }
            Ok(_) => {}
            Err(more) => problems.extend(more.into_iter().map(|problem| nearest_aggregate(problem, &source, names))),
        }
        problems.sort_by_key(|problem| problem.range.start);
        Err(problems)
    }
}

/// The text with each call replaced by its variable, every other byte where it was.
fn outer(text: &str, calls: &[Found]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (i, call) in calls.iter().enumerate() {
        out.push_str(&text[at..call.range.start]);
        let name = format!("{AGGREGATE}{i}");
        let gap = text[call.range.clone()].chars().skip(name.len()).map(|c| if c == '\n' { c } else { ' ' });
        out.push_str(&name);
        out.extend(gap);
        at = call.range.end;
    }
    out.push_str(&text[at..]);
    out
}

fn reads_event(outer: &Expr, text: &str) -> Option<Problem> {
    let read = if !outer.reads().paths.is_empty() {
        "event"
    } else if outer.reads_meta().next().is_some() {
        "meta"
    } else {
        return None;
    };
    let start = outer.text().find(read).unwrap_or(0);
    let message = format!("`{read}` has no meaning outside an aggregate: a window has many events");
    let help = Some("say which: `first(event.x)`, `last(event.x)`, or make it part of the key".to_owned());
    let range = start..(start + read.len()).min(text.len());
    Some(Problem { code: &codes::EXPR_BAD_AGGREGATE, range, message, help })
}

/// An unknown function in an aggregate is most likely a misspelt aggregate.
fn nearest_aggregate(mut problem: Problem, source: &Source, names: &[&str]) -> Problem {
    if problem.code == &codes::EXPR_UNKNOWN_FUNCTION
        && let Some(name) = source.text.get(problem.range.clone())
        && let Some(help) = did_you_mean(name, names.iter().copied())
    {
        problem.help = Some(help);
    }
    problem
}

struct Split<'a> {
    context: &'a Context,
    source: &'a Source,
    names: &'a [&'a str],
    tokens: Vec<Lexed>,
    problems: Vec<Problem>,
}

impl Split<'_> {
    fn lex(&self) -> Vec<Lexed> {
        let texts = [self.source.text.as_str()];
        let (tokens, _) = self.context.shared.parser.lex(&texts);
        tokens
            .take_while(|(token, _)| !matches!(token, Token::EOF))
            .map(|(token, at): (Token, Position)| Lexed { token, start: self.source.offset(at) })
            .collect()
    }

    fn problem(&mut self, range: Range<usize>, message: String, help: &str) {
        let help = Some(help.to_owned());
        self.problems.push(Problem { code: &codes::EXPR_BAD_AGGREGATE, range, message, help });
    }

    /// The calls of aggregates among these tokens.
    fn calls(&mut self, range: Range<usize>) -> Vec<Found> {
        let mut calls = Vec::new();
        let mut at = range.start;
        while at < range.end {
            match self.call(at) {
                Some((call, end)) => {
                    calls.push(call);
                    at = end;
                }
                None => at += 1,
            }
        }
        calls
    }

    /// The call that starts at a token, and the token after it.
    fn call(&mut self, at: usize) -> Option<(Found, usize)> {
        let Token::Identifier(name) = &self.tokens.get(at)?.token else { return None };
        let name = name.to_string();
        if !self.names.contains(&name.as_str()) {
            return None;
        }
        if at > 0 && matches!(self.tokens[at - 1].token, Token::Period | Token::Elvis) {
            return None;
        }
        let (args, end) = match self.tokens.get(at + 1)?.token {
            Token::Unit => (Vec::new(), at + 1),
            Token::LeftParen => self.arguments(at + 1)?,
            _ => return None,
        };
        // `max(a, b)` is the function, `max(a)` the aggregate.
        if args.len() >= 2 && matches!(name.as_str(), "min" | "max") {
            return None;
        }
        let start = self.tokens[end].start;
        let close = self.source.text[start..].find(')').map_or(start + 1, |at| start + at + 1);
        let range = self.tokens[at].start..close;
        let compiled = self.compile_call(name.clone(), range.clone(), args);
        Some((Found { name, range, compiled }, end + 1))
    }

    /// The tokens of each argument, and the closing bracket.
    fn arguments(&self, open: usize) -> Option<(Vec<Range<usize>>, usize)> {
        let mut depth = 0;
        let mut bars = false;
        let mut args = Vec::new();
        let mut start = open + 1;
        for at in open..self.tokens.len() {
            match self.tokens[at].token {
                Token::LeftParen | Token::LeftBracket | Token::LeftBrace | Token::MapStart => depth += 1,
                Token::RightParen | Token::RightBracket | Token::RightBrace => {
                    depth -= 1;
                    if depth == 0 {
                        if start < at {
                            args.push(start..at);
                        }
                        return Some((args, at));
                    }
                }
                // The bars around a closure's parameters.
                Token::Pipe if depth == 1 && (bars || start == at) => bars = !bars,
                Token::Comma if depth == 1 && !bars => {
                    args.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        None
    }

    /// Bytes from the first of these tokens to the end of the last (the start of the one after it, less the space between).
    fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        let start = self.tokens[tokens.start].start;
        let end = self.tokens.get(tokens.end).map_or(self.source.text.len(), |after| after.start);
        let text = &self.source.text[start..end];
        start..start + text.trim_end().len()
    }

    fn compile_call(&mut self, name: String, range: Range<usize>, args: Vec<Range<usize>>) -> Option<AggregateCall> {
        let mut call = AggregateCall { name, range, args: Vec::new(), fold: None };
        for (i, tokens) in args.iter().enumerate() {
            if self.nested(tokens) {
                return None;
            }
            if call.name == "fold" && i == 1 {
                call.fold = Some(self.fold(tokens)?);
                continue;
            }
            call.args.push(self.argument(self.bytes(tokens), &[])?);
        }
        if call.name == "fold" && call.fold.is_none() {
            let help = "write `fold(0, |acc, event| acc + event.n)`";
            self.problem(call.range.clone(), "`fold` takes a start and a function".to_owned(), help);
            return None;
        }
        Some(call)
    }

    /// Refuses an aggregate inside an aggregate.
    fn nested(&mut self, tokens: &Range<usize>) -> bool {
        let before = self.problems.len();
        let inner = self.calls(tokens.clone());
        self.problems.truncate(before);
        if let Some(inner) = inner.first() {
            let message = format!("`{}` inside an aggregate: its events are not there yet", inner.name);
            self.problem(inner.range.clone(), message, "compute with the results of aggregates outside of them");
        }
        !inner.is_empty()
    }

    fn argument(&mut self, range: Range<usize>, scope: &[&str]) -> Option<AggregateArg> {
        match self.context.compile_with(&self.source.text[range.clone()], Want::Value, scope) {
            Ok(expr) => Some(AggregateArg { expr, range }),
            Err(problems) => {
                let shifted = problems.into_iter().map(|mut problem| {
                    problem.range = problem.range.start + range.start..problem.range.end + range.start;
                    problem
                });
                self.problems.extend(shifted);
                None
            }
        }
    }

    /// The function of a `fold`: `|acc, event| body`.
    fn fold(&mut self, tokens: &Range<usize>) -> Option<AggregateArg> {
        let help = "write it as `|acc, event| acc + event.n`";
        let names: Vec<&Token> = self.tokens[tokens.clone()].iter().take(6).map(|lexed| &lexed.token).collect();
        let [Token::Pipe, Token::Identifier(acc), Token::Comma, Token::Identifier(event), Token::Pipe, _] = names[..]
        else {
            let range = self.bytes(tokens);
            self.problem(range, "the second argument of `fold` is a function of two parameters".to_owned(), help);
            return None;
        };
        if event.as_str() != "event" {
            let start = self.tokens[tokens.start + 3].start;
            let range = start..start + event.len();
            self.problem(range, "the second parameter must be named `event`".to_owned(), help);
            return None;
        }
        let acc = acc.to_string();
        self.argument(self.bytes(&(tokens.start + 5..tokens.end)), &[&acc])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["count", "sum", "max", "top", "fold"];

    #[test]
    fn calls_are_cut_out_and_places_kept() {
        let text = "abs(sum(event.a)) / count() + max(event.b)";
        let aggregate = Context::empty().compile_aggregate(text, NAMES).unwrap();
        let calls: Vec<&str> = aggregate.calls.iter().map(|call| &text[call.range.clone()]).collect();
        assert_eq!(calls, ["sum(event.a)", "count()", "max(event.b)"]);
        assert_eq!(aggregate.outer.text().len(), text.len());
        let fold =
            Context::empty().compile_aggregate("fold(#{n: 0}, |acc, event| #{n: acc.n + event.n})", NAMES).unwrap();
        let step = fold.calls[0].fold.as_ref().unwrap();
        assert_eq!(step.expr.text(), "#{n: acc.n + event.n}");
        assert_eq!(step.expr.reads().paths.len(), 1);
    }

    #[test]
    fn misuse_is_told() {
        let problem = |text: &str| {
            let problems = Context::empty().compile_aggregate(text, NAMES).err().unwrap_or_default();
            problems
                .first()
                .map(|problem| (problem.code.id, text[problem.range.clone()].to_owned()))
                .unwrap_or_default()
        };
        assert_eq!(problem("event.a"), ("expr-bad-aggregate", "event.a".into()));
        assert_eq!(problem("count() + event.a"), ("expr-bad-aggregate", "event".into()));
        assert_eq!(problem("sum(count())"), ("expr-bad-aggregate", "count()".into()));
        assert_eq!(problem("sum(event.a + b)"), ("expr-unknown-variable", "b".into()));
        assert_eq!(problem("fold(0, |a, e| a)"), ("expr-bad-aggregate", "e".into()));
        assert_eq!(problem("summ(event.a)"), ("expr-unknown-function", "summ".into()));
        assert_eq!(problem("sum(event.a"), ("expr-syntax", String::new()));
    }
}
