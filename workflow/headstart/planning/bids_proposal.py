"""What a dataset in BIDS offers to learn from."""

from __future__ import annotations

import re
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError
from headstart.data import bids
from headstart.imaging.scan_rows import MASKS
from headstart.planning import file_words
from headstart.planning.bids_labels import bids_join
from headstart.planning.label_columns import Table
from headstart.planning.label_columns import open_tables
from headstart.planning.proposal import CONTRAST_SHARE
from headstart.planning.proposal import FILES_SHARE
from headstart.planning.proposal import Found
from headstart.planning.proposal import add_mask
from headstart.planning.proposal import channel_name
from headstart.planning.proposal import grid_difference
from headstart.planning.proposal import values_of

# Suffixes of what a scanner computes to look at; UNIT1 before the inversions it is made of.
SUFFIXES = ("T1w", "UNIT1", "T2w", "FLAIR", "PDw", "T2starw", "angio", "SWI")
MOST_NAMED = 6
NATIVE = {"T1w", "T2w", "orig", "individual", "scanner", "native"}  # spaces of the scans
ANATOMY = re.compile(r"(?:(.+?)/)?sub-[^/]+/(?:ses-[^/]+/)?anat/sub-[^/]+")

Visit = tuple[str, str]  # subject and session
Files = dict[Visit, dict[str, frozenset[str]]]  # the images of a visit, with their entities


@dataclass(frozen=True)
class Way:
    """A way to ask for images.

    Attributes:
        name: E.g. T1w, or acq-mprage_T1w.
        prefer: Entities that decide where several files fit.
        found: The visits in which it finds one file, and the file.
    """

    name: str
    prefer: tuple[str, ...]
    found: dict[Visit, str]


def bids_folders(images: Iterable[str]) -> list[str]:
    """Return the folders that hold a dataset in BIDS, '' for the given folder itself."""
    anatomy = [match for path in images if (match := ANATOMY.fullmatch(path))]
    homes = {match[1] or "" for match in anatomy}
    homes = {home for home in homes if not {*home.split("/")} & {"derivatives", "sourcedata"}}
    return [""] if "" in homes else sorted(homes)


def propose_datasets(
    folder: Path,
    listing: tuple[list[str], list[str]],
    homes: Sequence[str],
    target: str | None = None,
) -> Found:
    """Describe one or several datasets in BIDS below a folder, each as a source.

    Raises:
        UserError: If they have no channel in common.
    """
    each = [_propose_in(folder, listing, home, target) for home in homes]
    found = each[0]
    if len(each) == 1:
        return found
    found.layout = f"{len(homes)} datasets in BIDS: {', '.join(homes)}"
    found.more = [other.source for other in each[1:]]
    names = [set(source["channels"]) for source in found.sources]
    shared = [name for name in found.source["channels"] if name in set.intersection(*names)]
    if not shared:
        raise UserError(f"{folder}: {' and '.join(homes)} have no channel in common; name one")
    masks = {key for key in MASKS if all(key in source for source in found.sources)}
    for home, source in zip(homes, found.sources, strict=True):
        source["source"] = re.sub(r"[^a-z0-9]+", "-", home.lower()).strip("-")
        source["channels"] = {channel: source["channels"][channel] for channel in shared}
        for key in {*MASKS} - masks:
            source.pop(key, None)
    found.notes = [
        f"{home}: {line}" for home, one in zip(homes, each, strict=True) for line in one.notes
    ]
    found.unjoined = [
        f"{home}: {line}" for home, one in zip(homes, each, strict=True) for line in one.unjoined
    ]
    counts = Counter(path for home in homes for path in _below(listing[1], home) if "/" not in path)
    twice = [path for path, count in counts.items() if count > 1 and path.startswith("sub-")]
    if twice:
        found.notes.append(f"{min(twice)} stands in several datasets: taken as different people")
        for source in found.sources:
            source["subject"] = "folder/id"
    return found


def _propose_in(
    folder: Path, listing: tuple[list[str], list[str]], home: str, target: str | None
) -> Found:
    """Describe the dataset in a folder below."""
    files, folders = (_below(paths, home) for paths in listing)
    found = propose_bids(folder / home, (files, folders), open_tables(folder / home, files), target)
    if home:
        found.source["path"] = home
    return found


def _below(paths: Iterable[str], home: str) -> list[str]:
    """Return the paths in a folder, relative to it."""
    start = f"{home}/" if home else ""
    return [path.removeprefix(start) for path in paths if path.startswith(start)]


