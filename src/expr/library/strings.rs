//! Strings. Positions and lengths count characters, as in Rhai; every function gives a new value and changes none.

use super::shapes;
use super::walk;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

const TEXT: Param = Param::new("text", Types::STRING);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "to_upper",
        &[TEXT],
        Types::STRING,
        "The text in upper case.",
        (r#"to_upper("Data")"#, r#""DATA""#),
        Run::Scalar(to_upper),
    ),
    Function::new(
        "to_lower",
        &[TEXT],
        Types::STRING,
        "The text in lower case.",
        (r#"to_lower("Data")"#, r#""data""#),
        Run::Scalar(to_lower),
    ),
    Function::new(
        "trim",
        &[TEXT],
        Types::STRING,
        "The text without white space at both ends.",
        (r#"trim("  a b ")"#, r#""a b""#),
        Run::Scalar(|args, _| part(args, str::trim)),
    ),
    Function::new(
        "trim_start",
        &[TEXT],
        Types::STRING,
        "The text without white space at its start.",
        (r#"trim_start("  a ")"#, r#""a ""#),
        Run::Scalar(|args, _| part(args, str::trim_start)),
    ),
    Function::new(
        "trim_end",
        &[TEXT],
        Types::STRING,
        "The text without white space at its end.",
        (r#"trim_end(" a  ")"#, r#"" a""#),
        Run::Scalar(|args, _| part(args, str::trim_end)),
    ),
    Function::new(
        "starts_with",
        &[TEXT, Param::new("start", Types::STRING)],
        Types::BOOL,
        "Whether the text starts so.",
        (r#"starts_with("payment", "pay")"#, "true"),
        Run::Scalar(|args, _| test(args, |text, start| text.starts_with(start))),
    ),
    Function::new(
        "ends_with",
        &[TEXT, Param::new("end", Types::STRING)],
        Types::BOOL,
        "Whether the text ends so.",
        (r#"ends_with("a.json", ".json")"#, "true"),
        Run::Scalar(|args, _| test(args, |text, end| text.ends_with(end))),
    ),
    Function::new(
        "strip_prefix",
        &[TEXT, Param::new("prefix", Types::STRING)],
        Types::STRING,
        "The text without this start; the text as it is where it starts otherwise.",
        (r#"strip_prefix("user-17", "user-")"#, r#""17""#),
        Run::Scalar(|args, _| strip(args, |text, prefix| text.strip_prefix(prefix))),
    ),
    Function::new(
        "strip_suffix",
        &[TEXT, Param::new("suffix", Types::STRING)],
        Types::STRING,
        "The text without this end; the text as it is where it ends otherwise.",
        (r#"strip_suffix("a.json", ".json")"#, r#""a""#),
        Run::Scalar(|args, _| strip(args, |text, suffix| text.strip_suffix(suffix))),
    ),
    Function::new(
        "replace",
        &[TEXT, Param::new("find", Types::STRING), Param::new("with", Types::STRING)],
        Types::STRING,
        "The text with every occurrence of `find` replaced.",
        (r#"replace("a-b-c", "-", "+")"#, r#""a+b+c""#),
        Run::Scalar(replace),
    ),
    Function::new(
        "split",
        &[TEXT, Param::optional("separator", Types::STRING.or(Types::INT)), Param::optional("parts_max", Types::INT)],
        Types::ARRAY,
        "The parts between the separators, at most `parts_max` of them (the last is the rest). Without a separator: the words \
         between white space. With an int: the text before and from that position, a negative one counts from the end.",
        (r#"split("a,b,c", ",")"#, r#"["a", "b", "c"]"#),
        Run::Scalar(split),
    ).shaped(shapes::strings),
    Function::new(
        "lines",
        &[TEXT],
        Types::ARRAY,
        "The lines of the text, without their line ends (LF or CRLF).",
        (r#"lines("a\nb")"#, r#"["a", "b"]"#),
        Run::Scalar(lines),
    ).shaped(shapes::strings),
    Function::new(
        "to_chars",
        &[TEXT],
        Types::ARRAY,
        "The characters, each as a string.",
        (r#"to_chars("héy")"#, r#"["h", "é", "y"]"#),
        Run::Scalar(to_chars),
    ).shaped(shapes::strings),
    Function::new(
        "bytes",
        &[TEXT],
        Types::INT,
        "How many bytes the text has in UTF-8; `len` counts characters.",
        (r#"bytes("hé")"#, "3"),
        Run::Scalar(bytes),
    ),
    Function::new(
        "sub_string",
        &[TEXT, Param::new("start", Types::INT), Param::optional("len", Types::INT)],
        Types::STRING,
        "The part from a position (0 is the first character, a negative one counts from the end), to the end or of `len` \
         characters. What lies outside the text is left out.",
        (r#"sub_string("payment", 3, 2)"#, r#""me""#),
        Run::Scalar(sub_string),
    ),
    Function::new(
        "pad",
        &[TEXT, Param::new("len", Types::INT), Param::new("with", Types::STRING)],
        Types::STRING,
        "The text made `len` characters long by repeating `with` after it; a longer text stays as it is.",
        (r#"pad("ab", 4, ".")"#, r#""ab..""#),
        Run::Scalar(|args, call| pad(args, call, false)),
    ),
    Function::new(
        "pad_start",
        &[TEXT, Param::new("len", Types::INT), Param::new("with", Types::STRING)],
        Types::STRING,
        "The text made `len` characters long by repeating `with` before it; a longer text stays as it is.",
        (r#"pad_start("7", 3, "0")"#, r#""007""#),
        Run::Scalar(|args, call| pad(args, call, true)),
    ),
    Function::new(
        "repeat",
        &[TEXT, Param::new("times", Types::INT)],
        Types::STRING,
        "The text so many times, one after the other.",
        (r#"repeat("ab", 3)"#, r#""ababab""#),
        Run::Scalar(repeat),
    ),
    Function::new(
        "similarity",
        &[Param::new("a", Types::STRING), Param::new("b", Types::STRING)],
        Types::FLOAT,
        "How alike two texts of up to 1,000 characters are, from 0.0 to 1.0 (Jaro-Winkler).",
        (r#"round(similarity("MARTHA", "MARHTA"), 3)"#, "0.961"),
        Run::Scalar(similarity),
    ),
    Function::new(
        "edit_distance",
        &[Param::new("a", Types::STRING), Param::new("b", Types::STRING)],
        Types::INT,
        "How many characters of one text must be put in, taken out or changed to make the other (Levenshtein), for texts of up \
         to 1,000 characters.",
        (r#"edit_distance("kitten", "sitting")"#, "3"),
        Run::Scalar(edit_distance),
    ),
];

/// Characters of each text that is compared with another; the work grows with their product.
const COMPARED_CHARS_MAX: usize = 1000;

type Result<T> = std::result::Result<T, Fail>;

fn part<'a>(args: &[Value<'a>], of: fn(&str) -> &str) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Str(of(text)).into())
}

fn test<'a>(args: &[Value<'a>], holds: fn(&str, &str) -> bool) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(other)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(holds(text, other)).into())
}

fn strip<'a>(args: &[Value<'a>], strip: for<'t> fn(&'t str, &str) -> Option<&'t str>) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(end)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Str(strip(text, end).unwrap_or(text)).into())
}

fn to_upper<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    call.room(text.len())?;
    if text.is_ascii() {
        call.text.push_str(text);
        call.text.make_ascii_uppercase();
    } else {
        call.text.push_str(&text.to_uppercase());
        call.room(call.text.len())?;
    }
    Ok(Returned::Text)
}

fn to_lower<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    call.room(text.len())?;
    if text.is_ascii() {
        call.text.push_str(text);
        call.text.make_ascii_lowercase();
    } else {
        call.text.push_str(&text.to_lowercase());
        call.room(call.text.len())?;
    }
    Ok(Returned::Text)
}

fn replace<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(find), Value::Str(with)] = args else { return Ok(Value::Unit.into()) };
    let found = text.matches(find).count();
    if found == 0 {
        return Ok(Value::Str(text).into());
    }
    // Every occurrence takes `find.len()` bytes of the text, so this cannot go below zero.
    call.room(text.len() - found * find.len() + found.saturating_mul(with.len()))?;
    let mut done = 0;
    for (at, found) in text.match_indices(find) {
        call.text.push_str(&text[done..at]);
        call.text.push_str(with);
        done = at + found.len();
    }
    call.text.push_str(&text[done..]);
    Ok(Returned::Text)
}

fn split<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let (text, parts_max) = match args {
        [Value::Str(text)] => return walk::strings(call, text.split_whitespace()),
        [Value::Str(text), Value::Int(at)] => return walk::strings(call, split_at(text, *at).into_iter()),
        [Value::Str(text), Value::Str(_)] => (*text, i64::MAX),
        [Value::Str(text), _, Value::Int(parts_max)] => (*text, *parts_max),
        _ => return Ok(Value::Unit.into()),
    };
    let Some(Value::Str(separator)) = args.get(1) else {
        return Err(Fail::argument("`parts_max` needs a `separator` that is a text"));
    };
    match usize::try_from(parts_max) {
        Ok(parts) if parts > 0 => walk::strings(call, text.splitn(parts, separator)),
        _ => Err(Fail::argument(format!("`parts_max` must be 1 or more, it is {parts_max}"))),
    }
}

/// The text before and from a position; 0 and negative ones count from the end, as in Rhai.
fn split_at(text: &str, at: i64) -> [&str; 2] {
    let position = if at > 0 {
        byte_of(text, usize::try_from(at).unwrap_or(usize::MAX))
    } else {
        let back = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
        byte_of(text, text.chars().count().saturating_sub(back))
    };
    let (before, from) = text.split_at(position);
    [before, from]
}

fn lines<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    walk::strings(call, text.lines())
}

fn to_chars<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    walk::strings(call, text.char_indices().map(|(at, char)| &text[at..at + char.len_utf8()]))
}

