"""Judge predictions of held-out subjects beside what a sceptic would predict without a network.

Out-of-fold predictions are pooled over the trained folds; those of several seeds are averaged per
scan, and so are those of all folds and seeds on the test subjects. (Of segmentations, the Dice is
averaged, not the masks.) Intervals come from a bootstrap of subjects, differences from the same
bootstrap, paired.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from headstart.parts import baselines
from headstart.parts import files
from headstart.parts.baselines import Features
from headstart.parts.cohort import Cohort
from headstart.parts.cohort import Scan
from headstart.parts.cohort import read_cohort
from headstart.parts.intervals import interval
from headstart.parts.intervals import resampled_metrics
from headstart.parts.intervals import subject_weights
from headstart.parts.predictions import Key
from headstart.parts.predictions import Run
from headstart.parts.predictions import mean_of_known
from headstart.parts.predictions import pool
from headstart.parts.predictions import read_run
from headstart.parts.progress import progress

METRICS_COLUMNS = [
    *("model", "metric", "group", "protocol", "value"),
    *("ci_low", "ci_high", "ci_method", "n", "seed_sd"),
]
COMPARISON_COLUMNS = [
    *("metric", "protocol", "baseline", "difference"),
    *("ci_low", "ci_high", "ci_method", "n"),
]
SMALLEST_SITE = 5  # subjects; below it a site has no row of its own

Array = NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--settings", required=True, help="JSON: experiment, task, target, classes, test"
    )
    parser.add_argument("--passed", type=Path, required=True, help="check/passed.csv")
    parser.add_argument("--splits", type=Path, required=True, help="split/splits.csv")
    parser.add_argument("--prepared", type=Path, required=True, help="folder of shard-K.json")
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        nargs="+",
        metavar="CSV",
        help=".../fold-F/seed-S/predictions.csv, of all folds and seeds",
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of metrics.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = json.loads(arguments.settings)
    metrics, comparison = evaluate(
        experiment=settings["experiment"],
        task=settings["task"],
        target=settings["target"],
        classes=list(settings["classes"].values()),
        test=settings["test"],
        passed=arguments.passed,
        splits=arguments.splits,
        prepared=arguments.prepared,
        predictions=arguments.predictions,
    )
    files.write_csv(arguments.output / "comparison.csv", comparison)
    files.write_csv(arguments.output / "metrics.csv", metrics)


def evaluate(
    *,
    experiment: str,
    task: str,
    target: str,
    classes: Sequence[str],
    test: bool,
    passed: Path,
    splits: Path,
    prepared: Path,
    predictions: Sequence[Path],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge an experiment.

    Args:
        experiment: Its name; it seeds the bootstrap.
        task: regression, classification or segmentation.
        target: The label that was predicted, or `mask`.
        classes: Names of the mask's foreground classes (segmentation).
        test: Whether the test subjects are judged too.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        predictions: `.../fold-F/seed-S/predictions.csv` of all folds and seeds.

    Returns:
        metrics (model, metric, group, protocol, value, ci_low, ci_high, ci_method, n, seed_sd) and
        comparison (metric, protocol, baseline, difference, ci_low, ci_high, ci_method, n): 95 %
        percentile intervals over 2000 resamples of subjects; n counts subjects; a difference is
        network minus baseline; seed_sd is the deviation of the metric over seeds, NaN for one seed.

    Raises:
        UserError: If a predictions file has a strange path, or scans the cohort does not have.
    """
    cohort = read_cohort(passed, splits, prepared, target, task)
    runs = [read_run(path) for path in predictions]
    names = cohort.classes if task == "classification" else tuple(classes)
    bench = _Bench(task, cohort, names, _sites(passed))
    protocols = {"cross-validation": "fold", **({"test": "test"} if test else {})}
    metrics: list[dict[str, Any]] = []
    comparison: list[dict[str, Any]] = []
    for protocol, part in protocols.items():
        trial = bench.trial(runs, part)
        name = f"{experiment}/{protocol}"
        metrics += [{**row, "protocol": protocol} for row in _metric_rows(bench, trial, name)]
        comparison += [
            {**row, "protocol": protocol} for row in _comparison_rows(bench, trial, name)
        ]
    return (
        _rounded(pd.DataFrame(metrics, columns=METRICS_COLUMNS)),
        _rounded(pd.DataFrame(comparison, columns=COMPARISON_COLUMNS)),
    )


@dataclass(frozen=True)
class _Trial:
    """Everything that one protocol judges: n scans, and what each model says of them."""

    subjects: tuple[str, ...]
    sites: NDArray[np.str_]
    truth: NDArray[Any]
    models: dict[str, Array]
    seeds: tuple[Array, ...]


def _sites(passed: Path) -> dict[Key, str]:
    table = files.read_csv(passed)
    return {(row["subject"], row["session"]): row["site"] for row in table.to_dict("records")}


