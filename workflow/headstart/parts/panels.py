"""Evaluation on paper: the predictions of held-out subjects, and the metrics beside baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

from headstart.parts.cohort import Scan
from headstart.parts.figures import BLACK
from headstart.parts.figures import BLUE
from headstart.parts.figures import COLOURS
from headstart.parts.figures import GREY
from headstart.parts.figures import LINES
from headstart.parts.figures import MARKERS
from headstart.parts.figures import PURPLE
from headstart.parts.figures import SKY
from headstart.parts.figures import VERMILION
from headstart.parts.figures import YELLOW
from headstart.parts.figures import Document
from headstart.parts.figures import intervals_plot
from headstart.parts.figures import metric_name
from headstart.parts.figures import show_slice
from headstart.parts.figures import with_unit
from headstart.parts.intervals import subject_weights
from headstart.parts.predictions import Key
from headstart.parts.predictions import Pooled
from headstart.parts.predictions import Run

Array = NDArray[np.float64]

QUARTERS = [0, 0.25, 0.5, 0.75, 1]
# Light enough for dark scans, and apart from each other in grey too.
MASK_COLOURS = {"yellow": YELLOW, "blue": SKY, "red": VERMILION, "pink": PURPLE}
CONTEXT = 15.0  # mm shown around a mask

CAPTIONS = {
    "cross-validation": "cross-validation, each scan predicted by networks that never saw its "
    "subject",
    "test": "held-out test subjects, mean of all networks",
}


@dataclass(frozen=True)
class Result:
    """An experiment under one protocol.

    Attributes:
        title: The experiment in words.
        task: regression, classification or segmentation.
        target: The label that was predicted.
        unit: Its unit, "" if it has none or none is known.
        names: Classes: sorted values of the target, or the mask's foreground.
        protocol: cross-validation or test.
        pooled: The network's answers.
        scans: All scans with a known target.
        sites: The site of every scan.
        runs: The networks' own files, where masks are named.
        metrics: metrics.csv.
        comparison: comparison.csv.
    """

    title: str
    task: str
    target: str
    unit: str
    names: Sequence[str]
    protocol: str
    pooled: Pooled
    scans: dict[Key, Scan]
    sites: dict[Key, str]
    runs: Sequence[Run]
    metrics: pd.DataFrame
    comparison: pd.DataFrame

    @property
    def subjects(self) -> list[str]:
        """The subject of each scan."""
        return [subject for subject, _ in self.pooled.keys]

    @property
    def note(self) -> str:
        """What every page says of its numbers."""
        return (
            f"{len(set(self.subjects))} subjects, {len(self.subjects)} scans; "
            f"{CAPTIONS[self.protocol]}. "
            "Intervals: 95 %, bootstrap of subjects, for differences paired; baselines fitted on "
            "the subjects of the other folds."
        )


def draw_evaluation(document: Document, result: Result) -> None:
    """Draw what a task's results look like, one or two pages."""
    pages = {
        "regression": _draw_regression,
        "classification": _draw_classification,
        "segmentation": _draw_segmentation,
    }
    pages[result.task](document, result)


# --- numbers beside baselines -------------------------------------------------------------------


def _draw_numbers(figure: SubFigure, result: Result, metric: str) -> None:
    """Three panels, one above the other: each model, the differences, the sites."""
    table = result.metrics
    table = table[(table["protocol"] == result.protocol) & (table["metric"] == metric)]
    everyone = table[table["group"] == "all"]
    sites = table[(table["group"] != "all") & (table["model"] == "network")]
    against = result.comparison
    against = against[(against["protocol"] == result.protocol) & (against["metric"] == metric)]
    heights = [len(everyone) + 0.8, len(against) + 0.8, *([len(sites) + 0.8] if len(sites) else [])]
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    name = metric_name(metric, result.unit)

    colours = [BLUE if model == "network" else GREY for model in everyone["model"]]
    _rows(panels[0], everyone, list(everyone["model"]), colours, "value")
    panels[0].set_title(_capital(name))
    _rows(panels[1], against, list(against["baseline"]), [BLACK] * len(against), "difference")
    panels[1].axvline(0, color=BLACK, lw=0.6)
    panels[1].set_title(f"Network \u2212 baseline{_unit_of(metric, result.unit)}")
    if len(sites):
        labels = [
            f"{group.removeprefix('site=')} (n = {n})"
            for group, n in zip(sites["group"], sites["n"], strict=True)
        ]
        _rows(panels[2], sites, labels, [BLUE] * len(sites), "value")
        panels[2].set_title("Network, by site")


