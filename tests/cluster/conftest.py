"""The cluster that the tests share, and a new study for each."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import BASE
from cluster import CLONE
from cluster import PYTHON
from cluster import QUICK
from cluster import STORE
from cluster import USER
from cluster import Grid
from cluster import Study
from cluster import make_clone
from cluster import make_python


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put last what disturbs the others."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.fixture(scope="session")
def grid() -> Grid:
    """The cluster that `grid up` started."""
    if not (BASE / "hosts").exists():
        pytest.skip("no Grid Engine: make test-cluster starts one")
    with (BASE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PYTHON.exists():
            make_python()
        if not CLONE.exists():
            make_clone()
    return Grid((BASE / "hosts").read_text().split())


@pytest.fixture
def spare_host(grid: Grid) -> Iterator[str]:
    """The host that only those jobs run on which ask for it, for one test at a time."""
    if len(grid.hosts) == 1:
        pytest.skip("needs more than one host")
    with (BASE / "spare").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield grid.hosts[-1]


@pytest.fixture
def study(grid: Grid, request: pytest.FixtureRequest) -> Iterator[Study]:
    """A new folder of the ordinary user with the profile and the toy workflow."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    folder = STORE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(CLONE / "profiles/sge", folder / "profiles/sge")
    for file in ("toy.smk", "toy.py"):
        shutil.copy(Path(__file__).with_name(file), folder)
    shutil.copy(CLONE / "workflow/rules/locks.smk", folder)
    site = (folder / "profiles/sge/sites/ucl-cs.conf").read_text()
    lines = [
        site,
        f"always='{grid.always}'",
        f"scratch_folder='{STORE}/scratch/$JOB_ID'",
        *(f"{key}={value}" for key, value in QUICK.items()),
    ]
    (folder / "quick.conf").write_text("\n".join(lines) + "\n")
    subprocess.run(["chown", "-R", f"{USER}:", folder], check=True)
    kind = fcntl.LOCK_EX if request.node.get_closest_marker("alone") else fcntl.LOCK_SH
    with (BASE / "in-use").open("w") as lock:
        fcntl.flock(lock, kind)
        study = Study(grid, folder)
        yield study
        study.show()
        study.clear()
