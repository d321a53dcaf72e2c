"""A folder of files whose names fit templates."""

from __future__ import annotations

import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Hashable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from headstart.common.errors import UserError
from headstart.common.text import counted
from headstart.common.walk import list_files
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.folders import in_shared_folders
from headstart.data.layouts.folders import shared_folders
from headstart.data.layouts.identity import make_scan
from headstart.data.layouts.lookup import bindings
from headstart.data.layouts.lookup import of_another
from headstart.data.layouts.lookup import of_another_folder
from headstart.data.layouts.lookup import reason_of
from headstart.data.layouts.lookup import reject_lookup
from headstart.data.layouts.lookup import wanted_files
from headstart.data.preferred import of_same_scan
from headstart.data.preferred import preferred
from headstart.data.templates import IDENTITIES
from headstart.data.templates import IMAGES
from headstart.data.templates import SERIAL
from headstart.data.templates import Template
from headstart.data.templates import parents
from headstart.imaging.scan_rows import MASKS

# Each file that fits the first channel's template, with its fields.
Matches: TypeAlias = Sequence[tuple[str, Mapping[str, str]]]


def from_files(source: Source, folder: Path) -> list[FoundScan]:
    """List the scans that a file name template finds.

    The first channel is searched for. The templates of the other channels and of the masks are
    filled with what was found, and looked up.

    Args:
        source: The source's section of the config.
        folder: The source's folder.

    Raises:
        UserError: If no file fits, or a class folder holds no scan.
    """
    templates = templates_of(source)
    search = templates[next(iter(source.channels))]
    files, folders = list_files(folder)
    matches = [(file, fields) for file in files if (fields := search.match(file)) is not None]
    if not matches:
        raise UserError(_nothing_found(folder, search, files))
    _tell_of_others(folder, files, templates)
    empty = _empty_folders(folders, matches, templates, source)
    _check_class_folders(folder, search, empty)

    scans = _scans(matches, search, source)
    claimed = _take_files(scans, matches, files, templates, source)
    alone = _without_image(claimed, templates, files)
    # a folder for each series holds the other channels
    used = {parent for file in claimed for parent in parents(file)}
    lacking = [path for path in empty if path not in used]
    return scans + alone + list(_people_without_scan(search, lacking))


def _tell_of_others(folder: Path, files: list[str], templates: Mapping[str, Template]) -> None:
    """Say how many images fit no template."""
    rest = [
        file
        for file in files
        if file.lower().endswith(IMAGES) and not any(t.match(file) for t in templates.values())
    ]
    if rest:
        fit = "fits" if len(rest) == 1 else "fit"
        print(
            f"{folder}: {counted(len(rest), 'image')} {fit} no template, e.g. {rest[0]}",
            file=sys.stderr,
        )


def _empty_folders(
    folders: list[str], matches: Matches, templates: Mapping[str, Template], source: Source
) -> list[str]:
    """Return the folders without a scan, but for those that a template or the table names."""
    spared = [
        template.text for t in templates.values() for template in t.folders if template.literal
    ]
    if source.table is not None:
        spared += [posixpath.dirname(source.table.path)]
    occupied = {parent for file, _ in matches for parent in parents(file)}
    return [f for f in folders if f not in occupied and not any(_along(f, s) for s in spared)]


def _scans(matches: Matches, search: Template, source: Source) -> list[FoundScan]:
    """Return a scan for each file that fits the first channel's template."""
    class_levels = [
        depth
        for depth, part in enumerate(map(Template, search.text.split("/")[:-1]))
        if not part.literal and not {"subject", "session"} & set(part.fields)
    ]
    scans = []
    places = _places(search, matches, source.prefer)
    for (file, fields), place in zip(matches, places, strict=True):
        classes = [file.split("/")[depth] for depth in class_levels]
        scan = make_scan(source, fields, file, "-".join(classes) or source.source)
        scan.place = place
        scans.append(scan)
    return scans


def _take_files(
    scans: list[FoundScan],
    matches: Matches,
    files: list[str],
    templates: Mapping[str, Template],
    source: Source,
) -> set[str]:
    """Give each scan the file of each channel and mask that it must have, or a reason.

    Returns:
        All files that belong to a scan, those too that were not taken.
    """
    first, *others = templates
    fitting = {
        name: [
            (file, [file] if name == first else template.find(fields, files))
            for file, fields in matches
        ]
        for name, template in templates.items()
    }
    candidates = {
        name: _in_shared_folders(templates[first], template, fitting[name])
        for name, template in templates.items()
    }
    sessions: dict[Hashable, list[str]] = defaultdict(list)
    for scan in scans:
        sessions[scan.visit].append(scan.path)
    bound = bindings(
        source, {first: [*sessions.values()]} | {name: candidates[name] for name in others}
    )
    for number, scan in enumerate(scans):
        for name, template in templates.items():
            there = candidates[name][number]
            own = [file for file in there if of_same_scan(scan.path, file, bound[name])]
            found = preferred(own, source.prefer)
            if len(found) == 1:
                scan.paths[name] = found[0]
            elif name in source.optional and not own:
                continue
            elif there and not found:
                scan.reject(reason_of(name), of_another(name, there[0], scan.path))
            elif (away := fitting[name][number][1]) and not there:
                scan.reject(reason_of(name), of_another_folder(name, away[0], scan.path))
            else:
                reject_lookup(scan, name, template.fill(matches[number][1]), found)
    return {file for own in candidates.values() for found in own for file in found}