class _Bench:
    """Brings the network and its baselines before the same scans."""

    def __init__(
        self, task: str, cohort: Cohort, names: Sequence[str], sites: dict[Key, str]
    ) -> None:
        self.task = task
        self.cohort = cohort
        self.names = names
        self.sites = sites
        self.scans: dict[Key, Scan] = {
            (scan.subject, scan.session): scan for scan in cohort.scans if scan.target
        }
        self.heads = {} if task == "segmentation" else self._head_sizes()

    def judge(
        self, model: str, truth: NDArray[Any], prediction: Array, weights: Array
    ) -> dict[str, Array]:
        """Return a model's metrics under every row of weights."""
        values = resampled_metrics(self.task, truth, prediction, weights, self.names)
        if model in baselines.CONSTANT:
            for metric, value in baselines.known_by_construction(len(self.names)).items():
                if metric in values:
                    values[metric] = np.full(len(weights), value)
        return values

    def _head_sizes(self) -> dict[Key, float]:
        work = progress(self.scans.items(), total=len(self.scans), label="head sizes estimated")
        return {key: float(np.log(baselines.head_volume(scan))) for key, scan in work}

    def trial(self, runs: Sequence[Run], part: str) -> _Trial:
        """Average the predictions of a part, and let each baseline predict the same scans."""
        pooled = pool(runs, part, self.scans, self.task, self.names)
        folds = sorted({run.fold for run in runs})
        return _Trial(
            subjects=tuple(subject for subject, _ in pooled.keys),
            sites=np.array([self.sites[key] for key in pooled.keys]),
            truth=self._truth(pooled.keys),
            models={"network": pooled.mean, **self._baselines(pooled.keys, folds, part)},
            seeds=pooled.by_seed,
        )

    def _truth(self, keys: Sequence[Key]) -> NDArray[Any]:
        targets = [self.scans[key].target for key in keys]
        if self.task == "segmentation":
            return np.zeros(len(keys))  # its Dice is computed already, and is all that is judged
        if self.task == "regression":
            return np.array(targets, dtype=np.float64)
        return np.array([self.names.index(target) for target in targets])

    def _baselines(self, keys: Sequence[Key], folds: Sequence[int], part: str) -> dict[str, Array]:
        """Predict each scan by the baselines of its own fold; test scans by those of all folds."""
        answers: dict[str, list[Array]] = {}
        for fold in folds:
            rows = [i for i, k in enumerate(keys) if part == "test" or self.scans[k].fold == fold]
            known = [k for k, scan in self.scans.items() if not scan.test and scan.fold != fold]
            if not rows:
                continue
            for name, values in self._fit_and_predict(known, [keys[i] for i in rows]).items():
                filled = np.full((len(keys), *values.shape[1:]), np.nan)
                filled[rows] = values
                answers.setdefault(name, []).append(filled)
        # a site may be known to some folds only: a baseline that can't speak of all says nothing
        every = max(map(len, answers.values()), default=0)
        return {
            name: mean_of_known(filled) for name, filled in answers.items() if len(filled) == every
        }

    def _fit_and_predict(self, known: Sequence[Key], asked: Sequence[Key]) -> dict[str, Array]:
        if self.task == "segmentation":
            scans = [self.scans[key] for key in known], [self.scans[key] for key in asked]
            return baselines.segmentation(*scans, len(self.names))
        truth = self._truth(known)
        features, held = self._features(known), self._features(asked)
        if self.task == "regression":
            return baselines.regression(features, truth, held)
        return baselines.classification(features, truth, held, len(self.names))

    def _features(self, keys: Sequence[Key]) -> Features:
        return Features(
            subject=np.array([subject for subject, _ in keys]),
            site=np.array([self.sites[key] for key in keys]),
            head=np.array([self.heads[key] for key in keys]),
        )


def _metric_rows(bench: _Bench, trial: _Trial, name: str) -> list[dict[str, Any]]:
    rows = []
    for group, inside in _groups(trial):
        subjects = list(np.array(trial.subjects)[inside])
        weights = subject_weights(subjects, f"{name}/{group}")
        truth = trial.truth[inside]
        spread = _seed_sd(bench, trial, inside)
        for model, prediction in trial.models.items():
            for metric, values in bench.judge(model, truth, prediction[inside], weights).items():
                low, high = interval(values[1:])
                rows.append(
                    {
                        "model": model,
                        "metric": metric,
                        "group": group,
                        "value": values[0],
                        "ci_low": low,
                        "ci_high": high,
                        "ci_method": "subject bootstrap",
                        "n": len(set(subjects)),
                        "seed_sd": spread.get(metric, np.nan) if model == "network" else np.nan,
                    }
                )
    return rows


def _comparison_rows(bench: _Bench, trial: _Trial, name: str) -> list[dict[str, Any]]:
    weights = subject_weights(trial.subjects, f"{name}/all")
    judged = {
        model: bench.judge(model, trial.truth, prediction, weights)
        for model, prediction in trial.models.items()
    }
    network = judged.pop("network")
    rows = []
    for baseline, metrics in judged.items():
        for metric, values in metrics.items():
            difference = network[metric] - values
            low, high = interval(difference[1:])
            rows.append(
                {
                    "metric": metric,
                    "baseline": baseline,
                    "difference": difference[0],
                    "ci_low": low,
                    "ci_high": high,
                    "ci_method": "paired subject bootstrap",
                    "n": len(set(trial.subjects)),
                }
            )
    return rows


def _seed_sd(bench: _Bench, trial: _Trial, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Standard deviation of the network's metrics over seeds; {} for a single seed."""
    if len(trial.seeds) < 2:
        return {}
    truth = trial.truth[inside]
    weights = subject_weights(list(np.array(trial.subjects)[inside]), "", resamples=0)
    each = [
        bench.judge("network", truth, prediction[inside], weights) for prediction in trial.seeds
    ]
    return {
        metric: float(np.std([metrics[metric][0] for metrics in each], ddof=1))
        for metric in each[0]
    }


def _groups(trial: _Trial) -> list[tuple[str, NDArray[np.bool_]]]:
    groups = [("all", np.ones(len(trial.sites), dtype=bool))]
    for site in np.unique(trial.sites):
        inside = trial.sites == site
        people = {subject for subject, i in zip(trial.subjects, inside, strict=True) if i}
        if site and len(people) >= SMALLEST_SITE and not inside.all():
            groups.append((f"site={site}", inside))
    return groups


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Round to six digits: more are noise, and may differ between machines."""
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].map(lambda x: float(f"{x:.6g}"))
    return table
