"""Memory that a training's process is refused by the system, at once or in the midst of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_study import SmallStudy

from headstart.common.schema import settings_text
from headstart.study.provenance import identity
from headstart.training.card import ModelCard
from headstart.training.train import train

# Asks for 200 MB of addresses for each scan that it sees. From its so-manieth batch of a kind on,
# the process gets no more than so many MB beside those that it has.
NETWORK = """
import resource
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, norm, kind, number, left):
        super().__init__()
        self.kind, self.number, self.left, self.counted = kind, number, left, 0
        self.layers = nn.Sequential(
            nn.Conv3d(in_channels, 4, 3), nn.BatchNorm3d(4) if norm else nn.Identity(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Linear(32, out_channels),
        )

    def forward(self, volumes):
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm3d)]
        measures = any(norm.training for norm in norms) and not torch.is_grad_enabled()
        kind = "step" if self.training else "statistics" if measures else "validation"
        self.counted += kind == self.kind
        if kind == self.kind and self.counted == self.number:
            pages = int(open("/proc/self/statm").read().split()[0])
            most = pages * resource.getpagesize() + self.left * 10**6
            resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        torch.empty(len(volumes) * 200 * 10**6, dtype=torch.uint8)
        return self.layers(volumes)
"""


def go(study: SmallStudy, name: str, kind: str, number: int, left: int, *, norm: bool) -> Any:
    """Train in a process of its own; return what it said, and where its results are."""
    (study.folder / "net.py").write_text(NETWORK)
    arguments = {"norm": norm, "kind": kind, "number": number, "left": left}
    run = study.run(epochs=3, batch_size=4, network_arguments=arguments, keep="last")
    words = ["--settings", settings_text(run), "--code", identity("train"), "--device", "cpu"]
    for key, value in study.inputs.items():
        words += [f"--{key}", value]
    output = study.folder / name
    words += ["--store", study.folder / "runs" / name, "--output", output]
    words += ["--networks", study.folder]
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "train", *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr, output


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path / "study")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
@pytest.mark.parametrize(("kind", "number"), [("step", 4), ("statistics", 3), ("validation", 2)])
def test_a_training_goes_on_with_fewer_scans_at_once(
    study: SmallStudy, kind: str, number: int
) -> None:
    norm = kind == "statistics"
    code, said, output = go(study, "less", kind, number, 500, norm=norm)
    assert code == 0, said
    # in validation no scan looks at another: those that learn are as many at once as before, until
    # the next step of learning lacks the memory too
    assert said.count("memory does not hold 4 scans at once: 2 at once from now on") == 1, said
    assert ModelCard.read(output).micro_batch == 2
    history = pd.read_csv(output / "history.csv")
    assert len(history) == 3
    if not norm:
        # the same but for the memory
        run = ModelCard.read(output).run
        arguments = {**run.train.network_arguments, "kind": "none"}
        asked = run.train.model_copy(update={"network_arguments": arguments})
        places = {"store": study.folder / "whole", "output": study.folder / "whole/out"}
        train(
            run=run.model_copy(update={"train": asked}),
            **{"code": "x", "networks": study.folder, "device": "cpu"},
            **study.inputs,
            **places,
        )
        expected = pd.read_csv(study.folder / "whole/out/history.csv")
        for column in ("train_loss", "val_loss", "val_mae"):
            assert history[column].tolist() == pytest.approx(expected[column].tolist(), rel=1e-4)


def test_too_little_for_one_scan_is_told_in_a_sentence(study: SmallStudy) -> None:
    code, said, output = go(study, "none", "step", 2, 100, norm=False)
    assert code == 2
    assert said.splitlines()[-1].startswith("headstart: the computer has too little memory (")
    assert not output.exists()
