//! Where heads look, and what they would write for a stream that they look at.

use std::ops::Range;

use crate::engine::kernels::attention::{HeadRows, pattern_of};
use crate::engine::pass::attention::sequence;
use crate::engine::pass::forward::check_finite;
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::error::Result;
use crate::model::Real;

/// Attention of one head on one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Pattern<'p, T> {
    /// Number of the sequence.
    pub sequence: usize,
    /// The layer.
    pub layer: usize,
    /// Number of the head in it.
    pub head: usize,
    /// `[positions, positions]`: how much each position looks at each; rows sum to 1, and are 0 where nothing is seen.
    pub attention: &'p [T],
}

impl<T: Real> Transformer<'_, T> {
    /// Runs sequences together and shows the attention of every head.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, or a sequence is empty or longer than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass, and one more of the scores.
    pub fn patterns(
        &self,
        sequences: &[&[u32]],
        mut visit: impl FnMut(Pattern<'_, T>),
    ) -> Result<()> {
        let config = self.config();
        let (heads, kv_heads, width) = (config.n_heads, config.n_kv_heads, config.d_head);
        let every: Vec<Vec<usize>> = sequences.iter().map(|it| (0..it.len()).collect()).collect();
        let layout = Layout::whole(sequences.iter().zip(&every).map(|(&it, at)| (it, &at[..])));
        let embedded = self.embed(sequences.iter().flat_map(|it| it.iter().copied()));
        let run = self.forward(&layout, &embedded, &Prefix::default(), false);
        check_finite(&run)?;
        for (layer, run) in run.layers.iter().enumerate() {
            for head in 0..heads {
                let own = |data, count, head: usize| HeadRows {
                    data,
                    stride: count * width,
                    offset: head * width,
                    width,
                };
                let kv = head / config.group_size();
                let (q, k) = (own(&run.q, heads, head), own(&run.k, kv_heads, kv));
                for (number, segment) in layout.segments.iter().enumerate() {
                    let length = segment.rows.len();
                    let mut attention = vec![T::ZERO; length * length];
                    let keys = sequence(segment, (self.prefix_rows(&[], layer, kv), k));
                    for position in 0..length {
                        let visible = self.visible(layer, segment, position);
                        let row = &mut attention[position * length..(position + 1) * length];
                        let query = q.row(segment.rows.start + position);
                        pattern_of(
                            query,
                            keys,
                            visible.start,
                            self.scoring(),
                            &mut row[visible],
                        );
                    }
                    visit(Pattern {
                        sequence: number,
                        layer,
                        head,
                        attention: &attention,
                    });
                }
            }
        }
        Ok(())
    }

    /// The positions that a query at a position of a sequence of this length sees.
    pub fn seen(&self, layer: usize, position: usize, length: usize) -> Range<usize> {
        let segment = Segment {
            start: 0,
            rows: 0..length,
            reads: 0..0,
            prefix_row: 0,
        };
        self.visible(layer, &segment, position)
    }

    /// What a head would write where it looked only at a position with this stream, through the head's own norm, values and
    /// output, `[rows, d_model]`. Where the model norms the sum of its heads, the head alone passes that norm.
    pub fn head_of_stream(&self, layer: usize, head: usize, streams: &[T]) -> Vec<T> {
        let block = self.weights.attention(layer);
        let rows = streams.len() / self.config().d_model;
        let kv = head / self.config().group_size();
        let normed = self.norm(&block.norm, streams);
        let values = self.values(layer, &normed, (kv, kv + 1), rows);
        let written = self.project_head(layer, head, &values);
        self.post_norm(layer, &written)
    }
}
