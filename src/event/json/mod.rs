//! JSON as bytes, for everyone: the strict scanner, strings, numbers, and reading of text that was checked before.

mod base64;
mod block;
mod fault;
mod number;
mod scan;
mod text;
mod view;

pub use base64::{base64, base64_bytes};
pub(super) use block::{BLOCK, Block};
pub use fault::{Fault, Why};
pub use number::{Short, classify_number, digits_before_point, number_to_f64, short_number, write_f64, write_i64};
pub use scan::check_value;
pub(super) use scan::{
    key, literal, number, number_of, plain_end, skip_space, skip_value, skip_value_flat, string, string_of,
};
pub use text::{escape_into, minify, unescape, write_string};
pub use view::{Items, Members, Value, items, items_from, lookup, lookup_cell, members};
pub(super) use view::{RawMembers, find_cell};
