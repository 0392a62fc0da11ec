"""What a peer does for one measurement."""

import dataclasses
from typing import Callable, Optional

# Shares of the edges whose circuits `evaluate` evaluates, as in the MIB benchmark.
SHARES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]


@dataclasses.dataclass
class Task:
    """Work ready to be timed.

    `run` does it and returns a few numbers by which programs can be compared. If only a sample of the edges is worked
    on, `fixed` does what has to be done once for any number of edges, so that the cost of all can be extrapolated.
    """

    run: Callable[[], dict]
    warm: Callable[[], object]
    edges: Optional[int] = None
    sample: Optional[int] = None
    fixed: Optional[Callable[[], object]] = None


def spread(edges, count):
    """`count` of the edges, in the middle of equal parts of the list: spread over depth if that is sorted by depth."""
    if count >= len(edges):
        return list(edges)
    return [edges[(2 * at + 1) * len(edges) // (2 * count)] for at in range(count)]


def sizes(edges):
    return [max(1, round(share * edges)) for share in SHARES]
