//! The floating-point operations that methods need at least: matrix products and attention, as multiplications plus
//! additions. Norms, activation functions and sums over writers are left out, so a share of the limit is never
//! flattered.

use crate::graph::{ComputationGraph, Node, Qkv, Reader};
use crate::model::ModelConfig;
use crate::task::Example;

/// Counts operations on some examples under patch ablation.
pub(crate) struct Operations<'o> {
    config: &'o ModelConfig,
    examples: &'o [Example],
}

/// Positions of one sequence that are computed: from `start` to `len`.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    len: usize,
    /// Positions read, and positions that their queries see.
    reads: usize,
    seen_by_reads: usize,
}

impl Span {
    /// Positions that the queries of all computed positions see.
    fn seen(self) -> usize {
        (self.start..self.len).map(|position| position + 1).sum()
    }
}

/// Operations of a head from its queries, keys and values on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct HeadOperations {
    /// The scores of queries against keys.
    pub(crate) scores: f64,
    /// Weighted sums of values, and what they write.
    pub(crate) output: f64,
}

impl<'o> Operations<'o> {
    pub(crate) fn new(config: &'o ModelConfig, examples: &'o [Example]) -> Self {
        Self { config, examples }
    }

    /// The full model on the clean prompts with all logits.
    pub(crate) fn forward(&self) -> f64 {
        let config = self.config;
        let logits = |span: Span| 2.0 * (span.len * config.d_model * config.d_out()) as f64;
        let all = self.whole().map(|span| Span {
            reads: span.len,
            seen_by_reads: (1..=span.len).sum(),
            ..span
        });
        all.map(|span| self.blocks(span) + logits(span)).sum()
    }

    /// The metric's gradient pulled back through a clean run that is there.
    pub(crate) fn backward(&self) -> f64 {
        self.whole().map(|span| self.back(span)).sum()
    }

    /// The clean and the corrupt run.
    pub(crate) fn both_runs(&self) -> f64 {
        let clean: f64 = self.whole().map(|span| self.blocks(span)).sum();
        let corrupt: f64 = self.suffixes().map(|span| self.blocks(span)).sum();
        clean + corrupt
    }

    /// The clean and the corrupt run; a forward pass for each point between them, a backward pass for every point, and
    /// every edge's inner product.
    pub(crate) fn attribution(
        &self,
        graph: &ComputationGraph,
        between: usize,
        points: usize,
    ) -> f64 {
        let suffix: f64 = self.suffixes().map(|span| self.blocks(span)).sum();
        let back: f64 = self.suffixes().map(|span| self.back(span)).sum();
        self.both_runs() + suffix * between as f64 + back * points as f64 + self.scores(graph)
    }

    /// What follows a reader's input, on the rows that are run again: projections of heads, or all of an MLP.
    pub(crate) fn reader(&self, reader: Reader) -> f64 {
        let config = self.config;
        let products = match reader {
            Reader::Logits => 0,
            Reader::Mlp { layer } => {
                self.query_rows(layer) * self.mlp_maps() * config.d_model * config.d_mlp
            }
            Reader::Head { layer, part, .. } => {
                let rows = match part {
                    Some(Qkv::Q) => self.query_rows(layer),
                    Some(Qkv::K | Qkv::V) => self.rows(),
                    None => self.query_rows(layer) + 2 * self.rows(),
                };
                rows * config.d_model * config.d_head
            }
        };
        2.0 * products as f64
    }

    /// What a head does after its readers, on the rows that are run again.
    pub(crate) fn head(&self, writer: Node) -> Option<HeadOperations> {
        let Node::Head { layer, .. } = writer else {
            return None;
        };
        let config = self.config;
        let last = layer + 1 == config.n_layers;
        let pairs = |span: Span| {
            if last {
                span.seen_by_reads
            } else {
                span.seen()
            }
        };
        let pairs: usize = self.suffixes().map(pairs).sum();
        let scores = 2.0 * (pairs * config.d_head) as f64;
        let written = self.query_rows(layer) * config.d_head * config.d_model;
        Some(HeadOperations {
            scores,
            output: scores + 2.0 * written as f64,
        })
    }

    /// Rows that are run again.
    fn rows(&self) -> usize {
        self.suffixes().map(|span| span.len - span.start).sum()
    }

    /// Those of them with queries in a layer.
    fn query_rows(&self, layer: usize) -> usize {
        if layer + 1 == self.config.n_layers {
            self.suffixes().map(|span| span.reads).sum()
        } else {
            self.rows()
        }
    }

    fn mlp_maps(&self) -> usize {
        if self.config.gated_mlp { 3 } else { 2 }
    }

