//! JSON texts for property tests.

use proptest::prelude::*;

use super::samples::{self, Choices};

/// The bytes of choices.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..160)
}

/// JSON values with few names, so that demands meet them, written in many ways.
pub fn value() -> impl Strategy<Value = String> {
    bytes().prop_map(|bytes| samples::value(&mut Choices::new(&bytes)))
}

/// Valid texts, and texts with one small damage.
pub fn text() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_map(|bytes| {
        let mut choices = Choices::new(&bytes);
        let is_damaged = choices.below(3) == 2;
        let mut text = samples::value(&mut choices).into_bytes();
        if is_damaged {
            samples::damage(&mut choices, &mut text);
        }
        text
    })
}

/// Valid objects.
pub fn object() -> impl Strategy<Value = String> {
    bytes().prop_map(|bytes| samples::object(&mut Choices::new(&bytes)))
}
