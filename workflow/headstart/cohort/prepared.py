"""The cohort in memory: who is in it, what is to be learnt, and where each prepared volume lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray

from headstart.cohort.allocation import rank
from headstart.cohort.shards import Box
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import ShardScan
from headstart.cohort.shards import Stored
from headstart.cohort.shards import masks_of
from headstart.cohort.shards import volumes_of
from headstart.cohort.splits import read_splits
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.keys import OfScan
from headstart.common.records import read_rows
from headstart.common.schema import WindowOrOwn
from headstart.common.schema import canonical_json
from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.data.label_table import REFERENCE
from headstart.data.label_table import LabelRow
from headstart.data.label_table import labels_of
from headstart.data.label_table import seen_channels
from headstart.imaging.background import background_of
from headstart.imaging.channel_scale import LACKING
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.geometry import shared
from headstart.imaging.slabs import Slabs


@dataclass(frozen=True)
class Scan(OfScan):
    """One prepared scan.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans this is.
        target: What is to be predicted, as in `labels.csv`; "" if missing.
        test: Whether the subject is held out for the final test.
        fold: The fold that holds the subject out, of the first repeat; None for test subjects.
        validation: Whether the subject chooses the epoch where it is not held out.
        volumes: The prepared volume on disk.
        masks: The prepared mask on disk; of no use where masks are not learnt.
        intensities: What the numbers of each channel mean.
        clean: What those of the reference mean, if there is one; it is stored after the channels.
        affine: Prepared voxel to mm, 4x4.
        source_affine: Raw voxel to mm, 4x4.
        source_shape: Voxels of the raw scan.
        source_header: Geometry fields of the raw scan's header.
        mask_content: Digest of the raw mask's file; "" where it is not known.
        raw: Digest of the raw voxels.
        millilitres: Volume of each class in the raw mask; {} where there is none.
        brain_ml: Volume of the brain in its raw mask; None where it is not known.
        covariates: What the network sees beside the scan, as in `labels.csv`.
        box: The part that is looked at, which may reach beyond the scan; None for all of it.
        background: Whether its head is blanked, see `imaging.background`.
        times: Of a series: the volumes in time, from 0, that stand in place of channels; the one
            in the middle unless `at` asks for others. () of what is no series.
        repeats: The folds that hold the subject out in further repeats of the split.
    """

    target: str
    test: bool
    fold: int | None
    validation: bool
    volumes: Stored
    masks: Stored
    intensities: tuple[ChannelScale, ...]
    affine: NDArray[np.float64]
    source_affine: NDArray[np.float64]
    source_shape: tuple[int, ...]
    source_header: dict[str, Any]
    mask_content: str
    raw: str
    millilitres: Mapping[str, float]
    brain_ml: float | None
    covariates: tuple[str, ...] = ()
    box: Box | None = None
    clean: ChannelScale | None = None
    background: bool = False
    times: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Volumes in time of a series."""
        return self.volumes.shape[0]

    def at(self, times: Sequence[int]) -> Scan:
        """Return a series, of which some volumes alone are looked at, as if they were channels."""
        return replace(self, times=tuple(times), intensities=self.intensities[:1] * len(times))

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds that hold the subject out, one of each repeat; () for test subjects."""
        return () if self.fold is None else (self.fold, *self.repeats)

    @property
    def optional(self) -> tuple[int, ...]:
        """Places of the channels that a scan of the cohort may lack."""
        return tuple(n for n, scale in enumerate(self.intensities) if scale.there is not None)

    @property
    def lacking(self) -> tuple[int, ...]:
        """Places of the channels that the scan lacks."""
        return tuple(n for n, scale in enumerate(self.intensities) if scale.there is False)

    @property
    def flags(self) -> tuple[float, ...]:
        """Of each optional channel 1 where the scan has it, else 0: seen behind the channels."""
        return tuple(float(place not in self.lacking) for place in self.optional)

    @property
    def air(self) -> tuple[float, ...]:
        """The level of no signal of all that the network sees; that of a flag is its own."""
        return (*(channel.air for channel in self.intensities), *self.flags)

    def without(self, places: Collection[int]) -> Scan:
        """Return the scan as if it lacked some channels."""
        scales = enumerate(self.intensities)
        kept = tuple(LACKING if place in places else scale for place, scale in scales)
        return replace(self, intensities=kept)

    def in_repeat(self, number: int) -> Scan:
        """Return the scan as it is held out in one of the repeats, the first of which is 0."""
        return self if self.fold is None else replace(self, fold=self.folds[number], repeats=())

    @property
    def grid(self) -> Grid:
        """Where the prepared voxels lie, or those of the part that is looked at."""
        return Grid(self.shape, self.affine)

    @property
    def source(self) -> Grid:
        """Grid of the raw scan."""
        return Grid(self.source_shape, self.source_affine)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of the prepared volume along each axis, or of the part that is looked at."""
        return self.volumes.shape[1:] if self.box is None else tuple(b - a for a, b in self.box)

    def volume(self) -> NDArray[np.float16]:
        """Read the prepared volume, (channels, x, y, z), 0 in channels that the scan lacks.

        Beyond the scan there is no signal.
        """
        volume = self._channels()[: len(self.intensities)]
        if self.background:
            seed = int.from_bytes(rank(0, "\0".join(self.key))[:8])
            volume = background_of(volume, self.grid.voxel_size.tolist(), seed)
        volume[list(self.lacking)] = 0
        return volume

    def slabs(self) -> Slabs:
        """The prepared volume, of which no more is in memory than is looked at; see `volume`."""
        return self._by_slabs(len(self.intensities), lambda part: part.volume())

    def signal(self) -> NDArray[np.float32]:
        """Read the first channel in its raw intensities, (x, y, z)."""
        return self.intensities[0].restored(self.volume()[0])

    def signal_slabs(self) -> Slabs:
        """The same, (1, x, y, z), of which no more is in memory than is looked at."""
        return self._by_slabs(1, lambda part: part.signal()[None])

    def reference(self) -> NDArray[np.float32] | None:
        """Read the scan without noise, in the raw intensities of its file; None without one."""
        return None if self.clean is None else self.clean.restored(self._channels()[-1])

    def reference_slabs(self) -> Slabs | None:
        """The same, (1, x, y, z), of which no more is in memory than is looked at."""
        if (clean := self.clean) is None:
            return None
        return self._by_slabs(1, lambda part: clean.restored(part._channels()[-1:]))

    def mask(self) -> NDArray[np.uint8]:
        """Read the prepared mask, (x, y, z); beyond the scan there is background."""
        return self._read(self.masks, 0)

    def part(self, box: Box) -> Scan:
        """Return the scan, of which a part alone is looked at.

        Args:
            box: First voxel along each axis, negative before the scan, and the one after the last.
        """
        affine = self.grid.cropped(box).affine
        return replace(self, box=tuple(box), affine=affine)

    def _by_slabs(self, channels: int, read: Callable[[Scan], NDArray[Any]]) -> Slabs:
        """Read of the scan slab by slab what is read of all of it, (channels, x, y, z)."""
        if self.background or self.box is not None:
            return Slabs.of(read(self))
        sides = [(0, length) for length in self.shape[1:]]
        return Slabs(
            (channels, *self.shape),
            lambda first, last: read(self.part([(first, last), *sides])),
        )

    def _channels(self) -> NDArray[np.float16]:
        scales = [*self.intensities, *([self.clean] if self.clean else [])]
        return self._read(self.volumes, [channel.air for channel in scales], self.times or None)

    def _read(
        self, stored: Stored, fill: ArrayLike, channels: Sequence[int] | None = None
    ) -> NDArray[Any]:
        """Read the part that is looked at, and fill what lies beyond the scan."""
        if self.box is None:
            return stored.read(channels=channels)
        theirs, (x, y, z) = shared(stored.shape[-3:], self.box)
        part = stored.read([(one.start, one.stop) for one in theirs], channels)
        whole = np.empty((*part.shape[:-3], *self.shape), stored.kind)
        whole[...] = np.reshape(fill, (*part.shape[:-3], 1, 1, 1))
        whole[..., x, y, z] = part
        return whole


