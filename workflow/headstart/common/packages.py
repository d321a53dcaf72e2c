"""Python packages in use: their versions, and those that are not this environment's."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path


def version_in_use(name: str) -> str | None:
    """Return the version of a package: what the imported module says, else what is installed.

    They differ where PYTHONPATH puts another package of that name first.
    """
    said = getattr(sys.modules.get(name), "__version__", None)
    if said is not None:
        return str(said)
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def prefer_own() -> None:
    """Look for packages in this environment first, and then where PYTHONPATH says.

    A site's module may put old packages there. What is imported already stays.
    """
    given = _pythonpath()
    sys.path.sort(key=lambda folder: folder != "" and Path(folder).resolve() in given)


def foreign() -> str:
    """Say which packages PYTHONPATH puts before those of this environment; "" if there are none."""
    given = _pythonpath()
    folders = (Path(folder) for folder in sys.path if Path(folder).resolve() not in given)
    own = set().union(*map(_names, folders))
    for folder in given:
        names = _names(folder)
        if "headstart" not in names and (taken := sorted(own & names)):
            more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
            return (
                f"PYTHONPATH puts {', '.join(taken[:3])}{more} of {folder} before this "
                "environment's: `unset PYTHONPATH`"
            )
    return ""


def _pythonpath() -> list[Path]:
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [Path(folder).resolve() for folder in folders if folder]


def _names(folder: Path) -> set[str]:
    """Return the modules and packages in a folder."""
    if not folder.is_dir():
        return set()
    return {
        path.stem
        for path in folder.iterdir()
        if path.suffix == ".py" or ((path / "__init__.py").is_file() and path.name.isidentifier())
    }
