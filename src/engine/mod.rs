//! The forward pass, its vector-Jacobian product, caches, and ablated and incremental runs.
//!
//! A [`Transformer`] is a model at a granularity; a [`ModelEvaluator`] runs it on examples and answers what a
//! search asks through the [`Evaluator`] trait.

mod ablated;
mod ablation;
mod activation_path;
mod attention;
mod attribution;
mod backward;
mod base;
mod chunk;
mod chunks;
mod copying;
mod dense;
mod differing;
mod divergence;
mod evaluator;
mod forward;
mod generate;
mod hidden;
mod incremental;
mod intervention;
mod jacobian;
mod kernels;
mod layout;
mod logit_direction;
mod made;
mod means;
mod memory;
mod optimal;
mod part;
mod patterns;
mod precision;
mod readout;
mod replaced;
mod rerun;
mod resample;
mod residual;
mod restored;
mod resume;
mod row_spans;
mod sensitivity;
mod session;
mod site;
mod splice;
mod steer;
mod streams;
mod sums;
pub mod timing;
mod token_vector;
mod transformer;
mod values;

pub use ablation::{Ablation, Optimal, Resample};
pub use dense::Dense;
pub use evaluator::{Evaluator, mean};
pub use generate::Continuation;
pub use hidden::HiddenUnits;
pub use logit_direction::LogitDirection;
pub use patterns::Pattern;
pub use replaced::{PromptRun, Replaced, Substitute};
pub use rerun::{Overwrite, Prompt, Rerun};
pub use resample::Donors;
pub use residual::Residuals;
pub use restored::BlockPart;
pub use resume::Resumable;
pub use sensitivity::Sensitivity;
pub use session::ModelEvaluator;
pub use site::Rewriting;
pub use splice::{RowPlaces, Splice, Spliced, Start, Taped};
pub use steer::{AddAt, HeadShape, Steering};
pub use streams::{Looked, Part, Place};
pub use token_vector::TokenVector;
pub use transformer::Transformer;
pub use values::AblationValues;

pub use crate::graph::Representation;

/// Examples whose values are summed as one block, and the unit in which examples are grouped.
pub(crate) const BLOCK: usize = 16;
pub use precision::Precision;
