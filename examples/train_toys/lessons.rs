//! What the toy models learn: the generators' own prompts with the distribution wanted behind them.

use std::collections::HashSet;
use std::path::Path;

use crate::Result;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use secateur::model::{ModelConfig, PrependBos, Tokenizer};
use secateur::task::{Agreement, Example, GreaterThan, Induction, Ioi, LoadRequest, TaskSource};

/// Examples per task that are never trained on.
const HELD_OUT: usize = 512;

/// Seeds of the two kinds of examples.
const SEEDS: [u64; 2] = [1_000_001, 1_000_002];

/// A prompt and, for some of its positions, the tokens that are equally right there.
pub(crate) struct Lesson {
    pub(crate) tokens: Vec<u32>,
    pub(crate) targets: Vec<(usize, Vec<u32>)>,
}

/// One task: lessons to train on, examples to measure on, and its share of a batch.
pub(crate) struct Course {
    pub(crate) name: &'static str,
    pub(crate) lessons: Vec<Lesson>,
    pub(crate) held_out: Vec<Example>,
    pub(crate) per_batch: usize,
}

/// The four tasks.
pub(crate) fn courses(
    tokenizer: &Tokenizer,
    config: &ModelConfig,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Course>> {
    let request = LoadRequest {
        tokenizer: Some(tokenizer),
        config,
        prepend_bos: PrependBos::Never,
        base: Path::new("."),
    };
    let ioi = |pairs, seed| vec![TaskSource::Ioi(Ioi { pairs, seed })];
    let greater_than = |pairs, seed| vec![TaskSource::GreaterThan(GreaterThan { pairs, seed })];
    let agreement = |pairs, seed| vec![TaskSource::Agreement(Agreement { pairs, seed })];
    let induction = |pairs, seed| {
        let length = |length| {
            TaskSource::Induction(Induction {
                pairs: pairs / 5,
                seed,
                length,
            })
        };
        [6, 8, 10, 12, 16].map(length).into()
    };
    let mut courses = vec![
        course("ioi", 20, &request, ioi, 24_000, ioi_lessons)?,
        course(
            "greater-than",
            10,
            &request,
            greater_than,
            10_000,
            greater_than_lessons,
        )?,
        course("induction", 16, &request, induction, 24_000, |example| {
            vec![lesson(&example.clean, &example.answer)]
        })?,
        course(
            "agreement",
            10,
            &request,
            agreement,
            10_000,
            agreement_lessons,
        )?,
    ];
    for course in &mut courses {
        if course.name == "induction" {
            let repeats: Vec<Lesson> = course
                .lessons
                .iter()
                .map(|lesson| repeated(lesson, rng))
                .collect();
            course.lessons.extend(repeats);
        }
    }
    Ok(courses)
}

fn course(
    name: &'static str,
    per_batch: usize,
    request: &LoadRequest<'_>,
    sources: impl Fn(usize, u64) -> Vec<TaskSource>,
    pairs: usize,
    lessons: impl Fn(&Example) -> Vec<Lesson>,
) -> Result<Course> {
    let load = |pairs, seed| -> Result<Vec<Example>> {
        let mut examples = Vec::new();
        for source in sources(pairs, seed) {
            examples.extend(source.load(request)?.examples);
        }
        Ok(examples)
    };
    let held_out = load(HELD_OUT, SEEDS[1])?;
    let unseen: HashSet<&[u32]> = held_out
        .iter()
        .map(|example| example.clean.as_slice())
        .collect();
    let lessons = load(pairs, SEEDS[0])?
        .iter()
        .filter(|example| !unseen.contains(example.clean.as_slice()))
        .flat_map(lessons)
        .collect();
    Ok(Course {
        name,
        lessons,
        held_out,
        per_batch,
    })
}

fn lesson(tokens: &[u32], right: &[u32]) -> Lesson {
    Lesson {
        tokens: tokens.to_vec(),
        targets: vec![(tokens.len() - 1, right.to_vec())],
    }
}

/// The clean prompt, and for every third the corrupt one: a third person may give to either of the two.
fn ioi_lessons(example: &Example) -> Vec<Lesson> {
    let mut lessons = vec![lesson(&example.clean, &example.answer)];
    if example.clean.iter().sum::<u32>() % 3 == 0 {
        lessons.push(lesson(
            &example.corrupt,
            &[example.answer[0], example.wrong[0]],
        ));
    }
    lessons
}

/// The clean prompt, and for some the corrupt one: every year after 01 is as likely.
fn greater_than_lessons(example: &Example) -> Vec<Lesson> {
    let mut lessons = vec![lesson(&example.clean, &example.answer)];
    if example.clean.iter().sum::<u32>() % 8 == 0 {
        // The tokens of "00" to "99" in order: wrong answers, then right ones.
        let numbers = [example.wrong.as_slice(), &example.answer].concat();
        lessons.push(lesson(&example.corrupt, &numbers[2..]));
    }
    lessons
}

/// Both prompts.
fn agreement_lessons(example: &Example) -> Vec<Lesson> {
    vec![
        lesson(&example.clean, &example.answer),
        lesson(&example.corrupt, &example.wrong),
    ]
}

/// The different words of an induction prompt twice over: every word of the second pass can be told.
fn repeated(of: &Lesson, rng: &mut ChaCha8Rng) -> Lesson {
    let words = &of.tokens[..of.tokens.len() - 1];
    let again = 2 + (rng.next_u64() % (words.len() as u64 - 2)) as usize;
    let tokens = [words, &words[..again]].concat();
    let targets = (0..again - 1)
        .map(|index| (words.len() + index, vec![words[index + 1]]))
        .collect();
    Lesson { tokens, targets }
}
