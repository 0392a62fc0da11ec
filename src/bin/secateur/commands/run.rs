//! `secateur run`: every spec on every model.

use std::sync::Arc;

use secateur::paths::written;
use secateur::report::{table_within, thousands, wrapped};
use secateur::run::{BatchOptions, JobReport, Summary, exit_code, plan, run_batch};
use secateur::spec::{SpecFile, check_models, read_specs, spec_files};
use secateur::{Error, Result};
use serde_json::json;

use crate::args::{AddedVectors, BatchArgs, RunArgs};
use crate::ended::Ended;
use crate::output;
use crate::supervise::last_words;
use crate::table::{change, duration, figure, with_interval};
use crate::ui::BatchUi;

pub(crate) fn run(args: &RunArgs, quiet: bool) -> Result<u8> {
    let set = read_specs(&spec_files(&args.specs)?);
    for error in &set.errors {
        output::message(&output::error_text(error));
    }
    let json = args.json;
    let show = move |ended: &[Ended]| -> Result<()> {
        if json {
            output::data(jobs_json(ended)?.as_bytes())?;
        } else if !quiet && !ended.is_empty() {
            output::data(summary(ended).as_bytes())?;
        }
        Ok(())
    };
    let reports = run_jobs(&set.specs, args.jobs, &args.batch, quiet, move |left| {
        // The program is about to end.
        show(left).ok();
    })?;
    let ended: Vec<Ended> = reports.iter().map(Ended::of).collect();
    show(&ended)?;
    Ok(exit_code(&set.errors, &reports, args.batch.strict))
}

/// Runs every spec on every model it names, and shows how it goes. `show_left` shows how the jobs ended when a signal ends
/// the program in the middle of one.
pub(super) fn run_jobs(
    specs: &[SpecFile],
    at_a_time: usize,
    args: &BatchArgs,
    quiet: bool,
    show_left: impl FnOnce(&[Ended]) + Send + 'static,
) -> Result<Vec<JobReport>> {
    let specs = with_vectors(specs, &args.added)?;
    let jobs = plan(&specs, &args.out)?;
    let options = BatchOptions {
        jobs: at_a_time,
        threads: args.threads.unwrap_or(0),
        memory: args.memory.bytes(),
        force: args.force,
        command: std::env::args_os().map(written).collect(),
    };
    let ui = BatchUi::new(&jobs, quiet);
    let left = Arc::clone(&ui);
    last_words(Some(Box::new(move || {
        let ended = left.left();
        left.finish();
        show_left(&ended);
    })));
    let reports = run_batch(&jobs, &options, &*ui);
    last_words(None);
    ui.finish();
    reports
}

/// The specs with vectors added to all their models.
fn with_vectors(specs: &[SpecFile], added: &AddedVectors) -> Result<Vec<SpecFile>> {
    let mut specs = specs.to_vec();
    if added.is_empty() {
        return Ok(specs);
    }
    let added = added.absolute();
    for spec in &mut specs {
        for model in spec.spec.models_mut() {
            *model = added.to(model);
        }
        check_models(spec)?;
    }
    Ok(specs)
}

/// What was found, a list with an entry for each job, with all digits.
fn jobs_json(jobs: &[Ended]) -> Result<String> {
    let entry = |job: &Ended| {
        json!({
            "spec": job.spec,
            "model": job.model,
            "folder": written(&job.folder),
            "status": job.status,
            "seconds": job.seconds,
            "found": job.found,
        })
    };
    let entries: Vec<_> = jobs.iter().map(entry).collect();
    let text = serde_json::to_string_pretty(&entries)
        .map_err(|error| Error::Bug(format!("what jobs found: {error}")))?;
    Ok(text + "\n")
}

/// The tables at the end of a batch: one of circuits, one of answers to other questions.
fn summary(jobs: &[Ended]) -> String {
    let (circuits, analyses): (Vec<_>, Vec<_>) = jobs.iter().partition(|job| job.is_circuit);
    let tables = [
        (!circuits.is_empty()).then(|| circuits_table(&circuits)),
        (!analyses.is_empty()).then(|| analyses_table(&analyses)),
    ];
    tables.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn analyses_table(jobs: &[&Ended]) -> String {
    let header = ["spec", "model", "status", "found", "time"];
    let row = |job: &&Ended| {
        let found = match &job.found {
            Some(Summary::Analysis(summary)) => summary.finding.clone(),
            Some(Summary::Circuit(_)) | None => "-".to_owned(),
        };
        vec![
            job.spec.clone(),
            job.model.clone(),
            job.status.to_owned(),
            found,
            duration(job.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    table_within(&header, &rows, 4, output::columns()) + &warned(jobs)
}

fn circuits_table(jobs: &[&Ended]) -> String {
    let header = [
        "spec",
        "model",
        "status",
        "edges",
        "nodes",
        "faithfulness",
        "accuracy",
        "random",
        "time",
    ];
    let rows: Vec<Vec<String>> = jobs.iter().map(|job| row(job)).collect();
    table_within(&header, &rows, 3, output::columns()) + &warned(jobs)
}

/// The warnings of all jobs, below a table.
fn warned(jobs: &[&Ended]) -> String {
    let mut text = String::new();
    for job in jobs {
        for warning in job.found.iter().flat_map(Summary::warnings) {
            let line = format!("warning: {} on {}: {warning}", job.spec, job.model);
            text += &wrapped(&line, output::columns());
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

fn row(job: &Ended) -> Vec<String> {
    let mut cells = vec![job.spec.clone(), job.model.clone(), job.status.to_owned()];
    match &job.found {
        Some(Summary::Circuit(summary)) => {
            cells.extend([
                format!(
                    "{}/{}",
                    thousands(summary.edges_kept),
                    thousands(summary.edges_total)
                ),
                summary.nodes_kept.to_string(),
                with_interval(summary.faithfulness, summary.faithfulness_interval),
                change(summary.accuracy_full, summary.accuracy_circuit),
                figure(summary.random_mean),
            ]);
        }
        Some(Summary::Analysis(_)) | None => cells.extend(std::iter::repeat_n("-".to_owned(), 5)),
    }
    cells.push(duration(job.seconds));
    cells
}
