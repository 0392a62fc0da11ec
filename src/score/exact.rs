//! Exact patching of every edge.

use serde::{Deserialize, Serialize};

/// Parameters of exact edge patching: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {}