def propose_bids(
    folder: Path,
    listing: tuple[list[str], list[str]],
    tables: Sequence[Table],
    target: str | None,
) -> Found:
    """Describe a dataset in BIDS: for every suffix, the names that find most scans."""
    dataset = bids.read_dataset(*listing)
    images: dict[tuple[str, str], Files] = defaultdict(dict)
    for (home, suffix, *visit), files in dataset.files.items():
        if home or any("/anat/" in path for path in files):
            images[home, suffix][visit[0], visit[1]] = files
    raw = {suffix: files for (home, suffix), files in images.items() if not home}
    ways = {suffix: _way(suffix, files) for suffix, files in raw.items()}
    visits = len({visit for files in raw.values() for visit in files})

    def rank(suffix: str) -> tuple[bool, int, int]:
        known = SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES)
        return len(ways[suffix].found) < FILES_SHARE * visits, known, -len(ways[suffix].found)

    source: dict[str, Any] = {"layout": "bids", "channels": {}}
    found = Found("BIDS", source)
    main, *others = sorted(raw, key=rank)
    _take(found, main, ways[main])
    for suffix in others:
        new = channel_name(suffix, {}) not in source["channels"]
        both = ways[main].found.keys() & ways[suffix].found.keys()
        often = len(both) >= CONTRAST_SHARE * len(ways[main].found)
        if new and suffix in SUFFIXES and often:
            _take(found, suffix, ways[suffix])
    _name_others(found, raw, ways)
    _add_masks(folder, found, images, ways[main].found)
    join, told, where = bids_join(folder, ways[main].found, tables, target)
    source |= join
    (found.notes if join else found.unjoined).extend(told)
    found.layout += f", labels in {where}" if where else ""
    return found


def _way(suffix: str, files: Files) -> Way:
    """Return the name that finds one file in most visits, with preferences where it finds more."""
    entities = {e for there in files.values() for e in there.values()}
    names = [_text(e, suffix) for e in sorted(entities | {frozenset()}, key=_order)]
    plain = max((_find(name, (), files) for name in names), key=lambda way: len(way.found))
    best = _find(suffix, (), files)
    while len(best.found) < len(files):
        single = sorted({e for there in files.values() for es in there.values() for e in es})
        more = [_find(suffix, (*best.prefer, entity), files) for entity in single]
        longer = max(more, key=lambda way: len(way.found), default=best)
        if len(longer.found) <= len(best.found):
            break
        best = longer
    return best if len(best.found) > len(plain.found) else plain


def _find(name: str, prefer: tuple[str, ...], files: Files) -> Way:
    """Find the visits in which a name finds one file, as label does."""
    parsed = bids.Name.parse(name)
    found = {visit: parsed.choose(there, prefer) for visit, there in files.items()}
    return Way(name, prefer, {visit: paths[0] for visit, paths in found.items() if len(paths) == 1})


def _order(entities: frozenset[str]) -> tuple[int, list[str]]:
    return len(entities), sorted(entities)


def _text(entities: Iterable[str], suffix: str) -> str:
    return "_".join([*sorted(entities), suffix])


def _take(found: Found, suffix: str, way: Way) -> None:
    """Take a suffix as a channel."""
    source = found.source
    source["channels"][channel_name(suffix, source["channels"])] = way.name
    if way.prefer:
        source["prefer"] = list(dict.fromkeys([*source.get("prefer", []), *way.prefer]))
        found.notes.append(
            f"of several {suffix} in one session that with {' and '.join(way.prefer)}"
        )


def _name_others(found: Found, raw: Mapping[str, Files], ways: Mapping[str, Way]) -> None:
    """Say which images are not used."""
    used = set(found.source["channels"].values())
    counts: Counter[str] = Counter()
    for suffix, files in raw.items():
        taken = set(ways[suffix].found.values()) if ways[suffix].name in used else set()
        for there in files.values():
            counts.update(_text(e, suffix) for path, e in there.items() if path not in taken)
    shown = [f"{name} ({count})" for name, count in counts.most_common(MOST_NAMED) if count > 1]
    if shown:
        found.notes.append(f"other images are not used: {', '.join(shown)}")


def _add_masks(
    folder: Path,
    found: Found,
    images: Mapping[tuple[str, str], Files],
    scans: Mapping[Visit, str],
) -> None:
    """Take masks from derivatives, those on the grid of the scans only."""
    kinds: dict[str, dict[Visit, str]] = defaultdict(dict)
    for (home, suffix), files in images.items():
        if home.startswith("derivatives") and file_words.is_mask([suffix.lower()]):
            for visit, there in files.items():
                for path, entities in there.items():
                    kinds[f"{home}/{_text(entities, suffix)}"][visit] = path
    for text, paths in kinds.items():
        space = re.search(r"(?:^|[_/])space-([^_]+)", text)
        if space and space[1] not in NATIVE:
            found.notes.append(f"{text}: lies in another space than the scans and is not used")
            continue
        both = [visit for visit in scans if visit in paths]
        if len(both) < FILES_SHARE * len(scans):
            continue
        values = values_of(folder, [paths[visit] for visit in both])
        if values is None:
            continue
        some = dict.fromkeys((both[0], both[len(both) // 2], both[-1]))
        apart = [grid_difference(folder, scans[visit], paths[visit]) for visit in some]
        if any(apart):
            found.notes.append(f"{text}: lies on another grid than the scans and is not used")
        else:
            add_mask(found, text, values, brain="brain" in text.lower())
