//! Whether two programs wrote the same.

use std::io;
use std::path::Path;

/// An error that shows the first difference, where two files have not the same bytes; where lines come in any order, not the same lines.
pub fn equal(theirs: &Path, ours: &Path, ordered: bool) -> io::Result<()> {
    let (left, right) = (std::fs::read(theirs)?, std::fs::read(ours)?);
    if left == right && !left.is_empty() {
        return Ok(());
    }
    let (mut left, mut right): (Vec<&[u8]>, Vec<&[u8]>) = (lines(&left), lines(&right));
    if !ordered {
        left.sort_unstable();
        right.sort_unstable();
    }
    if left == right && left.len() > 1 {
        return Ok(());
    }
    let at = left.iter().zip(&right).position(|(left, right)| left != right).unwrap_or(left.len().min(right.len()));
    let show =
        |lines: &[&[u8]]| lines.get(at).map_or("the end".into(), |line| String::from_utf8_lossy(line).into_owned());
    Err(io::Error::other(format!(
        "the results differ: {} has {} lines and {} has {}; at {at}:\n  {}\n  {}",
        theirs.display(),
        left.len() - 1,
        ours.display(),
        right.len() - 1,
        show(&left),
        show(&right)
    )))
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split(|byte| *byte == b'\n').collect()
}
