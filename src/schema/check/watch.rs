//! Rules for columns: those of the paths that are read, so that whole columns are let pass by the kinds of their cells.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::event::{Batch, Cell, Path, Tag, Tags};
use crate::limits::SCHEMA_COLUMNS_MAX;
use crate::schema::Kinds;

use super::quick::Quick;
use super::rule::{FieldRule, ObjectRule, Rule};

/// A path whose values are looked at.
pub(super) struct Watched {
    pub path: Path,
    rule: Rule,
    required: bool,
    /// The kinds of cells that need no look.
    free: Tags,
    /// What most cells that do need one are let pass by.
    quick: Quick,
    /// The place among what is watched of an object that it is in: without that it need not be there.
    pub within: Option<usize>,
}

/// What of the rule of an event is to be watched, where only these paths are read of it, or (`None`) all of it. `None` where that takes
/// more than columns, or too many that nobody reads.
pub(super) fn columns(rule: &Rule, read: Option<&BTreeSet<Path>>) -> Option<Vec<Watched>> {
    let mut watched = Vec::new();
    add(fields_of(rule)?, &[], None, read, &mut watched);
    (read.is_some() || watched.len() <= SCHEMA_COLUMNS_MAX).then_some(watched)
}

/// The fields of what may be any object that has them.
fn fields_of(rule: &Rule) -> Option<&ObjectRule> {
    let of_itself = Rule { object: None, ..rule.clone() };
    let object = rule.object.as_deref().filter(|object| object.rest.is_none())?;
    (rule.kinds.has(Kinds::OBJECT) && of_itself.is_plain()).then_some(object)
}

fn add(
    object: &ObjectRule,
    above: &[Arc<str>],
    within: Option<usize>,
    read: Option<&BTreeSet<Path>>,
    watched: &mut Vec<Watched>,
) {
    for field in &object.fields {
        let path: Path = above.iter().cloned().chain([Arc::from(&*field.name)]).collect();
        let is_read = read.is_some_and(|read| read.contains(&path));
        let Some(inner) = fields_of(&field.rule).filter(|_| !is_read) else {
            watched.extend(Some(Watched::new(path, field, within)).filter(Watched::may_be_wrong));
            continue;
        };
        // An object has to be there if something in it has.
        let is_told = field.required && inner.fields.iter().any(|field| field.required);
        let mut within = within;
        if !is_told {
            let itself = FieldRule { rule: Rule { object: None, ..field.rule.clone() }, ..field.clone() };
            watched.push(Watched::new(path.clone(), &itself, within));
            within = Some(watched.len() - 1);
        }
        add(inner, &path, within, read, watched);
    }
}

impl Watched {
    fn new(path: Path, field: &FieldRule, within: Option<usize>) -> Watched {
        let mut free = field.rule.free();
        if !field.required {
            free.add(Tag::Missing);
        }
        let quick = Quick::new(&field.rule, free);
        Watched { path, rule: field.rule.clone(), required: field.required, free, quick, within }
    }

    /// Whether there is a value that is not surely right.
    fn may_be_wrong(&self) -> bool {
        self.required || !Rule::of(Kinds::ANY).free().only(self.free)
    }

    /// Adds the rows that are not surely right. `slot`: its column, `within`: that of the object that it is in.
    pub fn unsure(&self, batch: &Batch, slot: usize, within: Option<usize>, unsure: &mut Vec<u32>) {
        let Some(column) = batch.columns.get(slot) else { return unsure.extend(batch.selection.iter()) };
        if column.tags().only(self.free) {
            return;
        }
        let is_fine = |row: u32| match column.cells().get(row as usize) {
            None | Some(Cell::Missing) => {
                let is_object = |slot| matches!(batch.cell(slot, row), Cell::Json(_));
                !self.required || within.is_some_and(|slot| !is_object(slot))
            }
            Some(cell) => self.rule.allows_cell(*cell, &batch.texts),
        };
        self.quick.others(batch, column.cells(), |row| {
            if !is_fine(row) {
                unsure.push(row);
            }
        });
    }
}
