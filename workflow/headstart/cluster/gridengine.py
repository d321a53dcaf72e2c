"""Whether a Grid Engine cluster accepts this workflow's requests."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.common.errors import UserError

# One job of each kind that the workflow has, as its rules ask.
KINDS: dict[str, dict[str, Any]] = {
    "a shard": {"threads": 1, "resources": {"mem_mb": 4000, "runtime": 240}},
    "4 threads": {"threads": 4, "resources": {"mem_mb": 8000, "runtime": 240}},
    "1 GPU": {"threads": 1, "resources": {"mem_mb": 8000, "runtime": 1440, "gpu": 1}},
    "local disk": {
        "threads": 1,
        "resources": {"mem_mb": 4000, "runtime": 240, "scratch_mb": 10000},
    },
}


@dataclass(frozen=True)
class Verdict:
    """What Grid Engine says of one request.

    Attributes:
        kind: The kind of job.
        request: The words of the request.
        accepted: Whether some queue could run it, were it empty.
        reason: Grid Engine's own words.
    """

    kind: str
    request: str
    accepted: bool
    reason: str


def verdicts(profile: Path) -> list[Verdict]:
    """Ask Grid Engine whether it accepts one request of each kind; nothing is submitted.

    Args:
        profile: Folder of the profile, with `bin/sge-submit`.

    Raises:
        UserError: If there is no Grid Engine here, or the site's file is wrong.
    """
    if shutil.which("qsub") is None:
        raise UserError("qsub: not found; call this on a login node of a Grid Engine cluster")
    found = []
    for kind, job in KINDS.items():
        words = [str(profile / "bin/sge-submit"), "--verify", json.dumps(job)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise UserError(done.stderr.strip())
        request, _, reason = done.stdout.strip().partition("\n")
        found.append(Verdict(kind, request, "found suitable queue" in reason, reason))
    return found


def hosts_that_may_submit() -> tuple[int, int]:
    """Count the compute nodes that may submit jobs.

    Returns:
        How many may, and how many compute nodes there are.
    """
    nodes = set(_ask("qconf", "-sel").split())
    return len(nodes & set(_ask("qconf", "-ss").split())), len(nodes)


def gpu_types() -> dict[str, int]:
    """Return how many queues offer each type of GPU, where the cluster names types."""
    counts: dict[str, int] = {}
    for line in _ask("qstat", "-F", "gpu_type").splitlines():
        if "gpu_type=" in line:
            kind = line.partition("gpu_type=")[2].strip()
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def _ask(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else ""
