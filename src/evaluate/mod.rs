//! Evaluation of circuits: faithfulness on held-out prompts, next to baselines.

mod baselines;
mod bootstrap;
mod curve;
mod doubts;
mod effect;
mod faithfulness;
mod figures;
mod gap;
mod proportion;
mod run;
mod share;

pub use baselines::{permuted, random_connected};
pub(crate) use bootstrap::{intervals, intervals_of_sets};
pub use curve::circuits as curve_circuits;
pub use doubts::{
    CircuitRequest, accuracy_doubt, below_target, circuit_doubts, few_doubt, figure_doubts,
    is_below, prompt_doubt, random_doubt, selection_doubt,
};
pub use effect::Effect;
pub use faithfulness::{bootstrap, faithfulness};
pub use figures::{Baseline, CurvePoint, Evaluation, ExampleScores, SplitScores};
pub use gap::Gap;
pub(crate) use proportion::{paired_difference, share_interval, wilson};
pub use run::{EvaluationPlan, evaluate};
pub use share::Share;
