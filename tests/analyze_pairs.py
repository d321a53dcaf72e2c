"""Analyze 7.5 files as OASIS-1 has them, for several test files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from headstart.data.analyze import SPACES

VOXEL = {"RAW": (1, 1, 1.25), "SUBJ_111": (1, 1, 1), "T88_111": (1, 1, 1), "FSL_SEG": (1, 1, 1)}


def write_analyze(
    header: Path,
    voxels: np.ndarray,
    voxel_size: tuple[float, ...],
    *,
    four: bool = True,
    name: bytes = b"",
) -> None:
    """Write an Analyze 7.5 pair, big-endian, without any library of today."""
    shape = (4, *voxels.shape, 1) if four else (3, *voxels.shape)
    block = bytearray(348)
    struct.pack_into(">i", block, 0, 348)
    struct.pack_into(f">{len(shape)}h", block, 40, *shape)
    struct.pack_into(">2h", block, 70, 4, 16)
    struct.pack_into(">4f", block, 76, 0, *voxel_size)
    block[148 : 148 + len(name)] = name  # descrip
    block[263 : 263 + len(name[:10])] = name[:10]  # scannum, patient_id
    header.write_bytes(block)
    header.with_suffix(".img").write_bytes(voxels.astype(">i2").tobytes(order="F"))


def volume(folder: str) -> np.ndarray:
    shape = SPACES[folder].shape
    if folder == "FSL_SEG":
        return np.arange(np.prod(shape)).reshape(shape) % 4
    return np.arange(np.prod(shape)).reshape(shape) % 3001 - 5
