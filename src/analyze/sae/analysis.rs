//! Sparse autoencoders as a job: a dictionary trained or loaded, its figures on text, prompts in its features, and what
//! these do on a task.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::files::{Held, files};
use super::training::{ROUND_ROWS, contexts_wanted, train};
use super::{
    Dictionary, EffectsReport, FeatureTask, LoadedFrom, Recipe, SaeReport, decompose,
    dictionary_files, feature_effects, load_dictionary, measure,
};
use crate::analyze::Sae;
use crate::analyze::corpus::{bytes_of, contexts, held_out, looked_at};
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::{Ablation, Precision, Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer as _};
use crate::model::{ModelConfig, Tokenizer};
use crate::paths::place;
use crate::report::{REPORT_FORMAT, Rows};
use crate::setting::Bound;
use crate::setting::Profile;
use crate::setting::misfit;
use crate::task::{Dataset, Example, Prompts, TaskSource};
use crate::version::SOURCES;

impl Analysis for Sae {
    const NAME: &'static str = "Sae";
    const USES: &'static [Shared] = &Shared::ALL;
    type Report = SaeReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        let metric = keys.task.is_some().then_some(keys.metric);
        let mut found = keyed(self.wrong_values(metric));
        if keys.held_out <= 0.0 && self.load.is_none() {
            let problem = "expected more than 0: an SAE is evaluated on held-out text";
            found.push(("held_out".to_owned(), problem.to_owned()));
        }
        if keys.precision != Precision::F32 {
            let problem = "expected F32: autoencoders are of single precision";
            found.push(("precision".to_owned(), problem.to_owned()));
        }
        found
    }

    fn unmet_condition(&self, key: Shared, with_task: bool) -> Option<&'static str> {
        match key {
            _ if with_task => None,
            Shared::Metric | Shared::Bootstrap | Shared::RandomBaselines => Some("with a task"),
            Shared::HeldOut if self.load.is_some() => Some("for training or with a task"),
            _ => None,
        }
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::OptionalTask
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let text = self.text.files().iter().cloned();
        let text = text.map(|file| ("analysis.Sae.text.Files", file));
        let folder = self.load.iter().flat_map(|it| dictionary_files(it));
        let dictionary = folder.map(|file| ("analysis.Sae.load", file));
        text.chain(dictionary).collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<SaeReport>> {
        let profile = Profile::start();
        let (keys, model, observer) = (setting.keys, setting.model, setting.observer);
        let config = model.config();
        if let Some(problem) = no_text(config) {
            return Err(Error::model(&model.name, problem));
        }
        let (loaded, parameters) = loaded(setting, self)?;
        let parameters = &parameters;
        let recipe = parameters.recipe();
        let at = match &loaded {
            Some(held) => held.at,
            None => place_of(parameters),
        };
        check_place(&model.name, config, at)?;
        let transformer = Transformer::plain(&model.weights)?;
        let width = transformer.width_of(at.1);
        check_width(setting, parameters, loaded.as_ref(), width)?;
        let features = match (&loaded, &recipe) {
            (Some(held), _) => held.dictionary.features,
            (None, recipe) => recipe.map_or(0, |it| it.features),
        };
        let task = keys.task.as_ref();
        let task = task.map(|it| examples(setting, it)).transpose()?;
        // Before the training, which may take long.
        let prompts = looked_at(setting, "analysis.Sae.prompts", &parameters.prompts)?;
        let size = (width, features);
        let room = room(setting, parameters, &transformer, size, task.as_ref())?;
        let transformer = transformer.within(room);

        let lengths = (parameters.context(), parameters.skip_first());
        let wanted = recipe.map(|recipe| contexts_wanted(&recipe, lengths));
        // Of a dictionary that is loaded, all text is text that it was not trained on.
        let measured = |contexts: usize| match wanted {
            None => contexts,
            Some(_) => held_out(keys.held_out, contexts),
        };
        let enough = |contexts: usize| {
            wanted.is_some_and(|wanted| contexts >= wanted + measured(contexts) && contexts >= 2)
        };
        let text = (&parameters.text, parameters.context());
        let contexts = contexts(setting, text, &transformer, &enough)?;
        profile.done("text");
        let transformer =
            transformer.within(room.map(|room| room.saturating_sub(bytes_of(&contexts))));
        let mut data_hash = hash_of(&contexts);
        let measured = measured(contexts.len());
        let (training_text, measured_text) = contexts.split_at(contexts.len() - measured);
        let held = match (loaded, recipe) {
            (Some(held), _) => held,
            (None, Some(recipe)) => {
                let checkpoint = checkpoint(setting, &data_hash, 0);
                let place = (&transformer, at);
                let training = train(
                    setting,
                    &recipe,
                    place,
                    (training_text, parameters.skip_first()),
                    (&checkpoint, &profile),
                )?;
                Held {
                    trained: (training.step, training.rounds),
                    dictionary: training.dictionary,
                    at,
                    loaded: None,
                }
            }
            (None, None) => {
                return Err(Error::Bug("a dictionary neither trained nor loaded".into()));
            }
        };
        let placed = (&held.dictionary, at);
        let model = (&transformer, model.tokenizer.as_ref());
        let mut report = measure(model, measured_text, placed, parameters, observer)?;
        (report.steps, report.rounds) = held.trained.clone();
        report.rows_trained = recipe.map_or(0, |it: Recipe| it.tokens);
        report.loaded.clone_from(&held.loaded);
        profile.done("figures");
        report.warnings.extend(report.useless());
        if !prompts.is_empty() {
            report.decomposed = decompose(model, &prompts, placed, parameters.shown, observer)?;
        }
        if let Some(dataset) = &task {
            data_hash = format!("{data_hash} {}", dataset.hash());
            let effects = effects(setting, parameters, &transformer, placed, dataset)?;
            report.warnings.extend(effects.warnings());
            report.effects = Some(effects);
        }
        profile.done("prompts and effects");
        observer.add_to(&mut report.warnings);
        let files = files(setting, parameters, &held, &report)?;
        let contexts = (contexts.len() - measured, measured);
        let contexts = recipe.map(|_| contexts);
        let rows = rows(contexts, task.as_ref(), keys.held_out);
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash,
            files,
            seconds: profile.seconds(),
        })
    }
}

