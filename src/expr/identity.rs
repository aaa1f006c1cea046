//! What an expression does, apart from how it is written: two of one identity give the same for every event. Comments, spaces,
//! brackets that change nothing and the places of lines are no part of it; the `params` and functions that it uses are.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use rapidhash::v3::rapidhash_v3;
use rhai::{AST, ASTNode, Expr as Tree, Stmt};

use crate::event::{Cell, Path};

use super::chain;
use super::compile::Expr;
use super::context::{Context, Shared};
use super::ir::{Case, Compiled, Ir};

impl Expr {
    /// A hash of what it does, the same in every process.
    pub fn identity(&self) -> u64 {
        let inner = &self.inner;
        match &inner.compiled {
            Ok(code) => rapidhash_v3(rendered(code).as_bytes()),
            Err(_) => inner.context.identity(self.text()),
        }
    }
}

impl Context {
    /// The same of a text that is no expression of its own (an aggregate): its tokens, and what it uses.
    pub fn identity(&self, text: &str) -> u64 {
        let shared = &self.shared;
        let mut out = shared.compact(text);
        let mut uses = Uses::default();
        if let Ok(ast) = shared.parser.compile(text) {
            uses.of_tree(&ast);
        }
        uses.of_functions(shared);
        for name in &uses.functions {
            for ((_, params), function) in shared.functions.range((name.clone(), 0)..=(name.clone(), usize::MAX)) {
                let _ = write!(out, "\nfn {name}/{params} {:?} {}", function.params, function.compact);
            }
        }
        for name in &uses.params {
            let _ = write!(out, "\nparam {name} {:?}", shared.params.get(name));
        }
        if uses.all_params {
            let _ = write!(out, "\nparams {:?}", shared.params);
        }
        rapidhash_v3(out.as_bytes())
    }
}

impl Shared {
    /// A text without what means nothing in it; as it is, if it cannot be read.
    pub(super) fn compact(&self, text: &str) -> String {
        self.parser.compact_script(text).unwrap_or_else(|_| text.to_owned())
    }
}

/// What a text uses of what all expressions share.
#[derive(Default)]
struct Uses {
    functions: BTreeSet<String>,
    params: BTreeSet<String>,
    /// `params` as a value.
    all_params: bool,
}

impl Uses {
    fn of_tree(&mut self, ast: &AST) {
        ast.walk(&mut |path: &[ASTNode]| self.note(path));
    }

    /// Follows the functions into those that they call.
    fn of_functions(&mut self, shared: &Shared) {
        let mut seen = BTreeSet::new();
        while let Some(name) = self.functions.iter().find(|name| !seen.contains(*name)).cloned() {
            for (_, function) in shared.functions.range((name.clone(), 0)..=(name.clone(), usize::MAX)) {
                for stmt in &function.body {
                    stmt.walk(&mut Vec::new(), &mut |path: &[ASTNode]| self.note(path));
                }
            }
            seen.insert(name);
        }
    }

    fn note(&mut self, path: &[ASTNode]) -> bool {
        match path {
            [.., ASTNode::Expr(Tree::FnCall(call, _) | Tree::MethodCall(call, _))]
            | [.., ASTNode::Stmt(Stmt::FnCall(call, _))] => {
                self.functions.insert(call.name.to_string());
            }
            [before @ .., ASTNode::Expr(Tree::Variable(name, ..))] if name.1 == "params" => {
                let chain = match before {
                    [.., ASTNode::Expr(parent)] => chain::flatten(parent).1,
                    _ => Vec::new(),
                };
                match chain::fields(&chain).first() {
                    Some((name, _)) => self.params.insert((*name).to_owned()),
                    None => std::mem::replace(&mut self.all_params, true),
                };
            }
            _ => {}
        }
        true
    }
}

/// A program as text, without positions.
fn rendered(code: &Compiled) -> String {
    let mut render = Render { code, out: String::new() };
    if let Some(root) = &code.root {
        render.ir(root);
    }
    if let Some(fields) = &code.fields {
        render.all("prelude", &fields.prelude);
        for (name, value) in fields.names.iter().zip(&fields.values) {
            render.word(&format!("{name:?}"));
            render.ir(value);
        }
    }
    render.out
}

