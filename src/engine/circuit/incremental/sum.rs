//! What readers read, as sums over writers, some rows of all readers at a time.
//!
//! Many readers of a layer add up the same writers. A thread takes a few rows through all readers of a circuit, so that
//! what the writers write there stays in its cache. Every number is added up in the same order as one reader at a time.

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::prelude::*;

use super::inputs::Place;
use super::variant::Variant;
use crate::engine::circuit::base::{Base, Frame};
use crate::engine::kernels::filled::copied_in_order;
use crate::engine::kernels::rows;
use crate::model::Real;

/// Rows that a thread takes through all readers together.
const ROWS_TOGETHER: usize = 2;

/// Some of the rows at a place.
#[derive(Clone)]
pub(super) struct PlaceRows {
    pub place: Place,
    pub range: Range<usize>,
}

/// What is added to a sum, or subtracted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Term {
    /// How a writer of the base differs from its ablated value.
    Base { writer: usize, add: bool },
    /// How a dirty writer differs from the base.
    Dirty { writer: usize, add: bool },
    /// How all dirty writers together differ from the base.
    AllDirty,
}

/// The sum that a reader reads.
pub(super) struct Sum<'a, 'm, T> {
    /// The circuit; the base itself where there is none.
    pub variant: Option<&'a Variant<'m, T>>,
    /// Sums of the same group follow each other, as they share writers.
    pub group: usize,
    /// A stream, or rows at the place.
    pub start: &'a [T],
    /// What is added, in this order.
    pub terms: Vec<Term>,
}

impl<T: Real> Frame<'_, T> {
    /// The rows of every sum at a place, one sum after the other; `finish` does the rest to the rows of a sum.
    pub(super) fn sums(
        &self,
        base: &Base<T>,
        place: Place,
        sums: &[Sum<'_, '_, T>],
        finish: impl Fn(usize, &PlaceRows, &mut [T]) + Sync,
    ) -> Vec<T> {
        self.make_differences(base, sums);
        let rows = self.layout.query_rows(place.reads_only);
        let d_model = self.transformer.config().d_model;
        // Heads change through the norm of whole rows of the layer's sum: all rows at once save making it again.
        let together = if self.transformer.config().post_norms {
            rows
        } else {
            ROWS_TOGETHER
        };
        let parts: Vec<(usize, Range<usize>)> = (0..sums.len())
            .flat_map(|sum| {
                (0..rows)
                    .step_by(together.max(1))
                    .map(move |from| (sum, from..(from + together).min(rows)))
            })
            .collect();
        let lengths: Vec<usize> = parts
            .iter()
            .map(|(_, range)| range.len() * d_model)
            .collect();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&part| {
            let (sum, range) = &parts[part];
            (sums[*sum].group, range.start, *sum)
        });
        let rows_of = |part: usize| {
            let (sum, range) = parts[part].clone();
            (sum, PlaceRows { place, range })
        };
        let start = |part: usize| {
            let (index, rows) = rows_of(part);
            self.at_place(&rows, sums[index].start)
        };
        copied_in_order(&lengths, &order, start, |part, x| {
            let (index, rows) = rows_of(part);
            let sum = &sums[index];
            for &term in &sum.terms {
                self.add_term(base, sum.variant, term, &rows, x);
            }
            finish(index, &rows, x);
        })
    }

    /// Makes the writers' differences that sums need, each once, before many threads want them.
    fn make_differences(&self, base: &Base<T>, sums: &[Sum<'_, '_, T>]) {
        let mut wanted: BTreeSet<(usize, Term)> = BTreeSet::new();
        let mut variants = Vec::new();
        for sum in sums {
            for &term in &sum.terms {
                let (group, term) = match term {
                    Term::Base { writer, .. } => (0, Term::Base { writer, add: true }),
                    Term::Dirty { writer, .. } => (sum.group, Term::Dirty { writer, add: true }),
                    Term::AllDirty => continue,
                };
                if wanted.insert((group, term)) {
                    variants.push((sum.variant, term));
                }
            }
        }
        variants.into_par_iter().for_each(|(variant, term)| {
            self.difference(base, variant, term);
        });
    }

    /// A writer's difference.
    fn difference<'s>(
        &'s self,
        base: &'s Base<T>,
        variant: Option<&'s Variant<'_, T>>,
        term: Term,
    ) -> Option<&'s [T]> {
        match term {
            Term::Base { writer, .. } => Some(self.delta(base, writer)),
            Term::Dirty { writer, .. } => Some(self.expanded(variant?, writer)),
            Term::AllDirty => variant?.full.as_deref(),
        }
    }

    fn add_term(
        &self,
        base: &Base<T>,
        variant: Option<&Variant<'_, T>>,
        term: Term,
        rows: &PlaceRows,
        x: &mut [T],
    ) {
        let Some(values) = self.difference(base, variant, term) else {
            return;
        };
        match term {
            Term::Base { writer, add } | Term::Dirty { writer, add } => {
                self.combine(rows, writer, values, add, x);
            }
            Term::AllDirty => rows::add(x, &self.at_place(rows, values)),
        }
    }

    /// Adds or subtracts a writer's rows at a place.
    fn combine(&self, at: &PlaceRows, writer: usize, values: &[T], add: bool, x: &mut [T]) {
        let apply = if add { rows::add } else { rows::subtract };
        let d_model = self.transformer.config().d_model;
        let gathers = at.place.reads_only && !self.writes_reads_only(writer);
        let row_of = |row: usize| row * d_model..(row + 1) * d_model;
        let first = at.range.start;
        match (self.transformer.graph().span_of(writer), gathers) {
            (None, false) => apply(x, &values[first * d_model..at.range.end * d_model]),
            (None, true) => {
                let reads = &self.layout.reads[at.range.clone()];
                for (x, &row) in x.chunks_exact_mut(d_model).zip(reads) {
                    apply(x, &values[row_of(row)]);
                }
            }
            (Some(span), false) => {
                let own = self.spans.rows(span, at.place.reads_only);
                for (place, &row) in own.iter().enumerate() {
                    if at.range.contains(&row) {
                        apply(&mut x[row_of(row - first)], &values[row_of(place)]);
                    }
                }
            }
            (Some(span), true) => {
                for &(place, read) in self.spans.read(span) {
                    if at.range.contains(&read) {
                        apply(&mut x[row_of(read - first)], &values[row_of(place)]);
                    }
                }
            }
        }
    }
}
