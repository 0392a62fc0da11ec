//! A slow evaluator on the oracle: every measurement is one plain run per example.

use secateur::engine::{Ablation, Donors};
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
            _ => Vec::new(),
        };
        let d = weights.config.d_model;
        let ablated = examples
            .iter()
            .map(|example| match ablation {
                Ablation::Patch => oracle::full_run(weights, graph, &example.corrupt).1,
                Ablation::Zero => {
                    vec![vec![vec![0.0; d]; example.clean.len()]; graph.writers().len()]
                }
                Ablation::Resample(resample) => {
                    let donors = Donors::new(examples, resample);
                    let donor = donors.of(example).expect("a donor");
                    oracle::full_run(weights, graph, &donor.clean).1
                }
                Ablation::Mean | Ablation::MeanPositional => means.clone(),
                Ablation::Optimal(_) => panic!("constants are trained; use with_constants"),
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

    /// The twin under constants, by writer, at all positions.
    pub(crate) fn with_constants(
        weights: &'a Weights<f64>,
        graph: &'a ComputationGraph,
        examples: &[Example],
        metric: Metric,
        constants: &[Vec<f64>],
    ) -> Self {
        let mut twin = Self::new(weights, graph, examples, metric, Ablation::Zero);
        for (ablated, example) in twin.ablated.iter_mut().zip(examples) {
            let at_all = |constant: &Vec<f64>| vec![constant.clone(); example.clean.len()];
            *ablated = constants.iter().map(at_all).collect();
        }
        twin
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
            .enumerate()
            .map(|(place, &at)| {
                // A teacher-forced answer has one token for each position.
                let answer = if example.teacher_forced {
                    &example.answer[place..=place]
                } else {
                    &example.answer
                };
                self.at_position((answer, &example.wrong), &logits[at], &self.full[index][at])
            })
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

    fn at_position(&self, (answer, wrong): (&[u32], &[u32]), logits: &[f64], full: &[f64]) -> f64 {
        let softmax = |logits: &[f64]| -> Vec<f64> {
            let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
            logits.iter().map(|logit| logit.exp() / total).collect()
        };
        let sum = |values: &[f64], tokens: &[u32]| -> f64 {
            tokens.iter().map(|&token| values[token as usize]).sum()
        };
        match self.metric {
            Metric::LogitDiff => {
                sum(logits, answer) / answer.len() as f64 - sum(logits, wrong) / wrong.len() as f64
            }
            Metric::ProbDiff => {
                let probs = softmax(logits);
                sum(&probs, answer) - sum(&probs, wrong)
            }
            Metric::Kl => {
                let (run, full) = (softmax(logits), softmax(full));
                -full
                    .iter()
                    .zip(&run)
                    .map(|(p, q)| p * (p / q).ln())
                    .sum::<f64>()
            }
            Metric::Nll => sum(&softmax(logits), answer).ln(),
            Metric::Mrr => {
                let mut order: Vec<usize> = (0..logits.len()).collect();
                order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
                let rank = order
                    .iter()
                    .position(|&token| answer.contains(&(token as u32)));
                1.0 / (rank.expect("an answer") + 1) as f64
            }
            Metric::L2 => -logits
                .iter()
                .zip(full)
                .map(|(run, full)| (run - full).powi(2))
                .sum::<f64>(),
            Metric::Accuracy => {
                let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let best = logits
                    .iter()
                    .position(|logit| logit.total_cmp(&largest).is_eq())
                    .expect("a vocabulary");
                if answer.contains(&(best as u32)) {
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
