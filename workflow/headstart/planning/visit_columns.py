"""Visits in a table: a row for each, or columns for each, as Age_baseline and Age_followup."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from headstart.common.strict_yaml import word
from headstart.data.column_names import names_a_visit
from headstart.data.column_names import words_of
from headstart.data.dates import date_form
from headstart.data.dates import written_apart
from headstart.data.identities import GENERIC
from headstart.data.identities import tokens
from headstart.planning.label_columns import Table

SHORT = re.compile(r"\d+|..?")  # may number anything, a question of a questionnaire, say
APART = r"(?<=[A-Za-z])(?=\d)|(?<=[a-z])(?=[A-Z])"  # words that nothing separates: Age1, AgeT0
MOST_VISITS = 50
EXAMPLES = 3  # visits that are shown


def tell_apart(table: Table, column: str) -> Iterator[str]:
    """Yield columns that tell the rows of one id apart."""
    rows = table.cells[table.cells[column] != ""].drop_duplicates()
    for other in table.columns:
        cells = rows[other]
        few = cells.nunique() <= MOST_VISITS or all(map(date_form, cells))
        repeats = few and cells.nunique() > 1 and not (cells == "").any()
        if other != column and repeats and not rows.duplicated([column, other]).any():
            yield other


def visit_of(table: Table, column: str) -> str:
    """Return the column of visits or dates, if it tells several rows of one id apart, else ''."""
    tells = list(tell_apart(table, column)) if several(table, column) else []
    dates = [name for name in tells if all(map(date_form, table.cells[name]))]
    return next(iter([*filter(names_a_visit, tells), *dates]), "")


def several(table: Table, column: str) -> bool:
    """Whether an id has several rows that are not the same throughout."""
    known = table.cells[column] != ""
    again = table.cells[known & table.cells[column].duplicated(keep=False)]
    return bool(again.drop_duplicates()[column].duplicated().any())


def which_visit(
    table: Table,
    column: str,
    key: str,
    visit: str,
    sessions: Collection[str],
    changing: Sequence[str] = (),
) -> str:
    """Say that nothing tells which visit a scan belongs to, and what to write if the user knows.

    Args:
        table: The table.
        column: Its column of ids.
        key: What a scan has in it.
        visit: Its column of visits, or of dates.
        sessions: The sessions of the scans.
        changing: Columns that differ between a person's visits.
    """
    visits = list(dict.fromkeys(filter(None, table.cells[visit])))
    left_out = f"{', '.join(changing)} {'is' if len(changing) == 1 else 'are'} not offered: "
    if date_form(visits[0]):
        forms = next(filter(None, (written_apart(visits[0], one) for one in sessions)), "")
        return f"{table.title}: {left_out if changing else ''}it has a row per date, and " + (
            f"the dates in '{visit}' are written {forms}; write those of the table as "
            "YYYY-MM-DD, and call this again"
            if forms
            else f"the scans have none of the dates in '{visit}'; keep one row of each "
            f"'{column}', or name the scans' folders by these dates, as YYYY-MM-DD"
        )
    return (
        f"{table.title}: {left_out if changing else ''}it has a row per visit, told apart by "
        f"'{visit}' ({', '.join(visits[:EXAMPLES])}{', …' * (len(visits) > EXAMPLES)}), and the "
        "scans don't say which visit is theirs; if all are of one, write it: "
        f"`table: {{{table.written_place}, column: [{word(column)}, {word(visit)}], key: ['{key}', "
        f"{word(visits[0])}]}}`"
    )


def columns_of_visits(columns: Sequence[str], sessions: Collection[str]) -> list[str]:
    """Return the columns whose names hold the name of one of several sessions.

    What is a number or short must come with that of another session: Age_1 and Age_2.

    Args:
        columns: Names of columns.
        sessions: The sessions of the scans.
    """
    visits = {_bare(session) for session in sessions if session}
    if len(visits) < 2:
        return []
    numbered: dict[str, dict[str, str]] = defaultdict(dict)
    found = set()
    for column in columns:
        for visit, rest in _cuts(column):
            if SHORT.fullmatch(visit):
                numbered[rest][visit] = column
            elif visit in visits:
                found.add(column)
    for those in numbered.values():
        if len(those) > 1 and those.keys() <= visits:
            found.update(those.values())
    return [column for column in columns if column in found]


def _cuts(column: str) -> Iterator[tuple[str, str]]:
    """Yield what may be the visit in a column's name, as 1 of Age1, and the rest of the name."""
    words = words_of(re.sub(rf"[()\[\]]|{APART}", " ", column)).split()
    for first in range(len(words)):
        for end in range(first + 1, len(words) + 1):
            if rest := " ".join(words[:first] + words[end:]):
                yield _bare("".join(words[first:end])), rest


def _bare(visit: str) -> str:
    """Return a visit as it is compared: V01 is 1, follow-up is followup."""
    parts = tokens(visit)
    return "".join([part for part in parts if part not in GENERIC] or parts)
