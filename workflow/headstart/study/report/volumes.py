"""Scans as the page's viewer takes them: small, and packed into an image.

A page is passed on, and a whole head shows a face. So a scan is shown in voxels of 4 mm or more,
as on the contact sheet; around masks, and where that part is too short to hold a face, in its
prepared voxels.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.cohort.prepared import Scan
from headstart.figures.contact_sheet import COARSE
from headstart.figures.contact_sheet import CROP
from headstart.figures.contact_sheet import blocks
from headstart.figures.predicted_masks import CONTEXT
from headstart.figures.predicted_masks import box_around

FINEST = 1.0  # mm: smaller voxels would make the page large

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class PackedVolume:
    """A volume as an image of its axial slices, side by side, row by row.

    Attributes:
        shape: Voxels (x, y, z).
        voxel: Edges of a voxel, mm.
        columns: Slices in a row of the image.
        png: The image in base64: red is the intensity, green the true class, blue the predicted
            one, and each slice has x from left to right and y from top to bottom.
    """

    shape: tuple[int, ...]
    voxel: tuple[float, ...]
    columns: int
    png: str


def pack(scan: Scan, true: Mask | None = None, predicted: Mask | None = None) -> PackedVolume:
    """Make a scan small and pack it, with its masks if it has some.

    Args:
        scan: A prepared scan.
        true: Its mask, as numbers of classes, on the same grid.
        predicted: The network's, likewise.
    """
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    image = np.asarray(scan.volume()[0], dtype=np.float32)
    empty = np.zeros(image.shape, np.uint8)
    true, predicted = (empty if mask is None else mask for mask in (true, predicted))
    box = box_around((true > 0) | (predicted > 0), np.ceil(CONTEXT / size).astype(int))
    image, true, predicted = image[box], true[box], predicted[box]
    longest = float(np.max(np.multiply(image.shape, size)))
    edge = FINEST if longest <= CROP else COARSE
    steps = [max(1, int(np.ceil(edge / length - 0.01))) for length in size]
    low, high = np.percentile(image, [1, 99.5])
    small = blocks(image, steps)
    grey = np.clip((small - low) / max(high - low, 1e-6), 0, 1) * 255
    layers = [np.rint(grey), *(_thinned(mask, steps, small.shape) for mask in (true, predicted))]
    volume = np.stack(layers, axis=-1).astype(np.uint8)
    columns = int(np.ceil(np.sqrt(small.shape[2])))
    return PackedVolume(
        shape=small.shape,
        voxel=tuple(float(edge) for edge in np.multiply(steps, size).round(3)),
        columns=columns,
        png=_png(_mosaic(volume, columns)),
    )


def _thinned(mask: Mask, steps: list[int], shape: tuple[int, ...]) -> Mask:
    """Take the voxel at the centre of each block."""
    places = [np.arange(n) * step + step // 2 for n, step in zip(shape, steps, strict=True)]
    return mask[np.ix_(*places)]


def _mosaic(volume: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Lay the slices of a volume (x, y, z, 3) side by side."""
    x, y, z, layers = volume.shape
    rows = -(-z // columns)
    padded = np.zeros((rows * columns, y, x, layers), np.uint8)
    padded[:z] = volume.transpose(2, 1, 0, 3)
    tiles = padded.reshape(rows, columns, y, x, layers).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(rows * y, columns * x, layers)


def _png(image: NDArray[Any]) -> str:
    written = io.BytesIO()
    Image.fromarray(image).save(written, format="png", optimize=True)
    return base64.b64encode(written.getvalue()).decode()
