//! Edge attribution patching with integrated gradients over the token embedding.

use serde::{Deserialize, Serialize};

/// Parameters of EAP-IG (inputs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EapIg {
    /// Number of gradient runs between corrupt (included) and clean (not included).
    pub steps: usize,
}

impl Default for EapIg {
    fn default() -> Self {
        Self { steps: 5 }
    }
}
