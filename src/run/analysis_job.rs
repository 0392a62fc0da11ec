//! A job that answers another question than that for a circuit, and the files of its result.

use std::collections::BTreeMap;

use serde::Serialize;

use super::job::Contents;
use super::listening::Listening;
use super::plan::Job;
use super::record::{AnalysisSummary, Summary};
use super::{
    attention_job, edit_job, feature_circuit_job, lens_job, neurons_job, patchscope_job,
    prompt_job, provenance, relation_job, residual_job, sae_job, tracing_job, vector_job,
};
use crate::analyze::Analysis;
use crate::error::{Error, Result};
use crate::evaluate::few_doubt;
use crate::events::{Event, Observer};
use crate::model::{LoadedModel, ModelConfig, ModelIdentity, Tokenizer};
use crate::report::{PageStamp, REPORT_FORMAT, Rows, analysis_html};
use crate::spec::{AnalysisSpec, ron_line};
use crate::task::TaskSource;

/// What an analysis is about.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub job: &'a Job,
    pub spec: &'a AnalysisSpec,
    pub model: &'a LoadedModel,
    pub observer: &'a Listening<'a>,
}

/// The answer to a question.
pub(super) struct Answer {
    pub files: BTreeMap<&'static str, Vec<u8>>,
    pub finding: String,
    /// False when the target of the question was not reached.
    pub target_reached: bool,
    /// True when it was reached on the discovery prompts only.
    pub below_target: bool,
    pub warnings: Vec<String>,
    /// Where time went, where it is known.
    pub seconds: BTreeMap<String, f64>,
}

/// Answers the question and writes the files of the answer down.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn run(
    job: &Job,
    spec: &AnalysisSpec,
    model: &LoadedModel,
    observer: &Listening<'_>,
) -> Result<Contents> {
    let asked = Asked {
        job,
        spec,
        model,
        observer,
    };
    let answer = match &spec.analysis {
        Analysis::Attention(question) => attention_job::answer(&asked, question)?,
        Analysis::Edit(question) => edit_job::answer(&asked, question)?,
        Analysis::FeatureCircuit(question) => feature_circuit_job::answer(&asked, question)?,
        Analysis::Lens(question) => lens_job::answer(&asked, question)?,
        Analysis::Neurons(question) => neurons_job::answer(&asked, question)?,
        Analysis::Patchscope(question) => patchscope_job::answer(&asked, question)?,
        Analysis::Prompt(question) => prompt_job::answer(&asked, question)?,
        Analysis::Relation(question) => relation_job::answer(&asked, question)?,
        Analysis::Residual(question) => residual_job::answer(&asked, question)?,
        Analysis::Sae(question) => sae_job::answer(&asked, question)?,
        Analysis::Tracing(question) => tracing_job::answer(&asked, question)?,
        Analysis::Vector(question) => vector_job::answer(&asked, question)?,
    };
    let mut files = answer.files;
    let stamp = PageStamp {
        title: &asked.title(),
        finding: &answer.finding,
        secateur: provenance::VERSION,
        spec: asked.spec_line(),
        spec_hash: spec.hash(),
        model: model.identity.label(&job.model_name),
        weights: &model.identity.weights,
        model_hash: &model.hash,
    };
    let page = analysis_html(&stamp, &files);
    files.insert("report.html", page.into_bytes());
    let files = files.into_iter();
    Ok(Contents {
        files: files
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect(),
        seconds: answer.seconds,
        summary: Summary::Analysis(AnalysisSummary {
            finding: answer.finding,
            target_reached: answer.target_reached,
            below_target: answer.below_target,
            warnings: answer.warnings,
        }),
    })
}

impl Asked<'_> {
    /// The title of a report: spec and model.
    pub(super) fn title(&self) -> String {
        let model = self.model.identity.label(&self.job.model_name);
        format!("{} on {model}", self.spec.name)
    }

    /// Says so where few prompts judge; without any held out, those for discovery do, which is told too.
    pub(super) fn doubt_few(&self, [discovery, held_out]: [usize; 2]) {
        let judging = if held_out == 0 { discovery } else { held_out };
        if let Some(doubt) = few_doubt(judging) {
            self.observer.event(Event::Warning(doubt));
        }
        if held_out == 0 && discovery > 0 {
            let warning =
                "held_out is 0: the figures are on the prompts that the choices were made on";
            self.observer.event(Event::Warning(warning.into()));
        }
    }

    /// The prompts, which the checks of the spec require.
    pub(super) fn task(&self) -> Result<&TaskSource> {
        let task = self.spec.task.as_ref();
        task.ok_or_else(|| Error::Bug("an analysis of a task without a task".into()))
    }

    /// The spec in one line, with the name of the model.
    pub(super) fn spec_line(&self) -> String {
        ron_line(&AnalysisSpec {
            models: vec![self.job.model_name.clone()],
            ..self.spec.clone()
        })
    }

    /// The text of `report.json`: the report's keys, then `split` where the data was divided, and `provenance`.
    pub(super) fn json<R: Serialize>(
        &self,
        report: &R,
        rows: &Rows,
        data_hash: &str,
    ) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Whole<'a, R> {
            #[serde(flatten)]
            report: &'a R,
            #[serde(skip_serializing_if = "Rows::is_empty")]
            split: &'a Rows,
            provenance: Stamp<'a>,
        }
        let whole = Whole {
            report,
            split: rows,
            provenance: Stamp {
                format: REPORT_FORMAT,
                secateur: provenance::VERSION,
                spec: self.spec_line(),
                spec_hash: self.spec.hash(),
                model: &self.job.model_name,
                model_hash: &self.model.hash,
                model_identity: &self.model.identity,
                data_hash,
            },
        };
        let mut text = serde_json::to_vec_pretty(&whole)
            .map_err(|error| Error::Bug(format!("report.json: {error}")))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Refuses tokens of a text that are outside of the model's vocabulary.
pub(super) fn known(
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
pub(super) fn hash_of(sequences: &[Vec<u32>]) -> String {
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
pub(super) fn no_text(config: &ModelConfig) -> Option<&'static str> {
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

/// Where a result comes from: everything it depends on, nothing that varies between runs.
#[derive(Serialize)]
struct Stamp<'a> {
    format: u32,
    secateur: &'a str,
    spec: String,
    spec_hash: String,
    model: &'a str,
    model_hash: &'a str,
    model_identity: &'a ModelIdentity,
    data_hash: &'a str,
}
