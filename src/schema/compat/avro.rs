//! The resolution rules of the Avro specification (1.12), decided for all values that a writer can write.
//!
//! Names of records, enums and fixed are compared without their namespaces, and a reader's aliases count. Of decimals the specification
//! asks for the same precision and scale. The names of findings are those of Apache Avro's `SchemaCompatibility`.

use std::collections::HashMap;

use super::findings::{Finding, Findings, Pairs};
use crate::limits::{COMPAT_DEPTH_MAX, COMPAT_STEPS_MAX};
use crate::schema::avro::{AvroSchema, Body, Field, Kind, Logical, NameId, Named, Type};

/// What stands in the way of reading what `writer` wrote by `reader`.
pub(super) fn can_read(reader: &AvroSchema, writer: &AvroSchema) -> Vec<Finding> {
    let mut comparison = Comparison {
        reader,
        writer,
        path: String::new(),
        pairs: Pairs::new(),
        findings: Findings::default(),
        depth: 0,
        steps: 0,
    };
    comparison.ty(reader.root(), writer.root());
    comparison.findings.into_list()
}

struct Comparison<'s> {
    reader: &'s AvroSchema,
    writer: &'s AvroSchema,
    /// Where in the reader: names of fields, `[]` in an array, `{}` in a map.
    path: String,
    pairs: Pairs<NameId>,
    findings: Findings,
    depth: usize,
    steps: usize,
}

impl<'s> Comparison<'s> {
    /// Whether every value of the writer's type can be read by the reader's.
    fn ty(&mut self, reader: &'s Type, writer: &'s Type) -> bool {
        self.steps += 1;
        if self.steps > COMPAT_STEPS_MAX || self.depth >= COMPAT_DEPTH_MAX {
            let text = "the two versions are too large or too deep to be compared";
            return self.breaks("TOO_COMPLEX", text, "split the event type into smaller ones");
        }
        self.depth += 1;
        let readable = match (&reader.kind, &writer.kind) {
            (_, Kind::Union(branches)) => self.union_written(reader, branches),
            (Kind::Union(branches), _) => self.union_read(branches, writer),
            (Kind::Array(reader), Kind::Array(writer)) => self.within("[]", |all| all.ty(reader, writer)),
            (Kind::Map(reader), Kind::Map(writer)) => self.within("{}", |all| all.ty(reader, writer)),
            (Kind::Named(reader), Kind::Named(writer)) => self.named(*reader, *writer),
            (read, written) if read == written => self.logical(reader, writer),
            (read, written) if promotes(written, read) => self.promoted(reader, writer),
            _ => {
                let (read, written) = (self.read(reader), self.written(writer));
                let help = "keep the type, or add a field of another name; int may become long, float or double, \
                            long float or double, float double, and string and bytes each other";
                self.breaks("TYPE_MISMATCH", format!("it is written as {written} and cannot be read as {read}"), help)
            }
        };
        self.depth -= 1;
        readable
    }

    fn breaks(&mut self, rule: &'static str, text: impl Into<String>, help: &str) -> bool {
        self.findings.add(Finding::breaks(rule, &self.path, text).help(help));
        false
    }

    fn caution(&mut self, rule: &'static str, text: impl Into<String>) {
        self.findings.add(Finding::caution(rule, &self.path, text));
    }

    fn within<T>(&mut self, step: &str, go_on: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 && !step.starts_with(['[', '{']) {
            self.path.push('.');
        }
        self.path.push_str(step);
        let done = go_on(self);
        self.path.truncate(before);
        done
    }

    /// Any branch may have been written.
    fn union_written(&mut self, reader: &'s Type, branches: &'s [Type]) -> bool {
        let mut readable = true;
        for branch in branches {
            let null_is_refused = branch.kind == Kind::Null && !takes_null(reader);
            readable &= match null_is_refused {
                true => {
                    let text = format!("it may be written as null, and is read as {}", self.read(reader));
                    let rule = if is_union(reader) { "MISSING_UNION_BRANCH" } else { "TYPE_MISMATCH" };
                    self.breaks(rule, text, "let the reader's type be a union with `null`")
                }
                false => self.ty(reader, branch),
            };
        }
        readable
    }

