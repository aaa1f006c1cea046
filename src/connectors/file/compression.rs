//! Compressed files: which kind a path is, reading all members of one, and packing blocks as members of their own.

use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What the key `compression` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By the ending of the file's name.
    Auto,
    Always(Compression),
}

impl Choice {
    /// The choice of that name in the table of keys.
    pub fn named(name: &str) -> Choice {
        match name {
            "none" => Choice::Always(Compression::None),
            "gzip" => Choice::Always(Compression::Gzip),
            "zstd" => Choice::Always(Compression::Zstd),
            _ => Choice::Auto,
        }
    }

    /// How a file of this name is compressed.
    pub fn of(self, path: &Path) -> Compression {
        match self {
            Choice::Always(compression) => compression,
            Choice::Auto => match path.extension().and_then(|ending| ending.to_str()) {
                Some("gz" | "gzip") => Compression::Gzip,
                Some("zst" | "zstd") => Compression::Zstd,
                _ => Compression::None,
            },
        }
    }
}

impl Compression {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// The compression that a file starting with these bytes has, whatever it is called.
    pub fn of_content(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// What the file holds, all of its members or frames one after the other.
    pub fn reader(self, file: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, file))),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?),
        })
    }

    /// A block as a member of its own. A file of such members is whole after each, so that it can be cut back to the last one and
    /// added to later.
    pub fn pack(self, block: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Compression::None => Ok(block),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(block.len() / 4), flate2::Compression::default());
                encoder.write_all(&block)?;
                encoder.finish()
            }
            Compression::Zstd => zstd::stream::encode_all(block.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides_unless_it_is_said() {
        assert_eq!(Choice::Auto.of(Path::new("a.jsonl.gz")), Compression::Gzip);
        assert_eq!(Choice::Auto.of(Path::new("a.csv.zst")), Compression::Zstd);
        assert_eq!(Choice::Auto.of(Path::new("gz")), Compression::None);
        assert_eq!(Choice::named("none").of(Path::new("a.gz")), Compression::None);
    }

    #[test]
    fn members_one_after_the_other_read_as_one_text() {
        for kind in [Compression::Gzip, Compression::Zstd] {
            let mut bytes = kind.pack(b"one\n".to_vec()).unwrap();
            assert_eq!(Compression::of_content(&bytes), kind);
            bytes.extend(kind.pack(b"two\n".to_vec()).unwrap());
            let path = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(path.path(), &bytes).unwrap();
            let mut text = String::new();
            kind.reader(std::fs::File::open(path.path()).unwrap()).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "one\ntwo\n");
        }
    }
}