@dataclass(frozen=True)
class Cohort:
    """All scans that passed, in the order of `passed.csv`.

    Attributes:
        table: `passed.csv`.
        target: The label to predict, or one of `IMAGES`.
        scans: The scans, those without a target included, those without a covariate not.
        channels: Names of the image channels.
        window: Voxels of every prepared volume, (x, y, z), or `own`.
        prepare: How the volumes were prepared.
        brain_masks: Whether `all`, `some` or `none` of the scans came with a brain mask.
        covariates: Labels that the network sees beside the scan.
        left_out: How many scans lack one of them.
        template: What the scans were brought onto, see `ShardCard`.
    """

    table: Path
    target: str
    scans: tuple[Scan, ...]
    channels: tuple[str, ...]
    window: WindowOrOwn
    prepare: Preparation
    brain_masks: str
    covariates: tuple[str, ...] = ()
    left_out: int = 0
    template: str = ""

    def training(self, fold: int) -> tuple[Scan, ...]:
        """Scans with a target that the network of this fold learns from."""
        return tuple(s for s in self._others(fold) if s.target and not s.validation)

    def validation(self, fold: int) -> tuple[Scan, ...]:
        """Scans with a target that choose this fold's epoch and are not learnt from."""
        return tuple(s for s in self._others(fold) if s.target and s.validation)

    def held_out(self, fold: int) -> tuple[Scan, ...]:
        """Scans of the fold's own subjects, with or without a target."""
        return tuple(s for s in self.scans if fold in s.folds)

    def test(self) -> tuple[Scan, ...]:
        """Scans of the test subjects, with or without a target."""
        return tuple(s for s in self.scans if s.test)

    def _others(self, fold: int) -> Iterable[Scan]:
        return (s for s in self.scans if not s.test and fold not in s.folds)


