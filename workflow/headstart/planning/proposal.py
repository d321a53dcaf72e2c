"""What `init` takes a folder to be, and how it checks its files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from headstart.data.found_scans import FoundScan
from headstart.imaging.geometry import Grid
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_geometry
from headstart.planning import file_words
from headstart.planning.fingerprint import mask_values
from headstart.planning.fingerprint import spread
from headstart.planning.label_columns import Column

SOURCE = "own"  # name of the source in the config; a public source's name would fetch it
MASKS_TRIED = 5  # masks of a kind whose voxels are read
MOST_VALUES = 20  # classes of a mask that init offers to learn
FILES_SHARE = 0.9  # a kind of file belongs to the scans if so many have one


@dataclass
class Found:
    """What a folder holds.

    Attributes:
        layout: In words.
        source: The source's section of the config, with every usable column among its labels.
        more: Sections of further sources, with the same channels.
        scans: The scans that can be used, as the stage label will find them.
        classes: Names of the mask's values.
        columns: Labels that can be learnt.
        named: Labels that the names of files tell as well as a table: each file's word.
        group: The label that says which subjects are one person; '' if each is one.
        notes: What a person should know, one sentence each.
        unjoined: Tables that belong to no scan, with ids of both sides, or of which it is in doubt
            how they belong, one sentence each.
    """

    layout: str
    source: dict[str, Any]
    more: list[dict[str, Any]] = field(default_factory=list)
    scans: list[FoundScan] = field(default_factory=list)
    classes: dict[int, str] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    named: dict[str, dict[str, str]] = field(default_factory=dict)
    group: str = ""
    notes: list[str] = field(default_factory=list)
    unjoined: list[str] = field(default_factory=list)

    @property
    def sources(self) -> list[dict[str, Any]]:
        """All sources' sections."""
        return [self.source, *self.more]

    @property
    def labels(self) -> dict[str, str]:
        """Label: the column that it comes from, in the first source that has it."""
        return {k: v for source in self.sources[::-1] for k, v in source.get("labels", {}).items()}

    @property
    def subjects(self) -> list[str]:
        """The subjects."""
        return list(dict.fromkeys(scan.subject for scan in self.scans))

    @property
    def images(self) -> list[str]:
        """Each scan's first channel."""
        return [scan.path for scan in self.scans]


def add_mask(
    found: Found, text: str, values: set[int], *, brain: bool, where: str | None = None
) -> None:
    """Take a template or column as the mask or the brain mask, if its values allow."""
    present = sorted(values - {0})
    if brain and len(present) == 1 and "brain_mask" not in found.source:
        found.source["brain_mask"] = text
    elif "mask" in found.source:
        found.notes.append(f"{where or text}: a second mask, not used")
    elif len(present) > MOST_VALUES:
        shown = ", ".join(map(str, present[:4]))
        found.notes.append(
            f"{where or text} are masks of {len(present)} values ({shown}, …): not used; to learn "
            f"some of them, write `mask: '{text}'` and `classes: {{NAME: [{present[0]}], …}}`"
        )
    else:
        found.source["mask"] = text
        single = _class_name(text)
        found.classes = {v: f"class_{v}" if len(present) > 1 else single for v in present}


def _class_name(text: str) -> str:
    """Name a mask's only class by its file: lesion for `{subject}_label-lesion_mask.nii.gz`."""
    name = re.sub(r"\{.*?\}|\.nii.*", " ", posixpath.basename(text).lower())
    entity = re.search(r"label-([a-z0-9]+)", name) or re.search(r"desc-([a-z0-9]+)", name)
    words = [w for w in re.split(r"[^a-z]+", name) if len(w) > 1 and not file_words.is_known(w)]
    return class_word(entity[1]) if entity else words[-1] if words else "target"


def values_of(folder: Path, paths: Sequence[str]) -> set[int] | None:
    """Return the values of masks, from a few that can be read; None if images or empty."""
    found: list[set[int]] = []
    for path in spread(paths, MASKS_TRIED):
        try:
            values = mask_values(folder / path)
        except BadScanError:
            continue
        if values is None:
            return None
        found.append(values)
    values = set().union(*found)
    return values if values - {0} else None


def channel_name(text: str, taken: Iterable[str]) -> str:
    """Return the channel that a name mentions, e.g. T1; `image` if it mentions none."""
    words = [
        word for word in re.split(r"[^A-Za-z0-9]+", text.lower()) if word in file_words.CHANNELS
    ]
    name = file_words.CHANNELS[words[-1]] if words else "image"
    names = (name, *(f"{name}_{number}" for number in range(2, 99)))
    return next(candidate for candidate in names if candidate not in taken)


def class_word(text: str) -> str:
    """Return a class's name as the config allows it: `Posterior part` is posterior_part."""
    word = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "target"
    return word if word[0].isalpha() else f"class_{word}"


def grid_difference(folder: Path, one: str, other: str) -> str:
    """Say how the grid of a file differs from that of another, '' if it is the same, turned or cut.

    Args:
        folder: Folder of both.
        one: The scan.
        other: Its mask, or a further channel.
    """
    try:
        first, second = (Grid(*read_geometry(folder / path)[1:]) for path in (one, other))
    except BadScanError:
        return ""  # check will say so
    found = relation(second, first)
    if found is None:
        return difference(second, first)
    return f"its voxels lie {found.shift:.3g} mm beside the scan's" if found.shift else ""
