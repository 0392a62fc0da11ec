//! Tokens and logits that another implementation computed on a real model.

use std::path::Path;

use secateur::load_model;
use secateur::model::{LoadedModel, PrependBos};
use secateur::setting::last_logits;
use serde::Deserialize;

/// Largest difference of a logit, from rounding.
const TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct Facts {
    cases: Vec<Case>,
}

/// A prompt, its tokens, and the ten largest logits after them.
#[derive(Deserialize)]
struct Case {
    prompt: String,
    ids: Vec<u32>,
    top: Vec<(u32, f64)>,
}

/// A model that `command` fetches.
pub(crate) fn model(path: &str, command: &str) -> LoadedModel {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    load_model(path, root).unwrap_or_else(|error| panic!("{error}\nrun {command} first"))
}

/// Token numbers by descending logit.
pub(crate) fn order(logits: &[f32]) -> Vec<u32> {
    let mut tokens: Vec<u32> = (0..logits.len() as u32).collect();
    tokens.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    tokens
}

/// Asserts that prompts have the recorded tokens and logits.
pub(crate) fn assert_recorded(model: &LoadedModel, recorded: &str, bos: PrependBos) {
    let facts: Facts = serde_json::from_str(recorded).unwrap();
    let tokenizer = model.require_tokenizer().unwrap();
    for case in &facts.cases {
        let ids = tokenizer.encode(&case.prompt, bos).unwrap();
        assert_eq!(ids, case.ids, "{}", case.prompt);
    }
    let rows: Vec<Vec<u32>> = facts.cases.iter().map(|case| case.ids.clone()).collect();
    let logits = last_logits(model, &rows).unwrap();
    let mut worst: f64 = 0.0;
    for (case, logits) in facts.cases.iter().zip(&logits) {
        for (rank, (token, expected)) in case.top.iter().enumerate() {
            let got = f64::from(logits[*token as usize]);
            let place = format!("{:?}, token {token}: {got}, not {expected}", case.prompt);
            let difference = (got - expected).abs();
            assert!(difference < TOLERANCE, "{place}");
            if rank == 0 {
                assert_eq!(order(logits)[0], *token, "{place}");
            }
            worst = worst.max(difference);
        }
    }
    println!("largest difference of a logit: {worst:.1e}");
}
