"""Random models in the shape of GPT-2, and pairs of token ids; seeded, with nothing but the standard library."""

import array
import json
import math
import random
import struct
import sys

VOCABULARY = 1000
POSITIONS = 1024


def write_model(folder, layers, heads, width, seed=0):
    """A model of this many layers, heads and coordinates of the stream, in Hugging Face's layout."""
    source = random.Random(seed)

    def numbers(count, deviation, centre=0.0):
        reach = deviation * math.sqrt(3)
        values = array.array("f", (source.uniform(centre - reach, centre + reach) for _ in range(count)))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    tensors = {}

    def linear(name, inputs, outputs):
        tensors[f"{name}.weight"] = [inputs, outputs], numbers(inputs * outputs, 1 / math.sqrt(inputs))
        tensors[f"{name}.bias"] = [outputs], numbers(outputs, 0.02)

    def norm(name):
        tensors[f"{name}.weight"] = [width], numbers(width, 0.02, centre=1.0)
        tensors[f"{name}.bias"] = [width], numbers(width, 0.02)

    tensors["wte.weight"] = [VOCABULARY, width], numbers(VOCABULARY * width, 1.0)
    tensors["wpe.weight"] = [POSITIONS, width], numbers(POSITIONS * width, 0.1)
    for layer in range(layers):
        block = f"h.{layer}"
        norm(f"{block}.ln_1")
        norm(f"{block}.ln_2")
        linear(f"{block}.attn.c_attn", width, 3 * width)
        linear(f"{block}.attn.c_proj", width, width)
        linear(f"{block}.mlp.c_fc", width, 4 * width)
        linear(f"{block}.mlp.c_proj", 4 * width, width)
    norm("ln_f")

    header, end = {}, 0
    for name, (shape, values) in tensors.items():
        size = 4 * len(values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            values.tofile(file)
    config = {
        "model_type": "gpt2",
        "n_layer": layers,
        "n_head": heads,
        "n_embd": width,
        "vocab_size": VOCABULARY,
        "n_positions": POSITIONS,
        "n_ctx": POSITIONS,
        "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new",
    }
    (folder / "config.json").write_text(json.dumps(config))


def write_rows(file, pairs, length, seed=0, places=(1,)):
    """Pairs of prompts that differ in one token, one pair after the other at these places; by default the second, so that all
    positions but the first have work."""
    source = random.Random(seed)
    with open(file, "w") as out:
        for pair in range(pairs):
            clean = [source.randrange(VOCABULARY) for _ in range(length)]
            corrupt, place = clean[:], places[pair % len(places)]
            corrupt[place] = (clean[place] + 1 + source.randrange(VOCABULARY - 1)) % VOCABULARY
            answer, wrong = source.sample(range(VOCABULARY), 2)
            row = {"clean": clean, "corrupt": corrupt, "answer": [answer], "wrong": [wrong]}
            out.write(json.dumps(row) + "\n")


def edges(layers, heads):
    """Edges of the graph with queries, keys and values apart."""
    total, writers = 0, 1
    for _ in range(layers):
        total += 3 * heads * writers + writers + heads
        writers += heads + 1
    return total + writers
