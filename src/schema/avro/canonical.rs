//! The Parsing Canonical Form and the fingerprint of it that single-object encoding uses, as the specification gives them.

use std::fmt::Write as _;

use super::{Body, Kind, NameId, Named, Type};
use crate::limits::AVRO_UNFOLDED_DEPTH_MAX;

/// The canonical form of a type. Each named type is written out where it first comes, and is a name after that. `None`: types that refer
/// to each other make it deeper than `AVRO_UNFOLDED_DEPTH_MAX`.
pub(super) fn canonical(names: &[Named], root: &Type) -> Option<String> {
    let mut writer =
        Writer { names, written: vec![false; names.len()], depth: 0, is_too_deep: false, out: String::new() };
    writer.ty(root);
    (!writer.is_too_deep).then_some(writer.out)
}

struct Writer<'s> {
    names: &'s [Named],
    /// By `NameId`.
    written: Vec<bool>,
    depth: usize,
    is_too_deep: bool,
    out: String,
}

impl Writer<'_> {
    fn ty(&mut self, ty: &Type) {
        self.is_too_deep |= self.depth >= AVRO_UNFOLDED_DEPTH_MAX;
        if self.is_too_deep {
            return;
        }
        self.depth += 1;
        match &ty.kind {
            Kind::Null => self.out.push_str(r#""null""#),
            Kind::Boolean => self.out.push_str(r#""boolean""#),
            Kind::Int => self.out.push_str(r#""int""#),
            Kind::Long => self.out.push_str(r#""long""#),
            Kind::Float => self.out.push_str(r#""float""#),
            Kind::Double => self.out.push_str(r#""double""#),
            Kind::Bytes => self.out.push_str(r#""bytes""#),
            Kind::String => self.out.push_str(r#""string""#),
            Kind::Array(items) => self.container("array", "items", items),
            Kind::Map(values) => self.container("map", "values", values),
            Kind::Union(branches) => {
                self.out.push('[');
                self.list(branches, |writer, branch| writer.ty(branch));
                self.out.push(']');
            }
            Kind::Named(id) => self.named(*id),
        }
        self.depth -= 1;
    }

    fn container(&mut self, word: &str, of: &str, inner: &Type) {
        let _ = write!(self.out, r#"{{"type":"{word}","{of}":"#);
        self.ty(inner);
        self.out.push('}');
    }

    fn named(&mut self, id: NameId) {
        let names = self.names;
        let named = &names[id.index()];
        // Names and symbols need no escapes: the parser takes letters, digits, `_` and the points between.
        if std::mem::replace(&mut self.written[id.index()], true) {
            let _ = write!(self.out, r#""{}""#, named.name);
            return;
        }
        let _ = write!(self.out, r#"{{"name":"{}","type":"{}""#, named.name, named.body.word());
        match &named.body {
            Body::Record(fields) => {
                self.out.push_str(r#","fields":["#);
                self.list(fields, |writer, field| {
                    let _ = write!(writer.out, r#"{{"name":"{}","type":"#, field.name);
                    writer.ty(&field.ty);
                    writer.out.push('}');
                });
                self.out.push_str("]}");
            }
            Body::Enum { symbols, .. } => {
                self.out.push_str(r#","symbols":["#);
                self.list(symbols, |writer, symbol| {
                    let _ = write!(writer.out, r#""{symbol}""#);
                });
                self.out.push_str("]}");
            }
            Body::Fixed { size, .. } => {
                let _ = write!(self.out, r#","size":{size}}}"#);
            }
        }
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            each(self, item);
        }
    }
}

const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

const TABLE: [u64; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut crc = at as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// CRC-64-AVRO, a Rabin fingerprint.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(EMPTY, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}
