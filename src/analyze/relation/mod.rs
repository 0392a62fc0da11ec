//! Whether a relation is a linear map inside the model: from what stands for a subject to what stands for its object.
//!
//! A prompt says something about a subject, "The capital of France is". The stream `s` after some layer at the subject's last
//! token decides the stream `o` that the final norm reads at the prompt's end. Of some subjects that the model answers correctly the
//! objects of, the mean of the Jacobians `W` of `o` by `s` and of `b = o - W s` make a linear relational embedding: `beta W s +
//! b` stands for the object of any subject. It is faithful as far as it decodes to the model's prediction, and causal as far as
//! adding `W^+ (o' - o)` to `s` makes the model say the object of `o'`. Layer, `beta` and the rank of the inverse are chosen on
//! discovery subjects and judged on held-out ones. Reference: Hernandez et al., "Linearity of relation decoding in
//! transformer language models", arXiv:2308.09124.

mod analysis;
mod baselines;
mod edits;
mod faithful;
mod found;
mod inverse;
mod known;
mod parameters;
mod report;
mod run;
mod template;
mod text;

pub use inverse::LowRankInverse;
pub use parameters::Relation;
pub use report::{
    CausalBaselines, CausalityResult, FaithfulBaselines, FaithfulnessResult, LayerScores,
    RelationReport, RelationRows, SubjectRow,
};
pub use run::{RelationTask, decode_relation};
pub use text::{betas_svg, ranks_svg, relation_csv, relation_svg, relation_text, subjects_csv};
