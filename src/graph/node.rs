//! Writers and readers of the residual stream, with EAP-IG's names.

use std::fmt;
use std::str::FromStr;

use super::Representation;

/// A node of the computation graph. All but [`Node::Logits`] write to the residual stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// The token embedding, `input`.
    Input,
    /// The learned position embedding as a writer, `pos` (`position_embedding: Writer`).
    Position,
    /// An attention head, `a3.h1`.
    Head {
        /// Layer, from 0.
        layer: usize,
        /// Query head, from 0.
        head: usize,
    },
    /// An MLP, or what is left of it when some of its neurons are nodes, `m3`.
    Mlp {
        /// Layer, from 0.
        layer: usize,
    },
    /// A hidden unit of an MLP, `m3.n17`.
    Neuron {
        /// Layer, from 0.
        layer: usize,
        /// Hidden unit, from 0.
        neuron: usize,
    },
    /// A feature of a sparse autoencoder, `r3.f17`: of the stream after a layer (`r`), of its MLP (`m`) or its heads
    /// (`a`). No node of a model's own graph.
    Feature {
        /// Layer, from 0.
        layer: usize,
        /// The representation that the autoencoder is of.
        of: Representation,
        /// Feature, from 0.
        feature: usize,
    },
    /// What a sparse autoencoder leaves of its representation, `r3.error`.
    Error {
        /// Layer, from 0.
        layer: usize,
        /// The representation that the autoencoder is of.
        of: Representation,
    },
    /// The final norm and unembedding, `logits`.
    Logits,
}

/// Which input of a head an edge enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Qkv {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
}

/// A place that reads the stream through its own norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reader {
    /// A head's input: `a3.h1<q>`, or all three at once, `a3.h1`, when heads are whole.
    ///
    /// Under `kv: Group` the k and v readers are named after the group's first query head.
    Head {
        /// Layer, from 0.
        layer: usize,
        /// Query head, from 0.
        head: usize,
        /// Which input; `None` when heads are whole.
        part: Option<Qkv>,
    },
    /// An MLP's input, shared by its neurons, `m3`.
    Mlp {
        /// Layer, from 0.
        layer: usize,
    },
    /// The final norm, `logits`.
    Logits,
}

impl Node {
    /// The layer of a head, MLP, neuron, feature or error.
    pub fn layer(&self) -> Option<usize> {
        match *self {
            Self::Head { layer, .. }
            | Self::Mlp { layer }
            | Self::Neuron { layer, .. }
            | Self::Feature { layer, .. }
            | Self::Error { layer, .. } => Some(layer),
            Self::Input | Self::Position | Self::Logits => None,
        }
    }

    /// Whether it is a feature or an error of a sparse autoencoder.
    pub fn is_of_dictionary(&self) -> bool {
        matches!(self, Self::Feature { .. } | Self::Error { .. })
    }
}

impl Reader {
    /// The node this reader belongs to.
    pub fn node(&self) -> Node {
        match *self {
            Self::Head { layer, head, .. } => Node::Head { layer, head },
            Self::Mlp { layer } => Node::Mlp { layer },
            Self::Logits => Node::Logits,
        }
    }
}

