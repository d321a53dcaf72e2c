"""Experiments of a sweep, ranked on validation, with the seeds' spread beside every difference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from headstart.common.text import counted
from headstart.evaluation.results import defined
from headstart.tasks.metrics import METRICS


@dataclass(frozen=True)
class RankedRow:
    """One experiment of a sweep, in sweep.csv.

    Attributes:
        rank: Its place; 1 is the best.
        experiment: Its name.
        settings: Its values of the settings that are swept, by their keys.
        metric: Name of the validation metric, at the epochs whose weights were kept.
        value: Its mean over folds and seeds; None if it is not defined in each.
        seed_sd: Standard deviation over seeds of the mean over folds; None for one seed.
        difference: Value minus that of the best.
        margin: What a difference must exceed to tell the two apart, see `rank`; None where no
            spread is known.
        apart: Whether it does; None where no spread is known, and of the best itself.
        folds: How many folds it was trained on.
        seeds: With how many seeds each.
    """

    rank: int
    experiment: str
    settings: Annotated[dict[str, str], ""]
    metric: str
    value: float | None
    seed_sd: float | None
    difference: float | None
    margin: float | None
    apart: bool | None
    folds: int
    seeds: int


def rank(
    metric: str,
    scores: Mapping[str, NDArray[np.float64]],
    settings: Mapping[str, Mapping[str, str]],
) -> list[RankedRow]:
    """Rank experiments by a metric on validation, the best first.

    Two are told apart where their difference exceeds what seeds alone explain, see `seeds_explain`,
    of a standard error of sqrt((s1^2 + s2^2) / n) over n seeds. Of three seeds, s may be small by
    chance: the median one of the sweep is the least that is taken.

    Args:
        metric: Its name, in `METRICS`.
        scores: The metric of each training, (folds, seeds), by experiment; NaN where undefined.
        settings: Values of the settings that are swept, by experiment.
    """
    means = {name: float(each.mean()) for name, each in scores.items()}
    spreads = {name: _seed_sd(each) for name, each in scores.items()}
    sign = -1 if METRICS[metric].higher_is_better else 1
    order = sorted(means, key=lambda name: (math.isnan(means[name]), sign * means[name]))
    typical = typical_spread(list(spreads.values()))
    best = order[0]
    explained = seeds_explain([each.shape[1] for each in scores.values()])
    rows = []
    for place, name in enumerate(order, start=1):
        difference = means[name] - means[best]
        folds, seeds = scores[name].shape
        widths = [max(spreads[one], typical) for one in (name, best)]
        margin = explained * math.hypot(*widths) / math.sqrt(seeds)
        known = name != best and not math.isnan(margin + difference)
        rows.append(
            RankedRow(
                rank=place,
                experiment=name,
                settings=dict(settings[name]),
                metric=metric,
                value=defined(means[name]),
                seed_sd=defined(spreads[name]),
                difference=defined(difference),
                margin=margin if known else None,
                apart=abs(difference) > margin if known else None,
                folds=folds,
                seeds=seeds,
            )
        )
    return rows


def typical_spread(spreads: Sequence[float]) -> float:
    """Return the median of the standard deviations over seeds; NaN if none is known."""
    known = [spread for spread in spreads if not math.isnan(spread)]
    return float(np.median(known)) if known else math.nan


def seeds_explain(seeds: Sequence[int]) -> float:
    """How many standard errors apart two of several equal experiments may be by their seeds alone.

    In 95 of 100 cases no two are further apart (Tukey's studentized range): of few seeds the
    spread is hardly known, and of many experiments the best is the luckiest.

    Args:
        seeds: How many seeds each experiment has.

    Returns:
        The factor; NaN where no experiment has several seeds.
    """
    return _range_quantile(len(seeds), sum(seeds) - len(seeds)) / math.sqrt(2)


@cache  # it takes a fifth of a second
def _range_quantile(groups: int, freedom: int) -> float:
    from scipy import stats

    return float(stats.studentized_range.ppf(0.95, groups, freedom)) if freedom else math.nan


def verdict(rows: Sequence[RankedRow]) -> str:
    """Say in one sentence which of the ranked experiments can be told from the best.

    Args:
        rows: As `rank` returns them.
    """
    if rows[0].seeds < 2:
        return "One seed each: no spread is known, and any difference may be chance"
    close = [row.rank for row in rows if row.apart is False]
    if not close:
        return "The first is better than every other one by more than the seeds' spread explains"
    if len(close) == len(rows) - 1:
        return f"None of the {len(rows)} can be told from another one: seeds differ as much"
    if close == list(range(2, len(close) + 2)):
        return f"The first {len(close) + 1} can't be told apart: seeds differ as much"
    return f"{counted(len(close), 'other one')} can't be told from the first: seeds differ as much"


def _seed_sd(scores: NDArray[np.float64]) -> float:
    """Return the standard deviation over seeds of the mean over folds; NaN for one seed."""
    of_seeds = scores.mean(axis=0)
    return float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else math.nan
