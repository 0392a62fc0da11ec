#!/usr/bin/env python3
"""Make the fixtures of tests/it/models/families.rs: a small random model of each family, and what transformers computes.

Usage: family_fixtures.py [FAMILY...], in an environment with torch, transformers (5 or later) and safetensors.
Each folder tests/fixtures/families/NAME gets config.json and model.safetensors, as save_pretrained writes them, and
golden.safetensors: tokens and attention mask of a right-padded batch, the logits and the residual streams in front of
every block. Weights are random everywhere, gains and biases too, so that nothing is symmetric; windows are smaller than
the prompts. All is in double precision but Gemma 2: only transformers' eager attention has soft caps, and that one gives
NaN where a row of the mask is empty.
"""

import json
import math
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/families"
VOCAB = 61
LENGTHS = [30, 17, 1, 9]

LLAMA = dict(
    vocab_size=VOCAB,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
)
NEOX = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=64,
)
GEMMA = {**LLAMA, "head_dim": 10, "num_hidden_layers": 4, "query_pre_attn_scalar": 7}


def rope(**parameters):
    return dict(rope_parameters=parameters)


FAMILIES = {
    "gpt2": transformers.GPT2Config(vocab_size=VOCAB, n_positions=40, n_embd=24, n_layer=3, n_head=3, n_inner=40),
    "gpt_neox": transformers.GPTNeoXConfig(
        **NEOX, **rope(rope_type="default", rope_theta=5000.0, partial_rotary_factor=0.5)
    ),
    "gpt_neox-sequential": transformers.GPTNeoXConfig(
        **NEOX, use_parallel_residual=False, hidden_act="gelu_new", tie_word_embeddings=True
    ),
    "llama-linear": transformers.LlamaConfig(
        **LLAMA, head_dim=8, mlp_bias=True, **rope(rope_type="linear", rope_theta=500.0, factor=3.0)
    ),
    "llama-3": transformers.LlamaConfig(
        **LLAMA,
        head_dim=16,
        attention_bias=True,
        tie_word_embeddings=True,
        **rope(
            rope_type="llama3",
            rope_theta=100.0,
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=32,
        ),
    ),
    "smollm": transformers.LlamaConfig(
        **LLAMA, tie_word_embeddings=True, **rope(rope_type="default", rope_theta=100000.0)
    ),
    "mistral": transformers.MistralConfig(**LLAMA, head_dim=8, sliding_window=5),
    "qwen2": transformers.Qwen2Config(**LLAMA, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen3": transformers.Qwen3Config(**LLAMA, head_dim=10, tie_word_embeddings=True),
    "gemma2": transformers.Gemma2Config(
        **GEMMA, sliding_window=6, attn_logit_softcapping=3.0, final_logit_softcapping=5.0
    ),
    "gemma3_text": transformers.Gemma3TextConfig(
        **GEMMA,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        **rope(
            sliding_attention=dict(rope_type="default", rope_theta=300.0),
            full_attention=dict(rope_type="linear", rope_theta=2000.0, factor=4.0),
        ),
    ),
    "phi3": transformers.Phi3Config(
        **{**LLAMA, "hidden_size": 32},
        original_max_position_embeddings=32,
        sliding_window=7,
        pad_token_id=0,
        **rope(
            rope_type="longrope",
            rope_theta=1000.0,
            partial_rotary_factor=0.5,
            short_factor=[1.1, 1.7],
            long_factor=[2.0, 5.0],
        ),
    ),
}


def randomise(model):
    """Random weights of about the size that keeps the stream's."""
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            weight.data.normal_(0.0, 1.3 / weight.shape[-1] ** 0.5)
            if "embed" in name or "wte" in name or "wpe" in name:
                weight.data.normal_(0.0, 0.6)
        elif "norm" in name or "ln_" in name:
            centre = 1.0 if name.endswith("weight") and "gemma" not in model.config.model_type else 0.0
            weight.data.normal_(centre, 0.3)
        else:
            weight.data.normal_(0.0, 0.3)


def batch():
    """Right-padded tokens and their attention mask."""
    longest = max(LENGTHS)
    tokens = torch.randint(1, VOCAB, (len(LENGTHS), longest))
    mask = torch.arange(longest)[None] < torch.tensor(LENGTHS)[:, None]
    return tokens * mask, mask.long()


ATTENTION_ONLY = dict(
    n_layers=2,
    n_heads=3,
    d_model=16,
    d_head=5,
    d_mlp=None,
    act_fn="relu",
    d_vocab=VOCAB,
    d_out=7,
    n_ctx=32,
    eps=1e-5,
    positional="learned_absolute",
    attention_dir="causal",
    attn_only=True,
)


def attention_only(name, normalization):
    """A random attention-only model in TransformerLens's layout, and its forward pass written out."""
    torch.manual_seed(sum(name.encode()))
    config = dict(ATTENTION_ONLY, normalization=normalization)
    layers, heads, d, width = (config[key] for key in ("n_layers", "n_heads", "d_model", "d_head"))
    shapes = {"embed.W_E": [VOCAB, d], "pos_embed.W_pos": [32, d], "unembed.W_U": [d, 7], "unembed.b_U": [7]}
    for layer in range(layers):
        shapes |= {f"blocks.{layer}.attn.W_{part}": [heads, d, width] for part in "QKV"}
        shapes |= {f"blocks.{layer}.attn.b_{part}": [heads, width] for part in "QKV"}
        shapes |= {f"blocks.{layer}.attn.W_O": [heads, width, d], f"blocks.{layer}.attn.b_O": [d]}
    norms = [*(f"blocks.{layer}.ln1" for layer in range(layers)), "ln_final"] if normalization else []
    shapes |= {f"{norm}.{part}": [d] for norm in norms for part in "wb"}
    weights = {key: 0.4 * torch.randn(shape) + (1.0 if key.endswith(".w") else 0.0) for key, shape in shapes.items()}
    folder = ROOT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file(weights, folder / "model.safetensors")
    w = {key: value.double() for key, value in weights.items()}

    def norm(x, key):
        if not normalization:
            return x
        x = x - x.mean(-1, keepdim=True)
        return x / (x.pow(2).mean(-1, keepdim=True) + config["eps"]).sqrt() * w[f"{key}.w"] + w[f"{key}.b"]

    tokens, mask = batch()
    x = w["embed.W_E"][tokens] + w["pos_embed.W_pos"][: tokens.shape[1]]
    golden = {"tokens": tokens, "attention_mask": mask}
    for layer in range(layers):
        golden[f"resid.{layer}"] = x.clone()
        part = lambda key: w[f"blocks.{layer}.attn.{key}"]
        into = lambda key: torch.einsum("bpd,hde->bhpe", norm(x, f"blocks.{layer}.ln1"), part("W_" + key)) + part("b_" + key)[:, None]
        scores = into("Q") @ into("K").transpose(-1, -2) / math.sqrt(width)
        later = torch.ones_like(scores).triu(1).bool()
        z = scores.masked_fill(later, -math.inf).softmax(-1) @ into("V")
        x = x + torch.einsum("bhpe,hed->bpd", z, part("W_O")) + part("b_O")
    golden[f"resid.{layers}"] = x
    golden["logits"] = norm(x, "ln_final") @ w["unembed.W_U"] + w["unembed.b_U"]
    save_file({key: value.contiguous() for key, value in golden.items()}, folder / "golden.safetensors")


def main():
    attention_only("attention-only", "LN")
    attention_only("attention-only-bare", None)
    for name in sys.argv[1:] or FAMILIES:
        torch.manual_seed(sum(name.encode()))
        config = FAMILIES[name]
        eager = name == "gemma2"
        attention = "eager" if eager else "sdpa"
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).eval()
        randomise(model)
        folder = ROOT / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        tokens, mask = batch()
        with torch.no_grad():
            model = model if eager else model.double()
            out = model(tokens, attention_mask=mask, output_hidden_states=True)
        # The last of hidden_states has passed the final norm already.
        streams = {f"resid.{layer}": stream for layer, stream in enumerate(out.hidden_states[:-1])}
        golden = {"tokens": tokens, "attention_mask": mask, "logits": out.logits, **streams}
        save_file({key: value.contiguous() for key, value in golden.items()}, folder / "golden.safetensors")
        # What stands at padding may be anything, NaN too, and is for no reader.
        real = mask.bool()
        largest = [float(values[real].abs().max()) for values in (out.logits, out.hidden_states[-2])]
        print(f"{name}: largest logit {largest[0]:.2f}, stream {largest[1]:.2f}")
        for file in folder.iterdir():
            file.chmod(0o644)


if __name__ == "__main__":
    main()
