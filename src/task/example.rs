//! Examples: a clean and a corrupt prompt of equal length, with the answers that are scored.

use std::collections::BTreeMap;

use super::sampling::Sampler;
use crate::error::{Error, Result};

/// One clean/corrupt pair of token sequences.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Example {
    /// Tokens of the prompt that shows the behaviour.
    pub clean: Vec<u32>,
    /// Tokens of its counterpart, of the same length.
    pub corrupt: Vec<u32>,
    /// Right answers, single tokens; or the tokens of one answer when it is teacher-forced.
    pub answer: Vec<u32>,
    /// Wrong answers, single tokens; may be empty where the metric needs none.
    pub wrong: Vec<u32>,
    /// Positions whose logits the metric reads, ascending; by default the last one.
    pub at: Vec<usize>,
    /// Whether `answer` is one answer of several tokens: all but the last of them are the end of `clean` and
    /// `corrupt`, and each position of `at` predicts one of them, in order.
    pub teacher_forced: bool,
    /// The prompts as text, where the task has text.
    pub text: Option<ExampleText>,
    /// The spans that the tokens of both prompts make up, in order; empty where the task names none.
    pub spans: Vec<Span>,
}

/// Bytes that an allocation takes beside what is in it.
const ALLOCATION: usize = 16;

/// Some tokens of a prompt that play one part, such as the second mention of the subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its name, the same in all examples.
    pub name: String,
    /// Number of tokens, which follow those of the span before.
    pub tokens: usize,
}

/// An example as its reader would see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExampleText {
    /// The clean prompt.
    pub clean: String,
    /// The corrupt prompt.
    pub corrupt: String,
}

impl Example {
    /// The bytes that it takes in memory.
    fn bytes(&self) -> usize {
        let lists = [&self.clean, &self.corrupt, &self.answer, &self.wrong];
        let tokens: usize = lists.iter().map(|list| list.capacity()).sum();
        let texts = self
            .text
            .iter()
            .map(|it| it.clean.capacity() + it.corrupt.capacity());
        let spans = self
            .spans
            .iter()
            .map(|it| size_of::<Span>() + it.name.capacity());
        size_of::<Self>()
            + size_of::<u32>() * tokens
            + size_of::<usize>() * self.at.capacity()
            + texts.sum::<usize>()
            + spans.sum::<usize>()
            + ALLOCATION * (5 + 2 * self.text.iter().count() + self.spans.len())
    }

    /// First position at which clean and corrupt differ.
    pub fn first_difference(&self) -> Option<usize> {
        self.clean
            .iter()
            .zip(&self.corrupt)
            .position(|(clean, corrupt)| clean != corrupt)
    }

    /// The right answers at the `place`-th scored position.
    pub fn answers_at(&self, place: usize) -> &[u32] {
        if self.teacher_forced {
            self.answer.get(place..=place).unwrap_or_default()
        } else {
            &self.answer
        }
    }

    /// The example with the prompts in each other's place, the answers as they were, read as far from the end.
    #[must_use]
    pub fn swapped(&self) -> Self {
        let at = self.at.iter();
        Self {
            clean: self.corrupt.clone(),
            corrupt: self.clean.clone(),
            at: at
                .map(|position| (position + self.corrupt.len()).saturating_sub(self.clean.len()))
                .collect(),
            text: self.text.as_ref().map(|text| ExampleText {
                clean: text.corrupt.clone(),
                corrupt: text.clean.clone(),
            }),
            ..self.clone()
        }
    }

    /// The clean prompt without the answer's tokens.
    pub fn prompt(&self) -> &[u32] {
        let appended = if self.teacher_forced {
            self.answer.len().saturating_sub(1)
        } else {
            0
        };
        &self.clean[..self.clean.len().saturating_sub(appended)]
    }
}

/// The examples of a task for one model, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The examples.
    pub examples: Vec<Example>,
    /// Where they come from, for reports: a generator with its parameters, or a file name.
    pub source: String,
    /// Whether a beginning-of-sequence token was put in front of text.
    pub prepend_bos: bool,
}

