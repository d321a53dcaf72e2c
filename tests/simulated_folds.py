"""Cross-validation of linear models, whose metrics for other people are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulated import AGE
from simulated import SEX
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model import Ridge

from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import inflation
from headstart.tasks.base import Task

Array = NDArray[np.float64]
FOLDS = 5
MANY = 40_000  # other people, whom each fold's model is tried on


@dataclass(frozen=True)
class Trial:
    """One cross-validation.

    Attributes:
        held_out: The people, fold by fold.
        truth: What is true of them.
        prediction: What the model of their fold says of each.
        known: What pooling predictions or averaging metrics of the folds' models gives, told from
            many other people.
        constant: What a model says that has seen nothing but the truth of the other folds.
    """

    held_out: HeldOut
    truth: NDArray[Any]
    prediction: Array
    known: dict[str, float]
    constant: Array


@dataclass(frozen=True)
class Cohort:
    """People with features, of which some tell what is asked.

    Attributes:
        task: What is asked.
        features: How many there are.
        signal: Length of the features' weights; 0: they tell nothing.
        model: The model that is fitted.
    """

    task: Task
    features: int
    signal: float
    model: Callable[[], Any]

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, NDArray[Any]]:
        """Features and truth of n people."""
        x = rng.standard_normal((n, self.features))
        y = x @ np.full(self.features, self.signal / np.sqrt(self.features))
        y = y + (rng.logistic(size=n) if self.task is SEX else rng.standard_normal(n))
        return x, (y > 0).astype(int) if self.task is SEX else y

    def trial(
        self,
        rng: np.random.Generator,
        n: int,
        others: tuple[Array, NDArray[Any]],
        repeats: int = 1,
    ) -> Trial:
        """Cross-validate the model on n people, so many times."""
        x, y = self.draw(rng, n)
        folds = [rng.permutation(n) % FOLDS + FOLDS * repeat for repeat in range(repeats)]
        shape = (repeats, n, 2) if self.task is SEX else (repeats, n)
        said, constant = np.empty(shape), np.empty(shape)
        each = []
        for repeat, fold in enumerate(folds):
            for held in (fold == number for number in np.unique(fold)):
                model = self.model().fit(x[~held], y[~held])
                answer = model.predict_proba if self.task is SEX else model.predict
                said[repeat, held], mean = answer(x[held]), y[~held].mean()
                constant[repeat, held] = [1 - mean, mean] if self.task is SEX else mean
                each.append(self.task.score(others[1], answer(others[0])))
        known = {name: float(np.mean([of[name] for of in each])) for name in each[0]}
        if "rmse" in known:
            known["rmse"] = float(np.sqrt(np.mean([of["rmse"] ** 2 for of in each])))
        people, fold = np.tile(np.arange(n).astype(str), repeats), np.concatenate(folds)
        held_out = np.bincount(fold)
        by = inflation(list(held_out), list(n - held_out), repeats)
        stacked = (np.tile(y, repeats), np.concatenate(said), known, np.concatenate(constant))
        return Trial(HeldOut(people, fold, by), *stacked)


COHORTS = {
    "ridge, 50 features": Cohort(AGE, 50, 1.0, lambda: Ridge(20.0)),
    "ridge, 5 features": Cohort(AGE, 5, 1.0, lambda: Ridge(1.0)),
    "ridge, no signal": Cohort(AGE, 50, 0.0, lambda: Ridge(20.0)),
    "logistic, 20 features": Cohort(SEX, 20, 1.5, lambda: LogisticRegression(C=0.1)),
    "logistic, no signal": Cohort(SEX, 20, 0.0, lambda: LogisticRegression(C=0.1)),
}
