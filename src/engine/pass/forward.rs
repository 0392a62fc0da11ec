//! The plain forward pass with every edge kept, over packed rows.

use crate::error::{Error, Result};
use crate::graph::Node;
use rayon::prelude::*;
use std::ops::Range;

use crate::engine::kernels::rows;
use crate::engine::pass::changes::Changes;
use crate::engine::pass::intervention::{Intervention, Site, at_hidden, at_layer, at_split_mlp};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::{MlpInner, Transformer};
use crate::graph::Representation;
use crate::model::Real;

/// Everything a full run computed. `places` are the points where readers read: `2 l` is the attention of layer
/// `l`, `2 l + 1` its MLP, `2 n_layers` the final norm.
pub(crate) struct FullRun<T> {
    /// The residual stream at each place, `[rows, d_model]`; rows read only at the last MLP and the final norm.
    pub streams: Vec<Vec<T>>,
    /// The blocks' activations.
    pub layers: Vec<LayerRun<T>>,
}

impl<T> FullRun<T> {
    /// A layer's representation in a run of all layers, `[rows, width]`.
    pub(crate) fn representation(&self, layer: usize, of: Representation) -> &[T] {
        match of {
            Representation::Heads => &self.layers[layer].z,
            Representation::Mlp => &self.layers[layer].mlp,
            Representation::Stream => &self.streams[2 * (layer + 1)],
        }
    }
}

/// Activations of one block.
#[derive(Default)]
pub(crate) struct LayerRun<T> {
    /// `[query rows, n_heads * d_head]`, rotated.
    pub q: Vec<T>,
    /// `[rows, n_kv_heads * d_head]`, rotated.
    pub k: Vec<T>,
    /// `[rows, n_kv_heads * d_head]`.
    pub v: Vec<T>,
    /// Results of the heads before `W_O`, `[query rows, n_heads * d_head]`.
    pub z: Vec<T>,
    /// What the MLP node writes, `[query rows, d_model]`.
    pub mlp: Vec<T>,
    /// Activations of the neurons that are nodes, `[query rows, neurons]`.
    pub neurons: Vec<T>,
    /// The MLP's inner activations, where they were asked for.
    pub inner: Option<MlpInner<T>>,
}

