"""What makes targets that can't be learnt: each check refuses, and decides nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from headstart.common.text import as_number
from headstart.common.text import is_finite_number
from headstart.data.privacy import redacted
from headstart.data.spellings import spelt_twice


def check_numbers(target: str, known: Sequence[tuple[str, str]]) -> None:
    """Check that targets are numbers, and not all one; as for `Task.check_targets`."""
    for subject, value in known:
        if not is_finite_number(value):
            raise ValueError(
                f"subject {subject} has {target} = '{redacted(value)}', which is no "
                "number; fix the label table, or set the experiment's task to classification"
            )
    if len({float(as_number(value, math.nan)) for _, value in known}) == 1:
        raise ValueError(
            f"every scan has {target} = {known[0][1]}; a regression needs different values"
        )


def check_classes(target: str, known: Sequence[tuple[str, str]]) -> None:
    """Check that there are two classes, and none stands for two of them by its spelling.

    As for `Task.check_targets`.
    """
    values = [value for _, value in known]
    if len(set(values)) < 2:
        only = values[0] if values else ""
        raise ValueError(f"every scan has {target} = '{only}'; a class to tell it from is missing")
    if said := spelt_twice(target, values):
        raise ValueError(said)


def check_ordered(target: str, classes: Sequence[str]) -> None:
    """Check that classes whose order counts are numbers; as for `Task.check_classes`."""
    for value in sorted(classes):
        if not is_finite_number(value):
            raise ValueError(
                "train.loss ordinal takes the order of the classes from their numbers, but "
                f"{target} = '{redacted(value)}'; give each class one, e.g. "
                f"`labels: {{{target}: {{from: COLUMN, map: {{none: 0, mild: 1, severe: 2}}}}}}`"
            )
