//! How the bytes of a source are read and those of a sink are written: `decode`, `encode` and `wire`, with what holds where they are not said.

use std::sync::Arc;

use crate::connectors::{Framing, SinkPlan, SourcePlan};
use crate::diagnostic::{Diagnostics, codes};
use crate::event::avro::container::Codec;
use crate::event::avro::{AvroEncoding, AvroFormat};
use crate::event::encode::NumberedJson;
use crate::event::frame::Containers;
use crate::event::packed::{PackedEncoding, PackedFormat, Wire};
use crate::event::protobuf::{ProtobufEncoding, ProtobufFormat};
use crate::event::{decode, encode};
use crate::schema::avro::{AvroSchema, AvroSchemasById, AvroWriters};
use crate::schema::{Definition, EventType, Language};
use crate::spec::{Section, SinkSpec, SourceSpec, TemplatePart, Value};

use super::registry::Schemas;
use super::{SourceSchema, schemas};

/// How a source's bytes become events. `schema`: what its key of that name has given; the outer option, whether it could be read.
pub(super) fn of_source(
    schemas: &Schemas<'_>,
    spec: &SourceSpec,
    schema: Option<&Option<SourceSchema>>,
    plan: Option<&dyn SourcePlan>,
    diagnostics: &mut Diagnostics,
) -> Option<(decode::Format, Framing)> {
    let written = spec.common.choice_opt("decode");
    let language = match written.unwrap_or_else(|| format_of_file(&spec.config)) {
        "csv" | "text" | "bytes" if !is_bare(&spec.common, diagnostics) => return None,
        plain @ ("csv" | "text" | "bytes") if !is_of_json(schema?.as_ref(), plain, &spec.common, diagnostics) => {
            return None;
        }
        "csv" => return Some((decode::Format::Csv, Framing::Csv)),
        "text" => return Some((decode::Format::Text, Framing::Lines)),
        "bytes" => return Some((decode::Format::Bytes, Framing::Lines)),
        "avro" => Language::Avro,
        "protobuf" => Language::Protobuf,
        _ => {
            if let (Some(SourceSchema { event_type, .. }), None) = (schema?.as_ref(), written)
                && event_type.definition.language() != Language::Json
            {
                let found = event_type.definition.language();
                let message =
                    format!("the event type is in {found}, and events are read as JSON where `decode` is not said");
                let report = diagnostics.error(&codes::NOT_TOGETHER, spec.common.span_of("schema"), message);
                let format = found.format();
                report.help(format!("write `decode: {format}`, or `decode: json` if the events are JSON of this type"));
                return None;
            }
            return match wire(schemas, &spec.common, Language::Json, false, diagnostics)? {
                Wire::Confluent if plan?.reads_stream() => Some((decode::Format::NumberedJson, Framing::Delimited)),
                Wire::Confluent => Some((decode::Format::NumberedJson, Framing::Lines)),
                _ => Some((decode::Format::Json, Framing::Lines)),
            };
        }
    };
    let event_type = schema?.as_ref().map(|schema| &schema.event_type);
    let event_type = described(event_type, language, &spec.common, "decode", diagnostics)?;
    let wire = wire(schemas, &spec.common, language, plan?.reads_stream(), diagnostics)?;
    if wire == Wire::Confluent && !has_registry(schemas, &spec.common, diagnostics) {
        return None;
    }
    let stream = plan?.reads_stream();
    let (format, framing): (Arc<dyn PackedFormat>, _) = match &event_type.definition {
        Definition::Avro(schema) => {
            let by_id = schemas.known.clone().map(|known| known as Arc<dyn AvroSchemasById>);
            let writers = AvroWriters::new(schema.clone(), avro_versions(event_type), by_id);
            let format = AvroFormat::new(wire, Arc::new(writers));
            let framing = match wire {
                Wire::Container => Framing::Container(Containers::new(format.writers().clone())),
                _ if stream => Framing::Delimited,
                _ => Framing::Lines,
            };
            (Arc::new(format), framing)
        }
        Definition::Protobuf(schema) => {
            let framing = if stream { Framing::Delimited } else { Framing::Lines };
            (Arc::new(ProtobufFormat::new(wire, Arc::new(schema.model.types()))), framing)
        }
        _ => {
            let message = format!("{language} is not read by this version");
            diagnostics.error(&codes::SCHEMA_UNSUPPORTED, spec.common.span_of("decode"), message);
            return None;
        }
    };
    Some((decode::Format::Packed(format), framing))
}

