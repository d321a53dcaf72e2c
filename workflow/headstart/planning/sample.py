"""What scans are like, from a sample: headers of some hundred, voxels of a few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np

from headstart.common.errors import UserError
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import head
from headstart.imaging.geometry import to_canonical
from headstart.imaging.headers import orientation_problem
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_geometry
from headstart.imaging.nifti import read_volume

HEADERS = 256  # scans whose header is read
VOXELS = 12  # scans whose voxels are read
THREADS = 16  # a network's file system answers many at once
FAR = 0.25  # a voxel size that is so far from the median, relative to it, is noted
# A slice belongs to the head if so many of its voxels do: noise in air lights up single ones.
SLICE_SHARE = 0.01
MOST_CLASSES = 255
MOST_FAULTS = 3  # kinds of faults that are named

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Header:
    """A scan's header, axes in RAS order: right-left, front-back, down-up.

    Attributes:
        path: The file, relative to the folder.
        shape: Voxels; of a series with its volumes in time.
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
        needed: Edges of a box that holds 19 of 20 heads, mm.
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

    def notes(self) -> list[str]:
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


def take_sample(folder: Path, paths: Sequence[str], *, series: bool = False) -> Sample:
    """Read headers and voxels of a sample, evenly spread.

    Args:
        folder: Folder of the scans.
        paths: The scans, relative to it.
        series: Whether they are 4-D series, whose voxels are not read.

    Returns:
        What they are like.

    Raises:
        UserError: If none of them can be used.
    """
    several = spread(paths, HEADERS)
    read = _side_by_side(lambda path: read_header(folder, path, series=series), several)
    good = [header for header in read if not header.fault]
    faults = [f"{header.path}: {header.fault}" for header in read if header.fault]
    if not good:
        raise UserError(
            f"{folder}: none of {len(read)} scans can be used: {'; '.join(_by_fault(read))}"
        )
    sizes = np.median([header.voxel_size for header in good], axis=0)
    looked_at = [] if series else spread(good, VOXELS)
    boxes = _side_by_side(_box, [folder / header.path for header in looked_at])
    needed = np.percentile([box for box in boxes if box] or [_whole(h) for h in good], 95, axis=0)
    # a tenth of a percent: headers hold 0.9999998
    return Sample(good, faults, _triple(sizes, 3), _triple(needed, 1))


def are_series(folder: Path, paths: Sequence[str], volumes: int) -> bool:
    """Whether more of some files are series of so many volumes than are 3-D, by their headers."""
    several = spread(paths, HEADERS)

    def shapes(*, series: bool) -> list[tuple[int, ...]]:
        read = _side_by_side(lambda path: read_header(folder, path, series=series), several)
        return [header.shape for header in read if header.shape]

    long = [shape for shape in shapes(series=True) if shape[3] >= volumes]
    return len(long) > len(shapes(series=False))


def read_header(folder: Path, path: str, *, series: bool = False) -> Header:
    """Read the header of a scan in a folder, and check it as the stage check will."""
    try:
        header, shape, affine = read_geometry(folder / path, series=series)
    except BadScanError as error:
        return Header(path, fault=error.problem)
    if problem := orientation_problem(header, affine):
        return Header(path, fault=problem[1])
    grid = Grid(shape[:3], affine).canonical()
    codes = nib.orientations.aff2axcodes(affine)
    edges = tuple(map(float, grid.voxel_size))
    return Header(path, grid.shape + shape[3:], edges, "".join(map(str, codes)))


def _by_fault(headers: Sequence[Header]) -> Iterator[str]:
    """Say how many files have each of the commonest faults, and name one."""
    for fault, count in Counter(header.fault for header in headers).most_common(MOST_FAULTS):
        example = next(header.path for header in headers if header.fault == fault)
        yield f"{example}{f' and {count - 1} more' if count > 1 else ''}: {fault}"


def mask_values(path: Path) -> set[int] | None:
    """Return a mask's values; None if it is no mask: not whole numbers, or too many of them.

    Nothing but 0 is a mask too, of a scan where there was nothing to mark.

    Raises:
        BadScanError: If it can't be read.
    """
    volume = read_volume(path)
    values = volume.integers() if volume.finite else None
    fits = values is not None and min(values) >= 0 and len(values) <= MOST_CLASSES
    fits = fits and values is not None and (len(values) > 1 or values == {0})
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
    """Return the edges, mm, of the box that holds a scan's head."""
    try:
        volume = read_volume(path)
    except BadScanError:
        return None
    if not volume.finite:
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
        edges.append(min(length, occupied[-1] + step - occupied[0]) * float(size))
    return tuple(edges)


def _whole(header: Header) -> tuple[float, ...]:
    return tuple(n * edge for n, edge in zip(header.shape[:3], header.voxel_size, strict=True))


def _triple(values: Iterable[float], decimals: int) -> tuple[float, float, float]:
    x, y, z = (math.ceil(value * 10**decimals - 0.5) / 10**decimals for value in values)
    return x, y, z


def _size_text(voxel_size: Sequence[float]) -> str:
    return "x".join(f"{edge:.3g}" for edge in voxel_size)


def _side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
