"""What jobs ask for, worked out by hand from a study's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rows import label_rows

from headstart.cluster import machine
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.study.config import read_config
from headstart.study.held_out_shards import held_out_shards
from headstart.study.requests import JobRequest
from headstart.study.requests import Rule
from headstart.study.requests import check_gpus
from headstart.study.requests import on_gpu
from headstart.study.requests import request
from headstart.study.requests import tight_gpus
from headstart.study.settings import Settings
from headstart.training.config import Predict

UNET = {"task": "segmentation", "target": "mask", "train": {"network": "unet", "threads": 1}}


def settings(folder: Path, scans: int | None = None, **train: Any) -> Settings:
    sfcn = {"network": "sfcn", "threads": 1, **train}
    config = {
        "study": "s",
        "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}, "mask": "{subject}-m.nii"}],
        "classes": {"lesion": 1},
        "split": {"test": 0, "folds": 5, "validation": 0},
        "prepare": {"window": [96, 96, 96]},
        "experiments": {
            "age": {"task": "regression", "target": "age", "train": {"keep": "last", **sfcn}},
            "lesion": UNET | {"train": {"keep": "last", **UNET["train"]}},
        },
    }
    made = Settings(read_config(config), folder, codes={}, listing="", package="", networks={})
    if scans is not None:
        table = made.results / "s/label/labels.csv"
        table.parent.mkdir(parents=True)
        subjects = pd.DataFrame({"subject": [f"{number}" for number in range(scans)]})
        write_rows(table, LabelRow, label_rows(subjects))
    return made


def test_a_training_on_a_cpu(tmp_path: Path) -> None:
    # 0.56 GB of libraries, 2.95 million weights, 480 bytes for each of 4 * 96^3 voxels: 2.31 GB,
    # a third more; 2 GB besides: 5.00 GB.
    # 60 epochs of 40 scans, which batch norm looks at again for a third of the time, take 38
    # minutes, and three times as long is waited
    made = request(settings(tmp_path, 50), "train", "age", gpu=False)
    assert made == JobRequest(5000, 116)


def test_a_training_on_a_gpu(tmp_path: Path) -> None:
    # 3.5 GB of CUDA's libraries; a tenth of the time is less than an hour
    assert request(settings(tmp_path, 50), "train", "age", gpu=True) == JobRequest(7000, 60)


def test_before_scans_are_counted_the_longest_time_is_asked_for(tmp_path: Path) -> None:
    assert request(settings(tmp_path), "train", "age", gpu=False).minutes == 1440


def test_a_long_training_goes_on_after_a_day(tmp_path: Path) -> None:
    many = settings(tmp_path, 50, epochs=5000)
    assert request(many, "train", "age", gpu=False).minutes == 1440


def test_a_budget_ends_a_training_sooner(tmp_path: Path) -> None:
    short = settings(tmp_path, 50, epochs=5000, budget="30min")
    # and the start of the job
    assert request(short, "train", "age", gpu=False).minutes == 91


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        # one scan at once: 1.03 GB, a third more, 0.13 and 2 GB; 10 scans are seen in 4 s
        ("age", JobRequest(3500, 60)),
        # 0.77 GB, weights, and 220 bytes a voxel; 1 GB to bring masks back
        ("lesion", JobRequest(5000, 60)),
    ],
)
def test_predictions(tmp_path: Path, experiment: str, expected: JobRequest) -> None:
    assert request(settings(tmp_path, 50), "predict", experiment, gpu=False) == expected


@pytest.mark.parametrize("network", ["unet", "my_net.py:Net"])
def test_predictions_ask_for_the_memory_that_they_keep_to(tmp_path: Path, network: str) -> None:
    made = settings(tmp_path, 50)
    experiment = made.config.experiments["lesion"]
    predict = experiment.predict.model_copy(update={"memory": "800M"})
    train = experiment.train.model_copy(update={"network": network})
    kept = experiment.model_copy(update={"predict": predict, "train": train})
    made.config.experiments["lesion"] = kept
    # and 2 GB besides
    assert request(made, "predict", "lesion", gpu=False).memory == 3000
    assert request(made, "train", "lesion", gpu=False).memory > 3000


def test_of_a_network_of_the_user_s_own_nothing_is_known(tmp_path: Path) -> None:
    own = settings(tmp_path, 50, network="my_net.py:Net")
    for gpu in (True, False):
        assert request(own, "train", "age", gpu=gpu) == JobRequest(8000, 1440)


@pytest.mark.parametrize(
    ("asked", "cluster", "here", "expected"),
    [
        ({}, True, False, True),
        ({"train": "0"}, True, False, False),
        ({"predict": "0"}, True, False, True),
        ({}, False, True, True),
        ({}, False, False, False),
    ],
)
def test_where_a_job_runs(
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, str],
    cluster: bool,
    here: bool,
    expected: bool,
) -> None:
    monkeypatch.setattr("headstart.study.requests._gpu_is_here", lambda: here)
    assert on_gpu("train", asked, cluster=cluster) is expected


@pytest.mark.parametrize("rule", ["train", "predict"])
def test_several_gpus_are_refused(rule: Rule) -> None:
    for few in ("0", "1"):
        check_gpus({rule: few})
    with pytest.raises(UserError, match=f"{rule}:gpu=2: a training uses one GPU"):
        check_gpus({rule: "2"})


def test_a_gpu_that_is_too_small_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.SITE, "mine")
    site = tmp_path / "profiles/sge/sites/mine.conf"
    site.parent.mkdir(parents=True)
    site.write_text("gpu_gb=3\n")
    # 2.75 GB and 1.86 GB, of 0.85 * 3 GB
    (said,) = tight_gpus(settings(tmp_path), {}, cluster=True).splitlines()
    assert said.startswith("headstart: age: 4 scans at once fill about 3 GB")
    assert "site mine, 3 GB" in said
    assert not tight_gpus(settings(tmp_path), {"train": "0"}, cluster=True)
    assert not tight_gpus(settings(tmp_path), {}, cluster=False)
    site.write_text("gpu_gb=4\n")
    assert not tight_gpus(settings(tmp_path), {}, cluster=True)


def with_predict(made: Settings, **predict: Any) -> Settings:
    """Let the network of the age, which is the user's own, predict in some way."""
    age = made.config.experiments["age"]
    update = {"predict": Predict(**predict)}
    made.config.experiments["age"] = age.model_copy(update=update)
    return made


