//! What a window's state looks like from outside, and what becomes of it when the stage is changed.

use crate::operators::aggregate::Aggregate;
use crate::operators::expression::identity;
use crate::operators::stage::Carry;
use crate::state::Shape;

use super::operator::Call;
use super::plan::{Kind, WindowStage};

/// Of the records: see `saved`.
const VERSION: u32 = 1;

impl WindowStage {
    /// The key and the windows are the frame, each call of an aggregate a part. What only decides when results leave, and what is
    /// made of them, is in neither, nor are the names of the key's fields.
    pub(super) fn state_shape(&self) -> Shape {
        let frame = format!("{} by {}", self.windows(), identity(&self.key));
        Shape { kind: "window".into(), version: VERSION, frame, parts: self.parts() }
    }

    fn windows(&self) -> String {
        match self.kind {
            Kind::Aligned(spans) => spans.to_string(),
            Kind::Sessions(gaps) => format!("sessions {} {}", gaps.gap, gaps.max),
            Kind::Counted(size) => format!("events {size}"),
        }
    }

    /// A call is known by its function and its argument. Constants beside that are no part of its name: they decide what is made
    /// of what it keeps (which quantile, how many of the top), or how much it may keep.
    pub(super) fn parts(&self) -> Vec<String> {
        let aggregates = &self.aggregates;
        let part = |(i, call): (usize, &Call)| {
            let name = match call.aggregate {
                Aggregate::Count => "count()",
                ref other => other.name(),
            };
            let step = aggregates.folds.iter().find(|fold| fold.call == i).map(|fold| &fold.step);
            let exprs = call.arg.and_then(|arg| aggregates.args.get(arg)).into_iter().chain(step);
            format!("{name} {}", identity(exprs)).trim_end().to_owned()
        };
        aggregates.calls.iter().enumerate().map(part).collect()
    }

    pub(super) fn carry_from(&self, from: &Shape) -> Carry {
        let shape = self.state_shape();
        if shape.kind != from.kind || shape.version != from.version {
            return Carry::Cut("its state was of another kind".into());
        }
        if shape.frame != from.frame {
            let windows = |frame: &str| frame.split(" by ").next().unwrap_or_default().to_owned();
            let what = if windows(&shape.frame) == windows(&from.frame) { "its key has" } else { "its windows have" };
            return Carry::Cut(format!("{what} changed"));
        }
        let is_new = |call: usize| shape.parts.get(call).is_some_and(|part| !from.parts.contains(part));
        let fields = self.aggregates.fields.iter().filter(|field| field.calls.clone().any(is_new));
        let names: Vec<String> = fields.map(|field| format!("`{}`", field.name)).collect();
        match names.as_slice() {
            [] => Carry::Kept,
            [one] => Carry::Changed(format!("{one} is null in the windows that are open")),
            [many @ .., last] => {
                Carry::Changed(format!("{} and {last} are null in the windows that are open", many.join(", ")))
            }
        }
    }
}
