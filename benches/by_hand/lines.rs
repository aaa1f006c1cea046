//! What the programs by hand share: lines in, out of large blocks and never copied, and a large buffer out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Deserialize;

/// Bytes that are read and written at once: large enough that the calls cost nothing, small enough for the second level cache.
pub const BLOCK: usize = 256 << 10;

/// Calls `take` with each line of a file, without its end. UTF-8 is checked a block at a time, which costs less than in each string.
pub fn each_line(input: &Path, mut take: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::open(input)?;
    let mut block = vec![0; BLOCK];
    let mut filled = 0;
    loop {
        if filled == block.len() {
            block.resize(2 * filled, 0);
        }
        let read = file.read(&mut block[filled..])?;
        let end = filled + read;
        if read == 0 {
            return if end > 0 { take(text(&block[..end])?) } else { Ok(()) };
        }
        let lines_end = memchr::memrchr(b'\n', &block[filled..end]).map_or(0, |at| filled + at + 1);
        lines_of(text(&block[..lines_end])?, &mut take)?;
        block.copy_within(lines_end..end, 0);
        filled = end - lines_end;
    }
}

/// Calls `take` with each line of a text that ends with a line's end.
pub fn lines_of(text: &str, take: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
        take(&text[start..end])?;
        start = end + 1;
    }
    Ok(())
}

/// Bytes as text, which is checked.
pub fn text(bytes: &[u8]) -> io::Result<&str> {
    simdutf8::basic::from_utf8(bytes).map_err(io::Error::other)
}

/// What a line of JSON says of the fields that `T` has.
pub fn parse<'a, T: Deserialize<'a>>(line: &'a str) -> io::Result<T> {
    serde_json::from_str(line).map_err(io::Error::other)
}

/// A file that is written in large blocks.
pub struct Out {
    file: File,
    pub buffer: Vec<u8>,
}

impl Out {
    pub fn new(path: &Path) -> io::Result<Out> {
        Ok(Out { file: File::create(path)?, buffer: Vec::with_capacity(BLOCK + (4 << 10)) })
    }

    /// Writes what has gathered, if that is enough.
    pub fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Appends to a line.
pub fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

pub fn put_int(out: &mut Vec<u8>, value: impl itoa::Integer) {
    put(out, itoa::Buffer::new().format(value));
}

pub fn put_float(out: &mut Vec<u8>, value: f64) {
    put(out, ryu::Buffer::new().format_finite(value));
}
