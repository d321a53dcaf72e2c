"""Weights on the way: written while a training runs, published beside what it leaves."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.training.card import ModelCard
from headstart.training.history import read_history
from headstart.training.inference import load_network
from headstart.training.settings import Publication
from headstart.training.train import train

EPOCHS = {"epochs": 5, "batch_size": 3, "learning_rate": 0.05}


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path / "study")


def go(study: SmallStudy, name: str = "out", fold: int = 0, **more: Any) -> Path:
    """Train; return the folder that it publishes to."""
    given = {key: more.pop(key) for key in ("start", "publication") if key in more}
    if "start" in given:
        more["start"] = str(given["start"])
    run = study.run(**EPOCHS | more).model_copy(update={"fold": fold})
    paths = {"store": study.folder / "runs" / name, "output": study.folder / name}
    train(
        run=run, code="code", **study.inputs, **paths, networks=study.folder, device="cpu", **given
    )
    return study.folder / name


def snapshots(output: Path) -> list[Path]:
    return sorted((output / "snapshots").glob("*"))


def test_a_network_every_so_many_epochs(study: SmallStudy) -> None:
    output = go(study, save_every=2)
    assert [folder.name for folder in snapshots(output)] == ["epoch-2", "epoch-4"]
    for epoch, folder in zip((2, 4), snapshots(output), strict=True):
        names = ["history.csv", "model.json", "model.safetensors"]
        assert sorted(path.name for path in folder.iterdir()) == names
        card, history = ModelCard.read(folder), read_history(folder / "history.csv")
        assert (card.chosen_epoch, card.chosen_by, len(card.spent)) == (epoch, None, epoch)
        assert ([row.number for row in history.epochs][-1], history.chosen) == (epoch, epoch)
        assert card.run == ModelCard.read(output).run


def test_it_changes_nothing_of_the_training(study: SmallStudy) -> None:
    plain, saved = go(study, "plain"), go(study, "saved", save_every=1)
    for name in ("history.csv", "model.safetensors"):
        assert (plain / name).read_bytes() == (saved / name).read_bytes()
    assert not (plain / "snapshots").exists()
    assert "snapshots" not in (plain / "model.json").read_text()
    assert "save_every" not in (plain / "model.json").read_text()


@pytest.mark.parametrize("keep", ["best", "last", "ema"])
def test_weights_are_those_of_their_epoch_as_it_was_judged(study: SmallStudy, keep: str) -> None:
    """The chosen epoch's are those that the training leaves."""
    output = go(study, save_every=1, keep=keep)
    chosen = ModelCard.read(output).chosen_epoch
    for epoch, folder in enumerate(snapshots(output), start=1):
        same = (folder / "model.safetensors").read_bytes() == (
            output / "model.safetensors"
        ).read_bytes()
        assert same == (epoch == chosen)


def test_one_predicts_as_it_was_judged(study: SmallStudy) -> None:
    output = go(study, save_every=2, keep="last")
    scans = read_cohort(**study.inputs, target="age").validation(0)
    history = read_history(output / "history.csv").epochs
    for folder in snapshots(output):
        card = ModelCard.read(folder)
        network = load_network(folder, card, study.folder, "cpu")
        said = [network.task.decide(network.predict(scan))[0] for scan in scans]
        error = np.mean([abs(s - float(scan.target)) for s, scan in zip(said, scans, strict=True)])
        assert error == pytest.approx(history[card.chosen_epoch - 1].metrics["mae"], rel=1e-5)


def test_a_broken_run_leaves_the_same_bytes(
    study: SmallStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"epochs": 3, "save_every": 1}
    whole = go(study, "whole", **settings)
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    broken, attempts = None, 0
    while broken is None:
        with suppress(OutOfTimeError):
            attempts += 1
            broken = go(study, "broken", **settings)
    assert attempts > 3
    for one, other in zip(snapshots(whole), snapshots(broken), strict=True):
        for name in ("history.csv", "model.safetensors"):
            assert (one / name).read_bytes() == (other / name).read_bytes()


def test_what_is_published_again_is_what_the_run_has(study: SmallStudy) -> None:
    output = go(study, save_every=2)
    before = [path.read_bytes() for path in sorted(output.rglob("*.safetensors"))]
    shutil.rmtree(output)
    again = go(study, save_every=2, publication=Publication(unit="years"))
    assert [path.read_bytes() for path in sorted(again.rglob("*.safetensors"))] == before
    assert ModelCard.read(snapshots(again)[0]).unit == "years"
    # another setting leaves none of the old ones
    go(study, save_every=4)
    assert [folder.name for folder in snapshots(output)] == ["epoch-4"]
    go(study)
    assert not snapshots(output)


def test_a_damaged_one_is_refused(study: SmallStudy) -> None:
    go(study, save_every=2)
    (file,) = (study.folder / "runs").rglob("epoch-4.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"epoch-4\.safetensors"):
        go(study, save_every=2)


def test_another_training_starts_from_one_and_knows_whom_it_has_seen(study: SmallStudy) -> None:
    first = go(study, "first", save_every=2)
    file = snapshots(first)[0] / "model.safetensors"
    second = go(study, "second", start=file, epochs=1, learning_rate=1e-9, keep="last")
    started, parent = load_file(second / "model.safetensors"), load_file(file)
    assert torch.allclose(started["head.weight"], parent["head.weight"], atol=1e-4)
    with pytest.raises(UserError, match=r"has seen .* that fold 1 or the test holds out"):
        go(study, "third", fold=1, start=file)
