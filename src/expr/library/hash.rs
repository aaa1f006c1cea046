//! Hashes and names made from values. Their results are part of what users store: they never change between versions.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::convert::shown;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, walk};

const SCALAR: Types = Types::STRING.or(Types::NUMBER).or(Types::BOOL).or(Types::UNIT);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "hash",
        &[Param::new("x", SCALAR)],
        Types::INT,
        "A 64-bit hash that is the same on every machine and in every version (rapidhash v3); ints and floats of equal value have \
         equal hashes. Hash an array or object by its text: `hash(to_json(x))`. Not for secrets.",
        (r#"hash("user-17")"#, "3970598186392836551"),
        Run::Scalar(hash),
    ),
    Function::new(
        "bucket",
        &[Param::new("x", SCALAR), Param::new("n", Types::INT)],
        Types::INT,
        "A number from 0 to `n` - 1 for the value, always the same for the same value: the hash, read as unsigned, modulo `n`.",
        (r#"bucket("user-17", 10)"#, "1"),
        Run::Scalar(bucket),
    ),
    Function::new(
        "sha256",
        &[Param::new("text", Types::STRING)],
        Types::STRING,
        "The SHA-256 of the text's UTF-8, in 64 hexadecimal digits.",
        (r#"sub_string(sha256("abc"), 0, 16)"#, r#""ba7816bf8f01cfea""#),
        Run::Scalar(sha256),
    ),
    Function::new(
        "crc32",
        &[Param::new("text", Types::STRING)],
        Types::INT,
        "The CRC-32 (as in gzip) of the text's UTF-8.",
        (r#"crc32("abc")"#, "891568578"),
        Run::Scalar(crc32),
    ),
    Function::new(
        "uuid_v5",
        &[Param::new("namespace", Types::STRING), Param::new("name", Types::STRING)],
        Types::STRING,
        "The UUID of a name (version 5): the same name gives the same UUID. The namespace is a UUID, or `dns`, `url`, `oid` or `x500`.",
        (r#"uuid_v5("dns", "www.example.com")"#, r#""2ed6657d-e927-568b-95e1-2665a8aea6a2""#),
        Run::Scalar(uuid_v5),
    )
    .checked(|args| match args.first() {
        Some(Some(Value::Str(namespace))) => namespace_uuid(namespace).map(drop),
        _ => Ok(()),
    }),
];

type Result<T> = std::result::Result<T, Fail>;

/// A seed for each kind, so that `"1"`, `1` and `true` differ.
const SECRETS: [RapidSecrets; 5] = [
    RapidSecrets::seed_cpp(0),
    RapidSecrets::seed_cpp(1),
    RapidSecrets::seed_cpp(2),
    RapidSecrets::seed_cpp(3),
    RapidSecrets::seed_cpp(4),
];

fn hash_of(value: &Value<'_>) -> u64 {
    let [text, int, float, bool, unit] = &SECRETS;
    match value {
        Value::Str(x) => rapidhash_v3_seeded(x.as_bytes(), text),
        Value::Int(x) => rapidhash_v3_seeded(&x.to_le_bytes(), int),
        Value::Float(x) => match walk::whole(*x) {
            Some(x) => rapidhash_v3_seeded(&x.to_le_bytes(), int),
            None => rapidhash_v3_seeded(&x.to_bits().to_le_bytes(), float),
        },
        Value::Bool(x) => rapidhash_v3_seeded(&[u8::from(*x)], bool),
        Value::Unit | Value::Big(_) | Value::Array(_) | Value::Object(_) => rapidhash_v3_seeded(&[], unit),
    }
}

fn hash<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Int(hash_of(x).cast_signed()).into())
}

fn bucket<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x, Value::Int(n)] = args else { return Ok(Value::Unit.into()) };
    let buckets = u64::try_from(*n).ok().filter(|n| *n > 0);
    let buckets = buckets.ok_or_else(|| Fail::argument(format!("`n` must be 1 or more, it is {n}")))?;
    // Less than `n`, so it fits.
    Ok(Value::Int((hash_of(x) % buckets).cast_signed()).into())
}

fn sha256<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    super::encode::push_hex(&mut call.text, &Sha256::digest(text.as_bytes()));
    Ok(Returned::Text)
}

fn crc32<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    Ok(Value::Int(crc.sum().into()).into())
}

fn namespace_uuid(namespace: &str) -> Result<Uuid> {
    match namespace {
        "dns" => Ok(Uuid::NAMESPACE_DNS),
        "url" => Ok(Uuid::NAMESPACE_URL),
        "oid" => Ok(Uuid::NAMESPACE_OID),
        "x500" => Ok(Uuid::NAMESPACE_X500),
        text => Uuid::parse_str(text).map_err(|_| {
            Fail::argument(format!("the namespace {} is no UUID and none of dns, url, oid, x500", shown(text)))
        }),
    }
}

fn uuid_v5<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(namespace), Value::Str(name)] = args else { return Ok(Value::Unit.into()) };
    let uuid = Uuid::new_v5(&namespace_uuid(namespace)?, name.as_bytes());
    call.text.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    Ok(Returned::Text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    /// These values are stored by users: a change here breaks them.
    #[test]
    fn hashes_never_change() {
        for (value, hash) in [
            (Value::Str(""), 232_177_599_295_442_350_i64),
            (Value::Str("user-17"), 3_970_598_186_392_836_551),
            (Value::Int(17), 934_082_564_239_016_250),
            (Value::Float(0.5), -3_643_159_469_415_579_076),
            (Value::Bool(true), -7_094_043_267_798_183_299),
            (Value::Unit, 1_030_649_647_662_353_989),
        ] {
            gives("hash", &[value], &hash.to_string());
        }
        gives("sha256", &[Value::Str("abc")], r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#);
        gives(
            "uuid_v5",
            &[Value::Str("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Value::Str("www.example.com")],
            r#""2ed6657d-e927-568b-95e1-2665a8aea6a2""#,
        );
    }

    #[test]
    fn equal_numbers_hash_alike_and_kinds_differ() {
        assert_eq!(hash_of(&Value::Int(1)), hash_of(&Value::Float(1.0)));
        assert_eq!(hash_of(&Value::Float(0.0)), hash_of(&Value::Float(-0.0)));
        assert_ne!(hash_of(&Value::Int(1)), hash_of(&Value::Str("1")));
        assert_ne!(hash_of(&Value::Float(9.3e18)), hash_of(&Value::Int(i64::MAX)));
        fails("bucket", &[Value::Int(1), Value::Int(0)], codes::ARGUMENT);
        fails("uuid_v5", &[Value::Str("nowhere"), Value::Str("a")], codes::ARGUMENT);
    }
}
