"""What code computes a stage: its version, a digest of its meaning, and a copy that jobs run from.

A stage that was reworded, moved or formatted gives the same results, and then it keeps its version:
`versions.json` has it with the digest of the code that it stands for. Code that somebody edited has
another digest, and that is its identity then.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import TypeGuard

from headstart.common import drafts
from headstart.common.errors import UserError

PACKAGE = Path(__file__).resolve().parent.parent
WORDED = ("UserError", "ValueError", "RuntimeError")  # errors that carry nothing but words
TOLD = ("print", *WORDED)
# Modules that only talk to the user or refuse something, and decide no result.
WORDS = (
    *("headstart.common.machine_words", "headstart.training.remarks"),
    *("headstart.tasks.target_checks", "headstart.training.target"),
)
ADDED = "type_params"  # by Python 3.12
# Parts that may name a module, and those that may hold what computes nothing: few of all parts.
NAMING = (ast.Import, ast.ImportFrom, ast.Constant)
BODIES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
TALKING = (*BODIES, ast.Raise, ast.Call)


class Version(NamedTuple):
    """A stage's version.

    Attributes:
        number: Counts the changes of the stage's results, from 1 on.
        digest: Of the code that gives these results.
        changes: What changed, for each number from 2 on.
    """

    number: int
    digest: str
    changes: list[str]

    @property
    def name(self) -> str:
        """The stage's identity."""
        return f"version-{self.number}"


class Code(NamedTuple):
    """What a module computes, and the names that it may import."""

    meaning: bytes
    imports: list[str]


def versions(package: Path = PACKAGE) -> dict[str, Version]:
    """Read the stages' versions.

    Raises:
        UserError: If their file is not there or damaged.
    """
    path = package / "study" / "versions.json"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {stage: Version(**values) for stage, values in table.items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: is a part of headstart, and damaged ({error}); bring it back: "
            f"git checkout -- {path}"
        ) from error


def identity(stage: str, package: Path = PACKAGE, known: Path | None = None) -> str:
    """Name the code of a stage by what it computes.

    Args:
        stage: Name of a stage.
        package: Folder of the package.
        known: Folder with copies of the package, and beside each the names that its stages have;
            by default the one in which this package lies.

    Returns:
        `version-N`; for code that is not the version's, its digest.
    """
    names = _remembered(package, known or package.parent.parent)
    if stage in names:
        return names[stage]
    version, digest = versions(package).get(stage), code_digest(stage, package)
    return version.name if version is not None and version.digest == digest else digest


@cache
def _remembered(package: Path, folder: Path) -> dict[str, str]:
    """Return the identities of code that is this to the byte; {} if nobody wrote them down."""
    try:
        path = folder / f"code-{package_digest(package)}.json"
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def what_changed(stage: str, before: str, now: str) -> str:
    """Say in words why a stage's code is another one than it was.

    Args:
        stage: Name of a stage.
        before: Its identity then.
        now: Its identity now.
    """
    version = versions().get(stage)
    if version is None or now != version.name:
        return f"the code of {stage} was edited"
    number = before.removeprefix("version-")
    if number == before or int(number) > version.number:
        return f"the code of {stage} is that of {version.name} again"
    return f"{stage} gives other results since {'; '.join(version.changes[int(number) - 1 :])}"


def code_digest(stage: str, package: Path = PACKAGE) -> str:
    """Digest the code that a stage runs, by meaning.

    Args:
        stage: Name of a stage: of a module in `headstart/commands`.
        package: Folder of the package.

    Returns:
        16 hex digits.
    """
    return closure_digest(f"headstart.commands.{stage.replace('-', '_')}", package)


@cache
def closure_digest(module: str, package: Path = PACKAGE) -> str:
    """Digest a module and every module of this package that it imports, directly or not.

    Comments, docstrings, layout and words that are told to people do not count; what is computed
    for these does. Nothing is imported.

    Args:
        module: Name of the module, with its package's.
        package: Folder of the package.

    Returns:
        16 hex digits.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(module, package)):
        digest.update(name.encode() + b"\0" + _read(_file(name, package)).meaning)
    return digest.hexdigest()[:16]


def check_code(stage: str, planned: str | None) -> str:
    """Return the running code's identity, after checking that a job was planned with it.

    Args:
        stage: Name of a stage.
        planned: The identity that the command line carries; None if it carries none.

    Raises:
        UserError: If the code was edited after the command was printed.
    """
    running = identity(stage)
    if planned is not None and planned != running:
        raise UserError(
            f"headstart {stage}: the code is {running}, but this command was planned with "
            f"{planned}; print it again with `snakemake -n -p`, or leave out --code"
        )
    return running


def package_digest(package: Path = PACKAGE) -> str:
    """Digest every file of the package, byte by byte; 16 hex digits."""
    digest = hashlib.sha256()
    for path in _package_files(package):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def copy_package(destination: Path, package: Path = PACKAGE) -> None:
    """Copy the package to `destination/headstart`, whole or not at all.

    A copy that is there and whole is left alone, but for the bytecode that jobs left in it: Python
    would run that in place of the files. One that was changed is made again: all jobs run what lies
    there, whatever its name promises.

    Args:
        destination: Folder to put on PYTHONPATH.
        package: Folder of the package.
    """
    if _is_copy(destination, package):
        _remove_bytecode(destination)
        return
    drafts.sweep(destination.parent)
    draft = drafts.draft_beside(destination)
    for path in _package_files(package):
        target = draft / "headstart" / path.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if destination.exists():
        damaged = drafts.draft_beside(destination)
        destination.rename(damaged)
        shutil.rmtree(damaged)
    try:
        draft.rename(destination)
    except OSError:  # another run made the very same copy meanwhile
        shutil.rmtree(draft)


def _is_copy(folder: Path, package: Path) -> bool:
    """Whether a folder holds the package's files as they are, and nothing else to be imported."""
    there = {path for path in folder.rglob("*") if "__pycache__" not in path.parts}
    files = {path.relative_to(folder) for path in there if not path.is_dir()}
    expected = {Path("headstart", path.relative_to(package)) for path in _package_files(package)}
    return files == expected and package_digest(folder / "headstart") == package_digest(package)


