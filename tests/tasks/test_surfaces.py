from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy import ndimage

from headstart.tasks.mask_metrics import measure
from headstart.tasks.surfaces import surface_scores

SHAPE = (12, 9, 10)


def box(low, high, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def by_transforms(truth, prediction, spacing, tolerance):
    """The same by distance transforms."""
    edges = [mask ^ ndimage.binary_erosion(mask) for mask in (truth, prediction)]
    fields = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    there, back = fields[1][edges[0]], fields[0][edges[1]]
    both = np.concatenate([there, back])
    farthest = max(np.percentile(there, 95), np.percentile(back, 95))
    return (both <= tolerance + 1e-6).mean(), farthest, both.mean()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 2.0]))
def test_surfaces_as_distance_transforms_have_them(seed, tolerance):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, *SHAPE)), (0, 1.5, 1.5, 1.5))
    truth, prediction = smooth > np.quantile(smooth, rng.uniform(0.5, 0.95))
    if truth.any() and prediction.any():
        size = rng.choice([0.5, 1.0, 3.0], 3)
        expected = by_transforms(truth, prediction, size, tolerance)
        assert surface_scores(truth, prediction, size, tolerance) == pytest.approx(expected)


def test_distances_are_in_millimetres_along_each_axis():
    truth = box((2, 2, 2), (5, 5, 5))
    for axis, size in enumerate((0.5, 1.0, 3.0)):
        moved = np.roll(truth, 1, axis)
        nsd, hd95, _ = surface_scores(truth, moved, (0.5, 1.0, 3.0), 0.7)
        assert hd95 == pytest.approx(size)
        assert (nsd == 1) == (size < 0.7)


def test_the_same_mask_is_at_no_distance_even_at_the_edge_of_the_image():
    truth = box((0, 0, 0), (3, 9, 10))
    assert surface_scores(truth, truth, (1, 1, 1), 1) == (1, 0, 0)


def test_a_class_in_one_mask_alone_is_as_far_as_the_image_is_long():
    truth, nothing = box((2, 2, 2), (4, 4, 4)), np.zeros(SHAPE, bool)
    diagonal = float(np.linalg.norm([12 * 2, 9, 10]))
    for masks in ((truth, nothing), (nothing, truth)):
        assert surface_scores(*masks, (2, 1, 1), 1) == (0, diagonal, diagonal)
    assert np.isnan(surface_scores(nothing, nothing, (2, 1, 1), 1)).all()


def test_measures_of_each_class():
    truth = box((2, 2, 2), (5, 5, 5)) + 2 * box((7, 2, 2), (9, 4, 4))
    prediction = truth * (truth < 2)
    table = measure(truth, prediction, 3, (1, 1, 2), 1.0)
    diagonal = float(np.linalg.norm([12, 9, 20]))
    assert table[:, 0] == pytest.approx([1, 1, 0, 0, 0.054, 0.054])
    assert table[:, 1] == pytest.approx([0, 0, diagonal, diagonal, 0, 0.016])
    assert np.isnan(table[:4, 2]).all()
    assert table[4:, 2].tolist() == [0, 0]
