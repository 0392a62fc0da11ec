//! Where the heads of a circuit look on a few of the prompts that it is judged on.

use std::collections::BTreeMap;

use crate::engine::{Pattern, Transformer};
use crate::error::Result;
use crate::graph::{Circuit, ComputationGraph, Node};
use crate::model::{Real, Tokenizer};
use crate::report::{AttentionExample, AttentionExamples, HeadAttention};
use crate::task::Example;

/// Prompts that attention is shown on.
const PROMPTS: usize = 3;
/// Longer prompts are passed over.
const LONGEST: usize = 64;
/// Characters of all patterns together, about; heads with less `|score|` are left out beyond.
const MOST_CHARACTERS: usize = 1_500_000;

/// Attention of heads on prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct AttentionPatterns {
    /// The prompts' tokens.
    prompts: Vec<Vec<u32>>,
    heads: Vec<HeadAttention>,
}

impl AttentionPatterns {
    /// Runs the full model on the first different prompts of at most 64 tokens, and keeps what the circuit's heads look at.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Complexity
    /// One forward pass over three prompts.
    pub(crate) fn new<T: Real>(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        circuit: &Circuit,
    ) -> Result<Self> {
        let mut prompts: Vec<Vec<u32>> = Vec::new();
        for example in examples {
            if prompts.len() < PROMPTS
                && example.clean.len() <= LONGEST
                && !prompts.contains(&example.clean)
            {
                prompts.push(example.clean.clone());
            }
        }
        let characters: usize = prompts.iter().map(|it| it.len() * it.len()).sum();
        let mut heads = heads(transformer.graph(), circuit);
        heads.truncate(MOST_CHARACTERS.checked_div(characters).unwrap_or(0));
        let places = heads.iter().enumerate();
        let places: BTreeMap<(usize, usize), usize> =
            places.map(|(place, &head)| (head, place)).collect();
        let mut patterns = vec![Vec::new(); heads.len()];
        for prompt in prompts.iter().filter(|_| !places.is_empty()) {
            transformer.patterns(&[prompt], |seen: Pattern<'_, T>| {
                if let Some(&place) = places.get(&(seen.layer, seen.head)) {
                    let shares = seen.attention.iter().map(|share| share.to_f64());
                    patterns[place].push(HeadAttention::pattern(shares));
                }
            })?;
        }
        let heads = heads.into_iter().zip(patterns);
        Ok(Self {
            prompts,
            heads: heads
                .map(|((layer, head), patterns)| HeadAttention {
                    head: Node::Head { layer, head }.to_string(),
                    patterns,
                })
                .collect(),
        })
    }

    /// The same with tokens as text; without a tokenizer as numbers.
    pub(crate) fn examples(&self, tokenizer: Option<&Tokenizer>) -> AttentionExamples {
        let text = |&token: &u32| match tokenizer {
            Some(tokenizer) => tokenizer.decode(&[token]),
            None => token.to_string(),
        };
        let prompts = self.prompts.iter();
        AttentionExamples {
            prompts: prompts
                .map(|prompt| AttentionExample {
                    tokens: prompt.iter().map(text).collect(),
                })
                .collect(),
            heads: self.heads.clone(),
        }
    }
}

/// The heads of a circuit, those whose edges have the largest `|score|` together first.
fn heads(graph: &ComputationGraph, circuit: &Circuit) -> Vec<(usize, usize)> {
    let mut weights = BTreeMap::<(usize, usize), f64>::new();
    for edge in circuit.kept.edges(graph) {
        let (writer, reader) = graph.ends(edge);
        let scores = circuit.scores.as_ref();
        let score = scores.map_or(1.0, |scores| scores[edge].abs());
        for node in [graph.writers()[writer], graph.readers()[reader].node()] {
            if let Node::Head { layer, head } = node {
                *weights.entry((layer, head)).or_default() += score;
            }
        }
    }
    let mut heads: Vec<((usize, usize), f64)> = weights.into_iter().collect();
    heads.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    heads.into_iter().map(|(head, _)| head).collect()
}
