"""Trainings of a study that are at work, for the tests that disturb them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from study import Checkout


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


def process_of(share: str) -> list[int]:
    """Find the process that answers for a share."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if share.encode() in words and b"predict" in words:
            found.append(int(folder.name))
    return found
