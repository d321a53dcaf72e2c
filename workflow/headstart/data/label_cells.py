"""A table's labels: every cell checked, and translated as `labels` says."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.data.cell_checks import NO_RULE
from headstart.data.cell_checks import Problem
from headstart.data.cell_checks import label_problems
from headstart.data.cell_checks import refuse
from headstart.data.cell_checks import rule_problems
from headstart.data.column_names import code_book
from headstart.data.column_names import is_identity
from headstart.data.config import Label
from headstart.data.config import TableColumn
from headstart.data.missing_codes import SIGNS
from headstart.data.missing_codes import are_ranges
from headstart.data.people import people_of
from headstart.data.table_files import ANYWHERE
from headstart.data.table_files import SheetPlace
from headstart.data.table_files import note
from headstart.data.table_files import read_sheet
from headstart.data.tables import find_columns
from headstart.data.tables import take_columns


def read_labels(
    path: Path,
    labels: Mapping[str, Label],
    *,
    keys: tuple[str, ...],
    rules: Mapping[str, TableColumn],
    columns: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
    place: SheetPlace = ANYWHERE,
    elsewhere: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read a table and the labels that it holds, and check every cell.

    Args:
        path: As for `read_table`.
        labels: Label name: where it comes from.
        keys: The columns that tell the rows apart.
        rules: Column: what it holds.
        columns: Other columns that must be there.
        optional: Columns that are read where they are there.
        place: Its sheet, and the row of the columns' names.
        elsewhere: Columns of labels that another table has; this one may lack them.

    Returns:
        The columns, and the labels, both with the row's number as index.

    Raises:
        TableError: If cells are not as `rules` and `labels` say, hold a date or free text.
        UserError: As for `read_table`.
    """
    sheet = read_sheet(path, place)
    of_labels = [label.column for label in labels.values()]
    needed = (*keys, *columns, *(column for column in of_labels if column not in elsewhere))
    places = find_columns(sheet, needed, (*optional, *rules, *of_labels))
    labels = {name: label for name, label in labels.items() if label.column in places}
    books = {column: code_book(sheet.names[place]) for column, place in places.items()}
    for column, book in books.items():
        if book and any(label.column == column and not label.map for label in labels.values()):
            meaning = ", ".join(f"{code} is {word}" for code, word in book.items())
            note(path, f"in column '{column}' {meaning}, as its name says")
    ids = {name: sheet.names.index(name) for name in sheet.names if is_identity(name)}
    ids |= {name: places[name] for name in keys}
    people = people_of(take_columns(sheet, ids), keys)
    missing = {column: rule.missing for column, rule in rules.items()}
    cells = take_columns(sheet, places, missing)
    return decode(path, cells, labels, keys=keys, rules=rules, books=books, people=people)


def decode(
    path: Path,
    cells: pd.DataFrame,
    labels: Mapping[str, Label],
    *,
    keys: tuple[str, ...],
    rules: Mapping[str, TableColumn],
    books: Mapping[str, Mapping[str, str]],
    people: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Check a table's cells and translate them to labels; see `read_labels`.

    Args:
        path: The table, for messages.
        cells: Its columns as text, as from `read_table`.
        labels: Label name: where it comes from.
        keys: The columns that tell the rows apart.
        rules: Column: what it holds.
        books: Column: what its values mean, as its name says.
        people: Whose row each is.
    """
    cells = cells.copy()
    mapped = {label.column: label.map for label in labels.values()}
    for column, rule in rules.items():
        if column not in cells:
            note(path, f"has no column '{column}', so it is not checked")
        elif rule.missing:
            _blank(path, cells, column, rule.missing, said=column in mapped)
    for column, words in mapped.items():
        signs = SIGNS - {*words, *rules.get(column, NO_RULE).values}
        if not words and are_ranges(cells[column].tolist()):
            note(path, f"'{column}' holds ranges of numbers; they are taken as classes")
        if not cells[column].str.startswith("+").any():
            _blank(path, cells, column, sorted(signs & set(cells[column])), said=True)

    translations = {
        name: {
            as_number(code, code): word
            for code, word in (label.map or books.get(label.column, {})).items()
        }
        for name, label in labels.items()
    }
    problems: dict[str, list[Problem]] = {column: [] for column in cells.columns}
    for column, rule in rules.items():
        if column in problems:
            problems[column] += rule_problems(cells[column], rule, cells[keys[0]])
    for name, label in labels.items():
        column, rule = label.column, rules.get(label.column, NO_RULE)
        problems[column] += label_problems(cells[column], translations[name], rule, people)
    allowed = {c: [*words, *rules.get(c, NO_RULE).values] for c, words in mapped.items()}
    refuse(path, cells, problems, keys, allowed)

    values = {
        name: cells[label.column].map(
            lambda cell, words=translations[name]: (
                words[as_number(cell, cell)] if cell and words else cell
            )
        )
        for name, label in labels.items()
    }
    return cells, pd.DataFrame(values, index=cells.index)


def _blank(
    path: Path, cells: pd.DataFrame, column: str, codes: Sequence[str], *, said: bool
) -> None:
    """Empty the cells that mean 'not known'."""
    meant = {as_number(code, code) for code in codes}
    blank = cells[column].map(lambda cell: as_number(cell, cell) in meant)
    cells.loc[blank, column] = ""
    if said and blank.any():
        say = "says" if blank.sum() == 1 else "say"
        cells_of = f"{counted(int(blank.sum()), 'cell')} of '{column}'"
        note(path, f"{cells_of} {say} {', '.join(codes)}: missing")
