//! What an analysis is given.

use std::path::Path;

use serde::Serialize;

use super::SharedKeys;
use super::analysis::{Analysis, AnalysisOutput, AnalysisReport, Files};
use crate::error::{Error, Result};
use crate::evaluate::few_doubt;
use crate::events::{Event, Observer};
use crate::model::{LoadedModel, ModelConfig, ModelIdentity, Tokenizer};
use crate::report::{REPORT_FORMAT, Rows};
use crate::setting::{Listening, load_examples};
use crate::task::{Dataset, Prompts, TaskSource};
use crate::version::VERSION;

/// What an analysis is given: the shared keys of its spec, a model, and who listens.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The shared keys of the spec.
    pub keys: &'a SharedKeys,
    /// The model.
    pub model: &'a LoadedModel,
    /// The name of the model in results.
    pub model_name: &'a str,
    /// The title of the report: spec and model.
    pub title: &'a str,
    /// The folder that paths of the spec are relative to.
    pub base: &'a Path,
    /// The folder of the result.
    pub folder: &'a Path,
    /// The spec in one line, with the name of the model.
    pub spec_line: &'a str,
    /// Hash of the spec.
    pub spec_hash: &'a str,
    pub(crate) observer: &'a Listening<'a>,
}

/// The output of an analysis of any kind.
pub(crate) struct WrittenOutput {
    /// The files of the result, without `report.html`.
    pub files: Files,
    /// The result in one line.
    pub finding: String,
    /// Whether the target of the spec was reached on the discovery set; true where there is none.
    pub target_reached: bool,
    /// Whether it was reached on the discovery set only.
    pub below_target: bool,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
    /// Seconds by part of the work, where they are known.
    pub seconds: std::collections::BTreeMap<String, f64>,
}

/// Where a result comes from: everything it depends on, nothing that varies between runs.
#[derive(Serialize)]
struct Stamp<'a> {
    format: u32,
    secateur: &'a str,
    spec: &'a str,
    spec_hash: &'a str,
    model: &'a str,
    model_hash: &'a str,
    model_identity: &'a ModelIdentity,
    data_hash: &'a str,
}

impl Setting<'_> {
    /// Says so where few prompts judge; without any held out, those for discovery do.
    pub(super) fn doubt_few(&self, [discovery, held_out]: [usize; 2]) {
        let judging = if held_out == 0 { discovery } else { held_out };
        if let Some(doubt) = few_doubt(judging) {
            self.observer.event(Event::Warning(doubt));
        }
    }

    /// The prompts, which the checks of the spec require.
    pub(super) fn task(&self) -> Result<&TaskSource> {
        let task = self.keys.task.as_ref();
        task.ok_or_else(|| Error::Bug("an analysis of a task without a task".into()))
    }

    /// The examples of a task.
    ///
    /// # Errors
    /// When they do not fit the model.
    pub(super) fn examples(&self, task: &TaskSource, prompts: Prompts) -> Result<Dataset> {
        let prepend_bos = self.keys.prepend_bos;
        load_examples(
            (task, prompts),
            prepend_bos,
            self.model,
            self.base,
            self.observer,
        )
    }

    /// Runs an analysis and writes its report down.
    ///
    /// # Errors
    /// As [`Analysis::answer`].
    pub(super) fn run<A: Analysis>(&self, analysis: &A) -> Result<WrittenOutput> {
        let output = analysis.answer(self)?;
        let json = self.json(&output)?;
        let AnalysisOutput {
            report,
            mut files,
            seconds,
            ..
        } = output;
        files.insert("report.json", json);
        Ok(WrittenOutput {
            files,
            finding: report.finding(),
            target_reached: report.target_reached(),
            below_target: report.below_target(),
            warnings: report.warnings().to_vec(),
            seconds,
        })
    }

    /// The text of `report.json`: the report's keys, then `split` where the data was divided, and `provenance`.
    fn json<R: Serialize>(&self, output: &AnalysisOutput<R>) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Whole<'a, R> {
            #[serde(flatten)]
            report: &'a R,
            #[serde(skip_serializing_if = "Rows::is_empty")]
            split: &'a Rows,
            provenance: Stamp<'a>,
        }
        let whole = Whole {
            report: &output.report,
            split: &output.rows,
            provenance: Stamp {
                format: REPORT_FORMAT,
                secateur: VERSION,
                spec: self.spec_line,
                spec_hash: self.spec_hash,
                model: self.model_name,
                model_hash: &self.model.hash,
                model_identity: &self.model.identity,
                data_hash: &output.data_hash,
            },
        };
        let mut text = serde_json::to_vec_pretty(&whole)
            .map_err(|error| Error::Bug(format!("report.json: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Refuses tokens of a text that are outside of the model's vocabulary.
pub(crate) fn known(
    tokens: &[u32],
    (tokenizer, config): (&Tokenizer, &ModelConfig),
    name: &str,
) -> Result<()> {
    match tokens
        .iter()
        .find(|token| **token as usize >= config.d_vocab)
    {
        None => Ok(()),
        Some(token) => Err(Error::data(
            name,
            format!(
                "it has {:?} (token {token}), which the tokenizer knows and the model does not: its vocabulary ends at {}",
                tokenizer.decode(&[*token]),
                config.d_vocab - 1
            ),
        )),
    }
}

/// Hash of token sequences.
pub(crate) fn hash_of(sequences: &[Vec<u32>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for sequence in sequences {
        hasher.update(&(sequence.len() as u64).to_le_bytes());
        for token in sequence {
            hasher.update(&token.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Why a model cannot read or write text token by token.
pub(crate) fn no_text(config: &ModelConfig) -> Option<&'static str> {
    if config.attention.bidirectional {
        Some("the model reads in both directions, so it does not predict the next token")
    } else if config.d_out() != config.d_vocab {
        Some(
            "what the model writes is not of the vocabulary that it reads, so it does not predict the next token",
        )
    } else {
        None
    }
}
