//! From the text of `.proto` files to a model. `protox` reads them and finds what names mean; nothing of it leaves this file.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto, enum_descriptor_proto};
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, Syntax};
use protox::file::{File, FileResolver, GoogleFileResolver};

use super::{ANY_MESSAGE, Enum, EnumValue, Field, Import, Imports, Kind, Known, Label, Message, Model, Number};
use crate::limits::{PROTO_FILES_MAX, PROTO_NESTING_MAX, PROTO_TYPES_MAX, SCHEMA_BYTES_MAX};

pub(super) fn parse(name: &str, text: &str, imports: Imports, message: Option<&str>) -> Result<Model, String> {
    let known: Rc<RefCell<HashMap<String, Arc<str>>>> = Rc::default();
    let files = Files { name: name.to_owned(), text: text.to_owned(), imports, found: known.clone() };
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file(name).map_err(|error| told(&error))?;
    let pool = compiler.descriptor_pool();
    let file = pool.get_file_by_name(name).ok_or_else(|| format!("{name}: not found among what was read"))?;
    let root = choose(&file, message)?;
    let mut reading = Reading::default();
    file.messages().try_for_each(|message| reading.own_message(&message))?;
    file.enums().try_for_each(|found| reading.enum_index(&found).map(drop))?;
    let root = reading.message_index(&root)?;
    let (messages, enums) = reading.finish(&file)?;
    let texts = known.borrow();
    let imported = |file: &FileDescriptor| {
        let names = file.dependencies().filter(|other| texts.contains_key(other.name()));
        names.map(|other| other.name().into()).collect()
    };
    // The pool has what is imported before what imports it.
    let imports = pool.files().filter_map(|file| {
        let text = texts.get(file.name())?.clone();
        Some(Import { name: file.name().into(), text, imported: imported(&file) })
    });
    Ok(Model { root, messages, enums, imports: imports.collect(), imported: imported(&file) })
}

/// The file and its imports, for the compiler.
struct Files {
    name: String,
    text: String,
    imports: Imports,
    found: Rc<RefCell<HashMap<String, Arc<str>>>>,
}

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == self.name {
            return read(name, &self.text);
        }
        match (self.imports)(name).map_err(protox::Error::new)? {
            Some(text) => {
                let mut found = self.found.borrow_mut();
                if found.len() == PROTO_FILES_MAX {
                    return Err(protox::Error::new(format!("it imports more than {PROTO_FILES_MAX} files")));
                }
                found.insert(name.to_owned(), text.as_str().into());
                read(name, &text)
            }
            None => GoogleFileResolver::new().open_file(name),
        }
    }
}

/// What is wrong with a file, and the way out where `protox` does not know it.
fn told(error: &protox::Error) -> String {
    const WAYS_OUT: [(&str, &str); 3] = [
        ("proto' not found", "; imports are looked for beside the file and in the folders there"),
        ("but found 'edition'", "; editions are not read by this version: write `syntax = \"proto3\";`"),
        // That is what it says of `../other.proto`.
        ("invalid group name", "; an import may not lead out of the folder either"),
    ];
    // Its debug form is `file:line:column: what`, or a text of ours in quotes.
    let text = format!("{error:?}");
    let text = text.trim_matches('"');
    let way_out = WAYS_OUT.iter().find(|(what, _)| text.ends_with(what));
    format!("{text}{}", way_out.map_or("", |(_, way_out)| way_out))
}

/// Reads one file, with bounds on what its reader does by recursion.
fn read(name: &str, text: &str) -> Result<File, protox::Error> {
    if text.len() as u64 > SCHEMA_BYTES_MAX {
        let message = format!("{name}: it has {} bytes, and at most {SCHEMA_BYTES_MAX} are read", text.len());
        return Err(protox::Error::new(message));
    }
    if nesting(text) > PROTO_NESTING_MAX {
        return Err(protox::Error::new(format!("{name}: brackets are nested more than {PROTO_NESTING_MAX} deep")));
    }
    File::from_source(name, text)
}

