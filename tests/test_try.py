"""`headstart train … --try`: the same command, on a few subjects, that leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from small_study import SmallStudy

from headstart.cli import main
from headstart.parts.cohort import read_cohort
from headstart.stages.train import _few


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path / "study")


def command(study: SmallStudy, task: str, **train: object) -> list[str]:
    words = ["train", "--settings", json.dumps(study.settings(task, **train)), "--device", "cpu"]
    for name, value in study.inputs.items():
        words += [f"--{name}", str(value)]
    words += ["--store", str(study.folder / "runs"), "--output", str(study.folder / "out")]
    return [*words, "--networks", str(study.folder)]


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_nothing_is_left_behind(
    study: SmallStudy,
    task: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = sorted(study.folder.rglob("*"))
    assert main([*command(study, task, epochs=500), "--try"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("--try: 8 subjects and 2 epochs went through; nothing")
    assert "epoch 2/2" in err
    assert sorted(study.folder.rglob("*")) == before
    assert list(scratch.glob("headstart-try-*")) == []


def test_a_mistake_is_told_and_nothing_is_left(
    study: SmallStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    words = command(study, "regression", network_arguments={"widht": 3})
    assert main([*words, "--try"]) == 2
    assert "widht" in capsys.readouterr().err
    assert list(scratch.glob("headstart-try-*")) == []


@pytest.mark.parametrize(
    ("task", "target"),
    [("regression", "age"), ("classification", "sex"), ("segmentation", "mask")],
)
def test_few_subjects_of_each_class(study: SmallStudy, task: str, target: str) -> None:
    cohort = _few(read_cohort(**study.inputs, target=target, task=task), fold=0, subjects=8)
    training, inner = cohort.training(0), cohort.inner(0)
    assert len({scan.subject for scan in training}) == 6
    assert len({scan.subject for scan in inner}) == 2
    if task == "classification":
        assert [[s.target for s in training].count(name) for name in "FM"] == [3, 3]


def test_the_real_run_writes_what_it_is(study: SmallStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_SETTINGS", "/results/.settings/0123.json")
    assert main(command(study, "regression", epochs=1)) == 0
    (run,) = (study.folder / "runs").glob("*/run.json")
    card = json.loads((study.folder / "out/model.json").read_text())
    assert json.loads(run.read_text()).items() <= card.items()
    assert card["settings"] == study.settings(epochs=1)
    assert card["snapshot"] == "0123.json"
