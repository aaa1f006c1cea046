//! What was found in a piece of input and not yet given out: frames in order, between them what is none, and where in the input
//! each of them is.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use crate::event::{BadFrame, Chunk};
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};

use super::Place;

#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the frames are ranges of.
    text: Bytes,
    frames: Vec<Range<u32>>,
    /// They are those of blocks ([`Chunk::uncut`]).
    uncut: bool,
    /// How many of `frames` were given out.
    given: usize,
    /// What was found between them and was not given out yet.
    asides: VecDeque<Aside>,
    origin: Origin,
}

/// How a frame's place in the input follows from its place in the text.
#[derive(Debug)]
pub(super) enum Origin {
    /// It is this far from the text's, and framing can go on where a frame starts.
    Lines(u64),
    /// The same, but it goes on where the frame before it ends.
    Messages(u64),
    /// It is that of its block.
    Blocks(Vec<Block>),
}

/// Where the events of a block are among the frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Its first frame.
    pub first: usize,
    /// Where in the input it begins.
    pub at: u64,
    /// So many events of it come before that frame and are none of the frames.
    pub before: u32,
}

/// What was found that is no frame.
#[derive(Debug)]
struct Aside {
    /// How many of the frames come before it.
    before: usize,
    place: Place,
    what: What,
}

#[derive(Debug)]
enum What {
    Bad(Box<BadFrame>),
    /// So many empty lines.
    Empty(u64),
}

impl Default for Origin {
    fn default() -> Origin {
        Origin::Lines(0)
    }
}

impl Found {
    /// Whether all was given out.
    pub fn is_empty(&self) -> bool {
        self.given >= self.frames.len() && self.asides.is_empty()
    }

    /// How many frames there are.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    pub fn push(&mut self, frame: Range<usize>) {
        self.frames.push(frame.start as u32..frame.end as u32);
    }

    /// A block of so many events, all of which go into one chunk. There are only such then, and no more than fit.
    pub fn push_uncut(&mut self, block: Range<usize>, events: usize) {
        let frame = block.start as u32..block.end as u32;
        self.frames.extend(std::iter::repeat_n(frame, events));
        self.uncut = true;
    }

    /// Bytes behind the last frame that are no event.
    pub fn push_bad(&mut self, place: Place, bad: BadFrame) {
        self.asides.push_back(Aside { before: self.frames.len(), place, what: What::Bad(Box::new(bad)) });
    }

    /// An empty line behind the last frame.
    pub fn push_empty(&mut self, place: Place) {
        match self.asides.back_mut() {
            Some(Aside { before, what: What::Empty(count), .. }) if *before == self.frames.len() => *count += 1,
            _ => self.asides.push_back(Aside { before: self.frames.len(), place, what: What::Empty(1) }),
        }
    }

    /// What the frames are ranges of, and where that is.
    pub fn set_text(&mut self, text: Bytes, origin: Origin) {
        (self.text, self.origin) = (text, origin);
    }

    /// The place of the first that was not given out.
    pub fn next_place(&self) -> Option<Place> {
        match self.asides.front() {
            Some(aside) if aside.before <= self.given => Some(aside.place),
            _ => self.place_of(self.given),
        }
    }

    fn place_of(&self, index: usize) -> Option<Place> {
        let frame = self.frames.get(index)?;
        Some(match &self.origin {
            Origin::Lines(base) => Place::at(base + u64::from(frame.start)),
            Origin::Messages(base) => {
                let before = index.checked_sub(1).and_then(|before| self.frames.get(before));
                Place::at(base + before.map_or(0, |before| u64::from(before.end)))
            }
            Origin::Blocks(blocks) => {
                let behind = blocks.partition_point(|block| block.first <= index);
                let block = blocks.get(behind.checked_sub(1)?)?;
                Place { events: block.before + (index - block.first) as u32, ..Place::at(block.at) }
            }
        })
    }

    /// A chunk of the first that were not given out, as many as one batch takes; `None` if there are none.
    pub fn take(&mut self, events_max: usize) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        let end = self.take_asides(self.given + self.fitting(events_max), &mut chunk);
        let frames = self.frames.get(self.given..end).unwrap_or_default();
        if let (Some(first), Some(last)) = (frames.first(), frames.last()) {
            let start = first.start;
            chunk.text = self.text.slice(start as usize..last.end as usize);
            chunk.frames = frames.iter().map(|frame| frame.start - start..frame.end - start).collect();
            chunk.offsets = self.offsets(self.given..end);
            chunk.uncut = self.uncut;
        }
        self.given = end;
        if self.is_empty() {
            self.frames.clear();
            self.given = 0;
            self.uncut = false;
            self.text = Bytes::new();
        }
        (!chunk.is_empty() || chunk.empty_lines > 0).then_some(chunk)
    }

    fn offsets(&self, range: Range<usize>) -> Vec<i64> {
        if let Origin::Lines(base) = self.origin {
            let frames = self.frames.get(range).unwrap_or_default();
            return frames.iter().map(|frame| (base + u64::from(frame.start)) as i64).collect();
        }
        if let Origin::Blocks(blocks) = &self.origin {
            let first = blocks.partition_point(|block| block.first <= range.start).saturating_sub(1);
            let blocks = blocks.get(first..).unwrap_or_default();
            let mut offsets = Vec::with_capacity(range.len());
            for (i, block) in blocks.iter().enumerate() {
                let next = blocks.get(i + 1).map_or(range.end, |next| next.first.min(range.end));
                let more = next.saturating_sub(range.start.max(block.first));
                offsets.extend(std::iter::repeat_n(block.at as i64, more));
            }
            return offsets;
        }
        range.map(|index| self.place_of(index).map_or(i64::MIN, |place| place.at as i64)).collect()
    }

    /// How many of the next frames fit into a chunk: one does, whatever its size.
    fn fitting(&self, events_max: usize) -> usize {
        let frames = self.frames.get(self.given..).unwrap_or_default();
        let frames = &frames[..frames.len().min(events_max)];
        let Some(first) = frames.first() else { return 0 };
        let fitting = frames.partition_point(|frame| (frame.end - first.start) as usize <= BATCH_BYTES_MAX).max(1);
        if self.uncut { self.of_whole_blocks(fitting) } else { fitting }
    }

    /// How many of so many frames are of blocks that are among them whole, or of the first block.
    fn of_whole_blocks(&self, frames: usize) -> usize {
        let (Origin::Blocks(blocks), end) = (&self.origin, self.given + frames) else { return frames };
        if end >= self.frames.len() {
            return frames;
        }
        let behind = blocks.partition_point(|block| block.first <= end);
        let last = behind.checked_sub(1).and_then(|last| blocks.get(last)).map_or(end, |block| block.first);
        let next = blocks.get(behind).map_or(self.frames.len(), |block| block.first);
        (if last > self.given { last } else { next }) - self.given
    }

    /// Moves to the chunk what is found aside before the frame `end`, or up to where there are too many bad ones for a chunk,
    /// and says before which frame it is over.
    fn take_asides(&mut self, end: usize, chunk: &mut Chunk) -> usize {
        while let Some(aside) = self.asides.front().filter(|aside| aside.before <= end) {
            if matches!(aside.what, What::Bad(_)) && chunk.bad.len() >= BATCH_EVENTS_MAX {
                return aside.before;
            }
            let before = (aside.before - self.given) as u32;
            match self.asides.pop_front().map(|aside| aside.what) {
                Some(What::Bad(bad)) => chunk.bad.push(BadFrame { before, ..*bad }),
                Some(What::Empty(count)) => chunk.empty_lines += count,
                None => {}
            }
        }
        end
    }
}
