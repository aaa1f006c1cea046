//! Against `prost-reflect`, on random messages of a file with every feature: what one takes the other takes, and both find the same.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage};
use serde_json::{Map, Value as Json, json};

use super::ProtobufFormat;
use crate::event::decode::{Decoded, Decoder, Format};
use crate::event::packed::Wire;
use crate::event::packed::write_varint as varint;
use crate::event::samples::Choices;
use crate::event::{Chunk, Demand, Layout, Path};
use crate::schema::protobuf::Model;

const EVERYTHING: &str = include_str!("everything.proto");

const OLD: &str = include_str!("old.proto");

pub(super) struct Sample {
    pub model: Model,
    pub descriptor: MessageDescriptor,
}

fn sample(text: &str) -> Sample {
    let model = Model::parse("test.proto", text, Rc::new(|_| Ok(None)), None).unwrap();
    let mut chain = protox::file::ChainFileResolver::new();
    chain.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(Text(text.to_owned(), chain));
    compiler.include_imports(true).open_file("test.proto").unwrap();
    let pool: DescriptorPool = compiler.descriptor_pool();
    let descriptor = pool.get_message_by_name(&model.root().full_name).unwrap();
    Sample { model, descriptor }
}

struct Text(String, protox::file::ChainFileResolver);

impl protox::file::FileResolver for Text {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name == "test.proto" { protox::file::File::from_source(name, &self.0) } else { self.1.open_file(name) }
    }
}

pub(super) static SAMPLES: LazyLock<[Sample; 2]> = LazyLock::new(|| [sample(EVERYTHING), sample(OLD)]);

fn path(text: &str) -> Path {
    text.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect()
}

pub(super) fn layout(paths: &[&str]) -> Arc<Layout> {
    let mut demand = Demand::default();
    paths.iter().for_each(|text| demand.add(path(text)));
    Arc::new(Layout::text(&demand))
}

pub(super) fn decoder(model: &Model, wire: Wire, paths: &[&str]) -> Decoder {
    let format = ProtobufFormat::new(wire, Arc::new(model.types()));
    Decoder::new(Format::Packed(Arc::new(format)), layout(paths), "test".into(), 128)
}

pub(super) fn decode(decoder: &mut Decoder, events: &[&[u8]]) -> Decoded {
    let mut chunk = Chunk { text: events.concat().into(), ..Chunk::default() };
    let mut at = 0;
    for event in events {
        chunk.frames.push(at..at + event.len() as u32);
        at += event.len() as u32;
    }
    decoder.decode(chunk, 0)
}

/// The cell of a row as JSON; `None` if it is missing.
fn cell(decoded: &Decoded, column: usize, row: u32) -> Option<Json> {
    let batch = &decoded.batch;
    let cell = batch.cell(column, row);
    if cell == crate::event::Cell::Missing {
        return None;
    }
    let mut out = Vec::new();
    assert!(crate::event::encode::write_cell(&mut out, &batch.texts, cell));
    Some(serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out))))
}

pub(super) fn whole(decoded: &Decoded, row: u32) -> Json {
    let mut out = Vec::new();
    crate::event::encode::encode_json(&decoded.batch, row, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)))
}

fn float(value: f64) -> Json {
    match value {
        value if value.is_nan() => json!("NaN"),
        value if value.is_infinite() => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
        value => json!(value),
    }
}

