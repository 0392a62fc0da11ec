//! The blocks of a model: all in memory, or each widened from its file when it is used.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Attention, Block, Linear, Mlp, Real};

/// Attentions that stay in memory after use. They are small, and a search looks back at what heads write.
const KEPT_ATTENTIONS: usize = 2;
/// MLPs that stay in memory after use.
const KEPT_MLPS: usize = 1;

/// The blocks of a model, first to last.
#[derive(Clone)]
pub struct Blocks<T>(Kind<T>);

#[derive(Clone)]
enum Kind<T> {
    Resident(Vec<Resident<T>>),
    OnDemand(Arc<OnDemand<T>>),
}

type Resident<T> = (Arc<Attention<T>>, Option<Arc<Mlp<T>>>);

/// Makes the parts of a block from its file.
pub(crate) trait BlockSource<T>: Send + Sync {
    /// The attention of a block.
    fn attention(&self, layer: usize) -> Attention<T>;

    /// The MLP of a block, where there is one.
    fn mlp(&self, layer: usize) -> Option<Mlp<T>>;
}

struct OnDemand<T> {
    source: Arc<dyn BlockSource<T>>,
    count: usize,
    attention: Recent<Attention<T>>,
    mlp: Recent<Mlp<T>>,
}

/// The parts used last.
struct Recent<P> {
    kept: usize,
    parts: Mutex<VecDeque<(usize, Arc<P>)>>,
}

impl<T: Real> Blocks<T> {
    /// Blocks that are made when they are used.
    pub(crate) fn on_demand(source: Arc<dyn BlockSource<T>>, count: usize) -> Self {
        Self(Kind::OnDemand(Arc::new(OnDemand {
            source,
            count,
            attention: Recent::new(KEPT_ATTENTIONS),
            mlp: Recent::new(KEPT_MLPS),
        })))
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Resident(blocks) => blocks.len(),
            Kind::OnDemand(blocks) => blocks.count,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether blocks are made when they are used.
    pub fn are_on_demand(&self) -> bool {
        matches!(self.0, Kind::OnDemand(_))
    }

    /// Adds a vector, `[d_model]`, to what a layer writes last, as a bias.
    pub(super) fn add_after(&mut self, layer: usize, vector: Vec<T>) {
        match &mut self.0 {
            Kind::Resident(blocks) => {
                let (attention, mlp) = &mut blocks[layer];
                let map = match mlp {
                    Some(mlp) => &mut Arc::make_mut(mlp).down,
                    None => &mut Arc::make_mut(attention).o,
                };
                add_bias(map, &vector);
            }
            Kind::OnDemand(_) => {
                let count = self.len();
                let source = Added {
                    blocks: self.clone(),
                    layer,
                    vector,
                };
                *self = Self::on_demand(Arc::new(source), count);
            }
        }
    }

    pub(super) fn attention(&self, layer: usize) -> Arc<Attention<T>> {
        match &self.0 {
            Kind::Resident(blocks) => Arc::clone(&blocks[layer].0),
            Kind::OnDemand(blocks) => {
                let make = || Some(blocks.source.attention(layer));
                let made = blocks.attention.get(layer, make);
                made.unwrap_or_else(|| unreachable!("every block has attention"))
            }
        }
    }

    pub(super) fn mlp(&self, layer: usize) -> Option<Arc<Mlp<T>>> {
        match &self.0 {
            Kind::Resident(blocks) => blocks[layer].1.clone(),
            Kind::OnDemand(blocks) => blocks.mlp.get(layer, || blocks.source.mlp(layer)),
        }
    }

    /// Bytes of the blocks in memory, or of the parts that are there at once where they are on demand.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.0 {
            Kind::Resident(blocks) => {
                let mlp =
                    |mlp: &Option<Arc<Mlp<T>>>| mlp.as_ref().map_or(0, |mlp| mlp.held_bytes());
                let blocks = blocks.iter();
                blocks
                    .map(|block| block.0.held_bytes() + mlp(&block.1))
                    .sum()
            }
            Kind::OnDemand(_) if self.is_empty() => 0,
            Kind::OnDemand(_) => {
                let mlp = self.mlp(0).map_or(0, |mlp| mlp.held_bytes());
                KEPT_ATTENTIONS * self.attention(0).held_bytes() + KEPT_MLPS * mlp
            }
        }
    }

    /// The same blocks in another precision; `on_demand` even if these are in memory.
    pub(super) fn cast<U: Real>(&self, on_demand: bool) -> Blocks<U> {
        match &self.0 {
            Kind::Resident(blocks) if !on_demand => blocks
                .iter()
                .map(|(attention, mlp)| Block {
                    attention: attention.cast(),
                    mlp: mlp.as_ref().map(|mlp| mlp.cast()),
                })
                .collect::<Vec<_>>()
                .into(),
            _ => Blocks::on_demand(Arc::new(Cast(self.clone())), self.len()),
        }
    }
}

