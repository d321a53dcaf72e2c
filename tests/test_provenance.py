"""The code digest: what it notices and what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.parts.errors import UserError
from headstart.parts.provenance import PACKAGE
from headstart.parts.provenance import _tree
from headstart.parts.provenance import check_code
from headstart.parts.provenance import code_digest
from headstart.parts.provenance import copy_package
from headstart.parts.provenance import package_digest


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "headstart"))


def digest(package: Path, stage: str = "train") -> str:
    code_digest.cache_clear()
    _tree.cache_clear()
    return code_digest(stage, package)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = digest(package)
    losses = package / "parts/losses.py"
    losses.write_text('"""Another docstring."""\n# a comment\n\n\n' + losses.read_text())
    assert digest(package) == before


def test_an_edit_in_an_imported_part_counts(package: Path) -> None:
    before = digest(package), digest(package, "label")
    edit(package / "parts/losses.py", "\ndef ", "\nEXTRA = 1\n\n\ndef ")
    assert digest(package) != before[0]
    assert digest(package, "label") == before[1]


def test_a_new_function_default_counts(package: Path) -> None:
    before = digest(package, "check")
    edit(package / "parts/progress.py", "total // 10", "total // 20")
    assert digest(package, "check") != before


def test_check_code_refuses_an_edited_package() -> None:
    code_digest.cache_clear()
    running = code_digest("train")
    assert check_code("train", None) == running
    assert check_code("train", running) == running
    with pytest.raises(UserError, match="print it again"):
        check_code("train", "0" * 16)


def test_copy_runs_by_itself(tmp_path: Path) -> None:
    copy_package(tmp_path / "code")
    copy_package(tmp_path / "code")
    assert package_digest(tmp_path / "code/headstart") == package_digest()
    run = subprocess.run(
        [sys.executable, "-c", "import headstart; print(headstart.__file__)"],
        env={"PYTHONPATH": str(tmp_path / "code")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(run.stdout.strip()).is_relative_to(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["code"]
