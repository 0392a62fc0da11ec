//! A patchscope from prompts to its report.

use super::between::Between;
use super::figures::ScoredRuns;
use super::grid::{Represented, Sweep, TokenScore, lens};
use super::parameters::{DecodeLayer, Expected, Mapping, Patchscope};
use super::report::PatchscopeReport;
use super::target_tokens::TargetTokens;
use super::written::Writing;
use crate::analyze::lens::TunedLens;
use crate::analyze::prediction::Prediction;
use crate::analyze::{layers_asked, text_of};
use crate::engine::{Continuation, Prompt, Rerun, Transformer};
use crate::error::{Error, Result};
use crate::events::{Observer, phase};
use crate::model::{Real, Tokenizer};
use crate::task::Example;

/// Most judgements of single runs that are kept.
const MOST_RUNS: usize = 10_000_000;

/// A prompt of whose last token the representations are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its tokens.
    pub tokens: Vec<u32>,
    /// The answers of the task.
    pub answers: Vec<u32>,
}

/// The prompts and figures that a patchscope works with.
#[derive(Clone, Copy)]
pub struct PatchscopeTask<'t> {
    /// Sources by which target layers are chosen.
    pub discovery: &'t [Source],
    /// Sources on which they are judged.
    pub held_out: &'t [Source],
    /// Sources that are read out besides.
    pub texts: &'t [Source],
    /// The target prompt.
    pub target_tokens: &'t TargetTokens,
    /// Text on which maps between layers are fitted.
    pub passages: &'t [Vec<u32>],
    /// The lens through which maps between layers go, where they go through one.
    pub lens: Option<&'t TunedLens<f64>>,
    /// Resamples of the bootstrap intervals.
    pub bootstrap: usize,
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
    /// The token that ends generated text.
    pub stop: Option<u32>,
}

/// Puts representations into the target prompt and reports what it says.
///
/// # Errors
/// When a layer does not exist, a number is not finite, the room is too small, or the observer interrupts.
///
/// # Complexity
/// One forward pass of all sources; for each of them and each source and target layer one of the target prompt's positions
/// from the placeholder on, from the target layer on; and the text.
pub fn look<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &PatchscopeTask<'_>,
    question: &Patchscope,
    observer: &dyn Observer,
) -> Result<PatchscopeReport> {
    let n_layers = transformer.heads().n_layers;
    let source_layers = layers_asked(n_layers, &question.source_layers)?;
    let target_layers = layers_asked(n_layers, &question.target_layers)?;
    if let DecodeLayer::Layer(layer) = question.decode_layer {
        layers_asked(n_layers, &[layer])?;
    }
    let runs = (task.discovery.len() + task.held_out.len())
        .saturating_mul(source_layers.len() * target_layers.len());
    if runs > MOST_RUNS {
        return Err(Error::Usage(format!(
            "{runs} runs are too many; take fewer prompts, source_layers or target_layers, so that their product is at most \
             {MOST_RUNS}"
        )));
    }
    let last = task.target_tokens.tokens.len() - 1;
    let prompt = Prompt {
        tokens: &task.target_tokens.tokens,
        reads: &[last],
    };
    let target = Rerun::new(transformer, &[prompt], None)?;
    let fit = between(
        transformer,
        task,
        question,
        [&source_layers, &target_layers],
        observer,
    )?;
    let mut report = PatchscopeReport {
        prompt: question.prompt.text().to_owned(),
        prompt_tokens: task
            .target_tokens
            .tokens
            .iter()
            .map(|&token| text_of(task.tokenizer, &[token]))
            .collect(),
        position: task.target_tokens.position,
        mapping: question.mapping.name(),
        examples_discovery: task.discovery.len(),
        examples: task.held_out.len(),
        overall: None,
        layers: Vec::new(),
        grid: Vec::new(),
        decoded: Vec::new(),
        warnings: Vec::new(),
    };
    let looking = Looking {
        transformer,
        task,
        expected: question.expected,
        target: &target,
        fit: fit.as_ref(),
        layers: [&source_layers, &target_layers],
        observer,
    };
    if !task.held_out.is_empty() {
        looking.judge(&mut report)?;
    }
    if question.tokens > 0 {
        let samples = &task.held_out[..question.samples.min(task.held_out.len())];
        let sources = [task.texts, samples].concat();
        phase(observer, "text", source_layers.len() as u64);
        let writing = Writing {
            target: &target,
            position: task.target_tokens.position,
            source_layers: &source_layers,
            decode_layer: question.decode_layer,
            continuation: Continuation {
                tokens: question.tokens,
                stop: task.stop,
                seed: None,
                stream: 0,
            },
            tokenizer: task.tokenizer,
            observer,
        };
        let streams = streams(transformer, &sources, observer)?;
        report.decoded = writing.decoded(&sources, &streams, |from, to| {
            fit.as_ref().map(|fit| fit.map(from, to))
        })?;
    }
    Ok(report)
}

