//! Rhai by hand: each event is parsed whole into Rhai's own values, by one pass of serde, and given to a script that was compiled once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rhai::{Array, Dynamic, Engine, Map, Scope};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::lines::{Out, each_line, parse, put, put_int};

/// The same text is in the topology.
const LEVEL: &str =
    "let level = 0; for limit in [100.0, 500.0, 1500.0] { if event.amount > limit { level += 1; } } level";

pub fn script(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let engine = Engine::new();
    let level = engine.compile(LEVEL).map_err(io::Error::other)?;
    let mut scope = Scope::new();
    let mut out = Out::new(&outputs[0])?;
    each_line(input, |line| {
        let Value(event) = parse(line)?;
        scope.push_dynamic("event", event);
        let level: i64 =
            engine.eval_ast_with_scope(&mut scope, &level).map_err(|error| io::Error::other(error.to_string()))?;
        let event = scope.get("event").and_then(|event| event.read_lock::<Map>());
        let user = event.as_ref().and_then(|event| event.get("user_id")?.read_lock::<rhai::ImmutableString>());
        put(&mut out.buffer, r#"{"user":""#);
        put(&mut out.buffer, user.as_ref().map_or("", |user| user.as_str()));
        put(&mut out.buffer, r#"","level":"#);
        put_int(&mut out.buffer, level);
        put(&mut out.buffer, "}\n");
        drop(user);
        drop(event);
        scope.clear();
        out.flush_if_full()
    })?;
    out.flush()
}

/// Any value of JSON, as Rhai has it.
struct Value(Dynamic);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(|value| Value(value.into())).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value(Dynamic::UNIT))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Array::new();
        while let Some(Value(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value(array.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<&str>()? {
            let Value(value) = fields.next_value()?;
            map.insert(name.into(), value);
        }
        Ok(Value(map.into()))
    }
}
