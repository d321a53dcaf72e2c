"""Prepared shards on disk: arrays of many scans, each opened with the digest of its own scan."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.schema import Section
from headstart.imaging.config import Preparation

DAMAGES = (ValueError, EOFError, SyntaxError, TypeError, LookupError, OverflowError, TokenError)
Matrix = tuple[tuple[float, float, float, float], ...]  # 4x4


class RefusedScan(Section):
    """A scan of which nothing came that could be learnt from.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans it is.
        detail: Why, as a sentence, with the fix.
    """

    subject: str
    session: str
    detail: str

    @property
    def key(self) -> Key:
        """Subject and session."""
        return self.subject, self.session


class ShardScan(Section):
    """A prepared scan, as the card of its shard describes it.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans it is.
        index: Row of the scan in the shard's arrays.
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
    """

    subject: str
    session: str
    index: int
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
    """

    channels: tuple[str, ...]
    prepare: Preparation
    scans: tuple[ShardScan, ...]
    refused: tuple[RefusedScan, ...]
    sha256: str
    mask_sha256: str

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
    """Return the path of a shard's volumes, (scans, channels, x, y, z)."""
    return card.with_suffix(".npy")


def masks_of(card: Path) -> Path:
    """Return the path of a shard's masks, (scans, x, y, z)."""
    return card.with_name(f"{card.stem}-mask.npy")


def small_of(card: Path) -> Path:
    """Return the path of a shard's small volumes, by which near-duplicates are looked for."""
    return card.with_name(f"{card.stem}-small.npy")


@cache
def read_scan(path: Path, index: int, sha256: str) -> NDArray[Any]:
    """Open one scan of an array, once per process checked against its digest.

    Args:
        path: `shard-K.npy` or `shard-K-mask.npy`.
        index: Row of the scan.
        sha256: What `array_digest` said of it.

    Returns:
        A read-only view of the row on disk.

    Raises:
        UserError: If the row is another one, or the file is not whole.
    """
    array = _open(path)
    if not (array.ndim and 0 <= index < len(array)) or array_digest(array[index]) != sha256:
        raise UserError(
            f"{path}: is damaged or was edited: its scan {index} is not the one that was prepared; "
            f"{_again(path)}"
        )
    return array[index]


def array_digest(array: NDArray[Any]) -> str:
    """Digest an array's type, shape and numbers; 64 hex digits."""
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@cache
def _open(path: Path) -> NDArray[Any]:
    try:
        # not by np.load, which opens archives and pickles too
        return np.lib.format.open_memmap(path, mode="r")
    except DAMAGES as error:  # cut, no array, or a header that Python can't parse any more
        raise UserError(f"{path}: is damaged ({error}); {_again(path)}") from error


def _again(path: Path) -> str:
    return f"delete {path.name} there and type the same command: prepare makes the shard again"
