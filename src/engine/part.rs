//! Some examples of a chunk, with those of its runs that gradients are taken from.

use std::ops::Range;
use std::sync::OnceLock;

use super::ablated::Ablated;
use super::base::{Base, BaseLayer, Frame};
use super::chunk::Chunk;
use super::layout::{Layout, Segment};
use super::transformer::Prefix;
use crate::model::Real;

impl Layout {
    /// The sequences `range`, with the rows before them left out.
    fn part(&self, range: Range<usize>) -> Self {
        let segments = &self.segments[range];
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return Self::default();
        };
        let (row, read) = (first.rows.start, first.reads.start);
        let shift = |range: &Range<usize>, by: usize| range.start - by..range.end - by;
        Self {
            segments: segments
                .iter()
                .map(|segment| Segment {
                    start: segment.start,
                    rows: shift(&segment.rows, row),
                    reads: shift(&segment.reads, read),
                    prefix_row: segment.prefix_row - first.prefix_row,
                })
                .collect(),
            positions: self.positions[row..last.rows.end].to_vec(),
            reads: self.reads[read..last.reads.end]
                .iter()
                .map(|index| index - row)
                .collect(),
        }
    }
}

impl<T: Real> Chunk<'_, T> {
    /// The examples `range` as a chunk that gradients can be taken from, and nothing else.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let frame = &self.frame;
        let transformer = frame.transformer;
        let segments = &frame.layout.segments[range.clone()];
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            unreachable!("a part of a chunk has examples");
        };
        let rows = Cut(first.rows.start..last.rows.end, frame.layout.rows());
        let reads = Cut(first.reads.start..last.reads.end, frame.layout.reads.len());
        let prefix_rows: usize = frame
            .layout
            .segments
            .iter()
            .map(|segment| segment.start)
            .sum();
        let prefix = Cut(first.prefix_row..last.prefix_row + last.start, prefix_rows);
        let of_layer = |layer: usize| {
            if transformer.reads_only(layer) {
                &reads
            } else {
                &rows
            }
        };
        let each = |data: &[Vec<T>]| -> Vec<Vec<T>> {
            let layers = data.iter().enumerate();
            layers
                .map(|(layer, data)| of_layer(layer).of(data))
                .collect()
        };
        let sources = |data: &[Vec<T>]| data.iter().map(|data| rows.of(data)).collect();
        let ablated = &frame.ablated;
        let layers = self.full.layers.iter().enumerate().map(|(layer, run)| {
            let cut = of_layer(layer);
            BaseLayer {
                q: Vec::new(),
                k: Vec::new(),
                v: Vec::new(),
                z: cut.of(&run.z),
                mlp: cut.of(&run.mlp),
                neurons: cut.of(&run.neurons),
            }
        });
        Self {
            examples: self.examples[range.clone()].to_vec(),
            full: Base::of_parts(
                &self.full,
                self.full.sources.iter().map(|data| rows.of(data)).collect(),
                layers.collect(),
            ),
            frame: Frame {
                transformer,
                layout: frame.layout.part(range),
                prefix: Prefix {
                    k: frame.prefix.k.iter().map(|data| prefix.of(data)).collect(),
                    v: frame.prefix.v.iter().map(|data| prefix.of(data)).collect(),
                },
                ablated: Ablated {
                    sources: sources(&ablated.sources),
                    z: each(&ablated.z),
                    mlp: each(&ablated.mlp),
                    neurons: each(&ablated.neurons),
                    streams: Vec::new(),
                },
                ablated_heads: Vec::new(),
            },
            empty: OnceLock::new(),
            near: None,
            clean: rows.of(&self.clean),
            corrupt: rows.of(&self.corrupt),
            full_log_probs: reads.of(&self.full_log_probs),
            full_logits: reads.of(&self.full_logits),
        }
    }
}

/// Some of a matrix's rows, and how many it has.
struct Cut(Range<usize>, usize);

impl Cut {
    fn of<T: Copy>(&self, data: &[T]) -> Vec<T> {
        let width = data.len().checked_div(self.1).unwrap_or(0);
        data[self.0.start * width..self.0.end * width].to_vec()
    }
}
