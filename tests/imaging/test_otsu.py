from __future__ import annotations

import warnings

import numpy as np

from headstart.imaging.otsu import otsu


def test_the_threshold_is_the_one_of_least_variance_within_its_sides():
    rng = np.random.default_rng(3)
    image = np.concatenate([rng.normal(50, 20, 3000), rng.normal(170, 35, 1000)])
    image = np.concatenate([image.clip(1, 254).round(), [0, 255]]).astype(np.float32)
    within = {
        value: sum(side.size * side.var() for side in (image[image <= value], image[image > value]))
        for value in range(255)
    }
    best = min(within, key=lambda value: within[value])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threshold = otsu(image)
    assert best <= threshold < best + 1
