//! What functions are called elsewhere: in JavaScript, SQL, Python, and in parts of Rhai that are left out here.

/// Their names there, and the name here.
const NAMES: &[(&str, &[&str])] = &[
    ("to_upper", &["upper", "uppercase", "toUpperCase", "to_uppercase"]),
    ("to_lower", &["lower", "lowercase", "toLowerCase", "to_lowercase"]),
    ("len", &["length", "size", "char_length", "cardinality"]),
    ("sub_string", &["substr", "substring", "crop", "left", "right", "truncate"]),
    ("contains", &["includes", "contains_key", "has_key"]),
    ("starts_with", &["startsWith", "startswith", "hasPrefix"]),
    ("ends_with", &["endsWith", "endswith", "hasSuffix"]),
    ("index_of", &["indexOf", "position", "strpos", "locate"]),
    ("trim", &["strip"]),
    ("trim_start", &["ltrim", "lstrip", "trimStart"]),
    ("trim_end", &["rtrim", "rstrip", "trimEnd"]),
    ("pad", &["rpad", "padEnd", "pad_end", "ljust"]),
    ("pad_start", &["lpad", "padStart", "rjust", "zfill"]),
    ("replace_regex", &["regexp_replace", "replace_all", "sub", "gsub"]),
    ("matches", &["regexp_like", "is_match", "regex_match", "regexp_matches"]),
    ("capture", &["regexp_extract", "extract_regex"]),
    ("ceiling", &["ceil"]),
    ("int", &["trunc"]),
    ("pow", &["power"]),
    ("sign", &["sgn", "signum"]),
    ("modulo", &["mod", "rem_euclid"]),
    ("to_string", &["str", "string", "toString", "to_text"]),
    ("parse_int", &["parseInt", "atoi"]),
    ("parse_float", &["parseFloat", "atof"]),
    ("to_fixed", &["toFixed", "format_number"]),
    ("parse_time", &["to_timestamp", "to_date", "strptime", "parse_date", "parse_timestamp"]),
    ("format_time", &["strftime", "date_format", "to_char", "format_date", "format_timestamp"]),
    ("truncate_time", &["date_trunc", "trunc_time", "floor_time"]),
    ("add_time", &["date_add", "timestamp_add"]),
    ("weekday", &["dayofweek", "day_of_week", "dow"]),
    ("coalesce", &["ifnull", "nvl", "if_null", "or_else", "default_value"]),
    ("is_null", &["isnull", "isNull", "is_none", "is_unit", "is_missing"]),
    ("kind", &["typeof", "type", "typeOf"]),
    ("avg", &["mean", "average"]),
    ("distinct", &["unique", "uniq", "array_distinct"]),
    ("slice", &["extract", "take", "skip", "array_slice"]),
    ("flatten", &["flat"]),
    ("merge", &["mixin", "fill_with", "assign", "extend"]),
    ("without", &["omit", "except", "remove_keys"]),
    ("only", &["pick", "pluck", "select_keys"]),
    ("to_json", &["json", "stringify", "to_json_string", "json_encode"]),
    ("parse_json", &["from_json", "json_decode", "json_parse"]),
    ("sha256", &["sha2", "md5", "sha1", "sha512"]),
    ("hash", &["xxhash", "murmur3", "fnv", "farm_fingerprint"]),
    ("base64_encode", &["to_base64", "base64", "btoa"]),
    ("base64_decode", &["from_base64", "atob"]),
    ("url_encode", &["encodeURIComponent", "urlencode"]),
    ("url_decode", &["decodeURIComponent", "urldecode"]),
    ("similarity", &["jaro_winkler", "fuzzy"]),
    ("edit_distance", &["levenshtein"]),
    ("geo_distance", &["haversine", "distance"]),
];

/// A way out for a name that is not there, where one is known.
pub fn hint(name: &str) -> Option<String> {
    if let Some((here, _)) = NAMES.iter().find(|(_, there)| there.contains(&name)) {
        return Some(format!("here it is `{here}`"));
    }
    let hint = match name {
        "now" | "timestamp" | "current_timestamp" | "today" => {
            "expressions have no clock, so that a replay gives the same: `meta.time` is the event's time"
        }
        "rand" | "random" | "uuid" | "uuid_v4" | "uuid4" => {
            "expressions draw nothing by chance, so that a replay gives the same: `hash`, `bucket` and `uuid_v5` make values from values"
        }
        "median" | "percentile" | "quantile" | "percentile_cont" | "approx_percentile" => {
            "a window's `aggregate` has `approx_quantile(x, 0.5)`, with a share from 0.0 to 1.0"
        }
        "float" | "double" | "number" => "a text is read by `parse_float(x)`, an int is made a float by `to_float(x)`",
        "count_distinct" | "countDistinct" | "nunique" => "a window's `aggregate` has `distinct(x)`",
        "concat" => "texts and arrays are put together by `+`",
        "iff" | "ifelse" | "case_when" => "write `if condition { a } else { b }`",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_here_exists_and_no_name_there_does() {
        let mut seen = HashSet::new();
        for (here, there) in NAMES {
            assert!(super::super::find(here).is_some(), "{here}");
            for name in *there {
                assert!(super::super::find(name).is_none() && seen.insert(name), "{name}");
            }
        }
    }
}