def _in_shared_folders(
    search: Template, template: Template, found: Sequence[tuple[str, Sequence[str]]]
) -> list[list[str]]:
    """Return of the files that fit a template for each scan those in the scan's own folders."""
    shared = shared_folders(search, template, found)
    return [
        [file for file in files if in_shared_folders(path, file, shared)] for path, files in found
    ]


def templates_of(source: Source) -> dict[str, Template]:
    """Return the templates of a source's channels and masks.

    Raises:
        UserError: If one leads out of the source's folder, or asks for a field that the first
            channel's does not find, or that has no subject.
    """
    templates = {name: Template(text) for name, text in wanted_files(source).items()}
    search = templates[next(iter(source.channels))]
    where = f"source '{source.source}': the template '{search.text}'"
    if "subject" not in search.fields:
        raise UserError(
            f"{where} does not say who a scan belongs to; it needs the field {{subject}}"
        )
    for name in search.fields:
        if name in (*MASKS, "source", *source.channels, *source.labels):
            raise UserError(f"{where} has the field {{{name}}}, but so is another column called")
    for name, template in templates.items():
        if template.text.startswith(("/", "~")) or ".." in template.text.split("/"):
            raise UserError(
                f"source '{source.source}': '{template.text}' of {name} leads out of the source's "
                "folder; set `root` and `path` to a folder that holds all its files"
            )
        for unknown in set(template.fields) - set(search.fields):
            raise UserError(
                f"source '{source.source}': '{template.text}' of {name} has the field "
                f"{{{unknown}}}, but '{search.text}' finds only {', '.join(search.fields)}; "
                "use * instead"
            )
    return templates


def _places(search: Template, matches: Matches, words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what else distinguishes sessions: classes, and the visits that a * stands for.

    Where the template has the session, a * below the subject stands for something else. A label
    in the file's name may be the very thing that `prefer` decides by, as {run}.
    """
    *folders, _ = search.text.split("/")
    subject = next((n for n, part in enumerate(folders) if "{subject}" in part), len(folders))
    known = subject if "session" in search.fields else len(folders)
    visits = [depth for depth, part in enumerate(folders[:known]) if "*" in part]
    parts = {part for word in words for part in (word, *re.split(r"[\W_]", word))}
    labels = [
        name
        for name in search.fields
        if name not in IDENTITIES
        and SERIAL.fullmatch(name) is None
        and (
            any(f"{{{name}}}" in part for part in folders)
            or parts.isdisjoint(fields[name] for _, fields in matches)
        )
    ]
    return [
        (*(file.split("/")[depth] for depth in visits), *(fields[name] for name in labels))
        for file, fields in matches
    ]


def _check_class_folders(folder: Path, search: Template, empty: list[str]) -> None:
    """Fail if a folder stands where classes stand, but holds no scan."""
    for level in search.folders:
        if set(level.fields) & {"subject", "session"}:
            return
        if not set(level.fields) - set(IDENTITIES):
            continue
        for path in empty:
            if level.match(path) is not None:
                raise UserError(
                    f"{folder / path}: no file of this class folder fits '{search.text}'; "
                    "add its scans or remove the folder"
                )


def _without_image(
    claimed: set[str], templates: Mapping[str, Template], files: list[str]
) -> list[FoundScan]:
    """Return the masks and further channels that fit their templates but belong to no scan."""
    first = next(iter(templates))
    found = {
        file: (name, fields)
        for name, template in templates.items()
        for file in files
        if file not in claimed and (fields := template.match(file)) is not None
    }
    return [
        FoundScan(
            subject=fields.get("subject", ""),
            session=fields.get("session", ""),
            path=file,
            reason="no-image",
            detail=f"{file}: this {name} has no {first} that fits '{templates[first].text}'; add "
            "the image, or remove it",
        )
        for file, (name, fields) in found.items()
        # a template without a subject of its own may lie anywhere
        if name != first and "subject" in fields
    ]


def _people_without_scan(search: Template, empty: list[str]) -> Iterator[FoundScan]:
    """Yield a rejected scan for each subject's or session's folder that holds no scan."""
    reported: set[str] = set()
    for level in search.folders:
        if "subject" not in level.fields:
            continue
        for path in empty:
            fields = level.match(path)
            if fields is None or reported & set(parents(path)):
                continue
            reported.add(path)
            yield FoundScan(
                subject=fields["subject"],
                session=fields.get("session", ""),
                path=path,
                fields=fields,
                reason="missing-channel",
                detail=f"{path}: no file of this folder fits '{search.text}'; add it",
            )


def _nothing_found(folder: Path, search: Template, files: list[str]) -> str:
    if not files:
        return f"{folder}: is empty; put the scans there, or correct `root` or `path`"
    images = [file for file in files if file.lower().endswith(IMAGES)]
    return (
        f"{folder}: none of its {len(files)} files fits the template '{search.text}'; "
        f"there are, e.g., {', '.join((images or files)[:3])}"
    )


def _along(folder: str, path: str) -> bool:
    """Whether a folder lies on the way to a path, or below it."""
    return bool(path) and (
        f"{path}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{path}/")
    )
