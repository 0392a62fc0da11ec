//! A slow evaluator on the oracle: every measurement is one plain run per example.

use secateur::engine::Ablation;
use secateur::graph::{ComputationGraph, EdgeMask};
use secateur::metric::Metric;
use secateur::model::Weights;
use secateur::task::Example;

use crate::oracle::{self, Outputs, Rows};

/// The plain twin of `ModelEvaluator`.
pub(crate) struct Twin<'a> {
    pub weights: &'a Weights<f64>,
    pub graph: &'a ComputationGraph,
    pub examples: Vec<Example>,
    pub metric: Metric,
    ablated: Vec<Outputs>,
    full: Vec<Rows>,
}

impl<'a> Twin<'a> {
    pub(crate) fn new(
        weights: &'a Weights<f64>,
        graph: &'a ComputationGraph,
        examples: &[Example],
        metric: Metric,
        ablation: Ablation,
    ) -> Self {
        let means = match ablation {
            Ablation::Mean => oracle::means(weights, graph, examples, false),
            Ablation::MeanPositional => oracle::means(weights, graph, examples, true),
            Ablation::Patch | Ablation::Zero => Vec::new(),
        };
        let d = weights.config.d_model;
        let ablated = examples
            .iter()
            .map(|example| match ablation {
                Ablation::Patch => oracle::full_run(weights, graph, &example.corrupt).1,
                Ablation::Zero => {
                    vec![vec![vec![0.0; d]; example.clean.len()]; graph.writers().len()]
                }
                _ => means.clone(),
            })
            .collect();
        let full = examples
            .iter()
            .map(|example| oracle::full_run(weights, graph, &example.clean).0)
            .collect();
        Self {
            weights,
            graph,
            examples: examples.to_vec(),
            metric,
            ablated,
            full,
        }
    }

    /// The metric per example with edges kept in part.
    pub(crate) fn values(&self, kept: &[f64]) -> Vec<f64> {
        (0..self.examples.len())
            .map(|index| self.value(index, kept, 1.0))
            .collect()
    }

    /// The metric of one example; the token embedding lies at `point` between corrupt and clean.
    pub(crate) fn value(&self, index: usize, kept: &[f64], point: f64) -> f64 {
        self.value_with(index, kept, point, &self.ablated[index])
    }

    /// As [`Twin::value`], with other ablated outputs.
    pub(crate) fn value_with(
        &self,
        index: usize,
        kept: &[f64],
        point: f64,
        ablated: &Outputs,
    ) -> f64 {
        let example = &self.examples[index];
        let embedded = self.embedded(index, point);
        let (logits, _) = oracle::run(self.weights, self.graph, &embedded, ablated, kept);
        let total: f64 = example
            .at
            .iter()
            .map(|&at| self.at_position(example, &logits[at], &self.full[index][at]))
            .sum();
        total / example.at.len() as f64
    }

    /// What every writer writes in the full run at a point between corrupt and clean.
    pub(crate) fn outputs_between(&self, index: usize, point: f64) -> Outputs {
        let embedded = self.embedded(index, point);
        let kept = vec![1.0; self.graph.edge_count()];
        oracle::run(
            self.weights,
            self.graph,
            &embedded,
            &self.ablated[index],
            &kept,
        )
        .1
    }

    /// What every writer writes in the run of a clean prompt with edges kept in part.
    pub(crate) fn outputs_with(&self, index: usize, kept: &[f64], ablated: &Outputs) -> Outputs {
        let embedded = self.embedded(index, 1.0);
        oracle::run(self.weights, self.graph, &embedded, ablated, kept).1
    }

    fn embedded(&self, index: usize, point: f64) -> Rows {
        let example = &self.examples[index];
        let clean = oracle::embed(self.weights, &example.clean);
        let corrupt = oracle::embed(self.weights, &example.corrupt);
        clean
            .iter()
            .zip(&corrupt)
            .map(|(clean, corrupt)| {
                clean
                    .iter()
                    .zip(corrupt)
                    .map(|(a, b)| b + point * (a - b))
                    .collect()
            })
            .collect()
    }

    fn at_position(&self, example: &Example, logits: &[f64], full: &[f64]) -> f64 {
        let softmax = |logits: &[f64]| -> Vec<f64> {
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            logits.iter().map(|logit| logit.exp() / total).collect()
        };
        let sum = |values: &[f64], tokens: &[u32]| -> f64 {
            tokens.iter().map(|&token| values[token as usize]).sum()
        };
        match self.metric {
            Metric::LogitDiff => {
                sum(logits, &example.answer) / example.answer.len() as f64
                    - sum(logits, &example.wrong) / example.wrong.len() as f64
            }
            Metric::ProbDiff => {
                let probs = softmax(logits);
                sum(&probs, &example.answer) - sum(&probs, &example.wrong)
            }
            Metric::Kl => {
                let (run, full) = (softmax(logits), softmax(full));
                -full
                    .iter()
                    .zip(&run)
                    .map(|(p, q)| p * (p / q).ln())
                    .sum::<f64>()
            }
            Metric::Accuracy => {
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let best = logits
                    .iter()
                    .position(|logit| logit.total_cmp(&largest).is_eq())
                    .expect("a vocabulary");
                if example.answer.contains(&(best as u32)) {
                    1.0
                } else {
                    0.0
                }
            }
        }
    }

    pub(crate) fn circuit(&self, mask: &EdgeMask) -> Vec<f64> {
        self.values(&oracle::kept_weights(self.graph, mask))
    }

    pub(crate) fn mean(&self, mask: &EdgeMask) -> f64 {
        secateur::engine::mean(&self.circuit(mask))
    }
}
