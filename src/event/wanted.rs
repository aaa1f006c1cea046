//! The demanded paths of a layout as a tree of names.

use std::sync::Arc;

use crate::event::Layout;

/// A place in the tree; the event is place 0.
pub(in crate::event) type PlaceId = usize;

/// What is wanted of an event, by place.
#[derive(Clone, Debug)]
pub(in crate::event) struct Wanted(Vec<Place>);

/// What is wanted at one place.
#[derive(Clone, Debug, Default)]
pub(in crate::event) struct Place {
    /// The column of the value itself.
    pub slot: Option<usize>,
    /// The names of which something is wanted.
    pub inside: Vec<(Arc<str>, PlaceId)>,
}

impl Wanted {
    /// What the slots of a layout name.
    pub fn of(layout: &Layout) -> Wanted {
        let mut wanted = Wanted::nothing();
        for (slot, path) in layout.slots.iter().enumerate() {
            let Some(path) = path else { continue };
            let place = path.iter().fold(0, |place, name| wanted.inside_of(place, name));
            wanted.0[place].slot = Some(slot);
        }
        wanted
    }

    /// Nothing.
    pub fn nothing() -> Wanted {
        Wanted(vec![Place::default()])
    }

    fn inside_of(&mut self, place: PlaceId, name: &Arc<str>) -> PlaceId {
        self.inside(place, name).unwrap_or_else(|| {
            let new = self.0.len();
            self.0.push(Place::default());
            self.0[place].inside.push((name.clone(), new));
            new
        })
    }

    /// What is wanted at a place.
    pub fn place(&self, place: PlaceId) -> &Place {
        &self.0[place]
    }

    /// The place of a name.
    pub fn inside(&self, place: PlaceId, name: &str) -> Option<PlaceId> {
        self.0[place].inside.iter().find(|(known, _)| **known == *name).map(|(_, inside)| *inside)
    }

    /// The columns of a place and of all below it, each with the path from there on.
    pub fn slots(&self, place: PlaceId) -> Vec<(usize, Vec<Arc<str>>)> {
        let here = &self.0[place];
        let mut slots: Vec<_> = here.slot.map(|slot| (slot, Vec::new())).into_iter().collect();
        for (name, inside) in &here.inside {
            let below = self.slots(*inside).into_iter();
            slots.extend(below.map(|(slot, path)| (slot, [vec![name.clone()], path].concat())));
        }
        slots
    }
}
