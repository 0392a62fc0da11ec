//! The parts of one block, and how its readers and writers are numbered in the graph.

use std::borrow::Cow;

use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::rope::RopeTable;
use crate::engine::kernels::{activation, matmul, norm, rows};
use crate::error::Result;
use crate::graph::{ComputationGraph, Granularity, NeuronNodes, Node};
use crate::model::{Linear, Mlp, ModelConfig, NormWeights, Positions, Real, Weights};

/// A model at a granularity, ready to run.
pub struct Transformer<'a, T> {
    pub(crate) weights: &'a Weights<T>,
    graph: Cow<'a, ComputationGraph>,
    pub(crate) layers: Vec<LayerWiring>,
    /// Bytes that runs may take, where they are bounded.
    pub(crate) room: Option<usize>,
    /// Runs of an example of which gradients are taken together, for which there is to be room.
    pub(crate) gradient_runs: usize,
    rope: Option<RopeTable<T>>,
    /// The rotation of layers with local attention, where it is another one.
    local_rope: Option<RopeTable<T>>,
}

/// Numbers of a layer's readers and writers.
#[derive(Debug, Clone)]
pub(crate) struct LayerWiring {
    /// Reader of each head's queries.
    pub q: Vec<usize>,
    /// Reader of each key slot: one per key/value head, or one per query head.
    pub k: Vec<usize>,
    /// Reader of each value slot.
    pub v: Vec<usize>,
    /// Reader of the MLP, where there is one.
    pub mlp: Option<usize>,
    /// First reader of the next layer.
    pub end: usize,
    /// Writer of head 0; the others follow.
    pub first_head: usize,
    /// Writer of the MLP, where there is one; its neurons follow.
    pub mlp_writer: usize,
    /// Hidden units that are nodes.
    pub neurons: Vec<usize>,
}

/// The projections of an MLP's input.
pub(crate) struct MlpInner<T> {
    /// The plain projection, or the multiplied one of a gated MLP, `[rows, d_mlp]`.
    pub projection: Vec<T>,
    /// The activated projection of a gated MLP.
    pub gate: Option<Vec<T>>,
    /// The hidden units.
    pub hidden: Vec<T>,
    /// The output before it is normed, in models that norm it; filled in with it.
    pub output: Vec<T>,
}

impl<'a, T: Real> Transformer<'a, T> {
    /// A model whose circuits are those of a graph.
    pub fn new(weights: &'a Weights<T>, graph: &'a ComputationGraph) -> Self {
        Self::with(weights, Cow::Borrowed(graph))
    }

    /// A model of which no circuit is asked for.
    ///
    /// # Errors
    /// Never for the shape of a model that was loaded.
    pub fn plain(weights: &'a Weights<T>) -> Result<Self> {
        let granularity = Granularity::default();
        let graph = ComputationGraph::new(&weights.config, &granularity, &NeuronNodes::new())?;
        Ok(Self::with(weights, Cow::Owned(graph)))
    }

    /// Numbers the readers and writers of every layer.
    fn with(weights: &'a Weights<T>, graph: Cow<'a, ComputationGraph>) -> Self {
        let config = &weights.config;
        let (rope, local_rope) = match &config.positions {
            Positions::Learned => (None, None),
            Positions::Rotary {
                theta,
                dims,
                scaling,
            } => {
                let local = config.attention.local.as_ref();
                let local = local.and_then(|local| local.theta);
                (
                    Some(RopeTable::new(
                        *theta,
                        *dims,
                        scaling.as_ref(),
                        config.n_ctx,
                    )),
                    local.map(|theta| RopeTable::new(theta, *dims, None, config.n_ctx)),
                )
            }
        };
        Self {
            weights,
            layers: LayerWiring::all(config, &graph),
            graph,
            room: None,
            gradient_runs: 1,
            rope,
            local_rope,
        }
    }

    /// The same model with runs that take at most `room` bytes, as far as one example can be run in it. It changes which
    /// examples are run together and what is made again instead of kept, never a bit of a result.
    pub fn within(self, room: Option<usize>) -> Self {
        Self { room, ..self }
    }

    /// The same model, with room left for gradients of so many runs of an example together.
    pub(crate) fn with_gradients(self, gradient_runs: usize) -> Self {
        Self {
            gradient_runs,
            ..self
        }
    }

    /// The graph whose circuits it runs.
    pub(crate) fn graph(&self) -> &ComputationGraph {
        &self.graph
    }