/// How deep brackets are nested, those in texts and comments included: too many is as bad there.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'<' => depth += 1,
            b'}' | b']' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// The message that events are.
fn choose(file: &FileDescriptor, wanted: Option<&str>) -> Result<MessageDescriptor, String> {
    let list = |messages: Vec<MessageDescriptor>| {
        messages.iter().map(|message| format!("`{}`", message.name())).collect::<Vec<_>>().join(", ")
    };
    let top: Vec<MessageDescriptor> = file.messages().collect();
    let Some(wanted) = wanted.filter(|wanted| *wanted != ANY_MESSAGE || top.is_empty()) else {
        return match top.as_slice() {
            [first, ..] if wanted.is_some() => Ok(first.clone()),
            [only] => Ok(only.clone()),
            [] => Err("the file has no message".to_owned()),
            _ => Err(format!(
                "the file has several messages, {}: name the one that events are with `message`",
                list(top)
            )),
        };
    };
    let package = file.package_name();
    let full_name = if package.is_empty() { wanted.to_owned() } else { format!("{package}.{wanted}") };
    let found = [full_name.as_str(), wanted].into_iter().find_map(|name| {
        let message = file.parent_pool().get_message_by_name(name)?;
        (message.parent_file() == *file && !message.is_map_entry()).then_some(message)
    });
    found.ok_or_else(|| match top.is_empty() {
        true => format!("the file has no message `{wanted}`, nor any other"),
        false => format!("the file has no message `{wanted}`; it has {}", list(top)),
    })
}

/// What was read so far, and what is still to be read.
#[derive(Default)]
struct Reading {
    messages: Vec<MessageDescriptor>,
    enums: Vec<EnumDescriptor>,
    message_indices: HashMap<String, usize>,
    enum_indices: HashMap<String, usize>,
}

impl Reading {
    fn own_message(&mut self, message: &MessageDescriptor) -> Result<(), String> {
        self.message_index(message)?;
        message.child_enums().try_for_each(|found| self.enum_index(&found).map(drop))?;
        message.child_messages().try_for_each(|inner| self.own_message(&inner))
    }

    fn message_index(&mut self, message: &MessageDescriptor) -> Result<usize, String> {
        if let Some(&index) = self.message_indices.get(message.full_name()) {
            return Ok(index);
        }
        self.room()?;
        let index = self.messages.len();
        self.message_indices.insert(message.full_name().to_owned(), index);
        self.messages.push(message.clone());
        Ok(index)
    }

    fn enum_index(&mut self, found: &EnumDescriptor) -> Result<usize, String> {
        if let Some(&index) = self.enum_indices.get(found.full_name()) {
            return Ok(index);
        }
        self.room()?;
        let index = self.enums.len();
        self.enum_indices.insert(found.full_name().to_owned(), index);
        self.enums.push(found.clone());
        Ok(index)
    }

    fn room(&self) -> Result<(), String> {
        match self.messages.len() + self.enums.len() < PROTO_TYPES_MAX {
            true => Ok(()),
            false => Err(format!("it refers to more than {PROTO_TYPES_MAX} messages and enums")),
        }
    }

    fn finish(mut self, file: &FileDescriptor) -> Result<(Vec<Message>, Vec<Enum>), String> {
        let mut docs = Docs::default();
        let mut messages = Vec::new();
        // Fields add the messages that they refer to.
        while let Some(message) = self.messages.get(messages.len()).cloned() {
            let message = self.message(&message, file, &mut docs)?;
            messages.push(message);
        }
        let enums = self.enums.iter().map(|found| enum_of(found, file, &mut docs)).collect();
        Ok((messages, enums))
    }

