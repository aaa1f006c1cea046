//! What the columns of a batch mean, and what a reader needs of an event: `Layout` and `Demand`.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Field names from the event down: `event.merchant.country` is `["merchant", "country"]`. Empty: the event itself.
pub type Path = Arc<[Arc<str>]>;

/// The paths that somebody reads of an event. The whole event can always be had from the body, so a demand never
/// decides what an event is, only which of its parts are cut out beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    pub paths: BTreeSet<Path>,
}

impl Demand {
    /// Adds a path.
    pub fn add(&mut self, path: Path) {
        self.paths.insert(path);
    }

    /// Adds all of another's paths.
    pub fn extend(&mut self, other: &Demand) {
        self.paths.extend(other.paths.iter().cloned());
    }
}

/// Where the whole event is. Every batch carries every event whole: as text, as fields, or as text with changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Column `0` of this index holds the text of the event, a `Cell::Json` object.
    Text(usize),
    /// The event is an object of these fields in this order, a column each; a field whose cell is missing is left out.
    Fields(Vec<(Arc<str>, usize)>),
    /// The object in `base` (a text column) with top-level fields changed, in this order: set to a column's cell, or removed (`None`).
    /// A field that `base` has is set in its place, another is appended.
    Patched { base: usize, edits: Vec<(Arc<str>, Option<usize>)> },
}

/// The columns of a batch: `slots[i]` is the path whose value column `i` holds, or `None` for a column that is only
/// part of the body, or a field that few events have. With a text body, slots are cut from the text by the decoder, exactly the paths demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub slots: Vec<Option<Path>>,
    pub body: Body,
}

impl Layout {
    /// A text body in column 0 and a column for each demanded path; the empty path is the path of the body.
    pub fn text(demand: &Demand) -> Layout {
        let (whole, parts): (Vec<_>, Vec<_>) = demand.paths.iter().cloned().partition(|path| path.is_empty());
        let slots = std::iter::once(whole.into_iter().next()).chain(parts.into_iter().map(Some));
        Layout { slots: slots.collect(), body: Body::Text(0) }
    }

    /// Whether somebody reads the text of the whole event, so that it must be there as text.
    pub fn is_whole_demanded(&self) -> bool {
        self.slots.iter().flatten().any(|path| path.is_empty())
    }

    /// The fields of a computed event, in order, a column each.
    pub fn fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Layout {
        Layout::fields_and_rare(names.into_iter().map(|name| (name, false)))
    }

    /// The same, where each name is told whether few events have the field: it is missing in all others, and no column of a table.
    pub fn fields_and_rare<'a>(names: impl IntoIterator<Item = (&'a str, bool)>) -> Layout {
        let names: Vec<(Arc<str>, bool)> = names.into_iter().map(|(name, rare)| (name.into(), rare)).collect();
        let slots = names.iter().map(|(name, rare)| (!rare).then(|| Path::from([name.clone()]))).collect();
        let fields = names.into_iter().enumerate().map(|(i, (name, _))| (name, i)).collect();
        Layout { slots, body: Body::Fields(fields) }
    }

    /// The names of all fields, where the layout knows them.
    pub fn field_names(&self) -> Option<Vec<Arc<str>>> {
        self.names(|_| true)
    }

    /// The same without those that few events have.
    pub fn usual_names(&self) -> Option<Vec<Arc<str>>> {
        self.names(|column| !self.is_rare(column))
    }

    /// Whether the field in this column is one that few events have.
    pub fn is_rare(&self, column: usize) -> bool {
        matches!(self.body, Body::Fields(_)) && self.slots.get(column).is_some_and(Option::is_none)
    }

    fn names(&self, wanted: impl Fn(usize) -> bool) -> Option<Vec<Arc<str>>> {
        match &self.body {
            Body::Fields(fields) => {
                let fields = fields.iter().filter(|(_, column)| wanted(*column));
                Some(fields.map(|(name, _)| name.clone()).collect())
            }
            Body::Text(_) | Body::Patched { .. } => None,
        }
    }

    /// Where the value of a path is: a column, and what remains to be looked up inside its cells (an object's text).
    /// `None`: no event of this layout has it. For a text body every demanded path has a slot, so the longest prefix wins.
    pub fn resolve<'p>(&self, path: &'p [Arc<str>]) -> Option<(usize, &'p [Arc<str>])> {
        let (first, rest) = path.split_first()?;
        match &self.body {
            Body::Fields(fields) => fields.iter().find(|(name, _)| name == first).map(|(_, column)| (*column, rest)),
            Body::Patched { base, edits } => match edits.iter().rev().find(|(name, _)| name == first) {
                Some((_, column)) => column.map(|column| (column, rest)),
                None => Some(self.longest_slot(path).unwrap_or((*base, path))),
            },
            Body::Text(column) => Some(self.longest_slot(path).unwrap_or((*column, path))),
        }
    }

    fn longest_slot<'p>(&self, path: &'p [Arc<str>]) -> Option<(usize, &'p [Arc<str>])> {
        (1..=path.len()).rev().find_map(|n| {
            let slot = self.slots.iter().position(|slot| slot.as_deref() == Some(&path[..n]))?;
            Some((slot, &path[n..]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split('.').map(Arc::from).collect()
    }

    #[test]
    fn a_set_field_hides_the_one_of_the_text() {
        let mut demand = Demand::default();
        demand.add(path("a"));
        demand.add(path("b.c"));
        let mut layout = Layout::text(&demand);
        assert_eq!(layout.resolve(&path("b.c")), Some((2, &[][..])));
        assert_eq!(layout.resolve(&path("a.x")), Some((1, &path("x")[..])));
        layout.slots.push(None);
        layout.body = Body::Patched { base: 0, edits: vec![("a".into(), Some(3)), ("b".into(), None)] };
        assert_eq!(layout.resolve(&path("a.x")), Some((3, &path("x")[..])));
        assert_eq!(layout.resolve(&path("b.c")), None);
        assert_eq!(layout.resolve(&path("z")), Some((0, &path("z")[..])));
    }
}
