"""Held-out scans that a network predicts in several jobs."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from study import Checkout
from trainings import process_of
from trainings import start
from trainings import wait_for

from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow
PREDICTED = RunId("age", 0, 0).predicted


def test_a_killed_share_is_resumed_alone_and_all_are_the_bytes_of_one_job(
    checkout: Checkout,
) -> None:
    table = checkout.study / PREDICTED / "predictions.csv"
    before, target = table.read_bytes(), f"tiny/{PREDICTED}/predictions.csv"
    config = checkout.config()
    config["experiments"]["age"]["predict"] = {"shards": 2}
    checkout.configure(config)
    # no network is trained or published again for it
    assert checkout.planned(target) == Counter(predict_held_out=2, predict=1)

    run = start(checkout, target, SECONDS_PER_STEP="0.5")
    wait_for(lambda: process_of("1/2") or run.poll() is not None, "share 1 to begin")
    for process in process_of("1/2"):
        os.kill(process, signal.SIGKILL)
    assert run.wait() == 1
    assert (table.parent / "predictions-shards/0.csv").is_file()
    assert checkout.done(target) == Counter(predict_held_out=1, predict=1)
    assert table.read_bytes() == before
    checkout.done()
    assert not checkout.planned()
