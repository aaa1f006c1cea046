//! Filter-map: the stage that keeps, changes, replaces or multiplies events.

mod flat_map;

use std::sync::Arc;

use crate::diagnostic::{Span, codes};
use crate::event::decode::cut_columns;
use crate::event::{Batch, Demand, Layout};
use crate::expr::Want;
use crate::flow::{Fatal, Operator, Output, Progress};
use crate::schema::{Kinds, Shape};
use crate::spec::{Key, NamedExpr, OneOrNamed, Rule, Section, StageSpec, Table, Type};

use super::edit::{Recipe, add_unchanged, chosen};
use super::eval::{Evaluated, Evaluator};
use super::expression::{StageExpr, reads};
use super::stage::{Stage, StageContext};
use super::typing::Typing;
use flat_map::FlatMap;

pub static TABLE: Table = Table::new(
    "filter-map",
    "Keeps events that a condition holds for, then replaces (`map`), changes (`set`, `unset`) or multiplies (`flat_map`) them. \
     Its keys stand in the stage itself. All expressions see the event that came in.",
    &[
        Key::new("filter", Type::Expr, "Events for which it is `true` go on; the others are dropped. It must be a bool.").example("event.amount > 0"),
        Key::new(
            "map",
            Type::ExprOrMap,
            "The new event: one expression for each field, in written order, or one expression or block that returns an object.",
        )
        .example("{ user: event.user_id, amount: event.amount }"),
        Key::new("set", Type::ExprMap, "Fields that are added or replaced; the others stay as they are.").example("{ cents: event.amount * 100 }"),
        Key::new("unset", Type::ListOf(&Type::Text), "Fields that are removed.").example("[card_number, cvc]"),
        Key::new("flat_map", Type::Expr, "An array of objects: each becomes an event of its own. An empty one drops the event.")
            .example("event.items"),
    ],
)
.inline()
.rules(&[Rule::AtMostOne(&["map", "set", "flat_map"]), Rule::AtMostOne(&["map", "unset", "flat_map"])])
.example(
    "payments:\n  from: [card, online]\n  filter: event.amount > 0\n  map:\n    user: event.user_id\n    amount: event.amount\n    abroad: event.merchant.country != event.card_country\n",
);

/// A filter, and what happens to the events that it keeps.
struct FilterMap {
    filter: Option<StageExpr>,
    then: Then,
}

/// What becomes of an event that the filter has kept.
enum Then {
    /// It passes as it is.
    Pass,
    /// A new one of these fields, in written order.
    Fields(Vec<(Arc<str>, StageExpr)>),
    /// A new one: the object that a block returns.
    Object(StageExpr),
    /// The same one with fields changed.
    Edit { set: Vec<(Arc<str>, StageExpr)>, unset: Vec<Arc<str>>, unset_at: Vec<Span> },
    /// An event for each item of an array.
    FlatMap(StageExpr),
}

/// Checks and compiles a filter-map.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    // Both are compiled before either failure counts, so that every problem is told.
    let filter = config.expr_opt("filter").map(|text| ctx.compile("filter", text, Want::Filter));
    let then = plan_then(config, ctx);
    let filter = match filter {
        Some(filter) => Some(filter?),
        None => None,
    };
    Some(Box::new(FilterMap { filter, then: then? }))
}

fn plan_then(config: &Section, ctx: &mut StageContext) -> Option<Then> {
    if let Some(text) = config.expr_opt("flat_map") {
        return Some(Then::FlatMap(ctx.compile("flat_map", text, flat_map::WANT)?));
    }
    match config.one_or_named_opt("map") {
        Some(OneOrNamed::One(text)) => return Some(Then::Object(ctx.compile("map", text, Want::Object)?)),
        Some(OneOrNamed::Named(fields)) => return Some(Then::Fields(compile_fields("map", fields, ctx)?)),
        None => {}
    }
    let (set, unset) = (config.exprs_opt("set").unwrap_or_default(), config.texts("unset"));
    if set.is_empty() && unset.is_empty() {
        return Some(Then::Pass);
    }
    for both in set.iter().filter(|field| unset.contains(&field.name.as_str())) {
        let message = format!("`{}` is both set and removed", both.name);
        ctx.diagnostics
            .error(&codes::SET_AND_UNSET, both.name_span, message)
            .help("remove it from `set` or from `unset`");
    }
    let set = compile_fields("set", set, ctx)?;
    let unset_at = config.list_opt("unset").unwrap_or_default().iter().map(|item| item.span).collect();
    Some(Then::Edit { set, unset: unset.into_iter().map(Arc::from).collect(), unset_at })
}

