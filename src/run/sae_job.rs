//! Sparse autoencoders as a job: a dictionary trained or loaded, its figures on text, prompts in its features, and what
//! these do on a task.

use std::collections::BTreeMap;
use std::path::Path;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::job::load_examples;
use super::memory::Bound;
use super::pipeline::misfit;
use super::profile::Profile;
use super::provenance;
use super::sae_checkpoint::Checkpoint;
use super::sae_files::{Held, files};
use super::sae_train::{ROUND_ROWS, contexts_wanted, train};
use super::text::{bytes_of, contexts, held_out, looked_at};
use crate::analyze::Sae;
use crate::analyze::sae::{
    Dictionary, EffectsReport, FeatureTask, LoadedFrom, Recipe, decompose, feature_effects,
    load_dictionary, measure,
};
use crate::engine::{Ablation, Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer as _};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{ModelConfig, Tokenizer};
use crate::paths::place;
use crate::report::{REPORT_FORMAT, Rows};
use crate::task::{Dataset, Example, Prompts, TaskSource};

/// Which features the layer holds.
///
/// # Errors
/// When the model, the dictionary, the text or the task cannot be used, the disk refuses, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Sae) -> Result<Answer> {
    let profile = Profile::start();
    let (spec, model, observer) = (asked.spec, asked.model, asked.observer);
    let config = model.config();
    if let Some(problem) = no_text(config) {
        return Err(Error::model(&model.name, problem));
    }
    let (loaded, question) = loaded(asked, question)?;
    let question = &question;
    let recipe = question.recipe();
    let at = match &loaded {
        Some(held) => held.at,
        None => place_of(question),
    };
    check_place(&model.name, config, at)?;
    let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(&model.weights, &graph);
    let width = transformer.width_of(at.1);
    check_width(asked, question, loaded.as_ref(), width)?;
    let features = match (&loaded, &recipe) {
        (Some(held), _) => held.dictionary.features,
        (None, recipe) => recipe.map_or(0, |it| it.features),
    };
    let task = spec
        .task
        .as_ref()
        .map(|it| examples(asked, it))
        .transpose()?;
    // Before the training, which may take long.
    let prompts = looked_at(asked, "analysis.Sae.prompts", &question.prompts)?;
    let size = (width, features);
    let room = room(asked, question, &transformer, size, task.as_ref())?;
    let transformer = transformer.within(room);

    let lengths = (question.context(), question.skip_first());
    let wanted = recipe.map(|recipe| contexts_wanted(&recipe, lengths));
    // Of a dictionary that is loaded, all text is text that it was not trained on.
    let measured = |contexts: usize| match wanted {
        None => contexts,
        Some(_) => held_out(spec.held_out, contexts),
    };
    let enough = |contexts: usize| {
        wanted.is_some_and(|wanted| contexts >= wanted + measured(contexts) && contexts >= 2)
    };
    let text = (&question.text, question.context());
    let contexts = contexts(asked, text, &transformer, &enough)?;
    profile.done("text");
    let transformer = transformer.within(room.map(|room| room.saturating_sub(bytes_of(&contexts))));
    let mut data_hash = hash_of(&contexts);
    let measured = measured(contexts.len());
    let (training_text, measured_text) = contexts.split_at(contexts.len() - measured);
    let held = match (loaded, recipe) {
        (Some(held), _) => held,
        (None, Some(recipe)) => {
            let checkpoint = checkpoint(asked, &data_hash, 0);
            let place = (&transformer, at);
            let training = train(
                asked,
                &recipe,
                place,
                (training_text, question.skip_first()),
                (&checkpoint, &profile),
            )?;
            Held {
                trained: (training.step, training.rounds),
                dictionary: training.dictionary,
                at,
                loaded: None,
            }
        }
        (None, None) => return Err(Error::Bug("a dictionary neither trained nor loaded".into())),
    };
    let placed = (&held.dictionary, at);
    let model = (&transformer, model.tokenizer.as_ref());
    let mut report = measure(model, measured_text, placed, question, observer)?;
    (report.steps, report.rounds) = held.trained.clone();
    report.rows_trained = recipe.map_or(0, |it: Recipe| it.tokens);
    report.loaded.clone_from(&held.loaded);
    profile.done("figures");
    report.warnings.extend(report.useless());
    if !prompts.is_empty() {
        report.decomposed = decompose(model, &prompts, placed, question.shown, observer)?;
    }
    if let Some(dataset) = &task {
        data_hash = format!("{data_hash} {}", dataset.hash());
        let effects = effects(asked, question, &transformer, placed, dataset)?;
        report.warnings.extend(effects.warnings());
        report.effects = Some(effects);
    }
    profile.done("prompts and effects");
    observer.add_to(&mut report.warnings);
    let mut files = files(asked, question, &held, &report)?;
    let contexts = (contexts.len() - measured, measured);
    let contexts = recipe.map(|_| contexts);
    let rows = rows(contexts, task.as_ref(), spec.held_out);
    files.insert("report.json", asked.json(&report, &rows, &data_hash)?);
    Ok(Answer {
        files,
        finding: report.finding(),
        target_reached: true,
        below_target: false,
        warnings: report.warnings,
        seconds: profile.seconds(),
    })
}

