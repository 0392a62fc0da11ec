//! What stands beside a tokenizer.json: `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
//!
//! transformers reads them by rules that depend on the class of the tokenizer. What is tracked here is what it does with a
//! tokenizer.json in the folder; where its releases differ, the file that names the behaviour is.

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::input;
use crate::model::source::Folder;

const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// Largest of these files, in bytes: they name tokens and a chat template.
const LARGEST: usize = 16 << 20;

/// The names of tokens with a part of their own, in the order in which transformers adds them.
const NAMED: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Lists of more of them.
const OTHER: [&str; 2] = ["extra_special_tokens", "additional_special_tokens"];

/// The files beside tokenizer.json that say something about it.
pub(super) const FILES: [&str; 3] = [CONFIG, SPECIAL, ADDED];

/// The keys of `tokenizer_config.json`.
#[derive(Debug, Default)]
pub(super) struct Settings {
    keys: Map<String, Value>,
    /// The class without "Fast".
    class: String,
    /// Tokens that tokenizer.json may lack, in the order in which they are added, with the ids that they should have.
    tokens: Vec<Declared>,
}

/// A token that stands beside tokenizer.json.
#[derive(Debug, Clone)]
struct Declared {
    content: String,
    /// As an entry of `added_tokens` in tokenizer.json.
    entry: Value,
    id: Option<u64>,
}

/// An object in a file of the folder; none where there is no such file.
fn object(folder: &Folder, name: &str) -> Result<Option<Map<String, Value>>> {
    let Some(bytes) = folder.get(name)? else {
        return Ok(None);
    };
    let fail = |problem: &str| Error::model(folder.file(name), problem);
    if bytes.len() > LARGEST {
        return Err(fail(
            "larger than 16 MiB: this says nothing about a tokenizer",
        ));
    }
    match input::json(&bytes) {
        Ok(Value::Object(keys)) => Ok(Some(keys)),
        Ok(_) => Err(fail("not a JSON object")),
        Err(problem) => Err(fail(&problem)),
    }
}

/// The text of a token: it stands alone, or in an object with its properties.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

impl Settings {
    /// Reads the files beside a tokenizer.json; `config` is the folder's config.json.
    ///
    /// # Errors
    /// When one of them is broken.
    pub(super) fn read(folder: &Folder, config: &[u8]) -> Result<Self> {
        let mut keys = object(folder, CONFIG)?.unwrap_or_default();
        let config: Value = input::json(config).unwrap_or_default();
        let class = keys
            .get("tokenizer_class")
            .unwrap_or(&config["tokenizer_class"]);
        let class = class.as_str().unwrap_or_default();
        let class = class.strip_suffix("Fast").unwrap_or(class).to_owned();
        let mut tokens = Vec::new();
        if let Some(decoder) = keys.get("added_tokens_decoder").and_then(Value::as_object) {
            for (id, token) in decoder {
                tokens.extend(Declared::new(token, id.parse().ok(), false));
            }
            tokens.sort_by_key(|token| token.id);
        } else {
            // Older folders have these two files instead.
            for (key, value) in object(folder, SPECIAL)?.unwrap_or_default() {
                keys.insert(key, value);
            }
            for (text, id) in object(folder, ADDED)?.unwrap_or_default() {
                let special = special(&keys).any(|token| content(token) == Some(&text));
                let token = json!({"content": text, "special": special, "normalized": !special});
                tokens.extend(Declared::new(&token, id.as_u64(), false));
            }
            tokens.sort_by_key(|token| token.id);
        }
        for token in special(&keys) {
            let known = |it: &Declared| content(token) == Some(&it.content);
            if !tokens.iter().any(known) {
                tokens.extend(Declared::new(token, None, true));
            }
        }
        Ok(Self {
            keys,
            class,
            tokens,
        })
    }

    /// Whether special tokens in a text are cut as any other text.
    pub(super) fn splits_special(&self) -> bool {
        self.switch("split_special_tokens") == Some(true)
    }

    fn switch(&self, key: &str) -> Option<bool> {
        self.keys.get(key)?.as_bool()
    }

    /// The text of the beginning-of-sequence token.
    pub(super) fn bos(&self) -> Option<&str> {
        content(self.keys.get("bos_token")?)
    }