    /// One branch must read all values of the type.
    fn union_read(&mut self, branches: &'s [Type], writer: &'s Type) -> bool {
        let before = self.findings.mark();
        // What is wrong with the branch that was meant says more than that there is none.
        let mut meant = Vec::new();
        for branch in branches {
            if self.ty(branch, writer) {
                let cautions = self.findings.take_since(before);
                cautions.into_iter().for_each(|caution| self.findings.add(caution));
                return true;
            }
            let why = self.findings.take_since(before);
            if meant.is_empty() && self.is_meant(branch, writer) {
                meant = why;
            }
        }
        if meant.is_empty() {
            let read: Vec<String> = branches.iter().map(|branch| self.read(branch)).collect();
            let text = format!("it is written as {}, and read as one of {}", self.written(writer), read.join(", "));
            return self.breaks("MISSING_UNION_BRANCH", text, "add the type to the reader's union");
        }
        meant.into_iter().for_each(|finding| self.findings.add(finding));
        false
    }

    fn is_meant(&self, reader: &Type, writer: &Type) -> bool {
        match (&reader.kind, &writer.kind) {
            (Kind::Named(reader), Kind::Named(writer)) => {
                same_name(self.reader.named(*reader), self.writer.named(*writer))
            }
            (Kind::Array(_), Kind::Array(_)) | (Kind::Map(_), Kind::Map(_)) => true,
            (read, written) => read == written,
        }
    }

    fn named(&mut self, reader: NameId, writer: NameId) -> bool {
        let begun = match self.pairs.begin((reader, writer), &self.findings) {
            Ok(begun) => begun,
            Err(known) => return known.again(&self.path, &mut self.findings),
        };
        let readable = self.definitions(self.reader.named(reader), self.writer.named(writer));
        self.pairs.end((reader, writer), begun, readable, &self.findings);
        readable
    }

    fn definitions(&mut self, reader: &'s Named, writer: &'s Named) -> bool {
        let (read, written) = (reader.body.word(), writer.body.word());
        if read != written {
            let text = format!(
                "it is written as the {written} `{}` and cannot be read as the {read} `{}`",
                writer.name, reader.name
            );
            return self.breaks("TYPE_MISMATCH", text, "keep the type, or add a field of another name");
        }
        if !same_name(reader, writer) {
            let text = format!("it is written as `{}` and read as `{}`, another {read}", writer.name, reader.name);
            let help = format!("keep the name, or give the reader `\"aliases\": [\"{}\"]`", writer.name);
            return self.breaks("NAME_MISMATCH", text, &help);
        }
        match (&reader.body, &writer.body) {
            (Body::Record(reader), Body::Record(writer)) => self.records(reader, writer),
            (Body::Enum { symbols, default }, Body::Enum { symbols: written, .. }) => {
                let missing = written.iter().filter(|symbol| !symbols.contains(symbol));
                let missing: Vec<String> = missing.map(|symbol| format!("`{symbol}`")).collect();
                match (missing.is_empty(), default) {
                    (true, _) => true,
                    (false, Some(default)) => {
                        let text = format!("{} are read as the default `{}`", missing.join(", "), symbols[*default]);
                        self.caution("MISSING_ENUM_SYMBOLS", text);
                        true
                    }
                    (false, None) => {
                        let text =
                            format!("the reader does not know the symbols {} of `{}`", missing.join(", "), reader.name);
                        let help = "keep the symbols, or give the reader's enum a `default`: the symbol that unknown ones are read as";
                        self.breaks("MISSING_ENUM_SYMBOLS", text, help)
                    }
                }
            }
            (Body::Fixed { size, logical }, Body::Fixed { size: written, logical: meant }) => {
                if size != written {
                    let text = format!("`{}` is written with {written} bytes and read with {size}", reader.name);
                    return self.breaks("FIXED_SIZE_MISMATCH", text, "keep the size, or add a field of another name");
                }
                self.meanings(*logical, *meant)
            }
            // Their words are the same.
            _ => true,
        }
    }

    fn records(&mut self, reader: &'s [Field], writer: &'s [Field]) -> bool {
        let mut readable = true;
        for (field, written) in reader.iter().zip(written_fields(reader, writer)) {
            readable &= self.within(&field.name, |all| match written {
                Some(written) => all.ty(&field.ty, &written.ty),
                None if field.default.is_some() => true,
                None => {
                    let text = format!("`{}` is not written, and the reader has no default for it", field.name);
                    let help = "give the field a `default`; if it was renamed, give it the old name as an alias";
                    all.breaks("READER_FIELD_MISSING_DEFAULT_VALUE", text, help)
                }
            });
        }
        readable
    }

