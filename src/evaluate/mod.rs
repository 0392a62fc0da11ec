//! Evaluation of circuits: faithfulness on held-out prompts, next to baselines.

mod figures;

pub use figures::{Baseline, CurvePoint, Evaluation, Figures};
