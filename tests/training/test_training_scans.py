"""Scans that are unlike those that a network learnt from, and scans that are these."""

from __future__ import annotations

import dataclasses
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.training.training_scans import TrainingScans
from headstart.training.training_scans import describe
from headstart.training.training_scans import digests_of

RNG = np.random.default_rng(0)
GRID = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (24, 28, 24)], indexing="ij"))
SOURCE = np.diag([1.0, 1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Head:
    """Stands for a prepared scan."""

    voxels: Any
    source_affine: Any = dataclasses.field(default_factory=lambda: SOURCE)
    source_shape: tuple[int, ...] = (180, 220, 180)
    raw: str = ""
    lacking: tuple[int, ...] = ()

    def volume(self) -> Any:
        return self.voxels[None].astype(np.float16)


def head(seed: int, **more: Any) -> Any:
    rng = np.random.default_rng(seed)
    size, shift = rng.uniform(0.7, 0.8), rng.normal(0, 0.03, 3)
    radius = np.sqrt(sum((g - s) ** 2 for g, s in zip(GRID, shift, strict=True)))
    tissue = 1.5 - np.abs(radius - 0.4) - (GRID[1] > 0.2) * 0.3
    return Head(np.where(radius < size, tissue, -1) + rng.normal(0, 0.05, radius.shape), **more)


@pytest.fixture(scope="module")
def trained() -> TrainingScans:
    return describe([head(seed) for seed in range(12)], [head(12)])


def test_other_heads_of_the_kind_are_no_cause_for_a_warning(trained):
    assert [trained.unlike(head(seed)) for seed in range(20, 40)] == [[]] * 20


def test_scans_that_were_learnt_from_are_known(trained):
    known = set(trained.digests)
    assert all(digests_of(head(seed)) & known for seed in range(13))
    assert not any(digests_of(head(seed)) & known for seed in range(20, 30))


def test_a_scan_that_is_prepared_in_another_way_is_known_by_its_raw_voxels():
    raw = describe([head(seed, raw=f"raw-{seed}") for seed in range(3)], [head(3, raw="")]).raw
    assert raw == ("raw-0", "raw-1", "raw-2")
    assert digests_of(head(9, raw="raw-2")) & set(raw)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: RNG.normal(size=v.shape), "looks unlike"),
        (lambda v: np.where(v > -0.5, 1.5 - v, v), "intensities"),
        (lambda v: (v > 0).astype(float), "intensities"),
        (lambda v: np.where(GRID[2] > 0, v, -1), "looks unlike"),
    ],
)
def test_strange_scans_are_told(trained, change, said):
    told = trained.unlike(Head(change(head(30).voxels)))
    assert any(said in words for words in told), told


def test_another_field_of_view_is_told_but_not_another_order_of_axes(trained):
    turned = SOURCE[[1, 2, 0, 3]]
    assert trained.unlike(head(30, source_affine=turned, source_shape=(180, 180, 220))) == []
    (told,) = trained.unlike(head(30, source_shape=(180, 220, 60)))
    assert (
        told == "its field of view is 180 x 220 x 60 mm, that of training scans 180 x 220 x 180 mm"
    )


@settings(max_examples=20)
@given(st.permutations(range(6)))
def test_the_order_of_the_scans_does_not_matter(order):
    one = describe([head(seed) for seed in range(6)], [])
    other = describe([head(seed) for seed in order], [])
    assert one.digests == other.digests
    np.testing.assert_allclose(one.template, other.template, rtol=1e-3, atol=1e-4)
    for name, value in one.farthest.items():
        assert other.farthest[name] == pytest.approx(value, rel=1e-6, abs=1e-9)


def test_one_training_scan_and_the_way_through_json():
    alone = describe([head(0)], [])
    again = TrainingScans.model_validate(alone.model_dump(mode="json"))
    assert again == alone
    assert digests_of(head(0)) & set(again.digests)


def test_scans_of_which_memory_holds_few_are_described_one_channel_at_a_time():
    """A training on patches ended in a MemoryError here: whole scans stood in float64."""
    volume = np.zeros((4, 64, 64, 64), np.float16)

    class Large(Head):
        def volume(self) -> Any:
            return volume

    tracemalloc.start()
    describe([Large(None), Large(None)], [])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * volume.nbytes
