//! Prompts that are run once and run again from a layer on, with the stream, components or representations changed.

pub(in crate::engine) mod jacobian;
pub(in crate::engine) mod overwritten;
pub(in crate::engine) mod replaced;
pub(in crate::engine) mod restored;
pub(in crate::engine) mod resume;
pub(in crate::engine) mod site;
pub(in crate::engine) mod splice;
pub(in crate::engine) mod steer;