    /// Types of the same kind.
    fn logical(&mut self, reader: &Type, writer: &Type) -> bool {
        self.meanings(reader.logical, writer.logical)
    }

    fn meanings(&mut self, reader: Option<Logical>, writer: Option<Logical>) -> bool {
        if reader == writer {
            return true;
        }
        match (reader, writer) {
            (Some(read @ Logical::Decimal { .. }), Some(written @ Logical::Decimal { .. })) => {
                let text = format!("it is written as {written} and read as {read}");
                self.breaks("DECIMAL_MISMATCH", text, "keep precision and scale, or add a field of another name")
            }
            (Some(read), Some(written)) => {
                let text = format!(
                    "it is written as {written} and read as {read}: by the rules a reader takes the value as it is"
                );
                self.caution("LOGICAL_TYPE_CHANGED", text);
                true
            }
            // Of these the form changes too, not only what is known of it.
            (Some(one @ (Logical::Decimal { .. } | Logical::Duration)), None) => {
                self.caution("LOGICAL_TYPE_CHANGED", format!("bytes are written, and read as {one}"));
                true
            }
            (None, Some(one @ (Logical::Decimal { .. } | Logical::Duration))) => {
                self.caution("LOGICAL_TYPE_CHANGED", format!("{one} is written, and read as bytes"));
                true
            }
            _ => true,
        }
    }

    /// The writer's type is one that the specification lets the reader promote.
    fn promoted(&mut self, reader: &Type, writer: &Type) -> bool {
        match (&reader.kind, &writer.kind) {
            (Kind::String, Kind::Bytes) => {
                self.caution("PROMOTED", "bytes are read as a string: those that are no UTF-8 cannot be".to_owned());
            }
            (Kind::Float, Kind::Int | Kind::Long) => {
                self.caution(
                    "PROMOTED",
                    "whole numbers beyond 2^24 are rounded when they are read as float".to_owned(),
                );
            }
            (Kind::Double, Kind::Long) => {
                self.caution(
                    "PROMOTED",
                    "whole numbers beyond 2^53 are rounded when they are read as double".to_owned(),
                );
            }
            _ => {}
        }
        if let (Some(read), Some(written)) = (reader.logical, writer.logical) {
            return self.meanings(Some(read), Some(written));
        }
        true
    }

    fn read(&self, ty: &Type) -> String {
        described(self.reader, ty)
    }

    fn written(&self, ty: &Type) -> String {
        described(self.writer, ty)
    }
}

/// `long`, the union of `null`, `string`, the record `a.Money`.
fn described(schema: &AvroSchema, ty: &Type) -> String {
    match &ty.kind {
        Kind::Named(id) => format!("the {} `{}`", schema.named(*id).body.word(), schema.named(*id).name),
        Kind::Union(branches) => {
            let names: Vec<String> = branches.iter().map(|branch| format!("`{}`", schema.type_name(branch))).collect();
            format!("the union of {}", names.join(", "))
        }
        Kind::Array(_) => "an array".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
        _ => schema.type_name(ty).to_owned(),
    }
}

/// What was written for each of the reader's fields: what has its name, else what has one of its aliases and is nobody else's.
fn written_fields<'w>(reader: &[Field], writer: &'w [Field]) -> Vec<Option<&'w Field>> {
    let mut free: HashMap<&str, &Field> = writer.iter().map(|field| (&*field.name, field)).collect();
    let mut found: Vec<Option<&Field>> = reader.iter().map(|field| free.remove(&*field.name)).collect();
    for (field, found) in reader.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
        *found = field.aliases.iter().find_map(|alias| free.remove(&**alias));
    }
    found
}

fn same_name(reader: &Named, writer: &Named) -> bool {
    reader.name.short() == writer.name.short() || reader.aliases.contains(&writer.name)
}

fn is_union(ty: &Type) -> bool {
    matches!(ty.kind, Kind::Union(_))
}

fn takes_null(ty: &Type) -> bool {
    match &ty.kind {
        Kind::Null => true,
        Kind::Union(branches) => branches.iter().any(|branch| branch.kind == Kind::Null),
        _ => false,
    }
}

/// Whether the specification lets values of the one be read as the other.
fn promotes(written: &Kind, read: &Kind) -> bool {
    matches!(
        (written, read),
        (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Long, Kind::Float | Kind::Double)
            | (Kind::Float, Kind::Double)
            | (Kind::String, Kind::Bytes)
            | (Kind::Bytes, Kind::String)
    )
}
