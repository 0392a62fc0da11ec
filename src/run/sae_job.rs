//! The training of a sparse autoencoder as a job: text, rounds with checkpoints, figures.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::memory::Bound;
use super::text::contexts;
use super::{provenance, sae_checkpoint};
use crate::analyze::Sae;
use crate::analyze::sae::{Dictionary, Progress, Rows, TextRows, Training, measure};
use crate::engine::{Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{ComputationGraph, Granularity};
use crate::report::{
    LensStamp, REPORT_FORMAT, density_svg, sae_csv, sae_lens, sae_text, training_svg,
};

/// Rows of a round, about: after each the state is written down.
const ROUND_ROWS: usize = 16_384;

/// Which features the layer holds.
///
/// # Errors
/// When the model or the text cannot be used, the disk refuses, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Sae) -> Result<Answer> {
    let (spec, model, observer) = (asked.spec, asked.model, asked.observer);
    let config = model.config();
    possible(asked, question)?;
    let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(&model.weights, &graph);
    let contexts = contexts(asked, (&question.text, question.context), &transformer)?;
    let data_hash = hash_of(&contexts);
    let held_out = (spec.held_out * contexts.len() as f64).round() as usize;
    let held_out = held_out.clamp(1, contexts.len() - 1);
    let (training_text, held_out) = contexts.split_at(contexts.len() - held_out);

    let inputs = format!(
        "{} {REPORT_FORMAT} {} {} {data_hash}",
        provenance::VERSION,
        asked.spec_line(),
        model.hash
    );
    let text = (&transformer, training_text);
    let mut training = train(asked, question, text, Some(&inputs))?;
    let tokenizer = model.tokenizer.as_ref();
    let dictionary = &training.dictionary;
    let measured = (dictionary, question);
    let mut report = measure((&transformer, tokenizer), held_out, measured, observer)?;
    report.steps = training.step;
    report.rows_trained = question.tokens;
    report.rounds = std::mem::take(&mut training.rounds);
    observer.add_to(&mut report.warnings);

    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = asked.title();
    let about = format!(
        "{title}: {:?} after layer {}, {:?}",
        question.of, question.layer, question.kind
    );
    add("report.txt", sae_text(&report, &about));
    add("features.csv", sae_csv(&report));
    add("training.svg", training_svg(&report, &title));
    add("density.svg", density_svg(&report, &title));
    let hook = match question.of {
        Representation::Stream => format!("blocks.{}.hook_resid_post", question.layer),
        Representation::Mlp => format!("blocks.{}.hook_mlp_out", question.layer),
        Representation::Heads => format!("blocks.{}.attn.hook_z", question.layer),
    };
    let stamp = LensStamp {
        model: &asked.job.model_name,
        hook: &hook,
        layer: question.layer,
        context: question.context,
        prepend_bos: tokenizer.is_some_and(|it| it.prepends_bos(spec.prepend_bos)),
    };
    let [config, weights] = sae_lens(&training.dictionary, &stamp)?;
    files.insert("cfg.json", config);
    files.insert("sae_weights.safetensors", weights);
    files.insert("report.json", asked.json(&report, &data_hash)?);
    Ok(Answer {
        files,
        finding: report.finding(),
        warnings: report.warnings,
    })
}

/// An autoencoder trained as part of another job, without checkpoints, and the hash of the text.
///
/// # Errors
/// When the model or the text cannot be used, or the observer interrupts.
pub(super) fn trained(
    asked: &Asked<'_>,
    question: &Sae,
    transformer: &Transformer<'_, f32>,
) -> Result<(Dictionary<f32>, String)> {
    possible(asked, question)?;
    let contexts = contexts(asked, (&question.text, question.context), transformer)?;
    let training = train(asked, question, (transformer, &contexts), None)?;
    Ok((training.dictionary, hash_of(&contexts)))
}

/// Refuses what the model does not have, and work that takes too much memory.
fn possible(asked: &Asked<'_>, question: &Sae) -> Result<()> {
    let model = asked.model;
    let config = model.config();
    if question.layer >= config.n_layers {
        return Err(Error::Usage(format!(
            "there is no layer {}: the model has {}, counted from 0",
            question.layer, config.n_layers
        )));
    }
    if question.of == Representation::Mlp && !config.has_mlps() {
        return Err(Error::model(&model.name, "the model has no MLPs"));
    }
    if let Some(problem) = no_text(config) {
        return Err(Error::model(&model.name, problem));
    }
    if let Some(bound) = Bound::new::<f32>(model, None) {
        let width = config.d_model.max(config.n_heads * config.d_head);
        bound.check(bytes(question, width, config.d_vocab))?;
    }
    Ok(())
}

/// Bytes that training takes besides the model: weights, moments and gradients; codes of a batch; rows of a round.
fn bytes(question: &Sae, width: usize, d_vocab: usize) -> usize {
    let parts = [
        [8, width, question.features],
        [5, question.batch, question.features],
        [4, ROUND_ROWS + question.context, width],
        // Logits and log-probabilities of the contexts measured together.
        [12, question.context, d_vocab],
    ];
    let product = |part: [usize; 3]| part.into_iter().fold(1_usize, usize::saturating_mul);
    let numbers = parts
        .into_iter()
        .map(product)
        .fold(0_usize, usize::saturating_add);
    numbers.saturating_mul(size_of::<f32>())
}

/// Trains from where a run with the same inputs stopped, or from the start; without inputs, no state is written down.
fn train(
    asked: &Asked<'_>,
    question: &Sae,
    (transformer, contexts): (&Transformer<'_, f32>, &[Vec<u32>]),
    inputs: Option<&str>,
) -> Result<Training<f32>> {
    let observer = asked.observer;
    let per_round = (ROUND_ROWS / question.context).max(1);
    let rows_each = per_round * question.context;
    let rounds = question.tokens.div_ceil(rows_each);
    let progress = Progress {
        rounds,
        steps: question.tokens / rows_each * rows_each.div_ceil(question.batch)
            + (question.tokens % rows_each).div_ceil(question.batch),
    };
    let mut rows = TextRows {
        transformer,
        contexts,
        at: (question.layer, question.of),
        per_round,
        observer,
    };
    let folder = &asked.job.folder;
    let width = Rows::<f32>::width(&rows);
    let found = inputs.and_then(|inputs| sae_checkpoint::read(folder, question, width, inputs));
    let mut training = found.unwrap_or_else(|| Training::new(question, width));
    phase(observer, "training", rounds as u64);
    while training.rounds.len() < rounds {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let number = training.rounds.len();
        let mut inputs_of_round = rows.round(number)?;
        // The last round is as long as is left.
        let left = question.tokens - number * rows_each;
        inputs_of_round.truncate(left.saturating_mul(width));
        training.round(question, progress, &inputs_of_round);
        let last = training.rounds[number];
        if !last.reconstruction.is_finite() {
            return Err(Error::NotFinite {
                node: "the autoencoder".into(),
                problem: "its loss is not finite; lower learning_rate, unless the layer holds nothing but zeros".into(),
            });
        }
        if let Some(inputs) = inputs {
            sae_checkpoint::write(folder, &training, inputs)?;
        }
        observer.event(Event::Step {
            done: number as u64 + 1,
            note: format!("loss {:.3}, {:.1} active", last.reconstruction, last.l0),
        });
    }
    Ok(training)
}
