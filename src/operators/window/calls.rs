//! The aggregates of a window as written: their calls checked and made into aggregators.

use std::sync::Arc;

use crate::diagnostic::codes;
use crate::event::{Batch, BatchBuilder, Layout, Meta, Timestamp};
use crate::expr::{AggregateArg, AggregateCall, Arena, Expr};
use crate::limits::COLLECT_DEFAULT;
use crate::operators::aggregate::{Aggregate, FUNCTIONS, Function, find};
use crate::operators::expression::{Place, StageExpr};
use crate::operators::stage::{StageContext, report};
use crate::spec::NamedExpr;
use crate::state::Value;

use super::finish::Field;
use super::folds::Fold;
use super::operator::Call;

/// Everything under `aggregate`.
#[derive(Default)]
pub struct Aggregates {
    pub fields: Vec<Field>,
    pub calls: Vec<Call>,
    /// The arguments of all calls, each different one once.
    pub args: Vec<StageExpr>,
    pub folds: Vec<Fold>,
}

impl Aggregates {
    /// Compiles all fields; every problem is reported.
    pub fn plan(fields: &[NamedExpr], ctx: &mut StageContext) -> Option<Aggregates> {
        let mut all = Aggregates::default();
        let mut is_sound = true;
        for named in fields {
            is_sound &= all.field(named, ctx).is_some();
        }
        is_sound.then_some(all)
    }

    fn field(&mut self, named: &NamedExpr, ctx: &mut StageContext) -> Option<()> {
        let text = &named.expr;
        let names: Vec<&str> = FUNCTIONS.iter().map(|function| function.name).collect();
        let aggregate = match ctx.expr.compile_aggregate(&text.text, &names) {
            Ok(aggregate) => aggregate,
            Err(problems) => {
                problems.iter().for_each(|problem| report(ctx.diagnostics, text, problem));
                return None;
            }
        };
        let first = self.calls.len();
        let mut is_sound = true;
        for call in &aggregate.calls {
            match self.call(named, call, ctx) {
                Ok(call) => self.calls.push(call),
                Err(misuse) => {
                    let span = text.span_of_bytes(misuse.range.start, misuse.range.end);
                    ctx.diagnostics.error(&codes::EXPR_BAD_AGGREGATE, span, misuse.message).help(misuse.help);
                    is_sound = false;
                }
            }
        }
        if !is_sound {
            return None;
        }
        let is_bare = aggregate.calls.len() == 1 && aggregate.outer.text().trim() == "agg_0";
        let outer = (!is_bare).then(|| {
            let place = Place::new(text.clone(), ctx.sources.clone());
            StageExpr::new(aggregate.outer.clone(), place, &key(named))
        });
        self.fields.push(Field { name: named.name.as_str().into(), calls: first..self.calls.len(), outer });
        Some(())
    }

    fn call(&mut self, named: &NamedExpr, call: &AggregateCall, ctx: &mut StageContext) -> Result<Call, Misuse> {
        let aggregate = aggregate(call, ctx)?;
        let takes_argument = aggregate != Aggregate::Count;
        let arg = call.args.first().filter(|_| takes_argument).map(|arg| self.arg(named, arg, ctx));
        if let (Some(step), Some(start)) = (&call.fold, arg) {
            let step = part(named, step, ctx);
            self.folds.push(Fold { call: self.calls.len(), start, step });
        }
        let span = named.expr.span_of_bytes(call.range.start, call.range.end);
        Ok(Call { aggregate, arg, at: ctx.at(span) })
    }

    /// The place of an argument among all of them.
    fn arg(&mut self, named: &NamedExpr, arg: &AggregateArg, ctx: &StageContext) -> usize {
        let text = arg.expr.text();
        self.args.iter().position(|known| known.expr().text() == text).unwrap_or_else(|| {
            self.args.push(part(named, arg, ctx));
            self.args.len() - 1
        })
    }
}

fn key(named: &NamedExpr) -> String {
    format!("aggregate.{}", named.name)
}

