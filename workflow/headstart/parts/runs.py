"""The run store: where trainings work, so that a killed one goes on and a finished one is kept.

A run is known by its key, a digest of everything that its result depends on. Each attempt at it
has a folder of its own, `STORE/KEY/attempt-N`, and the link `STORE/KEY/finished` names the one
that came to its end.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.parts import files
from headstart.parts.config import Column
from headstart.parts.config import Section
from headstart.parts.config import Train
from headstart.parts.config import Window
from headstart.parts.config import canonical_json
from headstart.parts.errors import UserError

# An attempt touches its heartbeat every so often (s), and counts as dead this long (s) after the
# last touch. A minute outlives the attribute cache of a network file system.
BEAT = 5.0
FRESH = 60.0
POLL = 2.0


class Run(Section):
    """The settings of one training: an experiment, one fold, one seed."""

    experiment: str
    task: str
    target: str
    classes: dict[int, str]
    channels: tuple[Column, ...]
    window: Window
    train: Train
    fold: int
    seed: int


def run_key(settings: Mapping[str, Any], cohort: str, code: str, network: str) -> str:
    """Name a run by what its result depends on.

    Args:
        settings: The run's slice of the settings.
        cohort: Digest of the scans and targets that it consumes.
        code: Digest of the code of training.
        network: Digest of the user's own network file, or "".

    Returns:
        16 hex digits.
    """
    text = canonical_json([settings, cohort, code, network])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def own_network_file(name: str, folder: Path) -> Path | None:
    """Return the file of the user's own network, or None for a network of ours.

    Args:
        name: `train.network`; the user's own is `FILE.py:CLASS`.
        folder: Where a relative FILE.py is looked up.

    Raises:
        UserError: If the file is not there.
    """
    if ":" not in name:
        return None
    path = folder / name.rpartition(":")[0]
    if not path.is_file():
        raise UserError(
            f"train.network: {path} is not there; its path starts at the project's folder"
        )
    return path


def finished_attempt(run: Path) -> Path | None:
    """Return the folder of the attempt that came to its end, if one did."""
    link = run / "finished"
    return link.resolve() if link.exists() else None


def attempts_at(run: Path) -> list[Path]:
    """Folders of all attempts at a run, the newest last."""
    return sorted(run.glob("attempt-*"), key=_number)


def is_alive(attempt: Path, now: float) -> bool:
    """Whether an attempt's process is at work, as far as its heartbeat tells.

    Args:
        attempt: Folder of the attempt.
        now: The time, s, by the clock of the file system that the attempt lies on.
    """
    heartbeat = attempt / "heartbeat"
    try:
        touched, owner = heartbeat.stat().st_mtime, heartbeat.read_text().split()
    except FileNotFoundError:
        # its folder was made this instant, or it died in that instant
        touched, owner = attempt.stat().st_mtime, []
    if now - touched > FRESH:
        return False
    return not (len(owner) == 2 and owner[0] == socket.gethostname() and _gone(int(owner[1])))


@contextmanager
def new_attempt(run: Path) -> Iterator[Path | None]:
    """Begin an attempt at a run, once no other one is alive.

    While the block runs, a thread keeps the attempt's heartbeat fresh.

    Args:
        run: The run's folder, `STORE/KEY`.

    Yields:
        The new attempt's folder, or None if another attempt finished the run meanwhile.
    """
    attempt = _claim(run)
    if attempt is None:
        yield None
        return
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(attempt / "heartbeat", done), daemon=True)
    heart.start()
    try:
        yield attempt
    finally:
        done.set()
        heart.join()
        # whoever comes next need not wait for the heartbeat to grow old
        os.utime(attempt / "heartbeat", (0, 0))


def checkpoints(run: Path) -> list[Path]:
    """All checkpoints of a run's attempts, the newest first."""
    names = ("checkpoint.pt", "previous.pt")
    paths = (attempt / name for attempt in reversed(attempts_at(run)) for name in names)
    return [path for path in paths if path.exists()]


def finish(attempt: Path) -> None:
    """Mark an attempt as the one that finished its run, by a rename."""
    draft = attempt.parent / f".{uuid.uuid4().hex[:8]}-finished"
    draft.symlink_to(attempt.name)
    draft.replace(attempt.parent / "finished")


def publish(attempt: Path, output: Path, snapshot: str | None = None) -> None:
    """Copy a finished attempt's results to where the workflow expects them, the card last.

    Args:
        attempt: Folder with `history.csv`, `model.safetensors` and `model.json`.
        output: Folder to write the same names to; the history gains the column `chosen`, the card
            the name of the snapshot.
        snapshot: File with the whole study's settings that the results are published under.
    """
    card = json.loads((attempt / "model.json").read_text(encoding="utf-8"))
    history = files.read_csv(attempt / "history.csv")
    history["chosen"] = (history["epoch"] == str(card["chosen_epoch"])).astype(int)
    files.write_csv(output / "history.csv", history)
    with files.temporary(output / "model.safetensors") as draft:
        shutil.copyfile(attempt / "model.safetensors", draft)
    card["snapshot"] = None if snapshot is None else Path(snapshot).name
    files.write_json(output / "model.json", card)


def _claim(run: Path) -> Path | None:
    """Make the next attempt's folder; None if the run got finished while waiting for another."""
    run.mkdir(parents=True, exist_ok=True)
    told = False
    while finished_attempt(run) is None:
        attempts, now = attempts_at(run), _clock(run)
        alive = [attempt for attempt in attempts if is_alive(attempt, now)]
        if alive:
            if not told:
                print(f"waiting: {alive[-1]} is at work on this run", file=sys.stderr, flush=True)
            told = True
            time.sleep(POLL)
            continue
        attempt = run / f"attempt-{_number(attempts[-1]) + 1 if attempts else 1}"
        try:
            # of two processes that come this far together, one makes the folder
            attempt.mkdir()
        except FileExistsError:
            continue
        (attempt / "heartbeat").write_text(f"{socket.gethostname()} {os.getpid()}\n")
        return attempt
    return None


def _number(attempt: Path) -> int:
    return int(attempt.name.removeprefix("attempt-"))


def _gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _clock(folder: Path) -> float:
    """Time of the file system that holds the heartbeats: a server's clock may differ from ours."""
    probe = folder / f".{uuid.uuid4().hex[:8]}-clock"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _beat(heartbeat: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        heartbeat.touch()
