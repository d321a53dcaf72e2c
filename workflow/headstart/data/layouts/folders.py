"""Folders that a `*` stands for: a further channel or mask lies in that of its scan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from headstart.data.templates import Template


def shared_folders(
    first: Template, other: Template, found: Iterable[tuple[str, Sequence[str]]]
) -> dict[int, int]:
    """Return which folders with a `*` have the same name as one of the scan's.

    They do where both are called alike for some scan: those of visits are, those of series, 003
    and 005, never.

    Args:
        first: The first channel's template.
        other: That of a further channel or mask.
        found: Each scan's first file, with the files that fit the other template.

    Returns:
        Depth of the other's folder: depth of the first channel's.
    """
    ours, theirs = _open_folders(first, other.fields), _open_folders(other, other.fields)
    alike: Counter[tuple[int, int]] = Counter()
    for path, files in found:
        scan, names = path.split("/"), [file.split("/") for file in files]
        alike.update(
            (depth, same)
            for depth in theirs
            for same in ours
            if any(parts[depth] == scan[same] for parts in names)
        )
    shared: dict[int, int] = {}
    for (depth, same), _ in alike.most_common():
        if depth not in shared and same not in shared.values():
            shared[depth] = same
    return shared


def in_shared_folders(path: str, file: str, shared: Mapping[int, int]) -> bool:
    """Whether a file lies in folders of the same names as those of the scan."""
    scan, own = path.split("/"), file.split("/")
    return all(own[depth] == scan[same] for depth, same in shared.items())


def _open_folders(template: Template, known: Sequence[str]) -> list[int]:
    """Return the depths of the folders that are not the same for all files of the known fields."""
    depths = []
    for depth, part in enumerate(map(Template, template.text.split("/")[:-1])):
        kept = {name: f"{{{name}}}" for name in part.fields} | dict.fromkeys(known, "")
        if not Template(part.fill(kept)).literal:
            depths.append(depth)
    return depths