    /// Whether text gets a beginning-of-sequence token, where `template` is what tokenizer.json says; and a warning where
    /// the two files contradict each other.
    pub(super) fn adds_bos(&self, template: bool) -> (bool, Option<String>) {
        let said = self.switch("add_bos_token");
        let adds = match self.class.as_str() {
            "LlamaTokenizer" | "CodeLlamaTokenizer" | "GemmaTokenizer" => said.unwrap_or(template),
            // Its post-processor is never that of the file.
            "GPTNeoXTokenizer" => said.unwrap_or(false),
            _ => template,
        };
        let contradicts = said.is_some_and(|said| said != template) || adds != template;
        let warning = contradicts.then(|| {
            let does = |adds: bool| if adds { "puts" } else { "does not put" };
            let config = match said {
                Some(said) => format!("add_bos_token is {said}"),
                None => "add_bos_token is left out".to_owned(),
            };
            let taken = if adds == template {
                "tokenizer.json"
            } else {
                CONFIG
            };
            let class = if self.class.is_empty() {
                "a tokenizer without class".to_owned()
            } else {
                format!("the class {}", self.class)
            };
            format!(
                "{CONFIG} and tokenizer.json contradict each other: {config}, and the post-processor {} a \
                 beginning-of-sequence token in front; {taken} is taken, as transformers 4 does for {class}, so text gets {} (prepend_bos \
                 in the spec overrules both)",
                does(template),
                if adds { "one" } else { "none" },
            )
        });
        (adds, warning)
    }

    /// A warning that tokens after a text are left out, where the files want some.
    pub(super) fn appends(&self, back: &[String]) -> Option<String> {
        let asked = self.switch("add_eos_token") == Some(true);
        if back.is_empty() && !asked {
            return None;
        }
        let what = if back.is_empty() {
            format!("{CONFIG} has add_eos_token: true")
        } else {
            format!(
                "the post-processor of tokenizer.json puts {} after each text",
                back.join(" ")
            )
        };
        Some(left_out(&what))
    }

    /// Adds to a tokenizer.json the tokens that stand beside it.
    pub(super) fn add_tokens(&self, file: &mut Map<String, Value>) {
        let listed = file.entry("added_tokens").or_insert_with(|| json!([]));
        let Value::Array(listed) = listed else {
            return;
        };
        for token in &self.tokens {
            let known = listed
                .iter_mut()
                .find(|it| content(it) == Some(&token.content));
            match known {
                // How a token is found in text is said last by tokenizer_config.json.
                Some(known) if token.id.is_some() => {
                    for (key, value) in token.entry.as_object().into_iter().flatten() {
                        if key != "id" {
                            known[key] = value.clone();
                        }
                    }
                }
                Some(_) => {}
                None => listed.push(token.entry.clone()),
            }
        }
    }

    /// Tokens whose ids are not those that the files beside tokenizer.json give them, in words.
    pub(super) fn misplaced(&self, id: impl Fn(&str) -> Option<u32>) -> Vec<String> {
        let tokens = self.tokens.iter().filter_map(|token| {
            let (said, got) = (token.id?, id(&token.content)?);
            (said != u64::from(got)).then(|| {
                let text = &token.content;
                format!(
                    "the token {text:?} has the id {said} in {CONFIG} or {ADDED}, and {got} by tokenizer.json; {got} is \
                     taken, as transformers does"
                )
            })
        });
        tokens.collect()
    }

    /// Sets whether text gets a space in front, for the classes of which transformers lets `tokenizer_config.json` say so; a
    /// warning where that contradicts the file, or is not followed.
    pub(super) fn set_prefix_space(&self, file: &mut Map<String, Value>) -> Option<String> {
        let said = self.switch("add_prefix_space");
        let bytes = file.get("pre_tokenizer").and_then(byte_level);
        let metaspace = prefix_of_pieces(file);
        let contradiction = |has: bool, taken: &str| {
            let does = if has { "puts" } else { "puts no" };
            let said = said.map_or("left out".to_owned(), |said| said.to_string());
            format!(
                "{CONFIG} and tokenizer.json contradict each other: add_prefix_space is {said}, and tokenizer.json {does} \
                 a space in front of text; {taken} is taken, as transformers does for the class {:?}",
                self.class
            )
        };
        match (self.class.as_str(), bytes, metaspace) {
            ("GPT2Tokenizer" | "GPTNeoXTokenizer" | "Qwen2Tokenizer", Some(has), _) => {
                let wanted = said.unwrap_or(false);
                if wanted == has {
                    return None;
                }
                set_byte_level(&mut file["pre_tokenizer"], wanted);
                Some(contradiction(has, CONFIG))
            }
            ("LlamaTokenizer" | "CodeLlamaTokenizer", None, Some(has)) => {
                let wanted = said.filter(|wanted| *wanted != has)?;
                set_prefix_of_pieces(file, wanted);
                Some(contradiction(has, CONFIG))
            }
            (_, bytes, metaspace) => {
                let has = bytes.or(metaspace)?;
                let differs = said.is_some_and(|said| said != has);
                differs.then(|| contradiction(has, "tokenizer.json"))
            }
        }
    }
}

/// A warning that something is not put after texts.
pub(super) fn left_out(what: &str) -> String {
    format!(
        "{what}; it is left out, as the model is asked what follows a prompt: write such a token into the prompts where it \
         belongs"
    )
}

