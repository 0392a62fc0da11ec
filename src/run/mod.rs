//! Jobs: one spec on one model, batches of them, results on disk.

mod analysis_job;
mod attention_job;
mod batch;
mod bench;
mod circuit_job;
mod circuit_operations;
mod circuit_page;
mod edit_job;
mod eval;
mod feature_circuit_job;
mod files;
mod golden;
mod job;
mod lens_job;
mod listening;
mod logits;
mod memory;
mod models;
mod neurons_job;
mod operations;
mod parity;
mod patchscope_job;
mod pieces;
#[doc(hidden)]
mod pipeline;
mod plan;
mod precision;
mod profile;
mod prompt_job;
mod provenance;
mod record;
mod relation_job;
mod residual_job;
mod results;
mod roofline;
mod sae_checkpoint;
mod sae_files;
mod sae_job;
mod sae_train;
mod seen_by_heads;
mod slips;
mod step_clock;
mod text;
mod tracing_job;
mod unchanged;
mod vector_job;

pub use batch::{BatchObserver, BatchOptions, JobReport, exit_code, run_batch};
pub use bench::{Timing, Work, time};
pub use eval::{Reevaluation, read_circuit_text, reevaluate};
pub use files::write_file;
pub use golden::Golden;
pub use job::Finish;
pub use logits::last_logits;
pub use memory::default_memory;
pub use parity::{Difference, Parity, parity};
pub use pipeline::{Outcome, evaluate_circuit, find_circuit};
pub use plan::{Job, plan};
pub use prompt_job::run_prompt;
pub use provenance::VERSION;
pub use record::{
    AnalysisSummary, CircuitSummary, Circumstances, Inputs, RESULT_FORMAT, RunRecord, Summary,
};
pub use results::{read_paper_results, read_results};
pub use roofline::{MatrixRate, bandwidth};
pub use seen_by_heads::SeenByHeads;
