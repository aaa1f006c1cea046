//! The blocks of a container are cut into events where these are decoded: where one ends is known then, and to look for the ends first
//! would be half of decoding. What has no end, as what is too much, is told as where blocks are cut before (`frame/container.rs`).

use std::mem::take;
use std::ops::Range;

use crate::event::codes;
use crate::event::{BadFrame, Chunk};

use super::container::{endless, left_over};
use super::fault::Fault;
use super::sheet::{Placed, Sheet};

/// Decodes the events of an uncut chunk, whose frames are theirs then.
pub(super) fn cut(chunk: &mut Chunk, sheet: &mut Sheet<'_>, placed: &Placed) {
    let (blocks, offsets) = (take(&mut chunk.frames), take(&mut chunk.offsets));
    chunk.uncut = false;
    chunk.frames.reserve(blocks.len());
    chunk.offsets.reserve(blocks.len());
    let mut given = 0;
    while let Some(block) = blocks.get(given) {
        // Blocks of no bytes may be at one place of the text.
        let at = |i: usize| (blocks.get(i), offsets.get(i));
        let events = (given..blocks.len()).take_while(|i| at(*i) == at(given)).count();
        let offset = offsets.get(given).copied();
        cut_block(chunk, block.start as usize..block.end as usize, events, offset, sheet, placed);
        chunk.offsets.resize(chunk.frames.len(), offset.unwrap_or(i64::MIN));
        given += events;
    }
}

/// The same of one block.
fn cut_block(
    chunk: &mut Chunk,
    block: Range<usize>,
    events: usize,
    offset: Option<i64>,
    sheet: &mut Sheet<'_>,
    placed: &Placed,
) {
    let text = sheet.text.get(..block.end).unwrap_or_default();
    let mut at = block.start;
    for event in 1..=events {
        let end = match sheet.read(at, block.end, placed) {
            Ok(end) => {
                sheet.keep(at..end);
                end
            }
            // It is bad, yet if it has an end the next ones are not.
            Err(_) => match placed.compiled.writer.ends.walk().end(text, at) {
                Ok(end) => {
                    sheet.event(chunk.frames.len(), at..end, 0, placed);
                    end
                }
                Err(fault) => {
                    let fault = Fault { at: fault.at.saturating_sub(block.start as u32), ..fault };
                    let data = text.get(block.start..).unwrap_or_default();
                    let why = endless(offset.unwrap_or(0), data, event as u64, events as u64, fault);
                    return push_bad(chunk, text.get(at..).unwrap_or_default(), offset, why);
                }
            },
        };
        chunk.frames.push(at as u32..end as u32);
        at = end;
    }
    if at < block.end {
        let why = left_over(offset.unwrap_or(0), block.end - at, events as u64);
        push_bad(chunk, text.get(at..).unwrap_or_default(), offset, why);
    }
}

fn push_bad(chunk: &mut Chunk, bytes: &[u8], offset: Option<i64>, why: String) {
    let before = chunk.frames.len() as u32;
    chunk.bad.push(BadFrame { before, ..BadFrame::new(bytes, offset, codes::AVRO_BLOCK, why) });
}
