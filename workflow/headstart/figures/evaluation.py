"""Evaluation on paper: predictions of held-out subjects, and metrics beside the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headstart.cohort.prepared import read_cohort
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.evaluation.predictions import pool_once
from headstart.evaluation.predictions import read_run
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.figures.denoised_images import draw_denoised_images
from headstart.figures.denoised_series import draw_denoised_series
from headstart.figures.evaluation_result import Result
from headstart.figures.evaluation_result import draw_metrics
from headstart.figures.predicted_classes import draw_predicted_classes
from headstart.figures.predicted_masks import draw_predicted_masks
from headstart.figures.predicted_numbers import draw_predicted_numbers
from headstart.figures.predicted_objects import draw_predicted_objects
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.tasks import task_with

PAGES = {
    "numbers": draw_predicted_numbers,
    "classes": draw_predicted_classes,
    "masks": draw_predicted_masks,
    "objects": draw_predicted_objects,
    "ids": draw_predicted_objects,
    "images": draw_denoised_images,
    "series": draw_denoised_series,
    "metrics": draw_metrics,
}


def plot(
    *,
    settings: ExperimentPlotSettings,
    stamp: Stamp,
    output: Path,
    passed: Path,
    splits: Path,
    prepared: Path,
    data: Path,
    predictions: Sequence[Path],
    metrics: Path,
    comparison: Path,
) -> None:
    """Draw the predictions of held-out subjects and the metrics beside the baselines.

    The protocols are those in metrics.csv, the test first.

    Args:
        settings: The stage's.
        stamp: What the footer says.
        output: The PDF.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        data: Data root, where the raw masks are, if there are any.
        predictions: `.../fold-F/seed-S/predictions.csv`; masks lie beside them.
        metrics: metrics.csv.
        comparison: comparison.csv.

    Raises:
        UserError: As `read_cohort` and `pool`, and for objects with ids as `true_ids`.
    """
    cohort = read_cohort(passed, splits, prepared, settings.target, settings.covariates)
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    sites = {row.key: row.site for row in read_rows(passed, LabelRow)}
    classes = settings.classes
    kind = task_with(settings.task, instances=settings.instances)
    task = kind.from_cohort(cohort, tuple(classes))
    runs = [read_run(path) for path in predictions]
    measured, differences = read_rows(metrics, MetricRow), read_rows(comparison, DifferenceRow)
    title = settings.title
    with document(output, f"{title}: evaluation", stamp) as pages:
        for protocol in [name for name in PROTOCOLS if having(measured, protocol=name)]:
            result = Result(
                title=title,
                task=task,
                target=cohort.target,
                unit=settings.unit,
                classes=classes,
                data=data,
                primary=settings.primary,
                protocol=protocol,
                pooled=pool_once(runs, PROTOCOLS[protocol], scans, task),
                scans=scans,
                sites=sites,
                runs=runs,
                metrics=having(measured, protocol=protocol),
                comparison=having(differences, protocol=protocol),
                noise=settings.noise,
                neighbours=settings.neighbours,
            )
            draw_evaluation(pages, result)


def draw_evaluation(document: Document, result: Result) -> None:
    """Draw what a task's results look like, one or two pages."""
    PAGES[result.task.figure](document, result)
