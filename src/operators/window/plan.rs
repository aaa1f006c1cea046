//! A window stage at plan time: its keys read, checked and made into settings.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{Span, codes};
use crate::event::{Demand, Layout, Meta};
use crate::expr::Want;
use crate::flow::Operator;
use crate::limits::KEY_FIELDS_MAX;
use crate::operators::eval::Evaluator;
use crate::operators::expression::{StageExpr, reads};
use crate::operators::stage::{Carry, Stage, StageContext};
use crate::operators::typing::Typing;
use crate::schema;
use crate::spec::{OneOrNamed, Section, StageSpec, Value};
use crate::state::Shape;

use super::aligned::Aligned;
use super::assign::{Gaps, Spans};
use super::calls::Aggregates;
use super::counted::Counted;
use super::finish::Finish;
use super::folds::Folds;
use super::open::{Emit, Timing};
use super::operator::{Settings, Window};
use super::saved::Keep;
use super::sessions::OpenSessions;

/// Which windows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Aligned(Spans),
    Sessions(Gaps),
    Counted(u64),
}

/// A window stage, checked.
pub(super) struct WindowStage {
    pub id: Arc<str>,
    pub key: Vec<StageExpr>,
    /// The names of the key's fields.
    pub key_names: Vec<Arc<str>>,
    pub kind: Kind,
    pub timing: Timing,
    pub aggregates: Aggregates,
    pub having: Option<StageExpr>,
    /// Where the stage's keys stand.
    pub at: Arc<str>,
}

/// The field of results that lack events, as these went to a stage that was replaced.
pub(super) const PARTIAL: &str = "partial";

/// Checks and compiles a `window`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    let key = config.one_or_named_opt("key");
    let key_exprs = match key {
        Some(key) => ctx.compile_key("key", key),
        None => Some(Vec::new()),
    };
    let aggregates = Aggregates::plan(config.exprs("aggregate"), ctx);
    let having = match config.expr_opt("having") {
        Some(text) => ctx.compile("having", text, Want::Filter).map(Some),
        None => Some(None),
    };
    let timing = timing(config, ctx);
    let mergeable = aggregates.as_ref().is_none_or(|aggregates| aggregates.folds.is_empty());
    let kind = kind(config, mergeable, ctx);
    let key_names = names(key, config, ctx);
    Some(Box::new(WindowStage {
        id: spec.head.id.as_str().into(),
        key: key_exprs?,
        key_names: key_names?,
        kind: kind?,
        timing: timing?,
        aggregates: aggregates?,
        having: having?,
        at: ctx.at(config.span),
    }))
}

/// The names of the key's fields, after all fields of the output were found to have different ones.
fn names(key: Option<OneOrNamed<'_>>, config: &Section, ctx: &mut StageContext) -> Option<Vec<Arc<str>>> {
    let mut taken: Vec<(&str, Span)> =
        ["window_start", "window_end", "revision", PARTIAL].map(|name| (name, Span::NONE)).into();
    let mut key_names = Vec::new();
    match key {
        Some(OneOrNamed::One(text)) => taken.push(("key", text.span)),
        Some(OneOrNamed::Named(fields)) => taken.extend(fields.iter().map(|field| (&*field.name, field.name_span))),
        None => {}
    }
    key_names.extend(taken.iter().skip(4).map(|(name, _)| Arc::from(*name)));
    taken.extend(config.exprs("aggregate").iter().map(|field| (&*field.name, field.name_span)));
    let mut is_sound = true;
    for (i, (name, span)) in taken.iter().enumerate().skip(4) {
        if let Some((_, other)) = taken[..i].iter().find(|(other, _)| other == name) {
            let message = format!("a result has two fields `{name}`");
            let report = ctx.diagnostics.error(&codes::DUPLICATE_KEY, *span, message);
            let report = if *other == Span::NONE { report } else { report.also(*other, "the other one") };
            report.help("give this one another name");
            is_sound = false;
        }
    }
    if key_names.len() > KEY_FIELDS_MAX {
        let message = format!("a key of {} fields; at most {KEY_FIELDS_MAX} are taken", key_names.len());
        ctx.diagnostics.error(&codes::BAD_VALUE, config.span_of("key"), message).help("make a text of some of them");
        is_sound = false;
    }
    is_sound.then_some(key_names)
}

fn timing(config: &Section, ctx: &mut StageContext) -> Option<Timing> {
    let emit = match config.value("emit") {
        Some(Value::Choice("updates")) => Emit::Updates,
        Some(Value::Section(section)) => Emit::Every(positive(section, "every", ctx)?),
        _ => Emit::Final,
    };
    if emit != Emit::Final && config.is_written("count") {
        let message = "a window of a number of events leaves when it is full, and has no updates";
        ctx.diagnostics.error(&codes::NOT_TOGETHER, config.span_of("emit"), message).help("remove `emit`");
        return None;
    }
    Some(Timing { emit, lateness: millis(config.duration("lateness")), keys_max: ctx.keys_max(config) })
}

