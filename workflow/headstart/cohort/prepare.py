"""Shards of prepared scans, and what preparation left of their masks."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from headstart.cohort.mask_report import MaskRow
from headstart.cohort.mask_report import check_left
from headstart.cohort.mask_report import tabulate_masks
from headstart.cohort.shards import RefusedScan
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import ShardScan
from headstart.cohort.shards import array_digest
from headstart.cohort.shards import masks_of
from headstart.cohort.shards import planes_of
from headstart.cohort.shards import small_of
from headstart.cohort.shards import volumes_of
from headstart.cohort.step_report import StepRow
from headstart.cohort.step_report import tabulate_steps
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import OfScan
from headstart.common.progress import progress
from headstart.common.records import write_rows
from headstart.common.text import counted
from headstart.common.text import percent
from headstart.imaging.config import Accepted
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import crop_or_pad
from headstart.imaging.geometry import resample
from headstart.imaging.mask_classes import Classes
from headstart.imaging.planes import SIDE
from headstart.imaging.planes import Planes
from headstart.imaging.prepare import Prepared
from headstart.imaging.prepare import prepare_scan
from headstart.imaging.prepare_series import prepare_series
from headstart.imaging.rician import NO_AIR
from headstart.imaging.rician import air_noise
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.small_volumes import SmallVolume
from headstart.imaging.small_volumes import small_shape
from headstart.imaging.small_volumes import small_volume
from headstart.imaging.step_figures import StepFigures
from headstart.imaging.steps import BRAIN
from headstart.imaging.steps import REGISTRATION
from headstart.imaging.template import origin
from headstart.imaging.unusable import UnusableError

SHOWN = 10
MOST_CUT = 0.001  # share of a brain outside the window that is not worth a word
COVERED = 0.9  # of a head, that a further channel shows at least without a word
MOVED = 3.0  # mm that a further channel is moved without a word
HEAD_CUT = 4.0  # mm of a head outside it that are not: it is told to 4 mm
SMALL_FIELD = 256.0  # mm: of small volumes of scans that have no window; it holds any head


class RefusedScansError(UserError):
    """Scans that passed the check and can't be prepared: a person has to decide on them.

    Attributes:
        scans: Those.
    """

    def __init__(self, said: str, scans: Sequence[RefusedScan]) -> None:
        super().__init__(said)
        self.scans = scans


def prepare(
    *,
    scans: Sequence[ScanFiles],
    checked: Sequence[CheckRow],
    data: Path,
    output: Path,
    settings: Preparation,
    channels: Sequence[str],
    classes: Classes,
    accept: Sequence[Accepted] = (),
) -> None:
    """Write one shard: `shard-K.npy`, `-mask.npy`, `-small.npy` and, last, `shard-K.json`.

    Beside them comes `-planes.npy` where brains are asked for, see `imaging/planes.py`.

    One scan is in memory at a time. What comes out is checked as the scans were: a scan that can't
    be prepared to finite, different numbers is listed as refused, with the reason, and has no row.

    Args:
        scans: Their files.
        checked: What was found of them; scans with a reason are left out.
        data: Data root, where the paths start.
        output: The `.json`; the arrays lie beside it.
        settings: What is done to each volume.
        channels: Names of the image channels, in order.
        classes: Each class's values in the masks; without any, the masks' array has no rows.
        accept: Scans to prepare in spite of a reason.

    Raises:
        UserError: If a scan changed or broke since it was checked, its channels are not on one
            grid, an intensity does not fit float16, or the disk is full.
    """
    rows = _chosen(scans, checked, accept)
    # a full disk is told of the last file here: the volumes, which fill it
    paths = [small_of(output), masks_of(output), volumes_of(output)]
    paths += [planes_of(output)] * settings.planes
    output.unlink(missing_ok=True)  # it must never describe arrays of another run
    prepared_scans: list[ShardScan] = []
    refusals: list[tuple[CheckRow, UnusableError]] = []
    small: list[SmallVolume] = []
    judged: list[Planes] = []
    with ExitStack() as stack:
        drafts = [stack.enter_context(files.temporary(path)) for path in paths]
        small_draft, mask_draft, volume_draft = drafts[:3]
        with volume_draft.open("wb") as images, mask_draft.open("wb") as labels:
            _write_headers(images, labels, (0,), (0,))
            for scan, row in progress(rows, total=len(rows), label="scans prepared"):
                try:
                    prepared = (
                        prepare_series(scan, data=data, settings=settings, checked=row.hash)
                        if settings.series
                        else prepare_scan(
                            scan,
                            data=data,
                            settings=settings,
                            checked=row.hash,
                            classes=classes,
                            accepted=_accepted(row, accept),
                        )
                    )
                except UnusableError as error:
                    refusals.append((row, error))
                    print(f"refused: {row.subject}, {row.session}: {error}", file=sys.stderr)
                    continue
                for said in _warnings(prepared):
                    warning = f"warning: {row.subject} session {row.session}: {said}"
                    print(warning, file=sys.stderr)
                offsets = images.tell(), labels.tell()
                prepared_scans.append(_described(row, len(small), prepared, offsets, settings))
                images.write(prepared.volume.data)
                if prepared.mask is not None:
                    labels.write(prepared.mask.data)
                small.append(_small(prepared, settings))
                if prepared.planes is not None:
                    judged.append(prepared.planes)
            shapes = [scan.shape for scan in prepared_scans]
            _write_headers(images, labels, *_file_shapes(shapes, len(channels), settings, classes))
        shape = small_shape(_small_field(settings), settings.usual_voxel_size)
        np.save(small_draft, np.array(small, np.float16).reshape(-1, *shape))
        refused = list(_refused(refusals, judged))
        if settings.planes:
            np.save(drafts[3], np.array(judged, np.uint8).reshape(-1, 3, 2, SIDE, SIDE))
    card = ShardCard(
        channels=tuple(channels),
        prepare=settings,
        scans=tuple(prepared_scans),
        refused=tuple(refused),
        sha256=files.sha256(volumes_of(output)),
        mask_sha256=files.sha256(masks_of(output)),
        template="" if settings.space == "native" else origin(),
    )
    card.write(output)


def gather(
    *, cards: Sequence[Path], passed: Sequence[OfScan], output: Path, air: bool = False
) -> None:
    """Check all shards together: write masks.csv, a row per mask and class.

    See `cohort/mask_report.py` for its columns, and `cohort/step_report.py` for those of steps.csv,
    which is written where a step of preparation was asked for. Shards that are not among these, of
    a run with more of them, are removed: later stages take what lies in the folder for the cohort.

    Args:
        cards: The shards' `.json`.
        passed: check/passed.csv.
        output: Folder to write to.
        air: Whether every scan needs air that its noise is estimated from.

    Raises:
        RefusedScansError: If a scan that passed was refused.
        UserError: If one lacks air that it needs, or a class is lost in all masks.
    """
    shards = [ShardCard.read(card) for card in cards]
    _remove_other_shards(cards)
    among = {row.key for row in passed}  # also others are prepared
    refused = [scan for shard in shards for scan in shard.refused if scan.key in among]
    scans = [scan for shard in shards for scan in shard.scans if scan.key in among]
    if shards[0].prepare.steps:
        # first: refused scans are judged beside the others
        steps = tabulate_steps(sorted(scans, key=lambda scan: scan.key))
        write_rows(output / "steps.csv", StepRow, steps)
    _check_refused(sorted(refused, key=lambda scan: scan.key))
    _check_air([scan for scan in scans if air and scan.without_air], len(scans))
    masks = tabulate_masks(sorted(scans, key=lambda scan: scan.key))
    said = check_left(masks)
    write_rows(output / "masks.csv", MaskRow, masks)
    if said:
        print(said, file=sys.stderr)


def _refused(
    refusals: Sequence[tuple[CheckRow, UnusableError]], judged: list[Planes]
) -> Iterator[RefusedScan]:
    """Describe the scans that were refused; what they are judged by comes after the others'."""
    for row, error in refusals:
        index = None
        if error.planes is not None:
            index = len(judged)
            judged.append(error.planes)
        yield RefusedScan(
            subject=row.subject,
            session=row.session,
            detail=str(error),
            code=error.code,
            index=index,
        )


