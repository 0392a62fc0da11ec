//! Direct logit attribution: what each part of the model adds to a logit by what it writes to the final stream.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::engine::{Component, LogitDirection, SequencePositions, Transformer, mean};
use crate::error::Result;
use crate::evaluate::Effect;
use crate::events::{Observer, phase};
use crate::model::Real;

/// A logit as the sum of contributions, means over prompts. The final norm's scale is that of the full run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// Which logit, or difference of logits.
    pub of: String,
    /// Its value, before any soft cap.
    pub logit: Effect,
    /// Its value in the model's output, after any soft cap.
    pub output: Effect,
    /// Largest distance of the sum of a prompt's contributions from its logit.
    pub rounding: f64,
    /// By how much the final norm scales the stream.
    pub scale: Effect,
    /// What every part contributes, in the order of the model.
    pub parts: Vec<ComponentScores>,
    /// What the final norm's bias adds.
    pub norm_bias: f64,
    /// What the unembedding's bias adds.
    pub unembedding_bias: f64,
}

/// The contribution of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentScores {
    /// The part.
    pub part: String,
    /// Its layer.
    pub layer: Option<usize>,
    /// Its number among the heads of the layer.
    pub head: Option<usize>,
    /// What it adds.
    pub contribution: Effect,
    /// The mean size of what it adds to the difference of two random tokens.
    pub random: Option<f64>,
}

/// A prompt, with the position and the tokens whose logits are attributed.
#[derive(Debug, Clone)]
pub struct Attributed<'p> {
    /// The tokens.
    pub tokens: &'p [u32],
    /// The position.
    pub at: usize,
    /// Tokens of whose logits the mean is taken.
    pub of: Vec<u32>,
    /// Tokens of whose logits the mean is subtracted.
    pub minus: Vec<u32>,
}

/// Attributes a logit of each prompt to the parts of the model.
///
/// # Errors
/// When an activation is not finite, or the observer interrupts.
///
/// # Panics
/// When a prompt has no token to attribute to, or there is no prompt.
///
/// # Complexity
/// One forward pass.
pub fn attribute<T: Real>(
    transformer: &Transformer<'_, T>,
    prompts: &[Attributed<'_>],
    (bootstrap, random_baselines): (usize, usize),
    observer: &dyn Observer,
) -> Result<Attribution> {
    phase(observer, "attribution", 0);
    let width = transformer.heads().d_model;
    let at: Vec<[usize; 1]> = prompts.iter().map(|prompt| [prompt.at]).collect();
    let looked = prompts.iter().zip(&at);
    let looked: Vec<SequencePositions<'_>> = looked
        .map(|(prompt, at)| (prompt.tokens, &at[..]))
        .collect();
    let directions: Vec<LogitDirection> = prompts
        .iter()
        .map(|prompt| transformer.logit_direction(&prompt.of, &prompt.minus))
        .collect();
    let random = random_directions(transformer, random_baselines);
    // Along each prompt's direction, and by how much along random ones, without the norm's scale.
    let mut parts: Vec<(Component, Vec<f64>, Vec<f64>)> = Vec::new();
    let finals = transformer.written(&looked, |part, first, written| {
        let place = parts.iter().position(|(known, ..)| *known == part);
        let place = place.unwrap_or_else(|| {
            parts.push((part, Vec::new(), Vec::new()));
            parts.len() - 1
        });
        let (_, along, sizes) = &mut parts[place];
        for (row, direction) in written.chunks_exact(width).zip(&directions[first..]) {
            along.push(dot(row, &direction.towards));
            let random = random.iter().map(|it| dot(row, &it.towards).abs());
            sizes.push(random.sum::<f64>() / random_baselines.max(1) as f64);
        }
    })?;
    let scales = transformer.final_scales(&finals);
    let constant = |it: &LogitDirection| it.norm_bias + it.unembedding_bias;
    let rows = finals.chunks_exact(width).zip(&directions).zip(&scales);
    let logits: Vec<f64> = rows
        .map(|((row, direction), scale)| scale * dot(row, &direction.towards) + constant(direction))
        .collect();
    let rounding = (0..prompts.len()).map(|prompt| {
        let sum: f64 = parts.iter().map(|(_, along, _)| along[prompt]).sum();
        (scales[prompt] * sum + constant(&directions[prompt]) - logits[prompt]).abs()
    });
    let scaled = |values: &[f64]| -> Vec<f64> {
        values
            .iter()
            .zip(&scales)
            .map(|(value, scale)| scale * value)
            .collect()
    };
    let single = prompts.iter().all(|prompt| prompt.minus.is_empty());
    let figures = parts.iter().map(|(part, along, sizes)| {
        let (layer, head) = match *part {
            Component::Embedding | Component::Position => (None, None),
            Component::Head { layer, head } => (Some(layer), Some(head)),
            Component::AttentionBias { layer } | Component::Mlp { layer } => (Some(layer), None),
        };
        ComponentScores {
            part: part.to_string(),
            layer,
            head,
            contribution: Effect::of(&scaled(along), bootstrap),
            random: (random_baselines > 0).then(|| mean(&scaled(sizes))),
        }
    });
    let of_directions =
        |of: fn(&LogitDirection) -> f64| mean(&directions.iter().map(of).collect::<Vec<f64>>());
    Ok(Attribution {
        of: if single {
            "the logit".into()
        } else {
            "the difference of logits".into()
        },
        logit: Effect::of(&logits, bootstrap),
        output: Effect::of(&outputs(transformer, prompts, &finals), bootstrap),
        rounding: rounding.fold(0.0, f64::max),
        scale: Effect::of(&scales, bootstrap),
        parts: figures.collect(),
        norm_bias: of_directions(|it| it.norm_bias),
        unembedding_bias: of_directions(|it| it.unembedding_bias),
    })
}

/// The same numbers in the model's output.
fn outputs<T: Real>(
    transformer: &Transformer<'_, T>,
    prompts: &[Attributed<'_>],
    finals: &[T],
) -> Vec<f64> {
    let width = transformer.heads().d_model;
    let rows = prompts.iter().zip(finals.chunks_exact(width));
    rows.map(|(prompt, row)| {
        let logits = transformer.logits(row);
        let mean_of = |tokens: &[u32]| {
            let logits = tokens.iter().map(|&token| logits[token as usize].to_f64());
            logits.sum::<f64>() / tokens.len().max(1) as f64
        };
        mean_of(&prompt.of) - mean_of(&prompt.minus)
    })
    .collect()
}

/// Differences of two random tokens.
fn random_directions<T: Real>(
    transformer: &Transformer<'_, T>,
    count: usize,
) -> Vec<LogitDirection> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut token = || rng.random_range(0..transformer.d_out() as u32);
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let pair = [token(), token()];
        pairs.push(transformer.logit_direction(&pair[..1], &pair[1..]));
    }
    pairs
}

fn dot<T: Real>(row: &[T], direction: &[f64]) -> f64 {
    let products = row.iter().zip(direction);
    products.map(|(value, along)| value.to_f64() * along).sum()
}