def _rows(
    axes: Axes, table: pd.DataFrame, labels: Sequence[str], colours: Sequence[str], value: str
) -> None:
    intervals_plot(
        axes,
        labels,
        list(table[value]),
        list(table["ci_low"]),
        list(table["ci_high"]),
        colours=colours,
    )


def _unit_of(metric: str, unit: str) -> str:
    return f" ({unit})" if unit and metric in ("mae", "rmse") else ""


# --- regression ---------------------------------------------------------------------------------


def _draw_regression(document: Document, result: Result) -> None:
    truth = np.array([float(result.scans[key].target) for key in result.pooled.keys])
    with document.page(
        f"{result.title}: {_protocol(result)}", height=104, note=result.note
    ) as figure:
        left, right = _halves(figure)
        _scatter(left.subplots(), result, truth)
        _draw_numbers(right, result, "mae")


def _scatter(axes: Axes, result: Result, truth: Array) -> None:
    predicted = result.pooled.mean
    low = float(min(truth.min(), predicted.min()))
    high = float(max(truth.max(), predicted.max()))
    edge = 0.04 * (high - low)
    ends = (low - edge, high + edge)
    axes.plot(ends, ends, color=BLACK, lw=0.8, label="identity")
    known = [float(s.target) for s in result.scans.values() if not s.test]
    axes.axhline(
        float(np.mean(known)),
        color=GREY,
        lw=0.9,
        ls=LINES[1],
        label="mean of the training subjects",
    )
    sites = np.array([result.sites[key] for key in result.pooled.keys])
    levels = [str(site) for site in np.unique(sites)]
    # more sites than markers are not told apart
    if len(levels) > len(MARKERS) or len(levels) < 2:
        levels, sites = [""], np.full(len(truth), "")
    for number, site in enumerate(levels):
        axes.plot(
            truth[sites == site],
            predicted[sites == site],
            MARKERS[number],
            color=COLOURS[number],
            ms=3,
            alpha=0.75,
            mew=0,
            label=site or None,
        )
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel(with_unit(f"{result.target}, true", result.unit))
    axes.set_ylabel(with_unit(f"{result.target}, predicted", result.unit))
    axes.set_title("Predicted against true")
    axes.legend(loc="upper left", handlelength=1.8, labelspacing=0.3)


# --- classification -----------------------------------------------------------------------------


def _draw_classification(document: Document, result: Result) -> None:
    truth = np.array([result.names.index(result.scans[k].target) for k in result.pooled.keys])
    title = f"{result.title}: {_protocol(result)}"
    with document.page(title, height=128, note=result.note) as figure:
        left, right = _halves(figure)
        top, bottom = left.subplots(2, 1, height_ratios=[1.9, 1])
        _roc(top, result, truth)
        _confusion(bottom, result, truth)
        _draw_numbers(right, result, "auroc")
    note = f"{result.note} Log loss: lower is better."
    with document.page(f"{title}, probabilities and decisions", height=96, note=note) as figure:
        left, right = _halves(figure)
        _draw_numbers(left, result, "log_loss")
        _draw_numbers(right, result, "balanced_accuracy")


def _roc(axes: Axes, result: Result, truth: NDArray[np.int64]) -> None:
    probability = result.pooled.mean
    weights = subject_weights(result.subjects, f"{result.title}/roc")
    grid = np.linspace(0, 1, 101)
    two = len(result.names) == 2
    for number, index in enumerate([1] if two else range(len(result.names))):
        curves = _roc_curves(truth == index, probability[:, index], weights, grid)
        style = {"color": COLOURS[number % len(COLOURS)], "ls": LINES[number % len(LINES)]}
        name = result.names[index]
        label = f"{name} (positive)" if two else f"{name} against the rest"
        if two:
            low, high = np.nanpercentile(curves[1:], [2.5, 97.5], axis=0)
            axes.fill_between(grid, low, high, color=style["color"], alpha=0.18, lw=0)
        axes.plot(*_roc_steps(truth == index, probability[:, index]), lw=1.3, label=label, **style)
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.7, ls=LINES[2], label="chance")
    axes.set_aspect("equal")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(QUARTERS)
    axes.set_yticks(QUARTERS)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title("ROC curve" + (", 95 % band" if two else ""))
    axes.legend(loc="lower right")


