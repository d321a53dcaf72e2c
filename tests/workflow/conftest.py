"""A tiny study, finished once and copied for each test that changes something."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from fresh import copy_project
from study import Checkout
from study import write_study


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study, run from nothing to its figures; never changed after that.

    Of several processes that test, one runs it, and each has its copy.
    """
    here = tmp_path_factory.getbasetemp()
    shared = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    ran, done = shared / "tiny-study", shared / "tiny-study.done"
    with (shared / "tiny-study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(ran, ignore_errors=True)
            write_study(copy_project(ran))
            Checkout(ran).done()
            done.touch()
    return Path(shutil.copytree(ran, here / "finished", symlinks=True))


@pytest.fixture
def checkout(finished_study: Path, tmp_path: Path) -> Checkout:
    """A copy of the finished study to change and run again."""
    return Checkout(Path(shutil.copytree(finished_study, tmp_path / "project", symlinks=True)))


@pytest.fixture
def untrained(checkout: Checkout) -> Checkout:
    """The study whose cohort is made and in which nothing was trained yet."""
    for name in ("runs", "train", "predict", "evaluate", "figures/age", "figures/sex"):
        shutil.rmtree(checkout.study / name)
    return checkout


@pytest.fixture
def new_checkout(tmp_path: Path) -> Checkout:
    """A tiny study that nothing was run on yet."""
    folder = copy_project(tmp_path / "project")
    write_study(folder)
    return Checkout(folder)
