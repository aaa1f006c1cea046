//! A [`Reading`] compiled for what is wanted of it: one flat list of operations that checks all of an event, keeps the wanted values
//! in columns, and goes over the others in runs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::json;
use crate::event::{Cell, TextRef};
use crate::limits::{AVRO_INLINE_NODES_MAX, AVRO_INLINE_OPS_MAX};

use super::node::{Bytes, DURATION, Node, NodeId, Reading, Record};
use super::op::{Key, Map, Op, Scalar, Skip, Step};
use super::stride::Stride;
use crate::event::wanted::{PlaceId, Wanted};

/// A reading compiled for a demand.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub reading: Arc<Reading>,
    pub ops: Vec<Op>,
    /// Where each branch of each union goes on.
    pub targets: Vec<u32>,
    /// Where each block starts; block 0 reads an event.
    pub blocks: Vec<u32>,
    pub maps: Vec<Map>,
    /// Cells whose ranges count in `text`; `Missing` for a symbol that the reader does not have.
    pub constants: Vec<Cell>,
    pub text: Vec<u8>,
    /// Only where values end is of interest: blocks whose size is told are jumped over, and texts are not looked at. An event that is
    /// decoded is checked whole, whatever is wanted of it; this is for those who cut bytes into events.
    pub ends_only: bool,
}

impl Program {
    /// Compiles a reading for a decoder that lets events nest so deep.
    pub fn new(reading: Arc<Reading>, wanted: &Wanted, depth_max: usize) -> Program {
        Compiler::new(reading, wanted, depth_max, false).compile()
    }

    /// A program that finds the ends of events.
    pub fn ends_only(reading: Arc<Reading>, depth_max: usize) -> Program {
        Compiler::new(reading, &Wanted::nothing(), depth_max, true).compile()
    }

    /// The operations for a machine that begins.
    pub fn steps(&self) -> Vec<Step> {
        self.ops.iter().map(|op| Step { op: *op, stride: Stride::new() }).collect()
    }
}

/// A piece of a program that is run more than once: a node's value for what is wanted at a place, after a key or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Piece {
    node: NodeId,
    place: Option<PlaceId>,
    keyed: bool,
}

struct Compiler<'a> {
    wanted: &'a Wanted,
    program: Program,
    pieces: HashMap<Piece, u32>,
    /// Blocks that are not compiled yet.
    pending: Vec<(u32, Piece)>,
    /// The first constant of each enum.
    symbols: HashMap<NodeId, u32>,
    /// Operations before this one are not added to: something jumps here.
    fence: usize,
    /// Whether values can nest deeper than they may.
    deep: bool,
}