struct Render<'a> {
    code: &'a Compiled,
    out: String,
}

impl Render<'_> {
    fn word(&mut self, word: &str) {
        self.out.push_str(word);
        self.out.push(' ');
    }

    fn all<'i>(&mut self, name: &str, parts: impl IntoIterator<Item = &'i Ir>) {
        let _ = write!(self.out, "({name} ");
        parts.into_iter().for_each(|part| self.ir(part));
        self.out.push(')');
    }

    fn path(&mut self, name: &str, path: Option<&Path>) {
        let _ = write!(self.out, "({name} {path:?})");
    }

    fn constant(&mut self, cell: Cell) {
        let text = |at: crate::event::TextRef| {
            let (start, len) = (at.start as usize, at.len as usize);
            self.code.text.get(start..start + len).unwrap_or_default()
        };
        let _ = match cell {
            Cell::Number(at) => write!(self.out, "(number {})", text(at)),
            Cell::Str(at) | Cell::Escaped(at) => write!(self.out, "(text {:?})", text(at)),
            Cell::Json(at) => write!(self.out, "(json {:?})", text(at)),
            // Floats are told from ints: `1.0` is no `1`.
            Cell::Missing | Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) | Cell::Packed(_) => {
                write!(self.out, "({cell:?})")
            }
        };
    }

    fn ir(&mut self, ir: &Ir) {
        match ir {
            Ir::Const(at) => self.constant(self.code.consts.get(*at).copied().unwrap_or(Cell::Missing)),
            Ir::Read(at) => self.path("read", self.code.reads.get(*at)),
            Ir::Raw(at) => self.path("raw", self.code.reads.get(*at)),
            Ir::Whole => self.word("event"),
            Ir::Meta(name) => self.word(&format!("meta.{name}")),
            Ir::Arg(at) => self.word(&format!("arg{at}")),
            Ir::Local(at) => self.word(&format!("local{at}")),
            Ir::Set(at, value) => self.all(&format!("set{at}"), [&**value]),
            Ir::Unary(op, value, _) => self.all(op, [&**value]),
            Ir::Binary(op, a, b, _) => self.all(&format!("{op:?}"), [&**a, &**b]),
            Ir::And(parts) => self.all("and", parts.iter().map(|(part, _)| part)),
            Ir::Or(parts) => self.all("or", parts.iter().map(|(part, _)| part)),
            Ir::Coalesce(parts) => self.all("coalesce", parts),
            Ir::If(flow) => self.all("if", [&flow.condition, &flow.then, &flow.otherwise]),
            Ir::Field(value, path) => self.all(&format!("field{path:?}"), [&**value]),
            Ir::Index(index) => self.all("index", [&index.target, &index.index]),
            Ir::Optional(part) => self.all(&format!("optional{}", part.local), [&part.value, &part.rest]),
            Ir::InRange(part) => self.all(&format!("in{}", part.last), [&part.from, &part.to, &part.value]),
            Ir::Text(parts, _) => self.all("join", parts),
            Ir::Array(items, _) => self.all("array", items),
            Ir::Object(fields, _) => {
                for (name, value) in fields {
                    self.all(&format!("object {name:?}"), [value]);
                }
                self.all("object", []);
            }
            Ir::Call(call) => self.all(call.function.name, &call.args),
            Ir::Block(parts) => self.all("block", parts),
            Ir::Switch(switch) => {
                self.all(&format!("switch{}", switch.local), [&switch.value, &switch.otherwise]);
                for arm in &switch.arms {
                    arm.cases.iter().for_each(|case| self.case(case));
                    self.all("arm", arm.condition.iter().map(|(condition, _)| condition).chain([&arm.body]));
                }
            }
            Ir::Inline(inline) => self.all("inline", [&inline.body]),
            Ir::Return(value) => self.all("return", [&**value]),
            Ir::Throw(value, _) => self.all("throw", [&**value]),
        }
    }

    fn case(&mut self, case: &Case) {
        self.word(&format!("{case:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FunctionFile, Limits, Want};
    use super::*;

    fn context(params: serde_json::Value, functions: &str) -> Context {
        let serde_json::Value::Object(params) = params else { panic!("params are an object") };
        let files = [FunctionFile { name: "f.rhai".into(), text: functions.into() }];
        let Ok(context) = Context::new(params, &files, Limits::default()) else { panic!("the functions are sound") };
        context
    }

    #[track_caller]
    fn identity(context: &Context, text: &str) -> u64 {
        let expr = context.compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
        expr.identity()
    }

    const FUNCTIONS: &str = "fn twice(x) { x * 2 }\nfn deep(x) { twice(x) + params.b }\nfn other(x) { x }";

    #[test]
    fn how_it_is_written_is_no_part_of_it() {
        let context = context(serde_json::json!({ "a": 1 }), "");
        for same in [
            ["event.a > 0.5", "(event.a)>0.50", "event.a > /* half */ 0.5 // more"],
            ["`u${event.a}`", "`u${ event.a }`", "`u${event.a /* it */}`"],
            ["event.a == \"x\"", "event.a==\"x\"", "event[\"a\"] == `x`"],
            [
                "let t = 0; for x in event.xs { t += x; } t",
                "let t=0;\n\nfor x in event.xs {t+=x;} t",
                "let t = 0; // sum\nfor x in event.xs { t += x; }\nt",
            ],
        ] {
            let hashes: BTreeSet<u64> = same.iter().map(|text| identity(&context, text)).collect();
            assert_eq!(hashes.len(), 1, "{same:?}");
        }
    }

    #[test]
    fn spaces_in_aggregates_are_no_part_of_them() {
        let context = Context::empty();
        let compact = |text: &str| context.shared.compact(text);
        assert_eq!(compact("sum(event.a) / count()"), compact("sum( event.a )/count() // mean\n"));
        assert_ne!(context.identity("sum(event.a)"), context.identity("sum(event.b)"));
    }

    #[test]
    fn what_it_does_is() {
        let context = context(serde_json::json!({ "a": 1 }), "");
        let texts = [
            "event.a > 1",
            "event.a > 1.0",
            "event.a >= 1",
            "event.b > 1",
            "1 > event.a",
            "event.a > 1 && true",
            "\"event.a > 1\"",
            "event.a",
            "event.a.b",
            "meta.key",
            "`a b`",
            "`ab`",
            "switch event.a { 1 => 2, _ => 3 }",
            "switch event.a { 2 => 2, _ => 3 }",
            "let t = 0; for x in event.xs { t += x; } t",
            "let t = 1; for x in event.xs { t += x; } t",
        ];
        let hashes: BTreeSet<u64> = texts.iter().map(|text| identity(&context, text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    #[test]
    fn params_and_functions_count_where_they_are_used() {
        let before = context(serde_json::json!({ "a": 1, "b": 2 }), FUNCTIONS);
        let param = context(serde_json::json!({ "a": 1, "b": 3 }), FUNCTIONS);
        let function = context(serde_json::json!({ "a": 1, "b": 2 }), &FUNCTIONS.replace("x * 2", "x * 3"));
        let spaces =
            context(serde_json::json!({ "a": 1, "b": 2 }), &format!("// of numbers\n{}", FUNCTIONS.replace(' ', "  ")));
        // A loop is interpreted.
        let looped = |inner: &str| format!("let t = 0; for x in event.xs {{ t += {inner}; }} t");
        for wrap in [&|inner: &str| inner.to_owned() as String, &looped as &dyn Fn(&str) -> String] {
            for (inner, by_param, by_function) in [
                ("params.a", false, false),
                ("params.b", true, false),
                ("params[\"b\"]", true, false),
                ("params.len()", true, false),
                ("other(1)", false, false),
                ("twice(1)", false, true),
                ("deep(event.a)", true, true),
            ] {
                let text = wrap(inner);
                let was = identity(&before, &text);
                assert_eq!(was != identity(&param, &text), by_param, "{text} and a param");
                assert_eq!(was != identity(&function, &text), by_function, "{text} and a function");
                assert_eq!(was, identity(&spaces, &text), "{text}");
                assert_eq!(before.identity(&text) != param.identity(&text), by_param, "{text} as an aggregate");
            }
        }
    }
}
