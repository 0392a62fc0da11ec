//! `secateur neurons`: which neurons' activation goes with a task, and which neurons it needs.

use std::path::Path;

use secateur::Result;
use secateur::run::{BatchOptions, exit_code, plan, run_batch};
use secateur::spec::{SpecFile, check_any_spec};

use crate::args::NeuronsArgs;
use crate::output;
use crate::ui::{BatchUi, stop_on_ctrl_c};

/// What stands for a file in messages.
const COMMAND_LINE: &str = "(command line)";

pub(crate) fn neurons(args: &NeuronsArgs, quiet: bool) -> Result<u8> {
    let name = args.name.clone().unwrap_or_else(|| {
        let task = args.task.split('(').next().unwrap_or_default();
        format!("neurons-{}", task.trim().to_lowercase())
    });
    let text = format!(
        "(format: 1, name: {name:?}, models: [{:?}], task: {}, metric: {}, held_out: {:?}, analysis: Neurons(top: {}, \
         pool: {}, ablation: {}))",
        args.model, args.task, args.metric, args.held_out, args.top, args.pool, args.ablation
    );
    if !quiet {
        output::message(&format!("as a spec file: {text}"));
    }
    let path = Path::new(COMMAND_LINE);
    let spec = SpecFile {
        spec: check_any_spec(text.as_bytes(), path)?,
        path: path.to_owned(),
    };
    let jobs = plan(&[spec], &args.out)?;
    let options = BatchOptions {
        jobs: 1,
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
    for report in reports.iter().filter(|report| report.result.is_ok()) {
        let text = fs_err::read(report.job.folder.join("report.txt"))?;
        output::data(&text)?;
    }
    Ok(exit_code([], &reports))
}
