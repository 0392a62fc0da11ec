//! What readers read in a variant, computed from what they read in the base.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::sum::{PlaceRows, Sum, Term};
use super::variant::Variant;
use crate::engine::circuit::base::{Base, Frame};
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

/// The base's input for every distinct mask row among some readers.
struct SharedInputs<'b, T> {
    index: BTreeMap<&'b [u64], usize>,
    rows: Vec<T>,
    /// Numbers of an input.
    each: usize,
}

impl<T> SharedInputs<'_, T> {
    fn of(&self, row: &[u64]) -> &[T] {
        let start = self.index[row] * self.each;
        &self.rows[start..start + self.each]
    }
}

impl<T: Real> Frame<'_, T> {
    fn shared_inputs<'b>(
        &self,
        base: &'b Base<T>,
        place: Place,
        readers: impl Iterator<Item = usize>,
    ) -> SharedInputs<'b, T> {
        let mut first: BTreeMap<&[u64], usize> = BTreeMap::new();
        for reader in readers {
            first.entry(base.mask.row(reader)).or_insert(reader);
        }
        let readers: Vec<usize> = first.values().copied().collect();
        let sums: Vec<Sum<'_, '_, T>> = readers
            .iter()
            .map(|&reader| self.base_sum(base, place, reader))
            .collect();
        let rows = self.sums(base, place, &sums, |index, rows, x| {
            let reader = readers[index];
            let dense = self.is_dense(&base.mask, reader);
            let kept = |writer: usize| base.mask.contains(writer, reader);
            let before = self.transformer.graph().writers_before(reader);
            self.exchange_heads(base, None, (rows, before), |_| dense, kept, x);
        });
        SharedInputs {
            index: first.into_keys().zip(0..).collect(),
            rows,
            each: self.layout.query_rows(place.reads_only) * self.transformer.config().d_model,
        }
    }

    /// What a reader reads in the base.
    fn base_sum<'s>(
        &'s self,
        base: &'s Base<T>,
        place: Place,
        reader: usize,
    ) -> Sum<'s, 'static, T> {
        let dense = self.is_dense(&base.mask, reader);
        let differs =
            |writer: &usize| base.mask.contains(*writer, reader) != dense && !base.is_zero(*writer);
        Sum {
            variant: None,
            group: 0,
            start: if dense {
                self.stream(base, place.index)
            } else {
                &self.ablated.streams[place.index]
            },
            terms: (0..self.transformer.graph().writers_before(reader))
                .filter(differs)
                .filter(|&writer| !self.is_post_normed(writer))
                .map(|writer| Term::Base {
                    writer,
                    add: !dense,
                })
                .collect(),
        }
    }

    /// A stream's rows at a place: those read, where the place needs no others.
    pub(super) fn at_place<'s>(&self, at: &PlaceRows, stream: &'s [T]) -> Cow<'s, [T]> {
        let d_model = self.transformer.config().d_model;
        if at.place.reads_only && stream.len() == self.layout.rows() * d_model {
            let reads = &self.layout.reads[at.range.clone()];
            Cow::Owned(rows::gather(stream, d_model, reads))
        } else {
            Cow::Borrowed(&stream[at.range.start * d_model..at.range.end * d_model])
        }
    }

    /// What a reader reads in a variant: from what it reads in the base, or the sum itself where few writers are kept,
    /// which cancels nothing.
    fn variant_sum<'s, 'm>(
        &'s self,
        base: &'s Base<T>,
        shared: &'s SharedInputs<'_, T>,
        (index, variant): (usize, &'s Variant<'m, T>),
        (place, reader): (Place, usize),
    ) -> Sum<'s, 'm, T> {
        let post_normed = |writer: &usize| self.is_post_normed(*writer);
        let mut sum = Sum {
            variant: Some(variant),
            group: index,
            start: &self.ablated.streams[place.index],
            terms: Vec::new(),
        };
        if variant.sums_afresh(base, reader) {
            for writer in variant.mask.writers_into(reader) {
                if post_normed(&writer) {
                    continue;
                }
                if !base.is_zero(writer) {
                    sum.terms.push(Term::Base { writer, add: true });
                }
                if variant.dirty[writer].is_some() {
                    sum.terms.push(Term::Dirty { writer, add: true });
                }
            }
            return sum;
        }
        let before = base.mask.row(reader);
        let kept = variant.mask.row(reader);
        sum.start = shared.of(before);
        for writer in writers_of(kept.iter().zip(before).map(|(kept, before)| kept ^ before)) {
            if !base.is_zero(writer) && !post_normed(&writer) {
                let add = variant.mask.contains(writer, reader);
                sum.terms.push(Term::Base { writer, add });
            }
        }
        let all = self.is_dense(variant.mask, reader) && variant.full.is_some();
        let flip = if all { u64::MAX } else { 0 };
        if all {
            sum.terms.push(Term::AllDirty);
        }
        let words = kept
            .iter()
            .zip(variant.differing.any())
            .map(|(kept, dirty)| (kept ^ flip) & dirty);
        for writer in writers_of(words).filter(|writer| !post_normed(writer)) {
            sum.terms.push(Term::Dirty { writer, add: !all });
        }
        sum
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
            .filter(|input| !variants[input.variant].sums_afresh(base, input.reader));
        let shared = self.shared_inputs(base, place, many.map(|input| input.reader));
        let sums: Vec<Sum<'_, '_, T>> = inputs
            .iter()
            .map(|input| {
                let variant = (input.variant, &variants[input.variant]);
                self.variant_sum(base, &shared, variant, (place, input.reader))
            })
            .collect();
        self.sums(base, place, &sums, |index, rows, x| {
            let (variant, reader) = (&variants[inputs[index].variant], inputs[index].reader);
            let few = variant.sums_afresh(base, reader);
            self.exchange_heads(
                base,
                Some(variant),
                (rows, self.transformer.graph().writers_before(reader)),
                |writer| !few && base.mask.contains(writer, reader),
                |writer| variant.mask.contains(writer, reader),
                x,
            );
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
