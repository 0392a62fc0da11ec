//! All features of a dictionary at once on the discovery prompts of a task: how active they are, and the attribution of
//! each. And random features that are about as active as others.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::change::{Places, Usual};
use super::dictionary::Dictionary;
use crate::analyze::variance::Variance;
use crate::engine::{Dense, Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Features of the nearest density that a random one is drawn from.
const NEAREST: usize = 10;

/// Every feature on the discovery prompts.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// Rows: positions of the prompts of both kinds.
    pub rows: usize,
    /// Rows on which each is active.
    pub active: Vec<usize>,
    /// Sum of its codes, on clean and on corrupt prompts: apart, so that it does not depend on how they are grouped.
    totals: [Vec<f64>; 2],
    /// Mean code at the scored position last, of clean and of corrupt prompts.
    pub at_read: [Vec<f64>; 2],
    /// The first-order estimate of the change of the metric when it is set to zero.
    pub attribution: Vec<f64>,
    /// How far reconstructions are off, on clean and on corrupt prompts.
    fit: [Variance; 2],
}

impl Screen {
    /// One forward pass of the prompts of both kinds up to the layer, and a forward and a backward pass of the clean ones.
    pub(super) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        (dictionary, site): (&Dictionary<T>, (usize, Representation)),
        (examples, metric, places): (&[Example], Metric, Places),
        observer: &dyn Observer,
    ) -> Result<Self> {
        phase(observer, "attribution of features", examples.len() as u64);
        let features = dictionary.features;
        let mut screen = Self {
            rows: 0,
            active: vec![0; features],
            totals: [0, 1].map(|_| vec![0.0; features]),
            at_read: [0, 1].map(|_| vec![0.0; features]),
            attribution: vec![0.0; features],
            fit: [0, 1].map(|_| Variance::new(dictionary.width)),
        };
        let mut done = 0;
        // Codes and what the gradient is along every feature.
        let beside = 4 * features;
        for group in transformer.groups_beside(examples, true, beside) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            screen.add_attribution(transformer, (dictionary, site), (group, metric, places))?;
            let clean = group.iter().map(|it| &it.clean[..]);
            let corrupt = group.iter().map(|it| &it.corrupt[..]);
            let on = (group, places.skip_first);
            screen.add_activity(transformer, (dictionary, site), on, (0, clean))?;
            screen.add_activity(transformer, (dictionary, site), on, (1, corrupt))?;
            done += group.len();
            observer.event(Event::Step {
                done: done as u64,
                note: String::new(),
            });
        }
        let count = examples.len() as f64;
        let [clean, corrupt] = &mut screen.at_read;
        for sum in clean
            .iter_mut()
            .chain(corrupt)
            .chain(&mut screen.attribution)
        {
            *sum /= count;
        }
        Ok(screen)
    }

    fn add_attribution<T: Real>(
        &mut self,
        transformer: &Transformer<'_, T>,
        (dictionary, site): (&Dictionary<T>, (usize, Representation)),
        (examples, metric, places): (&[Example], Metric, Places),
    ) -> Result<()> {
        let features = dictionary.features;
        let found = transformer.sensitivity(examples, metric, site)?;
        let codes = dictionary.encode(&dictionary.scaled(&found.values));
        let decoder = Dense::new(&dictionary.decoder, dictionary.width);
        let along = Dense::new(&found.gradient, dictionary.width).times(decoder.transposed());
        for row in found.places.rows(places.at, places.skip_first) {
            let from = row * features;
            let codes = &codes[from..from + features];
            let along = &along[from..from + features];
            for ((sum, code), along) in self.attribution.iter_mut().zip(codes).zip(along) {
                *sum -= code.to_f64() * along.to_f64() / dictionary.scale;
            }
        }
        Ok(())
    }

    fn add_activity<'e, T: Real>(
        &mut self,
        transformer: &Transformer<'_, T>,
        (dictionary, site): (&Dictionary<T>, (usize, Representation)),
        (examples, skip_first): (&[Example], usize),
        (side, prompts): (usize, impl Iterator<Item = &'e [u32]>),
    ) -> Result<()> {
        let prompts: Vec<&[u32]> = prompts.collect();
        let inputs = transformer.representation(&prompts, site.0, site.1)?;
        let codes = dictionary.encode(&dictionary.scaled(&inputs));
        let outputs = dictionary.outputs(&codes);
        let width = dictionary.width;
        let mut pairs = inputs.chunks_exact(width).zip(outputs.chunks_exact(width));
        let mut rows = codes.chunks_exact(dictionary.features);
        for (example, prompt) in examples.iter().zip(&prompts) {
            let last = example.at.last().copied().unwrap_or(0);
            let rows = rows.by_ref().take(prompt.len()).enumerate();
            for (position, codes) in rows.skip(skip_first) {
                for (feature, code) in codes.iter().enumerate() {
                    if *code > T::ZERO {
                        let code = code.to_f64();
                        self.active[feature] += 1;
                        self.totals[side][feature] += code;
                        if position == last {
                            self.at_read[side][feature] += code;
                        }
                    }
                }
            }
            for (input, output) in pairs.by_ref().take(prompt.len()).skip(skip_first) {
                self.fit[side].add(input, output);
            }
            self.rows += prompt.len().saturating_sub(skip_first);
        }
        Ok(())
    }

    /// The share of the variance explained on all rows.
    pub(super) fn variance_explained(&self) -> Option<f64> {
        let [clean, corrupt] = &self.fit;
        clean.with(corrupt).explained()
    }

    /// Share of the rows on which a feature is active.
    pub(super) fn density(&self, feature: usize) -> f64 {
        self.active[feature] as f64 / self.rows.max(1) as f64
    }

    /// What a feature's code usually is.
    pub(super) fn usual(&self, feature: usize) -> Usual {
        let total = self.totals[0][feature] + self.totals[1][feature];
        Usual {
            feature,
            mean: total / self.rows.max(1) as f64,
            active: total / self.active[feature].max(1) as f64,
        }
    }

    /// The features of the largest attribution, either sign, the largest first; none that is never active.
    pub(super) fn top(&self, count: usize) -> Vec<usize> {
        let size = |feature: usize| self.attribution[feature].abs();
        let mut order: Vec<usize> = (0..self.active.len())
            .filter(|&feature| self.active[feature] > 0)
            .collect();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
        order.truncate(count);
        order
    }

    /// Random features besides some, each drawn from those whose density is nearest to one of theirs in turn.
    pub(super) fn of_like_density(&self, top: &[usize], count: usize, seed: u64) -> Vec<usize> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut left: Vec<usize> = (0..self.active.len())
            .filter(|feature| self.active[*feature] > 0 && !top.contains(feature))
            .collect();
        let mut drawn = Vec::new();
        for like in top.iter().cycle().take(count) {
            let distance = |feature: usize| {
                let ratio = self.active[feature] as f64 / self.active[*like].max(1) as f64;
                ratio.ln().abs()
            };
            left.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)).then(a.cmp(&b)));
            let near = left.len().min(NEAREST);
            if near == 0 {
                break;
            }
            drawn.push(left.remove(rng.random_range(0..near)));
        }
        drawn
    }
}
