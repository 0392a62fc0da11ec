//! The metadata keys of a GGUF file that no family reads: known to change no logit, or named in a warning.

use crate::model::source::GgufHeader;

/// What keys begin with that say who made the file, and how; the tokenizer has its own reader.
const HARMLESS_BEGINNINGS: &[&str] = &["general.", "quantize.", "split.", "tokenizer."];

/// What comes after the architecture in keys that change no logit of a model that is read without them.
const HARMLESS: &[&str] = &[
    "expert_used_count",
    "pooling_type",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "tensor_data_layout",
    "vocab_size",
];

/// Keys that a warning names.
const NAMED: usize = 20;

/// A warning about the keys that nobody read and that are not known, where there are some.
pub(super) fn unread(header: &GgufHeader) -> Vec<String> {
    let unread = header.unread().into_iter().filter(|key| {
        let end = key.split_once('.').map_or(*key, |(_, end)| end);
        !HARMLESS_BEGINNINGS.iter().any(|it| key.starts_with(it)) && !HARMLESS.contains(&end)
    });
    let mut unread: Vec<&str> = unread.collect();
    if unread.is_empty() {
        return Vec::new();
    }
    let more = unread.len().saturating_sub(NAMED);
    unread.truncate(NAMED);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    vec![format!(
        "{}: metadata that Secateur does not read for models of this architecture was ignored: {}{more}",
        header.file,
        unread.join(", ")
    )]
}
