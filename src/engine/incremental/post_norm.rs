//! Heads under a post-norm: what they add to a reader's input is the norm of the sum of the values chosen for that
//! reader, so the heads of a layer change together and not one by one.

use std::borrow::Cow;

use super::sum::PlaceRows;
use super::variant::Variant;
use crate::engine::base::{Base, Frame, get_or_make};
use crate::engine::kernels::rows;
use crate::engine::transformer::Transformer;
use crate::graph::Node;
use crate::model::Real;

impl<T: Real> Frame<'_, T> {
    /// Whether a writer is a head that adds to the stream through a post-norm.
    pub(super) fn is_post_normed(&self, writer: usize) -> bool {
        let transformer = self.transformer;
        transformer.config().post_norms
            && matches!(transformer.graph.writers()[writer], Node::Head { .. })
    }

    /// Exchanges, in what a reader reads, the heads' contributions `from` the base with these writers kept for those
    /// `to` the variant with these writers kept.
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
        let is_dirty = |writer: usize| variant.is_some_and(|it| it.dirty[writer].is_some());
        for (layer, wiring) in transformer.layers.iter().enumerate() {
            let count = transformer.config().n_heads * transformer.graph.span_count();
            let heads = wiring.first_head..wiring.first_head + count;
            if heads.end > before {
                return;
            }
            let differs = heads.clone().any(|writer| {
                (to(writer) && is_dirty(writer))
                    || (from(writer) != to(writer) && !base.is_zero(writer))
            });
            if differs {
                let old = self.heads_contribution(base, None, layer, &from);
                rows::subtract(x, &self.at_place(rows, &old));
                let new = self.heads_contribution(base, variant, layer, &to);
                rows::add(x, &self.at_place(rows, &new));
            }
        }
    }

    /// The norm of the sum of a layer's heads, kept or ablated.
    fn heads_contribution<'b>(
        &'b self,
        base: &'b Base<T>,
        variant: Option<&Variant<'_, T>>,
        layer: usize,
        kept: &impl Fn(usize) -> bool,
    ) -> Cow<'b, [T]> {
        let transformer = self.transformer;
        let first = transformer.layers[layer].first_head;
        let heads = first..first + transformer.config().n_heads * transformer.graph.span_count();
        let is_dirty = |writer: usize| variant.is_some_and(|it| it.dirty[writer].is_some());
        let matters = |writer: usize| !base.is_zero(writer) || is_dirty(writer);
        if !heads.clone().any(|writer| kept(writer) && matters(writer)) {
            return Cow::Borrowed(&self.ablated_heads(layer).normed);
        }
        if heads
            .clone()
            .all(|writer| !is_dirty(writer) && (kept(writer) || base.is_zero(writer)))
        {
            return Cow::Borrowed(get_or_make::<Vec<T>>(&base.normed_heads[layer], || {
                normed_heads(transformer, layer, &base.layers[layer].z).normed
            }));
        }
        let mut total = self.ablated_heads(layer).total.clone();
        for writer in heads.filter(|&writer| kept(writer)) {
            if !base.is_zero(writer) {
                self.apply(writer, self.delta(base, writer), true, &mut total);
            }
            if let Some(variant) = variant
                && is_dirty(writer)
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
