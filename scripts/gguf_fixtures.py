#!/usr/bin/env python3
"""Make the GGUF fixtures, in an environment with gguf, numpy and safetensors.

Usage: gguf_fixtures.py. Names of tensors and keys are those of the gguf package. tests/fixtures/families/NAME/model.gguf is
the model beside it, laid out as llama.cpp's converter does. tests/fixtures/gguf/blocks.gguf has a tensor of random blocks
of every quantised type, blocks.safetensors what the gguf package makes of them.
"""

import json
import pathlib

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures"
ARCHITECTURES = {
    "gpt2": "gpt2",
    "gpt_neox": "gptneox",
    "gpt_neox-sequential": "gptneox",
    "llama-linear": "llama",
    "llama-3": "llama",
    "smollm": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
    "phi3": "phi3",
}
QUANTISED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]


def permute(weights, heads):
    """From rotate-half to interleaved order, as convert_hf_to_gguf.py does."""
    shape = weights.shape
    return weights.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def converted(name, values, config, architecture):
    """A tensor as the file holds it."""
    heads = config.get("num_attention_heads")
    if architecture == "llama" and ".q_proj." in name:
        return permute(values, heads)
    if architecture == "llama" and ".k_proj." in name:
        return permute(values, config["num_key_value_heads"])
    if architecture == "gptneox" and ".query_key_value." in name:
        split = values.reshape(heads, 3, -1, *values.shape[1:])
        return np.concatenate([split[:, part].reshape(-1, *values.shape[1:]) for part in range(3)])
    if architecture == "gpt2" and ".c_" in name and name.endswith(".weight"):
        return np.ascontiguousarray(values.T)
    if architecture.startswith("gemma") and name.endswith("norm.weight"):
        return values + np.float32(1)
    return values


def llama3_factors(rope, dims):
    """What frequencies are divided by, as convert_hf_to_gguf.py does."""
    factors = []
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    for frequency in 1.0 / rope["rope_theta"] ** (np.arange(0, dims, 2, dtype=np.float32) / dims):
        wavelength = 2 * np.pi / frequency
        if wavelength < original / high:
            factors.append(1)
        elif wavelength > original / low:
            factors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def metadata(writer, config, architecture):
    """The keys of an architecture; returns further tensors."""
    get = lambda *keys: next((config[key] for key in keys if config.get(key) is not None), None)
    heads, width = get("num_attention_heads", "n_head"), get("hidden_size", "n_embd")
    d_head = get("head_dim") or width // heads
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(width)
    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_feed_forward_length(get("intermediate_size", "n_inner"))
    writer.add_head_count(heads)
    if architecture in ("gpt2", "gptneox"):
        writer.add_layer_norm_eps(get("layer_norm_eps", "layer_norm_epsilon"))
    else:
        writer.add_head_count_kv(get("num_key_value_heads"))
        writer.add_layer_norm_rms_eps(get("rms_norm_eps"))
        writer.add_key_length(d_head)
        writer.add_value_length(d_head)
    rope = get("rope_parameters") or {}
    local = rope.get("sliding_attention")
    rope = rope.get("full_attention", rope)
    dims = int(d_head * rope.get("partial_rotary_factor", 1.0))
    extra = {}
    if rope:
        writer.add_rope_dimension_count(dims)
        writer.add_rope_freq_base(rope["rope_theta"])
    if local:
        writer.add_rope_freq_base_swa(local["rope_theta"])
    if rope.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if rope.get("rope_type") == "llama3":
        extra["rope_freqs.weight"] = llama3_factors(rope, dims)
    if rope.get("rope_type") == "longrope":
        original, longest = rope["original_max_position_embeddings"], config["max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(float(np.sqrt(1 + np.log(longest / original) / np.log(original))))
        for length in ("short", "long"):
            extra[f"rope_factors_{length}.weight"] = np.array(rope[f"{length}_factor"], dtype=np.float32)
    if architecture == "gptneox":
        writer.add_parallel_residual(config["use_parallel_residual"])
    if architecture in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(config["sliding_window"])
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if architecture == "gemma3":
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])
    return extra


def family(name, architecture):
    folder = FIXTURES / "families" / name
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(folder / "model.gguf", architecture)
    extra = metadata(writer, config, architecture)
    kind = next(kind for kind, known in gguf.MODEL_ARCH_NAMES.items() if known == architecture)
    names = gguf.get_tensor_name_map(kind, config.get("num_hidden_layers") or config["n_layer"])
    for key, values in load_file(folder / "model.safetensors").items():
        renamed = names.get_name(key, try_suffixes=(".weight", ".bias"))
        assert renamed, key
        writer.add_tensor(renamed, converted(key, values, config, architecture))
    for key, values in extra.items():
        writer.add_tensor(key, values)
    close(writer)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def blocks():
    """Random blocks; their half-precision factors are kept finite and of ordinary size."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(FIXTURES / "gguf/blocks.gguf", "blocks")
    values = {}
    for name in QUANTISED:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        count = 1024 // elements
        raw = random.integers(0, 256, (count, size), dtype=np.uint8)
        halves = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
        places = halves.get(name, [0, 2] if name.endswith("_1") else [0])
        for place in places:
            factors = random.uniform(-0.1, 0.1, count).astype(np.float16)
            raw[:, place : place + 2] = factors.view(np.uint8).reshape(count, 2)
        raw = raw.reshape(1, -1)
        writer.add_tensor(name, raw, raw_dtype=kind)
        values[name] = gguf.quants.dequantize(raw, kind).astype(np.float32).reshape(-1)
    for name, dtype in [("F16", np.float16), ("F32", np.float32)]:
        plain = random.normal(size=64).astype(dtype)
        writer.add_tensor(name, plain)
        values[name] = plain.astype(np.float32)
    plain = random.normal(size=64).astype(np.float32)
    raw = gguf.quants.quantize(plain, gguf.GGMLQuantizationType.BF16)
    writer.add_tensor("BF16", raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
    values["BF16"] = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType.BF16).reshape(-1)
    close(writer)
    save_file(values, FIXTURES / "gguf/blocks.safetensors")


if __name__ == "__main__":
    for name, architecture in ARCHITECTURES.items():
        family(name, architecture)
    blocks()
