//! Reads `.avsc` texts into the model: names, references and defaults resolved, everything bounded, every problem with its place.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::logical::{Carrier, logical};
use super::{AvroError, AvroSchema, Body, Default, Field, FullName, Kind, NameId, Named, Note, Type};
use super::{canonical::canonical, defaults, endless};
use crate::diagnostic::did_you_mean;
use crate::limits::{AVRO_DEPTH_MAX, AVRO_FIXED_BYTES_MAX, AVRO_TYPES_MAX, AVRO_UNFOLDED_DEPTH_MAX, SCHEMA_BYTES_MAX};

impl AvroSchema {
    /// Parses a schema. `references`: the texts of other files that define types which this one names, each after those that it names itself.
    pub fn parse(text: &str, references: &[&str]) -> Result<AvroSchema, AvroError> {
        let mut parser = Parser::default();
        for reference in references {
            parser.document(reference).map_err(|error| AvroError {
                why: format!("in a schema that is referred to: {error}"),
                path: String::new(),
                ..error
            })?;
        }
        // What is to be said of other files is said where they are checked.
        parser.notes.clear();
        let root = parser.document(text)?;
        parser.encode_defaults()?;
        if let Some((name, field)) = endless::within(&parser.names, &root) {
            let why = format!("each `{name}` has another one in it, by way of `{field}`, and so on without end");
            return parser.fail(why, format!("let `{field}` be missing: make its type a union with `null`"));
        }
        let Some(canonical) = canonical(&parser.names, &root) else {
            let why = format!("its types refer to each other deeper than {AVRO_UNFOLDED_DEPTH_MAX}");
            return parser.fail(why, "split it into several schemas");
        };
        let canonical = canonical.into();
        Ok(AvroSchema { root, names: parser.names, notes: parser.notes, text: text.into(), canonical })
    }
}

#[derive(Default)]
struct Parser {
    names: Vec<Named>,
    by_name: HashMap<FullName, NameId>,
    /// Where the parser is: `fields[3].type`.
    at: String,
    depth: usize,
    types: usize,
    notes: Vec<Note>,
    /// Fields that have defaults: their record, number and place. They are looked at when all types are known.
    defaults: Vec<(NameId, usize, String)>,
}

type Parsed<T> = Result<T, AvroError>;

const PRIMITIVES: [(&str, Kind); 8] = [
    ("null", Kind::Null),
    ("boolean", Kind::Boolean),
    ("int", Kind::Int),
    ("long", Kind::Long),
    ("float", Kind::Float),
    ("double", Kind::Double),
    ("bytes", Kind::Bytes),
    ("string", Kind::String),
];

const COMPLEX: [&str; 6] = ["record", "error", "enum", "array", "map", "fixed"];

impl Parser {
    fn document(&mut self, text: &str) -> Parsed<Type> {
        if text.len() as u64 > SCHEMA_BYTES_MAX {
            let why = format!("it has {} bytes, and at most {SCHEMA_BYTES_MAX} are read", text.len());
            return self.fail(why, "split it into several types");
        }
        match serde_json::from_str(text) {
            Ok(value) => self.ty(&value, None),
            Err(error) => self.fail(format!("it is no JSON: {error}"), "mend the JSON; comments are not allowed in it"),
        }
    }

    fn fail<T>(&self, why: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
        Err(AvroError { path: self.at.clone(), why: why.into(), help: help.into() })
    }

    fn note(&mut self, text: String) {
        self.notes.push(Note { path: self.at.clone(), text });
    }

    /// Goes on at a place within this one.
    fn within<T>(&mut self, step: &str, go_on: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let before = self.at.len();
        if before > 0 && !step.starts_with('[') {
            self.at.push('.');
        }
        self.at.push_str(step);
        let done = go_on(self);
        // An error has its place already.
        self.at.truncate(before);
        done
    }

    fn ty(&mut self, value: &Value, namespace: Option<&str>) -> Parsed<Type> {
        self.types += 1;
        if self.types > AVRO_TYPES_MAX {
            return self.fail(format!("it has more than {AVRO_TYPES_MAX} types"), "split it into several schemas");
        }
        if self.depth >= AVRO_DEPTH_MAX {
            let help = "name the inner records and refer to them by name";
            return self.fail(format!("types are nested deeper than {AVRO_DEPTH_MAX}"), help);
        }
        self.depth += 1;
        let parsed = match value {
            Value::String(name) => self.name(name, namespace),
            Value::Array(branches) => self.union(branches, namespace),
            Value::Object(object) => self.object(object, namespace),
            other => {
                let help =
                    "write the name of a type (`\"string\"`), an object with a `type`, or a list of types for a union";
                self.fail(format!("`{:.40}` is no type", other.to_string()), help)
            }
        };
        self.depth -= 1;
        parsed
    }

