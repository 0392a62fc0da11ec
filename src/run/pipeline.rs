//! One job without files: model and examples in, circuit and its evaluation out.

use crate::discover::Decision;
use crate::error::{Error, Result};
use crate::evaluate::Evaluation;
use crate::events::Observer;
use crate::graph::{Circuit, ComputationGraph};
use crate::model::LoadedModel;
use crate::spec::RunSpec;
use crate::task::Dataset;

/// What a job found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The graph the circuit is a part of.
    pub graph: ComputationGraph,
    /// The circuit, with the scores of all edges where the method gives them.
    pub circuit: Circuit,
    /// Figures on both splits.
    pub evaluation: Evaluation,
    /// The decisions of a step-wise search, one per edge, in order.
    pub trace: Option<Vec<Decision>>,
    /// False when the spec has a target that the circuit does not reach on the discovery split.
    pub target_reached: bool,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// Finds and evaluates the circuit a spec asks for.
///
/// # Errors
/// When the data does not fit the model, a number is not finite, or the observer interrupts.
pub fn find_circuit(
    _spec: &RunSpec,
    _model: &LoadedModel,
    _dataset: &Dataset,
    _observer: &dyn Observer,
) -> Result<Outcome> {
    Err(Error::Bug("not written yet".into()))
}

/// Evaluates a given circuit on a spec's task.
///
/// # Errors
/// As [`find_circuit`].
pub fn evaluate_circuit(
    _spec: &RunSpec,
    _model: &LoadedModel,
    _dataset: &Dataset,
    _graph: &ComputationGraph,
    _circuit: &Circuit,
    _observer: &dyn Observer,
) -> Result<Evaluation> {
    Err(Error::Bug("not written yet".into()))
}

/// The logits at the last position of each row of tokens, `[rows, d_vocab]`.
///
/// # Errors
/// When a token is outside the vocabulary or a row is too long.
pub fn last_logits(_model: &LoadedModel, _rows: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
    Err(Error::Bug("not written yet".into()))
}
