"""Measure what it costs to start: seconds of CPU, the best of five, beside what pandas alone takes.

PYTHONPATH=workflow python tests/benchmarks/start_up.py
"""

from __future__ import annotations

import resource
import subprocess
import sys

TABLES = ("label", "check", "split", "audit", "evaluate")
STARTS = {
    "python": ("-c", ""),
    "pandas": ("-c", "import pandas"),
    "import headstart": ("-c", "import headstart"),
    "headstart --help": ("-m", "headstart", "--help"),
    **{f"headstart {stage} --help": ("-m", "headstart", stage, "--help") for stage in TABLES},
}


def seconds(words: tuple[str, ...]) -> float:
    """Measure how much CPU time a Python takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


for name, words in STARTS.items():
    print(f"{name:<26}{min(seconds(words) for _ in range(5)):.2f} s", flush=True)
