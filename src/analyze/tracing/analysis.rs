//! Causal tracing as a job.

use std::collections::BTreeMap;

use super::{TraceItem, TracePart, TracingReport, TracingTask, trace};
use super::{traced_prompt_svg, tracing_csv, tracing_svg, tracing_text};
use crate::analyze::Tracing;
use crate::analyze::{Analysis, AnalysisOutput, Setting, Shared, SharedKeys, keyed, no_text};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::task::{Dataset, Example, Prompts};

impl Analysis for Tracing {
    const NAME: &'static str = "Tracing";
    const USES: &'static [Shared] = &[
        Shared::HeldOut,
        Shared::Bootstrap,
        Shared::RandomBaselines,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = TracingReport;

    fn mistakes(&self, _: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values())
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<TracingReport>> {
        let (keys, model) = (setting.keys, setting.model);
        if let Some(problem) = no_text(model.config()) {
            return Err(Error::model(&model.name, problem));
        }
        if self.window > 0 && !model.config().has_mlps() {
            let problem = "the model has no MLPs that could be restored; use window: 0";
            return Err(Error::model(&model.name, problem));
        }
        let dataset = setting.examples(setting.task()?, Prompts::Pairs)?;
        let (discovery, held_out) = dataset.split(keys.held_out);
        dataset.some_discovery(discovery.len())?;
        setting.doubt_few([discovery.len(), held_out.len()]);
        let (discovery, held_out) = (items(&discovery, &dataset)?, items(&held_out, &dataset)?);
        let task = TracingTask {
            discovery: &discovery,
            held_out: &held_out,
            bootstrap: keys.bootstrap,
            random_baselines: keys.random_baselines,
            tokenizer: model.tokenizer.as_ref(),
        };
        let mut report = at_precision!(
            keys.precision,
            (model, dataset.bytes()),
            |weights, bound| report((weights, bound), setting, self, &task)?
        );
        setting.observer.add_to(&mut report.warnings);
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        let title = setting.title;
        let about = format!("{title}: {}", dataset.source);
        add("report.txt", tracing_text(&report, &about));
        add("effects.csv", tracing_csv(&report));
        for (name, part) in [
            ("stream.svg", TracePart::Stream),
            ("attention.svg", TracePart::Attention),
            ("mlp.svg", TracePart::Mlp),
        ] {
            if let Some(svg) = tracing_svg(&report, part, title) {
                add(name, svg);
            }
        }
        if let Some(svg) = traced_prompt_svg(&report) {
            add("first-prompt.svg", svg);
        }
        let rows = dataset.split_rows(keys.held_out);
        let in_order = rows.concat();
        let unanswered = report.unanswered.iter().map(|&it| in_order[it]);
        let rows = Rows::split(rows).with("unanswered", unanswered);
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash: dataset.hash(),
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// The prompts with their subjects.
fn items(examples: &[Example], dataset: &Dataset) -> Result<Vec<TraceItem>> {
    let item = |example: &Example| {
        let row = dataset.examples.iter().position(|it| it == example);
        let row = format!("{}, row {}", dataset.source, row.unwrap_or(0) + 1);
        if example.teacher_forced {
            let problem = "an answer of several tokens cannot be traced; give answers of one token";
            return Err(Error::data(row, problem));
        }
        TraceItem::new(example).ok_or_else(|| {
            let problem = "clean and corrupt are the same up to the position read, so there is no subject to trace; change \
                           the subject in the corrupt prompt";
            Error::data(row, problem)
        })
    };
    examples.iter().map(item).collect()
}

fn report<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Tracing,
    task: &TracingTask<'_>,
) -> Result<TracingReport> {
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        let all = task.discovery.iter().chain(task.held_out);
        let longest = all.map(|item| item.tokens.len()).max().unwrap_or(1);
        let kept = longest * (parameters.samples + 1);
        bound.check(transformer.rerun_bytes(kept, longest, parameters.samples + 1))?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    trace(&transformer, task, parameters, setting.observer)
}
