"""How a prediction keeps to the memory that it may take, `predict.memory`.

What is planned is the peak of three steps of one scan, one after the other: it is read and prepared
(of scans from outside the study), told by the network, and answered for. What a tile takes is
measured, by letting the network see one; what the other steps take for each voxel was.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from typing import cast

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
LONGEST = 100.0  # times as long as usual tiles: smaller ones that take longer come to no end


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


class WithinMemory:
    """Networks that answer together, and keep to the memory that their predictions may take.

    How large tiles are hangs on a scan alone, and on no other one that is answered for: its answer
    is the same whichever share it is in.

    Args:
        networks: The networks; the first one's setting counts.
        setting: What the user wrote it as.

    Attributes:
        networks: The networks.
    """

    def __init__(self, networks: Sequence[TrainedNetwork], setting: str = "predict.memory") -> None:
        self.networks = list(networks)
        how = networks[0].card.predict
        self._said, self._memory = f"{setting}: {how.memory}", how.memory_bytes
        self._held = resident() + SPARE
        self._tiles = [_Tiles(one) for one in networks] if self._memory is not None else []

    def check(self, scans: Iterable[ScanSize]) -> None:
        """Check that scans can be answered for, before any is, and say what smaller tiles cost.

        Args:
            scans: The scans; looked at where memory is set.

        Raises:
            UserError: If memory does not hold what one of them takes at the least.
        """
        if self._memory is None or not (sizes := list(scans)):
            return
        most = max(sizes, key=self._least)
        if (least := self._least(most)) > self._memory:
            raise UserError(
                f"{self._said} is too little: {most.name}, of {times(most.raw)} voxels, takes "
                f"{_in_words(least)} at the least"
            )
        if smaller := [one for one in map(self._smaller, sizes) if one]:
            longer, held, words = max(smaller)
            print(
                f"{self._said} holds {words}, with which predictions take some {longer:.2g} times "
                f"as long; {_in_words(held)} would hold the larger ones",
                file=sys.stderr,
                flush=True,
            )

    def fitted(self, scan: ScanSize) -> list[TrainedNetwork]:
        """Return the networks as they answer for a scan.

        They have tiles as large as memory holds, and their output in a file if it holds no more.
        """
        if self._memory is None:
            return self.networks
        least = self._least(scan)
        output = sum(FLOAT * one.task.out_channels for one in self.networks)
        scratch = least + output * math.prod(scan.prepared) > self._memory
        return [replace(one, scratch=scratch) for one in self.networks]

    def _least(self, scan: ScanSize) -> float:
        """Let the networks have tiles for a scan; return the bytes that it takes at the least."""
        room = cast(float, self._memory) - self._held
        told = max(tiles.fit(scan, room) for tiles in self._tiles)
        return self._held + max(told, _besides(self.networks[0], scan))

    def _smaller(self, scan: ScanSize) -> tuple[float, float, str] | None:
        """Say what smaller tiles cost of a scan, the most of any network that has them.

        Returns:
            How many times as long they take, bytes that would hold the usual ones, and words.
        """
        self._least(scan)
        costs = [tiles.cost(scan) for tiles in self._tiles if tiles.are_smaller]
        longer, held, words = max(costs, default=(0.0, 0.0, ""))
        return (longer, self._held + held, words) if costs else None


def _in_words(held: float) -> str:
    return f"{math.ceil(held / 1e8) / 10:.1f}G"


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


class _Tiles:
    """The tiles of a network: as usual, or smaller ones where it may have them."""

    def __init__(self, network: TrainedNetwork) -> None:
        self._network, self._tiled = network, tiled_of(network.network)
        self._channels = len(network.card.run.inputs)
        self._usual, self._learnt = self._tiled.size, self._tiled.learnt
        self._taken: dict[Sequence[int], int] = {}

    @property
    def are_smaller(self) -> bool:
        """Whether they are smaller than usual now."""
        return self._tiled.size != self._usual

    def fit(self, scan: ScanSize, room: float) -> float:
        """Take tiles as large as there is room for, in bytes, and as come to an end.

        Returns:
            The bytes that a row of them takes.
        """
        if self._learnt == self._usual or self._times_as_long(scan) > LONGEST:
            return self._row(self._usual, scan) + self._measured(self._usual)
        # the usual ones are tried out only where they are likely to fit
        if self._likely(scan) <= room:
            held = self._row(self._usual, scan) + self._measured(self._usual)
            if held <= room:
                return held
        self._tiled.resize(self._learnt, widest=1)
        return self._row(self._learnt, scan) + self._measured(self._learnt)

    def cost(self, scan: ScanSize) -> tuple[float, float, str]:
        """Say what smaller tiles cost: how many times as long, bytes of the usual ones, words."""
        usual = self._taken.get(self._usual)
        held = self._likely(scan) if usual is None else self._row(self._usual, scan) + usual
        words = f"tiles of {times(self._learnt)} voxels in place of {times(self._usual)}"
        return self._times_as_long(scan), held, words

    def _times_as_long(self, scan: ScanSize) -> float:
        """Take the usual tiles, and say how many times as long the smaller ones take."""
        self._tiled.resize(self._usual)
        place = self._network.place
        return self._tiled.times_as_long(self._learnt, scan.prepared, self._channels, place)

    def _likely(self, scan: ScanSize) -> float:
        """Bytes that a row of usual tiles is likely to take, by what smaller ones do."""
        more = math.prod(self._usual) / math.prod(self._learnt)
        return self._row(self._usual, scan) + self._measured(self._learnt) * more

    def _measured(self, size: Sequence[int]) -> int:
        """Bytes that the network takes to see a tile, measured once."""
        if size not in self._taken:
            now = self._tiled.size
            self._tiled.resize(size)
            see = partial(self._tiled.see_tile, self._channels, self._network.place)
            self._taken[size] = taken_at_most(see)
            self._tiled.resize(now)
        return self._taken[size]

    def _row(self, size: Sequence[int], scan: ScanSize) -> float:
        """Bytes of a row of tiles along y and z: what is seen and what is told, three times."""
        channels = 3 * (self._channels + self._network.task.out_channels)
        return FLOAT * channels * size[0] * math.prod(map(max, scan.prepared[1:], self._usual[1:]))
