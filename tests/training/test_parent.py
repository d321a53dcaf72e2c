"""Whom a training starts from: known, told, and refused where it has seen who judges."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import torch
from prepared_shards import write_digests
from safetensors.torch import load_file
from small_study import SmallStudy
from small_study import edit_card

from headstart.cohort.shards import ShardCard
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.training.card import ModelCard

TEST = 17  # from this subject on they are for the test


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("parent") / "study")
    for path in study.prepared.glob("shard-*.json"):
        card = ShardCard.read(path)
        scans = [
            scan.model_copy(update={"hash": f"raw-{scan.subject}-{scan.session}"})
            for scan in card.scans
        ]
        write_digests(path, card.model_copy(update={"scans": tuple(scans)}))
    go(study, "parent")
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy to be changed."""
    shutil.copytree(made.folder, tmp_path / "study")
    copy = SmallStudy.__new__(SmallStudy)
    copy.__dict__ = {
        key: tmp_path / "study" / value.relative_to(made.folder) if key != "table" else value
        for key, value in vars(made).items()
    }
    return copy


def go(study, name, start=None, place=None, fold=0, **more):
    run = study.run(start=start, **more).model_copy(
        update={"experiment": "parent" if name == "parent" else "child", "fold": fold}
    )
    parent = study.folder / place if place else None
    study.train(run, study.folder / name, study.folder / "runs", start=parent)
    return ModelCard.read(study.folder / name)


def parts(study, test=TEST, folds=3):
    """Divide the subjects in another way."""
    rows = []
    for number in range(20):
        held = number >= test
        fold = None if held else number % folds
        rows.append(SplitRow(f"s{number:02d}", held, fold, not held and number % 5 == 1))
    write_splits(study.splits, rows)


def prepare_again(study):
    """Change every prepared voxel, as another preparation of the same scans would."""
    import numpy as np

    for path in study.prepared.glob("shard-*.npy"):
        if not path.stem.endswith("-mask"):
            np.save(path, np.load(path) * np.float16(0.5))
    for path in study.prepared.glob("shard-*.json"):
        write_digests(path)


def test_a_network_of_the_same_fold_may_be_started_from_and_is_in_the_card(study):
    parent, child = ModelCard.read(study.folder / "parent"), go(study, "b", "parent", "parent")
    assert child.start.name == "parent"
    assert child.start.kind == "experiment"
    assert child.start.weights_sha256 == parent.weights_sha256
    assert child.parent == parent.key
    assert child.start.known
    assert parent.start is None
    assert parent.seen <= child.seen
    # whom the grandparent has seen is known too
    grand = go(study, "c", {"from": "b/model.safetensors"}, "b/model.safetensors")
    assert child.seen <= grand.seen


@pytest.mark.parametrize("again", [False, True])
def test_a_network_that_has_seen_who_is_held_out_is_refused_before_it_trains(study, again):
    if again:
        prepare_again(study)
    with pytest.raises(UserError) as caught:
        go(study, "b", {"from": "parent/model.safetensors"}, "parent/model.safetensors", fold=1)
    said = str(caught.value)
    assert "train.start: parent/model.safetensors has seen " in said
    assert "that fold 1 or the test holds out (s01, s04" in said
    assert "Start from an experiment of this study" in said
    assert "\n" not in said
    assert not (study.folder / "b").exists()


def test_one_that_has_seen_a_test_subject_is_refused_too(study):
    parts(study, test=14)
    with pytest.raises(UserError, match=r"has seen .* holds out \(s14, s16\)"):
        go(study, "b", {"from": "parent/model.safetensors"}, "parent/model.safetensors")


def test_a_file_with_nobody_s_card_is_told_to_be_unknown(study, capsys):
    file = study.folder / "elsewhere.safetensors"
    shutil.copy(study.folder / "parent/model.safetensors", file)
    card = go(study, "b", {"from": file.name}, file.name, fold=1)
    assert not card.start.known
    assert card.start.seen == ()
    assert (
        "Whether it has seen a held-out or test subject can't be known" in capsys.readouterr().err
    )
    # nor is it of a network that starts from that one
    assert not go(
        study, "c", {"from": "b/model.safetensors"}, "b/model.safetensors", fold=1
    ).start.known


def test_a_card_of_other_weights_is_not_believed(study):
    edit_card(study.folder / "parent", weights_sha256="ab" * 32)
    with pytest.raises(UserError, match=r"has not the weights that model.json beside it describes"):
        go(study, "b", {"from": "parent/model.safetensors"}, "parent/model.safetensors")


def test_another_fold_s_network_is_no_parent(study):
    with pytest.raises(UserError, match="has a network of fold 0, not 1"):
        go(study, "b", "parent", "parent", fold=1)


def test_a_file_that_is_not_the_stated_one_is_refused(study):
    start = {"from": "parent/model.safetensors", "sha256": "ab" * 32}
    with pytest.raises(UserError, match=f"has the sha256 .*, not {'ab' * 32}"):
        go(study, "b", start, "parent/model.safetensors")


def test_without_a_place_or_with_nothing_there_it_is_said(study):
    with pytest.raises(UserError, match="say where it lies: --start"):
        go(study, "b", "parent")
    with pytest.raises(UserError, match=r"gone\.pt is not there"):
        go(study, "b", {"from": "gone.pt"}, "gone.pt")


def test_another_file_of_the_same_name_is_another_run_and_the_old_one_comes_back(study, capsys):
    file = study.folder / "w.pt"
    weights = load_file(study.folder / "parent/model.safetensors")
    keys = []
    for factor in (1.0, 2.0, 1.0):
        torch.save({name: tensor * factor for name, tensor in weights.items()}, file)
        keys.append(go(study, "b", {"from": "w.pt"}, "w.pt").key)
    assert keys[0] == keys[2] != keys[1]
    assert capsys.readouterr().err.count("already finished") == 1


def test_a_parent_that_is_another_one_makes_another_child(study):
    first = go(study, "b", "parent", "parent")
    edit_card(study.folder / "parent", code="other")
    assert go(study, "b", "parent", "parent").key != first.key


def test_interrupted_it_ends_with_the_same_bits(study, monkeypatch):
    start = {"from": "parent", "freeze": ["features.1"], "rate": {"head": 3}}
    whole = go(study, "whole", start, "parent", keep="ema", clip=1)
    shutil.rmtree(study.folder / "runs" / whole.key)
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for _ in range(6):
        with pytest.raises(OutOfTimeError):
            go(study, "broken", start, "parent", keep="ema", clip=1)
    broken = go(study, "broken", start, "parent", keep="ema", clip=1)
    assert broken.start == whole.start
    weights = [study.folder / name / "model.safetensors" for name in ("whole", "broken")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    losses = [
        pd.read_csv(study.folder / n / "history.csv")["val_loss"] for n in ("whole", "broken")
    ]
    assert losses[0].tolist() == losses[1].tolist()
