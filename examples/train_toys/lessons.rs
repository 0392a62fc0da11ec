//! What the toy models learn: the generators' own prompts with the distribution wanted behind them.

use std::collections::HashSet;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use secateur::events::Silent;
use secateur::model::{ModelConfig, PrependBos, Tokenizer};
use secateur::task::{
    Agreement, Example, GreaterThan, Induction, Ioi, IoiCorruption, LoadRequest, TaskSource,
};

use crate::Result;

/// Examples per task to measure on; those that are trained on all the same are left out.
const HELD_OUT: usize = 512;

/// Words of an induction prompt.
const LENGTHS: [usize; 5] = [6, 8, 10, 12, 16];

/// Words of a drill.
const DRILL: usize = 20;

/// Seeds of the two kinds of examples.
const SEEDS: [u64; 2] = [1_000_001, 1_000_002];

/// A prompt and, for some of its positions, the tokens that are equally right there.
#[derive(Clone)]
pub(crate) struct Lesson {
    pub(crate) tokens: Vec<u32>,
    pub(crate) targets: Vec<(usize, Vec<u32>)>,
}

/// One task: lessons to train on, examples to measure on, and its lessons and drills in a batch.
pub(crate) struct Course {
    pub(crate) name: &'static str,
    pub(crate) lessons: Vec<Lesson>,
    pub(crate) held_out: Vec<Example>,
    pub(crate) per_batch: usize,
    pub(crate) drills: usize,
}

impl Course {
    /// Every fourth example to measure on.
    pub(crate) fn sample(&self) -> Vec<Example> {
        self.held_out.iter().step_by(4).cloned().collect()
    }
}

/// The four tasks.
pub(crate) fn courses(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<Vec<Course>> {
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: Some(tokenizer),
        config,
        prepend_bos: PrependBos::Never,
        base: Path::new("."),
        observer: &Silent,
    };
    let ioi = |pairs, seed| {
        vec![TaskSource::Ioi(Ioi {
            pairs,
            seed,
            corruption: IoiCorruption::ThirdName,
        })]
    };
    let greater_than = |pairs, seed| vec![TaskSource::GreaterThan(GreaterThan { pairs, seed })];
    let agreement = |pairs, seed| vec![TaskSource::Agreement(Agreement { pairs, seed })];
    let induction = |pairs, seed| {
        let pairs = pairs / LENGTHS.len();
        LENGTHS
            .map(|length| {
                TaskSource::Induction(Induction {
                    pairs,
                    seed,
                    length,
                })
            })
            .into()
    };
    let courses = vec![
        course("ioi", 16, &request, ioi, 24_000, ioi_lessons)?,
        course(
            "greater-than",
            4,
            &request,
            greater_than,
            10_000,
            greater_than_lessons,
        )?,
        course("induction", 20, &request, induction, 24_000, |example| {
            vec![lesson(&example.clean, &example.answer)]
        })?,
        course(
            "agreement",
            4,
            &request,
            agreement,
            10_000,
            agreement_lessons,
        )?,
    ];
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
    let mut held_out = load(HELD_OUT, SEEDS[1])?;
    let unseen: HashSet<&[u32]> = held_out
        .iter()
        .map(|example| example.clean.as_slice())
        .collect();
    let lessons: Vec<Lesson> = load(pairs, SEEDS[0])?
        .iter()
        .filter(|example| !unseen.contains(example.clean.as_slice()))
        .flat_map(lessons)
        .collect();
    // The corrupt prompt of one pair may be the clean prompt of another.
    let learned: HashSet<&[u32]> = lessons
        .iter()
        .map(|lesson| lesson.tokens.as_slice())
        .collect();
    held_out.retain(|example| !learned.contains(example.clean.as_slice()));
    Ok(Course {
        name,
        lessons,
        held_out,
        per_batch,
        drills: if name == "induction" { 16 } else { 0 },
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

/// Words of an induction prompt: some once, then others over and over. Every word but those of their first pass can
/// be told, at many positions and distances; the single repetition of the task's prompts teaches this slowly.
pub(crate) fn drill(of: &Lesson, rng: &mut ChaCha8Rng) -> Lesson {
    let words = &of.tokens[..of.tokens.len() - 1];
    let mut below = |bound: usize| (rng.next_u64() % bound as u64) as usize;
    let period = 3 + below(words.len() - 2);
    let (again, others) = words.split_at(period);
    let once = &others[..below(others.len() + 1)];
    let tokens: Vec<u32> = once
        .iter()
        .chain(again.iter().cycle())
        .take(DRILL)
        .copied()
        .collect();
    let target = |place: usize| (place, vec![tokens[place + 1]]);
    let targets = (once.len() + period..DRILL - 1).map(target).collect();
    Lesson { tokens, targets }
}
