//! Events with fields set, added or removed: what their layout is, and which of its columns are the input's.

use std::sync::Arc;

use crate::event::{Batch, Body, Column, Demand, Layout, Path, Selection, Texts};

/// Fields that change: set to a new column, by its number, or removed. No name is there twice.
pub type Edits = Vec<(Arc<str>, Option<usize>)>;

/// Where a column of the output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Input(usize),
    New(usize),
}

/// How batches of one layout become batches of another: most columns are shared, some are new.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub layout: Arc<Layout>,
    from: Vec<From>,
}

impl Recipe {
    /// The edits applied to events of this layout. Columns that nothing can reach any more are left behind.
    pub fn new(input: &Layout, edits: &Edits) -> Recipe {
        match &input.body {
            Body::Fields(fields) => Recipe::of_fields(input, fields, edits),
            Body::Text(base) => Recipe::of_text(input, *base, &[], edits),
            Body::Patched { base, edits: earlier } => Recipe::of_text(input, *base, earlier, edits),
        }
    }

    fn of_fields(input: &Layout, fields: &[(Arc<str>, usize)], edits: &Edits) -> Recipe {
        let mut all: Vec<(Arc<str>, From)> =
            fields.iter().map(|(name, column)| (name.clone(), From::Input(*column))).collect();
        for (name, new) in edits {
            let at = all.iter().position(|(have, _)| have == name);
            match (new, at) {
                (Some(new), Some(at)) => all[at].1 = From::New(*new),
                (Some(new), None) => all.push((name.clone(), From::New(*new))),
                (None, Some(at)) => drop(all.remove(at)),
                (None, None) => {}
            }
        }
        let is_rare = |from: &From| matches!(from, From::Input(column) if input.is_rare(*column));
        let layout = Layout::fields_and_rare(all.iter().map(|(name, from)| (&**name, is_rare(from))));
        Recipe { layout: Arc::new(layout), from: all.into_iter().map(|(_, from)| from).collect() }
    }

    fn of_text(input: &Layout, base: usize, earlier: &[(Arc<str>, Option<usize>)], edits: &Edits) -> Recipe {
        let mut all: Vec<(Arc<str>, Option<From>)> =
            earlier.iter().map(|(name, column)| (name.clone(), column.map(From::Input))).collect();
        for (name, new) in edits {
            match all.iter_mut().find(|(have, _)| have == name) {
                Some(edit) => edit.1 = new.map(From::New),
                None => all.push((name.clone(), new.map(From::New))),
            }
        }
        let mut slots: Vec<Option<Path>> = vec![None];
        let mut from = vec![From::Input(base)];
        for (i, slot) in input.slots.iter().enumerate() {
            // The whole event is another one now.
            let Some(path) = slot.as_ref().filter(|path| !path.is_empty()) else { continue };
            if all.iter().all(|(name, _)| path.first() != Some(name)) {
                slots.push(Some(path.clone()));
                from.push(From::Input(i));
            }
        }
        let edits = all.into_iter().map(|(name, source)| {
            let column = source.map(|source| {
                slots.push(None);
                from.push(source);
                from.len() - 1
            });
            (name, column)
        });
        let body = Body::Patched { base: 0, edits: edits.collect() };
        Recipe { layout: Arc::new(Layout { slots, body }), from }
    }

    /// The output batch of these rows: `new` are the new columns, and `texts` what their cells and the input's point into.
    pub fn apply(&self, input: &Batch, new: &[Column], texts: Texts, rows: Vec<u32>) -> Batch {
        let column = |from: &From| match from {
            From::Input(column) => input.columns[*column].clone(),
            From::New(column) => new[*column].clone(),
        };
        Batch {
            layout: self.layout.clone(),
            columns: self.from.iter().map(column).collect(),
            texts,
            selection: chosen(input, rows),
            variant: input.variant,
            times: input.times.clone(),
            marks: input.marks.clone(),
            meta: input.meta.clone(),
        }
    }
}

/// The selection of these rows, a subset of the batch's own.
pub fn chosen(batch: &Batch, rows: Vec<u32>) -> Selection {
    if rows.len() == batch.len() { batch.selection.clone() } else { Selection::Rows(Arc::new(rows)) }
}

/// Adds what is read of the output to what is read of the input, but for fields that the stage makes itself.
pub fn add_unchanged(all: &mut Demand, output: &Demand, is_made: impl Fn(&Arc<str>) -> bool) {
    for path in &output.paths {
        if !path.first().is_some_and(&is_made) {
            all.add(path.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Demand;

    use super::*;

    fn path(text: &str) -> Path {
        text.split('.').map(Arc::from).collect()
    }

    fn edits(list: &[(&str, Option<usize>)]) -> Edits {
        list.iter().map(|(name, new)| (Arc::from(*name), *new)).collect()
    }

    #[test]
    fn fields_are_set_in_their_place_added_and_removed() {
        let recipe =
            Recipe::new(&Layout::fields(["a", "b", "c"]), &edits(&[("b", Some(0)), ("d", Some(1)), ("a", None)]));
        assert_eq!(*recipe.layout, Layout::fields(["b", "c", "d"]));
        assert_eq!(recipe.from, [From::New(0), From::Input(2), From::New(1)]);
        let rare = Layout::fields_and_rare([("a", false), ("b", true), ("c", true)]);
        let recipe = Recipe::new(&rare, &edits(&[("c", Some(0))]));
        assert_eq!(*recipe.layout, Layout::fields_and_rare([("a", false), ("b", true), ("c", false)]));
        assert_eq!(recipe.layout.usual_names().unwrap().concat(), "ac");
    }

    #[test]
    fn a_text_keeps_what_is_cut_from_it_but_for_changed_fields() {
        let mut demand = Demand::default();
        ["a", "b.c", "b.d"].iter().for_each(|text| demand.add(path(text)));
        let recipe = Recipe::new(&Layout::text(&demand), &edits(&[("b", Some(0)), ("z", None)]));
        assert_eq!(recipe.from, [From::Input(0), From::Input(1), From::New(0)]);
        assert_eq!(recipe.layout.resolve(&path("a")), Some((1, &[][..])));
        assert_eq!(recipe.layout.resolve(&path("b.c")), Some((2, &path("c")[..])));
        assert_eq!(recipe.layout.resolve(&path("z")), None);

        let again = Recipe::new(&recipe.layout, &edits(&[("a", None), ("z", Some(0))]));
        assert_eq!(again.from, [From::Input(0), From::Input(2), From::New(0)]);
        assert_eq!(again.layout.resolve(&path("a")), None);
        assert_eq!(again.layout.resolve(&path("b")), Some((1, &[][..])));
        assert_eq!(again.layout.resolve(&path("z")), Some((2, &[][..])));
    }
}
