"""Folders of numbered cases with images and masks apart: the Decathlon's and nnU-Net's."""

from __future__ import annotations

import json
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.common.text import counted
from headstart.common.walk import is_file
from headstart.common.walk import refuse_special
from headstart.planning import file_words
from headstart.planning.proposal import FILES_SHARE
from headstart.planning.proposal import Found
from headstart.planning.proposal import add_mask
from headstart.planning.proposal import channel_name
from headstart.planning.proposal import class_word
from headstart.planning.proposal import values_of

# Of the Decathlon's hippocampus, each case is one side of a head; nnU-Net adds the channel.
SIDES = re.compile(r"hippocampus_(\d+)(?:_\d{4})?\.nii")
SIDES_RULE = {"pattern": r"hippocampus_(\d+)", "group": 2}
LIST = "dataset.json"
HOME = re.compile(r"(?:(.+)/)?imagesTr/[^/]+")
CASE = re.compile(r"imagesTr/(.+)_(\d{4})(\.nii(?:\.gz)?)")
MOST_NAMED = 6
IGNORE = "ignore"  # how nnU-Net names voxels without a label


def propose_cases(folder: Path, files: Sequence[str], images: Sequence[str]) -> Found | None:
    """Describe a dataset of the Decathlon or nnU-Net, the folder itself or one below it.

    Args:
        folder: The folder that was named.
        files: All files below it.
        images: Those that are images.

    Raises:
        UserError: If there are several: each has cases and classes of its own.
    """
    training = {match[1] or "" for path in images if (match := HOME.fullmatch(path))}
    homes = training | {posixpath.dirname(path) for path in _lists(files)}
    each = {home: found for home in sorted(homes) if (found := _propose_in(folder, home, images))}
    if "" in each:
        return each[""]
    several = list(each) or sorted(training - {""})
    if len(several) > 1:
        shown = ", ".join(several[: MOST_NAMED - 1]) if several[MOST_NAMED:] else ""
        shown = f"{shown}, …" if shown else " and ".join(several)
        raise UserError(
            f"{folder}: holds {len(several)} datasets: {shown}; name one of them, "
            f"e.g. {folder / several[0]}"
        )
    for home, found in each.items():
        found.source["path"] = home
        found.layout += f", in {home}"
        if rest := [path for path in images if not path.startswith(f"{home}/")]:
            found.notes.append(f"{counted(len(rest), 'image')} outside it not used, e.g. {rest[0]}")
        return found
    return None


def _propose_in(folder: Path, home: str, images: Sequence[str]) -> Found | None:
    start = f"{home}/" if home else ""
    below = [path.removeprefix(start) for path in images if path.startswith(start)]
    return propose_decathlon(folder / home) or propose_nnunet(folder / home, below)


def propose_decathlon(folder: Path) -> Found | None:
    """Describe a folder as the Medical Segmentation Decathlon's: dataset.json lists its pairs.

    The folder may be a copy of some cases only; label tells which entries have no files.
    """
    listed, _ = _read_list(folder)
    if _list_fault(folder, listed):
        return None
    entries, modality = listed["training"], listed.get("modality")
    text = str(next(iter(modality.values()), "")) if isinstance(modality, dict) else ""
    channel = file_words.CHANNELS.get(text.lower(), "image")
    source: dict[str, Any] = {"layout": "pairs", "channels": {channel: "image"}}
    found = Found("pairs of image and mask, listed in dataset.json", source)
    masks = [str(entry["label"]) for entry in entries if "label" in entry]
    names = {value: word for value, word in _class_names(listed).items() if value > 0}
    if masks and names:
        source["mask"] = "label"
        found.classes = dict(sorted(names.items()))
        _drop_ignored(found)
    elif masks:
        there = [path for path in masks if is_file(folder / path)]
        add_mask(found, "label", values_of(folder, there) or [], brain=False)
    take_sides(found, [str(entry["image"]) for entry in entries])
    return found


def propose_nnunet(folder: Path, images: Sequence[str]) -> Found | None:
    """Describe a folder as nnU-Net's: imagesTr/CASE_0000.nii.gz, …, labelsTr/CASE.nii.gz.

    The test images, imagesTs, have no masks and are left out.
    """
    cases: dict[str, set[str]] = defaultdict(set)
    suffixes = set()
    for path in images:
        if match := CASE.fullmatch(path):
            cases[match[2]].add(match[1])
            suffixes.add(match[3])
    masks = {path.removeprefix("labelsTr/") for path in images if path.startswith("labelsTr/")}
    first = cases.get("0000", set())
    if len(suffixes) != 1 or len({f"{c}{s}" for c in first for s in suffixes} & masks) < 2:
        return None
    (listed, fault), suffix = _read_list(folder), suffixes.pop()
    names = listed.get("channel_names") or listed.get("modality") or {}
    channels: dict[str, str] = {}
    for number, those in sorted(cases.items()):
        if len(those & first) >= FILES_SHARE * len(first):
            text = str(names.get(str(int(number)), "")) if isinstance(names, dict) else ""
            channels[channel_name(text, channels)] = f"imagesTr/{{subject}}_{number}{suffix}"
    found = Found("images and masks of nnU-Net", {"channels": channels})
    mask = f"labelsTr/{{subject}}{suffix}"
    paths = [
        mask.replace("{subject}", case) for case in sorted(first) if f"{case}{suffix}" in masks
    ]
    values, words = values_of(folder, paths) or [], _class_names(listed)
    add_mask(found, mask, values, brain=False, where="labelsTr", names=words)
    _drop_ignored(found)
    found.notes += _said_of_names(listed, found.classes)
    found.notes += [f"{LIST} is not used: {fault}"] if fault else []
    take_sides(found, paths)
    return found


