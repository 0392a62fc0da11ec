"""The programs that are measured: how each is called and what it reports."""

import dataclasses
import json
import pathlib
import sys

import measure

HERE = pathlib.Path(__file__).resolve().parent
# Which peers do which work; `auto-circuit-from-layer` is a loop of ours around auto-circuit.
PEERS = {
    "forward": ["transformers", "transformer-lens"],
    "eap": ["auto-circuit", "circuitkit", "circuitkit-weights", "eap-ig"],
    "eap-ig": ["circuitkit", "circuitkit-weights", "eap-ig"],
    "evaluate": ["auto-circuit", "circuitkit", "eap-ig"],
    "exact": ["auto-circuit", "auto-circuit-from-layer", "circuitkit", "eap-ig"],
    "acdc": ["auto-circuit"],
}
# Short enough for an untimed first run; for the others a forward pass is the warm-up.
WARMED = ["forward", "eap", "eap-ig", "evaluate"]

# Work that takes more seconds is measured twice only, and so is what is extrapolated to hours.
LONG = 120


@dataclasses.dataclass
class Case:
    """One work on one model and one set of prompts."""

    work: str
    model: str
    prompts: str
    folder: pathlib.Path
    rows: pathlib.Path


@dataclasses.dataclass
class Program:
    """One program in one setting; `allocator` is a library to preload or None."""

    name: str
    setting: str
    options: object
    allocator: str = None
    tau: float = None
    worker: measure.Worker = None

    def call(self, case):
        """Measure once; a record with `seconds` and `peak_anonymous_bytes`, or with `error`."""
        ours = self.name == "secateur"
        command = self.secateur(case) if ours else self.peer(case)
        env = {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
        if self.allocator:
            env["LD_PRELOAD"] = self.allocator
        if ours:
            got = measure.measure(command, env, self.options.limit)
        else:
            if self.worker is None:
                self.worker = measure.Worker(command, env)
            got = self.worker.measure(self.options.limit)
        record = {"command": shown(command, self.allocator, self.options), "wall_seconds": got.seconds}
        if got.error is None:
            try:
                record |= self.read(got, case.work)
            except (ValueError, KeyError, IndexError) as error:
                got.error = f"cannot read what it printed: {error!r}"
        if got.error is not None:
            print(f"bench-peers: {self.name} {case.work}: {got.error}", file=sys.stderr)
            record["error"] = got.error
        return record

    def stop(self):
        if self.worker is not None:
            self.worker.stop()

    def secateur(self, case):
        # Twice in one process, the first as warm-up, where the work is short.
        repeat = 2 if case.work in WARMED else 1
        command = [self.options.secateur, "bench", case.folder, "--rows", case.rows, "--work", case.work]
        command += ["--repeat", repeat, "--threads", self.options.threads, "--json", *self.options.secateur_args]
        if case.work == "acdc":
            command += ["--tau", self.tau]
        return [str(word) for word in command]

    def peer(self, case):
        scores = self.options.out / f"scores-{self.name}-{case.model}-{case.prompts}.pt"
        command = [self.options.python, HERE / "worker.py", "--peer", self.name, "--work", case.work]
        command += ["--model", case.folder, "--rows", case.rows, "--threads", self.options.threads]
        command += ["--sample", self.options.sample]
        if case.work in ("eap", "evaluate"):
            command += ["--scores", scores]
        if case.work in WARMED:
            command += ["--warm-up", "work"]
        if case.work == "acdc":
            command += ["--tau", self.tau]
        if self.name == "eap-ig":
            command += ["--eap-ig", self.options.eap_ig]
        return [str(word) for word in command]

    def read(self, got, work):
        if self.name != "secateur":
            found = json.loads(got.output.strip().splitlines()[-1])
            # Only while it works: loading a model with torch holds several copies of the weights.
            found["peak_anonymous_bytes"] = got.peak(found["from"], found["to"])
            found["peak_of_the_process"] = got.peak()
            found["long"] = found["to"] - found["from"] > LONG or found.get("extrapolated", False)
            return found
        found = json.loads(got.output)
        found["all_seconds"] = found["seconds"]
        found["seconds"] = found["seconds"][-1]
        found["long"] = found["seconds"] > LONG
        if work == "acdc":
            # There it counts the edges of the circuit, elsewhere it is nothing.
            found["kept"] = found.pop("edges", None)
        # As for the peers measured from outside, but over the whole process.
        found["peak_anonymous_bytes"] = got.peak()
        return found


def shown(command, allocator, options):
    """The command as it is printed, without the folders of this machine."""
    text = " ".join(command)
    for path, name in [(options.venv, "VENV"), (options.secateur, "secateur"), (options.eap_ig, "EAP-IG")]:
        if path:
            text = text.replace(str(path), name)
    text = text.replace(f"{HERE.parents[1]}/", "")
    return f"LD_PRELOAD={pathlib.Path(allocator).name} {text}" if allocator else text


def programs(case, options):
    """Every program and setting to measure for a case, Secateur last."""
    found = []
    if options.peers:
        for name in PEERS[case.work]:
            if name == "eap-ig" and not options.eap_ig:
                continue
            for allocator in options.allocators:
                setting = "tcmalloc" if allocator else "malloc"
                found.append(Program(name, setting, options, allocator, options.taus[case.model][0]))
    if options.ours:
        for tau in options.taus[case.model] if case.work == "acdc" else [None]:
            setting = f"tau {tau}" if tau is not None else ""
            found.append(Program("secateur", setting, options, tau=tau))
    return found
