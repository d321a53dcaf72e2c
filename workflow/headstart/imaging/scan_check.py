"""Whether one scan can be used: its files are read to the last byte and checked one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.common.machine_errors import is_of_machine
from headstart.common.progress import progress
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.headers import orientation_problem
from headstart.imaging.headers import personal_data
from headstart.imaging.mask_classes import END
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_classes import values_of
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume
from headstart.imaging.rejection_codes import REASONS
from headstart.imaging.scan_rows import MASKS
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.volume import Volume

# Intensities that no scanner gives, and a spread that only wild voxels can have.
LARGEST = 1e9
WIDEST = 1000


def check_scans(
    *,
    scans: Sequence[ScanFiles],
    data: Path,
    masks: bool,
    classes: Classes,
    volumes: int = 0,
    aligned: Collection[str] = (),
    optional: Collection[str] = (),
) -> list[CheckRow]:
    """Read all files of some scans to the last byte.

    Args:
        scans: Their files.
        data: Data root.
        masks: Whether every scan needs a mask.
        classes: Each class's values in the masks; if there are none, any whole number will do.
        volumes: Fewest volumes of each series; 0 where scans are no series.
        aligned: Channels that may lie on other grids than the first one.
        optional: Channels that a scan may lack.

    Returns:
        One row per scan, in the same order. A bad file gives a reason, never an error.
    """
    return [
        check_scan(scan, data, masks, classes, volumes, aligned, optional)
        for scan in progress(scans, total=len(scans), label="scans checked")
    ]


def check_scan(
    scan: ScanFiles,
    data: Path,
    masks: bool,
    classes: Classes,
    volumes: int = 0,
    aligned: Collection[str] = (),
    optional: Collection[str] = (),
) -> CheckRow:
    """Read all files of a scan to the last byte, and say all that is wrong with them.

    Args:
        scan: Its files.
        data: Data root.
        masks: Whether the scan needs a mask.
        classes: Each class's values in the masks; if there are none, any whole number will do.
        volumes: Fewest volumes of a series; 0 where scans are no series.
        aligned: Channels that may lie on other grids than the first one.
        optional: Channels that a scan may lack.

    Returns:
        The worst fault in words, the codes of the others, and facts of the first channel. A bad
        file gives a reason, never an error; what the computer refuses (memory, a disk, a right) is
        an error, never a reason.
    """
    needed = {name: path for name, path in scan.masks.items() if path or (masks and name == "mask")}
    channels = {n: path for n, path in scan.channels.items() if path or n not in optional}
    paths = channels | needed
    found: list[BadScanError] = []
    read = {}
    facts: dict[str, Any] = {}
    for name, path in paths.items():
        with _blamed(path, name, found):
            read[name] = _read(path, name, data, series=volumes > 0 and name in scan.channels)
    if len(read) == len(paths):
        first = next(iter(read.values()))
        for name, volume in read.items():
            path = paths[name]
            with _blamed(path, name, found):
                for problem in _problems(volume, name, data, path, classes):
                    found.append(BadScanError(path, *problem))
                if name in scan.channels and volume.length < volumes:
                    found.append(BadScanError(path, "not-4d", _too_short(volume.length, volumes)))
                if name not in aligned:
                    found += _grid_problems(volume, first, path, scan.first, name)
        with _blamed(scan.first, next(iter(scan.channels)), found):
            facts = _facts(first) | {"content": _content(read)}
    order = list(REASONS)
    found.sort(key=lambda error: order.index(error.reason))
    codes = list(dict.fromkeys(error.reason for error in found))
    against = [code for code in codes if code != "personal-data"]
    reason = against[0] if against else ""
    return CheckRow(
        *scan.key,
        path=scan.first,
        reason=reason,
        detail=_advised(found[0], channels, optional) if against else "",
        also=tuple(code for code in codes if code != reason),
        **facts,
    )


def _advised(worst: BadScanError, channels: Mapping[str, str], optional: Collection[str]) -> str:
    """Say what is wrong and how to fix it; of an optional channel that the scan can do without."""
    told = " ".join(worst.detail.split())
    bad = [name for name in optional if told.startswith(f"{channels.get(name)}: ")]
    return told + "".join(f"; or leave it away, for {name} is optional" for name in bad)


@contextmanager
def _blamed(path: str, name: str, found: list[BadScanError]) -> Iterator[None]:
    """Note any error of a file, and go on.

    Args:
        path: The file, relative to the data root: the same scans give the same table on every
            machine.
        name: Which of the scan's files it is.
        found: Where it is noted.
    """
    try:
        yield
    except BadScanError as error:
        found.append(BadScanError(path or name, error.reason, error.problem))
    except Exception as error:  # a file can be broken in ways that nobody thought of
        if is_of_machine(error):
            raise
        problem = f"can't be interpreted ({type(error).__name__}: {error}); fetch or copy it again"
        found.append(BadScanError(path, "unreadable", problem))


def _read(path: str, name: str, data: Path, *, series: bool) -> Volume:
    if not path:
        raise BadScanError(name, "missing", "this scan has none, and each needs one")
    return read_volume(data / path, series=series)


def _too_short(length: int, volumes: int) -> str:
    return (
        f"has {length} volumes in time, and train.neighbours asks for {volumes}; leave it out, or "
        "ask for fewer"
    )


def _problems(
    volume: Volume, name: str, data: Path, path: str, classes: Classes
) -> Iterator[tuple[str, str]]:
    """Yield code and problem of all that is wrong with a file that can be read."""
    if not (data / path).resolve().is_relative_to(data.resolve()):
        yield "outside-root", "leads out of the data root; move it there, or set `root` higher up"
    if volume.surplus:
        surplus = f"holds {volume.surplus} bytes more than its header declares; convert it again"
        yield "dimensions", surplus
    where = personal_data(volume.header, volume.extensions)
    if where:
        yield "personal-data", f"its header's {where} looks like a name or a date; clear it"
    if not volume.finite:
        yield "not-finite", "holds NaN or infinite voxels; replace them"
    elif name in MASKS:
        yield from _mask_problems(volume, name, classes)
    else:
        yield from _image_problems(volume)


def _image_problems(volume: Volume) -> Iterator[tuple[str, str]]:
    orientation = orientation_problem(volume.header, volume.affine)
    if orientation:
        yield orientation
    low, high = volume.extremes
    p01, _, p99 = volume.quantiles
    if volume.constant:
        yield "constant", f"every voxel is {low:.6g}; replace the scan"
    elif max(-low, high) > LARGEST or high - low > WIDEST * (p99 - p01):
        yield (
            "intensity-range",
            f"goes from {low:.6g} to {high:.6g}, but 98 % of it from {p01:.6g} to {p99:.6g}; "
            "look for wild voxels or a wrong byte order and convert it again",
        )


def _mask_problems(volume: Volume, name: str, classes: Classes) -> Iterator[tuple[str, str]]:
    values = volume.integers()
    if values is None:
        yield (
            "mask-values",
            "holds values that are no integers; is it an image, or was it smoothed?",
        )
        return
    if name == "brain_mask":  # any value above 0 is brain
        if max(values) <= 0:
            yield "brain-mask-empty", "this brain mask is empty; make it again"
        return
    if not classes:  # nothing is learnt from it
        return
    known = {v for v in values if any(v in values_of(given) for given in classes.values())}
    strange = sorted(values - known - {0})
    if strange:
        shown = ", ".join(map(str, strange[:5])) + (", …" if len(strange) > 5 else "")
        fix = "declare it in `classes`, or correct the mask"
        if "any" in classes.values():
            fix = f"`any` holds 1 to {END - 1}; correct the mask"
        yield "mask-class", f"holds {shown}, of no class; {fix}"
    if not known:
        yield "mask-empty", "this mask is empty; make it again, or accept mask-empty if it is right"


def _grid_problems(
    volume: Volume, first: Volume, path: str, first_path: str, name: str
) -> Iterator[BadScanError]:
    found = relation(volume.grid, first.grid)
    if found is None:
        problem = f"lies on another grid than {first_path}: {difference(volume.grid, first.grid)}"
        aligned = "" if name in MASKS else f", or align it, `{name}: {{path: …, align: rigid}}`"
        yield BadScanError(path, "mask-grid", f"{problem}; resample it onto that one{aligned}")
    elif found.shift:
        problem = f"its voxels lie {found.shift:.3g} mm beside those of {first_path}"
        fix = "find out which header is right; resample it, or accept mask-offset"
        yield BadScanError(path, "mask-offset", f"{problem}; {fix}")


def _facts(volume: Volume) -> dict[str, Any]:
    p01, p50, p99 = volume.quantiles
    return {
        "shape": volume.shape,
        "voxel_size": volume.voxel_size,
        "orientation": volume.orientation,
        "p01": p01,
        "p50": p50,
        "p99": p99,
        "hash": volume.digest,
    }


def _content(volumes: Mapping[str, Volume]) -> str:
    """Digest of all files of a scan: with another one, the scan is prepared again."""
    digest = hashlib.sha256()
    for name, volume in volumes.items():
        digest.update(f"{name} {volume.content}\n".encode())
    return digest.hexdigest()
