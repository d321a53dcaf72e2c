"""How a prediction keeps to the memory that it may take, `predict.memory`.

What is planned is the peak of three steps of one scan, one after the other: it is read and prepared
(of scans from outside the study), told by the network, and answered for. What a tile takes is
measured, by letting the network see one; what the other steps take for each voxel was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial

from headstart.common.errors import UserError
from headstart.common.memory_size import resident
from headstart.common.memory_size import taken_at_most
from headstart.common.text import times
from headstart.imaging.slabs import PLANES
from headstart.training.inference import TrainedNetwork
from headstart.training.predictor import tiled_of

FLOAT = 4  # bytes
# Bytes for each voxel of a scan that is read and scaled, and of the one that it is resampled to.
READ, RESAMPLED = 9.5, 9.0
# Bytes for each voxel and class of a slab that is decided for.
SLAB = 20
SPARE = 0.1e9  # bytes that allocators and libraries hold besides


@dataclass(frozen=True)
class ScanSize:
    """How large a scan is.

    Attributes:
        name: Who it is of, or its file, for messages.
        raw: Voxels of its file along each axis.
        prepared: Those that the network is shown, at the most.
        new: Whether it is from outside the study: it is read and prepared first, and not judged.
    """

    name: str
    raw: tuple[int, ...]
    prepared: tuple[int, ...]
    new: bool = False


def within_memory(
    networks: Sequence[TrainedNetwork],
    scans: Iterable[ScanSize],
    setting: str = "predict.memory",
) -> list[TrainedNetwork]:
    """Let networks keep to the memory that their predictions may take.

    Args:
        networks: The networks, which answer together; the first one's setting counts.
        scans: The scans that they answer for, one at a time; looked at where memory is set.
        setting: What the user wrote it as.

    Returns:
        The networks, with tiles as large as memory holds, and their output in a file if it holds
        no more.

    Raises:
        UserError: If it does not hold what one of the scans takes at the least.
    """
    memory = networks[0].card.predict.memory_bytes
    if memory is None or not (sizes := list(scans)):
        return list(networks)
    held = resident() + SPARE
    largest = max(sizes, key=lambda scan: _besides(networks[0], scan))
    told = max(_with_tiles(one, memory - held, sizes) for one in networks)
    least = held + max(told, _besides(networks[0], largest))
    if least > memory:
        raise UserError(
            f"{setting}: {networks[0].card.predict.memory} is too little: {largest.name}, of "
            f"{times(largest.raw)} voxels, takes {math.ceil(least / 1e8) / 10:.1f}G at the least"
        )
    voxels = max(math.prod(scan.prepared) for scan in sizes)
    output = sum(FLOAT * one.task.out_channels for one in networks) * voxels
    return [replace(one, scratch=least + output > memory) for one in networks]


def _besides(network: TrainedNetwork, scan: ScanSize) -> float:
    """Bytes that a scan takes beside the network: while it is prepared, or answered for."""
    raw, prepared = math.prod(scan.raw), math.prod(scan.prepared)
    task = network.task
    slab = SLAB * task.out_channels * PLANES * math.prod(scan.prepared[1:])
    if not scan.new:
        return task.held_out_bytes * raw + slab
    same = sorted(scan.raw) == sorted(scan.prepared)
    reading = READ * raw if same else max((READ + 1) * raw, FLOAT * raw + RESAMPLED * prepared)
    return max(reading, task.answer_bytes * raw + slab)


def _with_tiles(network: TrainedNetwork, room: float, scans: Sequence[ScanSize]) -> float:
    """Give a network smaller tiles where there is no room for the usual ones, if it may have them.

    Returns:
        The bytes that a row of its tiles takes.
    """
    tiled, channels = tiled_of(network.network), len(network.card.run.inputs)
    usual, smaller = tiled.size, tiled.learnt

    def taken() -> float:
        return taken_at_most(partial(tiled.see_tile, channels, network.place))

    if smaller == usual or not tiled.is_exact(smaller, channels, network.place):
        return _row(network, usual, scans) + taken()
    tiled.resize(smaller, widest=1)
    row, of_smaller = _row(network, usual, scans), taken()
    # larger ones are tried out only where they are likely to fit
    if row + of_smaller * math.prod(usual) / math.prod(smaller) <= room:
        tiled.resize(usual)
        if row + (of_usual := taken()) <= room:
            return row + of_usual
        tiled.resize(smaller, widest=1)
    return _row(network, smaller, scans) + of_smaller


def _row(network: TrainedNetwork, size: Sequence[int], scans: Sequence[ScanSize]) -> float:
    """Bytes of a row of tiles along y and z: what is seen and what is told, three times each."""
    channels = 3 * (len(network.card.run.inputs) + network.task.out_channels)
    planes = [map(max, scan.prepared[1:], size[1:]) for scan in scans]
    return FLOAT * channels * size[0] * max(map(math.prod, planes))
