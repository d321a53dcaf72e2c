"""`headstart init` on real scans: what it writes is planned, and label takes every scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fresh import copy_project
from study import Checkout

from headstart import cli
from headstart.common.files import read_csv

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real")]


def run_init(
    folder: Path, tmp_path: Path, name: str, *, trainings: int
) -> tuple[dict[str, Any], Checkout]:
    checkout = Checkout(copy_project(tmp_path / "project"))
    file = checkout.folder / f"config/{name}.yaml"
    assert cli.main(["init", str(folder), "--name", name, "--output", str(file)]) == 0
    results = ("--config", f"results={tmp_path / 'results'}")
    words = ("--configfile", f"config/{name}.yaml", *results)
    assert checkout.planned(*words)["train"] == trainings
    checkout.done(*words, "--", f"{name}/label/labels.csv")
    return yaml.safe_load(file.read_text()), checkout


def test_hippocampus(shared_data: Path, tmp_path: Path) -> None:
    study, _ = run_init(shared_data / "msd_task04_hippocampus", tmp_path, "sides", trainings=1)
    assert study["classes"] == {1: "anterior", 2: "posterior"}
    assert study["data"][0]["subject"]["group"] == 2
    assert study["prepare"]["voxel_size"] == [1, 1, 1]
    assert study["prepare"]["window"] == [40, 56, 48]
    labels = read_csv(tmp_path / "results/sides/label/labels.csv")
    assert (len(labels), labels["subject"].nunique()) == (200, 130)


def test_ten_scans_of_ixi(shared_data: Path, tmp_path: Path) -> None:
    study, _ = run_init(shared_data / "ixi10_2mm", tmp_path, "ten", trainings=5)
    (experiment,) = study["experiments"].values()
    assert (experiment["task"], experiment["target"]) == ("regression", "age")
    assert study["split"]["test"] == 0
    labels = read_csv(tmp_path / "results/ten/label/labels.csv")
    assert len(labels) == 10
    assert set(labels["site"]) == {"HH"}
    assert (labels["age"] != "").all()
