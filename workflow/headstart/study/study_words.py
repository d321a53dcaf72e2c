"""The study files that a Snakemake command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

OPTIONS = ("--configfile", "--configfiles")
DEFAULT = Path("config/config.yaml")


def files_in(words: Sequence[str], folder: Path = Path()) -> list[Path]:
    """List the study files of a command line as Snakemake's parser does.

    Every word up to the next option counts, a target too. Without any, it is the default study.

    Args:
        words: The command line.
        folder: Folder in which it was typed.
    """
    found: list[Path] = []
    taking = False
    for word in words:
        option, given, value = word.partition("=")
        if word.startswith("-"):
            taking = option in OPTIONS and not given
            if option in OPTIONS:
                found = [Path(value)] if given else []  # the last option wins
        elif taking:
            found.append(Path(word))
    default = [DEFAULT] if (folder / DEFAULT).is_file() else []
    return [folder / path for path in found or default]
