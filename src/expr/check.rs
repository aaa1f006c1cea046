//! The check of an expression's tree: names, functions, numbers of arguments; and what it reads of an event.

use std::collections::BTreeSet;
use std::sync::Arc;

use rhai::{AST, ASTNode, Expr, FnCallExpr, ParseError, ParseErrorType, Position, Stmt};

use crate::diagnostic::{Code, codes};
use crate::event::{Demand, Path};

use super::call;
use super::chain::{self, Link, Step};
use super::context::{ANONYMOUS, Shared, UserFunction};
use super::engine;
use super::habits;
use super::library;
use super::methods;
use super::problem::{Problem, Source, did_you_mean};
use super::value::Value;

/// The fields of `meta`.
pub const META_FIELDS: &[&str] = &["source", "key", "time", "headers", "partition", "offset"];

/// What an expression reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub event: Demand,
    pub meta: BTreeSet<&'static str>,
}

/// A syntax error as a problem.
pub(crate) fn syntax(source: &Source, error: &ParseError) -> Problem {
    let range = source.token(error.position());
    if let Some(word) = engine::DISABLED.iter().find(|word| source.text.get(range.clone()) == Some(**word)) {
        let message = format!("expressions do without `{word}`");
        return Problem { code: &codes::EXPR_FORBIDDEN, range, message, help: None };
    }
    let (code, message, help) = match &*error.0 {
        ParseErrorType::Reserved(word) => (
            &codes::EXPR_RESERVED_WORD,
            format!("`{word}` is a reserved word"),
            Some(format!("as the name of a field, write it in brackets: `event[\"{word}\"]`")),
        ),
        ParseErrorType::UnexpectedEOF => {
            (&codes::EXPR_SYNTAX, "the expression ends too early".to_owned(), Some("close what was opened".to_owned()))
        }
        ParseErrorType::MissingToken(token, what) => {
            (&codes::EXPR_SYNTAX, format!("`{token}` is missing {what}"), Some(format!("write `{token}` here")))
        }
        ParseErrorType::ExprTooDeep => {
            let help = "give parts of it names with `let`".to_owned();
            (&codes::EXPR_SYNTAX, "the expression is nested too deeply".to_owned(), Some(help))
        }
        ParseErrorType::PropertyExpected => reserved_field(source, error.position()),
        ParseErrorType::MismatchedType(..) => {
            let help = "`&&` and `||` join conditions; for a value where one is missing, write `a ?? b`".to_owned();
            (&codes::EXPR_SYNTAX, error.0.to_string(), Some(help))
        }
        other => {
            let text = other.to_string();
            let is_name =
                text.contains("Reserved") || source.text.get(range.clone()).is_some_and(|told| !told.is_ascii());
            let help = is_name.then(|| {
                "a field whose name is of more than ASCII letters and digits, or reserved, stands in brackets: `event[\"name\"]`".to_owned()
            });
            (&codes::EXPR_SYNTAX, text, help)
        }
    };
    let (code, message, help) = match habits::of_syntax(&source.text, &range) {
        // Rhai calls them reserved words, or misses a `;` before them.
        Some(habit) => {
            let told = source.text.get(range.clone()).unwrap_or_default();
            (&codes::EXPR_SYNTAX, format!("`{told}` cannot stand here"), Some(habit.to_owned()))
        }
        None => (code, message, help),
    };
    Problem { code, range, message, help }
}

/// After a dot there must be a name, and Rhai's own words are none.
fn reserved_field(source: &Source, at: Position) -> (&'static Code, String, Option<String>) {
    let word = &source.text[source.token(at)];
    if word.chars().all(|c| c.is_alphanumeric() || c == '_') && !word.is_empty() {
        let help = Some(format!("write it in brackets: `event[\"{word}\"]`"));
        return match word.is_ascii() {
            true => {
                let message = format!("`{word}` is a word of the language, not a field's name here");
                (&codes::EXPR_RESERVED_WORD, message, help)
            }
            false => {
                let message = format!("`{word}` cannot follow a dot: a name there has letters and digits of ASCII");
                (&codes::EXPR_SYNTAX, message, help)
            }
        };
    }
    (&codes::EXPR_SYNTAX, "the name of a field must follow the dot".to_owned(), None)
}

/// Checks an expression.
pub(crate) fn expression(
    shared: &Shared,
    source: &Source,
    ast: &AST,
    scope: &[String],
    more: &'static [library::Function],
) -> (Reads, Vec<Problem>) {
    let mut checker = Checker::new(shared, source, false);
    checker.more = more;
    checker.scopes.push(scope.to_vec());
    checker.block(ast.statements());
    // Closures stand beside the statements; a name that any of them takes is known in all of them.
    let params = ast.iter_fn_def().flat_map(|function| function.params.iter().map(|param| param.to_string()));
    checker.scopes.push(params.filter(|name| name != "event" && name != "meta").collect());
    // They come without their borders, so which of them ends a closure, and is its value, is not known.
    closures(ast).iter().for_each(|stmt| checker.stmt(stmt));
    checker.problems.sort_by_key(|problem| problem.range.start);
    checker.problems.dedup();
    (checker.reads, checker.problems)
}

