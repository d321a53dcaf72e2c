"""What the tables beside the scans offer: which columns are labels, and which identify a person."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.strict_yaml import word
from headstart.common.text import is_number
from headstart.data.column_names import is_age
from headstart.data.column_names import is_identity
from headstart.data.column_names import is_private
from headstart.data.column_names import label_name
from headstart.data.column_names import names_a_visit
from headstart.data.found_scans import FoundScan
from headstart.data.join import written_in
from headstart.data.missing_codes import SIGNS
from headstart.data.missing_codes import are_ranges
from headstart.data.missing_codes import missing_codes
from headstart.data.people import people_of
from headstart.data.privacy import LONGEST_LABEL
from headstart.data.privacy import private_cells
from headstart.data.privacy import redacted
from headstart.data.spellings import one_spelling
from headstart.data.table_files import EXCEL
from headstart.data.table_files import INDEX
from headstart.data.table_files import SheetPlace
from headstart.data.table_files import other_sheets
from headstart.data.table_files import read_sheet
from headstart.data.tables import names_given_twice
from headstart.data.tables import take_all
from headstart.data.tables import told_twice
from headstart.data.written_numbers import is_written_number
from headstart.planning.id_columns import may_be_ids
from headstart.planning.id_columns import trust

TEXT = ".txt"  # a table only if it looks like one
TABLES = (".csv", ".tsv", TEXT, *EXCEL)
FILLED = 0.5  # of the cells of a table, at least
MOST_TABLES = 20
LARGEST_TABLE = 50_000_000  # bytes
FIELDS = ("sex", "group")  # fields of file names that are labels
MOST_LEFT_OUT = 20  # columns that are named
MOST_CLASSES = 20  # of a label that is text
IN_TWO = re.compile(r"\{[^{}]+\}_\{[^{}]+\}")
FEW_NUMBERS = 6  # different values: a number with so few is a code for classes


@dataclass(frozen=True)
class Column:
    """A label that a study can use.

    Attributes:
        name: Its name in labels.csv.
        column: The table's column; '' for a field of the file names.
        number: Whether it is a number, for regression; else it has classes.
        counts: Subjects by value.
        missing: Subjects without a value.
    """

    name: str
    column: str
    number: bool
    counts: Counter[str]
    missing: int

    @property
    def numbers(self) -> list[float]:
        """Its values, one for each subject that has one."""
        return [float(value) for value in self.counts.elements()]

    @property
    def imbalance(self) -> float:
        """Largest class over the smallest."""
        return max(self.counts.values()) / min(self.counts.values())


@dataclass(frozen=True)
class Table:
    """A table beside the scans.

    Attributes:
        path: The table, relative to the scans' folder.
        cells: Its columns, every cell text; after them ids that two of them say together.
        sheet: Its sheet; None is the first.
        fault: Why it can't be read; '' if it can.
        several: Whether its file has further sheets.
        twice: Names that several columns have, of which none is read.
    """

    path: str
    cells: pd.DataFrame
    sheet: str | None = None
    fault: str = ""
    several: bool = False
    twice: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path, path: str, sheet: str | None = None) -> Table:
        """Read a table; what is wrong with it is said where the scans are read."""
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                own = read_sheet(folder / path, SheetPlace(sheet))
                cells, twice = take_all(own), names_given_twice(own)
                cells = cells.assign(**dict(_ids_in_two(cells)))
                return cls(path, cells, sheet, twice=tuple(twice))
        except UserError as error:
            return cls(path, pd.DataFrame(), sheet, str(error))

    @property
    def title(self) -> str:
        """The table as messages call it."""
        if self.sheet is None:
            return f"{self.path}, first sheet" if self.several else self.path
        return f"{self.path}, sheet '{self.sheet}'"

    @property
    def place(self) -> dict[str, str]:
        """The table as the config's source names it."""
        return {"path": self.path} | ({} if self.sheet is None else {"sheet": self.sheet})

    @property
    def written_place(self) -> str:
        """The same as the user would write it, without braces."""
        return ", ".join(f"{name}: {word(value)}" for name, value in self.place.items())

    @property
    def columns(self) -> list[str]:
        """Names of its columns."""
        return [name for name in map(str, self.cells) if not IN_TWO.fullmatch(name)]

    @property
    def ids_in_two(self) -> list[str]:
        """Ids that two of its columns say together, as the config writes them: `{Site}_{No}`."""
        return [name for name in map(str, self.cells) if IN_TWO.fullmatch(name)]

    @property
    def identity(self) -> str | None:
        """The column of ids: by its name, or because it differs in every row."""
        cells = {name: self.cells[name].tolist() for name in self.columns}
        named = [name for name in cells if is_identity(name)]
        unlike = [
            name
            for name, own in cells.items()
            if len({*own} - {""}) == len(own) > 1
            and not is_private(name)
            and may_be_ids(name)
            and not all(map(is_number, own))
        ]
        return max([*named, *unlike], key=lambda name: trust(name, cells[name]), default=None)

    @cached_property
    def codes(self) -> dict[str, dict[str, str]]:
        """Column: the values that mean 'not known', and why each does."""
        found = {
            name: missing_codes(
                [cell for cell in self.cells[name] if cell not in SIGNS], age=is_age(name)
            )
            for name in self.columns
        }
        return {name: codes for name, codes in found.items() if codes}

    @cached_property
    def _labels(self) -> dict[str, list[str]]:
        """Columns that can be labels, and their cells that are known."""
        return {n: cells for n, cells in self._possible.items() if n not in self._private}

    @cached_property
    def _private(self) -> dict[str, list[str]]:
        """Columns that could be labels, and the identifying content that they hold."""
        found = {}
        for name, known in self._possible.items():
            cells = self.cells[name].where(self.cells[name].isin(known), "")
            found[name] = list(dict.fromkeys(private_cells(cells.tolist(), self._people).values()))
        return {name: what for name, what in found.items() if what}

    @cached_property
    def _people(self) -> list[str]:
        return people_of(self.cells, [self.identity] if self.identity else [])

    @cached_property
    def _possible(self) -> dict[str, list[str]]:
        known = {
            name: [
                cell
                for cell in self.cells[name]
                if cell and cell not in SIGNS and cell not in self.codes.get(name, ())
            ]
            for name in self.columns
            if re.search(r"[^\W\d_]", name)
            and not (is_private(name) or is_identity(name) or name == INDEX)
        }
        return {name: cells for name, cells in known.items() if is_label(cells)}

    @cached_property
    def _entries(self) -> dict[str, tuple[str, Any]]:
        """Columns that can be labels: the label, and its entry in the config."""
        entries: dict[str, tuple[str, Any]] = {}
        for column, cells in self._labels.items():
            name = label_name(column)
            amounts = all(map(is_number, cells)) and len({*map(float, cells)}) > FEW_NUMBERS
            words = {} if amounts else one_spelling(cells, sex=name == "sex")
            entries[column] = (name, {"from": column, "map": words} if words else column)
        return entries

    def labels(self, without: Sequence[str]) -> dict[str, Any]:
        """Return the columns that can be labels (numbers, or words that repeat), by label.

        A column is its name, or a section with `map` where one value has several spellings.
        """
        labels: dict[str, Any] = {}
        for column, (name, entry) in self._entries.items():
            if column not in without:
                labels.setdefault(name, entry)
        if "age" in labels:
            labels.pop("age_months", None)
        return labels

    def section(
        self, columns: Sequence[str], keys: Sequence[str], labels: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Return `table` and `labels` of the config's source, and what to say of them.

        Args:
            columns: The columns that are joined on.
            keys: What a scan has in them.
            labels: What is read.
        """
        alone = len(columns) == 1
        rules, told = self.rules(labels)
        told += self.left_out([*columns, *map(column_of, labels.values())])
        table = {
            **self.place,
            "column": columns[0] if alone else list(columns),
            "key": keys[0] if alone else list(keys),
            **({"columns": rules} if rules else {}),
        }
        return {"table": table, "labels": dict(labels)}, told

    def left_out(self, used: Collection[str]) -> list[str]:
        """Say which columns are neither used nor offered, and why, with a cell of each."""
        taken = {label_name(name): name for name in used}
        why = {
            name: self._no_label(name)
            if name not in self._labels
            else f"{label_name(name)} is taken from {taken[label_name(name)]}; correct it in "
            "`labels` if this one is right"
            for name in sorted(self.columns)  # a table's order means nothing
            if name not in used
            and name not in self._private
            and (name not in self._labels or label_name(name) in taken)
        }
        hidden = [name for name in why if is_private(name)]
        shown = [f"{name} ({reason})" for name, reason in why.items() if not is_private(name)]
        if hidden:
            shown.append(f"{', '.join(hidden)} (their names say that they may identify people)")
        if shown[MOST_LEFT_OUT:]:
            shown[MOST_LEFT_OUT:] = [f"and {len(shown) - MOST_LEFT_OUT} more"]
        told = [f"not offered: {'; '.join(shown)}"] if shown else []
        told += [told_twice(self.twice)] if self.twice else []
        return [f"{self.title}: {line}" for line in told]

    def no_labels(self, ids: str) -> str:
        """Say why no column of a table that has the scans' ids can be learnt."""
        told = "; ".join(line.removeprefix(f"{self.title}: ") for line in self.left_out([ids]))
        return (
            f"{self.title}: '{ids}' has the ids of the scans, but nothing is offered to learn"
            + (f": {told}" if told else ", as it has no other column")
        )

    def _no_label(self, name: str) -> str:
        """Say why a column can't be a label."""
        cells = self.cells[name]
        known = cells[(cells != "") & ~cells.isin(SIGNS) & ~cells.isin(self.codes.get(name, ()))]
        words = known[~known.map(is_written_number).astype(bool)]
        if known.empty:
            return "is empty" if (cells == "").all() else "nothing in it is known"
        if is_identity(name) or not re.search(r"[^\W\d_]", name):
            return "its name is that of ids" if is_identity(name) else "its name has no letter"
        if known.nunique() == 1:
            return f"all are '{redacted(known.iloc[0])}'"
        if 0 < len(words) < len(known) / 2:
            are = f"{len(words)} of {len(known)} values {'is' if len(words) == 1 else 'are'}"
            what = f"{are} no number{'s' * (len(words) > 1)}"
        else:
            words = known if words.empty else words
            what = f"{words.nunique()} different texts"
        if private := {*private_cells(cells.tolist(), self._people).values()}:
            return f"{what}; holds {' and '.join(sorted(private))}"
        return f"{what}, row {words.index[0]}: '{redacted(words.iloc[0])}'"

    def rules(self, labels: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return `table.columns` for labels, and notes on it."""
        rules: dict[str, Any] = {}
        notes = []
        for column, what in self._private.items():
            if column_of(labels.get(label_name(column), "")) != column:
                notes.append(f"{column}: not offered, as it holds {' and '.join(what)}")
        for entry in labels.values():
            column = column_of(entry)
            codes = self.codes.get(column, {})
            if codes:
                rules[column] = {"missing": list(codes)}
                why = ", ".join(dict.fromkeys(codes.values()))
                notes.append(
                    f"{column}: {', '.join(codes)} taken for 'not known' ({why}); correct "
                    "`missing` in the study if that is wrong"
                )
            if are_ranges(self.cells[column].tolist()):
                notes.append(f"{column}: ranges of numbers, so it has classes, not numbers")
            if not isinstance(entry, str):
                merged = ", ".join(f"{c} is {w}" for c, w in entry["map"].items() if c != w)
                notes.append(f"{column}: one value in several spellings ({merged}), mapped to one")
        return rules, notes


def _ids_in_two(cells: pd.DataFrame) -> Iterator[tuple[str, pd.Series[str]]]:
    """Yield ids made of a site or group and of a number that begins again in each."""
    names = list(map(str, cells))
    numbers = list(filter(may_be_ids, names))
    sites = [name for name in names if label_name(name) == "site"]
    groups = [name for name in names if name not in sites and _sorts_people(name, cells[name])]
    ids = list(filter(is_identity, numbers))
    for first, number in (*itertools.product(sites, numbers), *itertools.product(groups, ids)):
        pairs = cells[[first, number]]
        again = cells[number].duplicated().any() and not pairs.duplicated().any()
        if again and not (pairs == "").to_numpy().any():
            written = f"{{{first}}}_{{{number}}}"
            yield written, written_in(written, cells)


def _sorts_people(name: str, cells: pd.Series[str]) -> bool:
    """Whether a column has words that sort people, as HC and PT, and not their visits."""
    own = cells.tolist()
    return not (names_a_visit(name) or is_private(name) or any(map(is_number, own))) and is_label(
        own
    )


def column_of(entry: Any) -> str:
    """Return the column of a label of the config."""
    return str(entry if isinstance(entry, str) else entry["from"])


def open_tables(folder: Path, files: Sequence[str]) -> list[Table]:
    """Read the tables beside the scans, and each of their sheets, the nearest first."""
    tables = []
    for path in find_tables(folder, files):
        table = Table.read(folder, path)
        if path.lower().endswith(EXCEL):
            sheets = other_sheets(folder / path)
            tables.append(replace(table, several=bool(sheets)))
            tables += [Table.read(folder, path, sheet) for sheet in sheets]
        elif not path.lower().endswith(TEXT) or _looks_like_one(table):
            tables.append(table)
    return tables


def _looks_like_one(table: Table) -> bool:
    """Whether a text is a table: with rows below names for several columns, most cells filled."""
    cells = table.cells
    return (
        cells.shape[0] > 1 and len(table.columns) > 1 and (cells != "").to_numpy().mean() > FILLED
    )


def describe_columns(scans: Sequence[FoundScan], own: Mapping[str, Any]) -> list[Column]:
    """Describe the labels that the scans carry themselves, one value per subject.

    Args:
        scans: The scans that can be used.
        own: Label: the table's column.
    """
    first = {scan.subject: scan for scan in reversed(scans)}
    names = dict.fromkeys(
        name for scan in scans for name in scan.labels if name in own or name in FIELDS
    )
    columns = []
    for name in (*names, "site"):
        values = [s.site if name == "site" else s.labels.get(name, "") for s in first.values()]
        counts = Counter(value for value in values if value)
        if len(counts) < 2 or (name not in own and not is_label(values)):
            continue
        number = all(map(is_number, counts)) and (name == "age" or len(counts) > FEW_NUMBERS)
        columns.append(Column(name, column_of(own.get(name, "")), number, counts, values.count("")))
    return columns


def is_label(cells: Sequence[str]) -> bool:
    """Whether cells may be a label: numbers, or words that repeat."""
    known = [cell for cell in cells if cell]
    values = set(known)
    if len(values) < 2:
        return False
    if all(map(is_number, values)):
        return True
    comes_back = len(values) <= min(MOST_CLASSES, len(known) / 2)
    return comes_back and max(map(len, values)) <= LONGEST_LABEL


def find_tables(folder: Path, files: Sequence[str]) -> list[str]:
    """Return the tables beside the scans, the nearest first."""
    found = [f for f in files if f.lower().endswith(TABLES) and f.count("/") <= 1]
    found = [f for f in found if (folder / f).is_file()]
    small = [f for f in found if (folder / f).stat().st_size <= LARGEST_TABLE]
    by_place = sorted(small, key=lambda f: (f.lower().endswith(TEXT), f.count("/"), f))
    return by_place[:MOST_TABLES]
