//! Verdicts on Avro against what the `apache-avro` crate does, and what the runner's own decoder does: what is compatible is decoded by
//! both, whatever the data; of what is not, there is a datum that both refuse.
//!
//! Where the crate leaves the specification, the schemas of this test keep out of the way:
//! - It resolves values without their names. So a renamed record, enum or fixed is read, and a record goes to the first of a union's that
//!   has its fields: here no name changes, and each record and enum has something that no other has.
//! - It does not use a reader's aliases: here there are none.
//! - It reads double as float, and takes a fixed for a string, a string or bytes for a fixed, an array for bytes, a string for an enum, a
//!   map for a record: here no type becomes one of those.
//! - It does not compare the scale of decimals, nor their precision where the bytes are enough: here there are none.
//! - A long is read as an int if it is small enough: so the data have large ones.
//! - Bytes that are no UTF-8 are no string to it, which is a caution here and no verdict: so the data have none.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};
use topology_runner::event::{self, avro::Reading};
use topology_runner::schema::avro::{AvroSchema, Body, Kind, Type, resolve};
use topology_runner::schema::compat::{self, Finding, Severity};
use topology_runner::schema::{Definition, Language};

/// Pairs of versions, each judged in both directions.
const PAIRS: u64 = 1_500;
/// Data of a writer that a compatible reader must decode.
const DATA: usize = 20;
/// Data among which is one that an incompatible reader refuses.
const DATA_MAX: usize = 3_000;

/// Splitmix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

/// Makes schemas, and what may become of them.
struct Maker {
    random: Random,
    /// Names that were given.
    named: usize,
}

const SIMPLE: [&str; 7] = ["boolean", "int", "long", "float", "double", "bytes", "string"];

impl Maker {
    fn record(&mut self, depth: usize) -> Value {
        let number = self.name();
        let mut fields = vec![json!({ "name": format!("own{number}"), "type": "long" })];
        for at in 0..1 + self.random.below(4) {
            fields.push(json!({ "name": format!("f{at}"), "type": self.ty(depth) }));
        }
        json!({ "type": "record", "name": format!("R{number}"), "fields": fields })
    }

    fn name(&mut self) -> usize {
        self.named += 1;
        self.named
    }

    fn ty(&mut self, depth: usize) -> Value {
        let kinds = if depth == 0 { 6 } else { 10 };
        match self.random.below(kinds) {
            0..=3 => json!(self.random.pick(&SIMPLE)),
            4 => self.enumeration(),
            5 => json!({ "type": "fixed", "name": format!("F{}", self.name()), "size": 1 + self.random.below(4) }),
            6 => json!({ "type": "array", "items": self.ty(depth - 1) }),
            7 => json!({ "type": "map", "values": self.ty(depth - 1) }),
            8 => self.union(depth - 1),
            _ => self.record(depth - 1),
        }
    }

    fn enumeration(&mut self) -> Value {
        let number = self.name();
        let symbols: Vec<String> = (0..2 + self.random.below(2)).map(|at| format!("S{number}_{at}")).collect();
        json!({ "type": "enum", "name": format!("E{number}"), "symbols": symbols })
    }

    fn union(&mut self, depth: usize) -> Value {
        let mut branches = vec![json!("null"), json!(self.random.pick(&SIMPLE))];
        if self.random.one_in(2) {
            branches.push(self.record(depth.saturating_sub(1)));
        }
        if self.random.one_in(2) {
            branches.rotate_left(1);
        }
        Value::Array(branches)
    }

    /// What the type is in another version.
    fn evolved(&mut self, ty: &Value) -> Value {
        match ty {
            Value::String(name) => match self.random.below(8) {
                0 => self.other_simple(name),
                1 => json!(["null", name]),
                _ => ty.clone(),
            },
            Value::Array(branches) => self.evolved_union(branches),
            Value::Object(object) => {
                let mut object = object.clone();
                match object["type"].as_str() {
                    Some("array") => object["items"] = self.evolved(&object["items"]),
                    Some("map") => object["values"] = self.evolved(&object["values"]),
                    Some("enum") => self.evolve_symbols(&mut object),
                    Some("fixed") if self.random.one_in(10) => object["size"] = json!(5),
                    Some("record") => self.evolve_fields(&mut object),
                    _ => {}
                }
                Value::Object(object)
            }
            other => other.clone(),
        }
    }

