//! Packed rows: the tokens of all examples as rows of one matrix, without padding.

use std::ops::Range;

use crate::engine::pass::changes::RowPlaces;
use crate::task::Example;

/// One sequence among the packed rows.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Absolute position of the first row: the length of the shared prefix.
    pub start: usize,
    /// The rows.
    pub rows: Range<usize>,
    /// Entries of [`Layout::reads`] that belong to this sequence.
    pub reads: Range<usize>,
    /// First row of the shared prefix in the prefix cache.
    pub prefix_row: usize,
}

impl Segment {
    /// Number of positions of the sequence, shared prefix included.
    pub(crate) fn positions(&self) -> usize {
        self.start + self.rows.len()
    }
}

/// Which rows belong to which sequence, and which rows the metric reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub segments: Vec<Segment>,
    /// Absolute position of every row.
    pub positions: Vec<usize>,
    /// Rows whose logits the metric reads.
    pub reads: Vec<usize>,
}

impl Segment {
    /// Its rows in matrices of all rows, or in matrices of those read.
    pub(crate) fn range(&self, reads_only: bool) -> &Range<usize> {
        if reads_only { &self.reads } else { &self.rows }
    }
}

impl Layout {
    /// Every position of every sequence, reading the logits of the given positions.
    pub(crate) fn whole<'a>(sequences: impl IntoIterator<Item = (&'a [u32], &'a [usize])>) -> Self {
        let mut layout = Self::default();
        for (tokens, at) in sequences {
            layout.push(0, tokens.len(), at, 0);
        }
        layout
    }

    /// The positions from the first difference of clean and corrupt on, or from the first scored position if that
    /// comes earlier. Returns the layout and the rows of the whole layout that form the shared prefixes.
    pub(crate) fn after_shared_prefix(examples: &[Example]) -> (Self, Vec<usize>) {
        let mut layout = Self::default();
        let mut prefix_rows = Vec::new();
        let mut whole_row = 0;
        for example in examples {
            let difference = example.first_difference().unwrap_or(0);
            let start = example.at.iter().copied().fold(difference, usize::min);
            layout.push(
                start,
                example.clean.len() - start,
                &example.at,
                prefix_rows.len(),
            );
            prefix_rows.extend(whole_row..whole_row + start);
            whole_row += example.clean.len();
        }
        (layout, prefix_rows)
    }

    /// The positions from the first one read on, with the rows of the whole layout before them.
    pub(crate) fn from_first_read(examples: &[Example]) -> (Self, Vec<usize>) {
        let mut layout = Self::default();
        let mut prefix_rows = Vec::new();
        let mut whole_row = 0;
        for example in examples {
            let len = example.clean.len();
            let start = example.at.iter().copied().fold(len - 1, usize::min);
            layout.push(start, len - start, &example.at, prefix_rows.len());
            prefix_rows.extend(whole_row..whole_row + start);
            whole_row += len;
        }
        (layout, prefix_rows)
    }

    /// Some sequences of a whole layout, each from a position on: the rows of the whole layout before it are the prefix.
    pub(crate) fn branches(&self, from: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut layout = Self::default();
        for (sequence, start) in from {
            let segment = &self.segments[sequence];
            let at = self.reads[segment.reads.clone()].iter();
            let at: Vec<usize> = at
                .map(|row| row - segment.rows.start)
                .filter(|position| *position >= start)
                .collect();
            layout.push(start, segment.rows.len() - start, &at, segment.rows.start);
        }
        layout
    }

    /// The positions of some sequences after a prefix that all of them share: how many there are, and the positions whose
    /// logits are read, none of them in the prefix.
    pub(crate) fn after_prefix<'a>(
        shared: usize,
        sequences: impl IntoIterator<Item = (usize, &'a [usize])>,
    ) -> Self {
        let mut layout = Self::default();
        for (length, at) in sequences {
            layout.push(shared, length, at, 0);
        }
        layout
    }

    /// The position after each of some sequences, given with the row at which its positions so far, the prefix, begin.
    pub(crate) fn next(&self, sequences: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut layout = Self::default();
        for (index, prefix_row) in sequences {
            let start = self.segments[index].positions();
            layout.push(start, 1, &[start], prefix_row);
        }
        layout
    }

    fn push(&mut self, start: usize, len: usize, at: &[usize], prefix_row: usize) {
        let row = self.rows();
        let read = self.reads.len();
        self.reads
            .extend(at.iter().map(|&position| row + position - start));
        self.positions.extend(start..start + len);
        self.segments.push(Segment {
            start,
            rows: row..row + len,
            reads: read..self.reads.len(),
            prefix_row,
        });
    }

    /// The same sequences `times` over, one after the other, sharing their prefixes.
    pub(crate) fn repeat(&self, times: usize) -> Self {
        let mut layout = Self::default();
        for copy in 0..times {
            let (row, read) = (copy * self.rows(), copy * self.reads.len());
            layout.positions.extend_from_slice(&self.positions);
            layout
                .reads
                .extend(self.reads.iter().map(|index| index + row));
            layout
                .segments
                .extend(self.segments.iter().map(|segment| Segment {
                    start: segment.start,
                    rows: segment.rows.start + row..segment.rows.end + row,
                    reads: segment.reads.start + read..segment.reads.end + read,
                    prefix_row: segment.prefix_row,
                }));
        }
        layout
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.positions.len()
    }

    /// Rows of this layout in the whole layout of the same sequences.
    pub(crate) fn rows_in_whole(&self) -> Vec<usize> {
        let mut whole_row = 0;
        let mut rows = Vec::with_capacity(self.rows());
        for segment in &self.segments {
            let len = segment.rows.len();
            rows.extend(whole_row + segment.start..whole_row + segment.start + len);
            whole_row += segment.start + len;
        }
        rows
    }

    /// Number of rows that queries of a layer have: all, or those read in the last layer.
    pub(crate) fn query_rows(&self, reads_only: bool) -> usize {
        if reads_only {
            self.reads.len()
        } else {
            self.rows()
        }
    }

    /// Where the query rows are.
    pub(crate) fn row_places(&self, reads_only: bool) -> RowPlaces {
        let segments = self.segments.iter().enumerate();
        let sequences = segments.flat_map(|(sequence, segment)| {
            std::iter::repeat_n(sequence, segment.range(reads_only).len())
        });
        RowPlaces {
            sequences: sequences.collect(),
            positions: self.query_positions(reads_only),
            reads: self.read_rows(reads_only),
        }
    }

    /// The rows read among the query rows.
    fn read_rows(&self, reads_only: bool) -> Vec<usize> {
        if reads_only {
            (0..self.reads.len()).collect()
        } else {
            self.reads.clone()
        }
    }

    /// The query row of an entry of [`Self::reads`].
    pub(crate) fn query_row(&self, read: usize, reads_only: bool) -> usize {
        if reads_only { read } else { self.reads[read] }
    }

    /// The queries of a sequence: their index among the query rows, and their position.
    pub(crate) fn queries(
        &self,
        segment: &Segment,
        reads_only: bool,
    ) -> impl Iterator<Item = (usize, usize)> {
        let range = segment.range(reads_only).clone();
        let (start, first) = (segment.start, segment.rows.start);
        range.map(move |index| {
            let row = if reads_only { self.reads[index] } else { index };
            (index, start + row - first)
        })
    }

    /// Absolute positions of the query rows.
    pub(crate) fn query_positions(&self, reads_only: bool) -> Vec<usize> {
        if reads_only {
            self.reads.iter().map(|&row| self.positions[row]).collect()
        } else {
            self.positions.clone()
        }
    }
}
