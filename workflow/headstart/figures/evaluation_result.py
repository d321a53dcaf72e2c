"""An experiment's result under one protocol, and its metrics beside those of the baselines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.common.keys import Key
from headstart.common.text import capital
from headstart.common.text import counted
from headstart.common.text import decimals_of
from headstart.evaluation.baseline_rows import in_words
from headstart.evaluation.fold_words import fold_means
from headstart.evaluation.fold_words import fold_words
from headstart.evaluation.intervals import few
from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import Pooled
from headstart.evaluation.results import OURS
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.evaluation.results import SMALLEST_SITE
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import by
from headstart.evaluation.results import having
from headstart.evaluation.results import methods_in_short
from headstart.evaluation.results import methods_of
from headstart.figures.style import BLACK
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import Document
from headstart.figures.style import furthest
from headstart.figures.style import intervals_plot
from headstart.figures.style import metric_name
from headstart.figures.style import room
from headstart.imaging.mask_classes import Classes
from headstart.tasks.base import Task
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import of_class
from headstart.tasks.neighbours import Neighbours

LABEL_WIDTH = 28  # characters of a row's label, which is wrapped
# mm: a row of one line, each line more, and what is above and below a panel's rows
ROW, LINE, AROUND = 4.4, 2.6, 11.0
CAPTIONS = {
    "cross-validation": "cross-validation, each scan predicted without its subject's fold",
    "hold-out": "one fold held out, of a cross-validation that was not run in full",
    "test": "held-out test subjects",
}
FITTED_ON = (
    "Baselines are fitted on the subjects of the other folds.",
    "Baselines are fitted, as each network is, without the test subjects and its held-out fold.",
)


@dataclass(frozen=True)
class Result:
    """An experiment under one protocol.

    Attributes:
        title: The experiment in words.
        task: The cohort's task.
        target: The label that was predicted.
        unit: Its unit, "" if it has none or none is known.
        classes: Each foreground class's values in the files, {} but for segmentation.
        data: Data root, where the raw masks are, if there are any.
        primary: Name of the metric that the result is told by.
        protocol: As in metrics.csv.
        pooled: The network's answers.
        scans: All scans with a known target.
        sites: The site of every scan.
        runs: The networks' own files, where images are named.
        metrics: metrics.csv, of this protocol.
        comparison: comparison.csv, likewise.
        noise: Standard deviation of the scans' noise, where it is given.
        neighbours: By which the network tells a volume of a series; None without series.
    """

    title: str
    task: Task
    target: str
    unit: str
    classes: Classes
    data: Path
    primary: str
    protocol: str
    pooled: Pooled
    scans: dict[Key, Scan]
    sites: dict[Key, str]
    runs: Sequence[NetworkPredictions]
    metrics: Sequence[MetricRow]
    comparison: Sequence[DifferenceRow]
    noise: float | None = None
    neighbours: Neighbours | None = None

    @property
    def names(self) -> Sequence[str]:
        """Classes: sorted values of the target, or the mask's foreground."""
        return self.task.classes

    @property
    def subjects(self) -> list[str]:
        """The subject of each scan."""
        return [subject for subject, _ in self.pooled.keys]

    @property
    def truth(self) -> NDArray[Any]:
        """What is true of each scan, as the task's metrics take it."""
        return self.task.truth([self.scans[key] for key in self.pooled.keys])

    def _intervals(self, metrics: Sequence[str]) -> str:
        """How intervals of some metrics came about."""
        told = [
            row
            for row in having(self.metrics, group="all")
            if row.model in OURS and of_class(row.metric)[0] in metrics
        ]
        methods = methods_in_short(methods_of(told))
        return f"Intervals (95 %), subjects the unit: {methods}." if methods else ""

    @property
    def _repeats(self) -> str:
        """What is drawn of several repeats."""
        several = self.protocol != "test" and any(scan.repeats for scan in self.scans.values())
        return "Scans are drawn as the first repeat holds them out; numbers are of all." * several

    @property
    def heading(self) -> str:
        """The experiment and the protocol in words."""
        return f"{self.title}: {PROTOCOLS_IN_WORDS[self.protocol]}"

    def told_of(self, *metrics: str) -> str:
        """What a page says of whom some metrics are told, and of their intervals."""
        people = len(set(self.subjects))
        told = [row for row in self.metrics if row.metric in metrics and row.model in OURS]
        n = min([people, *(row.n for row in having(told, metric=self.primary, group="all"))])
        sentences = (
            f"{counted(people, 'subject')}, {counted(len(self.subjects), 'scan')}; "
            f"{CAPTIONS[self.protocol]}.",
            f"{capital(METRICS[self.primary].words)}: of {n} of them, and of the others not "
            "defined." * (n < people),
            self._intervals(metrics),
            self._cut(metrics),
            self.task.over_classes(self.names),
            fold_means(metrics) if self.protocol == "cross-validation" else "",
            self._repeats,
            few(n),
        )
        return " ".join(filter(None, sentences))

    def _cut(self, metrics: Sequence[str]) -> str:
        """What an arrow says, where a page of some metrics draws one."""
        rows = [row for row in self.metrics if row.metric in metrics]
        everyone = [row for row in rows if row.group == "all"]
        sites = [row for row in by("site", rows) if row.model in OURS]
        cut = any(
            row.ci_high is not None and row.ci_high > furthest([one.value for one in panel])
            for panel in (everyone, sites)
            for row in panel
        )
        return "An arrow: the interval reaches further, as its numbers say." * cut

    def note(self, *metrics: str) -> str:
        """What a page of some metrics says of its numbers."""
        of = {"metric": self.primary}
        everyone = having(self.metrics, group="all")
        judged = judge(having(everyone, **of), having(self.comparison, **of))
        sentences = (
            bool(self.comparison) * sentence(judged, self.unit),
            beside(type(self.task), judged, self.primary, everyone, self.comparison),
            self.told_of(*metrics),
            fold_words(self.metrics, self.primary, self.unit),
            bool(self.comparison) * FITTED_ON[self.protocol == "test"],
        )
        return " ".join(filter(None, sentences))


