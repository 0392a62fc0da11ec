//! Edge attribution patching.

use serde::{Deserialize, Serialize};

/// Parameters of EAP: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eap {}
