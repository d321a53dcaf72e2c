"""What scans are like, from a sample: headers of some hundred, voxels of a few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from typing import cast

import nibabel as nib
import numpy as np

from headstart.parts.scans import BadScanError
from headstart.parts.scans import read_volume
from headstart.parts.volumes import Grid
from headstart.parts.volumes import head
from headstart.parts.volumes import to_canonical

HEADERS = 256  # scans whose header is read
VOXELS = 12  # scans whose voxels are read
THREADS = 16  # a network's file system answers many at once
FAR = 0.25  # a voxel size that is so far from the median, relative to it, is odd
# A slice belongs to the head if so many of its voxels do: noise in air lights up single ones.
SLICE_SHARE = 0.01
MOST_CLASSES = 255

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Header:
    """A scan's header, axes in RAS order: right-left, front-back, down-up.

    Attributes:
        path: The file, relative to the folder.
        shape: Voxels.
        voxel_size: mm.
        orientation: Where the file's own axes point to, e.g. PSR.
        fault: Why it can't be used; '' if it can.
    """

    path: str
    shape: tuple[int, ...] = ()
    voxel_size: tuple[float, ...] = ()
    orientation: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Sample:
    """What a sample of the scans is like.

    Attributes:
        headers: The good headers.
        faults: One sentence per scan that can't be used.
        voxel_size: Median, mm.
        needed: Edges of a box about the scans' centre that holds 19 of 20 heads, mm.
    """

    headers: list[Header]
    faults: list[str]
    voxel_size: tuple[float, float, float]
    needed: tuple[float, float, float]

    def counts(self) -> dict[str, Counter[str]]:
        """Count shapes, voxel sizes and orientations."""
        return {
            "shape": Counter("x".join(map(str, one.shape)) for one in self.headers),
            "voxel size": Counter(_size_text(one.voxel_size) for one in self.headers),
            "orientation": Counter(one.orientation for one in self.headers),
        }

    def odd(self) -> list[str]:
        """Say which scans are unlike the others."""
        lines = []
        median = np.array(self.voxel_size)
        far = [h for h in self.headers if np.abs(h.voxel_size / median - 1).max() > FAR]
        if far:
            lines.append(
                f"{len(far)} of {len(self.headers)} scans have voxels unlike the median, "
                f"e.g. {far[0].path}: {_size_text(far[0].voxel_size)} mm"
            )
        if self.faults:
            read = len(self.headers) + len(self.faults)
            lines.append(f"{len(self.faults)} of {read} scans can't be used: {self.faults[0]}")
        return lines


def take_sample(folder: Path, paths: Sequence[str]) -> Sample | None:
    """Read headers and voxels of a sample, evenly spread.

    Args:
        folder: Folder of the scans.
        paths: The scans, relative to it.

    Returns:
        What they are like; None if none of them can be read.
    """
    read = _side_by_side(lambda path: read_header(folder, path), spread(paths, HEADERS))
    good = [header for header in read if not header.fault]
    faults = [f"{header.path}: {header.fault}" for header in read if header.fault]
    if not good:
        return None
    sizes = np.median([header.voxel_size for header in good], axis=0)
    boxes = _side_by_side(_box, [folder / header.path for header in spread(good, VOXELS)])
    needed = np.percentile([box for box in boxes if box] or [_whole(h) for h in good], 95, axis=0)
    # a tenth of a percent: headers hold 0.9999998
    return Sample(good, faults, _triple(sizes, 3), _triple(needed, 1))


def read_header(folder: Path, path: str) -> Header:
    """Read the header of a scan in a folder."""
    try:
        image = cast(nib.Nifti1Image, nib.load(folder / path))
    except Exception:  # an empty file, an HTML page, a wrong magic: the stage check says which
        return Header(path, fault="is no readable NIfTI")
    shape = image.shape[:3] if image.shape[3:] in ((), (1,)) else image.shape
    if len(shape) != 3 or min(shape) < 2:
        return Header(path, fault=f"is not three-dimensional ({'x'.join(map(str, image.shape))})")
    if image.header["sform_code"] == 0 and image.header["qform_code"] == 0:
        return Header(path, fault="does not say which side is left (sform and qform are 0)")
    grid = Grid(shape, image.affine).canonical()
    codes = nib.orientations.aff2axcodes(image.affine)
    return Header(path, grid.shape, tuple(map(float, grid.voxel_size)), "".join(map(str, codes)))


def mask_values(path: Path) -> set[int] | None:
    """Return a mask's values; None if it is no mask: not whole numbers, or too many of them."""
    try:
        values = read_volume(path).integers()
    except BadScanError:
        return None
    fits = values is not None and min(values) >= 0 and 2 <= len(values) <= MOST_CLASSES
    # an intensity image of few bits has whole numbers too, but hardly a gap
    if fits and values is not None and len(values) > 40 and max(values) < 1.2 * len(values):
        return None
    return values if fits else None


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return so many items, evenly spread over the sequence."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _box(path: Path) -> tuple[float, ...] | None:
    """Return the edges, mm, of the box about a scan's centre that holds its head."""
    try:
        volume = read_volume(path)
    except BadScanError:
        return None
    array = to_canonical(volume.stored, volume.affine)
    sizes = Grid(volume.shape, volume.affine).canonical().voxel_size
    step = max(1, round((array.size / 1e6) ** (1 / 3)))
    inside = head(array[::step, ::step, ::step].astype(np.float32))
    edges = []
    for axis, (length, size) in enumerate(zip(array.shape, sizes, strict=True)):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(inside.mean(axis=others) > SLICE_SHARE) * step
        if not occupied.size:
            return None
        middle = (length - 1) / 2
        reach = max(middle - occupied[0], occupied[-1] + step - 1 - middle)
        edges.append(min(length, 2 * reach + 1) * float(size))
    return tuple(edges)


def _whole(header: Header) -> tuple[float, ...]:
    return tuple(n * edge for n, edge in zip(header.shape, header.voxel_size, strict=True))


def _triple(values: Iterable[float], decimals: int) -> tuple[float, float, float]:
    x, y, z = (math.ceil(value * 10**decimals - 0.5) / 10**decimals for value in values)
    return x, y, z


def _size_text(voxel_size: Sequence[float]) -> str:
    return "x".join(f"{edge:.3g}" for edge in voxel_size)


def _side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
