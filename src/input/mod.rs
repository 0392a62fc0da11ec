//! Files that are read: what holds for all of them, whatever their format.

mod json;
mod text;

pub(crate) use text::{json, text, without_bom};
