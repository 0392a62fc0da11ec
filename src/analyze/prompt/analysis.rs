//! One prompt, as a job and without files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{PromptReport, PromptTask, ask_prompt};
use super::{prompt_csv, prompt_text};
use crate::analyze::Prompt;
use crate::analyze::corpus::{one_token, tokens_of};
use crate::analyze::lens::saved_lens;
use crate::analyze::lens::{StreamSite, TunedLens};
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::Precision;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::{LoadedModel, PrependBos};
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::setting::slips;

/// Lists with a number for each token of the vocabulary that are held at a time.
const LOGITS: usize = 8;

impl Analysis for Prompt {
    const NAME: &'static str = "Prompt";
    const USES: &'static [Shared] = &[Shared::Precision, Shared::PrependBos];
    type Report = PromptReport;

    fn mistakes(&self, _: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values())
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::Own("the question is about one prompt and needs no task; leave it out")
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        let tuned = self.lens.as_ref().and_then(|it| it.tuned.clone());
        let tuned = tuned.into_iter();
        tuned.map(|file| ("analysis.Prompt.lens", file)).collect()
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<PromptReport>> {
        let (keys, model) = (setting.keys, setting.model);
        let how = (keys.precision, keys.prepend_bos);
        let prompts = prompts_of(model, self, keys.prepend_bos)?;
        let base = setting.base;
        let mut report = run_prompt((model, base), self, how, setting.observer)?;
        setting.observer.add_to(&mut report.warnings);
        let text = format!("{}\n{}", setting.title, prompt_text(&report));
        let files = BTreeMap::from([
            ("report.txt", text.into_bytes()),
            ("next.csv", prompt_csv(&report).into_bytes()),
        ]);
        Ok(AnalysisOutput {
            report,
            rows: Rows::default(),
            data_hash: hash_of(&prompts),
            files,
            seconds: BTreeMap::new(),
        })
    }
}

/// What a model says next to a prompt, without files; paths of the parameters are relative to a folder.
///
/// # Errors
/// When the model or the prompt cannot be used, or the observer interrupts.
///
/// # Complexity
/// As [`ask_prompt`].
pub fn run_prompt(
    (model, base): (&LoadedModel, &Path),
    parameters: &Prompt,
    (precision, prepend_bos): (Precision, PrependBos),
    observer: &dyn Observer,
) -> Result<PromptReport> {
    let prompts = prompts_of(model, parameters, prepend_bos)?;
    let texts = [
        ("prompt", Some(&parameters.prompt)),
        ("compare", parameters.compare.as_ref()),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some((name, text?.as_str())));
    let rule = (model.require_tokenizer()?, prepend_bos);
    for (text, tokens) in texts.zip(&prompts) {
        slips::tell_of_text(text, tokens, rule, observer);
    }
    let exchanged = parameters.edit.iter();
    let exchanged: Vec<[u32; 2]> = exchanged
        .map(|it| Ok([one_token(model, &it.from)?, one_token(model, &it.to)?]))
        .collect::<Result<_>>()?;
    let lens = parameters.lens.as_ref();
    let followed = lens.and_then(|it| it.token.as_ref());
    let followed = followed.map(|text| one_token(model, text)).transpose()?;
    let (mut tuned, mut warnings) = (None, Vec::new());
    if let Some(path) = lens.and_then(|it| it.tuned.as_ref()) {
        let layers = (0..model.config().n_layers).map(StreamSite::Layer);
        let places: Vec<StreamSite> = std::iter::once(StreamSite::Embedding)
            .chain(layers)
            .collect();
        let (lens, warning) = saved_lens((model, base), path, &places)?;
        tuned = Some(lens);
        warnings.extend(warning);
    }
    let mut report = at_precision!(precision, (model, 0), |weights, bound| {
        let transformer = Transformer::plain(weights)?.within(bound.map(Bound::room));
        if let Some(bound) = bound {
            // The prompt as it is and with what is changed, and the other one are kept; text is written after one of them.
            let length = |tokens: &Vec<u32>| tokens.len() + parameters.generate;
            let changed = prompts.iter().take(1).map(length);
            let kept = prompts.iter().map(length).chain(changed);
            let runs: usize = kept.map(|tokens| transformer.run_bytes(tokens)).sum();
            bound.check(runs + LOGITS * size_of::<f64>() * weights.config.d_out())?;
        }
        let tuned = tuned.as_ref().map(TunedLens::cast);
        let task = PromptTask {
            tokens: &prompts[0],
            compare: prompts.get(1).map(Vec::as_slice),
            exchanged: &exchanged,
            followed,
            tuned: tuned.as_ref(),
            tokenizer: model.tokenizer.as_ref(),
        };
        ask_prompt(&transformer, &task, parameters, observer)
    })?;
    report.warnings.extend(warnings);
    Ok(report)
}

/// The tokens of the prompt, and of the other one.
fn prompts_of(
    model: &LoadedModel,
    parameters: &Prompt,
    prepend_bos: PrependBos,
) -> Result<Vec<Vec<u32>>> {
    if let Some(problem) = no_text(model.config()) {
        return Err(Error::model(&model.name, problem));
    }
    let prompts = [
        ("prompt", Some(&parameters.prompt)),
        ("compare", parameters.compare.as_ref()),
    ];
    let prompts = prompts
        .into_iter()
        .filter_map(|(name, text)| Some((name, &text?[..])));
    prompts
        .map(|named| tokens_of(model, named, prepend_bos))
        .collect()
}
