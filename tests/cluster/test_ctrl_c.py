"""Ctrl-C deletes what Snakemake has in the queue, whatever it is at when it comes.

While Snakemake looks at its jobs it forgets that it has any, and it kills a submission that it is
waiting for. What it leaves then is for profiles/sge/bin/sge-watch.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from cluster import Snakemake
from cluster import Study
from cluster import note
from cluster import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def stop(study: Study, run: Snakemake, what: str, process: int | None = None) -> None:
    """Send SIGINT as a terminal does, or to one process; all jobs leave the queue."""
    began = time.monotonic()
    if process:
        os.kill(process, signal.SIGINT)
    else:
        os.killpg(run.process.pid, signal.SIGINT)
    assert run.end() != 0
    ended = time.monotonic() - began
    wait_until(lambda: not study.jobs(), 60)
    note(f"Ctrl-C {what}", "Snakemake ended, jobs deleted", ended)


def look_slowly(study: Study) -> Path:
    """Let each look at a job take two seconds; return the file that gets Snakemake's process id."""
    mark = study.folder / "results/looked"
    study.shim("sge-status", f'echo $PPID >{mark}\nsleep 2\nexec {{real}} "$@"')
    return mark


def wait_for_look(mark: Path) -> int:
    """Wait until the next look begins; return Snakemake's process id."""
    mark.unlink(missing_ok=True)
    wait_until(lambda: mark.exists() and mark.read_text(), 60)
    return int(mark.read_text())


def test_between_two_looks(study: Study) -> None:
    run = study.start("--seconds-between-status-checks", "10", count=3, seconds=600)
    study.wait_for_start("shard/2.txt")
    stop(study, run, "between two looks")


@pytest.mark.parametrize("whom", ["terminal", "main"])
def test_during_a_look(study: Study, whom: str) -> None:
    mark = look_slowly(study)
    run = study.start(count=3, seconds=600)
    study.wait_for_start("shard/2.txt")
    main = wait_for_look(mark)
    stop(study, run, "during a look", main if whom == "main" else None)


def test_during_a_submission(study: Study) -> None:
    """The job is in the queue, but Snakemake has not heard of it yet."""
    ids = study.folder / "results/ids"
    study.shim("qsub", f'{{real}} "$@" | tee -a {ids}\nsleep 3')
    run = study.start(count=3, seconds=600)
    wait_until(lambda: ids.exists() and ids.read_text().endswith("\n"), 60)
    stop(study, run, "during a submission")
    submitted = ids.read_text().split()
    assert len(submitted) < 3
    wait_until(lambda: not study.grid.jobs().keys() & set(submitted), 60)


def test_second_ctrl_c(study: Study) -> None:
    """Snakemake takes its time to end; impatience must not leave jobs behind."""
    mark = look_slowly(study)
    run = study.start(count=3, seconds=600)
    study.wait_for_start("shard/2.txt")
    os.kill(wait_for_look(mark), signal.SIGINT)
    wait_until(lambda: "Terminating processes" in run.text, 20)
    stop(study, run, "twice")
