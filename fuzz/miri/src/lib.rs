//! The files of the runner that have `unsafe`, alone, so that Miri runs their tests without building everything else.

#[path = "../../../src/event/json/block.rs"]
pub mod block;
