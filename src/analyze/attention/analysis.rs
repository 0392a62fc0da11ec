//! The analysis of attention as a job.

use std::collections::BTreeMap;

use super::{Answered, AttentionReport, AttentionTask, RandomTokens, Repeated, score_heads};
use super::{attention_csv, attention_html, attention_svg, attention_text, roles_of};
use crate::analyze::AttentionRoles;
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::report::Rows;
use crate::setting::at_precision;
use crate::setting::{Bound, bytes_of_tokens};
use crate::task::Prompts;

impl Analysis for AttentionRoles {
    const NAME: &'static str = "Attention";
    const USES: &'static [Shared] = &[Shared::Bootstrap, Shared::Precision, Shared::PrependBos];
    type Report = AttentionReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        keyed(self.wrong_values(keys.task.is_some()))
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::OptionalTask
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<AttentionReport>> {
        let (keys, model) = (setting.keys, setting.model);
        let config = model.config();
        if let Some(problem) = no_text(config) {
            return Err(Error::model(&model.name, problem));
        }
        let bos = match &model.tokenizer {
            Some(tokenizer) => tokenizer.encode("", keys.prepend_bos)?,
            None => Vec::new(),
        };
        let (mut prompts, mut source, mut data_hash) = (Vec::new(), String::new(), String::new());
        if let Some(task) = &keys.task {
            let dataset = setting.examples(task, Prompts::Sets)?;
            let answered = dataset.examples.iter().map(|example| {
                let place = example.at.len().saturating_sub(1);
                Answered {
                    tokens: example.clean.clone(),
                    at: example.at[place],
                    answer: example.answers_at(place).to_vec(),
                }
            });
            prompts = answered.collect();
            source = format!(": {}", dataset.source);
            data_hash = format!("{} ", dataset.hash());
        }
        let among: Vec<u32> = match self.tokens {
            RandomTokens::Vocabulary => (0..config.d_vocab as u32).collect(),
            RandomTokens::Prompts => prompts.iter().flat_map(|it| it.tokens.clone()).collect(),
        };
        let sizes = (self.sequences, self.length, self.seed);
        let repeated = Repeated::drawn((&among, config.n_ctx), &bos, sizes);
        if repeated.length < 2 {
            let problem = "it reads or knows too few tokens for random ones to be repeated";
            return Err(Error::model(&model.name, problem));
        }
        data_hash += &hash_of(&repeated.sequences);
        let data = (&repeated, &prompts[..]);
        let rows = prompts
            .iter()
            .map(|it| bytes_of_tokens(&[&it.tokens, &it.answer]))
            .sum();
        let mut report = at_precision!(keys.precision, (model, rows), |weights, bound| {
            scored((weights, bound), setting, self, data)?
        });
        setting.observer.add_to(&mut report.warnings);
        if repeated.length < self.length {
            report.warnings.push(format!(
                "sequences have {} random tokens instead of {}: the model reads or knows no more",
                repeated.length, self.length
            ));
        }
        if !prompts.is_empty() && report.prompts == 0 {
            let warning = "no prompt has its answer in it, so name moving is not scored";
            report.warnings.push(warning.into());
        }
        let title = setting.title;
        let text = attention_text(&report, &format!("{title}{source}"));
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        add("heads.csv", attention_csv(&report));
        if let Some(svg) = attention_svg(&report, title) {
            add("attention.svg", svg);
        }
        add("attention.html", attention_html(&report, title, &text));
        add("report.txt", text);
        let roles = roles_of(&report, setting.model_name, &model.hash).to_json()?;
        files.insert("roles.json", roles);
        Ok(AnalysisOutput {
            report,
            rows: Rows::default(),
            data_hash,
            files,
            seconds: BTreeMap::new(),
        })
    }
}

fn scored<T: Real>(
    (weights, bound): (&Weights<T>, Option<Bound>),
    setting: &Setting<'_>,
    parameters: &AttentionRoles,
    (repeated, prompts): (&Repeated, &[Answered]),
) -> Result<AttentionReport> {
    let transformer = Transformer::plain(weights)?;
    if let Some(bound) = bound {
        let longest = prompts.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let longest = longest.max(repeated.start + 2 * repeated.length);
        let logits =
            parameters.copied * transformer.d_out() * (size_of::<T>() + 2 * size_of::<f64>());
        bound.check(
            transformer.run_bytes(4 * longest) + 2 * longest * longest * size_of::<T>() + logits,
        )?;
    }
    let transformer = transformer.within(bound.map(Bound::room));
    let task = AttentionTask {
        repeated,
        prompts,
        bootstrap: setting.keys.bootstrap,
        tokenizer: setting.model.tokenizer.as_ref(),
    };
    score_heads(&transformer, &task, parameters, setting.observer)
}
