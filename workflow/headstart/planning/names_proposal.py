"""Folders that are described by the names of their files."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import alike
from headstart.data.templates import Template
from headstart.planning import file_kinds
from headstart.planning import file_words
from headstart.planning.case_folders import take_sides
from headstart.planning.file_names import Kind
from headstart.planning.file_words import VISIT
from headstart.planning.join_keys import keys_of
from headstart.planning.join_proposal import best_join
from headstart.planning.joined_ids import join_words
from headstart.planning.label_columns import Table
from headstart.planning.mixed_names import unite
from headstart.planning.name_fields import name_fields
from headstart.planning.name_fields import unused
from headstart.planning.proposal import CONTRAST_SHARE
from headstart.planning.proposal import FILES_SHARE
from headstart.planning.proposal import Found
from headstart.planning.proposal import add_mask
from headstart.planning.proposal import add_reference
from headstart.planning.proposal import channel_name
from headstart.planning.proposal import values_of
from headstart.planning.run_names import choose_runs
from headstart.planning.run_names import counts_runs
from headstart.planning.same_ids import IDENTITY
from headstart.planning.same_ids import Repeats
from headstart.planning.same_ids import settle_repeats
from headstart.planning.trial import count_usable
from headstart.planning.trial import list_scans

MOST_KINDS = 4  # images and masks of a scan that no known word names


def propose_names(
    folder: Path,
    images: Sequence[str],
    tables: Sequence[Table],
    target: str | None = None,
    *,
    clean: bool = False,
) -> Found:
    """Describe a folder by the names of its files; a table that has the target comes first.

    Args:
        folder: The folder.
        images: Its files.
        tables: Its tables.
        target: The label that is to be predicted, if it is known.
        clean: Whether clean scans are looked for, as a reference of noisy ones.

    Raises:
        UserError: If the names don't say whose scans these are.
    """
    every = file_kinds.kinds_of(images, lambda kind: join_words(kind, tables))
    if clean:
        every = [part for kind in every for part in _by_reference(kind)]
    every = sorted(
        (part for kind in every for part in _by_voxels(folder, kind)),
        key=lambda kind: -len(kind.paths),
    )
    every, united = unite(every, tables)
    cleared = [_without_copies(kind) for kind in every]
    every, copies = [kind for kind, _ in cleared], [told for _, told in cleared if told]
    kinds = [kind for kind in every if not set(kind.known) & file_words.LEFT_OUT] or every
    large = [kind for kind in kinds if len(kind.paths) >= max(2, 0.02 * len(kinds[0].paths))]
    values = {id(k): values_of(folder, k.paths) for k in large} if len(large) > 1 else {}
    apart = [
        kind
        for kind in large
        if clean and _says_reference(kind) and not _is_mask(kind, values.get(id(kind)))
    ]
    main = min(
        [kind for kind in large if kind not in apart] or large or kinds,
        key=lambda k: _rank(k, values.get(id(k)), len(kinds[0].paths)),
    )
    name_fields(main)
    if "subject" not in main.fields.values():
        raise UserError(
            f"{folder}: {len(main.paths)} scan such as {main.paths[0]} is too little to see whose "
            "scans these are; name the folder that holds all subjects"
        )
    repeats = settle_repeats(main, tables)
    reference = next((kind for kind in apart if _has_one_contrast(kind, main)), None)
    others = [kind for kind in large if kind is not main]
    for kind in others:
        file_kinds.like(kind, main)
    if any(_is_of_one_run(kind, main) for kind in others):
        number = unused(main, "number")
        for kind in (main, *others):
            kind.rename("session", number)
    # Sub_101 is one word, unless the template could then be read in another way
    ways = [whole for whole in (True, False) if main.reads_back(whole=whole)] or [False]
    exact = [whole for whole in ways if not _strange(main, images, whole=whole)]
    doubts = [*united, *copies, *([repeats.sessions] if repeats.sessions else _doubt(main))]
    candidates = [
        _described(main, others, reference, values, tables, target, repeats, doubts, whole)
        for whole in exact or ways
    ]
    # the names' own prefixes stay, unless only the bare number fits the files or a table
    best = max(
        candidates, key=lambda one: ("table" in one.source, count_usable(folder, one.source))
    )
    if not exact:
        _check_strange(
            folder, best, {path for way in ways for path in _strange(main, images, whole=way)}, main
        )
    return best


def _check_strange(folder: Path, found: Found, strange: Collection[str], main: Kind) -> None:
    """Fail if files of another kind would be read as scans of other people.

    Raises:
        UserError: Names one of them. Those that label rejects, as S05 - Copy, do no harm.
    """
    read = [scan.path for scan in list_scans(folder, found.source)[0] if not scan.reason]
    if taken := [path for path in read if path in strange]:
        raise UserError(
            f"{folder}: {main.paths[0]} and {taken[0]} can't be told apart by a template: what "
            f"takes the one takes the other; move {taken[0]} and its like to another folder"
        )


def _by_voxels(folder: Path, kind: Kind) -> list[Kind]:
    """Split a kind at a word that tells masks from images, as X/01 and Y/01 of data and target."""
    for place in kind.differing():
        if len(set(kind.values(place))) <= MOST_KINDS and file_kinds.nearly_all(kind, place):
            parts = file_kinds.split_by(kind, kind.values(place))
            masks = [values_of(folder, part.paths) is not None for part in parts]
            if any(masks) and not all(masks):
                return parts
    return [kind]


def _without_copies(kind: Kind) -> tuple[Kind, str]:
    """Leave out what is computed from other files of a kind, as preproc/01 beside raw/01."""
    for place in kind.differing():
        words = kind.values(place)
        processed = [bool(file_words.PROCESSED.fullmatch(word)) for word in words]
        if not any(processed) or all(processed):
            continue
        rest = [(*own[:place], *own[place + 1 :]) for own in kind.words]
        raw = {own for own, is_copy in zip(rest, processed, strict=True) if not is_copy}
        copies = [own in raw for own, is_copy in zip(rest, processed, strict=True) if is_copy]
        if sum(copies) < FILES_SHARE * len(copies):
            continue
        parts = file_kinds.split_by(kind, ["made" if one else "" for one in processed])
        left, out = parts[::-1] if processed[0] else parts
        return left, (
            f"{len(out.paths)} files such as {out.paths[0]} are not used: they are made of others, "
            f"such as {left.paths[0]}, as '{out.words[0][place]}' says; to learn from "
            "these, name the folder that holds them alone"
        )
    return kind, ""


def _by_reference(kind: Kind) -> list[Kind]:
    """Split a kind at a word that tells clean scans from noisy ones, as noisy/01 and clean/01."""
    for place in kind.differing():
        if len(set(kind.values(place))) <= MOST_KINDS and file_kinds.nearly_all(kind, place):
            parts = file_kinds.split_by(kind, kind.values(place))
            if 0 < sum(map(_says_reference, parts)) < len(parts):
                return parts
    return [kind]


def _says_reference(kind: Kind) -> bool:
    return all(map(file_words.REFERENCE.search, kind.paths))


def _is_mask(kind: Kind, values: list[set[int]] | None) -> bool:
    """Whether both name and values of a kind are those of masks, as of `gt.nii.gz` they may be."""
    return values is not None and file_words.is_mask(kind.known)


def _has_one_contrast(kind: Kind, main: Kind) -> bool:
    """Whether the names of two kinds say of no two contrasts."""
    contrasts = {channel_name(one.paths[0], {}) for one in (kind, main)} - {"image"}
    return kind is not main and len(contrasts) < 2


def _is_contrast(kind: Kind, main: Kind, values: list[set[int]] | None) -> bool:
    """Whether the files of a kind are images whose names say of another contrast."""
    contrasts = [channel_name(one.paths[0], {}) for one in (kind, main)]
    other = contrasts[0] not in ("image", contrasts[1])
    return other and values is None and not file_words.is_mask(kind.known)


def _doubt(main: Kind) -> Iterator[str]:
    """Say where the supposed session may be part of the subject, as 02 of 02-001."""
    for session in main.places("session")[:1]:
        if session not in main.differing() or session > main.places("subject")[0]:
            return
        if any(map(VISIT.fullmatch, main.words[0][max(0, session - 1) : session + 1])):
            return
        yield (
            f"'{main.words[0][session]}' of {main.paths[0]} was taken for the session; if it is "
            "part of who it is, write {subject} for both"
        )


def _strange(main: Kind, images: Sequence[str], *, whole: bool) -> list[str]:
    """Return the files of another kind that the template of the main one would take."""
    match, own = Template(main.template(whole=whole)).match, set(main.paths)
    return [path for path in images if path not in own and match(path)]


def _described(
    main: Kind,
    others: Sequence[Kind],
    reference: Kind | None,
    values: dict[int, list[set[int]] | None],
    tables: Sequence[Table],
    target: str | None,
    repeats: Repeats,
    doubts: Sequence[str],
    whole: bool,
) -> Found:
    join, told = best_join(*keys_of(main, whole=whole), tables, target)
    if repeats.join:
        join, told = copy.deepcopy(repeats.join), list(repeats.told)
    labels = {"sex", "site", "group"} & set(main.fields.values())
    key = "".join(join["table"]["key"]) if join else ""
    in_key = set(re.findall(r"\{(\w+)\}", key))
    twice = labels & set(join.get("labels", {}))
    found_in = {name: main.values(main.places(name)[0]) for name in twice}
    for name in sorted(twice & in_key):  # the key needs the word, the label is the table's
        number = unused(main, "number")
        for kind in (main, *others):
            kind.rename(name, number)
        join["table"]["key"] = _with(join["table"]["key"], f"{{{name}}}", f"{{{number}}}")
        in_key = in_key - {name} | {number}
    wanted = (labels - twice) | in_key
    channel = channel_name(main.paths[0], {})
    source: dict[str, Any] = {"channels": {channel: main.template(whole=whole, wanted=wanted)}}
    found = Found(_in_words(main), source)
    prefer, why = ([], "") if repeats.people else choose_runs(main)
    if prefer:
        source["prefer"] = prefer
        found.notes.append(why)
    found.named = {n: dict(zip(main.paths, own, strict=True)) for n, own in found_in.items()}
    if join:
        source |= join
        found.layout += f", labels in {join['table']['path']}"
        found.notes += told
    else:
        found.unjoined = list(told)
    found.notes += doubts
    if repeats.people:
        source["subject"] = "folder/id"
        found.notes.append(
            f"the same id stands in several class folders, e.g. {repeats.people}: taken as "
            "different people"
        )
        if {*re.findall(r"\{(\w+)\}", key)} <= {"subject", "session"}:
            source.pop("table", None)  # one row would be two people's
            source.pop("labels", None)
    else:
        take_sides(found, main.paths)
    for kind in sorted(others, key=lambda kind: kind is reference):  # which is the last channel
        example = f"{len(kind.paths)} files such as {kind.paths[0]}"
        if unlike := _unlike_subjects(kind, main):
            found.notes.append(f"{example} are not used: {unlike}")
            continue
        contrast = kind is not reference and _is_contrast(kind, main, values.get(id(kind)))
        least = CONTRAST_SHARE if contrast else FILES_SHARE
        if _share_with_one(kind, main, IDENTITY) < least:
            found.notes.append(f"{example} are not used: not every scan has one")
        else:
            template = kind.template(whole=whole, wanted=wanted)
            if kind is reference:
                add_reference(found, template, example)
                continue
            _add_kind(found, kind, template, values.get(id(kind)), example)
    return found


def _unlike_subjects(kind: Kind, main: Kind) -> str:
    """Say that the names of another kind have other ids than the scans; '' if they have theirs."""
    place = main.places("subject")[0]
    if place not in main.differing() or "subject" in kind.fields.values():
        return ""
    ours = list(dict.fromkeys(main.values(place)))
    told = f"no word of their names is the subject of a scan, such as {ours[0]}"
    for other in kind.differing():
        theirs = list(dict.fromkeys(kind.values(other)))
        try:
            keys, found, _ = alike([(word,) for word in ours], [(word,) for word in theirs])
        except AmbiguousIdsError:
            continue
        if None not in keys and {*keys} <= {*found}:
            one = theirs[found.index(keys[0])]
            return f"{told}; if {one} is {ours[0]}, rename the files of one kind as the others are"
    return told


def _is_of_one_run(kind: Kind, main: Kind) -> bool:
    """Whether the sessions are but runs, of which one alone has a mask or a further channel."""
    if not any(counts_runs(main, place) for place in main.places("session")[:1]):
        return False
    one, other = (channel_name(path, {}) for path in (main.paths[0], kind.paths[0]))
    used = file_words.is_mask(kind.known) or other not in ("image", one)
    runs, people = (_share_with_one(kind, main, names) for names in (IDENTITY, IDENTITY[:1]))
    return used and runs < FILES_SHARE <= people


def _share_with_one(kind: Kind, main: Kind, identity: Sequence[str]) -> float:
    """Return the share of the main kind's sessions, or people, that have a file of another kind."""
    names = {main.fields.get(place, "") for place in main.differing()}.intersection(identity)
    known = names <= {*kind.fields.values()}
    there = len(_visits(kind, names)) if known else len(kind.paths)
    return there / len(_visits(main, names))


