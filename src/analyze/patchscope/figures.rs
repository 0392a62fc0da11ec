//! From judgements of single runs to figures with intervals.

use super::grid::{Grid, TokenScore};
use super::report::{DecodingScores, GridPoint, LayerScores, Overall};
use crate::engine::mean;
use crate::evaluate::Effect;

/// All judgements of the held-out prompts, with the discovery prompts' grid by which target layers are chosen.
pub(super) struct ScoredRuns<'j> {
    pub source_layers: &'j [usize],
    pub target_layers: &'j [usize],
    pub discovery: &'j Grid,
    pub held_out: &'j Grid,
    /// `[sources][source layers]`.
    pub logit_lens: &'j [Vec<TokenScore>],
    /// The same with maps.
    pub mapped_lens: Option<&'j [Vec<TokenScore>]>,
    /// Of each source.
    pub unpatched: &'j [TokenScore],
    pub bootstrap: usize,
}

impl ScoredRuns<'_> {
    /// Scores of every source layer.
    pub(super) fn layers(&self) -> Vec<LayerScores> {
        let layers = self.source_layers.iter().enumerate();
        layers
            .map(|(from, &layer)| {
                let to = self.chosen(from);
                LayerScores {
                    layer,
                    target: self.target_layers[to],
                    patched: self.said(&column(&self.held_out.own[to], from)),
                    same: self
                        .target_of(layer)
                        .map(|to| self.said(&column(&self.held_out.own[to], from))),
                    logit_lens: self.said(&column(self.logit_lens, from)),
                    mapped_lens: self.mapped_lens.map(|lens| self.said(&column(lens, from))),
                    shuffled: self.said(&column(&self.held_out.shuffled[to], from)),
                }
            })
            .collect()
    }

    /// Means over source layers.
    pub(super) fn overall(&self) -> Overall {
        let froms = 0..self.source_layers.len();
        let chosen: Vec<usize> = froms.clone().map(|from| self.chosen(from)).collect();
        let over = |of: &dyn Fn(usize) -> Vec<TokenScore>| -> Vec<TokenScore> {
            let columns: Vec<Vec<TokenScore>> = froms.clone().map(of).collect();
            let sources = columns.first().map_or(0, Vec::len);
            let each = |source: usize| {
                let of = |part: fn(&TokenScore) -> f64| {
                    let values: Vec<f64> = columns.iter().map(|it| part(&it[source])).collect();
                    mean(&values)
                };
                TokenScore {
                    hit: of(|it| it.hit),
                    surprisal: of(|it| it.surprisal),
                }
            };
            (0..sources).map(each).collect()
        };
        let patched = over(&|from| column(&self.held_out.own[chosen[from]], from));
        let lens = over(&|from| column(self.logit_lens, from));
        let same: Option<Vec<usize>> = self
            .source_layers
            .iter()
            .map(|&it| self.target_of(it))
            .collect();
        let pairs = || patched.iter().zip(&lens);
        let hits: Vec<f64> = pairs().map(|(one, other)| one.hit - other.hit).collect();
        let surprisals: Vec<f64> = pairs()
            .map(|(one, other)| other.surprisal - one.surprisal)
            .collect();
        Overall {
            patched: self.said(&patched),
            same: same
                .map(|same| self.said(&over(&|from| column(&self.held_out.own[same[from]], from)))),
            logit_lens: self.said(&lens),
            mapped_lens: self
                .mapped_lens
                .map(|lens| self.said(&over(&|from| column(lens, from)))),
            shuffled: self.said(&over(&|from| {
                column(&self.held_out.shuffled[chosen[from]], from)
            })),
            unpatched: self.said(self.unpatched),
            precision_gain: Effect::share_difference(&hits),
            surprisal_gain: Effect::of(&surprisals, self.bootstrap),
        }
    }

    /// Means of every source and target layer.
    pub(super) fn grid(&self) -> Vec<GridPoint> {
        let mut points = Vec::new();
        for (from, &source) in self.source_layers.iter().enumerate() {
            for (to, &target) in self.target_layers.iter().enumerate() {
                let discovery = column(&self.discovery.own[to], from);
                let held_out = column(&self.held_out.own[to], from);
                points.push(GridPoint {
                    source,
                    target,
                    precision_discovery: mean_of(&discovery, |it| it.hit),
                    precision: mean_of(&held_out, |it| it.hit),
                    surprisal: mean_of(&held_out, |it| it.surprisal),
                });
            }
        }
        points
    }

    /// The target layer of the best precision on discovery prompts, of equal ones that of the least surprisal, then the
    /// first.
    fn chosen(&self, from: usize) -> usize {
        let figures = |to: usize| {
            let judged = column(&self.discovery.own[to], from);
            (
                mean_of(&judged, |it| it.hit),
                mean_of(&judged, |it| it.surprisal),
            )
        };
        let mut best = 0;
        for to in 1..self.target_layers.len() {
            let (this, known) = (figures(to), figures(best));
            let order = known.0.total_cmp(&this.0).then(this.1.total_cmp(&known.1));
            if order.is_lt() {
                best = to;
            }
        }
        best
    }

    /// The place of a layer among the targets.
    fn target_of(&self, layer: usize) -> Option<usize> {
        self.target_layers
            .iter()
            .position(|&target| target == layer)
    }

    fn said(&self, judged: &[TokenScore]) -> DecodingScores {
        let all = |of: fn(&TokenScore) -> f64| judged.iter().map(of).collect::<Vec<f64>>();
        DecodingScores {
            precision: Effect::share(&all(|it| it.hit)),
            surprisal: Effect::of(&all(|it| it.surprisal), self.bootstrap),
        }
    }
}

/// The judgements of one source layer.
fn column(judged: &[Vec<TokenScore>], from: usize) -> Vec<TokenScore> {
    judged.iter().map(|of_source| of_source[from]).collect()
}

fn mean_of(judged: &[TokenScore], of: fn(&TokenScore) -> f64) -> f64 {
    let values: Vec<f64> = judged.iter().map(of).collect();
    mean(&values)
}
