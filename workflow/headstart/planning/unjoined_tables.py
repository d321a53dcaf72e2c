"""What is said of tables whose ids fit no scan, and what to write so that they do."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import pandas as pd

from headstart.common.strict_yaml import word
from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import alike
from headstart.data.privacy import shown_id
from headstart.planning.join_proposal import ROWS_SHARE
from headstart.planning.label_columns import Table
from headstart.planning.table_matches import match_rows
from headstart.planning.visit_columns import visit_of
from headstart.planning.visit_columns import which_visit

EXAMPLES = 3  # ids of each side that are shown
MOST_NAMED = 5  # columns of a table
LETTER = r"(.*\d)[A-Za-z]$"  # after the number that is the id elsewhere


def unlike_ids(
    subjects: Sequence[str], tables: Sequence[Table], sessions: Sequence[str] = ()
) -> Iterator[str]:
    """Show the ids of both sides for each table whose ids fit no scan."""
    ours = ", ".join(list(dict.fromkeys(subjects))[:EXAMPLES])
    for table in tables:
        column = table.identity
        if column is None:
            if table.columns:
                yield (
                    f"{table.title}: none of its columns ({', '.join(table.columns[:MOST_NAMED])}"
                    f"{', …' * (len(table.columns) > MOST_NAMED)}) can have the ids of the scans, "
                    f"which are e.g. {ours}; add a column `ID` that has them"
                )
            continue
        ids = list(dict.fromkeys(filter(None, table.cells[column])))
        try:
            alike([(one,) for one in subjects], [(one,) for one in ids])
        except AmbiguousIdsError as error:
            one, two = (shown_id(*key) for key in (error.one, error.two))
            yield (
                f"{table.title}: '{one}' and '{two}' are one id where case, leading zeros, signs "
                f"and prefixes don't count; rename one, so that '{column}' joins the scans"
            )
            continue
        visit = visit_of(table, column)
        share = match_rows([(one,) for one in subjects], table.cells[[column]]).share
        if visit and share:
            yield which_visit(table, column, "{subject}", visit, sessions)
            continue
        if share >= ROWS_SHARE and not table.labels([column]):
            yield table.no_labels(column)
            continue
        theirs = ", ".join(map(shown_id, ids[:EXAMPLES]))
        yield (
            f"{table.title}: no column has the ids of the scans: they are e.g. {ours}, and "
            f"'{column}' has e.g. {theirs}; {_advice(subjects, table, column)}"
        )


def _advice(subjects: Sequence[str], table: Table, column: str) -> str:
    """Return what to write where no id is as the scans have it."""
    written = f"`table: {{{table.written_place}, column: {word(column)}, key: '{{subject}}'}}`"
    ours, ids = pd.Series(list(dict.fromkeys(subjects)), dtype=str), table.cells[column]
    if pair := _letter_apart(ours, ids):
        return f"if {pair[0]} is {pair[1]}, write `subject: {{pattern: '{LETTER}'}}` and {written}"
    if pair := _letter_apart(ids[ids != ""], ours):
        return f"if {pair[1]} is {pair[0]}, remove the letters after the numbers in '{column}'"
    return f"write the key by hand: {written}"


def _letter_apart(longer: pd.Series[str], shorter: pd.Series[str]) -> tuple[str, str] | None:
    """Return an id with a letter and without, if those without are ids of the other side."""
    bare = longer.str.extract(f"^{LETTER}", expand=False)
    if bare.isna().any() or bare.duplicated().any():
        return None
    rows = match_rows([(one,) for one in bare], shorter.to_frame())
    return (longer.iloc[0], bare.iloc[0]) if rows.share >= ROWS_SHARE else None
