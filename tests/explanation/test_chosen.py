"""Which answers are the best and the worst is told by the study's primary metric."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.evaluation.predictions import Pooled
from headstart.explanation.chosen import choose
from headstart.tasks.classification import Classification


@pytest.mark.parametrize(("primary", "worst"), [("log_loss", "low"), ("accuracy", "wrong")])
def test_the_primary_metric_orders(primary: str, worst: str) -> None:
    task = Classification(("A", "B", "C"))
    said = {"wrong": [0.45, 0.5, 0.05], "low": [0.4, 0.3, 0.3], "good": [0.9, 0.05, 0.05]}
    keys = tuple((name, "1") for name in said)
    scans: Any = {key: SimpleNamespace(target="A", key=key) for key in keys}
    mean = np.array([*said.values()])
    pooled = Pooled(keys, (0, 0, 0), (mean,), mean)
    chosen = choose(task, scans, pooled, 3, primary)
    assert {one.choice: one.scan.key[0] for one in chosen}["worst"] == worst
