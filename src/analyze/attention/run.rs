//! Heads scored by what they look at and copy.

use rayon::prelude::*;

use super::eigenvalues::positive_share;
use super::parameters::{AttentionRoles, head_of};
use super::random::Repeated;
use super::report::{AttentionReport, DrawnHead, HeadScores, Role, Score};
use crate::analyze::{largest, text_of};
use crate::engine::{Pattern, SequencePositions, StreamSite, Transformer, mean};
use crate::error::{Error, Result};
use crate::evaluate::Effect;
use crate::events::{Event, Observer, phase};
use crate::model::{Real, Tokenizer};

/// Sequences that are run together.
const TOGETHER: usize = 4;
/// Random tokens of the sequence that is drawn where there are no prompts.
const DRAWN_LENGTH: usize = 12;

/// A prompt with the answer, on which name moving is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// The scored position.
    pub at: usize,
    /// The right answers.
    pub answer: Vec<u32>,
}

/// What heads are scored on.
#[derive(Clone, Copy)]
pub struct AttentionTask<'t> {
    /// Random tokens.
    pub repeated: &'t Repeated,
    /// Prompts; there may be none.
    pub prompts: &'t [Answered],
    /// Resamples of intervals.
    pub bootstrap: usize,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Attention of each sequence to what a role looks at: `[heads][sequences]`, and the same of uniform attention, which may
/// differ between layers whose queries see a window only.
struct Looks {
    score: Vec<Vec<f64>>,
    uniform: Vec<Vec<f64>>,
}

/// Where a query looks when a head has a role: pairs of query and key of a sequence.
type Pairs = Vec<(usize, usize)>;

/// Scores all heads, gives them roles, and draws some.
///
/// # Errors
/// When there is no such head, an activation is not finite, or the observer interrupts.
///
/// # Panics
/// When there is no random sequence, or one is longer than the model reads.
///
/// # Complexity
/// A forward pass of the random sequences and one of the prompts, twice the cost of attention; and for each head a product
/// with the unembedding for each token copied, and the eigenvalues of a matrix of its size.
pub fn score_heads<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &AttentionTask<'_>,
    question: &AttentionRoles,
    observer: &dyn Observer,
) -> Result<AttentionReport> {
    let shape = transformer.heads();
    let wanted = named(question, (shape.n_layers, shape.n_heads))?;
    let sequences: Vec<&[u32]> = task.repeated.sequences.iter().map(Vec::as_slice).collect();
    let (start, length) = (task.repeated.start, task.repeated.length);
    let second = start + length..start + 2 * length;
    let all = 1..start + 2 * length;
    let roles = [
        all.map(|query| (query, query - 1)).collect(),
        second
            .clone()
            .map(|query| (query, query - length))
            .collect(),
        second.map(|query| (query, query + 1 - length)).collect(),
    ];
    phase(observer, "random tokens", sequences.len() as u64);
    let pairs: Vec<[Pairs; 3]> = vec![roles; sequences.len()];
    let [previous, duplicate, induction] = looks(transformer, &sequences, &pairs, observer)?;
    let prompts: Vec<(&Answered, Pairs)> = task
        .prompts
        .iter()
        .map(|prompt| (prompt, answers_in(prompt)))
        .filter(|(_, pairs)| !pairs.is_empty())
        .collect();
    phase(observer, "prompts", prompts.len() as u64);
    let sequences: Vec<&[u32]> = prompts.iter().map(|(it, _)| &it.tokens[..]).collect();
    let pairs: Vec<[Pairs; 1]> = prompts.iter().map(|(_, pairs)| [pairs.clone()]).collect();
    let [moving] = looks(transformer, &sequences, &pairs, observer)?;
    let copying = copying(transformer, task, &prompts, question, observer)?;
    let eigenvalues = eigenvalues(transformer, observer)?;
    let chance = question.top as f64 / transformer.d_out() as f64;
    let score = |looks: &Looks, head: usize| Score {
        score: Effect::of(&looks.score[head], task.bootstrap),
        uniform: mean(&looks.uniform[head / shape.n_heads]),
    };
    let mut heads: Vec<HeadScores> = (0..shape.n_layers * shape.n_heads)
        .map(|head| {
            let layer = head / shape.n_heads;
            let mut scores = HeadScores {
                head: format!("a{layer}.h{}", head % shape.n_heads),
                layer,
                previous_token: score(&previous, head),
                duplicate_token: score(&duplicate, head),
                induction: score(&induction, head),
                name_moving: (!prompts.is_empty()).then(|| score(&moving, head)),
                copying: Score {
                    score: Effect::share(&copying[head]),
                    uniform: chance.min(1.0),
                },
                copying_eigenvalues: eigenvalues[head].map(|share| Score {
                    score: Effect {
                        mean: share,
                        interval: None,
                    },
                    uniform: 0.0,
                }),
                roles: Vec::new(),
            };
            scores.roles = roles_of(&scores, question.threshold);
            scores
        })
        .collect();
    heads.sort_by(|a, b| b.largest().total_cmp(&a.largest()));
    let prompt = task.prompts.first().map(|it| it.tokens.clone());
    let prompt = prompt.unwrap_or_else(|| task.repeated.short(DRAWN_LENGTH));
    let names: Vec<&str> = if wanted.is_empty() {
        let heads = heads.iter().take(question.drawn);
        heads.map(|it| &it.head[..]).collect()
    } else {
        question.draw.iter().map(String::as_str).collect()
    };
    let drawn = drawn(transformer, &prompt, &names)?;
    Ok(AttentionReport {
        sequences: task.repeated.sequences.len(),
        length,
        prompts: prompts.len(),
        threshold: question.threshold,
        top: question.top,
        drawn,
        heads,
        tokens: prompt
            .iter()
            .map(|&token| text_of(task.tokenizer, &[token]))
            .collect(),
        warnings: Vec::new(),
    })
}

