"""The plan of a study: how many folds, and who chooses the epoch, of few subjects."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import label_rows

from headstart.cluster.machine import Place
from headstart.cohort.config import Split
from headstart.cohort.split import split
from headstart.planning.fingerprint import Fingerprint
from headstart.planning.plan import plan
from headstart.training.registry import NETWORKS

LAPTOP = Place("a laptop", 16e9, gpu=False, cores=2)
GPU = Place("a GPU", 24e9, gpu=True, cores=8)


def cohort(subjects: int, edge: float = 160.0) -> Fingerprint:
    return Fingerprint(subjects, subjects, 1, (2.0, 2.0, 2.0), (edge, edge, edge))


@pytest.mark.parametrize("subjects", [6, 8, 10, 12, 16, 19, 20, 21, 26, 40, 49, 50, 200])
def test_each_fold_learns_from_most_and_never_one_subject_chooses(subjects: int) -> None:
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
        choosing = sum(row.validation for row in rest)
        assert len(rest) - choosing >= (0.6 if subjects >= 10 else 0.4) * len(rest)
        assert choosing == 0 if made.train["keep"] == "last" else choosing >= 3
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


@given(
    needed=st.tuples(*[st.floats(3.0, 300.0)] * 3),
    size=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_a_segmentation_s_window_is_the_smallest_that_its_network_halves(
    needed: tuple[float, float, float], size: float
) -> None:
    made = plan(Fingerprint(100, 100, 1, (size, size, size), needed, classes=2), GPU)
    arguments, window = made.train["network_arguments"], made.prepare["window"]
    step = 2 ** len(arguments["strides"])
    assert NETWORKS["unet"].multiples(arguments) == (step, step, step)
    for side, length, edge in zip(window, needed, made.prepare["voxel_size"], strict=True):
        assert side % step == 0
        assert side >= length / edge - 0.05
        assert side < max(length / edge + step, 5)


def test_a_hippocampus_is_halved_three_times_in_a_window_that_fits() -> None:
    made = plan(Fingerprint(200, 130, 1, (1.0, 1.0, 1.0), (38.4, 54.2, 41.3), classes=2), GPU)
    assert made.prepare["window"] == [40, 56, 48]
    assert made.train["network_arguments"]["strides"] == [2, 2, 2]
