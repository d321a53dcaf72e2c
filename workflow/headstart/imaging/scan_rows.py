"""One scan in the tables: its files, and what was found in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from headstart.common.keys import OfScan

# A column of paths to an image channel begins so: none needs to know the channels' names.
CHANNEL = "channel:"
MASKS = ("mask", "brain_mask")


@dataclass(frozen=True)
class ScanFiles(OfScan):
    """A row of label/shards/K.csv: paths relative to the data root, "" where there is none.

    Attributes:
        channels: Of each image channel, by its name, in order.
        mask: Of what is to be segmented.
        brain_mask: Of what intensities are normalised within.
    """

    channels: Annotated[dict[str, str], CHANNEL]
    mask: str
    brain_mask: str

    @property
    def first(self) -> str:
        """Path of the first channel, which says where the scan lies in space."""
        return next(iter(self.channels.values()))

    @property
    def masks(self) -> dict[str, str]:
        """Paths of both masks."""
        return {"mask": self.mask, "brain_mask": self.brain_mask}

    def paths(self) -> Iterator[str]:
        """Yield the paths that are given."""
        yield from filter(None, (*self.channels.values(), self.mask, self.brain_mask))


@dataclass(frozen=True)
class CheckRow(OfScan):
    """A row of check/summary.csv, and of check/shards/K.csv before it.

    Attributes:
        path: The first channel's file, relative to the data root.
        reason: Why the scan is bad, a code of `rejection_codes.py`; "" if it is fine.
        detail: The same as a sentence, with the fix.
        also: Further codes, the worst first.
        shape: Voxels of the first channel, as all that follows; () where it can't be read.
        voxel_size: Edges of a voxel, mm; () where it can't be read.
        orientation: Where its axes lead, e.g. RAS.
        p01: First percentile of intensity.
        p50: Median of intensity.
        p99: 99th percentile of intensity.
        hash: Digest of the voxels.
        content: Digest of all files: with another one, the scan is prepared again.
    """

    path: str
    reason: str = ""
    detail: str = ""
    also: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    voxel_size: Annotated[tuple[float, ...], ".4g"] = ()
    orientation: str = ""
    p01: float | None = None
    p50: float | None = None
    p99: float | None = None
    hash: str = ""
    content: str = ""

    @property
    def codes(self) -> list[str]:
        """All that was found against the scan, the worst first."""
        return [code for code in (self.reason, *self.also) if code]
