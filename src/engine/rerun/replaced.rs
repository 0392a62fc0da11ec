//! A prompt run with the results of some heads, MLPs or hidden units replaced.

use crate::engine::kernels::{activation, rows};
use crate::engine::pass::changes::{Changes, Splice};
use crate::engine::pass::forward::{FullRun, LayerRun, check_finite};
use crate::engine::pass::generate::Continuation;
use crate::engine::pass::intervention::{Intervention, Site};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::streams::StreamSite;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::graph::Node;
use crate::model::Real;

/// A prompt that was run, every position of it.
pub struct PromptRun<'t, 'a, T> {
    transformer: &'t Transformer<'a, T>,
    layout: Layout,
    run: FullRun<T>,
    /// What also holds at positions after the prompt.
    everywhere: Vec<Intervention<T>>,
    splice: Option<&'t dyn Splice<T>>,
}

/// A head, an MLP or a neuron with what takes the place of its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Replaced<T> {
    /// Which.
    pub node: Node,
    /// What its result becomes. The width is `d_head` for the result of a head before `W_O`, `d_model` for what an MLP
    /// writes, 1 for a neuron's activation.
    pub values: Substitute<T>,
}

/// The values that replace a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Substitute<T> {
    /// The same at every position, `[width]`.
    Everywhere(Vec<T>),
    /// By position from the first on, `[positions, width]`; later positions keep their own.
    First(Vec<T>),
}

