//! Events of any layout in Avro's binary form: what each column or edit is to the schema is found out once a layout, and an event that
//! came with the same schema leaves as its bytes.

mod decimal;
mod value;

use std::fmt::Debug;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::codes;
use crate::event::encode::{EncodeError, JsonEncoder};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Wire};
use crate::event::{Batch, Body, Cell, Layout};

use self::value::{Misfit, Pen, Value, insert, members};
use super::container::{Codec, FileHead};
use super::form::{Form, RecordForm};
use super::{header, read};

/// Layouts that an encoder remembers. A port has few.
const LAYOUTS_MAX: usize = 16;

/// Avro as a sink writes it.
#[derive(Debug)]
pub struct AvroEncoding {
    form: Arc<Form>,
    /// A hash of the schema.
    schema: u64,
    wire: Wire,
    stamp: Stamp,
    container: Option<FileHead>,
}

/// What stands before each event.
#[derive(Clone, Debug)]
enum Stamp {
    Bytes(Box<[u8]>),
    /// The number that a registry gives.
    Number(Arc<dyn Numbering>),
}

impl AvroEncoding {
    /// Blocks of a container, which the sink makes of the events.
    pub fn container(form: Form, schema: u64, text: &str, codec: Codec) -> AvroEncoding {
        let head = FileHead::of(text, codec);
        let stamp = Stamp::Bytes(Box::default());
        AvroEncoding { form: Arc::new(form), schema, wire: Wire::Container, stamp, container: Some(head) }
    }

    /// Events behind the fingerprint of their schema.
    pub fn single_object(form: Form, schema: u64, fingerprint: u64) -> AvroEncoding {
        let stamp = Stamp::Bytes(header::single_object(fingerprint).into());
        AvroEncoding { form: Arc::new(form), schema, wire: Wire::SingleObject, stamp, container: None }
    }

    /// Events behind the number of their schema.
    pub fn numbered(form: Form, schema: u64, number: Arc<dyn Numbering>) -> AvroEncoding {
        let stamp = Stamp::Number(number);
        AvroEncoding { form: Arc::new(form), schema, wire: Wire::Confluent, stamp, container: None }
    }

    /// Events and nothing else.
    pub fn raw(form: Form, schema: u64) -> AvroEncoding {
        let stamp = Stamp::Bytes(Box::default());
        AvroEncoding { form: Arc::new(form), schema, wire: Wire::Raw, stamp, container: None }
    }
}

impl PackedEncoding for AvroEncoding {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        let stamp = match &self.stamp {
            Stamp::Bytes(bytes) => Ok(bytes.clone()),
            Stamp::Number(number) => number.number().map(|number| header::confluent(number).into()),
        };
        Box::new(AvroEncoder {
            form: self.form.clone(),
            identity: self.identity(),
            wire: self.wire,
            stamp,
            plans: Vec::new(),
            scratch: Vec::new(),
        })
    }

    fn prepare(&self) -> Result<(), String> {
        match &self.stamp {
            Stamp::Bytes(_) => Ok(()),
            Stamp::Number(number) => number.number().map(drop),
        }
    }

    fn identity(&self) -> u64 {
        self.wire.identity_with(self.schema)
    }

    fn file_head(&self) -> Option<FileHead> {
        self.container.clone()
    }
}

#[derive(Debug)]
struct AvroEncoder {
    form: Arc<Form>,
    identity: u64,
    wire: Wire,
    /// What stands before each event, or why that is not known.
    stamp: Result<Box<[u8]>, String>,
    plans: Vec<(Arc<Layout>, Arc<Plan>)>,
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
    /// Fields that the schema does not have and that the columns remove or replace.
    gone: Vec<Arc<str>>,
    /// Only by way of JSON: events of the schema are no records.
    json: Option<JsonEncoder>,
}

impl Plan {
    fn new(layout: &Layout, form: &Form) -> Plan {
        let mut plan = Plan { base: None, fields: Vec::new(), unknown: Vec::new(), gone: Vec::new(), json: None };
        let Some(record) = form.record() else {
            plan.json = Some(JsonEncoder::new(layout));
            return plan;
        };
        match &layout.body {
            Body::Text(column) => plan.base = Some(*column),
            Body::Fields(fields) => fields.iter().for_each(|(name, column)| plan.add(record, name, Some(*column))),
            Body::Patched { base, edits } => {
                plan.base = Some(*base);
                edits.iter().for_each(|(name, column)| plan.add(record, name, *column));
            }
        }
        plan
    }