    fn other_simple(&mut self, name: &str) -> Value {
        let other = *self.random.pick(&SIMPLE);
        // Both ways, as each version reads the other.
        let deviates = matches!((name, other), ("double", "float") | ("float", "double"));
        json!(if deviates { name } else { other })
    }

    fn evolved_union(&mut self, branches: &[Value]) -> Value {
        let mut branches: Vec<Value> = branches
            .iter()
            .map(|branch| match branch {
                Value::Object(_) => self.evolved(branch),
                simple => simple.clone(),
            })
            .collect();
        match self.random.below(6) {
            0 => branches.rotate_left(1),
            1 if branches.len() > 1 => {
                branches.pop();
            }
            2 => {
                let more = json!(self.random.pick(&SIMPLE));
                let deviates = |branch: &Value| *branch == json!("double") || *branch == json!("float");
                if !branches.contains(&more) && !deviates(&more) {
                    branches.push(more);
                }
            }
            _ => {}
        }
        Value::Array(branches)
    }

    fn evolve_symbols(&mut self, object: &mut serde_json::Map<String, Value>) {
        let name = object["name"].as_str().expect("a name").replace('E', "S");
        let Some(Value::Array(symbols)) = object.get_mut("symbols") else { return };
        match self.random.below(6) {
            0 => symbols.push(json!(format!("{name}_new"))),
            1 => {
                symbols.pop();
            }
            2 => symbols.reverse(),
            _ => {}
        }
        if self.random.one_in(4) {
            let default = symbols[0].clone();
            object.insert("default".into(), default);
        }
    }

    fn evolve_fields(&mut self, object: &mut serde_json::Map<String, Value>) {
        let Some(Value::Array(fields)) = object.get_mut("fields") else { return };
        for field in fields.iter_mut().skip(1) {
            field["type"] = self.evolved(&field["type"]);
        }
        match self.random.below(6) {
            0 => fields.push(json!({ "name": "more", "type": "string", "default": "" })),
            1 => fields.push(json!({ "name": "must", "type": "string" })),
            2 if fields.len() > 2 => {
                fields.pop();
            }
            3 => fields.reverse(),
            _ => {}
        }
        // Where it was reversed the field of its own is the last.
        if fields.len() > 1 && !fields[0]["name"].as_str().is_some_and(|name| name.starts_with("own")) {
            fields.reverse();
        }
    }

    fn datum(&mut self, schema: &AvroSchema, ty: &Type) -> Datum {
        let random = &mut self.random;
        match &ty.kind {
            Kind::Null => Datum::Null,
            Kind::Boolean => Datum::Boolean(random.one_in(2)),
            Kind::Int => Datum::Int(*random.pick(&[0, 1, -1, 77, i32::MAX, i32::MIN])),
            Kind::Long => Datum::Long(*random.pick(&[0, -1, i64::MAX, i64::MIN, 1 << 40])),
            Kind::Float => Datum::Float(random.below(1000) as f32 / 8.0),
            Kind::Double => Datum::Double(random.below(1000) as f64 / 7.0),
            Kind::Bytes => Datum::Bytes(random.below(1000).to_string().into_bytes()),
            Kind::String => Datum::String(format!("a{}", random.below(1000))),
            Kind::Array(items) => {
                let count = random.below(3);
                Datum::Array((0..count).map(|_| self.datum(schema, items)).collect())
            }
            Kind::Map(values) => {
                let count = random.below(3);
                let entries: HashMap<_, _> =
                    (0..count).map(|at| (format!("k{at}"), self.datum(schema, values))).collect();
                Datum::Map(entries)
            }
            Kind::Union(branches) => {
                let at = random.below(branches.len());
                Datum::Union(at as u32, Box::new(self.datum(schema, &branches[at])))
            }
            Kind::Named(id) => match &schema.named(*id).body {
                Body::Enum { symbols, .. } => {
                    let at = random.below(symbols.len());
                    Datum::Enum(at as u32, symbols[at].to_string())
                }
                Body::Fixed { size, .. } => Datum::Fixed(*size, vec![7; *size]),
                Body::Record(fields) => {
                    let fields = fields.iter().map(|field| (field.name.to_string(), self.datum(schema, &field.ty)));
                    Datum::Record(fields.collect())
                }
            },
        }
    }
}

