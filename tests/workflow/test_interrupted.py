"""Runs that are killed, and settings that are edited while jobs wait in a queue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from study import Checkout

pytestmark = pytest.mark.slow

RUN = "train/age/main/fold-0/seed-0"
SUBMIT = """#!/bin/sh
# stands in for qsub: leave the job script in a queue and print its number
n=$(ls {queue} | wc -l); cp "$1" {queue}/$n-$(basename "$1"); echo $n
"""


def wait_for(happened: Callable[[], bool], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.1)


def start(checkout: Checkout, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        checkout.command(*words),
        cwd=checkout.folder,
        env=checkout.environment() | environment,
        stdout=(checkout.folder / "snakemake.out").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def epochs_done(checkout: Checkout) -> int:
    """Epochs in the live histories of this study's unfinished and finished runs."""
    histories = checkout.study.glob("runs/*/attempt-*/history.csv")
    return sum(len(history.read_text().splitlines()) - 1 for history in histories)


def start_training(checkout: Checkout, target: str) -> subprocess.Popen[str]:
    """Start a run of one slow training, and wait for its first epoch."""
    run = start(checkout, target, SECONDS_PER_STEP="1")
    wait_for(lambda: epochs_done(checkout) == 1 or run.poll() is not None, "the first epoch")
    return run


def running_trainings(checkout: Checkout) -> list[int]:
    """Process ids of trainings that work in this checkout."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            here = (process / "cwd").readlink().is_relative_to(checkout.folder)
        except OSError:
            continue
        if here and b"train" in words and b"--store" in words and b"-c" not in words:
            found.append(int(process.name))
    return found


def same_bytes(one: Path, other: Path) -> bool:
    return all(
        (one / name).read_bytes() == (other / name).read_bytes()
        for name in ("history.csv", "model.safetensors")
    )


def test_training_killed_between_epochs_ends_with_the_same_bytes(
    new_checkout: Checkout, finished_study: Path
) -> None:
    run = start_training(new_checkout, f"tiny/{RUN}/model.json")
    for process in running_trainings(new_checkout):
        os.kill(process, signal.SIGKILL)
    assert run.wait() == 1
    jobs = new_checkout.done(f"tiny/{RUN}/model.json")
    assert jobs == Counter(train=1)
    log = (new_checkout.study / "logs/train/age/fold-0/seed-0.log").read_text()
    assert "epoch 2/2" in log
    assert "epoch 1/2" not in log
    assert same_bytes(new_checkout.study / RUN, finished_study / "results/tiny" / RUN)


def test_kill_9_of_snakemake_and_rerun(new_checkout: Checkout, finished_study: Path) -> None:
    target = f"tiny/{RUN}/model.json"
    run = start_training(new_checkout, target)
    run.kill()
    run.wait()
    # the training lives on without its parent; the rerun waits for it and takes its result
    blocked = new_checkout.snakemake(target)
    assert blocked.code == 1
    assert "--unlock" in blocked.text
    assert new_checkout.snakemake("--unlock").code == 0
    assert new_checkout.done(target) == Counter(train=1)
    assert not running_trainings(new_checkout)
    assert same_bytes(new_checkout.study / RUN, finished_study / "results/tiny" / RUN)
    finished = list(new_checkout.study.glob("runs/*/finished"))
    assert len(finished) == 1


def test_edits_while_jobs_are_queued_change_nothing(new_checkout: Checkout) -> None:
    queue = new_checkout.folder / "queue"
    queue.mkdir()
    submit = new_checkout.folder / "submit.sh"
    submit.write_text(SUBMIT.format(queue=queue))
    submit.chmod(0o755)
    target = f"tiny/{RUN}/model.json"
    run = start(
        new_checkout,
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit)),
        *("--jobs", "4", target),
    )
    environment = {"PATH": new_checkout.environment()["PATH"], "HOME": os.environ["HOME"]}
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
    config = new_checkout.config()
    config["experiments"]["age"]["train"]["learning_rate"] = 0.5
    new_checkout.configure(config)
    (new_checkout.folder / "workflow/headstart/parts/losses.py").write_text("broken(")

    def ended() -> bool:
        start_queued(trainings=True)
        return run.poll() is not None

    wait_for(ended, "the end of the run", 240)
    assert run.returncode == 0, (new_checkout.folder / "snakemake.out").read_text()
    card = json.loads((new_checkout.study / RUN / "model.json").read_text())
    assert card["settings"]["train"]["learning_rate"] == 0.001
