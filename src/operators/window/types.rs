//! The types of a window: of its key and its aggregates over the events, and of its results.

use std::sync::Arc;

use crate::diagnostic::codes;
use crate::expr::types::words;
use crate::operators::Typing;
use crate::schema::{Kinds, Meaning, Shape, TimeUnit};

use super::plan::{Kind, WindowStage};

impl WindowStage {
    /// What leaves: the results, and by the port `late` events as they came.
    pub(super) fn shapes(&self, input: &Shape, ports: usize, typing: &mut Typing<'_>) -> Vec<Shape> {
        let mut fields: Vec<(Arc<str>, Shape)> = Vec::new();
        for (name, key) in self.key_names.iter().zip(&self.key) {
            fields.push((name.clone(), typing.infer(key, input).shape));
        }
        let time = Shape::meaning(Kinds::INT, Meaning::Time(TimeUnit::Millis));
        // Events that are counted need no time.
        let null = if matches!(self.kind, Kind::Counted(_)) { Kinds::PERHAPS_NULL } else { Kinds::NONE };
        let time = Shape { kinds: time.kinds.and(null), ..time };
        fields.push(("window_start".into(), time.clone()));
        fields.push(("window_end".into(), time));
        let calls = self.calls(input, typing);
        for field in &self.aggregates.fields {
            let calls = calls.get(field.calls.clone()).unwrap_or_default();
            let shape = match (&field.outer, calls) {
                // It reads nothing but the results of its calls.
                (Some(outer), calls) => typing.infer_with(outer, &Shape::ANY, calls).shape,
                (None, [call]) => call.clone(),
                (None, _) => Shape::ANY,
            };
            fields.push((field.name.clone(), shape));
        }
        fields.extend(self.revision().map(|name| (name.into(), Shape::of(Kinds::INT))));
        fields.push((super::plan::PARTIAL.into(), Shape::of(Kinds::BOOL.and(Kinds::PERHAPS_NULL))));
        let results = Shape::record(fields);
        let results = match &self.having {
            Some(having) => typing.infer_of(having, &results, &[], Some(&self.id)).holds,
            None => results,
        };
        let late = vec![input.clone(); ports.saturating_sub(1)];
        std::iter::once(results).chain(late).collect()
    }

    /// The result of each aggregate call.
    fn calls(&self, input: &Shape, typing: &mut Typing<'_>) -> Vec<Shape> {
        let aggregates = &self.aggregates;
        let args: Vec<Shape> = aggregates.args.iter().map(|arg| typing.infer(arg, input).shape).collect();
        for fold in &aggregates.folds {
            // What it makes of the value so far is its next value, so nothing is known of either.
            typing.infer_with(&fold.step, input, &[Shape::ANY]);
        }
        let mut results = Vec::with_capacity(aggregates.calls.len());
        for call in &aggregates.calls {
            let arg = call.arg.and_then(|arg| Some((aggregates.args.get(arg)?, args.get(arg)?)));
            if let Some((expr, given)) = arg {
                let takes = call.aggregate.takes();
                let given_words = words(given.kinds.without(Kinds::NULL));
                let message = format!("`{}` does not take {given_words}", call.aggregate.name());
                typing.takes(expr, given, takes, &codes::EXPR_BAD_ARGUMENT, message);
            }
            results.push(call.aggregate.gives(arg.map_or(&Shape::ANY, |(_, given)| given)));
        }
        results
    }
}
