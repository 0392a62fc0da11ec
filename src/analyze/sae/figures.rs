//! What a trained autoencoder does, on text that it was not trained on.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use super::decompose::DecomposedPrompt;
use super::dictionary::Dictionary;
use super::effects_report::EffectsReport;
use super::parameters::Sae;
use super::rows::without_first;
use super::train::Round;
use crate::analyze::neurons::Context;
use crate::analyze::text_of;
use crate::analyze::variance::Variance;
use crate::engine::{AddAt, Representation, Transformer, mean};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// Contexts that are run together at most.
const TOGETHER: usize = 4;
/// Tokens of a context that are shown in front of a feature's token.
const BEFORE: usize = 20;
/// Least difference of losses, in nats, of which shares are taken.
const LEAST_RANGE: f64 = 1e-6;
/// Lowest power of ten of the density histogram.
const LOWEST: i32 = -6;

/// The answer about the features of a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SaeReport {
    /// Numbers of a row.
    pub width: usize,
    /// Number of features.
    pub features: usize,
    /// Rows trained on.
    pub rows_trained: usize,
    /// Steps of training.
    pub steps: usize,
    /// Rows that the figures are of: held-out text.
    pub rows: usize,
    /// 1 - squared distance of the reconstructions / squared distance of the mean; none where the rows are equal but for
    /// rounding.
    pub variance_explained: Option<f64>,
    /// Active features of a row.
    pub l0: f64,
    /// Share of the features that are never active on the held-out text.
    pub dead: f64,
    /// Number of features by the power of ten of the share of rows on which they are active, from 10^-6 on; dead ones
    /// apart.
    pub density: Vec<usize>,
    /// The model's loss with the representation replaced.
    pub splice: SpliceScores,
    /// The rounds of training.
    pub rounds: Vec<Round>,
    /// Some features, those active on most rows first.
    pub described: Vec<FeatureScores>,
    /// Where it was loaded from, unless it was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded: Option<LoadedFrom>,
    /// Prompts, decomposed into features and error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decomposed: Vec<DecomposedPrompt>,
    /// What features do on a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<EffectsReport>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// What is known of a dictionary that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadedFrom {
    /// Hash of its files.
    pub hash: String,
    /// The model that it was trained on, as its files name it.
    pub model: Option<String>,
}

/// Losses of the model on held-out text, in nats a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SpliceScores {
    /// As it is.
    pub clean: f64,
    /// With the reconstruction in place of the representation.
    pub reconstructed: f64,
    /// With zero in its place.
    pub zero: f64,
    /// (zero - reconstructed) / (zero - clean); none where zero is not worse by 1e-6 nats.
    pub recovered: Option<f64>,
}

/// What is known of one feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureScores {
    /// Its number.
    pub feature: usize,
    /// Share of the rows on which it is active.
    pub density: f64,
    /// Its mean activation there: the norm of what it adds to the reconstruction.
    pub mean: f64,
    /// Where it is most active.
    pub contexts: Vec<Context>,
}

/// A place where a feature is active.
#[derive(Debug, Clone, Copy)]
struct Place {
    activation: f64,
    context: usize,
    position: usize,
}

