//! An inferred shape as a Protobuf file (proto3).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::schema::{Field, Kinds, Meaning, Object, Shape};

use super::{plain_name, seconds_note, type_name, unused};

pub(super) fn write(name: &str, shape: &Shape, notes: &mut Vec<String>) -> String {
    let mut writer = Writer { imports: HashSet::new(), notes };
    let empty = Object { name: None, fields: Vec::new(), rest: None };
    let message = writer.message(&type_name(name), shape.object.as_deref().unwrap_or(&empty), 0);
    let mut out = String::from("syntax = \"proto3\";\n\n");
    let mut imports: Vec<&str> = writer.imports.into_iter().collect();
    imports.sort_unstable();
    for import in &imports {
        let _ = writeln!(out, "import \"google/protobuf/{import}.proto\";");
    }
    if !imports.is_empty() {
        out.push('\n');
    }
    out + message.as_str()
}

struct Writer<'n> {
    imports: HashSet<&'static str>,
    notes: &'n mut Vec<String>,
}

/// What one message defines: its own names, and the text of what is nested in it.
struct Scope {
    taken: HashSet<String>,
    nested: String,
    depth: usize,
}

impl Writer<'_> {
    fn message(&mut self, name: &str, object: &Object, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let mut scope = Scope { taken: HashSet::from([name.to_owned()]), nested: String::new(), depth: depth + 1 };
        let mut names = HashSet::new();
        let mut fields = String::new();
        for (at, field) in object.fields.iter().enumerate() {
            let plain = unused(plain_name(&field.name, self.notes), &mut names);
            let ty = self.field(&plain, field, &mut scope);
            let _ = writeln!(fields, "{indent}  {ty} {plain} = {};", at + 1);
        }
        format!("{indent}message {name} {{\n{}{fields}{indent}}}\n", scope.nested)
    }

    /// The label and type of a field.
    fn field(&mut self, name: &str, field: &Field, scope: &mut Scope) -> String {
        seconds_note(&field.name, &field.shape, self.notes);
        let shape = field.shape.clone().not_null();
        if shape.kinds == Kinds::ARRAY {
            return match shape.items.as_deref() {
                Some(items) if !items.is_nullable() && items.kinds != Kinds::ARRAY => {
                    format!("repeated {}", self.ty(name, items, scope))
                }
                _ => self.known("struct", "ListValue"),
            };
        }
        if let Some(Object { rest: Some(values), .. }) =
            shape.object.as_deref().filter(|_| shape.kinds == Kinds::OBJECT)
        {
            let plain = !values.is_nullable() && !values.kinds.meets(Kinds::ARRAY.and(Kinds::OBJECT));
            let values = if plain { self.ty(name, values, scope) } else { self.known("struct", "Value") };
            return format!("map<string, {values}>");
        }
        let ty = self.ty(name, &shape, scope);
        // A message has presence anyway.
        let is_scalar = !ty.starts_with("google.") && shape.kinds != Kinds::OBJECT;
        if field.shape.is_nullable() && is_scalar { format!("optional {ty}") } else { ty }
    }

    fn ty(&mut self, name: &str, shape: &Shape, scope: &mut Scope) -> String {
        let scalar = match shape.kinds {
            Kinds::BOOL => "bool",
            Kinds::FLOAT | Kinds::NUMBER => "double",
            Kinds::INT => "int64",
            Kinds::STRING => match &shape.symbols {
                _ if shape.meaning == Some(Meaning::TimeText) => return self.known("timestamp", "Timestamp"),
                Some(symbols) => return self.enumeration(name, symbols, scope).unwrap_or_else(|| "string".into()),
                None => "string",
            },
            Kinds::OBJECT => match shape.object.as_deref() {
                Some(object) if object.rest.is_none() => {
                    let ty = unused(type_name(name), &mut scope.taken);
                    let text = self.message(&ty, object, scope.depth);
                    scope.nested.push_str(&text);
                    return ty;
                }
                _ => return self.known("struct", "Struct"),
            },
            _ => {
                self.notes.push(format!("`{name}` has values of several kinds, or of none that is known"));
                return self.known("struct", "Value");
            }
        };
        scalar.to_owned()
    }

    fn known(&mut self, import: &'static str, name: &str) -> String {
        self.imports.insert(import);
        format!("google.protobuf.{name}")
    }

    /// `None`: its symbols are taken, as those of all enums of a message share one scope.
    fn enumeration(&mut self, name: &str, symbols: &[Arc<str>], scope: &mut Scope) -> Option<String> {
        if symbols.iter().any(|symbol| scope.taken.contains(&**symbol)) {
            self.notes
                .push(format!("`{name}` has few different texts, but another enum has the same ones: it is a string"));
            return None;
        }
        scope.taken.extend(symbols.iter().map(|symbol| symbol.to_string()));
        let ty = unused(type_name(name), &mut scope.taken);
        let zero = unused(format!("{}_UNSPECIFIED", name.to_ascii_uppercase()), &mut scope.taken);
        let indent = "  ".repeat(scope.depth);
        let _ = writeln!(scope.nested, "{indent}enum {ty} {{\n{indent}  {zero} = 0;");
        for (at, symbol) in symbols.iter().enumerate() {
            let _ = writeln!(scope.nested, "{indent}  {symbol} = {};", at + 1);
        }
        let _ = writeln!(scope.nested, "{indent}}}");
        Some(ty)
    }
}
