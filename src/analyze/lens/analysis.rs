//! The analysis of a lens as a job.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{
    LensPrompt, LensReport, LensTask, StreamSite, Tuned, TunedFit, TunedLens, TunedLensScores, fit,
    judge_lens, look, room, train,
};
use super::{
    attribution_csv, attribution_svg, lens_csv, lens_html, lens_kl_svg, lens_probability_svg,
    lens_svg, lens_text, parse_tuned_lens, tuned_csv, tuned_lens_safetensors, tuned_lens_svg,
};
use crate::analyze::Lens;
use crate::analyze::corpus::{contexts, held_out, looked_at, one_token};
use crate::analyze::sae::Corpus;
use crate::analyze::vector::VectorStamp;
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::input::{self, GIB};
use crate::model::{LoadedModel, ModelConfig, Real, Tokenizer, Weights};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::at_precision;
use crate::setting::{Bound, bytes_of_tokens};
use crate::task::{Example, Prompts};

/// Largest file of a tuned lens, in bytes.
const LARGEST_LENS: u64 = 16 * GIB;

/// What is looked at.
struct Prompted {
    prompts: Vec<LensPrompt>,
    /// What is tracked, in words.
    tracked: String,
    /// What the prompts are, in words.
    source: String,
    hash: String,
}

