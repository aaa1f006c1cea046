//! The one integration-test binary: everything that is tested from outside, against the `runner` program itself.

mod cases;
mod chaos;
mod compat;
mod containers;
mod cores;
mod docs;
mod examples;
mod interop;
mod nats;
mod pipes;
mod process;
mod protobuf;
mod registry;
mod reload;
mod rooms;
mod schema;
mod supervise;
mod support;
