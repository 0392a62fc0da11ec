//! What a dictionary makes of prompts: the features and the error at every token.

use serde::Serialize;

use super::dictionary::Dictionary;
use crate::analyze::text_of;
use crate::engine::{Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// A prompt in features.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecomposedPrompt {
    /// The prompt.
    pub prompt: String,
    /// Its tokens.
    pub tokens: Vec<DecomposedToken>,
}

/// The representation at a token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecomposedToken {
    /// The token.
    pub token: String,
    /// Norm of the representation.
    pub norm: f64,
    /// Norm of the reconstruction's error, as a share of that.
    pub error: f64,
    /// Number of active features.
    pub active: usize,
    /// The most active ones.
    pub features: Vec<ActiveFeature>,
}

/// A feature at a token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ActiveFeature {
    /// Its number.
    pub feature: usize,
    /// The norm of what it adds to the reconstruction.
    pub activation: f64,
}

/// Decomposes prompts, each given as tokens, and shows the `shown` most active features of every token.
///
/// # Errors
/// When a number is not finite, or the observer interrupts.
///
/// # Panics
/// When a prompt is empty or too long for the model.
///
/// # Complexity
/// One forward pass up to the layer.
pub fn decompose<T: Real>(
    (transformer, tokenizer): (&Transformer<'_, T>, Option<&Tokenizer>),
    prompts: &[Vec<u32>],
    (dictionary, at): (&Dictionary<T>, (usize, Representation)),
    shown: usize,
    observer: &dyn Observer,
) -> Result<Vec<DecomposedPrompt>> {
    phase(observer, "prompts in features", prompts.len() as u64);
    let (width, features) = (dictionary.width, dictionary.features);
    let units = dictionary.units();
    let norm = |row: &mut dyn Iterator<Item = f64>| row.map(|it| it * it).sum::<f64>().sqrt();
    let mut found = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let inputs = transformer.representation(&[prompt], at.0, at.1)?;
        let codes = dictionary.encode(&dictionary.scaled(&inputs));
        let outputs = dictionary.outputs(&codes);
        let rows = inputs.chunks_exact(width).zip(outputs.chunks_exact(width));
        let rows = rows.zip(codes.chunks_exact(features)).zip(prompt);
        let tokens = rows.map(|(((input, output), codes), token)| {
            let size = norm(&mut input.iter().map(|value| value.to_f64()));
            let pairs = input.iter().zip(output);
            let error = norm(&mut pairs.map(|(x, y)| x.to_f64() - y.to_f64()));
            let active = codes
                .iter()
                .enumerate()
                .filter(|(_, code)| **code > T::ZERO);
            let mut active: Vec<ActiveFeature> = active
                .map(|(feature, code)| ActiveFeature {
                    feature,
                    activation: code.to_f64() * units[feature],
                })
                .collect();
            active.sort_by(|a, b| b.activation.total_cmp(&a.activation));
            DecomposedToken {
                token: text_of(tokenizer, std::slice::from_ref(token)),
                norm: size,
                error: error / size.max(f64::MIN_POSITIVE),
                active: active.len(),
                features: active.into_iter().take(shown).collect(),
            }
        });
        found.push(DecomposedPrompt {
            tokens: tokens.collect(),
            prompt: text_of(tokenizer, prompt),
        });
        observer.event(Event::Step {
            done: found.len() as u64,
            note: String::new(),
        });
    }
    Ok(found)
}