impl Declared {
    /// A token by its entry: of a named or additional token whose entry is its text, special.
    fn new(token: &Value, id: Option<u64>, special: bool) -> Option<Self> {
        let content = content(token)?.to_owned();
        if content.is_empty() {
            return None;
        }
        let flag =
            |key: &str, default: bool| token.get(key).and_then(Value::as_bool).unwrap_or(default);
        let special = flag("special", special) || special;
        let entry = json!({
            "id": id.unwrap_or(0),
            "content": content,
            "single_word": flag("single_word", false),
            "lstrip": flag("lstrip", false),
            "rstrip": flag("rstrip", false),
            "normalized": flag("normalized", !special),
            "special": special,
        });
        Some(Self { content, entry, id })
    }
}

/// The named tokens, then the other special ones.
fn special(keys: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let named = NAMED.iter().filter_map(|key| keys.get(*key));
    let lists = OTHER.iter().filter_map(|key| keys.get(*key));
    let more = lists.flat_map(|list| {
        let array = list.as_array().into_iter().flatten();
        array.chain(list.as_object().into_iter().flat_map(|it| it.values()))
    });
    named.chain(more).filter(|token| content(token).is_some())
}

/// The steps of a part of a tokenizer.json, of lists the steps in them.
fn steps<'v>(step: &'v Value, list: &str, found: &mut Vec<&'v Value>) {
    found.push(step);
    for inner in step
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        steps(inner, list, found);
    }
}

fn is(step: &Value, kind: &str) -> bool {
    step.get("type").and_then(Value::as_str) == Some(kind)
}

/// Whether a byte-level pre-tokenizer puts a space in front; none where there is no such one.
fn byte_level(pre_tokenizer: &Value) -> Option<bool> {
    let mut found = Vec::new();
    steps(pre_tokenizer, "pretokenizers", &mut found);
    let step = found.into_iter().find(|step| is(step, "ByteLevel"))?;
    Some(step.get("add_prefix_space").and_then(Value::as_bool) != Some(false))
}

fn set_byte_level(step: &mut Value, wanted: bool) {
    if is(step, "ByteLevel") {
        step["add_prefix_space"] = wanted.into();
    }
    let inner = step.get_mut("pretokenizers").and_then(Value::as_array_mut);
    for step in inner.into_iter().flatten() {
        set_byte_level(step, wanted);
    }
}

/// Whether pieces of `SentencePiece` get a space in front; none where the file is of another kind.
fn prefix_of_pieces(file: &Map<String, Value>) -> Option<bool> {
    let mut found = Vec::new();
    for (part, list) in [
        ("normalizer", "normalizers"),
        ("pre_tokenizer", "pretokenizers"),
    ] {
        if let Some(part) = file.get(part) {
            steps(part, list, &mut found);
        }
    }
    let prepends = found.iter().any(|step| is(step, "Prepend"));
    let metaspace = found.iter().find(|step| is(step, "Metaspace"));
    let scheme = metaspace.map(|step| {
        let never = step.get("prepend_scheme").and_then(Value::as_str) == Some("never");
        !never && step.get("add_prefix_space").and_then(Value::as_bool) != Some(false)
    });
    let replaces = found.iter().any(|step| {
        is(step, "Replace") && step.get("content").and_then(Value::as_str) == Some("\u{2581}")
    });
    match scheme {
        Some(scheme) => Some(scheme || prepends),
        None => (prepends || replaces).then_some(prepends),
    }
}

fn set_prefix_of_pieces(file: &mut Map<String, Value>, wanted: bool) {
    let scheme = if wanted { "first" } else { "never" };
    if let Some(step) = file.get_mut("pre_tokenizer") {
        set_scheme(step, scheme);
    }
    let Some(normalizer) = file.get_mut("normalizer") else {
        return;
    };
    let prepend = json!({"type": "Prepend", "prepend": "\u{2581}"});
    if wanted
        && prefix_of_pieces(
            &json!({"normalizer": *normalizer})
                .as_object()
                .cloned()
                .unwrap_or_default(),
        ) == Some(false)
    {
        let before = std::mem::take(normalizer);
        *normalizer = json!({"type": "Sequence", "normalizers": [prepend, before]});
    } else if !wanted {
        without_prepend(normalizer);
        // What is put in front is taken away when tokens become text again.
        if let Some(steps) = file
            .get_mut("decoder")
            .and_then(|it| it.get_mut("decoders")?.as_array_mut())
        {
            steps.retain(|step| !is(step, "Strip"));
        }
    }
}

fn set_scheme(step: &mut Value, scheme: &str) {
    if is(step, "Metaspace") {
        step["prepend_scheme"] = scheme.into();
        step["add_prefix_space"] = (scheme != "never").into();
    }
    let inner = step.get_mut("pretokenizers").and_then(Value::as_array_mut);
    for step in inner.into_iter().flatten() {
        set_scheme(step, scheme);
    }
}

fn without_prepend(step: &mut Value) {
    if is(step, "Prepend") {
        *step = Value::Null;
    } else if let Some(inner) = step.get_mut("normalizers").and_then(Value::as_array_mut) {
        inner.retain(|step| !is(step, "Prepend"));
        inner.iter_mut().for_each(without_prepend);
    }
}
