"""Whether a table's cells follow its rules, and no label identifies a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.data.column_names import is_age
from headstart.data.column_names import is_identity
from headstart.data.config import TableColumn
from headstart.data.missing_codes import missing_codes
from headstart.data.privacy import private_cells
from headstart.data.privacy import redacted
from headstart.data.privacy import shown_id

NO_RULE = TableColumn()
PRINTED = 12  # wrong cells of a table that an error shows
WRONG = ["row", "key", "column", "value", "problem"]
# The place of a wrong cell in its column, and what is wrong with it
Problem = tuple[int, str]
WHOLE = -1  # the place of a column as such


class TableError(UserError):
    """A table whose cells are not as they should be.

    Args:
        path: The table.
        wrong: All wrong cells; the columns are those of `WRONG`.
        key: The column that tells the rows apart.
    """

    def __init__(self, path: Path, wrong: pd.DataFrame, key: str) -> None:
        self.wrong = wrong
        lines = [
            " ".join(
                [f"row {row}, {key} = {name}:" if row else "the column", column]
                + ([f"= '{value}'"] if value else [])
                + [problem]
            )
            for row, name, column, value, problem in wrong[:PRINTED].itertuples(index=False)
        ]
        if len(wrong) > PRINTED:
            lines.append(f"… and {len(wrong) - PRINTED} more")
        super().__init__(
            f"{path}: {counted(len(wrong), 'mistake')}, by what `table.columns` and `labels` say; "
            "take the table as it was published, or fix it or the settings:\n  "
            + "\n  ".join(lines)
        )


def rule_problems(
    cells: pd.Series[str], rule: TableColumn, keys: pd.Series[str]
) -> Iterator[Problem]:
    """Yield what is wrong with a column by its rule.

    Args:
        cells: The column.
        rule: What it holds.
        keys: Whose row each is.
    """
    if rule.values:
        allowed = {as_number(value, value) for value in rule.values}
        problem = f"is none of {', '.join(rule.values)}"
        yield from _unfit(cells, lambda cell: as_number(cell, cell) in allowed, problem)
    if rule.range:
        low, high = rule.range
        problem = f"is not within {low:g} to {high:g}"
        yield from _unfit(cells, lambda cell: low <= as_number(cell, float("nan")) <= high, problem)
    if rule.pattern:
        fits = re.compile(rule.pattern).fullmatch
        yield from _unfit(
            cells, lambda cell: fits(cell) is not None, f"does not fit '{rule.pattern}'"
        )
    if rule.filled is not None and keys[cells != ""].nunique() > rule.filled:
        yield (
            WHOLE,
            f"has more than the {rule.filled} values that were published: in this copy blanks, "
            "which mean 'not known', were filled in",
        )


def label_problems(
    cells: pd.Series[str],
    words: Mapping[float | str, str],
    rule: TableColumn,
    people: Sequence[str],
) -> Iterator[Problem]:
    """Yield the cells of a label's column that identify a person or mean 'not known'.

    Args:
        cells: The column.
        words: What its values are translated to; then any other value is wrong.
        rule: What else is known of it.
        people: Whose row each is.
    """
    if words:
        known = ", ".join(f"{code:g}" if isinstance(code, float) else code for code in words)
        yield from _unfit(cells, lambda cell: as_number(cell, cell) in words, f"is none of {known}")
        return
    problems = {
        place: f"holds {what}, which may tell who somebody is and is never copied; take the column "
        "from `labels`, or `map` its values"
        for place, what in private_cells(cells.tolist(), people).items()
    }
    name = str(cells.name)
    if not rule.values and rule.range is None and not is_identity(name):
        for code, why in missing_codes(cells.tolist(), age=is_age(name)).items():
            told = (
                f"looks like 'not known' ({why}): say so, `table: {{columns: {{{name}: {{missing: "
                f"[{code}]}}}}}}`; if it is a value, give the column a `range` or its `values`"
            )
            problems |= {place: told for place, cell in enumerate(cells) if cell == code}
    yield from problems.items()


def _unfit(cells: pd.Series[str], fits: Callable[[str], bool], problem: str) -> Iterator[Problem]:
    return ((place, problem) for place, cell in enumerate(cells) if cell and not fits(cell))


def refuse(
    path: Path,
    cells: pd.DataFrame,
    problems: Mapping[str, Sequence[Problem]],
    keys: tuple[str, ...],
    allowed: Mapping[str, Collection[str]],
) -> None:
    """Raise a TableError that names every wrong cell, and shows no private one.

    Args:
        path: The table.
        cells: Its columns as text.
        problems: Column: what is wrong with it.
        keys: The columns that tell the rows apart.
        allowed: Column: the values that may be shown whatever they are.
    """
    # two labels of one column have the same problems
    found = dict.fromkeys((place, c, why) for c, own in problems.items() for place, why in own)
    if not found:
        return
    ids = cells[list(keys)].agg("_".join, axis="columns").map(shown_id).tolist()
    wrong = []
    for place, column, problem in sorted(found, key=lambda one: one[0]):
        if place == WHOLE:
            wrong.append(("", "", column, "", problem))
            continue
        cell = str(cells[column].iloc[place])
        value = shown_id(cell) if column in keys else redacted(cell, allowed.get(column, ()))
        shown = "" if problem.startswith("holds ") else value
        wrong.append((cells.index[place], ids[place], column, shown, problem))
    raise TableError(path, pd.DataFrame(wrong, columns=WRONG), "_".join(keys))
