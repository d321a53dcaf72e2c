"""Predictions of held-out subjects beside their baselines, with intervals."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import read_cohort
from headstart.common.keys import Key
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.evaluation.bench import Bench
from headstart.evaluation.bench import HeldOutTrial
from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import seed_spread
from headstart.evaluation.fitted import fitted_to_others
from headstart.evaluation.intervals import Interval
from headstart.evaluation.intervals import difference
from headstart.evaluation.intervals import interval
from headstart.evaluation.predictions import check_complete
from headstart.evaluation.predictions import check_images
from headstart.evaluation.predictions import read_run
from headstart.evaluation.results import REJECTED
from headstart.evaluation.results import SMALLEST_SITE
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import by
from headstart.evaluation.results import defined
from headstart.evaluation.results import protocol_of
from headstart.evaluation.results import without_prediction
from headstart.evaluation.settings import EvaluateSettings
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.tasks.base import UnfittedError
from headstart.tasks.weighted import mean_of_known


def evaluate(
    *,
    settings: EvaluateSettings,
    passed: Path,
    splits: Path,
    prepared: Path,
    predictions: Sequence[Path],
    weights: Sequence[Path] = (),
    data: Path = Path(),
) -> tuple[list[MetricRow], list[DifferenceRow], list[AnswerRow]]:
    """Evaluate an experiment.

    Args:
        settings: What is evaluated.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        predictions: `.../fold-F/seed-S/predictions.csv` of all folds and seeds.
        weights: `model.safetensors` of the same networks, in the same order.
        data: Data root, where the raw masks are, if there are any.

    Returns:
        The metrics, and the differences from the baselines, with intervals (95 %) as in
        `headstart.evaluation.intervals`; and what is answered for each scan.

    Raises:
        UserError: If a predictions file has a strange path, was changed since it was written, is
            of other weights, or lacks a scan or has one that it should not have; or if a mask was;
            or if a raw mask is gone or another one than was prepared.
    """
    cohort = read_cohort(passed, splits, prepared, settings.target, settings.covariates)
    kind = task_with(settings.task, instances=settings.instances)
    asked = kind.from_cohort(cohort, tuple(settings.classes))
    runs = [read_run(*one) for one in zip_longest(predictions, weights)]
    for run in runs:
        check_complete(run, cohort, asked, test=settings.test)
        check_images(run, asked)
    sites = {row.key: row.site for row in read_rows(passed, LabelRow)}
    bench = Bench(
        asked,
        cohort,
        sites,
        data=data,
        classes=settings.classes,
        tolerance=settings.surface_tolerance,
        noise=settings.noise,
        neighbours=settings.neighbours,
    )
    metrics: list[MetricRow] = []
    comparison: list[DifferenceRow] = []
    answers: list[AnswerRow] = []
    known = bench.trial(runs, "fold")
    trained = {run.fold for run in runs}
    for part in ["fold", "test"] if settings.test else ["fold"]:
        trial = known if part == "fold" else bench.trial(runs, part)
        protocol = protocol_of(part, len(trained))
        metrics += _metric_rows(bench, trial, protocol)
        metrics += fitted_rows(bench.task, trial, known, protocol)
        comparison += _difference_rows(bench, trial, protocol)
        said = [*_answer_rows(bench, trial, known, protocol, trained)]
        if lacking := without_prediction(said):
            print(f"warning: {lacking}", file=sys.stderr, flush=True)
        answers += said
    return _with_fold_sd(metrics), comparison, answers


def _metric_rows(bench: Bench, trial: HeldOutTrial, protocol: str) -> list[MetricRow]:
    rows = []
    for group, inside in _groups(trial):
        by_seed = [said[inside] for said in trial.seeds]
        sample, truth = trial.sample.inside(inside), trial.truth[inside]
        spread = seed_spread(bench.task, sample, truth, by_seed)
        for model in trial.models:
            for name, metric in bench.estimate(trial, model, inside).items():
                seeds = defined(spread.get(name, math.nan)) if model == trial.ours else None
                of = (model, name, group, protocol)
                rows.append(_metric_row(of, metric, seeds))
    return rows


def fitted_rows(
    task: Task, trial: HeldOutTrial, known: HeldOutTrial, protocol: str
) -> Iterator[MetricRow]:
    """Evaluate what is fitted to other folds first; of our networks alone, and as it was fitted."""
    if not task.fitted_metrics:
        return
    try:
        said = fitted_to_others(task, trial, known)
    except UnfittedError as why:
        people = trial.sample.people()
        for name in task.fitted_metrics:
            of = (trial.ours, name, "all", protocol)
            yield MetricRow(*of, None, None, None, f"none: {why}", people, None)
        return
    for group, inside in _groups(trial):
        sample, truth = trial.sample.inside(inside), trial.truth[inside]
        for name, one in estimate(task, sample, truth, said[inside], {}, fitted=True).items():
            of = (trial.ours, name, group, protocol)
            yield _metric_row(of, one, None)


def _with_fold_sd(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Tell in the rows of all subjects how far apart the folds' values are."""
    in_folds: dict[tuple[str, ...], list[float]] = {}
    for row in by("fold", rows):
        if row.value is not None:
            in_folds.setdefault((row.model, row.metric, row.protocol), []).append(row.value)
    return [
        replace(row, fold_sd=float(np.std(values, ddof=1)), folds=len(values))
        if row.group == "all"
        and len(values := in_folds.get((row.model, row.metric, row.protocol), [])) > 1
        else row
        for row in rows
    ]


