from __future__ import annotations

import shutil

import numpy as np
import pytest
from small_study import SmallStudy

from headstart.cohort import local_copy
from headstart.cohort.local_copy import stage_in
from headstart.common.errors import UserError
from headstart.training.train import train


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("HEADSTART_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def test_without_scratch_nothing_is_copied(study, monkeypatch):
    monkeypatch.delenv("HEADSTART_SCRATCH", raising=False)
    assert stage_in(study.prepared, masks=True) == study.prepared


@pytest.mark.parametrize("masks", [True, False])
def test_what_is_read_is_copied_once(study, scratch, masks, capsys):
    staged = stage_in(study.prepared, masks=masks)
    assert staged.is_relative_to(scratch)
    names = {path.name for path in study.prepared.iterdir() if masks or "-mask" not in path.name}
    assert {path.name for path in staged.iterdir()} == names
    assert (staged / "shard-1.npy").read_bytes() == (study.prepared / "shard-1.npy").read_bytes()
    before = (staged / "shard-1.npy").stat().st_ino
    assert stage_in(study.prepared, masks=masks) == staged
    assert (staged / "shard-1.npy").stat().st_ino == before
    assert capsys.readouterr().err.splitlines()[1].startswith("0 MB of volumes copied")


def test_a_damaged_shard_is_named_and_not_left_there(study, scratch):
    volumes = np.load(study.prepared / "shard-1.npy", mmap_mode="r+")
    volumes[0, 0, 0, 0, 0] += 1
    volumes.flush()
    with pytest.raises(UserError, match=r"prepare/shard-1.npy: is damaged.*stage prepare again"):
        stage_in(study.prepared, masks=False)
    assert not (scratch / "prepare/shard-1.npy").exists()


def test_too_little_room(study, scratch, monkeypatch, capsys):
    monkeypatch.setattr(
        local_copy.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0)
    )
    assert stage_in(study.prepared, masks=False) == study.prepared
    assert f"0 MB free in {scratch}: they are read from {study.prepared}" in capsys.readouterr().err


def test_a_training_reads_the_copy_and_ends_with_the_same_bytes(study, monkeypatch, tmp_path):
    common = {**study.inputs, "networks": study.folder, "device": "cpu"}
    outputs = []
    for scratch in ("", str(tmp_path / "scratch")):
        monkeypatch.setenv("HEADSTART_SCRATCH", scratch)
        outputs.append(study.folder / f"train{len(outputs)}")
        store = study.folder / f"runs{len(outputs)}"
        train(run=study.run(), code="x", store=store, output=outputs[-1], **common)
    for name in ("history.csv", "model.safetensors"):
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()
    assert (tmp_path / "scratch/prepare/shard-0.npy").exists()
