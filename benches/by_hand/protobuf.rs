//! Payments as Protobuf messages, each behind its length: how they are made, and a filter and map of them by hand with `prost`.
//!
//! By hand they are read into the whole message, as code generated from the `.proto` reads them; or into one of the needed fields alone, so
//! that `prost` skips the others without looking at them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use prost::Message;

use crate::data::{BEGIN_MS, BRANDS, CATEGORIES, DISORDER_MS, PLACES, Random, USERS};
use crate::lines::{BLOCK, Out, put, put_float};

/// `payment.proto`, beside this file.
#[derive(Clone, PartialEq, Message)]
struct Payment {
    #[prost(string, tag = "1")]
    event_id: String,
    #[prost(string, tag = "2")]
    event_type: String,
    #[prost(int64, tag = "3")]
    timestamp: i64,
    #[prost(string, tag = "4")]
    user_id: String,
    #[prost(string, tag = "5")]
    card_id: String,
    #[prost(double, tag = "6")]
    amount: f64,
    #[prost(string, tag = "7")]
    currency: String,
    #[prost(string, tag = "8")]
    card_country: String,
    #[prost(message, optional, tag = "9")]
    merchant: Option<Merchant>,
    #[prost(string, tag = "10")]
    descriptor: String,
    #[prost(int32, tag = "11")]
    channel: i32,
    #[prost(int32, tag = "12")]
    attempts: i32,
    #[prost(string, optional, tag = "13")]
    item_id: Option<String>,
    #[prost(float, tag = "14")]
    risk: f32,
    #[prost(string, repeated, tag = "15")]
    tags: Vec<String>,
    #[prost(map = "string, string", tag = "16")]
    metadata: HashMap<String, String>,
    #[prost(int32, tag = "17")]
    schema_version: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Merchant {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    category: String,
    #[prost(string, tag = "3")]
    country: String,
}

/// Writes so many payments of 17 fields: those of the payments in JSON, and seven more.
pub fn payments(out: &mut impl Write, random: &mut Random, events: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    for id in 0..events {
        buffer.clear();
        payment(random, id).encode_length_delimited(&mut buffer)?;
        out.write_all(&buffer)?;
    }
    Ok(())
}

fn payment(random: &mut Random, id: u64) -> Payment {
    let (country, card_country) = random.countries();
    let metadata = [("campaign", "spring"), ("device", "phone")];
    Payment {
        event_id: format!("evt-{id:012}"),
        event_type: "payment".to_owned(),
        timestamp: (BEGIN_MS + id * 3 / 10 + random.below(DISORDER_MS)) as i64,
        user_id: format!("user-{:06}", random.below(USERS)),
        card_id: format!("card-{:08}", random.below(5_000)),
        amount: random.amount().units(),
        currency: "EUR".to_owned(),
        card_country: card_country.to_owned(),
        merchant: Some(Merchant {
            id: format!("m-{:05}", random.below(20_000)),
            category: random.one_of(&CATEGORIES).to_owned(),
            country: country.to_owned(),
        }),
        descriptor: format!("{}*Store {:04}*{}", random.one_of(&BRANDS), random.below(10_000), random.one_of(&PLACES)),
        channel: 1 + random.below(3) as i32,
        attempts: 1 + random.below(3) as i32,
        item_id: (random.below(2) == 1).then(|| format!("item-{:05}", random.below(5_000))),
        risk: random.below(1_000) as f32 / 1_000.0,
        tags: vec!["card".to_owned(), "eu".to_owned()],
        metadata: metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        schema_version: 3,
    }
}

/// The filter and map with the whole message.
pub fn filter_map_whole(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    filter_map_of(input, outputs, |payment: Payment| {
        let merchant = payment.merchant?;
        Some((payment.user_id, payment.amount, merchant.id, merchant.category))
    })
}

/// The same with a message of the needed fields.
pub fn filter_map(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Clone, PartialEq, Message)]
    struct Needed {
        #[prost(string, tag = "4")]
        user_id: String,
        #[prost(double, tag = "6")]
        amount: f64,
        #[prost(message, optional, tag = "9")]
        merchant: Option<NeededMerchant>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct NeededMerchant {
        #[prost(string, tag = "1")]
        id: String,
        #[prost(string, tag = "2")]
        category: String,
    }
    filter_map_of(input, outputs, |payment: Needed| {
        let merchant = payment.merchant?;
        Some((payment.user_id, payment.amount, merchant.id, merchant.category))
    })
}

/// A filter that keeps one event in eleven, and four fields, one of them computed. `needed`: user, amount, and the merchant's id and category.
fn filter_map_of<M: Message + Default>(
    input: &Path,
    outputs: &[PathBuf],
    needed: impl Fn(M) -> Option<(String, f64, String, String)>,
) -> io::Result<()> {
    let mut file = File::open(input)?;
    let mut out = Out::new(&outputs[0])?;
    let (mut block, mut held) = (vec![0; BLOCK], 0);
    loop {
        let read = file.read(&mut block[held..])?;
        if read == 0 {
            return out.flush();
        }
        let mut rest = &block[..held + read];
        while let Some((length, prefix)) = length(rest).filter(|(length, prefix)| rest.len() >= length + prefix) {
            let payment = M::decode(&rest[prefix..prefix + length])?;
            rest = &rest[prefix + length..];
            let Some((user, amount, merchant, _)) =
                needed(payment).filter(|(_, amount, _, category)| *amount > 500.0 && category == "travel")
            else {
                continue;
            };
            let buffer = &mut out.buffer;
            put(buffer, r#"{"user":""#);
            put(buffer, &user);
            put(buffer, r#"","amount":"#);
            put_float(buffer, amount);
            put(buffer, r#","merchant":""#);
            put(buffer, &merchant);
            put(buffer, r#"","fee":"#);
            put_float(buffer, amount * 0.02);
            put(buffer, "}\n");
            out.flush_if_full()?;
        }
        let done = held + read - rest.len();
        block.copy_within(done..held + read, 0);
        held = held + read - done;
    }
}

/// A length, and how many bytes say it.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut rest = bytes;
    let length = prost::decode_length_delimiter(&mut rest).ok()?;
    Some((length, bytes.len() - rest.len()))
}
