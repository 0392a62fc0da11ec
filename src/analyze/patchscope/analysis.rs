//! A patchscope as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Expected, Mapping, PatchscopeReport, PatchscopeTask, Source, TargetTokens, look};
use super::{decoded_text, grid_csv, grid_svg, patchscope_text, precision_svg, surprisal_svg};
use crate::analyze::Patchscope;
use crate::analyze::corpus::looked_at;
use crate::analyze::corpus::passages;
use crate::analyze::lens::saved_lens;
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::{StreamSite, Transformer};
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::setting::slips;
use crate::task::{Dataset, Prompts};

impl Analysis for Patchscope {
    const NAME: &'static str = "Patchscope";
    const USES: &'static [Shared] = &[
        Shared::HeldOut,
        Shared::Bootstrap,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = PatchscopeReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values(keys.task.is_some()))
    }

    fn unmet_condition(&self, key: Shared, with_task: bool) -> Option<&'static str> {
        matches!(key, Shared::HeldOut | Shared::Bootstrap)
            .then_some("with a task")
            .filter(|_| !with_task)
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::OptionalTask
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let file = self.file().into_iter();
        file.map(|(key, file)| (key, file.to_owned())).collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<PatchscopeReport>> {
        let (keys, model, base) = (setting.keys, setting.model, setting.base);
        if let Some(problem) = no_text(model.config()) {
            return Err(Error::model(&model.name, problem));
        }
        let tokenizer = model.require_tokenizer()?;
        let target_tokens = target_tokens(setting, self)?;
        let dataset = match &keys.task {
            Some(task) => Some(setting.examples(task, Prompts::Sets)?),
            None => None,
        };
        let mut hashes = vec![hash_of(std::slice::from_ref(&target_tokens.tokens))];
        hashes.extend(dataset.iter().map(Dataset::hash));
        let [discovery, held_out] = match &dataset {
            Some(dataset) => split(dataset, setting, self)?,
            None => [Vec::new(), Vec::new()],
        };
        let texts = texts(setting, self)?;
        let fitted = fitted_on(setting, self)?;
        if !fitted.is_empty() {
            hashes.push(hash_of(&fitted));
        }
        let mut warnings = Vec::new();
        let lens = match &self.mapping {
            Mapping::Lens(path) => {
                let layers = (0..model.config().n_layers).map(StreamSite::Layer);
                let (lens, warning) = saved_lens((model, base), path, &layers.collect::<Vec<_>>())?;
                warnings.extend(warning);
                Some(lens.cast())
            }
            _ => None,
        };
        let task = PatchscopeTask {
            discovery: &discovery,
            held_out: &held_out,
            texts: &texts,
            target_tokens: &target_tokens,
            passages: &fitted,
            lens: lens.as_ref(),
            bootstrap: keys.bootstrap,
            tokenizer: Some(tokenizer),
            stop: tokenizer.eos(),
        };
        let mut report = at_precision!(
            keys.precision,
            (model, dataset.as_ref().map_or(0, Dataset::bytes)),
            |weights, bound| report((weights, bound), setting, self, &task)?
        );
        report.warnings.extend(warnings);
        if discovery == held_out && !discovery.is_empty() {
            let warning =
                "held_out is 0: the results are on the prompts on which target layers were chosen";
            report.warnings.push(warning.into());
        }
        setting.observer.add_to(&mut report.warnings);
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        let title = setting.title;
        let about = match &dataset {
            Some(dataset) => format!("{title}: {}", dataset.source),
            None => title.to_owned(),
        };
        add("report.txt", patchscope_text(&report, &about));
        if !report.decoded.is_empty() {
            add("decoded.txt", decoded_text(&report));
        }
        if report.overall.is_some() {
            add("grid.csv", grid_csv(&report));
            add("grid.svg", grid_svg(&report, title));
            add("precision.svg", precision_svg(&report, title));
            add("surprisal.svg", surprisal_svg(&report, title));
        }
        let rows = rows(dataset.as_ref(), keys.held_out);
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash: hashes.join(" "),
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// The prompt that representations are put into; what its writer may not mean is decoded.
fn target_tokens(setting: &Setting<'_>, parameters: &Patchscope) -> Result<TargetTokens> {
    let (tokenizer, prepend_bos) = (setting.model.require_tokenizer()?, setting.keys.prepend_bos);
    let text = parameters.prompt.text();
    let named = (tokenizer, prepend_bos, setting.model.config());
    let target_tokens = TargetTokens::new(text, parameters.placeholder(), named)?;
    let named = ("analysis.Patchscope.prompt", text);
    let rule = (tokenizer, prepend_bos);
    slips::tell_of_text(named, &target_tokens.tokens, rule, setting.observer);
    Ok(target_tokens)
}

/// The sources of both splits: each prompt up to the position that its representation is taken at.
fn split(
    dataset: &Dataset,
    setting: &Setting<'_>,
    parameters: &Patchscope,
) -> Result<[Vec<Source>; 2]> {
    let mut problems = dataset.examples.iter().enumerate().filter_map(|(index, example)| {
        let row = format!("{}, row {}", dataset.source, index + 1);
        let read = example.at.last().copied().unwrap_or(0);
        if read < parameters.positions_before {
            let problem = format!(
                "positions_before is {}, but the scored position is number {}",
                parameters.positions_before,
                read + 1
            );
            return Some(Error::data(row, problem));
        }
        let answers = parameters.expected == Expected::Answer && example.teacher_forced;
        answers.then(|| {
            let problem = "an answer of several tokens is no single next token; give answers of one token, or \
                           expected: Next";
            Error::data(row, problem)
        })
    });
    if let Some(problem) = problems.next() {
        return Err(problem);
    }
    drop(problems);
    let (discovery, held_out) = dataset.split(setting.keys.held_out);
    dataset.some_discovery(discovery.len())?;
    setting.doubt_few([discovery.len(), held_out.len()]);
    let sources = |examples: &[crate::task::Example]| -> Vec<Source> {
        examples
            .iter()
            .map(|example| {
                let read = example.at.last().copied().unwrap_or(0);
                Source {
                    tokens: example.clean[..=read - parameters.positions_before].to_vec(),
                    answers: example.answer.clone(),
                }
            })
            .collect()
    };
    let discovery = sources(&discovery);
    let held_out = if held_out.is_empty() {
        discovery.clone()
    } else {
        sources(&held_out)
    };
    Ok([discovery, held_out])
}

/// The passages that maps between layers are fitted on.
fn fitted_on(setting: &Setting<'_>, parameters: &Patchscope) -> Result<Vec<Vec<u32>>> {
    let Mapping::Ridge { text, tokens, .. } = &parameters.mapping else {
        return Ok(Vec::new());
    };
    let mut left = *tokens;
    let mut passages = passages(setting, &place(setting.base, text))?;
    for passage in &mut passages {
        passage.truncate(left);
        left -= passage.len();
    }
    passages.retain(|passage| !passage.is_empty());
    Ok(passages)
}

/// Which prompts of a task are on which side.
fn rows(dataset: Option<&Dataset>, held_out: f64) -> Rows {
    let rows = dataset.map(|it| it.split_rows(held_out));
    rows.map(Rows::split).unwrap_or_default()
}

/// The texts that are read out.
fn texts(setting: &Setting<'_>, parameters: &Patchscope) -> Result<Vec<Source>> {
    let texts = looked_at(setting, "analysis.Patchscope.texts", &parameters.texts)?;
    let texts = texts.into_iter().map(|tokens| Source {
        tokens,
        answers: Vec::new(),
    });
    Ok(texts.collect())
}

fn report<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &Patchscope,
    task: &PatchscopeTask<'_>,
) -> Result<PatchscopeReport> {
    let config = &weights.config;
    let transformer = Transformer::plain(weights)?;
    let mut kept = 0;
    if let Some(bound) = bound {
        let sources = task.discovery.len().max(task.held_out.len()) + task.texts.len();
        let fitted: usize = task.passages.iter().map(Vec::len).sum();
        let squares = if fitted > 0 || task.lens.is_some() {
            3 * config.n_layers
        } else {
            0
        };
        kept = sources * config.n_layers * config.d_model * size_of::<T>()
            + 2 * fitted * config.n_layers * config.d_model * size_of::<f64>()
            + squares * config.d_model * config.d_model * size_of::<f64>();
        let all = [task.discovery, task.held_out, task.texts]
            .into_iter()
            .flatten();
        let longest = all.map(|source| source.tokens.len());
        let longest = longest.chain(task.passages.iter().map(Vec::len)).max();
        let target = task.target_tokens.tokens.len();
        let run = transformer.rerun_bytes(target + longest.unwrap_or(0), target, 1);
        bound.check(kept + run)?;
    }
    let room = bound.map(|bound| bound.room().saturating_sub(kept));
    look(
        &transformer.within(room),
        task,
        parameters,
        setting.observer,
    )
}
