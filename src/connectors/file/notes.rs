//! What a file sink notes beside the checkpoints: each file that it opens after one, as it was before, so that a run that goes on
//! from that checkpoint takes back what came after, whichever files it will write itself. A checkpoint lists the files that are
//! open, and would not know the others by name.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ledger::{Kept, hash};
use super::output::failed;
use super::rotate;
use crate::connectors::ConnectorError;
use crate::limits::{NOTES_BYTES_KEPT_MAX, NOTES_MARKS_MAX};

pub struct Notes {
    path: PathBuf,
    file: File,
    len: u64,
    /// The checkpoint that was asked for last; what is noted came after it.
    after: u64,
    /// The one that was published last. The one before it may still be gone back to.
    published: u64,
    /// Where the notes begin that came after a checkpoint.
    marks: Vec<(u64, u64)>,
    /// What was noted since the last checkpoint, and the number of each note.
    noted: HashMap<u64, u64>,
    /// The number of the last note, and that of the last that is on the disk.
    last: u64,
    synced: u64,
}

impl Notes {
    /// The notes at a path. `resume`: those that came after this checkpoint are heeded, in the folder of the sink; `None`: there are
    /// none yet.
    pub fn open(path: &Path, folder: &Path, resume: Option<u64>) -> Result<Notes, ConnectorError> {
        let wrong = |why| failed("open", path, &why);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(wrong)?;
        let after = resume.unwrap_or(0);
        match resume {
            Some(after) => {
                heed(&file, folder, after)?;
                // Checkpoints that were asked for and never published: their numbers will be given again.
                let line = format!("{}\n", json!({ "resumed": after }));
                file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(wrong)?;
            }
            None => file.set_len(0).map_err(wrong)?,
        }
        let len = file.seek(SeekFrom::End(0)).map_err(wrong)?;
        let (path, marks, noted) = (path.to_path_buf(), vec![(after, 0)], HashMap::new());
        Ok(Notes { path, file, len, after, published: after, marks, noted, last: 0, synced: 0 })
    }

    /// Notes a file that was just opened, before anything is written to it, and gives the number of the note. `is_new`: nothing of
    /// what it had counts.
    pub fn note(&mut self, name: &str, kept: &Kept, is_new: bool) -> Result<u64, ConnectorError> {
        if let Some(number) = self.noted.get(&hash(name)) {
            return Ok(*number);
        }
        let Kept { bytes, inode, number, .. } = kept;
        let note = json!({
            "after": self.after, "path": name, "bytes": bytes, "inode": inode, "number": number, "new": is_new,
        });
        let line = format!("{note}\n");
        if let Err(why) = self.file.write_all(line.as_bytes()) {
            // A torn line would hide the one that is written after it. If this fails too, the first error says enough.
            let _ = self.file.set_len(self.len);
            return Err(failed("write", &self.path, &why));
        }
        self.len += line.len() as u64;
        self.last += 1;
        self.noted.insert(hash(name), self.last);
        Ok(self.last)
    }

    /// Waits until the note of this number is on the disk, and with it all that there are: before its file is written.
    pub fn sync(&mut self, number: u64) -> Result<(), ConnectorError> {
        if number > self.synced {
            self.file
                .sync_data()
                .map_err(|why| ConnectorError::fatal(failed("write to the disk", &self.path, &why).message))?;
            self.synced = self.last;
        }
        Ok(())
    }

    /// What is noted from here on came after checkpoint `id`.
    pub fn checkpoint(&mut self, id: u64) {
        self.after = id;
        self.noted.clear();
        if self.marks.len() >= NOTES_MARKS_MAX {
            // Of checkpoints that were never published; without the mark more is kept than is needed.
            self.marks.remove(1);
        }
        self.marks.push((id, self.len));
    }

    /// Checkpoint `id` is published: what came before the one before it will not be asked for again.
    pub fn commit(&mut self, id: u64) -> Result<(), ConnectorError> {
        let before = std::mem::replace(&mut self.published, id);
        self.marks.retain(|(mark, _)| *mark >= before);
        let Some((_, from)) = self.marks.first().copied() else { return Ok(()) };
        if from == 0 || (from < self.len && from < NOTES_BYTES_KEPT_MAX) {
            return Ok(());
        }
        self.drop_before(from).map_err(|why| failed("write", &self.path, &why))
    }

    fn drop_before(&mut self, from: u64) -> std::io::Result<()> {
        if from >= self.len {
            self.file.set_len(0)?;
        } else {
            let path = self.path.with_extension("new");
            let _ = std::fs::remove_file(&path);
            let mut new = OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
            self.file.seek(SeekFrom::Start(from))?;
            std::io::copy(&mut Read::by_ref(&mut self.file).take(self.len - from), &mut new)?;
            new.sync_data()?;
            std::fs::rename(&path, &self.path)?;
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
            self.file = new;
        }
        self.len = self.len.saturating_sub(from);
        self.marks.iter_mut().for_each(|(_, at)| *at = at.saturating_sub(from));
        Ok(())
    }
}

/// A line of the notes.
enum Line {
    /// A file as it was when it was opened after a checkpoint.
    Note { after: u64, name: String, kept: Kept, is_new: bool },
    /// A run that went on from this checkpoint.
    Resumed(u64),
}

/// Takes back what was done to the files that were opened after a checkpoint.
fn heed(notes: &File, folder: &Path, from: u64) -> Result<(), ConnectorError> {
    let mut heeded: Vec<(u64, PathBuf, Kept, bool)> = Vec::new();
    for line in BufReader::new(notes).lines() {
        let Ok(line) = line else { break };
        match parse(&line) {
            Some(Line::Note { after, name, kept, is_new }) => heeded.push((after, folder.join(name), kept, is_new)),
            Some(Line::Resumed(from)) => heeded.iter_mut().for_each(|(after, ..)| *after = from.min(*after)),
            // A torn note was never on the disk as a whole, and so nothing was written to its file.
            None => {}
        }
    }
    let mut after = heeded.iter().filter(|(after, ..)| *after >= from);
    after.try_for_each(|(_, target, kept, is_new)| take_back(target, kept, *is_new))
}

fn parse(line: &str) -> Option<Line> {
    let note: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| note.get(name)?.as_u64();
    if let Some(from) = number("resumed") {
        return Some(Line::Resumed(from));
    }
    let kept = Kept::new(number("bytes")?, number("inode")?, u32::try_from(number("number")?).ok()?);
    let name = note.get("path")?.as_str()?.to_string();
    Some(Line::Note { after: number("after")?, name, kept, is_new: note.get("new")?.as_bool()? })
}

fn take_back(target: &Path, kept: &Kept, is_new: bool) -> Result<(), ConnectorError> {
    if kept.number > 0 {
        rotate::remove_after(target, kept.number)?;
    }
    let path = kept.path(target);
    // What has another number is somebody else's.
    let Some(found) = std::fs::metadata(&path).ok().filter(|found| found.ino() == kept.inode && found.is_file()) else {
        return Ok(());
    };
    if is_new {
        std::fs::remove_file(&path).map_err(|why| failed("remove", &path, &why))?;
    } else if found.len() > kept.bytes {
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(kept.bytes));
        cut.map_err(|why| failed("cut back", &path, &why))?;
    }
    Ok(())
}