    fn add(&mut self, record: &RecordForm, name: &Arc<str>, column: Option<usize>) {
        match (record.place(name), column) {
            (Some(place), column) => self.fields.push((place, column)),
            (None, column) => {
                self.gone.push(name.clone());
                self.unknown.extend(column.map(|column| (name.clone(), column)));
            }
        }
    }
}

impl AvroEncoder {
    fn plan(&mut self, layout: &Arc<Layout>) -> Arc<Plan> {
        let found = self.plans.iter().find(|(other, _)| Arc::ptr_eq(other, layout) || other == layout);
        if let Some((_, plan)) = found {
            return plan.clone();
        }
        if self.plans.len() >= LAYOUTS_MAX {
            self.plans.remove(0);
        }
        let plan = Arc::new(Plan::new(layout, &self.form));
        self.plans.push((layout.clone(), plan.clone()));
        plan
    }

    /// Writes the event of a row, without what stands before it.
    fn row(&mut self, plan: &Plan, batch: &Batch, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let stamp = self.stamp.as_ref().map_or(0, |stamp| stamp.len());
        self.scratch.clear();
        if let Some(json) = &plan.json {
            json.bind(batch).row(row, &mut self.scratch)?;
            let written = Pen::new(&self.form, out).value(self.form.root(), Value::Json(&self.scratch), 0);
            return written.map_err(|misfit| refusal(&misfit));
        }
        let base = match plan.base.map(|column| batch.cell(column, row)) {
            None => None,
            Some(Cell::Packed(at)) => {
                let packed = batch.texts.bytes(at);
                let Some(unpack) = &batch.meta.unpack else { return Err(refusal(&Misfit::new("cannot be read"))) };
                if plan.fields.is_empty() && plan.unknown.is_empty() && unpack.identity() == Some(self.identity) {
                    out.extend_from_slice(packed.get(stamp..).unwrap_or_default());
                    return Ok(());
                }
                unpack.write_json(packed, false, &mut self.scratch)?;
                Some(&*self.scratch)
            }
            Some(Cell::Json(at)) => Some(batch.texts.bytes(at)),
            Some(_) => Some(&b"{}"[..]),
        };
        record(&self.form, plan, base, batch, row, out).map_err(|misfit| refusal(&misfit))
    }
}

/// Writes an event as the record that the schema's events are.
fn record(
    form: &Form,
    plan: &Plan,
    base: Option<&[u8]>,
    batch: &Batch,
    row: u32,
    out: &mut Vec<u8>,
) -> Result<(), Box<Misfit>> {
    let Some(record) = form.record() else { return Ok(()) };
    let mut values: SmallVec<[Value<'_>; 32]> = SmallVec::from_elem(Value::Missing, record.fields.len());
    if let Some(text) = base {
        members(record, text, &plan.gone, &mut values)?;
    }
    let value = |column: usize| Value::of(batch.cell(column, row), |at| batch.texts.bytes(at));
    for (place, column) in &plan.fields {
        values[*place] = column.map_or(Value::Missing, value);
    }
    if let Some((name, _)) = plan.unknown.iter().find(|(_, column)| value(*column) != Value::Missing) {
        return Err(Misfit::new("is not in the schema; leave it out of the `map`").inside(name));
    }
    Pen::new(form, out).record(record, &values, 0)
}

#[cold]
fn refusal(misfit: &Misfit) -> EncodeError {
    EncodeError { code: codes::ENCODE_SCHEMA, message: misfit.message() }
}

impl PackedEncoder for AvroEncoder {
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        let plan = self.plan(&batch.layout);
        let delimited = lines && self.wire != Wire::Container;
        for row in batch.selection.iter() {
            let start = out.len();
            let written = match &self.stamp {
                Ok(stamp) => {
                    out.extend_from_slice(stamp);
                    self.row(&plan, batch, row, out)
                }
                Err(why) => Err(EncodeError { code: codes::ENCODE_SCHEMA, message: why.clone() }),
            };
            match written {
                Ok(()) => {
                    if delimited {
                        let mut length = Vec::with_capacity(10);
                        read::write_varint(&mut length, (out.len() - start) as u64);
                        insert(out, start, &length);
                    }
                    ends.push(out.len() as u32);
                }
                Err(error) => {
                    out.truncate(start);
                    errors.push((row, error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