impl Dataset {
    /// The bytes that the examples take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.examples.iter().map(Example::bytes).sum()
    }

    /// Splits the examples into those of discovery and a share that the search never sees, in their order.
    ///
    /// The split is always the same for the same examples. Examples with equal clean prompts stay together; while
    /// there are two different prompts and the share is neither 0 nor 1, no side is empty.
    pub fn split(&self, held_out: f64) -> (Vec<Example>, Vec<Example>) {
        self.sides(self.split_rows(held_out))
    }

    /// Refuses examples of which none is left for discovery.
    ///
    /// # Errors
    /// When there are no such `examples`; the error says why.
    pub(crate) fn some_discovery(&self, examples: usize) -> Result<()> {
        if examples > 0 {
            return Ok(());
        }
        let mut prompts = self.examples.iter().map(Example::prompt);
        let first = prompts.next();
        let problem = match self.examples.len() {
            1 => {
                "the only pair is held out, so none is left for discovery; add pairs, or set held_out to 0"
            }
            _ if prompts.all(|prompt| Some(prompt) == first) => {
                "all clean prompts are the same, and equal prompts are never divided between discovery and held out; add \
                 other pairs, or set held_out to 0"
            }
            _ => "no example is left for discovery; lower held_out or add pairs",
        };
        Err(Error::data(self.source.clone(), problem))
    }

    /// The numbers of the examples on both sides of [`Dataset::split`], from 0.
    pub fn split_rows(&self, held_out: f64) -> [Vec<usize>; 2] {
        self.split_by(held_out, Example::prompt)
    }

    /// As [`Dataset::split`], of examples that are texts scored by their own tokens: equal texts stay together.
    pub fn split_texts(&self, held_out: f64) -> (Vec<Example>, Vec<Example>) {
        self.sides(self.split_texts_rows(held_out))
    }

    /// The numbers of the examples on both sides of [`Dataset::split_texts`], from 0.
    pub fn split_texts_rows(&self, held_out: f64) -> [Vec<usize>; 2] {
        self.split_by(held_out, |example| (&example.clean, &example.answer))
    }

    fn sides(&self, [discovery, held_out]: [Vec<usize>; 2]) -> (Vec<Example>, Vec<Example>) {
        let examples = |rows: Vec<usize>| {
            let rows = rows.into_iter();
            rows.map(|row| self.examples[row].clone()).collect()
        };
        (examples(discovery), examples(held_out))
    }

    fn split_by<'d, K: Ord>(
        &'d self,
        held_out: f64,
        same: impl Fn(&'d Example) -> K,
    ) -> [Vec<usize>; 2] {
        let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (index, example) in self.examples.iter().enumerate() {
            groups.entry(same(example)).or_default().push(index);
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort();
        Sampler::new("split", 0).shuffle(&mut groups);
        let share = held_out.clamp(0.0, 1.0);
        let mut wanted = (share * self.examples.len() as f64).round() as usize;
        if groups.len() > 1 && share > 0.0 && share < 1.0 {
            wanted = wanted.max(1);
            wanted = wanted.min(self.examples.len() - groups[groups.len() - 1].len());
        }
        let mut is_held_out = vec![false; self.examples.len()];
        let mut count = 0;
        for group in groups {
            if count >= wanted {
                break;
            }
            count += group.len();
            for index in group {
                is_held_out[index] = true;
            }
        }
        let side = |wanted: bool| -> Vec<usize> {
            (0..self.examples.len())
                .filter(|&row| is_held_out[row] == wanted)
                .collect()
        };
        [side(false), side(true)]
    }

    /// Names of the spans of the examples, by first appearance.
    ///
    /// # Errors
    /// When an example names none.
    pub fn spans(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for (index, example) in self.examples.iter().enumerate() {
            if example.spans.is_empty() {
                let row = format!("{}, row {}", self.source, index + 1);
                let problem = "it has no spans, and positions: Spans tells positions apart by them; add `spans` to the \
                               rows (generated tasks have them where their parts are whole tokens)";
                return Err(Error::data(row, problem));
            }
            for span in &example.spans {
                if !names.contains(&span.name) {
                    names.push(span.name.clone());
                }
            }
        }
        Ok(names)
    }

    /// As [`Dataset::hash`], of the spans too.
    pub fn hash_with_spans(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.hash().as_bytes());
        for example in &self.examples {
            hasher.update(&(example.spans.len() as u64).to_le_bytes());
            for span in &example.spans {
                hasher.update(&(span.name.len() as u64).to_le_bytes());
                hasher.update(span.name.as_bytes());
                hasher.update(&(span.tokens as u64).to_le_bytes());
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Hash of everything that runs with merged scored positions of the examples: tokens, answers and positions, not the text.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for example in &self.examples {
            if example.teacher_forced {
                // No list is that long, so this stands for nothing else.
                hasher.update(&u64::MAX.to_le_bytes());
            }
            let mut list = |numbers: &mut dyn ExactSizeIterator<Item = u64>| {
                hasher.update(&(numbers.len() as u64).to_le_bytes());
                for number in numbers {
                    hasher.update(&number.to_le_bytes());
                }
            };
            for ids in [
                &example.clean,
                &example.corrupt,
                &example.answer,
                &example.wrong,
            ] {
                list(&mut ids.iter().map(|id| u64::from(*id)));
            }
            list(&mut example.at.iter().map(|position| *position as u64));
        }
        hasher.finalize().to_hex().to_string()
    }
}