/// A schema, as each of the two reads it.
struct Version {
    ours: Definition,
    model: AvroSchema,
    apache: Schema,
    text: String,
}

impl Version {
    fn of(schema: &Value) -> Version {
        let text = schema.to_string();
        Version {
            ours: Definition::parse(Language::Avro, &text, None, &[])
                .unwrap_or_else(|error| panic!("{error:?}: {text}")),
            model: AvroSchema::parse(&text, &[]).expect("it was parsed"),
            apache: Schema::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
            text,
        }
    }
}

/// A reader, a writer, and how the runner reads the one by the other.
struct Pair<'v> {
    reader: &'v Version,
    writer: &'v Version,
    reading: Reading,
}

impl Pair<'_> {
    /// What the crate, and what the runner, makes of a datum: why it is not decoded.
    fn decoded(&self, datum: &Datum) -> [Result<(), String>; 2] {
        let (reader, writer) = (self.reader, self.writer);
        let write = GenericDatumWriter::builder(&writer.apache).build().expect("a writer");
        let bytes = write.write_value_to_vec(datum.clone());
        let bytes = bytes.unwrap_or_else(|error| panic!("{error}: {}", writer.text));
        let read = GenericDatumReader::builder(&writer.apache).reader_schema(&reader.apache).build().expect("a reader");
        let theirs = read.read_value(&mut bytes.as_slice()).map(drop).map_err(|error| error.to_string());
        let ours = event::avro::to_json(&self.reading, &bytes).map(drop).map_err(|fault| format!("{fault:?}"));
        [theirs, ours]
    }
}

/// Whether the verdict was "compatible".
fn judged(maker: &mut Maker, reader: &Version, writer: &Version) -> bool {
    let findings = compat::can_read(&reader.ours, &writer.ours);
    let compatible = findings.iter().all(|finding| finding.severity != Severity::Breaks);
    let pair = Pair { reader, writer, reading: resolve(&writer.model, &reader.model) };
    let (root, versions) = (writer.model.root(), format!("writer {}\nreader {}", writer.text, reader.text));
    if compatible {
        for _ in 0..DATA {
            let datum = maker.datum(&writer.model, root);
            for (who, decoded) in ["apache-avro", "the runner"].iter().zip(pair.decoded(&datum)) {
                assert_eq!(decoded, Ok(()), "compatible, but not to {who}\n{versions}\ndatum {datum:?}");
            }
        }
        return true;
    }
    let refused = (0..DATA_MAX).any(|_| {
        let datum = maker.datum(&writer.model, root);
        pair.decoded(&datum).iter().all(Result::is_err)
    });
    let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(refused, "incompatible ({}), but all is read\n{versions}", findings.join("; "));
    false
}

#[test]
fn verdicts_on_avro_are_what_apache_avro_does() {
    let (mut compatible, mut judgements) = (0, 0);
    for seed in 0..PAIRS {
        let mut maker = Maker { random: Random(seed), named: 0 };
        let old = maker.record(2);
        let new = maker.evolved(&old);
        let (old, new) = (Version::of(&old), Version::of(&new));
        for (reader, writer) in [(&new, &old), (&old, &new)] {
            compatible += u64::from(judged(&mut maker, reader, writer));
            judgements += 1;
        }
    }
    // Both verdicts were tried.
    assert!(compatible > judgements / 8 && compatible < judgements * 7 / 8, "{compatible} of {judgements}");
}
