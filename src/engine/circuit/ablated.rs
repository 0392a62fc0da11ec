//! The ablated value of every writer, and the residual stream when every edge is ablated.

use crate::engine::kernels::rows;
use crate::engine::pass::forward::FullRun;
use crate::engine::pass::layout::Layout;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::model::Real;

/// The value each writer takes on a removed edge, expanded to rows.
pub(crate) struct Ablated<T> {
    /// `input`, and `pos` where it is a writer, `[rows, d_model]` each.
    pub sources: Vec<Vec<T>>,
    /// Head results before `W_O`, `[query rows, n_heads * d_head]` per layer.
    pub z: Vec<Vec<T>>,
    /// MLP nodes, `[query rows, d_model]` per layer.
    pub mlp: Vec<Vec<T>>,
    /// Neuron nodes, `[query rows, neurons]` per layer.
    pub neurons: Vec<Vec<T>>,
    /// The stream at each place with every edge ablated.
    pub streams: Vec<Vec<T>>,
}

/// Mean activations of the discovery split's clean runs: one row for all positions, or one per position.
#[derive(Debug, Clone)]
pub(crate) struct Means<T> {
    /// Number of positions with a mean; 1 when positions are merged.
    pub positions: usize,
    /// Whether rows are looked up by position.
    pub positional: bool,
    pub sources: Vec<Vec<T>>,
    pub z: Vec<Vec<T>>,
    pub mlp: Vec<Vec<T>>,
    pub neurons: Vec<Vec<T>>,
}

impl<T: Real> Transformer<'_, T> {
    /// Current values of the source writers on embedded rows.
    pub(crate) fn sources(&self, layout: &Layout, embedded: &[T]) -> Vec<Vec<T>> {
        let mut sources = vec![embedded.to_vec()];
        if self.position_is_writer() {
            sources.extend(self.position_rows(&layout.positions));
        }
        sources
    }

    /// Ablation by the corrupt run.
    pub(crate) fn ablated_by_run(
        &self,
        layout: &Layout,
        embedded: &[T],
        run: FullRun<T>,
    ) -> Ablated<T> {
        let mut ablated = Ablated {
            sources: self.sources(layout, embedded),
            z: Vec::new(),
            mlp: Vec::new(),
            neurons: Vec::new(),
            streams: run.streams,
        };
        for layer in run.layers {
            ablated.z.push(layer.z);
            ablated.mlp.push(layer.mlp);
            ablated.neurons.push(layer.neurons);
        }
        ablated
    }

    /// Ablation by zero.
    pub(crate) fn ablated_by_zero(&self, layout: &Layout) -> Ablated<T> {
        let config = self.config();
        let zeros = |layer: usize, width: usize| {
            vec![T::ZERO; layout.query_rows(self.reads_only(layer)) * width]
        };
        let layers = 0..config.n_layers;
        let source = vec![T::ZERO; layout.rows() * config.d_model];
        let count = if self.position_is_writer() { 2 } else { 1 };
        let heads = config.n_heads * config.d_head;
        self.with_streams(
            layout,
            vec![source; count],
            layers.clone().map(|layer| zeros(layer, heads)).collect(),
            layers
                .clone()
                .map(|layer| zeros(layer, if config.has_mlps() { config.d_model } else { 0 }))
                .collect(),
            layers
                .map(|layer| zeros(layer, self.layers[layer].neurons.len()))
                .collect(),
        )
    }

    /// Ablation by means.
    ///
    /// # Errors
    /// When a position was never seen in discovery.
    pub(crate) fn ablated_by_means(&self, layout: &Layout, means: &Means<T>) -> Result<Ablated<T>> {
        let config = self.config();
        if means.positional
            && let Some(&unseen) = layout
                .positions
                .iter()
                .find(|&&position| position >= means.positions)
        {
            return Err(Error::data(
                "mean per position",
                format!(
                    "position {unseen} occurs in the held-out prompts but not in discovery, whose \
                     longest prompt has {} tokens; use more pairs or ablation: Mean",
                    means.positions
                ),
            ));
        }
        let expand = |data: &[T], width: usize, positions: &[usize]| -> Vec<T> {
            let wanted: Vec<usize> = positions
                .iter()
                .map(|&position| if means.positional { position } else { 0 })
                .collect();
            rows::gather(data, width, &wanted)
        };
        let per_layer = |data: &[Vec<T>]| -> Vec<Vec<T>> {
            (0..config.n_layers)
                .map(|layer| {
                    let positions = layout.query_positions(self.reads_only(layer));
                    let width = data[layer].len() / means.positions;
                    expand(&data[layer], width, &positions)
                })
                .collect()
        };
        Ok(self.with_streams(
            layout,
            means
                .sources
                .iter()
                .map(|source| expand(source, config.d_model, &layout.positions))
                .collect(),
            per_layer(&means.z),
            per_layer(&means.mlp),
            per_layer(&means.neurons),
        ))
    }

    fn with_streams(
        &self,
        layout: &Layout,
        sources: Vec<Vec<T>>,
        z: Vec<Vec<T>>,
        mlp: Vec<Vec<T>>,
        neurons: Vec<Vec<T>>,
    ) -> Ablated<T> {
        let config = self.config();
        let mut ablated = Ablated {
            sources,
            z,
            mlp,
            neurons,
            streams: Vec::new(),
        };
        let mut x = self.source_stream(layout, &ablated.sources);
        for layer in 0..config.n_layers {
            ablated.streams.push(x.clone());
            let values = (
                &ablated.z[layer][..],
                &ablated.mlp[layer][..],
                &ablated.neurons[layer][..],
            );
            let at_mlp = self.through_block(layer, layout, &mut x, values);
            ablated.streams.push(at_mlp);
        }
        ablated.streams.push(x);
        ablated
    }

    /// The stream at the first place: all sources, and position embeddings where they are free.
    pub(crate) fn source_stream(&self, layout: &Layout, sources: &[Vec<T>]) -> Vec<T> {
        let mut x = sources[0].clone();
        for source in &sources[1..] {
            rows::add(&mut x, source);
        }
        if !self.position_is_writer()
            && let Some(position) = self.position_rows(&layout.positions)
        {
            rows::add(&mut x, &position);
        }
        x
    }

    /// Adds what a block's writers (z, MLP, neurons) and its free biases write to `x`; returns the stream that
    /// the MLP reads.
    pub(crate) fn through_block(
        &self,
        layer: usize,
        layout: &Layout,
        x: &mut Vec<T>,
        (z, mlp, neurons): (&[T], &[T], &[T]),
    ) -> Vec<T> {
        let config = self.config();
        if self.reads_only(layer) {
            *x = rows::gather(x, config.d_model, &layout.reads);
        }
        let before_attention = config.parallel_blocks.then(|| x.clone());
        self.add_attention(layer, z, x);
        let at_mlp = before_attention.unwrap_or_else(|| x.clone());
        if config.has_mlps() {
            rows::add(x, &self.mlp_total(layer, mlp, neurons));
        }
        at_mlp
    }
}