def _roc_steps(positive: NDArray[np.bool_], score: Array) -> tuple[Array, Array]:
    """False and true positive rates from (0, 0) to (1, 1), a step per distinct score."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    rates = []
    for member in (~positive, positive):
        counts = np.cumsum(member[order])[last]
        rates.append(np.concatenate([[0.0], counts / max(counts[-1], 1)]))
    return rates[0], rates[1]


def _roc_curves(positive: NDArray[np.bool_], score: Array, weights: Array, grid: Array) -> Array:
    """True positive rates (rows, grid) of each resample at the grid's false positive rates."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.diff(score[order], append=-np.inf))
    false = np.cumsum((weights * ~positive)[:, order], axis=1)[:, last]
    true = np.cumsum((weights * positive)[:, order], axis=1)[:, last]
    curves = np.full((len(weights), len(grid)), np.nan)
    for row, (x, y) in enumerate(zip(false, true, strict=True)):
        if x[-1] > 0 and y[-1] > 0:
            curves[row] = np.interp(grid, np.append(0, x / x[-1]), np.append(0, y / y[-1]))
    return curves


def _confusion(axes: Axes, result: Result, truth: NDArray[np.int64]) -> None:
    n = len(result.names)
    decided = np.argmax(result.pooled.mean, axis=1)
    counts = np.bincount(truth * n + decided, minlength=n * n).reshape(n, n)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column,
            row,
            f"{count}\n{100 * share[row, column]:.0f} %",
            ha="center",
            va="center",
            size=7,
            color="white" if share[row, column] > 0.6 else BLACK,
        )
    axes.set_xticks(range(n), result.names)
    axes.set_yticks(range(n), result.names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"{result.target}, predicted (most probable)")
    axes.set_ylabel(f"{result.target}, true")
    axes.set_title("Confusion: scans, % of the true class")


# --- segmentation -------------------------------------------------------------------------------


def _draw_segmentation(document: Document, result: Result) -> None:
    title = f"{result.title}: {_protocol(result)}"
    note = (
        f"{result.note} Left: a dot per scan, with median, quartiles and whiskers of 1.5 times "
        "their distance. The network is judged on the raw scan's grid, the mean mask on the "
        "prepared one."
    )
    with document.page(title, height=100, note=note) as figure:
        left, right = _halves(figure)
        _dice_by_class(left.subplots(), result)
        _draw_numbers(right, result, "dice")
    _draw_overlays(document, result, title)


def _dice_by_class(axes: Axes, result: Result) -> None:
    metrics = result.metrics
    metrics = metrics[(metrics["protocol"] == result.protocol) & (metrics["group"] == "all")]
    mean_mask = metrics[metrics["model"] == "mean-mask"].set_index("metric")
    spread = np.random.Generator(np.random.PCG64(0))  # sideways, so that dots do not hide others
    for number, name in enumerate(result.names):
        dice = result.pooled.mean[:, number]
        dice = dice[~np.isnan(dice)]
        aside = number - 0.12 + spread.uniform(-0.14, 0.14, len(dice))
        axes.plot(aside, dice, "o", color=BLUE, ms=2, mew=0, alpha=0.45)
        axes.boxplot(
            dice,
            positions=[number - 0.12],
            widths=0.36,
            showfliers=False,
            medianprops={"color": BLACK, "lw": 1.4},
            boxprops={"lw": 0.8},
            whiskerprops={"lw": 0.8},
            capprops={"lw": 0.8},
        )
        row = mean_mask.loc[f"dice_{name}"]
        axes.plot([number + 0.28] * 2, [row["ci_low"], row["ci_high"]], color=GREY, lw=1.4)
        axes.plot(
            number + 0.28,
            row["value"],
            MARKERS[2],
            color=GREY,
            ms=4,
            label=None if number else "mean mask: mean, interval",
        )
    axes.set_xticks(range(len(result.names)), result.names)
    axes.set_xlim(-0.6, len(result.names) - 0.4)
    axes.set_ylim(top=1.0)
    axes.set_ylabel("Dice")
    axes.set_title("Dice by class")
    axes.grid(axis="y")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), borderpad=0)


