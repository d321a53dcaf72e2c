"""Experiments that ask for the same target, compared with each other on the same subjects."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import read_cohort
from headstart.common.run_id import RunId
from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import held_out
from headstart.evaluation.estimates import seed_spread
from headstart.evaluation.intervals import difference
from headstart.evaluation.multiplicity import LEVEL
from headstart.evaluation.multiplicity import holm
from headstart.evaluation.multiplicity import p_value
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import pool
from headstart.evaluation.predictions import read_run
from headstart.evaluation.ranking import seeds_explain
from headstart.evaluation.ranking import typical_spread
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.results import defined
from headstart.evaluation.settings import Comparable
from headstart.evaluation.settings import CompareSettings
from headstart.tasks import task_with
from headstart.tasks.base import Task

Runs = Mapping[str, Sequence[NetworkPredictions]]


@dataclass(frozen=True)
class _Answers:
    """What an experiment is worth on the scans that all of its group answered for.

    Attributes:
        metrics: Its metrics, by name.
        spread: Their standard deviation over seeds; {} for a single seed.
        seeds: How many seeds.
    """

    metrics: Mapping[str, Estimate]
    spread: Mapping[str, float]
    seeds: int


def compare(
    *,
    settings: CompareSettings,
    passed: Path,
    splits: Path,
    prepared: Path,
    predictions: Sequence[Path],
) -> list[ExperimentRow]:
    """Compare the experiments of each group, two by two.

    Args:
        settings: The groups.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        predictions: `EXPERIMENT/…/fold-F/seed-S/predictions.csv` of all their folds and seeds,
            which the stage evaluate has checked.

    Raises:
        UserError: If a predictions file has a strange path or was changed since it was written.
    """
    runs: dict[str, list[NetworkPredictions]] = {}
    for path in predictions:
        runs.setdefault(RunId.of(path).experiment, []).append(read_run(path))
    rows = []
    for group in settings.groups:
        cohort = read_cohort(passed, splits, prepared, group.target)
        kind = task_with(group.task, instances=group.instances)
        task = kind.from_cohort(cohort, tuple(settings.classes))
        answers = _answers(group, cohort, task, runs)
        rows += _of_group(group, answers) if answers else []
    return rows


def _answers(group: Comparable, cohort: Cohort, task: Task, runs: Runs) -> dict[str, _Answers]:
    """Evaluate each experiment on the scans that all of them answered for; {} without any."""
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    part = PROTOCOLS[group.protocol]
    pooled = {name: pool(runs[name], part, scans, task) for name in group.experiments}
    # one that sees covariates leaves out who lacks them
    places = {name: list(zip(one.keys, one.folds, strict=True)) for name, one in pooled.items()}
    shared = set.intersection(*map(set, places.values()))
    if not shared:
        names = ", ".join(group.experiments)
        warning = f"warning: {names} answer for no scan in common, and are not compared"
        print(warning, file=sys.stderr, flush=True)
        return {}
    common = [place for place in next(iter(places.values())) if place in shared]
    asked, folds = [scans[key] for key, _ in common], [fold for _, fold in common]
    sample, truth = held_out(asked, folds, scans.values()), task.truth(asked)
    answers = {}
    for name, one in pooled.items():
        inside = np.array([place in shared for place in places[name]])
        by_seed = [said[inside] for said in one.by_seed]
        answers[name] = _Answers(
            estimate(task, sample, truth, one.mean[inside], {}),
            seed_spread(task, sample, truth, by_seed),
            len(by_seed),
        )
    return answers


def _of_group(group: Comparable, answers: Mapping[str, _Answers]) -> list[ExperimentRow]:
    """Compare two by two, by each metric; all pairs by one metric are a family."""
    metrics = next(iter(answers.values())).metrics
    ordered = sorted(metrics, key=lambda name: name != group.primary)
    return [row for metric in ordered for row in _family(group, answers, metric)]


def _family(group: Comparable, answers: Mapping[str, _Answers], metric: str) -> list[ExperimentRow]:
    pairs = list(combinations(group.experiments, 2))
    ours = {name: one.metrics[metric] for name, one in answers.items()}
    first = next(iter(ours.values()))
    of, people = first.metric, first.sample.people(first.told)
    made = [difference(ours[one], ours[other]) for one, other in pairs]
    values = [ours[one].value - ours[other].value for one, other in pairs]
    p_values = [p_value(*each, people) for each in zip(values, made, strict=True)]
    margins = _seed_margins(answers, metric)
    rows = []
    for (one, other), value, interval, p, corrected in zip(
        pairs, values, made, p_values, holm(p_values), strict=True
    ):
        margin = math.hypot(margins[one], margins[other])
        apart = corrected is not None and corrected < LEVEL and not abs(value) <= margin
        ahead = one if (value > 0) == of.higher_is_better else other
        rows.append(
            ExperimentRow(
                task=group.task,
                target=group.target,
                unit=group.unit if of.in_unit else "",
                protocol=group.protocol,
                folds=tuple(map(str, group.folds)),
                metric=metric,
                role="primary" if metric == group.primary else "secondary",
                experiment=one,
                other=other,
                difference=defined(value),
                ci_low=defined(interval.low),
                ci_high=defined(interval.high),
                ci_method=interval.method,
                n=people,
                p=p,
                p_holm=corrected,
                seed_margin=defined(margin),
                better=ahead if apart and not of.in_between else "",
            )
        )
    return rows


def _seed_margins(answers: Mapping[str, _Answers], metric: str) -> dict[str, float]:
    """What seeds alone explain: so many standard errors of a mean over seeds.

    Of few seeds the spread may be small by chance: the median one of the group is the least. It is
    taken for an experiment of one seed, too; NaN where all are.
    """
    spreads = {name: one.spread.get(metric, math.nan) for name, one in answers.items()}
    typical = typical_spread(list(spreads.values()))
    explained = seeds_explain([one.seeds for one in answers.values()])
    return {
        name: float(explained * np.fmax(spread, typical) / math.sqrt(answers[name].seeds))
        for name, spread in spreads.items()
    }
