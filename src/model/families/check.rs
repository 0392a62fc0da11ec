//! Checks of a configuration before any of its numbers is used as a size.

use crate::error::{Error, Result};
use crate::model::source::Tensors;
use crate::model::{ModelConfig, Norm, Positions};

/// Upper bounds far beyond any model, small enough that products of sizes cannot overflow.
const MAX_LAYERS: usize = 1 << 12;
pub(super) const MAX_WIDTH: usize = 1 << 20;
const MAX_TOKENS: usize = 1 << 26;

/// Checks that the numbers of a configuration fit together.
///
/// # Errors
/// When a size is zero or absurd, or two do not fit together.
pub(crate) fn check(file: &str, config: &ModelConfig) -> Result<()> {
    let fail = |problem: String| Err(Error::model(file, problem));
    let sizes = [
        ("number of layers", config.n_layers, MAX_LAYERS),
        ("number of heads", config.n_heads, MAX_WIDTH),
        ("number of key/value heads", config.n_kv_heads, MAX_WIDTH),
        ("width of the residual stream", config.d_model, MAX_WIDTH),
        ("width of a head", config.d_head, MAX_WIDTH),
        ("size of the vocabulary", config.d_vocab, MAX_TOKENS),
        ("context length", config.n_ctx, MAX_TOKENS),
    ];
    for (what, size, max) in sizes {
        if size == 0 || size > max {
            return fail(format!("the {what} is {size}; expected 1 to {max}"));
        }
    }
    if config.d_mlp > MAX_WIDTH {
        return fail(format!(
            "the width of the MLP is {}; expected at most {MAX_WIDTH}",
            config.d_mlp
        ));
    }
    let (heads, groups) = (config.n_heads, config.n_kv_heads);
    if !heads.is_multiple_of(groups) {
        let problem = format!("{heads} heads cannot share {groups} key/value heads evenly");
        return fail(problem);
    }
    if heads * config.d_head > MAX_WIDTH {
        let problem = format!("{heads} heads of width {} are too wide", config.d_head);
        return fail(problem);
    }
    if let Norm::LayerNorm { eps } | Norm::RmsNorm { eps } = config.norm
        && !(eps.is_finite() && eps >= 0.0)
    {
        return fail(format!(
            "the norm's epsilon is {eps}; expected a small number"
        ));
    }
    if let Positions::Rotary { .. } = config.positions {
        rotary(file, config)?;
    }
    attention(file, config)?;
    for (what, factor) in [
        ("factor of embeddings", config.embedding_scale),
        ("soft cap of logits", config.logit_soft_cap),
    ] {
        positive(file, what, factor)?;
    }
    Ok(())
}

/// Checks what attention does beyond scaled dot products.
fn attention(file: &str, config: &ModelConfig) -> Result<()> {
    let attention = &config.attention;
    positive(file, "scale of attention scores", attention.scale)?;
    positive(file, "soft cap of attention scores", attention.soft_cap)?;
    if let Some(local) = &attention.local {
        positive(file, "rotary base of windowed layers", local.theta)?;
        if local.window == 0 {
            let problem = "the sliding window is 0; expected at least 1 position";
            return Err(Error::model(file, problem));
        }
    }
    Ok(())
}

fn positive(file: &str, what: &str, value: Option<f64>) -> Result<()> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(Error::model(
            file,
            format!("the {what} is {value}; expected a positive number"),
        )),
        _ => Ok(()),
    }
}

/// Checks rotary positions.
fn rotary(file: &str, config: &ModelConfig) -> Result<()> {
    let fail = |problem: String| Err(Error::model(file, problem));
    if let Positions::Rotary {
        theta,
        dims,
        scaling,
    } = &config.positions
    {
        let (theta, dims) = (*theta, *dims);
        if let Some(scaling) = scaling {
            let fits = |value: &f64| value.is_finite() && *value > 0.0;
            if scaling.factors.len() != dims / 2
                || !scaling.factors.iter().all(fits)
                || !fits(&scaling.magnitude)
            {
                return fail(format!(
                    "the rotary scaling has {} factors; expected {} positive numbers, one for each pair of dimensions",
                    scaling.factors.len(),
                    dims / 2
                ));
            }
        }
        if !(theta.is_finite() && theta > 0.0) {
            return fail(format!(
                "the rotary base is {theta}; expected a positive number"
            ));
        }
        if dims % 2 == 1 || dims == 0 || dims > config.d_head {
            let problem = format!(
                "{dims} rotated dimensions in heads of width {}; expected an even number within it",
                config.d_head
            );
            return fail(problem);
        }
    }
    Ok(())
}

/// Refuses weights with more layers than the configuration announces.
///
/// # Errors
/// When the tensor `name` of the first layer beyond exists.
pub(super) fn no_more_layers(
    file: &str,
    config: &ModelConfig,
    tensors: Tensors<'_>,
    name: impl Fn(usize) -> String,
) -> Result<()> {
    let beyond = name(config.n_layers);
    if !tensors.has(&beyond) {
        return Ok(());
    }
    let problem = format!(
        "{} layers are announced, but there is a tensor {beyond}; correct the number of layers",
        config.n_layers
    );
    Err(Error::model(file, problem))
}