def _remove_other_shards(cards: Sequence[Path]) -> None:
    ours = {card.stem for card in cards}
    for path in {card.parent for card in cards}.pop().glob("shard-*.*"):
        shard = re.match(r"shard-\d+", path.name)
        if shard is not None and shard[0] not in ours:
            path.unlink()


def _check_refused(refused: Sequence[RefusedScan]) -> None:
    if not refused:
        return
    for scan in refused[:SHOWN]:
        print(f"  {scan.subject}, {scan.session}: {scan.detail}", file=sys.stderr)
    first = refused[0]
    raise RefusedScansError(
        f"{counted(len(refused), 'scan')} that passed the check can't be prepared, the first is "
        f"subject '{first.subject}', session '{first.session}': {first.detail}; "
        "or leave them out with check.exclude",
        refused,
    )


def _check_air(without: Sequence[ShardScan], count: int) -> None:
    """Refuse scans without air before networks learn from them whose answers would need it."""
    if not without:
        return
    first = min(without, key=lambda scan: scan.key)
    raise UserError(
        f"{len(without)} of {counted(count, 'scan')} can't be denoised, the first is subject "
        f"'{first.subject}', session '{first.session}': {NO_AIR}; or leave them out with "
        "check.exclude"
    )


def _chosen(
    scans: Sequence[ScanFiles], checked: Sequence[CheckRow], accept: Sequence[Accepted]
) -> list[tuple[ScanFiles, CheckRow]]:
    """Return the shard's scans that passed, or were accepted by hand."""
    found = {row.key: row for row in checked}
    joined = [(scan, found[scan.key]) for scan in scans if scan.key in found]
    if len(joined) != len(scans):
        raise RuntimeError(f"prepare: {len(scans)} scans, but {len(joined)} of them were checked")
    # a scan whose header names a person is prepared as well: nothing of the header is kept
    return [
        (scan, row)
        for scan, row in joined
        if row.hash
        and all(
            code == "personal-data" or any(entry.keeps(row, code) for entry in accept)
            for code in row.codes
        )
    ]