def _answer_rows(
    bench: Bench, trial: HeldOutTrial, known: HeldOutTrial, protocol: str, trained: Collection[int]
) -> Iterator[AnswerRow]:
    fitted = None
    if bench.task.fitted_metrics:
        with suppress(UnfittedError):
            fitted = fitted_to_others(bench.task, trial, known)
    columns = bench.task.pooled_columns(trial.truth, trial.models[trial.ours], fitted)
    places: dict[Key, list[int]] = {}  # of several repeats, a scan has one for each
    for place, key in enumerate(trial.keys):
        places.setdefault(key, []).append(place)
    for key, its in places.items():
        scan = bench.scans[key]
        means = {name: float(mean_of_known([*of[its]])) for name, of in columns.items()}
        cells = {name: "" if np.isnan(mean) else str(mean) for name, mean in means.items()}
        folds = () if scan.test else tuple(map(str, trial.sample.folds[its].tolist()))
        yield AnswerRow(*key, protocol, folds, len(its), scan.target, cells)
    for key, why in trial.rejected.items():
        scan = bench.scans[key]
        folds = tuple(str(fold) for fold in scan.folds if fold in trained)
        yield AnswerRow(*key, protocol, folds, max(1, len(folds)), scan.target, {REJECTED: why})


def _metric_row(of: tuple[str, str, str, str], one: Estimate, seed_sd: float | None) -> MetricRow:
    """Write down a metric; `of` are its model, name, group and protocol."""
    value, people = defined(one.value), one.sample.people(one.told)
    return MetricRow(*of, value, **_cells(interval(one)), n=people, seed_sd=seed_sd)


def _cells(made: Interval) -> dict[str, Any]:
    ends = {"ci_low": defined(made.low), "ci_high": defined(made.high)}
    return ends | {"ci_method": made.method}


def _difference_rows(bench: Bench, trial: HeldOutTrial, protocol: str) -> list[DifferenceRow]:
    everyone = np.ones(len(trial.sites), dtype=bool)
    by_model = {model: bench.estimate(trial, model, everyone) for model in trial.models}
    ours = by_model.pop(trial.ours)
    return [
        DifferenceRow(
            metric=name,
            protocol=protocol,
            baseline=baseline,
            difference=defined(ours[name].value - metric.value),
            **_cells(difference(ours[name], metric)),
            n=trial.sample.people(ours[name].told & metric.told),
        )
        for baseline, metrics in by_model.items()
        for name, metric in metrics.items()
    ]


def _groups(trial: HeldOutTrial) -> list[tuple[str, NDArray[np.bool_]]]:
    groups = [("all", np.ones(len(trial.sites), dtype=bool))]
    for site in np.unique(trial.sites):
        inside = trial.sites == site
        if site and trial.sample.people(inside) >= SMALLEST_SITE and not inside.all():
            groups.append((f"site={site}", inside))
    folds = np.unique(trial.sample.folds)
    if len(folds) > 1:
        groups += [(f"fold={fold}", trial.sample.folds == fold) for fold in folds]
    return groups
