"""The code digest: what it notices and what it does not."""

from __future__ import annotations

import ast
import importlib.util
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.common import files
from headstart.common.errors import UserError
from headstart.study import provenance
from headstart.study.provenance import PACKAGE
from headstart.study.provenance import Version
from headstart.study.provenance import _read
from headstart.study.provenance import check_code
from headstart.study.provenance import closure_digest
from headstart.study.provenance import code_digest
from headstart.study.provenance import copy_package
from headstart.study.provenance import identity
from headstart.study.provenance import package_digest
from headstart.study.provenance import versions
from headstart.study.provenance import what_changed
from headstart.study.stages import STAGES


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGE, tmp_path / "headstart"))


def digest(package: Path, stage: str = "train") -> str:
    closure_digest.cache_clear()
    _read.cache_clear()
    return code_digest(stage, package)


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = digest(package)
    losses = package / "training/losses.py"
    losses.write_text('"""Another docstring."""\n# a comment\n\n\n' + losses.read_text())
    assert digest(package) == before


def test_an_edit_in_an_imported_part_counts(package: Path) -> None:
    # figures take a scan from the module that trains, but nothing that a loss could change
    others = ("label", "evaluate", "plot")
    before = digest(package), [digest(package, stage) for stage in others]
    edit(package / "training/losses.py", "\ndef ", "\nEXTRA = 1\n\n\ndef ")
    assert digest(package) != before[0]
    assert [digest(package, stage) for stage in others] == before[1]


@pytest.mark.parametrize(
    ("end", "said"), [("def (\n", r"\(line [0-9]+: invalid syntax\)"), ("\0", "null bytes")]
)
def test_an_edit_that_is_no_python_is_one_sentence(package: Path, end: str, said: str) -> None:
    path = package / "training/losses.py"
    path.write_text(path.read_text() + end)
    with pytest.raises(UserError, match=rf"^{path}: is not Python .*{said}.*; correct it, or git"):
        digest(package)


def test_a_new_function_default_counts(package: Path) -> None:
    before = digest(package, "check-scans")
    edit(package / "common/progress.py", "total // 10", "total // 20")
    assert digest(package, "check-scans") != before


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("training/own_modules.py", "has no class", "lacks the class"),  # raised
        ("training/diagnosis.py", "to a tenth", "to a half"),  # returned, to be raised
        ("training/loop.py", " to learn from, ", " for training, "),  # printed
        ("common/machine_words.py", "free some space", "make room"),
        ("training/remarks.py", "the training loss stands still", "nothing moves"),
    ],
)
def test_words_for_people_do_not_count(package: Path, file: str, before: str, after: str) -> None:
    known = digest(package)
    edit(package / file, before, after)
    assert digest(package) == known


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('print("a")', 'print("b", end="")'),
        ('print(f"{x} scans")', 'print(f"heads: {x:.2f}")'),
        ('print(f"{x} of {y}", file=f)', 'print(x, " in ", y, file=f)'),
        ('print(x if y else "none")', 'print(f"{x}!" if y else "")'),
        ('return UserError(f"{x}: is bad")', 'return UserError(f"{x}: is no good")'),
        ('raise ValueError("a")', 'raise ValueError(f"{x}")'),
    ],
)
def test_words_in_other_words(package: Path, before: str, after: str) -> None:
    assert meaning(package, before) == meaning(package, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('print(f"{x}")', 'print(f"{y}")'),  # what is told is computed
        ('print(x.pop("a"))', 'print(x.pop("b"))'),
        ('print(f"{x.pop(0)}")', 'print(f"{x.pop(1)}")'),
        ('print(x if y else "")', 'print(y if x else "")'),
        ('print("a", file=f)', 'print("a", file=g)'),
        ('say("a")', 'say("b")'),
        ('return UserError(f"{x}")', 'return UserError(f"{y}")'),
        ('return "a"', 'return "b"'),
        ('raise KeyError("a")', 'raise KeyError("b")'),
        ('print("a")', "pass"),
    ],
)
def test_what_computes_is_no_word(package: Path, before: str, after: str) -> None:
    assert meaning(package, before) != meaning(package, after)


def meaning(package: Path, line: str) -> str:
    (package / "toy.py").write_text(f"def toy(x, y, f, g, say):\n    {line}\n")
    closure_digest.cache_clear()
    _read.cache_clear()
    return closure_digest("headstart.toy", package)


def test_a_docstring_imports_nothing_whenever_it_is_read(package: Path) -> None:
    documented = meaning(package, '"headstart.common.text:counted"\n    pass')
    closure_digest.cache_clear()  # the parsed modules stay
    assert closure_digest("headstart.toy", package) == documented == meaning(package, "pass")


def test_words_of_the_machine_are_nothing_but_words() -> None:
    known = (ast.Import, ast.ImportFrom, ast.Assign, ast.AugAssign, ast.Expr)
    body = ast.parse((PACKAGE / "common/machine_words.py").read_text()).body
    assert all(isinstance(statement, known) for statement in body)


def test_a_code_that_an_error_carries_counts(package: Path) -> None:
    before = digest(package, "check-scans")
    edit(package / "imaging/nifti.py", '"truncated"', '"dimensions"')
    assert digest(package, "check-scans") != before


