"""EAP-IG's EAP, EAP-IG, evaluation of circuits and patching of edges.

Its package `eap` comes from a checkout, or from circuitkit, which ships a copy that computes no gradients of weights.
A checkout runs on a GPU only as it is, so its files are copied with that device replaced. `circuitkit-weights` is that
copy without its wrapper that keeps gradients of weights from being computed: what EAP-IG itself does.
"""

import importlib.util
import pathlib
import sys
import tempfile
import types

import torch

import load
from task import Task, sizes, spread


def package(checkout):
    """Import `eap` and return its modules attribute, evaluate and graph."""
    if checkout is None:
        spec = importlib.util.find_spec("circuitkit")
        assert spec is not None, "circuitkit is not installed"
        folder = pathlib.Path(spec.origin).parent / "backends"
    else:
        found = [pathlib.Path(checkout) / at for at in ("src", ".") if (pathlib.Path(checkout) / at / "eap").is_dir()]
        assert found, f"no package eap in {checkout}"
        folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-peers-"))
        (folder / "eap").mkdir()
        for file in (found[0] / "eap").glob("*.py"):
            text = file.read_text().replace("'cuda'", "'cpu'").replace('"cuda"', '"cpu"')
            (folder / "eap" / file.name).write_text(text)
    # Drawing alone needs it.
    sys.modules.setdefault("pygraphviz", types.ModuleType("pygraphviz")).AGraph = object
    sys.path.insert(0, str(folder))
    from eap import attribute, evaluate, graph

    for module in (attribute, evaluate):
        module.tokenize_plus = tokens
        module.tokenize_batch_pair = token_pair
    return attribute, evaluate, graph


def tokens(_, rows, *rest, **more):
    """Rows of ids in place of text."""
    ids = torch.tensor(rows)
    return ids, torch.ones_like(ids), torch.full((len(rows),), ids.shape[1]), ids.shape[1]


def token_pair(_, clean, corrupt, **more):
    """The same for clean and corrupt together, as circuitkit asks for them."""
    (clean, mask, lengths, width), (corrupt, *_) = tokens(_, clean), tokens(_, corrupt)
    return clean, corrupt, mask, mask, lengths, width


class Graphed:
    """The model, its graph and the prompts as one batch."""

    def __init__(self, options):
        self.attribute, self.evaluate, graph = package(options.eap_ig)
        if options.peer == "circuitkit-weights":
            for name in ("get_scores_eap", "get_scores_eap_ig"):
                setattr(self.attribute, name, getattr(self.attribute, name).__wrapped__)
        self.data = load.rows(options.rows)
        self.model = load.lens_model(options.model, edges=True)
        self.graph = graph.Graph.from_model(self.model)
        data = self.data
        self.batches = [(data.clean.tolist(), data.corrupt.tolist(), None)]

    def values(self, logits, *_):
        return load.logit_diff(logits[:, -1], self.data)

    def loss(self, logits, *_):
        return -self.values(logits).mean()

    def warm(self):
        with torch.inference_mode():
            return self.model(self.data.clean)

    def circuit(self):
        """The logit difference of the circuit that the graph stands for."""
        return self.evaluate.evaluate_graph(self.model, self.graph, self.batches, self.values, quiet=True).mean().item()


def scores(options, **method):
    at = Graphed(options)

    def run():
        at.model.zero_grad()
        at.attribute.attribute(at.model, at.graph, at.batches, at.loss, quiet=True, **method)
        found = at.graph.scores
        if options.scores:
            torch.save(found, options.scores)
        # It divides by the number of pairs twice.
        found = found.abs() * len(at.data.clean)
        return {"largest_score": found.max().item(), "sum_of_magnitudes": found.sum().item()}

    return Task(run=run, warm=at.warm, edges=len(at.graph.edges))


def evaluate(options):
    """Ten circuits, selected beforehand; each evaluation cleans its circuit up and runs the corrupt prompts anew."""
    at = Graphed(options)
    graph = at.graph
    graph.scores[:] = torch.load(options.scores)
    edges = len(graph.edges)
    selected = {}
    for count in sizes(edges):
        graph.apply_topn(count, absolute=True)
        selected[str(count)] = graph.in_graph.clone(), graph.nodes_in_graph.clone()

    def run():
        values = {}
        for count, (edge_mask, node_mask) in selected.items():
            graph.in_graph[:], graph.nodes_in_graph[:] = edge_mask, node_mask
            values[count] = at.circuit()
        return {"logit_diff_by_edges": values}

    return Task(run=run, warm=at.warm, edges=edges)


def exact(options):
    """The loop of its method `exact`, over a sample."""
    at = Graphed(options)
    at.graph.reset(empty=False)
    edges = list(at.graph.edges.values())
    edges.sort(key=lambda edge: at.graph.prev_index(edge.child))
    sample = spread(edges, options.sample)

    def loop(chosen):
        base = at.evaluate.evaluate_baseline(at.model, at.batches, at.values, quiet=True).mean().item()
        changes = {}
        for edge in chosen:
            edge.in_graph = False
            changes[edge.name] = at.circuit() - base
            edge.in_graph = True
        return {"changes": changes}

    return Task(lambda: loop(sample), at.warm, len(edges), len(sample), lambda: loop([]))


def eap_ig(work, options):
    return {
        "eap": lambda options: scores(options, method="EAP"),
        "eap-ig": lambda options: scores(options, method="EAP-IG-inputs", ig_steps=5),
        "evaluate": evaluate,
        "exact": exact,
    }[work](options)
