"""Forward passes with the logits at every position."""

import torch

import load
from task import Task


def forward(model, data):
    def run():
        with torch.inference_mode():
            logits = model(data.clean)
        assert logits.shape[:2] == data.clean.shape, logits.shape
        return {"logit_diff": load.logit_diff(logits[:, -1], data).mean().item()}

    return Task(run=run, warm=run)


def transformers(work, options):
    """The model class of transformers, without a cache of keys and values."""
    model = load.transformers_model(options.model)
    return forward(lambda ids: model(input_ids=ids, use_cache=False).logits, load.rows(options.rows))


def transformer_lens(work, options):
    """TransformerLens, without the inputs split by edges."""
    return forward(load.lens_model(options.model, edges=False), load.rows(options.rows))
