//! The token span of every row, for graphs in which positions are told apart.

use std::ops::Range;

use crate::engine::pass::layout::{Layout, Segment};
use crate::error::{Error, Result};
use crate::graph::ComputationGraph;
use crate::task::Example;

/// The span of every row; nothing where positions are merged.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSpans {
    /// Per row.
    all: Vec<usize>,
    /// Per row read.
    reads: Vec<usize>,
    /// Per span: its rows.
    members: Vec<Members>,
}

/// The rows of a span, in order.
#[derive(Debug, Clone, Default)]
struct Members {
    /// Among all rows.
    all: Vec<usize>,
    /// Among the rows read.
    reads: Vec<usize>,
    /// Those of `all` that are read: place in `all`, and among the rows read.
    read: Vec<(usize, usize)>,
}

impl RowSpans {
    /// The spans of a layout's rows.
    ///
    /// # Errors
    /// When an example has no spans, or one that the graph has not.
    pub(crate) fn new(
        graph: &ComputationGraph,
        examples: &[Example],
        layout: &Layout,
    ) -> Result<Self> {
        if graph.spans().is_empty() {
            return Ok(Self::default());
        }
        let mut all = Vec::with_capacity(layout.rows());
        for (example, segment) in examples.iter().zip(&layout.segments) {
            let spans = numbers(graph, example)?;
            all.extend(
                layout.positions[segment.rows.clone()]
                    .iter()
                    .map(|&position| spans[position]),
            );
        }
        let reads: Vec<usize> = layout.reads.iter().map(|&row| all[row]).collect();
        let mut members = vec![Members::default(); graph.span_count()];
        for (row, &span) in all.iter().enumerate() {
            members[span].all.push(row);
        }
        for (read, (&span, row)) in reads.iter().zip(&layout.reads).enumerate() {
            let own = &mut members[span];
            let place = own.all.partition_point(|other| other < row);
            own.reads.push(read);
            own.read.push((place, read));
        }
        Ok(Self {
            all,
            reads,
            members,
        })
    }

    /// The rows of a span, or those of the rows read.
    pub(crate) fn rows(&self, span: usize, reads_only: bool) -> &[usize] {
        let members = &self.members[span];
        if reads_only {
            &members.reads
        } else {
            &members.all
        }
    }

    /// The rows of a span that are read: place among its rows, and among the rows read.
    pub(crate) fn read(&self, span: usize) -> &[(usize, usize)] {
        &self.members[span].read
    }

    /// The span of every row, or of every row read.
    fn of(&self, reads_only: bool) -> &[usize] {
        if reads_only { &self.reads } else { &self.all }
    }

    /// Some of the rows and of the rows read, to score edges from.
    pub(crate) fn part(&self, rows: Range<usize>, reads: Range<usize>) -> Self {
        let some = |spans: &[usize], range: Range<usize>| match spans {
            [] => Vec::new(),
            spans => spans[range].to_vec(),
        };
        Self {
            all: some(&self.all, rows),
            reads: some(&self.reads, reads),
            members: Vec::new(),
        }
    }

    /// The rows of a sequence as stretches of one span each; one of span 0 where positions are merged.
    pub(crate) fn stretches(
        &self,
        segment: &Segment,
        reads_only: bool,
    ) -> Vec<(usize, Range<usize>)> {
        let rows = segment.range(reads_only).clone();
        let spans = self.of(reads_only);
        if spans.is_empty() {
            return vec![(0, rows)];
        }
        let mut stretches = Vec::new();
        let mut start = rows.start;
        for stretch in spans[rows].chunk_by(|one, next| one == next) {
            stretches.push((stretch[0], start..start + stretch.len()));
            start += stretch.len();
        }
        stretches
    }
}

/// The number of the span of each token.
fn numbers(graph: &ComputationGraph, example: &Example) -> Result<Vec<usize>> {
    let mut spans = Vec::with_capacity(example.clean.len());
    for span in &example.spans {
        let number = graph.spans().iter().position(|name| *name == span.name);
        let number = number.ok_or_else(|| {
            let problem = format!(
                "a prompt has the span {:?}, which the graph has not; its spans are {}",
                span.name,
                graph.spans().join(", ")
            );
            Error::data("spans", problem)
        })?;
        spans.extend(std::iter::repeat_n(number, span.tokens));
    }
    if spans.len() == example.clean.len() {
        return Ok(spans);
    }
    let problem = format!(
        "the spans of a prompt have {} tokens and the prompt has {}; positions: Spans needs the span of every token",
        spans.len(),
        example.clean.len()
    );
    Err(Error::data("spans", problem))
}
