//! What heads look at, scored on repeated random tokens and on prompts, and the roles that follow from it.

mod eigenvalues;
mod parameters;
mod random;
mod report;
mod run;

pub use parameters::{AttentionRoles, RandomTokens};
pub use random::Repeated;
pub use report::{AttentionReport, DrawnHead, HeadScores, Role, Roles, Score};
pub use run::{Answered, AttentionTask, score_heads};
