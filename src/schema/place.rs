//! Where in the text of a schema a part of it stands, for messages with a caret. What cannot be found has no place; nothing depends on it.

use std::ops::Range;

use crate::limits::SHAPE_LEVELS_MAX;

use super::Language;

/// A part of a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The type's name, where it has one.
    Name,
    /// A field, by the names that lead to it from the root.
    Field(Vec<String>),
    /// A field of a named type, wherever that is defined: the short name of the type, the field's.
    FieldOf(String, String),
    /// A path as the parser of Avro tells it: `fields[3].type`.
    Path(String),
    /// So many bytes behind the start.
    Offset(usize),
}

/// The bytes of the text that a part stands on.
pub fn find(language: Language, text: &str, spot: &Spot) -> Option<Range<usize>> {
    match (language, spot) {
        (_, Spot::Offset(at)) => Some(*at..(*at + 1).min(text.len().max(*at))),
        (Language::Protobuf, Spot::Name) => word_before(text, "message", 0, &["{"]),
        (Language::Protobuf, Spot::Field(names)) => word(text, names.last()?, 0, &["=", "["]),
        (Language::Protobuf, Spot::FieldOf(owner, field)) => {
            let owner = word(text, owner, 0, &["{"])?;
            word(text, field, owner.end, &["=", "["])
        }
        (Language::Protobuf, Spot::Path(_)) => None,
        (Language::Avro | Language::Json, _) => {
            let root = Parser { text, at: 0 }.value(0)?;
            in_json(language, &root, spot)
        }
    }
}

fn in_json(language: Language, root: &Json, spot: &Spot) -> Option<Range<usize>> {
    match spot {
        Spot::Name => {
            let key = if language == Language::Avro { "name" } else { "title" };
            root.get(key).map(|name| name.range.clone())
        }
        Spot::Field(names) => {
            let mut at = root;
            let mut found = None;
            for name in names {
                let (range, inside) = match language {
                    Language::Avro => field_of_avro(root, at, name, 0)?,
                    Language::Json | Language::Protobuf => field_of_json(root, at, name, 0)?,
                };
                (found, at) = (Some(range), inside);
            }
            found
        }
        Spot::FieldOf(owner, field) => {
            let (range, _) = field_of_avro(root, definition(root, owner)?, field, 0)?;
            Some(range)
        }
        Spot::Path(path) => root.at_path(path).map(|found| found.range.clone()),
        Spot::Offset(_) => None,
    }
}

/// A value of JSON with the bytes that it stands on.
struct Json {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    Object(Vec<(String, Range<usize>, Json)>),
    Array(Vec<Json>),
    Text(String),
    Other,
}

impl Json {
    fn get(&self, key: &str) -> Option<&Json> {
        match &self.kind {
            Kind::Object(pairs) => pairs.iter().find(|(name, ..)| name == key).map(|(.., value)| value),
            Kind::Array(_) | Kind::Text(_) | Kind::Other => None,
        }
    }

    fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    fn items(&self) -> &[Json] {
        if let Kind::Array(items) = &self.kind { items } else { &[] }
    }

    fn children(&self) -> Vec<&Json> {
        match &self.kind {
            Kind::Object(pairs) => pairs.iter().map(|(.., value)| value).collect(),
            Kind::Array(items) => items.iter().collect(),
            Kind::Text(_) | Kind::Other => Vec::new(),
        }
    }

    /// The deepest part of `fields[3].type` that there is.
    fn at_path(&self, path: &str) -> Option<&Json> {
        let mut at = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index: usize| at.items().get(index)),
                None => at.get(step),
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        Some(at)
    }
}

/// The place of a field's name within a type of Avro, and the type of the field.
fn field_of_avro<'j>(root: &'j Json, ty: &'j Json, name: &str, depth: usize) -> Option<(Range<usize>, &'j Json)> {
    if depth > SHAPE_LEVELS_MAX {
        return None;
    }
    match &ty.kind {
        Kind::Array(branches) => branches.iter().find_map(|branch| field_of_avro(root, branch, name, depth + 1)),
        Kind::Text(reference) => {
            let short = reference.rsplit('.').next().unwrap_or(reference);
            field_of_avro(root, definition(root, short)?, name, depth + 1)
        }
        Kind::Object(_) => match ty.get("fields") {
            Some(fields) => {
                let is_it = |field: &&Json| field.get("name").and_then(Json::text) == Some(name);
                let field = fields.items().iter().find(is_it)?;
                Some((field.get("name")?.range.clone(), field.get("type")?))
            }
            None => ["type", "items", "values"]
                .iter()
                .filter_map(|key| ty.get(key).filter(|inner| !matches!(inner.kind, Kind::Text(_)) || *key != "type"))
                .find_map(|inner| field_of_avro(root, inner, name, depth + 1)),
        },
        Kind::Other => None,
    }
}

/// The record of Avro that has this short name.
fn definition<'j>(at: &'j Json, short: &str) -> Option<&'j Json> {
    let named = at.get("name").and_then(Json::text).map(|name| name.rsplit('.').next().unwrap_or(name));
    if at.get("fields").is_some() && named == Some(short) {
        return Some(at);
    }
    at.children().into_iter().find_map(|child| definition(child, short))
}

