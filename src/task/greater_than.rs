//! Greater-than: "The war lasted from the year 1732 to the year 17" -> any of "33" to "99".
//!
//! The corrupt prompt starts in the year 01 of the century, which every answer exceeds. Two kinds of tokenizer are
//! told apart by encoding:
//! - two digits are a token (GPT-2): right are the tokens YY+1 to 99, wrong are 00 to YY;
//! - each digit is a token (`SmolLM2`): the next token is the decade; right are the digits above the tens of YY,
//!   wrong the digits below; the same decade may be right or wrong, so it is in neither set.
//!
//! Reference: Hanna et al. 2023, "How does GPT-2 compute greater-than?", arXiv:2305.00586.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::sampling::{Sampler, distinct};
use super::words::EVENTS;
use super::{Example, ExampleText, LoadRequest, spans, text};
use crate::error::{Error, Result};
use crate::model::{PrependBos, Tokenizer};

/// Centuries of the years; the first and last years of each are left out.
const CENTURIES: std::ops::RangeInclusive<usize> = 11..=17;

/// Parameters of the greater-than generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreaterThan {
    /// Number of clean/corrupt pairs.
    pub pairs: usize,
    /// Seed of the sampling.
    #[serde(default)]
    pub seed: u64,
}

/// How a tokenizer writes the end of a year.
enum Years {
    /// Tokens of "00" to "99", and the years (century, YY) that are a century's token and one of these.
    Pairs {
        numbers: Vec<u32>,
        years: Vec<(usize, usize)>,
    },
    /// Tokens of "0" to "9".
    Digits(Vec<u32>),
}

impl GreaterThan {
    pub(super) fn source(&self) -> String {
        format!("GreaterThan(pairs: {}, seed: {})", self.pairs, self.seed)
    }

    pub(super) fn examples(&self, request: &LoadRequest<'_>) -> Result<Vec<Example>> {
        let source = self.source();
        let tokenizer = text::tokenizer(request, &source)?;
        let years = Years::detect(tokenizer)?.ok_or_else(|| {
            let problem = "this tokenizer writes years neither as two-digit tokens nor as single digits; give rows \
                           of your own with `File` or `Tokens`";
            Error::data(source.as_str(), problem)
        })?;
        let mut sampler = Sampler::new("greater-than", self.seed);
        distinct(request, (self.pairs, &source), |_| {
            let event = sampler.pick(EVENTS);
            let (century, year) = match &years {
                Years::Pairs { years, .. } => *sampler.pick(years),
                Years::Digits(_) => {
                    let century = CENTURIES.start() + sampler.below(CENTURIES.count());
                    (century, 10 + sampler.below(80))
                }
            };
            years.example(request, tokenizer, event, century, year)
        })
    }
}

fn prompt(event: &str, century: usize, year: &str) -> String {
    format!("The {event} lasted from the year {century}{year} to the year {century}")
}

impl Years {
    fn detect(tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let pairs: Option<Vec<u32>> = (0..100)
            .map(|year| tokenizer.single_token(&format!("{year:02}")))
            .collect();
        if let Some(numbers) = pairs.filter(|numbers| different(numbers)) {
            let mut years = Vec::new();
            for century in CENTURIES {
                for (year, number) in numbers.iter().enumerate().take(99).skip(2) {
                    if follows(tokenizer, century, &format!("{year:02}"), &[*number])? {
                        years.push((century, year));
                    }
                }
            }
            if !years.is_empty() {
                return Ok(Some(Self::Pairs { numbers, years }));
            }
        }
        // The first digit of a text may be another token than a later one.
        let digits: Option<Vec<u32>> = (0..10)
            .map(|digit| text::continuation(tokenizer, "the year 17", &digit.to_string()))
            .collect::<Result<_>>()?;
        let Some(digits) = digits.filter(|digits| different(digits)) else {
            return Ok(None);
        };
        let single = follows(tokenizer, 17, "32", &[digits[3], digits[2]])?;
        Ok(single.then_some(Self::Digits(digits)))
    }

    fn example(
        &self,
        request: &LoadRequest<'_>,
        tokenizer: &Tokenizer,
        event: &str,
        century: usize,
        year: usize,
    ) -> Result<Option<Example>> {
        let clean_text = prompt(event, century, &format!("{year:02}"));
        let corrupt_text = prompt(event, century, "01");
        let clean = tokenizer.encode(&clean_text, request.prepend_bos)?;
        let before = format!("The {event} lasted from the year {century}");
        let start = tokenizer.encode(&before, request.prepend_bos)?.len();
        let (first, answer, wrong) = match self {
            Self::Pairs { numbers, .. } => (
                vec![numbers[1]],
                numbers[year + 1..].to_vec(),
                numbers[..=year].to_vec(),
            ),
            Self::Digits(digits) => {
                let tens = year / 10;
                (
                    vec![digits[0], digits[1]],
                    digits[tens + 1..].to_vec(),
                    digits[..tens].to_vec(),
                )
            }
        };
        // The corrupt year is put in as tokens: a tokenizer may have one token for 1701 as a whole.
        let mut corrupt = clean.clone();
        let Some(place) = corrupt.get_mut(start..start + first.len()) else {
            return Ok(None);
        };
        place.copy_from_slice(&first);
        let pieces = [
            ("start", format!("The {event} lasted from the year")),
            ("century", format!(" {century}")),
            ("YY", format!("{year:02}")),
            ("middle", " to the year".into()),
            ("END", format!(" {century}")),
        ];
        let spans = spans::of_pieces(request, tokenizer, &clean, &pieces)?;
        let text = Some(ExampleText {
            clean: clean_text,
            corrupt: corrupt_text,
        });
        Ok(Some(Example {
            at: vec![clean.len() - 1],
            teacher_forced: false,
            spans: spans.unwrap_or_default(),
            clean,
            corrupt,
            answer,
            wrong,
            text,
        }))
    }
}

/// Whether a year's last two digits are these tokens after those of its century.
fn follows(tokenizer: &Tokenizer, century: usize, year: &str, tokens: &[u32]) -> Result<bool> {
    let before = tokenizer.encode(&format!("the year {century}"), PrependBos::Never)?;
    let after = tokenizer.encode(&format!("the year {century}{year}"), PrependBos::Never)?;
    Ok(after.strip_prefix(before.as_slice()) == Some(tokens))
}

/// Whether no token is twice among some; a token for unknown words would be.
fn different(tokens: &[u32]) -> bool {
    tokens.iter().collect::<HashSet<_>>().len() == tokens.len()
}
