//! All neurons of a model on the discovery prompts, in one pass.

use rayon::prelude::*;

use super::parameters::{Neurons, Pool};
use super::statistics::{Association, holm};
use super::task::{Contrast, ContrastSets, NeuronTask};
use crate::engine::{Ablation, HiddenUnits, Transformer};
use crate::error::Result;
use crate::events::{Observer, phase};
use crate::model::{ModelConfig, Real};
use crate::task::Example;

/// A neuron: layer and number of the hidden unit.
pub(super) type Unit = (usize, usize);

/// Every neuron's figures, `[n_layers][d_mlp]`.
pub(super) struct Screen {
    /// Mean activation over all prompts and positions.
    pub means: Vec<Vec<f64>>,
    /// What attribution compares activations with, and what takes their place where that is one value for all prompts:
    /// `[n_layers][d_mlp]`, or `[n_layers][positions, d_mlp]`.
    pub reference: Vec<Vec<f64>>,
    pub associations: Vec<Vec<Association>>,
    /// First-order estimate of the effect of replacing the neuron.
    pub attributions: Vec<Vec<f64>>,
}

impl Screen {
    /// Screens the neurons on the discovery prompts of both kinds.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass over all prompts, and one with a backward pass over those that show the behaviour; over texts that
    /// is over all of them.
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        task: &NeuronTask<'_>,
        question: &Neurons,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let sides = task.discovery;
        let sequences = sides.prompts();
        phase(observer, "activations", sequences.len() as u64);
        let mut pooled = Pooled::new(transformer, sides, question);
        transformer.hidden_units(&sequences, observer, |units| pooled.add(units))?;
        let reference = pooled.reference();
        let attribution = |examples: &[Example]| {
            phase(observer, "attribution of neurons", examples.len() as u64);
            transformer.hidden_attribution(examples, task.metric, &reference, observer)
        };
        let mut attributions = attribution(&sides.behaviour)?;
        if task.compared == Contrast::Texts {
            let other = attribution(&sides.other)?;
            let values = attributions.iter_mut().flatten();
            for (value, other) in values.zip(other.iter().flatten()) {
                *value -= other;
            }
        }
        Ok(Self {
            means: pooled.means(),
            reference,
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

/// Bytes that screening these prompts takes besides its runs.
pub(super) fn bytes<T: Real>(
    config: &ModelConfig,
    sides: &ContrastSets,
    question: &Neurons,
) -> usize {
    let neurons = config.n_layers * config.d_mlp;
    let pooled = sides.all().count() * size_of::<T>();
    let sums = positions(sides, question) * size_of::<f64>();
    neurons * (pooled + 2 * sums + size_of::<Association>() + 4 * size_of::<f64>())
}

/// Positions that means are told apart by.
fn positions(sides: &ContrastSets, question: &Neurons) -> usize {
    match question.ablation {
        Ablation::MeanPositional => sides.longest().max(1),
        _ => 1,
    }
}

/// One number per prompt and neuron.
struct Pooled<T> {
    pool: Pool,
    ablation: Ablation,
    /// The position that is taken of each prompt under [`Pool::Scored`].
    read: Vec<usize>,
    /// `[n_layers][prompts * d_mlp]`: of the prompts that show the behaviour, then of the others.
    values: Vec<Vec<T>>,
    /// Sums over all prompts, `[n_layers][positions, d_mlp]`, or over their positions too.
    sums: Vec<Vec<f64>>,
    /// How many rows each of these sums is over.
    counts: Vec<f64>,
    d_mlp: usize,
    /// Number of prompts that show the behaviour.
    behaviour: usize,
}

impl<T: Real> Pooled<T> {
    fn new(transformer: &Transformer<'_, T>, sides: &ContrastSets, question: &Neurons) -> Self {
        let config = transformer.config();
        let d_mlp = config.d_mlp;
        let positions = positions(sides, question);
        let mut counts = vec![0.0; positions];
        for prompt in sides.prompts() {
            for position in 0..prompt.len() {
                counts[if positions > 1 { position } else { 0 }] += 1.0;
            }
        }
        let last = |example: &Example| example.at.last().copied().unwrap_or(0);
        let read: Vec<usize> = sides.all().map(last).collect();
        Self {
            pool: question.pool,
            ablation: question.ablation,
            values: vec![vec![T::ZERO; read.len() * d_mlp]; config.n_layers],
            sums: vec![vec![0.0; positions * d_mlp]; config.n_layers],
            counts,
            d_mlp,
            read,
            behaviour: sides.behaviour.len(),
        }
    }

    fn add(&mut self, shown: &HiddenUnits<'_, T>) {
        let (sums, d_mlp) = (&mut self.sums[shown.layer], self.d_mlp);
        let by_position = self.counts.len() > 1;
        for rows in shown.rows {
            let units = &shown.units[rows.start * d_mlp..rows.end * d_mlp];
            for (position, row) in units.chunks_exact(d_mlp).enumerate() {
                let from = if by_position { position * d_mlp } else { 0 };
                for (sum, value) in sums[from..from + d_mlp].iter_mut().zip(row) {
                    *sum += value.to_f64();
                }
            }
        }
        for (sequence, rows) in (shown.sequences.0..).zip(shown.rows) {
            let units = &shown.units[rows.start * d_mlp..rows.end * d_mlp];
            let target = &mut self.values[shown.layer][sequence * d_mlp..(sequence + 1) * d_mlp];
            let read = self.read[sequence] * d_mlp;
            match self.pool {
                Pool::Scored => target.copy_from_slice(&units[read..read + d_mlp]),
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

    /// Means over all prompts and positions.
    fn means(&self) -> Vec<Vec<f64>> {
        let total: f64 = self.counts.iter().sum();
        let mean = |sums: &Vec<f64>| {
            let mut means = vec![0.0; self.d_mlp];
            for row in sums.chunks_exact(self.d_mlp) {
                for (mean, sum) in means.iter_mut().zip(row) {
                    *mean += sum / total;
                }
            }
            means
        };
        self.sums.iter().map(mean).collect()
    }

    /// What attribution compares activations with: an estimate of what the ablation puts in their place.
    fn reference(&self) -> Vec<Vec<f64>> {
        match self.ablation {
            Ablation::Zero => vec![vec![0.0; self.d_mlp]; self.sums.len()],
            Ablation::MeanPositional => {
                let mean = |sums: &Vec<f64>| {
                    let rows = sums.chunks_exact(self.d_mlp).zip(&self.counts);
                    rows.flat_map(|(row, count)| row.iter().map(move |sum| sum / count))
                        .collect()
                };
                self.sums.iter().map(mean).collect()
            }
            _ => self.means(),
        }
    }

    fn associations(&self) -> Vec<Vec<Association>> {
        let of = |values: &[T], neuron: usize| {
            let own: Vec<f64> = values
                .chunks_exact(self.d_mlp)
                .map(|row| row[neuron].to_f64())
                .collect();
            Association::of(&own[..self.behaviour], &own[self.behaviour..])
        };
        let mut found: Vec<Vec<Association>> = self
            .values
            .iter()
            .map(|values| {
                let neurons = (0..self.d_mlp).into_par_iter();
                neurons.map(|neuron| of(values, neuron)).collect()
            })
            .collect();
        let p: Vec<f64> = found.iter().flatten().map(|it| it.p).collect();
        for (association, p) in found.iter_mut().flatten().zip(holm(&p)) {
            association.p_corrected = p;
        }
        found
    }
}
