//! Payments in an Avro container: how they are made, and a filter and map of them by hand with `apache-avro`.
//!
//! By hand they are read into a struct of the needed fields, which is several times faster than into `apache-avro`'s values.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use apache_avro::types::Value;
use apache_avro::{Reader, Schema, Writer};
use serde::Deserialize;

use crate::data::{BEGIN_MS, BRANDS, CATEGORIES, DISORDER_MS, PLACES, Random, USERS};
use crate::lines::{BLOCK, Out, put, put_float};

/// The schema, beside this file.
const SCHEMA: &str = include_str!("payment.avsc");

/// Writes so many payments of 17 fields: those of the payments in JSON, and seven more.
pub fn payments(out: &mut impl Write, random: &mut Random, events: u64) -> io::Result<()> {
    let schema = Schema::parse_str(SCHEMA).map_err(io::Error::other)?;
    let mut writer = Writer::new(&schema, out).map_err(io::Error::other)?;
    for id in 0..events {
        writer.append_value(payment(random, id)).map_err(io::Error::other)?;
    }
    writer.flush().map_err(io::Error::other).map(|_| ())
}

fn payment(random: &mut Random, id: u64) -> Value {
    let text = |text: String| Value::String(text);
    let word = |text: &str| Value::String(text.to_owned());
    let (country, card_country) = random.countries();
    let merchant = vec![
        ("id".to_owned(), text(format!("m-{:05}", random.below(20_000)))),
        ("category".to_owned(), word(random.one_of(&CATEGORIES))),
        ("country".to_owned(), word(country)),
    ];
    let descriptor = format!("{}*Store {:04}*{}", random.one_of(&BRANDS), random.below(10_000), random.one_of(&PLACES));
    let item = match random.below(2) {
        0 => Value::Union(0, Box::new(Value::Null)),
        _ => Value::Union(1, Box::new(text(format!("item-{:05}", random.below(5_000))))),
    };
    let channel = random.below(3) as u32;
    let metadata = [("campaign", "spring"), ("device", "phone")];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), word(value))).into_iter().collect();
    let fields = [
        ("event_id", text(format!("evt-{id:012}"))),
        ("event_type", word("payment")),
        ("timestamp", Value::TimestampMillis((BEGIN_MS + id * 3 / 10 + random.below(DISORDER_MS)) as i64)),
        ("user_id", text(format!("user-{:06}", random.below(USERS)))),
        ("card_id", text(format!("card-{:08}", random.below(5_000)))),
        ("amount", Value::Double(random.amount().units())),
        ("currency", word("EUR")),
        ("card_country", word(card_country)),
        ("merchant", Value::Record(merchant)),
        ("descriptor", text(descriptor)),
        ("channel", Value::Enum(channel, ["WEB", "APP", "TERMINAL"][channel as usize].to_owned())),
        ("attempts", Value::Int(1 + random.below(3) as i32)),
        ("item_id", item),
        ("risk", Value::Float(random.below(1_000) as f32 / 1_000.0)),
        ("tags", Value::Array(vec![word("card"), word("eu")])),
        ("metadata", Value::Map(metadata)),
        ("schema_version", Value::Int(3)),
    ];
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A filter that keeps one event in eleven, and four fields, one of them computed.
pub fn filter_map(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    // `apache-avro` compares the struct's name with the schema's.
    #[derive(Deserialize)]
    #[serde(rename = "PaymentAuthorized")]
    struct Payment {
        user_id: String,
        amount: f64,
        merchant: Merchant,
        /// It cannot skip an enum.
        #[expect(dead_code)]
        channel: Channel,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Channel {
        Web,
        App,
        Terminal,
    }
    #[derive(Deserialize)]
    struct Merchant {
        id: String,
        category: String,
    }
    let reader = Reader::new(BufReader::with_capacity(BLOCK, File::open(input)?)).map_err(io::Error::other)?;
    let mut out = Out::new(&outputs[0])?;
    for payment in reader.into_deser_iter::<Payment>() {
        let payment = payment.map_err(io::Error::other)?;
        if payment.amount > 500.0 && payment.merchant.category == "travel" {
            let buffer = &mut out.buffer;
            put(buffer, r#"{"user":""#);
            put(buffer, &payment.user_id);
            put(buffer, r#"","amount":"#);
            put_float(buffer, payment.amount);
            put(buffer, r#","merchant":""#);
            put(buffer, &payment.merchant.id);
            put(buffer, r#"","fee":"#);
            put_float(buffer, payment.amount * 0.02);
            put(buffer, "}\n");
            out.flush_if_full()?;
        }
    }
    out.flush()
}