impl<T> From<Vec<Block<T>>> for Blocks<T> {
    fn from(blocks: Vec<Block<T>>) -> Self {
        let parts = blocks
            .into_iter()
            .map(|block| (Arc::new(block.attention), block.mlp.map(Arc::new)));
        Self(Kind::Resident(parts.collect()))
    }
}

impl<T> fmt::Debug for Blocks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Resident(blocks) => write!(f, "{} blocks in memory", blocks.len()),
            Kind::OnDemand(blocks) => write!(f, "{} blocks on demand", blocks.count),
        }
    }
}

impl<P> Recent<P> {
    fn new(kept: usize) -> Self {
        Self {
            kept,
            parts: Mutex::default(),
        }
    }

    /// A part that was used lately, or else made now.
    ///
    /// Others wait meanwhile, so that no part is made twice. Making one must not run other work of this thread, which
    /// might come here too: it is not done on rayon's threads.
    fn get(&self, layer: usize, make: impl FnOnce() -> Option<P>) -> Option<Arc<P>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = parts.iter().position(|(known, _)| *known == layer) {
            let part = parts.remove(at)?;
            let found = Arc::clone(&part.1);
            parts.push_back(part);
            return Some(found);
        }
        // The oldest goes first, so that memory never holds one more.
        while parts.len() >= self.kept {
            parts.pop_front();
        }
        let part = Arc::new(make()?);
        parts.push_back((layer, Arc::clone(&part)));
        Some(part)
    }
}

/// Adds a vector to the bias of a map.
fn add_bias<T: Real>(map: &mut Linear<T>, vector: &[T]) {
    let bias = map.bias.get_or_insert_with(|| vec![T::ZERO; map.outputs]);
    for (bias, value) in bias.iter_mut().zip(vector) {
        *bias += *value;
    }
}

/// Blocks with a vector added to what one of them writes last.
struct Added<T> {
    blocks: Blocks<T>,
    layer: usize,
    vector: Vec<T>,
}

impl<T: Real> BlockSource<T> for Added<T> {
    fn attention(&self, layer: usize) -> Attention<T> {
        let mut attention = Attention::clone(&self.blocks.attention(layer));
        if layer == self.layer && self.blocks.mlp(layer).is_none() {
            add_bias(&mut attention.o, &self.vector);
        }
        attention
    }

    fn mlp(&self, layer: usize) -> Option<Mlp<T>> {
        let mut mlp = Mlp::clone(&*self.blocks.mlp(layer)?);
        if layer == self.layer {
            add_bias(&mut mlp.down, &self.vector);
        }
        Some(mlp)
    }
}

/// The blocks of another precision.
struct Cast<T>(Blocks<T>);

impl<T: Real, U: Real> BlockSource<U> for Cast<T> {
    fn attention(&self, layer: usize) -> Attention<U> {
        self.0.attention(layer).cast()
    }

    fn mlp(&self, layer: usize) -> Option<Mlp<U>> {
        Some(self.0.mlp(layer)?.cast())
    }
}
