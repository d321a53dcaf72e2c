"""What the viewer shows of a scan: the right voxels, and no face."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart.figures.contact_sheet import COARSE
from headstart.study.report.volumes import PackedVolume
from headstart.study.report.volumes import pack


def scan(volume: np.ndarray, edge: float) -> Any:
    affine = np.diag([edge, edge, edge, 1.0])
    return SimpleNamespace(volume=lambda: volume[None], affine=affine)


def unpack(packed: PackedVolume) -> np.ndarray:
    """Read the image as the page's script does."""
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(packed.png))).convert("RGB"))
    x, y, z = packed.shape
    slices = []
    for number in range(z):
        column, row = number % packed.columns, number // packed.columns
        slices.append(image[row * y : (row + 1) * y, column * x : (column + 1) * x])
    return np.stack(slices).transpose(2, 1, 0, 3)


def test_voxels_come_back_at_their_places():
    shape = (5, 7, 6)
    volume = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    true = np.random.default_rng(0).integers(0, 4, shape).astype(np.uint8)
    predicted = (true + 1) % 4
    packed = pack(scan(volume, 4.0), true, predicted.astype(np.uint8))
    assert packed.shape == shape
    assert packed.voxel == (4.0, 4.0, 4.0)
    seen = unpack(packed)
    np.testing.assert_array_equal(seen[..., 1], true)
    np.testing.assert_array_equal(seen[..., 2], predicted)
    low, high = np.percentile(volume, [1, 99.5])
    grey = np.clip((volume - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(seen[..., 0], grey, atol=0.51)


@pytest.mark.parametrize("edge", [0.5, 1.0, 1.5, 3.0])
def test_a_head_is_shown_no_finer_than_on_the_contact_sheet(edge):
    n = int(180 / edge)
    volume = np.random.default_rng(0).normal(size=(n, n, n)).astype(np.float32)
    packed = pack(scan(volume, edge))
    assert min(packed.voxel) >= COARSE
    assert max(packed.voxel) < COARSE + edge


def test_a_brain_s_mask_is_no_way_to_a_finer_head():
    volume = np.zeros((180, 180, 180), np.float32)
    mask = np.zeros(volume.shape, np.uint8)
    mask[40:140, 40:140, 40:140] = 1
    packed = pack(scan(volume, 1.0), mask, mask)
    assert packed.voxel == (4.0, 4.0, 4.0)
    assert max(packed.shape) <= 33  # 100 mm, and 15 on each side


def test_around_a_small_mask_it_is_shown_as_it_was_prepared():
    volume = np.random.default_rng(0).normal(size=(180, 180, 180)).astype(np.float32)
    mask = np.zeros(volume.shape, np.uint8)
    mask[90:110, 80:100, 70:90] = 2
    packed = pack(scan(volume, 1.0), mask, mask)
    assert packed.voxel == (1.0, 1.0, 1.0)
    assert packed.shape == (50, 50, 50)
    assert (unpack(packed)[15:35, 15:35, 15:35, 1] == 2).all()
