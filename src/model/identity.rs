//! What a model is, as its own files say it: a paper has to name the model and how its weights are stored, and a folder's
//! name says neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::families::Description;
use super::source::{Folder, GgufHeader, GgufValue, TensorSource};
use crate::visible::is_hidden;

/// Letters of a name that are kept.
const LONGEST_NAME: usize = 120;
/// Files by their hash whose metadata lacks the name that they were published by.
const PUBLISHED: [(&str, &str, &str); 2] = [
    (SMOLLM2, "SmolLM2-135M-Instruct", "instruct"),
    (GEMMA3, "Gemma 3 270M", ""),
];
/// Model hashes of the two files that `scripts/get-models.sh` fetches.
const SMOLLM2: &str = "5f4fa13bfc6dd4a91fd00e22974a9c4e9ed628fd7d7f307398ddf30260d6b2c3";
const GEMMA3: &str = "cae8a85634ad6b98b9bd58f4d2ba2ed053f51a3b71ff3d7ca8644b2db1c1fad3";
/// Words in names of models that were tuned to follow instructions, and of those that were not.
const INSTRUCT: [&str; 4] = ["instruct", "chat", "it", "dpo"];
const BASE: [&str; 2] = ["base", "pt"];
/// Parts of the names of tensors with a row for each token or position.
const TABLES: [&str; 5] = ["embed", "token_embd", "wte", "wpe", "lm_head"];
/// `general.file_type` of GGUF files by number, for types that are a mix.
const FILE_TYPES: [(i128, &str); 11] = [
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (21, "Q2_K_S"),
    (7, "Q8_0"),
];

/// What a model is: names, tuning and how the weights are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelIdentity {
    /// The name that it was published by, where its hash is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Its name in its files: `general.name` of GGUF, `_name_or_path` of config.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_name: Option<String>,
    /// `general.basename`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basename: Option<String>,
    /// `general.size_label`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_label: Option<String>,
    /// `general.finetune`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetune: Option<String>,
    /// `instruct` or `base` where its names say so, or else `chat template` where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<String>,
    /// The type of most of its weights, or the mix they are in, such as `Q4_K_M`.
    pub quantisation: String,
    /// All of their types, such as `Q4_1, with Q8_0 embeddings`.
    pub weights: String,
}

impl ModelIdentity {
    /// The identity that a folder's configuration tells.
    pub(super) fn of_folder(
        folder: &Folder,
        json: &[u8],
        of: &Description,
        source: &dyn TensorSource,
    ) -> Self {
        let own_name = serde_json::from_slice::<Value>(json)
            .ok()
            .and_then(|keys| Some(plain(keys.get("_name_or_path")?.as_str()?)))
            .filter(|name| !name.is_empty());
        let template = || {
            let json = folder.get("tokenizer_config.json").ok().flatten()?;
            let keys: Value = serde_json::from_slice(&json).ok()?;
            keys.get("chat_template")
                .filter(|it| !it.is_null())
                .map(|_| ())
        };
        let templates = folder
            .names()
            .iter()
            .any(|name| name == "chat_template.jinja");
        let tuning = tuning(&[own_name.as_deref()], templates || template().is_some());
        Self {
            own_name,
            tuning,
            ..Self::of_weights(of, source, None)
        }
    }

    /// The identity that the metadata of a GGUF file tells.
    pub(super) fn of_gguf(
        header: &GgufHeader,
        of: &Description,
        source: &dyn TensorSource,
    ) -> Self {
        // A name that is no text is none.
        let text = |key: &str| {
            let text = header.text(key).ok().flatten();
            text.map(plain).filter(|text| !text.is_empty())
        };
        let file_type = match header.metadata.get("general.file_type") {
            Some(GgufValue::Integer(number)) => {
                FILE_TYPES.iter().find(|(known, _)| known == number)
            }
            _ => None,
        };
        let [own_name, basename, size_label, finetune] = [
            "general.name",
            "general.basename",
            "general.size_label",
            "general.finetune",
        ]
        .map(text);
        let template = header.metadata.contains_key("tokenizer.chat_template");
        let names = [
            finetune.as_deref(),
            own_name.as_deref(),
            basename.as_deref(),
        ];
        Self {
            tuning: tuning(&names, template),
            own_name,
            basename,
            size_label,
            finetune,
            ..Self::of_weights(of, source, file_type.map(|(_, name)| *name))
        }
    }

