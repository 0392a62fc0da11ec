//! Scores: one number per edge, the estimated drop of the metric when it is ablated.

mod eap;
mod eap_ig;
mod exact;

pub use eap::Eap;
pub use eap_ig::EapIg;
pub use exact::Exact;
