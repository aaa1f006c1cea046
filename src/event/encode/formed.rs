//! Events of any layout in the form that a schema gives them: what each column or edit is to the schema is found out once a layout, and
//! an event that came in the same form leaves as its bytes.

use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::codes;
use crate::event::packed::PackedEncoder;
use crate::event::{Batch, Body, Cell, Layout};

use super::stamp::{Stamped, write_rows};
use super::value::{Fields, Misfit, Value, Written, sort_members};
use super::{EncodeError, JsonEncoder, of_layout};

/// How a schema has events written.
pub(in crate::event) trait EventForm: Debug + Send + Sync {
    /// The fields of events; `None`: they are none that have fields.
    fn fields(&self) -> Option<&dyn Fields>;

    /// Writes an event from a value for each of its fields.
    fn write_fields(&self, values: &[Value<'_>], out: &mut Vec<u8>) -> Written;

    /// Writes an event from its JSON, an object.
    fn write_text(&self, text: &[u8], out: &mut Vec<u8>) -> Written;

    /// Where an event of this form that came as its bytes begins behind what stands before it.
    fn body(&self, packed: &[u8]) -> usize;
}

/// Writes events in a form.
#[derive(Debug)]
pub(in crate::event) struct FormEncoder<F> {
    form: F,
    /// Of events that may leave as they came.
    identity: u64,
    stamp: Stamped,
    /// Whether streams of bytes have a length before each event.
    delimits: bool,
    plans: Vec<(Arc<Layout>, Plan)>,
    /// JSON of events that came in another form.
    scratch: Vec<u8>,
}

/// How events of a layout are written.
#[derive(Debug)]
struct Plan {
    /// The column of the event that the columns below change.
    base: Option<usize>,
    /// Which fields of the schema come from which columns; `None` removes.
    fields: Vec<(usize, Option<usize>)>,
    /// Columns of fields that the schema does not have.
    unknown: Vec<(Arc<str>, usize)>,
    /// Fields that the columns remove or replace, and that the base may have.
    gone: Vec<Arc<str>>,
    /// The event by way of JSON, for a form without fields.
    json: Option<JsonEncoder>,
}

impl Plan {
    fn new(layout: &Layout, fields: Option<&dyn Fields>) -> Plan {
        let mut plan = Plan { base: None, fields: Vec::new(), unknown: Vec::new(), gone: Vec::new(), json: None };
        match (&layout.body, fields) {
            (Body::Text(column), _) => plan.base = Some(*column),
            (_, None) => plan.json = Some(JsonEncoder::new(layout)),
            (Body::Fields(columns), Some(fields)) => {
                columns.iter().for_each(|(name, column)| plan.add(fields, name, Some(*column)));
            }
            (Body::Patched { base, edits }, Some(fields)) => {
                plan.base = Some(*base);
                plan.gone = edits.iter().map(|(name, _)| name.clone()).collect();
                edits.iter().for_each(|(name, column)| plan.add(fields, name, *column));
            }
        }
        plan
    }

    fn add(&mut self, fields: &dyn Fields, name: &Arc<str>, column: Option<usize>) {
        match (fields.place(name), column) {
            (Some(place), column) => self.fields.push((place, column)),
            (None, Some(column)) => self.unknown.push((name.clone(), column)),
            (None, None) => {}
        }
    }

    /// Whether events are what they came as.
    fn changes_nothing(&self) -> bool {
        self.base.is_some() && self.fields.is_empty() && self.unknown.is_empty() && self.gone.is_empty()
    }
}

impl<F: EventForm> FormEncoder<F> {
    /// An encoder of events with this before each. `identity`: that of events which are in this form already
    /// ([`Unpack::identity`](crate::event::packed::Unpack::identity)).
    pub fn new(form: F, identity: u64, stamp: Stamped, delimits: bool) -> FormEncoder<F> {
        FormEncoder { form, identity, stamp, delimits, plans: Vec::new(), scratch: Vec::new() }
    }
}

/// The events of a batch, as they are written.
struct Events<'a, F> {
    form: &'a F,
    plan: &'a Plan,
    batch: &'a Batch,
    /// Whether they leave as they came.
    pass: bool,
}

impl<F: EventForm> Events<'_, F> {
    /// Writes the event of a row, without what stands before it.
    fn write(&self, row: u32, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        scratch.clear();
        let (plan, batch) = (self.plan, self.batch);
        let base = match plan.base.map(|column| batch.cell(column, row)) {
            None => None,
            Some(Cell::Packed(at)) => {
                let packed = batch.texts.bytes(at);
                if self.pass {
                    out.extend_from_slice(packed.get(self.form.body(packed)..).unwrap_or_default());
                    return Ok(());
                }
                let Some(unpack) = &batch.meta.unpack else { return Err(refusal(&Misfit::new("cannot be read"))) };
                unpack.write_json(packed, false, scratch)?;
                Some(&**scratch)
            }
            Some(Cell::Json(at)) => Some(batch.texts.bytes(at)),
            // An event without its text is an event without fields.
            Some(_) => Some(&b"{}"[..]),
        };
        let written = match (base, &plan.json, self.form.fields()) {
            (Some(text), ..) if plan.changes_nothing() => self.form.write_text(text, out),
            (_, None, Some(fields)) => {
                values(fields, plan, base, batch, row).and_then(|values| self.form.write_fields(&values, out))
            }
            (_, json, _) => {
                json.iter().try_for_each(|json| json.bind(batch).row(row, scratch))?;
                self.form.write_text(scratch, out)
            }
        };
        written.map_err(|misfit| refusal(&misfit))
    }
}

type Values<'a> = SmallVec<[Value<'a>; 32]>;

/// A value for each field of the event of a row.
fn values<'b>(
    fields: &dyn Fields,
    plan: &Plan,
    base: Option<&'b [u8]>,
    batch: &'b Batch,
    row: u32,
) -> Result<Values<'b>, Box<Misfit>> {
    let mut values: Values<'b> = SmallVec::from_elem(Value::Missing, fields.len());
    if let Some(text) = base {
        sort_members(fields, text, &plan.gone, &mut values)?;
    }
    let value = |column: usize| Value::of(batch.cell(column, row), |at| batch.texts.bytes(at));
    for (place, column) in &plan.fields {
        values[*place] = column.map_or(Value::Missing, value);
    }
    match plan.unknown.iter().find(|(_, column)| value(*column) != Value::Missing) {
        Some((name, _)) => Err(Misfit::unknown(name)),
        None => Ok(values),
    }
}

#[cold]
fn refusal(misfit: &Misfit) -> EncodeError {
    EncodeError { code: codes::ENCODE_SCHEMA, message: misfit.message() }
}

impl<F: EventForm> PackedEncoder for FormEncoder<F> {
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        let form = &self.form;
        let plan = of_layout(&mut self.plans, &batch.layout, |layout| Plan::new(layout, form.fields()));
        let is_same = batch.meta.unpack.as_ref().is_some_and(|unpack| unpack.identity() == Some(self.identity));
        let events = Events { form, plan, batch, pass: is_same && plan.changes_nothing() };
        let scratch = &mut self.scratch;
        write_rows(batch, &self.stamp, lines && self.delimits, out, ends, errors, |row, out| {
            events.write(row, scratch, out)
        });
    }
}
