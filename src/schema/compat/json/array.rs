//! Arrays: items of one schema, items by their place, and what further ones may be.

use serde_json::{Map, Value};

use super::Comparison;
use super::view::{View, view};

/// What an array says of its items.
struct Items<'d> {
    /// Of all, if it has no places.
    all: Option<&'d Value>,
    /// By place.
    places: &'d [Value],
    /// Of those behind the places.
    rest: &'d Value,
}

impl<'d> Comparison<'d> {
    pub(super) fn arrays(&mut self, written: &'d Map<String, Value>, read: &'d Map<String, Value>) -> bool {
        let (before, after) = (Items::of(written), Items::of(read));
        let unique = |keywords: &Map<String, Value>| keywords.get("uniqueItems") == Some(&Value::Bool(true));
        let items = self.within("items", |all| match (before.all, after.all) {
            (Some(before), Some(after)) => all.schema(before, after),
            (_, None) => true,
            (None, Some(_)) => {
                let text = "any items are written, and the reader wants a certain type";
                all.breaks("SCHEMA_ADDED", text, "leave out the schema of `items`")
            }
        });
        let uniqueness = !unique(read) || unique(written) || {
            let text = "items may come twice when they are written, and the reader wants each once";
            self.breaks("UNIQUE_ITEMS_ADDED", text, "leave out `uniqueItems`")
        };
        items
            & self.places(&before, &after)
            & self.rest(&before, &after)
            & uniqueness
            & self.at_most(written, read, "maxItems", "MAX_ITEMS_ADDED", "MAX_ITEMS_DECREASED")
            & self.at_least(written, read, "minItems", "MIN_ITEMS_ADDED", "MIN_ITEMS_INCREASED")
            & self.at_most(written, read, "maxContains", "MAX_CONTAINS_ADDED", "MAX_CONTAINS_DECREASED")
            & self.at_least(written, read, "minContains", "MIN_CONTAINS_ADDED", "MIN_CONTAINS_INCREASED")
    }

    fn places(&mut self, written: &Items<'d>, read: &Items<'d>) -> bool {
        let mut readable = true;
        for at in 0..written.places.len().max(read.places.len()) {
            readable &=
                self.within(&format!("items/{at}"), |all| match (written.places.get(at), read.places.get(at)) {
                    (Some(before), Some(after)) => all.schema(before, after),
                    (Some(before), None) => all.place_removed(before, read.rest),
                    (None, Some(after)) => all.place_added(written.rest, after),
                    (None, None) => true,
                });
        }
        readable
    }

    fn place_removed(&mut self, before: &'d Value, rest: &'d Value) -> bool {
        match rest {
            Value::Bool(true) => true,
            Value::Bool(false) if view(self.writer, before) == Some(View::Never) => true,
            Value::Bool(false) => {
                let text = "this item may be written, and the reader's arrays are shorter";
                self.breaks("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", text, "keep the item")
            }
            rest => {
                self.schema(before, rest) || {
                    let text = "this item may be written, and the reader's schema for further items does not take it";
                    self.breaks("ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", text, "keep the item")
                }
            }
        }
    }

    fn place_added(&mut self, rest: &'d Value, after: &'d Value) -> bool {
        match rest {
            Value::Bool(true) if view(self.reader, after) == Some(View::Any) => true,
            Value::Bool(true) => {
                let text = "anything may have been written as this item, and the reader wants a certain type";
                self.breaks("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", text, "close the older version's further items")
            }
            Value::Bool(false) => true,
            rest => {
                self.schema(rest, after) || {
                    let text = "the writer's schema for further items allows more than the reader takes here";
                    self.breaks("ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", text, "widen the item")
                }
            }
        }
    }

    fn rest(&mut self, written: &Items<'d>, read: &Items<'d>) -> bool {
        self.within("additionalItems", |all| match (written.rest, read.rest) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => true,
            (_, Value::Bool(false)) => {
                let text = "further items may be written, and the reader takes none";
                all.breaks("ADDITIONAL_ITEMS_REMOVED", text, "let the reader take further items")
            }
            (Value::Bool(true), _) => {
                let text = "further items may be anything when they are written, and the reader wants a certain type";
                all.breaks("ADDITIONAL_ITEMS_NARROWED", text, "leave out the schema of further items")
            }
            (before, after) => all.schema(before, after),
        })
    }
}

impl<'d> Items<'d> {
    /// Of drafts before 2020-12 (`items` a list, `additionalItems`) and from then on (`prefixItems`, `items`).
    fn of(keywords: &'d Map<String, Value>) -> Items<'d> {
        let list = |keyword: &str| keywords.get(keyword).and_then(Value::as_array);
        let open = &Value::Bool(true);
        let (places, rest) = match (list("prefixItems"), list("items")) {
            (Some(places), _) => (places.as_slice(), keywords.get("items")),
            (None, Some(places)) => (places.as_slice(), keywords.get("additionalItems")),
            (None, None) => return Items { all: keywords.get("items"), places: &[], rest: open },
        };
        Items { all: None, places, rest: rest.unwrap_or(open) }
    }
}
