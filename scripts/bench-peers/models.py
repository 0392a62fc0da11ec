#!/usr/bin/env python3
"""Make a model as a folder in Hugging Face's layout, in float32.

Usage: models.py NAME FOLDER [GGUF]

NAME is `gpt2-small` (the shape of GPT-2 small) or `gpt2-tiny` (4 layers of width 64), both with seeded random weights,
or `smollm2-135m`, dequantised from the GGUF file that scripts/get-models.sh fetches. Does nothing if the folder is
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
NAMES = [*GPT2, "smollm2-135m"]


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
    else:
        sys.exit(f"models: no model called {name}; there are {', '.join(NAMES)}")
    done.touch()


if __name__ == "__main__":
    main()
