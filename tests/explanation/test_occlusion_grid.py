"""Patches cover a volume evenly, and no more of them than are allowed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.explanation.config import Explain
from headstart.explanation.occlusion_grid import lay_out

LENGTHS = st.tuples(*[st.integers(1, 40)] * 3)
EDGES = st.tuples(*[st.floats(0.5, 6)] * 3)


@given(LENGTHS, EDGES, st.floats(1, 60), st.floats(1, 60), st.integers(27, 300))
def test_every_voxel_is_covered_within_the_passes(
    window: tuple[int, int, int],
    edges: tuple[float, float, float],
    patch: float,
    stride: float,
    passes: int,
) -> None:
    patches = lay_out(window, edges, Explain(patch=patch, stride=stride, passes=passes))
    covered = np.zeros(window, bool)
    boxes = list(patches.boxes())
    for box in boxes:
        assert all(0 <= a < b <= n for (a, b), n in zip(box, window, strict=True))
        covered[tuple(slice(*side) for side in box)] = True
    assert covered.all()
    assert len(boxes) == len(patches) <= passes


def test_a_coarser_grid_is_said() -> None:
    window, edges = (48, 64, 48), (4.0, 4.0, 4.0)
    fine = lay_out(window, edges, Explain(patch=24, stride=12, passes=5000))
    # patches of 6 voxels, every 3: 42 / 3 + 1 = 15, and 58 / 3, rounded up, + 1 = 21
    assert (len(fine), fine.size) == (15 * 21 * 15, (6, 6, 6))
    assert "24x24x24 mm, at most 12x12x12 mm apart" in fine.words
    coarse = lay_out(window, edges, Explain(patch=24, stride=12, passes=100))
    assert "more than 100 passes" in coarse.words
    assert "more than" not in fine.words