impl<T: Real> Transformer<'_, T> {
    /// Runs the model on embedded rows.
    pub(crate) fn forward(
        &self,
        layout: &Layout,
        embedded: &[T],
        prefix: &Prefix<T>,
        keep_inner: bool,
    ) -> FullRun<T> {
        self.forward_with(layout, embedded, prefix, keep_inner, &[])
    }

    /// Runs the model on embedded rows with some values set.
    pub(crate) fn forward_with(
        &self,
        layout: &Layout,
        embedded: &[T],
        prefix: &Prefix<T>,
        keep_inner: bool,
        interventions: &[Intervention<T>],
    ) -> FullRun<T> {
        let config = self.config();
        let mut x = embedded.to_vec();
        for intervention in interventions {
            if intervention.site == Site::Input {
                intervention.set(config.d_head, config.d_model, &mut x);
            }
        }
        if let Some(mut position) = self.position_rows(&layout.positions) {
            for intervention in interventions {
                if intervention.site == Site::Positions {
                    intervention.set(config.d_head, config.d_model, &mut position);
                }
            }
            rows::add(&mut x, &position);
        }
        let changes = Changes {
            interventions,
            ..Changes::none()
        };
        self.blocks(0..config.n_layers, layout, (x, prefix), keep_inner, changes)
    }

    /// Runs some blocks, given the stream that enters the first. The run holds what these blocks computed.
    pub(crate) fn blocks(
        &self,
        which: Range<usize>,
        layout: &Layout,
        (mut x, prefix): (Vec<T>, &Prefix<T>),
        keep_inner: bool,
        changes: Changes<'_, T>,
    ) -> FullRun<T> {
        let config = self.config();
        let interventions = changes.interventions;
        let mut streams = Vec::with_capacity(2 * which.len() + 1);
        let mut layers = Vec::with_capacity(which.len());
        for layer in which {
            let reads_only = self.reads_only(layer);
            let place = (layout, reads_only);
            let (q, k, v) = self.projections(layer, layout, &x);
            streams.push(x.clone());
            let mut z = self.attend_all(layer, layout, (&q, &k, &v), prefix);
            for (_, intervention) in at_layer(interventions, layer, false) {
                let width = config.n_heads * config.d_head;
                intervention.set(config.d_head, width, &mut z);
            }
            changes.splice((layer, Representation::Heads), &mut z, place);
            if reads_only {
                x = rows::gather(&x, config.d_model, &layout.reads);
            }
            let before_attention = config.parallel_blocks.then(|| x.clone());
            self.add_attention(layer, &z, &mut x);
            if let Some(steering) = changes.steering {
                steering.after_write(config.d_model, &mut x);
            }
            let mlp_in = before_attention.unwrap_or_else(|| x.clone());
            let (mut run, mut mlp_total) = self.mlp_run(layer, &mlp_in, keep_inner, interventions);
            if self.set_split_mlp(layer, interventions, &mut run) {
                mlp_total = self.mlp_total(layer, &run.mlp, &run.neurons);
            }
            for (_, intervention) in at_layer(interventions, layer, true) {
                intervention.set(config.d_head, config.d_model, &mut mlp_total);
            }
            streams.push(mlp_in);
            if config.has_mlps() {
                changes.splice((layer, Representation::Mlp), &mut mlp_total, place);
                rows::add(&mut x, &mlp_total);
            }
            if let Some(steering) = changes.steering {
                steering.after_write(config.d_model, &mut x);
                steering.after_layer(layer, layout, reads_only, &mut x);
            }
            changes.splice((layer, Representation::Stream), &mut x, place);
            layers.push(LayerRun { q, k, v, z, ..run });
        }
        streams.push(x);
        FullRun { streams, layers }
    }

    /// Sets values in the parts of a split MLP; true when there are any.
    fn set_split_mlp(
        &self,
        layer: usize,
        interventions: &[Intervention<T>],
        run: &mut LayerRun<T>,
    ) -> bool {
        let config = self.config();
        let nodes = self.layers[layer].neurons.len();
        let mut any = false;
        for (_, intervention) in at_split_mlp(interventions, layer) {
            any = true;
            match intervention.site {
                Site::Neuron { .. } => intervention.set(config.d_head, nodes, &mut run.neurons),
                _ => intervention.set(config.d_head, config.d_model, &mut run.mlp),
            }
        }
        any
    }

    /// Queries, keys and values of all heads from one stream.
    pub(crate) fn projections(
        &self,
        layer: usize,
        layout: &Layout,
        x: &[T],
    ) -> (Vec<T>, Vec<T>, Vec<T>) {
        let config = self.config();
        let reads_only = self.reads_only(layer);
        let normed = self.norm(&self.weights.attention(layer).norm, x);
        let heads = (0, config.n_heads);
        let kv_heads = (0, config.n_kv_heads);
        let q = if reads_only {
            let read = rows::gather(&normed, config.d_model, &layout.reads);
            self.queries(layer, &read, heads, &layout.query_positions(true))
        } else {
            self.queries(layer, &normed, heads, &layout.positions)
        };
        let k = self.keys(layer, &normed, kv_heads, &layout.positions);
        let v = self.values(layer, &normed, kv_heads, layout.rows());
        (q, k, v)
    }

    /// An MLP's writers from its input stream, and the sum of all they write (free output bias included); nothing
    /// where there is no MLP. Of the interventions those at its hidden units are made.
    pub(crate) fn mlp_run(
        &self,
        layer: usize,
        x: &[T],
        keep_inner: bool,
        interventions: &[Intervention<T>],
    ) -> (LayerRun<T>, Vec<T>) {
        let mut run = LayerRun::default();
        let Some(mlp) = self.weights.mlp(layer) else {
            return (run, Vec::new());
        };
        let normed = self.norm(&mlp.norm, x);
        let mut inner = self.mlp_inner(&mlp, &normed);
        // The backward pass needs the projections only.
        let mut hidden = std::mem::take(&mut inner.hidden);
        for intervention in at_hidden(interventions, layer) {
            intervention.set(self.config().d_head, self.config().d_mlp, &mut hidden);
        }
        let (output, neurons) = self.mlp_outputs(layer, &mlp, hidden);
        run.mlp = match &mlp.post_norm {
            Some(norm) => {
                let normed = self.norm(norm, &output);
                inner.output = output;
                normed
            }
            None => output,
        };
        run.neurons = neurons;
        run.inner = keep_inner.then_some(inner);
        let total = self.mlp_total(layer, &run.mlp, &run.neurons);
        (run, total)
    }

    /// The sum of all an MLP's writers write, free output bias included.
    pub(crate) fn mlp_total(&self, layer: usize, mlp: &[T], neurons: &[T]) -> Vec<T> {
        let mut total = mlp.to_vec();
        let nodes = &self.layers[layer].neurons;
        for (index, &neuron) in nodes.iter().enumerate() {
            let values = rows::columns(neurons, nodes.len(), index, index + 1);
            rows::add(&mut total, &self.project_neuron(layer, neuron, &values));
        }
        self.add_free_mlp_bias(layer, &mut total);
        total
    }

    /// Adds what a layer's heads write together, and the attention output's bias, which no node owns, to the stream.
    pub(crate) fn add_attention(&self, layer: usize, z: &[T], x: &mut [T]) {
        if self.config().post_norms {
            let total = self.heads_total(layer, z);
            rows::add(x, &self.post_norm(layer, &total));
            return;
        }
        rows::add(x, &self.project_heads(layer, z));
        if let Some(bias) = &self.weights.attention(layer).o.bias {
            rows::add_row(x, bias);
        }
    }

    /// What a layer's heads write together, with the attention output's bias.
    pub(crate) fn heads_total(&self, layer: usize, z: &[T]) -> Vec<T> {
        let mut total = self.project_heads(layer, z);
        if let Some(bias) = &self.weights.attention(layer).o.bias {
            rows::add_row(&mut total, bias);
        }
        total
    }

    /// The norm that follows the sum of a layer's heads, in models that have one.
    pub(crate) fn post_norm(&self, layer: usize, total: &[T]) -> Vec<T> {
        match &self.weights.attention(layer).post_norm {
            Some(norm) => self.norm(norm, total),
            None => total.to_vec(),
        }
    }

    /// Adds the output bias of an MLP that is split into neurons, which no node owns.
    pub(crate) fn add_free_mlp_bias(&self, layer: usize, x: &mut [T]) {
        let split = !self.layers[layer].neurons.is_empty();
        if split
            && let Some(mlp) = self.weights.mlp(layer)
            && let Some(bias) = &mlp.down.bias
        {
            rows::add_row(x, bias);
        }
    }
}

/// Names the first node whose output is not finite.
pub(in crate::engine) fn check_finite<T: Real>(run: &FullRun<T>) -> Result<()> {
    let finite: Vec<(bool, bool)> = run
        .layers
        .par_iter()
        .map(|run| {
            let heads = run.z.iter().all(|value| value.is_finite());
            (heads, run.mlp.iter().all(|value| value.is_finite()))
        })
        .collect();
    for (layer, (heads, mlp)) in finite.into_iter().enumerate() {
        if !heads || !mlp {
            let node = if heads {
                Node::Mlp { layer }.to_string()
            } else {
                format!("a{layer} (heads)")
            };
            return Err(Error::NotFinite {
                node,
                problem: "the model's own run on these prompts is not finite".into(),
            });
        }
    }
    Ok(())
}