/// The heads that are to be drawn.
fn named(
    question: &AttentionRoles,
    (layers, heads): (usize, usize),
) -> Result<Vec<(usize, usize)>> {
    let known = |name: &String| {
        let found = head_of(name).filter(|(layer, head)| *layer < layers && *head < heads);
        found.ok_or_else(|| {
            Error::Usage(format!(
                "there is no head {name}: the model has layers 0 to {} with heads h0 to h{}",
                layers - 1,
                heads - 1
            ))
        })
    };
    question.draw.iter().map(known).collect()
}

/// From the scored position to where the answer stands in the prompt.
fn answers_in(prompt: &Answered) -> Pairs {
    let places = prompt.tokens[..prompt.at].iter().enumerate();
    let places = places.filter(|(_, token)| prompt.answer.contains(token));
    places.map(|(place, _)| (prompt.at, place)).collect()
}

/// The attention of every head along pairs: the sum over the keys of a query, the mean over queries.
fn looks<T: Real, const N: usize>(
    transformer: &Transformer<'_, T>,
    sequences: &[&[u32]],
    pairs: &[[Pairs; N]],
    observer: &dyn Observer,
) -> Result<[Looks; N]> {
    let shape = transformer.heads();
    let heads = shape.n_layers * shape.n_heads;
    let mut found: [Looks; N] = std::array::from_fn(|_| Looks {
        score: vec![Vec::new(); heads],
        uniform: vec![Vec::new(); shape.n_layers],
    });
    let mut done = 0;
    for (group, pairs) in sequences.chunks(TOGETHER).zip(pairs.chunks(TOGETHER)) {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        transformer.patterns(group, |pattern: Pattern<'_, T>| {
            let length = group[pattern.sequence].len();
            let of =
                |(query, key): &(usize, usize)| pattern.attention[query * length + key].to_f64();
            let head = pattern.layer * shape.n_heads + pattern.head;
            for (found, pairs) in found.iter_mut().zip(&pairs[pattern.sequence]) {
                let sum: f64 = pairs.iter().map(of).sum();
                found.score[head].push(sum / queries(pairs));
            }
        })?;
        for (tokens, pairs) in group.iter().zip(pairs) {
            for (found, pairs) in found.iter_mut().zip(pairs) {
                for (layer, uniform) in found.uniform.iter_mut().enumerate() {
                    let of = |&(query, key): &(usize, usize)| {
                        let seen = transformer.seen(layer, query, tokens.len());
                        if seen.contains(&key) {
                            1.0 / seen.len() as f64
                        } else {
                            0.0
                        }
                    };
                    uniform.push(pairs.iter().map(of).sum::<f64>() / queries(pairs));
                }
            }
        }
        done += group.len();
        observer.event(Event::Step {
            done: done as u64,
            note: String::new(),
        });
    }
    Ok(found)
}

/// Different queries of pairs that are in order.
fn queries(pairs: &[(usize, usize)]) -> f64 {
    let mut queries: Vec<usize> = pairs.iter().map(|(query, _)| *query).collect();
    queries.dedup();
    queries.len() as f64
}

