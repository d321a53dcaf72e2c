"""Predicted numbers of a new scanner, brought into line by people whose number is known there.

The difference between prediction and truth moves with the scanner. Of some controls the offset is
fitted; the slope too where there are enough of them, of a range that is wide enough, and where it
can be told from 1: with fewer, a slope adds more error than it takes away (Steyerberg and others
2004, doi:10.1002/sim.1844).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.schema import Section
from headstart.common.text import as_number
from headstart.common.text import counted
from headstart.data.tables import read_all
from headstart.training.card import ModelCard

Array = NDArray[np.float64]

COLUMNS = ["calibrated", "calibrated_low", "calibrated_high"]
FEWEST = 5  # controls; from fewer, the interval is wider than any offset
ENOUGH = 20  # controls, for a slope
MOST = 100_000  # controls that may be asked for
REMEDY = "make it again by headstart calibrate"


@dataclass(frozen=True)
class Controls:
    """People whose number is known.

    Attributes:
        predicted: What the networks say of each, (n,).
        truth: Their numbers, (n,).
        left_out: Rows without a prediction, as their scan was rejected.
    """

    predicted: Array
    truth: Array
    left_out: int = 0


class Calibration(Section):
    """What is known of networks on a scanner.

    Attributes:
        target: What they predict.
        unit: Its unit.
        weights_sha256: Whose predictions it is for.
        controls: How many people it was fitted on.
        range: The least and the greatest of their numbers.
        offset: How much too high the mean prediction is.
        offset_interval: Its interval (95 %).
        slope: By how much the truth rises with a prediction; 1 where it was not fitted.
        slope_interval: Its interval (95 %); None where it was not fitted.
        slope_told: Why it was fitted, or not.
        centre: Mean prediction.
        spread: Sum of squares of the predictions about it.
        residual: Standard deviation of what is left.
        quantile: Of Student's t, for the interval.
        enough: How many such people an offset to +-1 unit takes; None beyond 100,000.
    """

    target: str
    unit: str
    weights_sha256: tuple[str, ...]
    controls: int
    range: tuple[float, float]
    offset: float
    offset_interval: tuple[float, float]
    slope: float
    slope_interval: tuple[float, float] | None
    slope_told: str
    centre: float
    spread: float
    residual: float
    quantile: float
    enough: int | None

    def cells(self, prediction: float) -> dict[str, float]:
        """Return a prediction as it is for this scanner, with the interval that calibration adds.

        The interval (95 %) tells how well the scanner is known, not how much people differ.
        """
        from_centre = prediction - self.centre
        value = self.centre - self.offset + self.slope * from_centre
        variance = 1 / self.controls
        if self.slope_interval is not None:
            variance += from_centre**2 / self.spread
        half = self.quantile * self.residual * math.sqrt(variance)
        return dict(zip(COLUMNS, (value, value - half, value + half), strict=True))

    def write(self, path: Path) -> None:
        """Write it, sealed with a digest of its own."""
        integrity.write_sealed(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path, cards: Sequence[ModelCard]) -> Calibration:
        """Read what `write` wrote.

        Args:
            path: The file.
            cards: Of the networks that predict.

        Raises:
            UserError: If it was changed since, or is not for these networks.
        """
        try:
            read = cls.model_validate(integrity.read_sealed(path, REMEDY))
        except ValidationError as error:
            raise UserError(f"{path}: is no calibration; {REMEDY}") from error
        if read.weights_sha256 != _weights(cards):
            raise UserError(f"{path}: is for predictions of other networks than these; {REMEDY}")
        return read


def check_calibrated(cards: Sequence[ModelCard]) -> None:
    """Check that what the networks predict is a number.

    Raises:
        UserError: If not.
    """
    run = cards[0].run
    if cards[0].task.half_of_targets is None:
        raise UserError(
            f"calibrate: the network predicts {run.target} by {run.task}; only numbers are "
            "calibrated"
        )


def read_controls(path: Path, target: str) -> Controls:
    """Read predictions of people whose number is known.

    Args:
        path: The table that `headstart predict` wrote, which keeps the column of true numbers.
        target: Name of that column. Rows of one `subject`, if there is such a column, are one
            person's, whose mean counts.

    Raises:
        UserError: If a column is missing, a true number is none, or the networks have learnt from
            a scan.
    """
    table = read_all(path)
    check_columns(path, table, target)
    known = table[table["prediction"] != ""]
    numbers = {name: _numbers(path, known, name) for name in ("prediction", target)}
    warnings = known["warning"] if "warning" in known else pd.Series(dtype=str)
    learnt = int(warnings.str.contains("learnt from this very scan", regex=False).sum())
    if learnt:
        raise UserError(
            f"{path}: the networks have learnt from {counted(learnt, 'scan')} of these, and know "
            "them too well; take them out (see the column warning)"
        )
    people = known["subject"] if "subject" in known else pd.Series(range(len(known)))
    means = pd.DataFrame(numbers).groupby(people.to_numpy(), sort=True).mean()
    return Controls(
        means["prediction"].to_numpy(), means[target].to_numpy(), len(table) - len(known)
    )


def _numbers(path: Path, table: pd.DataFrame, name: str) -> list[float]:
    """Read a column of numbers."""
    numbers = [as_number(cell, math.nan) for cell in table[name]]
    for row, number in zip(table.index, numbers, strict=True):
        if not math.isfinite(number):
            found = table[name][row]
            wrong = f"the {name} '{found}', which is no number" if found else f"no {name}"
            raise UserError(f"{path}: row {row} has {wrong}; correct it, or take the row out")
    return numbers


def check_scans(path: Path, table: pd.DataFrame, target: str, cards: Sequence[ModelCard]) -> None:
    """Check the true numbers of scans that are still to be predicted, which takes minutes.

    Raises:
        UserError: If one is no number, they are too few or nothing like the training targets.
    """
    truth = np.array(_numbers(path, table, target))
    _check_enough(len(truth))
    _check_range(truth, cards)


def _check_enough(controls: int) -> None:
    if controls < FEWEST:
        raise UserError(
            f"calibrate: {counted(controls, 'control')} with a prediction; it takes {FEWEST} or "
            "more"
        )


def _check_range(truth: Array, cards: Sequence[ModelCard]) -> None:
    learnt = 2 * max(card.task.half_of_targets or 0.0 for card in cards)
    if np.ptp(truth) > 2 * learnt:
        raise UserError(
            f"calibrate: {cards[0].run.target} is {truth.min():g} to {truth.max():g} in these "
            f"controls, over twice the range of the training targets (some {learnt:.3g}); look for "
            "another unit, and for codes such as 999"
        )


def check_columns(path: Path, table: pd.DataFrame, target: str) -> None:
    """Check that a table of controls holds true numbers, of one site and of what was predicted.

    Raises:
        UserError: If not.
    """
    if target not in table.columns:
        raise UserError(
            f"{path}: has no column '{target}' with the true numbers; there are: "
            f"{', '.join(table.columns)}"
        )
    others = set(table.get("target", pd.Series(dtype=str))) - {target, ""}
    if others:
        raise UserError(
            f"{path}: holds predictions of {', '.join(sorted(others))}, but these networks predict "
            f"{target}"
        )
    sites = {cell for name in table for cell in table[name] if str(name).lower() == "site"} - {""}
    if len(sites) > 1:
        raise UserError(
            f"{path}: has controls of {len(sites)} sites ({', '.join(sorted(sites))}), but what "
            "is fitted is one scanner's; calibrate each by its own, or take the column out if all "
            "are of one scanner"
        )


def calibrate(controls: Controls, cards: Sequence[ModelCard]) -> Calibration:
    """Fit offset and, where that can be done, slope.

    Args:
        controls: People whose number is known.
        cards: Of the networks that predicted them.

    Raises:
        UserError: If there are fewer than 5, all have the same number, or these are nothing like
            the training targets.
    """
    predicted, truth, n = controls.predicted, controls.truth, len(controls.truth)
    run = cards[0].run
    _check_enough(n)
    if np.ptp(truth) == 0:
        raise UserError(
            f"calibrate: {run.target} is {truth[0]:g} in all {n} controls, which says nothing of "
            "others; add people of another one"
        )
    _check_range(truth, cards)
    gaps, centre = predicted - truth, float(predicted.mean())
    offset, slope = float(gaps.mean()), _slope(controls, cards)
    fitted = slope.interval is not None
    residual = slope.residual if fitted else float(gaps.std(ddof=1))
    quantile = _quantile(n - 2 if fitted else n - 1)
    reach = quantile * residual / math.sqrt(n)
    return Calibration(
        target=run.target,
        unit=cards[0].unit,
        weights_sha256=_weights(cards),
        controls=n,
        range=(float(truth.min()), float(truth.max())),
        offset=offset,
        offset_interval=(offset - reach, offset + reach),
        slope=slope.value,
        slope_interval=slope.interval,
        slope_told=slope.told,
        centre=centre,
        spread=float(((predicted - centre) ** 2).sum()),
        residual=residual,
        quantile=quantile,
        enough=_enough(residual),
    )


@dataclass(frozen=True)
class _Slope:
    """By how much the truth rises with a prediction.

    Attributes:
        told: Why it was fitted, or left at 1.
        value: The slope.
        interval: Its interval (95 %); None where it is left at 1.
        residual: Standard deviation of the truth about the fitted line; 0 where it is left at 1.
    """

    told: str
    value: float = 1.0
    interval: tuple[float, float] | None = None
    residual: float = 0.0


def _slope(controls: Controls, cards: Sequence[ModelCard]) -> _Slope:
    """Fit a slope where that can be done, and keep it where it is told from 0 and from 1."""
    if told := _no_slope(controls, cards):
        return _Slope(told)
    truth, n = controls.truth, len(controls.truth)
    from_centre = controls.predicted - controls.predicted.mean()
    spread = float((from_centre**2).sum())
    fitted = float(from_centre @ truth) / spread
    left = truth - truth.mean() - fitted * from_centre
    residual = math.sqrt(float(left @ left) / (n - 2))
    half = _quantile(n - 2) * residual / math.sqrt(spread)
    low, high = fitted - half, fitted + half
    said = f"{fitted:.2f} [{low:.2f}, {high:.2f}] is not told from"
    if abs(fitted) <= half:
        return _Slope(
            f"{said} 0: here predictions hardly follow the truth, which no calibration mends"
        )
    if abs(fitted - 1) <= half:
        return _Slope(f"{said} 1")
    return _Slope("it is told from 1", fitted, (low, high), residual)


def describe(calibration: Calibration) -> list[str]:
    """Say what was found, in sentences."""
    one, unit = calibration, f" {calibration.unit}" if calibration.unit else ""
    low, high = one.offset_interval
    told = f"predictions are so much too {'high' if one.offset > 0 else 'low'}"
    if low <= 0 <= high:
        told = "not told from 0"
    lines = [
        f"{one.controls} controls of {one.range[0]:g} to {one.range[1]:g}{unit}",
        f"offset: {one.offset:+.2f}{unit} [{low:+.2f}, {high:+.2f}]: {told}",
    ]
    if one.slope_interval is None:
        lines.append(f"slope: left at 1: {one.slope_told}")
    else:
        least, most = one.slope_interval
        lines.append(f"slope: {one.slope:.2f} [{least:.2f}, {most:.2f}]: {one.slope_told}")
    wanted = f"more than {MOST}" if one.enough is None else str(one.enough)
    lines.append(
        f"an offset to \u00b11{unit} takes {wanted} controls (standard deviation "
        f"{one.residual:.2f}{unit})"
    )
    lines.append(
        f"`predict --calibration`: {COLUMNS[1]} and {COLUMNS[2]} are the interval (95 %) of the "
        "calibration itself, for the mean of many people of one prediction; one person's number "
        "may lie far outside"
    )
    return lines


def _no_slope(controls: Controls, cards: Sequence[ModelCard]) -> str:
    """Say why no slope can be fitted; "" if one can."""
    if len(controls.truth) < ENOUGH:
        return f"it takes {ENOUGH} controls"
    needed = max(card.task.half_of_targets or 0.0 for card in cards)
    if np.ptp(controls.truth) < needed:
        return (
            f"it takes controls over a range of {needed:.3g}, half of that of the training targets"
        )
    return "" if np.ptp(controls.predicted) > 0 else "all predictions are the same"


def _enough(residual: float) -> int | None:
    """Return how many controls bring the offset's interval to +-1."""
    few, many = 2, MOST
    if _quantile(many - 1) * residual / math.sqrt(many) > 1:
        return None
    while few < many:
        middle = (few + many) // 2
        if _quantile(middle - 1) * residual / math.sqrt(middle) > 1:
            few = middle + 1
        else:
            many = middle
    return few


def _quantile(degrees: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, degrees))


def _weights(cards: Sequence[ModelCard]) -> tuple[str, ...]:
    return tuple(sorted(card.weights_sha256 for card in cards))
