//! The run spec: what a `.ron` file says.

use serde::{Deserialize, Serialize};

use crate::discover::{Method, Select, Target};
use crate::engine::Ablation;
use crate::graph::Granularity;
use crate::metric::Metric;
use crate::model::PrependBos;
use crate::task::TaskSource;

/// A run spec: a task, how to find its circuit, and on which models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Version of the spec format, 1.
    pub format: u32,
    /// Name; the folder of the results.
    pub name: String,
    /// Models; each is one job.
    pub models: Vec<String>,
    /// The task.
    pub task: TaskSource,
    /// The metric.
    pub metric: Metric,
    /// What replaces a removed edge's contribution.
    pub ablation: Ablation,
    /// How the circuit is found.
    pub method: Method,
    /// What becomes a node or an edge.
    #[serde(default)]
    pub granularity: Granularity,
    /// How a circuit is selected from scores; excludes `target`.
    #[serde(default)]
    pub select: Option<Select>,
    /// The smallest circuit found that reaches this; excludes `select`.
    #[serde(default)]
    pub target: Option<Target>,
    /// The evaluation.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// Precision of the engine.
    #[serde(default)]
    pub precision: Precision,
    /// Whether text gets a beginning-of-sequence token.
    #[serde(default)]
    pub prepend_bos: PrependBos,
    /// Files written besides `circuit.ron`, `report.json`, `run.json` and `trace.jsonl`.
    #[serde(default = "default_outputs")]
    pub outputs: Vec<Output>,
}

/// How a circuit is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evaluate {
    /// Share of the examples that the search never sees; 0 evaluates on the discovery examples.
    pub held_out: f64,
    /// Whether to evaluate the ranking at ten sizes.
    pub curve: bool,
    /// Number of random circuits, and of permuted scores, to compare with.
    pub random_baselines: usize,
    /// Resamples of the bootstrap interval; 0 gives none.
    pub bootstrap: usize,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            held_out: 0.5,
            curve: true,
            random_baselines: 20,
            bootstrap: 200,
        }
    }
}

/// Precision of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Single, for work.
    #[default]
    F32,
    /// Double, for oracles and golden numbers.
    F64,
}

/// A file to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// `circuit.dot`.
    Dot,
    /// `circuit.svg`.
    Svg,
    /// `circuit.json`, EAP-IG's graph format.
    Json,
    /// `edges.csv` and, with a ranking, `curve.csv`.
    Csv,
    /// `scores.safetensors`, the scores as a matrix of writers and readers.
    Scores,
}

fn default_outputs() -> Vec<Output> {
    vec![Output::Dot, Output::Svg, Output::Json, Output::Csv]
}