    /// Every writer expanded to the stream, and its inner product with every reader after it.
    fn scores(&self, graph: &ComputationGraph) -> f64 {
        let config = self.config;
        let last = config.n_layers - 1;
        let of_readers = graph.readers().iter().enumerate().map(|(reader, place)| {
            let rows = match *place {
                Reader::Logits => self.query_rows(last),
                Reader::Mlp { layer }
                | Reader::Head {
                    layer,
                    part: Some(Qkv::Q),
                    ..
                } => self.query_rows(layer),
                Reader::Head { .. } => self.rows(),
            };
            graph.writers_before(reader) * rows
        });
        let heads = (0..config.n_layers).map(|layer| self.query_rows(layer));
        let written = heads.sum::<usize>() * config.n_heads * config.d_head;
        2.0 * config.d_model as f64 * (of_readers.sum::<usize>() + written) as f64
    }

    fn whole(&self) -> impl Iterator<Item = Span> {
        self.examples.iter().map(|example| Span {
            start: 0,
            len: example.clean.len(),
            reads: example.at.len(),
            seen_by_reads: example.at.iter().map(|position| position + 1).sum(),
        })
    }

    fn suffixes(&self) -> impl Iterator<Item = Span> {
        self.whole()
            .zip(self.examples)
            .map(|(whole, example)| Span {
                start: example
                    .first_difference()
                    .map_or(0, |from| example.at.iter().copied().fold(from, usize::min)),
                ..whole
            })
    }

    /// All blocks' products; queries and all after them only at the scored positions in the last.
    fn blocks(&self, span: Span) -> f64 {
        let config = self.config;
        let heads = config.n_heads * config.d_head;
        let key_values = 2 * config.n_kv_heads * config.d_head;
        let per_query = config.d_model * (2 * heads + self.mlp_maps() * config.d_mlp);
        let rows = span.len - span.start;
        let queries = (config.n_layers - 1) * rows + span.reads;
        let products = queries * per_query + config.n_layers * rows * config.d_model * key_values;
        2.0 * products as f64 + self.attention(span)
    }

    /// Pulling a gradient back through all blocks costs what their products cost; attention's is twice its two products.
    fn back(&self, span: Span) -> f64 {
        self.blocks(span) + self.attention(span)
    }

    /// Scores of queries against the keys they see, and weighted sums of values.
    fn attention(&self, span: Span) -> f64 {
        let config = self.config;
        let pairs = (config.n_layers - 1) * span.seen() + span.seen_by_reads;
        4.0 * (pairs * config.n_heads * config.d_head) as f64
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Four tokens that differ in the third, the last of which is read.
    pub(crate) fn example() -> Example {
        Example {
            clean: vec![1, 2, 3, 4],
            corrupt: vec![1, 2, 5, 4],
            answer: vec![0],
            wrong: vec![1],
            at: vec![3],
            teacher_forced: false,
            spans: Vec::new(),
            text: None,
        }
    }

    /// Two layers, counted by hand: two heads of width 2 share one key/value head, `d_model` 3, `d_mlp` 5, gated, 7 tokens.
    #[test]
    fn operations_are_those_counted_by_hand() {
        let config = ModelConfig {
            n_layers: 2,
            n_heads: 2,
            n_kv_heads: 1,
            d_model: 3,
            d_head: 2,
            d_mlp: 5,
            d_vocab: 7,
            gated_mlp: true,
            ..ModelConfig::default()
        };
        let examples = [example()];
        let count = Operations::new(&config, &examples);
        // A row of a layer: q and o 3 x 4 each, k and v 3 x 2 each, three maps 3 x 5; a pair of positions: 2 products
        // over 2 heads of 2.
        let (qo, kv, mlp, pair) = (2 * 12, 2 * 6, 3 * 15, 2 * 4);
        let forward = 2 * (2 * 4 * (qo + kv + mlp) + 2 * 10 * pair + 4 * 3 * 7);
        assert_eq!(count.forward() as usize, forward);
        let clean = 4 * (qo + kv + mlp) + 10 * pair + 4 * kv + (qo + mlp) + 4 * pair;
        let suffix_pairs = (3 + 4) + 4;
        let suffix = 2 * (qo + kv + mlp) + 2 * kv + (qo + mlp) + suffix_pairs * pair;
        let back = suffix + suffix_pairs * pair;
        let granularity = crate::graph::Granularity::default();
        let graph =
            ComputationGraph::new(&config, &granularity, &std::collections::BTreeMap::new())
                .expect("a graph");
        // Two rows, but one for queries and what is after them in the last layer: writers before each reader, two of them
        // queries, and then what the four numbers of both heads write, over the three of the stream.
        let first = 2 * (2 + 1 + 1) + 2 * 3;
        let second = 2 * 4 + 2 * (4 + 4) + 6 + 7;
        let scores = 3 * (first + second + (2 + 1) * 4);
        let expected = 2 * (clean + 3 * suffix + 3 * back + scores);
        assert_eq!(count.attribution(&graph, 2, 3) as usize, expected);
    }
}
