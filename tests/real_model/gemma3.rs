//! Gemma 3 270M: scored pieces, q/k norms, post-norms, local and global attention, K-quants.

use secateur::model::PrependBos;

use crate::facts;

#[test]
fn tokens_and_logits_are_as_recorded() {
    let recorded = include_str!("../fixtures/gemma3_270m.json");
    let model = facts::model("models/gemma3-270m.gguf", "scripts/get-models.sh gemma3");
    facts::assert_recorded(&model, recorded, PrependBos::Auto);
}
