//! What readers read in a variant, computed from what they read in the base.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::FEW_WRITERS;
use super::variant::Variant;
use crate::engine::base::{Base, Frame};
use crate::engine::kernels::filled::filled;
use crate::engine::kernels::rows;
use crate::model::Real;

/// A place where readers of one layer read.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub index: usize,
    /// Whether only the rows read are needed.
    pub reads_only: bool,
}

/// A distinct input at a place: one variant, one row of the mask, and the ports that read it.
pub(super) struct Input<P> {
    pub variant: usize,
    pub reader: usize,
    pub ports: Vec<P>,
}

impl<T: Real> Frame<'_, T> {
    /// The base's input for every distinct mask row among these readers.
    pub(super) fn shared_inputs<'b>(
        &self,
        base: &'b Base<T>,
        place: Place,
        readers: impl Iterator<Item = usize>,
    ) -> BTreeMap<&'b [u64], Vec<T>> {
        let mut first: BTreeMap<&[u64], usize> = BTreeMap::new();
        for reader in readers {
            first.entry(base.mask.row(reader)).or_insert(reader);
        }
        let first: Vec<_> = first.into_iter().collect();
        first
            .into_par_iter()
            .map(|(row, reader)| (row, self.base_input(base, place, reader)))
            .collect()
    }

    /// What a reader reads in the base.
    pub(super) fn base_input(&self, base: &Base<T>, place: Place, reader: usize) -> Vec<T> {
        let before = self.transformer.graph.writers_before(reader);
        let dense = self.is_dense(&base.mask, reader);
        let stream = if dense {
            self.stream(base, place.index)
        } else {
            &self.ablated.streams[place.index]
        };
        let mut x = self.at_place(place, stream).into_owned();
        let kept = |writer: usize| base.mask.contains(writer, reader);
        for writer in 0..before {
            let same = kept(writer) == dense || base.is_zero(writer);
            if !same && !self.is_post_normed(writer) {
                self.combine(place, writer, self.delta(base, writer), !dense, &mut x);
            }
        }
        self.exchange_heads(base, None, (place, before), |_| dense, kept, &mut x);
        x
    }

    /// A stream's rows at a place: those read, where the place needs no others.
    pub(super) fn at_place<'s>(&self, place: Place, stream: &'s [T]) -> Cow<'s, [T]> {
        let d_model = self.transformer.config().d_model;
        if place.reads_only && stream.len() == self.layout.rows() * d_model {
            Cow::Owned(rows::gather(stream, d_model, &self.layout.reads))
        } else {
            Cow::Borrowed(stream)
        }
    }

    /// Adds or subtracts a writer's rows at a place.
    pub(super) fn combine(
        &self,
        place: Place,
        writer: usize,
        values: &[T],
        add: bool,
        x: &mut [T],
    ) {
        let apply = if add { rows::add } else { rows::subtract };
        if !place.reads_only || self.writes_reads_only(writer) {
            return self.apply(writer, values, add, x);
        }
        let d_model = self.transformer.config().d_model;
        let Some(span) = self.transformer.graph.span_of(writer) else {
            return apply(x, &rows::gather(values, d_model, &self.layout.reads));
        };
        for &(row, read) in self.spans.read(span) {
            let values = &values[row * d_model..(row + 1) * d_model];
            apply(&mut x[read * d_model..(read + 1) * d_model], values);
        }
    }

    /// What a reader reads in a variant.
    pub(super) fn input(
        &self,
        base: &Base<T>,
        shared: &BTreeMap<&[u64], Vec<T>>,
        variant: &Variant<'_, T>,
        place: Place,
        reader: usize,
    ) -> Vec<T> {
        let rows = self.layout.query_rows(place.reads_only);
        let mut x = vec![T::ZERO; rows * self.transformer.config().d_model];
        self.fill_input(base, shared, variant, (place, reader), &mut x);
        x
    }

    /// As [`Self::input`], into a place of its own.
    fn fill_input(
        &self,
        base: &Base<T>,
        shared: &BTreeMap<&[u64], Vec<T>>,
        variant: &Variant<'_, T>,
        (place, reader): (Place, usize),
        x: &mut [T],
    ) {
        if variant.mask.kept_into(reader) <= FEW_WRITERS {
            return self.fill_input_of_few(base, variant, (place, reader), x);
        }
        let before = base.mask.row(reader);
        let kept = variant.mask.row(reader);
        x.copy_from_slice(&shared[before]);
        for writer in writers_of(kept.iter().zip(before).map(|(kept, before)| kept ^ before)) {
            if !base.is_zero(writer) && !self.is_post_normed(writer) {
                let added = variant.mask.contains(writer, reader);
                self.combine(place, writer, self.delta(base, writer), added, x);
            }
        }
        let all = if self.is_dense(variant.mask, reader) {
            variant.full.as_deref()
        } else {
            None
        };
        if let Some(all) = all {
            rows::add(x, &self.at_place(place, all));
        }
        let flip = if all.is_some() { u64::MAX } else { 0 };
        let words = kept
            .iter()
            .zip(&variant.dirty_bits)
            .map(|(kept, dirty)| (kept ^ flip) & dirty);
        for writer in writers_of(words) {
            if !self.is_post_normed(writer) {
                let difference = self.expanded(variant, writer);
                self.combine(place, writer, difference, all.is_none(), x);
            }
        }
        self.exchange_heads(
            base,
            Some(variant),
            (place, self.transformer.graph.writers_before(reader)),
            |writer| base.mask.contains(writer, reader),
            |writer| variant.mask.contains(writer, reader),
            x,
        );
    }

    /// What a reader with few kept writers reads: the sum itself, without any cancellation.
    fn fill_input_of_few(
        &self,
        base: &Base<T>,
        variant: &Variant<'_, T>,
        (place, reader): (Place, usize),
        x: &mut [T],
    ) {
        x.copy_from_slice(&self.at_place(place, &self.ablated.streams[place.index]));
        for writer in variant.mask.writers_into(reader) {
            if self.is_post_normed(writer) {
                continue;
            }
            if !base.is_zero(writer) {
                self.combine(place, writer, self.delta(base, writer), true, x);
            }
            if variant.dirty[writer].is_some() {
                self.combine(place, writer, self.expanded(variant, writer), true, x);
            }
        }
        self.exchange_heads(
            base,
            Some(variant),
            (place, self.transformer.graph.writers_before(reader)),
            |_| false,
            |writer| variant.mask.contains(writer, reader),
            x,
        );
    }

    /// The inputs' rows, one after the other.
    pub(super) fn stack<P: Sync + Send>(
        &self,
        base: &Base<T>,
        variants: &[Variant<'_, T>],
        place: Place,
        inputs: &[Input<P>],
    ) -> Vec<T> {
        let many = inputs
            .iter()
            .filter(|input| variants[input.variant].mask.kept_into(input.reader) > FEW_WRITERS);
        let shared = self.shared_inputs(base, place, many.map(|input| input.reader));
        let rows = self.layout.query_rows(place.reads_only);
        let each = rows * self.transformer.config().d_model;
        filled(inputs.len() * each, each, |index, x| {
            let input = &inputs[index];
            let variant = &variants[input.variant];
            self.fill_input(base, &shared, variant, (place, input.reader), x);
        })
    }
}

/// The distinct dirty inputs at a place. Readers with equal rows share one.
pub(super) fn distinct_inputs<T: Real, P: Copy>(
    base: &Base<T>,
    variants: &[Variant<'_, T>],
    ports: &[(usize, P)],
) -> Vec<Input<P>> {
    let mut inputs = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let mut groups: BTreeMap<(&[u64], &[u64]), Input<P>> = BTreeMap::new();
        for &(reader, port) in ports {
            if variant.is_dirty(base, reader) {
                groups
                    .entry((variant.mask.row(reader), base.mask.row(reader)))
                    .or_insert_with(|| Input {
                        variant: index,
                        reader,
                        ports: Vec::new(),
                    })
                    .ports
                    .push(port);
            }
        }
        inputs.extend(groups.into_values());
    }
    inputs
}

/// The writers whose bits are set in a row of words.
pub(super) fn writers_of(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                word * 64 + bit
            })
        })
    })
}