fn kind(config: &Section, mergeable: bool, ctx: &mut StageContext) -> Option<Kind> {
    let offset = millis(config.duration("offset"));
    if config.is_written("tumbling") {
        let size = positive(config, "tumbling", ctx)?;
        return Some(Kind::Aligned(Spans::new(size, size, offset, mergeable)));
    }
    if let Some(sliding) = config.section_opt("sliding") {
        let (size, every) = (positive(sliding, "size", ctx)?, positive(sliding, "every", ctx)?);
        if every > size || size % every != 0 {
            let message = "`size` is not a multiple of `every`, so that windows would not be of whole parts";
            let help = "write `every` so that it divides `size`, as in `{ size: 5m, every: 1m }`";
            ctx.diagnostics.error(&codes::BAD_VALUE, sliding.span_of("every"), message).help(help);
            return None;
        }
        return Some(Kind::Aligned(Spans::new(size, every, offset, mergeable)));
    }
    if let Some(session) = config.section_opt("session") {
        let (gap, max) = (positive(session, "gap", ctx)?, positive(session, "max", ctx)?);
        if !mergeable {
            let message =
                "a session cannot have a `fold`: a late event may join two sessions, and their folds cannot be joined";
            let help = "use `collect`, and compute from the list in a `map` after the window";
            ctx.diagnostics.error(&codes::NOT_TOGETHER, config.span_of("aggregate"), message).help(help);
            return None;
        }
        return Some(Kind::Sessions(Gaps { gap, max }));
    }
    Some(Kind::Counted(u64::try_from(config.int("count")).unwrap_or(1)))
}

/// A duration of at least a millisecond.
fn positive(section: &Section, key: &str, ctx: &mut StageContext) -> Option<i64> {
    let ms = millis(section.duration(key));
    if ms > 0 {
        return Some(ms);
    }
    let message = format!("`{key}` is less than a millisecond, the unit of event time");
    ctx.diagnostics.error(&codes::BAD_DURATION, section.span_of(key), message).help("write a longer one, such as `1m`");
    None
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl WindowStage {
    fn settings(&self) -> Settings {
        Settings {
            key_fields: self.key.len(),
            calls: self.aggregates.calls.clone(),
            parts: self.parts(),
            emit: self.timing.emit,
            lateness: if matches!(self.kind, Kind::Counted(_)) { 0 } else { self.timing.lateness },
            keys_max: self.timing.keys_max,
            needs_time: !matches!(self.kind, Kind::Counted(_)),
            at: self.at.clone(),
        }
    }

    /// The fields before the aggregates.
    fn leading(&self) -> impl Iterator<Item = &str> {
        self.key_names.iter().map(|name| &**name).chain(["window_start", "window_end"])
    }

    pub(super) fn revision(&self) -> Option<&'static str> {
        (self.timing.emit != Emit::Final).then_some("revision")
    }

    fn layout(&self) -> Layout {
        let fields = self.aggregates.fields.iter().map(|field| &*field.name);
        self.layout_with(fields)
    }

    /// The fields of results, with these in the place of the aggregates.
    fn layout_with<'a>(&'a self, aggregates: impl Iterator<Item = &'a str>) -> Layout {
        let usual = self.leading().chain(aggregates).chain(self.revision());
        Layout::fields_and_rare(usual.map(|name| (name, false)).chain([(PARTIAL, true)]))
    }

    fn at_work<W: Keep>(&self, windows: W, inputs: &[Arc<Layout>], layout: Arc<Layout>) -> Box<dyn Operator> {
        let aggregates = &self.aggregates;
        let calls: Vec<String> = (0..aggregates.calls.len()).map(|call| format!("call {call}")).collect();
        let raw = self.layout_with(calls.iter().map(String::as_str));
        let finish = Finish::new(
            &raw,
            layout,
            Meta::of(self.id.clone()),
            self.key.len() + 2,
            &aggregates.fields,
            self.having.as_ref(),
            aggregates.calls.iter().map(|call| call.at.clone()).collect(),
        );
        let eval = Evaluator::new(self.key.iter().chain(&aggregates.args), inputs);
        let folds = Folds::new(&aggregates.folds, inputs);
        Box::new(Window::new(self.settings(), eval, folds, windows, Arc::new(raw), finish))
    }
}

impl Stage for WindowStage {
    fn demand(&self, outputs: &[Demand]) -> Demand {
        let mut all = self.reads();
        outputs.iter().skip(1).for_each(|late| all.extend(late));
        all
    }

    fn reads(&self) -> Demand {
        let steps = self.aggregates.folds.iter().map(|fold| &fold.step);
        reads(self.key.iter().chain(&self.aggregates.args).chain(steps))
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        let aggregates = &self.aggregates;
        let steps = aggregates.folds.iter().map(|fold| &fold.step);
        let outer = aggregates.fields.iter().filter_map(|field| field.outer.as_ref());
        self.key.iter().chain(&aggregates.args).chain(steps).chain(outer).chain(&self.having).collect()
    }

    fn types(&self, input: &schema::Shape, ports: usize, typing: &mut Typing<'_>) -> Vec<schema::Shape> {
        self.shapes(input, ports, typing)
    }

    fn layouts(&self, inputs: &[Arc<Layout>], outputs: &[Demand]) -> Vec<Vec<Arc<Layout>>> {
        let main = vec![Arc::new(self.layout())];
        std::iter::once(main).chain(outputs.iter().skip(1).map(|_| inputs.to_vec())).collect()
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn shape(&self) -> Option<Shape> {
        Some(self.state_shape())
    }

    fn carry(&self, from: &Shape) -> Carry {
        self.carry_from(from)
    }

    fn operator(&self, inputs: &[Arc<Layout>], outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        let main = outputs.first().and_then(|layouts| layouts.first()).cloned();
        let layout = main.unwrap_or_else(|| Arc::new(self.layout()));
        match self.kind {
            Kind::Aligned(spans) => self.at_work(Aligned::new(spans, self.timing), inputs, layout),
            Kind::Sessions(gaps) => self.at_work(OpenSessions::new(gaps, self.timing), inputs, layout),
            Kind::Counted(size) => self.at_work(Counted::new(size, self.timing.keys_max), inputs, layout),
        }
    }
}
