"""auto-circuit's EAP, evaluation of circuits, patching of edges and ACDC."""

import torch
from auto_circuit.data import PromptDataLoader, PromptDataset
from auto_circuit.prune import run_circuits
from auto_circuit.prune_algos.ACDC import acdc_prune_scores
from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores
from auto_circuit.types import PatchType
from auto_circuit.utils.ablation_activations import src_ablations
from auto_circuit.utils.graph_utils import patch_mode, patchable_model, set_all_masks

import load
from task import Task, sizes, spread


class Patchable:
    """The model with a mask for every edge, and its prompts as one batch."""

    def __init__(self, options):
        self.data = load.rows(options.rows)
        lens = load.lens_model(options.model, edges=True)
        for parameter in lens.parameters():
            parameter.requires_grad = False
        self.model = patchable_model(lens, factorized=True, slice_output="last_seq", separate_qkv=True)
        pairs = PromptDataset(
            self.data.clean, self.data.corrupt, list(self.data.answer[:, None]), list(self.data.wrong[:, None])
        )
        self.loader = PromptDataLoader(pairs, seq_len=None, diverge_idx=0, batch_size=len(self.data.clean))

    def edges(self):
        """All edges by depth of the reader, then by writer."""
        return sorted(self.model.edges, key=lambda edge: (edge.dest.layer, edge.dest.name, edge.src.src_idx))

    def warm(self):
        with torch.inference_mode():
            return self.model(self.data.clean)

    def value(self, logits):
        return load.logit_diff(logits, self.data).mean().item()


def eap(options):
    at = Patchable(options)

    def run():
        scores = mask_gradient_prune_scores(
            at.model, at.loader, None, grad_function="logit", answer_function="avg_diff", mask_val=0.0
        )
        for wrapper in at.model.dest_wrappers:
            wrapper.patch_mask.grad = None
        if options.scores:
            torch.save(scores, options.scores)
        flat = torch.cat([score.flatten() for score in scores.values()])
        return {"largest_score": flat.abs().max().item(), "sum_of_magnitudes": flat.abs().sum().item()}

    return Task(run=run, warm=at.warm, edges=at.model.n_edges)


def evaluate(options):
    """Ten circuits in one call, which runs the corrupt prompts once."""
    at = Patchable(options)
    scores = torch.load(options.scores)
    edges = at.model.n_edges

    def run():
        found = run_circuits(at.model, at.loader, sizes(edges), scores, patch_type=PatchType.TREE_PATCH)
        values = {count: at.value(next(iter(batches.values()))) for count, batches in found.items()}
        return {"logit_diff_by_edges": {str(count): value for count, value in sorted(values.items())}}

    return Task(run=run, warm=at.warm, edges=edges)


def exact(options, from_layer):
    """One run for each edge, with that edge patched. With `from_layer` the run starts at the layer of the edge's
    reader, as auto-circuit's ACDC does; the loop is ours, auto-circuit has none."""
    at = Patchable(options)
    model, data = at.model, at.data
    edges = at.edges()
    # From the last layer to the first: what a run leaves behind is then never read by a later one.
    sample = spread(edges, options.sample)[::-1]

    def loop(chosen):
        changes = []
        corrupt = src_ablations(model, data.corrupt)
        clean = src_ablations(model, data.clean) if from_layer else None
        set_all_masks(model, val=0.0)
        with torch.inference_mode():
            base = at.value(model(data.clean)[model.out_slice])
            _, tokens, short, mask = model.input_to_embed(data.clean)
            _, cache = model.run_with_cache(data.clean, names_filter=lambda name: name.endswith("hook_resid_pre"))
            streams = [cache[f"blocks.{layer}.hook_resid_pre"] for layer in range(model.cfg.n_layers)]
        with patch_mode(model, corrupt, curr_src_outs=clean), torch.inference_mode():
            for edge in chosen:
                edge.patch_mask(model).data[edge.patch_idx] = 1.0
                if from_layer:
                    layer = int(edge.dest.module_name.split(".")[1])
                    out = model(
                        streams[layer],
                        start_at_layer=layer,
                        tokens=tokens,
                        shortformer_pos_embed=short,
                        attention_mask=mask,
                    )
                else:
                    out = model(data.clean)
                changes.append(at.value(out[model.out_slice]) - base)
                edge.patch_mask(model).data[edge.patch_idx] = 0.0
        return {"changes": {edge.name: change for edge, change in zip(chosen, changes)}}

    return Task(lambda: loop(sample), at.warm, len(edges), len(sample), lambda: loop([]))


def acdc(options):
    """Its own search, over a sample of the edges only."""
    at = Patchable(options)
    edges = at.edges()
    sample = spread(edges, options.sample)

    def search(chosen):
        at.model.edges = set(chosen)
        scores = acdc_prune_scores(at.model, at.loader, None, tao_exps=[0], tao_bases=[options.tau])
        removed = sum((score < torch.inf).sum().item() for score in scores.values())
        return {"kept": len(chosen) - removed, "tested": len(chosen)}

    return Task(lambda: search(sample), at.warm, len(edges), len(sample), lambda: search([]))


def auto_circuit(work, options):
    return {
        "eap": eap,
        "evaluate": evaluate,
        "exact": lambda options: exact(options, from_layer=False),
        "acdc": acdc,
    }[work](options)


def auto_circuit_from_layer(work, options):
    assert work == "exact", work
    return exact(options, from_layer=True)
