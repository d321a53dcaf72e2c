"""`headstart train … --try`: the same command, on a few subjects, that leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rows import label_rows
from small_study import NETWORK
from small_study import SmallStudy

from headstart.cli import main
from headstart.cohort.prepared import read_cohort
from headstart.cohort.splits import read_splits
from headstart.cohort.splits import write_splits
from headstart.common.records import write_rows
from headstart.common.schema import settings_text
from headstart.data.label_table import LabelRow
from headstart.study import try_trainings
from headstart.study.provenance import identity
from headstart.training import run_store
from headstart.training.card import ModelCard
from headstart.training.train import _few

PREPARED = ("check/passed.csv", "split/splits.csv", "split/audit.json")


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path / "study")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder that temporary ones are made in."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def command(study: SmallStudy, task: str, **train: object) -> list[str]:
    words = ["train", "--settings", settings_text(study.run(task, **train)), "--device", "cpu"]
    for name, value in study.inputs.items():
        words += [f"--{name}", str(value)]
    words += ["--store", str(study.folder / "runs"), "--output", str(study.folder / "out")]
    return [*words, "--networks", str(study.folder)]


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_nothing_is_left_behind(
    study: SmallStudy, task: str, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(study.folder.rglob("*"))
    assert main([*command(study, task, epochs=500), "--try"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith(
        "the trial went through (at most 8 subjects, 2 epochs); nothing"
    )
    assert "epoch 2/2" in err
    assert sorted(study.folder.rglob("*")) == before
    assert list(scratch.glob("headstart-try-*")) == []


def test_what_is_started_from_is_used_where_it_is_there(
    study: SmallStudy, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = study.folder / "parent"
    assert main([*command(study, "regression"), "--output", str(parent)]) == 0
    words = [*command(study, "regression", start="small"), "--try", "--start"]
    assert main([*words, str(parent)]) == 0
    assert "start from small, sha256" in capsys.readouterr().err
    assert main([*words, str(study.folder / "later")]) == 0
    said = capsys.readouterr().err
    assert "later: is not there yet; tried from random weights" in said
    assert "start from small" not in said
    assert list(scratch.glob("headstart-try-*")) == []


def test_an_experiment_that_starts_from_another_is_told_where_that_lies(
    trained: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(try_trainings, "check_networks", lambda *_: None)
    config = Path("config/mine.yaml")
    config.write_text(config.read_text() + "  old: {like: age, train: {start: age}}\n")
    assert main(["try", "mine/old"]) == 0
    assert trained[0]["start"] == Path("results/mine/train/age/main/fold-0/seed-0")


def test_a_mistake_is_told_and_nothing_is_left(
    study: SmallStudy, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(study, "regression", network_arguments={"widht": 3})
    assert main([*words, "--try"]) == 2
    assert "widht" in capsys.readouterr().err
    assert list(scratch.glob("headstart-try-*")) == []


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A study `mine` whose cohort is prepared; gets what would be rehearsed."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "config/mine.yaml": "study: mine\ndata: [{source: own, channels: {T1: '{subject}.nii'}}]\n"
        "experiments:\n"
        "  age: {task: regression, target: age, train: {network: sfcn}}\n"
        "  iq: {like: age, target: iq}\n",
        "results/mine/split/splits.csv": "",
        "results/mine/split/audit.json": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    passed = label_rows(pd.DataFrame({"subject": ["1"], "age": ["30"]}))
    write_rows(tmp_path / "results/mine/check/passed.csv", LabelRow, passed)
    tried: list[dict[str, Any]] = []
    monkeypatch.setattr(try_trainings, "rehearse", lambda **asked: tried.append(asked))
    return tried


def test_a_training_is_named_or_the_first_one(
    trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["try", "mine/age"]) == 0
    assert "mine/age/fold-0/seed-0:" in capsys.readouterr().err
    (asked,) = trained
    run, folder = asked.pop("run"), Path("results/mine")
    assert (run.experiment, run.target, run.train.network) == ("age", "age", "sfcn")
    assert (run.fold, run.seed) == (0, 0)
    assert asked == {
        "start": None,
        "code": identity("train"),
        "passed": folder / "check/passed.csv",
        "splits": folder / "split/splits.csv",
        "prepared": folder / "prepare",
    }
    assert main(["try", "mine/age/seed-7"]) == 2
    said = "mine: has no such training; there are: age/fold-0/seed-0"
    assert said in capsys.readouterr().err
    assert len(trained) == 1


def test_a_target_that_is_no_label_stops_before_the_first_training(
    trained: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["try", "mine"]) == 2
    assert "experiments.iq.target" in (said := capsys.readouterr().err)
    assert said.rstrip().endswith("no label 'iq'; there are: site, age")
    assert trained == []
    assert main(["try", "mine/age"]) == 0
    assert len(trained) == 1


def test_a_study_is_tried_training_by_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(try_trainings, "check_networks", lambda *_: None)
    small = SmallStudy(tmp_path / "results/small")
    (small.splits.parent / "audit.json").write_text("")
    Path("net.py").write_text(NETWORK)
    Path("config").mkdir()
    tasks = {"age": "regression", "sex": "classification"}
    config = {
        "study": "small",
        "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
        "prepare": {"voxel_size": [2, 2, 2], "window": [8, 8, 8], "normalise": "none"},
        "experiments": {
            target: {"task": task, "target": target, "train": {"network": "net.py:Net"}}
            for target, task in tasks.items()
        },
    }
    Path("config/small.yaml").write_text(json.dumps(config))
    before = sorted(small.folder.rglob("*"))
    assert main(["try", "small"]) == 0
    out, err = capsys.readouterr()
    assert out.count("the trial went through") == 2
    assert "small/age/fold-0/seed-0:" in err.partition("small/sex/fold-0/seed-0:")[0]
    assert sorted(small.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("task", "target"),
    [("regression", "age"), ("classification", "sex"), ("segmentation", "mask")],
)
def test_few_subjects_of_each_class(study: SmallStudy, task: str, target: str) -> None:
    cohort = _few(read_cohort(**study.inputs, target=target), fold=0, subjects=8)
    training, validation = cohort.training(0), cohort.validation(0)
    assert len({scan.subject for scan in training}) == 6
    assert len({scan.subject for scan in validation}) == 2
    if task == "classification":
        assert [[s.target for s in training].count(name) for name in "FM"] == [3, 3]


def test_few_subjects_are_all_learnt_from_where_nobody_validates(study: SmallStudy) -> None:
    splits = read_splits(study.splits)
    write_splits(study.splits, [replace(row, validation=False) for row in splits])
    cohort = _few(read_cohort(**study.inputs, target="age"), 0, subjects=8)
    assert len({scan.subject for scan in cohort.training(0)}) == 8


def test_the_real_run_writes_what_it_is(study: SmallStudy) -> None:
    said = ["--publication", '{"snapshot": "0123.json"}']
    assert main([*command(study, "regression", epochs=1), *said]) == 0
    (run,) = (study.folder / "runs").glob("*/run.json")
    card = ModelCard.read(study.folder / "out")
    assert dict(run_store.read_identity(run.parent)).items() <= dict(card).items()
    assert card.run == study.run(epochs=1)
    assert card.snapshot == "0123.json"


@pytest.mark.slow
def test_a_study_is_not_tried_with_files_that_no_job_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {
        "study": "small",
        "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
        "experiments": {
            "one": {
                "task": "regression",
                "target": "age",
                "train": {"network": "nets/my_net.py:Net"},
            }
        },
    }
    for name, text in {
        "config/small.yaml": json.dumps(config),
        "nets/my_net.py": "import blocks\n",
        "blocks.py": "",
        **dict.fromkeys((f"results/small/{n}" for n in PREPARED), ""),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert main(["try", "small"]) == 2
    said = capsys.readouterr().err
    assert "experiments.one.train.network: nets/my_net.py:Net can't be loaded" in said
    assert "No module named 'blocks' (my_net.py, line 1)" in said