fn bytes<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Int(text.len() as i64).into())
}

/// The byte at which the n-th character starts, or the end of the text.
fn byte_of(text: &str, char: usize) -> usize {
    if text.is_ascii() {
        return char.min(text.len());
    }
    text.char_indices().nth(char).map_or(text.len(), |(at, _)| at)
}

/// The part of a text from a character (a negative one counts from the end) of so many characters.
pub(super) fn chars_from(text: &str, start: i64, len: i64) -> &str {
    let (Ok(len), true) = (usize::try_from(len), len > 0) else { return "" };
    let start = if start >= 0 {
        usize::try_from(start).unwrap_or(usize::MAX)
    } else {
        let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
        text.chars().count().saturating_sub(back)
    };
    let rest = &text[byte_of(text, start)..];
    &rest[..byte_of(rest, len)]
}

fn sub_string<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let (text, start, len) = match args {
        [Value::Str(text), Value::Int(start)] => (*text, *start, i64::MAX),
        [Value::Str(text), Value::Int(start), Value::Int(len)] => (*text, *start, *len),
        _ => return Ok(Value::Unit.into()),
    };
    Ok(Value::Str(chars_from(text, start, len)).into())
}

fn pad<'a>(args: &[Value<'a>], call: &mut Call, before: bool) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Int(len), Value::Str(with)] = args else { return Ok(Value::Unit.into()) };
    let have = text.chars().count();
    let wanted = usize::try_from((*len).max(0)).unwrap_or(usize::MAX);
    if wanted <= have {
        return Ok(Value::Str(text).into());
    }
    if with.is_empty() {
        return Err(Fail::argument("`with` is empty, so the text cannot grow; give a character"));
    }
    call.room(wanted)?;
    let fill = with.chars().cycle().take(wanted - have);
    if before {
        call.text.extend(fill);
        call.text.push_str(text);
    } else {
        call.text.push_str(text);
        call.text.extend(fill);
    }
    call.room(call.text.len())?;
    Ok(Returned::Text)
}

