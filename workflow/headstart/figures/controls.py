"""The controls of an experiment on paper: what must fail, and whether more scans would help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from headstart.cohort.settings import SHARES
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.text import decimals_of
from headstart.evaluation.controls import CONSTANT
from headstart.evaluation.controls import ITSELF
from headstart.evaluation.controls import SIZE
from headstart.evaluation.controls import ControlRow
from headstart.evaluation.controls import control_rows
from headstart.evaluation.controls import curve_of
from headstart.evaluation.results import PROTOCOLS_IN_WORDS
from headstart.evaluation.results import MetricRow
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import BLUE
from headstart.figures.style import GREY
from headstart.figures.style import VERMILION
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import as_numbers
from headstart.figures.style import document
from headstart.figures.style import intervals_plot
from headstart.figures.style import metric_name
from headstart.tasks import TASKS

LABELS = {
    ITSELF: "the network",
    "background": "background alone",
    "shuffled": "labels permuted",
    SIZE: "head size alone",
    CONSTANT: "the same for all",
}
BARS = "Bars: 95 % intervals, subjects the unit."
OF_FAILING = (
    "Dashed: the best answer that is the same for all. A network that could learn nothing of the "
    "head is no better; orange: it is, by its whole interval and by more than permuted labels "
    "teach by chance, which is a warning."
)
OF_SIZE = "A background shows how large the head is: it warns where it says more than that."
OF_CURVE = "Training on fewer subjects took as many steps."
COLOURS = {"answers": VERMILION, "fails": BLUE, "unknown": GREY}


def plot(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    metrics: Path,
    controls: Sequence[Path],
) -> None:
    """Draw what the controls of an experiment found, and write it as a table.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF; the table is beside it, as .csv.
        metrics: The experiment's metrics.csv.
        controls: Those of its controls, `EXPERIMENT-CONTROL/metrics.csv`.
    """
    found = {
        path.parent.name.removeprefix(f"{settings.experiment}-"): read_rows(path, MetricRow)
        for path in controls
    }
    task, own = TASKS[settings.task], read_rows(metrics, MetricRow)
    rows = control_rows(task, settings.primary, own, found)
    write_rows(output.with_suffix(".csv"), ControlRow, rows)
    with document(output, f"{settings.title}: controls", stamp) as pages:
        draw_controls(pages, rows, title=settings.title, unit=settings.unit)


def draw_controls(
    document: Document, rows: Sequence[ControlRow], *, title: str, unit: str = ""
) -> None:
    """Draw the controls that must fail beside the network, and the learning curve.

    Args:
        document: Where the page goes.
        rows: `headstart.evaluation.controls.control_rows`.
        title: The experiment in words.
        unit: Unit of the target, for metrics that carry it.
    """
    failing, curve = [row for row in rows if row.outcome], curve_of(rows)
    heading = f"{title}: controls, {PROTOCOLS_IN_WORDS[rows[0].protocol]}, n = {rows[0].n} subjects"
    metrics = list(dict.fromkeys(row.metric for row in failing))
    tall = max(1, len(metrics))
    told = {
        BARS: any(row.ci_low is not None for row in rows),
        OF_FAILING: bool(failing),
        OF_SIZE: any(row.control == SIZE for row in rows),
        OF_CURVE: bool(curve),
    }
    note = " ".join(words for words, is_true in told.items() if is_true)
    with document.page(heading, height=34 + 42 * tall, note=note) as figure:
        grid = figure.add_gridspec(tall, bool(failing) + bool(curve))
        for number, metric in enumerate(metrics):
            beside = [row for row in rows if row.metric == metric and row.control in LABELS]
            panel = figure.add_subplot(grid[number, 0])
            _failing(panel, beside, unit)
            if number == 0:
                panel.set_title("What must be no better than a constant")
        if curve:
            _curve(figure.add_subplot(grid[:, -1]), curve, unit)


def _failing(axes: Axes, rows: Sequence[ControlRow], unit: str) -> None:
    ordered = sorted(rows, key=lambda row: list(LABELS).index(row.control))
    colours = [COLOURS.get(row.outcome, BLUE if row.control == ITSELF else GREY) for row in ordered]
    intervals_plot(
        axes,
        [LABELS[row.control] for row in ordered],
        [row.value for row in ordered],
        [row.ci_low for row in ordered],
        [row.ci_high for row in ordered],
        colours=colours,
        decimals=decimals_of(*(row.value for row in ordered if row.control == ITSELF)),
    )
    (constant,) = as_numbers(ordered[-1].value)
    axes.axvline(constant, color=GREY, lw=0.8, ls="--", zorder=0)
    axes.set_xlabel(metric_name(rows[0].metric, unit))


def _curve(axes: Axes, curve: Sequence[ControlRow], unit: str) -> None:
    shares = [100 * SHARES.get(row.control, 1) for row in curve]
    for share, row in zip(shares, curve, strict=True):
        low, high = as_numbers(row.ci_low, row.ci_high)
        axes.plot([share, share], [low, high], color=BLUE, lw=1.4, solid_capstyle="butt")
    axes.plot(shares, as_numbers(*(row.value for row in curve)), "o-", color=BLUE, ms=4, lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:.0f}" for share in shares])
    axes.minorticks_off()
    axes.set_xlim(20, 125)
    axes.grid(axis="y")
    axes.set_xlabel("training subjects (% of all)")
    axes.set_ylabel(metric_name(curve[0].metric, unit))
    axes.set_title("Would more scans help?")