def test_held_out_scans_are_shared_out_where_they_take_long(tmp_path: Path) -> None:
    made = settings(tmp_path, 50)
    assert [held_out_shards(made.config, name) for name in ("age", "lesion")] == [1, 1]
    alone = request(made, "predict", "lesion", gpu=False)
    # 64 scans for each of 1000 parts, a fifth of them held out: 7.8 hours
    prepare = made.config.prepare.model_copy(update={"shards": 1000})
    large = replace(made, config=made.config.model_copy(update={"prepare": prepare}))
    assert held_out_shards(large.config, "age") == 1
    assert held_out_shards(large.config, "lesion") == 2
    assert request(large, "predict", "lesion", gpu=False) == JobRequest(2000, 30)
    assert request(large, "predict_held_out", "lesion", gpu=False) == alone


def test_the_number_of_shares_is_what_the_study_says(tmp_path: Path) -> None:
    own = {"network": "my_net.py:Net"}
    assert held_out_shards(with_predict(settings(tmp_path, 50, **own)).config, "age") == 1
    made = with_predict(settings(tmp_path / "three", 50, **own), shards=3)
    assert held_out_shards(made.config, "age") == 3
    assert request(made, "predict", "age", gpu=False) == JobRequest(2000, 30)
    assert request(made, "predict_held_out", "age", gpu=False) == JobRequest(8000, 1440)
