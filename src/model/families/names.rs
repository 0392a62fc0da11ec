//! What the files of a family call its tensors.

/// What the files of a family call the tensors of a block and around it, and how they hold them.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// In front of all names but the unembedding's, in files that have it.
    pub prefix: &'static str,
    pub embedding: &'static str,
    /// Learned positions.
    pub position: &'static str,
    /// Names of a block's parts are `block.LAYER.part`.
    pub block: &'static str,
    pub attention_norm: &'static str,
    pub attention: AttentionNames,
    pub o: &'static str,
    /// Norms of queries and of keys.
    pub query_key_norms: [&'static str; 2],
    pub attention_post_norm: &'static str,
    pub mlp_norm: &'static str,
    pub mlp: MlpNames,
    pub mlp_post_norm: &'static str,
    pub final_norm: &'static str,
    pub unembedding: &'static str,
    /// Whether matrices are `[outputs, inputs]`.
    pub transposed: bool,
    /// Whether a norm's gain is stored less 1.
    pub gains_less_one: bool,
    /// Whether queries and keys are stored for the interleaved rotation.
    pub interleaved: bool,
}

impl Names {
    /// No names; the matrices as `nn.Linear` holds them.
    pub(super) const NONE: Self = Self {
        prefix: "",
        embedding: "",
        position: "",
        block: "",
        attention_norm: "",
        attention: AttentionNames::Fused(""),
        o: "",
        query_key_norms: ["", ""],
        attention_post_norm: "",
        mlp_norm: "",
        mlp: MlpNames::Plain(["", ""]),
        mlp_post_norm: "",
        final_norm: "",
        unembedding: "",
        transposed: true,
        gains_less_one: false,
        interleaved: false,
    };

    /// The names of GGUF files, which all architectures share.
    pub(super) const GGUF: Self = Self {
        embedding: "token_embd.weight",
        position: "position_embd.weight",
        block: "blk",
        attention_norm: "attn_norm",
        attention: AttentionNames::Separate(["attn_q", "attn_k", "attn_v"]),
        o: "attn_output",
        query_key_norms: ["attn_q_norm", "attn_k_norm"],
        attention_post_norm: "post_attention_norm",
        mlp_norm: "ffn_norm",
        mlp: MlpNames::Gated(["ffn_gate", "ffn_up", "ffn_down"]),
        mlp_post_norm: "post_ffw_norm",
        final_norm: "output_norm",
        unembedding: "output",
        ..Self::NONE
    };
}

/// How queries, keys and values are stored.
#[derive(Clone, Copy)]
pub(crate) enum AttentionNames {
    /// In three maps.
    Separate([&'static str; 3]),
    /// In one map: all queries, all keys, all values.
    Fused(&'static str),
    /// In one map: queries, keys and values of the first head, then of the next.
    FusedByHead(&'static str),
}

/// How the MLP is stored.
#[derive(Clone, Copy)]
pub(crate) enum MlpNames {
    /// In and out.
    Plain([&'static str; 2]),
    /// Gate, up and down.
    Gated([&'static str; 3]),
    /// Gate and up in one map, in this order, and down.
    FusedGate([&'static str; 2]),
}

impl Names {
    /// The maps of attention's inputs, its output, and the MLP, in this order.
    pub(super) fn maps(&self) -> [Vec<&'static str>; 3] {
        let inputs = match self.attention {
            AttentionNames::Separate(maps) => maps.to_vec(),
            AttentionNames::Fused(map) | AttentionNames::FusedByHead(map) => vec![map],
        };
        let mlp = match self.mlp {
            MlpNames::Plain(maps) | MlpNames::FusedGate(maps) => maps.to_vec(),
            MlpNames::Gated(maps) => maps.to_vec(),
        };
        [inputs, vec![self.o], mlp]
    }
}