    fn message(
        &mut self,
        message: &MessageDescriptor,
        file: &FileDescriptor,
        docs: &mut Docs,
    ) -> Result<Message, String> {
        let proto: &DescriptorProto = message.descriptor_proto();
        let home = message.parent_file();
        // By number in the descriptor; the file's order is that of the proto.
        let mut fields = Vec::with_capacity(proto.field.len());
        for declared in &proto.field {
            if let Some(field) = message.get_field(declared.number().unsigned_abs()) {
                fields.push(self.field(&field, docs.of(&home, field.path()))?);
            }
        }
        let mut found = Message {
            full_name: message.full_name().into(),
            doc: docs.of(&home, message.path()),
            deprecated: proto.options.as_ref().is_some_and(|options| options.deprecated()),
            fields,
            oneofs: message.oneofs().filter(|oneof| !oneof.is_synthetic()).map(|oneof| oneof.name().into()).collect(),
            reserved_numbers: message
                .reserved_ranges()
                .map(|range| range.start..=range.end.saturating_sub(1))
                .collect(),
            reserved_names: message.reserved_names().map(Arc::from).collect(),
            is_map_entry: message.is_map_entry(),
            index_path: message.path().iter().skip(1).step_by(2).map(|at| at.unsigned_abs()).collect(),
            is_own: home == *file,
            known: None,
        };
        found.known = known(&found);
        Ok(found)
    }

    fn field(&mut self, field: &FieldDescriptor, doc: Option<Arc<str>>) -> Result<Field, String> {
        let proto = field.field_descriptor_proto();
        let label = match field.cardinality() {
            Cardinality::Repeated if field.is_map() => Label::Map,
            Cardinality::Repeated => Label::Repeated,
            Cardinality::Required => Label::Required,
            Cardinality::Optional if field.supports_presence() => Label::Optional,
            Cardinality::Optional => Label::Implicit,
        };
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).and_then(|oneof| {
            let real = field.parent_message().oneofs().filter(|other| !other.is_synthetic());
            real.map(|other| other.name().to_owned()).position(|name| name == oneof.name())
        });
        Ok(Field {
            number: field.number(),
            name: field.name().into(),
            json_name: field.json_name().into(),
            kind: self.kind(field)?,
            label,
            is_packed: is_packed(field),
            oneof,
            default: proto.default_value.as_deref().map(Arc::from),
            doc,
            deprecated: proto.options.as_ref().is_some_and(|options| options.deprecated()),
        })
    }

    fn kind(&mut self, field: &FieldDescriptor) -> Result<Kind, String> {
        Ok(match field.kind() {
            prost_reflect::Kind::Double => Kind::Number(Number::Double),
            prost_reflect::Kind::Float => Kind::Number(Number::Float),
            prost_reflect::Kind::Int32 => Kind::Number(Number::Int32),
            prost_reflect::Kind::Int64 => Kind::Number(Number::Int64),
            prost_reflect::Kind::Uint32 => Kind::Number(Number::Uint32),
            prost_reflect::Kind::Uint64 => Kind::Number(Number::Uint64),
            prost_reflect::Kind::Sint32 => Kind::Number(Number::Sint32),
            prost_reflect::Kind::Sint64 => Kind::Number(Number::Sint64),
            prost_reflect::Kind::Fixed32 => Kind::Number(Number::Fixed32),
            prost_reflect::Kind::Fixed64 => Kind::Number(Number::Fixed64),
            prost_reflect::Kind::Sfixed32 => Kind::Number(Number::Sfixed32),
            prost_reflect::Kind::Sfixed64 => Kind::Number(Number::Sfixed64),
            prost_reflect::Kind::Bool => Kind::Number(Number::Bool),
            prost_reflect::Kind::String => Kind::String,
            prost_reflect::Kind::Bytes => Kind::Bytes,
            prost_reflect::Kind::Enum(found) => Kind::Enum(self.enum_index(&found)?),
            prost_reflect::Kind::Message(message) if field.is_group() => Kind::Group(self.message_index(&message)?),
            prost_reflect::Kind::Message(message) => Kind::Message(self.message_index(&message)?),
        })
    }
}