    /// The model's shape.
    pub(crate) fn config(&self) -> &'a ModelConfig {
        &self.weights.config
    }

    /// Key/value head of a key or value slot.
    pub(crate) fn kv_head(&self, layer: usize, slot: usize) -> usize {
        slot * self.config().n_kv_heads / self.layers[layer].k.len()
    }

    /// Key and value slot of a query head.
    pub(crate) fn slot(&self, layer: usize, head: usize) -> usize {
        head * self.layers[layer].k.len() / self.config().n_heads
    }

    /// True in the last layer, where queries and the MLP are needed only at the scored positions.
    pub(crate) fn reads_only(&self, layer: usize) -> bool {
        layer + 1 == self.config().n_layers
    }

    /// Applies a norm to rows.
    pub(crate) fn norm(&self, weights: &NormWeights<T>, x: &[T]) -> Vec<T> {
        norm::forward(self.config().norm, weights, x)
    }

    /// Queries of heads `from..to` from normed rows at these positions.
    pub(crate) fn queries(
        &self,
        layer: usize,
        normed: &[T],
        heads: (usize, usize),
        positions: &[usize],
    ) -> Vec<T> {
        let block = self.weights.attention(layer);
        let mut out = self.project(&block.q, normed, heads, positions.len());
        if let Some(norm) = &block.query_norm {
            out = self.norm(norm, &out);
        }
        self.rotate(layer, &mut out, positions);
        out
    }

    /// Keys of key/value heads `from..to`.
    pub(crate) fn keys(
        &self,
        layer: usize,
        normed: &[T],
        heads: (usize, usize),
        positions: &[usize],
    ) -> Vec<T> {
        let block = self.weights.attention(layer);
        let mut out = self.project(&block.k, normed, heads, positions.len());
        if let Some(norm) = &block.key_norm {
            out = self.norm(norm, &out);
        }
        self.rotate(layer, &mut out, positions);
        out
    }

    /// Values of key/value heads `from..to`.
    pub(crate) fn values(
        &self,
        layer: usize,
        normed: &[T],
        heads: (usize, usize),
        rows: usize,
    ) -> Vec<T> {
        self.project(&self.weights.attention(layer).v, normed, heads, rows)
    }

    /// The columns of heads `from..to` of a projection.
    pub(crate) fn project(
        &self,
        map: &Linear<T>,
        normed: &[T],
        (from, to): (usize, usize),
        rows: usize,
    ) -> Vec<T> {
        let d_head = self.config().d_head;
        matmul::linear(normed, rows, map, from * d_head, to * d_head)
    }

    /// The rotation of a layer's queries and keys.
    fn rope(&self, layer: usize) -> Option<&RopeTable<T>> {
        let local = self.config().window(layer).and(self.local_rope.as_ref());
        local.or(self.rope.as_ref())
    }

    fn rotate(&self, layer: usize, data: &mut [T], positions: &[usize]) {
        if let Some(rope) = self.rope(layer) {
            rope.rotate(data, self.config().d_head, positions);
        }
    }

    /// Pulls gradients of rotated rows back through the rotation.
    pub(crate) fn rotate_back(&self, layer: usize, data: &mut [T], positions: &[usize]) {
        if let Some(rope) = self.rope(layer) {
            rope.rotate_back(data, self.config().d_head, positions);
        }
    }

    /// What heads write together: `z W_O`, without its bias.
    pub(crate) fn project_heads(&self, layer: usize, z: &[T]) -> Vec<T> {
        let block = self.weights.attention(layer);
        let map = &block.o;
        let rows = z.len() / map.inputs;
        let lhs = Matrix::rows(z, rows, map.inputs);
        matmul::new_product(lhs, map.matrix(), None)
    }

    /// What one head writes: `z_h W_O^h`, `z` being `[rows, d_head]`.
    pub(crate) fn project_head(&self, layer: usize, head: usize, z: &[T]) -> Vec<T> {
        let d_head = self.config().d_head;
        let block = self.weights.attention(layer);
        let map = &block.o;
        let rows = z.len() / d_head;
        let rhs = map.matrix().row_range(head * d_head, (head + 1) * d_head);
        matmul::new_product(Matrix::rows(z, rows, d_head), rhs, None)
    }

    /// The projections and hidden units of an MLP from normed rows.
    pub(crate) fn mlp_inner(&self, mlp: &Mlp<T>, normed: &[T]) -> MlpInner<T> {
        let rows = normed.len() / self.config().d_model;
        let projection = matmul::linear(normed, rows, &mlp.up, 0, mlp.up.outputs);
        let gate = mlp
            .gate
            .as_ref()
            .map(|gate| matmul::linear(normed, rows, gate, 0, gate.outputs));
        let hidden = activation::hidden(self.config().activation, &projection, gate.as_deref());
        MlpInner {
            projection,
            gate,
            hidden,
            output: Vec::new(),
        }
    }

    /// What the MLP's writers add: the MLP node's output (without neurons that are nodes, and then without the
    /// output bias), and the activations of those neurons, `[rows, neurons]`. Not yet normed.
    pub(crate) fn mlp_outputs(
        &self,
        layer: usize,
        mlp: &Mlp<T>,
        mut hidden: Vec<T>,
    ) -> (Vec<T>, Vec<T>) {
        let map = &mlp.down;
        let nodes = &self.layers[layer].neurons;
        let rows = hidden.len() / map.inputs;
        if nodes.is_empty() {
            return (
                matmul::linear(&hidden, rows, map, 0, map.outputs),
                Vec::new(),
            );
        }
        let mut neurons = Vec::with_capacity(rows * nodes.len());
        for row in hidden.chunks_exact_mut(map.inputs) {
            for &neuron in nodes {
                neurons.push(std::mem::take(&mut row[neuron]));
            }
        }
        let lhs = Matrix::rows(&hidden, rows, map.inputs);
        (matmul::new_product(lhs, map.matrix(), None), neurons)
    }

    /// What one neuron writes: its activation times its output row.
    pub(crate) fn project_neuron(&self, layer: usize, neuron: usize, values: &[T]) -> Vec<T> {
        let Some(mlp) = self.weights.mlp(layer) else {
            return Vec::new();
        };
        let map = &mlp.down;
        let matrix = map.matrix();
        let weights: Vec<T> = (0..map.outputs)
            .map(|out| matrix.data[neuron * matrix.row_stride + out * matrix.column_stride])
            .collect();
        values
            .iter()
            .flat_map(|&value| weights.iter().map(move |&weight| value * weight))
            .collect()
    }

    /// The position embeddings of rows, `[rows, d_model]`.
    pub(crate) fn position_rows(&self, positions: &[usize]) -> Option<Vec<T>> {
        let table = self.weights.position.as_ref()?;
        Some(rows::gather(table, self.config().d_model, positions))
    }

    /// The token embeddings of rows.
    pub(crate) fn embed(&self, tokens: impl IntoIterator<Item = u32>) -> Vec<T> {
        let indices: Vec<usize> = tokens.into_iter().map(|token| token as usize).collect();
        let mut out = self.weights.embedding.gather(&indices);
        if let Some(scale) = self.config().embedding_scale {
            let scale = T::from_f64(scale);
            for value in &mut out {
                *value *= scale;
            }
        }
        out
    }

    /// Whether learned position embeddings are a writer.
    pub(crate) fn position_is_writer(&self) -> bool {
        self.graph().writers().get(self.graph().span_count()) == Some(&Node::Position)
    }

    /// The place of a neuron among the hidden units of its layer that are nodes.
    pub(crate) fn neuron_place(&self, layer: usize, writer: usize) -> usize {
        (writer - self.layers[layer].mlp_writer) / self.graph().span_count() - 1
    }
}

