"""Runs that are killed, and settings that are edited while jobs wait in a queue."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from study import Checkout
from trainings import running_trainings
from trainings import start
from trainings import start_training
from trainings import wait_for

from headstart.common.run_id import RunId
from headstart.training.card import ModelCard

pytestmark = pytest.mark.slow
RUN = RunId("age", 0, 0).trained
LOG = RunId("age", 0, 0).log
SUBMIT = """#!/bin/sh
# stands in for qsub: leave the job script in a queue and print its number
n=$(ls {queue} | wc -l); cp "$1" {queue}/$n-$(basename "$1"); echo $n
"""


def same_bytes(one: Path, other: Path) -> bool:
    return all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in ("history.csv", "model.safetensors")
    )


def test_training_killed_between_epochs_ends_with_the_same_bytes(
    untrained: Checkout, finished_study: Path
) -> None:
    run = start_training(untrained, f"tiny/{RUN}/model.json")
    for process in running_trainings(untrained):
        os.kill(process, signal.SIGKILL)
    assert run.wait() == 1
    jobs = untrained.done(f"tiny/{RUN}/model.json")
    assert jobs == Counter(train=1)
    log = (untrained.study / LOG).read_text()
    assert "epoch 2/2" in log
    assert "epoch 1/2" not in log
    assert same_bytes(untrained.study / RUN, finished_study / "results/tiny" / RUN)


def test_kill_9_of_snakemake_and_rerun(untrained: Checkout, finished_study: Path) -> None:
    target = f"tiny/{RUN}/model.json"
    run = start_training(untrained, target)
    run.kill()
    run.wait()
    # the training lives on without its parent; the rerun waits for it and takes its result
    blocked = untrained.snakemake(target)
    assert blocked.code == 1
    assert "--unlock" in blocked.text
    assert untrained.snakemake("--unlock").code == 0
    assert untrained.done(target) == Counter(train=1)
    assert not running_trainings(untrained)
    assert same_bytes(untrained.study / RUN, finished_study / "results/tiny" / RUN)
    finished = list(untrained.study.glob("runs/*/finished"))
    assert len(finished) == 1


def test_edits_while_jobs_are_queued_change_nothing(untrained: Checkout) -> None:
    queue = untrained.folder / "queue"
    queue.mkdir()
    submit = untrained.folder / "submit.sh"
    submit.write_text(SUBMIT.format(queue=queue))
    submit.chmod(0o755)
    target = f"tiny/{RUN}/model.json"
    run = start(
        untrained,
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
        *("--jobs", "4", target),
    )
    environment = {"PATH": untrained.environment()["PATH"], "HOME": os.environ["HOME"]}
    started: set[Path] = set()

    def start_queued(*, trainings: bool) -> bool:
        """Start what is queued in an empty environment; return whether a training waits."""
        waiting = False
        for script in sorted(set(queue.iterdir()) - started):
            if "snakejob.train." in script.name and not trainings:
                waiting = True
                continue
            started.add(script)
            subprocess.Popen(
                ["/bin/sh", str(script)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return waiting

    wait_for(lambda: start_queued(trainings=False), "the training in the queue", 240)
    config = untrained.config()
    config["experiments"]["age"]["train"]["learning_rate"] = 0.5
    untrained.configure(config)
    (untrained.folder / "workflow/headstart/training/losses.py").write_text("broken(")

    def ended() -> bool:
        start_queued(trainings=True)
        return run.poll() is not None

    wait_for(ended, "the end of the run", 240)
    assert run.returncode == 0, (untrained.folder / "snakemake.out").read_text()
    card = ModelCard.read(untrained.study / RUN)
    assert card.run.train.learning_rate == 0.001
