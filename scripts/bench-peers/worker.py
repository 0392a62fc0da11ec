#!/usr/bin/env python3
"""Do one peer's work once for every line of the input and print what it took as a line of JSON.

Run by bench.py in the virtual environment, one process for each peer, which waits while the others are measured.
Loading and warming up are not timed; `from` and `to` are the ends of the timed part on the monotonic clock.
"""

import argparse
import importlib
import json
import sys
import time
from importlib import metadata

PEERS = {
    "transformers": ("peer_forward", "transformers"),
    "transformer-lens": ("peer_forward", "transformer_lens"),
    "auto-circuit": ("peer_auto_circuit", "auto_circuit"),
    "auto-circuit-from-layer": ("peer_auto_circuit", "auto_circuit_from_layer"),
    "circuitkit": ("peer_eap_ig", "eap_ig"),
    "circuitkit-weights": ("peer_eap_ig", "eap_ig"),
    "eap-ig": ("peer_eap_ig", "eap_ig"),
}
PACKAGES = ["auto-circuit", "circuitkit", "numpy", "torch", "transformer-lens", "transformers"]


def versions():
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def timed(work):
    start = time.monotonic()
    result = work()
    return start, time.monotonic(), result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--sample", type=int, default=32)
    parser.add_argument("--tau", type=float, default=0.01)
    parser.add_argument("--scores", help="file that `eap` writes and `evaluate` reads")
    parser.add_argument("--eap-ig", help="checkout of EAP-IG, for the peer eap-ig")
    parser.add_argument("--warm-up", choices=["work", "forward"], default="forward")
    options = parser.parse_args()

    begin = time.monotonic()
    import torch

    torch.set_num_threads(options.threads)
    module, function = PEERS[options.peer]
    if options.peer != "eap-ig":
        options.eap_ig = None
    task = getattr(importlib.import_module(module), function)(options.work, options)
    task.warm()
    if options.warm_up == "work":
        task.run()
    setup = time.monotonic() - begin
    for _ in sys.stdin:
        found = measured(task) | {"setup_seconds": setup, "threads": torch.get_num_threads(), "versions": versions()}
        print(json.dumps(found), flush=True)


def measured(task):
    """The work, once."""
    fixed = None
    if task.fixed:
        start, end, _ = timed(task.fixed)
        fixed = end - start
    start, end, result = timed(task.run)
    found = {
        "seconds": end - start,
        "from": start,
        "to": end,
        "edges": task.edges,
        "result": result,
    }
    if task.sample:
        each = (end - start - fixed) / task.sample
        found["sample"] = task.sample
        found["fixed_seconds"] = fixed
        found["seconds_an_edge"] = each
        if task.sample < task.edges:
            found["seconds"] = fixed + each * task.edges
            found["extrapolated"] = True
    return found


if __name__ == "__main__":
    main()
