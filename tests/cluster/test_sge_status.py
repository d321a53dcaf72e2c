"""What sge-status reads may have been written by somebody else: its words are data."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
STATUS = PROJECT / "profiles/sge/bin/sge-status"
CODE = "a[$(touch${IFS}RAN)]"
JOBS = {
    "submitted": f"submitted {CODE} 3600 2000 n",
    "time limit": f"submitted 100 {CODE} 2000 n\nstarted 100 node1\ngone 1 1",
    "started": f"submitted 100 3600 2000 n\nstarted {CODE} node1\ngone 1 1",
    "told": f"submitted 100 3600 2000 n\nstarted 100 node1\ntold {CODE}\ngone 1 1",
    "gone": f"submitted 100 3600 2000 n\nstarted 100 node1\ngone {CODE} 1",
    "last sign": f"submitted 100 3600 2000 n\nstarted 100 node1\ngone 1 {CODE}",
    "octal": "submitted 0888 3600 2000 n",
    "not a word": "submitted\nstarted\ntold\ngone\nexit\nended",
}


def status(folder: Path, job: str) -> subprocess.CompletedProcess[str]:
    """Ask for job 7, of which qstat knows nothing."""
    (folder / "bin").mkdir()
    qstat = folder / "bin/qstat"
    qstat.write_text("#!/bin/sh\nexit 0\n")
    qstat.chmod(0o755)
    jobs = folder / ".snakemake/sge/jobs"
    jobs.mkdir(parents=True)
    (jobs / "7").write_text(f"{job}\n")
    return subprocess.run(
        [STATUS, "7"],
        cwd=folder,
        env=os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "USER": "somebody"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_no_word_of_a_jobs_file_is_run(job, tmp_path):
    done = status(tmp_path, job)
    assert not list(tmp_path.rglob("RAN"))
    assert done.stdout in ("running\n", "failed\n", "success\n")
    assert done.returncode == 0


def test_a_job_that_is_as_it_should_be(tmp_path):
    done = status(tmp_path, "submitted 100 3600 2000 n\nstarted 100 node1\nexit 0")
    assert done.stdout == "success\n"
    assert (tmp_path / ".snakemake/sge/jobs/7").read_text().endswith("seen\n")
