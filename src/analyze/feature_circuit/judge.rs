//! A circuit of features on held-out pairs: faithfulness, completeness, and what errors and random features do instead.

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::evaluator::FeatureEvaluator;
use super::placed::SaeNodes;
use super::report::Share;
use crate::engine::{Evaluator, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::evaluate::{Gap, faithfulness};
use crate::events::{Event, Observer, phase};
use crate::graph::EdgeMask;
use crate::metric::Metric;
use crate::model::Real;

/// A circuit by node.
pub(super) type Nodes = Vec<bool>;

/// Judges circuits on some pairs.
pub(super) struct Judge<'j, 'e, 'a, T> {
    pub evaluator: &'j FeatureEvaluator<'e, 'a, T>,
    pub placements: &'j SaeNodes<T>,
    pub metric: Metric,
    pub bootstrap: usize,
    pub observer: &'j dyn Observer,
}

/// The figures of a circuit.
pub(super) struct EvaluatedCircuit {
    /// Metric of the full model, with all nodes replaced, and of the circuit.
    pub metric: [f64; 3],
    /// That the first two are too close to take shares of their difference.
    pub gap_doubt: Option<String>,
    pub accuracy: [Effect; 2],
    /// By how much the circuit's is below the full model's, example by example.
    pub accuracy_lost: Vec<f64>,
    pub faithfulness: Share,
    pub without_errors: Share,
    pub errors_alone: Share,
    pub all_features: Share,
    pub complement: Share,
    pub random: Vec<f64>,
}

impl<T: Real> Judge<'_, '_, '_, T> {
    /// The figures of a circuit; random features are drawn from those that are not `silent`.
    pub(super) fn judge(
        &self,
        circuit: &Nodes,
        silent: &[bool],
        random: usize,
    ) -> Result<EvaluatedCircuit> {
        let errors = self.errors();
        let both = |one: &Nodes, keep: &dyn Fn(usize) -> bool| -> Nodes {
            one.iter()
                .enumerate()
                .map(|(at, &it)| it && keep(at))
                .collect()
        };
        let all = vec![true; circuit.len()];
        let circuits = [
            all.clone(),
            vec![false; circuit.len()],
            circuit.clone(),
            both(circuit, &|node| !errors[node]),
            both(circuit, &|node| errors[node]),
            both(&all, &|node| !errors[node]),
            both(&all, &|node| !circuit[node]),
        ];
        let values = self.measure("the circuit on held-out pairs", self.metric, &circuits)?;
        let ends = [&values[0][..], &values[1][..]];
        let share = |values: &[f64]| Share::of(values, ends, self.bootstrap);
        let sets: Vec<Nodes> = (0..random as u64)
            .map(|seed| self.alike(circuit, silent, seed))
            .collect();
        let sets = self.measure("random features", self.metric, &sets)?;
        let random = sets
            .iter()
            .filter_map(|values| faithfulness(mean(values), mean(ends[0]), mean(ends[1])));
        let whole = [circuits[0].clone(), circuits[2].clone()];
        let accuracy = self.measure("accuracy", Metric::Accuracy, &whole)?;
        Ok(EvaluatedCircuit {
            gap_doubt: Gap {
                with: ("the full model", ends[0]),
                without: ("the model with all nodes ablated", ends[1]),
                paired: true,
            }
            .doubt("faithfulness"),
            metric: [0, 1, 2].map(|index: usize| mean(&values[index])),
            accuracy: [0, 1].map(|index: usize| Effect::share(&accuracy[index])),
            accuracy_lost: accuracy[0]
                .iter()
                .zip(&accuracy[1])
                .map(|(full, circuit)| full - circuit)
                .collect(),
            faithfulness: share(&values[2]),
            without_errors: share(&values[3]),
            errors_alone: share(&values[4]),
            all_features: share(&values[5]),
            complement: share(&values[6]),
            random: random.collect(),
        })
    }

    /// The drop of the metric when each of some nodes alone is replaced.
    pub(super) fn effects(&self, nodes: &[usize]) -> Result<Vec<Effect>> {
        let all = vec![true; self.placements.nodes()];
        let mut circuits = vec![all.clone()];
        for &node in nodes {
            let mut without = all.clone();
            without[node] = false;
            circuits.push(without);
        }
        let values = self.measure("exact effects", self.metric, &circuits)?;
        let effect = |without: &Vec<f64>| {
            let drops: Vec<f64> = values[0].iter().zip(without).map(|(a, b)| a - b).collect();
            Effect::of_change(self.metric, &drops, self.bootstrap)
        };
        Ok(values[1..].iter().map(effect).collect())
    }

    /// A metric of circuits, `[circuits][examples]`.
    fn measure(&self, what: &str, metric: Metric, circuits: &[Nodes]) -> Result<Vec<Vec<f64>>> {
        phase(self.observer, what, circuits.len() as u64);
        let graph = self.evaluator.graph();
        let mut values = Vec::with_capacity(circuits.len());
        for circuits in circuits.chunks(self.evaluator.batch()) {
            if self.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let masks: Vec<EdgeMask> = circuits
                .iter()
                .map(|nodes| EdgeMask::from_edges(graph, (0..nodes.len()).filter(|&it| nodes[it])))
                .collect();
            values.extend(self.evaluator.measure_metric(metric, &masks)?);
            self.observer.event(Event::Step {
                done: values.len() as u64,
                note: String::new(),
            });
        }
        Ok(values)
    }

    /// Which nodes are errors.
    fn errors(&self) -> Nodes {
        let mut errors = vec![false; self.placements.nodes()];
        for index in 0..self.placements.all().len() {
            errors[self.placements.error(index)] = true;
        }
        errors
    }

    /// The errors of a circuit, with as many random features of each autoencoder as it has, none of them silent as long as
    /// there are others.
    fn alike(&self, circuit: &Nodes, silent: &[bool], seed: u64) -> Nodes {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = vec![false; circuit.len()];
        for index in 0..self.placements.all().len() {
            let (first, error) = (self.placements.first(index), self.placements.error(index));
            drawn[error] = circuit[error];
            let kept = (first..error).filter(|&node| circuit[node]).count();
            let (active, others): (Vec<usize>, Vec<usize>) =
                (first..error).partition(|&node| !silent[node]);
            let from_active = kept.min(active.len());
            for at in sample(&mut rng, active.len(), from_active) {
                drawn[active[at]] = true;
            }
            for &node in others.iter().take(kept - from_active) {
                drawn[node] = true;
            }
        }
        drawn
    }
}