/// Checks the body of a function of a file.
pub(crate) fn function(shared: &Shared, _name: &str, function: &UserFunction) -> Vec<Problem> {
    let mut checker = Checker::new(shared, &function.file.1, true);
    checker.scopes.push(function.params.clone());
    checker.block(&function.body);
    checker.problems
}

/// The statements of the closures and functions of an expression.
pub(crate) fn closures(ast: &AST) -> Vec<Stmt> {
    let main = ast.statements().len();
    let mut seen = 0;
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(stmt)] = path {
            if seen >= main {
                found.push((*stmt).clone());
            }
            seen += 1;
        }
        true
    });
    found
}

struct Checker<'a> {
    shared: &'a Shared,
    source: &'a Source,
    /// In a function of a file, which sees neither `event` nor `meta`.
    in_function: bool,
    /// Functions beside those that every expression has.
    more: &'static [library::Function],
    scopes: Vec<Vec<String>>,
    reads: Reads,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn new(shared: &'a Shared, source: &'a Source, in_function: bool) -> Checker<'a> {
        Checker {
            shared,
            source,
            in_function,
            more: &[],
            scopes: Vec::new(),
            reads: Reads::default(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, code: &'static Code, at: Position, message: String, help: Option<String>) {
        self.problems.push(Problem { code, range: self.source.token(at), message, help });
    }

    fn known(&self, name: &str) -> bool {
        self.scopes.iter().flatten().any(|have| have == name)
    }

    fn declare(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(name.to_owned());
        }
    }

    fn block(&mut self, stmts: &[Stmt]) {
        self.scopes.push(Vec::new());
        for (index, stmt) in stmts.iter().enumerate() {
            self.stmt(stmt);
            // The last one is the value of the block.
            if index + 1 < stmts.len() {
                self.unused(stmt);
            }
        }
        self.scopes.pop();
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Noop(_) | Stmt::Share(_) => {}
            Stmt::If(flow, _) => {
                self.expr(&flow.expr);
                self.block(flow.body.statements());
                self.block(flow.branch.statements());
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expr(&flow.expr);
                self.block(flow.body.statements());
            }
            Stmt::Switch(switch, _) => {
                self.expr(&switch.0);
                for case in &switch.1.expressions {
                    self.expr(&case.lhs);
                    self.expr(&case.rhs);
                }
            }
            Stmt::For(parts, _) => {
                let (name, counter, flow) = &**parts;
                self.expr(&flow.expr);
                self.scopes.push(vec![name.name.to_string()]);
                if let Some(counter) = counter {
                    self.declare(&counter.name);
                }
                self.block(flow.body.statements());
                self.scopes.pop();
            }
            Stmt::Var(parts, ..) => {
                self.expr(&parts.1);
                self.declare(&parts.0.name);
            }
            Stmt::Assignment(parts) => {
                self.assignment(&parts.1.lhs);
                self.expr(&parts.1.rhs);
            }
            Stmt::FnCall(call, at) => self.call(call, *at, 0),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.statements());
                self.scopes.push(Vec::new());
                if let Expr::Variable(name, ..) = &flow.expr {
                    self.declare(&name.1);
                }
                self.block(flow.branch.statements());
                self.scopes.pop();
            }
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::BreakLoop(expr, ..) | Stmt::Return(expr, ..) => {
                if let Some(expr) = expr {
                    self.expr(expr);
                }
            }
            Stmt::Import(_, at) | Stmt::Export(_, at) => self.forbidden(*at, "modules"),
            other => self.forbidden(other.position(), "this statement"),
        }
    }

    /// Whoever knows Rhai's own `trim`, `sort` or `replace` expects them to change their variable.
    fn unused(&mut self, stmt: &Stmt) {
        let (call, at) = match stmt {
            Stmt::FnCall(call, at) => (&**call, *at),
            Stmt::Expr(expr) => match (&**expr, chain::flatten(expr).1.last().map(|link| link.step)) {
                (Expr::FnCall(call, at), _) => (&**call, *at),
                (_, Some(Step::Method(call, at))) => (call, at),
                _ => return,
            },
            _ => return,
        };
        let name = call.name.as_str();
        if library::find(name).is_some() && methods::find(name).is_none() {
            let help = format!("it changes nothing in place; keep what it gives: `let x = {name}(...)`");
            self.problem(&codes::EXPR_UNUSED_RESULT, at, format!("the result of `{name}` is not used"), Some(help));
        }
    }

    fn forbidden(&mut self, at: Position, what: &str) {
        let help = Some("put shared code into a file listed under `functions`".to_owned());
        self.problem(&codes::EXPR_FORBIDDEN, at, format!("expressions do without {what}"), help);
    }

    fn assignment(&mut self, target: &Expr) {
        let (base, _) = chain::flatten(target);
        if let Expr::Variable(name, _, at) = base
            && matches!(name.1.as_str(), "event" | "meta" | "params")
            && !self.known(&name.1)
        {
            let message = format!("`{}` cannot be changed", name.1);
            let help = "to compare, write `==`; to change a field, use `set` or `map`".to_owned();
            self.problem(&codes::EXPR_READ_ONLY, *at, message, Some(help));
            return;
        }
        self.expr(target);
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::InterpolatedString(parts, _) | Expr::Array(parts, _) => parts.iter().for_each(|part| self.expr(part)),
            Expr::Map(fields, _) => fields.0.iter().for_each(|(_, value)| self.expr(value)),
            Expr::Variable(_, _, at) => self.variable(expr, *at, &[]),
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, at) => self.call(call, *at, 0),
            Expr::MethodCall(call, at) => self.call(call, *at, 1),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                parts.iter().for_each(|part| self.expr(part));
            }
            Expr::Dot(..) | Expr::Index(..) => {
                let (base, links) = chain::flatten(expr);
                match base {
                    Expr::Variable(_, _, at) => self.variable(base, *at, &links),
                    _ => {
                        self.expr(base);
                        self.links(&links);
                    }
                }
            }
            Expr::Custom(_, at) => self.forbidden(*at, "custom syntax"),
            _ => {}
        }
    }

    fn links(&mut self, links: &[Link<'_>]) {
        for link in links {
            match link.step {
                Step::Field(..) => {}
                Step::Index(index) => self.expr(index),
                Step::Method(call, at) => self.call(call, at, 1),
            }
        }
    }

    /// A variable and the chain that hangs on it.
    fn variable(&mut self, variable: &Expr, at: Position, links: &[Link<'_>]) {
        let Expr::Variable(parts, ..) = variable else { return };
        let name = parts.1.as_str();
        if !parts.2.is_empty() {
            self.forbidden(at, "modules");
            return;
        }
        if self.known(name) {
            return self.links(links);
        }
        let fields = chain::fields(links);
        match name {
            "event" | "meta" if self.in_function => {
                let help = format!("give the function a parameter, and pass `{name}` or its fields");
                self.problem(
                    &codes::EXPR_UNKNOWN_VARIABLE,
                    at,
                    format!("a function does not see `{name}`"),
                    Some(help),
                );
            }
            "event" => self.reads.event.add(fields.iter().map(|(name, _)| Arc::from(*name)).collect::<Path>()),
            "meta" => self.meta(fields.first().copied()),
            "params" => self.params(&fields),
            _ => self.unknown_variable(name, at),
        }
        self.links(links.get(fields.len()..).unwrap_or_default());
    }

    fn meta(&mut self, field: Option<(&str, Position)>) {
        let Some((name, at)) = field else {
            self.reads.meta.extend(META_FIELDS);
            return;
        };
        match META_FIELDS.iter().find(|have| **have == name) {
            Some(field) => drop(self.reads.meta.insert(field)),
            None => {
                let help = did_you_mean(name, META_FIELDS.iter().copied())
                    .unwrap_or_else(|| format!("`meta` has {}", META_FIELDS.join(", ")));
                self.problem(&codes::EXPR_UNKNOWN_FIELD, at, format!("`meta` has no field `{name}`"), Some(help));
            }
        }
    }

    fn params(&mut self, fields: &[(&str, Position)]) {
        let mut object = Some(&self.shared.params);
        for (name, at) in fields {
            let Some(fields) = object else { return };
            let Some(value) = fields.get(*name) else {
                let help = did_you_mean(name, fields.keys().map(String::as_str))
                    .or_else(|| Some(format!("add `{name}` to `params`, or pass `--set {name}=...`")));
                return self.problem(&codes::EXPR_UNKNOWN_FIELD, *at, format!("`params` has no field `{name}`"), help);
            };
            object = value.as_object();
        }
    }

    fn unknown_variable(&mut self, name: &str, at: Position) {
        let near = self.scopes.iter().flatten().map(String::as_str).chain(["event", "meta", "params"]);
        let habit = habits::of_word(name).map(str::to_owned);
        let help = habit.or_else(|| did_you_mean(name, near)).or_else(|| {
            let seen = if self.in_function { "" } else { ", or `event.NAME` for a field" };
            Some(format!("write `\"{name}\"` for a text{seen}").replace("NAME", name))
        });
        self.problem(&codes::EXPR_UNKNOWN_VARIABLE, at, format!("there is no variable `{name}`"), help);
    }

    /// A call; `receiver` is 1 for a method, whose first argument stands before the dot.
    fn call(&mut self, call: &FnCallExpr, at: Position, receiver: usize) {
        let name = call.name.as_str();
        if !call.namespace.is_empty() || call.capture_parent_scope {
            self.forbidden(at, "modules and `!` calls");
        } else if !name.starts_with(ANONYMOUS) && !call.is_operator_call() {
            self.callee(call, at, receiver);
        }
        call.args.iter().for_each(|arg| self.expr(arg));
    }

    fn callee(&mut self, call: &FnCallExpr, at: Position, receiver: usize) {
        let (name, args) = (call.name.as_str(), call.args.len() + receiver);
        let users: Vec<usize> =
            self.shared.functions.keys().filter(|(have, _)| have == name).map(|(_, params)| *params).collect();
        // A script function called as a method gets its receiver as `this`, not as a parameter.
        if users.contains(&call.args.len()) {
            return;
        }
        if receiver == 1 && users.contains(&args) {
            let message = format!("`{name}` is called as a method, but its first parameter is not `this`");
            return self.problem(&codes::EXPR_WRONG_ARITY, at, message, Some(format!("write `{name}(...)`")));
        }
        let native = methods::find(name);
        let more = self.more.iter().find(|function| function.name == name);
        if let Some(function) = library::find(name).or(more) {
            let (least, most) = function.arity();
            if (least..=most).contains(&args) {
                return self.constants(function, call, at, receiver);
            }
            if native.is_none_or(|(least, most)| !(least..=most).contains(&args)) {
                let message = format!("`{name}` takes {}, not {args}", arguments(least, most));
                return self.problem(
                    &codes::EXPR_WRONG_ARITY,
                    at,
                    message,
                    Some(format!("it is `{}`", function.signature())),
                );
            }
            return;
        }
        match native {
            Some((least, most)) if (least..=most).contains(&args) => {}
            Some((least, most)) => {
                let message = format!("`{name}` takes {}, not {args}", arguments(least, most));
                self.problem(&codes::EXPR_WRONG_ARITY, at, message, None);
            }
            None if !users.is_empty() => {
                let counts: Vec<String> = users.iter().map(usize::to_string).collect();
                let message = format!("`{name}` takes {} arguments, not {args}", counts.join(" or "));
                self.problem(&codes::EXPR_WRONG_ARITY, at, message, None);
            }
            None => {
                let help = match library::random::find(name) {
                    Some(_) => Some("only the `event` of a `generate` source has it".to_owned()),
                    None => library::hint(name).or_else(|| {
                        did_you_mean(name, self.shared.function_names().chain(self.more.iter().map(|f| f.name)))
                    }),
                };
                self.problem(&codes::EXPR_UNKNOWN_FUNCTION, at, format!("there is no function `{name}`"), help);
            }
        }
    }

    /// Lets a function judge the arguments that are constants.
    fn constants(&mut self, function: &library::Function, call: &FnCallExpr, at: Position, receiver: usize) {
        for (param, arg) in function.params.iter().skip(receiver).zip(&call.args) {
            if let Some(kind) = constant(arg).map(|value| value.kind()).filter(|kind| !param.types.has(*kind)) {
                let fail = call::refuse(function, param.name, param.types, kind);
                self.problem(&codes::EXPR_BAD_ARGUMENT, arg.start_position(), fail.message, None);
            }
        }
        let Some(check) = function.check else { return };
        let texts: Vec<Option<Value<'_>>> =
            std::iter::repeat_n(None, receiver).chain(call.args.iter().map(constant)).collect();
        if let Err(fail) = check(&texts) {
            let at = call.args.iter().find(|arg| constant(arg).is_some()).map_or(at, Expr::start_position);
            self.problem(&codes::EXPR_BAD_ARGUMENT, at, function.named(fail).message, None);
        }
    }
}

fn constant(expr: &Expr) -> Option<Value<'_>> {
    match expr {
        Expr::StringConstant(text, _) => Some(Value::Str(text)),
        Expr::IntegerConstant(int, _) => Some(Value::Int(*int)),
        Expr::FloatConstant(float, _) => Some(Value::Float(**float)),
        Expr::BoolConstant(bool, _) => Some(Value::Bool(*bool)),
        Expr::Unit(_) => Some(Value::Unit),
        _ => None,
    }
}

fn arguments(least: usize, most: usize) -> String {
    match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        _ if least == most => format!("{least} arguments"),
        _ => format!("{least} to {most} arguments"),
    }
}