fn compile_fields(key: &str, fields: &[NamedExpr], ctx: &mut StageContext) -> Option<Vec<(Arc<str>, StageExpr)>> {
    let names = fields.iter().map(|field| Arc::from(field.name.as_str()));
    Some(names.zip(ctx.compile_all(key, fields, Want::Value)?).collect())
}

impl Stage for FilterMap {
    fn demand(&self, outputs: &[Demand]) -> Demand {
        let mut all = self.reads();
        for output in outputs {
            match &self.then {
                Then::Pass => all.extend(output),
                Then::Edit { set, unset, .. } => {
                    let is_made = |name: &Arc<str>| unset.contains(name) || set.iter().any(|(set, _)| set == name);
                    add_unchanged(&mut all, output, is_made);
                }
                // New events: what is read of them is made here.
                Then::Fields(_) | Then::Object(_) | Then::FlatMap(_) => {}
            }
        }
        all
    }

    fn reads(&self) -> Demand {
        reads(self.expressions())
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        let mut all: Vec<&StageExpr> = self.filter.iter().collect();
        match &self.then {
            Then::Pass => {}
            Then::Object(expr) | Then::FlatMap(expr) => all.push(expr),
            Then::Fields(fields) | Then::Edit { set: fields, .. } => all.extend(fields.iter().map(|(_, expr)| expr)),
        }
        all
    }

    fn types(&self, input: &Shape, ports: usize, typing: &mut Typing<'_>) -> Vec<Shape> {
        let passed = match &self.filter {
            Some(filter) => typing.infer(filter, input).holds,
            None => input.clone(),
        };
        let mut fields = |fields: &[(Arc<str>, StageExpr)]| -> Vec<(Arc<str>, Shape)> {
            fields.iter().map(|(name, expr)| (name.clone(), typing.infer(expr, &passed).shape)).collect()
        };
        let out = match &self.then {
            Then::Pass => passed,
            Then::Fields(all) => Shape::record(fields(all)),
            Then::Object(expr) => typing.infer(expr, &passed).shape.only(Kinds::OBJECT),
            Then::Edit { set, unset, unset_at } => {
                let made = fields(set);
                unset.iter().zip(unset_at).for_each(|(name, at)| typing.has(&passed, name, *at));
                let left = unset.iter().fold(passed.unnamed(), |event, name| event.without_field(name));
                made.iter().fold(left, |event, (name, shape)| event.with(std::slice::from_ref(name), shape))
            }
            Then::FlatMap(expr) => {
                let items = typing.infer(expr, &passed).shape.items;
                items.map_or(Shape::of(Kinds::OBJECT), |items| items.only(Kinds::OBJECT))
            }
        };
        vec![out; ports]
    }

    fn layouts(&self, inputs: &[Arc<Layout>], outputs: &[Demand]) -> Vec<Vec<Arc<Layout>>> {
        let layouts = |output: &Demand| match &self.then {
            Then::Pass => inputs.to_vec(),
            Then::Fields(fields) => vec![Arc::new(Layout::fields(fields.iter().map(|(name, _)| &**name)))],
            Then::Object(expr) => vec![Arc::new(match expr.expr().object_fields() {
                Some(fields) => Layout::fields(fields.iter().map(|name| &**name)),
                None => Layout::text(output),
            })],
            Then::Edit { .. } => self.recipes(inputs).into_iter().map(|recipe| recipe.layout).collect(),
            Then::FlatMap(_) => vec![Arc::new(Layout::text(output))],
        };
        outputs.iter().map(layouts).collect()
    }

