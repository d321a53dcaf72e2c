"""A network or loss of the user's own: its file, and the files beside it that it imports."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from headstart.common import files
from headstart.common.errors import UserError

NETWORK, LOSS = "train.network", "train.loss"


def is_own(name: str) -> bool:
    """Tell whether the config names code of the user's own, `FILE.py:CLASS`."""
    return re.fullmatch(r"[^:]+\.py:[A-Za-z_]\w*", name) is not None


def own_network_file(name: str, folder: Path, key: str = NETWORK) -> Path | None:
    """Return the file of the user's own network or loss, or None for one of ours.

    Args:
        name: The key's value; the user's own is `FILE.py:CLASS`.
        folder: Where a relative FILE.py is looked up.
        key: Key of the config that names it, for messages.

    Raises:
        UserError: If the file is not there, or its path leads out of the folder.
    """
    if ":" not in name:
        return None
    file = Path(name.rpartition(":")[0])
    path = folder / file
    if file.is_absolute() or ".." in file.parts:
        raise UserError(
            f"{key}: {file} leads out of {folder.absolute()}; copy the file there and give "
            "its path from there on"
        )
    if not path.is_file():
        raise UserError(f"{key}: {path} is not there; its path starts at the project's folder")
    return path


def own_files(name: str, folder: Path, key: str = NETWORK) -> list[Path]:
    """List the file of the user's own network or loss and those of its folder that it imports.

    Args:
        name: The key's value.
        folder: Where a relative FILE.py is looked up.
        key: Key of the config that names it, for messages.

    Returns:
        Paths, sorted; none for a network or loss of ours.

    Raises:
        UserError: If its file is not there, its path leads out of the folder, or what it
            imports is called like a module of Python.
    """
    first = own_network_file(name, folder, key)
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
                f"{key}: {path}: Python has a module {module} of its own, which would be "
                "imported in its place; rename yours"
            )
    return sorted(found)


def helpers(name: str, folder: Path) -> set[str]:
    """Name the modules beside the user's own code that it imports; of a package, the package."""
    own, first = own_files(name, folder), own_network_file(name, folder)
    return {_top(path, first) for path in own if first and path != first}


def copy(name: str, folder: Path, destination: Path) -> None:
    """Copy the files of the user's own network or loss, which are all that a job gets of it.

    Args:
        name: `train.network` or `train.loss`.
        folder: Where a relative FILE.py is looked up.
        destination: Gets the files where they lie in the folder.
    """
    for file in own_files(name, folder):
        with files.temporary(destination / file.relative_to(folder)) as draft:
            shutil.copyfile(file, draft)


def digest(name: str, folder: Path, key: str = NETWORK) -> str:
    """Digest the files of the user's own network or loss; "" for one of ours."""
    own = own_files(name, folder, key)
    if not own:
        return ""
    lines = [f"{path.relative_to(folder).as_posix()} {files.sha256(path)}\n" for path in own]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _imported(path: Path, root: Path) -> Iterator[Path]:
    """Yield the files that a file imports from the code's folder."""
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
    """Name the module, or the outermost package, by which the user's file imports another one."""
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