impl<'t, 'a, T: Real> PromptRun<'t, 'a, T> {
    /// Runs tokens with some results replaced, and representations changed as they are computed.
    ///
    /// # Errors
    /// When a node has no result in this model, or an activation is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, there is none, or there are more than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn new(
        transformer: &'t Transformer<'a, T>,
        tokens: &[u32],
        replaced: &[Replaced<T>],
        splice: Option<&'t dyn Splice<T>>,
    ) -> Result<Self> {
        let sets: Vec<Intervention<T>> = replaced
            .iter()
            .map(|replaced| transformer.intervention(replaced, tokens.len()))
            .collect::<Result<_>>()?;
        let everywhere = replaced
            .iter()
            .filter(|it| matches!(it.values, Substitute::Everywhere(_)));
        let everywhere = everywhere.map(|it| transformer.intervention(it, 1));
        let everywhere = everywhere.collect::<Result<_>>()?;
        let every: Vec<usize> = (0..tokens.len()).collect();
        let layout = Layout::whole([(tokens, &every[..])]);
        let mut x = transformer.embed(tokens.iter().copied());
        if let Some(position) = transformer.position_rows(&layout.positions) {
            rows::add(&mut x, &position);
        }
        let changes = Changes {
            interventions: &sets,
            splice,
            ..Changes::none()
        };
        let layers = 0..transformer.config().n_layers;
        let run = transformer.blocks(layers, &layout, (x, &Prefix::default()), true, changes);
        check_finite(&run)?;
        Ok(Self {
            transformer,
            layout,
            run,
            everywhere,
            splice,
        })
    }

    /// What is written after the prompt. Results that are replaced everywhere, and representations, are changed at new
    /// positions too; a splice sees them as any others.
    ///
    /// # Errors
    /// When a logit is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When the model reads in both directions.
    ///
    /// # Complexity
    /// A forward pass of a row for each token.
    pub fn generate(
        &self,
        continuation: Continuation,
        observer: &dyn Observer,
    ) -> Result<Vec<u32>> {
        let config = self.transformer.config();
        assert!(
            !config.attention.bidirectional,
            "text is written by a model that reads forwards"
        );
        let layers = self.run.layers.iter().map(|layer| LayerRun {
            k: layer.k.clone(),
            v: layer.v.clone(),
            ..LayerRun::default()
        });
        let begun = FullRun {
            streams: vec![self.last(2 * config.n_layers).to_vec()],
            layers: layers.collect(),
        };
        let next_run = |layout: &Layout, mut x: Vec<T>, prefix: &Prefix<T>| {
            if let Some(position) = self.transformer.position_rows(&layout.positions) {
                rows::add(&mut x, &position);
            }
            let changes = Changes {
                interventions: &self.everywhere,
                splice: self.splice,
                ..Changes::none()
            };
            let layers = 0..config.n_layers;
            self.transformer
                .blocks(layers, layout, (x, prefix), false, changes)
        };
        let begun = (self.layout.clone(), &Prefix::default(), begun);
        let found = self
            .transformer
            .continued(begun, continuation, next_run, observer)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The stream at the last position, at some places, `[places][d_model]`.
    pub fn last_streams(&self, places: &[StreamSite]) -> Vec<Vec<T>> {
        let places = places.iter();
        places
            .map(|place| self.last(place.number()).to_vec())
            .collect()
    }

    fn last(&self, at: usize) -> &[T] {
        let stream = &self.run.streams[at];
        &stream[stream.len() - self.transformer.config().d_model..]
    }

    /// The logarithms of the probabilities of the next token after the last position, `[d_out]`.
    ///
    /// # Errors
    /// When one is not a number.
    pub fn next(&self) -> Result<Vec<f64>> {
        let finals = self.last(2 * self.transformer.config().n_layers);
        let found = self.transformer.log_probs(finals);
        let found: Vec<f64> = found.into_iter().map(Real::to_f64).collect();
        if found.iter().any(|value| value.is_nan()) {
            return Err(Error::NotFinite {
                node: "logits".into(),
                problem: "a logit is not finite; try precision: F64".into(),
            });
        }
        Ok(found)
    }

    /// The result of a node at every position, `[positions, width]`.
    ///
    /// # Errors
    /// When the node has no result in this model.
    pub fn result(&self, node: Node) -> Result<Vec<T>> {
        let config = self.transformer.config();
        let site = self.transformer.site(node)?;
        let layer = &self.run.layers[site.layer().unwrap_or(0)];
        Ok(match site {
            Site::Heads { heads, .. } => {
                let width = config.n_heads * config.d_head;
                let (from, to) = (heads.start * config.d_head, heads.end * config.d_head);
                rows::columns(&layer.z, width, from, to)
            }
            Site::Hidden { unit, .. } => layer.inner.as_ref().map_or_else(Vec::new, |inner| {
                let gate = inner.gate.as_deref();
                let hidden = activation::hidden(config.activation, &inner.projection, gate);
                rows::columns(&hidden, config.d_mlp, unit, unit + 1)
            }),
            _ => layer.mlp.clone(),
        })
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.layout.rows()
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Where the result of a node is.
    fn site(&self, node: Node) -> Result<Site> {
        let config = self.config();
        let exists = node.layer().is_some_and(|layer| layer < config.n_layers);
        match node {
            Node::Head { layer, head } if exists && head < config.n_heads => Ok(Site::Heads {
                layer,
                heads: head..head + 1,
            }),
            Node::Mlp { layer } if exists && config.has_mlps() => Ok(Site::Mlp { layer }),
            Node::Neuron { layer, neuron } if exists && neuron < config.d_mlp => Ok(Site::Hidden {
                layer,
                unit: neuron,
            }),
            _ => Err(Error::Usage(format!(
                "the model has no head, MLP or neuron {node}: it has {} layers of {} heads and {} neurons, such as a0.h0, m0 \
                 and m0.n0",
                config.n_layers,
                config.n_heads,
                if config.has_mlps() { config.d_mlp } else { 0 }
            ))),
        }
    }

    fn intervention(&self, replaced: &Replaced<T>, positions: usize) -> Result<Intervention<T>> {
        let site = self.site(replaced.node)?;
        let values = match &replaced.values {
            Substitute::Everywhere(row) => row.repeat(positions),
            Substitute::First(values) => values.clone(),
        };
        let width = match site {
            Site::Heads { .. } => self.config().d_head,
            Site::Hidden { .. } => 1,
            _ => self.config().d_model,
        };
        let rows = (values.len() / width).min(positions);
        Ok(Intervention {
            site,
            rows: 0..rows,
            values: values[..rows * width].to_vec(),
        })
    }
}
