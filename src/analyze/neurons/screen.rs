//! All neurons of a model on the discovery prompts, in one pass.

use rayon::prelude::*;

use super::parameters::{Neurons, Pool};
use super::statistics::{Association, holm};
use crate::engine::{Ablation, HiddenUnits, Transformer};
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// A neuron: layer and number of the hidden unit.
pub(super) type Unit = (usize, usize);

/// Every neuron's figures, `[n_layers][d_mlp]`.
pub(super) struct Screen {
    /// Mean activation over all prompts and positions.
    pub means: Vec<Vec<f64>>,
    pub associations: Vec<Vec<Association>>,
    /// First-order estimate of the effect of replacing the neuron.
    pub attributions: Vec<Vec<f64>>,
}

impl Screen {
    /// Screens the neurons on clean and corrupt prompts.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// Three forward passes and one backward pass.
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        metric: Metric,
        question: &Neurons,
        observer: &dyn Observer,
    ) -> Result<Self> {
        phase(observer, "activations", 2 * examples.len() as u64);
        let mut pooled = Pooled::new(transformer, examples, question.pool);
        let sequences: Vec<&[u32]> = prompts(examples).collect();
        transformer.hidden_units(&sequences, observer, |units| pooled.add(units))?;
        phase(observer, "attribution of neurons", examples.len() as u64);
        let reference = match question.ablation {
            Ablation::Zero => zeros(&pooled.sums),
            _ => pooled.means(),
        };
        let attributions =
            transformer.hidden_attribution(examples, metric, &reference, observer)?;
        Ok(Self {
            means: pooled.means(),
            associations: pooled.associations(),
            attributions,
        })
    }

    /// Number of neurons whose activation goes with the behaviour.
    pub(super) fn correlated(&self) -> usize {
        let all = self.associations.iter().flatten();
        all.filter(|association| association.is_significant())
            .count()
    }

    /// Number of neurons.
    pub(super) fn len(&self) -> usize {
        self.means.iter().map(Vec::len).sum()
    }

    /// The neurons with the largest `|attribution|`, and those with the largest `|correlation|`, each once.
    pub(super) fn candidates(&self, top: usize) -> Vec<Unit> {
        let units: Vec<Unit> = self
            .means
            .iter()
            .enumerate()
            .flat_map(|(layer, means)| (0..means.len()).map(move |neuron| (layer, neuron)))
            .collect();
        let best = |size: &dyn Fn(Unit) -> f64| {
            let mut order = units.clone();
            order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
            order.truncate(top);
            order
        };
        let mut chosen = best(&|(layer, neuron)| self.attributions[layer][neuron].abs());
        for unit in best(&|(layer, neuron)| self.associations[layer][neuron].correlation.abs()) {
            if !chosen.contains(&unit) {
                chosen.push(unit);
            }
        }
        chosen
    }
}

/// The clean prompts, then the corrupt ones.
pub(super) fn prompts(examples: &[Example]) -> impl Iterator<Item = &[u32]> {
    let clean = examples.iter().map(|example| &example.clean[..]);
    clean.chain(examples.iter().map(|example| &example.corrupt[..]))
}

fn zeros(like: &[Vec<f64>]) -> Vec<Vec<f64>> {
    like.iter().map(|row| vec![0.0; row.len()]).collect()
}

/// One number per prompt and neuron.
struct Pooled<T> {
    pool: Pool,
    /// The position that is taken of each prompt under [`Pool::Read`].
    read: Vec<usize>,
    /// `[n_layers][prompts * d_mlp]`: those of the clean prompts, then those of the corrupt ones.
    values: Vec<Vec<T>>,
    /// Sums over all prompts and positions.
    sums: Vec<Vec<f64>>,
    /// Positions of all prompts.
    positions: usize,
}

impl<T: Real> Pooled<T> {
    fn new(transformer: &Transformer<'_, T>, examples: &[Example], pool: Pool) -> Self {
        let config = transformer.config();
        let d_mlp = if config.has_mlps() { config.d_mlp } else { 0 };
        let last = |example: &Example| example.at.last().copied().unwrap_or(0);
        let read: Vec<usize> = examples.iter().chain(examples).map(last).collect();
        Self {
            pool,
            values: vec![vec![T::ZERO; read.len() * d_mlp]; config.n_layers],
            sums: vec![vec![0.0; d_mlp]; config.n_layers],
            positions: prompts(examples).map(<[u32]>::len).sum(),
            read,
        }
    }

    fn add(&mut self, shown: &HiddenUnits<'_, T>) {
        let sums = &mut self.sums[shown.layer];
        let d_mlp = sums.len();
        if d_mlp == 0 {
            return;
        }
        for row in shown.units.chunks_exact(d_mlp) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value.to_f64();
            }
        }
        for (sequence, rows) in (shown.sequences.0..).zip(shown.rows) {
            let units = &shown.units[rows.start * d_mlp..rows.end * d_mlp];
            let target = &mut self.values[shown.layer][sequence * d_mlp..(sequence + 1) * d_mlp];
            let read = self.read[sequence] * d_mlp;
            match self.pool {
                Pool::Read => target.copy_from_slice(&units[read..read + d_mlp]),
                Pool::Max => {
                    target.copy_from_slice(&units[..d_mlp]);
                    for row in units.chunks_exact(d_mlp) {
                        for (target, &value) in target.iter_mut().zip(row) {
                            *target = target.max(value);
                        }
                    }
                }
                Pool::Mean => {
                    let share = T::from_f64(1.0 / rows.len() as f64);
                    for row in units.chunks_exact(d_mlp) {
                        for (target, &value) in target.iter_mut().zip(row) {
                            *target += share * value;
                        }
                    }
                }
            }
        }
    }

    fn means(&self) -> Vec<Vec<f64>> {
        let mean = |sum: &f64| sum / self.positions as f64;
        let layers = self.sums.iter();
        layers.map(|sums| sums.iter().map(mean).collect()).collect()
    }

    fn associations(&self) -> Vec<Vec<Association>> {
        let half = self.read.len() / 2;
        let of = |values: &[T], d_mlp: usize, neuron: usize| {
            let own: Vec<f64> = values
                .chunks_exact(d_mlp)
                .map(|row| row[neuron].to_f64())
                .collect();
            Association::of(&own[..half], &own[half..])
        };
        let mut found: Vec<Vec<Association>> = self
            .values
            .iter()
            .zip(&self.sums)
            .map(|(values, sums)| {
                let neurons = (0..sums.len()).into_par_iter();
                neurons
                    .map(|neuron| of(values, sums.len(), neuron))
                    .collect()
            })
            .collect();
        let p: Vec<f64> = found.iter().flatten().map(|it| it.p).collect();
        for (association, p) in found.iter_mut().flatten().zip(holm(&p)) {
            association.p_corrected = p;
        }
        found
    }
}
