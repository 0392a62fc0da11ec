//! The analysis of the residual stream as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Direction, Over, ResidualReport, ResidualTask, residual};
use super::{
    cosines_svg, directions_csv, residual_csv, residual_html, residual_norm_svg, residual_text,
    residual_writes_svg,
};
use crate::analyze::Residual;
use crate::analyze::corpus::{looked_at, one_token};
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed,
};
use crate::engine::Transformer;
use crate::error::Result;
use crate::events::{Event, Observer as _};
use crate::model::{Real, Weights, added};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::at_precision;
use crate::setting::load_examples;
use crate::setting::{Bound, bytes_of_tokens};
use crate::task::Prompts;

/// Prompts with the positions looked at.
type Looked = Vec<(Vec<u32>, Vec<usize>)>;

impl Analysis for Residual {
    const NAME: &'static str = "Residual";
    const USES: &'static [Shared] = &[
        Shared::Bootstrap,
        Shared::RandomBaselines,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = ResidualReport;

    fn mistakes(&self, _: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values())
    }

    fn unmet_condition(&self, key: Shared, _with_task: bool) -> Option<&'static str> {
        (key == Shared::RandomBaselines && self.directions.is_empty())
            .then_some("with `directions`")
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::TaskOrTexts(&self.texts)
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let files = self.files().into_iter();
        files
            .map(|file| ("analysis.Residual.directions", file.to_owned()))
            .collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<ResidualReport>> {
        let (keys, model) = (setting.keys, setting.model);
        let (prompts, source, data_hash) = prompts(setting, self)?;
        let held = prompts
            .iter()
            .map(|(tokens, at)| bytes_of_tokens(&[tokens]) + size_of_val(&at[..]))
            .sum();
        let mut report = at_precision!(keys.precision, (model, held), |weights, bound| {
            looked((weights, bound), setting, self, &prompts)?
        });
        setting.observer.add_to(&mut report.warnings);
        let title = setting.title;
        let text = residual_text(&report, &format!("{title}: {source}"));
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        add("stream.csv", residual_csv(&report));
        if !report.directions.is_empty() {
            add("directions.csv", directions_csv(&report));
        }
        add("norm.svg", residual_norm_svg(&report, title));
        add("writes.svg", residual_writes_svg(&report, title));
        add("cosines.svg", cosines_svg(&report, title));
        add("residual.html", residual_html(&report, title, &text));
        add("report.txt", text);
        Ok(AnalysisOutput {
            report,
            rows: Rows::default(),
            data_hash,
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// The prompts, what they are in words, and their hash.
fn prompts(setting: &Setting<'_>, parameters: &Residual) -> Result<(Looked, String, String)> {
    let (mut found, source, hash): (Looked, _, _) = if parameters.texts.is_empty() {
        let task = (setting.task()?, Prompts::Sets);
        let base = setting.base;
        let dataset = load_examples(
            task,
            setting.keys.prepend_bos,
            setting.model,
            base,
            setting.observer,
        )?;
        let hash = dataset.hash();
        let prompts = dataset.examples.into_iter().map(|it| {
            let read = it.at.last().copied().unwrap_or(0);
            (it.clean, vec![read])
        });
        (prompts.collect(), dataset.source, hash)
    } else {
        let texts = looked_at(setting, "analysis.Residual.texts", &parameters.texts)?;
        let hash = hash_of(&texts);
        let prompts = texts.into_iter().map(|tokens| {
            let last = tokens.len() - 1;
            (tokens, vec![last])
        });
        (
            prompts.collect(),
            format!("{} texts", parameters.texts.len()),
            hash,
        )
    };
    if parameters.over == Over::Every {
        for (tokens, at) in &mut found {
            // A prompt of one token has no other position.
            *at = (1.min(tokens.len() - 1)..tokens.len()).collect();
        }
    }
    Ok((found, source, hash))
}

fn looked<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Residual,
    prompts: &Looked,
) -> Result<ResidualReport> {
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        let longest = prompts.iter().map(|(it, _)| it.len()).max().unwrap_or(1);
        let looked = prompts.iter().map(|(_, at)| at.len()).max().unwrap_or(1);
        let shape = transformer.heads();
        // What every attention and MLP writes, and the streams.
        let numbers = 4 * (shape.n_layers + 1) * looked * shape.d_model;
        bound.check(transformer.run_bytes(longest) + numbers * size_of::<f64>())?;
    }
    let mut directions = Vec::new();
    for direction in &parameters.directions {
        let values = match direction {
            Direction::Token(token) => {
                let token = one_token(setting.model, token)?;
                transformer.logit_direction(&[token], &[]).towards
            }
            Direction::Difference(token, other) => {
                let [token, other] = [
                    one_token(setting.model, token)?,
                    one_token(setting.model, other)?,
                ];
                transformer.logit_direction(&[token], &[other]).towards
            }
            Direction::Vector(path) => {
                let file = place(setting.base, path);
                let (values, metadata) = added::read_vector(&file, weights.config.d_model)?;
                let models = std::slice::from_ref(&setting.model.hash);
                let name = path.display().to_string();
                if let Some(warning) = added::of_another_model(&name, &metadata, models) {
                    setting.observer.event(Event::Warning(warning));
                }
                values.into_iter().map(f64::from).collect()
            }
        };
        directions.push((direction.name(), values));
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let task = ResidualTask {
        prompts,
        directions: &directions,
        bootstrap: setting.keys.bootstrap,
        random_baselines: setting.keys.random_baselines,
    };
    residual(&transformer, &task, setting.observer)
}
