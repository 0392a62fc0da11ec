//! Tokenizers of model folders: tokenizer.json, and the beginning-of-sequence rule beside it.

use serde_json::Value;

use super::library::Library;
use super::settings::{self, Settings};
use super::{Found, Inner, Tokenizer};
use crate::input::{self, without_bom};
use crate::model::source::Folder;

const TOKENIZER: &str = "tokenizer.json";
/// A model of `SentencePiece`.
const MODEL: &str = "tokenizer.model";
/// Largest tokenizer.json, in bytes: the largest vocabularies take some 35 MB.
const LARGEST: usize = 100 << 20;

/// The tokenizer of a folder, or why there is none; `config` is the folder's config.json.
pub(in crate::model) fn read(folder: &Folder, config: &[u8]) -> Found {
    let json = match folder.get(TOKENIZER) {
        Ok(Some(json)) => json,
        Ok(None) => {
            return Found::none(absent(folder));
        }
        Err(error) => return Found::unusable(error.to_string()),
    };
    let mut warnings = Vec::new();
    match tokenizer(&json, (folder, config), &mut warnings) {
        Ok(tokenizer) => Found {
            tokenizer: Ok(tokenizer),
            warnings,
        },
        Err(reason) => Found::unusable(reason),
    }
}

/// The tokenizer in a tokenizer.json.
///
/// # Errors
/// Why it cannot be used, with the file at fault.
fn tokenizer(
    json: &[u8],
    (folder, config): (&Folder, &[u8]),
    warnings: &mut Vec<String>,
) -> Result<Tokenizer, String> {
    let broken = |problem: String| format!("{}: {problem}", folder.file(TOKENIZER));
    if json.len() > LARGEST {
        return Err(broken(
            "larger than 100 MiB: this is not a tokenizer".into(),
        ));
    }
    let mut file = match serde_json::from_slice(without_bom(json)) {
        Ok(Value::Object(file)) => file,
        Ok(_) => return Err(broken("not a tokenizer: it is not a JSON object".into())),
        Err(error) => return Err(broken(format!("not a tokenizer: {error}"))),
    };
    let settings = Settings::read(folder, config).map_err(|error| error.to_string())?;
    settings.add_tokens(&mut file);
    warnings.extend(settings.set_prefix_space(&mut file));
    let (inner, around) = Library::from_json(file)
        .map_err(|problem| broken(format!("not a tokenizer that can be used: {problem}")))?;
    let inner = inner.splitting_special(settings.splits_special());
    warnings.extend(settings.misplaced(|token| inner.id(token)));
    let config: Value = input::json(config).unwrap_or_default();
    let eos = first_id(&config["eos_token_id"]);
    let named = settings.bos().and_then(|token| inner.id(token));
    let known = named.or_else(|| first_id(&config["bos_token_id"]));
    let (adds, warning) = settings.adds_bos(!around.front.is_empty());
    warnings.extend(warning);
    let shown = |&token: &u32| format!("{:?} (token {token})", inner.text(&[token]));
    let back: Vec<String> = around.back.iter().map(shown).collect();
    warnings.extend(settings.appends(&back));
    let front = if around.front.is_empty() {
        known.into_iter().collect()
    } else {
        around.front
    };
    Ok(Tokenizer::of(Inner::Library(inner), front, adds).ending_with(eos))
}

/// Why there is no tokenizer, with the files of older tokenizers that lie there.
fn absent(folder: &Folder) -> String {
    let older = [MODEL, "vocab.json", "merges.txt"];
    let there: Vec<&str> = older.into_iter().filter(|name| folder.has(name)).collect();
    let reason = format!("there is no {TOKENIZER} in {}", folder.label());
    if there.is_empty() {
        return reason;
    }
    format!(
        "{reason}, and {} is not read; transformers makes one of it: \
         AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        there.join(" with ")
    )
}

/// The hash of all files that a tokenizer is made of, where there is any. What cannot be read is left out: the tokenizer
/// says what is wrong with it.
pub(in crate::model) fn hash(folder: &Folder) -> Option<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut any = false;
    for name in [TOKENIZER].into_iter().chain(settings::FILES) {
        if let Ok(Some(bytes)) = folder.get(name) {
            any = true;
            hasher.update(name.as_bytes());
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
    }
    any.then(|| hasher.finalize())
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
            fs_err::write(
                folder.path().join("tokenizer_config.json"),
                rule.to_string(),
            )
            .unwrap();
        }
        let folder = Folder::Directory(folder.path().to_owned());
        let found = read(&folder, config.to_string().as_bytes());
        let tokenizer = found.tokenizer.unwrap();
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
            rule(
                &first,
                &ids,
                Some(&json!({"tokenizer_class": "LlamaTokenizer", "add_bos_token": false}))
            ),
            (false, always.clone())
        );
        assert_eq!(rule(&last, &ids, None), (false, always.clone()));
        assert_eq!(rule(&Value::Null, &ids, None), (false, always.clone()));
        assert_eq!(rule(&Value::Null, &none, None), (false, None));
        let named = json!({"tokenizer_class": "GemmaTokenizer", "add_bos_token": true, "bos_token": {"content": "<s>"}});
        assert_eq!(rule(&Value::Null, &none, Some(&named)), (true, always));
    }
}