/// Everything that a training depends on, one of several of a job.
fn checkpoint(asked: &Asked<'_>, data_hash: &str, number: usize) -> Checkpoint {
    let (version, spec) = (provenance::SOURCES, asked.spec_line());
    let model = &asked.model.hash;
    Checkpoint {
        inputs: format!("{version} {REPORT_FORMAT} {spec} {model} {data_hash}"),
        number,
    }
}

/// The dictionary that the spec names, and the question with what its files say and the spec does not.
fn loaded(asked: &Asked<'_>, question: &Sae) -> Result<(Option<Held>, Sae)> {
    let mut question = question.clone();
    let Some(folder) = &question.load else {
        return Ok((None, question));
    };
    let found = load_dictionary(&place(asked.job.spec.base(), folder))?;
    warn_of_other_model(asked, folder, found.model.as_deref());
    // It may have been trained on longer contexts than this model reads.
    let most = asked.model.config().n_ctx;
    let context = found.context.filter(|context| *context > 1);
    question.context = question.context.or(context.map(|it| it.min(most)));
    question.skip_first = question.skip_first.or(found.skip_first);
    let held = Held {
        dictionary: found.dictionary,
        at: (found.layer, found.of),
        loaded: Some(LoadedFrom {
            hash: found.hash,
            model: found.model,
        }),
        trained: (0, Vec::new()),
    };
    Ok((Some(held), question))
}

/// Warns when a dictionary says that it is of a model of another name.
pub(super) fn warn_of_other_model(asked: &Asked<'_>, folder: &Path, trained_on: Option<&str>) {
    let model = &asked.job.model_name;
    if let Some(other) = trained_on.filter(|other| other != model) {
        let warning = format!(
            "the dictionary {} was trained on {other:?}, by its cfg.json, and the model is {model:?}",
            folder.display()
        );
        asked.observer.event(Event::Warning(warning));
    }
}

