"""One scan, prepared: one orientation, one voxel size, one window, one scale of intensity."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.common.text import times
from headstart.imaging import geometry
from headstart.imaging.channel_scale import LACKING
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Alignment
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Box
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.head_box import head_box
from headstart.imaging.head_box import head_core
from headstart.imaging.head_box import head_cut
from headstart.imaging.head_box import head_window
from headstart.imaging.head_box import with_margin
from headstart.imaging.headers import geometry_fields
from headstart.imaging.headers import intensity_fields
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import millilitres
from headstart.imaging.mask_values import numbered
from headstart.imaging.masks import resample_mask
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume
from headstart.imaging.planes import Planes
from headstart.imaging.planes import planes
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.step_figures import StepFigures
from headstart.imaging.steps import aligned
from headstart.imaging.steps import brain_of
from headstart.imaging.steps import placed
from headstart.imaging.steps import unbiased
from headstart.imaging.unusable import UnusableError
from headstart.imaging.volume import Volume
from headstart.imaging.wild import tamed

# More voxels than any head has at any voxel size; a wrong header may ask for millions of millions.
MOST_VOXELS = 1 << 29


@dataclass(frozen=True)
class Prepared:
    """A prepared scan.

    Attributes:
        volume: float16, (channels, x, y, z); 0 in an optional channel that the scan lacks.
        intensities: What the numbers of each channel mean.
        mask: uint8, (x, y, z), all 0 for a scan without one; None if masks are not asked for.
        grid: Where the prepared voxels lie.
        source: Where the raw first channel's voxels lie.
        header: Geometry fields of the raw first channel's header.
        mask_voxels: Labelled voxels inside the window; None without a mask.
        cropped: Labelled voxels that the window cut off; None without a mask.
        millilitres: Each class's volume in the raw mask and in the prepared one, ml; None without
            a mask.
        mask_content: Digest of the raw mask's file, as `Volume.content`; "" without a mask.
        brain_ml: The brain's volume in its mask on the raw grid; None without one.
        wild: Voxels that were replaced, see `imaging.wild`.
        head_cut: How much of the head a window cuts off at the most, mm; None where the brain is
            known, or nothing is cut to a window.
        steps: What the steps found; None where none was asked for.
        planes: What a person judges the brain by, see `imaging.planes`; None where it is not asked
            for.
        to_template: 4x4, from mm in the scan to the template's; None in native space.
    """

    volume: np.ndarray
    intensities: tuple[ChannelScale, ...]
    mask: np.ndarray | None
    grid: geometry.Grid
    source: geometry.Grid
    header: dict[str, Any]
    mask_voxels: int | None = None
    cropped: int | None = None
    millilitres: tuple[dict[str, float], dict[str, float]] | None = None
    mask_content: str = ""
    brain_ml: float | None = None
    wild: int = 0
    head_cut: float | None = None
    steps: StepFigures | None = None
    planes: Planes | None = None
    to_template: geometry.Affine | None = None


@dataclass(frozen=True)
class _Move:
    """From the raw voxels to the prepared ones, in one interpolation.

    Attributes:
        source: The scan's own voxels, axes nearest to RAS.
        target: Those that it is resampled on.
        turned: Whether these have other axes.
    """

    source: geometry.Grid
    target: geometry.Grid
    turned: bool

    def intensities(
        self, array: geometry.Array, fill: float, own: geometry.Grid | None = None
    ) -> geometry.Array:
        """Move intensities, which may lie on an own grid; beyond it there is the fill."""
        if self.turned or own is not None:
            return geometry.interpolate(array, own or self.source, self.target, fill)
        return geometry.resample(array, self.source, self.target)

    def mask(self, mask: geometry.Mask) -> geometry.Mask:
        """Move classes; beyond the scan there is background."""
        return resample_mask(mask, self.source, self.target)


@dataclass(frozen=True)
class _Stepped:
    """What the steps left of a scan's first channel, on its own voxels.

    Attributes:
        array: Intensities, even where that is asked for.
        brain: Its brain, if that is known.
        target: Voxels that it is to be resampled on.
        to_template: As `Prepared` has it.
        figures: What was found.
        planes: As `Prepared` has them.
    """

    array: geometry.Array
    brain: geometry.Mask | None
    target: geometry.Grid
    to_template: geometry.Affine | None
    figures: dict[str, Any]
    planes: Planes | None


def prepare_scan(
    scan: ScanFiles,
    *,
    data: Path,
    settings: Preparation,
    checked: str,
    classes: Classes,
    accepted: Collection[str] = (),
) -> Prepared:
    """Prepare one scan.

    Args:
        scan: Its files.
        data: Data root.
        settings: The config's section `prepare`.
        checked: Digest of the first channel's voxels when it was checked.
        classes: Each class's values in the mask; without any, the mask is not looked at.
        accepted: Codes that a person accepts for this scan.

    Raises:
        UnusableError: If nothing that can be learnt from would come out.
        UserError: As in `prepare`.
    """
    first = read_checked(data / scan.first, checked)
    canonical = first.grid.canonical()
    as_is = settings.voxel_size == "own"
    _check_size(scan.first, first.grid, canonical.resampled(settings.voxel_size))
    array = _intensities(first, data / scan.first, first)
    first = first.without_voxels()
    array, wild = tamed(array)
    # where deepbet finds brains, masks that came as well say nothing
    mask_file = "" if settings.brain == "deepbet" else scan.brain_mask
    given = _raw_brain(data / mask_file, first) if mask_file else None
    done = _stepped(array, scan.first, canonical, given, settings, accepted)
    move = _Move(canonical, done.target, turned=done.to_template is not None)
    brain = _brain(done.brain, mask_file or scan.first, move)
    array = move.intensities(done.array, fill=first.quantiles[0])
    raw_mask = _read(data / scan.mask) if classes and scan.mask else None
    whole = np.zeros(done.target.shape, np.uint8)
    if raw_mask is not None:
        stored = numbered(_mask_values(raw_mask, data / scan.mask, first), classes)
        whole = move.mask(stored)
    box, off = _box(array, whole, brain, settings)
    volumes, intensities = [], []
    fits: list[tuple[float, float]] = []
    seen_first = array
    for number, (name, path) in enumerate(scan.channels.items()):
        if not path and name in settings.optional:
            volumes.append(np.zeros([b - a for a, b in box], np.float16))
            intensities.append(LACKING)
            continue
        raw = first if number == 0 else _read(data / path)
        if name in settings.align:
            how = settings.align[name]
            array, more, own, moved = _aligned(raw, path, done, move, settings, how)
            fits.append((moved, _covered(seen_first, done.target, own, path)))
            wild += more
        elif number > 0:
            array, more = tamed(_intensities(raw, data / path, first))
            array, _ = unbiased(array, path, canonical, done.brain, settings)
            array, wild = move.intensities(array, fill=raw.quantiles[0]), wild + more
        _check_inside(array, brain, path, mask_file)
        volume, means = _scaled(array, brain, box, path, settings, was_constant=raw.constant)
        volumes.append(volume)
        there = True if name in settings.optional else None
        intensities.append(means.model_copy(update={"there": there}))

    found = done.figures
    if fits:
        farthest, least = max(moved for moved, _ in fits), min(covered for _, covered in fits)
        found = found | {"moved": farthest, "covered": least}
    grid, mask = done.target.cropped(box), geometry.cut(whole, box, 0)
    prepared = Prepared(
        np.stack(volumes) if len(volumes) > 1 else volumes[0][None],
        tuple(intensities),
        mask if classes else None,
        grid,
        first.grid,
        geometry_fields(first.header) | (intensity_fields(first.header) if as_is else {}),
        brain_ml=None
        if done.brain is None
        else float(np.count_nonzero(done.brain) * canonical.voxel_ml),
        wild=wild,
        head_cut=off,
        steps=_figures(brain, box, found) if settings.steps else None,
        planes=done.planes,
        to_template=done.to_template,
    )
    if raw_mask is None:
        return prepared
    kept = int(np.count_nonzero(mask))
    return replace(
        prepared,
        mask_voxels=kept,
        cropped=int(np.count_nonzero(whole)) - kept,
        millilitres=(
            millilitres(stored, tuple(classes), canonical.voxel_ml),
            millilitres(mask, tuple(classes), grid.voxel_ml),
        ),
        mask_content=raw_mask.content,
    )


def _stepped(
    array: geometry.Array,
    path: str,
    grid: geometry.Grid,
    given: geometry.Mask | None,
    settings: Preparation,
    accepted: Collection[str],
) -> _Stepped:
    """Take the steps that are asked for, one after the other, see `imaging.steps`."""
    brain, of_brain = brain_of(array, path, grid, given, settings, accepted)
    array, of_field = unbiased(array, path, grid, brain, settings)
    cut = of_brain.get("brain_at_edge", 0) > 0
    target, to_template, of_place = placed(array, path, grid, brain, settings, accepted, cut=cut)
    judged = None
    if brain is not None and settings.planes:
        judged = planes(array, grid, brain, to_template)
    return _Stepped(array, brain, target, to_template, of_brain | of_field | of_place, judged)


def _aligned(
    raw: Volume,
    path: str,
    done: _Stepped,
    move: _Move,
    settings: Preparation,
    how: Alignment,
) -> tuple[geometry.Array, int, geometry.Grid, float]:
    """Resample a channel that has a grid of its own, in one interpolation.

    Returns:
        Its intensities on the target, its wild voxels, its own grid by its places in the scan, and
        how far it was moved, mm.
    """
    _check_finite(raw, path)
    array, wild = tamed(geometry.to_canonical(raw.values(np.float32), raw.affine))
    grid, moved = aligned(
        array, path, raw.grid.canonical(), done.array, move.source, done.brain, how
    )
    brain = None if done.brain is None else resample_mask(done.brain, move.source, grid)
    array, _ = unbiased(array, path, grid, brain, settings)
    return move.intensities(array, raw.quantiles[0], grid), wild, grid, moved


def _covered(first: geometry.Array, target: geometry.Grid, own: geometry.Grid, path: str) -> float:
    """Tell which share of the head, as the first channel shows it, a channel's own grid holds."""
    covered = float(geometry.within(geometry.head(first), target, own).mean())
    if covered == 0:
        raise UnusableError(
            f"{path}: shows nothing of the head that the first channel shows, by the places in "
            "their headers; look at both, or leave the scan out"
        )
    return covered


