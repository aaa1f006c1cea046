//! How state is written as bytes: the primitives of every record. Little-endian and LEB128; a change of these is a new version of the
//! checkpoint's format.

use super::Value;
use super::value::SmallText;

/// What should be state is not: the bytes end early, or make no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt(pub String);

impl std::fmt::Display for Corrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends an unsigned number in as few bytes as it needs.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number; one near zero is short.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a wide signed number.
pub fn put_i128(out: &mut Vec<u8>, value: i128) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a float, bit by bit.
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Appends bytes and their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a value.
pub fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Bool(bool) => out.push(1 + u8::from(*bool)),
        Value::Int(int) => {
            out.push(3);
            put_i64(out, *int);
        }
        Value::Float(float) => {
            out.push(4);
            put_f64(out, *float);
        }
        Value::Big(text) => {
            out.push(5);
            put_bytes(out, text);
        }
        Value::Str(text) => {
            out.push(6);
            put_bytes(out, text.bytes());
        }
        Value::Json(text) => {
            out.push(7);
            put_bytes(out, text);
        }
    }
}

/// Reads what the functions above wrote, never beyond the end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What another reader, a copy of this one, has read since.
    pub fn until(&self, later: &Reader<'a>) -> &'a [u8] {
        self.rest.get(..self.rest.len().saturating_sub(later.rest.len())).unwrap_or_default()
    }

    /// All was read: else there is more than there should be.
    pub fn end(self) -> Result<(), Corrupt> {
        if self.rest.is_empty() { Ok(()) } else { Err(Corrupt(format!("{} bytes too many", self.rest.len()))) }
    }

    /// So many bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        let (first, rest) = self.rest.split_first().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*first)
    }

    pub fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Corrupt("a number is too long".into()))
    }

    /// A varint that is a length or an index.
    pub fn size(&mut self) -> Result<usize, Corrupt> {
        usize::try_from(self.varint()?).map_err(|_| Corrupt("a length is too large".into()))
    }

    pub fn i64(&mut self) -> Result<i64, Corrupt> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn i128(&mut self) -> Result<i128, Corrupt> {
        Ok(i128::from_le_bytes(self.fixed()?))
    }

    pub fn f64(&mut self) -> Result<f64, Corrupt> {
        Ok(f64::from_bits(u64::from_le_bytes(self.fixed()?)))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let len = self.size()?;
        self.take(len)
    }

    pub fn value(&mut self) -> Result<Value, Corrupt> {
        Ok(match self.byte()? {
            0 => Value::Null,
            tag @ (1 | 2) => Value::Bool(tag == 2),
            3 => Value::Int(self.i64()?),
            4 => Value::Float(self.f64()?),
            5 => Value::Big(self.text()?.into()),
            6 => Value::Str(SmallText::new(self.text()?)),
            7 => Value::Json(self.text()?.into()),
            tag => return Err(Corrupt(format!("no value has the tag {tag}"))),
        })
    }

    /// Bytes that are UTF-8.
    pub fn text(&mut self) -> Result<&'a [u8], Corrupt> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| Corrupt("a text is not UTF-8".into()))?;
        Ok(bytes)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(cut)?;
        self.rest = rest;
        Ok(*taken)
    }
}

#[cold]
fn cut() -> Corrupt {
    Corrupt("it ends too early".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let ints = [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN];
        let values = [
            Value::Null,
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(-5),
            Value::Float(0.1),
            Value::Big(b"123456789012345678901234567890"[..].into()),
            Value::Str(SmallText::new("a longer text than is kept in place".as_bytes())),
            Value::Json(br#"{"a":1}"#[..].into()),
        ];
        let mut out = Vec::new();
        ints.iter().for_each(|int| put_i64(&mut out, *int));
        values.iter().for_each(|value| put_value(&mut out, value));
        put_varint(&mut out, u64::MAX);
        put_i128(&mut out, i128::MIN);
        let mut reader = Reader::new(&out);
        assert!(ints.iter().all(|int| reader.i64() == Ok(*int)));
        for value in &values {
            let read = reader.value().unwrap();
            assert_eq!((read.kind(), &read), (value.kind(), value));
        }
        assert_eq!((reader.varint(), reader.i128()), (Ok(u64::MAX), Ok(i128::MIN)));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_cut_anywhere_is_an_error() {
        let mut out = Vec::new();
        put_value(&mut out, &Value::Str(SmallText::new(b"abc")));
        put_i64(&mut out, i64::MIN);
        for end in 0..out.len() {
            let mut reader = Reader::new(&out[..end]);
            assert!(reader.value().and_then(|_| reader.i64()).is_err());
        }
        assert!(Reader::new(&[0xff; 10]).varint().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes().is_err(), "a length beyond the end");
    }
}
