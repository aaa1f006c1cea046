//! JSON as bytes, for everyone: the strict scanner, strings, numbers, and reading of text that was checked before.

mod number;
mod scan;
mod text;
mod view;

pub use number::{classify_number, number_to_f64, write_f64, write_i64};
pub use scan::{Fault, Why, check_value};
pub(super) use scan::{key, literal, number, skip_space, skip_value, string, word};
pub use text::{escape_into, minify, unescape, write_string};
pub(super) use view::RawMembers;
pub use view::{Items, Members, Value, items, items_from, lookup, lookup_cell, members};
