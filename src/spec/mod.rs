//! The language: YAML text to a spanned tree to a `TopologySpec`, by the tables of keys.
//!
//! Knows no stage kind and no connector; their tables come in a `Catalog`.

pub mod table;
pub mod tables;
pub mod units;
mod expr_text;
mod value;
mod model;
mod scalar;
mod tree;
mod eaten;
mod syntax;
mod describe;
mod reader;
mod rules;
mod scalars;
mod event_types;
mod read;
mod graph;
mod schema;
mod reference;
mod registry;
mod principles;

pub use expr_text::{ExprText, ScalarMap, Template, TemplatePart};
pub use model::{
    Catalog, ERRORS, FileRef, NodeHead, OTHERWISE, Param, SchemaRef, Settings, SinkSpec, SourceSpec, StageSpec,
    TopologySpec,
};
pub use principles::{PRINCIPLES_FILE, SchemaRules, principles_reference, read_principles};
pub use read::{name_of, read, read_file};
pub use reference::reference;
pub use schema::json_schema;
pub use table::{Choice, Default, Key, Ports, Rule, Table, Type};
pub use value::{Item, NamedExpr, OneOrNamed, PortRef, Secret, SecretRef, Section, Value};

#[cfg(test)]
mod tests;
