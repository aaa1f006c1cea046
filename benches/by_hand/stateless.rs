//! Filters and maps by hand.
//!
//! Strings are borrowed from the line, which serde_json does only for those without escapes; so what is borrowed needs none when it is
//! written. The inputs have no escapes in these fields. A program for all events would pay for `Cow`, and for a look at each string.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::lines::{Out, each_line, parse, put, put_float};

/// Makes the output of each line by `write`, which appends to it.
fn each(
    input: &Path,
    outputs: &[PathBuf],
    mut write: impl FnMut(&str, &mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = Out::new(&outputs[0])?;
    each_line(input, |line| {
        write(line, &mut out.buffer)?;
        out.flush_if_full()
    })?;
    out.flush()
}

/// A filter that keeps one event in eleven, and four fields, one of them computed.
pub fn filter_map(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    each(input, outputs, travel)
}

/// What `filter_map` makes of a line.
pub fn travel(line: &str, out: &mut Vec<u8>) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment<'a> {
        user_id: &'a str,
        amount: f64,
        #[serde(borrow)]
        merchant: Merchant<'a>,
    }
    #[derive(Deserialize)]
    struct Merchant<'a> {
        id: &'a str,
        category: &'a str,
    }
    let payment: Payment = parse(line)?;
    if payment.amount > 500.0 && payment.merchant.category == "travel" {
        put(out, r#"{"user":""#);
        put(out, payment.user_id);
        put(out, r#"","amount":"#);
        put_float(out, payment.amount);
        put(out, r#","merchant":""#);
        put(out, payment.merchant.id);
        put(out, r#"","fee":"#);
        put_float(out, payment.amount * 0.02);
        put(out, "}\n");
    }
    Ok(())
}

/// A filter that keeps nearly all, and four fields, one of them computed.
pub fn map(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    each(input, outputs, large)
}

/// What `map` makes of a line.
pub fn large(line: &str, out: &mut Vec<u8>) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment<'a> {
        user_id: &'a str,
        amount: f64,
        card_country: &'a str,
        #[serde(borrow)]
        merchant: Merchant<'a>,
    }
    #[derive(Deserialize)]
    struct Merchant<'a> {
        country: &'a str,
    }
    let payment: Payment = parse(line)?;
    if payment.amount > 50.0 {
        let country = payment.merchant.country;
        put(out, r#"{"user":""#);
        put(out, payment.user_id);
        put(out, r#"","amount":"#);
        put_float(out, payment.amount);
        put(out, r#","country":""#);
        put(out, country);
        put(out, r#"","abroad":"#);
        put(out, if country != payment.card_country { "true}\n" } else { "false}\n" });
    }
    Ok(())
}

/// Three fields of a wide event.
pub fn wide(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Order<'a> {
        order_id: &'a str,
        status: &'a str,
        total: f64,
    }
    each(input, outputs, |line, out| {
        let order: Order = parse(line)?;
        if order.status == "paid" {
            put(out, r#"{"order":""#);
            put(out, order.order_id);
            put(out, r#"","total":"#);
            put_float(out, order.total);
            put(out, "}\n");
        }
        Ok(())
    })
}

/// Half of the events, as they came.
pub fn pass_through(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment {
        amount: f64,
    }
    each(input, outputs, |line, out| {
        let payment: Payment = parse(line)?;
        if payment.amount > 1000.0 {
            put(out, line);
            out.push(b'\n');
        }
        Ok(())
    })
}

/// Three files of events as they came.
pub fn fan_out(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment<'a> {
        amount: f64,
        card_country: &'a str,
        #[serde(borrow)]
        merchant: Merchant<'a>,
    }
    #[derive(Deserialize)]
    struct Merchant<'a> {
        category: &'a str,
        country: &'a str,
    }
    let mut large = Out::new(&outputs[0])?;
    let mut travel = Out::new(&outputs[1])?;
    let mut abroad = Out::new(&outputs[2])?;
    let write = |line: &str, out: &mut Out| {
        put(&mut out.buffer, line);
        out.buffer.push(b'\n');
        out.flush_if_full()
    };
    each_line(input, |line| {
        let payment: Payment = parse(line)?;
        if payment.amount > 1500.0 {
            write(line, &mut large)?;
        }
        if payment.merchant.category == "travel" {
            write(line, &mut travel)?;
        }
        if payment.merchant.country != payment.card_country {
            write(line, &mut abroad)?;
        }
        Ok(())
    })?;
    large.flush()?;
    travel.flush()?;
    abroad.flush()
}