/// A dictionary trained as part of another job, one of several: with where it belongs, and the hash of the text.
///
/// # Errors
/// When the model or the text cannot be used, or the observer interrupts.
pub(super) fn trained(
    asked: &Asked<'_>,
    (question, number): (&Sae, usize),
    profile: &Profile,
) -> Result<(Dictionary<f32>, (usize, Representation), String)> {
    let model = asked.model;
    let config = model.config();
    if let Some(problem) = no_text(config) {
        return Err(Error::model(&model.name, problem));
    }
    let Some(recipe) = question.recipe() else {
        return Err(Error::Bug("a dictionary to train that is loaded".into()));
    };
    let at = place_of(question);
    check_place(&model.name, config, at)?;
    let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(&model.weights, &graph);
    let size = (transformer.width_of(at.1), recipe.features);
    let room = room(asked, question, &transformer, size, None)?;
    let transformer = transformer.within(room);
    let lengths = (question.context(), question.skip_first());
    let wanted = contexts_wanted(&recipe, lengths).max(2);
    let text = (&question.text, question.context());
    let contexts = contexts(asked, text, &transformer, &|contexts| contexts >= wanted)?;
    profile.done("text");
    let transformer = transformer.within(room.map(|room| room.saturating_sub(bytes_of(&contexts))));
    let place = (&transformer, at);
    let data_hash = hash_of(&contexts);
    let checkpoint = checkpoint(asked, &data_hash, number);
    let training = train(
        asked,
        &recipe,
        place,
        (&contexts, question.skip_first()),
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
fn place_of(question: &Sae) -> (usize, Representation) {
    (question.layer.unwrap_or(0), question.of.unwrap_or_default())
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
    asked: &Asked<'_>,
    question: &Sae,
    loaded: Option<&Held>,
    width: usize,
) -> Result<()> {
    let (Some(held), Some(folder)) = (loaded, &question.load) else {
        return Ok(());
    };
    if held.dictionary.width == width {
        return Ok(());
    }
    let folder = place(asked.job.spec.base(), folder).display().to_string();
    let problem = format!(
        "the dictionary is of {} numbers, and there the model has {width}: it belongs to another model",
        held.dictionary.width
    );
    Err(Error::data(folder, problem))
}

/// The pairs of a task.
fn examples(asked: &Asked<'_>, task: &TaskSource) -> Result<Dataset> {
    let (spec, base) = (asked.spec, asked.job.spec.base());
    let task = (task, Prompts::Pairs);
    let dataset = load_examples(task, spec.prepend_bos, asked.model, base, asked.observer)?;
    for (index, example) in dataset.examples.iter().enumerate() {
        if let Some(problem) = misfit(spec.metric, None, example) {
            let row = format!("{}, row {}", dataset.source, index + 1);
            return Err(Error::data(row, problem));
        }
    }
    dataset.some_discovery(dataset.split(spec.held_out).0.len())?;
    Ok(dataset)
}

/// The bytes that runs may take beside the dictionary, where memory is bounded.
fn room(
    asked: &Asked<'_>,
    question: &Sae,
    transformer: &Transformer<'_, f32>,
    (width, features): (usize, usize),
    task: Option<&Dataset>,
) -> Result<Option<usize>> {
    let Some(bound) = Bound::new::<f32>(asked.model, None, task.map_or(0, Dataset::bytes)) else {
        return Ok(None);
    };
    let product = |part: [usize; 3]| part.into_iter().fold(1_usize, usize::saturating_mul);
    let single = size_of::<f32>();
    let beside = match question.recipe() {
        // Weights, moments and gradients; codes of a batch; rows of a round.
        Some(recipe) => product([8 * single, width, features])
            .saturating_add(product([5 * single, recipe.batch, features]))
            .saturating_add(product([
                4 * single,
                ROUND_ROWS + question.context(),
                width,
            ])),
        // The weights, and once more for text that is written.
        None => product([4 * single, width, features]),
    };
    let one = transformer.text_bytes(question.context(), 3 * features + 4 * width);
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
    asked: &Asked<'_>,
    question: &Sae,
    transformer: &Transformer<'_, f32>,
    placed: (&Dictionary<f32>, (usize, Representation)),
    dataset: &Dataset,
) -> Result<EffectsReport> {
    let (spec, model) = (asked.spec, asked.model);
    let (discovery, held_out) = dataset.split(spec.held_out);
    asked.doubt_few([discovery.len(), held_out.len()]);
    let judged: &[Example] = if held_out.is_empty() {
        let warning =
            "held_out is 0: the effects are on the prompts by which the features were chosen";
        asked.observer.event(Event::Warning(warning.into()));
        &discovery
    } else {
        &held_out
    };
    let task = FeatureTask {
        discovery: &discovery,
        held_out: judged,
        metric: spec.metric,
        bootstrap: spec.bootstrap,
        skip_first: question.skip_first(),
        random_baselines: spec.random_baselines,
        seed: question.seed,
        tokenizer: model.tokenizer.as_ref(),
        stop: model.tokenizer.as_ref().and_then(Tokenizer::eos),
    };
    feature_effects(
        transformer,
        placed,
        &task,
        &question.effects,
        asked.observer,
    )
}
