"""The run store: where trainings work, so that a killed one goes on and a finished one is kept.

A run is known by its key, a digest of everything that its result depends on. Each attempt at it
has a folder of its own, `STORE/KEY/attempt-N`, and the link `STORE/KEY/finished` names the one
that came to its end.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headstart.common import drafts
from headstart.common import files
from headstart.common import integrity
from headstart.common import processes
from headstart.common.errors import UserError
from headstart.common.run_id import HISTORY
from headstart.common.run_id import IDENTITY
from headstart.common.run_id import SNAPSHOT
from headstart.common.run_id import WEIGHTS
from headstart.common.run_id import snapshot_file
from headstart.training.card import ModelCard
from headstart.training.history import History
from headstart.training.settings import Publication
from headstart.training.settings import RunIdentity

# An attempt touches its heartbeat every so often (s), and counts as dead this long (s) after the
# last touch. A minute outlives the attribute cache of a network file system.
BEAT = 5.0
FRESH = 60.0
POLL = 2.0
# The newest first.
CHECKPOINTS = ("checkpoint.pt", "previous.pt")


def write_identity(run: Path, identity: RunIdentity) -> None:
    """Write beside a run's attempts what is trained."""
    files.write_json(run / IDENTITY, identity.model_dump(mode="json"))


def read_identity(run: Path) -> RunIdentity:
    """Read what is trained in a run's folder, `STORE/KEY`.

    Raises:
        UserError: If its description is damaged.
    """
    try:
        return RunIdentity.model_validate_json((run / IDENTITY).read_bytes())
    except ValidationError as error:
        raise UserError(
            f"{run / IDENTITY}: is damaged, or of another version of headstart; delete {run}"
        ) from error


def finished_attempt(run: Path) -> Path | None:
    """Return the folder of the attempt that came to its end, if one did."""
    link = run / "finished"
    return link.resolve() if link.exists() else None


def attempts_at(run: Path) -> list[Path]:
    """Folders of all attempts at a run, the newest last; copies of other names are none."""
    folders = (path for path in run.glob("attempt-*") if path.is_dir() and _number(path))
    return sorted(folders, key=_number)


def is_alive(attempt: Path, now: float) -> bool:
    """Whether an attempt's process is at work.

    A process of this machine is looked for: it may be asleep, or have died a moment ago. Of another
    machine's the heartbeat tells, within a minute.

    Args:
        attempt: Folder of the attempt.
        now: The time, s, by the clock of the file system that the attempt lies on.
    """
    touched, owner = _heartbeat(attempt)
    running = processes.is_running(owner) if touched else False
    # one from the future is as silent as an old one: a clock was set back
    return abs(now - touched) <= FRESH if running is None else running


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
        with suppress(OSError):
            os.utime(attempt / "heartbeat", (0, 0))


def checkpoints(run: Path) -> list[Path]:
    """All checkpoints of a run's attempts, the newest first."""
    paths = (attempt / name for attempt in reversed(attempts_at(run)) for name in CHECKPOINTS)
    return [path for path in paths if path.exists()]


def finish(attempt: Path) -> None:
    """Mark an attempt as the one that finished its run, unless another one did, and tidy up.

    Two may come to their end where one was asleep; what the first published stays true.
    """
    link = attempt.parent / "finished"
    try:
        link.symlink_to(attempt.name)
    except FileExistsError:
        if link.exists():
            return
        # the attempt that it names was removed by hand
        draft = drafts.draft_beside(link)
        draft.symlink_to(attempt.name)
        draft.replace(link)
    tidy(attempt.parent)


def tidy(run: Path) -> None:
    """Remove what a finished run no longer needs: checkpoints, and attempts that are dead.

    Args:
        run: The run's folder, `STORE/KEY`; left alone if no attempt finished it.
    """
    finished = finished_attempt(run)
    if finished is None:
        return
    now = _clock(run)
    for attempt in attempts_at(run):
        if attempt.name != finished.name and not is_alive(attempt, now):
            shutil.rmtree(attempt, ignore_errors=True)
    for name in CHECKPOINTS:
        (finished / name).unlink(missing_ok=True)


def check_whole(run: Path) -> None:
    """Check that card, weights and history of a finished run are those that its attempt wrote.

    Args:
        run: The run's folder, `STORE/KEY`.

    Raises:
        UserError: If one of them was damaged or edited since.
    """
    attempt = (run / "finished").resolve()
    again = f"delete {run} and type the same command: it is trained again"
    card = ModelCard.read(attempt, again)
    integrity.read_bytes(attempt / WEIGHTS, card.weights_sha256, again)
    integrity.read_bytes(attempt / HISTORY, card.history_sha256, again)
    for epoch, sha256 in card.snapshots.items():
        integrity.read_bytes(snapshot_file(run, epoch), sha256, again)


