//! A segment: an append-only file of blocks. Each block is checked together with all that stands before it, so the length and the
//! last check of a segment, which a manifest holds, say what its content is to the bit.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use crate::limits::{READ_BYTES, STORE_BLOCK_BYTES_MAX};

use super::error::{Flaw, StoreError};

/// Of a block: its check, its stream, its length and whether it is clean.
const HEADER: usize = 8 + TOLD;
const TOLD: usize = 8 + 4;
/// The bit of the length that says that a block is clean.
const CLEAN: u32 = 1 << 31;

/// A segment as a manifest names it: the file may be longer, by what was written after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub number: u64,
    pub len: u64,
    pub check: u64,
}

/// Bytes that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Whose they are: a state, or what a sink held back. The blocks of a stream, in order, are its content.
    pub stream: u64,
    /// Its records' keys are in no earlier clean block of the stream, and it has no tombstones.
    pub clean: bool,
    pub payload: Bytes,
}

/// Where a segment lies.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("segment-{number:012}"))
}

/// A hash that is the same on every machine and in every version.
pub(super) fn check(bytes: &[u8], seed: u64) -> u64 {
    rapidhash_v3_seeded(bytes, &RapidSecrets::seed_cpp(seed))
}

fn told(stream: u64, len_and_clean: u32) -> [u8; TOLD] {
    let mut told = [0; TOLD];
    told[..8].copy_from_slice(&stream.to_le_bytes());
    told[8..].copy_from_slice(&len_and_clean.to_le_bytes());
    told
}

/// Appends to a segment.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    segment: Segment,
}

impl Writer {
    /// A new segment.
    pub fn create(dir: &Path, number: u64) -> Result<Writer, StoreError> {
        let path = path(dir, number);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(StoreError::io("made", &path))?;
        // The number is the first check: so one segment is never taken for another.
        Ok(Writer { path, file, segment: Segment { number, len: 0, check: number } })
    }

    /// What has been written.
    pub fn segment(&self) -> Segment {
        self.segment
    }

    /// Appends a block.
    pub fn append(&mut self, stream: u64, clean: bool, payload: &[u8]) -> Result<(), StoreError> {
        if payload.len() > STORE_BLOCK_BYTES_MAX {
            let too_large = format!("a record of {} bytes, where {STORE_BLOCK_BYTES_MAX} are the most", payload.len());
            return Err(StoreError::Draft(too_large));
        }
        let told = told(stream, payload.len() as u32 | if clean { CLEAN } else { 0 });
        let next = check(payload, check(&told, self.segment.check));
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&next.to_le_bytes());
        header[8..].copy_from_slice(&told);
        let written = self.file.write_all(&header).and_then(|()| self.file.write_all(payload));
        written.map_err(StoreError::io("written", &self.path))?;
        self.segment.len += (HEADER + payload.len()) as u64;
        self.segment.check = next;
        Ok(())
    }

    /// Everything is on the disk when this returns.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::io("synced", &self.path))
    }

    /// Gives back the room of what was written behind `len`; nothing may be appended any more.
    pub fn cut(self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

/// Reads a segment, block by block.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    left: u64,
    check: u64,
    end: u64,
}

impl Reader {
    /// The file must be as long as the manifest says.
    pub fn open(dir: &Path, segment: Segment) -> Result<Reader, Flaw> {
        let path = path(dir, segment.number);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (len, file) = opened.map_err(|error| Flaw::new(&path, error))?;
        if len < segment.len {
            return Err(Flaw::new(&path, format_args!("it has {len} bytes and should have {}", segment.len)));
        }
        let input = BufReader::with_capacity(READ_BYTES, file);
        Ok(Reader { path, input, left: segment.len, check: segment.number, end: segment.check })
    }

    /// The next block; `None` once the segment was read and is whole.
    pub fn next(&mut self) -> Result<Option<Block>, Flaw> {
        if self.left == 0 {
            return if self.check == self.end { Ok(None) } else { Err(self.damaged()) };
        }
        let mut header = [0; HEADER];
        self.fill(&mut header)?;
        let (wanted, told) = header.split_first_chunk::<8>().ok_or_else(|| self.damaged())?;
        let (stream, len) = told.split_first_chunk::<8>().ok_or_else(|| self.damaged())?;
        let len = u32::from_le_bytes(*len.first_chunk().ok_or_else(|| self.damaged())?);
        let (clean, len) = (len & CLEAN != 0, len & !CLEAN);
        // Memory is taken only for what the file has.
        if u64::from(len) > self.left {
            return Err(self.damaged());
        }
        let mut payload = vec![0; len as usize];
        self.fill(&mut payload)?;
        let found = check(&payload, check(told, self.check));
        if found != u64::from_le_bytes(*wanted) {
            return Err(self.damaged());
        }
        self.check = found;
        Ok(Some(Block { stream: u64::from_le_bytes(*stream), clean, payload: payload.into() }))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Flaw> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else { return Err(self.damaged()) };
        self.left = left;
        self.input.read_exact(bytes).map_err(|error| Flaw::new(&self.path, error))
    }

    fn damaged(&self) -> Flaw {
        Flaw::new(&self.path, format_args!("it is damaged in the block that ends {} bytes before its end", self.left))
    }
}
