"""Cohorts that nothing can be learnt from, and those of fewer subjects."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from small_study import SmallStudy

from headstart.cohort.controls import controlled
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SmallStudy:
    return SmallStudy(tmp_path_factory.mktemp("small") / "study")


@pytest.fixture(scope="module")
def cohort(study: SmallStudy) -> Cohort:
    return read_cohort(**study.inputs, target="age")


def targets(scans: tuple[Scan, ...]) -> dict[tuple[str, str], str]:
    return {scan.key: scan.target for scan in scans}


def subjects(scans: tuple[Scan, ...]) -> set[str]:
    return {scan.subject for scan in scans}


def test_labels_are_permuted_inside_each_part(cohort: Cohort) -> None:
    made = controlled(cohort, "shuffled", fold=0, seed=0)
    for part in ("training", "validation"):
        before, after = (getattr(one, part)(0) for one in (cohort, made))
        assert [scan.key for scan in before] == [scan.key for scan in after]
        assert Counter(scan.target for scan in before) == Counter(scan.target for scan in after)
    assert targets(made.training(0)) != targets(cohort.training(0))
    assert targets(made.held_out(0)) == targets(cohort.held_out(0))
    assert targets(made.test()) == targets(cohort.test())


def test_another_seed_is_another_permutation_and_the_same_seed_the_same(cohort: Cohort) -> None:
    made = [targets(controlled(cohort, "shuffled", 0, seed).scans) for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_sessions_of_a_subject_get_one_other_subject_s_labels(cohort: Cohort) -> None:
    # fold 1 learns from s00, who has two sessions
    aged = tuple(replace(scan, target=f"{scan.subject}-{scan.session}") for scan in cohort.scans)
    made = controlled(replace(cohort, scans=aged), "shuffled", fold=1, seed=3)
    whose: dict[str, set[str]] = {}
    for scan in made.training(1):
        whose.setdefault(scan.subject, set()).add(scan.target.partition("-")[0])
    assert all(len(others) == 1 for others in whose.values())
    given = [others.pop() for others in whose.values()]
    assert sorted(given) == sorted(whose)  # each one's labels go to one


def test_order_of_the_table_changes_no_permutation(cohort: Cohort) -> None:
    turned = replace(cohort, scans=cohort.scans[::-1])
    one, other = (controlled(each, "shuffled", 0, 0) for each in (cohort, turned))
    assert targets(one.scans) == targets(other.scans)


def test_quarter_is_a_part_of_the_half_and_nobody_else_is_touched(cohort: Cohort) -> None:
    quarter, half = (controlled(cohort, part, 0, 0) for part in ("quarter", "half"))
    everyone = subjects(cohort.training(0))
    assert subjects(quarter.training(0)) < subjects(half.training(0)) < everyone
    assert len(subjects(quarter.training(0))) == round(len(everyone) / 4)
    assert len(subjects(half.training(0))) == round(len(everyone) / 2)
    for part in (quarter, half):
        assert part.validation(0) == cohort.validation(0)
        assert part.held_out(0) == cohort.held_out(0)
        assert part.test() == cohort.test()


def test_shares_keep_the_strata(study: SmallStudy) -> None:
    cohort = read_cohort(**study.inputs, target="age")
    sex = {row.subject: row.values["sex"] for row in read_rows(study.passed, LabelRow)}
    for seed in range(20):
        half = controlled(cohort, "half", 2, seed, stratify=["sex"])
        whole = Counter(sex[one] for one in subjects(cohort.training(2)))
        kept = Counter(sex[one] for one in subjects(half.training(2)))
        assert all(abs(kept[value] - n / 2) <= 1 for value, n in whole.items())


def test_background_is_seen_of_every_scan_and_labels_stay(cohort: Cohort) -> None:
    made = controlled(cohort, "background", 0, 0)
    assert targets(made.scans) == targets(cohort.scans)
    assert all(scan.background for scan in made.scans)


def test_no_control_is_the_cohort_itself(cohort: Cohort) -> None:
    assert controlled(cohort, None, 0, 0) is cohort


@pytest.mark.parametrize(("target", "least"), [("age", 0.03), ("sex", 0.21)])  # of 5 and 4: 0.2
def test_permuted_labels_say_nothing_of_the_own_ones(
    study: SmallStudy, target: str, least: float
) -> None:
    cohort = read_cohort(**study.inputs, target=target)
    codes = {"F": 0, "M": 1}
    for seed in range(10):
        made = controlled(cohort, "shuffled", 2, seed)
        both = [
            list({s.subject: float(codes.get(s.target, s.target)) for s in scans}.values())
            for scans in (cohort.training(2), made.training(2))
        ]
        assert abs(np.corrcoef(both)[0, 1]) < least
