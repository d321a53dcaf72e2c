"""The cohort on paper: who came in, who was turned away and why, and how the rest was divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.patches import Rectangle

from headstart.parts.figures import BLACK
from headstart.parts.figures import BLUE
from headstart.parts.figures import COLOURS
from headstart.parts.figures import GREY
from headstart.parts.figures import LINES
from headstart.parts.figures import MARKERS
from headstart.parts.figures import ORANGE
from headstart.parts.figures import PURPLE
from headstart.parts.figures import SKY
from headstart.parts.figures import VERMILION
from headstart.parts.figures import YELLOW
from headstart.parts.figures import Document

FILLS = (SKY, ORANGE, BLUE, YELLOW, PURPLE, VERMILION, GREY)
HATCHES = ("", "////", "....", "\\\\\\\\", "xx", "", "||||")
TOTALS = ("subjects", "scans")  # rows of balance.csv that are no label
MOST_FOLDS = 5  # boxes; more folds share one


def draw_flow(
    document: Document,
    *,
    study: str,
    labels: pd.DataFrame,
    rejected: dict[str, pd.DataFrame],
    passed: pd.DataFrame,
    splits: pd.DataFrame,
) -> None:
    """Draw the flow of scans with counts, after CONSORT's diagram (doi:10.1136/bmj.c332).

    Args:
        document: Where the page goes.
        study: Name of the study.
        labels: labels.csv.
        rejected: rejected.csv of the stages label and check, in this order.
        passed: passed.csv.
        splits: splits.csv.
    """
    found = len(labels) + len(rejected["label"])
    boxes = [
        f"Found: {found} scans or table rows\n{_by_source(labels)}",
        f"Checked: {_count(labels)}",
        f"Passed: {_count(passed)}",
    ]
    reasons = [_reasons(stage, table) for stage, table in rejected.items()]
    heights = [9 + 3.4 * box.count("\n") for box in boxes]
    gaps = [max(9.0, 8 + 3.4 * text.count("\n")) for text in reasons]
    total = sum(heights) + sum(gaps) + 12 + 14
    note = (
        "Scan: one session of one subject. Reasons are the codes in rejected.csv, which says more."
    )
    with document.page(f"{study}: data and exclusions", height=total + 24, note=note) as figure:
        axes = figure.subplots()
        axes.set_xlim(0, 175)
        axes.set_ylim(-total - 1, 1)  # room for the lines of the boxes at the edges
        axes.set_axis_off()
        top = 0.0
        for number, (box, height) in enumerate(zip(boxes, heights, strict=True)):
            _box(axes, 20, top, 70, height, box)
            bottom = top - height
            if number < len(reasons):
                gap = gaps[number]
                _arrow(axes, (55, bottom), (55, bottom - gap))
                middle = bottom - gap / 2
                _arrow(axes, (55, middle), (104, middle))
                tall = gap - 2
                _box(axes, 104, middle + tall / 2, 66, tall, reasons[number], fill="#F2F2F2")
                top = bottom - gap
        _parts(axes, bottom, passed, splits)


def _parts(axes: Axes, bottom: float, passed: pd.DataFrame, splits: pd.DataFrame) -> None:
    texts = []
    held = splits[splits["test"] == "1"]
    if len(held):
        texts.append(f"Held-out test\n{_count(_of(passed, held))}")
    folds = sorted(set(splits["fold"]) - {""}, key=int)
    tables = [_of(passed, splits[splits["fold"] == fold]) for fold in folds]
    if len(folds) > MOST_FOLDS:
        sizes = [table["subject"].nunique() for table in tables]
        texts.append(
            f"{len(folds)} folds of {min(sizes)} to {max(sizes)} subjects\n"
            f"{_count(pd.concat(tables))}"
        )
    else:
        texts += [
            f"Fold {fold}\n{_count(table)}" for fold, table in zip(folds, tables, strict=True)
        ]
    width = min(175 / len(texts) - 3, 44)
    centres = (np.arange(len(texts)) + 0.5) * 175 / len(texts)
    joint = bottom - 6
    axes.plot([55, 55], [bottom, joint], color=BLACK, lw=0.8)
    axes.plot([min(55, centres[0]), max(55, centres[-1])], [joint] * 2, color=BLACK, lw=0.8)
    for centre, text in zip(centres, texts, strict=True):
        _arrow(axes, (centre, joint), (centre, joint - 6))
        lines = text.replace(" of ", "\nof ", 1) if width < 36 else text
        _box(axes, centre - width / 2, joint - 6, width, 14, lines)


def _box(
    axes: Axes, left: float, top: float, width: float, height: float, text: str, fill: str = "white"
) -> None:
    axes.add_patch(Rectangle((left, top - height), width, height, fc=fill, ec=BLACK, lw=0.8))
    axes.text(
        left + width / 2, top - height / 2, text, ha="center", va="center", size=7, linespacing=1.3
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=6,
            lw=0.8,
            color=BLACK,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _count(table: pd.DataFrame) -> str:
    return f"{_plural(len(table), 'scan')} of {_plural(table['subject'].nunique(), 'subject')}"


def _plural(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("s" if n != 1 else "")


def _by_source(labels: pd.DataFrame) -> str:
    counts = labels["source"].value_counts(sort=False)
    return ", ".join(f"{source}: {n}" for source, n in counts.items())


def _reasons(stage: str, table: pd.DataFrame) -> str:
    counts = table["reason"].value_counts()
    lines = [f"{reason}: {n}" for reason, n in counts.items()]
    shown = lines if len(lines) <= 7 else [*lines[:6], f"{len(lines) - 6} more reasons"]
    return "\n".join([f"Turned away by {stage}: {len(table)}", *shown])


def _of(passed: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    return passed[passed["subject"].isin(splits["subject"])]


# --- split and balance --------------------------------------------------------------------------


def draw_balance(document: Document, balance: pd.DataFrame, *, study: str) -> None:
    """Draw each label in each part: the shares of its levels, or mean and standard deviation.

    Args:
        document: Where the page goes.
        balance: balance.csv.
        study: Name of the study.
    """
    parts = list(dict.fromkeys(balance["part"]))
    balance = balance.assign(n=balance["n"].astype(int))
    size = balance[balance["label"] == "subjects"].set_index("part")["n"]
    named = [f"{part} (n = {size[part]})" for part in parts]
    labels = _told_apart(balance)
    note = (
        "Bars: the share of a part's subjects, and inside their number. "
        "Dots: mean and standard deviation."
    )
    rows = max(1, -(-len(labels) // 2))
    tall = 16 + 4.6 * len(parts)
    with document.page(f"{study}: split and balance", height=20 + tall * rows, note=note) as figure:
        grid = figure.subplots(rows, 2 if len(labels) > 1 else 1, squeeze=False).ravel()
        for axes, label in zip(grid, labels or ["subjects"], strict=False):
            own = balance[balance["label"] == label]
            if _is_number(own):
                _means(axes, own, label)
            else:
                _shares(axes, own, "part", "level", parts)
            axes.set_title(label)
            axes.set_yticks(range(len(parts))[::-1], named)
            axes.tick_params(axis="y", length=0)
        for axes in grid[max(1, len(labels)) :]:
            axes.set_axis_off()


def draw_differences(document: Document, balance: pd.DataFrame, *, study: str) -> None:
    """Draw the standardised mean difference of each label in each part.

    Args:
        document: Where the page goes; it stays as it is where no label tells subjects apart.
        balance: balance.csv.
        study: Name of the study.
    """
    rows = _compared(balance)
    if not rows:
        return
    size = balance[balance["label"] == "subjects"].set_index("part")["n"].astype(int)
    chance = 1.96 * max(_deviation_by_chance(size, part) for part in size.index)
    note = (
        "Standardised mean difference (Austin 2009, doi:10.1002/sim.3697): each fold against the "
        "other folds, the test against all folds. Dashed: 0.1 either way, the usual bound of "
        "balance. Grey: where 95 % of differences would lie if chance alone had dealt out the "
        "smallest part; what is stratified should lie well inside."
    )
    title = f"{study}: differences between parts"
    with document.page(title, height=34 + 6 * len(rows), note=note) as figure:
        axes = figure.subplots()
        axes.axvspan(-chance, chance, color="#F2F2F2", lw=0)
        axes.axvline(0, color=BLACK, lw=0.6)
        for bound in (-0.1, 0.1):
            axes.axvline(bound, color=GREY, lw=0.7, ls=LINES[1])
        values = balance[balance["smd"] != ""].set_index(["part", "label", "level"])["smd"]
        values = values.astype(float)
        aside = 0.5 / len(size)  # side by side, so that none hides another
        for number, part in enumerate(size.index):
            points = [
                (values[part, *row], -place + (len(size) / 2 - number) * aside)
                for place, row in enumerate(rows)
                if (part, *row) in values.index
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
            axes.plot(*np.transpose(points), label=part, **style)
        axes.set_ylim(0.6 - len(rows), 0.6)
        axes.grid(axis="y")
        axes.set_yticks([-place for place in range(len(rows))], list(rows.values()))
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("standardised mean difference")
        axes.legend(ncols=8, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0, columnspacing=1)


def _compared(balance: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return the name of each label and level that is compared.

    Of two levels, one says it all; a level that all of a part have and none of the others, as a
    site that is left out has, is beyond measure.
    """
    names = {}
    for label in _told_apart(balance):
        own = balance[balance["label"] == label]
        levels = list(dict.fromkeys(own["level"]))
        unmeasured = set() if _is_number(own) else set(own.loc[own["smd"] == "", "level"])
        for level in levels[-1:] if len(levels) == 2 else levels:
            if level in unmeasured:
                continue
            name = label if _is_number(own) else f"{label} = {level or 'missing'}"
            names[label, level] = name
    return names