/// Everything that a training depends on, one of several of a job.
fn checkpoint(setting: &Setting<'_>, data_hash: &str, number: usize) -> Checkpoint {
    let (version, spec) = (SOURCES, setting.spec_line);
    let model = &setting.model.hash;
    Checkpoint {
        inputs: format!("{version} {REPORT_FORMAT} {spec} {model} {data_hash}"),
        number,
    }
}

/// The dictionary that the spec names, and the parameters with what its files say and the spec does not.
fn loaded(setting: &Setting<'_>, parameters: &Sae) -> Result<(Option<Held>, Sae)> {
    let mut parameters = parameters.clone();
    let Some(folder) = &parameters.load else {
        return Ok((None, parameters));
    };
    let found = load_dictionary(&place(setting.base, folder))?;
    warn_of_other_model(setting, folder, found.model.as_deref());
    // It may have been trained on longer contexts than this model reads.
    let most = setting.model.config().n_ctx;
    let context = found.context.filter(|context| *context > 1);
    parameters.context = parameters.context.or(context.map(|it| it.min(most)));
    parameters.skip_first = parameters.skip_first.or(found.skip_first);
    let held = Held {
        dictionary: found.dictionary,
        at: (found.layer, found.of),
        loaded: Some(LoadedFrom {
            hash: found.hash,
            model: found.model,
        }),
        trained: (0, Vec::new()),
    };
    Ok((Some(held), parameters))
}

/// Warns when a dictionary says that it is of a model of another name.
pub(in crate::analyze) fn warn_of_other_model(
    setting: &Setting<'_>,
    folder: &Path,
    trained_on: Option<&str>,
) {
    let model = setting.model_name;
    if let Some(other) = trained_on.filter(|other| **other != *model) {
        let warning = format!(
            "the dictionary {} was trained on {other:?}, by its cfg.json, and the model is {model:?}",
            folder.display()
        );
        setting.observer.event(Event::Warning(warning));
    }
}

/// A dictionary trained as part of another job, one of several: with where it belongs, and the hash of the text.
///
/// # Errors
/// When the model or the text cannot be used, or the observer interrupts.
pub(in crate::analyze) fn trained(
    setting: &Setting<'_>,
    (parameters, number): (&Sae, usize),
    profile: &Profile,
) -> Result<(Dictionary<f32>, (usize, Representation), String)> {
    let model = setting.model;
    let config = model.config();
    if let Some(problem) = no_text(config) {
        return Err(Error::model(&model.name, problem));
    }
    let Some(recipe) = parameters.recipe() else {
        return Err(Error::Bug("a dictionary to train that is loaded".into()));
    };
    let at = place_of(parameters);
    check_place(&model.name, config, at)?;
    let transformer = Transformer::plain(&model.weights)?;
    let size = (transformer.width_of(at.1), recipe.features);
    let room = room(setting, parameters, &transformer, size, None)?;
    let transformer = transformer.within(room);
    let lengths = (parameters.context(), parameters.skip_first());
    let wanted = contexts_wanted(&recipe, lengths).max(2);
    let text = (&parameters.text, parameters.context());
    let contexts = contexts(setting, text, &transformer, &|contexts| contexts >= wanted)?;
    profile.done("text");
    let transformer = transformer.within(room.map(|room| room.saturating_sub(bytes_of(&contexts))));
    let place = (&transformer, at);
    let data_hash = hash_of(&contexts);
    let checkpoint = checkpoint(setting, &data_hash, number);
    let training = train(
        setting,
        &recipe,
        place,
        (&contexts, parameters.skip_first()),
        (&checkpoint, profile),
    )?;
    Ok((training.dictionary, at, data_hash))
}