impl<'a> Compiler<'a> {
    fn new(reading: Arc<Reading>, wanted: &'a Wanted, depth_max: usize, ends_only: bool) -> Compiler<'a> {
        let deep = reading.depth(reading.root(), depth_max).is_none();
        let program = Program {
            reading,
            ops: Vec::new(),
            targets: Vec::new(),
            blocks: Vec::new(),
            maps: Vec::new(),
            constants: Vec::new(),
            text: Vec::new(),
            ends_only,
        };
        Compiler {
            wanted,
            program,
            pieces: HashMap::new(),
            pending: Vec::new(),
            symbols: HashMap::new(),
            fence: 0,
            deep,
        }
    }

    fn compile(mut self) -> Program {
        let reading = self.program.reading.clone();
        self.block(Piece { node: reading.root(), place: Some(0), keyed: false });
        while let Some((block, piece)) = self.pending.pop() {
            self.fence = self.program.ops.len();
            self.program.blocks[block as usize] = self.fence as u32;
            if piece.keyed {
                self.skip(Skip::Text, 1);
            }
            self.inline(&reading, piece.node, piece.place, 0);
            self.program.ops.push(Op::Return);
        }
        self.program
    }

    /// The block of a piece.
    fn block(&mut self, piece: Piece) -> u32 {
        if let Some(block) = self.pieces.get(&piece) {
            return *block;
        }
        let block = self.program.blocks.len() as u32;
        self.program.blocks.push(0);
        self.pieces.insert(piece, block);
        self.pending.push((block, piece));
        block
    }

    fn push(&mut self, op: Op) {
        self.program.ops.push(op);
    }

    /// Adds to the run of values before, if it is of the same kind.
    fn skip(&mut self, skip: Skip, times: u32) {
        let skip = match (skip, self.program.ends_only) {
            (Skip::Boolean, true) => Skip::Bytes,
            (Skip::Text | Skip::Decimal, true) => Skip::Prefixed,
            (Skip::Int | Skip::Symbol(_), true) => Skip::Long,
            (skip, _) => skip,
        };
        let one = match skip {
            Skip::Text => Some(Op::Text { slot: None, behind: 0 }),
            Skip::Prefixed => Some(Op::Prefixed { behind: 0 }),
            Skip::Long => Some(Op::Long),
            _ => None,
        };
        if let Some(one) = one {
            return (0..times).for_each(|_| self.push(one));
        }
        let fence = self.fence;
        match self.program.ops.get_mut(fence..).and_then(|ops| ops.last_mut()) {
            Some(Op::Skip(last, sum)) if *last == skip && sum.checked_add(times).is_some() => *sum += times,
            Some(Op::Text { behind, .. } | Op::Prefixed { behind })
                if skip == Skip::Bytes && behind.checked_add(times).is_some() =>
            {
                *behind += times;
            }
            _ if times == 0 => {}
            _ => self.push(Op::Skip(skip, times)),
        }
    }

    fn scalar(&mut self, scalar: Scalar, slot: Option<usize>) {
        match (scalar, slot) {
            (Scalar::Bytes { utf8: true, to: Bytes::Text }, Some(slot)) => {
                return self.push(Op::Text { slot: Some(slot as u32), behind: 0 });
            }
            (_, Some(slot)) => return self.push(Op::Keep(scalar, slot as u32)),
            (_, None) => {}
        }
        match scalar {
            Scalar::Boolean => self.skip(Skip::Boolean, 1),
            Scalar::Int(_) => self.skip(Skip::Int, 1),
            Scalar::Long(_) => self.skip(Skip::Long, 1),
            Scalar::Float | Scalar::Part => self.skip(Skip::Bytes, 4),
            Scalar::Double => self.skip(Skip::Bytes, 8),
            Scalar::Bytes { to: Bytes::Decimal { .. }, .. } => self.skip(Skip::Decimal, 1),
            Scalar::Bytes { utf8: true, .. } => self.skip(Skip::Text, 1),
            Scalar::Bytes { utf8: false, .. } => self.skip(Skip::Prefixed, 1),
            Scalar::Fixed { size, .. } => self.skip(Skip::Bytes, size),
        }
    }

    /// The value of a node inside of `depth` others of its block: in place, or as a call of its block.
    fn value(&mut self, reading: &Reading, id: NodeId, place: Option<PlaceId>, depth: u16) {
        if let Node::Record(_) = reading.node(id) {
            // What nothing is wanted of may hold itself, or the same type a hundred times.
            let in_place = match place {
                None => is_small(reading, id),
                Some(_) => self.program.ops.len() < AVRO_INLINE_OPS_MAX,
            };
            if !in_place {
                let block = self.block(Piece { node: id, place, keyed: false });
                return self.push(Op::Call { block, depth });
            }
        }
        self.inline(reading, id, place, depth);
    }

    fn inline(&mut self, reading: &Reading, id: NodeId, place: Option<PlaceId>, depth: u16) {
        let node = reading.node(id);
        if self.deep && node.nests() {
            self.push(Op::Depth(depth));
        }
        let wanted = self.wanted;
        let (slot, inside) = match place.map(|place| wanted.place(place)) {
            Some(place) => (place.slot, !place.inside.is_empty()),
            None => (None, false),
        };
        if let (true, Some(slot)) = (node.nests(), slot) {
            let again = inside && !matches!(node, Node::Array(_));
            self.push(Op::Json { node: id, slot: slot as u32, depth, again });
            if !again {
                return;
            }
        }
        match node {
            Node::Null => {
                if let Some(slot) = slot {
                    self.put(Cell::Null, slot);
                }
            }
            Node::Boolean => self.scalar(Scalar::Boolean, slot),
            Node::Int(to) => self.scalar(Scalar::Int(*to), slot),
            Node::Long(to) => self.scalar(Scalar::Long(*to), slot),
            Node::Float => self.scalar(Scalar::Float, slot),
            Node::Double => self.scalar(Scalar::Double, slot),
            Node::Fixed { to: Bytes::Duration, .. } => {
                for part in DURATION {
                    let slot =
                        place.and_then(|place| wanted.inside(place, part)).and_then(|part| wanted.place(part).slot);
                    self.scalar(Scalar::Part, slot);
                }
            }
            Node::Bytes { utf8, to } => self.scalar(Scalar::Bytes { utf8: *utf8, to: *to }, slot),
            Node::Fixed { size, to } => self.scalar(Scalar::Fixed { size: *size, to: *to }, slot),
            Node::Enum { symbols } => self.symbol(id, symbols, slot),
            Node::Union(branches) => self.union(reading, branches, place, depth),
            Node::Array(items) => self.items(reading, Piece { node: *items, place: None, keyed: false }, depth),
            Node::Map(values) => match place.filter(|_| inside) {
                Some(place) => self.map(reading, *values, place, depth),
                None => self.items(reading, Piece { node: *values, place: None, keyed: true }, depth),
            },
            Node::Record(record) => self.record(reading, record, place, depth),
            Node::Refuse(_) => self.push(Op::Refuse(id)),
        }
    }

    fn record(&mut self, reading: &Reading, record: &Record, place: Option<PlaceId>, depth: u16) {
        let wanted = self.wanted;
        let inside = |name: &str| place.and_then(|place| wanted.inside(place, name));
        for step in &record.steps {
            let place = step.field.as_ref().and_then(|field| inside(&field.name));
            self.value(reading, step.node, place, depth + 1);
        }
        for absent in &record.absent {
            let Some(place) = inside(&absent.field.name) else { continue };
            for (slot, path) in wanted.slots(place) {
                self.default(&absent.default, &path, slot);
            }
        }
    }

    /// Puts what stands at a path of a default.
    fn default(&mut self, default: &[u8], path: &[Arc<str>], slot: usize) {
        // As a field of an object, so that the path may be empty.
        let object = [b"{\"default\":", default, b"}"].concat();
        let path: Vec<Arc<str>> = std::iter::once("default".into()).chain(path.iter().cloned()).collect();
        let Some(value) = json::lookup(&object, &path) else { return };
        let cell = match value {
            json::Value::Null => Cell::Null,
            json::Value::Bool(value) => Cell::Bool(value),
            json::Value::Int(value) => Cell::Int(value),
            json::Value::Number(text) => Cell::Number(self.text(text)),
            json::Value::Str(text) => Cell::Str(self.text(text)),
            json::Value::Escaped(text) => Cell::Escaped(self.text(text)),
            json::Value::Json(text) => Cell::Json(self.text(text)),
        };
        self.put(cell, slot);
    }

    /// Adds to the text of the constants.
    fn text(&mut self, text: &[u8]) -> TextRef {
        let start = self.program.text.len() as u32;
        self.program.text.extend_from_slice(text);
        TextRef { text: 0, start, len: text.len() as u32 }
    }

    fn put(&mut self, cell: Cell, slot: usize) {
        self.program.constants.push(cell);
        self.push(Op::Put { constant: self.program.constants.len() as u32 - 1, slot: slot as u32 });
    }

    fn symbol(&mut self, id: NodeId, symbols: &[Option<Box<str>>], slot: Option<usize>) {
        if slot.is_none() && (self.program.ends_only || symbols.iter().all(Option::is_some)) {
            return self.skip(Skip::Symbol(symbols.len() as u32), 1);
        }
        let first = match self.symbols.get(&id) {
            Some(first) => *first,
            None => {
                let first = self.program.constants.len() as u32;
                for symbol in symbols {
                    let cell = symbol.as_ref().map_or(Cell::Missing, |symbol| Cell::Str(self.text(symbol.as_bytes())));
                    self.program.constants.push(cell);
                }
                self.symbols.insert(id, first);
                first
            }
        };
        let known = symbols.len() as u32;
        self.push(Op::Symbol { node: id, first, known, slot: slot.map(|slot| slot as u32) });
    }

    fn union(&mut self, reading: &Reading, branches: &[NodeId], place: Option<PlaceId>, depth: u16) {
        let first = self.program.targets.len();
        self.program.targets.resize(first + branches.len(), 0);
        self.push(Op::Union { first: first as u32, known: branches.len() as u32 });
        let mut jumps = Vec::new();
        let mut empty = Vec::new();
        for (i, branch) in branches.iter().enumerate() {
            let start = self.program.ops.len();
            self.fence = start;
            self.value(reading, *branch, place, depth);
            if self.program.ops.len() == start {
                empty.push(first + i);
                continue;
            }
            self.program.targets[first + i] = start as u32;
            jumps.push(self.program.ops.len());
            self.push(Op::Jump(0));
        }
        let end = self.program.ops.len();
        self.fence = end;
        jumps.into_iter().for_each(|jump| self.program.ops[jump] = Op::Jump(end as u32));
        empty.into_iter().for_each(|target| self.program.targets[target] = end as u32);
    }

    /// An array, or a map of which no key is wanted.
    fn items(&mut self, reading: &Reading, piece: Piece, depth: u16) {
        let width = reading.width(piece.node).saturating_add(piece.keyed.into());
        let (start, fence) = (self.program.ops.len(), self.fence);
        if is_small(reading, piece.node) {
            // Compiled to see what it becomes.
            self.fence = start;
            if piece.keyed {
                self.skip(Skip::Text, 1);
            }
            self.value(reading, piece.node, None, depth + 1);
            let run = run_of(self.program.ops.get(start..).unwrap_or_default());
            self.program.ops.truncate(start);
            self.fence = fence;
            if let Some((skip, times)) = run {
                return self.push(Op::Items { skip, times, width });
            }
        }
        let block = self.block(piece);
        self.push(Op::Array { block, width, depth });
    }

    fn map(&mut self, reading: &Reading, values: NodeId, place: PlaceId, depth: u16) {
        let wanted = self.wanted;
        let key = |(name, place): &(Arc<str>, PlaceId)| Key {
            name: name.clone(),
            block: self.block(Piece { node: values, place: Some(*place), keyed: false }),
            slots: wanted.slots(*place).into_iter().map(|(slot, _)| slot as u32).collect(),
        };
        let keys = wanted.place(place).inside.iter().map(key).collect();
        let other = self.block(Piece { node: values, place: None, keyed: false });
        self.program.maps.push(Map { keys, other, width: reading.width(values).saturating_add(1) });
        self.push(Op::Map { map: self.program.maps.len() as u32 - 1, depth });
    }
}

/// The operations as so many values of one kind, if they are.
fn run_of(ops: &[Op]) -> Option<(Skip, u32)> {
    let skip = |op: &Op| match op {
        Op::Skip(skip, times) => Some((*skip, *times)),
        Op::Text { slot: None, behind: 0 } => Some((Skip::Text, 1)),
        Op::Prefixed { behind: 0 } => Some((Skip::Prefixed, 1)),
        Op::Long => Some((Skip::Long, 1)),
        _ => None,
    };
    let Some((first, rest)) = ops.split_first() else { return Some((Skip::Bytes, 0)) };
    rest.iter().try_fold(skip(first)?, |(kind, sum), op| {
        let (same, times) = skip(op).filter(|(other, _)| *other == kind)?;
        Some((same, sum.checked_add(times)?))
    })
}

/// Whether a value and all in it are few nodes.
fn is_small(reading: &Reading, id: NodeId) -> bool {
    fn count(reading: &Reading, id: NodeId, left: &mut usize) -> bool {
        let Some(less) = left.checked_sub(1) else { return false };
        *left = less;
        reading.node(id).children().all(|child| count(reading, child, left))
    }
    count(reading, id, &mut { AVRO_INLINE_NODES_MAX })
}
