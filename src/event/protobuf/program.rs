//! What a demand makes of the types of a model: which fields become cells, which are looked into, and which are only checked.

use std::sync::Arc;

use crate::event::wanted::{PlaceId, Wanted};
use crate::event::{Cell, Layout, TextRef};

use super::quick::Table;
use super::types::{Kind, Known, Label, NONE, Number, Type, Types};

/// What is done with the fields of events. Cells that it holds point into `constants`, which is text 1 from its start.
#[derive(Debug)]
pub(super) struct Program {
    pub types: Arc<Types>,
    /// Those of the types' indices only check their messages; of those behind them something is wanted, each at one place of the event.
    pub levels: Vec<Level>,
    /// The level of the event.
    pub root: usize,
    /// Values that are put together when the event is over.
    pub lates: Vec<Late>,
    /// The cells of the names of enums, where they are wanted.
    pub names: Vec<Box<[Cell]>>,
    pub constants: Vec<u8>,
    /// What a row has in each column before anything is read: of the event's own fields what they are if they are not written.
    pub blank: Vec<Cell>,
    /// Column 0 is the JSON of the event.
    pub whole: bool,
}

/// What is done with a message.
#[derive(Debug)]
pub(super) struct Level {
    pub ty: usize,
    /// A step for each field of the type.
    pub steps: Box<[Step]>,
    /// What cells are where nothing was written, once such a message has come.
    pub defaults: Box<[(u16, Cell)]>,
    /// What a member of a oneof takes away when it comes.
    pub clears: Box<[Clear]>,
    /// Whether it is noted that a message of it has come, as something of it is wanted.
    pub is_noted: bool,
    /// Levels of JSON that an empty one has below itself.
    pub lists: usize,
    /// Whether fields must be there.
    pub is_strict: bool,
    /// Its own among the levels.
    pub index: usize,
    pub quick: Table,
}

/// What is done with a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub act: Act,
    /// An index into the level's `clears`, or `NONE`.
    pub clear: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Check,
    /// The value goes into this column.
    Cell(u16),
    /// The value is noted for this late.
    Note(u16),
    /// The message is of this level.
    Into(u16),
}

/// What is as if it had never come.
#[derive(Debug, Default)]
pub(super) struct Clear {
    pub slots: Vec<u16>,
    pub lates: Vec<u16>,
    pub levels: Vec<u16>,
}

/// A value that is written as JSON when all of the event was seen: a list, a map, a message, a time.
#[derive(Debug)]
pub(super) struct Late {
    /// Of the message that has the field.
    pub level: u16,
    pub field: usize,
    /// The column of the value itself.
    pub slot: Option<u16>,
    /// The columns of what is wanted inside of it.
    pub inside: Vec<(u16, Vec<Arc<str>>)>,
    /// What the value is if nothing came and its message is there.
    pub default: Option<Cell>,
}

impl Program {
    pub fn new(types: Arc<Types>, layout: &Layout) -> Program {
        let levels = (0..types.messages.len()).map(|ty| Level::checking(&types, ty)).collect();
        let names = vec![Box::default(); types.enums.len()];
        let mut program = Program {
            root: types.root,
            types: types.clone(),
            levels,
            lates: Vec::new(),
            names,
            constants: b"[]{}".to_vec(),
            blank: vec![Cell::Missing; layout.slots.len()],
            whole: layout.is_whole_demanded(),
        };
        let wanted = Wanted::of(layout);
        if !wanted.place(0).inside.is_empty() {
            program.root = program.level(types.root, &wanted, 0);
            // There is always one such message in an event.
            let root = &mut program.levels[program.root];
            root.is_noted = false;
            for (slot, cell) in std::mem::take(&mut root.defaults) {
                program.blank[usize::from(slot)] = cell;
            }
        }
        let tables: Vec<Table> =
            program.levels.iter().map(|level| Table::new(&types, &program.levels, level)).collect();
        for (index, (level, table)) in program.levels.iter_mut().zip(tables).enumerate() {
            (level.index, level.quick) = (index, table);
        }
        program
    }

    fn constant(&mut self, text: &[u8]) -> TextRef {
        let start = self.constants.len() as u32;
        self.constants.extend_from_slice(text);
        TextRef { text: 1, start, len: text.len() as u32 }
    }

