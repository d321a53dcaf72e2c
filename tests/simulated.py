"""Made-up held-out subjects whose metrics are known, to see how often intervals hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.tasks.base import Task
from headstart.tasks.classification import Classification
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], tuple[NDArray[Any], NDArray[Any]]]
AGE = Regression()
SEX = Classification(("F", "M"))
MASK = Segmentation(("lesion",))
OBJECTS = InstanceSegmentation(("lesion",))
OF_MANY = 400_000  # subjects, whose metrics stand for the truth


@dataclass(frozen=True)
class Population:
    """People, and what a network says of them.

    Attributes:
        task: What was asked.
        draw: Returns truth and prediction of n subjects with so many sessions each.
    """

    task: Task
    draw: Draw

    def truth(self, sessions: int) -> dict[str, float]:
        """Its metrics."""
        truth, said = self.draw(np.random.default_rng(99), OF_MANY, sessions)
        values = self.task.evaluate(truth, said, np.ones((1, len(said))))
        return {name: float(value[0]) for name, value in values.items()}

    def estimates(self, rng: np.random.Generator, n: int, sessions: int) -> dict[str, Estimate]:
        """Metrics of some of them."""
        truth, prediction = self.draw(rng, n, sessions)
        return estimate(self.task, single(n, sessions), truth, prediction, {})


def single(n: int, sessions: int = 1) -> HeldOut:
    """A single held-out set."""
    return HeldOut(np.repeat(np.arange(n), sessions).astype(str), np.zeros(n * sessions, int))


def noise(n: int, sessions: int, draw: Callable[[int], Array]) -> Array:
    """Errors of variance 1 (n * sessions,): half of it is the subject's, if it has sessions."""
    own = draw(n)
    if sessions == 1:
        return own
    of_session = draw(n * sessions).reshape(n, sessions)
    return ((own[:, None] + of_session) / np.sqrt(2)).ravel()


def ages(tails: str) -> Draw:
    """Ages, and predictions whose errors have a standard deviation of 0.7 of theirs."""

    def draw(rng: np.random.Generator, n: int, sessions: int) -> tuple[Array, Array]:
        truth = np.repeat(rng.standard_normal(n), sessions)
        kinds = {
            "normal": rng.standard_normal,
            "t4": lambda size: rng.standard_t(4, size) / np.sqrt(2),
        }
        return truth, truth + 0.7 * noise(n, sessions, kinds[tails])

    return draw


def classes(distance: float, prevalence: float = 0.5, certainty: float = 1.0) -> Draw:
    """Two classes, and scores that are normal in each, so many standard deviations apart."""

    def draw(rng: np.random.Generator, n: int, sessions: int) -> tuple[NDArray[Any], Array]:
        truth = np.repeat(rng.random(n) < prevalence, sessions).astype(int)
        score = distance * truth + noise(n, sessions, rng.standard_normal)
        logit = distance * (score - distance / 2) + np.log(prevalence / (1 - prevalence))
        p = 1 / (1 + np.exp(-certainty * logit))
        return truth, np.column_stack([1 - p, p])

    return draw


def dice(failing: float) -> Draw:
    """Dice around 0.88; of a share of the subjects, below 0.2."""

    def draw(rng: np.random.Generator, n: int, sessions: int) -> tuple[Array, Array]:
        good = 1 / (1 + np.exp(-2 - 0.5 * noise(n, sessions, rng.standard_normal)))
        failed = np.repeat(rng.random(n) < failing, sessions)
        values = np.where(failed, rng.uniform(0, 0.2, n * sessions), good)
        # distances and errors of volumes: skewed, and large where the Dice is small
        far = np.exp(0.5 * noise(n, sessions, rng.standard_normal)) + 30 * failed
        true = np.exp(1 + 0.4 * noise(n, sessions, rng.standard_normal))
        more = true * (1.05 + 0.1 * noise(n, sessions, rng.standard_normal))
        measured = [values, values, 2 * far, far / 2, more, true]
        return np.empty((n * sessions, 0)), np.column_stack(measured)

    return draw


def lesions(many: float, false: float) -> Draw:
    """Lesions and false objects of each scan, so many on average, of which 0.7 are found."""

    def draw(rng: np.random.Generator, n: int, sessions: int) -> tuple[Array, Array]:
        true = rng.poisson(many * np.exp(0.6 * noise(n, sessions, rng.standard_normal) - 0.18))
        chance = 1 / (1 + np.exp(-0.85 - 0.7 * noise(n, sessions, rng.standard_normal)))
        found, wrong = rng.binomial(true, chance), rng.poisson(false, n * sessions)
        well = rng.binomial(found, 0.7)
        both = np.where(true + found + wrong > 0, true + found + wrong, np.nan)
        of = {
            "lesion_f1": 2 * found / both,
            "lesion_sensitivity": found / np.where(true > 0, true, np.nan),
            "lesion_precision": found / np.where(found + wrong > 0, found + wrong, np.nan),
            "pq": 2 * 0.75 * well / both,
            "false_lesions": wrong,
        }
        ones = np.ones(n * sessions)
        return np.empty((n * sessions, 0)), np.column_stack(
            [of.get(name, ones) for name in OBJECTS.measures]
        )

    return draw


# standard deviations between two classes: AUROC .7 and .95, accuracy .6 and .95
POPULATIONS = {
    "normal errors": Population(AGE, ages("normal")),
    "heavy tails (t4)": Population(AGE, ages("t4")),
    "AUROC .7": Population(SEX, classes(0.7416)),
    "AUROC .95": Population(SEX, classes(2.3262)),
    "accuracy .6": Population(SEX, classes(0.5067)),
    "accuracy .95": Population(SEX, classes(3.2897)),
    "AUROC .8, 1 of 5": Population(SEX, classes(1.1902, prevalence=0.2)),
    "Dice, none fails": Population(MASK, dice(0)),
    "Dice, 5 % fail": Population(MASK, dice(0.05)),
    "many lesions": Population(OBJECTS, lesions(12, 2)),
    "few lesions": Population(OBJECTS, lesions(2, 0.4)),
}