def test_every_python_gives_the_same_digest() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n"
        "from headstart.study.provenance import code_digest; print(code_digest('train'))"
    )
    found = (shutil.which(f"python3.{minor}") for minor in range(11, 16))
    pythons = {sys.executable, *filter(None, found)}
    pythons |= set(map(str, Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python")))
    runs = [
        subprocess.run([python, "-B", "-c", program], capture_output=True, text=True, check=False)
        for python in pythons
    ]
    # 127: a name that pyenv has for a Python that is not there
    said = {run.stdout.strip() or run.stderr for run in runs if run.returncode != 127}
    assert said == {code_digest("train")}


@pytest.mark.parametrize("content", ["{", "[]", None, '{"train": {}}'])
def test_damaged_versions_are_one_sentence(package: Path, content: str | None) -> None:
    path = package / "study/versions.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=r"versions\.json.*git checkout -- "):
        versions(package)


@pytest.mark.parametrize("stage", STAGES)
def test_every_change_of_a_stage_is_accounted_for(stage: str) -> None:
    said = (
        "its results are the same: `make same-results`; or others: the Makefile says what to type"
    )
    assert versions()[stage].digest == code_digest(stage), f"{stage}: its code was changed; {said}"


def test_an_edit_of_the_users_is_its_own_identity(package: Path) -> None:
    assert identity("train", package) == identity("train")
    edit(package / "training/losses.py", "\ndef ", "\nEXTRA = 1\n\n\ndef ")
    edited = digest(package)
    assert identity("train", package) == edited
    assert identity("label", package) == identity("label")
    assert what_changed("train", identity("train"), edited) == "the code of train was edited"


@pytest.mark.parametrize("same", [True, False])
def test_code_that_is_known_to_the_byte_is_not_read_again(
    package: Path, tmp_path: Path, *, same: bool
) -> None:
    known = tmp_path / "known" / f"code-{package_digest(package)}.json"
    files.write_json(known, {"train": "as a run said"})
    if not same:
        edit(package / "training/losses.py", "\ndef ", "\n# a comment\ndef ")
    said = identity("train", package, known.parent)
    assert said == ("as a run said" if same else identity("train"))


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_names_that_nobody_wrote_down_are_found(
    package: Path, tmp_path: Path, content: str | None
) -> None:
    known = tmp_path / f"code-{package_digest(package)}.json"
    if content is not None:
        known.write_text(content)
    assert identity("train", package, tmp_path) == identity("train")


def test_a_new_version_says_what_changed_since(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"train": Version(3, "", ["one thing", "another"])}
    monkeypatch.setattr(provenance, "versions", lambda: known)
    since = "train gives other results since "
    assert what_changed("train", "version-1", "version-3") == since + "one thing; another"
    assert what_changed("train", "version-2", "version-3") == since + "another"
    assert what_changed("train", "version-4", "version-3").endswith("that of version-3 again")
    assert what_changed("train", "0" * 16, "version-3").endswith("that of version-3 again")


def test_check_code_refuses_an_edited_package() -> None:
    running = identity("train")
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


def emptied(copy: Path) -> None:
    (copy / "headstart/common/errors.py").write_text("")


def edited(copy: Path) -> None:
    edit(copy / "headstart/commands/evaluate.py", "import argparse", "import argparse  # and more")


def shadowed(copy: Path) -> None:
    (copy / "numpy.py").write_text("raise SystemExit(1)\n")


def added(copy: Path) -> None:
    (copy / "headstart/common/more.py").write_text("")


def removed(copy: Path) -> None:
    shutil.rmtree(copy / "headstart/commands")


@pytest.mark.parametrize("damage", [emptied, edited, shadowed, added, removed])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage) -> None:
    copy = tmp_path / "code"
    copy_package(copy)
    damage(copy)
    copy_package(copy)
    assert package_digest(copy / "headstart") == package_digest()
    assert [path.name for path in copy.iterdir()] == ["headstart"]
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_a_whole_copy_is_left_alone(tmp_path: Path) -> None:
    copy = tmp_path / "code"
    copy_package(copy)
    before = copy.stat().st_ino
    copy_package(copy)
    assert copy.stat().st_ino == before


def test_no_bytecode_of_earlier_jobs_is_run(tmp_path: Path) -> None:
    copy, elsewhere = tmp_path / "code", tmp_path / "elsewhere"
    copy_package(copy)
    source = copy / "headstart/common/text.py"
    false = tmp_path / "numbers.py"
    false.write_text("def counted(*_): return 'false'\n".ljust(source.stat().st_size, "#"))
    shutil.copystat(source, false)
    cache = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(false), str(cache), doraise=True)
    shutil.copytree(cache.parent, elsewhere)
    (copy / "headstart/__pycache__").symlink_to(elsewhere)

    def said() -> str:
        words = "from headstart.common.text import counted; print(counted(2, 'scan'))"
        return subprocess.run(
            [sys.executable, "-c", words],
            env={"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert said() == "false\n"
    copy_package(copy)
    assert said() == "2 scans\n"
    assert list(elsewhere.iterdir())  # what a link names is not ours
