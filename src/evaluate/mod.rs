//! Evaluation of circuits: faithfulness on held-out prompts, next to baselines.

mod baselines;
mod bootstrap;
mod curve;
mod faithfulness;
mod figures;
mod run;

pub use baselines::{permuted, random_connected};
pub(crate) use bootstrap::{intervals, intervals_of_sets};
pub use curve::circuits as curve_circuits;
pub use faithfulness::{bootstrap, faithfulness};
pub use figures::{Baseline, CurvePoint, Evaluation, ExampleFigures, Figures};
pub use run::{EvaluationPlan, evaluate};
