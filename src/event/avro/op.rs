//! The operations of which a [`Program`](super::program::Program) is made.

use std::sync::Arc;

use super::node::{Bytes, NodeId, Number};
use super::stride::Stride;

/// One operation. Each takes up where the one before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Goes over so many values.
    Skip(Skip, u32),
    /// Goes over a text and so many bytes behind it; keeps the text in a column.
    Text {
        slot: Option<u32>,
        behind: u32,
    },
    /// Goes over bytes after their length and so many behind them.
    Prefixed {
        behind: u32,
    },
    /// Goes over a varint.
    Long,
    /// Keeps a value in a column.
    Keep(Scalar, u32),
    /// Puts a constant in a column; reads nothing.
    Put {
        constant: u32,
        slot: u32,
    },
    /// Reads a symbol, whose text is the constant so many after the first; no text, no such symbol for the reader.
    Symbol {
        node: NodeId,
        first: u32,
        known: u32,
        slot: Option<u32>,
    },
    /// Reads a branch's index and goes on where its target says.
    Union {
        first: u32,
        known: u32,
    },
    Jump(u32),
    /// An array or map of items that are so many values of one kind.
    Items {
        skip: Skip,
        times: u32,
        width: u32,
    },
    /// One of other items, each of which a block reads.
    Array {
        block: u32,
        width: u32,
        depth: u16,
    },
    /// A map of which some keys are wanted.
    Map {
        map: u32,
        depth: u16,
    },
    /// Runs a block.
    Call {
        block: u32,
        depth: u16,
    },
    Return,
    /// Writes the value as JSON into a column. `again`: what follows reads the same value.
    Json {
        node: NodeId,
        slot: u32,
        depth: u16,
        again: bool,
    },
    /// Fails if the value that comes nests too deeply. Left out where no value of the schema can.
    Depth(u16),
    /// Fails, for the reason of the node.
    Refuse(NodeId),
}

/// An operation at work.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub op: Op,
    pub stride: Stride,
}

/// Values of which nothing is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// One byte each, whatever it is.
    Bytes,
    Boolean,
    Int,
    Long,
    /// Bytes after their length.
    Prefixed,
    Text,
    Decimal,
    /// A symbol's index, of so many.
    Symbol(u32),
}

/// Values that become a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Boolean,
    Int(Number),
    Long(Number),
    Float,
    Double,
    Bytes {
        utf8: bool,
        to: Bytes,
    },
    Fixed {
        size: u32,
        to: Bytes,
    },
    /// A part of a duration.
    Part,
}

/// The wanted keys of a map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub keys: Vec<Key>,
    /// The block of the values of other keys.
    pub other: u32,
    /// The fewest bytes of a key and its value.
    pub width: u32,
}

/// A wanted key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub name: Arc<str>,
    pub block: u32,
    /// The columns of all that is wanted there: missing again when the key comes twice.
    pub slots: Vec<u32>,
}
