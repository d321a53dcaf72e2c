"""The plan of a study: how many folds, and who chooses the epoch, of few subjects."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rows import label_rows

from headstart.cluster.machine import Place
from headstart.cohort.config import Split
from headstart.cohort.split import split
from headstart.planning.fingerprint import Fingerprint
from headstart.planning.plan import NIGHT
from headstart.planning.plan import STEPS
from headstart.planning.plan import Plan
from headstart.planning.plan import plan
from headstart.training.costs import training_memory
from headstart.training.registry import NETWORKS

LAPTOP = Place("a laptop", 16e9, gpu=False, cores=2)
GPU = Place("a GPU", 24e9, gpu=True, cores=8)


def cohort(subjects: int, edge: float = 160.0) -> Fingerprint:
    return Fingerprint(subjects, subjects, 1, (2.0, 2.0, 2.0), (edge, edge, edge))


@pytest.mark.parametrize("subjects", [6, 8, 10, 12, 16, 19, 20, 21, 26, 40, 49, 50, 200])
def test_each_fold_learns_from_most_and_never_is_validated_on_one_subject(subjects: int) -> None:
    made = plan(cohort(subjects), GPU)
    passed = pd.DataFrame(
        {
            "subject": [f"s{n:03d}" for n in range(subjects)],
            "session": "1",
            "sex": ["MF"[n % 2] for n in range(subjects)],
        }
    )
    splits = split(passed=label_rows(passed), settings=Split(**made.split, stratify=("sex",)))
    for fold in range(made.split["folds"]):
        rest = [row for row in splits if not row.test and row.fold != fold]
        watching = sum(row.validation for row in rest)
        assert len(rest) - watching >= (0.6 if subjects >= 10 else 0.4) * len(rest)
        assert watching >= 3 if subjects >= 20 else watching == 0
        assert sum(row.fold == fold for row in splits) >= 2


def test_fewer_subjects_have_more_folds() -> None:
    folds = [plan(cohort(n), GPU).split["folds"] for n in (6, 10, 16, 20, 49, 50)]
    assert folds == [3, 5, 8, 10, 10, 5]


def test_all_folds_where_nobody_is_held_out_and_time_allows() -> None:
    assert plan(cohort(12, 60.0), LAPTOP).folds == "all"
    assert plan(cohort(12), GPU).folds == "all"
    assert plan(cohort(200), GPU).folds == [0]
    slow = plan(cohort(49, 240.0), LAPTOP)
    assert slow.folds == "all" or "which holds out few; `all` takes" in slow.reasons["folds"]


def test_five_folds_of_400_heads_take_a_night_on_a_laptop() -> None:
    heads = Fingerprint(436, 436, 1, (1.0, 1.0, 1.0), (150.0, 185.0, 155.0))
    made = plan(heads, LAPTOP)
    assert made.prepare["voxel_size"] == [2.0, 2.0, 2.0]
    assert made.hours is not None
    assert 5 * made.hours < 9


@given(
    needed=st.tuples(*[st.floats(3.0, 300.0)] * 3),
    size=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_a_segmentation_s_window_is_the_smallest_that_its_network_halves(
    needed: tuple[float, float, float], size: float
) -> None:
    place = replace(GPU, memory=1e15)
    made = plan(Fingerprint(100, 100, 1, (size, size, size), needed, classes=2), place)
    arguments, window = made.train["network_arguments"], made.prepare["window"]
    step = 2 ** len(arguments["strides"])
    assert NETWORKS["unet"].multiples(arguments) == (step, step, step)
    for side, length in zip(window, needed, strict=True):
        assert side % step == 0
        assert side >= length / size - 0.05
        assert side < max(length / size + step, 5)


def test_a_hippocampus_is_halved_three_times_in_a_window_that_fits() -> None:
    made = plan(Fingerprint(200, 130, 1, (1.0, 1.0, 1.0), (38.4, 54.2, 41.3), classes=2), GPU)
    assert made.prepare["window"] == [40, 56, 48]
    assert made.train["network_arguments"]["strides"] == [2, 2, 2]


HEAD = (240.0, 240.0, 176.0)


def lesions(subjects: int = 22, edge: float = 1.0, classes: int = 1) -> Fingerprint:
    return Fingerprint(subjects, subjects, 1, (edge, edge, edge), HEAD, classes=classes)


def gpu(gigabytes: float) -> Place:
    return Place("a GPU", gigabytes * 1e9, gpu=True, cores=8)


def laptop(gigabytes: float) -> Place:
    return Place("a laptop", gigabytes * 1e9, gpu=False, cores=2)


def seen(made: Plan) -> list[int]:
    """Return the voxels that the network sees at once."""
    return made.train["sampling"]["patches"] if "sampling" in made.train else made.prepare["window"]


@pytest.mark.parametrize(
    ("cohort", "place", "expected"),
    [
        (lesions(), gpu(12), "whole"),
        (lesions(), gpu(4), "memory"),
        (lesions(edge=0.5), gpu(20), "memory"),
        (lesions(), laptop(8), "whole"),
        (lesions(), laptop(3), "memory"),
        (lesions(1600), laptop(64), "time"),
    ],
)
def test_a_segmentation_keeps_its_voxels_and_is_cut_into_patches_where_it_does_not_fit(
    cohort: Fingerprint, place: Place, expected: str
) -> None:
    made = plan(cohort, place)
    assert made.prepare["voxel_size"] == list(cohort.voxel_size)
    assert made.memory <= place.memory
    assert made.hours is None or made.hours <= NIGHT
    assert (made.prepare["window"] == "own") == ("sampling" in made.train)
    if expected == "whole":
        assert made.prepare["window"] == [240, 240, 176]
    else:
        assert f"would take more {expected} than there is" in made.reasons["sampling"]
        assert made.train["batch_size"] == 2


@pytest.mark.parametrize("subjects", [12, 22, 60, 200])
def test_patches_make_as_many_steps_as_whole_scans(subjects: int) -> None:
    made = plan(lesions(subjects), gpu(4))
    words = made.reasons["epochs"].split()
    steps, epochs = int(words[0]), made.train["epochs"]
    assert words[1:4] == ["steps", "of", "2"]
    assert steps * epochs == pytest.approx(STEPS, rel=0.15)


def test_a_whole_head_is_made_coarser_and_never_cut() -> None:
    made = plan(replace(lesions(200), classes=0), gpu(1.5))
    assert "sampling" not in made.train
    assert min(made.prepare["voxel_size"]) > 2


@settings(max_examples=60)
@given(
    edges=st.tuples(*[st.sampled_from([0.4, 0.8, 1.0, 3.0])] * 3),
    needed=st.tuples(*[st.floats(30.0, 250.0)] * 3),
    subjects=st.sampled_from([12, 22, 100, 300]),
    on_gpu=st.booleans(),
)
def test_more_memory_never_shows_the_network_less(
    edges: tuple[float, float, float],
    needed: tuple[float, float, float],
    subjects: int,
    *,
    on_gpu: bool,
) -> None:
    cohort = Fingerprint(subjects, subjects, 1, edges, needed, classes=2)
    whole = plan(cohort, gpu(1e6)).prepare["window"]
    before = [0, 0, 0]
    for gigabytes in (1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 64.0):
        place = gpu(gigabytes) if on_gpu else laptop(gigabytes)
        made = plan(cohort, place)
        window, arguments = seen(made), made.train["network_arguments"]
        step = 2 ** len(arguments["strides"])
        assert made.prepare["voxel_size"] == list(edges)
        assert all(was <= now <= most for was, now, most in zip(before, window, whole, strict=True))
        assert all(side % step == 0 for side in window)
        assert all(side >= min(64, most) for side, most in zip(window, whole, strict=True))
        if on_gpu and "sampling" in made.train and max(window) > 64:
            more = [side + step for side in window]
            assert made.memory <= place.memory
            assert training_memory("unet", arguments, more, 2, 2, gpu=True) > place.memory
        before = window


def test_a_patch_reaches_about_as_far_along_each_axis() -> None:
    made = plan(Fingerprint(22, 22, 1, (0.5, 0.5, 1.0), (240, 240, 240), classes=1), gpu(4))
    x, y, z = made.train["sampling"]["patches"]
    assert math.isclose(x * 0.5, z, abs_tol=16)
    assert abs(x - y) <= 16
