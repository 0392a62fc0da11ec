//! Indirect object identification: "Then, Mary and John went to the store. John gave a ring to" -> " Mary".
//!
//! The clean prompt names the indirect object (IO) and the subject (S), then the subject again (S2). The corrupt
//! prompt has the IO in place of S2, which turns the answer round (MIB's `s2_io_flip`), or a third name, after
//! which neither is the answer (EAP-IG's data). Either way the pair differs at one token only. IO comes first in
//! every second prompt (ABBA), S in the others (BABA). Reference: Wang et al. 2022, "Interpretability in the Wild", arXiv:2211.00593.

use serde::{Deserialize, Serialize};

use super::sampling::{Sampler, distinct};
use super::spans::{self, Piece};
use super::words::{NAMES, OBJECTS, PLACES};
use super::{Example, ExampleText, LoadRequest, text};
use crate::error::{Error, Result};
use crate::model::Tokenizer;

/// The prompts: the two names in either order, then the subject again.
pub(super) const TEMPLATES: &[&str] = &[
    "Then, {1} and {2} went to the {place}. {S} gave a {object} to",
    "Then, {1} and {2} had a long talk at the {place}. Afterwards, {S} gave a {object} to",
    "When {1} and {2} got to the {place}, {S} gave the {object} to",
    "After {1} and {2} left the {place}, {S} handed a {object} to",
    "While {1} and {2} waited at the {place}, {S} showed the {object} to",
    "Yesterday, {1} and {2} met at the {place}. {S} sold a {object} to",
    "One day {1} and {2} worked at the {place}, and {S} offered a {object} to",
    "At the {place}, {1} and {2} found a {object}. Later, {S} passed the {object} to",
];

/// Parameters of the IOI generator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ioi {
    /// Number of clean/corrupt pairs.
    pub pairs: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
    /// What replaces the second mention of the subject.
    #[serde(default)]
    pub corruption: IoiCorruption,
}

/// What replaces the second mention of the subject in the corrupt prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoiCorruption {
    /// The indirect object: the answer becomes the subject.
    #[default]
    IndirectObject,
    /// A third name: neither is the answer.
    ThirdName,
}

/// What a prompt is filled with.
struct Filling<'a> {
    names: [&'a str; 2],
    subject: &'a str,
    place: &'a str,
    object: &'a str,
}

impl Ioi {
    pub(super) fn source(&self) -> String {
        let Self {
            pairs,
            seed,
            corruption,
        } = self;
        match corruption {
            IoiCorruption::IndirectObject => format!("Ioi(pairs: {pairs}, seed: {seed})"),
            IoiCorruption::ThirdName => {
                format!("Ioi(pairs: {pairs}, seed: {seed}, corruption: ThirdName)")
            }
        }
    }

    pub(super) fn examples(&self, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
        let source = self.source();
        let tokenizer = text::tokenizer(request, &source)?;
        let names = text::spaced(tokenizer, NAMES)?;
        text::enough(&names, 3, "first names", &source)?;
        let templates = usable(request, tokenizer, &names)?;
        if templates.is_empty() {
            let problem = "no template keeps its length under this tokenizer when a name is replaced; give rows of \
                           your own with `File` or `Tokens`";
            return Err(Error::data(source, problem));
        }
        let mut sampler = Sampler::new("ioi", self.seed);
        distinct(request, (self.pairs, &source), |index| {
            let [io, subject, third] = sampler.pick_distinct(&names);
            let template = sampler.pick(&templates);
            let (place, object) = (sampler.pick(PLACES), sampler.pick(OBJECTS));
            let names = if index % 2 == 0 {
                [io.0, subject.0]
            } else {
                [subject.0, io.0]
            };
            let filling = Filling {
                names,
                subject: subject.0,
                place,
                object,
            };
            let corrupt = Filling {
                subject: match self.corruption {
                    IoiCorruption::IndirectObject => io.0,
                    IoiCorruption::ThirdName => third.0,
                },
                ..filling
            };
            let pair = [fill(template, &filling), fill(template, &corrupt)];
            let found = example(request, tokenizer, pair, io.1, subject.1)?;
            let Some(mut found) = found else {
                return Ok(None);
            };
            let pieces = pieces(template, &filling);
            let spans = spans::of_pieces(request, tokenizer, &found.clean, &pieces)?;
            found.spans = spans.unwrap_or_default();
            Ok(Some(found))
        })
    }
}

/// The templates in which replacing S2 changes exactly one token.
fn usable(
    request: &LoadRequest<'_>,
    tokenizer: &Tokenizer,
    names: &[(&str, u32)],
) -> Result<Vec<&'static str>> {
    let mut kept = Vec::new();
    for template in TEMPLATES {
        let filling = Filling {
            names: [names[0].0, names[1].0],
            subject: names[1].0,
            place: PLACES[0],
            object: OBJECTS[0],
        };
        let corrupt = Filling {
            subject: names[2].0,
            ..filling
        };
        let pair = [fill(template, &filling), fill(template, &corrupt)];
        if example(request, tokenizer, pair, names[0].1, names[1].1)?.is_some() {
            kept.push(*template);
        }
    }
    Ok(kept)
}

fn fill(template: &str, filling: &Filling<'_>) -> String {
    template
        .replace("{1}", filling.names[0])
        .replace("{2}", filling.names[1])
        .replace("{S}", filling.subject)
        .replace("{place}", filling.place)
        .replace("{object}", filling.object)
}

/// The parts of a prompt: the names, and what is between them.
fn pieces<'a>(template: &str, filling: &Filling<'a>) -> Vec<Piece<'a>> {
    let template = template
        .replace("{place}", filling.place)
        .replace("{object}", filling.object);
    let first = if filling.names[0] == filling.subject {
        ["S1", "IO"]
    } else {
        ["IO", "S1"]
    };
    let fillings = [
        ("{1}", first[0], filling.names[0]),
        ("{2}", first[1], filling.names[1]),
        ("{S}", "S2", filling.subject),
    ];
    spans::with_end(spans::pieces(
        &template,
        &fillings,
        &["start", "and", "middle", "action"],
    ))
}

fn example(
    request: &LoadRequest<'_>,
    tokenizer: &Tokenizer,
    [clean_text, corrupt_text]: [String; 2],
    io: u32,
    subject: u32,
) -> Result<Option<Example>> {
    let clean = tokenizer.encode(&clean_text, request.prepend_bos)?;
    let corrupt = tokenizer.encode(&corrupt_text, request.prepend_bos)?;
    let differing = clean
        .iter()
        .zip(&corrupt)
        .filter(|(one, other)| one != other)
        .count();
    if clean.len() != corrupt.len() || differing != 1 {
        return Ok(None);
    }
    Ok(Some(Example {
        at: vec![clean.len() - 1],
        teacher_forced: false,
        spans: Vec::new(),
        clean,
        corrupt,
        answer: vec![io],
        wrong: vec![subject],
        text: Some(ExampleText {
            clean: clean_text,
            corrupt: corrupt_text,
        }),
    }))
}
