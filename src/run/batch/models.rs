//! Models in memory, shared by the jobs that use them and gone when no job does.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::Result;
use crate::model::LoadedModel;
use crate::model::load_model_within;

/// One model of a batch: loaded by the first job that needs it, kept while a worker holds it.
#[derive(Debug, Default)]
pub(crate) struct SharedModel(Mutex<Weak<LoadedModel>>);

impl SharedModel {
    /// The model, for work that takes at most `memory` bytes; other workers that want it wait while it loads.
    pub(crate) fn get(
        &self,
        reference: &str,
        base: &Path,
        memory: Option<usize>,
    ) -> Result<Arc<LoadedModel>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose files changed is read again.
        let held = slot.upgrade();
        if let Some(model) = held.filter(|model| model.check_unchanged().is_ok()) {
            return Ok(model);
        }
        let model = Arc::new(load_model_within(reference, base, memory)?);
        *slot = Arc::downgrade(&model);
        Ok(model)
    }
}
