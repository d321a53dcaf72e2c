"""How many scans are learnt from and validated on, as the tables have it and as is expected."""

from __future__ import annotations

import os
from pathlib import Path

from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.study.config import read_config
from headstart.study.part_sizes import PartSizes
from headstart.study.part_sizes import counted_sizes
from headstart.study.part_sizes import expected_sizes


def test_counted_as_the_training_has_them(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "study")
    cohort = read_cohort(**study.inputs, target="age")
    for fold in range(3):
        sizes = (len(cohort.training(fold)), len(cohort.validation(fold)))
        assert counted_sizes(study.folder, "age", fold) == sizes


def test_a_scan_without_the_target_is_not_counted(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "study")
    before = counted_sizes(study.folder, "age", 0)
    study.change_table("age", {3: ""})  # s02, who is learnt from
    os.utime(study.passed, (0, 0))  # the clock of a file may be coarse
    assert before is not None
    assert counted_sizes(study.folder, "age", 0) == (before.training - 1, before.validation)


def test_a_scan_without_one_of_the_covariates_is_not_counted(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "study")
    study.change_table("sex", {3: "", 4: "", 9: "", 15: ""})
    cohort = read_cohort(**study.inputs, target="age", covariates=["sex"])
    for fold in range(3):
        sizes = (len(cohort.training(fold)), len(cohort.validation(fold)))
        assert counted_sizes(study.folder, "age", fold, ("sex",)) == sizes
    assert counted_sizes(study.folder, "age", 0, ("sex",)) != counted_sizes(study.folder, "age", 0)


def test_before_there_are_tables_nothing_is_counted(tmp_path: Path) -> None:
    assert counted_sizes(tmp_path, "age", 0) is None


def test_expected_of_the_number_of_scans() -> None:
    train = {"network": "sfcn"}
    config = read_config(
        {
            "study": "s",
            "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
            "split": {"folds": 5, "test": 0.2, "validation": 0.25},
            "experiments": {"age": {"task": "regression", "target": "age", "train": train}},
        }
    )
    assert expected_sizes(config, "age", 100) == PartSizes(48, 16)
