"""Runs side by side: each takes its own locks away when it ends, not the others'."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
from study import Checkout
from trainings import running_trainings
from trainings import start_training

from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow

AGE, SEX = (f"tiny/{RunId(name, 0, 0).trained}/model.json" for name in ("age", "sex"))


def test_locks_last_until_their_own_run_ends(untrained: Checkout) -> None:
    first = start_training(untrained, AGE)
    trainings = running_trainings(untrained)
    for process in trainings:
        os.kill(process, signal.SIGSTOP)
    try:
        # two that end meanwhile: with nothing to do, and with a training of their own
        assert untrained.done("cohort") == Counter()
        assert untrained.done(SEX) == Counter(train=1)
        twin = untrained.snakemake(AGE)
        assert twin.code == 1
        assert "cannot be locked" in twin.text
    finally:
        for process in trainings:
            os.kill(process, signal.SIGCONT)
    assert first.wait() == 0, (untrained.folder / "snakemake.out").read_text()
    assert untrained.done(AGE) == Counter()
