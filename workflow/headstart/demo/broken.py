"""Scans that are spoilt, one of each kind that check must find."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


def spoilt(reason: str) -> str:
    """Return the file of a subject that is spoilt for a reason."""
    return "tissue.nii.gz" if reason == "mask-grid" else "T1.nii.gz"


def nifti(array: np.ndarray, affine: NDArray[np.float64], level: int = 1) -> bytes:
    """Return a .nii.gz without a time stamp in it."""
    return gzip.compress(nib.Nifti1Image(array, affine).to_bytes(), level, mtime=0)


def _truncated(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    content = nifti(image, affine)
    return {"T1.nii.gz": content[: len(content) // 2]}


def _flipped(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    # not compressed, so that one voxel changes and nothing but the checksum can tell
    content = bytearray(nifti(image, affine, level=0))
    content[len(content) // 2] ^= 0x40
    return {"T1.nii.gz": bytes(content)}


def _four_d(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"T1.nii.gz": nifti(np.stack([image, image], axis=-1), affine)}


def _nan(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    values = image.astype(np.float32)
    values[20:24, 20:24, 20:24] = np.nan
    return {"T1.nii.gz": nifti(values, affine)}


def _constant(image: np.ndarray, _: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"T1.nii.gz": nifti(np.full_like(image, 100), affine)}


def _moved_mask(_: np.ndarray, mask: np.ndarray, affine: NDArray[np.float64]) -> dict[str, bytes]:
    return {"tissue.nii.gz": nifti(mask[::2, ::2, ::2], affine @ np.diag([2.0, 2.0, 2.0, 1.0]))}


def _html(*_: np.ndarray) -> dict[str, bytes]:
    return {"T1.nii.gz": b"<!DOCTYPE html>\n<title>404 Not Found</title>\n" * 20}


# The reason that check must give for each kind of broken scan: how it is made.
BREAKERS: dict[str, Callable[..., dict[str, bytes]]] = {
    "truncated": _truncated,
    "crc": _flipped,
    "mask-grid": _moved_mask,
    "not-finite": _nan,
    "unreadable": _html,
    "not-3d": _four_d,
    "constant": _constant,
}
