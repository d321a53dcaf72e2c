"""Whether the label table has what the experiments are to predict, and to see beside the scan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.cohort.covariate_checks import check_covariate
from headstart.common.errors import UserError
from headstart.common.schema import Section
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.data.label_table import labels_of
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.training.mirrors import check_mirrors
from headstart.training.mirrors import check_swap


class Target(Section):
    """What an experiment is to predict, and what augmentation does that it must bear.

    Attributes:
        experiment: The experiment.
        task: Name of its task.
        target: A label, or one of `IMAGES`.
        covariates: Labels that the network sees beside the scan.
        loss: `train.loss`.
        augment: `train.augment`.
        swap: The classes that a mirror turns into each other.
    """

    experiment: str
    task: str
    target: str
    covariates: tuple[str, ...] = ()
    loss: str | None = None
    augment: tuple[dict[str, dict[str, Any]], ...] = ()
    swap: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> type[Task]:
        """The task's class, under its loss."""
        return task_with(self.task, self.loss)


class Targets(Section):
    """What the experiments are to predict."""

    targets: tuple[Target, ...] = ()


def check_target(labels: Sequence[LabelRow], question: Target) -> None:
    """Check that an experiment's target can be learnt from the label table.

    Args:
        labels: labels.csv.
        question: What the experiment is to predict.

    Raises:
        UserError: If no scan has the target, it has one class only, a number is none, or a
            mirrored scan would have another class.
    """
    target = question.target
    key = f"experiments.{question.experiment}.target"
    if not all(target in row.values for row in labels):
        allowed = ", ".join(labels_of(labels))
        raise UserError(f"{key}: no scan has the label '{target}'; allowed: {allowed}")
    known = [(row.subject, row.values[target]) for row in labels if row.values[target]]
    values = {value for _, value in known}
    if not values:
        raise UserError(f"{key}: '{target}' is empty for every scan; fix the label table")
    try:
        question.kind.check_targets(target, known)
    except ValueError as error:
        raise UserError(f"{key}: {error}") from None
    if target not in IMAGES:
        _check_mirrors(question, values)


def check_covariates(labels: Sequence[LabelRow], question: Target) -> None:
    """Check that an experiment's covariates can be seen beside the scan.

    Args:
        labels: labels.csv.
        question: What the experiment is to predict.

    Raises:
        UserError: If one can't, or no scan with a target has all of them.
    """
    key = f"experiments.{question.experiment}.covariates"
    for name in question.covariates:
        try:
            check_covariate(name, labels)
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
    needed = [*question.covariates, question.target]
    if not any(all(row.values[name] for name in needed) for row in labels):
        raise UserError(f"{key}: no scan has {' and '.join(needed)} all at once; remove one")


def _check_mirrors(question: Target, values: set[str]) -> None:
    classes, where = sorted(values), f"experiments.{question.experiment}.train"
    try:
        check_swap(question.swap, classes)
    except ValueError as error:
        raise UserError(f"{where}.swap: {error}") from None
    try:
        check_mirrors(question.augment, classes, swap=question.swap)
    except ValueError as error:
        raise UserError(f"{where}.augment: {error}") from None
