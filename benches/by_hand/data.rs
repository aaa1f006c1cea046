//! The inputs, below `target/bench`: made once, from a seed, so that they are the same each time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{avro, protobuf};

/// The kinds of input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// Payments of about 280 bytes, nested; five minutes of event time, out of order by up to two seconds.
    Payments,
    /// The same over twenty minutes, and one id in ten has come before.
    Repeated,
    /// Orders of about 1.5 KB with 40 fields, arrays and objects among them.
    Orders,
    /// Payments as CSV with a header, quoted fields among them.
    Csv,
    /// Payments of 17 fields in an Avro container.
    Avro,
    /// The same as Protobuf messages, each behind its length.
    Protobuf,
}

/// The instant at which all inputs begin: 2026-01-01T00:00:00Z.
pub const BEGIN_MS: u64 = 1_767_225_600_000;
/// How far events are out of order.
pub const DISORDER_MS: u64 = 2_000;
/// Different users.
pub const USERS: u64 = 50_000;
const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "GB", "PL", "ES", "IT", "NL"];
pub const CATEGORIES: [&str; 8] = ["groceries", "travel", "fuel", "games", "books", "health", "garden", "music"];
pub const BRANDS: [&str; 6] = ["ACME", "Blue Door", "Corner", "Delta", "Elmwood", "Fjord"];
pub const PLACES: [&str; 6] = ["Berlin", "Lyon", "Leeds", "Gdansk", "Sevilla", "Torino"];

impl Input {
    /// How many events a run of the whole suite takes.
    pub fn events(self) -> u64 {
        if self == Input::Orders { 200_000 } else { 1_000_000 }
    }

    /// The file with `events` events, which is made if it is not there.
    pub fn file(self, dir: &Path, events: u64) -> io::Result<PathBuf> {
        let (name, ending) = match self {
            Input::Payments => ("payments", "jsonl"),
            Input::Repeated => ("repeated", "jsonl"),
            Input::Orders => ("orders", "jsonl"),
            Input::Csv => ("payments", "csv"),
            Input::Avro => ("payments", "avro"),
            Input::Protobuf => ("payments", "pb"),
        };
        let path = dir.join(format!("{name}-{events}.{ending}"));
        if !path.exists() {
            let unfinished = path.with_extension("part");
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
            self.write(&mut out, events)?;
            out.flush()?;
            std::fs::rename(unfinished, &path)?;
        }
        Ok(path)
    }

    /// Writes so many events.
    fn write(self, out: &mut impl Write, events: u64) -> io::Result<()> {
        let mut random = Random::new();
        if self == Input::Avro {
            return avro::payments(out, &mut random, events);
        }
        if self == Input::Protobuf {
            return protobuf::payments(out, &mut random, events);
        }
        if self == Input::Csv {
            writeln!(out, "event_id,timestamp,user_id,amount,currency,card_country,merchant,category,country,note")?;
        }
        for i in 0..events {
            match self {
                Input::Payments => {
                    let user = random.below(USERS);
                    payment(out, &mut random, i, user, i * 3 / 10)?
                }
                Input::Repeated => {
                    let id = if random.below(10) == 0 { i.saturating_sub(random.below(200_000)) } else { i };
                    let user = random.below(USERS);
                    payment(out, &mut random, id, user, i * 12 / 10)?;
                }
                Input::Orders => order(out, &mut random, i)?,
                Input::Csv => record(out, &mut random, i)?,
                Input::Avro | Input::Protobuf => {}
            }
        }
        Ok(())
    }
}

/// xorshift64: the same numbers each time.
pub struct Random(u64);