impl Analysis for Lens {
    const NAME: &'static str = "Lens";
    const USES: &'static [Shared] = &[
        Shared::HeldOut,
        Shared::Bootstrap,
        Shared::RandomBaselines,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = LensReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values(keys.held_out))
    }

    fn unmet_condition(&self, key: Shared, _with_task: bool) -> Option<&'static str> {
        match key {
            Shared::HeldOut if !matches!(self.tuned, Some(Tuned::Fitted(_))) => {
                Some("with `tuned: Fitted(..)`")
            }
            Shared::RandomBaselines if !self.attribution => Some("with `attribution: true`"),
            _ => None,
        }
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::TaskOrTexts(&self.texts)
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let files = self.files().into_iter();
        files
            .map(|file| ("analysis.Lens.tuned", file.to_owned()))
            .collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<LensReport>> {
        let (keys, model) = (setting.keys, setting.model);
        fits(model.config(), &model.name, self)?;
        let prompted = prompted(setting, self)?;
        let prompts = prompted.prompts.iter();
        let held = prompts
            .map(|it| bytes_of_tokens(&[&it.tokens, &it.follow, &it.minus]))
            .sum();
        let (mut report, fitted) =
            at_precision!(keys.precision, (model, held), |weights, bound| {
                looked((weights, bound), setting, self, &prompted)?
            });
        setting.observer.add_to(&mut report.warnings);
        let mut data_hash = prompted.hash.clone();
        let mut files = BTreeMap::new();
        if let Some((lens, text_hash)) = &fitted {
            data_hash = format!("{data_hash} {text_hash}");
            let stamp = VectorStamp {
                model: setting.model_name,
                model_hash: &model.hash,
                spec: setting.spec_line,
                data_hash: text_hash,
            };
            files.insert(
                "tuned_lens.safetensors",
                tuned_lens_safetensors(lens, &stamp)?,
            );
        }
        let title = setting.title;
        let text = lens_text(&report, &format!("{title}: {}", prompted.source));
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        add("places.csv", lens_csv(&report));
        add("kl.svg", lens_kl_svg(&report, title));
        add("probability.svg", lens_probability_svg(&report, title));
        if let Some(drawn) = report.drawn.first() {
            add("lens.svg", lens_svg(drawn, &format!("{title}: logit lens")));
            if let Some(svg) = tuned_lens_svg(drawn, &format!("{title}: tuned lens")) {
                add("tuned_lens.svg", svg);
            }
        }
        add("lens.html", lens_html(&report, title, &text));
        if let Some(attribution) = &report.attribution {
            add("attribution.csv", attribution_csv(attribution));
            add("attribution.svg", attribution_svg(attribution, title));
        }
        if let Some(figures) = &report.tuned {
            add("tuned.csv", tuned_csv(figures));
        }
        add("report.txt", text);
        let mut rows = Rows::default();
        if let Some(figures) = report.tuned.as_ref().filter(|_| fitted.is_some()) {
            let fitted = figures.contexts_fitted;
            rows = rows
                .with("contexts_trained_on", 0..fitted)
                .with("contexts_held_out", fitted..fitted + figures.contexts);
        }
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash,
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// Refuses questions that make no sense for a model.
fn fits(config: &ModelConfig, name: &str, parameters: &Lens) -> Result<()> {
    if parameters.after_attention && config.parallel_blocks {
        let problem = "attention and MLP of a block read the same stream, so there is none between them; leave \
                       after_attention out";
        return Err(Error::model(name, problem));
    }
    if parameters.after_attention && !config.has_mlps() {
        return Err(Error::model(
            name,
            "the model has no MLPs; leave after_attention out",
        ));
    }
    let Some(Tuned::Fitted(fit)) = &parameters.tuned else {
        return Ok(());
    };
    if let Some(problem) = no_text(config).filter(|_| matches!(fit.text, Corpus::Sampled { .. })) {
        let problem = format!("{problem}; give text: Files(..)");
        return Err(Error::model(name, problem));
    }
    // After the last layer there is nothing to be mapped.
    match fit
        .train
        .iter()
        .find(|layer| layer.saturating_add(1) >= config.n_layers)
    {
        None => Ok(()),
        Some(layer) => Err(Error::Usage(format!(
            "there is no map to train after layer {layer}: the model has {} layers, counted from 0, and the last one's \
             stream is the final one",
            config.n_layers
        ))),
    }
}

fn prompted(setting: &Setting<'_>, parameters: &Lens) -> Result<Prompted> {
    let model = setting.model;
    let named = parameters.token.as_ref();
    let named = named.map(|text| one_token(model, text)).transpose()?;
    let follow = |answer: &[u32]| named.map_or_else(|| answer.to_vec(), |token| vec![token]);
    if parameters.texts.is_empty() {
        let dataset = setting.examples(setting.task()?, Prompts::Sets)?;
        let prompt = |example: &Example| {
            let place = example.at.len().saturating_sub(1);
            LensPrompt {
                tokens: example.clean.clone(),
                at: example.at[place],
                follow: follow(example.answers_at(place)),
                minus: if named.is_some() {
                    Vec::new()
                } else {
                    example.wrong.clone()
                },
            }
        };
        return Ok(Prompted {
            prompts: dataset.examples.iter().map(prompt).collect(),
            tracked: named_or(parameters, "the answer"),
            source: dataset.source.clone(),
            hash: dataset.hash(),
        });
    }
    let texts = looked_at(setting, "analysis.Lens.texts", &parameters.texts)?;
    let hash = hash_of(&texts);
    let prompts = texts.into_iter().map(|tokens| LensPrompt {
        at: tokens.len() - 1,
        tokens,
        follow: follow(&[]),
        minus: Vec::new(),
    });
    Ok(Prompted {
        prompts: prompts.collect(),
        tracked: named_or(parameters, "the model's prediction"),
        source: format!("{} texts", parameters.texts.len()),
        hash,
    })
}

fn named_or(parameters: &Lens, otherwise: &str) -> String {
    let token = parameters.token.as_ref();
    token.map_or_else(|| otherwise.to_owned(), |token| format!("{token:?}"))
}

/// The maps that were fitted, with the hash of their text.
type Fitted = Option<(TunedLens<f32>, String)>;

fn looked<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Lens,
    prompted: &Prompted,
) -> Result<(LensReport, Fitted)> {
    let (keys, model) = (setting.keys, setting.model);
    let transformer = Transformer::plain(weights)?;
    let longest = prompted.prompts.iter().map(|it| it.tokens.len()).max();
    let longest = longest.unwrap_or(1);
    if let Some(bound) = bound {
        bound.check(room(
            &transformer,
            parameters,
            (longest, prompted.prompts.len()),
        ))?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let places = transformer.places(parameters.after_attention);
    let mut warnings = Vec::new();
    let (tuned, figures, fitted) = match &parameters.tuned {
        None => (None, None, None),
        Some(Tuned::Saved(path)) => {
            let (lens, warning) = saved_lens((model, setting.base), path, &places)?;
            warnings.extend(warning);
            (Some(lens), None, None)
        }
        Some(Tuned::Fitted(fit)) => {
            let (lens, figures, hash) = fitted(setting, fit, &transformer, &places)?;
            (Some(lens.clone()), Some(figures), Some((lens, hash)))
        }
    };
    // What is saved is in single precision, and what is shown is what is saved.
    let tuned: Option<TunedLens<T>> = tuned.map(|lens| lens.cast());
    let task = LensTask {
        prompts: &prompted.prompts,
        tracked: &prompted.tracked,
        bootstrap: keys.bootstrap,
        random_baselines: keys.random_baselines,
        tokenizer: readable(model.tokenizer.as_ref(), &weights.config),
    };
    let mut report = look(
        &transformer,
        &task,
        parameters,
        tuned.as_ref(),
        setting.observer,
    )?;
    report.tuned = figures;
    report.warnings = warnings;
    Ok((report, fitted))
}

/// The tokenizer, where what the model writes is of the vocabulary that it reads.
fn readable<'t>(tokenizer: Option<&'t Tokenizer>, config: &ModelConfig) -> Option<&'t Tokenizer> {
    tokenizer.filter(|_| config.d_out() == config.d_vocab)
}