impl Qkv {
    /// `q`, `k` or `v`.
    pub fn letter(self) -> char {
        match self {
            Self::Q => 'q',
            Self::K => 'k',
            Self::V => 'v',
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => out.write_str("input"),
            Self::Position => out.write_str("pos"),
            Self::Head { layer, head } => write!(out, "a{layer}.h{head}"),
            Self::Mlp { layer } => write!(out, "m{layer}"),
            Self::Neuron { layer, neuron } => write!(out, "m{layer}.n{neuron}"),
            Self::Feature { layer, of, feature } => {
                write!(out, "{}{layer}.f{feature}", of.letter())
            }
            Self::Error { layer, of } => write!(out, "{}{layer}.error", of.letter()),
            Self::Logits => out.write_str("logits"),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.node())?;
        if let Self::Head {
            part: Some(part), ..
        } = self
        {
            write!(out, "<{}>", part.letter())?;
        }
        Ok(())
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` is not a node name such as input, a3.h1, m3, m3.n17, logits");
        match text {
            "input" => return Ok(Self::Input),
            "pos" => return Ok(Self::Position),
            "logits" => return Ok(Self::Logits),
            _ => {}
        }
        let (first, second) = match text.split_once('.') {
            Some((first, second)) => (first, Some(second)),
            None => (text, None),
        };
        let number = |part: &str, letter: char| -> Result<usize, String> {
            let digits = part.strip_prefix(letter).ok_or_else(bad)?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad());
            }
            digits.parse().map_err(|_| bad())
        };
        let of = match first.chars().next() {
            Some('a') => Some(Representation::Heads),
            Some('m') => Some(Representation::Mlp),
            Some('r') => Some(Representation::Stream),
            _ => None,
        };
        if let (Some(of), Some(second)) = (of, second) {
            let layer = || number(first, of.letter());
            if second == "error" {
                return Ok(Self::Error {
                    layer: layer()?,
                    of,
                });
            }
            if second.starts_with('f') {
                return Ok(Self::Feature {
                    layer: layer()?,
                    of,
                    feature: number(second, 'f')?,
                });
            }
        }
        match (first.chars().next(), second) {
            (Some('a'), Some(head)) => Ok(Self::Head {
                layer: number(first, 'a')?,
                head: number(head, 'h')?,
            }),
            (Some('m'), None) => Ok(Self::Mlp {
                layer: number(first, 'm')?,
            }),
            (Some('m'), Some(neuron)) => Ok(Self::Neuron {
                layer: number(first, 'm')?,
                neuron: number(neuron, 'n')?,
            }),
            _ => Err(bad()),
        }
    }
}

impl FromStr for Reader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, part) = match text
            .strip_suffix('>')
            .and_then(|rest| rest.rsplit_once('<'))
        {
            Some((name, "q")) => (name, Some(Qkv::Q)),
            Some((name, "k")) => (name, Some(Qkv::K)),
            Some((name, "v")) => (name, Some(Qkv::V)),
            Some(_) => return Err(format!("`{text}`: a head's input is <q>, <k> or <v>")),
            None => (text, None),
        };
        match (name.parse::<Node>()?, part) {
            (Node::Head { layer, head }, part) => Ok(Self::Head { layer, head, part }),
            (Node::Mlp { layer }, None) => Ok(Self::Mlp { layer }),
            (Node::Logits, None) => Ok(Self::Logits),
            _ => Err(format!("`{text}` does not read the residual stream")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_eap_ig() {
        let reader = Reader::Head {
            layer: 1,
            head: 2,
            part: Some(Qkv::Q),
        };
        assert_eq!(reader.to_string(), "a1.h2<q>");
        assert_eq!(
            Node::Neuron {
                layer: 3,
                neuron: 17
            }
            .to_string(),
            "m3.n17"
        );
        assert_eq!(Reader::Logits.to_string(), "logits");
    }

    proptest! {
        #[test]
        fn names_round_trip(layer in 0usize..200, index in 0usize..5000, kind in 0..9) {
            let of = [Representation::Heads, Representation::Mlp, Representation::Stream][index % 3];
            let node = match kind {
                0 => Node::Input,
                1 => Node::Head { layer, head: index },
                2 => Node::Mlp { layer },
                3 => Node::Neuron { layer, neuron: index },
                4 | 5 => Node::Feature { layer, of, feature: index },
                6 | 7 => Node::Error { layer, of },
                _ => Node::Logits,
            };
            prop_assert_eq!(node.to_string().parse::<Node>(), Ok(node));
        }

        #[test]
        fn any_text_parses_or_is_refused_without_panic(text in ".{0,12}") {
            let _ = text.parse::<Node>().is_ok();
            if let Ok(reader) = text.parse::<Reader>() {
                prop_assert_eq!(reader.to_string().parse::<Reader>(), Ok(reader));
            }
        }
    }
}
