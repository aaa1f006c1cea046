//! Which texts are events does not depend on what is read of them, on what was read before them, or on what stands beside them; and it
//! is what serde_json says. Known differences: serde_json refuses numbers beyond f64, which here are errors only where somebody computes
//! with them, and it counts one level less (so both are given the same limit here).

use serde::de::IgnoredAny;

use super::*;

/// Levels that serde_json takes.
const DEPTH: usize = 127;

/// Good events that differ in kind: flat, nested, spaced, with every kind of value, with long texts, with escapes.
const GOOD: [&str; 8] = [
    r#"{"id":"evt-000000000012","type":"payment","at":1767225600123,"amount":123.45,"merchant":{"id":"m-1","category":"travel"},"n":3}"#,
    r#"{ "id" : "a" , "amount" : -0.5e-3 , "merchant" : { "category" : null , "tags" : [ ] } , "n" : 0 }"#,
    r#"{"a":[1,-2.5,"x",true,{"b":[[],{}]},null,false],"amount":12345678901234567890,"id":{"b":{"c":[{"d":1},{"d":2}]}}}"#,
    r#"{"id":"\u0041\n\\\ud83d\ude00\/","amount":1e5,"\u006e":1,"merchant":{"category":"\"quoted\""}}"#,
    r#"{"a longer name than one block has":"a text that is longer than one block, and than two of them","n":-17,"id":"é\u00e9😀"}"#,
    r#"{"a name that is longer than the three blocks which are remembered of it":1,"amount":7,"amount":8,"merchant":1,"merchant":{}}"#,
    r#"{"flag":true,"none":null,"no":false,"n":1234567890123456,"m":0.1234567890123456,"amount":123456789012345.6,"id":""}"#,
    "{}",
];

/// Bytes that mean something to the grammar, and some that never may stand in it.
const BYTES: &[u8] = b"{}[]\",:\\/ \t\n\r01-+.eEtfnua\x00\x1f\x7f\xc3\xa9\xff";

/// How many of these are inserted, too.
const INSERTED: usize = 12;

/// Texts that break the grammar, or that look as if they did. Those of one value stand in an object, too.
const ODD: [&str; 66] = [
    "",
    " ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "{}}",
    "{{}}",
    "{}{}",
    "{},",
    "[{}]",
    "null",
    "1",
    "\"{}\"",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{,\"a\":1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\"::1}",
    "{\"a\":1,,\"b\":2}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\":1}\n{}",
    "{\"a\":1]",
    "{\"a\":[1}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1 2]}",
    "{\"a\":[1:2]}",
    "{\"a\":{]}",
    "{\"a\":[}]}",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1_000",
    "NaN",
    "Infinity",
    "--1",
    "1.2.3",
    "1e5.5",
    "tru",
    "True",
    "nul",
    "nulll",
    "falsey",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\\udc00\"",
    "\"\t\"",
    "\"\\",
    "\"\\u00",
];

fn decoders() -> Vec<Decoder> {
    let demands: [&[&str]; 5] = [
        &[],
        &["amount", "merchant.category"],
        &["id", "n", "a", "flag", "none", "no"],
        &["merchant", "merchant.category", "merchant.tags", "a.b", "id.b.c", "a longer name than one block has"],
        &["m", "a name that is longer than the three blocks which are remembered of it", "type", "at", "merchant.id"],
    ];
    let decoder = |paths: &&[&str]| {
        let mut demand = Demand::default();
        paths.iter().for_each(|text| demand.add(path(text)));
        Decoder::new(Format::Json, Arc::new(Layout::text(&demand)), "test".into(), DEPTH)
    };
    demands.iter().map(decoder).collect()
}

/// Whether serde_json takes a text as an object.
fn theirs(text: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(value) => value.is_object(),
        Err(error) if error.to_string().contains("number out of range") => {
            serde_json::from_slice::<IgnoredAny>(text).is_ok() && text.trim_ascii_start().starts_with(b"{")
        }
        Err(_) => false,
    }
}

/// Decodes a text between two good ones in each way and by each plan: all say the same, and the same as serde_json.
fn check(decoders: &mut [Decoder], good: &str, text: &[u8]) {
    let good = good.as_bytes();
    let lines = [good, text, text];
    let mut verdicts = decoders.iter_mut().flat_map(|decoder| {
        let chunks = [chunk(&lines), chunk_of(&lines, b"", b""), chunk_of(&lines, b"", &[b'1'; WINDOW])];
        chunks.map(|chunk| {
            let decoded = decoder.decode(chunk, 0);
            let rejects = decoded.rejects.into_iter().map(|reject| (reject.before, reject.code.id, reject.message));
            (decoded.batch.len(), rejects.collect::<Vec<_>>())
        })
    });
    let first = verdicts.next().expect("a plan");
    let shown = String::from_utf8_lossy(text);
    verdicts.for_each(|verdict| assert_eq!(verdict, first, "{shown}"));
    assert_eq!(first.0, if theirs(text) { 3 } else { 1 }, "{shown}: {:?}", first.1);
}

#[test]
fn odd_texts_are_judged_alike() {
    let mut decoders = decoders();
    for good in GOOD {
        assert!(theirs(good.as_bytes()));
        for odd in ODD {
            check(&mut decoders, good, odd.as_bytes());
            for around in [["{\"amount\":", "}"], ["{\"z\":", ",\"n\":1}"], ["{\"merchant\":{\"category\":[", "]}}"]] {
                check(&mut decoders, good, around.join(odd).as_bytes());
            }
        }
    }
}

#[test]
fn every_small_damage_is_judged_alike() {
    let mut decoders = decoders();
    for good in GOOD {
        let text = good.as_bytes();
        for at in 0..text.len() {
            check(&mut decoders, good, &text[..at]);
            check(&mut decoders, good, &[&text[..at], &text[at + 1..]].concat());
            check(&mut decoders, good, &[&text[..at], &text[at..=at], &text[at..]].concat());
            for &byte in BYTES {
                check(&mut decoders, good, &[&text[..at], &[byte], &text[at + 1..]].concat());
            }
            for &byte in &BYTES[..INSERTED] {
                check(&mut decoders, good, &[&text[..at], &[byte], &text[at..]].concat());
            }
        }
    }
}

#[test]
fn levels_are_counted_alike() {
    let mut decoders = decoders();
    for name in ["amount", "merchant", "a", "z"] {
        for levels in [DEPTH - 2, DEPTH - 1, DEPTH, 3 * DEPTH] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"category\":", "}]")] {
                let inner = [open.repeat(levels), "1".to_owned(), close.repeat(levels)].concat();
                check(&mut decoders, GOOD[0], format!("{{\"{name}\":{inner}}}").as_bytes());
            }
        }
    }
}