/// How a sink's events become bytes.
pub(super) fn of_sink(
    schemas: &mut Schemas<'_>,
    spec: &SinkSpec,
    plan: Option<&dyn SinkPlan>,
    diagnostics: &mut Diagnostics,
) -> Option<encode::Format> {
    let schema = schemas::named(schemas, &spec.common, diagnostics)?;
    let written = spec.common.choice_opt("encode");
    let language = match written.unwrap_or_else(|| format_of_file(&spec.config)) {
        "csv" | "text" if !is_bare(&spec.common, diagnostics) => return None,
        "csv" => return Some(encode::Format::Csv),
        "text" => return Some(encode::Format::Text),
        "avro" => Language::Avro,
        "protobuf" => Language::Protobuf,
        _ if wire(schemas, &spec.common, Language::Json, false, diagnostics)? != Wire::Confluent => {
            refuse_beside(&spec.common, Wire::Raw, diagnostics);
            return Some(encode::Format::Json);
        }
        _ => Language::Json,
    };
    let event_type = described(schema.as_ref(), language, &spec.common, "encode", diagnostics)?;
    let wire = wire(schemas, &spec.common, language, plan?.writes_lines(), diagnostics)?;
    refuse_beside(&spec.common, wire, diagnostics);
    if wire == Wire::Confluent && !has_registry(schemas, &spec.common, diagnostics) {
        return None;
    }
    let format: Arc<dyn PackedEncoding> = match &event_type.definition {
        Definition::Avro(schema) => {
            let (form, identity) = (schema.form(), schema.identity());
            Arc::new(match wire {
                Wire::Container => {
                    let codec = codec(spec.common.choice_opt("codec"));
                    AvroEncoding::container(form, identity, schema.text(), codec)
                }
                Wire::SingleObject => AvroEncoding::single_object(form, identity, schema.fingerprint()),
                Wire::Raw => AvroEncoding::raw(form, identity),
                Wire::Confluent => {
                    let number = schemas.publication(&spec.common, event_type, diagnostics)?;
                    AvroEncoding::numbered(form, identity, number)
                }
            })
        }
        Definition::Protobuf(schema) => {
            let types = Arc::new(schema.model.types());
            Arc::new(match wire {
                Wire::Confluent => {
                    ProtobufEncoding::numbered(types, schemas.publication(&spec.common, event_type, diagnostics)?)
                }
                Wire::Container | Wire::SingleObject | Wire::Raw => ProtobufEncoding::raw(types),
            })
        }
        Definition::Json(schema) => {
            let number = schemas.publication(&spec.common, event_type, diagnostics)?;
            Arc::new(NumberedJson::new(schema.identity(), number))
        }
    };
    Some(encode::Format::Packed(format))
}

/// Reports keys that have no meaning with what stands around the events of a sink.
fn refuse_beside(common: &Section, wire: Wire, diagnostics: &mut Diagnostics) {
    if common.is_written("codec") && wire != Wire::Container {
        let message = "`codec` has no meaning here: only the blocks of a container are compressed";
        let report = diagnostics.error(&codes::NOT_TOGETHER, common.key_span_of("codec"), message);
        report.help(
            "remove it, or write `encode: avro` and `wire: container`; whole files are compressed by `compression`",
        );
    }
    if common.bool("register") && wire != Wire::Confluent {
        let message =
            "`register` has no meaning here: only `wire: confluent` names a schema by its number in a registry";
        let report = diagnostics.error(&codes::NOT_TOGETHER, common.key_span_of("register"), message);
        report.help("remove it, or write `wire: confluent`; `runner schema register` registers a schema by itself");
    }
}

/// How the blocks of a container are compressed.
fn codec(written: Option<&str>) -> Codec {
    match written {
        Some("deflate") => Codec::Deflate,
        Some("snappy") => Codec::Snappy,
        Some("zstandard") => Codec::Zstandard,
        _ => Codec::Null,
    }
}

/// Whether nothing is said that only events of a described form have around them. `false`: that was reported.
fn is_bare(common: &Section, diagnostics: &mut Diagnostics) -> bool {
    let Some(wire) = common.choice_opt("wire").filter(|wire| *wire != "raw") else { return true };
    let message = format!("`wire: {wire}` has no meaning here: it is known of events in JSON, Avro and Protobuf alone");
    let report = diagnostics.error(&codes::NOT_TOGETHER, common.span_of("wire"), message);
    report.help("remove it, or say that events are in one of these (`json`, `avro`, `protobuf`)");
    false
}

/// Whether an event type that is named says what JSON has in it, as the texts of these formats are. `false`: that was reported.
fn is_of_json(schema: Option<&SourceSchema>, format: &str, common: &Section, diagnostics: &mut Diagnostics) -> bool {
    let language = schema.map_or(Language::Json, |schema| schema.event_type.definition.language());
    if language == Language::Json {
        return true;
    }
    let message =
        format!("the event type is in {language}, and `decode: {format}` gives texts, which are none of its values");
    let report = diagnostics.error(&codes::NOT_TOGETHER, common.span_of("schema"), message);
    report.help("remove `schema`, or name an event type in JSON Schema whose fields are strings; a sink may have the type, behind a `map`");
    false
}

