"""One of several classes for each scan."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.tasks import target_checks
from headstart.tasks.base import Array
from headstart.tasks.base import Loss
from headstart.tasks.base import Task
from headstart.tasks.base import UnfittedError
from headstart.tasks.class_metrics import LEAST
from headstart.tasks.class_metrics import youden
from headstart.tasks.metrics import DECISIONS
from headstart.tasks.metrics import METRICS
from headstart.tasks.metrics import Metric
from headstart.tasks.metrics import of_class

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan


GAMMA = 2.0  # of the focal loss, as Lin and others have it


@dataclass(frozen=True)
class Classification(Task):
    """Probabilities of the target's values.

    Attributes:
        classes: Values of the target, sorted.
        weights: Weight of each class in the loss; empty: all the same.
    """

    classes: tuple[str, ...]
    weights: tuple[float, ...] = ()

    name = "classification"
    target_kind = "class"
    losses = {  # noqa: RUF012 never changed
        "cross_entropy": Loss(smoothed=True),
        "focal": Loss(
            "gamma 2, which the predicted probabilities are corrected for",
            "Lin et al. 2020, focal loss, https://doi.org/10.1109/TPAMI.2018.2858826; "
            "Charoenphakdee et al. 2021, its probabilities, https://doi.org/10.48550/arXiv.2011.09172",
        ),
        "ordinal": Loss(
            "the ranked probability score of the classes in the order of their numbers",
            "Hou et al. 2017, squared earth mover's distance, "
            "https://doi.org/10.48550/arXiv.1611.05916; Gneiting and Raftery 2007, proper scores, "
            "https://doi.org/10.1198/016214506000001437",
        ),
    }
    metrics = ("log_loss", "balanced_accuracy", "auroc", "accuracy")
    further_metrics = ("auprc", "macro_f1", "brier", "ece")
    headline = ("log_loss", "auroc", "balanced_accuracy", "accuracy", "brier")
    baselines = "classes"
    controls = ("shuffled", "background", "learning-curve", "injected")
    constant = "majority"
    failing = {"shuffled": "brier", "background": "auroc"}  # noqa: RUF012 never changed
    figure = "classes"
    answer_words = "probabilities: from 0 to 1, and 1 in sum"

    @classmethod
    def from_config(cls, classes: Sequence[str], channels: Sequence[str]) -> Self:
        """See `Task.from_config`; the target's values are not known yet: two stand for them."""
        return cls(("", ""))

    @classmethod
    def from_cohort(cls, cohort: Cohort, classes: Sequence[str]) -> Self:
        """See `Task.from_cohort`; the classes are the target's values."""
        super().from_cohort(cohort, classes)
        return cls(tuple(sorted({scan.target for scan in cohort.scans} - {""})))

    @classmethod
    def check_targets(cls, target: str, known: Sequence[tuple[str, str]]) -> None:
        """See `Task.check_targets`; a single class is an error."""
        target_checks.check_classes(target, known)
        cls.check_classes(target, sorted({value for _, value in known}))

    def fit(self, training: Sequence[Scan], *, class_weights: bool) -> Self:
        """See `Task.fit`; a class that is to be weighed and has no scan is an error."""
        targets = [scan.target for scan in training]
        return replace(
            self, weights=inverse_frequency(targets, self.classes) if class_weights else ()
        )

    def unseen(self, training: Sequence[Scan]) -> tuple[str, ...]:
        """See `Task.unseen`."""
        seen = {scan.target for scan in training}
        return tuple(name for name in self.classes if name not in seen)

    @property
    def out_channels(self) -> int:
        """A logit for each class."""
        return len(self.classes)

    def largest(self, scans: Sequence[Scan]) -> dict[str, float]:
        """See `Task.largest`; the Brier score of more than two classes is a sum over them."""
        brier = 1.0 if len(self.classes) == 2 else 2.0
        return {"log_loss": -math.log(LEAST), "brier": brier}

    def target(self, scan: Scan) -> NDArray[Any]:
        """Index of the scan's class."""
        return np.array(self.classes.index(scan.target))

    def blank_target(self, window: Sequence[int]) -> NDArray[Any]:
        """An index."""
        return np.zeros((), np.int64)

    def predict(self, output: Tensor) -> Array:
        """Probabilities, (n, classes).

        A network whose loss weighs the classes learns how likely they would be if they were as
        frequent as their weights make them. The probabilities are those at the frequencies of the
        training scans: the shift of the prior is undone (Saerens and others 2002,
        doi:10.1162/089976602753284446).
        """
        logits = output.double()
        if self.weights:
            logits = logits - logits.new_tensor(self.weights).log()
        return logits.softmax(dim=1).cpu().numpy()

    def in_one_number(self, predictions: Sequence[Any], scan: Scan) -> Array:
        """The probability of the class that their mean predicts."""
        each = np.concatenate(predictions)
        return each[:, each.mean(axis=0).argmax()]

    @property
    def evaluated_columns(self) -> list[str]:
        """The probability of each class."""
        return [f"p_{name}" for name in self.classes]

    @property
    def columns(self) -> list[str]:
        """The probability of each class, and the most probable."""
        return [*self.evaluated_columns, "prediction"]

    def answer(self, prediction: Any, file: AnswerFile) -> dict[str, Any]:
        """All probabilities, and the class."""
        row = dict(zip(self.evaluated_columns, prediction, strict=True))
        return row | {"prediction": self.classes[int(np.argmax(prediction))]}

    def are_possible(self, numbers: Array, *, empty: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """See `Task.are_possible`."""
        within = (numbers >= 0) & (numbers <= 1)
        return within.all(axis=1) & np.isclose(numbers.sum(axis=1), 1, atol=1e-3)

    def truth(self, scans: Sequence[Scan]) -> NDArray[Any]:
        """Indices of the classes, (n,)."""
        return np.array([self.classes.index(scan.target) for scan in scans])

    @property
    def fitted_metrics(self) -> tuple[str, ...]:
        """Of two classes, decisions at a threshold; they name the one that is called positive."""
        names = ("threshold", *DECISIONS) if len(self.classes) == 2 else ()
        return tuple(f"{name}_{self.classes[1]}" for name in names)

    def metric(self, name: str) -> Metric:
        """See `Task.metric`; what names a class is one whichever it is."""
        return METRICS[of_class(name)[0]]

    def fitted(
        self,
        known_truth: NDArray[Any],
        known: NDArray[Any],
        weights: Array,
        truth: NDArray[Any],
        prediction: NDArray[Any],
    ) -> NDArray[Any]:
        """Probabilities of the second class beside the known scans' threshold, (n, 2)."""
        if len(np.unique(known_truth)) < 2:
            raise UnfittedError("those of the other folds are of one class")
        chosen = youden(known_truth, known, weights)
        return np.column_stack([prediction[:, 1], np.full(len(prediction), chosen)])

    def evaluate(
        self, truth: NDArray[Any], prediction: NDArray[Any], weights: Array
    ) -> dict[str, Array]:
        """See `Task.evaluate`; what is no number would be read as the first class."""
        if not np.isfinite(prediction).all():
            names = (*self.metrics, *self.further_metrics)
            return dict.fromkeys(names, np.full(len(weights), np.nan))
        return super().evaluate(truth, prediction, weights)

    def score(self, truth: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
        """See `Task.score`; likewise."""
        if not np.isfinite(prediction).all():
            return dict.fromkeys(self.metrics, np.nan)
        return super().score(truth, prediction)


@dataclass(frozen=True)
class FocalClassification(Classification):
    """Probabilities from a network that the focal loss trained."""

    def predict(self, output: Tensor) -> Array:
        """Probabilities, (n, classes).

        The focal loss is least where a network says something else than the probabilities, which
        follow from what it says: where the loss of class c is l(p) and weighs w, they are in
        proportion to -1 / (w l'(p)) (Charoenphakdee and others 2021, arXiv:2011.09172).
        """
        log_p = output.double().log_softmax(dim=1)
        p = log_p.exp()
        rest = p.sum(dim=1, keepdim=True) - p  # 1 - p
        slope = rest**GAMMA - GAMMA * rest ** (GAMMA - 1) * p * log_p  # -p l'(p)
        # where it is too small for a number, the class is certain
        log_odds = log_p - slope.clamp_min(1e-300).log()
        if self.weights:
            log_odds = log_odds - log_odds.new_tensor(self.weights).log()
        return log_odds.softmax(dim=1).cpu().numpy()


@dataclass(frozen=True)
class OrdinalClassification(Classification):
    """Probabilities of values that are numbers, whose order counts.

    Attributes:
        classes: Values of the target, from the least number to the greatest.
    """

    @classmethod
    def check_classes(cls, target: str, classes: Sequence[str]) -> None:
        """See `Task.check_classes`; a class that is no number is an error."""
        target_checks.check_ordered(target, classes)

    @classmethod
    def from_cohort(cls, cohort: Cohort, classes: Sequence[str]) -> Self:
        """See `Task.from_cohort`; the classes are in the order of their numbers."""
        task = super().from_cohort(cohort, classes)
        return cls(tuple(sorted(task.classes, key=float)))


def inverse_frequency(targets: Sequence[str], classes: Sequence[str]) -> tuple[float, ...]:
    """Weights that give every class the same say: n / (classes * scans of the class).

    Args:
        targets: The class of each training scan.
        classes: The classes, in order.

    Raises:
        UserError: If a class has no training scan.
    """
    scans = Counter(targets)
    without = [name for name in classes if not scans[name]]
    if without:
        raise UserError(
            f"train.class_weights: {without[0]} has no training scan in this fold; use fewer "
            "folds, or name the target in split.stratify"
        )
    return tuple(len(targets) / (len(classes) * scans[name]) for name in classes)
