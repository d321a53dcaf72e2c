"""Prepare every scan once: one orientation, one voxel size, one window, one scale of intensity.

What is done to a scan depends on that scan alone. The volumes of a shard lie in one file that is
memory-mapped in training, which costs 0.1 ms per volume where reading the scan costs 100.

A thumbnail is left of every scan. Once all are there, they are compared: scans that look alike
under the names of different subjects, and scans unlike the cohort, are listed for a person to
judge. Nothing is dropped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import BinaryIO
from typing import cast

import numpy as np
import pandas as pd

from headstart.parts import files
from headstart.parts import likeness
from headstart.parts import volumes
from headstart.parts.config import Prepare
from headstart.parts.errors import UserError
from headstart.parts.progress import progress
from headstart.parts.reasons import accepted_by
from headstart.parts.reasons import codes_of
from headstart.parts.scans import BadScanError
from headstart.parts.scans import Volume
from headstart.parts.scans import read_volume

SCAN = ["subject", "session"]
LOOKALIKES = [*SCAN, "other_subject", "other_session", "correlation", "flipped"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--settings",
        required=True,
        help="JSON: prepare, channels, classes, accept; with --gather: lookalike",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="prepare/shard-K.json, or a folder"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--scans", type=Path, help="label/shards/K.csv, with --checked and --data")
    what.add_argument(
        "--gather", type=Path, nargs="+", help="compare the thumbnails beside these shard-K.json"
    )
    parser.add_argument("--checked", type=Path, help="check/shards/K.csv")
    parser.add_argument("--data", type=Path, default=Path(), help="data root")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = json.loads(arguments.settings)
    if arguments.scans is None:
        gather(cards=arguments.gather, least=settings["lookalike"], output=arguments.output)
        return
    prepare(
        scans=files.read_csv(arguments.scans),
        checked=files.read_csv(arguments.checked),
        data=arguments.data,
        output=arguments.output,
        settings=Prepare.model_validate(settings["prepare"]),
        channels=settings["channels"],
        masks=bool(settings["classes"]),
        accept=settings.get("accept", ()),
    )


def prepare(
    *,
    scans: pd.DataFrame,
    checked: pd.DataFrame,
    data: Path,
    output: Path,
    settings: Prepare,
    channels: Sequence[str],
    masks: bool,
    accept: Sequence[Mapping[str, str | None]] = (),
) -> None:
    """Write one shard: `shard-K.npy`, `-mask.npy`, `-thumbnails.npy` and, last, `shard-K.json`.

    One scan is in memory at a time.

    Args:
        scans: subject, session, a path per channel, mask, brain_mask.
        checked: subject, session, reason, also, hash; scans with a reason are left out.
        data: Data root, where the paths start.
        output: The `.json`; the arrays lie beside it.
        settings: The config's section `prepare`.
        channels: Columns of `scans` with the image channels, in order.
        masks: Whether masks are to be learnt; without, the masks' array has no rows.
        accept: subject, session and code (None: all) of scans to prepare in spite of a reason.

    Raises:
        UserError: If a scan changed or broke since it was checked, its channels are not on one
            grid, an intensity does not fit float16, or the disk is full.
    """
    rows = _chosen(scans, checked, accept)
    shape = (len(rows), len(channels), *settings.window)
    # a full disk is told of the last file here: the volumes, which fill it
    paths = {
        kind: output.with_name(f"{output.stem}{kind}.npy") for kind in ("-thumbnails", "-mask", "")
    }
    output.unlink(missing_ok=True)  # it must never describe arrays of another run
    records = []
    thumbnails = np.zeros((len(rows), *[likeness.SIDE] * 3), np.float16)
    with ExitStack() as stack:
        drafts = {kind: stack.enter_context(files.temporary(p)) for kind, p in paths.items()}
        with drafts[""].open("wb") as images, drafts["-mask"].open("wb") as labels:
            _write_header(images, shape, np.float16)
            _write_header(labels, (len(rows) if masks else 0, *settings.window), np.uint8)
            for index, row in enumerate(progress(rows, total=len(rows), label="scans prepared")):
                prepared = prepare_scan(
                    row, data=data, settings=settings, channels=channels, masks=masks
                )
                images.write(prepared.volume.data)
                if prepared.mask is not None:
                    labels.write(prepared.mask.data)
                thumbnails[index] = likeness.thumbnail(prepared.volume[0])
                records.append(_record(row, index, prepared))
        with drafts["-thumbnails"].open("wb") as small:
            np.save(small, thumbnails)
        digests = {kind: files.sha256(drafts[kind]) for kind in ("", "-mask")}
    files.write_json(
        output,
        {
            "shape": shape,
            "channels": list(channels),
            "voxel_size": settings.voxel_size,
            "prepare": settings.model_dump(mode="json", exclude={"shards"}),
            "sha256": digests[""],
            "mask_sha256": digests["-mask"],
            "scans": records,
        },
    )


def gather(*, cards: Sequence[Path], least: float, output: Path) -> None:
    """Compare the thumbnails of all shards: write lookalikes.csv and likeness.csv.

    lookalikes.csv has a row per pair of scans under different subjects that look alike, or that
    seem to be one person numbered as two: subject, session, other_subject, other_session,
    correlation, flipped (1: mirrored left to right).
    likeness.csv has a row per scan: subject, session, likeness (mean correlation with the five
    most similar scans of other subjects), distance (in robust standard deviations from the usual
    likeness), odd (0 or 1).

    Args:
        cards: The shards' `.json`; the thumbnails lie beside them.
        least: Lowest correlation of a pair.
        output: Folder to write to.
    """
    scans: list[tuple[str, str]] = []
    small = []
    for card in cards:
        shard = json.loads(card.read_text(encoding="utf-8"))
        scans += [(scan["subject"], scan["session"]) for scan in shard["scans"]]
        small.append(np.load(card.with_name(f"{card.stem}-thumbnails.npy")))
    thumbnails = np.concatenate(small)
    if len(thumbnails) != len(scans):
        raise RuntimeError(f"prepare: {len(scans)} scans, but {len(thumbnails)} thumbnails")
    # in the order of their names: another number of shards gives the same tables
    order = sorted(range(len(scans)), key=lambda number: scans[number])
    scans, thumbnails = [scans[number] for number in order], thumbnails[order]

    subjects = [subject for subject, _ in scans]
    nearest = likeness.neighbours(thumbnails, subjects)
    partners = _partners(thumbnails, subjects, nearest)
    alike = likeness.lookalikes(thumbnails, subjects, least)
    pairs = {(pair.first, pair.second): pair for pair in (*partners, *alike)}
    rows = [
        (*scans[one], *scans[two], f"{pair.correlation:.4f}", int(pair.flipped))
        for (one, two), pair in sorted(pairs.items())
    ]
    likes, distances = likeness.oddness(nearest)
    odd = distances > likeness.ODD
    table = pd.DataFrame(scans, columns=SCAN)
    table["likeness"] = [f"{value:.4f}" for value in likes]
    table["distance"] = [f"{value:.2f}" for value in distances]
    table["odd"] = odd.astype(int)
    files.write_csv(output / "lookalikes.csv", pd.DataFrame(rows, columns=LOOKALIKES))
    files.write_csv(output / "likeness.csv", table)
    if partners:
        one, two = scans[partners[0].first], scans[partners[0].second]
        print(
            f"prepare: {len(partners)} pairs of subjects with consecutive numbers, such as "
            f"{one[0]} and {two[0]}, resemble each other more than anyone else: are two scans of "
            "one person numbered as two subjects? If so, set `subject: {pattern: …, group: 2}`",
            file=sys.stderr,
        )
    print(
        f"prepare: {len(scans)} scans compared; pairs of different subjects that look alike "
        f"(correlation of at least {least:g}): {len(alike)}; scans unlike the others: {odd.sum()}",
        file=sys.stderr,
    )


def _partners(
    thumbnails: np.ndarray,
    subjects: Sequence[str],
    nearest: Sequence[Sequence[likeness.Pair]],
) -> list[likeness.Pair]:
    """Return the pairs of consecutive subjects that seem to be one person."""
    mirrored = likeness.neighbours(thumbnails, subjects, flipped=True)
    best = [
        max(one[0], other[0], key=lambda pair: pair.correlation)
        for one, other in zip(nearest, mirrored, strict=True)
        if one
    ]
    return likeness.numbered_in_twos(best, subjects)


@dataclass(frozen=True)
class Prepared:
    """A prepared scan.

    Attributes:
        volume: float16, (channels, x, y, z).
        mask: uint8, (x, y, z), all 0 for a scan without one; None if masks are not asked for.
        grid: Where the prepared voxels lie.
        source: Where the raw first channel's voxels lie.
        mask_voxels: Labelled voxels inside the window; None without a mask.
        cropped: Labelled voxels that the window cut off; None without a mask.
    """

    volume: np.ndarray
    mask: np.ndarray | None
    grid: volumes.Grid
    source: volumes.Grid
    mask_voxels: int | None
    cropped: int | None


def prepare_scan(
    row: Mapping[str, str],
    *,
    data: Path,
    settings: Prepare,
    channels: Sequence[str],
    masks: bool,
) -> Prepared:
    """Prepare one scan.

    Args:
        row: Its paths, and `hash`: the digest of the first channel's voxels when it was checked.
        data: Data root.
        settings: The config's section `prepare`.
        channels: Keys of `row` with the image channels, in order.
        masks: Whether the mask is prepared too.

    Raises:
        UserError: As in `prepare`.
    """
    paths = [data / row[channel] for channel in channels]
    first = _read(paths[0])
    if row["hash"] not in ("", first.digest):
        raise UserError(f"{paths[0]}: changed since it was checked; run the check again")
    source = volumes.Grid(first.shape, first.affine)
    canonical = source.canonical()
    resampled = canonical.resampled(settings.voxel_size)
    grid = resampled.windowed(settings.window)

    brain = None
    if row["brain_mask"]:
        classes = _labels(data / row["brain_mask"], first) > 0
        brain = volumes.resample_mask(classes.astype(np.uint8), canonical, resampled) > 0
    volume = np.empty((len(channels), *settings.window), np.float16)
    for channel, path in enumerate(paths):
        raw = first if channel == 0 else _read_on_grid(path, first)
        array = volumes.resample(_intensities(raw, path), canonical, resampled)
        array = volumes.normalise(array, settings.normalise, brain)
        volume[channel] = _half(volumes.crop_or_pad(array, settings.window, array.min()), path)

    if not masks:
        return Prepared(volume, None, grid, source, None, None)
    if not row["mask"]:
        return Prepared(volume, np.zeros(settings.window, np.uint8), grid, source, None, None)
    whole = volumes.resample_mask(_labels(data / row["mask"], first), canonical, resampled)
    mask = volumes.crop_or_pad(whole, settings.window, 0)
    kept = int(np.count_nonzero(mask))
    return Prepared(volume, mask, grid, source, kept, int(np.count_nonzero(whole)) - kept)


def _chosen(
    scans: pd.DataFrame, checked: pd.DataFrame, accept: Sequence[Mapping[str, str | None]]
) -> list[dict[str, str]]:
    """Return the shard's scans that passed, or were accepted by hand, with their hash."""
    joined = scans.merge(checked[[*SCAN, "reason", "also", "hash"]], validate="1:1")
    if len(joined) != len(scans):
        raise RuntimeError(f"prepare: {len(scans)} scans, but {len(joined)} of them were checked")
    rows = cast(list[dict[str, str]], joined.to_dict("records"))
    # a scan whose header names a person is prepared as well: nothing of the header is kept
    return [
        row
        for row in rows
        if row["hash"]
        and all(code == "personal-data" or accepted_by(row, code, accept) for code in codes_of(row))
    ]


