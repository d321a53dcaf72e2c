"""What code computes a stage: a digest of its meaning, and a copy that jobs run from."""

from __future__ import annotations

import ast
import hashlib
import shutil
import uuid
from functools import cache
from pathlib import Path

from headstart.parts.errors import UserError

PACKAGE = Path(__file__).resolve().parent.parent


@cache
def code_digest(stage: str, package: Path = PACKAGE) -> str:
    """Digest the code that a stage runs, by meaning.

    The digest covers the stage's module and every module of this package that it imports,
    directly or not. Comments, docstrings and layout do not count; nothing is imported.

    Args:
        stage: Name of a module in `headstart/stages`.
        package: Folder of the package.

    Returns:
        16 hex digits.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(f"headstart.stages.{stage}", package)):
        digest.update(name.encode() + b"\0" + _meaning(_file(name, package)))
    return digest.hexdigest()[:16]


def check_code(stage: str, digest: str | None) -> str:
    """Return the running code's digest, after checking that it is the one a job was planned with.

    Args:
        stage: Name of a stage.
        digest: The digest that the command line carries; None if it carries none.

    Raises:
        UserError: If the code was edited after the command was printed.
    """
    running = code_digest(stage)
    if digest is not None and digest != running:
        raise UserError(
            f"headstart {stage}: the code is {running}, but this command was planned with "
            f"{digest}; print it again with `snakemake -n -p`, or leave out --code"
        )
    return running


def package_digest(package: Path = PACKAGE) -> str:
    """Digest every file of the package, byte by byte; 16 hex digits."""
    digest = hashlib.sha256()
    for path in _package_files(package):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def copy_package(destination: Path, package: Path = PACKAGE) -> None:
    """Copy the package to `destination/headstart`, whole or not at all; leave an existing copy.

    Args:
        destination: Folder to put on PYTHONPATH.
        package: Folder of the package.
    """
    if destination.exists():
        return
    draft = destination.with_name(f".{uuid.uuid4().hex[:8]}-{destination.name}")
    for path in _package_files(package):
        target = draft / "headstart" / path.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    try:
        draft.rename(destination)
    except OSError:  # another run made the very same copy meanwhile
        shutil.rmtree(draft)


def _package_files(package: Path) -> list[Path]:
    kinds = {".py", ".json", ".yaml"}
    return sorted(path for path in package.rglob("*") if path.suffix in kinds)


def _file(module: str, package: Path) -> Path:
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _closure(module: str, package: Path) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and _file(name, package).exists():
            seen.add(name)
            waiting += _imports(_file(name, package))
    return seen


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def _imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from headstart.parts import files` imports a module, `… .files import sha256` a name
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.startswith("headstart.")]


def _meaning(path: Path) -> bytes:
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # a docstring, and any other string that stands alone, computes nothing
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return ast.dump(tree).encode()


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
