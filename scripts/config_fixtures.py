#!/usr/bin/env python3
"""Make tests/fixtures/configurations/golden.safetensors: what transformers computes for variants of configurations.

Usage: config_fixtures.py, in an environment with torch, transformers (5 or later) and safetensors.
variants.json changes the models of tests/fixtures/families: keys are set or removed, tensors are filled or renamed, files
are added. A variant that is refused has no numbers. keys.json says of every key what it is; this script fails when a
configuration of transformers has a key that is not there.
"""

import dataclasses
import json
import pathlib
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures"
HERE = ROOT / "configurations"
TOKENS = torch.tensor([[17, 4, 9, 33, 2, 50, 41, 7, 7, 12, 60, 3]])
CLASSES = {
    "smollm": transformers.LlamaConfig,
    "mistral": transformers.MistralConfig,
    "qwen2": transformers.Qwen2Config,
    "qwen3": transformers.Qwen3Config,
    "gemma2": transformers.Gemma2Config,
    "gemma3_text": transformers.Gemma3TextConfig,
    "phi3": transformers.Phi3Config,
    "gpt2": transformers.GPT2Config,
    "gpt_neox": transformers.GPTNeoXConfig,
}


def logits(variant):
    source = ROOT / "families" / variant["family"]
    config = json.loads((source / "config.json").read_text())
    for key in variant.get("remove", []):
        config.pop(key, None)
    config.update(variant.get("set", {}))
    tensors = load_file(source / "model.safetensors")
    for name, (value, *shape) in variant.get("fill", {}).items():
        tensors[name] = torch.full(shape, value)
    for old, new in variant.get("rename", {}).items():
        tensors[new] = tensors.pop(old)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "config.json").write_text(json.dumps(config))
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32
        )
        with torch.no_grad():
            return model.eval()(TOKENS, use_cache=False).logits[0].contiguous()


def main():
    known = json.loads((HERE / "keys.json").read_text())
    for family, of in CLASSES.items():
        fields = {field.name for field in dataclasses.fields(of)}
        missing = fields - set(known["all"]) - set(known[family])
        assert not missing, f"{family}: not in keys.json: {sorted(missing)}"
    generation = transformers.GenerationConfig._get_default_generation_params()
    missing = set(generation) - set(known["all"])
    assert not missing, f"not in keys.json: {sorted(missing)}"
    golden = {"tokens": TOKENS.to(torch.int64)}
    for variant in json.loads((HERE / "variants.json").read_text()):
        name = f"{variant['family']}/{variant['name']}"
        if "refused" not in variant:
            golden[name] = logits(variant)
    save_file(golden, HERE / "golden.safetensors")
    print(f"{len(golden) - 1} variants, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
