"""Prepared shards on disk: arrays of many scans, each read with the digest of its own scan.

A scan is read from its place in the file. The file is not mapped into memory: a queue may limit the
addresses that a job takes, and those of a mapped file count.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic import ValidationError

from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.schema import Section
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Preparation
from headstart.imaging.step_figures import StepFigures

Matrix = tuple[tuple[float, float, float, float], ...]  # 4x4
Box = Sequence[tuple[int, int]]  # first voxel along each axis, and the one after the last
PIECE = 1 << 24  # bytes of a file that are read at once
_checked: set[Stored] = set()  # what this process has held against its digest


class RefusedScan(Section):
    """A scan of which nothing came that could be learnt from.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans it is.
        detail: Why, as a sentence, with the fix.
        code: Of `imaging/rejection_codes.py`; "" for what can't be accepted by hand.
        index: Row of what it is judged by in `-planes.npy`; None where nothing was found.
    """

    subject: str
    session: str
    detail: str
    code: str = Field("", exclude_if=operator.not_)
    index: int | None = Field(None, exclude_if=lambda index: index is None)

    @property
    def key(self) -> Key:
        """Subject and session."""
        return self.subject, self.session


class ShardScan(Section):
    """A prepared scan, as the card of its shard describes it.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans it is.
        index: Row of the scan in the shard's arrays, and in those of the volumes and masks if all
            have one window.
        shape: Channels, or of a series volumes in time, and voxels along x, y and z.
        offset: Bytes before its volume in the file of the volumes.
        mask_offset: Bytes before its mask in the file of the masks.
        intensities: What the numbers of each channel mean; of a series, those of all its volumes.
        affine: Prepared voxel to mm.
        source_affine: Raw voxel to mm.
        source_shape: Voxels of the raw scan.
        source_header: Geometry fields of the raw scan's header.
        hash: Digest of the raw voxels, as the check has it.
        mask_voxels: Labelled voxels inside the window; None without a mask.
        mask_voxels_cropped: Labelled voxels that the window cut off; None without a mask.
        millilitres: Each class's volume in the raw mask and in the prepared one; None without a
            mask.
        sha256: `array_digest` of the volume.
        mask_sha256: That of the mask; "" where masks are not learnt.
        mask_content: Digest of the raw mask's file; "" without a mask, or by older code.
        brain_ml: The brain's volume in its raw mask; None without one, or by older code.
        steps: What the steps of preparation found; None where none was asked for.
        to_template: 4x4, from mm in the scan to the template's; None in native space.
        without_air: Whether it has too little air that its noise could be estimated from; looked
            for in scans that are left as they are, which alone are denoised.
    """

    subject: str
    session: str
    index: int
    shape: tuple[int, int, int, int]
    offset: int
    mask_offset: int
    intensities: tuple[ChannelScale, ...]
    affine: Matrix
    source_affine: Matrix
    source_shape: tuple[int, ...]
    source_header: dict[str, Any]
    hash: str
    mask_voxels: int | None
    mask_voxels_cropped: int | None
    millilitres: tuple[dict[str, float], dict[str, float]] | None
    sha256: str
    mask_sha256: str
    mask_content: str = ""
    brain_ml: float | None = None
    steps: StepFigures | None = Field(None, exclude_if=operator.not_)
    to_template: Matrix | None = Field(None, exclude_if=operator.not_)
    without_air: bool = Field(False, exclude_if=operator.not_)

    @property
    def key(self) -> Key:
        """Subject and session."""
        return self.subject, self.session


class ShardCard(Section):
    """What `shard-K.json` says of the arrays beside it, `shard-K.npy` and `shard-K-mask.npy`.

    Attributes:
        channels: Names of the image channels, in order.
        prepare: How the scans were prepared.
        scans: The scans, a row of the arrays each.
        refused: Scans that have no row.
        sha256: Digest of the file of the volumes.
        mask_sha256: Digest of the file of the masks, which has no rows where none are learnt.
        template: What the scans were brought onto, with its licence; "" in native space.
    """

    channels: tuple[str, ...]
    prepare: Preparation
    scans: tuple[ShardScan, ...]
    refused: tuple[RefusedScan, ...]
    sha256: str
    mask_sha256: str
    template: str = Field("", exclude_if=operator.not_)

    def write(self, path: Path) -> None:
        """Write it, sealed with a digest of its own."""
        integrity.write_sealed(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> ShardCard:
        """Read what `write` wrote.

        Raises:
            UserError: If it was changed since, or written by code that said something else.
        """
        values = integrity.read_sealed(path, _again(path))
        try:
            return cls.model_validate(values)
        except ValidationError:
            raise UserError(
                f"{path}: was prepared by older code; prepare the scans again, with the study's "
                "--configfile: snakemake --cores 2 cohort"
            ) from None


def volumes_of(card: Path) -> Path:
    """Return the path of a shard's volumes.

    A float16 array (scans, channels, x, y, z), or at their own sizes the voxels of all in a row.
    """
    return card.with_suffix(".npy")


def masks_of(card: Path) -> Path:
    """Return the path of a shard's masks, uint8 (scans, x, y, z) or as the volumes in a row."""
    return card.with_name(f"{card.stem}-mask.npy")


