"""Covariates: labels that a network sees beside the scan, as numbers, by the training scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Self

import numpy as np
from numpy.typing import NDArray

from headstart.common.errors import UserError
from headstart.common.schema import Section
from headstart.common.text import is_finite_number
from headstart.data.privacy import redacted

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

Array = NDArray[np.float64]

PLACES = ("site", "source")  # names, also where each is a number


def is_of_numbers(name: str, values: Sequence[str]) -> bool:
    """Tell whether a covariate is a number, as in most scans, or a class."""
    numbers = sum(map(is_finite_number, values))
    return name not in PLACES and 2 * numbers > len(values)


class NumberCovariate(Section):
    """A covariate that is a number.

    Attributes:
        name: The label.
        mean: Mean of the training scans.
        standard_deviation: That of the training scans; 0 where they have one value.
        least: The least value of a training scan.
        most: The greatest one.
    """

    name: str
    mean: float
    standard_deviation: float
    least: float
    most: float

    @classmethod
    def fit(cls, name: str, values: Sequence[str]) -> Self:
        """Fit it to the values of the training scans."""
        numbers = np.array(values, np.float64)
        mean, sd = float(numbers.mean()), float(numbers.std())
        least, most = float(numbers.min()), float(numbers.max())
        return cls(
            name=name,
            mean=mean,
            standard_deviation=sd if least < most else 0.0,
            least=least,
            most=most,
        )

    @property
    def words(self) -> str:
        """What it is, for a paper."""
        return (
            f"{self.name} (mean {self.mean:.3g}, standard deviation {self.standard_deviation:.3g})"
        )

    @property
    def width(self) -> int:
        """Columns that it becomes."""
        return 1

    @property
    def constant(self) -> str:
        """The value of all training scans; "" if there are several."""
        return "" if self.least < self.most else f"{self.least:g}"

    def encode(self, value: str) -> list[float]:
        """Standardise a value; where the training scans have one alone, it tells nothing."""
        if not self.standard_deviation:
            return [0.0]
        return [(float(value) - self.mean) / self.standard_deviation]

    def unlike(self, value: str) -> str:
        """Say in what a value is unlike those of the training scans; "" if it is not."""
        if self.least <= float(value) <= self.most:
            return ""
        return (
            f"its {self.name} is {float(value):g}, that of training scans from {self.least:g} to "
            f"{self.most:g}"
        )


class ClassCovariate(Section):
    """A covariate that is one of several classes.

    Attributes:
        name: The label.
        classes: Its values among the training scans, sorted.
        shares: Share of the training scans that has each.
    """

    name: str
    classes: tuple[str, ...]
    shares: tuple[float, ...]

    @classmethod
    def fit(cls, name: str, values: Sequence[str]) -> Self:
        """Fit it to the values of the training scans."""
        counts = sorted(Counter(values).items())
        return cls(
            name=name,
            classes=tuple(value for value, _ in counts),
            shares=tuple(count / len(values) for _, count in counts),
        )

    @property
    def words(self) -> str:
        """What it is, for a paper."""
        return f"{self.name} ({', '.join(self.classes)})"

    @property
    def width(self) -> int:
        """Columns that it becomes."""
        return len(self.classes)

    @property
    def constant(self) -> str:
        """The value of all training scans; "" if there are several."""
        return "" if len(self.classes) > 1 else self.classes[0]

    def encode(self, value: str) -> list[float]:
        """Give each class a column, 1 or 0, less its mean among the training scans.

        A value that no training scan has is the mean, so that it tells nothing.
        """
        if value not in self.classes:
            return [0.0] * self.width
        return [
            float(name == value) - share
            for name, share in zip(self.classes, self.shares, strict=True)
        ]

    def unlike(self, value: str) -> str:
        """Say in what a value is unlike those of the training scans; "" if it is not."""
        if value in self.classes:
            return ""
        return (
            f"its {self.name} '{redacted(value, self.classes)}' is that of no training scan "
            f"({', '.join(self.classes)}), and taken for the mean of those"
        )


class Covariates(Section):
    """All covariates of a network, fitted to its training scans.

    Attributes:
        fitted: They, in the order of the config.
    """

    fitted: tuple[NumberCovariate | ClassCovariate, ...] = ()

    @classmethod
    def fit(cls, names: Sequence[str], training: Sequence[Scan]) -> Self:
        """Fit them to training scans only, so that nothing is learnt from those held out.

        Args:
            names: The labels.
            training: The training scans, which have them in this order.

        Raises:
            UserError: If one is a number for most scans, but not for all.
        """
        fitted: list[NumberCovariate | ClassCovariate] = []
        for place, name in enumerate(names):
            values = [scan.covariates[place] for scan in training]
            if is_of_numbers(name, values):
                check_numbers(name, [(scan.subject, scan.covariates[place]) for scan in training])
                fitted.append(NumberCovariate.fit(name, values))
            else:
                fitted.append(ClassCovariate.fit(name, values))
        return cls(fitted=tuple(fitted))

    @property
    def width(self) -> int:
        """Columns of numbers that they become."""
        return sum(one.width for one in self.fitted)

    @property
    def terms(self) -> int:
        """Terms of a linear model of them: of classes one fewer than there are."""
        return self.width - sum(isinstance(one, ClassCovariate) for one in self.fitted)

    @property
    def names(self) -> list[str]:
        """The labels."""
        return [one.name for one in self.fitted]

    @property
    def constant(self) -> dict[str, str]:
        """Name and value of those that all training scans have in common."""
        return {one.name: one.constant for one in self.fitted if one.constant}

    def encode(self, scan: Scan) -> Array:
        """Return a scan's covariates as numbers, (width,): 0 in the mean of the training scans.

        Raises:
            UserError: If one can't be used.
        """
        if fault := self.fault(scan.covariates):
            raise UserError(f"subject '{scan.subject}', session '{scan.session}': {fault}")
        pairs = zip(self.fitted, scan.covariates, strict=True)
        return np.array([number for one, value in pairs for number in one.encode(value)])

    def fault(self, values: Sequence[str]) -> str:
        """Say why values can't be used, "" if they can."""
        for one, value in zip(self.fitted, values, strict=True):
            if not value:
                return f"{one.name} is missing, which the network needs beside the scan"
            if isinstance(one, NumberCovariate) and not is_finite_number(value):
                return f"{one.name} is '{redacted(value)}', which is no number"
        return ""

    def unlike(self, values: Sequence[str]) -> list[str]:
        """Say in what values are unlike those of the training scans."""
        pairs = zip(self.fitted, values, strict=True)
        return [said for one, value in pairs if (said := one.unlike(value))]


NO_COVARIATES = Covariates()


def check_numbers(name: str, known: Sequence[tuple[str, str]]) -> None:
    """Check that a covariate which is a number for most scans is one for all.

    Args:
        name: The label.
        known: Subject and value of each scan that has one.

    Raises:
        UserError: If not.
    """
    for subject, value in known:
        if not is_finite_number(value):
            raise UserError(
                f"subject {subject} has {name} = '{redacted(value)}', which is no number, while "
                "most scans have one; fix the label table: an empty cell where it is not known"
            )
