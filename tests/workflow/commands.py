"""Commands that a person types, in a checkout."""

from __future__ import annotations

import subprocess
import sys

from study import Checkout


def headstart(checkout: Checkout, *words: str, check_width: bool = True) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headstart", *words],
        cwd=checkout.folder,
        env=checkout.environment() | {"PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wide = [line for line in done.stdout.splitlines() if len(line) > 100]
    assert not check_width or all("snakemake" in line for line in wide)
    return done.stdout


def shown(checkout: Checkout, *words: str, **environment: str) -> tuple[int, list[str]]:
    """Type a command as a user does; return its exit code and the lines on the screen."""
    done = subprocess.run(
        [*checkout.snakemake_itself, *words],
        cwd=checkout.folder,
        env=checkout.environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines.pop(0).startswith("Using workflow specific profile")
    return done.returncode, lines