/// The place of a property's name within a JSON Schema, and its schema.
fn field_of_json<'j>(root: &'j Json, schema: &'j Json, name: &str, depth: usize) -> Option<(Range<usize>, &'j Json)> {
    if depth > SHAPE_LEVELS_MAX {
        return None;
    }
    if let Some(Kind::Object(properties)) = schema.get("properties").map(|properties| &properties.kind)
        && let Some((_, range, value)) = properties.iter().find(|(property, ..)| property == name)
    {
        return Some((range.clone(), value));
    }
    let referred = schema.get("$ref").and_then(Json::text).and_then(|reference| reference.strip_prefix("#/"));
    let referred = referred.and_then(|path| path.split('/').try_fold(root, |at, step| at.get(step)));
    let several = ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| schema.get(key)).flat_map(Json::items);
    let inner = ["items", "additionalProperties"].iter().filter_map(|key| schema.get(key));
    referred.into_iter().chain(several).chain(inner).find_map(|schema| field_of_json(root, schema, name, depth + 1))
}

/// Reads text that is JSON; `None` where it is none.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at.min(self.text.len())..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > SHAPE_LEVELS_MAX * 4 {
            return None;
        }
        let first = self.peek()?;
        let start = self.at;
        let kind = match first {
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Kind::Text(self.string()?),
            _ => {
                let rest = &self.text.as_bytes()[self.at..];
                let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Kind::Other
            }
        };
        Some(Json { range: start..self.at, kind })
    }

    fn object(&mut self, depth: usize) -> Option<Kind> {
        self.eat(b'{')?;
        let mut pairs = Vec::new();
        while self.peek()? != b'}' {
            if !pairs.is_empty() {
                self.eat(b',')?;
                self.peek()?;
            }
            let start = self.at;
            let key = self.string()?;
            let range = start..self.at;
            self.eat(b':')?;
            pairs.push((key, range, self.value(depth + 1)?));
        }
        self.at += 1;
        Some(Kind::Object(pairs))
    }

    fn array(&mut self, depth: usize) -> Option<Kind> {
        self.eat(b'[')?;
        let mut items = Vec::new();
        while self.peek()? != b']' {
            if !items.is_empty() {
                self.eat(b',')?;
            }
            items.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Some(Kind::Array(items))
    }

    fn string(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let mut bytes = rest.bytes().enumerate().skip(1);
        rest.starts_with('"').then_some(())?;
        loop {
            match bytes.next()? {
                (end, b'"') => {
                    self.at += end + 1;
                    return serde_json::from_str(&rest[..=end]).ok();
                }
                (_, b'\\') => drop(bytes.next()),
                _ => {}
            }
        }
    }
}

/// The first place, not before `from`, where the word stands alone and one of these signs follows.
fn word(text: &str, word: &str, from: usize, before: &[&str]) -> Option<Range<usize>> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.get(from..)?.match_indices(word).map(|(at, _)| from + at..from + at + word.len()).find(|range| {
        let behind = text[range.end..].trim_start();
        !text[..range.start].ends_with(part_of_word)
            && !text[range.end..].starts_with(part_of_word)
            && before.iter().any(|sign| behind.starts_with(sign))
    })
}

/// The word between a keyword and one of these signs.
fn word_before(text: &str, keyword: &str, from: usize, before: &[&str]) -> Option<Range<usize>> {
    text.get(from..)?.match_indices(keyword).find_map(|(at, _)| {
        let start = from + at + keyword.len();
        let name = text[start..].trim_start();
        let start = text.len() - name.len();
        let end = start + name.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
        let behind = text[end..].trim_start();
        (end > start && before.iter().any(|sign| behind.starts_with(sign))).then_some(start..end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(language: Language, text: &'t str, spot: &Spot) -> &'t str {
        find(language, text, spot).map_or("nothing", |range| &text[range])
    }

    fn field(names: &[&str]) -> Spot {
        Spot::Field(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn parts_of_avro_are_found_through_unions_and_names() {
        let text = r#"{"type":"record","name":"a.Order","fields":[
            {"name":"to","type":["null",{"type":"record","name":"Place","fields":[{"name":"city","type":"int"}]}]},
            {"type":{"type":"array","items":"Place"},"name":"via"}]}"#;
        let find = |spot: &Spot| found(Language::Avro, text, spot);
        assert_eq!(find(&Spot::Name), r#""a.Order""#);
        assert_eq!(find(&field(&["to", "city"])), r#""city""#);
        assert_eq!(find(&field(&["via", "city"])), r#""city""#);
        assert_eq!(find(&Spot::FieldOf("Place".into(), "city".into())), r#""city""#);
        assert_eq!(find(&Spot::Path("fields[1].type.items".into())), r#""Place""#);
        assert_eq!(find(&field(&["nowhere"])), "nothing");
    }

    #[test]
    fn parts_of_json_schema_and_protobuf_are_found() {
        let text = r##"{"title":"Order","properties":{"to":{"$ref":"#/$defs/place"},"n":{}},
            "$defs":{"place":{"properties":{"city":{}}}}}"##;
        assert_eq!(found(Language::Json, text, &field(&["to", "city"])), r#""city""#);
        assert_eq!(found(Language::Json, text, &Spot::Name), r#""Order""#);
        let text = "syntax = \"proto3\"; // id = 1\nmessage Order { string order_id = 2; string id = 1; }";
        assert_eq!(found(Language::Protobuf, text, &Spot::Name), "Order");
        assert_eq!(find(Language::Protobuf, text, &field(&["order_id"])), text.find("order_id").map(|at| at..at + 8));
    }

    #[test]
    fn what_is_no_json_has_no_places() {
        for text in ["", "{", "[1,", "{\"a\"", "\"\\", "{\"a\":1,}", "é"] {
            find(Language::Avro, text, &Spot::Name);
            find(Language::Json, text, &field(&["a"]));
        }
    }
}
