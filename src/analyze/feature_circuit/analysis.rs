//! The analysis of features as a job: autoencoders loaded or trained, then the circuit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::features_file;
use super::{
    DictionarySource, FeatureCircuitReport, FeatureTask, SaeAtSite, SaeNodes, bytes_of,
    find_features,
};
use super::{feature_circuit_text, feature_edges_csv, feature_nodes_csv, features_figure};
use crate::analyze::FeatureCircuit;
use crate::analyze::sae;
use crate::analyze::sae::load_dictionary;
use crate::analyze::{Analysis, AnalysisOutput, Setting, Shared, SharedKeys};
use crate::engine::Precision;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::{FeatureSource, Rows, to_dot, to_svg};
use crate::ron_line::ron_line;
use crate::setting::Profile;
use crate::setting::misfit;
use crate::setting::{Bound, cast};
use crate::task::{Dataset, Prompts};

impl Analysis for FeatureCircuit {
    const NAME: &'static str = "FeatureCircuit";
    const USES: &'static [Shared] = &Shared::ALL;
    type Report = FeatureCircuitReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        self.wrong_values(keys.metric)
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let files = self.files().into_iter();
        files
            .map(|file| ("analysis.FeatureCircuit.dictionaries", file))
            .collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<FeatureCircuitReport>> {
        let profile = Profile::start();
        let (keys, model) = (setting.keys, setting.model);
        let dataset = setting.examples(setting.task()?, Prompts::Pairs)?;
        for (index, example) in dataset.examples.iter().enumerate() {
            if let Some(problem) = misfit(keys.metric, None, example) {
                let row = format!("{}, row {}", dataset.source, index + 1);
                return Err(Error::data(row, problem));
            }
        }
        let (placed, hashes) = dictionaries(setting, self, &profile)?;
        profile.done("dictionaries");
        let mut report = match keys.precision {
            Precision::F32 => {
                let bound = Bound::new::<f32>(model, None, dataset.bytes());
                features((&model.weights, bound), setting, self, (placed, &dataset))?
            }
            Precision::F64 => {
                let weights = cast::<f64>(model);
                let bound = Bound::new(model, Some(&weights), dataset.bytes());
                let placed = placed.iter().map(SaeAtSite::cast).collect();
                features((&weights, bound), setting, self, (placed, &dataset))?
            }
        };
        profile.done("circuit");
        setting.observer.add_to(&mut report.warnings);
        let data_hash = format!("{} {}", dataset.hash(), hashes.join(" "));
        let title = setting.title;
        let about = format!(
            "{}, {:?}, {}, {:?}",
            dataset.source,
            keys.metric,
            ron_line(&self.method),
            self.ablation
        );
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        add(
            "report.txt",
            feature_circuit_text(&report, &format!("{title}: {about}")),
        );
        add("nodes.csv", feature_nodes_csv(&report));
        add("edges.csv", feature_edges_csv(&report));
        let figure = features_figure(&report, title, &about)?;
        add("features.dot", to_dot(&figure));
        add("features.svg", to_svg(&figure));
        let source = FeatureSource {
            model: setting.model_name.to_owned(),
            model_hash: model.hash.clone(),
            model_identity: Some(model.identity.clone()),
            spec: setting.spec_line.to_owned(),
            data_hash: data_hash.clone(),
        };
        add("features.ron", features_file(&report, source).to_ron()?);
        let rows = Rows::split(dataset.split_rows(keys.held_out));
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash,
            files,
            seconds: profile.seconds(),
        })
    }
}

/// The autoencoders, trained one after the other where they are to be, with what each depends on.
fn dictionaries(
    setting: &Setting<'_>,
    parameters: &FeatureCircuit,
    profile: &Profile,
) -> Result<(Vec<SaeAtSite<f32>>, Vec<String>)> {
    let mut placed = Vec::new();
    let mut hashes = Vec::new();
    for (number, source) in parameters.dictionaries.iter().enumerate() {
        match source {
            DictionarySource::Train(sae) => {
                let (dictionary, (layer, of), hash) =
                    sae::trained(setting, (sae, number), profile)?;
                placed.push(SaeAtSite {
                    layer,
                    of,
                    dictionary,
                    skip_first: sae.skip_first(),
                });
                hashes.push(hash);
            }
            DictionarySource::Load(folder) => {
                let loaded = load_dictionary(&place(setting.base, folder))?;
                sae::warn_of_other_model(setting, folder, loaded.model.as_deref());
                placed.push(SaeAtSite {
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
    setting: &Setting<'_>,
    parameters: &FeatureCircuit,
    (placed, dataset): (Vec<SaeAtSite<T>>, &Dataset),
) -> Result<FeatureCircuitReport> {
    let (keys, model) = (setting.keys, setting.model);
    let placements = SaeNodes::new(placed)?;
    let (discovery, held_out) = dataset.split(keys.held_out);
    dataset.some_discovery(discovery.len())?;
    let task = FeatureTask {
        held_out: if held_out.is_empty() {
            &discovery
        } else {
            &held_out
        },
        discovery: &discovery,
        metric: keys.metric,
        bootstrap: keys.bootstrap,
        random_baselines: keys.random_baselines,
    };
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        bound.check(bytes_of(&transformer, &placements, &task))?;
    }
    let tokenizer = model.tokenizer.as_ref();
    let mut report = find_features(
        &transformer,
        tokenizer,
        &placements,
        &task,
        parameters,
        setting.observer,
    )?;
    if held_out.is_empty() {
        let warning = "held_out is 0: the results are on the pairs on which the circuit was found";
        report.warnings.push(warning.into());
    }
    Ok(report)
}