/// An argument as an expression with a place of its own.
fn part(named: &NamedExpr, arg: &AggregateArg, ctx: &StageContext) -> StageExpr {
    let text = named.expr.part(arg.range.start, arg.range.end);
    StageExpr::new(arg.expr.clone(), Place::new(text, ctx.sources.clone()), &key(named))
}

/// A call that cannot be.
struct Misuse {
    range: std::ops::Range<usize>,
    message: String,
    help: String,
}

/// The aggregator of a call.
fn aggregate(call: &AggregateCall, ctx: &StageContext) -> Result<Aggregate, Misuse> {
    let misuse = |message: String, help: &str| Misuse { range: call.range.clone(), message, help: help.to_owned() };
    let Some(Function { arity: (least, most), example: (usage, _), .. }) = find(&call.name) else {
        return Err(misuse(format!("`{}` is no aggregate", call.name), "use one of the aggregates"));
    };
    if !(least..=most).contains(&&call.args.len()) {
        let given = match call.args.len() {
            1 => "1 argument".to_owned(),
            n => format!("{n} arguments"),
        };
        return Err(misuse(format!("`{}` is given {given}", call.name), &format!("write `{usage}`")));
    }
    let limits = ctx.limits;
    Ok(match call.name.as_str() {
        "count" if call.args.is_empty() => Aggregate::Count,
        "count" => Aggregate::CountOf,
        "sum" => Aggregate::Sum,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "avg" => Aggregate::Avg,
        "first" => Aggregate::First,
        "last" => Aggregate::Last,
        "stddev" => Aggregate::StdDev,
        "distinct" => Aggregate::Distinct { max: limits.distinct },
        "approx_distinct" => Aggregate::ApproxDistinct,
        "collect" => Aggregate::Collect { max: number(call, 1, COLLECT_DEFAULT, limits.collect, usage)? },
        "top" => Aggregate::Top { k: number(call, 1, 1, limits.distinct, usage)?, max: limits.distinct },
        "approx_quantile" => Aggregate::ApproxQuantile { q: share(call, usage)? },
        _ => Aggregate::Fold,
    })
}

/// A constant argument from 1 to a bound.
fn number(call: &AggregateCall, arg: usize, default: usize, max: usize, usage: &str) -> Result<usize, Misuse> {
    let Some(arg) = call.args.get(arg) else { return Ok(default.min(max)) };
    let limit = if call.name == "top" { "limits.distinct" } else { "limits.collect" };
    match constant(&arg.expr) {
        Some(Value::Int(int)) if int > 0 && int as u64 <= max as u64 => Ok(int as usize),
        _ => Err(Misuse {
            range: arg.range.clone(),
            message: format!("this must be a constant number from 1 to {max}"),
            help: format!("write `{usage}`; `{limit}` raises the bound"),
        }),
    }
}

/// A constant argument from 0 to 1.
fn share(call: &AggregateCall, usage: &str) -> Result<f64, Misuse> {
    let Some(arg) = call.args.get(1) else { return Ok(0.5) };
    match constant(&arg.expr) {
        Some(Value::Float(q)) if (0.0..=1.0).contains(&q) => Ok(q),
        Some(Value::Int(q @ 0..=1)) => Ok(q as f64),
        _ => Err(Misuse {
            range: arg.range.clone(),
            message: "this must be a constant share from 0.0 to 1.0".to_owned(),
            help: format!("write `{usage}`"),
        }),
    }
}

/// The value of an expression that reads nothing of an event.
fn constant(expr: &Expr) -> Option<Value> {
    if !expr.reads().paths.is_empty() || expr.reads_meta().next().is_some() {
        return None;
    }
    let layout = Arc::new(Layout::fields([]));
    let mut builder = BatchBuilder::new(layout.clone());
    builder.push([], Timestamp::NONE, Timestamp::NONE);
    let batch: Batch = builder.finish(0, Arc::new(Meta::of("constant".into())));
    let (mut arena, mut errors) = (Arena::default(), Vec::new());
    arena.begin(&batch.texts);
    let column = expr.bind(&layout).eval(&batch, &[0], &[], &mut arena, &mut errors);
    let mut texts = batch.texts;
    arena.finish(&mut texts);
    column.cells().first().filter(|_| errors.is_empty()).map(|cell| Value::of(*cell, &texts))
}
