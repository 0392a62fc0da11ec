#!/usr/bin/env python3
"""Load a circuit with EAP-IG's own code and evaluate it there, to compare with `secateur eval`.

Usage: check_eap_ig.py CODE MODEL PROMPTS CIRCUIT [--top N OUT]

CODE is the folder that holds EAP-IG's package `eap`: `src` of a checkout, or `circuitkit/backends` of the package
circuitkit 0.2.0, which ships EAP-IG's graph, loader and evaluation. MODEL is a folder of GPT-2 or Llama in Hugging
Face's layout, PROMPTS a file of rows of token ids (one length) as for a `Tokens` task, CIRCUIT a circuit.json. Prints
metrics and faithfulness of the circuit in double precision. With --top, also selects the N edges with the largest
|score| there and writes them to OUT with EAP-IG's to_json. Needs transformer-lens, transformers, torch and, for
circuitkit, matplotlib; no GPU.
"""

import json
import pathlib
import sys
import types

import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights, convert_llama_weights
from transformers import AutoModelForCausalLM


def load_model(folder):
    """The model as EAP-IG needs it, nothing folded or centred."""
    hf = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float64)
    source = hf.config
    shape = {
        "attn_only": False,
        "dtype": torch.float64,
        "device": "cpu",
        "use_attn_result": True,
        "use_split_qkv_input": True,
        "use_hook_mlp_in": True,
        "tokenizer_name": None,
    }
    if source.model_type == "gpt2":
        cfg = HookedTransformerConfig(
            n_layers=source.n_layer,
            n_heads=source.n_head,
            d_model=source.n_embd,
            d_head=source.n_embd // source.n_head,
            d_mlp=source.n_inner or 4 * source.n_embd,
            d_vocab=source.vocab_size,
            n_ctx=source.n_ctx if hasattr(source, "n_ctx") else source.n_positions,
            eps=source.layer_norm_epsilon,
            act_fn="gelu_new",
            normalization_type="LN",
            **shape,
        )
        state = convert_gpt2_weights(hf, cfg)
    else:
        cfg = HookedTransformerConfig(
            n_layers=source.num_hidden_layers,
            n_heads=source.num_attention_heads,
            n_key_value_heads=source.num_key_value_heads,
            d_model=source.hidden_size,
            d_head=source.hidden_size // source.num_attention_heads,
            d_mlp=source.intermediate_size,
            d_vocab=source.vocab_size,
            n_ctx=source.max_position_embeddings,
            eps=source.rms_norm_eps,
            act_fn="silu",
            gated_mlp=True,
            normalization_type="RMS",
            positional_embedding_type="rotary",
            rotary_dim=source.hidden_size // source.num_attention_heads,
            rotary_base=int(source.rope_theta),
            final_rms=True,
            original_architecture="LlamaForCausalLM",
            **shape,
        )
        state = convert_llama_weights(hf, cfg)
    model = HookedTransformer(cfg)
    model.load_and_process_state_dict(
        state, fold_ln=False, center_writing_weights=False, center_unembed=False, fold_value_biases=False
    )
    if getattr(cfg, "n_key_value_heads", None):
        model.set_ungroup_grouped_query_attention(True)
    return model.to(torch.float64)


def main():
    code, folder, prompts, circuit = sys.argv[1:5]
    sys.path.insert(0, str(pathlib.Path(code)))
    # Drawing alone needs it.
    sys.modules.setdefault("pygraphviz", types.ModuleType("pygraphviz"))
    sys.modules["pygraphviz"].AGraph = object
    from eap import evaluate
    from eap.graph import Graph

    model = load_model(folder)

    def tokens(_, rows, *rest, **more):
        """Rows of ids in place of text."""
        ids = torch.tensor(rows)
        return ids, torch.ones_like(ids), torch.full((len(rows),), ids.shape[1]), ids.shape[1]

    def pair(_, clean, corrupt, **more):
        """The same for clean and corrupt together, as circuitkit asks for them."""
        (clean, mask, lengths, width), (corrupt, *_) = tokens(_, clean), tokens(_, corrupt)
        return clean, corrupt, mask, mask, lengths, width

    evaluate.tokenize_plus = tokens
    evaluate.tokenize_batch_pair = pair
    rows = [json.loads(line) for line in open(prompts)]
    batch = (
        [row["clean"] for row in rows],
        [row["corrupt"] for row in rows],
        [(row["answer"][0], row["wrong"][0]) for row in rows],
    )

    def logit_diff(logits, _, lengths, labels):
        last = logits[torch.arange(len(lengths)), lengths - 1]
        return torch.stack([row[right] - row[wrong] for row, (right, wrong) in zip(last, labels)])

    def measure(graph):
        return evaluate.evaluate_graph(model, graph, [batch], logit_diff, quiet=True).mean().item()

    with open(circuit) as file:
        cfg = json.load(file)["cfg"]
    full = Graph.from_model(cfg)
    full.reset(empty=False)
    empty = Graph.from_model(cfg)
    metric_full, metric_empty = measure(full), measure(empty)

    def show(graph, name):
        asked = graph.count_included_edges()
        value = measure(graph)
        faithfulness = (value - metric_empty) / (metric_full - metric_empty)
        found = {
            "circuit": name,
            "edges": asked,
            "edges_after_prune": graph.count_included_edges(),
            "metric_full": metric_full,
            "metric_empty": metric_empty,
            "metric_circuit": value,
            "faithfulness": faithfulness,
        }
        print(json.dumps(found))

    show(Graph.from_json(circuit), circuit)
    if len(sys.argv) > 5:
        assert sys.argv[5] == "--top", sys.argv[5]
        top = Graph.from_json(circuit)
        top.apply_topn(int(sys.argv[6]), absolute=True)
        top.to_json(sys.argv[7])
        show(top, sys.argv[7])


if __name__ == "__main__":
    main()
