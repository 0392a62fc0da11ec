"""Load a model folder and rows of prompts for the peers."""

import dataclasses
import json

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights, convert_llama_weights
from transformers import AutoModelForCausalLM

# TransformerLens keeps a square mask of the context for every layer; SmolLM2's 8192 would take 2 GB.
CONTEXT = 1024


@dataclasses.dataclass
class Rows:
    """Prompts of one length: ids [pair, position], answers [pair]."""

    clean: torch.Tensor
    corrupt: torch.Tensor
    answer: torch.Tensor
    wrong: torch.Tensor


def rows(path):
    with open(path) as file:
        found = [json.loads(line) for line in file]
    return Rows(
        torch.tensor([row["clean"] for row in found]),
        torch.tensor([row["corrupt"] for row in found]),
        torch.tensor([row["answer"][0] for row in found]),
        torch.tensor([row["wrong"][0] for row in found]),
    )


def logit_diff(logits, data):
    """Answer minus wrong of each pair, from logits at the last position [pair, vocabulary]."""
    at = torch.arange(len(logits))
    return logits[at, data.answer] - logits[at, data.wrong]


def transformers_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def lens_config(source, **more):
    shape = {"attn_only": False, "dtype": torch.float32, "device": "cpu", "tokenizer_name": None, **more}
    if source.model_type == "gpt2":
        return HookedTransformerConfig(
            n_layers=source.n_layer,
            n_heads=source.n_head,
            d_model=source.n_embd,
            d_head=source.n_embd // source.n_head,
            d_mlp=source.n_inner or 4 * source.n_embd,
            d_vocab=source.vocab_size,
            n_ctx=source.n_positions,
            eps=source.layer_norm_epsilon,
            act_fn="gelu_new",
            normalization_type="LN",
            **shape,
        )
    return HookedTransformerConfig(
        n_layers=source.num_hidden_layers,
        n_heads=source.num_attention_heads,
        n_key_value_heads=source.num_key_value_heads,
        d_model=source.hidden_size,
        d_head=source.hidden_size // source.num_attention_heads,
        d_mlp=source.intermediate_size,
        d_vocab=source.vocab_size,
        n_ctx=min(source.max_position_embeddings, CONTEXT),
        eps=source.rms_norm_eps,
        act_fn="silu",
        gated_mlp=True,
        normalization_type="RMS",
        positional_embedding_type="rotary",
        rotary_dim=source.hidden_size // source.num_attention_heads,
        rotary_base=int(source.rope_theta),
        final_rms=True,
        original_architecture="LlamaForCausalLM",
        **shape,
    )


def lens_model(folder, edges):
    """A TransformerLens model, nothing folded or centred; with `edges`, split so that edges can be patched."""
    hf = transformers_model(folder)
    split = {"use_attn_result": True, "use_split_qkv_input": True, "use_hook_mlp_in": True} if edges else {}
    config = lens_config(hf.config, **split)
    convert = convert_gpt2_weights if hf.config.model_type == "gpt2" else convert_llama_weights
    model = HookedTransformer(config)
    model.load_and_process_state_dict(
        convert(hf, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    if edges and config.n_key_value_heads is not None:
        model.set_ungroup_grouped_query_attention(True)
    return model.eval()
