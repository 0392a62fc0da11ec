//! From named tensors to weights in canonical form, for every family of decoder-only transformers: a family only says
//! what its files call things.

use std::sync::Arc;

use rayon::prelude::*;

use super::check::no_more_layers;
use super::maps::{halves, pick, range_of};
use super::names::{AttentionNames, MlpNames, Names};
use super::{Bias, Description, Load};
use crate::error::{Error, Result};
use crate::model::blocks::BlockSource;
use crate::model::source::{TensorSource, Tensors, Tracked};
use crate::model::{
    Attention, Block, Blocks, Linear, Mlp, ModelConfig, Norm, NormWeights, Unembedding, Weights,
};

/// What files may hold beside a model's weights: tables that follow from the configuration.
const TABLES: [&str; 7] = [
    ".rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".attn.mask",
    ".attn.IGNORE",
    ".attention.bias",
    ".attention.masked_bias",
];
/// The tables of GGUF files, by their whole names.
const GGUF_TABLES: [&str; 3] = [
    "rope_freqs.weight",
    "rope_factors_short.weight",
    "rope_factors_long.weight",
];
/// The unembedding, which some files repeat where it is the embedding.
const UNEMBEDDINGS: [&str; 3] = ["lm_head.weight", "embed_out.weight", "output.weight"];

/// Whether a tensor is a table that follows from the configuration, or the unembedding where it is `repeated`.
pub(super) fn is_table(tensor: &str, repeated: bool) -> bool {
    let copy = repeated && UNEMBEDDINGS.contains(&tensor);
    copy || GGUF_TABLES.contains(&tensor) || TABLES.iter().any(|end| tensor.ends_with(end))
}

/// Reads the weights of a model.
///
/// # Errors
/// When a tensor is missing, has another shape than the configuration says, is not finite, or is none that the family
/// knows.
pub(super) fn read(of: &Description, names: &Names, load: &Load) -> Result<Weights<f32>> {
    let config = &of.config;
    let source = &load.source;
    let tracked = Tracked::new(&**source);
    let mut reader = Reader::new(of, names, &tracked);
    if load.shapes_only {
        reader.tensors = reader.tensors.shapes_only();
    }
    let reader = reader;
    let (tensors, d) = (reader.tensors, config.d_model);
    let file = source.file(names.embedding);
    if config.n_layers > tensors.len() {
        let problem = format!(
            "{} layers are announced, but there are only {} tensors",
            config.n_layers,
            tensors.len()
        );
        return Err(Error::model(file, problem));
    }
    no_more_layers(&file, config, tensors, |layer| {
        format!("{}.{layer}.{}.weight", names.block, names.attention_norm)
    })?;
    // The first tensors of a file are the first to be missed.
    let table = [config.d_vocab, d];
    let embedding = if of.unembedding_only {
        let name = format!("{}.weight", names.unembedding);
        tensors.bare().table(&name, table, source)?
    } else {
        tensors.table(names.embedding, table, source)?
    };
    let learned = matches!(config.positions, crate::model::Positions::Learned);
    let position = learned
        .then(|| tensors.values(names.position, &[config.n_ctx, d]))
        .transpose()?;
    let blocks = reader.blocks(load)?;
    let tables = 4 * d * (config.d_vocab * if config.tied_unembedding { 1 } else { 2 });
    let fits = |room: usize| blocks.held_bytes() + tables <= room;
    let keep = !blocks.are_on_demand() && load.room.is_none_or(fits);
    let weights = Weights {
        config: config.clone(),
        blocks,
        embedding: embedding.kept(keep),
        position,
        final_norm: reader.norm(names.final_norm, d)?,
        unembedding: (!config.tied_unembedding)
            .then(|| reader.unembedding(source, keep))
            .transpose()?,
    };
    tracked.refuse_unread(|tensor| of.is_weight(tensor))?;
    Ok(weights)
}

/// Blocks that are read again whenever they are used.
struct FromFile {
    of: Description,
    names: Names,
    source: Arc<dyn TensorSource>,
    biases: Biases,
}

impl FromFile {
    fn again<P>(&self, read: impl FnOnce(&Reader<'_>) -> Result<P>) -> P {
        let mut reader = Reader::new(&self.of, &self.names, &*self.source);
        reader.tensors = reader.tensors.checked_before();
        read(&reader)
            .expect("what was read and checked when the model was loaded can be read again")
    }
}

impl BlockSource<f32> for FromFile {
    fn attention(&self, layer: usize) -> Attention<f32> {
        self.again(|reader| reader.attention(layer, self.biases))
    }

