//! Commands that ask a question about a model: each is a spec with the key `analysis`, given by flags.

use std::path::Path;

use clap::{Args, CommandFactory};
use secateur::analyze::lens::Tuned;
use secateur::analyze::{Analysis, AnyAnalysis, Lens, Shared};
use secateur::metric::Metric;
use secateur::run::exit_code;
use secateur::spec::{AnalysisSpec, Spec, SpecFile, check_analysis, ron_text};
use secateur::task::TaskSource;
use secateur::{Error, Result, visible};

use super::run::run_jobs;
use crate::args::{AnalysisArgs, Cli};
use crate::output;

/// What stands for a file in messages.
const COMMAND_LINE: &str = "(command line)";
/// Digits of a hash in the names that commands make up.
const DIGITS: usize = 6;
/// Letters that such names take from the name of a file.
const LONGEST: usize = 60;
/// Activation vectors that a sparse autoencoder is trained on.
const TRAINED_ON: usize = 500_000;

/// Answers a question and prints the report.
pub(super) fn ask<A>(command: &str, asked: &AnalysisArgs<A>, quiet: bool) -> Result<u8>
where
    A: Analysis + Args + Clone + Into<AnyAnalysis>,
{
    let (mut spec, given) = asked.spec();
    complete(&mut spec, &given);
    spec.name = match &asked.name {
        Some(name) => name.clone(),
        None => made_name(command, &spec),
    };
    let mistakes = check_analysis(&spec, &given, Path::new(COMMAND_LINE));
    if !mistakes.is_empty() {
        let lines = mistakes.iter();
        let lines = lines.map(|it| format!("{}: {}", flag(command, &it.key), it.problem));
        return Err(Error::Usage(lines.collect::<Vec<_>>().join("\n")));
    }
    if !quiet {
        let text = ron_text(&spec);
        output::message(&visible(&format!("as a spec file: {text}")));
    }
    let file = SpecFile {
        spec: Spec::Analysis(Box::new(spec)),
        path: COMMAND_LINE.into(),
    };
    let reports = run_jobs(&[file], 1, &asked.batch, quiet, |_| ())?;
    let shown = reports.iter().filter(|it| !quiet && it.result.is_ok());
    for report in shown {
        let file = report.job.folder.join("report.txt");
        let text = secateur::input::read_text(&file, 1 << 30, "a report")?;
        output::text(&text)?;
        let folder = report.job.folder.display();
        output::message(&visible(&format!("the results are in {folder}")));
    }
    Ok(exit_code([], &reports, asked.batch.strict))
}

/// Sets what a command decides where no flag does: from the command line, most of a text is for training.
fn complete(spec: &mut AnalysisSpec, given: &[Shared]) {
    let is_open = |key| !given.contains(&key);
    match &mut spec.analysis {
        AnyAnalysis::Neurons(neurons) => {
            let sets = neurons.sets.as_ref();
            if is_open(Shared::Metric) && sets.is_some_and(|it| it.wrong.is_empty()) {
                spec.metric = Metric::Nll;
            }
        }
        AnyAnalysis::Lens(Lens {
            tuned: Some(Tuned::Fitted(_)),
            ..
        }) if is_open(Shared::HeldOut) => spec.held_out = 0.1,
        AnyAnalysis::Sae(sae) if sae.load.is_none() => {
            sae.tokens.get_or_insert(TRAINED_ON);
            if is_open(Shared::HeldOut) {
                spec.held_out = 0.1;
            }
        }
        _ => {}
    }
}

/// The name of a question that was given none: of another one, whatever differs, it is another name.
fn made_name(command: &str, spec: &AnalysisSpec) -> String {
    let unnamed = AnalysisSpec {
        name: "unnamed".to_owned(),
        ..spec.clone()
    };
    let command = match command {
        "feature-circuit" => "features",
        other => other,
    };
    format!("{command}-{}-{}", subject(spec), &unnamed.hash()[..DIGITS])
}

/// What a question is about: the file that it is asked of, or the kind of its task.
fn subject(spec: &AnalysisSpec) -> String {
    let file = match &spec.analysis {
        AnyAnalysis::Relation(relation) => Some(relation.data.as_path()),
        AnyAnalysis::Neurons(neurons) => neurons.sets.as_ref().map(|it| it.behaviour.as_path()),
        AnyAnalysis::Sae(sae) => match &sae.load {
            Some(folder) => {
                return plain(&folder.file_name().unwrap_or_default().to_string_lossy());
            }
            None => return sae.layer.unwrap_or(0).to_string(),
        },
        _ => spec.task.as_ref().and_then(TaskSource::file),
    };
    if let Some(stem) = file.and_then(Path::file_stem) {
        return plain(&stem.to_string_lossy());
    }
    match (&spec.task, &spec.analysis) {
        (Some(task), _) => task.kind().to_lowercase(),
        (None, AnyAnalysis::Attention(_)) => "random".to_owned(),
        (None, _) => "texts".to_owned(),
    }
}

/// A part of a name of which nothing is left that a folder's name may not have.
fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let letters = name.chars().map(|it| if fits(it) { it } else { '-' });
    letters.take(LONGEST).collect()
}

/// What the user wrote for a key: the flag, and the part of its value. A flag has the name of the key that it sets, or of the last
/// parts of it.
fn flag(command: &str, key: &str) -> String {
    let cli = Cli::command();
    let long = |id: &str| {
        let mut flags = cli.find_subcommand(command)?.get_arguments();
        let flag = flags.find(|it| it.get_id().as_str() == id)?.get_long()?;
        Some(format!("--{flag}"))
    };
    let parts: Vec<&str> = key.split('.').collect();
    // `analysis`, and the name of the analysis.
    let first = if parts[0] == "analysis" { 2 } else { 0 };
    for start in first..parts.len() {
        for end in (start + 1..=parts.len()).rev() {
            match (long(&parts[start..end].join(".")), parts.get(end..)) {
                (Some(flag), None | Some([])) => return flag,
                (Some(flag), Some(within)) => return format!("{flag} ({})", within.join(".")),
                (None, _) => {}
            }
        }
    }
    if parts[0].starts_with("models") {
        "MODEL".to_owned()
    } else {
        key.to_owned()
    }
}
