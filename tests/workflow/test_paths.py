"""The files of a study's results that the package names are those that the rules write."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from fresh import PROJECT

from headstart.common import study_paths
from headstart.figures.registry import FIGURES

STAGES = "label|check|split|prepare|near-duplicates|evaluate|figures"
NAMED = re.compile(rf'"((?:{STAGES})/[^" ]+\.(?:csv|json|npy|pdf))')
# As helps write what the rules have wildcards for, and the package fields.
WORDS = {"EXPERIMENT": "{experiment}", "shard-K": "shard-{shard}", "/K.": "/{shard}."}
RULES = "".join(path.read_text() for path in (PROJECT / "workflow/rules").glob("*.smk"))
RULES += "".join(
    f'"<study>/figures/{figure.folder}/{file}"'
    for name, figure in FIGURES.items()
    for file in figure.files(name)
)
RULES += f'"<study>/{study_paths.STEPS}"'  # of those studies alone that ask for the steps


def named() -> set[str]:
    found = set()
    for path in (PROJECT / "workflow/headstart").rglob("*.py"):
        for name in NAMED.findall(path.read_text()):
            for word, wildcard in WORDS.items():
                name = name.replace(word, wildcard)
            found.add(re.sub(r"\{\w+\}", "{}", name))
    return found


@pytest.mark.parametrize("name", sorted(named()))
def test_a_file_that_the_package_names_is_one_of_the_rules(name: str) -> None:
    assert f'"<study>/{name}"' in re.sub(r"\{\w+\}", "{}", RULES)


def test_files_are_named() -> None:
    assert {"label/labels.csv", "check/passed.csv", "prepare/shard-{}.json"} <= named()


def spelled(module: Path) -> set[str]:
    """Paths of a study's files that a module's code has as text, but for those that helps show."""
    tree = ast.parse(module.read_text())
    helps = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg == "help"}
    texts = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in helps)
    return {str(text.value) for text in texts if NAMED.fullmatch(f'"{text.value}')}


def test_paths_are_spelled_in_one_place() -> None:
    package = PROJECT / "workflow/headstart"
    found = {path: spelled(path) for path in package.rglob("*.py")}
    places = {str(path.relative_to(package)) for path, names in found.items() if names}
    assert places == {"common/study_paths.py"}
