//! From a JSON Schema document to a rule, as far as rules go.

use serde_json::{Map, Value, json};

use crate::limits::{SCHEMA_RULE_DEPTH_MAX, SCHEMA_RULES_MAX};
use crate::schema::Kinds;

use super::rule::{Constants, FieldRule, ObjectRule, Rule};

/// Fields of one object: a bit each tells which were there.
const FIELDS_MAX: usize = 64;

/// The rule of a document; `None` where it says what no rule can.
pub(super) fn rule(document: &Value) -> Option<Rule> {
    Compiler { document, left: SCHEMA_RULES_MAX }.rule(document, 0)
}

struct Compiler<'d> {
    document: &'d Value,
    /// How many more rules there may be: references make copies.
    left: usize,
}

impl Compiler<'_> {
    fn rule(&mut self, schema: &Value, depth: usize) -> Option<Rule> {
        self.left = self.left.checked_sub(1)?;
        if depth > SCHEMA_RULE_DEPTH_MAX {
            return None;
        }
        let keywords = match schema {
            Value::Bool(true) => return Some(Rule::of(Kinds::ANY)),
            Value::Bool(false) => return Some(Rule::of(Kinds::NONE)),
            Value::Object(keywords) => keywords,
            _ => return None,
        };
        if let Some(Value::String(to)) = keywords.get("$ref") {
            // Whether what stands beside it counts depends on the draft.
            let alone = keywords.keys().all(|key| key == "$ref" || is_note(key));
            let to = to.strip_prefix("#/").filter(|to| alone && !to.contains(['~', '%']))?;
            let target = self.document.pointer(&format!("/{to}"))?.clone();
            return self.rule(&target, depth + 1);
        }
        let mut rule = Rule::of(Kinds::ANY);
        for (key, value) in keywords {
            self.keyword(&mut rule, keywords, key, value, depth)?;
        }
        if let Some(object) = &mut rule.object
            && let Some(rest) = &object.rest
        {
            // What is required and nothing more is one of the others.
            let is_other = |name: &str| keywords.get("properties").and_then(|fields| fields.get(name)).is_none();
            object.fields.iter_mut().filter(|field| is_other(&field.name)).for_each(|field| field.rule = rest.clone());
        }
        Some(rule)
    }

    fn keyword(
        &mut self,
        rule: &mut Rule,
        all: &Map<String, Value>,
        key: &str,
        value: &Value,
        depth: usize,
    ) -> Option<()> {
        match key {
            "type" => rule.kinds = kinds(value)?,
            "enum" => add_constants(rule, value.as_array()?),
            "const" => add_constants(rule, std::slice::from_ref(value)),
            "minimum" | "exclusiveMinimum" => bound(&mut rule.bounds.least, value, key.starts_with('e'), f64::gt)?,
            "maximum" | "exclusiveMaximum" => bound(&mut rule.bounds.greatest, value, key.starts_with('e'), f64::lt)?,
            "minLength" => rule.text.least = Some(usize::try_from(value.as_u64()?).ok()?),
            "maxLength" => rule.text.most = Some(usize::try_from(value.as_u64()?).ok()?),
            "format" => match (self.asserts(value), value.as_str()?) {
                (false, _) => {}
                (true, "date-time") => rule.text.is_time = true,
                (true, _) => return None,
            },
            "properties" => {
                for (name, value) in value.as_object()? {
                    let rule_of = self.rule(value, depth + 1)?;
                    field(rule, name)?.rule = rule_of;
                }
            }
            "required" => {
                for name in value.as_array()? {
                    field(rule, name.as_str()?)?.required = true;
                }
            }
            "additionalProperties" => {
                let rest = self.rule(value, depth + 1)?;
                rule.object.get_or_insert_default().rest = Some(rest);
            }
            "items" if !all.contains_key("prefixItems") => rule.items = Some(Box::new(self.rule(value, depth + 1)?)),
            "anyOf" => {
                let rules = value.as_array()?.iter().map(|schema| self.rule(schema, depth + 1));
                rule.any.push(rules.collect::<Option<_>>()?);
            }
            "allOf" => {
                for schema in value.as_array()? {
                    let more = self.rule(schema, depth + 1)?;
                    rule.all.push(more);
                }
            }
            "$id" | "id" if depth == 0 => {}
            key if is_note(key) => {}
            _ => return None,
        }
        Some(())
    }

    /// Whether the validator refuses texts for this format: that depends on the draft.
    fn asserts(&self, format: &Value) -> bool {
        let mut probe = json!({ "format": format });
        if let Some(draft) = self.document.get("$schema") {
            probe["$schema"] = draft.clone();
        }
        let refuses = |validator: &jsonschema::Validator, text: &str| !validator.is_valid(&Value::from(text));
        jsonschema::validator_for(&probe)
            .map_or(true, |validator| ["", "({%zz \u{0}~"].iter().any(|text| refuses(&validator, text)))
    }
}

/// Keywords that refuse nothing.
fn is_note(key: &str) -> bool {
    const NOTES: [&str; 13] = [
        "$schema",
        "$anchor",
        "$comment",
        "$defs",
        "definitions",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "doc",
    ];
    NOTES.contains(&key) || key.starts_with("x-")
}

fn kinds(value: &Value) -> Option<Kinds> {
    let one = |name: &Value| {
        Some(match name.as_str()? {
            "null" => Kinds::NULL,
            "boolean" => Kinds::BOOL,
            "integer" => Kinds::INT,
            "number" => Kinds::NUMBER,
            "string" => Kinds::STRING,
            "array" => Kinds::ARRAY,
            "object" => Kinds::OBJECT,
            _ => return None,
        })
    };
    match value {
        Value::Array(names) => names.iter().try_fold(Kinds::NONE, |kinds, name| Some(kinds.and(one(name)?))),
        name => one(name),
    }
}

fn add_constants(rule: &mut Rule, values: &[Value]) {
    let constants = Some(constants(values));
    match rule.constants {
        None => rule.constants = constants,
        Some(_) => rule.all.push(Rule { constants, ..Rule::of(Kinds::ANY) }),
    }
}

fn constants(values: &[Value]) -> Constants {
    let mut constants = Constants::default();
    for value in values {
        match value {
            Value::Null => constants.null = true,
            Value::Bool(value) => constants.bools.push(*value),
            Value::String(text) => constants.texts.push(text.as_bytes().into()),
            Value::Number(number) => constants.ints.extend(number.as_i64()),
            Value::Array(_) | Value::Object(_) => {}
        }
    }
    constants
}

/// Adds a bound: of two the `narrower` one counts.
fn bound(to: &mut Option<(f64, bool)>, value: &Value, open: bool, narrower: fn(&f64, &f64) -> bool) -> Option<()> {
    const EXACT_MAX: f64 = (1u64 << 53) as f64;
    let value = value.as_f64().filter(|value| value.abs() <= EXACT_MAX)?;
    *to = Some(match *to {
        Some((known, was_open)) if known == value => (known, was_open || open),
        Some(known) if !narrower(&value, &known.0) => known,
        _ => (value, open),
    });
    Some(())
}

/// The field of this name, which is there from now on.
fn field<'r>(rule: &'r mut Rule, name: &str) -> Option<&'r mut FieldRule> {
    let object: &mut ObjectRule = rule.object.get_or_insert_default();
    let at = object.fields.iter().position(|field| *field.name == *name).unwrap_or(object.fields.len());
    if at == object.fields.len() {
        object.fields.push(FieldRule { name: name.into(), rule: Rule::of(Kinds::ANY), required: false });
    }
    object.fields.get_mut(at).filter(|_| at < FIELDS_MAX)
}
