"""The package's rooms: what a name means does not depend on where one reads it."""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict

from fresh import PROJECT

from headstart.study.stages import STAGES


def test_no_two_public_classes_share_a_name() -> None:
    modules = defaultdict(list)
    for path in (PROJECT / "workflow/headstart").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(path))
    assert not {name: paths for name, paths in modules.items() if len(paths) > 1}


def test_every_room_is_installed() -> None:
    listed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]
    rooms = (PROJECT / "workflow/headstart").rglob("__init__.py")
    names = {".".join(path.parent.relative_to(PROJECT / "workflow").parts) for path in rooms}
    assert names == {name for name in listed["packages"] if name.startswith("headstart")}


def test_a_stage_has_one_name() -> None:
    """As workflow/README.md says."""
    for name, stage in STAGES.items():
        module = name.replace("-", "_")
        owner = (stage.part_of or name).replace("-", "_")
        assert (PROJECT / f"workflow/headstart/commands/{module}.py").is_file()
        assert f" {module}:\n" in (PROJECT / f"workflow/rules/{owner}.smk").read_text() or (
            name == "plot"  # a rule for each figure
        )
        others = {"plot": "figures", "report": "report.html"}
        assert stage.output.split("/")[0] == others.get(name, stage.part_of or name)
