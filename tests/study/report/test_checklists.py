"""The checklists: every item of the source, and answers for what the files can know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reported import make_finished

from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.checklist_answers import ANSWERS
from headstart.study.report.checklist_answers import Answer
from headstart.study.report.checklist_answers import Known
from headstart.study.report.checklists import read_checklists


def test_the_items_are_all_there_in_order():
    claim, tripod = read_checklists()
    assert claim.doi == "10.1148/ryai.240300"
    assert [item.number for item in claim.items] == [str(n) for n in range(1, 45)]
    assert tripod.doi == "10.1136/bmj-2023-078378"
    parts = {"3": 3, "5": 2, "6": 3, "8": 3, "9": 3, "12": 7, "18": 6, "20": 3, "23": 2, "27": 3}
    numbers = [
        f"{n}{letter}"
        for n in range(1, 28)
        for letter in ("abcdefg"[: parts[str(n)]] if str(n) in parts else [""])
    ]
    assert [item.number for item in tripod.items] == numbers


def test_every_answer_is_asked_for_and_given():
    asked = {item.answer for one in read_checklists() for item in one.items} - {""}
    assert asked == set(ANSWERS)


def test_what_only_people_can_say_is_left_to_them():
    claim, tripod = (
        {item.number: item.answer for item in checklist.items} for checklist in read_checklists()
    )
    for number in ("3", "11", "16", "18", "21", "34", "40", "44"):
        assert claim[number] == ""
    for number in ("3c", "5b", "10", "14", "17", "18a", "18b", "19", "26"):
        assert tripod[number] == ""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    study = make_finished(tmp_path_factory.mktemp("results"), "classification")
    return Known(StudyFiles(study.folder, study.slices.config, synthetic=False), {})


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("kind", "Deep learning: neural networks for classification", ""),
        (
            "development",
            "Development, with evaluation on held-out subjects, for sex",
            "population and aims",
        ),
        ("acquisition", "t1; voxels of 4 mm", "scanner, sequence and field strength"),
        ("selected", "The whole of each prepared scan; how these were cropped", ""),
        ("predictors", "The voxels of t1; nothing else", "why these"),
        ("start", "At random, by the seeds 0 and 1", ""),
        ("chosen", "4 networks trained, in 1 experiment", ""),
        ("uncertainty", "95 % intervals: jackknife-t, ", ""),
        ("robustness", "Results by site and standard deviations over seeds", ""),
        ("external", "None in the study's files", "elsewhere"),
        ("diagnostic", "Sensitivity, specificity, positive predictive value and negative", ""),
        ("imbalance", "Nothing was done about it in training", ""),
        ("explanation", "No maps were made", "other methods"),
        ("output", "A probability of each class; a threshold by Youden's index", ""),
        ("metrics", "Log loss (nats), balanced accuracy", ""),
        ("metrics", "sensitivity, specificity, positive predictive value and negative", ""),
        ("internal", "Held-out test and cross-validation", ""),
        ("performance", "Every metric, with an interval where there is one", ""),
        ("sizes", "Held-out test of exp: 10 subjects, 12 scans", ""),
        ("model", "model.safetensors and model.json", "where they can be had"),
        ("updating", "None: networks are evaluated as they were trained", ""),
    ],
)
def test_what_a_study_knows_is_filled_in_and_no_more(
    known: Known, name: str, text: str, left: str
) -> None:
    answer = ANSWERS[name](known)
    assert answer is not None
    assert text in answer.text
    assert left in answer.left
    assert bool(left) == bool(answer.left)


def test_sites_of_few_subjects_have_no_results_and_none_are_claimed(tmp_path: Path) -> None:
    study = make_finished(tmp_path, "classification", subjects=16, folds=(0,))
    sites = Known(StudyFiles(study.folder, study.slices.config, synthetic=False), {})
    assert len({row.site for row in sites.passed}) > 1
    assert ANSWERS["groups"](sites) is None
    robustness = ANSWERS["robustness"](sites)
    assert robustness is not None
    assert robustness.text == "Standard deviations over seeds"


def _of(experiment: Mapping[str, Any]) -> Any:
    config = SimpleNamespace(
        channels=("t1",), optional=(), experiments={"exp": SimpleNamespace(**experiment)}
    )
    return SimpleNamespace(study=SimpleNamespace(config=config), passed=[])


def test_covariates_are_predictors_and_may_lack() -> None:
    beside = _of({"covariates": ("age", "sex"), "target": "mask"})
    predictors = ANSWERS["predictors"](beside)
    assert predictors == Answer(
        "The voxels of t1, and the covariates age and sex in exp", left="why these"
    )
    missing = ANSWERS["missing"](beside)
    assert missing is not None
    assert missing.text.startswith("A scan without its target or a covariate is left out")


def test_what_is_answered_with_images_is_told_as_such(tmp_path: Path) -> None:
    study = make_finished(tmp_path, "segmentation")
    known = Known(StudyFiles(study.folder, study.slices.config, synthetic=False), {})
    output, missing = ANSWERS["output"](known), ANSWERS["missing"](known)
    assert output == Answer("Masks on the scans' own grids")
    reference = ANSWERS["reference"](known)
    assert reference is not None
    assert reference.text == "Predicted: rim and core"
    assert missing is not None
    assert "Missing" not in missing.text
