"""Series as a network sees them: some volumes of each, in place of channels."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np
from torch import Tensor
from torch import nn

from headstart.cohort.prepared import Scan
from headstart.tasks.deep_interpolation import ToldSeries
from headstart.tasks.neighbours import Neighbours

# Volumes of each series that choose the epoch: as noise is independent, more of them tell the same.
WATCHED = 8


def drawn(scan: Scan, neighbours: Neighbours, seed: int) -> Scan:
    """Draw a volume that has all neighbours: they are looked at, and after them itself."""
    times = neighbours.inner(scan.length)
    return _asked(scan, neighbours, int(np.random.default_rng(seed).choice(times)))


def watched(scans: Sequence[Scan], neighbours: Neighbours | None) -> tuple[Scan, ...]:
    """Return what validation looks at: scans, or some volumes of series, as `drawn` has them."""
    if neighbours is None:
        return tuple(scans)
    return tuple(
        _asked(scan, neighbours, int(time))
        for scan in scans
        for time in _spread(neighbours.inner(scan.length))
    )


def _asked(scan: Scan, neighbours: Neighbours, time: int) -> Scan:
    return scan.at([*neighbours.around(time, scan.length), time])


def _spread(times: range) -> Sequence[int]:
    """Return some times, evenly spread."""
    count = min(WATCHED, len(times))
    return [times[round(n * (len(times) - 1) / max(count - 1, 1))] for n in range(count)]


def told_series(
    scan: Scan, neighbours: Neighbours, edges: str, predict: Callable[[Scan], Tensor]
) -> ToldSeries:
    """Tell a series, each volume from its neighbours alone.

    Args:
        scan: The series.
        neighbours: Which volumes the network sees.
        edges: `predict.edges`.
        predict: Returns the network's output for a scan, (1, 1, x, y, z).
    """

    def volume(time: int) -> np.ndarray:
        output = predict(scan.at(neighbours.around(time, scan.length)))
        return output[0, 0].float().cpu().numpy()

    inner = neighbours.inner(scan.length)
    times = inner if edges == "truncate" else range(scan.length)
    note = f"told from {neighbours.before} before, {neighbours.after} after; edges: {edges}"
    return ToldSeries(volume, times, inner, edges, note)


def tell_from_mean(network: nn.Module) -> None:
    """Let a network see how neighbours differ from their mean, and tell how what is sought does.

    What all volumes share, the head itself, is many times stronger than noise and signal: a network
    would have to learn first to hand it through.
    """
    kind = type(network)

    def forward(self: nn.Module, volumes: Tensor) -> Tensor:
        mean = volumes.mean(dim=1, keepdim=True)
        return mean + kind.forward(self, volumes - mean)

    # of its class, not of the network: a copy of the network would run the original's
    network.__class__ = type(kind.__name__, (kind,), {"forward": forward})
