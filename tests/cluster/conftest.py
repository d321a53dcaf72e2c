"""The cluster that the tests share, and a new study for each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import GRID
from cluster import HOME
from cluster import PROJECT
from cluster import QUICK
from cluster import USER
from cluster import Grid
from cluster import Study
from cluster import make_python


@pytest.fixture(scope="session")
def grid() -> Iterator[Grid]:
    """The cluster: on one host, or on as many as GRID_HOSTS says. GRID_KEEP=1 lets it live on."""
    if os.geteuid() != 0:
        pytest.skip("a Grid Engine needs root to start: sudo make test-cluster")
    hosts = os.environ.get("GRID_HOSTS", "1")
    done = subprocess.run([GRID, "up", hosts], stdout=subprocess.PIPE, text=True, check=True)
    make_python()
    grid = Grid(done.stdout.split())
    grid.clear()
    yield grid
    if "GRID_KEEP" not in os.environ:
        subprocess.run([GRID, "down", "--wipe"], check=True)
        shutil.rmtree(HOME / "python")
        shutil.rmtree(HOME / "studies")


@pytest.fixture
def study(grid: Grid, request: pytest.FixtureRequest) -> Iterator[Study]:
    """A new folder of the ordinary user with the profile and the toy workflow."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    folder = HOME / "studies" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(PROJECT / "profiles/sge", folder / "profiles/sge")
    for file in ("toy.smk", "toy.py"):
        shutil.copy(Path(__file__).with_name(file), folder)
    site = (folder / "profiles/sge/sites/ucl-cs.conf").read_text()
    scratch = f"scratch_folder='{HOME}/scratch/$JOB_ID'"
    lines = [site, scratch, *(f"{key}={value}" for key, value in QUICK.items())]
    (folder / "quick.conf").write_text("\n".join(lines) + "\n")
    shutil.chown(folder.parent, USER)
    subprocess.run(["chown", "-R", f"{USER}:", folder], check=True)
    yield Study(grid, folder)
    grid.clear()
