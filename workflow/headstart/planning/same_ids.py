"""Folders that hold the same ids: visits of one person, or classes of several people."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from headstart.common.text import is_number
from headstart.data.column_names import label_name
from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import alike
from headstart.planning.file_names import Kind
from headstart.planning.file_words import SEXES
from headstart.planning.file_words import SITES
from headstart.planning.file_words import are_classes
from headstart.planning.label_columns import Table
from headstart.planning.name_fields import CLASS
from headstart.planning.name_fields import PLACE
from headstart.planning.name_fields import unused

SLIPS = 0.1  # of the people in a table whose sex or age may be wrong in one row
MOST_YEARS = 15  # from the first visit of one person to the last
IDENTITY = ("subject", "session")


@dataclass(frozen=True)
class Repeats:
    """How ids that repeat were interpreted.

    Attributes:
        sessions: What to say where they were taken for one person's sessions, else ''.
        people: Two files of one id that are two people, else ''.
        join: `table` and `labels` of the source, where a table tells these people apart.
        told: What to say of that table.
    """

    sessions: str = ""
    people: str = ""
    join: dict[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()


def settle_repeats(kind: Kind, tables: Sequence[Table]) -> Repeats:
    """Take folders that hold the same ids as sessions, unless these are known to be people.

    In doubt one id is one person: two people taken for one cost a little, a person on both sides
    of a split makes every result false. A folder below the subject's is never a class.

    Args:
        kind: The scans' names; a field of it may become the session.
        tables: The tables beside the scans.
    """
    people = ""
    for name in dict.fromkeys(kind.fields[place] for place in sorted(kind.fields)):
        place = kind.places(name)[0]
        if not _is_label(kind, place):
            continue
        values = kind.values(place)
        below = "/" in "".join(kind.cuts[kind.places("subject")[0] : place])
        twice = _id_twice(kind, place)
        if twice and not below:
            join, told = _join_of_people(kind, place, tables)
            if join:
                return Repeats(people=twice, join=join, told=tuple(told))
            if are_classes(values):
                people = people or twice
                continue
        if twice and not set(kind.places("session")) & set(kind.differing()):
            for constant in kind.places("session"):
                del kind.fields[constant]
            kind.rename(name, "session")
            return Repeats(_told(name, values, twice))
        if below and not {value.lower() for value in values} <= SEXES | SITES:
            kind.rename(name, unused(kind, "number"))
    return Repeats(people=people)


def are_people(table: Table, ids: str, other: str) -> bool:
    """Whether rows that share an id but differ in a second column are different people.

    Args:
        table: A table with a row for each id and value of the second column.
        ids: The column of ids.
        other: The second column, e.g. of sites.

    Returns:
        Whether they differ in sex or by many years; where neither is known, whether the column is
        named as one of sites or groups.
    """
    differ = differing_people(table, table.cells[ids].tolist())
    if differ is None:
        word = re.sub(r"[^a-z]*(id|name|code|nr)?$", "", other.lower())
        return bool(PLACE.fullmatch(word) or CLASS.fullmatch(word))
    return differ


def differing_people(table: Table, people: Sequence[str]) -> bool | None:
    """Whether rows of one person differ in sex or by many years, beyond a few slips.

    Args:
        table: The table.
        people: Who each of its rows would belong to.

    Returns:
        The answer; None if the table tells neither.
    """
    differ = {"sex": _differ_in_sex, "age": _differ_in_age}
    answers = []
    for column in table.columns:
        if label_name(column) in differ:
            rows: dict[str, list[str]] = defaultdict(list)
            for who, cell in zip(people, table.cells[column], strict=True):
                if who and cell:
                    rows[who].append(cell.strip().lower())
            several = [cells for cells in rows.values() if len(cells) > 1]
            count = sum(map(differ[label_name(column)], several))
            answers.append(count > max(1, SLIPS * len(several)))
    return any(answers) if answers else None


def _differ_in_sex(cells: Sequence[str]) -> bool:
    return len(set(cells)) > 1


def _differ_in_age(cells: Sequence[str]) -> bool:
    years = [float(cell) for cell in cells if is_number(cell)]
    return bool(years) and max(years) - min(years) > MOST_YEARS


def lettered_ids(subjects: Sequence[str]) -> str:
    """Say that ids differ in a last letter alone, as sub01a and sub01b or sub01; '' elsewhere."""
    letters: dict[str, set[str]] = defaultdict(set)
    for one in subjects:
        match = re.fullmatch(r"(.*\d)([A-Za-z])", one)
        letters[match[1] if match else one].add(match[2] if match else "")
    several = {stem: sorted(own) for stem, own in letters.items() if len(own) > 1}
    if not several:
        return ""
    stem, (one, two, *_) = next(iter(several.items()))
    pair = f"{stem}{one} and {stem}{two}"
    if one and len({*map(tuple, several.values())}) == 1 and len(several) == len(letters):
        told = f"each number stands with {' and '.join(several[stem])}, e.g. {pair}"
        mend = f"rename the files to {stem}_{one} and {stem}_{two}"
    else:
        told = f"{len(several)} of {len(letters)} ids come back with another letter, e.g. {pair}"
        same = f"{{subjects: [{', '.join(stem + letter for letter in several[stem])}], reason: …}}"
        mend = f"write `split: {{same: [{same}, …]}}`"
    return (
        f"{told}: taken as different people; if they are scans of one, {mend}, else a person is on "
        "both sides of the split"
    )


def _is_label(kind: Kind, place: int) -> bool:
    name = kind.fields[place]
    known = name not in IDENTITY and not name.startswith("number")
    return known and kind.in_folder(place)


def _id_twice(kind: Kind, folder: int) -> str:
    """Return two files with one id in two folders of a place, '' if there are none."""
    identity = [*kind.places("subject")[:1], *kind.places("session")[:1]]
    seen: dict[tuple[str, ...], tuple[str, str]] = {}
    for words, path in zip(kind.words, kind.paths, strict=True):
        one = tuple(words[place] for place in identity)
        other, where = seen.setdefault(one, (words[folder], path))
        if other != words[folder]:
            return f"{where} and {path}"
    return ""


def _told(name: str, values: Sequence[str], twice: str) -> str:
    shown = ", ".join(sorted(set(values))[:3])
    return (
        f"the same ids stand under {shown}, e.g. {twice}: taken as sessions of one person; if they "
        f"are different people, write {{{name}}} for {{session}} and add `subject: folder/id`"
    )


def _join_of_people(
    kind: Kind, place: int, tables: Sequence[Table]
) -> tuple[dict[str, Any], list[str]]:
    """Join a table that has a row for each id in each folder, if these are different people.

    Returns:
        `table` and `labels` as the config's source has them, and what to say of them.
    """
    folders = sorted(set(kind.values(place)))
    subjects = sorted(set(kind.values(kind.places("subject")[0])))
    for table in tables:
        for ids, other in itertools.permutations(table.columns, 2):
            if table.cells.duplicated([ids, other]).any():
                continue
            if not (_has_all(table, ids, subjects) and _has_all(table, other, folders)):
                continue
            if are_people(table, ids, other):
                if label_name(other) == "site":
                    kind.rename(kind.fields[place], "site")
                key = ["{subject}", f"{{{kind.fields[place]}}}"]
                return table.section([ids, other], key, table.labels([ids, other]))
    return {}, []


def _has_all(table: Table, column: str, words: Sequence[str]) -> bool:
    """Whether a column's values are these words, whatever their prefix and zeros."""
    values = [(cell,) for cell in dict.fromkeys(table.cells[column]) if cell]
    if len(values) > 2 * len(words):
        return False
    try:
        keys, there, _ = alike([(word,) for word in words], values)
    except AmbiguousIdsError:
        return False
    return set(keys) <= set(there)
