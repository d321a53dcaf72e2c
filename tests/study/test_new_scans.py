"""Which new scans a run finds, in how many shards, and who answers for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cards import make_card
from cards import make_run

from headstart.common.errors import UserError
from headstart.common.run_id import RunId
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.new_scans import plan_new_scans
from headstart.study.planned_scans import PlannedScans
from headstart.study.planned_scans import PlannedShare
from headstart.study.requests import JobRequest
from headstart.study.requests import request_share
from headstart.study.settings import Settings


def study(**asked: Any) -> Config:
    age: dict[str, Any] = {"task": "regression", "target": "age", "folds": "all"}
    age["train"] = {"network": "sfcn", "threads": 1}
    return read_config(
        {
            "study": "s",
            "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
            "split": {"folds": 2},
            "prepare": {"window": [96, 96, 96]},
            "experiments": {"age": age},
            "new_scans": {"clinic": {"scans": "clinic", "experiment": "age", **asked}},
        }
    )


def planned(folder: Path, **asked: Any) -> PlannedScans:
    return plan_new_scans(study(**asked), folder)["clinic"]


def write_scans(folder: Path, number: int) -> None:
    (folder / "clinic").mkdir(exist_ok=True)
    for scan in range(number):
        (folder / f"clinic/{scan}.nii").touch()


def finish(folder: Path, fold: int, weights: str = "ab") -> None:
    run = folder / "results/s" / RunId("age", fold, 0).trained
    run.mkdir(parents=True, exist_ok=True)
    make_card(make_run(fold=fold), weights_sha256=weights * 32).write(run)


def test_networks_answer_that_are_finished_and_other_weights_answer_again(tmp_path: Path) -> None:
    write_scans(tmp_path, 3)
    assert planned(tmp_path) == PlannedScans(("s/age",), "", (PlannedShare("", 0),))
    finish(tmp_path, 1)
    one = planned(tmp_path)
    assert one.runs == (f"s/{RunId('age', 1, 0).trained}",)
    assert [share.scans for share in one.shares] == [3]
    finish(tmp_path, 0)
    both = planned(tmp_path)
    assert len(both.runs) == 2
    finish(tmp_path, 1, weights="cd")
    assert len({found.networks for found in (one, both, planned(tmp_path))}) == 3
    assert both.shares == one.shares


def test_what_can_not_be_listed_is_left_to_the_job(tmp_path: Path) -> None:
    finish(tmp_path, 0)
    assert planned(tmp_path).shares == (PlannedShare("", 0),)


@pytest.mark.parametrize(
    ("scans", "asked", "shards"), [(199, None, 1), (200, None, 2), (199, 7, 7), (2, 7, 7)]
)
def test_shards(tmp_path: Path, scans: int, asked: int | None, shards: int) -> None:
    finish(tmp_path, 0)
    write_scans(tmp_path, scans)
    shares = planned(tmp_path, shards=asked).shares
    assert len(shares) == shards
    assert sum(share.scans for share in shares) == scans


def test_a_replaced_scan_is_of_one_share(tmp_path: Path) -> None:
    finish(tmp_path, 0)
    write_scans(tmp_path, 9)
    before = planned(tmp_path, shards=3).shares
    (tmp_path / "clinic/4.nii").write_text("another one")
    after = planned(tmp_path, shards=3).shares
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_a_share_asks_for_its_own_time(tmp_path: Path) -> None:
    config = study()
    shares = (PlannedShare("a", 1000), PlannedShare("b", 900))
    settings = Settings(config, tmp_path, codes={}, listing="", package="", networks={})
    settings = replace(settings, new_scans={"clinic": PlannedScans(("r",) * 5, "x", shares)})
    # memory as of a prediction; .8 s to check and prepare a scan, .25 s for each network, three
    # times as long
    asked = request_share(settings, "clinic", gpu=False)
    assert asked.memory == 3500
    assert asked.minutes == pytest.approx(3 * 1000 * (0.8 + 5 * 0.25) / 60, rel=0.1)
    assert request_share(settings, "clinic", gpu=True) == JobRequest(7000, 50 + 10)


def test_an_experiment_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"new_scans\.clinic\.experiment: 'sex' is not .*: age"):
        study(experiment="sex")
