//! `secateur run`: every spec on every model.

use secateur::Result;
use secateur::run::{BatchOptions, Finish, JobReport, exit_code, plan, run_batch};
use secateur::spec::{read_specs, spec_files};

use crate::args::RunArgs;
use crate::output;
use crate::table::{change, duration, figure, table, with_interval};
use crate::ui::{BatchUi, stop_on_ctrl_c};

pub(crate) fn run(args: &RunArgs, quiet: bool) -> Result<u8> {
    let set = read_specs(&spec_files(&args.specs)?);
    for error in &set.errors {
        output::message(&output::error_text(error));
    }
    let jobs = plan(&set.specs, &args.out)?;
    let options = BatchOptions {
        jobs: args.jobs,
        threads: args.threads.unwrap_or(0),
        memory: args.memory.bytes(),
        force: args.force,
        command: std::env::args_os()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
    };
    stop_on_ctrl_c();
    let ui = BatchUi::new(jobs.len(), quiet);
    let reports = run_batch(&jobs, &options, &ui);
    ui.finish();
    let reports = reports?;
    if !quiet && !reports.is_empty() {
        output::data(summary(&reports).as_bytes())?;
    }
    Ok(exit_code(&set.errors, &reports))
}

/// The table at the end of a batch.
fn summary(reports: &[JobReport]) -> String {
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
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    table(&header, &rows, 3)
}

fn row(report: &JobReport) -> Vec<String> {
    let job = &report.job;
    let mut cells = vec![
        job.spec.spec.name.clone(),
        job.model_name.clone(),
        status(report).to_owned(),
    ];
    match &report.result {
        Ok(finish) => {
            let summary = finish.summary();
            cells.extend([
                format!("{}/{}", summary.edges_kept, summary.edges_total),
                summary.nodes_kept.to_string(),
                with_interval(summary.faithfulness, summary.faithfulness_interval),
                change(summary.accuracy_full, summary.accuracy_circuit),
                figure(summary.random_mean),
            ]);
        }
        Err(_) => cells.extend(std::iter::repeat_n("-".to_owned(), 5)),
    }
    cells.push(duration(report.seconds));
    cells
}

fn status(report: &JobReport) -> &'static str {
    match &report.result {
        Ok(finish) if !finish.summary().target_reached => "target missed",
        Ok(Finish::Done(_)) => "done",
        Ok(Finish::Skipped(_)) => "already done",
        Err(secateur::Error::Interrupted) => "interrupted",
        Err(_) => "failed",
    }
}
