#!/usr/bin/env python3
"""Write facts of Gemma 3 270M for tests/real_model: tokens and the ten largest logits behind each prompt.

Usage: gemma3_fixture.py models/gemma3-270m.gguf OUT_FILE. Needs torch, transformers, accelerate and gguf from PyPI:
transformers reads the file's weights, dequantised to F32, and makes its tokenizer of the file's metadata.
"""

import json
import pathlib
import sys

import torch
import transformers

PROMPTS = [
    "When Mary and John went to the store, John gave a drink to",
    "Then, Paul and Anna were working at the office. Paul decided to give a book to",
    "The war lasted from the year 1732 to the year 17",
    "The keys to the cabinet",
    "The capital of France is",
    "  two spaces,\n\n\tlines and\ttabs   between",
    "Größe, naïve café, \u6771\u4eac and \U0001f600\u200d\U0001f525 \ufb01",
    "def add(a, b):\n    return a + b\n\nprint(add(12, 345))",
    "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
    "",
]


def main():
    path, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**where)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    cases = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        top = logits.topk(10)
        pairs = [[token, round(value, 5)] for token, value in zip(top.indices.tolist(), top.values.tolist())]
        cases.append({"prompt": prompt, "ids": ids, "top": pairs})
    lines = ",\n    ".join(json.dumps(case, ensure_ascii=False) for case in cases)
    note = "Gemma 3 270M, Q4_K_M weights dequantised to f32, beginning-of-sequence token, logits at the last position"
    out.write_text(f'{{\n  "note": {json.dumps(note)},\n  "cases": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
