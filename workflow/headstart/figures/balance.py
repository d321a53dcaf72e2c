"""How the parts of a split compare: each label in each part, and by site."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from headstart.cohort.balance import BalanceRow
from headstart.cohort.balance import continuous
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.data.label_table import first_scans
from headstart.data.label_table import labels_of
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import COLOURS
from headstart.figures.style import GREY
from headstart.figures.style import LINES
from headstart.figures.style import LONGEST_NAME
from headstart.figures.style import MARKERS
from headstart.figures.style import ORANGE
from headstart.figures.style import PURPLE
from headstart.figures.style import SKY
from headstart.figures.style import VERMILION
from headstart.figures.style import YELLOW
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import shortened
from headstart.figures.style import with_unit

FILLS = (SKY, ORANGE, BLUE, YELLOW, PURPLE, VERMILION, GREY)
HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "", "||||")
TOTALS = ("subjects", "scans")  # rows of balance.csv that are no label
ACROSS = 46  # characters that fit above a panel
BESIDE = 14  # beside its rows
KEY = 4  # as many characters does a key of the legend take


def plot(
    *, settings: CohortPlotSettings, stamp: Stamp, output: Path, passed: Path, balance: Path
) -> None:
    """Draw each label in each part, how far the parts differ, and each label by site.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        balance: `split/balance.csv`.
    """
    study = settings.study
    with document(output, f"{study}: split and balance", stamp) as pages:
        rows = read_rows(balance, BalanceRow)
        draw_balance(pages, rows, study=study, units=settings.units)
        draw_differences(pages, rows, study=study)
        draw_sites(pages, read_rows(passed, LabelRow), study=study, units=settings.units)


def draw_balance(
    document: Document,
    balance: Sequence[BalanceRow],
    *,
    study: str,
    units: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Draw each label in each part: the shares of its levels, or mean and standard deviation.

    Args:
        document: Where the page goes.
        balance: balance.csv.
        study: Name of the study.
        units: The unit of each label that has one.
    """
    size = _sizes(balance)
    parts = list(size)
    named = [f"{_part(part)} (n = {n})" for part, n in size.items()]
    labels = _told_apart(balance)
    note = (
        "Bars: the share of a part's subjects, and inside their number. "
        "Dots: mean and standard deviation."
    )
    rows = max(1, -(-len(labels) // 2))
    across = _across(named)
    legends = (_levels(balance, label) for label in labels)
    tall = 16 + 4.6 * len(parts) + _legend_room(legends, across)
    with document.page(f"{study}: split and balance", height=20 + tall * rows, note=note) as figure:
        grid = figure.subplots(rows, 2 if len(labels) > 1 else 1, squeeze=False).ravel()
        for axes, label in zip(grid, labels or ["subjects"], strict=False):
            own = [row for row in balance if row.label == label]
            if _is_number(own):
                _means(axes, own, with_unit(label, units.get(label, "")))
                axes.set_title(label)
            else:
                _shares(axes, label, pd.DataFrame(own), "part", "level", parts, across)
            axes.set_yticks(range(len(parts))[::-1], named)
            axes.tick_params(axis="y", length=0)
        for axes in grid[max(1, len(labels)) :]:
            axes.set_axis_off()


def draw_differences(document: Document, balance: Sequence[BalanceRow], *, study: str) -> None:
    """Draw the standardised mean difference of each label in each part.

    Args:
        document: Where the page goes; it stays as it is where no label tells subjects apart.
        balance: balance.csv.
        study: Name of the study.
    """
    rows = _compared(balance)
    if not rows:
        return
    size = _sizes(balance)
    chance = 1.96 * max(_sd_by_chance(size, part) for part in size)
    note = (
        "Standardised mean difference (Austin 2009, doi:10.1002/sim.3697): each fold against the "
        "other folds, the test against all folds. Dashed: 0.1 either way, the usual bound of "
        "balance. Grey: where 95 % of differences would lie if chance alone had dealt out the "
        "smallest part; what is stratified should lie well inside."
    )
    title = f"{study}: differences between parts"
    with document.page(title, height=44 + 6 * len(rows), note=note) as figure:
        axes = figure.subplots()
        axes.axvspan(-chance, chance, color="#F2F2F2", lw=0)
        axes.axvline(0, color=BLACK, lw=0.6)
        for bound in (-0.1, 0.1):
            axes.axvline(bound, color=GREY, lw=0.7, ls=LINES[1])
        values = {(row.part, row.label, row.level): row.smd for row in balance}
        aside = 0.5 / len(size)  # side by side, so that none hides another
        for number, part in enumerate(size):
            points = [
                (smd, -place + (len(size) / 2 - number) * aside)
                for place, row in enumerate(rows)
                if (smd := values.get((part, *row))) is not None
            ]
            colour = COLOURS[number % len(COLOURS)]
            filled = colour if number < len(COLOURS) else "white"
            marker = MARKERS[number % len(MARKERS)]
            style: dict[str, Any] = {
                "marker": marker,
                "mec": colour,
                "mfc": filled,
                "ls": "",
                "ms": 4,
            }
            axes.plot(*np.transpose(points), label=_part(part), **style)
        axes.set_ylim(0.6 - len(rows), 0.6)
        axes.grid(axis="y")
        axes.set_yticks([-place for place in range(len(rows))], list(rows.values()))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("standardised mean difference")
        axes.legend(ncols=8, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, columnspacing=1)


def _part(name: str) -> str:
    """Name a part of the table as people do: fold 0."""
    return name.replace("-", " ")


def _sizes(balance: Sequence[BalanceRow]) -> dict[str, int]:
    """Return the number of subjects of each part."""
    return {row.part: row.n for row in balance if row.label == "subjects"}


def _compared(balance: Sequence[BalanceRow]) -> dict[tuple[str, str], str]:
    """Return the name of each label and level that is compared.

    Of two levels, one says it all; a level that all of a part have and none of the others, as a
    site that is left out has, is beyond measure.
    """
    names = {}
    for label in _told_apart(balance):
        own = [row for row in balance if row.label == label]
        levels = list(dict.fromkeys(row.level for row in own))
        unmeasured = set() if _is_number(own) else {row.level for row in own if row.smd is None}
        for level in levels[-1:] if len(levels) == 2 else levels:
            if level in unmeasured:
                continue
            name = label if _is_number(own) else f"{label} = {level or 'missing'}"
            names[label, level] = name
    return names


def _told_apart(balance: Sequence[BalanceRow]) -> list[str]:
    """Return the labels by which subjects differ."""
    labels = [label for label in dict.fromkeys(r.label for r in balance) if label not in TOTALS]
    of = {label: [row for row in balance if row.label == label] for label in labels}
    return [
        label for label, own in of.items() if _is_number(own) or len({row.level for row in own}) > 1
    ]


def _is_number(own: Sequence[BalanceRow]) -> bool:
    return any(row.mean is not None for row in own)


def _sd_by_chance(size: Mapping[str, int], part: str) -> float:
    """Standard deviation of a part's standardised mean difference if chance alone deals out."""
    others = sum(n for other, n in size.items() if other not in (part, "test"))
    return float(np.sqrt(1 / size[part] + 1 / others))


def _means(axes: Axes, own: Sequence[BalanceRow], label: str) -> None:
    """Mean and standard deviation, one row per part."""
    rows = np.arange(len(own))[::-1]
    mean, sd = (np.array(v, float) for v in zip(*((r.mean, r.sd) for r in own), strict=True))
    axes.errorbar(mean, rows, xerr=np.nan_to_num(sd), fmt="o", color=BLUE, lw=1, capsize=2)
    axes.set_xlabel(label)
    axes.set_ylim(-0.6, len(own) - 0.4)
    axes.grid(axis="x")


def draw_sites(
    document: Document,
    passed: Sequence[LabelRow],
    *,
    study: str,
    units: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Draw each label by site: what a network could read off the scanner instead of the brain.

    Args:
        document: Where the page goes; it stays as it is where there is one site only.
        passed: passed.csv.
        study: Name of the study.
        units: The unit of each label that has one.
    """
    people = pd.DataFrame([row.values for row in first_scans(passed)])
    sites = sorted(people["site"].unique())
    sizes = people["site"].value_counts()
    named = [
        f"{shortened(site, LONGEST_NAME) or '(unknown)'} (n = {sizes[site]})" for site in sites
    ]
    labels = [label for label in labels_of(passed) if label != "site"]
    drawn = [label for label in labels if people[label].nunique() > 1]
    if len(sites) < 2 or not drawn:
        return
    note = (
        "First session of each subject. Where a label differs between sites, a network may learn "
        "the scanner instead of the anatomy: "
        "look at the site baselines beside its results."
    )
    rows = -(-len(drawn) // 2)
    values = [people[label].tolist() for label in drawn]
    legends = (dict.fromkeys(each) for each in values if continuous(each) is None)
    tall = 22 + 5 * len(sites) + _legend_room(legends, _across(named))
    with document.page(f"{study}: labels by site", height=24 + tall * rows, note=note) as figure:
        grid = figure.subplots(rows, 2 if len(drawn) > 1 else 1, squeeze=False).ravel()
        for axes, label in zip(grid, drawn, strict=False):
            _label_by_site(axes, people, label, sites, units.get(label, ""), _across(named))
            axes.set_yticks(range(len(sites))[::-1], named)
        for axes in grid[len(drawn) :]:
            axes.set_axis_off()


def _label_by_site(
    axes: Axes, people: pd.DataFrame, label: str, sites: Sequence[str], unit: str, across: int
) -> None:
    numbers = continuous(people[label].tolist())
    if numbers is not None:
        axes.set_title(label)
        known = pd.Series(numbers, people.index).dropna()
        groups = [known[people["site"] == site].to_numpy() for site in sites]
        axes.boxplot(
            groups,
            orientation="horizontal",
            positions=range(len(sites))[::-1],
            widths=0.55,
            flierprops={"marker": "o", "ms": 2, "mec": GREY},
            medianprops={"color": BLACK, "lw": 1.4},
        )
        axes.set_xlabel(with_unit(label, unit))
        axes.grid(axis="x")
    else:
        table = people.groupby(["site", label]).size().rename("n").reset_index()
        _shares(axes, label, table, "site", label, sites, across)


def _levels(balance: Sequence[BalanceRow], label: str) -> list[str]:
    """Return the levels of a label, none of a number."""
    own = [row for row in balance if row.label == label]
    return [] if _is_number(own) else list(dict.fromkeys(row.level for row in own))


def _across(named: Sequence[str]) -> int:
    """Return how many characters fit above a panel beside whose rows such names stand."""
    return ACROSS - max(0, max(map(len, named)) - BESIDE)


def _legend(title: str, names: Sequence[str], across: int) -> tuple[int, int]:
    """Return a legend's columns, and the rows that lift the title above it: 0 if it is beside."""
    widths = [len(name) + KEY for name in names]
    if len(title) + sum(widths) <= across:
        return len(names), 0
    columns = max(1, across // max(widths))
    return columns, -(-len(names) // columns)


def _legend_room(levels: Iterable[Iterable[object]], across: int) -> float:
    """Return the height of the largest of several legends, mm."""
    named = [[_level(one) for one in each] for each in levels]
    return max((4.0 * _legend("", names, across)[1] for names in named if names), default=0.0)


def _level(name: object) -> str:
    return shortened(str(name), LONGEST_NAME) or "missing"


def _shares(
    axes: Axes,
    title: str,
    counts: pd.DataFrame,
    group: str,
    level: str,
    groups: Sequence[str],
    across: int,
) -> None:
    """Stacked horizontal bars, one per group, each as long as 1."""
    table = counts.pivot_table(index=group, columns=level, values="n", sort=False, fill_value=0)
    table = table.reindex(list(groups), fill_value=0)
    rows = np.arange(len(groups))[::-1]
    share = table.div(table.sum(axis=1).clip(lower=1), axis=0)
    left = np.zeros(len(groups))
    for number, name in enumerate(table.columns):
        width = share[name].to_numpy()
        axes.barh(
            rows,
            width,
            0.7,
            left,
            color=FILLS[number % len(FILLS)],
            hatch=HATCHES[number % len(HATCHES)],
            ec="white",
            lw=0.6,
            label=_level(name),
        )
        for row, start, part, n in zip(rows, left, width, table[name], strict=True):
            if part > 0.06:
                axes.text(
                    start + part / 2,
                    row,
                    f"{n:.0f}",
                    ha="center",
                    va="center",
                    size=6.5,
                    bbox={"fc": "white", "ec": "none", "pad": 0.6},
                )
        left = left + width
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of subjects")
    axes.set_yticks(rows, list(groups))
    axes.tick_params(axis="y", length=0)
    columns, rows_above = _legend(title, [_level(name) for name in table.columns], across)
    axes.set_title(title, pad=6 + 10 * rows_above)
    axes.legend(
        ncols=columns,
        loc="lower right",
        bbox_to_anchor=(1, 1.0),
        handlelength=1.0,
        columnspacing=0.8,
        handletextpad=0.4,
        borderpad=0,
    )
