//! The forward pass, its vector-Jacobian product, caches, and ablated and incremental runs.
//!
//! A [`Transformer`] is a model at a granularity; a [`ModelEvaluator`] runs it on examples and answers what a
//! search asks through the [`Evaluator`] trait.

mod circuit;
mod kernels;
mod pass;
mod rerun;

pub use circuit::ablation::{Ablation, Optimal, Resample};
pub use circuit::evaluator::{Evaluator, mean};
pub use circuit::resample::Donors;
pub use circuit::session::ModelEvaluator;
pub use circuit::values::AblationValues;
pub use pass::changes::{RowPlaces, Splice};
pub use pass::dense::Dense;
pub use pass::generate::Continuation;
pub use pass::hidden::HiddenUnits;
pub use pass::logit_direction::LogitDirection;
pub use pass::patterns::Pattern;
pub use pass::precision::Precision;
pub use pass::residual::Residuals;
pub use pass::sensitivity::Sensitivity;
pub use pass::site_gradients::Start;
pub use pass::steering::{AddAt, Rewriting, Steering};
pub use pass::streams::{Component, SequencePositions, StreamSite};
pub use pass::timing;
pub use pass::token_vector::TokenVector;
pub use pass::transformer::Transformer;
pub use rerun::overwritten::{Overwrite, Prompt, Rerun};
pub use rerun::replaced::{PromptRun, Replaced, Substitute};
pub use rerun::restored::BlockPart;
pub use rerun::resume::Resumable;
pub use rerun::splice::{Spliced, Taped};
pub use rerun::steer::HeadShape;

pub use crate::graph::Representation;

/// Examples whose values are summed as one block, and the unit in which examples are grouped.
pub(crate) const BLOCK: usize = 16;
