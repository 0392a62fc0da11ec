//! What an evaluation says about a circuit: plain numbers, no behaviour.

use serde::Serialize;

/// Scores of a circuit on the two splits of its task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// On prompts that the search never saw; on the discovery prompts when `held_out` is 0.
    pub held_out: SplitScores,
    /// On the prompts of the search.
    pub discovery: SplitScores,
    /// Edges of the circuit.
    pub edges_kept: usize,
    /// Edges of the full graph.
    pub edges_total: usize,
    /// Writers of the circuit, `input` included, `logits` not.
    pub nodes_kept: usize,
    /// Writers of the full graph.
    pub nodes_total: usize,
    /// Decisions of a search that were closer to its threshold than 1e-5 of the metric's range.
    pub near_ties: usize,
}

/// Scores on one split. Undefined figures are `None`, `null` in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SplitScores {
    /// Number of examples.
    pub examples: usize,
    /// Metric of the full model, mean over examples.
    pub metric_full: f64,
    /// Metric with every edge ablated.
    pub metric_empty: f64,
    /// Metric of the circuit.
    pub metric_circuit: f64,
    /// (circuit - empty) / (full - empty), a ratio of means; `None` where |full - empty| < 1e-6.
    pub faithfulness: Option<f64>,
    /// 95 % bootstrap interval of `faithfulness` over examples.
    pub faithfulness_interval: Option<[f64; 2]>,
    /// Share of examples whose argmax is an answer, full model.
    pub accuracy_full: Option<f64>,
    /// Its 95 % interval, by Wilson.
    pub accuracy_full_interval: Option<[f64; 2]>,
    /// The same for the circuit.
    pub accuracy_circuit: Option<f64>,
    /// Its 95 % interval.
    pub accuracy_circuit_interval: Option<[f64; 2]>,
    /// KL(full model || circuit), mean over examples, in nats.
    pub kl_circuit: Option<f64>,
    /// Circuits by size, of the edges with the largest `|score|` first, where the method gives a ranking.
    pub curve: Option<Vec<CurvePoint>>,
    /// The same of the edges with the largest score first: edges that hurt come last.
    pub curve_signed: Option<Vec<CurvePoint>>,
    /// Area under the faithfulness of `curve_signed` (MIB's CPR).
    pub cpr: Option<f64>,
    /// 95 % bootstrap interval of `cpr` over examples.
    pub cpr_interval: Option<[f64; 2]>,
    /// Area between 1 and the faithfulness of `curve` (MIB's CMD).
    pub cmd: Option<f64>,
    /// 95 % bootstrap interval of `cmd` over examples.
    pub cmd_interval: Option<[f64; 2]>,
    /// Random connected circuits of the same number of edges.
    pub random: Option<Baseline>,
    /// Circuits of the same number of edges from permuted scores.
    pub permuted: Option<Baseline>,
    /// What the means are of: one entry an example, in order.
    #[serde(skip)]
    pub each: Vec<ExampleScores>,
}

/// The metric and the accuracy of one example, with every edge and with the circuit's alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExampleScores {
    /// Metric of the full model.
    pub metric_full: f64,
    /// Metric with every edge ablated.
    pub metric_empty: f64,
    /// Metric of the circuit.
    pub metric_circuit: f64,
    /// Share of the scored positions at which the full model's argmax is an answer.
    pub accuracy_full: f64,
    /// The same for the circuit.
    pub accuracy_circuit: f64,
}

/// One size on a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Share of the graph's edges asked for.
    pub share: f64,
    /// Edges left after dangling parts are dropped.
    pub edges: usize,
    /// Faithfulness of that circuit.
    pub faithfulness: Option<f64>,
    /// 95 % bootstrap interval of `faithfulness` over examples; the resamples are the same at every size.
    pub interval: Option<[f64; 2]>,
    /// Share of examples whose argmax is an answer.
    pub accuracy: f64,
    /// Its 95 % interval, by Wilson.
    pub accuracy_interval: [f64; 2],
    /// KL(full model || circuit), mean over examples, in nats.
    pub kl: f64,
}

/// Faithfulness of baseline circuits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// Mean faithfulness.
    pub mean: f64,
    /// Largest faithfulness.
    pub max: f64,
    /// Faithfulness of each baseline circuit.
    pub values: Vec<f64>,
}
