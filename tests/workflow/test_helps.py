"""What the small helps say of a real study: while it runs, after a kill, after success."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from commands import headstart
from study import Checkout
from trainings import running_trainings

from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow
RUN = f"tiny/{RunId('age', 0, 0).trained}/model.json"


def wait_for(happened: Callable[[], str | None], seconds: float = 180) -> str:
    end = time.monotonic() + seconds
    while not (text := happened()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return text


def test_status_during_a_run_after_a_kill_and_after_success(untrained: Checkout) -> None:
    config = untrained.config()
    # more than pass while this test looks, on a busy machine too
    config["experiments"]["age"]["train"]["epochs"] = 30
    untrained.configure(config)
    run = subprocess.Popen(
        untrained.command(RUN),
        cwd=untrained.folder,
        env=untrained.environment() | {"SECONDS_PER_STEP": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    histories = (untrained.study / "runs").glob

    def second_epoch() -> str | None:
        texts = [path.read_text() for path in histories("*/attempt-1/history.csv")]
        return next((text for text in texts if text.count("\n") > 2), None)

    wait_for(second_epoch)
    text = headstart(untrained, "status", "tiny")
    assert f"snakemake is at work on it: process {run.pid}" in text
    assert re.search(r"^age .* running +\d+/30 +\d+: mae \S+ +\S+ min left$", text, re.MULTILINE)
    assert re.search(r"^sex .* queued +0/2 +not started yet$", text, re.MULTILINE)
    assert re.search(r"^prepare +done$", text, re.MULTILINE)

    run.kill()
    run.wait()
    # the training lives on without its parent
    assert re.search(r"^age .* running ", headstart(untrained, "status", "tiny"), re.MULTILINE)
    for process in running_trainings(untrained):
        os.kill(process, signal.SIGKILL)
    text = headstart(untrained, "status", "tiny")
    assert "no snakemake is at work on it" in text
    killed = r" age 0 0 dead (\d+)/30 .* killed: its process is gone; goes on after epoch \1 "
    assert re.search(killed, " ".join(text.split())), text
    assert "  snakemake --unlock --configfile config/tiny.yaml\n" in text
    assert "  snakemake --cores 2 --configfile config/tiny.yaml\n" in text

    assert untrained.snakemake("--unlock").code == 0
    untrained.done(RUN)
    text = headstart(untrained, "status", "tiny")
    assert re.search(r"^age .* finished +30/30 ", text, re.MULTILINE)
    assert "--unlock" not in text

    headstart(untrained, "vary", "tiny/age", "--set", "train.epochs=3")
    assert untrained.snakemake("-n", RUN).text.count("trained again") == 0
    config["experiments"]["age"]["train"]["learning_rate"] = 0.01
    untrained.configure(config)
    text = untrained.snakemake("-n", RUN).text
    assert "age (fold 0, seed 0): train.learning_rate 0.001 -> 0.01; took under a minute" in text
    assert "`headstart vary tiny/age --set train.learning_rate=0.01`" in text
