"""Whether the label table has what the experiments are to predict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from headstart.common.errors import UserError
from headstart.common.schema import Section
from headstart.common.text import as_number
from headstart.data.label_table import LabelRow
from headstart.data.label_table import labels_of
from headstart.data.privacy import redacted
from headstart.data.spellings import one_spelling
from headstart.training.mirrors import check_mirrors
from headstart.training.mirrors import check_swap


class Target(Section):
    """What an experiment is to predict, and what augmentation does that it must bear.

    Attributes:
        experiment: The experiment.
        target: A label, or `mask`.
        numeric: Whether it must be a number.
        categorical: Whether its values are classes.
        ordered: Whether they must be numbers, for their order.
        augment: `train.augment`.
        swap: The classes that a mirror turns into each other.
    """

    experiment: str
    target: str
    numeric: bool
    categorical: bool
    ordered: bool = False
    augment: tuple[dict[str, dict[str, Any]], ...] = ()
    swap: tuple[tuple[str, str], ...] = ()


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
    if question.categorical and len(values) < 2:
        raise UserError(
            f"{key}: every scan has {target} = '{values.pop()}'; a class to tell it from is missing"
        )
    if question.categorical:
        _check_mirrors(question, values)
        words = one_spelling([value for _, value in known], sex=False)
        if words:
            spelt = [value for value, word in words.items() if value != word]
            shown = ", ".join(f"{value}: {word}" for value, word in words.items())
            raise UserError(
                f"{key}: '{spelt[0]}' and '{words[spelt[0]]}' differ in case or accents only, and "
                f"would be two classes; if they are one, say so: `labels: {{{target}: {{from: "
                f"COLUMN, map: {{{shown}}}}}}}`"
            )
    if question.ordered:
        try:
            check_ordered(target, values)
        except ValueError as error:
            raise UserError(f"experiments.{question.experiment}.train.loss: {error}") from None
    if question.numeric:
        for subject, value in known:
            if not math.isfinite(float(as_number(value, "nan"))):
                raise UserError(
                    f"{key}: subject {subject} has {target} = '{redacted(value)}', which is no "
                    "number; fix the label table, or set the experiment's task to classification"
                )


def check_ordered(target: str, values: Iterable[str]) -> None:
    """Check that classes whose order counts are numbers.

    Args:
        target: The label.
        values: Its values.

    Raises:
        ValueError: If one is no number.
    """
    for value in sorted(values):
        if not math.isfinite(as_number(value, math.nan)):
            raise ValueError(
                "ordinal takes the order of the classes from their numbers, but "
                f"{target} = '{redacted(value)}'; give each class one, e.g. "
                f"`labels: {{{target}: {{from: COLUMN, map: {{none: 0, mild: 1, severe: 2}}}}}}`"
            )


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
