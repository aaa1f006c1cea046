//! Protobuf messages as events. The types of a `.proto` file (`Types`) and a demand make a program, once; run over the bytes of an event
//! it checks all of them and puts what is wanted into cells. What is not one plain value (a list, a map, a message, a time) is noted and
//! written as JSON when the event is over, as its parts may stand anywhere.

mod decode;
mod encode;
mod fault;
mod header;
mod known;
mod machine;
mod program;
mod quick;
mod read;
#[cfg(test)]
mod tests;
mod types;
mod write;

pub use self::decode::ProtobufFormat;
pub use self::encode::ProtobufEncoding;
pub use self::types::{FieldType, Kind, Known, Label, Names, Number, Type, Types};
