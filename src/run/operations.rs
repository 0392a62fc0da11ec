//! The floating-point operations that methods need at least: matrix products and attention, as multiplications plus
//! additions. Norms, activation functions and sums over writers are left out, so a share of the limit is never
//! flattered.

use crate::graph::ComputationGraph;
use crate::model::ModelConfig;
use crate::task::Example;

/// Counts operations on some examples under patch ablation.
pub(super) struct Operations<'o> {
    config: &'o ModelConfig,
    examples: &'o [Example],
}

/// Positions of one sequence that are computed: from `start` to `len`, of which `reads` are read.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
    reads: usize,
}

impl<'o> Operations<'o> {
    pub(super) fn new(config: &'o ModelConfig, examples: &'o [Example]) -> Self {
        Self { config, examples }
    }

    /// The full model on the clean prompts with all logits.
    pub(super) fn forward(&self) -> f64 {
        let config = self.config;
        let logits = |span: Span| 2.0 * (span.len * config.d_model * config.d_out()) as f64;
        let all = self.whole().map(|span| Span {
            reads: span.len,
            ..span
        });
        all.map(|span| self.blocks(span) + logits(span)).sum()
    }

    /// The clean and the corrupt run, and a forward and a backward pass a point; every edge's inner product.
    pub(super) fn attribution(&self, graph: &ComputationGraph, points: usize) -> f64 {
        let clean: f64 = self.whole().map(|span| self.blocks(span)).sum();
        let suffix: f64 = self.suffixes().map(|span| self.blocks(span)).sum();
        // Pulling a gradient back costs what the product itself costs; attention's is twice its two products.
        let back: f64 = self
            .suffixes()
            .map(|span| self.blocks(span) + self.attention(span))
            .sum();
        clean + suffix + points as f64 * (suffix + back) + self.scores(graph)
    }

    /// Every writer expanded to the stream, and its inner product with every reader behind it.
    fn scores(&self, graph: &ComputationGraph) -> f64 {
        let config = self.config;
        let rows: usize = self.suffixes().map(|span| span.len - span.start).sum();
        let heads = config.n_layers * config.n_heads * config.d_head;
        2.0 * (rows * config.d_model) as f64 * (graph.edge_count() + heads) as f64
    }

    fn whole(&self) -> impl Iterator<Item = Span> {
        self.examples.iter().map(|example| Span {
            start: 0,
            len: example.clean.len(),
            reads: example.at.len(),
        })
    }

    fn suffixes(&self) -> impl Iterator<Item = Span> {
        self.examples.iter().map(|example| Span {
            start: example
                .first_difference()
                .map_or(0, |from| example.at.iter().copied().fold(from, usize::min)),
            len: example.clean.len(),
            reads: example.at.len(),
        })
    }

    /// All blocks' products; queries and all behind them only at the positions read in the last.
    fn blocks(&self, span: Span) -> f64 {
        let config = self.config;
        let heads = config.n_heads * config.d_head;
        let key_values = 2 * config.n_kv_heads * config.d_head;
        let maps = if config.gated_mlp { 3 } else { 2 };
        let per_query = config.d_model * (2 * heads + maps * config.d_mlp);
        let rows = span.len - span.start;
        let queries = (config.n_layers - 1) * rows + span.reads;
        let products = queries * per_query + config.n_layers * rows * config.d_model * key_values;
        2.0 * products as f64 + self.attention(span)
    }

    /// Scores of queries against the keys they see, and weighted sums of values.
    fn attention(&self, span: Span) -> f64 {
        let config = self.config;
        let seen: usize = (span.start..span.len).map(|position| position + 1).sum();
        let pairs = (config.n_layers - 1) * seen + span.reads * span.len;
        4.0 * (pairs * config.n_heads * config.d_head) as f64
    }
}
