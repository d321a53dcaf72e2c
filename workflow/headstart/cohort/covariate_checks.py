"""Whether labels can be seen beside the scan, and whether one of them is the answer itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from headstart.cohort.covariates import check_numbers
from headstart.cohort.covariates import is_of_numbers
from headstart.common.errors import UserError
from headstart.common.text import counted
from headstart.common.text import is_finite_number
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.data.label_table import labels_of
from headstart.data.spellings import spelt_twice

LEAST = 2  # subjects of a class, on average: with fewer it names people
GIVEN_AWAY = 0.98  # of what there is to tell of the target


def check_covariate(name: str, labels: Sequence[LabelRow]) -> None:
    """Check that a label can be seen beside the scan.

    Args:
        name: The label.
        labels: labels.csv.

    Raises:
        UserError: If no scan has it or all have one value, if it is a number for most scans but
            not for all, or has a class in two spellings or about as many classes as subjects.
    """
    if name in IMAGES or not all(name in row.values for row in labels):
        raise UserError(f"no scan has the label '{name}'; allowed: {', '.join(labels_of(labels))}")
    known = [(row.subject, row.values[name]) for row in labels if row.values[name]]
    values = [value for _, value in known]
    if not values:
        raise UserError(f"'{name}' is empty for every scan; fix the label table, or remove it")
    if is_of_numbers(name, values):
        check_numbers(name, known)
        different = len({float(value) for value in values})
    else:
        _check_classes(name, known)
        different = len(set(values))
    if different == 1:
        raise UserError(f"every scan has {name} = {values[0]}, which tells nothing; remove it")


def _check_classes(name: str, known: Sequence[tuple[str, str]]) -> None:
    values = [value for _, value in known]
    if said := spelt_twice(name, values):
        raise UserError(said)
    classes, subjects = len(set(values)), len({subject for subject, _ in known})
    if classes > 2 and classes * LEAST > subjects:
        raise UserError(
            f"{name} has {classes} classes among {counted(subjects, 'subject')}, so that it names "
            f"people rather than groups of them; merge classes by `map` in `labels`, or remove it"
        )


def gives_away(values: Sequence[str], targets: Sequence[str], *, number: bool) -> bool:
    """Tell whether a covariate says the target of nearly every scan, as another name of it does.

    Args:
        values: The covariate of each scan.
        targets: The target of each.
        number: Whether the target is a number.

    Returns:
        Whether the target follows from it by a line, by thresholds between its values, or class by
        class.
    """
    if len(set(values)) < 2 or len(set(targets)) < 2:
        return False
    numbers = all(map(is_finite_number, values))
    if number and numbers:
        correlation = np.asarray(np.corrcoef(np.array([values, targets], np.float64)))[0, 1]
        return bool(correlation**2 >= GIVEN_AWAY)
    if number:
        return False
    if numbers and len(set(values)) > len(values) / LEAST:
        ordered = [target for _, target in sorted(zip(map(float, values), targets, strict=True))]
        return len(list(groupby(ordered))) == len(set(targets))
    commonest = sum(
        Counter(t for v, t in zip(values, targets, strict=True) if v == value).most_common(1)[0][1]
        for value in set(values)
    )
    most = Counter(targets).most_common(1)[0][1]
    return commonest - most >= GIVEN_AWAY * (len(targets) - most)