impl Random {
    pub fn new() -> Random {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub fn one_of(&mut self, values: &[&'static str]) -> &'static str {
        values[self.below(values.len() as u64) as usize]
    }

    /// An amount below 2,000 whose last digit is not 0: its text is the shortest one of its value, so a program that reads it as
    /// a float and one that passes its text on write the same bytes.
    pub fn amount(&mut self) -> Amount {
        Amount(self.below(20_000) * 10 + 1 + self.below(9))
    }

    /// A country, and in nine of ten cases the same once more.
    pub fn countries(&mut self) -> (&'static str, &'static str) {
        let country = self.one_of(&COUNTRIES);
        (country, if self.below(10) < 9 { country } else { self.one_of(&COUNTRIES) })
    }
}

/// Cents.
pub struct Amount(u64);

impl Amount {
    pub fn units(self) -> f64 {
        self.0 as f64 / 100.0
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Writes payments of so many users, each as often as the others and after all of them once more.
pub fn payments_of(users: u64, events: u64, out: &mut impl Write) -> io::Result<()> {
    /// Prime, so that users come in no order.
    const STRIDE: u64 = 7_368_787;
    let mut random = Random::new();
    (0..events).try_for_each(|i| payment(out, &mut random, i, i * STRIDE % users, i * 3 / 10))
}

/// One payment, `after` milliseconds after the beginning.
fn payment(out: &mut impl Write, random: &mut Random, id: u64, user: u64, after: u64) -> io::Result<()> {
    let (country, card_country) = random.countries();
    writeln!(
        out,
        r#"{{"event_id":"evt-{id:012}","event_type":"payment","timestamp":{},"user_id":"user-{:06}","card_id":"card-{:08}","amount":{},"currency":"EUR","card_country":"{card_country}","merchant":{{"id":"m-{:05}","category":"{}","country":"{country}"}},"descriptor":"{}*Store {:04}*{}"}}"#,
        BEGIN_MS + after + random.below(DISORDER_MS),
        user,
        random.below(5_000),
        random.amount(),
        random.below(20_000),
        random.one_of(&CATEGORIES),
        random.one_of(&BRANDS),
        random.below(10_000),
        random.one_of(&PLACES),
    )
}

/// One order.
fn order(out: &mut impl Write, random: &mut Random, i: u64) -> io::Result<()> {
    let (country, card_country) = random.countries();
    write!(
        out,
        r#"{{"order_id":"ord-{i:010}","version":4,"created_at":{},"updated_at":null,"channel":"web","tenant":"t-{:03}","#,
        BEGIN_MS + i * 3,
        random.below(200),
    )?;
    write!(
        out,
        r#""session":"{:016x}{:016x}","locale":"en-GB","ab_tests":["cart-b","search-a","badge-c"],"#,
        random.0, i
    )?;
    write!(
        out,
        r#""customer":{{"id":"user-{:06}","name":"Ada Lovelace","email":"ada.{i}@mail.example","country":"{country}","segments":["gold","early"],"since":2019}},"#,
        random.below(USERS),
    )?;
    write!(out, r#""items":["#)?;
    for item in 0..6 {
        let comma = if item == 0 { "" } else { "," };
        write!(
            out,
            r#"{comma}{{"sku":"sku-{:05}","n":{},"price":{},"gift":false}}"#,
            random.below(99_999),
            1 + random.below(4),
            random.amount(),
        )?;
    }
    write!(
        out,
        r#"],"shipping":{{"method":"parcel","address":{{"street":"Long Lane {}","zip":"{:05}","city":"{}","country":"{country}","geo":[52.5201,13.4049]}},"promised":{}}},"#,
        random.below(200),
        random.below(99_999),
        random.one_of(&PLACES),
        BEGIN_MS + i * 3 + 86_400_000,
    )?;
    write!(
        out,
        r#""payment":{{"method":"card","country":"{card_country}","risk":0.{:03},"attempts":1}},"#,
        random.below(1_000)
    )?;
    let status = random.one_of(&["paid", "open", "sent", "void"]);
    write!(out, r#""status":"{status}","currency":"EUR","total":{},"tax":{},"#, random.amount(), random.amount())?;
    for n in 0..22 {
        write!(out, r#""attribute_{n:02}":{},"#, random.below(100_000))?;
    }
    writeln!(out, r#""note":"leave it with the neighbour","flags":[true,false,true],"source":"shop"}}"#)
}

/// One record of CSV. One note in eight has a comma and quotes.
fn record(out: &mut impl Write, random: &mut Random, i: u64) -> io::Result<()> {
    let (country, card_country) = random.countries();
    let note = if random.below(8) == 0 { r#""the ""large"" one, please""# } else { "as always" };
    writeln!(
        out,
        "evt-{i:012},{},user-{:06},{},EUR,{card_country},m-{:05},{},{country},{note}",
        BEGIN_MS + i * 3 / 10 + random.below(DISORDER_MS),
        random.below(USERS),
        random.amount(),
        random.below(20_000),
        random.one_of(&CATEGORIES),
    )
}