/// The maps that representations go through.
fn between<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &PatchscopeTask<'_>,
    question: &Patchscope,
    [source_layers, target_layers]: [&[usize]; 2],
    observer: &dyn Observer,
) -> Result<Option<Between>> {
    if question.mapping != Mapping::Identity {
        phase(observer, "maps between layers", 0);
    }
    match &question.mapping {
        Mapping::Identity => Ok(None),
        Mapping::Ridge { penalty, .. } => {
            let from = (source_layers, *penalty);
            Between::fitted(transformer, task.passages, from, observer).map(Some)
        }
        Mapping::Lens(_) => {
            let lens = task
                .lens
                .ok_or_else(|| Error::Bug("a map through no lens".into()))?;
            let mut targets = Vec::new();
            if !task.held_out.is_empty() {
                targets.extend_from_slice(target_layers);
            }
            if let DecodeLayer::Layer(layer) = question.decode_layer {
                targets.push(layer);
            }
            let width = transformer.heads().d_model;
            Between::through(lens, width, (source_layers, &targets)).map(Some)
        }
    }
}

/// What a patchscope is judged with.
struct Looking<'l, 't, 'a, T> {
    transformer: &'l Transformer<'a, T>,
    task: &'l PatchscopeTask<'l>,
    expected: Expected,
    target: &'l Rerun<'t, 'a, T>,
    fit: Option<&'l Between>,
    /// Source and target layers.
    layers: [&'l [usize]; 2],
    observer: &'l dyn Observer,
}

impl<T: Real> Looking<'_, '_, '_, T> {
    /// Adds the figures of the task's prompts to a report.
    fn judge(&self, report: &mut PatchscopeReport) -> Result<()> {
        let [source_layers, target_layers] = self.layers;
        let maps = |layer: usize| self.fit.map(|fit| fit.all_to(layer));
        let sweep = Sweep {
            transformer: self.transformer,
            target: self.target,
            position: self.task.target_tokens.position,
            source_layers,
            observer: self.observer,
        };
        let represented = |sources: &[Source], name: &str| {
            phase(self.observer, name, sources.len() as u64);
            represented(self.transformer, sources, self.expected, self.observer)
        };
        let discovery = represented(self.task.discovery, "discovery prompts")?;
        let held_out = represented(self.task.held_out, "held-out prompts")?;
        if held_out.others.iter().all(Option::is_none) {
            let problem = "all held-out prompts want the same token, so nothing can be told from what it says; give prompts \
                           that want several";
            return Err(Error::data("the prompts", problem));
        }
        phase(self.observer, "target layers", target_layers.len() as u64);
        let [on_discovery, on_held_out] =
            sweep.grids(target_layers, [&discovery, &held_out], maps)?;
        let logit_lens = lens(self.transformer, source_layers, &held_out, None);
        let to_last = maps(self.transformer.heads().n_layers - 1);
        let mapped_lens = to_last
            .as_deref()
            .map(|maps| lens(self.transformer, source_layers, &held_out, Some(maps)));
        let logits = self.target.logits()?;
        let as_is = Prediction::new(&logits);
        let unpatched = held_out.expected.iter();
        let unpatched: Vec<TokenScore> = unpatched.map(|it| TokenScore::new(&as_is, it)).collect();
        let judged = ScoredRuns {
            source_layers,
            target_layers,
            discovery: &on_discovery,
            held_out: &on_held_out,
            logit_lens: &logit_lens,
            mapped_lens: mapped_lens.as_deref(),
            unpatched: &unpatched,
            bootstrap: self.task.bootstrap,
        };
        report.overall = Some(judged.overall());
        report.layers = judged.layers();
        report.grid = judged.grid();
        Ok(())
    }
}

/// The streams of some sources with what they should say.
fn represented<T: Real>(
    transformer: &Transformer<'_, T>,
    sources: &[Source],
    expected: Expected,
    observer: &dyn Observer,
) -> Result<Represented<T>> {
    let streams = streams(transformer, sources, observer)?;
    let expected = match expected {
        Expected::Answer => sources.iter().map(|it| it.answers.clone()).collect(),
        Expected::Next => {
            let next = |streams: &Vec<Vec<T>>| {
                let logits = transformer.logits(streams.last().map_or(&[][..], Vec::as_slice));
                vec![Prediction::new(&logits).top()]
            };
            streams.iter().map(next).collect()
        }
    };
    Ok(Represented::new(streams, expected))
}

/// The stream after every layer at the last position of each source, `[sources][layers][d_model]`.
fn streams<T: Real>(
    transformer: &Transformer<'_, T>,
    sources: &[Source],
    observer: &dyn Observer,
) -> Result<Vec<Vec<Vec<T>>>> {
    let example = |source: &Source| Example {
        clean: source.tokens.clone(),
        corrupt: source.tokens.clone(),
        answer: source.answers.clone(),
        wrong: Vec::new(),
        at: vec![source.tokens.len() - 1],
        teacher_forced: false,
        spans: Vec::new(),
        text: None,
    };
    let examples: Vec<Example> = sources.iter().map(example).collect();
    let mut streams = vec![Vec::new(); sources.len()];
    transformer.streams_before_read(&examples, 1, observer, |source, _, _, stream| {
        streams[source].push(stream.to_vec());
    })?;
    Ok(streams)
}
