"""Which study a Snakemake works on, on this machine, and which ones its locks are for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.common.strict_yaml import read_study
from headstart.study.study_words import files_in


def snakemake_on(study: str, results: Path) -> int | None:
    """Return the process of the Snakemake that works on a study, on this machine.

    Args:
        study: Name of the study.
        results: The results root, in which a Snakemake works; several studies share it.

    Returns:
        None if there is none, or the system does not tell.
    """
    for process, words in _snakemakes_in(results.resolve()):
        named = _study_of(words, _began_in(process))
        # a config that can't be read any more may be this study's
        if named in (study, None):
            return int(process.name)
    return None


def is_locked(study: str, results: Path) -> bool:
    """Tell whether a Snakemake locked a study's files, or left them locked."""
    locks = (results / ".snakemake" / "locks").glob("*.lock")
    return any(
        line.startswith(f"{study}/")
        for lock in locks
        for line in lock.read_text(encoding="utf-8", errors="replace").splitlines()
    )


def _snakemakes_in(results: Path) -> Iterator[tuple[Path, list[str]]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = [os.fsdecode(w) for w in (process / "cmdline").read_bytes().split(b"\0")[:-1]]
            here = (process / "cwd").readlink() == results
        except OSError:  # it ended meanwhile, or is someone else's
            continue
        # a job's own snakemake has a mode
        if here and any(Path(word).name == "snakemake" for word in words) and "--mode" not in words:
            yield process, words


def _began_in(process: Path) -> Path:
    """Folder that a Snakemake was started in; it then went to the results root."""
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return Path()
    return next((Path(os.fsdecode(v[4:])) for v in variables if v.startswith(b"PWD=")), Path())


def _study_of(words: Sequence[str], folder: Path) -> str | None:
    """Read the study's name where a command line says it; None if that can't be read."""
    merged: dict[str, Any] = {}
    for path in files_in(words, folder):
        try:
            merged |= read_study(path)
        except UserError:
            return None
    # also given by hand, as `--config study=NAME`
    given = [word.removeprefix("study=") for word in words if word.startswith("study=")]
    return given[-1] if given else merged.get("study")
