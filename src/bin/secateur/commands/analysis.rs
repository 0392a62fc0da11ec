//! Commands that ask a question about a model: each is a spec with the key `analysis`, written on the command line.

use std::path::Path;

use secateur::Result;
use secateur::run::exit_code;
use secateur::spec::{SpecFile, check_any_spec};

use super::run::run_jobs;
use crate::args::{AskedArgs, BatchArgs, FeatureCircuitArgs, NeuronsArgs, SaeArgs, VectorArgs};
use crate::output;

/// What stands for a file in messages.
const COMMAND_LINE: &str = "(command line)";

/// `secateur neurons`.
pub(crate) fn neurons(args: &NeuronsArgs, quiet: bool) -> Result<u8> {
    let question = format!(
        "Neurons(top: {}, pool: {}, ablation: {})",
        args.top, args.pool, args.ablation
    );
    ask("neurons", &args.asked, &question, &args.batch, quiet)
}

/// `secateur feature-circuit`.
pub(crate) fn feature_circuit(args: &FeatureCircuitArgs, quiet: bool) -> Result<u8> {
    let dictionaries = args.dictionary.iter().map(|it| {
        if it.trim_start().starts_with("Train(") {
            it.clone()
        } else {
            format!("Load({it:?})")
        }
    });
    let dictionaries: Vec<String> = dictionaries.collect();
    let keep = args.keep.as_ref();
    let keep = keep.map_or_else(String::new, |keep| format!(", keep: {keep}"));
    let question = format!(
        "FeatureCircuit(dictionaries: [{}], method: {}, ablation: {}, edges: {}{keep})",
        dictionaries.join(", "),
        args.method,
        args.ablation,
        args.edges
    );
    ask("features", &args.asked, &question, &args.batch, quiet)
}

/// `secateur vector`.
pub(crate) fn vector(args: &VectorArgs, quiet: bool) -> Result<u8> {
    let add_to = args.add_to.as_ref();
    let add_to = add_to.map_or_else(String::new, |task| format!(", add_to: {task}"));
    let text = args.text.as_ref().map(|path| path.display().to_string());
    let text = text.map_or_else(String::new, |path| format!(", text: {path:?}"));
    let question = format!(
        "Vector(from: {}, layers: {:?}, strengths: {:?}, add_at: {}, says: {:?}, samples: {}, tokens: {}{add_to}{text})",
        args.from, args.layers, args.strengths, args.add_at, args.says, args.samples, args.tokens
    );
    ask("vector", &args.asked, &question, &args.batch, quiet)
}

/// Runs the spec of a question about a task.
fn ask(
    kind: &str,
    asked: &AskedArgs,
    question: &str,
    batch: &BatchArgs,
    quiet: bool,
) -> Result<u8> {
    let name = asked.name.clone().unwrap_or_else(|| {
        let task = asked.task.split('(').next().unwrap_or_default();
        format!("{kind}-{}", task.trim().to_lowercase())
    });
    let text = format!(
        "(format: 1, name: {name:?}, models: [{:?}], task: {}, metric: {}, held_out: {:?}, analysis: {question})",
        asked.model, asked.task, asked.metric, asked.held_out
    );
    run_text(&text, batch, quiet)
}

/// `secateur sae`.
pub(crate) fn sae(args: &SaeArgs, quiet: bool) -> Result<u8> {
    let name = args
        .name
        .clone()
        .unwrap_or_else(|| format!("sae-{}", args.layer));
    let text = match &args.text[..] {
        [] => format!("Sampled(tokens: {}, seed: {})", args.sampled, args.seed),
        files => {
            let files: Vec<String> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            format!("Files({files:?})")
        }
    };
    let text = format!(
        "(format: 1, name: {name:?}, models: [{:?}], held_out: {:?}, analysis: Sae(layer: {}, of: {}, kind: {}, features: {}, \
         text: {text}, tokens: {}, context: {}, batch: {}, learning_rate: {:?}, seed: {}))",
        args.model,
        args.held_out,
        args.layer,
        args.of,
        args.kind,
        args.features,
        args.tokens,
        args.context,
        args.batch,
        args.learning_rate,
        args.seed
    );
    run_text(&text, &args.batch_args, quiet)
}

/// Runs a spec and prints its report.
fn run_text(text: &str, batch: &BatchArgs, quiet: bool) -> Result<u8> {
    if !quiet {
        output::message(&format!("as a spec file: {text}"));
    }
    let path = Path::new(COMMAND_LINE);
    let spec = SpecFile {
        spec: check_any_spec(text.as_bytes(), path)?,
        path: path.to_owned(),
    };
    let reports = run_jobs(&[spec], 1, batch, quiet)?;
    for report in reports.iter().filter(|report| report.result.is_ok()) {
        let text = fs_err::read(report.job.folder.join("report.txt"))?;
        output::data(&text)?;
    }
    Ok(exit_code([], &reports))
}
