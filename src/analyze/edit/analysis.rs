//! The analysis of edits as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{EditAt, EditReport, EditTask, SwapPrompt, edit};
use super::{edit_csv, edit_svg, edit_text};
use crate::analyze::Edit;
use crate::analyze::corpus::passages;
use crate::analyze::{
    Analysis, AnalysisOutput, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::task::{Dataset, Example, Prompts};

impl Analysis for Edit {
    const NAME: &'static str = "Edit";
    const USES: &'static [Shared] = &[
        Shared::HeldOut,
        Shared::Bootstrap,
        Shared::RandomBaselines,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = EditReport;

    fn mistakes(&self, _: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values())
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let text = self.text.iter();
        text.map(|file| ("analysis.Edit.text", file.clone()))
            .collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<EditReport>> {
        let (keys, model, base) = (setting.keys, setting.model, setting.base);
        if let Some(problem) = no_text(model.config()) {
            return Err(Error::model(&model.name, problem));
        }
        let prompts = match self.at {
            EditAt::Differing => Prompts::Pairs,
            EditAt::Scored | EditAt::Back(_) | EditAt::Every => Prompts::Sets,
        };
        let dataset = setting.examples(setting.task()?, prompts)?;
        let text = match &self.text {
            Some(path) => passages(setting, &place(base, path))?,
            None => Vec::new(),
        };
        let (discovery, held_out) = dataset.split(keys.held_out);
        dataset.some_discovery(discovery.len())?;
        setting.doubt_few([discovery.len(), held_out.len()]);
        let nothing_held_out = held_out.is_empty();
        let held_out = if nothing_held_out {
            discovery.clone()
        } else {
            held_out
        };
        let (discovery, held_out) = (
            items(&discovery, &dataset, self.at)?,
            items(&held_out, &dataset, self.at)?,
        );
        let task = EditTask {
            discovery: &discovery,
            held_out: &held_out,
            bootstrap: keys.bootstrap,
            random_baselines: keys.random_baselines,
            text: &text,
            tokenizer: model.tokenizer.as_ref(),
        };
        let mut report = at_precision!(
            keys.precision,
            (model, dataset.bytes()),
            |weights, bound| report((weights, bound), setting, self, &task)?
        );
        if nothing_held_out {
            let warning = "held_out is 0: the results are on the prompts on which layer and strength were chosen";
            report.warnings.push(warning.into());
        }
        setting.observer.add_to(&mut report.warnings);
        let mut data_hash = dataset.hash();
        if !text.is_empty() {
            data_hash = format!("{data_hash} {}", hash_of(&text));
        }
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        let title = setting.title;
        let about = format!("{title}: {}", dataset.source);
        add("report.txt", edit_text(&report, &about));
        add("sweep.csv", edit_csv(&report));
        add("sweep.svg", edit_svg(&report, title));
        let rows = Rows::split(dataset.split_rows(keys.held_out));
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash,
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// The prompts with their tokens to be swapped.
fn items(examples: &[Example], dataset: &Dataset, at: EditAt) -> Result<Vec<SwapPrompt>> {
    let item = |example: &Example| {
        SwapPrompt::new(example, at).ok_or_else(|| {
            let row = dataset.examples.iter().position(|it| it == example);
            let row = format!("{}, row {}", dataset.source, row.unwrap_or(0) + 1);
            let problem = match at {
                _ if example.wrong.is_empty() => {
                    "there is no `wrong` answer, which the prompt is to give instead of the right one"
                }
                EditAt::Back(_) => "there are fewer positions before the scored one than `at` asks for",
                _ => "clean and corrupt are the same up to the scored position, so there is no token to swap; use at: Scored",
            };
            Error::data(row, problem)
        })
    };
    examples.iter().map(item).collect()
}

fn report<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Edit,
    task: &EditTask<'_>,
) -> Result<EditReport> {
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        let all = task.discovery.iter().chain(task.held_out);
        let longest = all.map(|item| item.tokens.len()).max().unwrap_or(1);
        let text = task.text.iter().map(Vec::len).max().unwrap_or(0);
        let item = transformer.rerun_bytes(longest, longest, 1);
        bound.check(item.max(transformer.rerun_bytes(text, text, 2 * text)))?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    edit(&transformer, task, parameters, setting.observer)
}
