"""Targets that can be learnt, and what is said about those that can't."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rows import label_rows

from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.study.settings import Settings
from headstart.training.target import Target
from headstart.training.target import check_covariates
from headstart.training.target import check_target


def cohort(**columns: list[str]) -> list[LabelRow]:
    rows = len(next(iter(columns.values())))
    return label_rows(pd.DataFrame({"subject": [f"s{n}" for n in range(rows)], **columns}))


def question(task: str, target: str) -> Target:
    return Target(experiment="exp", task=task, target=target)


def test_classes_that_differ_in_case_only_are_named() -> None:
    labels = cohort(sex=["M", "m", "F", "M"])
    with pytest.raises(UserError, match=r"'m' and 'M' differ in case .*map: \{M: M, m: M, F: F\}"):
        check_target(labels, question("classification", "sex"))


def test_targets_that_are_there() -> None:
    labels = cohort(sex=["F", "M", ""], age=["1", "2.5", "-1e3"])
    check_target(labels, question("classification", "sex"))
    check_target(labels, question("regression", "age"))


@pytest.mark.parametrize(
    ("task", "target", "message"),
    [
        ("regression", "height", "no scan has the label 'height'; allowed: site, sex, age, empty"),
        ("regression", "sex", "s0 has sex = 'F', which is no number"),
        ("regression", "age", "s1 has age = 'nan'"),
        ("classification", "sex", "every scan has sex = 'F'"),
        ("classification", "empty", "'empty' is empty for every scan"),
        ("segmentation", "mask", "'mask' is empty for every scan"),
    ],
)
def test_a_target_that_can_not_be_learnt(task: str, target: str, message: str) -> None:
    labels = cohort(sex=["F", "F"], age=["1", "nan"], empty=["", ""])
    with pytest.raises(UserError, match=message):
        check_target(labels, question(task, target))


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (("height",), "experiments.exp.covariates: no scan has the label 'height'; allowed"),
        (("flat",), "experiments.exp.covariates: every scan has flat = x, which tells nothing"),
        (("mixed",), "experiments.exp.covariates: subject s2 has mixed = 'x', which is no number"),
        (("late",), "experiments.exp.covariates: no scan has late and sex all at once"),
    ],
)
def test_covariates_that_can_not_be_seen(covariates: tuple[str, ...], message: str) -> None:
    labels = cohort(
        sex=["F", "M", "F", "", ""],
        age=["1", "2", "3", "4", "5"],
        flat=["x"] * 5,
        mixed=["1", "2", "x", "3", "4"],
        late=["", "", "", "1", "2"],
    )
    asked = question("classification", "sex")
    check_covariates(labels, asked.model_copy(update={"covariates": ("age",)}))
    with pytest.raises(UserError, match=message):
        check_covariates(labels, asked.model_copy(update={"covariates": covariates}))


def test_dry_run_knows_covariates_by_the_config_and_by_the_labels_of_the_last_run(
    tmp_path: Path,
) -> None:
    def resolve(*covariates: str) -> None:
        experiment = {"task": "regression", "target": "age", "covariates": list(covariates)}
        source = {"source": "own", "channels": {"T1": "{subject}.nii"}}
        table = {
            "table": {"path": "people.csv", "column": "ID"},
            "labels": {"age": "A", "sex": "S"},
        }
        config = {
            **{"study": "small", "results": str(tmp_path), "data": [source | table]},
            "experiments": {"age": experiment | {"train": {"network": "sfcn"}}},
        }
        Settings.resolve(config, tmp_path)

    resolve("sex", "source")
    with pytest.raises(UserError, match=r"age\.covariates: no source has the label 'iq'"):
        resolve("iq")
    labels = tmp_path / "small/label/labels.csv"
    write_rows(labels, LabelRow, cohort(age=["1", "2"]))
    resolve("sex")  # the stage label makes it, and looks at it
    write_rows(labels, LabelRow, cohort(age=["1", "2"], sex=["F", "F"]))
    with pytest.raises(UserError, match=r"age\.covariates: every scan has sex = F"):
        resolve("sex")


def test_dry_run_checks_the_labels_of_the_last_run(tmp_path: Path) -> None:
    source = {"source": "own", "channels": {"T1": "{subject}.nii"}}
    train = {"network": "sfcn"}
    config = {
        "study": "small",
        "results": str(tmp_path),
        "data": [source],
        "experiments": {"iq": {"task": "regression", "target": "iq", "train": train}},
    }
    with pytest.raises(UserError, match="no source has the label 'iq'"):
        Settings.resolve(config, tmp_path)
    labels = tmp_path / "small/label/labels.csv"
    write_rows(labels, LabelRow, cohort(age=["1", "2"]))
    with pytest.raises(UserError, match="no scan has the label 'iq'"):
        Settings.resolve(config, tmp_path)
    # a label that the config now promises is not in the old table yet
    source |= {"table": {"path": "t.csv"}, "labels": {"iq": "IQ"}}
    Settings.resolve(config, tmp_path)


def test_classes_whose_order_counts_are_numbers() -> None:
    ordered = Target(experiment="e", task="classification", target="cdr", loss="ordinal")
    check_target(cohort(cdr=["0", "0.5", "10", ""]), ordered)
    for word, shown in (("mild", "m… "), ("nan", "nan")):
        said = (
            rf"experiments.e.target: train.loss ordinal .* cdr = '{shown}.*; give .*map: \{{none: 0"
        )
        with pytest.raises(UserError, match=said):
            check_target(cohort(cdr=["0", word]), ordered)
        check_target(cohort(cdr=["0", word]), question("classification", "cdr"))


def test_an_experiment_asks_for_numbers_where_its_loss_does(tmp_path: Path) -> None:
    labels = tmp_path / "small/label/labels.csv"
    write_rows(labels, LabelRow, cohort(grade=["low", "high"]))
    train = {"network": "sfcn", "loss": "ordinal"}
    config = {
        "study": "small",
        "results": str(tmp_path),
        "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
        "experiments": {"g": {"task": "classification", "target": "grade", "train": train}},
    }
    with pytest.raises(UserError, match="ordinal takes the order"):
        Settings.resolve(config, tmp_path)
    train["loss"] = "focal"
    Settings.resolve(config, tmp_path)
