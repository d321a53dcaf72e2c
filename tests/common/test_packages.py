"""Which packages are in use."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from headstart.common import packages


def test_the_imported_module_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ModuleType("numpy")
    other.__version__ = "0.25.3"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy", other)
    assert packages.version_in_use("numpy") == "0.25.3"
    assert packages.version_in_use("no-such-package") is None


def test_packages_that_pythonpath_puts_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, mine, site = tmp_path / "own", tmp_path / "mine", tmp_path / "site"
    for folder in (own / "numpy", own / "yaml", mine / "lesions", site / "numpy"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", ["", str(mine), str(site), str(own)])
    monkeypatch.setenv("PYTHONPATH", f"{mine}:/no/such/folder:")
    assert packages.foreign() == ""
    (mine / "numpy").mkdir()  # no package
    (mine / "headstart").mkdir()
    (mine / "headstart/__init__.py").touch()
    (mine / "yaml.py").touch()  # what a checkout of ours brings
    monkeypatch.setenv("PYTHONPATH", f"{mine}:{site}")
    assert packages.foreign().startswith(f"PYTHONPATH puts numpy of {site} before")
    packages.prefer_own()
    # one's own modules are still found
    assert sys.path == ["", str(own), str(mine), str(site)]
