"""The noise of magnitude images."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.imaging.rician import air_noise
from headstart.imaging.rician import corrected


def test_the_noise_is_told_from_the_air_and_not_from_zeros() -> None:
    random = np.random.default_rng(0)
    clean = np.zeros((40, 40, 40))
    clean[12:28, 12:28, 12:28] = 500
    real, imaginary = random.normal(0, 12, (2, *clean.shape))
    image = np.hypot(clean + real, imaginary).astype(np.float32)
    assert air_noise(image.copy(), (2, 2, 2)) == pytest.approx(12, rel=0.03)
    image[:, :20] = 0  # a mask
    assert air_noise(image.copy(), (2, 2, 2)) == pytest.approx(12, rel=0.03)
    image[clean == 0] = 0
    assert air_noise(image.copy(), (2, 2, 2)) is None


@pytest.mark.parametrize("signal", [0.0, 1.0, 3.0, 50.0])
def test_mean_magnitudes_become_the_signal(signal: float) -> None:
    real, imaginary = np.random.default_rng(1).normal(0, 2, (2, 400_000))
    mean = np.hypot(signal * 2 + real, imaginary).mean(keepdims=True).astype(np.float32)
    assert corrected(mean, 2.0)[0] == pytest.approx(signal * 2, abs=0.25 if signal < 1 else 0.05)