    /// A primitive, or a type defined before.
    fn name(&mut self, name: &str, namespace: Option<&str>) -> Parsed<Type> {
        if let Some(kind) = primitive(name) {
            return Ok(Type::plain(kind));
        }
        let qualified = qualify(name, namespace);
        // Within a namespace, names in none are still found: the Java library does it, and schemas rely on it.
        let found = self.by_name.get(&qualified).or_else(|| self.by_name.get(&qualify(name, None)));
        if let Some(id) = found {
            return Ok(Type::plain(Kind::Named(*id)));
        }
        if COMPLEX.contains(&name) {
            let help = format!(
                "write an object: {{\"type\": \"{name}\", ...}}; of a field, {{\"name\": ..., \"type\": {{\"type\": \"{name}\", ...}}}}"
            );
            return self.fail(format!("`{name}` is no type by its name alone"), help);
        }
        let known: Vec<&str> = self.names.iter().map(|named| named.name.as_str()).collect();
        let candidates = PRIMITIVES.iter().map(|(name, _)| *name).chain(known.iter().copied());
        let near = did_you_mean(qualified.as_str(), known.iter().copied()).or_else(|| did_you_mean(name, candidates));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "define the type before it is used, depth first and from the top, or give its file as a reference"
                .into(),
        };
        self.fail(format!("no type `{qualified}` is defined before this place"), help)
    }

    fn union(&mut self, branches: &[Value], namespace: Option<&str>) -> Parsed<Type> {
        let mut types: Vec<Type> = Vec::with_capacity(branches.len().min(AVRO_TYPES_MAX));
        let mut seen = HashSet::new();
        for (at, branch) in branches.iter().enumerate() {
            let branch = self.within(&format!("[{at}]"), |parser| {
                let branch = parser.ty(branch, namespace)?;
                if matches!(branch.kind, Kind::Union(_)) {
                    return parser.fail("a union directly within a union", "put its branches into the outer one");
                }
                let same = match &branch.kind {
                    Kind::Named(id) => (None, Some(*id)),
                    kind => (Some(std::mem::discriminant(kind)), None),
                };
                if !seen.insert(same) {
                    let help = "a union has each type once; make records or fixed of different names of them";
                    return parser.fail("this type is in the union already", help);
                }
                Ok(branch)
            })?;
            types.push(branch);
        }
        if types.is_empty() {
            return self.fail("a union of no types has no values", "name its types, or write `\"null\"`");
        }
        Ok(Type::plain(Kind::Union(types)))
    }

    fn object(&mut self, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Type> {
        let name = match object.get("type") {
            Some(Value::String(name)) => name.as_str(),
            Some(inner) => {
                if object.contains_key("logicalType") {
                    self.note(
                        "a `logicalType` beside a `type` that is an object is ignored; it stands in that object".into(),
                    );
                }
                return self.within("type", |parser| parser.ty(inner, namespace));
            }
            None => return self.fail("it has no `type`", "add a `type`, such as `\"type\": \"record\"`"),
        };
        match name {
            "record" | "error" | "enum" | "fixed" => self.definition(name, object, namespace),
            "array" | "map" => {
                let key = if name == "array" { "items" } else { "values" };
                let Some(inner) = object.get(key) else {
                    return self
                        .fail(format!("the {name} has no `{key}`"), format!("add `{key}`: the type of what it holds"));
                };
                let inner = Box::new(self.within(key, |parser| parser.ty(inner, namespace))?);
                let kind = if name == "array" { Kind::Array(inner) } else { Kind::Map(inner) };
                Ok(self.annotate(kind, object))
            }
            _ => {
                let ty = self.name(name, namespace)?;
                if let (Kind::Named(_), true) = (&ty.kind, object.contains_key("logicalType")) {
                    self.note("a `logicalType` where a named type is only referred to is ignored".into());
                    return Ok(ty);
                }
                Ok(self.annotate(ty.kind, object))
            }
        }
    }

    fn annotate(&mut self, kind: Kind, object: &Map<String, Value>) -> Type {
        let logical = self.logical(object, &Carrier::Unnamed(&kind));
        Type { kind, logical }
    }

    fn logical(&mut self, object: &Map<String, Value>, carrier: &Carrier<'_>) -> Option<super::Logical> {
        logical(object, carrier).unwrap_or_else(|why| {
            self.note(format!("{why}; the logical type is ignored"));
            None
        })
    }

    fn definition(&mut self, word: &str, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Type> {
        let name = self.full_name(word, object, namespace)?;
        if self.by_name.contains_key(&name) {
            let help = "define a type once, and refer to it by its name after that";
            return self.fail(format!("`{name}` is defined a second time"), help);
        }
        let own = name.namespace().map(str::to_owned);
        let aliases = self.aliases(object)?.into_iter().map(|alias| qualify(&alias, own.as_deref())).collect();
        let id = NameId(self.names.len() as u32);
        self.by_name.insert(name.clone(), id);
        // A record is known within itself; its fields come when they have been read.
        self.names.push(Named { name, aliases, doc: doc(object), body: Body::Record(Vec::new()) });
        let body = match word {
            "enum" => self.enumeration(object)?,
            "fixed" => self.fixed(object)?,
            _ => Body::Record(self.fields(id, object, own.as_deref())?),
        };
        self.names[id.index()].body = body;
        Ok(Type::plain(Kind::Named(id)))
    }

    fn full_name(&self, word: &str, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<FullName> {
        let Some(name) = object.get("name").and_then(Value::as_str) else {
            return self.fail(format!("the {word} has no `name`"), "records, enums and fixed are named: add a `name`");
        };
        let own = match object.get("namespace") {
            None | Some(Value::Null) => namespace,
            Some(Value::String(own)) => Some(own.as_str()),
            Some(_) => return self.fail("`namespace` is no text", "write it as `\"com.example\"`"),
        };
        let full = qualify(name, own);
        if let Some(part) = full.as_str().split('.').find(|part| !is_name(part)) {
            return self.fail(format!("`{part}` in `{full}` is no name"), NAME_HELP);
        }
        if primitive(full.short()).is_some() {
            return self.fail(format!("`{}` is a type of Avro's own", full.short()), "choose another name");
        }
        Ok(full)
    }

    fn aliases(&self, object: &Map<String, Value>) -> Parsed<Vec<String>> {
        let help = "write a list of names: `\"aliases\": [\"old_name\"]`";
        match object.get("aliases") {
            None => Ok(Vec::new()),
            Some(Value::Array(aliases)) => aliases
                .iter()
                .map(|alias| match alias.as_str() {
                    Some(alias) if alias.split('.').all(is_name) => Ok(alias.to_owned()),
                    _ => self.fail(format!("the alias `{:.80}` is no name", alias.to_string()), NAME_HELP),
                })
                .collect(),
            Some(_) => self.fail("`aliases` is no list", help),
        }
    }

    fn enumeration(&mut self, object: &Map<String, Value>) -> Parsed<Body> {
        let Some(list) = object.get("symbols").and_then(Value::as_array) else {
            return self.fail("the enum has no `symbols`", "add a list of names: `\"symbols\": [\"VIEW\", \"BUY\"]`");
        };
        let mut symbols: Vec<Arc<str>> = Vec::with_capacity(list.len());
        let mut seen = HashSet::new();
        for (at, symbol) in list.iter().enumerate() {
            let symbol = self.within(&format!("symbols[{at}]"), |parser| match symbol.as_str() {
                Some(text) if !is_name(text) => parser.fail(format!("`{text}` is no symbol"), NAME_HELP),
                Some(text) if !seen.insert(text) => parser.fail(format!("`{text}` comes twice"), "remove one of them"),
                Some(text) => Ok(text),
                None => parser.fail("a symbol is a text", "write it in quotes"),
            })?;
            symbols.push(symbol.into());
        }
        let default = match object.get("default") {
            None => None,
            Some(default) => {
                let at = symbols.iter().position(|symbol| default.as_str() == Some(&**symbol));
                if at.is_none() {
                    let near =
                        did_you_mean(default.as_str().unwrap_or_default(), symbols.iter().map(|symbol| &**symbol));
                    let help =
                        near.map_or("name one of the `symbols`".into(), |near| format!("did you mean `{near}`?"));
                    let why = format!("the enum's default `{:.80}` is none of its symbols", default.to_string());
                    return self.within("default", |parser| parser.fail(why, help));
                }
                at
            }
        };
        Ok(Body::Enum { symbols, default })
    }

    fn fixed(&mut self, object: &Map<String, Value>) -> Parsed<Body> {
        let size = object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
        match size {
            Some(size) if size <= AVRO_FIXED_BYTES_MAX => {
                let logical = self.logical(object, &Carrier::Fixed(size));
                Ok(Body::Fixed { size, logical })
            }
            Some(size) => {
                let why = format!("a fixed of {size} bytes; at most {AVRO_FIXED_BYTES_MAX} are read");
                self.fail(why, "use `bytes`")
            }
            None => self.fail("the fixed has no `size`", "add a `size` in bytes: `\"size\": 16`"),
        }
    }

    fn fields(&mut self, id: NameId, object: &Map<String, Value>, namespace: Option<&str>) -> Parsed<Vec<Field>> {
        let Some(list) = object.get("fields").and_then(Value::as_array) else {
            return self
                .fail("the record has no `fields`", "add a list: `\"fields\": [{\"name\": ..., \"type\": ...}]`");
        };
        let mut fields = Vec::with_capacity(list.len());
        let mut seen = HashSet::new();
        for (at, field) in list.iter().enumerate() {
            let field = self.within(&format!("fields[{at}]"), |parser| {
                let field = parser.field(id, at, field, namespace)?;
                if !seen.insert(field.name.clone()) {
                    let help = "give each field of a record a name of its own";
                    return parser.fail(format!("a second field `{}`", field.name), help);
                }
                Ok(field)
            })?;
            fields.push(field);
        }
        Ok(fields)
    }

    fn field(&mut self, id: NameId, at: usize, field: &Value, namespace: Option<&str>) -> Parsed<Field> {
        let Some(object) = field.as_object() else {
            return self.fail("a field is an object", "write `{\"name\": ..., \"type\": ...}`");
        };
        let name: Arc<str> = match object.get("name").and_then(Value::as_str) {
            Some(name) if is_name(name) => name.into(),
            Some(name) => return self.fail(format!("`{name}` is no name of a field"), NAME_HELP),
            None => return self.fail("the field has no `name`", "add a `name`"),
        };
        let Some(ty) = object.get("type") else {
            return self.fail(format!("the field `{name}` has no `type`"), "add a `type`");
        };
        let beside =
            object.contains_key("logicalType") && matches!(ty, Value::String(name) if primitive(name).is_some());
        if beside {
            let why = "a `logicalType` of the field is ignored; it belongs to its type: \"type\": {\"type\": ..., \"logicalType\": ...}";
            self.note(why.into());
        }
        let ty = self.within("type", |parser| parser.ty(ty, namespace))?;
        let aliases = self.aliases(object)?.into_iter().map(|alias| alias.as_str().into()).collect();
        let default = object.get("default").map(|json| Default { json: json.clone(), datum: [].into() });
        if default.is_some() {
            self.defaults.push((id, at, format!("{}.default", self.at)));
        }
        Ok(Field { name, aliases, doc: doc(object), ty, default })
    }

    /// Checks the defaults of all fields and brings them into binary.
    fn encode_defaults(&mut self) -> Parsed<()> {
        let mut encoder = defaults::Encoder::new(&self.names);
        let mut data = Vec::with_capacity(self.defaults.len());
        for (id, at, path) in &self.defaults {
            let Body::Record(fields) = &self.names[id.index()].body else { continue };
            let field = &fields[*at];
            let Some(default) = &field.default else { continue };
            encoder.later_branch = false;
            match encoder.encode(&field.ty, &default.json) {
                Ok(datum) => data.push((*id, *at, datum)),
                Err(why) => {
                    let why = format!("the default of `{}` does not fit its type: {why}", field.name);
                    let help = match &field.ty.kind {
                        Kind::Union(_) => {
                            "a default is a value of the union's first type: change it, or the order of the types"
                        }
                        _ => "change the default or the type",
                    };
                    return Err(AvroError { path: path.clone(), why, help: help.into() });
                }
            }
            if encoder.later_branch {
                let text = "the default is no value of the union's first type; readers older than Avro 1.12 refuse it";
                self.notes.push(Note { path: path.clone(), text: text.into() });
            }
        }
        for (id, at, datum) in data {
            let Body::Record(fields) = &mut self.names[id.index()].body else { continue };
            if let Some(default) = &mut fields[at].default {
                default.datum = datum.into();
            }
        }
        Ok(())
    }
}

const NAME_HELP: &str = "a name has letters (A to Z), digits and `_`, and does not begin with a digit";

fn primitive(name: &str) -> Option<Kind> {
    PRIMITIVES.iter().find(|(primitive, _)| *primitive == name).map(|(_, kind)| kind.clone())
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name with points is a full name; another is in the namespace around it. An empty namespace is none.
fn qualify(name: &str, namespace: Option<&str>) -> FullName {
    match namespace {
        Some(namespace) if !namespace.is_empty() && !name.contains('.') => {
            FullName(format!("{namespace}.{name}").into())
        }
        // `.Name` is how a name in no namespace is written within one.
        _ => FullName(name.strip_prefix('.').unwrap_or(name).into()),
    }
}

fn doc(object: &Map<String, Value>) -> Option<Arc<str>> {
    object.get("doc").and_then(Value::as_str).map(Into::into)
}
