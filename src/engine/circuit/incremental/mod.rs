//! Ablated runs of many circuits at once, each recomputing only what differs from a cached base.
//!
//! A variant is a circuit run on the same rows as the base. A reader is dirty in a variant when its kept writers
//! differ from the base's where that matters, or when a kept writer is dirty; a writer is dirty when a reader it
//! is computed from is. Only dirty parts with a kept path to `logits` are computed. Examples for which a part is not dirty keep
//! the base's values to the last bit, so that no example's result depends on the others.

mod attention;
mod inputs;
mod post_norm;
mod rebase;
mod sum;
mod variant;

use rayon::prelude::*;

pub(crate) use self::post_norm::NormedHeads;
pub(crate) use self::rebase::Recording;

use self::inputs::{Input, Place, distinct_inputs};
use self::rebase::Patch;
use self::variant::Variant;
use super::base::{Base, Frame};
use crate::engine::kernels::rows;
use crate::graph::EdgeMask;
use crate::model::Real;

/// Kept writers up to which a reader's input is summed afresh, which costs little and cancels nothing.
const FEW_WRITERS: usize = 16;

impl<T: Real> Frame<'_, T> {
    /// The final stream of each circuit at the rows read, `[reads, d_model]`.
    pub(crate) fn run_circuits(&self, base: &Base<T>, circuits: &[EdgeMask]) -> Vec<Vec<T>> {
        self.run_variants(base, circuits, false).1
    }

    /// Runs the circuits; with `record`, keeps their new activations as patches of the base.
    fn run_variants<'m>(
        &self,
        base: &Base<T>,
        circuits: &'m [EdgeMask],
        record: bool,
    ) -> (Vec<Variant<'m, T>>, Vec<Vec<T>>) {
        let mut variants: Vec<_> = circuits.iter().map(|mask| self.variant(mask)).collect();
        for layer in 0..self.transformer.config().n_layers {
            self.attention_place(base, &mut variants, layer, record);
            self.mlp_place(base, &mut variants, layer, record);
        }
        let place = Place {
            index: 2 * self.transformer.config().n_layers,
            reads_only: true,
        };
        let reader = self.transformer.graph().readers().len() - 1;
        let inputs: Vec<Input<()>> = (0..variants.len())
            .map(|variant| Input {
                variant,
                reader,
                ports: Vec::new(),
            })
            .collect();
        let stacked = self.stack(base, &variants, place, &inputs);
        let each = self.layout.query_rows(true) * self.transformer.config().d_model;
        let finals = stacked.chunks(each.max(1)).map(<[T]>::to_vec).collect();
        (variants, finals)
    }

    fn mlp_place(
        &self,
        base: &Base<T>,
        variants: &mut [Variant<'_, T>],
        layer: usize,
        record: bool,
    ) {
        let transformer = self.transformer;
        let wiring = &transformer.layers[layer];
        let spans = transformer.graph().span_count();
        let place = Place {
            index: 2 * layer + 1,
            reads_only: transformer.reads_only(layer),
        };
        let Some(reader) = wiring.mlp else {
            return;
        };
        let inputs = distinct_inputs(base, variants, &[(reader, ())]);
        if inputs.is_empty() {
            return;
        }
        let Some(mlp) = transformer.weights.mlp(layer) else {
            return;
        };
        let stacked = self.stack(base, variants, place, &inputs);
        let normed = transformer.norm(&mlp.norm, &stacked);
        let hidden = transformer.mlp_inner(&mlp, &normed).hidden;
        let (mut output, mut neurons) = transformer.mlp_outputs(layer, &mlp, hidden);
        if let Some(norm) = &mlp.post_norm {
            output = transformer.norm(norm, &output);
        }
        let run = &base.layers[layer];
        let len = run.mlp.len();
        let rows = self.layout.query_rows(place.reads_only);
        for (index, input) in inputs.iter().enumerate() {
            for example in variants[input.variant].clean_examples(base, input.reader) {
                let of = self.layout.segments[example].range(place.reads_only);
                for (new, old) in [(&mut output, &run.mlp), (&mut neurons, &run.neurons)] {
                    let width = old.len().checked_div(rows).unwrap_or(0);
                    let (from, to) = (of.start * width, of.end * width);
                    let start = index * old.len();
                    new[start + from..start + to].copy_from_slice(&old[from..to]);
                }
            }
        }
        let differences: Vec<Vec<T>> = (0..inputs.len())
            .into_par_iter()
            .map(|index| rows::difference(&output[index * len..(index + 1) * len], &run.mlp))
            .collect();
        for ((index, input), difference) in inputs.iter().enumerate().zip(differences) {
            let variant = &mut variants[input.variant];
            let new = &output[index * len..(index + 1) * len];
            self.set_dirty(variant, wiring.mlp_writer, difference);
            let count = run.neurons.len();
            let activations = &neurons[index * count..(index + 1) * count];
            let difference = rows::difference(activations, &run.neurons);
            let count = wiring.neurons.len();
            for neuron in 0..count {
                let inner = rows::columns(&difference, count, neuron, neuron + 1);
                self.set_dirty(variant, wiring.mlp_writer + (1 + neuron) * spans, inner);
            }
            if record {
                variant.patches.push(Patch::Mlp {
                    layer,
                    mlp: new.to_vec(),
                    neurons: activations.to_vec(),
                });
            }
        }
        self.advance_full(variants, layer, true);
    }
}
