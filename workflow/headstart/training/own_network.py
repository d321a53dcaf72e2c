"""A network of the user's own: its file, and the files beside it that it imports."""

from __future__ import annotations

import ast
import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from headstart.common import files
from headstart.common.errors import UserError


def own_network_file(name: str, folder: Path) -> Path | None:
    """Return the file of the user's own network, or None for a network of ours.

    Args:
        name: `train.network`; the user's own is `FILE.py:CLASS`.
        folder: Where a relative FILE.py is looked up.

    Raises:
        UserError: If the file is not there, or its path leads out of the folder.
    """
    if ":" not in name:
        return None
    file = Path(name.rpartition(":")[0])
    path = folder / file
    if file.is_absolute() or ".." in file.parts:
        raise UserError(
            f"train.network: {file} leads out of {folder.absolute()}; copy the file there and give "
            "its path from there on"
        )
    if not path.is_file():
        raise UserError(
            f"train.network: {path} is not there; its path starts at the project's folder"
        )
    return path


def own_files(name: str, folder: Path) -> list[Path]:
    """List the file of the user's own network and those of its folder that it imports.

    Args:
        name: `train.network`.
        folder: Where a relative FILE.py is looked up.

    Returns:
        Paths, sorted; none for a network of ours.

    Raises:
        UserError: If the network's file is not there, its path leads out of the folder, or what it
            imports is called like a module of Python.
    """
    first = own_network_file(name, folder)
    if first is None:
        return []
    found: set[Path] = set()
    waiting = [first]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_relative_to(folder):
            found.add(path)
            waiting += _imported(path, first.parent)
    for path in found - {first}:
        if (module := _top(path, first)) in sys.stdlib_module_names:
            raise UserError(
                f"train.network: {path}: Python has a module {module} of its own, which would be "
                "imported in its place; rename yours"
            )
    return sorted(found)


def helpers(name: str, folder: Path) -> set[str]:
    """Name the modules beside the user's own network that it imports; of a package, the package."""
    own, first = own_files(name, folder), own_network_file(name, folder)
    return {_top(path, first) for path in own if first and path != first}


def copy(name: str, folder: Path, destination: Path) -> None:
    """Copy the files of the user's own network, which are all that a job gets of it.

    Args:
        name: `train.network`.
        folder: Where a relative FILE.py is looked up.
        destination: Gets the files where they lie in the folder.
    """
    for file in own_files(name, folder):
        with files.temporary(destination / file.relative_to(folder)) as draft:
            shutil.copyfile(file, draft)


def digest(name: str, folder: Path) -> str:
    """Digest the files of the user's own network; "" for a network of ours."""
    own = own_files(name, folder)
    if not own:
        return ""
    lines = [f"{path.relative_to(folder).as_posix()} {files.sha256(path)}\n" for path in own]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files that a file imports from the network's folder."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # building the network says what is wrong
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _modules(root, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[min(node.level, len(path.parents)) - 1] if node.level else root
            yield from _modules(base, node.module or "")
            for alias in node.names:
                yield from _modules(base, f"{node.module or ''}.{alias.name}".strip("."))


def _top(path: Path, first: Path) -> str:
    """Name the module, or the outermost package, by which a network's file imports another one."""
    beside = path.is_relative_to(first.parent)
    return path.relative_to(first.parent).parts[0].removesuffix(".py") if beside else ""


def _modules(folder: Path, dotted: str) -> Iterator[Path]:
    """Yield the files below a folder that an import of this name runs."""
    place = folder
    for word in filter(None, dotted.split(".")):
        place = place / word
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file