def small_of(card: Path) -> Path:
    """Return the path of a shard's small volumes, by which near-duplicates are looked for."""
    return card.with_name(f"{card.stem}-small.npy")


def planes_of(card: Path) -> Path:
    """Return the path of what the brains of a shard's scans are judged by, see `imaging.planes`."""
    return card.with_name(f"{card.stem}-planes.npy")


@dataclass(frozen=True)
class Stored:
    """The volume or the mask of one scan, on disk.

    Attributes:
        path: `shard-K.npy` or `shard-K-mask.npy`.
        kind: Type of its numbers, `float16` or `uint8`.
        shape: (channels, x, y, z), of a series (t, x, y, z), or (x, y, z) of a mask.
        offset: Bytes before it in the file.
        sha256: What `array_digest` said of it.
    """

    path: Path
    kind: str
    shape: tuple[int, ...]
    offset: int
    sha256: str

    def read(self, box: Box | None = None, channels: Sequence[int] | None = None) -> NDArray[Any]:
        """Read it, once per process checked against its digest.

        Args:
            box: First voxel and the one after the last along x, y and z; the default is all.
            channels: Numbers of the channels that are read, of a series those of its volumes, in
                this order; the default is all.

        Raises:
            UserError: If it is another one than was prepared, or the file is not whole.
        """
        self.check()
        return self._read(box or self._whole, channels)

    def check(self) -> None:
        """Check it against its digest, once per process."""
        if self not in _checked:
            if self._digest() != self.sha256:
                raise self._damage()
            _checked.add(self)

    def _digest(self) -> str:
        """Digest it as `array_digest` does, piece by piece: scans are larger than memory."""
        kind = np.dtype(self.kind)
        digest = _digest_of(kind, self.shape)
        left = math.prod(self.shape) * kind.itemsize
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while left and (piece := file.read(min(PIECE, left))):
                digest.update(piece)
                left -= len(piece)
        return digest.hexdigest()

    @property
    def _whole(self) -> Box:
        return [(0, length) for length in self.shape[-3:]]

    def _read(self, box: Box, chosen: Sequence[int] | None = None) -> NDArray[Any]:
        """Read whole planes along x, which lie side by side, and cut them."""
        kind, (first, last) = np.dtype(self.kind), box[0]
        plane, volume = math.prod(self.shape[-2:]), math.prod(self.shape[-3:])
        channels = range(math.prod(self.shape[:-3])) if chosen is None else chosen
        starts = [self.offset + (n * volume + first * plane) * kind.itemsize for n in channels]
        count = (last - first) * plane
        read = [np.fromfile(self.path, kind, count, offset=start) for start in starts]
        if any(len(part) < count for part in read):
            raise self._damage()
        outer = self.shape[:-3] if chosen is None else (len(chosen),)
        voxels = read[0] if len(read) == 1 else np.concatenate(read)
        slabs = voxels.reshape(*outer, last - first, *self.shape[-2:])
        return slabs[..., slice(*box[1]), slice(*box[2])]

    def _damage(self) -> UserError:
        return UserError(
            f"{self.path}: is damaged or was edited: its scan at byte {self.offset} is not the one "
            f"that was prepared; {_again(self.path)}"
        )


def array_digest(array: NDArray[Any]) -> str:
    """Digest an array's type, shape and numbers; 64 hex digits."""
    digest = _digest_of(array.dtype, array.shape)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _digest_of(kind: np.dtype[Any], shape: tuple[int, ...]) -> hashlib._Hash:
    return hashlib.sha256(f"{kind.str}{shape}".encode())


def _again(path: Path) -> str:
    return f"delete {path.name} there and type the same command: prepare makes the shard again"
