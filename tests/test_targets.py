"""Targets that can be learnt, and what is said about those that can't."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from headstart.parts.errors import UserError
from headstart.parts.settings import Settings
from headstart.parts.targets import check_target


def cohort(**columns: list[str]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({"subject": [f"s{n}" for n in range(rows)]})
    for name in ("session", "source", "site", "T1", "mask", "brain_mask"):
        frame[name] = ""
    return frame.assign(**columns)


def question(task: str, target: str) -> dict[str, str]:
    return {"experiment": "exp", "task": task, "target": target}


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


def test_dry_run_checks_the_labels_of_the_last_run(tmp_path: Path) -> None:
    source = {"source": "own", "channels": {"T1": "{subject}.nii"}}
    train = {"network": "sfcn"}
    config = {
        "study": "small",
        "results": str(tmp_path),
        "data": [source],
        "experiments": {"iq": {"task": "regression", "target": "iq", "train": train}},
    }
    Settings.resolve(config, tmp_path)
    labels = tmp_path / "small/label/labels.csv"
    labels.parent.mkdir(parents=True)
    cohort(age=["1", "2"]).to_csv(labels, index=False)
    with pytest.raises(UserError, match="no scan has the label 'iq'"):
        Settings.resolve(config, tmp_path)
    # a label that the config now promises is not in the old table yet
    source |= {"table": {"path": "t.csv"}, "labels": {"iq": "IQ"}}
    Settings.resolve(config, tmp_path)