fn repeat<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Int(times)] = args else { return Ok(Value::Unit.into()) };
    let times = usize::try_from((*times).max(0)).unwrap_or(usize::MAX);
    call.room(text.len().saturating_mul(times))?;
    if !text.is_empty() {
        (0..times).for_each(|_| call.text.push_str(text));
    }
    Ok(Returned::Text)
}

fn compared<'a>(args: &[Value<'a>]) -> Result<(&'a str, &'a str)> {
    let [Value::Str(a), Value::Str(b)] = args else { return Ok(("", "")) };
    for text in [a, b] {
        if text.len() > COMPARED_CHARS_MAX && text.chars().nth(COMPARED_CHARS_MAX).is_some() {
            let message = format!("a text has more than {COMPARED_CHARS_MAX} characters; cut it with sub_string");
            return Err(Fail::argument(message));
        }
    }
    Ok((a, b))
}

fn similarity<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let (a, b) = compared(args)?;
    Ok(Value::Float(strsim::jaro_winkler(a, b)).into())
}

fn edit_distance<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let (a, b) = compared(args)?;
    Ok(Value::Int(strsim::levenshtein(a, b) as i64).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn positions_count_characters_and_never_leave_the_text() {
        for (start, len, part) in
            [(0, 2, "hé"), (1, 1, "é"), (-2, 9, "lo"), (-9, 2, "hé"), (9, 1, ""), (1, 0, ""), (1, -1, "")]
        {
            assert_eq!(chars_from("héllo", start, len), part, "{start} {len}");
        }
        assert_eq!(chars_from("héllo", i64::MIN, i64::MAX), "héllo");
        assert_eq!(split_at("héllo", 2), ["hé", "llo"]);
        assert_eq!(split_at("héllo", -2), ["hél", "lo"]);
        assert_eq!(split_at("héllo", i64::MIN), ["", "héllo"]);
    }

    #[test]
    fn texts_are_split_and_joined() {
        gives("split", &[Value::Str(" a  b ")], r#"["a","b"]"#);
        gives("split", &[Value::Str("a,b,c"), Value::Str(","), Value::Int(2)], r#"["a","b,c"]"#);
        gives("replace", &[Value::Str("aaa"), Value::Str("a"), Value::Str("bb")], r#""bbbbbb""#);
        gives("replace", &[Value::Str("ab"), Value::Str(""), Value::Str("-")], r#""-a-b-""#);
        gives("pad_start", &[Value::Str("é"), Value::Int(4), Value::Str("ab")], r#""abaé""#);
        gives("to_upper", &[Value::Str("straße")], r#""STRASSE""#);
    }

    #[test]
    fn results_are_bounded() {
        fails("repeat", &[Value::Str("ab"), Value::Int(i64::MAX)], codes::LIMIT);
        fails("pad", &[Value::Str("ab"), Value::Int(i64::MAX), Value::Str("x")], codes::LIMIT);
        let text = "a".repeat(200_000);
        fails("replace", &[Value::Str(&text), Value::Str("a"), Value::Str("0123456789")], codes::LIMIT);
        fails("to_chars", &[Value::Str(&text)], codes::LIMIT);
        fails("similarity", &[Value::Str(&text), Value::Str("a")], codes::ARGUMENT);
        gives("repeat", &[Value::Str(""), Value::Int(i64::MAX)], r#""""#);
    }
}
