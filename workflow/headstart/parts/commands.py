"""Commands of headstart in a process of their own, as a job of the workflow runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headstart.parts.errors import UserError


def headstart(*words: str | Path) -> None:
    """Run `headstart WORDS` to its end.

    So one stage can use another without importing it: through a command line and files.

    Args:
        *words: The command and its arguments.

    Raises:
        UserError: If the command turns away what the user gave; with its own sentence.
    """
    command = [sys.executable, "-m", "headstart", *map(str, words)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 our own command
    if done.returncode == 2:
        raise UserError(done.stderr.strip().splitlines()[-1].removeprefix("headstart: "))
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