/// What a message is as JSON. `Err`: it is none by rules that prost-reflect does not check.
pub(super) fn reference(message: &DynamicMessage) -> Result<Json, String> {
    let part = |name: &str| message.get_field_by_name(name).map(|value| value.into_owned());
    let seconds = || (part("seconds").unwrap().as_i64().unwrap(), part("nanos").unwrap().as_i32().unwrap());
    let mut out = Vec::new();
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            let (seconds, nanos) = seconds();
            if !super::known::TIMESTAMP_SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
                return Err("out of range".into());
            }
            super::known::write_timestamp(&mut out, seconds, nanos.into());
            return Ok(json!(String::from_utf8(out).unwrap()));
        }
        "google.protobuf.Duration" => {
            let (seconds, nanos) = seconds();
            if !super::known::DURATION_SECONDS.contains(&seconds) || nanos.unsigned_abs() > 999_999_999 {
                return Err("out of range".into());
            }
            super::known::write_duration(&mut out, seconds, nanos.into());
            return Ok(json!(String::from_utf8(out).unwrap()));
        }
        "google.protobuf.Struct" => return field(message, "fields"),
        "google.protobuf.ListValue" => return field(message, "values"),
        "google.protobuf.Value" => {
            let set = message.descriptor().fields().find(|field| message.has_field(field));
            return match set {
                Some(set) if set.name() != "null_value" => field(message, set.name()),
                _ => Ok(Json::Null),
            };
        }
        name if name.starts_with("google.protobuf.") && name.ends_with("Value") => return field(message, "value"),
        _ => {}
    }
    let mut object = Map::new();
    for found in message.descriptor().fields() {
        if found.is_required() && !message.has_field(&found) {
            return Err(format!("{} is missing", found.name()));
        }
        if !found.supports_presence() || message.has_field(&found) {
            object.insert(found.name().to_owned(), field(message, found.name())?);
        }
    }
    Ok(Json::Object(object))
}

fn field(message: &DynamicMessage, name: &str) -> Result<Json, String> {
    let found = message.descriptor().get_field_by_name(name).unwrap();
    value(&message.get_field(&found), &found.kind())
}

fn value(found: &prost_reflect::Value, kind: &Kind) -> Result<Json, String> {
    Ok(match found {
        prost_reflect::Value::Bool(value) => json!(value),
        prost_reflect::Value::I32(value) => json!(value),
        prost_reflect::Value::I64(value) => json!(value),
        prost_reflect::Value::U32(value) => json!(value),
        prost_reflect::Value::U64(value) => json!(value),
        prost_reflect::Value::F32(value) => float((*value).into()),
        prost_reflect::Value::F64(value) => float(*value),
        prost_reflect::Value::String(value) => json!(value),
        prost_reflect::Value::Bytes(value) => {
            let mut out = Vec::new();
            crate::event::json::base64(&mut out, value);
            json!(String::from_utf8(out).unwrap())
        }
        prost_reflect::Value::EnumNumber(number) => {
            // Of two names of one number the one that is written first.
            let proto = kind.as_enum().unwrap().enum_descriptor_proto().clone();
            proto
                .value
                .iter()
                .find(|value| value.number() == *number)
                .map_or(json!(number), |value| json!(value.name()))
        }
        prost_reflect::Value::Message(message) => reference(message)?,
        prost_reflect::Value::List(items) => {
            Json::Array(items.iter().map(|item| value(item, kind)).collect::<Result<_, _>>()?)
        }
        prost_reflect::Value::Map(entries) => {
            let kind = kind.as_message().unwrap().map_entry_value_field().kind();
            let name = |key: &MapKey| match key {
                MapKey::Bool(key) => key.to_string(),
                MapKey::I32(key) => key.to_string(),
                MapKey::I64(key) => key.to_string(),
                MapKey::U32(key) => key.to_string(),
                MapKey::U64(key) => key.to_string(),
                MapKey::String(key) => key.clone(),
            };
            let entries = entries.iter().map(|(key, found)| Ok::<_, String>((name(key), value(found, &kind)?)));
            Json::Object(entries.collect::<Result<_, _>>()?)
        }
    })
}

/// Writes a random message in one of the many ways in which it may be written; some of them are none.
pub(super) fn write_message(choices: &mut Choices<'_>, message: &MessageDescriptor, depth: usize, out: &mut Vec<u8>) {
    let fields: Vec<_> = message.fields().collect();
    let required: Vec<_> = fields.iter().filter(|field| field.is_required()).collect();
    if choices.below(40) != 39 {
        required.iter().for_each(|field| write_field(choices, field.number(), &field.kind(), false, depth, out));
    }
    let count = if depth == 0 { 0 } else { choices.below(if depth > 3 { 8 } else { 4 }) };
    for _ in 0..count {
        if fields.is_empty() || choices.below(20) == 19 {
            write_unknown(choices, out);
            continue;
        }
        let field = &fields[choices.below(fields.len())];
        write_field(choices, field.number(), &field.kind(), field.is_list(), depth, out);
    }
}

