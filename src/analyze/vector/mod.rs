//! Which direction of the residual stream carries a behaviour: found, added, ablated.
//!
//! The clean prompts of a task show the behaviour, the corrupt ones do not. A vector is found on the discovery prompts, as
//! the difference of the two sets' mean streams or as the sum of what the heads that matter most write. Where and how
//! strongly it is added is chosen there too. On held-out prompts it is then added to prompts without the behaviour, and its
//! direction ablated of those with it, next to random and shuffled vectors of the same norm.

mod analysis;
mod found;
mod judge;
mod parameters;
mod report;
mod run;
mod sweep;
mod text;
mod unrelated;

pub use parameters::{Vector, VectorFrom};
pub use report::{
    HeadEffect, MetricAndAccuracy, Passage, RemainingBehaviour, Sample, SweepPoint, UnrelatedText,
    VectorReport,
};
pub use run::{FoundVector, VectorTask, find_vector};
pub use text::{
    VectorStamp, samples_text, vector_csv, vector_safetensors, vector_svg, vector_text,
};