def _box(
    array: geometry.Array,
    mask: geometry.Mask,
    brain: NDArray[np.bool_] | None,
    settings: Preparation,
) -> tuple[Box, float | None]:
    """Say what is kept of a scan: a window, the head or brain and all that is marked, or all.

    Args:
        array: Its first channel, resampled.
        mask: Its mask, resampled.
        brain: Its brain mask, resampled.
        settings: The config's section `prepare`.

    Returns:
        The box, and `Prepared.head_cut`.
    """
    if settings.voxel_size == "own":
        return [(0, length) for length in array.shape], None
    if settings.window != "own" and settings.space != "native":
        # a grid in the template's space lies about its middle already
        return geometry.about_centre(array.shape, settings.window), None
    size = settings.voxel_size
    own = None if settings.brain == "none" else brain
    if settings.window != "own":
        if own is not None:
            return geometry.about(geometry.extent(own), settings.window), None
        core = head_core(array, size)
        box = head_window(array.shape, core, settings.window, size)
        return box, head_cut(core, box, size)
    if own is None:
        around = head_box(array, size)
    else:
        around = with_margin(geometry.extent(own), array.shape, size)
    if not mask.any():
        return around, None
    marked = geometry.extent(mask)
    return [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(around, marked, strict=True)], None


def _scaled(
    array: geometry.Array,
    brain: NDArray[np.bool_] | None,
    box: Box,
    path: str,
    settings: Preparation,
    *,
    was_constant: bool,
) -> tuple[NDArray[np.float16], ChannelScale]:
    """Bring a resampled channel to one scale of intensity, in place, and cut it."""
    within = brain if settings.normalise == "zscore" or settings.brain != "none" else None
    mean, scale = geometry.normalisation(array, settings.normalise, within)
    array = geometry.rescaled(array, mean, scale, out=array)
    level = geometry.air(array)
    if brain is not None and settings.brain != "none":
        array = np.where(brain, array, np.float32(level))
    whole = list(box) == [(0, length) for length in array.shape]
    part = array if whole else geometry.cut(array, box, level)
    volume = half(part, path, settings.normalise)
    # first: of intensities beyond any number, neither mean nor scale is one
    check_volume(volume, path, was_constant=was_constant)
    return volume, ChannelScale(mean=mean, scale=scale, air=level)


