//! Keys and values of positions that are run once for several runs.

use super::forward::FullRun;
use super::transformer::Transformer;
use crate::engine::kernels::rows;
use crate::model::Real;

/// Keys and values of the shared prefixes, `[prefix rows, n_kv_heads * d_head]` per layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix<T> {
    pub k: Vec<Vec<T>>,
    pub v: Vec<Vec<T>>,
}

impl<T> Prefix<T> {
    /// No rows in any layer.
    pub(crate) fn empty(n_layers: usize) -> Self {
        let none = || (0..n_layers).map(|_| Vec::new()).collect();
        Self {
            k: none(),
            v: none(),
        }
    }
}

/// Cuts a whole run down to the rows after the shared prefixes, whose keys and values become the prefix cache.
pub(in crate::engine) fn split_prefix<T: Real>(
    transformer: &Transformer<'_, T>,
    mut run: FullRun<T>,
    kept: &[usize],
    prefix_rows: &[usize],
) -> (FullRun<T>, Prefix<T>) {
    let config = transformer.config();
    let mut prefix = Prefix {
        k: Vec::new(),
        v: Vec::new(),
    };
    if prefix_rows.is_empty() {
        return (run, prefix);
    }
    let kv = config.n_kv_heads * config.d_head;
    let heads = config.n_heads * config.d_head;
    for (layer, activations) in run.layers.iter_mut().enumerate() {
        prefix.k.push(rows::gather(&activations.k, kv, prefix_rows));
        prefix.v.push(rows::gather(&activations.v, kv, prefix_rows));
        activations.k = rows::gather(&activations.k, kv, kept);
        activations.v = rows::gather(&activations.v, kv, kept);
        run.streams[2 * layer] = rows::gather(&run.streams[2 * layer], config.d_model, kept);
        if transformer.reads_only(layer) {
            continue;
        }
        activations.q = rows::gather(&activations.q, heads, kept);
        activations.z = rows::gather(&activations.z, heads, kept);
        if config.has_mlps() {
            activations.mlp = rows::gather(&activations.mlp, config.d_model, kept);
        }
        let neurons = transformer.layers[layer].neurons.len();
        if neurons > 0 {
            activations.neurons = rows::gather(&activations.neurons, neurons, kept);
        }
        run.streams[2 * layer + 1] =
            rows::gather(&run.streams[2 * layer + 1], config.d_model, kept);
    }
    (run, prefix)
}
