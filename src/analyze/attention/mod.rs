//! What heads look at, scored on repeated random tokens and on prompts, and the roles that follow from it.

mod analysis;
mod eigenvalues;
mod parameters;
mod random;
mod report;
mod run;
mod text;

pub use parameters::{AttentionRoles, RandomTokens};
pub use random::Repeated;
pub use report::{AttentionReport, DrawnHead, HeadScores, Role, Score};
pub use run::{Answered, AttentionTask, score_heads};
pub use text::{attention_csv, attention_html, attention_svg, attention_text, roles_of};
