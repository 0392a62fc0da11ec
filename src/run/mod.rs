//! Jobs: one spec on one model, batches of them, results on disk.

mod analysis;
mod asked_files;
mod batch;
mod circuit;
mod eval;
mod results;

pub use asked_files::AskedFiles;
pub use batch::job::JobCompletion;
pub use batch::memory::default_memory;
pub use batch::plan::{Job, plan};
pub use batch::record::{
    AnalysisSummary, CircuitSummary, Inputs, RESULT_FORMAT, RunEnvironment, RunRecord, Summary,
};
pub use batch::run::{BatchObserver, BatchOptions, JobReport, exit_code, run_batch};
pub use circuit::attention_patterns::AttentionPatterns;
pub use circuit::pipeline::{Outcome, evaluate_circuit, find_circuit};
pub use eval::{Reevaluation, read_circuit_text, reevaluate};
pub use results::{ResultsToMention, read_paper_results, read_results, results_to_mention};
