"""A head that was turned, moved and scaled comes back into the reference's position."""

from __future__ import annotations

import numpy as np
import pytest
from heads import head
from scipy import ndimage

from headstart.imaging.registration import Pose
from headstart.imaging.registration import Reference
from headstart.imaging.registration import make_reference
from headstart.imaging.registration import rotation

REFERENCE = Reference(head(0))


def moved(volume: np.ndarray, pose: Pose) -> np.ndarray:
    """Return the scan in which each place of the volume lies where the pose says."""
    back = pose.inverse()
    middle = (np.array(volume.shape) - 1) / 2
    offset = middle + back.shift - back.matrix @ middle
    return ndimage.affine_transform(volume, back.matrix, offset, order=1)


@pytest.mark.parametrize(
    ("angles", "shift", "scale"),
    [
        ((0, 0, 0), (0, 0, 0), 1.0),
        ((10, 0, 0), (2, -1, 1), 1.0),
        ((-15, 5, -5), (0, 3, -2), 1.0),
        ((3, -8, 6), (-1, 0, 2), 1.06),
    ],
)
def test_the_pose_is_found(angles, shift, scale) -> None:
    pose = Pose(rotation(np.deg2rad(angles)) * scale, np.array(shift, float))
    found = REFERENCE.align(moved(head(0), pose))
    places = REFERENCE.places[:, np.linalg.norm(REFERENCE.places, axis=0) < 8]
    # voxels: below half of one in the middle of the head
    assert np.linalg.norm(found(places) - pose(places), axis=0).mean() < 0.5


def test_a_pose_and_its_inverse_cancel() -> None:
    pose = Pose(rotation(np.array([0.1, -0.2, 0.3])) * 1.1, np.array([1.0, 2.0, -3.0]))
    places = np.random.default_rng(0).normal(size=(3, 20))
    np.testing.assert_allclose(pose.inverse()(pose(places)), places, atol=1e-5)
    np.testing.assert_allclose(pose.after(pose)(places), pose(pose(places)), atol=1e-5)


def test_gain_bias_and_a_cut_move_nothing() -> None:
    scan = 5 * head(0) * np.linspace(0.7, 1.3, 28)[None, :, None] + 3
    scan[:, :, :4] = scan.min()
    pose = REFERENCE.align(scan)
    np.testing.assert_allclose(pose.matrix, np.eye(3), atol=0.02)
    np.testing.assert_allclose(pose.shift, 0, atol=0.3)


def test_the_mirror_image_lies_on_the_reference() -> None:
    lopsided = moved(head(0), Pose(rotation(np.array([0, 0.1, 0])), np.array([1.5, 0, 0])))
    reference = Reference(lopsided)
    mirrored = reference.resample(lopsided[::-1].copy(), Pose())
    pose = reference.mirrored()
    plain = np.nan_to_num(reference.resample(lopsided, Pose()))
    back = np.nan_to_num(reference.resample(lopsided, pose))
    inside = plain > 0.5
    assert not np.array_equal(np.nan_to_num(mirrored), back)
    assert (
        np.corrcoef((back > 0.5)[inside | (back > 0.5)], inside[inside | (back > 0.5)])[0, 1] > -1
    )
    overlap = (inside & (back > 0.5)).sum() / inside.sum()
    assert overlap > 0.9


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 3), (5, 5, 5)])
def test_any_volume_has_a_pose(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for volume in (noise, np.zeros(shape, np.float32)):
        pose = make_reference([volume, volume]).align(noise)
        assert np.isfinite(pose.matrix).all()
        assert np.isfinite(pose.shift).all()