    fn mlp(&self, layer: usize) -> Option<Mlp<f32>> {
        Some(self.again(|reader| reader.mlp(layer, self.biases)))
    }
}

/// Which maps have a bias, in all layers: as the configuration says, or where any layer has one.
#[derive(Clone, Copy)]
struct Biases {
    attention: [bool; 3],
    o: bool,
    mlp: [bool; 3],
}

struct Reader<'a> {
    of: &'a Description,
    config: &'a ModelConfig,
    names: &'a Names,
    tensors: Tensors<'a>,
}

impl<'a> Reader<'a> {
    fn new(of: &'a Description, names: &'a Names, source: &'a dyn TensorSource) -> Self {
        Self {
            of,
            config: &of.config,
            names,
            tensors: Tensors::new(source, names.prefix, names.embedding),
        }
    }

    /// All blocks, each read and checked once; the error is that of the first bad one.
    fn blocks(&self, load: &Load) -> Result<Blocks<f32>> {
        let biases = self.biases();
        let block = |layer: usize| -> Result<Block<f32>> {
            Ok(Block {
                attention: self.attention(layer, biases)?,
                mlp: Some(self.mlp(layer, biases)?),
            })
        };
        let layers = 0..self.config.n_layers;
        let fits = |room: usize| -> Result<bool> {
            let first = block(0)?;
            let mlp = first.mlp.map_or(0, |mlp| mlp.held_bytes());
            Ok((first.attention.held_bytes() + mlp) * self.config.n_layers < room)
        };
        if load.room.map_or(Ok(true), fits)? {
            let blocks: Vec<Result<Block<f32>>> = layers.into_par_iter().map(block).collect();
            return Ok(blocks.into_iter().collect::<Result<Vec<_>>>()?.into());
        }
        for layer in layers {
            drop(block(layer)?);
        }
        let source = FromFile {
            of: self.of.clone(),
            names: *self.names,
            source: Arc::clone(&load.source),
            biases,
        };
        Ok(Blocks::on_demand(Arc::new(source), self.config.n_layers))
    }

    fn unembedding(&self, source: &Arc<dyn TensorSource>, keep: bool) -> Result<Unembedding<f32>> {
        let (names, tensors) = (self.names, self.tensors.bare());
        let shape = [self.config.d_vocab, self.config.d_model];
        let table = format!("{}.weight", names.unembedding);
        Ok(Unembedding {
            table: tensors.table(&table, shape, source)?.kept(keep),
            bias: None,
        })
    }

    fn name(&self, layer: usize, part: &str) -> String {
        format!("{}.{layer}.{part}", self.names.block)
    }

    fn has_bias(&self, part: &str) -> bool {
        (0..self.config.n_layers)
            .any(|layer| self.tensors.has(&self.name(layer, &format!("{part}.bias"))))
    }

    fn biases(&self) -> Biases {
        let needs = self.of.biases;
        let attention = match self.names.attention {
            AttentionNames::Separate(parts) => parts.map(|part| self.has_bias(part)),
            AttentionNames::Fused(part) | AttentionNames::FusedByHead(part) => {
                [self.has_bias(part); 3]
            }
        };
        let mlp = match self.names.mlp {
            MlpNames::Plain([first, last]) | MlpNames::FusedGate([first, last]) => {
                let [first, last] = [first, last].map(|part| self.has_bias(part));
                [first, first, last]
            }
            MlpNames::Gated(parts) => parts.map(|part| self.has_bias(part)),
        };
        let has = |rule: Bias, there: bool| match rule {
            Bias::Optional => there,
            Bias::Required => true,
            Bias::Denied => false,
        };
        Biases {
            attention: attention.map(|there| has(needs.qkv, there)),
            o: has(needs.o, self.has_bias(self.names.o)),
            mlp: mlp.map(|there| has(needs.mlp, there)),
        }
    }

    fn norm(&self, name: &str, width: usize) -> Result<NormWeights<f32>> {
        let biased = matches!(self.config.norm, Norm::LayerNorm { .. });
        let mut norm = self.tensors.norm(name, width, biased)?;
        if self.names.gains_less_one {
            for gain in &mut norm.gain {
                *gain += 1.0;
            }
        }
        Ok(norm)
    }

