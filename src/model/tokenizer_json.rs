//! Tokenizers of model folders: tokenizer.json, and the beginning-of-sequence rule beside it.

use serde::Deserialize;
use serde_json::Value;

use super::Tokenizer;
use super::source::Folder;
use crate::error::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

#[derive(Default, Deserialize)]
struct ConfigIds {
    bos_token_id: Option<Value>,
    eos_token_id: Option<Value>,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    add_bos_token: Option<bool>,
    bos_token: Option<Value>,
}

/// The tokenizer of a folder, or why there is none.
///
/// # Errors
/// When there is one that cannot be read.
pub(super) fn read(
    folder: &Folder,
    config: &[u8],
) -> Result<std::result::Result<Tokenizer, String>> {
    let Some(json) = folder.get(TOKENIZER)? else {
        return Ok(Err(format!(
            "there is no {TOKENIZER} in {}",
            folder.label()
        )));
    };
    let broken =
        |error: &dyn std::fmt::Display| Error::model(folder.file(TOKENIZER), error.to_string());
    let inner = tokenizers::Tokenizer::from_bytes(&*json)
        .map_err(|error| broken(&format!("not a tokenizer: {error}")))?;
    let ids: ConfigIds = serde_json::from_slice(config).unwrap_or_default();
    let rule: TokenizerConfig = match folder.get(TOKENIZER_CONFIG)? {
        Some(json) => serde_json::from_slice(&json).map_err(|error| {
            let problem = format!("not a tokenizer configuration: {error}");
            Error::model(folder.file(TOKENIZER_CONFIG), problem)
        })?,
        None => TokenizerConfig::default(),
    };
    let eos = ids.eos_token_id.as_ref().and_then(first_id);
    let named = rule.bos_token.as_ref().and_then(|token| {
        // Either the text, or an object with the text in it.
        let text = token.as_str().or_else(|| token.get("content")?.as_str())?;
        inner.token_to_id(text)
    });
    let known = named.or_else(|| ids.bos_token_id.as_ref().and_then(first_id));
    // What the tokenizer's own post-processor puts around nothing.
    let around = inner
        .encode("", true)
        .map_err(|error| broken(&format!("cannot encode an empty text: {error}")))?;
    let first = around.get_ids().first().copied();
    let put = first.filter(|id| Some(*id) == known || Some(*id) != eos);
    let adds_bos = match rule.add_bos_token {
        Some(adds) => adds && (put.is_some() || known.is_some()),
        None => put.is_some(),
    };
    Ok(Ok(
        Tokenizer::new(inner, put.or(known), adds_bos).ending_with(eos)
    ))
}

/// A token id, or the first of a list.
fn first_id(value: &Value) -> Option<u32> {
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    u32::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::PrependBos;

    /// Whether text gets a beginning-of-sequence token, and what `Always` gives for "a".
    fn rule(
        post_processor: &Value,
        config: &Value,
        rule: Option<&Value>,
    ) -> (bool, Option<Vec<u32>>) {
        let folder = tempfile::tempdir().unwrap();
        let token = |id: u32, content: &str| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        };
        let tokenizer = json!({
            "version": "1.0",
            "added_tokens": [token(0, "<s>"), token(1, "</s>")],
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": post_processor,
            "model": {"type": "WordLevel", "vocab": {"<s>": 0, "</s>": 1, "a": 2}, "unk_token": "</s>"},
        });
        fs_err::write(folder.path().join(TOKENIZER), tokenizer.to_string()).unwrap();
        if let Some(rule) = rule {
            fs_err::write(folder.path().join(TOKENIZER_CONFIG), rule.to_string()).unwrap();
        }
        let folder = Folder::Directory(folder.path().to_owned());
        let tokenizer = read(&folder, config.to_string().as_bytes())
            .unwrap()
            .unwrap();
        let always = tokenizer.encode("a", PrependBos::Always).ok();
        (tokenizer.prepends_bos(PrependBos::Auto), always)
    }

    #[test]
    fn the_rule_is_the_post_processors_unless_the_configuration_says_otherwise() {
        let around = |single: Value| {
            json!({
                "type": "TemplateProcessing",
                "single": single,
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {
                    "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                    "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
                },
            })
        };
        let text = json!({"Sequence": {"id": "A", "type_id": 0}});
        let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
        let first = around(json!([special("<s>"), text]));
        let last = around(json!([text, special("</s>")]));
        let ids = json!({"bos_token_id": 0, "eos_token_id": [1]});
        let none = json!({});
        let always = Some(vec![0, 2]);

        assert_eq!(rule(&first, &none, None), (true, always.clone()));
        assert_eq!(
            rule(&first, &ids, Some(&json!({"add_bos_token": false}))),
            (false, always.clone())
        );
        assert_eq!(rule(&last, &ids, None), (false, always.clone()));
        assert_eq!(rule(&Value::Null, &ids, None), (false, always.clone()));
        assert_eq!(rule(&Value::Null, &none, None), (false, None));
        let named = json!({"add_bos_token": true, "bos_token": {"content": "<s>"}});
        assert_eq!(rule(&Value::Null, &none, Some(&named)), (true, always));
    }
}