/// Whether there is a registry for the numbers of schemas. `false`: that was reported.
fn has_registry(schemas: &Schemas<'_>, common: &Section, diagnostics: &mut Diagnostics) -> bool {
    if schemas.topology.registry.is_none() {
        let message = "`wire: confluent` needs a `registry`: events name their schema by the number that it has there";
        let report = diagnostics.error(&codes::NEEDS_KEY, common.span_of("wire"), message);
        report.help("add `registry: { url: \"http://127.0.0.1:8081\" }` to the file");
    }
    schemas.registry.is_some()
}

/// The other versions of an event type, with which its events may be written.
fn avro_versions(event_type: &EventType) -> impl Iterator<Item = Arc<AvroSchema>> {
    event_type.others.iter().filter_map(|other| match other {
        Definition::Avro(version) => Some(version.clone()),
        Definition::Json(_) | Definition::Protobuf(_) => None,
    })
}

/// The event type that a form needs, in the language of that form.
fn described<'e>(
    event_type: Option<&'e EventType>,
    language: Language,
    common: &Section,
    key: &str,
    diagnostics: &mut Diagnostics,
) -> Option<&'e EventType> {
    let name = common.choice_opt(key).unwrap_or(language.format());
    let Some(event_type) = event_type else {
        let (span, message) = match language {
            Language::Json => {
                let message =
                    "`wire: confluent` needs `schema`: its number in the registry is what stands before each event";
                (common.span_of("wire"), message.to_owned())
            }
            Language::Avro | Language::Protobuf => {
                let message = format!("`{key}: {name}` needs `schema`: the bytes alone do not say what they mean");
                (common.span_of(key), message)
            }
        };
        let report = diagnostics.error(&codes::NEEDS_KEY, span, message);
        report.help("name the event type, one of the file's `schemas`: `schema: Payment`");
        return None;
    };
    let found = event_type.definition.language();
    if found != language {
        let message = format!("`{key}: {name}` needs a schema in {language}, and this one is in {found}");
        let report = diagnostics.error(&codes::NOT_TOGETHER, common.span_of("schema"), message);
        report.help(format!("write `{key}: {}`, or name an event type in {language}", found.format()));
        return None;
    }
    Some(event_type)
}

/// What stands around the bytes of an event. `stream`: they come or go as one stream of bytes, not as messages.
fn wire(
    schemas: &Schemas<'_>,
    common: &Section,
    language: Language,
    stream: bool,
    diagnostics: &mut Diagnostics,
) -> Option<Wire> {
    let (wire, why) = match (common.choice_opt("wire"), language) {
        (None, Language::Avro) if stream => return Some(Wire::Container),
        (None, Language::Avro | Language::Protobuf) if schemas.topology.registry.is_some() && !stream => {
            return Some(Wire::Confluent);
        }
        (None, Language::Avro) => return Some(Wire::SingleObject),
        (None, Language::Protobuf | Language::Json) => return Some(Wire::Raw),
        (Some("container"), Language::Avro) if stream => return Some(Wire::Container),
        (Some("container"), Language::Avro) => {
            ("container", "a message is no file; use `single_object` or `confluent`")
        }
        (Some("single_object"), Language::Avro) => return Some(Wire::SingleObject),
        (Some("confluent"), _) => return Some(Wire::Confluent),
        (Some("raw"), _) => return Some(Wire::Raw),
        (Some(wire), _) => (wire, "that is a form of Avro; use `raw` or `confluent`"),
    };
    let message = format!("`wire: {wire}` has no meaning here: {why}");
    diagnostics.error(&codes::NOT_TOGETHER, common.span_of("wire"), message);
    None
}

/// The format that the name of a connector's file stands for, compressed or not; else JSON.
fn format_of_file(config: &Section) -> &'static str {
    if config.table.name != "file" {
        return "json";
    }
    let path = match config.value("path") {
        Some(Value::Glob(glob)) => glob.clone(),
        Some(Value::Path(path)) => path.display().to_string(),
        Some(Value::Template(template)) => match template.parts.last() {
            Some(TemplatePart::Text(text)) => text.clone(),
            Some(TemplatePart::Expr(_)) | None => return "json",
        },
        _ => return "json",
    };
    let plain = [".gz", ".zst"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(&path);
    match plain.rsplit_once('.') {
        Some((_, "csv")) => "csv",
        Some((_, "avro")) => "avro",
        _ => "json",
    }
}
