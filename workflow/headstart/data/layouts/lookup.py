"""Which files are a scan's channels and masks, and the messages where they are missing."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.preferred import binding
from headstart.data.preferred import deciding_word
from headstart.data.preferred import rivals_of
from headstart.imaging.scan_rows import MASKS


def wanted_files(source: Source) -> dict[str, str]:
    """Return the templates, columns or keys of channels and masks, in the order of labels.csv."""
    masks = {"mask": source.mask, "brain_mask": source.brain_mask}
    return source.templates | {name: text for name, text in masks.items() if text is not None}


def bindings(
    source: Source, groups: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, dict[str, set[str]]]:
    """Return for each channel and mask what its files must share with the first channel's.

    Args:
        source: The source's section of the config.
        groups: Channel or mask: its files, those of one session together.
    """
    rivals = rivals_of((group for own in groups.values() for group in own), source.prefer)
    return {
        name: binding(rivals, wanted_files(source)[name], [file for group in own for file in group])
        for name, own in groups.items()
    }


def of_another(name: str, file: str, first: str) -> str:
    """Say that a channel or mask is that of another scan of the session, and what to do."""
    return (
        f"{first}: has no {name} of its own; {file} is that of another scan of the session, as the "
        "words say that `prefer` decides by; add its own or correct the names"
    )


def of_another_folder(name: str, file: str, first: str) -> str:
    """Say that a channel or mask lies in the folder of another session, and what to do."""
    return (
        f"{first}: has no {name} in a folder of the same name, as other scans have; {file} is not "
        "of the same session; add its own, or move that one there if it is"
    )


def look_up(
    scan: FoundScan, paths: Mapping[str, str], folder: Path, where: str, optional: Collection[str]
) -> None:
    """Keep the paths of a scan that exist below the source's folder, or reject the scan.

    Args:
        scan: The scan.
        paths: What is said of each channel and mask, "" for nothing.
        folder: The source's folder.
        where: What says so, for messages.
        optional: Channels of which nothing need be said.
    """
    scan.paths = {name: path for name, path in paths.items() if path or name not in optional}
    for name, path in scan.paths.items():
        if path.startswith(("/", "~", "\\")) or ".." in path.split("/") or path[1:2] == ":":
            scan.reject(
                "outside-root",
                f"{where}: '{path}' is not inside {folder}; give a path relative to it",
            )
        elif not path:
            scan.reject(reason_of(name), f"{where}: no path for {name}; fill it in")
        elif not os.path.isfile(folder / path):  # noqa: PTH113 a name that is too long is no file
            reject_lookup(scan, name, path, [])


def reject_lookup(scan: FoundScan, name: str, wanted: str, found: list[str]) -> None:
    """Reject a scan of which no file is a channel or mask, or several may be."""
    if found:
        word = deciding_word(found)
        example = f", e.g. `prefer: {word}`" if word else ""
        detail = (
            f"{len(found)} files fit '{wanted}', e.g. {found[0]} and {found[1]}; only one "
            f"may: remove one, or name the word of the right one with `prefer`{example}"
        )
    else:
        detail = f"{wanted}: there is no such file for {name}; add it or correct the path"
    scan.reject(reason_of(name), detail)


def reason_of(name: str) -> str:
    """Return the code of a scan that lacks a channel or mask."""
    return "missing-mask" if name in MASKS else "missing-channel"


def first_folder(source: Source, path: str) -> str:
    """Return the folder of the source that a path lies in, the source's name if in none."""
    return path.split("/")[0] if "/" in path else source.source


def tidy_path(path: str) -> str:
    """Return a path without ./ and //; one with .. stays, to be refused."""
    return posixpath.normpath(path) if path and ".." not in path.split("/") else path
