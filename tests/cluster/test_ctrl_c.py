"""Ctrl-C deletes what Snakemake has in the queue, whatever it is at when it comes.

While Snakemake looks at its jobs it forgets that it has any, and it kills a submission that it is
waiting for. What it leaves then is for profiles/sge/bin/sge-watch.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cluster import PYTHON
from cluster import Snakemake
from cluster import Study
from cluster import note
from cluster import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def shim(study: Study, command: str, text: str) -> dict[str, str]:
    """Put a script before one of the commands; return the environment that finds it."""
    tools = study.folder / "profiles/sge/bin"
    real = shutil.which(command, path=f"{tools}:{os.environ['PATH']}")
    script = study.folder / "shims" / command
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\n{text.format(real=real)}\n")
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:{PYTHON.parent}:{tools}:{os.environ['PATH']}"}


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


def looked(mark: Path) -> int:
    """Wait until Snakemake begins a look; return its process id."""
    mark.unlink(missing_ok=True)
    wait_until(lambda: mark.exists() and mark.read_text(), 60)
    return int(mark.read_text())


def test_between_two_looks(study: Study) -> None:
    run = study.start("--seconds-between-status-checks", "10", count=3, seconds=600)
    study.wait_for_start("shard/2.txt")
    stop(study, run, "between two looks")


@pytest.mark.parametrize("whom", ["terminal", "main"])
def test_during_a_look(study: Study, whom: str) -> None:
    mark = study.folder / "results/looked"
    slow = shim(study, "sge-status", f'echo $PPID >{mark}\nsleep 2\nexec {{real}} "$@"')
    run = study.start(count=3, seconds=600, environment=slow)
    study.wait_for_start("shard/2.txt")
    main = looked(mark)
    stop(study, run, "during a look", main if whom == "main" else None)


def test_during_a_submission(study: Study) -> None:
    """The job is in the queue, but Snakemake has not heard of it yet."""
    ids = study.folder / "results/ids"
    slow = shim(study, "qsub", f'{{real}} "$@" | tee -a {ids}\nsleep 3')
    run = study.start(count=3, seconds=600, environment=slow)
    wait_until(lambda: ids.exists() and ids.read_text().endswith("\n"), 60)
    stop(study, run, "during a submission")
    submitted = ids.read_text().split()
    assert len(submitted) < 3
    wait_until(lambda: not study.grid.jobs().keys() & set(submitted), 60)


def test_second_ctrl_c(study: Study) -> None:
    """Snakemake takes its time to end; impatience must not leave jobs behind."""
    mark = study.folder / "results/looked"
    slow = shim(study, "sge-status", f'echo $PPID >{mark}\nsleep 2\nexec {{real}} "$@"')
    run = study.start(count=3, seconds=600, environment=slow)
    study.wait_for_start("shard/2.txt")
    os.kill(looked(mark), signal.SIGINT)
    wait_until(lambda: "Terminating processes" in run.text, 20)
    stop(study, run, "twice")