/// For every head, whether each of some tokens is among the most likely ones when the head writes for the stream after the
/// first block at that token: the copy score of Wang et al., arXiv:2211.00593. The tokens are the prompts' answers, or
/// random ones where there are no prompts.
fn copying<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &AttentionTask<'_>,
    prompts: &[(&Answered, Pairs)],
    question: &AttentionRoles,
    observer: &dyn Observer,
) -> Result<Vec<Vec<f64>>> {
    let shape = transformer.heads();
    let places: Vec<(&[u32], [usize; 1])> = if prompts.is_empty() {
        let start = task.repeated.start;
        let sequences = task.repeated.sequences.iter();
        let all = sequences.flat_map(|it| {
            (start..start + task.repeated.length).map(move |place| (&it[..], [place]))
        });
        // Evenly spread over the sequences.
        let all: Vec<(&[u32], [usize; 1])> = all.collect();
        let step = (all.len() / question.copied).max(1);
        all.into_iter()
            .step_by(step)
            .take(question.copied)
            .collect()
    } else {
        let prompts = prompts.iter().take(question.copied);
        prompts
            .map(|(it, pairs)| (&it.tokens[..], [pairs[0].1]))
            .collect()
    };
    let looked: Vec<SequencePositions<'_>> = places.iter().map(|(it, at)| (*it, &at[..])).collect();
    let streams = transformer.streams(&looked, &[StreamSite::Layer(0)])?;
    phase(observer, "copying", shape.n_layers as u64);
    let mut copied = Vec::with_capacity(shape.n_layers * shape.n_heads);
    for layer in 0..shape.n_layers {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        for head in 0..shape.n_heads {
            let written = transformer.head_of_stream(layer, head, &streams[0]);
            let logits = transformer.logits(&written);
            let rows = logits.chunks_exact(transformer.d_out()).zip(&places);
            copied.push(
                rows.map(|(logits, (tokens, [place]))| {
                    let logits: Vec<f64> = logits.iter().map(|logit| logit.to_f64()).collect();
                    let among = largest(&logits, question.top).contains(&tokens[*place]);
                    f64::from(u8::from(among))
                })
                .collect(),
            );
        }
        observer.event(Event::Step {
            done: layer as u64 + 1,
            note: String::new(),
        });
    }
    Ok(copied)
}

/// For every head, what its eigenvalues say of copying.
fn eigenvalues<T: Real>(
    transformer: &Transformer<'_, T>,
    observer: &dyn Observer,
) -> Result<Vec<Option<f64>>> {
    let shape = transformer.heads();
    phase(observer, "eigenvalues", shape.n_layers as u64);
    let Some(pairs) = transformer.token_pairs() else {
        return Ok(vec![None; shape.n_layers * shape.n_heads]);
    };
    let mut found = Vec::with_capacity(shape.n_layers * shape.n_heads);
    for layer in 0..shape.n_layers {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let circuits = transformer.copying_circuits(layer, &pairs);
        let shares = circuits.par_iter();
        found.par_extend(shares.map(|circuit| positive_share(circuit, shape.d_head)));
        observer.event(Event::Step {
            done: layer as u64 + 1,
            note: String::new(),
        });
    }
    Ok(found)
}

fn roles_of(scores: &HeadScores, threshold: f64) -> Vec<Role> {
    let reaches = |score: &Score| score.score.mean >= threshold && score.score.mean > score.uniform;
    let moves = scores.name_moving.as_ref().is_some_and(reaches) && reaches(&scores.copying);
    let has = [
        (Role::PreviousToken, reaches(&scores.previous_token)),
        (Role::DuplicateToken, reaches(&scores.duplicate_token)),
        (Role::Induction, reaches(&scores.induction)),
        (Role::NameMover, moves),
    ];
    let has = has.into_iter().filter(|(_, has)| *has);
    has.map(|(role, _)| role).collect()
}

fn drawn<T: Real>(
    transformer: &Transformer<'_, T>,
    prompt: &[u32],
    names: &[&str],
) -> Result<Vec<DrawnHead>> {
    let mut drawn: Vec<DrawnHead> = names
        .iter()
        .map(|name| DrawnHead {
            head: (*name).to_owned(),
            attention: Vec::new(),
        })
        .collect();
    transformer.patterns(&[prompt], |pattern: Pattern<'_, T>| {
        let name = format!("a{}.h{}", pattern.layer, pattern.head);
        for drawn in drawn.iter_mut().filter(|it| it.head == name) {
            let rows = pattern.attention.chunks_exact(prompt.len());
            let wide = |row: &[T]| row.iter().map(|value| value.to_f64()).collect();
            drawn.attention = rows.map(wide).collect();
        }
    })?;
    Ok(drawn)
}
