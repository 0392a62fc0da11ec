//! The forward pass with every edge kept, its vector-Jacobian product, and what can be read from a pass.

pub(in crate::engine) mod attention;
pub(in crate::engine) mod backward;
pub(in crate::engine) mod changes;
pub(in crate::engine) mod copying;
pub(in crate::engine) mod dense;
pub(in crate::engine) mod divergence;
pub(in crate::engine) mod forward;
pub(in crate::engine) mod generate;
pub(in crate::engine) mod hidden;
pub(in crate::engine) mod intervention;
pub(in crate::engine) mod layout;
pub(in crate::engine) mod logit_direction;
pub(in crate::engine) mod memory;
pub(in crate::engine) mod patterns;
pub(in crate::engine) mod precision;
pub(in crate::engine) mod prefix;
pub(in crate::engine) mod readout;
pub(in crate::engine) mod residual;
pub(in crate::engine) mod sensitivity;
pub(in crate::engine) mod site_gradients;
pub(in crate::engine) mod steering;
pub(in crate::engine) mod streams;
pub mod timing;
pub(in crate::engine) mod token_vector;
pub(in crate::engine) mod transformer;