/// Told by the option, else by the file's syntax. (What the descriptor itself says takes any option for this one.)
fn is_packed(field: &FieldDescriptor) -> bool {
    let option = field.field_descriptor_proto().options.as_ref().and_then(|options| options.packed);
    let packable = !matches!(
        field.kind(),
        prost_reflect::Kind::String | prost_reflect::Kind::Bytes | prost_reflect::Kind::Message(_)
    );
    let default = field.parent_file().syntax() == Syntax::Proto3;
    field.cardinality() == Cardinality::Repeated && packable && option.unwrap_or(default)
}

fn enum_of(found: &EnumDescriptor, file: &FileDescriptor, docs: &mut Docs) -> Enum {
    let home = found.parent_file();
    let proto = found.enum_descriptor_proto();
    let range =
        |range: &enum_descriptor_proto::EnumReservedRange| -> RangeInclusive<i32> { range.start()..=range.end() };
    let values = proto.value.iter().enumerate().map(|(i, value)| {
        let mut path = found.path().to_vec();
        path.extend([2, i32::try_from(i).unwrap_or(i32::MAX)]);
        EnumValue {
            name: value.name().into(),
            number: value.number(),
            doc: docs.of(&home, &path),
            deprecated: value.options.as_ref().is_some_and(|options| options.deprecated()),
        }
    });
    Enum {
        full_name: found.full_name().into(),
        values: values.collect(),
        doc: docs.of(&home, found.path()),
        deprecated: proto.options.as_ref().is_some_and(|options| options.deprecated()),
        reserved_numbers: proto.reserved_range.iter().map(range).collect(),
        reserved_names: proto.reserved_name.iter().map(|name| name.as_str().into()).collect(),
        is_closed: home.syntax() == Syntax::Proto2,
        is_own: home == *file,
    }
}

/// The comments of the files, by the path of what they stand before or behind.
#[derive(Default)]
struct Docs {
    files: HashSet<String>,
    texts: HashMap<(String, Vec<i32>), Arc<str>>,
}

impl Docs {
    fn of(&mut self, file: &FileDescriptor, path: &[i32]) -> Option<Arc<str>> {
        if self.files.insert(file.name().to_owned()) {
            self.add(file.file_descriptor_proto());
        }
        self.texts.get(&(file.name().to_owned(), path.to_vec())).cloned()
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        for location in file.source_code_info.iter().flat_map(|info| &info.location) {
            let comments = [location.leading_comments.as_deref(), location.trailing_comments.as_deref()];
            let lines = comments.into_iter().flatten().flat_map(str::lines).map(str::trim);
            let text = lines.collect::<Vec<_>>().join("\n");
            if !text.trim().is_empty() {
                self.texts.insert((file.name().to_owned(), location.path.clone()), text.trim().into());
            }
        }
    }
}

/// The JSON form that a message of `google.protobuf` has of its own, if it has the fields that this form is made of.
fn known(message: &Message) -> Option<Known> {
    let kinds: Vec<(u32, Kind, Label)> =
        message.fields.iter().map(|field| (field.number, field.kind, field.label)).collect();
    let found = match message.full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => Known::Timestamp,
        "Duration" => Known::Duration,
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" | "BoolValue"
        | "StringValue" | "BytesValue" => Known::Wrapper,
        "Struct" => Known::Struct,
        "Value" => Known::Value,
        "ListValue" => Known::ListValue,
        _ => return None,
    };
    let fits = match (found, kinds.as_slice()) {
        (
            Known::Timestamp | Known::Duration,
            [(1, Kind::Number(Number::Int64), Label::Implicit), (2, Kind::Number(Number::Int32), Label::Implicit)],
        ) => true,
        (Known::Wrapper, [(1, kind, Label::Implicit)]) => {
            !matches!(kind, Kind::Message(_) | Kind::Group(_) | Kind::Enum(_))
        }
        (Known::Struct, [(1, _, Label::Map)]) | (Known::ListValue, [(1, Kind::Message(_), Label::Repeated)]) => true,
        (Known::Value, all) => all.len() == 6 && message.oneofs.len() == 1,
        _ => false,
    };
    fits.then_some(found)
}