/// A lens in a file, and a warning where it is of another model.
pub(in crate::analyze) fn saved_lens(
    (model, base): (&LoadedModel, &Path),
    path: &Path,
    places: &[StreamSite],
) -> Result<(TunedLens<f32>, Option<String>)> {
    let path = place(base, path);
    let name = path.display().to_string();
    let bytes = input::read(&path, LARGEST_LENS, "a tuned lens")?;
    let (lens, hash) = parse_tuned_lens(&bytes, &name, model.config(), places)?;
    let other = hash != model.hash;
    Ok((
        lens,
        other.then(|| format!("{name} was fitted on another model")),
    ))
}

/// Fits the maps, trains those that are to be trained, and judges them.
fn fitted<T: Real>(
    setting: &Setting<'_>,
    parameters: &TunedFit,
    transformer: &Transformer<'_, T>,
    places: &[StreamSite],
) -> Result<(TunedLens<f32>, TunedLensScores, String)> {
    let (keys, observer) = (setting.keys, setting.observer);
    // The maps are of all the text.
    let text = (&parameters.text, parameters.context);
    let contexts = contexts(setting, text, transformer, &|_| false)?;
    let held_out = held_out(keys.held_out, contexts.len());
    let (text, held_out) = contexts.split_at(contexts.len() - held_out);
    let before = fit(transformer, text, places, parameters.ridge, observer)?;
    let mut after = before.clone();
    for (place, map) in &mut after.maps {
        let named = |layer: &usize| *place == StreamSite::Layer(*layer);
        if parameters.train.iter().any(named) {
            train(transformer, text, (*place, map), parameters, observer)?;
        }
    }
    let (before, after) = (before.cast::<f32>(), after.cast::<f32>());
    let lenses = (&after.cast::<T>(), &before.cast::<T>());
    let sizes = (parameters.judged, keys.bootstrap);
    let mut figures = judge_lens(transformer, held_out, places, lenses, sizes, observer)?;
    figures.fitted = text.iter().map(Vec::len).sum();
    figures.contexts_fitted = text.len();
    Ok((after, figures, hash_of(&contexts)))
}
