//! Subject-verb agreement with a distractor: "The dogs near the tree" -> " are", " were" or " have".
//!
//! The subject's number decides, the noun between subject and verb has either number. The corrupt prompt has the
//! subject in the other number. Right are the verbs in the subject's number, wrong the same verbs in the other.
//! Reference: Linzen et al. 2016, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies",
//! arXiv:1611.01368.

use serde::{Deserialize, Serialize};

use super::sampling::{Sampler, distinct};
use super::words::{NOUNS, PREPOSITIONS, VERBS};
use super::{Example, ExampleText, LoadRequest, spans, text};
use crate::error::Result;
use crate::model::Tokenizer;

/// The prompts.
pub(super) const TEMPLATES: &[&str] = &[
    "The {subject} {preposition} the {noun}",
    "Today the {subject} {preposition} the {noun}",
];

/// Parameters of the subject-verb-agreement generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Number of clean/corrupt pairs.
    pub pairs: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
}

impl Agreement {
    pub(super) fn source(&self) -> String {
        format!("Agreement(pairs: {}, seed: {})", self.pairs, self.seed)
    }

    pub(super) fn examples(&self, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
        let source = self.source();
        let tokenizer = text::tokenizer(request, &source)?;
        // Word pairs of which both words are single tokens.
        let nouns = both(tokenizer, NOUNS)?;
        let verbs = both(tokenizer, VERBS)?;
        text::enough(&nouns, 2, "nouns in both numbers", &source)?;
        text::enough(&verbs, 1, "verbs in both numbers", &source)?;
        let (singular, plural): (Vec<u32>, Vec<u32>) =
            verbs.iter().map(|(_, tokens)| *tokens).unzip();
        let mut sampler = Sampler::new("agreement", self.seed);
        distinct(request, (self.pairs, &source), |index| {
            let [subject, noun] = sampler.pick_distinct(&nouns);
            let noun = if sampler.below(2) == 0 {
                noun.0.0
            } else {
                noun.0.1
            };
            let template = sampler.pick(TEMPLATES);
            let preposition = sampler.pick(PREPOSITIONS);
            let fill = |subject: &str| {
                template
                    .replace("{subject}", subject)
                    .replace("{preposition}", preposition)
                    .replace("{noun}", noun)
            };
            let pair = [fill(subject.0.0), fill(subject.0.1)];
            let [one, many] =
                [&pair[0], &pair[1]].map(|text| tokenizer.encode(text, request.prepend_bos));
            let (one, many) = (one?, many?);
            let [one_text, many_text] = pair;
            if one.len() != many.len() {
                return Ok(None);
            }
            let (clean, corrupt, answer, wrong, text) = if index % 2 == 0 {
                let text = ExampleText {
                    clean: one_text,
                    corrupt: many_text,
                };
                (one, many, singular.clone(), plural.clone(), text)
            } else {
                let text = ExampleText {
                    clean: many_text,
                    corrupt: one_text,
                };
                (many, one, plural.clone(), singular.clone(), text)
            };
            let number = if index % 2 == 0 {
                subject.0.0
            } else {
                subject.0.1
            };
            let fillings = [
                ("{subject}", "subject", number),
                ("{noun}", "distractor", noun),
            ];
            let template = template.replace("{preposition}", preposition);
            let pieces = spans::pieces(&template, &fillings, &["start", "middle"]);
            let spans = spans::of_pieces(request, tokenizer, &clean, &pieces)?;
            Ok(Some(Example {
                at: vec![clean.len() - 1],
                teacher_forced: false,
                spans: spans.unwrap_or_default(),
                clean,
                corrupt,
                answer,
                wrong,
                text: Some(text),
            }))
        })
    }
}

type WordPair = (&'static str, &'static str);

/// The word pairs of which both words are single tokens, with these tokens.
fn both(tokenizer: &Tokenizer, words: &[WordPair]) -> Result<Vec<(WordPair, (u32, u32))>> {
    let mut kept = Vec::new();
    for pair in words {
        if let [one, many] = text::spaced(tokenizer, &[pair.0, pair.1])?.as_slice() {
            kept.push((*pair, (one.1, many.1)));
        }
    }
    Ok(kept)
}