def publish(attempt: Path, output: Path, publication: Publication) -> None:
    """Copy a finished attempt's results to where the workflow expects them, the card last.

    Args:
        attempt: Folder with `history.csv`, `model.safetensors` and `model.json`, or a link to it.
        output: Folder to write the same names to; the card gains the publication. The networks of
            `train.save_every` get a folder each in `snapshots`.
        publication: What the study says of the network.
    """
    attempt = attempt.resolve()  # not through a link that may come to name another one
    card = ModelCard.read(attempt)
    for old in output.glob(SNAPSHOT.format(epoch="*")):
        shutil.rmtree(old)
    for epoch in card.snapshots:
        _publish_snapshot(attempt, output / SNAPSHOT.format(epoch=epoch), card, epoch, publication)
    for name in (HISTORY, WEIGHTS):
        _copy(attempt / name, output / name)
    card.model_copy(update=dict(publication)).write(output)


def _publish_snapshot(
    attempt: Path, output: Path, card: ModelCard, epoch: int, publication: Publication
) -> None:
    """Write the network of an epoch as if it were what the training had left."""
    history = History.read(attempt / HISTORY)
    replace(history, epochs=history.epochs[:epoch], chosen=epoch).write(output / HISTORY)
    _copy(snapshot_file(attempt.parent, epoch), output / WEIGHTS)
    update: dict[str, Any] = {
        "chosen_epoch": epoch,
        "chosen_by": None,
        "history_sha256": files.sha256(output / HISTORY),
        "weights_sha256": card.snapshots[epoch],
        "spent": card.spent[:epoch],
        "snapshots": {},
    }
    card.model_copy(update=update | dict(publication)).write(output)


def _copy(path: Path, to: Path) -> None:
    with files.temporary(to) as draft:
        shutil.copyfile(path, draft)


def _claim(run: Path) -> Path | None:
    """Make the next attempt's folder; None if the run got finished while waiting for another."""
    run.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        there = list(run.glob("attempt-*"))
        attempts, now = attempts_at(run), _clock(run)
        alive = [attempt for attempt in attempts if is_alive(attempt, now)]
        # after that look: an attempt seen dead may have finished the run just before
        if finished_attempt(run) is not None:
            return None
        if alive:
            if not told:
                who = ", process ".join(_heartbeat(alive[-1])[1].split()[:2])
                what = f"waiting: {alive[-1]} is at work on this run (on {who})"
                print(what, file=sys.stderr, flush=True)
            told = True
            time.sleep(POLL)
            continue
        # the number after those that were looked at: another may have begun one since
        attempt = run / f"attempt-{1 + max(map(_number, there), default=0)}"
        try:
            # of two processes that come this far together, one makes the folder
            attempt.mkdir()
        except FileExistsError:
            continue
        (attempt / "heartbeat").write_text(f"{processes.process_identity(os.getpid())}\n")
        _remove_old(attempts)
        return attempt


def _heartbeat(attempt: Path) -> tuple[float, str]:
    """When an attempt's heart beat last (0: it ended by itself), and whose it is."""
    try:
        with (attempt / "heartbeat").open(errors="replace") as file:
            # of the opened file: a network file system may remember an older time under the name
            return os.fstat(file.fileno()).st_mtime, file.read()
    except FileNotFoundError:
        # its folder was made this instant, or it died in that instant, or was removed in it
        return (attempt.stat().st_mtime if attempt.exists() else 0.0), ""


def _remove_old(attempts: Sequence[Path]) -> None:
    """Remove dead attempts but the newest that left a checkpoint, which the next goes on from."""
    left = [any((attempt / name).exists() for name in CHECKPOINTS) for attempt in attempts]
    newest = max((number for number, there in enumerate(left) if there), default=0)
    for attempt in attempts[:newest]:
        shutil.rmtree(attempt, ignore_errors=True)


def _number(attempt: Path) -> int:
    """Number of an attempt; 0 for a folder of another name."""
    named = re.fullmatch("attempt-([0-9]+)", attempt.name)
    return int(named[1]) if named else 0


def _clock(folder: Path) -> float:
    """Time of the file system that holds the heartbeats: a server's clock may differ from ours."""
    probe = drafts.draft_beside(folder / "clock")
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()


def _beat(heartbeat: Path, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with suppress(OSError):  # a file system that fails for a moment is no death
            heartbeat.touch()
