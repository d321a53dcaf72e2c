"""How often intervals of 95 % hold what is true, in per cent; the goal is 93 to 97.

PYTHONPATH=workflow:tests python tests/benchmarks/coverage.py [STUDIES]

Made-up subjects of one or three sessions in a single held-out set, whose metrics are known; then
cross-validation of ridge and logistic regression in five folds, whose metrics are those that the
five models have for many other people. Before: percentiles of 500 resamples of subjects, over
folds pooled. After: the intervals as they are, and the share of studies without one. STUDIES are
simulated for each cell, 400 unless given, a quarter of them for what was before.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping

import numpy as np
from simulated import POPULATIONS
from simulated import SEX
from simulated_folds import COHORTS
from simulated_folds import MANY

from headstart.evaluation.bootstrap import subject_weights
from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import estimate
from headstart.evaluation.intervals import difference
from headstart.evaluation.intervals import interval
from headstart.tasks.base import Task

OF_OBJECTS = ("lesion_f1", "lesion_sensitivity", "lesion_precision", "pq", "false_lesions")
SIZES = (20, 30, 60, 100, 400)
OF_FOLDS = (30, 60, 100, 400)
ASKED = {
    "normal errors": ("mae", "rmse", "r2", "r", "bias", "slope", "gap_r"),
    "heavy tails (t4)": ("mae", "rmse", "r2", "r", "bias", "slope", "gap_r"),
    "AUROC .7": ("auroc", "log_loss", "balanced_accuracy", "auprc", "macro_f1", "brier"),
    "AUROC .95": ("auroc", "log_loss", "balanced_accuracy", "auprc", "macro_f1", "brier"),
    "accuracy .6": ("accuracy",),
    "accuracy .95": ("accuracy",),
    "AUROC .8, 1 of 5": ("auroc", "balanced_accuracy", "auprc", "macro_f1", "brier"),
    "Dice, none fails": (
        *("dice", "iou", "hd95", "volume_error"),
        *("volume_bias_lesion", "volume_low_lesion", "volume_high_lesion"),
    ),
    "Dice, 5 % fail": ("dice", "iou", "hd95"),
    "many lesions": OF_OBJECTS,
    "few lesions": OF_OBJECTS,
}


def percentiles(
    task: Task, made: Mapping[str, Estimate], name: str
) -> dict[str, tuple[float, float]]:
    """The intervals that were before."""
    one = next(iter(made.values()))
    weights = subject_weights(list(one.sample.subjects), name, resamples=500)
    values = task.evaluate(one.truth, one.prediction, weights)
    return {
        metric: tuple(np.nanpercentile(of[1:], [2.5, 97.5]))
        if np.isfinite(of[1:]).any()
        else (np.nan, np.nan)
        for metric, of in values.items()
    }


def per_cent(hits: list[bool]) -> str:
    """The share of hits."""
    return f"{100 * np.mean(hits):5.1f}" if hits else "    -"


def single(studies: int) -> Iterator[str]:
    """A line for each metric of each population, of single held-out sets."""
    for name, asked in ASKED.items():
        people = POPULATIONS[name]
        for sessions in (1, 3):
            true = people.truth(sessions)
            cells: dict[str, list[str]] = defaultdict(list)
            for n in SIZES:
                rng = np.random.default_rng([n, sessions])
                before, after = defaultdict(list), defaultdict(list)
                for study in range(studies):
                    made = people.estimates(rng, n, sessions)
                    for metric in asked:
                        got = interval(made[metric])
                        if not np.isnan(got.low):
                            after[metric].append(got.low <= true[metric] <= got.high)
                    if study % 4 == 0:
                        for metric, (low, high) in percentiles(
                            people.task, made, str(study)
                        ).items():
                            if not np.isnan(low):
                                before[metric].append(low <= true[metric] <= high)
                for metric in asked:
                    none = 100 * (1 - len(after[metric]) / studies)
                    cells[metric].append(
                        f"{per_cent(before[metric])} {per_cent(after[metric])} {none:3.0f}"
                    )
            for metric, texts in cells.items():
                yield f"{name:17} {metric:18} {sessions}  " + "   ".join(texts)


def by_folds(studies: int) -> Iterator[str]:
    """A line for each metric, of cross-validation: coverage, and differences from a constant."""
    for name, cohort in COHORTS.items():
        others = cohort.draw(np.random.default_rng(5), MANY)
        constant = {"auroc": 0.5, "balanced_accuracy": 0.5} if cohort.task is SEX else {"r": np.nan}
        for n in OF_FOLDS:
            rng = np.random.default_rng(n)
            before, after = defaultdict(list), defaultdict(list)
            better: dict[str, list[bool]] = defaultdict(list)
            for study in range(studies):
                trial = cohort.trial(rng, n, others)
                ours, theirs = (
                    estimate(cohort.task, trial.held_out, trial.truth, said, known)
                    for said, known in ((trial.prediction, {}), (trial.constant, constant))
                )
                past: dict[str, tuple[float, float]] = (
                    percentiles(cohort.task, ours, str(study)) if study % 4 == 0 else {}
                )
                for metric, true in trial.known.items():
                    made = ours[metric]
                    got = interval(made)
                    if not np.isnan(got.low):
                        after[metric].append(got.low <= true <= got.high)
                    if metric in past:
                        before[metric].append(past[metric][0] <= true <= past[metric][1])
                    apart = difference(made, theirs[metric])
                    ends = (apart.low, apart.high)
                    side = ends[0] > 0 if made.metric.higher_is_better else ends[1] < 0
                    better[metric].append(bool(side))
            for metric in before:
                yield (
                    f"{name:22} {metric:18} {n:4} {per_cent(before[metric])} "
                    f"{per_cent(after[metric])}   {per_cent(better[metric])}"
                )


def main() -> None:
    """Print the tables."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print("single held-out set: metric, sessions; before, after, without (%) for n =", *SIZES)
    for line in single(studies):
        print(line, flush=True)
    print("\nfive folds: metric, n; before, after; 'beats the constant'")
    for line in by_folds(max(studies // 2, 4)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