@dataclass(frozen=True)
class Panel:
    """Some numbers with their intervals, a row each.

    Attributes:
        title: What the numbers are.
        labels: Whose each of them is, wrapped.
        rows: The rows of the tables.
        values: Their numbers.
        colours: One of each row.
        of_differences: Whether the numbers are differences, and 0 is none.
    """

    title: str
    labels: Sequence[str]
    rows: Sequence[MetricRow | DifferenceRow]
    values: Sequence[float | None]
    colours: Sequence[str]
    of_differences: bool = False

    @property
    def height(self) -> float:
        """Millimetres that it needs: all rows are as high as the one with most lines."""
        lines = max(label.count("\n") + 1 for label in self.labels)
        above = self.title.count("\n") * LINE
        return AROUND + above + len(self.labels) * (ROW + (lines - 1) * LINE)

    def draw(self, axes: Axes, decimals: int) -> None:
        """Draw the rows."""
        intervals_plot(
            axes,
            self.labels,
            self.values,
            [row.ci_low for row in self.rows],
            [row.ci_high for row in self.rows],
            colours=self.colours,
            decimals=decimals,
            most=math.inf if self.of_differences else furthest(self.values),
        )
        if self.of_differences:
            axes.axvline(0, color=BLACK, lw=0.6)
        elif axes.dataLim.x0 >= 0 > axes.get_xlim()[0]:  # no room for what is not possible
            axes.set_xlim(left=0)
        axes.set_title(self.title)


@dataclass(frozen=True)
class Numbers:
    """A metric in panels, one above the other, all with as many decimals."""

    panels: Sequence[Panel]
    decimals: int

    @property
    def height(self) -> float:
        """Millimetres that they need."""
        return sum(panel.height for panel in self.panels)

    def draw(self, figure: Figure | SubFigure) -> None:
        """Draw the panels."""
        heights = [panel.height for panel in self.panels]
        every = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axes, panel in zip(every, self.panels, strict=True):
            panel.draw(axes, self.decimals)


def draw_metrics(document: Document, result: Result) -> None:
    """Draw the primary metric, of a task that has no page of its own."""
    numbers, note = numbers_of(result, result.primary), result.note(result.primary)
    height = numbers.height + room(note)
    with document.page(result.heading, height=height, note=note) as figure:
        numbers.draw(figure)


def numbers_of(result: Result, metric: str, *, by_site: bool = True) -> Numbers:
    """Lay out a metric: of each model, the differences, and of the sites, if there are such."""
    everyone = having(result.metrics, metric=metric, group="all")
    ours = [row for row in having(result.metrics, metric=metric) if row.model in OURS]
    name = capital(ours[0].model)
    panels = [
        Panel(
            title=_wrapped(capital(metric_name(metric, result.unit))),
            labels=[_wrapped(in_words(row.model)) for row in everyone],
            rows=everyone,
            values=[row.value for row in everyone],
            colours=[BLUE if row.model in OURS else GREY for row in everyone],
        )
    ]
    if against := having(result.comparison, metric=metric):
        panels.append(
            Panel(
                title=f"{name} \u2212 baseline{_unit_of(metric, result.unit)}",
                labels=[_wrapped(in_words(row.baseline)) for row in against],
                rows=against,
                values=[row.difference for row in against],
                colours=[BLACK] * len(against),
                of_differences=True,
            )
        )
    if by_site and (sites := by("site", ours)):
        labels = [f"{row.group.removeprefix('site=')} (n = {row.n})" for row in sites]
        panels.append(
            Panel(
                title=f"{name}, by site (n \u2265 {SMALLEST_SITE})",
                labels=[_wrapped(label) for label in labels],
                rows=sites,
                values=[row.value for row in sites],
                colours=[BLUE] * len(sites),
            )
        )
    return Numbers(panels, decimals_of(ours[0].value, ours[0].ci_low, ours[0].ci_high))


def _wrapped(label: str) -> str:
    return textwrap.fill(label, LABEL_WIDTH)


def _unit_of(metric: str, unit: str) -> str:
    return f" ({unit})" if unit and METRICS[metric].in_unit else ""


def halves(figure: Figure) -> tuple[SubFigure, SubFigure]:
    """Divide a page into a left and a right half."""
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    return left, right


def above_and_below(
    figure: Figure | SubFigure, heights: tuple[float, float]
) -> tuple[SubFigure, SubFigure]:
    """Divide a page, or a half of one, into an upper and a lower part, by their heights."""
    upper, lower = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    return upper, lower
