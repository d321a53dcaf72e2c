from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.training.tiles import margins
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


@pytest.mark.parametrize(
    ("length", "size", "step", "added"),
    [
        (9, 24, 1, (8, 7)),  # in the middle of the tile, as in training
        (10, 24, 1, (7, 7)),
        (23, 24, 8, (1, 0)),
        (1, 2, 1, (1, 0)),
        (24, 24, 8, (0, 0)),
        (25, 24, 8, (0, 7)),  # up to what can be halved
        (32, 24, 8, (0, 0)),
    ],
)
def test_what_is_added_to_a_volume(length, size, step, added) -> None:
    assert padding(length, size, step) == added


@pytest.mark.parametrize(
    ("reach", "size", "step", "overlap", "margin", "exact"),
    [
        (0, 24, 1, 0, 0, True),
        (6, 24, 1, 0, 6, True),  # a quarter of the tile
        (7, 24, 1, 0, 0, False),
        (9, 24, 1, 0.75, 9, True),  # half the overlap on either side
        (10, 24, 1, 0.75, 9, False),
        (None, 24, 1, 0.75, 9, False),
        (None, 25, 1, 0.25, 4, False),  # at least so much
        (8, 24, 8, 0.75, 8, True),  # so that the next tile begins a step further
        (9, 24, 8, 0.75, 8, False),
        (None, 24, 8, 0.75, 8, False),
        (4, 16, 8, 0, 4, True),
        (4, 15, 8, 0, 0, False),
    ],
)
def test_margins_by_how_far_a_network_sees(reach, size, step, overlap, margin, exact) -> None:
    assert margins([reach], [size], [step], overlap) == ([margin], exact)


def test_margins_are_the_whole_s_only_where_they_are_so_along_every_axis() -> None:
    assert margins([2, 3, 0], [24, 24, 24], [1, 1, 1], 0.25) == ([2, 3, 0], True)
    assert margins([2, None, 6], [24, 24, 24], [1, 1, 1], 0.25) == ([2, 3, 6], False)
    assert margins([None, 1, 6], [24, 24, 24], [1, 1, 1], 0.25) == ([3, 1, 6], False)
    assert margins([2, 2, 8], [24, 1, 24], [8, 1, 16], 0.75) == ([2, 0, 4], False)


def test_tiles_lie_at_even_distances_and_meet_in_the_middle_of_what_both_see() -> None:
    # three tiles of 8 with margins of 1 see 0-8, 5-13 and 10-18 (of a volume of 18)
    assert spans(18, 8, 1, 1) == [(0, 0, 6), (5, 6, 11), (10, 11, 18)]
    # a volume of 19 needs 20 to be halved twice; tiles of 12 begin at 0, 4 and 8
    assert spans(19, 12, 3, 4) == [(0, 0, 8), (4, 8, 12), (8, 12, 19)]
    assert spans(18, 24, 3, 1) == [(0, 0, 18)]


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


STEPS = st.sampled_from([1, 2, 4])


@given(st.lists(axes(), min_size=3, max_size=3), st.tuples(STEPS, STEPS, STEPS))
def test_every_voxel_of_a_volume_is_written_once(three, steps) -> None:
    shape = [length % 20 + 1 for length, *_ in three]
    size = [step * (1 + size % 5) for step, (_, size, *_) in zip(steps, three, strict=True)]
    margin = [(length - step) // 2 for length, step in zip(size, steps, strict=True)]
    padded = [padding(*axis) for axis in zip(shape, size, steps, strict=True)]
    places = np.pad(np.arange(np.prod(shape)).reshape(shape), padded, constant_values=-1)
    found = np.zeros(shape, int)
    count = np.zeros(shape, int)
    for tile in tiles(shape, size, margin, steps):
        assert places[tile.seen].shape == tuple(size)
        found[tile.written] = places[tile.seen][tile.kept]
        count[tile.written] += 1
    assert (count == 1).all()
    np.testing.assert_array_equal(found.ravel(), np.arange(np.prod(shape)))