def _told_apart(balance: pd.DataFrame) -> list[str]:
    """Return the labels by which subjects differ."""
    labels = [label for label in dict.fromkeys(balance["label"]) if label not in TOTALS]
    of = {label: balance[balance["label"] == label] for label in labels}
    return [label for label in labels if _is_number(of[label]) or of[label]["level"].nunique() > 1]


def _is_number(own: pd.DataFrame) -> bool:
    return bool((own["mean"] != "").any())


def _deviation_by_chance(size: pd.Series, part: str) -> float:
    """Standard deviation of a part's standardised mean difference if chance alone deals out."""
    others = sum(n for other, n in size.items() if other not in (part, "test"))
    return float(np.sqrt(1 / size[part] + 1 / others))


def _means(axes: Axes, own: pd.DataFrame, label: str) -> None:
    """Mean and standard deviation, one row per part."""
    rows = np.arange(len(own))[::-1]
    mean, deviation = (pd.to_numeric(own[name]).to_numpy() for name in ("mean", "sd"))
    axes.errorbar(mean, rows, xerr=np.nan_to_num(deviation), fmt="o", color=BLUE, lw=1, capsize=2)
    axes.set_xlabel(label)
    axes.set_ylim(-0.6, len(own) - 0.4)
    axes.grid(axis="x")


