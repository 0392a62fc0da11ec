//! Names of activation functions.

use super::keys::Keys;
use crate::error::Result;
use crate::model::Activation;

/// The activation function that a key names; `default` where it is absent.
///
/// # Errors
/// When it is none of the `allowed` ones.
pub(super) fn activation(
    keys: &Keys,
    key: &str,
    default: Activation,
    allowed: &[Activation],
) -> Result<Activation> {
    let named = keys.text(key)?;
    let found = match named {
        None => Some(default),
        Some("gelu_new" | "gelu_fast" | "gelu_pytorch_tanh") => Some(Activation::GeluTanh),
        Some("gelu") => Some(Activation::Gelu),
        Some("silu" | "swish") => Some(Activation::Silu),
        Some("relu") => Some(Activation::Relu),
        Some(_) => None,
    };
    found
        .filter(|found| allowed.contains(found))
        .ok_or_else(|| {
            let names: Vec<&str> = allowed.iter().map(|allowed| name(*allowed)).collect();
            keys.unsupported(key, &names.join(", "))
        })
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::GeluTanh => "gelu_new",
        Activation::Gelu => "gelu",
        Activation::Silu => "silu",
        Activation::Relu => "relu",
    }
}

/// Those of models with a plain MLP.
pub(super) const PLAIN: [Activation; 4] = [
    Activation::GeluTanh,
    Activation::Gelu,
    Activation::Silu,
    Activation::Relu,
];