def _accepted(row: CheckRow, accept: Sequence[Accepted]) -> list[str]:
    """Return the codes that a person accepts for a scan, of those that prepare refuses one with."""
    return [c for c in (BRAIN, REGISTRATION) if any(entry.keeps(row, c) for entry in accept)]


def _small_field(settings: Preparation) -> Sequence[int]:
    """Return the voxels of a scan that its small volume shows: those of a cohort have one shape."""
    if settings.window != "own":
        return settings.window
    return [round(SMALL_FIELD / edge) for edge in settings.usual_voxel_size]


def _small(prepared: Prepared, settings: Preparation) -> SmallVolume:
    """Return a scan's small volume."""
    volume, edges = prepared.volume[0], settings.usual_voxel_size
    if settings.voxel_size == "own":  # those of a cohort have one voxel size
        grid = prepared.grid.resampled(edges)
        volume = resample(volume.astype(np.float32), prepared.grid, grid)
    air = prepared.intensities[0].air
    return small_volume(crop_or_pad(volume, _small_field(settings), air), edges)


def _file_shapes(
    scans: Sequence[Sequence[int]], channels: int, settings: Preparation, classes: Classes
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a shard's arrays of volumes and masks.

    Args:
        scans: Shape of each scan's volume.
        channels: Image channels, of scans of one window.
        settings: What was done to them.
        classes: Without any, there are no masks.
    """
    if settings.window == "own":
        volumes, voxels = (sum(math.prod(shape[n:]) for shape in scans) for n in (0, 1))
        return (volumes,), (voxels if classes else 0,)
    return (len(scans), channels, *settings.window), (
        len(scans) if classes else 0,
        *settings.window,
    )


def _write_headers(
    images: BinaryIO, labels: BinaryIO, volumes: tuple[int, ...], masks: tuple[int, ...]
) -> None:
    """Write the shapes of what follows; once more at the end, when they are known.

    The header of a .npy is of one length for all shapes of a few numbers.
    """
    for file, shape, kind in ((images, volumes, np.float16), (labels, masks, np.uint8)):
        file.seek(0)
        _write_header(file, shape, kind)


def _write_header(file: BinaryIO, shape: tuple[int, ...], kind: type[np.generic]) -> None:
    """Begin a .npy; the volumes are written after it one by one.

    A memory map would do the same, but on a full disk it ends the process without a word.
    """
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape},
    )


def _warnings(prepared: Prepared) -> Iterator[str]:
    """Yield what a person should know of a scan that was prepared."""
    if prepared.wild:
        yield (
            f"{counted(prepared.wild, 'wild voxel')}, far beyond all others, replaced by the "
            "median of those around; look at it"
        )
    if prepared.cropped:
        lost = 100 * prepared.cropped / (prepared.cropped + (prepared.mask_voxels or 0))
        yield f"the window cuts off {lost:.3g} % of the mask; enlarge prepare.window"
    if (prepared.head_cut or 0) > HEAD_CUT:
        yield f"the window cuts off {prepared.head_cut:.0f} mm of the head; enlarge prepare.window"
    steps = prepared.steps or StepFigures()
    if (steps.brain_cut or 0) > MOST_CUT:
        lost = 100 * (steps.brain_cut or 0)
        yield f"the window cuts off {lost:.3g} % of the brain; enlarge prepare.window"
    if steps.brain_at_edge and not steps.stripped:
        yield (
            f"the scan itself cuts its brain, of which {steps.brain_at_edge} voxels lie at its "
            "faces; look at it"
        )
    yield from on_channels(steps)
    before, after = prepared.millilitres or ({}, {})
    for name, volume in before.items():
        if volume > 0 and after[name] == 0:
            yield (
                f"nothing is left of '{name}' ({volume:.3g} ml); choose a smaller "
                "prepare.voxel_size or enlarge prepare.window"
            )


def on_channels(steps: StepFigures) -> Iterator[str]:
    """Yield what a person should know of how further channels were brought onto the first one."""
    if (steps.moved or 0) > MOVED:
        yield (
            f"a further channel was moved by {steps.moved:.1f} mm from where its header says: the "
            "head moved, the header is another visit's, or it is no fit; look at both"
        )
    if steps.covered is not None and steps.covered < COVERED:
        yield (
            f"a further channel shows {percent(steps.covered)} of the head alone: it is a slab, "
            "or its header has another place; look at both"
        )


def _described(
    row: CheckRow,
    index: int,
    prepared: Prepared,
    offsets: tuple[int, int],
    settings: Preparation,
) -> ShardScan:
    return ShardScan(
        subject=row.subject,
        session=row.session,
        index=index,
        shape=prepared.volume.shape,
        offset=offsets[0],
        mask_offset=offsets[1],
        intensities=prepared.intensities,
        affine=prepared.grid.affine.tolist(),
        source_affine=prepared.source.affine.tolist(),
        source_shape=prepared.source.shape,
        source_header=prepared.header,
        hash=row.hash,
        mask_voxels=prepared.mask_voxels,
        mask_voxels_cropped=prepared.cropped,
        millilitres=prepared.millilitres,
        sha256=array_digest(prepared.volume),
        mask_sha256="" if prepared.mask is None else array_digest(prepared.mask),
        mask_content=prepared.mask_content,
        brain_ml=prepared.brain_ml,
        steps=prepared.steps,
        to_template=None if prepared.to_template is None else prepared.to_template.tolist(),
        without_air=_is_without_air(prepared, settings),
    )


def _is_without_air(prepared: Prepared, settings: Preparation) -> bool:
    """See `ShardScan.without_air`; of the numbers that are answered for later."""
    if settings.voxel_size != "own" or settings.series:
        return False
    image = prepared.intensities[0].restored(prepared.volume[0])
    return air_noise(image, prepared.grid.voxel_size.tolist()) is None
