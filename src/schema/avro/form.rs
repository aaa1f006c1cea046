//! A schema lowered to what events are written by.

use super::{AvroSchema, Body, Kind, Logical, NameId, Type};
use crate::event::avro::{FieldForm, Form, FormId, FormNode, Names, RecordForm};
use crate::limits::{AVRO_DECIMAL_BYTES_MAX, AVRO_SCALE_MAX};

impl AvroSchema {
    /// What its events are written as.
    pub fn form(&self) -> Form {
        let mut lowering = Lowering { schema: self, nodes: Vec::new() };
        // The named types come first, so that each is its own id, and a type may name one that is not lowered yet.
        lowering.nodes.resize_with(self.names.len(), || FormNode::Null);
        for (id, _) in self.names() {
            let node = lowering.named(id);
            lowering.nodes[id.index()] = node;
        }
        let root = lowering.ty(&self.root);
        Form::new(lowering.nodes, root)
    }
}

struct Lowering<'s> {
    schema: &'s AvroSchema,
    nodes: Vec<FormNode>,
}

impl Lowering<'_> {
    fn add(&mut self, node: FormNode) -> FormId {
        self.nodes.push(node);
        self.nodes.len() as FormId - 1
    }

    fn ty(&mut self, ty: &Type) -> FormId {
        let node = match &ty.kind {
            Kind::Named(id) => return id.index() as FormId,
            Kind::Null => FormNode::Null,
            Kind::Boolean => FormNode::Boolean,
            Kind::Int => FormNode::Int,
            Kind::Long => FormNode::Long,
            Kind::Float => FormNode::Float,
            Kind::Double => FormNode::Double,
            Kind::String => FormNode::String,
            Kind::Bytes => decimal(ty.logical, None).unwrap_or(FormNode::Bytes),
            Kind::Array(items) => FormNode::Array(self.ty(items)),
            Kind::Map(values) => FormNode::Map(self.ty(values)),
            Kind::Union(branches) => FormNode::Union(branches.iter().map(|branch| self.ty(branch)).collect()),
        };
        self.add(node)
    }

    fn named(&mut self, id: NameId) -> FormNode {
        match &self.schema.named(id).body {
            Body::Enum { symbols, .. } => FormNode::Enum(Names::new(symbols.iter().map(|symbol| &**symbol))),
            Body::Fixed { logical: Some(Logical::Uuid), .. } => FormNode::Uuid,
            Body::Fixed { logical: Some(Logical::Duration), .. } => FormNode::Duration,
            Body::Fixed { size, logical } => {
                let size = u32::try_from(*size).unwrap_or(u32::MAX);
                decimal(*logical, Some(size)).unwrap_or(FormNode::Fixed(size))
            }
            Body::Record(fields) => {
                let fields = fields.iter().map(|field| FieldForm {
                    name: (*field.name).into(),
                    node: self.ty(&field.ty),
                    default: field.default.as_ref().map(|default| default.datum.clone()),
                });
                FormNode::Record(RecordForm::new(fields.collect()))
            }
        }
    }
}

/// A decimal, unless it is too large to be read as a number: those are bytes here as well.
fn decimal(logical: Option<Logical>, size: Option<u32>) -> Option<FormNode> {
    match logical {
        Some(Logical::Decimal { precision, scale })
            if scale as usize <= AVRO_SCALE_MAX && size.unwrap_or(0) as usize <= AVRO_DECIMAL_BYTES_MAX =>
        {
            Some(FormNode::Decimal { precision, scale, size })
        }
        _ => None,
    }
}
