//! What `apache-avro` reads, in our terms: the reference of tests and of the fuzzer.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Theirs;
use serde_json::{Map, Value, json};

/// What apache-avro makes of an event, and how many bytes it leaves. `scale` is that of all decimals.
pub fn read(writer: &str, reader: &str, event: &[u8], scale: usize) -> Option<(Value, usize)> {
    let writer = apache_avro::Schema::parse_str(writer).expect("apache-avro knows the schema");
    let reader = apache_avro::Schema::parse_str(reader).expect("apache-avro knows the schema");
    let mut rest = event;
    let datum = GenericDatumReader::builder(&writer).reader_schema(&reader).build().expect("a reader");
    let value = datum.read_value(&mut rest).ok()?;
    Some((json_of(&value, scale), rest.len()))
}

/// A decimal that is no i128.
const LARGE: &str = "a large decimal";

fn json_of(value: &Theirs, scale: usize) -> Value {
    match value {
        Theirs::Null => Value::Null,
        Theirs::Boolean(value) => json!(value),
        Theirs::Int(value) | Theirs::Date(value) | Theirs::TimeMillis(value) => json!(value),
        Theirs::Long(value) | Theirs::TimeMicros(value) | Theirs::TimestampMillis(value) => json!(value),
        Theirs::Float(value) => json!(f64::from(*value)),
        Theirs::Double(value) => json!(value),
        Theirs::Bytes(bytes) | Theirs::Fixed(_, bytes) => json!(base64(bytes)),
        Theirs::String(value) | Theirs::Enum(_, value) => json!(value),
        Theirs::Union(_, value) => json_of(value, scale),
        Theirs::Array(items) => items.iter().map(|item| json_of(item, scale)).collect(),
        Theirs::Map(values) => {
            Value::Object(values.iter().map(|(key, value)| (key.clone(), json_of(value, scale))).collect())
        }
        Theirs::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), json_of(value, scale)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Theirs::Decimal(value) => {
            let bytes: Vec<u8> = Vec::try_from(value).expect("bytes of a decimal");
            let mut all = [if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 }; 16];
            let Some(from) = all.len().checked_sub(bytes.len()) else { return json!(LARGE) };
            all[from..].copy_from_slice(&bytes);
            serde_json::from_str(&format!("{}e-{scale}", i128::from_be_bytes(all))).expect("a number")
        }
        Theirs::Uuid(value) => json!(value.to_string()),
        Theirs::Duration(value) => {
            let (months, days, millis) = (value.months(), value.days(), value.millis());
            json!({ "months": u32::from(months), "days": u32::from(days), "millis": u32::from(millis) })
        }
        other => panic!("no schema of ours has {other:?}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    let digits: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let sextets = bits.as_bytes().chunks(6).map(|chunk| format!("{:0<6}", String::from_utf8_lossy(chunk)));
    let mut text: String = sextets.map(|bits| digits[usize::from_str_radix(&bits, 2).expect("six bits")]).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Whether two values are the same; numbers are compared as floats where one of them is a float.
pub fn alike(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(_), Value::String(large)) => large == LARGE,
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.as_f64().zip(b.as_f64())).is_some_and(|(a, b)| (a - b).abs() <= a.abs() * 1e-15)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (Value::String(ours), Value::String(theirs)) => ours == theirs || is_same_uuid(ours, theirs),
        (a, b) => a == b,
    }
}

/// Whether apache-avro has put a text that is a UUID into its usual form.
fn is_same_uuid(ours: &str, theirs: &str) -> bool {
    let digits = |text: &str| text.to_ascii_lowercase().replace(['-', '{', '}'], "");
    theirs.len() == 36 && digits(ours).trim_start_matches("urn:uuid:") == digits(theirs)
}
