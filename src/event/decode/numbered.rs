//! JSON behind the number of its schema, as Confluent's serializers write it: what stands before each event is checked and left out.

use std::ops::Range;

use crate::event::Chunk;
use crate::event::avro::header;
use crate::event::codes::{self, Code};
use crate::event::packed::Wire;

use super::Rows;
use super::json::JsonDecoder;

/// The rows of a chunk.
pub(super) fn decode(decoder: &mut JsonDecoder, chunk: &Chunk) -> Rows {
    let mut bad: Vec<(usize, Code, String)> = Vec::new();
    // Which frames of the chunk have JSON in them, and where in the text it is.
    let mut places: Vec<usize> = Vec::with_capacity(chunk.frames.len());
    let mut frames: Vec<Range<u32>> = Vec::with_capacity(chunk.frames.len());
    for (place, frame) in chunk.frames.iter().enumerate() {
        let event = chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
        match header::read(Wire::Confluent, event) {
            Ok((_, size)) => {
                places.push(place);
                frames.push(frame.start + size as u32..frame.end);
            }
            Err(why) => bad.push((place, codes::JSON_HEADER, why)),
        }
    }
    let mut rows = decoder.decode(&Chunk { text: chunk.text.clone(), frames, ..Chunk::default() });
    bad.extend(rows.bad.into_iter().map(|(frame, code, why)| (places[frame], code, why)));
    bad.sort_unstable_by_key(|(place, ..)| *place);
    rows.bad = bad;
    rows
}
