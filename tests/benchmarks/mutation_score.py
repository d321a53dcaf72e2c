"""Share of small faults that the fast tests notice, module by module.

    python tests/benchmarks/mutation_score.py [--most 60] [MODULE ...]

A fault is one place changed: another operator or number, a condition turned round, a call or a
keyword argument left out. Heavy libraries are imported once; each fault runs in a fork, in which
the module is imported with the fault. What survives is printed, then the module's share.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
TESTS = {
    **{
        f"headstart.training.{module}": [f"training/{module}", "training/known_answers"]
        for module in ("data", "step", "selection", "remarks")
    },
    "headstart.training.loop": ["training/loop", "training/known_answers"],
    **{
        f"headstart.training.{module}": [f"training/{module}"]
        for module in (
            *("card", "checkpoint", "history", "inference", "patches", "predictor", "progress"),
            *("run_store", "schedule", "tiles", "transfer", "validation"),
        )
    },
    "headstart.training.weight_match": ["training/transfer"],
    "headstart.training.losses": ["training/losses", "training/known_answers"],
    **{
        f"headstart.tasks.{module}": ["tasks/answers", "tasks/tasks", "training/losses"]
        for module in ("base", "regression", "classification", "segmentation")
    },
    **{
        f"headstart.training.augmentation.{module}": [
            "training/augmentation/augmentation",
            "training/augmentation/parity",
        ]
        for module in (
            *("augmentation", "base", "elsewhere", "intensity", "kspace", "parse", "resampling"),
            *("spatial", "passes"),
        )
    },
    "headstart.tasks.metrics": ["tasks/metrics", "evaluation/intervals"],
    "headstart.evaluation.intervals": ["evaluation/intervals", "commands/evaluate"],
    "headstart.evaluation.jackknife_t": ["evaluation/intervals"],
    "headstart.evaluation.proportions": ["evaluation/intervals"],
    "headstart.evaluation.estimates": ["evaluation/intervals", "commands/evaluate"],
    "headstart.evaluation.predictions": ["evaluation/predictions", "commands/evaluate"],
    "headstart.evaluation.baselines": ["evaluation/baselines", "commands/evaluate"],
    "headstart.evaluation.bench": ["commands/evaluate"],
    "headstart.evaluation.evaluate": ["commands/evaluate"],
}
HEAVY = (
    *("torch", "torch._dynamo", "torchio", "monai.losses.dice", "sklearn.linear_model"),
    *("scipy.ndimage", "pandas", "pydantic", "nibabel", "pytest"),
)
# Words for people and the command line, which no number depends on.
UNTOUCHED = ("device_name",)
PRINTED = ("print", "tqdm", "progress", "UserError", "ValueError")
SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Add,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


def faults(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Yield every fault: where and what it is, and the module with it."""
    places = [node for top in tree.body for node in _inside(top)]
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    for node in places:
        for kind in _kinds(node):
            faulty = copy.deepcopy(tree)
            twin = list(ast.walk(faulty))[numbers[id(node)]]
            before = ast.unparse(node)
            _break(faulty, twin, kind)
            ast.fix_missing_locations(faulty)
            yield f"{getattr(node, 'lineno', 0)}: {kind}: {before[:70]}", faulty


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a definition, past what only talks."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.arguments):
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in UNTOUCHED:
        return
    called = node.value if isinstance(node, ast.Expr) else node
    if isinstance(called, ast.Call) and getattr(called.func, "id", "") in PRINTED:
        return
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _inside(node.value)
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        if child is not getattr(node, "returns", None):  # a type says nothing to who runs it
            yield from _inside(child)


def _kinds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in SWAPS:
        yield "operator"
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        yield "comparison"
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "constant"
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition"
    if isinstance(node, ast.UnaryOp):
        yield "sign"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "call left out"
    if isinstance(node, ast.Call) and not node.args and isinstance(node.func, ast.Attribute):
        yield "method left out"
    if isinstance(node, ast.Call):
        for number, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                yield f"argument {number} left out"


def _break(tree: ast.Module, node: Any, kind: str) -> None:
    if kind == "operator":
        node.op = SWAPS[type(node.op)]()
    elif kind == "comparison":
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif kind == "constant":
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif kind == "condition":
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif kind.startswith("argument"):
        del node.keywords[int(kind.split()[1])]
    else:
        new = {"sign": "operand", "method left out": "func", "call left out": "value"}[kind]
        other = getattr(node, new)
        if kind == "method left out":
            other = other.value
        _replace(tree, node, ast.Pass() if kind == "call left out" else other)


def _replace(tree: ast.Module, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(one is old for one in value):
                setattr(parent, name, [new if one is old else one for one in value])


class Finder:
    """Gives one module with its fault to whoever imports it."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        self.module, self.path, self.tree = module, path, tree

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != self.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)  # type: ignore[arg-type]

    def create_module(self, _: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(compile(self.tree, str(self.path), "exec"), module.__dict__)


def outcome(module: str, path: Path, tree: ast.Module, limit: float) -> str:
    """Run the module's tests on a fault, in a fork: it survives, is killed, or they hang."""
    child = os.fork()
    if child == 0:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        sys.meta_path.insert(0, Finder(module, path, tree))  # type: ignore[arg-type]
        import pytest

        places = (Path(PROJECT, "tests", name) for name in TESTS[module])
        files = [str(place.with_name(f"test_{place.name}.py")) for place in places]
        words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
        os._exit(int(pytest.main([*words, *files])))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "killed" if status else "survives"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"


def main() -> None:
    """Print a table, and what survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="MODULE")
    parser.add_argument("--most", type=int, default=60, help="faults per module, drawn by chance")
    arguments = parser.parse_args()
    for name in HEAVY:
        importlib.import_module(name)
    os.chdir(PROJECT)
    for module in arguments.modules:
        path = PROJECT / "workflow" / Path(*module.split(".")).with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        began = time.monotonic()
        if outcome(module, path, tree, 3600) != "survives":
            sys.exit(f"{module}: its tests fail as they are")
        limit = 10 + 5 * (time.monotonic() - began)
        every = list(faults(tree))
        drawn = random.Random(0).sample(every, min(arguments.most, len(every)))
        ends = []
        for what, broken in drawn:
            ends.append(outcome(module, path, broken, limit))
            if ends[-1] == "survives":
                print(f"    {what}", flush=True)
        killed, hung = len(ends) - ends.count("survives"), ends.count("hangs")
        share = f"{killed:3} of {len(ends):3} ({killed / len(ends):.0%})"
        print(f"{module:32} {share}, {hung} of them as the tests hang", flush=True)


if __name__ == "__main__":
    main()
