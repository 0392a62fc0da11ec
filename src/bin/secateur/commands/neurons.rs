//! `secateur neurons`: which neurons' activation goes with a task, and which neurons it needs.

use std::path::Path;

use secateur::Result;
use secateur::run::exit_code;
use secateur::spec::{SpecFile, check_any_spec};

use super::run::run_jobs;
use crate::args::NeuronsArgs;
use crate::output;

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
    let reports = run_jobs(&[spec], 1, &args.batch, quiet)?;
    for report in reports.iter().filter(|report| report.result.is_ok()) {
        let text = fs_err::read(report.job.folder.join("report.txt"))?;
        output::data(&text)?;
    }
    Ok(exit_code([], &reports))
}
