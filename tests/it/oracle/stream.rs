//! Runs from a stream on, and the stream of a run.

use secateur::graph::{ComputationGraph, Node};
use secateur::model::{Block, Linear, Weights};

use super::{Rows, add, run};

/// Logits of the model's run from the stream after `layer` on: what blocks up to there write is zero.
pub(crate) fn from_stream(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    layer: usize,
    stream: &Rows,
) -> Rows {
    onwards(weights, graph, layer, stream).0
}

/// The same with the stream after every layer.
pub(crate) fn onwards(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    layer: usize,
    stream: &Rows,
) -> (Rows, Vec<Rows>) {
    let silent = |map: &Linear<f64>| Linear {
        weight: vec![0.0; map.inputs * map.outputs].into(),
        bias: map.bias.as_ref().map(|bias| vec![0.0; bias.len()]),
        ..map.clone()
    };
    let blocks = (0..weights.config.n_layers).map(|at| {
        let mut block = Block {
            attention: (*weights.attention(at)).clone(),
            mlp: weights.mlp(at).map(|mlp| (*mlp).clone()),
        };
        if at <= layer {
            block.attention.o = silent(&block.attention.o);
            if let Some(mlp) = &mut block.mlp {
                mlp.down = silent(&mlp.down);
            }
        }
        block
    });
    let rest = Weights {
        blocks: blocks.collect::<Vec<_>>().into(),
        position: None,
        ..weights.clone()
    };
    plain(&rest, graph, stream)
}

/// The full model on embedded rows: its logits, and the stream after every layer.
pub(crate) fn plain(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    embedded: &Rows,
) -> (Rows, Vec<Rows>) {
    let config = &weights.config;
    let width = config.d_model;
    let zeros = vec![vec![vec![0.0; width]; embedded.len()]; graph.writers().len()];
    let kept = vec![1.0; graph.edge_count()];
    let (logits, outputs) = run(weights, graph, embedded, &zeros, &kept);
    let streams = (0..config.n_layers).map(|layer| {
        let mut stream = embedded.clone();
        for (position, row) in stream.iter_mut().enumerate() {
            if let Some(table) = &weights.position {
                add(row, &table[position * width..(position + 1) * width]);
            }
            for below in 0..=layer {
                add(row, weights.attention(below).o.bias.as_deref().unwrap_or_default());
            }
            for (writer, output) in graph.writers().iter().zip(&outputs) {
                let below = matches!(*writer, Node::Head { layer: at, .. } | Node::Mlp { layer: at } if at <= layer);
                if below {
                    add(row, &output[position]);
                }
            }
        }
        stream
    });
    (logits, streams.collect())
}