def take_sides(found: Found, paths: Sequence[str]) -> None:
    """Take the two sides of a head as one subject, where the cases are known to be sides."""
    if all(SIDES.search(path) for path in paths):
        found.source["subject"] = SIDES_RULE
        found.notes.append(
            "cases 2k-1 and 2k of this data set are the two sides of one person: taken as one "
            "subject, so that no person is on both sides of a split"
        )


def passed_over(folder: Path, files: Sequence[str]) -> Iterator[str]:
    """Say why the list of pairs and the class names of each dataset.json are not used."""
    for path in _lists(files):
        home = (folder / path).parent
        listed, fault = _read_list(home)
        if fault or "training" in listed:
            yield f"{path} is not used: {fault or _list_fault(home, listed)}"


def _lists(files: Sequence[str]) -> list[str]:
    return [path for path in files if posixpath.basename(path) == LIST]


def _read_list(folder: Path) -> tuple[dict[str, Any], str]:
    """Return what dataset.json holds, or why it can't be read; both empty if there is none."""
    path = folder / LIST
    refuse_special(path)
    if not is_file(path):
        return {}, ""
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if is_of_machine(error):
            raise
        return {}, f"it can't be read ({error})"
    return (listed, "") if isinstance(listed, dict) else ({}, "it is no mapping")


def _list_fault(folder: Path, listed: Mapping[str, Any]) -> str:
    """Say why the list of training images can't be used; '' if some of them are there."""
    try:
        images = [str(entry["image"]) for entry in listed["training"]]
    except (KeyError, TypeError):
        return "`training` needs entries such as {image: imagesTr/a.nii.gz, label: …}"
    if any(is_file(folder / image) for image in images):
        return ""
    example = f", e.g. {images[0]}" if images else ""
    return f"none of the {len(images)} images that it lists is there{example}"


def _drop_ignored(found: Found) -> None:
    """Leave out nnU-Net's class of voxels that nobody labelled: there is nothing to learn."""
    for value in [value for value, name in found.classes.items() if name == IGNORE]:
        del found.classes[value]
        found.notes.append(
            f"{LIST}: {value} is '{IGNORE}', voxels of which nobody knows the class; no voxels can "
            "be left out of training here, so that check rejects the scans that have some "
            "(mask-class); give those voxels a class in the masks, or accept mask-class, and they "
            "are background"
        )


def _said_of_names(listed: Mapping[str, Any], classes: Mapping[int, str]) -> Iterator[str]:
    """Say which values have several names, and how the regions of several values are learnt.

    Args:
        listed: What dataset.json holds.
        classes: The values that are learnt, and their names.
    """
    names: dict[int, list[str]] = defaultdict(list)
    regions: dict[str, list[int]] = {}
    for word, value in _pairs(listed):
        if isinstance(value, list) and len(value) > 1:
            regions[word] = [v for v in map(_number, value) if v is not None and v in classes]
        elif (number := _number(value)) is not None:
            names[number].append(word)
    for number, words in names.items():
        if len(words) > 1:
            several = " and ".join(f"'{word}'" for word in words)
            yield f"{LIST}: {number} is {several}; '{words[-1]}' is taken"
    lines = []
    for word, values in regions.items() if classes else ():
        rest = [f"{name}: {value}" for value, name in classes.items() if value not in values]
        written = ", ".join([f"{class_word(word)}: {values}", *rest])
        lines.append(f"`classes: {{{written}}}`")
    if lines:
        yield (
            f"{LIST} names regions of several values, of which a study learns one at a time, as "
            f"classes may not overlap; instead of the single values, write {' or '.join(lines)}"
        )


def _class_names(listed: Mapping[str, Any]) -> dict[int, str]:
    """Return the names of values; a region of several values names none of them."""
    return {
        number: class_word(word)
        for word, value in _pairs(listed)
        if (number := _number(value)) is not None
    }


def _pairs(listed: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and their values: the Decathlon writes {"1": name}, nnU-Net 2 {name: 1}."""
    labels = listed.get("labels")
    for key, other in labels.items() if isinstance(labels, dict) else ():
        if _number(key) is not None and isinstance(other, str):
            yield other, key
        else:
            yield key, other


def _number(value: Any) -> int | None:
    """Read 1, "1" or [1]."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return int(value) if re.fullmatch(r"[0-9]{1,9}", str(value)) else None