    fn attention(&self, layer: usize, biases: Biases) -> Result<Attention<f32>> {
        let (config, names) = (self.config, self.names);
        let (d, d_head) = (config.d_model, config.d_head);
        let heads = config.n_heads * d_head;
        let norm = |part: &str, width: usize| self.norm(&self.name(layer, part), width);
        let [q, k, v] = self.inputs(layer, biases)?;
        let query_key_norm = |part: &str| {
            let wanted = config.attention.query_key_norm;
            wanted.then(|| norm(part, d_head)).transpose()
        };
        Ok(Attention {
            norm: norm(names.attention_norm, d)?,
            q,
            k,
            v,
            o: self.linear(layer, names.o, [heads, d], biases.o)?,
            query_norm: query_key_norm(names.query_key_norms[0])?,
            key_norm: query_key_norm(names.query_key_norms[1])?,
            post_norm: self.post_norm(layer, names.attention_post_norm)?,
        })
    }

    fn post_norm(&self, layer: usize, part: &str) -> Result<Option<NormWeights<f32>>> {
        let norm = || self.norm(&self.name(layer, part), self.config.d_model);
        self.config.post_norms.then(norm).transpose()
    }

    fn linear(
        &self,
        layer: usize,
        part: &str,
        shape: [usize; 2],
        biased: bool,
    ) -> Result<Linear<f32>> {
        let name = self.name(layer, part);
        let transposed = self.names.transposed;
        self.tensors.linear(&name, shape, transposed, biased)
    }

    /// The maps to queries, keys and values.
    fn inputs(&self, layer: usize, biases: Biases) -> Result<[Linear<f32>; 3]> {
        let config = self.config;
        let (d, d_head) = (config.d_model, config.d_head);
        let (heads, groups) = (config.n_heads * d_head, config.n_kv_heads * d_head);
        let widths = [heads, groups, groups];
        let fused = |part: &str| {
            let outputs = heads + 2 * groups;
            self.linear(layer, part, [d, outputs], biases.attention[0])
        };
        let [mut q, mut k, v] = match self.names.attention {
            AttentionNames::Separate([q, k, v]) => {
                let read = |part: &str, at: usize| {
                    self.linear(layer, part, [d, widths[at]], biases.attention[at])
                };
                [read(q, 0)?, read(k, 1)?, read(v, 2)?]
            }
            AttentionNames::Fused(part) => {
                let fused = fused(part)?;
                [
                    0..heads,
                    heads..heads + groups,
                    heads + groups..heads + 2 * groups,
                ]
                .map(|outputs| range_of(&fused, outputs))
            }
            AttentionNames::FusedByHead(part) => {
                let fused = fused(part)?;
                [0, 1, 2].map(|third| {
                    let start = move |head: usize| (3 * head + third) * d_head;
                    let outputs =
                        (0..config.n_heads).flat_map(|head| start(head)..start(head) + d_head);
                    pick(&fused, outputs)
                })
            }
        };
        if self.names.interleaved {
            halves(&mut q, d_head);
            halves(&mut k, d_head);
        }
        Ok([q, k, v])
    }

    fn mlp(&self, layer: usize, biases: Biases) -> Result<Mlp<f32>> {
        let (d, d_mlp) = (self.config.d_model, self.config.d_mlp);
        let [first_bias, up_bias, down_bias] = biases.mlp;
        let (gate, up, down) = match self.names.mlp {
            MlpNames::Plain([up, down]) => {
                (None, self.linear(layer, up, [d, d_mlp], first_bias)?, down)
            }
            MlpNames::Gated([gate, up, down]) => {
                let gate = self.linear(layer, gate, [d, d_mlp], first_bias)?;
                let up = self.linear(layer, up, [d, d_mlp], up_bias)?;
                (Some(gate), up, down)
            }
            MlpNames::FusedGate([fused, down]) => {
                let fused = self.linear(layer, fused, [d, 2 * d_mlp], first_bias)?;
                let [gate, up] =
                    [0..d_mlp, d_mlp..2 * d_mlp].map(|outputs| range_of(&fused, outputs));
                (Some(gate), up, down)
            }
        };
        Ok(Mlp {
            norm: self.norm(&self.name(layer, self.names.mlp_norm), d)?,
            up,
            gate,
            down: self.linear(layer, down, [d_mlp, d], down_bias)?,
            post_norm: self.post_norm(layer, self.names.mlp_post_norm)?,
        })
    }
}
