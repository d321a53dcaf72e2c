"""Which epoch's weights are kept."""

from __future__ import annotations

import math
from collections.abc import Iterable

from headstart.common.errors import UserError
from headstart.tasks.metrics import METRICS
from headstart.training.history import Epoch


def is_best(epoch: Epoch, earlier: Iterable[Epoch], key: str) -> bool:
    """Whether an epoch is better than all before it.

    Args:
        epoch: The epoch.
        earlier: Those before it.
        key: Name of the metric that compares them.

    Raises:
        UserError: If the metric is no number.
    """
    value = epoch.metrics[key]
    if math.isnan(value):
        raise UserError(
            f"the validation scans give no {key}, so no epoch can be chosen; "
            "set train.choose: last, or raise split.validation"
        )
    sign = 1 if METRICS[key].higher_is_better else -1
    return all(sign * value > sign * one.metrics[key] for one in earlier)