def _remove_bytecode(folder: Path) -> None:
    """Remove bytecode file by file: another run's jobs may read it, and write some, meanwhile."""
    for kept in folder.rglob("__pycache__"):
        for path in [kept] if kept.is_symlink() else kept.iterdir():
            path.unlink(missing_ok=True)


def _package_files(package: Path) -> list[Path]:
    kinds = {".py", ".json", ".yaml", ".css", ".js"}
    return sorted(path for path in package.rglob("*") if path.suffix in kinds)


@cache
def _file(module: str, package: Path) -> Path:
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _closure(module: str, package: Path) -> set[str]:
    seen = set(WORDS)
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and _file(name, package).exists():
            seen.add(name)
            waiting += _read(_file(name, package)).imports
    return seen.difference(WORDS)


@cache  # stages share most of their modules
def _read(path: Path) -> Code:
    words: list[str] = []
    imports: list[str] = []
    _write_down(_tree(path), words, imports)
    return Code("".join(words).encode(), imports)


def _tree(path: Path) -> ast.Module:
    """Parse a module, without what only type checkers read.

    Raises:
        UserError: If somebody's edit is no Python.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        why = f"line {error.lineno}: {error.msg}" if isinstance(error, SyntaxError) else error
        raise UserError(
            f"{path}: is not Python ({why}); correct it, or git checkout -- {path}"
        ) from None
    tree.body = [statement for statement in tree.body if not _is_for_checkers(statement)]
    return tree


def _is_for_checkers(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and getattr(statement.test, "id", "") == "TYPE_CHECKING"


def _write_down(node: Any, words: list[str], imports: list[str]) -> None:
    """Write a tree down, the same in every Python: without what is empty or added by a new one."""
    if isinstance(node, ast.AST):
        if isinstance(node, NAMING):
            imports += _imports(node)
        words.append(f"{type(node).__name__}(")
        fields = _fields(node) if isinstance(node, TALKING) else vars(node)
        for name in node._fields:
            value = fields.get(name)
            if value is None or value == []:
                continue
            words.append(f"{name}=")
            _write_down(value, words, imports)
        words.append(")")
    elif isinstance(node, list):
        words.append("[")
        for part in node:
            _write_down(part, words, imports)
        words.append("]")
    else:
        words.append(f"{node!r},")


def _imports(node: ast.AST) -> list[str]:
    """Return the modules of this package that a part names, and names that are no modules."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        # `from headstart.common import files` imports a module, `… .files import sha256` a name
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
        names = [node.value.partition(":")[0]]  # a registry's row, MODULE:NAME
    return [name for name in names if name.startswith("headstart.")]


def _fields(node: ast.AST) -> dict[str, Any]:
    """Return the fields of a part, without what computes nothing."""
    fields = {name: getattr(node, name, None) for name in node._fields}
    if isinstance(node, BODIES):
        # a docstring, and any other string that stands alone
        fields["body"] = [statement for statement in node.body if not _is_text(statement)]
        fields.pop(ADDED, None)
    elif isinstance(node, ast.Raise) and _calls(node.exc, WORDED):
        fields["exc"] = node.exc.func
    elif _calls(node, TOLD):
        fields["args"] = [part for argument in node.args for part in _computed(argument)]
        fields["keywords"] = [word for word in node.keywords if _computed(word.value)]
    return fields


def _calls(node: ast.AST | None, names: Sequence[str]) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in names


def _computed(told: ast.expr) -> list[ast.expr]:
    """Return what is computed for something that is told, without its words."""
    if isinstance(told, ast.JoinedStr):
        return [part for value in told.values for part in _computed(value)]
    if isinstance(told, ast.FormattedValue):
        return [*_computed(told.value), *(_computed(told.format_spec) if told.format_spec else [])]
    if isinstance(told, ast.IfExp):
        either = (ast.Tuple(_computed(part), ast.Load()) for part in (told.body, told.orelse))
        return [ast.IfExp(told.test, *either)]
    return [] if isinstance(told, ast.Constant) and isinstance(told.value, str) else [told]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
