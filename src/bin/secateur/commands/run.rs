//! `secateur run`: every spec on every model.

use secateur::paths::written;
use secateur::report::{table_within, thousands, wrapped};
use secateur::run::{BatchOptions, Finish, JobReport, Summary, exit_code, plan, run_batch};
use secateur::spec::{Spec, SpecFile, check_models, read_specs, spec_files};
use secateur::{Error, Result};
use serde_json::json;

use crate::args::{AddedVectors, BatchArgs, RunArgs};
use crate::output;
use crate::table::{change, duration, figure, with_interval};
use crate::ui::{BatchUi, stop_on_ctrl_c};

pub(crate) fn run(args: &RunArgs, quiet: bool) -> Result<u8> {
    let set = read_specs(&spec_files(&args.specs)?);
    for error in &set.errors {
        output::message(&output::error_text(error));
    }
    let reports = run_jobs(&set.specs, args.jobs, &args.batch, quiet)?;
    if args.json {
        output::data(jobs_json(&reports)?.as_bytes())?;
    } else if !quiet && !reports.is_empty() {
        output::data(summary(&reports).as_bytes())?;
    }
    Ok(exit_code(&set.errors, &reports, args.batch.strict))
}

/// Runs every spec on every model it names, and shows how it goes.
pub(super) fn run_jobs(
    specs: &[SpecFile],
    at_a_time: usize,
    args: &BatchArgs,
    quiet: bool,
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
    stop_on_ctrl_c();
    let ui = BatchUi::new(jobs.len(), quiet);
    let reports = run_batch(&jobs, &options, &ui);
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
fn jobs_json(reports: &[JobReport]) -> Result<String> {
    let entry = |report: &JobReport| {
        json!({
            "spec": report.job.spec.spec.name(),
            "model": report.job.model_name,
            "folder": written(&report.job.folder),
            "status": status(report),
            "seconds": report.seconds,
            "found": report.result.as_ref().ok().map(Finish::summary),
        })
    };
    let entries: Vec<_> = reports.iter().map(entry).collect();
    let text = serde_json::to_string_pretty(&entries)
        .map_err(|error| Error::Bug(format!("what jobs found: {error}")))?;
    Ok(text + "\n")
}

/// The tables at the end of a batch: one of circuits, one of answers to other questions.
fn summary(reports: &[JobReport]) -> String {
    let (circuits, analyses): (Vec<_>, Vec<_>) = reports
        .iter()
        .partition(|report| matches!(report.job.spec.spec, Spec::Circuit(_)));
    let tables = [
        (!circuits.is_empty()).then(|| circuits_table(&circuits)),
        (!analyses.is_empty()).then(|| analyses_table(&analyses)),
    ];
    tables.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

fn analyses_table(reports: &[&JobReport]) -> String {
    let header = ["spec", "model", "status", "found", "time"];
    let row = |report: &&JobReport| {
        let found = match &report.result {
            Ok(finish) => match finish.summary() {
                Summary::Analysis(summary) => summary.finding.clone(),
                Summary::Circuit(_) => "-".to_owned(),
            },
            Err(_) => "-".to_owned(),
        };
        let job = &report.job;
        vec![
            job.spec.spec.name().to_owned(),
            job.model_name.clone(),
            status(report).to_owned(),
            found,
            duration(report.seconds),
        ]
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    table_within(&header, &rows, 4, output::columns()) + &warned(reports)
}

fn circuits_table(reports: &[&JobReport]) -> String {
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
    let rows: Vec<Vec<String>> = reports.iter().map(|report| row(report)).collect();
    table_within(&header, &rows, 3, output::columns()) + &warned(reports)
}

/// The warnings of all jobs, below a table.
fn warned(reports: &[&JobReport]) -> String {
    let done = reports.iter().filter_map(|report| {
        let finish = report.result.as_ref().ok()?;
        Some((report.job.title(), finish.summary().warnings()))
    });
    let mut text = String::new();
    for (title, warnings) in done {
        for warning in warnings {
            let line = format!("warning: {title}: {warning}");
            text += &wrapped(&line, output::columns());
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("\n{text}")
    }
}

fn row(report: &JobReport) -> Vec<String> {
    let job = &report.job;
    let mut cells = vec![
        job.spec.spec.name().to_owned(),
        job.model_name.clone(),
        status(report).to_owned(),
    ];
    let summary = report.result.as_ref().ok().map(Finish::summary);
    let circuit = summary.and_then(|summary| match summary {
        Summary::Circuit(summary) => Some(summary),
        Summary::Analysis(_) => None,
    });
    match circuit {
        Some(summary) => {
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
        None => cells.extend(std::iter::repeat_n("-".to_owned(), 5)),
    }
    cells.push(duration(report.seconds));
    cells
}

fn status(report: &JobReport) -> &'static str {
    match &report.result {
        Ok(finish) if !finish.summary().target_reached() => "target missed",
        Ok(finish) if finish.summary().below_target() => "below target",
        Ok(Finish::Done(_)) => "done",
        Ok(Finish::Skipped(_)) => "already done",
        Err(secateur::Error::Interrupted) => "interrupted",
        Err(_) => "failed",
    }
}
