//! The keys of a config.json that no family reads: known to change no logit, or named in a warning.
//!
//! The lists follow transformers 5: what its configurations hold beside what its models compute with.

use serde_json::Value;

use super::Family;
use super::keys::Keys;
use crate::error::Result;

/// Keys that change no logit whatever their value.
const HARMLESS: &[&str] = &[
    // About the file and the program that wrote it.
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "_sliding_window_pattern",
    "architectures",
    "model_type",
    "name_or_path",
    "tokenizer_class",
    "transformers_version",
    "transformers.js_config",
    "unsloth_fixed",
    "unsloth_version",
    // About how a program computes.
    "_attn_implementation",
    "_attn_implementation_internal",
    "attn_implementation",
    "cache_implementation",
    "chunk_size_feed_forward",
    "dtype",
    "experts_implementation",
    "keys_to_ignore_at_inference",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pretraining_tp",
    "reorder_and_upcast_attn",
    "return_dict",
    "return_dict_in_generate",
    "tie_last_hidden_states",
    "torch_dtype",
    "torchscript",
    "use_bfloat16",
    "use_cache",
    "use_flash_attn",
    // About training.
    "attention_dropout",
    "attn_pdrop",
    "classifier_dropout",
    "embd_pdrop",
    "gradient_checkpointing",
    "hidden_dropout",
    "initializer_range",
    "resid_pdrop",
    "tie_encoder_decoder",
    // About heads other than the language model's.
    "finetuning_task",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    // About tokens and what is written with them.
    "assistant_confidence_threshold",
    "assistant_lookbehind",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "no_repeat_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "prefix",
    "remove_invalid_values",
    "repetition_penalty",
    "sep_token_id",
    "suppress_tokens",
    "target_lookbehind",
    "task_specific_params",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    // In many files, read by no class: the length of GPT-2, the role among models of other kinds, what Qwen's and Phi's own
    // code read.
    "is_decoder",
    "n_ctx",
];

/// Keys that are in the files of families that do not read them, and change nothing while they are off.
const HARMLESS_WHEN_OFF: &[&str] = &[
    "add_cross_attention",
    "attention_bias",
    "is_encoder_decoder",
    "mlp_bias",
    "per_layer_config",
    "pruned_heads",
    "rope_interleaved",
    "use_bidirectional_attention",
    "use_sliding_window",
];

/// Keys of `TransformerLens` that change no logit.
const HARMLESS_LENS: &[&str] = &[
    "bos",
    "bos_id",
    "checkpoint_index",
    "checkpoint_label_type",
    "checkpoint_value",
    "default_prepend_bos",
    "device",
    "from_checkpoint",
    "init_mode",
    "init_weights",
    "model_name",
    "n_devices",
    "n_params",
    "name",
    "original_architecture",
    "output",
    "output_values",
    "program",
    "residual_labels",
    "seed",
    "source",
    "tokenizer_name",
    "tokenizer_prepends_bos",
    "trust_remote_code",
    "unused_heads",
    "unused_mlps",
    "use_attn_in",
    "use_attn_result",
    "use_hook_mlp_in",
    "use_hook_tokens",
    "use_split_qkv_input",
    "vocab",
];

/// Letters of a value that a warning shows.
const SHOWN: usize = 60;

/// Goes through the keys that the family did not read: refuses what makes it another model, and warns of what is not known.
///
/// # Errors
/// When layers have configurations of their own.
pub(super) fn check_rest(keys: &Keys, family: &dyn Family) -> Result<()> {
    if keys
        .object("per_layer_config")?
        .is_some_and(|layers| !layers.is_empty())
    {
        return Err(keys.unsupported("per_layer_config", "the same configuration in all layers"));
    }
    own_code(keys, family)?;
    other_class(keys, family)?;
    let lens = family.name() == "transformer_lens";
    for (key, value) in keys.unread() {
        let known = HARMLESS.contains(&key.as_str())
            || (HARMLESS_WHEN_OFF.contains(&key.as_str()) && is_off(&value))
            || (lens && HARMLESS_LENS.contains(&key.as_str()));
        if !known {
            keys.warn(&format!(
                "{key} is {}, which Secateur does not read for models of the family {}; it was ignored",
                shown(&value),
                family.name()
            ));
        }
    }
    Ok(())
}

/// Warns of code that comes with the model and was not run.
fn own_code(keys: &Keys, family: &dyn Family) -> Result<()> {
    if let Some(map) = keys.object("auto_map")? {
        let classes: Vec<String> = map.unread().into_iter().map(|(_, it)| shown(&it)).collect();
        keys.warn(&format!(
            "auto_map names code of the model's own ({}), which was not run: the numbers are those of the family {}, as in \
             transformers without trust_remote_code",
            classes.join(", "),
            family.name()
        ));
    }
    Ok(())
}

/// Warns where the file names another class than the family's.
fn other_class(keys: &Keys, family: &dyn Family) -> Result<()> {
    let classes = keys.texts("architectures")?.unwrap_or_default();
    let class = family.class();
    let bare = class.replace("ForCausalLM", "Model");
    let bare = bare
        .replace("LMHeadModel", "Model")
        .replace("Gemma3Model", "Gemma3TextModel");
    let known = |named: &&str| *named == class || *named == bare;
    if let Some(other) = classes.first().filter(|named| !known(named))
        && family.name() != "transformer_lens"
    {
        keys.warn(&format!(
            "architectures names {other}; the model was read as {class}, after its model_type"
        ));
    }
    Ok(())
}

/// Whether a value switches nothing on.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// A value, or its beginning.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
