from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.training.tiles import padding
from headstart.training.tiles import spans
from headstart.training.tiles import tiles


@st.composite
def axes(draw):
    """Draw a volume's length, a tile's, a margin and a step that fit."""
    step = draw(st.sampled_from([1, 2, 4, 8, 16]))
    size = step * draw(st.integers(1, 12))
    margin = draw(st.integers(0, (size - step) // 2))
    return draw(st.integers(1, 300)), size, margin, step


@given(axes())
def test_every_voxel_of_an_axis_is_written_once_by_a_tile_that_sees_around_it(axis) -> None:
    length, size, margin, step = axis
    before, behind = padding(length, size, step)
    total = length + before + behind
    assert total % step == 0 or length < size
    written = []
    for span in spans(length, size, margin, step):
        assert span.seen % step == 0
        assert 0 <= span.seen <= total - size
        assert span.first < span.last
        written += range(span.first, span.last)
        # the tile begins with the volume, or a margin before what it writes; and so at its end
        first, last = span.first + before, span.last + before
        assert span.seen == 0 or first - span.seen >= margin
        assert span.seen + size == total or span.seen + size - last >= margin
    assert written == list(range(length))


@given(st.lists(axes(), min_size=3, max_size=3), st.sampled_from([1, 2, 4]))
def test_every_voxel_of_a_volume_is_written_once(three, step) -> None:
    shape = [length % 20 + 1 for length, *_ in three]
    size = [step * (1 + size % 5) for _, size, *_ in three]
    margin = [(length - step) // 2 for length in size]
    padded = [(b, a) for b, a in (padding(n, s, step) for n, s in zip(shape, size, strict=True))]
    places = np.pad(np.arange(np.prod(shape)).reshape(shape), padded, constant_values=-1)
    found = np.zeros(shape, int)
    count = np.zeros(shape, int)
    for tile in tiles(shape, size, margin, step):
        assert places[tile.seen].shape == tuple(size)
        found[tile.written] = places[tile.seen][tile.kept]
        count[tile.written] += 1
    assert (count == 1).all()
    np.testing.assert_array_equal(found.ravel(), np.arange(np.prod(shape)))
