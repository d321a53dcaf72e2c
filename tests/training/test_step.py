"""A step where memory does not hold its batch."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_study import SmallStudy

from headstart.common.errors import OutOfTimeError
from headstart.training.card import ModelCard
from headstart.training.train import train

# Takes no more than so many scans at once; batch norm or not.
NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, most=100, norm=False, error="RuntimeError"):
        super().__init__()
        self.most, self.error = most, error
        norm = nn.BatchNorm3d(4) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 4, 3), norm, nn.LeakyReLU(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, out_channels),
        )

    def forward(self, volumes):
        output = self.layers(volumes)
        if self.training and len(volumes) > self.most:
            if self.error == "RuntimeError":
                raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return output
"""  # noqa: E501


@pytest.fixture
def study(tmp_path):
    study = SmallStudy(tmp_path / "study")
    (study.folder / "net.py").write_text(NETWORK)
    return study


def go(study, name, batch_size=5, keep="best", **arguments):
    train_settings = {"batch_size": batch_size, "keep": keep, "epochs": 3}
    run = study.run(network="net.py:Net", network_arguments=arguments, **train_settings)
    paths = {"store": study.folder / "runs" / name, "output": study.folder / name}
    train(run=run, code="code", **study.inputs, **paths, networks=study.folder, device="cpu")
    return study.folder / name


@pytest.mark.parametrize("error", ["RuntimeError", "OutOfMemoryError"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_batch_that_does_not_fit_is_taken_in_parts(study, capsys, most, error):
    whole = go(study, "whole", error=error)
    parts = go(study, "parts", most=most, error=error)
    said = capsys.readouterr().err
    at_once = {1: 1, 2: 2, 3: 3}[most]
    assert f"{at_once} at once from now on" in said
    assert "batch norm" not in said
    assert ModelCard.read(whole).micro_batch is None
    assert ModelCard.read(parts).micro_batch == at_once
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    histories = [pd.read_csv(folder / "history.csv")["train_loss"] for folder in (whole, parts)]
    assert histories[0].tolist() == pytest.approx(histories[1].tolist(), rel=1e-5)


def test_batch_norm_is_told_of(study, capsys):
    go(study, "parts", most=2, norm=True)
    assert "a step is the same, but for batch norm" in capsys.readouterr().err


def test_the_last_scan_that_joins_a_batch_is_taken_with_it(study):
    """Batch norm would see other batches: 7 scans and one are one batch of 8."""
    one = go(study, "seven", norm=True, batch_size=7)
    other = go(study, "eight", norm=True, batch_size=8)
    name = "model.safetensors"
    assert (one / name).read_bytes() == (other / name).read_bytes()


def test_what_was_learnt_of_memory_is_kept_when_interrupted(study, monkeypatch, capsys):
    whole = go(study, "whole", most=2, keep="ema")
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    for _ in range(6):
        with pytest.raises(OutOfTimeError):
            go(study, "broken", most=2, keep="ema")
    broken = go(study, "broken", most=2, keep="ema")
    # once each, and never again by those that went on
    assert capsys.readouterr().err.count("2 at once from now on") == 2
    for name in ("model.safetensors", "history.csv"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


def test_one_scan_that_does_not_fit_is_an_error(study):
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        go(study, "none", most=0)


def test_other_errors_are_not_taken_for_it(study):
    (study.folder / "net.py").write_text(
        NETWORK.replace("can't allocate memory", "no such thing").replace(
            "DefaultCPUAllocator", "x"
        )
    )
    with pytest.raises(Exception, match="no such thing"):
        go(study, "none", most=2)


def test_a_cpu_stays_at_full_precision(study):
    runs = {}
    for precision in ("fp32", "bf16", "fp16"):
        run = study.run(network="net.py:Net", precision=precision, epochs=1)
        paths = {"store": study.folder / "runs" / precision, "output": study.folder / precision}
        train(run=run, code="code", **study.inputs, **paths, networks=study.folder, device="cpu")
        runs[precision] = (study.folder / precision / "model.safetensors").read_bytes()
        assert ModelCard.read(study.folder / precision).precision == "fp32"
    assert len(set(runs.values())) == 1