/// Measures an autoencoder on contexts that it was not trained on.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Complexity
/// About five forward passes.
pub fn measure<T: Real>(
    (transformer, tokenizer): (&Transformer<'_, T>, Option<&Tokenizer>),
    contexts: &[Vec<u32>],
    (dictionary, at): (&Dictionary<T>, (usize, Representation)),
    question: &Sae,
    observer: &dyn Observer,
) -> Result<SaeReport> {
    let (width, features) = (dictionary.width, dictionary.features);
    let skip_first = question.skip_first();
    phase(observer, "features on held-out text", contexts.len() as u64);
    let mut variance = Variance::new(width);
    let mut rows = 0_usize;
    let mut active = vec![0_usize; features];
    let mut totals = vec![0.0; features];
    let mut places: Vec<Vec<Place>> = vec![Vec::new(); features];
    let mut spliced = [const { Vec::new() }; 3];
    let longest = contexts.iter().map(Vec::len).max().unwrap_or(0);
    let units = dictionary.units();
    // Codes, reconstructions and what they are made from.
    let beside = 3 * features + 4 * width;
    let together = transformer.texts_together(longest, beside, TOGETHER);
    let mut done = 0;
    for group in contexts.chunks(together) {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let sequences: Vec<&[u32]> = group.iter().map(Vec::as_slice).collect();
        let all = transformer.representation(&sequences, at.0, at.1)?;
        let inputs = without_first(&all, width, &sequences, skip_first);
        let codes = dictionary.encode(&dictionary.scaled(&inputs));
        let outputs = dictionary.outputs(&codes);
        variance.add(&inputs, &outputs);
        let mut row = 0;
        for (index, tokens) in group.iter().enumerate() {
            for position in skip_first..tokens.len() {
                let codes = &codes[row * features..(row + 1) * features];
                for (feature, code) in codes.iter().enumerate() {
                    if *code > T::ZERO {
                        active[feature] += 1;
                        let activation = code.to_f64() * units[feature];
                        totals[feature] += activation;
                        let place = Place {
                            activation,
                            context: done + index,
                            position,
                        };
                        keep(&mut places[feature], place, question.contexts);
                    }
                }
                row += 1;
            }
        }
        rows += row;
        let placed = (dictionary, at);
        let found = losses(transformer, &sequences, placed, skip_first)?;
        for (all, found) in spliced.iter_mut().zip(found) {
            all.extend(found);
        }
        done += group.len();
        observer.event(Event::Step {
            done: done as u64,
            note: String::new(),
        });
    }
    if rows == 0 {
        let problem = "no context is longer than skip_first; lower it, or give longer text";
        return Err(Error::data("the text that is measured", problem));
    }
    let count = rows as f64;
    let [clean, reconstructed, zero] = spliced.map(|losses| mean(&losses));
    let splice = SpliceScores::new(clean, reconstructed, zero);
    let dead = active.iter().filter(|&&rows| rows == 0).count();
    let mut order: Vec<usize> = (0..features)
        .filter(|&feature| active[feature] > 0)
        .collect();
    order.sort_by_key(|&feature| std::cmp::Reverse(active[feature]));
    let described = order.iter().take(question.described).map(|&feature| {
        let places = places[feature].iter();
        FeatureScores {
            feature,
            density: active[feature] as f64 / count,
            mean: totals[feature] / active[feature] as f64,
            contexts: places
                .map(|place| shown(tokenizer, &contexts[place.context], place))
                .collect(),
        }
    });
    Ok(SaeReport {
        width,
        features,
        rows_trained: 0,
        steps: 0,
        rows,
        variance_explained: variance.explained(),
        l0: active.iter().sum::<usize>() as f64 / count,
        dead: dead as f64 / features as f64,
        density: histogram(&active, count),
        splice,
        rounds: Vec::new(),
        described: described.collect(),
        loaded: None,
        decomposed: Vec::new(),
        effects: None,
        warnings: Vec::new(),
    })
}

/// The losses on text as it is, with reconstructions in place of the representation, and with zeros, the first positions
/// as they are.
fn losses<T: Real>(
    transformer: &Transformer<'_, T>,
    sequences: &[&[u32]],
    (dictionary, at): (&Dictionary<T>, (usize, Representation)),
    skip_first: usize,
) -> Result<[Vec<f64>; 3]> {
    let width = dictionary.width;
    let spliced = |change: &(dyn Fn(&[T]) -> Vec<T> + Sync)| {
        transformer.losses_with(sequences, at, |rows, places| {
            let made = change(rows);
            for row in places.rows(AddAt::Every, skip_first) {
                let at = row * width..(row + 1) * width;
                rows[at.clone()].copy_from_slice(&made[at]);
            }
        })
    };
    Ok([
        spliced(&<[T]>::to_vec)?,
        spliced(&|rows| dictionary.reconstruct(rows))?,
        spliced(&|rows| vec![T::ZERO; rows.len()])?,
    ])
}

impl SpliceScores {
    fn new(clean: f64, reconstructed: f64, zero: f64) -> Self {
        Self {
            clean,
            reconstructed,
            zero,
            recovered: (zero - clean >= LEAST_RANGE)
                .then(|| (zero - reconstructed) / (zero - clean)),
        }
    }
}

/// Keeps the largest, one for each context.
fn keep(places: &mut Vec<Place>, place: Place, most: usize) {
    if let Some(same) = places.iter_mut().find(|it| it.context == place.context) {
        if same.activation >= place.activation {
            return;
        }
        *same = place;
    } else {
        places.push(place);
    }
    places.sort_by(|a, b| b.activation.total_cmp(&a.activation));
    places.truncate(most);
}

/// A place as text.
fn shown(tokenizer: Option<&Tokenizer>, tokens: &[u32], place: &Place) -> Context {
    Context {
        activation: place.activation,
        before: text_of(
            tokenizer,
            &tokens[place.position.saturating_sub(BEFORE)..place.position],
        ),
        token: text_of(tokenizer, &tokens[place.position..=place.position]),
    }
}

/// Features by the power of ten of their density.
fn histogram(active: &[usize], rows: f64) -> Vec<usize> {
    let mut bins = vec![0; LOWEST.unsigned_abs() as usize];
    let last = bins.len() - 1;
    for &count in active.iter().filter(|&&count| count > 0) {
        let power = (count as f64 / rows).log10().floor().max(f64::from(LOWEST));
        let bin = (power - f64::from(LOWEST)) as usize;
        bins[bin.min(last)] += 1;
    }
    bins
}

impl SaeReport {
    /// Why the dictionary is of no use on the text, where it is not.
    pub(crate) fn useless(&self) -> Option<String> {
        let figures = if self.dead >= 1.0 {
            "no feature is ever active".to_owned()
        } else if let Some(explained) = self.variance_explained.filter(|share| *share < 0.0) {
            format!(
                "reconstructions are further from the representation than its mean is (variance explained {:.1} %)",
                100.0 * explained
            )
        } else {
            return None;
        };
        let cause = match self.loaded {
            None => "training diverged; lower learning_rate or what sparsity costs",
            Some(_) => "the dictionary does not fit this model or this text",
        };
        Some(format!("{figures}: {cause}"))
    }
}

impl AnalysisReport for SaeReport {
    fn finding(&self) -> String {
        let recovered = self.splice.recovered.map_or_else(String::new, |share| {
            format!("; spliced in, {:.1} % of the loss recovered", 100.0 * share)
        });
        let effects = self
            .effects
            .as_ref()
            .map_or_else(String::new, |effects| format!("; {}", effects.finding()));
        let explained = self.variance_explained.map_or_else(
            || "an undefined share".to_owned(),
            |share| format!("{:.1} %", 100.0 * share),
        );
        format!(
            "{explained} of the variance with {:.1} features of {} at a time{recovered}; {:.1} % dead{effects}",
            self.l0,
            self.features,
            100.0 * self.dead
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
