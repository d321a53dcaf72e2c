"""Which table, columns and keys a study's scans can be joined by."""

from __future__ import annotations

import re
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from itertools import chain
from typing import Any

from headstart.common.strict_yaml import word
from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.data.column_names import LABELS
from headstart.data.identities import tokens
from headstart.data.privacy import shown_id
from headstart.planning.id_columns import Trust
from headstart.planning.id_columns import look_like_ids
from headstart.planning.id_columns import may_be_ids
from headstart.planning.id_columns import measures
from headstart.planning.id_columns import trust
from headstart.planning.label_columns import Table
from headstart.planning.label_columns import column_of
from headstart.planning.table_matches import Match
from headstart.planning.table_matches import differences
from headstart.planning.table_matches import match_rows
from headstart.planning.visit_columns import columns_of_visits
from headstart.planning.visit_columns import several
from headstart.planning.visit_columns import tell_apart
from headstart.planning.visit_columns import visit_of
from headstart.planning.visit_columns import which_visit

# A table belongs to the scans if so many of them have a row, a kind of file if so many have one.
ROWS_SHARE = 0.5
# A column says the visits as the scans do, if it leaves so many of those that have a row a row.
VISITS_SHARE = 0.8
# Of two columns that are believed alike, one that gives so many scans a row is the better one.
COMPLETE = 0.9
Fields = Mapping[str, str]


@dataclass(frozen=True)
class Join:
    """A way to join a table to the scans.

    Attributes:
        table: The table.
        columns: The columns that are joined on.
        keys: What a scan has in them.
        labels: The labels that it gives.
        match: The rows of the scans.
        single: Whether it finds a row per scan, not rows of several visits.
        guess: Whether the scans don't say which of several visits is theirs.
        notes: What a person should know of it.
    """

    table: Table
    columns: list[str]
    keys: list[str]
    labels: dict[str, Any]
    match: Match
    single: bool = True
    guess: bool = False
    notes: tuple[str, ...] = ()

    @property
    def trust(self) -> Trust:
        """How likely the column holds ids."""
        return trust(self.columns[0], self.table.cells[self.columns[0]].tolist())

    @property
    def order(self) -> tuple[Any, ...]:
        """Rank among the joins of one table: certainty, similarity, then the number of scans."""
        return (*self.belief, self.match.share, self.single)

    @property
    def belief(self) -> tuple[Any, ...]:
        """What counts first; of two joins that are equal in this, neither is clearly right."""
        complete = self.match.share >= COMPLETE
        return not self.guess, self.trust, complete, -self.match.looseness

    @property
    def rank(self) -> tuple[Any, ...]:
        """Rank among the joins of several tables."""
        sure = (not self.guess, self.trust)
        # a row per scan says more than several rows per person, which may differ
        gain = (self.match.share, self.single, len({*LABELS} & set(self.labels)), len(self.labels))
        return (*sure, *gain, -self.match.looseness)

    @property
    def written(self) -> str:
        """The section `table` as the user would write it."""
        quoted = ["'" + text.replace("'", "''") + "'" for text in (*self.columns, *self.keys)]
        if len(self.columns) == 1:
            return f"{{{self.table.written_place}, column: {quoted[0]}, key: {quoted[1]}}}"
        columns, keys = ", ".join(map(word, self.columns)), ", ".join(quoted[len(self.columns) :])
        return f"{{{self.table.written_place}, column: [{columns}], key: [{keys}]}}"

    @property
    def cells(self) -> dict[str, list[str]]:
        """The cells of its labels, by label."""
        return {n: self.table.cells[column_of(e)].tolist() for n, e in self.labels.items()}


