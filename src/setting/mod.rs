//! What any work is given: a model within its bound of memory, examples that fit both, and somebody who listens.

mod bound;
mod clock;
mod deadline;
mod examples;
mod listening;
mod logits;
mod precision;
mod profile;
pub(crate) mod slips;

pub(crate) use bound::{Bound, bytes_of_tokens, cast};
pub(crate) use clock::Stopwatch;
pub(crate) use deadline::Deadline;
pub(crate) use examples::{check_rows, load_examples, misfit};
pub(crate) use listening::Listening;
pub use logits::last_logits;
pub(crate) use precision::at_precision;
pub(crate) use profile::Profile;