def _draw_overlays(document: Document, result: Result, title: str) -> None:
    """Show the best, the median and the worst scan, on three axial slices each."""
    known = np.asarray(~np.isnan(result.pooled.mean).all(axis=1))
    score = np.nanmean(result.pooled.mean[known], axis=1)
    keys = [key for key, is_known in zip(result.pooled.keys, known, strict=True) if is_known]
    order = np.argsort(-score, kind="stable")
    places = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
    note = (
        "Three axial slices through the mask; left is left. Filled: true. Line: predicted by the "
        "first network. "
        + ", ".join(f"{name}: {tuple(MASK_COLOURS)[i % 4]}" for i, name in enumerate(result.names))
        + ". Order by the mean Dice over classes."
    )
    with document.page(f"{title}, best, median and worst", height=172, note=note) as figure:
        grid = figure.subplots(3, 3)
        for row, (word, place) in zip(grid, places.items(), strict=True):
            key = keys[place]
            _overlay(row, result, key)
            row[0].set_title(
                f"{word}: {key[0]}, session {key[1]}, Dice {score[place]:.3f}",
                weight="normal",
                size=7.5,
            )


def _overlay(row: Sequence[Axes], result: Result, key: Key) -> None:
    scan = result.scans[key]
    image = np.asarray(scan.volume()[0], dtype=np.float32)
    true, predicted = np.asarray(scan.mask()), _predicted_mask(result, key)
    size = np.linalg.norm(scan.affine[:3, :3], axis=0)
    # where there is nothing to find, what was found is shown
    marked = true > 0 if true.any() else predicted > 0
    box = _box(marked, np.ceil(CONTEXT / size).astype(int))
    image, true, predicted = image[box], true[box], predicted[box]
    limits = tuple(np.percentile(image, [1, 99.5]))
    mass = np.cumsum(marked.sum(axis=(0, 1)))
    for axes, share in zip(row, (0.25, 0.5, 0.75), strict=True):
        z = int(np.searchsorted(mass, share * mass[-1]))
        show_slice(axes, image[:, :, z], aspect=size[1] / size[0], limits=limits)
        for value in range(1, len(result.names) + 1):
            colour = tuple(MASK_COLOURS.values())[(value - 1) % 4]
            _fill(axes, true[:, :, z] == value, colour)
            _outline(axes, predicted[:, :, z] == value, colour)


def _fill(axes: Axes, inside: NDArray[np.bool_], colour: str) -> None:
    veil = np.zeros((*inside.T.shape, 4))
    veil[...] = to_rgba(colour, 0.45)
    veil[..., 3] *= inside.T
    axes.imshow(veil, origin="lower", aspect=axes.get_aspect())


def _outline(axes: Axes, inside: NDArray[np.bool_], colour: str) -> None:
    if inside.any() and not inside.all():
        for shade, width in ((BLACK, 2.0), (colour, 1.0)):  # legible on bright and on dark
            axes.contour(inside.T.astype(float), [0.5], colors=shade, linewidths=width)


def _predicted_mask(result: Result, key: Key) -> NDArray[np.uint8]:
    """Return the first network's mask of a scan, brought onto the prepared grid."""
    scan = result.scans[key]
    for run in result.runs:
        table = run.table
        row = table[(table["subject"] == key[0]) & (table["session"] == key[1])]
        if len(row):
            image = nib.nifti1.load(run.path.parent / row["mask"].iloc[0])
            break
    else:
        raise LookupError(f"no run predicted {key}")
    source = np.asarray(image.dataobj).astype(np.uint8)
    shape = scan.mask().shape
    to_source = np.linalg.inv(image.affine) @ scan.affine
    voxels = np.indices(shape).reshape(3, -1)
    index = np.rint(to_source[:3, :3] @ voxels + to_source[:3, 3:]).astype(int)
    inside = ((index >= 0) & (index < np.array(source.shape)[:, None])).all(axis=0)
    mask = np.zeros(voxels.shape[1], np.uint8)
    mask[inside] = source[tuple(index[:, inside])]
    return mask.reshape(shape)


def _box(inside: NDArray[np.bool_], margin: NDArray[np.int64]) -> tuple[slice, slice, slice]:
    """Return the part of the volume around what is marked; in z all of it."""
    marked = np.argwhere(inside)
    if len(marked) == 0:
        return slice(None), slice(None), slice(None)
    low = np.maximum(marked.min(axis=0) - margin, 0)
    high = marked.max(axis=0) + margin + 1
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(None)


def _halves(figure: Figure) -> tuple[SubFigure, SubFigure]:
    """Divide a page into a left and a right half."""
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    return left, right


def _protocol(result: Result) -> str:
    return {"test": "held-out test", "cross-validation": "cross-validation"}[result.protocol]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
