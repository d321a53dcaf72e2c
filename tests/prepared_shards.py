"""Prepared shards with arrays of a test's own, described as prepare describes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import ShardScan
from headstart.cohort.shards import array_digest
from headstart.cohort.shards import masks_of
from headstart.cohort.shards import volumes_of
from headstart.common import files
from headstart.common.keys import Key
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.imaging.headers import geometry_fields


def write_shard(
    path: Path,
    keys: Sequence[Key],
    volumes: np.ndarray,
    masks: np.ndarray,
    *,
    prepare: Preparation,
    affine: np.ndarray,
    source: Grid,
    channel: str = "T1",
) -> None:
    """Write a shard.

    Args:
        path: Its `shard-K.json`.
        keys: Whose scans they are.
        volumes: float16, (scans, channels, x, y, z).
        masks: uint8, (scans, x, y, z).
        prepare: How they count as prepared.
        affine: Where their voxels lie.
        source: Where the raw voxels lie.
        channel: Name of the channel.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(volumes_of(path), volumes)
    np.save(masks_of(path), masks)
    header = nib.Nifti1Image(np.zeros(source.shape, np.int16), source.affine).header
    scans = [
        ShardScan(
            subject=subject,
            session=session,
            index=index,
            shape=volumes.shape[1:],
            offset=_offset(volumes_of(path), volumes, index),
            mask_offset=_offset(masks_of(path), masks, index),
            intensities=[
                ChannelScale(mean=0, scale=1, air=channel.min()) for channel in volumes[index]
            ],
            affine=affine.tolist(),
            source_affine=source.affine.tolist(),
            source_shape=source.shape,
            source_header=geometry_fields(header),
            hash="",
            mask_voxels=int(np.count_nonzero(masks[index])),
            mask_voxels_cropped=0,
            millilitres=None,
            sha256="",
            mask_sha256="",
        )
        for index, (subject, session) in enumerate(keys)
    ]
    card = ShardCard(
        channels=(channel,), prepare=prepare, scans=scans, refused=(), sha256="", mask_sha256=""
    )
    write_digests(path, card)


def _offset(path: Path, array: np.ndarray, index: int) -> int:
    """Tell where a scan's numbers begin in a file that numpy wrote."""
    return path.stat().st_size - array.nbytes + index * array[0].nbytes


def write_small(path: Path, keys: Sequence[Key], small: np.ndarray) -> None:
    """Write a shard of which only the small volumes are looked at."""
    nothing = np.zeros((len(keys), 1, 1, 1, 1), np.float16)
    write_shard(
        path,
        keys,
        nothing,
        nothing[:, 0].astype(np.uint8),
        prepare=Preparation(window=(1, 1, 1)),
        affine=np.eye(4),
        source=Grid((1, 1, 1), np.eye(4)),
    )
    np.save(path.with_name(f"{path.stem}-small.npy"), small)


def write_digests(path: Path, card: ShardCard | None = None, **changes: Any) -> None:
    """Describe a shard whose arrays were changed as if prepare had made them so.

    Args:
        path: Its `shard-K.json`.
        card: What it says, but for the digests; by default what it said before.
        changes: What else it says.
    """
    card = card or ShardCard.read(path)
    volumes, masks = np.load(volumes_of(path)), np.load(masks_of(path))
    scans = tuple(
        scan.model_copy(
            update={
                "sha256": array_digest(volumes[scan.index]),
                "mask_sha256": array_digest(masks[scan.index]) if len(masks) else "",
            }
        )
        for scan in card.scans
    )
    digests = {
        "sha256": files.sha256(volumes_of(path)),
        "mask_sha256": files.sha256(masks_of(path)),
    }
    card.model_copy(update={"scans": scans, **digests, **changes}).write(path)
