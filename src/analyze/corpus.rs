//! Text for analyses that need much of it: from files, or drawn from the model.

use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::analyze::pieces::TokenFile;
use crate::analyze::sae::Corpus;
use crate::analyze::{Setting, known};
use crate::engine::{Continuation, Steering, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::model::{LoadedModel, PrependBos, Real};
use crate::paths::place;
use crate::setting::slips;

/// Contexts drawn from the model at a time, at most: each step is a product of as many rows with all weights.
const DRAWN_TOGETHER: usize = 256;
/// Tokens of a passage of unrelated text.
const PASSAGE: usize = 128;
/// Tokens of unrelated text that are read at most.
const LONGEST_TEXT: usize = 16_384;

/// A text in contexts of equal length, two at least. Files are read until what was read is `enough`, by the number of
/// contexts in it.
///
/// # Errors
/// When the text cannot be used with the model, or is too short, or the observer interrupts.
pub(super) fn contexts<T: Real>(
    setting: &Setting<'_>,
    (text, context): (&Corpus, usize),
    transformer: &Transformer<'_, T>,
    enough: &dyn Fn(usize) -> bool,
) -> Result<Vec<Vec<u32>>> {
    let config = setting.model.config();
    if context > config.n_ctx {
        return Err(Error::Usage(format!(
            "context is {}, and the model reads at most {} tokens",
            context, config.n_ctx
        )));
    }
    let tokenizer = setting.model.tokenizer.as_ref();
    let bos = tokenizer.map_or_else(
        || Ok(Vec::new()),
        |it| it.encode("", setting.keys.prepend_bos),
    )?;
    let contexts = match text {
        Corpus::Files(files) => {
            let length = context.saturating_sub(bos.len()).max(1);
            let contexts = from_files(setting, files, (&bos, length), enough)?;
            if contexts.len() < 2 {
                let names = files.iter().map(|file| place(setting.base, file));
                let names: Vec<String> = names.map(|path| path.display().to_string()).collect();
                return Err(Error::data(names.join(", "), too_short(context)));
            }
            contexts
        }
        Corpus::Sampled { tokens, seed } => {
            let count = tokens.div_ceil(context);
            drawn(transformer, &bos, (count, context), *seed, setting.observer)?
        }
    };
    if contexts.len() < 2 {
        return Err(Error::data("the text", too_short(context)));
    }
    Ok(contexts)
}

fn too_short(context: usize) -> String {
    format!("shorter than two contexts of {context} tokens")
}

/// Contexts that are held out of so many: a share, one at least, but not all.
pub(super) fn held_out(share: f64, contexts: usize) -> usize {
    let count = (share * contexts as f64).round() as usize;
    count.clamp(1, contexts.saturating_sub(1).max(1))
}

/// Bytes that contexts take.
pub(super) fn bytes_of(contexts: &[Vec<u32>]) -> usize {
    let tokens: usize = contexts.iter().map(Vec::len).sum();
    size_of::<u32>() * tokens + size_of_val(contexts)
}

/// The tokens of files, one after the other, in contexts of a length, each after `bos`. After each piece of a file it is
/// looked whether there is enough.
fn from_files(
    setting: &Setting<'_>,
    files: &[PathBuf],
    (bos, length): (&[u32], usize),
    enough: &dyn Fn(usize) -> bool,
) -> Result<Vec<Vec<u32>>> {
    let mut contexts = Vec::new();
    let mut rest = Vec::new();
    for file in files {
        let mut text = TokenFile::open(setting, &place(setting.base, file))?;
        while !enough(contexts.len())
            && let Some(tokens) = text.next()?
        {
            if setting.observer.interrupted() {
                return Err(Error::Interrupted);
            }
            rest.extend(tokens);
            let whole = rest.chunks_exact(length);
            let left = whole.remainder().to_vec();
            contexts.extend(whole.map(|tokens| [bos, tokens].concat()));
            rest = left;
        }
        text.finish(setting.observer);
    }
    Ok(contexts)
}

/// Texts to look at, which stand under a key of the spec, as tokens.
///
/// # Errors
/// When the model has no tokenizer, or a text has no token or more than the model reads.
pub(super) fn looked_at(
    setting: &Setting<'_>,
    key: &str,
    texts: &[String],
) -> Result<Vec<Vec<u32>>> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(index, text)| {
            let name = format!("{key}, number {}", index + 1);
            let prepend_bos = setting.keys.prepend_bos;
            let tokens = tokens_of(setting.model, (&name, text), prepend_bos)?;
            let rule = (setting.model.require_tokenizer()?, prepend_bos);
            slips::tell_of_text((&name, text), &tokens, rule, setting.observer);
            Ok(tokens)
        })
        .collect()
}

