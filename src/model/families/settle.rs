//! What a configuration and the tensors beside it say differently: settled as transformers does, never in silence.

use super::names::Names;
use super::{Bias, Description};
use crate::error::{Error, Result};
use crate::model::source::{Format, TensorSource};
use crate::model::table::PANEL;

/// Settles it.
///
/// # Errors
/// When the unembedding of a model with tied embeddings has another shape than the embedding, or they cannot be read.
pub(super) fn settle(of: &mut Description, names: &Names, source: &dyn TensorSource) -> Result<()> {
    if source.format() == Format::HuggingFace {
        denied_biases(of, names, source);
        tied(of, names, source)?;
    }
    Ok(())
}

/// Leaves out biases that the configuration denies.
fn denied_biases(of: &mut Description, names: &Names, source: &dyn TensorSource) {
    let [inputs, output, mlp] = names.maps();
    let rules = [
        (of.biases.qkv, inputs),
        (of.biases.o, output),
        (of.biases.mlp, mlp),
    ];
    let denied = rules.iter().filter(|(rule, _)| *rule == Bias::Denied);
    let mut ends: Vec<String> = denied
        .flat_map(|(_, maps)| maps.iter().map(|map| format!(".{map}.bias")))
        .collect();
    let unembedding = format!("{}.bias", names.unembedding);
    ends.push(format!(".{unembedding}"));
    let names = source.names();
    let ignored: Vec<&str> = names
        .into_iter()
        .filter(|name| *name == unembedding || ends.iter().any(|end| name.ends_with(end)))
        .collect();
    let Some(first) = ignored.first() else {
        return;
    };
    let others = match ignored.len() - 1 {
        0 => String::new(),
        1 => " and one other".to_owned(),
        more => format!(" and {more} others"),
    };
    of.warnings.push(format!(
        "{}: tensor {first}{others}: there are biases that the configuration denies; they were ignored, as transformers \
         does (if they belong to the model, say so in config.json)",
        source.file(first)
    ));
    of.ignored.extend(ignored.into_iter().map(str::to_owned));
}

/// Settles how many tables a model has whose embeddings are said to be tied: another unembedding is used, one table under
/// either name is both.
fn tied(of: &mut Description, names: &Names, source: &dyn TensorSource) -> Result<()> {
    let unembedding = format!("{}.weight", names.unembedding);
    if !of.config.tied_unembedding || source.shape(&unembedding).is_none() {
        return Ok(());
    }
    let prefixed = format!("{}{}", names.prefix, names.embedding);
    let embedding = [prefixed.as_str(), names.embedding];
    let Some(embedding) = embedding.into_iter().find(|it| source.shape(it).is_some()) else {
        of.unembedding_only = true;
        return Ok(());
    };
    if source.shape(&unembedding) != source.shape(embedding) {
        let problem = format!(
            "tie_word_embeddings is true, but {unembedding} has shape {:?} and {embedding} {:?}",
            source.shape(&unembedding).unwrap_or_default(),
            source.shape(embedding).unwrap_or_default()
        );
        return Err(Error::model(source.file(&unembedding), problem));
    }
    if !same(source, &unembedding, embedding)? {
        of.config.tied_unembedding = false;
        of.warnings.push(format!(
            "{}: tie_word_embeddings is true, but {unembedding} differs from {embedding}; it was used, as transformers 5 \
             does",
            source.file(&unembedding)
        ));
    }
    Ok(())
}

/// Whether two matrices of one shape hold the same numbers.
fn same(source: &dyn TensorSource, one: &str, other: &str) -> Result<bool> {
    if !(source.rows_stay(one) && source.rows_stay(other)) {
        return Ok(source.read(one)?[..] == source.read(other)?[..]);
    }
    let rows = source.shape(one).and_then(|shape| shape.first().copied());
    let rows = rows.unwrap_or_default();
    for start in (0..rows).step_by(PANEL) {
        let panel = start..(start + PANEL).min(rows);
        if source.rows(one, panel.clone())? != source.rows(other, panel)? {
            return Ok(false);
        }
    }
    Ok(true)
}