def _figures(brain: NDArray[np.bool_] | None, box: Box, found: dict[str, Any]) -> StepFigures:
    """Put together what the steps found, and how much of the brain the window cuts off."""
    if brain is None or "brain_at_edge" not in found:
        return StepFigures(**found)
    kept = np.count_nonzero(geometry.cut(brain, box, 0))
    return StepFigures(**found, brain_cut=1 - kept / np.count_nonzero(brain))


def _raw_brain(path: Path, first: Volume) -> geometry.Mask:
    """Read which voxels of the scan lie in its brain: 1, else 0."""
    inside = np.rint(_mask_values(_read(path), path, first)) > 0
    return inside.astype(np.uint8)


def _brain(inside: geometry.Mask | None, path: str, move: _Move) -> NDArray[np.bool_] | None:
    """Return which voxels of the resampled scan lie in its brain; None where that is not known."""
    if inside is None:
        return None
    brain: NDArray[np.bool_] = move.mask(inside) > 0
    if not brain.any():
        raise UnusableError(
            f"{path}: nothing is left of this brain mask at voxels of "
            f"{times(move.target.voxel_size)} mm; make it again, or choose a smaller "
            "prepare.voxel_size"
        )
    return brain


def _read(path: Path, *, series: bool = False) -> Volume:
    try:
        return read_volume(path, series=series)
    except BadScanError as error:
        raise UserError(f"{error.detail}, and type the same command again") from error


