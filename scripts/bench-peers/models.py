#!/usr/bin/env python3
"""Make a model as a folder in Hugging Face's layout, in float32 but for the last.

Usage: models.py NAME FOLDER [GGUF]

NAME is `gpt2-small` (the shape of GPT-2 small) or `gpt2-tiny` (4 layers of width 64), both with seeded random weights,
or `smollm2-135m`, dequantised from the GGUF file that scripts/get-models.sh fetches, or `llama-1b`: the shape of a Llama
of 1.1 billion parameters, seeded random weights in bfloat16, for runs in little memory; only Secateur runs it. Does nothing if the folder is
there and whole.
"""

import json
import pathlib
import sys

import numpy

GPT2 = {
    "gpt2-small": {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024, "vocab_size": 50257},
    "gpt2-tiny": {"n_layer": 4, "n_head": 4, "n_embd": 64, "n_positions": 64, "vocab_size": 512},
}
LLAMA = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}
NAMES = [*GPT2, "smollm2-135m", "llama-1b"]


def random_gpt2(shape, seed=0):
    """Every tensor of a GPT-2, drawn in a fixed order from one seeded generator."""
    draw = numpy.random.Generator(numpy.random.PCG64(seed))
    width = shape["n_embd"]
    tensors = {}

    def normal(name, *size, std, mean=0.0):
        values = draw.standard_normal(size, dtype=numpy.float32)
        tensors[f"transformer.{name}"] = values * numpy.float32(std) + numpy.float32(mean)

    def norm(name):
        normal(f"{name}.weight", width, std=0.1, mean=1.0)
        normal(f"{name}.bias", width, std=0.02)

    def linear(name, inputs, outputs, gain):
        # Inputs of unit variance give outputs with the standard deviation `gain`.
        normal(f"{name}.weight", inputs, outputs, std=gain * inputs**-0.5)
        normal(f"{name}.bias", outputs, std=0.02)

    normal("wte.weight", shape["vocab_size"], width, std=0.1)
    normal("wpe.weight", shape["n_positions"], width, std=0.02)
    for layer in range(shape["n_layer"]):
        at = f"h.{layer}"
        norm(f"{at}.ln_1")
        linear(f"{at}.attn.c_attn", width, 3 * width, 1.5)
        linear(f"{at}.attn.c_proj", width, width, 0.3)
        norm(f"{at}.ln_2")
        linear(f"{at}.mlp.c_fc", width, 4 * width, 1.0)
        linear(f"{at}.mlp.c_proj", 4 * width, width, 0.3)
    norm("ln_f")
    return tensors


def write_gpt2(name, folder):
    from safetensors.numpy import save_file

    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": "float32",
        **GPT2[name],
        "n_ctx": GPT2[name]["n_positions"],
    }
    save_file(random_gpt2(GPT2[name]), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def llama_shapes():
    """Names and shapes of a Llama's tensors, in the order of the file."""
    width, inner = LLAMA["hidden_size"], LLAMA["intermediate_size"]
    keys = width // LLAMA["num_attention_heads"] * LLAMA["num_key_value_heads"]
    yield "model.embed_tokens.weight", [LLAMA["vocab_size"], width]
    for layer in range(LLAMA["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        yield f"{at}.input_layernorm.weight", [width]
        yield f"{at}.self_attn.q_proj.weight", [width, width]
        yield f"{at}.self_attn.k_proj.weight", [keys, width]
        yield f"{at}.self_attn.v_proj.weight", [keys, width]
        yield f"{at}.self_attn.o_proj.weight", [width, width]
        yield f"{at}.post_attention_layernorm.weight", [width]
        yield f"{at}.mlp.gate_proj.weight", [inner, width]
        yield f"{at}.mlp.up_proj.weight", [inner, width]
        yield f"{at}.mlp.down_proj.weight", [width, inner]
    yield "model.norm.weight", [width]
    yield "lm_head.weight", [LLAMA["vocab_size"], width]


def write_llama(folder, seed=0):
    """Written tensor by tensor, as numpy has no bfloat16: the upper halves of float32."""
    draw = numpy.random.Generator(numpy.random.PCG64(seed))
    header, end = {}, 0
    for name, shape in llama_shapes():
        begin, end = end, end + 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    head = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name, shape in llama_shapes():
            values = draw.standard_normal(shape, dtype=numpy.float32)
            if len(shape) == 1:
                values = 1 + numpy.float32(0.1) * values
            elif "embed" in name:
                values *= numpy.float32(0.1)
            else:
                gain = 0.3 if "o_proj" in name or "down_proj" in name else 1.0
                values *= numpy.float32(gain * shape[1] ** -0.5)
            file.write((values.view(numpy.uint32) >> 16).astype("<u2").tobytes())
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "bfloat16",
        **LLAMA,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def write_smollm2(gguf, folder):
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM

    gguf = pathlib.Path(gguf)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, torch_dtype=torch.float32)
    model.save_pretrained(folder)
    # The words of the prompts are looked up here; no tokenizer is needed.
    tokens = GGUFReader(gguf).fields["tokenizer.ggml.tokens"].contents()
    (folder / "vocabulary.json").write_text(json.dumps({token: at for at, token in enumerate(tokens)}))


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    done = folder / "bench-peers.done"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if name in GPT2:
        write_gpt2(name, folder)
    elif name == "smollm2-135m":
        write_smollm2(sys.argv[3], folder)
    elif name == "llama-1b":
        write_llama(folder)
    else:
        sys.exit(f"models: no model called {name}; there are {', '.join(NAMES)}")
    done.touch()


if __name__ == "__main__":
    main()
