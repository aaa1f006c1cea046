//! Files that a registry or its cache is made of: written whole or not at all, read within a bound.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file by way of another one that is renamed: whoever reads it sees the old or the new content.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Several threads and processes may write the same; each writes a file of its own.
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let draft = folder.join(format!(".{name}.{}.{}", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed)));
    let written = File::create(&draft).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&draft, path)).inspect_err(|_| drop(fs::remove_file(&draft)))
}

/// Reads a file of at most so many bytes; `None` where there is none.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    // To open a pipe would wait for whoever writes it.
    let file = match fs::metadata(path) {
        Ok(found) if found.is_file() => File::open(path)?,
        Ok(_) => return Err(io::Error::other("it is a folder, a pipe or a device, and no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// A subject as the name of a file: what is not plain is written as `%` and its hex digits; long ones end with a hash.
pub(super) fn file_name(subject: &str) -> String {
    const PLAIN_MAX: usize = 120;
    let mut name = String::new();
    for byte in subject.bytes() {
        // A dot at the start would hide the file, or climb.
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && !name.is_empty());
        if plain { name.push(char::from(byte)) } else { name.push_str(&format!("%{byte:02X}")) }
    }
    if name.len() > PLAIN_MAX {
        name.truncate(PLAIN_MAX);
        name.push_str(&format!("~{:016x}", rapidhash::v3::rapidhash_v3(subject.as_bytes())));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&*pipe, folder.path(), Path::new("/dev/zero")] {
            assert!(read(path, 10).unwrap_err().to_string().contains("no file"), "{}", path.display());
        }
        assert!(read(&folder.path().join("none"), 10).unwrap().is_none());
    }

    #[test]
    fn a_subject_is_always_the_name_of_one_file() {
        assert_eq!(file_name("payments-value"), "payments-value");
        assert_eq!(file_name("../a b"), "%2E.%2Fa%20b");
        assert_eq!(file_name("shop.Payment"), "shop.Payment");
        assert!(file_name(&"x/".repeat(500)).len() < 200);
        assert_ne!(file_name(&"x".repeat(500)), file_name(&"x".repeat(501)));
    }

    #[test]
    fn what_is_written_is_read_up_to_a_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        assert_eq!(read(&path, 10).unwrap(), None);
        write(&path, b"0123456789").unwrap();
        assert_eq!(read(&path, 10).unwrap().unwrap(), b"0123456789");
        assert!(read(&path, 9).is_err());
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1, "no draft is left");
    }
}