/// A text as tokens that the model can be run on; `name` stands for it in messages.
///
/// # Errors
/// When the model has no tokenizer or does not know a word, or the text has no token or more than the model reads.
pub(super) fn tokens_of(
    model: &LoadedModel,
    (name, text): (&str, &str),
    prepend_bos: PrependBos,
) -> Result<Vec<u32>> {
    let (config, tokenizer) = (model.config(), model.require_tokenizer()?);
    if let Some(word) = tokenizer.unknown_in(text) {
        let problem = format!("it has {word:?}, which this tokenizer does not know");
        return Err(Error::data(name, problem));
    }
    let tokens = tokenizer.encode(text, prepend_bos)?;
    known(&tokens, (tokenizer, config), name)?;
    if tokens.is_empty() || tokens.len() > config.n_ctx {
        let problem = format!(
            "it has {} tokens; the model reads 1 to {}",
            tokens.len(),
            config.n_ctx
        );
        return Err(Error::data(name, problem));
    }
    Ok(tokens)
}

/// The token that a text is.
///
/// # Errors
/// When it is not exactly one of the model's.
pub(super) fn one_token(model: &LoadedModel, text: &str) -> Result<u32> {
    let tokenizer = model.require_tokenizer()?;
    let token = tokenizer.single_token(text);
    let token = token.filter(|_| tokenizer.unknown_in(text).is_none());
    let token = token.ok_or_else(|| {
        let problem = "not one token of this model; most words in a text begin with a space";
        Error::data(format!("{text:?}"), problem)
    })?;
    known(&[token], (tokenizer, model.config()), text)?;
    Ok(token)
}

/// Contexts that begin with a random token and go on as the model does: each depends on the seed and its number alone.
fn drawn<T: Real>(
    transformer: &Transformer<'_, T>,
    bos: &[u32],
    (count, length): (usize, usize),
    seed: u64,
    observer: &dyn Observer,
) -> Result<Vec<Vec<u32>>> {
    phase(observer, "drawing text from the model", count as u64);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = transformer.d_vocab() as u32;
    let together = transformer.drawn_together(length, DRAWN_TOGETHER);
    // All groups about as large, as small ones are slow.
    let together = count.div_ceil(count.div_ceil(together).max(1));
    let mut contexts: Vec<Vec<u32>> = Vec::with_capacity(count);
    while contexts.len() < count {
        let starts: Vec<Vec<u32>> = (0..together.min(count - contexts.len()))
            .map(|_| [bos, &[rng.random_range(0..vocabulary)]].concat())
            .collect();
        let starts: Vec<&[u32]> = starts.iter().map(Vec::as_slice).collect();
        let continuation = Continuation {
            tokens: length - starts[0].len(),
            stop: None,
            seed: Some(seed.wrapping_add(1)),
            stream: contexts.len() as u64,
        };
        let found = transformer.generate(&starts, continuation, &Steering::none(), observer)?;
        let whole = starts.iter().zip(&found);
        contexts.extend(whole.map(|(start, rest)| [start, &rest[..]].concat()));
        observer.event(Event::Step {
            done: contexts.len() as u64,
            note: String::new(),
        });
    }
    Ok(contexts)
}

/// The beginning of a text file, in passages of equal length.
pub(super) fn passages(setting: &Setting<'_>, path: &Path) -> Result<Vec<Vec<u32>>> {
    let name = path.display().to_string();
    let tokenizer = setting.model.require_tokenizer()?;
    let mut text = TokenFile::open(setting, path)?;
    let mut tokens = Vec::new();
    while tokens.len() < LONGEST_TEXT
        && let Some(more) = text.next()?
    {
        tokens.extend(more);
    }
    text.finish(setting.observer);
    tokens.truncate(LONGEST_TEXT);
    let bos = tokenizer.encode("", setting.keys.prepend_bos)?;
    if setting.model.config().n_ctx < bos.len() + 2 {
        return Err(Error::model(
            &setting.model.name,
            "the model reads too few tokens for text",
        ));
    }
    let length = PASSAGE
        .min(setting.model.config().n_ctx)
        .saturating_sub(bos.len());
    let passages = tokens.chunks(length.max(2)).filter(|it| it.len() > 1);
    let passages: Vec<Vec<u32>> = passages.map(|it| [&bos[..], it].concat()).collect();
    if passages.is_empty() {
        return Err(Error::data(name, "the text has fewer than two tokens"));
    }
    Ok(passages)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::events::Silent;
    use crate::graph::{ComputationGraph, Granularity};

    /// How many contexts are drawn together, which memory decides, is not to be seen in them.
    #[test]
    fn text_does_not_depend_on_how_much_is_drawn_together() {
        let model = crate::model::load_model("builtin:toy-llama", Path::new(".")).unwrap();
        let config = model.config();
        let granularity = Granularity::default();
        let graph = ComputationGraph::new(config, &granularity, &BTreeMap::new()).unwrap();
        let draw = |room| {
            let transformer = Transformer::new(&model.weights, &graph).within(room);
            let together = transformer.drawn_together(12, DRAWN_TOGETHER);
            let text = drawn(&transformer, &[1], (23, 12), 4, &Silent).unwrap();
            (together, text)
        };
        let (all, text) = draw(None);
        assert_eq!(all, DRAWN_TOGETHER);
        assert!(text.iter().all(|it| it.len() == 12 && it[0] == 1));
        assert_ne!(text[0], text[1]);
        for (room, most) in [(1, 1), (1 << 18, 20)] {
            let (together, found) = draw(Some(room));
            assert!(together <= most, "{together}");
            assert_eq!(found, text);
        }
    }
}
