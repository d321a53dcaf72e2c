"""A tiny study, finished once and copied for each test that changes something."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fresh import copy_project
from study import Checkout
from study import write_study


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study, run from nothing to its figures; never changed after that."""
    folder = copy_project(tmp_path_factory.mktemp("finished") / "project")
    write_study(folder)
    Checkout(folder).done()
    return folder


@pytest.fixture
def checkout(finished_study: Path, tmp_path: Path) -> Checkout:
    """A copy of the finished study to change and run again."""
    return Checkout(Path(shutil.copytree(finished_study, tmp_path / "project", symlinks=True)))


@pytest.fixture
def new_checkout(tmp_path: Path) -> Checkout:
    """A tiny study that nothing was run on yet."""
    folder = copy_project(tmp_path / "project")
    write_study(folder)
    return Checkout(folder)
