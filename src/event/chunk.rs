//! Framed input on its way from a connector to a decoder.

use std::ops::Range;

use bytes::Bytes;

use super::{Column, Timestamp};

/// Up to a batch of events as bytes, and what the connector knows of each. Lists are empty where the connector has nothing to tell.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The bytes that `frames` point into.
    pub text: Bytes,
    /// The bytes of each event.
    pub frames: Vec<Range<u32>>,
    /// The partition all of them came from, where the source has such.
    pub partition: Option<i64>,
    /// The position of each (a byte offset, a sequence number).
    pub offsets: Vec<i64>,
    /// The broker's time of each.
    pub times: Vec<Timestamp>,
    /// The broker's key of each; text cells point into `text` (text 0).
    pub keys: Option<Column>,
    /// The broker's headers of each, as JSON objects in `text` (text 0).
    pub headers: Option<Column>,
}