    /// Adds the level of a message, of which something is wanted.
    fn level(&mut self, ty: usize, wanted: &Wanted, place: PlaceId) -> usize {
        let index = self.levels.len();
        let types = self.types.clone();
        self.levels.push(Level::checking(&types, ty));
        let mut level = Level { is_noted: true, ..Level::checking(&types, ty) };
        let mut defaults = Vec::new();
        for (at, field) in types.messages[ty].fields.iter().enumerate() {
            let is_only = types.messages[ty].known == Some(Known::Wrapper);
            // What is wanted of a wrapper is wanted of its only field.
            let Some(inside) = (if is_only { Some(place) } else { wanted.inside(place, &field.name) }) else {
                continue;
            };
            level.steps[at].act = self.act(index, at, wanted, inside);
            if let (Label::Implicit, Act::Cell(slot)) = (field.label, level.steps[at].act) {
                defaults.push((slot, self.default(field.kind)));
            }
        }
        level.defaults = defaults.into();
        let mut clears = Vec::new();
        for members in &types.messages[ty].oneofs {
            for &member in members {
                let mut clear = Clear::default();
                let others = members.iter().filter(|&&other| other != member);
                others.for_each(|&other| self.clear(level.steps[usize::from(other)].act, &mut clear));
                if clear.slots.len() + clear.lates.len() + clear.levels.len() > 0 {
                    level.steps[usize::from(member)].clear = clears.len() as u16;
                    clears.push(clear);
                }
            }
        }
        level.clears = clears.into();
        self.levels[index] = level;
        index
    }

    fn act(&mut self, level: usize, at: usize, wanted: &Wanted, place: PlaceId) -> Act {
        let types = self.types.clone();
        let ty = self.levels[level].ty;
        let field = &types.messages[ty].fields[at];
        let here = wanted.place(place);
        let slot = here.slot.map(|slot| slot as u16);
        let is_list = matches!(field.label, Label::Repeated | Label::Map);
        match field.kind {
            Kind::Message(inner) | Kind::Group(inner) if !is_list => match types.messages[inner].known {
                // Looked into, if it is not wanted itself as well.
                Some(Known::Wrapper) => Act::Into(self.level(inner, wanted, place) as u16),
                None if slot.is_none() => Act::Into(self.level(inner, wanted, place) as u16),
                _ => self.late(level, at, wanted, place),
            },
            _ if is_list => self.late(level, at, wanted, place),
            value => {
                if let Kind::Enum(found) = value {
                    self.name(found);
                }
                // Nothing is inside of a plain value.
                slot.map_or(Act::Check, Act::Cell)
            }
        }
    }

    fn late(&mut self, level: usize, at: usize, wanted: &Wanted, place: PlaceId) -> Act {
        let index = self.lates.len() as u16;
        let slots = wanted.slots(place).into_iter().map(|(slot, path)| (slot as u16, path));
        let (own, inside): (Vec<_>, Vec<_>) = slots.partition(|(_, path)| path.is_empty());
        let label = self.types.messages[self.levels[level].ty].fields[at].label;
        let constant = |start| Some(Cell::Json(TextRef { text: 1, start, len: 2 }));
        let default = match label {
            Label::Repeated => constant(0),
            Label::Map => constant(2),
            _ => None,
        };
        let slot = own.first().map(|(slot, _)| *slot);
        self.lates.push(Late { level: level as u16, field: at, slot, inside, default });
        Act::Note(index)
    }

    fn name(&mut self, found: usize) {
        if !self.names[found].is_empty() {
            return;
        }
        let types = self.types.clone();
        let cells =
            types.enums[found].values.iter().map(|(name, _)| Cell::Str(self.constant(name.as_bytes()))).collect();
        self.names[found] = cells;
    }

    fn default(&mut self, kind: Kind) -> Cell {
        match kind {
            Kind::Number(Number::Double | Number::Float) => Cell::Float(0.0),
            Kind::Number(Number::Bool) => Cell::Bool(false),
            Kind::Number(_) => Cell::Int(0),
            Kind::Enum(found) => {
                let first = self.types.enums[found].first();
                self.names[found].first().copied().unwrap_or(Cell::Int(first.into()))
            }
            _ => Cell::Str(TextRef { text: 1, start: 0, len: 0 }),
        }
    }

    /// All that an act and those below it have made.
    fn clear(&self, act: Act, clear: &mut Clear) {
        match act {
            Act::Check => {}
            Act::Cell(slot) => clear.slots.push(slot),
            Act::Note(late) => clear.lates.push(late),
            Act::Into(level) => {
                clear.levels.push(level);
                self.levels[usize::from(level)].steps.iter().for_each(|step| self.clear(step.act, clear));
            }
        }
    }
}

impl Level {
    fn checking(types: &Types, ty: usize) -> Level {
        let steps = vec![Step { act: Act::Check, clear: NONE }; types.messages[ty].fields.len()];
        Level {
            ty,
            steps: steps.into(),
            defaults: Box::default(),
            clears: Box::default(),
            is_noted: false,
            lists: types.messages[ty].lists,
            is_strict: types.messages[ty].required > 0,
            index: 0,
            quick: Table::default(),
        }
    }

    pub fn ty<'t>(&self, types: &'t Types) -> &'t Type {
        &types.messages[self.ty]
    }
}