def read_cohort(
    passed: Path, splits: Path, prepared: Path, target: str, covariates: Sequence[str] = ()
) -> Cohort:
    """Join the scans that passed, their subjects' split and their prepared volumes.

    Args:
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        target: The label to predict, or one of `IMAGES`.
        covariates: Labels that the network sees beside the scan.

    Returns:
        The cohort; scans without a target are in it, with the target "", but none without one of
        the covariates.

    Raises:
        UserError: If the target or a covariate is no column, all scans lack a covariate, or a scan
            has no split or no prepared volume.
    """
    table = read_rows(passed, LabelRow)
    _check_columns(passed, table, [target], "predict")
    _check_columns(passed, table, covariates, "see beside the scan")
    split_of = {row.subject: row for row in read_splits(splits)}
    shards = {path: ShardCard.read(path) for path in sorted(prepared.glob("shard-*.json"))}
    volume_of = _volumes(shards)
    has_reference = any(REFERENCE in card.channels for card in shards.values())
    scans = []
    for row in table:
        if row.subject not in split_of:
            raise UserError(
                f"{splits}: subject {row.subject} is missing; run the stage split again"
            )
        if row.key not in volume_of:
            raise UserError(
                f"{prepared}: no volume of subject {row.subject}, session {row.session}; "
                "run the stage prepare again"
            )
        path, entry = volume_of[row.key]
        split = split_of[row.subject]
        scans.append(
            scan_of(
                path,
                entry,
                target=row.values[target],
                test=split.test,
                fold=split.fold,
                validation=split.validation,
                repeats=split.folds[1:],
                covariates=tuple(row.values[name] for name in covariates),
                has_reference=has_reference,
            )
        )
    if not scans:
        raise UserError(f"{passed}: no scan passed; see rejected.csv beside it")
    complete = tuple(scan for scan in scans if all(scan.covariates))
    if not complete:
        raise UserError(f"{passed}: no scan has the covariates {', '.join(covariates)} all at once")
    card = next(iter(shards.values()))
    masked = sum(row.brain_mask != "" for row in table) / len(table)
    return Cohort(
        passed,
        target,
        complete,
        seen_channels(card.channels),
        card.prepare.window,
        card.prepare,
        {0.0: "none", 1.0: "all"}.get(masked, "some"),
        tuple(covariates),
        len(scans) - len(complete),
        card.template,
    )


