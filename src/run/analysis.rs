//! A job that runs an analysis, and the files of its result.

use crate::analyze::Setting;
use crate::error::Result;
use crate::model::LoadedModel;
use crate::report::{PageStamp, analysis_html};
use crate::run::batch::job::Contents;
use crate::run::batch::plan::Job;
use crate::run::batch::record::{AnalysisSummary, Summary};
use crate::setting::Listening;
use crate::spec::{AnalysisSpec, ron_line};
use crate::version::VERSION;

/// Runs the analysis and gives the files of its result.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn run(
    job: &Job,
    spec: &AnalysisSpec,
    model: &LoadedModel,
    observer: &Listening<'_>,
) -> Result<Contents> {
    let title = format!("{} on {}", spec.name, model.identity.label(&job.model_name));
    let spec_line = ron_line(&AnalysisSpec {
        models: vec![job.model_name.clone()],
        ..spec.clone()
    });
    let spec_hash = spec.hash();
    let keys = spec.shared();
    let setting = Setting {
        keys: &keys,
        model,
        model_name: &job.model_name,
        title: &title,
        base: job.spec.base(),
        folder: &job.folder,
        spec_line: &spec_line,
        spec_hash: &spec_hash,
        observer,
    };
    let output = spec.analysis.run(&setting)?;
    let mut files = output.files;
    let stamp = PageStamp {
        title: &title,
        finding: &output.finding,
        secateur: VERSION,
        spec: spec_line.clone(),
        spec_hash,
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
        seconds: output.seconds,
        summary: Summary::Analysis(AnalysisSummary {
            finding: output.finding,
            target_reached: output.target_reached,
            below_target: output.below_target,
            warnings: output.warnings,
        }),
    })
}
