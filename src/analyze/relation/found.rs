//! The linear map of a relation: mean Jacobian and mean bias of some subjects, at every layer at once.

use super::known::SubjectRuns;
use crate::analyze::random::norm_of;
use crate::engine::Dense;
use crate::error::Result;
use crate::events::{Event, Observer, phase};
use crate::model::Real;

/// A linear map from the stream at a subject to the one at the prompt's end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LinearMap {
    /// The layer after which subjects are taken.
    pub layer: usize,
    /// `[outputs, inputs]`, both `d_model`.
    pub weight: Vec<f64>,
    /// `[d_model]`.
    pub bias: Vec<f64>,
}

impl LinearMap {
    /// The maps of some layers by the prompts of some subjects.
    ///
    /// # Complexity
    /// A backward pass of `d_model` outputs for each subject.
    pub(super) fn all<T: Real>(
        known: &SubjectRuns<'_, '_, T>,
        layers: &[usize],
        observer: &dyn Observer,
    ) -> Result<Vec<Self>> {
        let count = known.len();
        phase(observer, "Jacobians", count as u64);
        let d_model = known.d_model();
        let mut maps: Vec<Self> = layers
            .iter()
            .map(|&layer| Self {
                layer,
                weight: vec![0.0; d_model * d_model],
                bias: vec![0.0; d_model],
            })
            .collect();
        let share = 1.0 / count as f64;
        for subject in 0..count {
            let object = known.object(subject);
            let place = known.place(subject);
            let add = |layer: usize, first: usize, rows: &[T]| {
                let Some(map) = maps.iter_mut().find(|map| map.layer == layer) else {
                    return;
                };
                let stream = known.stream(layer, subject);
                for (index, row) in rows.chunks_exact(d_model).enumerate() {
                    let output = first + index;
                    let weight = &mut map.weight[output * d_model..(output + 1) * d_model];
                    let mut product = 0.0;
                    for ((sum, &slope), &value) in weight.iter_mut().zip(row).zip(stream) {
                        *sum += share * slope.to_f64();
                        product += slope.to_f64() * value.to_f64();
                    }
                    map.bias[output] += share * (object[output].to_f64() - product);
                }
            };
            known.runs.jacobians(place, layers, observer, add)?;
            observer.event(Event::Step {
                done: subject as u64 + 1,
                note: String::new(),
            });
        }
        Ok(maps)
    }

    /// `W s` for rows `s`, `[rows, d_model]`.
    pub(super) fn products(&self, rows: &[f64]) -> Vec<f64> {
        let d_model = self.bias.len();
        let weight = Dense::new(&self.weight, d_model).transposed();
        Dense::new(rows, d_model).times(weight)
    }

    /// `beta W s + b` of the products `W s`.
    pub(super) fn decoded<T: Real>(&self, products: &[f64], beta: f64) -> Vec<T> {
        let rows = products.chunks_exact(self.bias.len());
        let values = rows.flat_map(|row| row.iter().zip(&self.bias));
        values
            .map(|(product, bias)| T::from_f64(beta * product + bias))
            .collect()
    }

    /// The Frobenius norm of `W`.
    pub(super) fn norm(&self) -> f64 {
        norm_of(&self.weight)
    }
}
