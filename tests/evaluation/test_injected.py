"""What answers for changed scans are found to say, on answers whose response is known."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.controls import Finding
from headstart.evaluation.injected import FADING
from headstart.evaluation.injected import HOLE
from headstart.evaluation.injected import InjectedRow
from headstart.evaluation.injected import findings
from headstart.evaluation.injected import responses
from headstart.tasks import TASKS
from headstart.tasks.base import Task

AGE, SEX, MASK = (TASKS[name] for name in ("regression", "classification", "segmentation"))


def rows(
    task: type[Task], slope: float, scatter: float = 0.0, *, subjects: int = 20, group: str = ""
) -> list[InjectedRow]:
    """Answers that move by the slope, and in each subject by a slope of its own besides."""
    random = np.random.default_rng(1)
    own = slope + scatter * random.permutation(np.linspace(-1, 1, subjects))
    doses = (0.0, *(FADING if task is MASK else HOLE).doses)
    return [
        InjectedRow(f"s{n:02d}", "1", 0, group, dose, str(20 + 3 * n), 0.8 + own[n] * dose)
        for n in range(subjects)
        for dose in doses
    ]


def told(task: type[Task], *groups: list[InjectedRow]) -> list[Finding]:
    return list(findings([row for group in groups for row in group], task, "years"))


def test_the_response_is_the_mean_over_subjects_at_each_dose_and_per_dose() -> None:
    found = responses(rows(AGE, 3.0, 1.0))
    assert [one.dose for one in found] == [*HOLE.doses, None]
    assert [one.change for one in found] == pytest.approx([1.5, 3, 4.5, 6, 3])
    slope = found[-1]
    assert slope.n == 20
    assert slope.ci_low is not None
    # half the width is that of a mean of twenty: sd of equal steps 0.607, t about 2.1
    assert slope.change - slope.ci_low == pytest.approx(2.09 * 0.623 / np.sqrt(20), rel=0.05)


def test_answers_that_move_are_told_with_their_slope() -> None:
    (one,) = told(AGE, rows(AGE, -3.0, 1.0))
    assert not one.warns
    said = one.words.replace("\N{MINUS SIGN}", "-")
    assert "the answer moves by -3.00 [-3.29, -2.71] years per 1 % of the head" in said
    assert "20 held-out subjects" in one.words
    assert "does not show" in one.words


def test_a_network_that_is_blind_is_a_warning() -> None:
    for slope in (0.0, 0.05):  # years, where targets spread by 17
        (one,) = told(AGE, rows(AGE, slope))
        assert one.warns
        assert one.words.startswith("A warning: the signal taken away from the middle of the head")
        assert "do not look at the middle" in one.words
    (one,) = told(SEX, rows(SEX, 0.0, group="M"))
    assert one.warns


def test_up_in_some_and_down_in_others_is_no_direction_but_no_blindness() -> None:
    (one,) = told(AGE, rows(AGE, 0.0, 3.0))
    assert not one.warns
    assert "up in some subjects and down in others" in one.words


def test_few_subjects_give_no_interval() -> None:
    (one,) = told(AGE, rows(AGE, 3.0, 1.0, subjects=9))
    assert not one.warns
    assert "without an interval" in one.words
    assert "down in others" not in one.words  # all go up


def test_masks_that_stay_where_nothing_is_to_be_seen_are_a_warning() -> None:
    groups = (
        rows(MASK, -0.6, 0.2, group="left"),
        rows(MASK, 0.0, group="right"),
        rows(MASK, -0.5, 0.1, group="top"),
    )
    found, blind = told(MASK, *groups)
    assert not found.warns
    said = found.words.replace("\N{MINUS SIGN}", "-")
    assert "the labelled share of left, 0.80 before, moves by -0.60" in said
    assert "top" in found.words
    assert "right" not in found.words
    assert blind.warns
    assert "right" in blind.words
    assert "by place alone" in blind.words


def test_what_is_never_labelled_says_nothing() -> None:
    never = [
        InjectedRow(row.subject, "1", 0, "left", row.dose, "mask", 0.0)
        for row in rows(MASK, 0.0, group="left")
    ]
    (one,) = told(MASK, never)
    assert not one.warns
    assert "says nothing" in one.words


def fading(*shares: float, subjects: int = 20) -> list[InjectedRow]:
    """Masks of which such shares are labelled as they fade, a little more or less by subject."""
    return [
        InjectedRow(f"s{n:02d}", "1", 0, "lesion", dose, "mask", share * (0.9 + 0.01 * n))
        for n in range(subjects)
        for dose, share in zip((0.0, *FADING.doses), shares, strict=True)
    ]


def test_a_share_that_is_labelled_never_moves_by_more_than_there_was() -> None:
    """A straight line through a share that is gone at the first dose falls by more."""
    rows_ = fading(0.08, 0.0, 0.0, 0.0, 0.0)
    slope = responses(rows_)[-1].change
    (one,) = told(MASK, rows_)
    said = one.words.replace("\N{MINUS SIGN}", "-")
    assert slope < -0.08
    assert "0.08 before, moves by -0.080 [-0.082, -0.077] in the end" in said


def test_no_comma_follows_another_where_there_is_no_interval() -> None:
    for found in (
        told(MASK, fading(0.5, 0.5, 0.5, 0.4, 0.4, subjects=8)),
        told(AGE, rows(AGE, 3.0, 1.0, subjects=9)),
    ):
        (one,) = found
        assert ",," not in one.words
        assert "(without an interval), and by" in one.words
