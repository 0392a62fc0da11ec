//! Heads under a post-norm: what they add to a reader's input is the norm of the sum of the values chosen for that
//! reader, so the heads of a layer change together and not one by one.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::sum::PlaceRows;
use super::variant::Variant;
use crate::engine::circuit::base::{Base, Frame, get_or_make};
use crate::engine::kernels::rows;
use crate::engine::pass::transformer::Transformer;
use crate::graph::Node;
use crate::model::Real;

impl<T: Real> Frame<'_, T> {
    /// Whether a writer is a head that adds to the stream through a post-norm.
    pub(super) fn is_post_normed(&self, writer: usize) -> bool {
        let transformer = self.transformer;
        transformer.config().post_norms
            && matches!(transformer.graph().writers()[writer], Node::Head { .. })
    }

    /// Exchanges, in what a reader reads, the heads' contributions `from` the base with these writers kept for those
    /// `to` the variant with these writers kept, in the examples where they differ.
    pub(super) fn exchange_heads(
        &self,
        base: &Base<T>,
        variant: Option<&Variant<'_, T>>,
        (rows, before): (&PlaceRows, usize),
        from: impl Fn(usize) -> bool,
        to: impl Fn(usize) -> bool,
        x: &mut [T],
    ) {
        let transformer = self.transformer;
        if !transformer.config().post_norms {
            return;
        }
        for (layer, wiring) in transformer.layers.iter().enumerate() {
            let count = transformer.config().n_heads * transformer.graph().span_count();
            let heads = wiring.first_head..wiring.first_head + count;
            if heads.end > before {
                return;
            }
            let differs = |&example: &usize| {
                heads.clone().any(|writer| {
                    let dirty = variant.is_some_and(|it| it.differing.contains_in(writer, example));
                    let nonzero = base.differing.contains_in(writer, example);
                    (to(writer) && dirty) || (from(writer) != to(writer) && nonzero)
                })
            };
            let examples = 0..self.layout.segments.len();
            let examples: Vec<usize> = examples.filter(differs).collect();
            if !examples.is_empty() {
                let old = (None, &from as &dyn Fn(usize) -> bool, false);
                self.change_by_heads((base, layer, &heads), old, (rows, &examples), x);
                let new = (variant, &to as &dyn Fn(usize) -> bool, true);
                self.change_by_heads((base, layer, &heads), new, (rows, &examples), x);
            }
        }
    }

    /// Adds or subtracts what a layer's heads, kept or ablated, add to the stream in some examples.
    fn change_by_heads(
        &self,
        (base, layer, heads): (&Base<T>, usize, &Range<usize>),
        (variant, kept, add): (Option<&Variant<'_, T>>, &dyn Fn(usize) -> bool, bool),
        (rows, examples): (&PlaceRows, &[usize]),
        x: &mut [T],
    ) {
        let d_model = self.transformer.config().d_model;
        let apply = if add { rows::add } else { rows::subtract };
        let of = |example: usize| of_heads(base, variant, heads.clone(), kept, example);
        let ways: BTreeSet<OfHeads> = examples.iter().map(|&example| of(example)).collect();
        for way in ways {
            let values = self.heads_contribution(base, variant, (layer, heads), kept, way);
            let values = self.at_place(rows, &values);
            for &example in examples.iter().filter(|&&example| of(example) == way) {
                let own = self.layout.segments[example].range(rows.place.reads_only);
                let from = own.start.clamp(rows.range.start, rows.range.end) - rows.range.start;
                let to = own.end.clamp(rows.range.start, rows.range.end) - rows.range.start;
                let own = from * d_model..to * d_model;
                apply(&mut x[own.clone()], &values[own]);
            }
        }
    }

    /// The norm of the sum of a layer's heads, kept or ablated, come by in this way.
    fn heads_contribution<'b>(
        &'b self,
        base: &'b Base<T>,
        variant: Option<&Variant<'_, T>>,
        (layer, heads): (usize, &Range<usize>),
        kept: &dyn Fn(usize) -> bool,
        way: OfHeads,
    ) -> Cow<'b, [T]> {
        let transformer = self.transformer;
        match way {
            OfHeads::Ablated => return Cow::Borrowed(&self.ablated_heads(layer).normed),
            OfHeads::Base => {
                return Cow::Borrowed(get_or_make::<Vec<T>>(&base.normed_heads[layer], || {
                    normed_heads(transformer, layer, &base.layers[layer].z).normed
                }));
            }
            OfHeads::Mixed => {}
        }
        let mut total = self.ablated_heads(layer).total.clone();
        for writer in heads.clone().filter(|&writer| kept(writer)) {
            if !base.is_zero(writer) {
                self.apply(writer, self.delta(base, writer), true, &mut total);
            }
            if let Some(variant) = variant
                && variant.dirty[writer].is_some()
            {
                self.apply(writer, self.expanded(variant, writer), true, &mut total);
            }
        }
        Cow::Owned(transformer.post_norm(layer, &total))
    }

    fn ablated_heads(&self, layer: usize) -> &NormedHeads<T> {
        get_or_make(&self.ablated_heads[layer], || {
            normed_heads(self.transformer, layer, &self.ablated.z[layer])
        })
    }
}

/// Which values a layer's heads have in an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum OfHeads {
    /// All of them the ablated ones.
    Ablated,
    /// All of them the base's.
    Base,
    /// Some of each, or of a variant's own.
    Mixed,
}

fn of_heads<T: Real>(
    base: &Base<T>,
    variant: Option<&Variant<'_, T>>,
    mut heads: Range<usize>,
    kept: &dyn Fn(usize) -> bool,
    example: usize,
) -> OfHeads {
    let is_dirty = |writer| variant.is_some_and(|it| it.differing.contains_in(writer, example));
    let nonzero = |writer| base.differing.contains_in(writer, example);
    let mut all = heads.clone();
    if !heads.any(|writer| kept(writer) && (nonzero(writer) || is_dirty(writer))) {
        OfHeads::Ablated
    } else if all.all(|writer| !is_dirty(writer) && (kept(writer) || !nonzero(writer))) {
        OfHeads::Base
    } else {
        OfHeads::Mixed
    }
}

/// What a layer's heads write together, bias included, before and after the post-norm.
#[derive(Clone)]
pub(crate) struct NormedHeads<T> {
    total: Vec<T>,
    normed: Vec<T>,
}

fn normed_heads<T: Real>(
    transformer: &Transformer<'_, T>,
    layer: usize,
    z: &[T],
) -> NormedHeads<T> {
    let total = transformer.heads_total(layer, z);
    let normed = transformer.post_norm(layer, &total);
    NormedHeads { total, normed }
}
