//! The analysis of features as a job: autoencoders loaded or trained, then the circuit.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked};
use super::job::load_examples;
use super::memory::{self, Bound};
use super::pipeline::misfit;
use super::profile::Profile;
use super::sae_job;
use crate::analyze::FeatureCircuit;
use crate::analyze::feature_circuit::{
    DictionarySource, FeatureCircuitReport, FeatureTask, Placed, Placements, bytes_of,
    find_features,
};
use crate::analyze::sae::load_dictionary;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::{
    FeatureSource, FeaturesFile, Rows, feature_circuit_text, feature_edges_csv, feature_nodes_csv,
    features_figure, to_dot, to_svg,
};
use crate::spec::{Precision, ron_line};
use crate::task::{Dataset, Prompts};

/// Which features the behaviour of the task needs.
///
/// # Errors
/// When the model, the data or a dictionary cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &FeatureCircuit) -> Result<Answer> {
    let profile = Profile::start();
    let (spec, model) = (asked.spec, asked.model);
    let task = (asked.task()?, Prompts::Pairs);
    let dataset = load_examples(
        task,
        spec.prepend_bos,
        model,
        asked.job.spec.base(),
        asked.observer,
    )?;
    for (index, example) in dataset.examples.iter().enumerate() {
        if let Some(problem) = misfit(spec.metric, None, example) {
            let row = format!("{}, row {}", dataset.source, index + 1);
            return Err(Error::data(row, problem));
        }
    }
    let (placed, hashes) = dictionaries(asked, question, &profile)?;
    profile.done("dictionaries");
    let mut report = match spec.precision {
        Precision::F32 => {
            let bound = Bound::new::<f32>(model, None, dataset.bytes());
            features((&model.weights, bound), asked, question, (placed, &dataset))?
        }
        Precision::F64 => {
            let weights = memory::cast::<f64>(model);
            let bound = Bound::new(model, Some(&weights), dataset.bytes());
            let placed = placed.iter().map(Placed::cast).collect();
            features((&weights, bound), asked, question, (placed, &dataset))?
        }
    };
    profile.done("circuit");
    asked.observer.add_to(&mut report.warnings);
    let data_hash = format!("{} {}", dataset.hash(), hashes.join(" "));
    let title = asked.title();
    let about = format!(
        "{}, {:?}, {}, {:?}",
        dataset.source,
        spec.metric,
        ron_line(&question.method),
        question.ablation
    );
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    add(
        "report.txt",
        feature_circuit_text(&report, &format!("{title}: {about}")),
    );
    add("nodes.csv", feature_nodes_csv(&report));
    add("edges.csv", feature_edges_csv(&report));
    let figure = features_figure(&report, &title, &about)?;
    add("features.dot", to_dot(&figure));
    add("features.svg", to_svg(&figure));
    let source = FeatureSource {
        model: asked.job.model_name.clone(),
        model_hash: model.hash.clone(),
        model_identity: Some(model.identity.clone()),
        spec: asked.spec_line(),
        data_hash: data_hash.clone(),
    };
    add("features.ron", FeaturesFile::new(&report, source).to_ron()?);
    let rows = Rows::split(dataset.split_rows(spec.held_out));
    files.insert("report.json", asked.json(&report, &rows, &data_hash)?);
    Ok(Answer {
        files,
        finding: report.finding(),
        target_reached: report.target_reached,
        below_target: report.below_target,
        warnings: report.warnings,
        seconds: profile.seconds(),
    })
}

/// The autoencoders, trained one after the other where they are to be, with what each depends on.
fn dictionaries(
    asked: &Asked<'_>,
    question: &FeatureCircuit,
    profile: &Profile,
) -> Result<(Vec<Placed<f32>>, Vec<String>)> {
    let mut placed = Vec::new();
    let mut hashes = Vec::new();
    for (number, source) in question.dictionaries.iter().enumerate() {
        match source {
            DictionarySource::Train(sae) => {
                let (dictionary, (layer, of), hash) =
                    sae_job::trained(asked, (sae, number), profile)?;
                placed.push(Placed {
                    layer,
                    of,
                    dictionary,
                    skip_first: sae.skip_first(),
                });
                hashes.push(hash);
            }
            DictionarySource::Load(folder) => {
                let loaded = load_dictionary(&place(asked.job.spec.base(), folder))?;
                sae_job::warn_of_other_model(asked, folder, loaded.model.as_deref());
                placed.push(Placed {
                    layer: loaded.layer,
                    of: loaded.of,
                    dictionary: loaded.dictionary,
                    skip_first: loaded.skip_first.unwrap_or(0),
                });
                hashes.push(loaded.hash);
            }
        }
    }
    Ok((placed, hashes))
}

fn features<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    asked: &Asked<'_>,
    question: &FeatureCircuit,
    (placed, dataset): (Vec<Placed<T>>, &Dataset),
) -> Result<FeatureCircuitReport> {
    let (spec, model) = (asked.spec, asked.model);
    let placements = Placements::new(placed)?;
    let (discovery, held_out) = dataset.split(spec.held_out);
    dataset.some_discovery(discovery.len())?;
    let task = FeatureTask {
        held_out: if held_out.is_empty() {
            &discovery
        } else {
            &held_out
        },
        discovery: &discovery,
        metric: spec.metric,
        bootstrap: spec.bootstrap,
        random_baselines: spec.random_baselines,
    };
    let graph = ComputationGraph::new(&weights.config, &Granularity::default(), &BTreeMap::new())?;
    let transformer = Transformer::new(weights, &graph);
    if let Some(bound) = bound {
        bound.check(bytes_of(&transformer, &placements, &task))?;
    }
    let tokenizer = model.tokenizer.as_ref();
    let mut report = find_features(
        &transformer,
        tokenizer,
        &placements,
        &task,
        question,
        asked.observer,
    )?;
    if held_out.is_empty() {
        let warning = "held_out is 0: the figures are on the pairs by which the circuit was found";
        report.warnings.push(warning.into());
    }
    Ok(report)
}
