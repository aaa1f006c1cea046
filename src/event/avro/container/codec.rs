//! How the blocks of a container are compressed.

use std::io::{self, Read, Write};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// A codec of the specification that is read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    #[default]
    Null,
    Deflate,
    /// Behind the data the CRC-32 of what they were, big endian.
    Snappy,
    Zstandard,
}

/// No piece of Snappy's format stands for more than so many times its own bytes.
const SNAPPY_RATIO_MAX: usize = 32;

impl Codec {
    /// What a head calls it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Zstandard => "zstandard",
        }
    }

    /// The codec of a name. `Err`: what is to be done about another one.
    pub fn named(name: &[u8]) -> Result<Codec, String> {
        match name {
            b"null" | b"" => Ok(Codec::Null),
            b"deflate" => Ok(Codec::Deflate),
            b"snappy" => Ok(Codec::Snappy),
            b"zstandard" => Ok(Codec::Zstandard),
            other => {
                let name = String::from_utf8_lossy(other.get(..32).unwrap_or(other)).into_owned();
                Err(format!(
                    "its codec is `{name}`, which is not read; have it written with null, deflate, snappy or zstandard"
                ))
            }
        }
    }

    /// Adds what the data of a block stand for to `out`, at most `max` bytes, whatever they claim. `Err`: what is wrong with them.
    pub fn unpack(self, data: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Codec::Null if data.len() > max => return Err(too_large(max)),
            Codec::Null => out.extend_from_slice(data),
            Codec::Deflate => copy(DeflateDecoder::new(data), max, out).map_err(|why| self.broken(&why))?,
            Codec::Snappy => snappy(data, max, out)?,
            Codec::Zstandard => {
                let decoder = zstd::stream::read::Decoder::with_buffer(data);
                decoder.and_then(|decoder| copy(decoder, max, out)).map_err(|why| self.broken(&why))?;
            }
        }
        Ok(())
    }

    /// The data of a block.
    pub fn pack(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Codec::Null => Ok(plain.to_vec()),
            Codec::Deflate => {
                let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Codec::Snappy => {
                let mut packed = snap::raw::Encoder::new().compress_vec(plain).map_err(io::Error::other)?;
                packed.extend_from_slice(&crc(plain).to_be_bytes());
                Ok(packed)
            }
            Codec::Zstandard => zstd::stream::encode_all(plain, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }

    fn broken(self, why: &io::Error) -> String {
        match why.kind() {
            io::ErrorKind::FileTooLarge => why.to_string(),
            // What zstd finds first depends on the room that it is given.
            _ if self == Codec::Zstandard => format!("its {} data are broken", self.name()),
            _ => format!("its {} data are broken ({why})", self.name()),
        }
    }
}

/// Reads all, if it is not more than `max`.
fn copy(reader: impl Read, max: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(max as u64 + 1).read_to_end(out)?;
    match read > max {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, too_large(max))),
        false => Ok(()),
    }
}

fn snappy(data: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let broken = |why: String| format!("its snappy data are broken ({why})");
    let (packed, sum) = data.split_last_chunk::<4>().ok_or_else(|| broken("no check".to_owned()))?;
    let size = snap::raw::decompress_len(packed).map_err(|why| broken(why.to_string()))?;
    if size > max {
        return Err(too_large(max));
    }
    if size > packed.len().saturating_mul(SNAPPY_RATIO_MAX) {
        return Err(broken(format!("{} bytes that claim to be {size}", packed.len())));
    }
    let start = out.len();
    out.resize(start + size, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(packed, room).map_err(|why| broken(why.to_string()))?;
    match crc(room) == u32::from_be_bytes(*sum) {
        true => Ok(()),
        false => Err(broken("the check does not fit".to_owned())),
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn too_large(max: usize) -> String {
    format!("it has more than {max} bytes uncompressed")
}