def draw_sites(document: Document, passed: pd.DataFrame, *, study: str) -> None:
    """Draw each label by site: what a network could read off the scanner instead of the brain.

    Args:
        document: Where the page goes; it stays as it is where there is one site only.
        passed: passed.csv.
        study: Name of the study.
    """
    people = passed.drop_duplicates("subject")
    sites = sorted(people["site"].unique())
    labels = list(passed.columns[list(passed.columns).index("brain_mask") + 1 :])
    drawn = [label for label in labels if people[label].nunique() > 1]
    if len(sites) < 2 or not drawn:
        return
    note = (
        "First session of each subject. Where a label differs between sites, a network may learn "
        "the scanner instead of the anatomy: "
        "look at the site baselines beside its results."
    )
    rows = -(-len(drawn) // 2)
    with document.page(
        f"{study}: labels by site", height=24 + (22 + 5 * len(sites)) * rows, note=note
    ) as figure:
        grid = figure.subplots(rows, 2 if len(drawn) > 1 else 1, squeeze=False).ravel()
        for axes, label in zip(grid, drawn, strict=False):
            _label_by_site(axes, people, label, sites)
        for axes in grid[len(drawn) :]:
            axes.set_axis_off()


def _label_by_site(axes: Axes, people: pd.DataFrame, label: str, sites: Sequence[str]) -> None:
    numbers = pd.to_numeric(people[label].replace("", np.nan), errors="coerce")
    is_number = numbers.notna().sum() == (people[label] != "").sum() and numbers.nunique() > 10
    axes.set_title(label)
    if is_number:
        groups = [numbers[people["site"] == site].dropna().to_numpy() for site in sites]
        axes.boxplot(
            groups,
            orientation="horizontal",
            positions=range(len(sites))[::-1],
            widths=0.55,
            flierprops={"marker": "o", "ms": 2, "mec": GREY},
            medianprops={"color": BLACK, "lw": 1.4},
        )
        axes.set_xlabel(label)
        axes.grid(axis="x")
    else:
        counted = people.groupby(["site", label]).size().rename("n").reset_index()
        _shares(axes, counted, "site", label, sites)
    sizes = people["site"].value_counts()
    named = [f"{site or '(unknown)'} (n = {sizes[site]})" for site in sites]
    axes.set_yticks(range(len(sites))[::-1], named)


def _shares(
    axes: Axes, counted: pd.DataFrame, group: str, level: str, groups: Sequence[str]
) -> None:
    """Stacked horizontal bars, one per group, each as long as 1."""
    table = counted.pivot_table(index=group, columns=level, values="n", sort=False, fill_value=0)
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
            label=str(name) or "missing",
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
    axes.legend(
        ncols=min(len(table.columns), 4),
        loc="lower right",
        bbox_to_anchor=(1, 1.0),
        handlelength=1.0,
        columnspacing=0.8,
        handletextpad=0.4,
        borderpad=0,
    )
