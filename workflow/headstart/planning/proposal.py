"""What `init` takes a folder to be, and how it checks its files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from headstart.data.found_scans import FoundScan
from headstart.data.label_table import REFERENCE
from headstart.imaging.geometry import Grid
from headstart.imaging.grids import difference
from headstart.imaging.grids import relation
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_geometry
from headstart.planning import file_words
from headstart.planning.label_columns import Column
from headstart.planning.sample import mask_values
from headstart.planning.sample import spread

SOURCE = "own"  # name of the source in the config; a public source's name would fetch it
MASKS_TRIED = 5  # masks of a kind whose voxels are read
MOST_VALUES = 20  # classes of a mask that init offers to learn
ON = {1, 255}  # how programs write the voxels of a mask of one class
FILES_SHARE = 0.9  # a kind of file belongs to the scans if so many have one
CONTRAST_SHARE = 0.5  # and a further contrast, which others may lack, if so many do


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
        series: Whether the scans are 4-D series.
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
    series: bool = False
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
    def written_classes(self) -> dict[Any, Any]:
        """`classes` of the config: value: name, or name: values where one has several."""
        values: dict[str, list[int]] = {}
        for value, name in self.classes.items():
            values.setdefault(name, []).append(value)
        return values if len(values) < len(self.classes) else dict(self.classes)

    @property
    def subjects(self) -> list[str]:
        """The subjects."""
        return list(dict.fromkeys(scan.subject for scan in self.scans))

    @property
    def images(self) -> list[str]:
        """Each scan's first channel."""
        return [scan.path for scan in self.scans]


def channel_path(source: Mapping[str, Any], name: str) -> str:
    """Return what the files of a channel are found by."""
    entry = source["channels"][name]
    return entry if isinstance(entry, str) else str(entry["path"])


def optional_channels(source: Mapping[str, Any]) -> list[str]:
    """Return the channels that a scan may lack."""
    return [name for name, entry in source["channels"].items() if not isinstance(entry, str)]


def add_mask(
    found: Found,
    text: str,
    masks: Sequence[set[int]],
    *,
    brain: bool,
    where: str | None = None,
    names: Mapping[int, str] | None = None,
) -> None:
    """Take a template or column as the mask or the brain mask, if its values allow.

    Args:
        found: What the folder holds.
        text: The template or column.
        masks: The values of each mask looked at.
        brain: Whether it may be the brain mask.
        where: The files as messages call them.
        names: Names of values, as far as the data set has them.
    """
    present = sorted(set().union(*masks) - {0})
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
        apart = {v: f"class_{v}" if len(present) > 1 else single for v in present}
        alone = len(present) > 1 and all(len(values - {0}) <= 1 for values in masks)
        one = alone and set(present) <= ON
        named = names or {}
        found.classes = {v: named.get(v, single if one else apart[v]) for v in present}
        if alone and not named:
            found.notes.append(_never_together(len(masks), single, apart, one=one))


def add_reference(found: Found, text: str, where: str) -> None:
    """Take a template or column as the last channel, of clean scans that judge the network.

    Args:
        found: What the folder holds.
        text: The template or column.
        where: The files as messages call them.
    """
    found.source["channels"][REFERENCE] = text
    found.notes.append(
        f"{where}: taken for the same scans without noise, as their name says; as the channel "
        f"`{REFERENCE}` they judge the network, which never sees them; if they are none, remove it"
    )


def _never_together(count: int, single: str, apart: Mapping[int, str], *, one: bool) -> str:
    """Say that no mask has two of the values: they may be one class in two writings."""
    values = " and ".join(map(str, apart))
    two = f"`classes: {{{', '.join(f'{v}: {name}' for v, name in apart.items())}}}`"
    whole = f"`classes: {{{single}: {list(apart)}}}`"
    return f"no mask of the {count} looked at has both {values}: taken for " + (
        f"one class, {whole}, as programs write it either way; if they are two, write {two}"
        if one
        else f"classes of their own; if they are one, write {whole}"
    )


def _class_name(text: str) -> str:
    """Name a mask's only class by its file: lesion for `{subject}_label-lesion_mask.nii.gz`."""
    name = re.sub(r"\{.*?\}|\.nii.*", " ", posixpath.basename(text).lower())
    entity = re.search(r"label-([a-z0-9]+)", name) or re.search(r"desc-([a-z0-9]+)", name)
    words = [w for w in re.split(r"[^a-z]+", name) if len(w) > 1 and not file_words.is_known(w)]
    if entity or "lesion" in name:
        return class_word(entity[1]) if entity else "lesion"
    return words[-1] if words else "target"


def values_of(folder: Path, paths: Sequence[str]) -> list[set[int]] | None:
    """Return the values of each of a few masks that can be read; None if images or empty."""
    found: list[set[int]] = []
    for path in spread(paths, MASKS_TRIED):
        try:
            values = mask_values(folder / path)
        except BadScanError:
            continue
        if values is None:
            return None
        found.append(values)
    return found if set().union(*found) - {0} else None


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