fn write_unknown(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let tag = choices.of(&[44_u64, 50, 200, 5000, 536_870_000]) << 3;
    match choices.below(5) {
        0 => [tag, choices.byte().into()].iter().for_each(|value| varint(out, *value)),
        1 => {
            varint(out, tag | 1);
            out.extend([7; 8]);
        }
        2 => {
            varint(out, tag | 2);
            out.extend([2, 0xff, 0xff]);
        }
        3 => {
            varint(out, tag | 3);
            varint(out, 8);
            out.push(3);
            varint(out, tag | 4);
        }
        _ => {
            varint(out, tag | 5);
            out.extend([7; 4]);
        }
    }
}

fn write_field(choices: &mut Choices<'_>, number: u32, kind: &Kind, is_list: bool, depth: usize, out: &mut Vec<u8>) {
    let tag = u64::from(number) << 3;
    let wire = match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        Kind::String | Kind::Bytes | Kind::Message(_) => 2,
        _ => 0,
    };
    if wire != 2 && is_list && choices.below(2) == 1 {
        let mut run = Vec::new();
        (0..choices.below(4)).for_each(|_| write_number(choices, wire, &mut run));
        varint(out, tag | 2);
        varint(out, run.len() as u64);
        return out.extend(run);
    }
    if wire != 2 {
        varint(out, tag | wire);
        return write_number(choices, wire, out);
    }
    let mut inside = Vec::new();
    match kind {
        Kind::Message(inner) => {
            // A group is told by its name: the field has the same in small letters.
            let is_group = inner.parent_file().name() == "test.proto" && matches!(inner.name(), "Part" | "Row");
            write_message(choices, inner, depth.saturating_sub(1), &mut inside);
            if is_group {
                varint(out, tag | 3);
                out.extend(inside);
                return varint(out, tag | 4);
            }
        }
        Kind::String if choices.below(4) == 3 => inside.resize(choices.below(256), b'x'),
        Kind::String => inside.extend_from_slice(
            choices.of(&["", "a", "key", "é\"\\\n", "a longer text, of more than a few bytes"]).as_bytes(),
        ),
        _ => inside.extend_from_slice(choices.of(&[&b""[..], b"\xff\x00", b"abc"])),
    }
    if *kind == Kind::String && choices.below(60) == 59 {
        inside.insert(choices.below(inside.len() + 1), 0xff);
    }
    varint(out, tag | 2);
    varint(out, inside.len() as u64);
    out.extend(inside);
}

fn write_number(choices: &mut Choices<'_>, wire: u64, out: &mut Vec<u8>) {
    const BITS: [u64; 14] = [
        0,
        1,
        2,
        3,
        4,
        127,
        128,
        1000,
        1 << 31,
        u64::MAX,
        1 << 63,
        1_764_547_200,
        0xffff_ffff_8000_0000,
        300_000_000_000,
    ];
    let bits = choices.of(&BITS);
    match wire {
        1 => out.extend(
            choices.of(&[0.5_f64.to_bits(), f64::NAN.to_bits(), f64::NEG_INFINITY.to_bits(), bits]).to_le_bytes(),
        ),
        5 => out.extend(choices.of(&[0.1_f32.to_bits(), f32::INFINITY.to_bits(), bits as u32]).to_le_bytes()),
        _ => varint(out, bits),
    }
}

/// Demands that meet the features of the sample in different ways.
pub(super) const DEMANDS: [&[&str]; 5] = [
    &[],
    &[
        "a_double",
        "a_float",
        "an_int32",
        "an_int64",
        "a_uint32",
        "a_uint64",
        "a_sint32",
        "a_sint64",
        "a_fixed32",
        "a_fixed64",
        "an_sfixed32",
        "an_sfixed64",
        "a_bool",
        "a_string",
        "some_bytes",
        "kind",
        "maybe",
        "maybe_text",
        "far",
        "third",
        "id",
        "name",
    ],
    &[
        "inner.name",
        "inner.inner.size",
        "inner.inner.inner.kind",
        "inner.more",
        "inner.empty",
        "text",
        "message.name",
        "message.inner",
        "number",
        "which",
        "moment",
        "at",
        "took",
        "wrapped",
        "object",
        "any",
        "list",
        "blob",
        "part.a",
        "part.b",
        "before.name",
        "before.part",
        "a_string.x",
        "before.before.kind",
        "ints.x",
        "at.seconds",
        "wrapped.value",
    ],
    &[
        "ints",
        "doubles",
        "strings",
        "kinds",
        "inners",
        "counts",
        "by_number",
        "by_bool",
        "times",
        "wraps",
        "fixeds",
        "bools",
        "inner",
        "inner.name",
        "message",
        "counts.key",
        "by_number.1.name",
        "object.key",
        "any.key",
        "wraps.a",
        "plain",
        "packed",
        "row",
        "part",
        "kind",
        "before",
        "before.id",
        "no.such",
    ],
    &["", "counts", "inner.name"],
];

