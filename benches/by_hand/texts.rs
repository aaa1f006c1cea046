//! Work on strings, and CSV, by hand.

use std::io;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::lines::{BLOCK, Out, each_line, parse, put, put_float};

/// Lower case, a part that is looked for, pieces between separators, and texts put together.
pub fn strings(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment<'a> {
        user_id: &'a str,
        card_country: &'a str,
        descriptor: &'a str,
    }
    let (finder, mut lower) = (Finder::new("d*store"), String::new());
    let mut out = Out::new(&outputs[0])?;
    each_line(input, |line| {
        let payment: Payment = parse(line)?;
        to_lower(payment.descriptor, &mut lower);
        if finder.find(lower.as_bytes()).is_some() {
            let pieces = |text| str::split(text, '*');
            let out = &mut out.buffer;
            put(out, r#"{"brand":""#);
            put(out, pieces(&lower).next().unwrap_or_default());
            put(out, r#"","place":""#);
            put(out, pieces(payment.descriptor).nth(2).unwrap_or_default());
            put(out, r#"","who":""#);
            put(out, payment.user_id);
            put(out, "@");
            put(out, payment.card_country);
            put(out, "\"}\n");
        }
        out.flush_if_full()
    })?;
    out.flush()
}

fn to_lower(text: &str, lower: &mut String) {
    lower.clear();
    if text.is_ascii() {
        lower.push_str(text);
        lower.make_ascii_lowercase();
    } else {
        lower.push_str(&text.to_lowercase());
    }
}

/// Records of CSV become objects.
pub fn csv(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(BLOCK).from_path(input)?;
    let headers = reader.headers()?.clone();
    let column =
        |name: &str| headers.iter().position(|header| header == name).ok_or_else(|| io::Error::other("a column"));
    let (user, amount, merchant) = (column("user_id")?, column("amount")?, column("merchant")?);
    let (country, note) = (column("country")?, column("note")?);
    let mut out = Out::new(&outputs[0])?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let amount: f64 = record[amount].trim().parse().map_err(io::Error::other)?;
        if amount > 50.0 {
            let out = &mut out.buffer;
            put(out, r#"{"user":"#);
            put_string(out, &record[user])?;
            put(out, r#","amount":"#);
            put_float(out, amount);
            put(out, r#","merchant":"#);
            put_string(out, &record[merchant])?;
            put(out, r#","country":"#);
            put_string(out, &record[country])?;
            put(out, r#","note":"#);
            put_string(out, &record[note])?;
            put(out, "}\n");
        }
        out.flush_if_full()?;
    }
    out.flush()
}

/// A string of JSON; any text may need escapes here.
fn put_string(out: &mut Vec<u8>, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}
