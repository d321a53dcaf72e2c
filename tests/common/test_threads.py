"""Threads on a node of many cores, all but two of them pretended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import PROJECT
from pretended import many_cores

from headstart.common.threads import POOLS

THREADS = r"""
import re, sys, threading
from pathlib import Path
from headstart import cli
def count():
    return int(re.search(r"Threads:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_cores(tmp_path_factory.mktemp("shim"))


def python(shim: Path, script: str, **environment: str) -> list[str]:
    """Run Python on the pretended node; return the lines that it printed."""
    kept = {name: value for name, value in os.environ.items() if name not in POOLS}
    done = subprocess.run(
        [sys.executable, "-c", THREADS + script],
        env=kept | {"PYTHONPATH": str(PROJECT / "workflow"), "LD_PRELOAD": str(shim)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("given", [1, 3])
def test_a_command_starts_as_many_threads_as_it_was_given(shim: Path, given: int) -> None:
    environment = {} if given == 1 else {"OMP_NUM_THREADS": str(given)}
    # the command's module, which imports numpy, is loaded before its help is printed
    script = "try: cli.main(['label', '--help'])\nexcept SystemExit: import numpy; print(count())"
    assert python(shim, script, **environment)[-1] == str(given)


TRANSFORMS = """
import os
os.environ["OMP_NUM_THREADS"] = "1"
from headstart.common.threads import limit_pools
limit_pools()
import torch
from headstart.training.device import keep_to
import torchio
keep_to(2)
volume = torch.rand(1, 32, 32, 32)
# one that watches for all: a joined thread counts until the kernel has buried it
peak, ended = [0], threading.Event()
def watch():
    while not ended.is_set():
        peak.append(count())
watcher = threading.Thread(target=watch)
watcher.start()
for name in NAMES:
    peak.clear()
    getattr(torchio, name)()(torchio.Subject(a=torchio.ScalarImage(tensor=volume)))
    print(name, max([count(), *peak]))
ended.set()
watcher.join()
"""
NAMES = (
    "RandomAffine", "RandomElasticDeformation", "RandomMotion", "RandomAnisotropy", "RandomNoise",
    "RandomBlur", "RandomBiasField", "RandomGamma", "RandomGhosting", "RandomSpike", "RandomFlip",
)  # fmt: skip


@pytest.mark.slow
def test_every_transform_keeps_to_its_threads(shim: Path) -> None:
    said = python(shim, f"NAMES = {NAMES!r}\n{TRANSFORMS}")
    peaks = {name: int(peak) for name, peak in (line.split() for line in said)}
    assert set(peaks) == set(NAMES)
    # two of torch's, two of SimpleITK's, and the one that counts
    assert max(peaks.values()) <= 2 + 2 + 1, peaks
