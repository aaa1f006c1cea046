//! Avro schemas: the vectors of the specification's own tests, and what is refused or told.

use super::*;

/// A schema, its canonical form and its fingerprint, from `schema-tests.txt` of Apache Avro.
const VECTORS: &[(&str, &str, i64)] = &[
    (r#"{"type":"null"}"#, r#""null""#, 7195948357588979594),
    (r#""boolean""#, r#""boolean""#, -6970731678124411036),
    (r#"{"type":"int"}"#, r#""int""#, 8247732601305521295),
    (r#""long""#, r#""long""#, -3434872931120570953),
    (r#""float""#, r#""float""#, 5583340709985441680),
    (r#""double""#, r#""double""#, -8181574048448539266),
    (r#""bytes""#, r#""bytes""#, 5746618253357095269),
    (r#""string""#, r#""string""#, -8142146995180207161),
    (r#"[ "int"  ]"#, r#"["int"]"#, -5232228896498058493),
    (r#"[ "int" , {"type":"boolean"} ]"#, r#"["int","boolean"]"#, 5392556393470105090),
    (
        r#"{"fields":[], "type":"record", "name":"foo", "namespace":"x.y"}"#,
        r#"{"name":"x.y.foo","type":"record","fields":[]}"#,
        5916914534497305771,
    ),
    (
        r#"{"fields":[], "type":"record", "name":"a.b.foo", "namespace":"x.y"}"#,
        r#"{"name":"a.b.foo","type":"record","fields":[]}"#,
        -4616218487480524110,
    ),
    (
        r#"{"fields":[], "type":"record", "name":"foo", "doc":"foo", "aliases":["foo","bar"]}"#,
        r#"{"name":"foo","type":"record","fields":[]}"#,
        -4824392279771201922,
    ),
    (
        r#"{"fields":[{"type":"boolean", "aliases":[], "name":"f1", "default":true},
            {"order":"descending","name":"f2","doc":"Hello","type":"int"}], "type":"record", "name":"foo"}"#,
        r#"{"name":"foo","type":"record","fields":[{"name":"f1","type":"boolean"},{"name":"f2","type":"int"}]}"#,
        -4860222112080293046,
    ),
    (
        r#"{"namespace":"x.y.z", "type":"enum", "name":"foo", "doc":"foo bar", "symbols":["A1", "A2"]}"#,
        r#"{"name":"x.y.z.foo","type":"enum","symbols":["A1","A2"]}"#,
        -4448647247586288245,
    ),
    (
        r#"{"namespace":"x.y.z", "type":"fixed", "name":"foo", "doc":"foo bar", "size":32}"#,
        r#"{"name":"x.y.z.foo","type":"fixed","size":32}"#,
        -3064184465700546786,
    ),
    (r#"{ "items":{"type":"null"}, "type":"array"}"#, r#"{"type":"array","items":"null"}"#, -589620603366471059),
    (r#"{ "values":"string", "type":"map"}"#, r#"{"type":"map","values":"string"}"#, -8732877298790414990),
    (
        r#"{"name":"PigValue","type":"record",
            "fields":[{"name":"value", "type":["null", "int", "long", "PigValue"]}]}"#,
        r#"{"name":"PigValue","type":"record","fields":[{"name":"value","type":["null","int","long","PigValue"]}]}"#,
        -1759257747318642341,
    ),
];

fn parse(text: &str) -> AvroSchema {
    AvroSchema::parse(text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn record(fields: &str) -> AvroSchema {
    parse(&format!(r#"{{"type":"record","name":"a.R","fields":[{fields}]}}"#))
}

#[test]
fn canonical_forms_and_fingerprints_are_those_of_the_specification() {
    for (text, canonical, fingerprint) in VECTORS {
        let schema = parse(text);
        assert_eq!(&**schema.canonical(), *canonical);
        assert_eq!(schema.fingerprint() as i64, *fingerprint, "{canonical}");
        assert_eq!(parse(canonical).canonical(), schema.canonical());
    }
}

#[test]
fn problems_have_a_place_a_cause_and_a_way_out() {
    let refused: &[(&str, &str, &str)] = &[
        (r#"{"type":"record"}"#, "the record has no `name`", "add a `name`"),
        (r#"{"type":"record","name":"R"}"#, "the record has no `fields`", "add a list"),
        (r#""strng""#, "no type `strng` is defined before this place", "did you mean `string`?"),
        (r#"{"type":"recrd"}"#, "no type `recrd`", ""),
        (r#"["int","int"]"#, "at `[1]`: this type is in the union already", "each type once"),
        (r#"["int",["string"]]"#, "at `[1]`: a union directly within a union", "outer one"),
        (r#"[]"#, "a union of no types", ""),
        (r#"7"#, "`7` is no type", "name of a type"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "at `symbols[1]`: `A` comes twice", "remove"),
        (r#"{"type":"enum","name":"E","symbols":["VIEW"],"default":"VIE"}"#, "at `default`: ", "did you mean `VIEW`?"),
        (r#"{"type":"enum","name":"E","symbols":["a b"]}"#, "`a b` is no symbol", "letters"),
        (r#"{"type":"fixed","name":"F"}"#, "the fixed has no `size`", "bytes"),
        (r#"{"type":"fixed","name":"F","size":1099511627776}"#, "a fixed of 1099511627776 bytes", "`bytes`"),
        (r#"{"type":"array"}"#, "the array has no `items`", "add `items`"),
        (r#"{"type":"record","name":"string","fields":[]}"#, "`string` is a type of Avro's own", "another"),
        (r#"{"type":"record","name":"a..b","fields":[]}"#, "`` in `a..b` is no name", "letters"),
        ("{", "it is no JSON: ", "mend"),
    ];
    for (text, why, help) in refused {
        let error = AvroSchema::parse(text, &[]).expect_err(text);
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert!(error.help.contains(help), "{text}: {}", error.help);
    }
}

#[test]
fn problems_of_fields_are_told_where_they_are() {
    let refused: &[(&str, &str)] = &[
        (r#"{"name":"a","type":"int"},{"name":"a","type":"int"}"#, "at `fields[1]`: a second field `a`"),
        (r#"{"name":"a","type":{"type":"array","items":"Foo"}}"#, "at `fields[0].type.items`: no type `a.Foo`"),
        (r#"{"name":"a","type":"record"}"#, "at `fields[0].type`: `record` is no type by its name alone"),
        (r#"{"name":"a"}"#, "at `fields[0]`: the field `a` has no `type`"),
        (r#"{"name":"a","type":"int","default":"1"}"#, "at `fields[0].default`: the default of `a` does not fit"),
        (r#"{"name":"a","type":"int","default":3000000000}"#, "is no int"),
        (r#"{"name":"a","type":["int","string"],"default":null}"#, "does not fit its type"),
        (r#"{"name":"a","type":"bytes","default":"ā"}"#, "is no byte"),
        (
            r#"{"name":"a","type":{"type":"fixed","name":"F","size":2},"default":"abc"}"#,
            "it has 3 bytes, and `a.F` has 2",
        ),
        (r#"{"name":"a","type":"R","default":{}}"#, "contains itself"),
        (
            r#"{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"x","type":"int"}]},"default":{}}"#,
            "the field `x` of `a.S` is missing",
        ),
    ];
    for (fields, why) in refused {
        let text = format!(r#"{{"type":"record","name":"a.R","fields":[{fields}]}}"#);
        let error = AvroSchema::parse(&text, &[]).expect_err(fields);
        assert!(error.to_string().contains(why), "{fields}: {error}");
        assert!(!error.help.is_empty());
    }
}

#[test]
fn logical_types_hold_where_they_may_and_are_told_where_not() {
    let logical = |ty: &str| {
        let schema = parse(ty);
        (schema.logical(schema.root()), schema.notes().iter().map(|note| note.text.clone()).collect::<String>())
    };
    let held = |ty: &str| match logical(ty) {
        (Some(logical), notes) if notes.is_empty() => logical,
        other => panic!("{ty}: {other:?}"),
    };
    let fixed = |size, rest| format!(r#"{{"type":"fixed","name":"F","size":{size},{rest}}}"#);
    assert_eq!(held(r#"{"type":"long","logicalType":"timestamp-nanos"}"#), Logical::Timestamp(Unit::Nanos));
    assert_eq!(held(r#"{"type":"int","logicalType":"date"}"#), Logical::Date);
    assert_eq!(held(r#"{"type":"string","logicalType":"uuid"}"#), Logical::Uuid);
    assert_eq!(held(&fixed(16, r#""logicalType":"uuid""#)), Logical::Uuid);
    assert_eq!(held(&fixed(12, r#""logicalType":"duration""#)), Logical::Duration);
    let decimal = Logical::Decimal { precision: 4, scale: 0 };
    assert_eq!(held(r#"{"type":"bytes","logicalType":"decimal","precision":4}"#), decimal);
    assert_eq!(held(&fixed(2, r#""logicalType":"decimal","precision":4"#)), decimal);
    for ty in [
        r#"{"type":"int","logicalType":"timestamp-millis"}"#,
        r#"{"type":"bytes","logicalType":"decimal"}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":0}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}"#,
        r#"{"type":"string","logicalType":"decimal","precision":2}"#,
        r#"{"type":"string","logicalType":"ip-address"}"#,
        &fixed(2, r#""logicalType":"decimal","precision":5"#),
        &fixed(16, r#""logicalType":"duration""#),
    ] {
        let (logical, notes) = logical(ty);
        assert_eq!(logical, None, "{ty}");
        assert!(notes.contains("the logical type is ignored"), "{ty}: {notes}");
    }
}

#[test]
fn names_are_found_within_their_namespaces_and_in_other_files() {
    let schema = parse(
        r#"{"type":"record","name":"R","namespace":"a.b","fields":[
            {"name":"x","type":{"type":"record","name":"c.S","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}},
            {"name":"y","type":{"type":"fixed","name":"F","size":1,"aliases":["G","d.H"]}},
            {"name":"z","type":["null","c.E","F","R"]}]}"#,
    );
    let names: Vec<_> = schema.names().map(|(_, named)| named.name.as_str().to_owned()).collect();
    assert_eq!(names, ["a.b.R", "c.S", "c.E", "a.b.F"]);
    let aliases: Vec<_> = schema.named(NameId(3)).aliases.iter().map(FullName::as_str).collect();
    assert_eq!(aliases, ["a.b.G", "d.H"]);

    let money = r#"{"type":"record","name":"a.Money","fields":[{"name":"minor","type":"long"}]}"#;
    let text = r#"{"type":"record","name":"a.Paid","fields":[{"name":"amount","type":"Money"}]}"#;
    let help = AvroSchema::parse(text, &[]).unwrap_err().help;
    assert!(help.contains("give its file as a reference"), "{help}");
    let paid = AvroSchema::parse(text, &[money]).unwrap();
    assert!(paid.canonical().contains(r#""type":{"name":"a.Money","type":"record""#), "{}", paid.canonical());
    let twice = AvroSchema::parse(text, &[money, money]).unwrap_err();
    assert!(twice.why.starts_with("in a schema that is referred to: `a.Money` is defined a second time"), "{twice}");
}

#[test]
fn defaults_are_in_binary_with_those_of_inner_fields() {
    let datum = |fields: &str| {
        let schema = record(fields);
        schema.fields().unwrap()[0].default.as_ref().unwrap().datum.to_vec()
    };
    assert_eq!(datum(r#"{"name":"a","type":"long","default":-65}"#), [0x81, 0x01]);
    assert_eq!(datum(r#"{"name":"a","type":["null","int"],"default":null}"#), [0]);
    assert_eq!(datum(r#"{"name":"a","type":["int","null"],"default":1}"#), [0, 2]);
    assert_eq!(datum(r#"{"name":"a","type":"bytes","default":"\u00ff"}"#), [2, 0xff]);
    assert_eq!(datum(r#"{"name":"a","type":{"type":"array","items":"int"},"default":[1,2]}"#), [4, 2, 4, 0]);
    assert_eq!(datum(r#"{"name":"a","type":{"type":"map","values":"int"},"default":{}}"#), [0]);
    let inner = r#"{"type":"record","name":"S","fields":[{"name":"x","type":"int"},{"name":"y","type":"string","default":"q"}]}"#;
    assert_eq!(datum(&format!(r#"{{"name":"a","type":{inner},"default":{{"x":3}}}}"#)), [6, 2, b'q']);
    assert_eq!(datum(r#"{"name":"a","type":"double","default":1}"#), 1f64.to_le_bytes());

    let later = record(r#"{"name":"a","type":["int","null"],"default":null}"#);
    assert_eq!(later.notes()[0].path, "fields[0].default");
}

#[test]
fn shapes_are_what_decoders_give() {
    let shape = |ty: &str| parse(ty).shape().to_string();
    assert_eq!(shape(r#"["null",{"type":"long","logicalType":"timestamp-millis"}]"#), "time in ms?");
    assert_eq!(shape(r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#), "decimal(9, 2)");
    assert_eq!(shape(r#""bytes""#), "base64");
    assert_eq!(shape(r#"{"type":"fixed","name":"F","size":4}"#), "base64 of 4 bytes");
    assert_eq!(shape(r#"{"type":"map","values":["int","double"]}"#), "{string: int | float}");
    assert_eq!(shape(r#"{"type":"enum","name":"E","symbols":["A","B"]}"#), r#""A" | "B""#);

    let list = r#"{"type":"record","name":"List","fields":[{"name":"head","type":"int"},{"name":"tail","type":["null","List"]}]}"#;
    let shape = parse(list).shape();
    let tail = shape.field("tail").unwrap();
    assert_eq!(tail.to_string(), "List?");
    assert_eq!(tail.field("head").unwrap().to_string(), "int?");
    // Four uses of itself double with each level: what is looked at is bounded.
    let uses: Vec<_> = (0..4).map(|at| format!(r#"{{"name":"f{at}","type":["null","R"]}}"#)).collect();
    record(&uses.join(",")).shape();
}

#[test]
fn a_record_of_which_no_value_has_an_end_is_refused() {
    let record = |ty: &str| {
        AvroSchema::parse(
            &format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"int"}},{{"name":"next","type":{ty}}}]}}"#
            ),
            &[],
        )
    };
    let inner = r#"{"type":"record","name":"S","fields":[{"name":"back","type":["R","S"]}]}"#;
    for endless in [r#""R""#, r#"["R"]"#, inner] {
        let error = record(endless).unwrap_err();
        assert_eq!(error.why, "each `R` has another one in it, by way of `next`, and so on without end");
        assert!(error.help.contains("a union with `null`"));
    }
    let items = r#"{"type":"array","items":"R"}"#;
    for good in [r#"["null","R"]"#, items, &inner.replace(r#""R","S""#, r#""R","null""#)] {
        record(good).unwrap();
    }
}

#[test]
fn nesting_and_number_of_types_are_bounded() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(100), "}".repeat(100));
    assert!(AvroSchema::parse(&deep, &[]).unwrap_err().why.contains("nested deeper than"));
    let beyond = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(10_000), "}".repeat(10_000));
    assert!(AvroSchema::parse(&beyond, &[]).is_err());
    // Types of another file, each with the one before it.
    let mut chain = vec![r#"{"type":"record","name":"C0","fields":[]}"#.to_owned()];
    for level in 1..2_000 {
        let of = level - 1;
        chain.push(format!(r#"{{"type":"record","name":"C{level}","fields":[{{"name":"f","type":"C{of}"}}]}}"#));
    }
    let chain = format!("[{}]", chain.join(","));
    let why = AvroSchema::parse(r#"{"type":"array","items":"C1999"}"#, &[&chain]).unwrap_err().why;
    assert!(why.contains("refer to each other deeper than"), "{why}");
    AvroSchema::parse(r#"{"type":"array","items":"C400"}"#, &[&chain]).unwrap();
    // Each level's default has the one below twice.
    let mut fields =
        r#"{"name":"f0","type":{"type":"record","name":"S0","fields":[{"name":"x","type":"int","default":1}]}}"#
            .to_owned();
    for level in 1..60 {
        let of = level - 1;
        let use_of = |name| format!(r#"{{"name":"{name}","type":"S{of}","default":{{}}}}"#);
        let both = [use_of("p"), use_of("q")].join(",");
        fields += &format!(
            r#",{{"name":"f{level}","type":{{"type":"record","name":"S{level}","fields":[{both}]}},"default":{{}}}}"#
        );
    }
    let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    assert!(AvroSchema::parse(&text, &[]).unwrap_err().why.contains("come to too much together"));
}