    /// The types of the weights; `mix` is what the file calls them together.
    fn of_weights(of: &Description, source: &dyn TensorSource, mix: Option<&str>) -> Self {
        let (mut maps, mut tables) = (BTreeMap::new(), BTreeMap::new());
        for name in source.names() {
            let Some(shape) = source.shape(name).filter(|shape| shape.len() > 1) else {
                continue;
            };
            let Some(element) = source.element(name).filter(|_| of.is_weight(name)) else {
                continue;
            };
            let size = shape
                .iter()
                .fold(1_usize, |size, width| size.saturating_mul(*width));
            let table = name == "output.weight" || TABLES.iter().any(|part| name.contains(part));
            let of: &mut BTreeMap<String, usize> = if table { &mut tables } else { &mut maps };
            let sum = of.entry(element).or_default();
            *sum = sum.saturating_add(size);
        }
        let embeddings = most_first(tables);
        let mut types = most_first(maps);
        if types.is_empty() {
            types.clone_from(&embeddings);
        }
        // A file that was made anew may still name the mix that it had.
        let mix = mix.filter(|mix| {
            types
                .iter()
                .any(|element| mix.starts_with(element.as_str()))
        });
        let most = types
            .first()
            .cloned()
            .unwrap_or_else(|| "no weights".into());
        let quantisation = mix.map_or(most, str::to_owned);
        let mut weights = quantisation.clone();
        if types.len() > 1 || types.first().is_some_and(|only| *only != quantisation) {
            weights = format!("{weights} ({})", types.join(", "));
        }
        let others: Vec<String> = embeddings
            .into_iter()
            .filter(|element| *element != quantisation)
            .collect();
        if !others.is_empty() {
            weights = format!("{weights}, with {} embeddings", others.join(" and "));
        }
        Self {
            quantisation,
            weights,
            ..Self::default()
        }
    }

    /// Adds the name that a model of this hash was published by.
    pub(super) fn recognised(mut self, hash: &str) -> Self {
        if let Some((_, name, tuning)) = PUBLISHED.iter().find(|(known, ..)| hash == *known) {
            self.published = Some((*name).to_owned());
            if !tuning.is_empty() {
                self.tuning = Some((*tuning).to_owned());
            }
        }
        self
    }

    /// Its name, published or its own.
    pub fn name(&self) -> Option<&str> {
        self.published.as_deref().or(self.own_name.as_deref())
    }

    /// The name of a model in the results with what it is, such as
    /// `smollm2-135m (SmolLM2-135M-Instruct, Q4_1)`. Plain single precision goes without saying.
    pub fn label(&self, result_name: &str) -> String {
        let name = self.name().filter(|name| *name != result_name);
        let stored = Some(&*self.quantisation).filter(|stored| *stored != "F32");
        let parts: Vec<&str> = name.into_iter().chain(stored).collect();
        if parts.is_empty() {
            result_name.to_owned()
        } else {
            format!("{result_name} ({})", parts.join(", "))
        }
    }
}

/// Types of elements, those of most numbers first.
fn most_first(sizes: BTreeMap<String, usize>) -> Vec<String> {
    let mut types: Vec<(String, usize)> = sizes.into_iter().collect();
    types.sort_by(|(one, a), (other, b)| b.cmp(a).then_with(|| one.cmp(other)));
    types.into_iter().map(|(element, _)| element).collect()
}

/// What names and a template for chats say about a model's tuning.
fn tuning(names: &[Option<&str>], template: bool) -> Option<String> {
    let words: Vec<String> = names
        .iter()
        .flatten()
        .flat_map(|name| name.split(|letter: char| !letter.is_alphanumeric()))
        .map(str::to_lowercase)
        .collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let found = if has(&INSTRUCT) {
        "instruct"
    } else if has(&BASE) {
        "base"
    } else if template {
        "chat template"
    } else {
        return None;
    };
    Some(found.to_owned())
}

/// A name from a file on one line, without what cannot be seen.
fn plain(name: &str) -> String {
    let seen = name.chars().filter(|letter| !is_hidden(*letter));
    let name: String = seen.take(LONGEST_NAME).collect();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_a_model_was_tuned() {
        for (names, template, wanted) in [
            (&[Some("Llama 3.2 1B Instruct")][..], true, Some("instruct")),
            (&[None, Some("gemma-3-270m-it")], false, Some("instruct")),
            (&[Some("SmolLM3-3B-Base")], true, Some("base")),
            (&[Some("Summit 7b")], true, Some("chat template")),
            (&[Some("Gemma 3 270m")], false, None),
        ] {
            assert_eq!(tuning(names, template).as_deref(), wanted, "{names:?}");
        }
    }

    #[test]
    fn labels_name_what_the_result_name_does_not() {
        let mut identity = ModelIdentity {
            quantisation: "Q4_1".into(),
            ..ModelIdentity::default()
        };
        assert_eq!(identity.label("m"), "m (Q4_1)");
        identity.own_name = Some(plain("My\u{202e} \nModel "));
        assert_eq!(identity.label("m"), "m (My Model, Q4_1)");
        identity.published = Some("m".into());
        identity.quantisation = "F32".into();
        assert_eq!(identity.label("m"), "m");
    }
}