def _check_columns(
    passed: Path, table: Sequence[LabelRow], names: Sequence[str], purpose: str
) -> None:
    for name in names:
        if not all(name in row.values for row in table):
            raise UserError(
                f"{passed}: has no column '{name}' to {purpose}; "
                f"choose one of {', '.join(labels_of(table))}"
            )


def cohort_digest(cohort: Cohort, fold: int, *, classes: Sequence[str] = ()) -> str:
    """Digest of exactly what a fold's training consumes, and of nothing else.

    It covers the voxels themselves, so that a new label column or another subject's scan changes
    nothing, and no change of preparation goes unseen.

    Args:
        cohort: The cohort.
        fold: The fold that is held out.
        classes: Values of the target that are told apart.

    Returns:
        64 hex digits.
    """
    masks, rows = cohort.target == MASK, []
    for part, scans in (
        ("training", cohort.training(fold)),
        ("validation", cohort.validation(fold)),
    ):
        for scan in scans:
            scan.volumes.check()  # here is where the voxels are held against their digest
            if masks:
                scan.masks.check()
            voxels = [scan.volumes.sha256, scan.masks.sha256 if masks else ""]
            # the path of an image is no content: a moved file is the same mask
            target = "" if cohort.target in IMAGES else scan.target
            geometry = scan.affine.tolist()
            row = [scan.subject, scan.session, part, target, geometry, voxels]
            rows.append([*row, scan.covariates] if cohort.covariates else row)
    consumed = [cohort.channels, classes, sorted(rows, key=lambda row: row[:2])]
    return hashlib.sha256(canonical_json(consumed).encode()).hexdigest()


def _volumes(shards: dict[Path, ShardCard]) -> dict[Key, tuple[Path, ShardScan]]:
    """Map each scan to its shard and its entry there."""
    found: dict[Key, tuple[Path, ShardScan]] = {}
    for path, shard in shards.items():
        for scan in shard.scans:
            if scan.key in found:
                raise UserError(
                    f"{path}: subject {scan.subject}, session {scan.session} is also in "
                    f"{found[scan.key][0].name}; remove the one of an earlier number of shards"
                )
            found[scan.key] = (path, scan)
    return found


def scan_of(
    card: Path,
    entry: ShardScan,
    *,
    target: str = "",
    test: bool = False,
    fold: int | None = None,
    validation: bool = False,
    repeats: tuple[int, ...] = (),
    covariates: tuple[str, ...] = (),
    has_reference: bool = False,
) -> Scan:
    """Make a scan of its entry in a shard's card.

    Args:
        card: The shard's card; its arrays lie beside it.
        entry: The scan's entry.
        target: See `Scan`, as for the others.
        test: Whether it is held out for the final test.
        fold: The fold that holds it out.
        validation: Whether it is for validation where it is not held out.
        repeats: The folds that hold it out in further repeats.
        covariates: What the network sees beside it.
        has_reference: Whether its last channel is the scan without noise.
    """
    *seen, last = entry.intensities
    # all volumes of a series have one scale
    length, is_series = entry.shape[0], entry.shape[0] > len(entry.intensities)
    return Scan(
        subject=entry.subject,
        session=entry.session,
        target=target,
        test=test,
        fold=fold,
        validation=validation,
        volumes=Stored(volumes_of(card), "float16", entry.shape, entry.offset, entry.sha256),
        masks=Stored(
            masks_of(card), "uint8", entry.shape[1:], entry.mask_offset, entry.mask_sha256
        ),
        intensities=tuple(seen) if has_reference else entry.intensities,
        clean=last if has_reference else None,
        affine=np.array(entry.affine),
        source_affine=np.array(entry.source_affine),
        source_shape=entry.source_shape,
        source_header=entry.source_header,
        mask_content=entry.mask_content,
        raw=entry.hash,
        millilitres=entry.millilitres[0] if entry.millilitres else {},
        brain_ml=entry.brain_ml,
        covariates=covariates,
        times=(length // 2,) if is_series else (),
        repeats=repeats,
    )