def best_join(
    scans: Sequence[Fields],
    keys: Sequence[str],
    tables: Sequence[Table],
    target: str | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Find the table, columns and keys that give most scans a row, and the target if they can.

    Args:
        scans: What each scan's file name says: subject, session, …
        keys: Ways to write a table's key in these fields.
        tables: The tables beside the scans.
        target: The label that is to be predicted, if it is known.

    Returns:
        `table` and `labels` as the config's source has them, empty where nothing fits or where it
        is in doubt what does; and what a person should know of it.
    """
    people = len({fields.get("subject") for fields in scans})
    keys = [key for key in keys if len({_fill(key, fields) for fields in scans}) >= people]
    by_table = [
        [
            max(found, key=lambda join: join.order)
            for column in (*sorted(filter(may_be_ids, table.columns)), *table.ids_in_two)
            if (found := list(_joins(table, column, keys, scans)))
        ]
        for table in tables
    ]
    firsts = [max(joins, key=lambda join: join.order) for joins in by_table if joins]
    doubts = {
        first.table.title: doubt
        for first, joins in zip(firsts, filter(None, by_table), strict=True)
        if (doubt := _doubt(first, joins))
    }
    sure = [join for join in firsts if join.table.title not in doubts]
    if not sure:
        return {}, list(doubts.values())
    best = max(sure, key=lambda join: (target in join.labels, join.rank))
    section, told = best.table.section(best.columns, best.keys, best.labels)
    notes = [*best.notes, *filter(None, [_to_check(best, scans)])]
    if conflict := _conflict(best):
        notes.append(f"{best.table.title}: {conflict}")
    others = [_fits_as_well(join) for join in sure if join is not best]
    contradictions = _contradictions(best, chain(*by_table))
    return section, [*notes, *told, *doubts.values(), *others, *contradictions]


def _fits_as_well(join: Join) -> str:
    """Say that a table fits the scans, though another one is taken."""
    labels, conflict = ", ".join(join.labels), _conflict(join)
    return (
        f"{join.table.title} fits the scans as well, by '{join.columns[0]}', and has {labels}; one "
        f"table is read: name one of its labels with --target, or write `table: {join.written}`"
        + (f"; {conflict}" if conflict else "")
    )


def _conflict(join: Join) -> str:
    """Say which rows of one id have different labels, though no visit tells them apart."""
    columns = list(map(column_of, join.labels.values()))
    cells = join.table.cells[[*join.columns, *columns]]
    if len(join.columns) > 1:
        return ""
    (ids,), found = join.columns, []
    again = cells[cells[ids].duplicated(keep=False) & (cells[ids] != "")]
    for one, rows in again.groupby(ids, sort=False):
        differ = [name for name in columns if len({*rows[name]} - {""}) > 1]
        if differ:
            found.append((str(one), rows.index[:2].tolist(), differ))
    if not found:
        return ""
    one, (first, second), differ = found[0]
    more = f", and so do those of {counted(len(found) - 1, 'other id')}" if len(found) > 1 else ""
    return (
        f"rows {first} and {second} are both of {ids} '{shown_id(one)}', and differ in "
        f"{', '.join(differ)}{more}: keep the right one"
    )


def _doubt(first: Join, joins: Sequence[Join]) -> str:
    """Say why the first of a table's joins can't be believed, and what to write; '' if it can."""
    if not first.labels:
        return " ".join(first.notes)
    title, name = first.table.title, first.columns[0]
    write = f"write `table: {first.written}`"
    fix = f"rename it `ID` in the table, or {write}"
    if first.trust < Trust.NUMBERS:
        return (
            f"{title}: no column has the ids of the scans; '{name}' has their numbers, but a name "
            f"that says something else, so that it is not taken; if it has the ids, {fix}"
        )
    if rival := next((other for other in joins if _rivals(first, other)), None):
        what = "ids" if first.trust > Trust.NUMBERS else "numbers"
        differ = _differ(first, rival)
        return (
            f"{title}: '{name}' and '{rival.columns[0]}' both have the {what} of the scans, and "
            f"give them different rows{differ and f', which differ in {differ}'}, so that none is "
            f"taken; if the first has the ids, {write}; if the second, `table: {rival.written}`"
        )
    count, scans = sum(map(bool, first.match.rows)), len(first.match.rows)
    if first.trust is Trust.COUNTING_IDS and count < scans and _from_0(first):
        return (
            f"{title}: '{name}' counts from 0, and has {count} of {scans} scans, none of which is "
            f"0: it may count the rows, so that it is not taken; if it has the ids, {write}"
        )
    if first.trust > Trust.NUMBERS:
        return ""
    if count < scans:
        return (
            f"{title}: '{name}' has the numbers of {count} of {scans} scans, but no name of ids: "
            f"it may count the rows, so that it is not taken; if it has the ids, {fix}"
        )
    if ids := _fitting_nothing(first.table, joins):
        return (
            f"{title}: '{name}' has the numbers of the scans, but '{ids}' looks like ids and fits "
            f"no scan, so that none is taken; if '{name}' has the ids, {fix}"
        )
    return ""


def _rivals(first: Join, other: Join) -> bool:
    """Whether another column is as likely the ids, and gives a scan other rows."""
    numbers = first.trust is Trust.NUMBERS and other.trust is Trust.OTHERS  # case, control
    as_likely = other.belief == first.belief or (numbers and not other.guess)
    return as_likely and any(
        one and two and not {*one} & {*two}
        for one, two in zip(first.match.rows, other.match.rows, strict=True)
    )


def _differ(first: Join, other: Join) -> str:
    """Say in which label two joins differ, and for how many scans."""
    differ = differences((first.match, first.cells), (other.match, other.cells))
    label, count = max(differ.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return f"{label} for {count} of {len(first.match.rows)} scans" if count else ""


def _from_0(join: Join) -> bool:
    """Whether the ids begin with a 0 that no scan has."""
    taken = {row for rows in join.match.rows for row in rows}
    ids = join.table.cells[join.columns[0]]
    return any(as_number(cell, 1) == 0 and row not in taken for row, cell in enumerate(ids))


def _fitting_nothing(table: Table, joins: Sequence[Join]) -> str:
    """Return a column that looks like ids, but joins no scans; '' if there is none."""
    joined = {name for join in joins for name in join.columns}
    return next(
        (
            name
            for name in table.columns
            if name not in joined and look_like_ids(name, table.cells[name].tolist())
        ),
        "",
    )


def _to_check(join: Join, scans: Sequence[Fields]) -> str:
    """Say that a table was joined by numbers whose name is not that of ids; '' if it was not."""
    if join.trust is not Trust.NUMBERS:
        return ""
    name = join.columns[0]
    scan, row = _fill(join.keys[0], scans[0]), join.match.rows[0][0]
    return (
        f"{join.table.title}: joined by the numbers in '{name}', a name that doesn't say that they "
        f"are the ids: '{scan}' is '{join.table.cells[name].iloc[row]}'; check it"
    )


def _joins(
    table: Table, column: str, keys: Sequence[str], scans: Sequence[Fields]
) -> Iterator[Join]:
    """Yield how a column of ids joins the scans, if it does."""
    cells = table.cells[column].tolist()
    for key in keys:
        wanted = [_fill(key, fields) for fields in scans]
        if measures(column, cells, wanted):
            continue
        match = match_rows([(one,) for one in wanted], table.cells[[column]])
        # most columns of a wide table end here, before what takes longer
        if match.share < ROWS_SHARE or not (offered := table.labels([column])):
            continue
        if tokens(column) in map(tokens, wanted):
            told = f"{table.title}: the row of '{column}', a scan's id, stands where the columns' "
            told += "names should; write a row such as `ID,age,sex` above it"
            yield Join(table, [column], [key], {}, match, notes=(told,))
            continue
        yield from _with_visits(table, column, key, scans, match, offered)


def _with_visits(
    table: Table,
    column: str,
    key: str,
    scans: Sequence[Fields],
    match: Match,
    offered: Mapping[str, Any],
) -> Iterator[Join]:
    """Yield how a column joins the scans, by their visits where it has several rows of one id."""
    sessions = {one.get("session", "") for one in scans}
    of_visits = columns_of_visits(table.columns, sessions)
    labels = table.labels([column, *of_visits])
    notes = _left_to_visits(table, column, offered, of_visits)
    repeated = several(table, column)
    plain = Join(table, [column], [key], labels, match, single=not repeated, notes=notes)
    visit = visit_of(table, column)
    if repeated and (by_two := _by_second_column(plain, scans)):
        yield by_two
    elif visit:
        yield from _without_visit(plain, visit, sessions)
    else:
        yield plain


def _left_to_visits(
    table: Table, column: str, offered: Mapping[str, Any], of_visits: Sequence[str]
) -> tuple[str, ...]:
    """Say which columns hold the values of one visit each, and how to write them instead."""
    left = [name for name in map(column_of, offered.values()) if name in of_visits]
    if not left:
        return ()
    return (
        f"{table.title}: {', '.join(left)} {'is' if len(left) == 1 else 'are'} not offered: the "
        "name is that of a visit, and every scan of a subject would get its values, whatever its "
        f"own visit; write a table with a row per visit, with the columns {column}, visit and a "
        "column for each value, and call this again",
    )


def _by_second_column(join: Join, scans: Sequence[Fields]) -> Join | None:
    """Return the join by the id and what tells its rows apart: the visit, or the site."""
    (column,), (key,), table = join.columns, join.keys, join.table
    others = [name for name in scans[0] if f"{{{name}}}" not in key]
    fields = sorted(others, key=lambda name: name != "session")
    for second in tell_apart(table, column):
        for name in fields:
            wanted = [(_fill(key, fields), fields.get(name, "")) for fields in scans]
            match = match_rows(wanted, table.cells[[column, second]])
            if match.share >= VISITS_SHARE * join.match.share:
                what = "visit" if name == "session" else f"id and {name}"
                told = f"{table.title} has a row per {what}, told apart by '{second}'"
                columns, labels = [column, second], table.labels([column, second])
                return Join(table, columns, [key, f"{{{name}}}"], labels, match, notes=(told,))
    return None


def _without_visit(join: Join, visit: str, sessions: Collection[str]) -> Iterator[Join]:
    """Yield the join with only those labels that stay the same over a person's visits, if any."""
    (column,), (key,), table = join.columns, join.keys, join.table
    constant, changing = {}, []
    for label, entry in table.labels([column, visit]).items():
        cells = table.cells[[column, column_of(entry)]].replace("", None).dropna()
        if cells.groupby(column)[column_of(entry)].nunique().max() > 1:
            changing.append(column_of(entry))
        else:
            constant[label] = entry
    notes = (which_visit(table, column, key, visit, sessions, changing),) if changing else ()
    if constant:
        yield replace(join, labels=constant, guess=True, notes=notes)


def _contradictions(best: Join, joins: Iterable[Join]) -> Iterator[str]:
    """Say where another column, table or sheet joins as well but contradicts this one."""
    told = set()
    for join in joins:
        title = join.table.title
        if join.columns == best.columns and join.table is best.table:
            continue
        if title in told or join.guess or join.trust < min(best.trust, Trust.COUNTING_IDS):
            continue
        if differ := _differ(best, join):
            told.add(title)
            yield (
                f"{title}: its column '{join.columns[0]}' joins the scans as well, and differs "
                f"in {differ}; "
                f"'{best.columns[0]}' of {best.table.title} is taken, correct `table` if the "
                "other one is right"
            )


def _fill(key: str, fields: Fields) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], ""), key)
