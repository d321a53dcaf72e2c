"""How often four equal experiments are told apart, in per cent; the goal is at most 5.

PYTHONPATH=workflow:tests python tests/benchmarks/familywise.py [STUDIES]

Made-up subjects of a single held-out set, on whom four networks err alike, half of it together;
then five-fold cross-validation of four ridge regressions, each of which sees features of its own
that tell as much. A study counts if any of the six pairs is told apart by the metric: without a
correction, and as the stage compare does it. STUDIES are simulated for each cell, 400 unless given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from simulated import AGE
from simulated import SEX
from simulated import single
from simulated_folds import FOLDS
from sklearn.linear_model import Ridge

from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import inflation
from headstart.evaluation.intervals import difference
from headstart.evaluation.multiplicity import LEVEL
from headstart.evaluation.multiplicity import holm
from headstart.evaluation.multiplicity import p_value

SIZES = (20, 30, 60, 100)
EXPERIMENTS = 4
FEATURES = 10  # that each ridge regression sees

Array = NDArray[np.float64]
Study = Callable[[np.random.Generator, int], list[Mapping[str, Estimate]]]


def errors(n: int, draw: Callable[[int], Array]) -> list[Array]:
    """Errors of each experiment, of variance 1; half of it is the subjects'."""
    shared = draw(n)
    return [(shared + draw(n)) / np.sqrt(2) for _ in range(EXPERIMENTS)]


def numbers(tails: float, rng: np.random.Generator, n: int) -> list[Mapping[str, Estimate]]:
    """Ages, and errors of a t distribution."""
    truth = rng.standard_normal(n)
    each = errors(n, lambda size: rng.standard_t(tails, size))
    return [estimate(AGE, single(n), truth, truth + 0.7 * error, {}) for error in each]


def classes(distance: float, rng: np.random.Generator, n: int) -> list[Mapping[str, Estimate]]:
    """Two classes, whose scores are so many standard deviations apart."""
    truth = (rng.permutation(n) % 2).astype(int)
    made = []
    for error in errors(n, rng.standard_normal):
        p = 1 / (1 + np.exp(-distance * (distance * (truth - 0.5) + error)))
        made.append(estimate(SEX, single(n), truth, np.column_stack([1 - p, p]), {}))
    return made


def folds(rng: np.random.Generator, n: int) -> list[Mapping[str, Estimate]]:
    """Cross-validation of models that see features of their own."""
    x = rng.standard_normal((n, EXPERIMENTS, FEATURES))
    y = x.sum(axis=(1, 2)) / np.sqrt(EXPERIMENTS * FEATURES) + rng.standard_normal(n)
    fold = rng.permutation(n) % FOLDS
    sizes = np.bincount(fold)
    by = inflation(list(sizes), list(n - sizes))
    sample = HeldOut(np.arange(n).astype(str), fold, by)
    made = []
    for one in range(EXPERIMENTS):
        said = np.empty(n)
        for held in (fold == number for number in range(FOLDS)):
            said[held] = Ridge(5.0).fit(x[~held, one], y[~held]).predict(x[held, one])
        made.append(estimate(AGE, sample, y, said, {}))
    return made


def told_apart(made: list[Mapping[str, Estimate]], metric: str) -> tuple[bool, bool]:
    """Whether any pair is told apart: without a correction, and with it."""
    pairs = [(one[metric], other[metric]) for one, other in combinations(made, 2)]
    people = pairs[0][0].sample.people()
    p_values = [p_value(a.value - b.value, difference(a, b), people) for a, b in pairs]
    plain, corrected = (
        any(p is not None and p < LEVEL for p in several) for several in (p_values, holm(p_values))
    )
    return plain, corrected


STUDIES: dict[str, tuple[Study, tuple[str, ...]]] = {
    "normal errors": (partial(numbers, 1e6), ("mae", "rmse", "r", "r2")),
    "heavy tails (t4)": (partial(numbers, 4.0), ("mae", "rmse", "r", "r2")),
    "AUROC .8": (partial(classes, 1.19), ("log_loss", "auroc", "balanced_accuracy", "accuracy")),
    "five folds, ridge": (folds, ("mae", "rmse", "r", "r2")),
}


def main() -> None:
    """Print the table."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print("any of six pairs told apart (%), without and with Holm's correction, for n =", *SIZES)
    for name, (study, metrics) in STUDIES.items():
        found = {metric: [] for metric in metrics}
        for n in SIZES:
            rng = np.random.default_rng(n)
            made = [study(rng, n) for _ in range(studies)]
            for metric in metrics:
                hits = 100 * np.mean([told_apart(one, metric) for one in made], axis=0)
                found[metric].append(f"{hits[0]:5.1f} {hits[1]:4.1f}")
        for metric, cells in found.items():
            print(f"{name:18} {metric:18} " + "   ".join(cells), flush=True)


if __name__ == "__main__":
    main()