def _read(path: Path) -> Volume:
    try:
        return read_volume(path)
    except BadScanError as error:
        raise UserError(f"{error.detail}, or leave the scan out with check.exclude") from error


def _read_on_grid(path: Path, first: Volume) -> Volume:
    volume = _read(path)
    if not volume.same_grid(first):
        raise UserError(
            f"{path}: lies on another grid than the scan's first channel; "
            "resample it there, or leave the scan out with check.exclude"
        )
    return volume


def _intensities(raw: Volume, path: Path) -> volumes.Array:
    if not raw.finite:
        raise UserError(
            f"{path}: has voxels that are not finite; mend it or take it out of check.accept"
        )
    array = volumes.to_canonical(raw.stored, raw.affine).astype(np.float32)
    if raw.slope != 1:
        array *= np.float32(raw.slope)
    if raw.intercept != 0:
        array += np.float32(raw.intercept)
    return array


def _labels(path: Path, first: Volume) -> volumes.Mask:
    raw = _read_on_grid(path, first)
    stored = volumes.to_canonical(raw.stored, raw.affine)
    # scaled labels come back as 2.99999
    return np.rint(stored * raw.slope + raw.intercept).astype(np.uint8)


def _half(array: volumes.Array, path: Path) -> np.ndarray:
    limit = np.finfo(np.float16).max
    if max(array.max(), -array.min()) > limit:
        raise UserError(
            f"{path}: its intensities reach beyond {limit:.0f}, more than a prepared volume can "
            "hold; choose prepare.normalise: zscore or percentile"
        )
    return array.astype(np.float16)


def _write_header(file: BinaryIO, shape: tuple[int, ...], kind: type[np.generic]) -> None:
    """Begin a .npy; the volumes are written after it one by one.

    A memory map would do the same, but on a full disk it ends the process without a word.
    """
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape},
    )


def _record(row: Mapping[str, str], index: int, prepared: Prepared) -> dict[str, Any]:
    if prepared.cropped:
        lost = 100 * prepared.cropped / (prepared.cropped + (prepared.mask_voxels or 0))
        print(
            f"warning: {row['subject']} session {row['session']}: the window cuts off {lost:.3g} % "
            "of the mask; enlarge prepare.window",
            file=sys.stderr,
        )
    return {
        "subject": row["subject"],
        "session": row["session"],
        "index": index,
        "affine": prepared.grid.affine.tolist(),
        "source_shape": prepared.source.shape,
        "source_affine": prepared.source.affine.tolist(),
        "hash": row["hash"],
        "mask_voxels": prepared.mask_voxels,
        "mask_voxels_cropped": prepared.cropped,
    }