/// Which contexts a dictionary was trained on and measured on, and which pairs of a task are on which side.
fn rows(contexts: Option<(usize, usize)>, task: Option<&Dataset>, held_out: f64) -> Rows {
    let mut rows = Rows::default();
    if let Some((trained, measured)) = contexts {
        rows = rows
            .with("contexts_trained_on", 0..trained)
            .with("contexts_held_out", trained..trained + measured);
    }
    if let Some(dataset) = task {
        let [discovery, held_out] = dataset.split_rows(held_out);
        rows = rows.with("discovery", discovery).with("held_out", held_out);
    }
    rows
}

/// The place of a dictionary that is trained.
fn place_of(parameters: &Sae) -> (usize, Representation) {
    (
        parameters.layer.unwrap_or(0),
        parameters.of.unwrap_or_default(),
    )
}

/// Refuses a place that the model does not have.
fn check_place(
    name: &str,
    config: &ModelConfig,
    (layer, of): (usize, Representation),
) -> Result<()> {
    if layer >= config.n_layers {
        return Err(Error::Usage(format!(
            "there is no layer {layer}: the model has {}, counted from 0",
            config.n_layers
        )));
    }
    if of == Representation::Mlp && !config.has_mlps() {
        return Err(Error::model(name, "the model has no MLPs"));
    }
    Ok(())
}

/// Refuses a dictionary of another width than the model's.
fn check_width(
    setting: &Setting<'_>,
    parameters: &Sae,
    loaded: Option<&Held>,
    width: usize,
) -> Result<()> {
    let (Some(held), Some(folder)) = (loaded, &parameters.load) else {
        return Ok(());
    };
    if held.dictionary.width == width {
        return Ok(());
    }
    let folder = place(setting.base, folder).display().to_string();
    let problem = format!(
        "the dictionary is of {} numbers, and there the model has {width}: it belongs to another model",
        held.dictionary.width
    );
    Err(Error::data(folder, problem))
}

/// The pairs of a task.
fn examples(setting: &Setting<'_>, task: &TaskSource) -> Result<Dataset> {
    let keys = setting.keys;
    let dataset = setting.examples(task, Prompts::Pairs)?;
    for (index, example) in dataset.examples.iter().enumerate() {
        if let Some(problem) = misfit(keys.metric, None, example) {
            let row = format!("{}, row {}", dataset.source, index + 1);
            return Err(Error::data(row, problem));
        }
    }
    dataset.some_discovery(dataset.split(keys.held_out).0.len())?;
    Ok(dataset)
}

/// The bytes that runs may take beside the dictionary, where memory is bounded.
fn room(
    setting: &Setting<'_>,
    parameters: &Sae,
    transformer: &Transformer<'_, f32>,
    (width, features): (usize, usize),
    task: Option<&Dataset>,
) -> Result<Option<usize>> {
    let Some(bound) = Bound::new::<f32>(setting.model, None, task.map_or(0, Dataset::bytes)) else {
        return Ok(None);
    };
    let product = |part: [usize; 3]| part.into_iter().fold(1_usize, usize::saturating_mul);
    let single = size_of::<f32>();
    let beside = match parameters.recipe() {
        // Weights, moments and gradients; codes of a batch; rows of a round.
        Some(recipe) => product([8 * single, width, features])
            .saturating_add(product([5 * single, recipe.batch, features]))
            .saturating_add(product([
                4 * single,
                ROUND_ROWS + parameters.context(),
                width,
            ])),
        // The weights, and once more for text that is written.
        None => product([4 * single, width, features]),
    };
    let one = transformer.text_bytes(parameters.context(), 3 * features + 4 * width);
    let pairs = task.map_or(0, |dataset| {
        let longest = dataset.examples.iter().map(|it| it.clean.len()).max();
        let codes = product([4 * single, longest.unwrap_or(0), features]);
        let run = transformer.least_room(&dataset.examples, Ablation::Mean, 1);
        run.saturating_add(codes)
    });
    bound.check(beside.saturating_add(one.max(pairs)))?;
    Ok(Some(bound.room().saturating_sub(beside)))
}

/// What features do on the task.
fn effects(
    setting: &Setting<'_>,
    parameters: &Sae,
    transformer: &Transformer<'_, f32>,
    placed: (&Dictionary<f32>, (usize, Representation)),
    dataset: &Dataset,
) -> Result<EffectsReport> {
    let (keys, model) = (setting.keys, setting.model);
    let (discovery, held_out) = dataset.split(keys.held_out);
    setting.doubt_few([discovery.len(), held_out.len()]);
    let judged: &[Example] = if held_out.is_empty() {
        let warning =
            "held_out is 0: the effects are on the prompts on which the features were chosen";
        setting.observer.event(Event::Warning(warning.into()));
        &discovery
    } else {
        &held_out
    };
    let task = FeatureTask {
        discovery: &discovery,
        held_out: judged,
        metric: keys.metric,
        bootstrap: keys.bootstrap,
        skip_first: parameters.skip_first(),
        random_baselines: keys.random_baselines,
        seed: parameters.seed,
        tokenizer: model.tokenizer.as_ref(),
        stop: model.tokenizer.as_ref().and_then(Tokenizer::eos),
    };
    feature_effects(
        transformer,
        placed,
        &task,
        &parameters.effects,
        setting.observer,
    )
}
