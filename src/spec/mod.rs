//! Run specs in RON: types, parsing, checks, mistakes with their place.

mod check;
mod files;
mod order;
mod parse;
mod position;
mod types;

pub use crate::ron_line::{ron_line, ron_text};
pub(crate) use check::model_key;
pub use check::{check_analysis, check_models};
pub use files::{SpecFile, SpecSet, read_specs, spec_files};
pub use parse::{check_any_spec, check_spec, parse_spec};
pub use types::{AnalysisSpec, Evaluate, Output, RunSpec, Spec};