/// Times and required fields are checked wherever they stand, and not only in what counts in the end; and maps have a wire type, at which
/// prost-reflect does not look.
fn is_stricter(message: &str) -> bool {
    let is_wire = message.contains("expected a length") || message.contains("a group without its end");
    let maps = ["`counts`", "`by_number`", "`by_bool`", "`wraps`", "fields`"];
    ["out of the range", "required field"].iter().any(|why| message.contains(why))
        || (is_wire && maps.iter().any(|map| message.contains(map)))
}

/// Decodes an event with a demand, and compares everything with what prost-reflect finds. `Err`: where they differ.
fn compare(sample: &Sample, event: &[u8], paths: &[&str]) -> Result<(), String> {
    let theirs = DynamicMessage::decode(sample.descriptor.clone(), event).map_err(|error| error.to_string());
    let theirs = theirs.and_then(|message| reference(&message));
    // Between two others, so that what is kept from one to the next is seen.
    let mut decoder = decoder(&sample.model, Wire::Raw, paths);
    let valid = if sample.descriptor.name() == "Old" { &[8, 1][..] } else { &[24, 5] };
    let decoded = decode(&mut decoder, &[valid, event, valid]);
    decoded.batch.assert_sound();
    let good = decoded.rejects.is_empty();
    match (&theirs, good) {
        (Ok(_), true) => {}
        (Err(_), false) => return Ok(()),
        (Ok(_), false) if is_stricter(&decoded.rejects[0].message) => return Ok(()),
        (theirs, _) => {
            return Err(format!("{theirs:?}, and ours {:?}", decoded.rejects.first().map(|reject| &reject.message)));
        }
    }
    let theirs = theirs?;
    let ours = whole(&decoded, 1);
    if ours != theirs {
        return Err(format!("theirs {theirs}\n  ours {ours}"));
    }
    for (column, slot) in decoded.batch.layout.slots.iter().enumerate().skip(1) {
        let Some(path) = slot.as_ref() else { continue };
        let found = path.iter().try_fold(&theirs, |value, name| value.as_object()?.get(&**name));
        let cell = cell(&decoded, column, 1);
        if cell.as_ref() != found {
            return Err(format!("{path:?}: theirs {found:?}, ours {cell:?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn messages_are_what_prost_reflect_finds(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0..2_usize, demand in 0..5_usize) {
        let sample = &SAMPLES[which];
        let mut event = Vec::new();
        write_message(&mut Choices::new(&bytes), &sample.descriptor, 6, &mut event);
        compare(sample, &event, DEMANDS[demand]).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn damaged_messages_are_refused_alike(
        bytes in proptest::collection::vec(any::<u8>(), 0..120), at in any::<prop::sample::Index>(), byte in any::<u8>(), what in 0..3_u8, demand in 0..5_usize,
    ) {
        let sample = &SAMPLES[usize::from(byte & 1)];
        let mut event = Vec::new();
        write_message(&mut Choices::new(&bytes), &sample.descriptor, 5, &mut event);
        let at = at.index(event.len() + 1);
        match what {
            0 if at < event.len() => event[at] = byte,
            1 => event.truncate(at),
            _ => event.insert(at, byte),
        }
        compare(sample, &event, DEMANDS[demand]).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn random_bytes_are_no_harm(event in proptest::collection::vec(any::<u8>(), 0..60), demand in 0..5_usize) {
        compare(&SAMPLES[0], &event, DEMANDS[demand]).map_err(TestCaseError::fail)?;
    }
}