impl LayerWiring {
    fn all(config: &ModelConfig, graph: &ComputationGraph) -> Vec<Self> {
        use crate::graph::{Qkv, Reader};
        let mut layers: Vec<Self> = (0..config.n_layers)
            .map(|layer| Self {
                q: Vec::new(),
                k: Vec::new(),
                v: Vec::new(),
                mlp: None,
                end: 0,
                first_head: 0,
                mlp_writer: 0,
                neurons: graph.neurons().get(&layer).cloned().unwrap_or_default(),
            })
            .collect();
        for (index, reader) in graph.readers().iter().enumerate() {
            if let Some(layer) = reader.node().layer() {
                layers[layer].end = index + 1;
            }
            match *reader {
                Reader::Head { layer, part, .. } => {
                    let wiring = &mut layers[layer];
                    match part {
                        Some(Qkv::Q) => wiring.q.push(index),
                        Some(Qkv::K) => wiring.k.push(index),
                        Some(Qkv::V) => wiring.v.push(index),
                        None => {
                            wiring.q.push(index);
                            wiring.k.push(index);
                            wiring.v.push(index);
                        }
                    }
                }
                Reader::Mlp { layer } => layers[layer].mlp = Some(index),
                Reader::Logits => {}
            }
        }
        let nodes = graph.writers().iter().enumerate();
        for (index, writer) in nodes.step_by(graph.span_count()) {
            match *writer {
                Node::Head { layer, head: 0 } => layers[layer].first_head = index,
                Node::Mlp { layer } => layers[layer].mlp_writer = index,
                _ => {}
            }
        }
        layers
    }
}
