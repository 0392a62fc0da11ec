#!/usr/bin/env python3
"""Make the fixtures of tests/it/sae_files.rs: tiny dictionaries in SAELens' format, and what SAELens computes with them.

Usage: sae_fixtures.py EXPORTS, in an environment with sae-lens 6. EXPORTS is target/tmp/sae-exports, where the test
writes what Secateur saves; copies of these folders get figures of SAELens' as well.
Each folder tests/fixtures/sae/NAME gets cfg.json and sae_weights.safetensors as SAELens saves them, and
golden.safetensors: rows `x`, their `codes` and the `output`. Weights are random everywhere, with decoder rows of
different norms.
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file
from sae_lens import SAE, registry
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/sae"
WIDTH, FEATURES, ROWS = 6, 10, 12
PLACE = dict(model_name="toy", hook_name="blocks.1.hook_resid_post", context_size=8, prepend_bos=False)

DICTIONARIES = {
    "standard": dict(architecture="standard"),
    "standard-uncentred": dict(architecture="standard", apply_b_dec_to_input=False),
    "topk": dict(architecture="topk", k=3),
    "topk-rescaled": dict(architecture="topk", k=3, rescale_acts_by_decoder_norm=True),
    "jumprelu": dict(architecture="jumprelu"),
    "gated": dict(architecture="gated"),
    "gated-uncentred": dict(architecture="gated", apply_b_dec_to_input=False),
}


def fill(sae, generator):
    for name, weights in sorted(sae.state_dict().items()):
        values = torch.randn(weights.shape, generator=generator)
        if "threshold" in name:
            values = values.abs() * 0.3
        elif name.startswith(("b_", "r_")):
            values = values * 0.3
        weights.copy_(values)


def golden(folder, sae, generator):
    x = torch.randn(ROWS, WIDTH, generator=generator)
    if sae.cfg.reshape_activations == "hook_z":
        codes = sae.encode(x.reshape(ROWS, 2, WIDTH // 2))
        output = sae.decode(codes).reshape(ROWS, WIDTH)
    else:
        codes = sae.encode(x)
        output = sae.decode(codes)
    parts = dict(x=x, codes=codes, output=output)
    save_file({name: value.detach().float().contiguous() for name, value in parts.items()}, folder / "golden.safetensors")


def main():
    torch.set_grad_enabled(False)
    generator = torch.Generator().manual_seed(5)
    for name, config in DICTIONARIES.items():
        folder = ROOT / name
        keys = dict(d_in=WIDTH, d_sae=FEATURES, dtype="float32", device="cpu", metadata=PLACE, **config)
        sae_class, config_class = registry.get_sae_class(config["architecture"])
        sae = sae_class(config_class.from_dict(keys))
        fill(sae, generator)
        sae.save_model(folder)
        golden(folder, SAE.load_from_disk(folder), generator)

    # A checkpoint of a BatchTopK training, and the same saved for use: both use the threshold.
    config = dict(d_in=WIDTH, d_sae=FEATURES, k=3, rescale_acts_by_decoder_norm=True, metadata=PLACE)
    config["architecture"] = "batchtopk"
    trained = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig.from_dict(config))
    fill(trained, generator)
    trained.topk_threshold.fill_(0.7)
    trained.save_inference_model(ROOT / "batchtopk-for-use")
    used = SAE.load_from_disk(ROOT / "batchtopk-for-use")
    trained.save_model(ROOT / "batchtopk")
    for folder in ["batchtopk-for-use", "batchtopk"]:
        golden(ROOT / folder, used, torch.Generator().manual_seed(6))

    # A flat configuration, as before version 6: the k largest are an activation of the standard architecture.
    folder = ROOT / "flat"
    folder.mkdir(parents=True, exist_ok=True)
    keys = dict(d_in=WIDTH, d_sae=FEATURES, dtype="float32", device="cpu", activation_fn_str="topk")
    keys.update(activation_fn_kwargs=dict(k=4), normalize_activations=False, hook_point_head_index=None)
    keys.update(model_name="toy", hook_point="blocks.2.hook_resid_pre")
    (folder / "cfg.json").write_text(json.dumps(keys))
    shutil.copy(ROOT / "topk/sae_weights.safetensors", folder)
    golden(folder, SAE.load_from_disk(folder), generator)

    for export in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        folder = ROOT / f"secateur-{export.name}"
        shutil.copytree(export, folder, dirs_exist_ok=True)
        golden(folder, SAE.load_from_disk(folder), generator)


if __name__ == "__main__":
    main()
