//! The language: YAML text to a spanned tree to a `TopologySpec`, by the tables of keys.
//!
//! Knows no stage kind and no connector; their tables come in a `Catalog`.

mod expr_text;
mod model;
pub mod table;
pub mod tables;
pub mod units;
mod value;

pub use expr_text::{ExprText, ScalarMap, Template, TemplatePart};
pub use model::{
    Catalog, ERRORS, FileRef, NodeHead, OTHERWISE, Param, Settings, SinkSpec, SourceSpec, StageSpec, TopologySpec,
};
pub use table::{Choice, Default, Key, Ports, Rule, Table, Type};
pub use value::{Item, NamedExpr, OneOrNamed, PortRef, Secret, SecretRef, Section, Value};
