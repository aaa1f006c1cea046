//! JSON texts for property tests.

use proptest::prelude::*;

/// JSON values with few names, so that demands meet them, written in many ways.
pub fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})",
        "-?[0-9]\\.[0-9]{1,3}(e[+-]?[0-9]{1,2})?",
        "\"[a-z é\u{1F600}]{0,12}\"",
        Just(r#""\u0041\n\\\ud83d\ude00""#.to_owned()),
    ];
    let name = prop_oneof![Just("a"), Just("b"), Just("c"), Just("\\u0061"), Just("longer name of a field")];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let space = prop_oneof![3 => Just(""), 1 => Just(" "), 1 => Just("\n\t")];
        let member = (space.clone(), name.clone(), space.clone(), inner.clone())
            .prop_map(|(before, name, around, value)| format!("{before}\"{name}\"{around}:{around}{value}{before}"));
        let item = (space, inner).prop_map(|(space, value)| format!("{space}{value}{space}"));
        prop_oneof![
            3 => prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

/// Valid texts, and texts with one small damage.
pub fn text() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![2 => Just(None), 1 => (any::<prop::sample::Index>(), 0u8..3, any::<u8>()).prop_map(Some)];
    (value(), damage).prop_map(|(text, damage)| {
        let mut text = text.into_bytes();
        if let Some((at, how, byte)) = damage {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => drop(text.remove(at)),
                _ => text.insert(at, b"{}[]\",:\\0e"[usize::from(byte) % 10]),
            }
        }
        text
    })
}

/// Valid objects.
pub fn object() -> impl Strategy<Value = String> {
    value().prop_filter("an object", |text| text.trim_start().starts_with('{'))
}