def _visits(kind: Kind, names: Collection[str]) -> set[tuple[str, ...]]:
    places = [kind.places(name)[0] for name in sorted(names)]
    return {tuple(words[place] for place in places) for words in kind.words}


def _with(key: Any, old: str, new: str) -> Any:
    """Return a table's key, or each of its keys, with one field replaced by another."""
    return key.replace(old, new) if isinstance(key, str) else [k.replace(old, new) for k in key]


def _add_kind(
    found: Found, kind: Kind, template: str, values: list[set[int]] | None, example: str
) -> None:
    """Take another kind of file as a mask or a channel; its name counts more than its values."""
    channels = found.source["channels"]
    channel = channel_name(kind.paths[0], {})
    if file_words.is_mask(kind.known) or (values is not None and channel in ("image", *channels)):
        if values is None:
            found.notes.append(
                f"{example} are not used: their name says mask, but their values are no classes"
            )
            return
        brain = bool(set(kind.known) & file_words.BRAINS) or "brain" in kind.paths[0].lower()
        add_mask(found, template, values, brain=brain, where=example)
    elif channel == "image":
        found.notes.append(
            f"{example} are not used: their name says of no channel what it is (T1, T2, FLAIR, …)"
        )
    elif channel in channels:
        found.notes.append(f"{example} are not used: the channel {channel} is {channels[channel]}")
    else:
        channels[channel] = template


def _rank(kind: Kind, values: list[set[int]] | None, most: int) -> tuple[Any, ...]:
    """Order kinds by how likely they are the image to learn from: names count before voxels."""
    named = [word for word in kind.known if word in file_words.CHANNELS]
    order = list(file_words.CHANNELS)
    return (
        len(kind.paths) < 0.5 * most,
        file_words.is_mask(kind.known),
        min((order.index(word) for word in named), default=len(order)),
        values is not None,
        -len(kind.paths),
        kind.paths[0].count("/"),
        any(map(file_words.PROCESSED.fullmatch, kind.words[0])),
        len(kind.cuts),
    )


def _in_words(main: Kind) -> str:
    in_folder = {name for place, name in main.fields.items() if main.in_folder(place)}
    if in_folder & {"sex", "group", "site"}:
        return "class folders"
    if "subject" in in_folder:
        return "a folder per subject"
    return "a folder per visit" if "session" in in_folder else "one flat folder"