def read_checked(path: Path, checked: str, *, series: bool = False) -> Volume:
    """Read a file that has the digest with which it was checked, if that is known.

    Raises:
        UserError: If it is another file now, or can't be read any more.
    """
    volume = _read(path, series=series)
    if checked not in ("", volume.digest):
        raise UserError(
            f"{path}: was replaced while this run was under way; type the same command again, "
            "which checks it again"
        )
    return volume


def _intensities(raw: Volume, path: Path, first: Volume) -> geometry.Array:
    # where a cropped channel has no voxels there is air
    return _placed(raw, path, first, np.float32, fill=raw.quantiles[0])


def _mask_values(raw: Volume, path: Path, first: Volume) -> NDArray[np.float64]:
    return _placed(raw, path, first, np.float64, fill=0)


def _placed(
    raw: Volume, path: Path, first: Volume, kind: type[np.floating[Any]], fill: float
) -> np.ndarray:
    """Move a file's values onto the grid of the first channel, with axes nearest to RAS."""
    found = relation(raw.grid, first.grid)
    if found is None:
        raise UserError(
            f"{path}: lies on another grid than the scan's first channel: "
            f"{difference(raw.grid, first.grid)}; "
            "resample it there, and type the same command again"
        )
    _check_finite(raw, path)
    placed = found.apply(raw.values(kind), first.shape, fill)
    return geometry.to_canonical(placed, first.affine)


def _check_finite(raw: Volume, path: Path | str) -> None:
    if not raw.finite:
        raise UserError(
            f"{path}: has voxels that are not finite; correct it, and type the same command again"
        )


def half(array: geometry.Array, path: str, method: str) -> NDArray[np.float16]:
    """Store normalised intensities in half precision.

    Args:
        array: Intensities.
        path: Their file, for messages.
        method: `prepare.normalise`.

    Raises:
        UserError: If they don't fit and were not normalised.
        UnusableError: If they don't fit all the same.
    """
    limit = np.finfo(np.float16).max
    if max(array.max(), -array.min()) > limit:
        far = f"{path}: its intensities reach beyond {limit:.0f}, more than a prepared volume can "
        if method == "none":
            raise UserError(far + "hold; choose prepare.normalise: zscore or percentile")
        raise UnusableError(far + f"hold, after {method}; look for wild voxels or a wrong mask")
    return array.astype(np.float16, order="C")


def _check_size(path: str, source: geometry.Grid, resampled: geometry.Grid) -> None:
    """Refuse a scan whose header asks for more voxels than any head has, before allocating them."""
    count = math.prod(resampled.shape)
    if count > MOST_VOXELS:
        edges = times(np.multiply(source.shape, source.voxel_size))
        raise UnusableError(
            f"{path}: its {edges} mm would be {count:.2g} voxels at prepare.voxel_size; correct "
            "the voxel size or the unit in its header, or choose larger voxels"
        )


def _check_inside(
    array: geometry.Array, brain: NDArray[np.bool_] | None, path: str, brain_mask: str
) -> None:
    """Refuse a brain that holds nothing to normalise by."""
    if brain is None or np.ptp(array[brain]) > 0 or np.ptp(array) == 0:
        return
    mask, fix = (
        (brain_mask, "make that brain mask again") if brain_mask else ("brain", "look at it")
    )
    raise UnusableError(
        f"{path}: has one value, {array[brain][0]:.6g}, in all {np.count_nonzero(brain)} "
        f"voxels of the prepared {mask}; {fix}"
    )


def check_volume(volume: np.ndarray, path: str, *, was_constant: bool) -> None:
    """Check the prepared volume as strictly as the raw one.

    Raises:
        UnusableError: If it holds no finite numbers, or one value alone although the scan has more.
    """
    if not np.isfinite(volume).all():
        raise UnusableError(f"{path}: its prepared volume is not finite; look at its intensities")
    if not was_constant and np.ptp(volume) == 0:
        raise UnusableError(
            f"{path}: its prepared volume has one value, {float(volume.flat[0]):.6g}, everywhere; "
            "correct the voxel size in its header, or choose smaller voxels or a larger window"
        )
