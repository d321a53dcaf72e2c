"""How alike the parts of the split are."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.cohort.balance import BalanceRow
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import percent
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import table


def balance(study: StudyFiles) -> PageSection:
    """Show each label by part of the split."""
    body = joined([demographics(study), drawing(study, "cohort", "balance")])
    return PageSection("balance", "Balance of the parts", body)


def demographics(study: StudyFiles) -> Html:
    """Write a table of each label, by part of the split."""
    rows = read_rows(study.path(study_paths.BALANCE), BalanceRow)
    parts = list(dict.fromkeys(row.part for row in rows))
    lines = dict.fromkeys((row.label, row.level) for row in rows)
    classes = {label for label, level in lines if level not in ("", "all")}
    units = {one.target: one.unit for one in study.config.experiments.values()}
    cells = [
        [
            _line(label, level or "missing" * (label in classes), units.get(label, "")),
            *(_cell(rows, part, label, level) for part in parts),
        ]
        for label, level in lines
    ]
    caption = "Subjects of each part: number and share, or mean and standard deviation"
    return table(caption, ["label", *(part.replace("-", " ") for part in parts)], cells)


def _line(label: str, level: str, unit: str) -> str:
    if level == "all":
        return label
    named = f"{label} ({unit})" if unit and not level else label
    return f"{named}: {level}" if level else named


def _cell(rows: Sequence[BalanceRow], part: str, label: str, level: str) -> str:
    found = [row for row in rows if (row.part, row.label, row.level) == (part, label, level)]
    if not found:
        return "\u2014"
    (row,) = found
    if row.mean is not None:
        return f"{row.mean:.1f} \u00b1 {row.sd:.1f}" if row.sd is not None else f"{row.mean:.1f}"
    return str(row.n) if row.share is None else f"{row.n} ({percent(row.share)})"