    fn operator(&self, inputs: &[Arc<Layout>], outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        // The first port's layouts; a stage that makes new events has exactly one.
        let layout = || outputs.first().and_then(|layouts| layouts.first()).cloned().unwrap_or_else(empty);
        let then = match &self.then {
            Then::Pass => RunThen::Pass,
            Then::Fields(fields) => {
                RunThen::Fields(Evaluator::new(fields.iter().map(|(_, expr)| expr), inputs), layout())
            }
            Then::Object(expr) => RunThen::Object {
                has_fields: expr.expr().object_fields().is_some(),
                expr: Evaluator::new([expr], inputs),
                layout: layout(),
            },
            Then::Edit { set, .. } => {
                RunThen::Edit(Evaluator::new(set.iter().map(|(_, expr)| expr), inputs), self.recipes(inputs))
            }
            Then::FlatMap(expr) => RunThen::FlatMap(FlatMap::new(expr, inputs, layout())),
        };
        Box::new(Run { filter: self.filter.as_ref().map(|filter| Evaluator::new([filter], inputs)), then })
    }
}

impl FilterMap {
    fn recipes(&self, inputs: &[Arc<Layout>]) -> Vec<Recipe> {
        let Then::Edit { set, unset, .. } = &self.then else { return Vec::new() };
        let set = set.iter().enumerate().map(|(i, (name, _))| (name.clone(), Some(i)));
        let edits = set.chain(unset.iter().map(|name| (name.clone(), None))).collect();
        inputs.iter().map(|layout| Recipe::new(layout, &edits)).collect()
    }
}

fn empty() -> Arc<Layout> {
    Arc::new(Layout::fields([]))
}

/// A filter-map at work.
struct Run {
    filter: Option<Evaluator>,
    then: RunThen,
}

enum RunThen {
    Pass,
    Fields(Evaluator, Arc<Layout>),
    Object { expr: Evaluator, layout: Arc<Layout>, has_fields: bool },
    Edit(Evaluator, Vec<Recipe>),
    FlatMap(FlatMap),
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let mut rows = batch.selection.to_vec();
        if let Some(filter) = &mut self.filter {
            rows = filter.test(0, &batch, &mut rows, out);
        }
        if rows.is_empty() {
            return Ok(Progress::Done);
        }
        match &mut self.then {
            RunThen::Pass => out.emit(0, batch.select(rows)),
            RunThen::Fields(exprs, layout) => {
                let made = exprs.eval(&batch, rows, out);
                out.emit(0, replaced(batch, layout, made));
            }
            RunThen::Object { expr, layout, has_fields: true } => {
                let made = expr.eval_fields(&batch, rows, out);
                out.emit(0, replaced(batch, layout, made));
            }
            RunThen::Object { expr, layout, has_fields: false } => {
                let mut made = expr.eval(&batch, rows, out);
                if let Some(objects) = made.columns.pop() {
                    made.columns = cut_columns(layout, &objects, &made.texts);
                    out.emit(0, replaced(batch, layout, made));
                }
            }
            RunThen::Edit(exprs, recipes) => {
                let made = exprs.eval(&batch, rows, out);
                if let Some(recipe) = recipes.get(usize::from(batch.variant)) {
                    out.emit(0, recipe.apply(&batch, &made.columns, made.texts, made.rows));
                }
            }
            RunThen::FlatMap(flat_map) => return Ok(flat_map.on_rows(batch, rows, out)),
        }
        Ok(Progress::Done)
    }

    fn resume(&mut self, out: &mut Output) -> Result<Progress, Fatal> {
        match &mut self.then {
            RunThen::FlatMap(flat_map) => Ok(flat_map.resume(out)),
            _ => Ok(Progress::Done),
        }
    }
}

/// New events in the rows of the old ones.
fn replaced(batch: Batch, layout: &Arc<Layout>, made: Evaluated) -> Batch {
    Batch {
        selection: chosen(&batch, made.rows),
        layout: layout.clone(),
        variant: 0,
        columns: made.columns,
        texts: made.texts,
        ..batch
    }
}

#[cfg(test)]
mod tests;
