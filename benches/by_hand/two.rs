//! By hand on two cores: each thread reads a block of lines in its turn, parses it while the other does the same, and applies it in its
//! turn. So order is kept, and what is not parsing takes one thread at a time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::lines::{BLOCK, Out, lines_of, parse, text};
use crate::stateless::travel;
use crate::windows::{Payment, Windows};

const THREADS: usize = 2;

pub fn filter_map(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let mut file = File::create(&outputs[0])?;
    in_turn(
        input,
        |lines, out: &mut Vec<u8>| {
            out.clear();
            lines_of(lines, &mut |line| travel(line, out))
        },
        |_, out| file.write_all(out),
    )
}

pub fn tumbling(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    /// A payment, with the place of its user in the block.
    type Parsed = (i64, usize, usize, f64);
    let (mut windows, mut out) = (Windows::<1>::new(), Out::new(&outputs[0])?);
    in_turn(
        input,
        |lines, parsed: &mut Vec<Parsed>| {
            parsed.clear();
            lines_of(lines, &mut |line| {
                let Payment { timestamp, user_id, amount } = parse(line)?;
                let start = user_id.as_ptr().addr() - lines.as_ptr().addr();
                parsed.push((timestamp, start, start + user_id.len(), amount));
                Ok(())
            })
        },
        |lines, parsed| {
            parsed.iter().try_for_each(|&(timestamp, start, end, amount)| {
                windows.take(&Payment { timestamp, user_id: &lines[start..end], amount }, &mut out)
            })
        },
    )?;
    windows.end(&mut out)
}

/// What has been read and not yet been given out: the beginning of a line.
struct Blocks {
    file: File,
    rest: Vec<u8>,
    given: u64,
}

impl Blocks {
    /// Fills `block` with whole lines; its number, or `None` at the end.
    fn next(&mut self, block: &mut Vec<u8>) -> io::Result<Option<u64>> {
        block.clear();
        block.append(&mut self.rest);
        loop {
            let filled = block.len();
            block.resize(filled + BLOCK, 0);
            let read = self.file.read(&mut block[filled..])?;
            block.truncate(filled + read);
            if read == 0 && filled == 0 {
                return Ok(None);
            }
            if read == 0 && block.last() != Some(&b'\n') {
                block.push(b'\n');
            }
            if let Some(end) = memchr::memrchr(b'\n', block) {
                self.rest = block.split_off(end + 1);
                self.given += 1;
                return Ok(Some(self.given - 1));
            }
        }
    }
}

/// Whose turn it is to apply.
struct Turn<F> {
    block: u64,
    has_failed: bool,
    apply: F,
}

fn in_turn<T: Default>(
    input: &Path,
    parse: impl Fn(&str, &mut T) -> io::Result<()> + Sync,
    apply: impl FnMut(&str, &mut T) -> io::Result<()> + Send,
) -> io::Result<()> {
    let blocks = Mutex::new(Blocks { file: File::open(input)?, rest: Vec::new(), given: 0 });
    let (turn, changed) = (Mutex::new(Turn { block: 0, has_failed: false, apply }), Condvar::new());
    let work = || -> io::Result<()> {
        let (mut block, mut parsed) = (Vec::new(), T::default());
        loop {
            let given = blocks.lock().unwrap_or_else(PoisonError::into_inner).next(&mut block)?;
            let Some(number) = given else { return Ok(()) };
            let lines = text(&block)?;
            parse(lines, &mut parsed)?;
            let mine = turn.lock().unwrap_or_else(PoisonError::into_inner);
            let mut mine = changed
                .wait_while(mine, |turn| turn.block != number && !turn.has_failed)
                .unwrap_or_else(PoisonError::into_inner);
            if mine.has_failed {
                return Ok(());
            }
            (mine.apply)(lines, &mut parsed)?;
            mine.block += 1;
            changed.notify_all();
        }
    };
    let work = || {
        let result = work();
        if result.is_err() {
            turn.lock().unwrap_or_else(PoisonError::into_inner).has_failed = true;
            changed.notify_all();
        }
        result
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))))
    })
}
