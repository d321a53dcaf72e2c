"""Where a study stands: its stages and its trainings, told from the files that they leave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import Literal

from headstart.parts import files
from headstart.parts import runs
from headstart.parts.config import Config
from headstart.parts.config import canonical_json
from headstart.parts.errors import UserError
from headstart.parts.metrics import METRICS
from headstart.parts.settings import Settings


@dataclass(frozen=True)
class Stage:
    """How far a stage is.

    Attributes:
        name: The stage.
        done: How many of its parts are done.
        parts: How many it has.
        told: What it found, or why it failed; "" if there is nothing to tell.
    """

    name: str
    done: int
    parts: int
    told: str


@dataclass(frozen=True)
class Training:
    """How far one training is.

    Attributes:
        experiment: The experiment.
        fold: The fold that is held out.
        seed: The seed.
        state: queued (by Snakemake, or for when it is started again), running, finished, failed
            (it said why), or dead (it was killed).
        epochs: How many epochs it takes.
        epoch: How many of them are done.
        best: The metric that chooses the epoch, so far, and its epoch; None before the first one.
        minutes: How long it took if it is finished, else how long it will take; None if unknown.
        why: What there is to say about its state.
        history: Its history.csv, live or published.
    """

    experiment: str
    fold: int
    seed: int
    state: Literal["queued", "running", "finished", "failed", "dead"]
    epochs: int
    epoch: int = 0
    best: tuple[str, float, int] | None = None
    minutes: float | None = None
    why: str = ""
    history: Path | None = None


@dataclass(frozen=True)
class Study:
    """A study's results, read only.

    Attributes:
        folder: `results/STUDY`.
        settings: The settings of its last run; without digests.
        since: When that run began, by the clock of the file system, s.
        locked: Whether a Snakemake locked the results, or left them locked.
        snakemake: Process id of the Snakemake that is at work on this machine; None if there is
            none, or the system does not tell.
    """

    folder: Path
    settings: Settings
    since: float
    locked: bool
    snakemake: int | None

    @classmethod
    def read(cls, results: Path, study: str, project: Path) -> Study:
        """Find a study.

        Args:
            results: The results root.
            study: Name of the study.
            project: Folder of the checkout.

        Raises:
            UserError: If there are no results of this study; names those that there are.
        """
        resolved = results / study / "config.json"
        if not resolved.is_file():
            found = sorted(path.parent.name for path in results.glob("*/config.json"))
            raise UserError(
                f"{results}: has no study '{study}'; there are: {', '.join(found) or 'none yet'}"
                " (--results names another folder)"
            )
        config = Config.model_validate(json.loads(resolved.read_text(encoding="utf-8")))
        return cls(
            folder=results / study,
            settings=Settings(config, project, codes={}, listing="", package="", networks={}),
            since=resolved.stat().st_mtime,
            locked=any((results / ".snakemake" / "locks").glob("*")),
            snakemake=_snakemake_in(results.resolve()),
        )

    def stages(self) -> list[Stage]:
        """How far each stage is, in the order of the work."""
        settings, places = self.settings, [_place(one) for one in self._trainings()]
        # what an earlier network predicted is there until the new one's turn comes: a part of a
        # later stage is done when all that it rests on is there, too
        trained = {place: [f"train/{place}/model.json"] for place in places}
        predicted = {p: [*paths, f"predict/{p}/predictions.csv"] for p, paths in trained.items()}
        judged = {name: [f"evaluate/{name}/metrics.csv"] for name in settings.experiments}
        for place, paths in predicted.items():
            judged[place.split("/")[0]] += paths
        drawn = {name: judged.get(name, []) for name in settings.figure_folders}
        drawn = {n: [*paths, f"figures/{n}/manifest.json"] for n, paths in drawn.items()}
        scanned = [[f"check/shards/{k}.csv"] for k in settings.shards]
        parts = {
            "label": [["label/labels.csv"]],
            "check": [*scanned, ["check/passed.csv"]],
            "split": [["split/splits.csv"], ["split/audit.json"]],
            "prepare": [[f"prepare/shard-{k}.json"] for k in settings.shards],
            "train": [*trained.values()],
            "predict": [*predicted.values()],
            "evaluate": [*judged.values()],
            "plot": [*drawn.values()],
        }
        if settings.fetched and not (self.folder / "label" / "labels.csv").exists():
            parts = {"fetch": [settings.fetched]} | parts
        return [self._stage(name, some) for name, some in parts.items()]

    def trainings(self) -> list[Training]:
        """How far each training of the study is."""
        stored = self._stored()
        return [self._training(one, stored) for one in self._trainings()]

    def _stage(self, name: str, parts: list[list[str]]) -> Stage:
        done = sum(all((self.folder / path).exists() for path in paths) for paths in parts)
        if done == len(parts):
            return Stage(name, done, done, self._findings(name))
        # of trainings, the table says more
        told = "" if name == "train" else self._why_failed(name)
        return Stage(name, done, len(parts), told)

    def _findings(self, stage: str) -> str:
        folder = self.folder / stage
        if stage == "label":
            scans, rejected = _rows(folder / "labels.csv"), _rows(folder / "rejected.csv")
            return f"{scans} scans; {rejected} entries turned away"
        if stage == "check":
            passed, rejected = _rows(folder / "passed.csv"), _rows(folder / "rejected.csv")
            return f"{passed} scans passed; {rejected} turned away"
        if stage == "split":
            audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
            return f"{audit['subjects']} subjects; {audit['test']} held out for the test"
        return ""

    def _why_failed(self, stage: str) -> str:
        logs = self.folder / "logs"
        for log in [logs / f"{stage}.log", *sorted((logs / stage).rglob("*.log"))]:
            error = self._fresh_error(log)
            if error is not None:
                return f"failed: {error}"
        return ""

    def _fresh_error(self, log: Path) -> str | None:
        """Return the error that a job of the last run ended with."""
        return last_error(log) if self._is_fresh(log) else None

    def _is_fresh(self, log: Path) -> bool:
        return log.is_file() and _modified(log) >= self.since

    def _trainings(self) -> Iterator[Training]:
        config = self.settings.config
        for name, experiment in config.experiments.items():
            for fold in config.folds(name):
                for seed in experiment.seeds:
                    yield Training(name, fold, seed, "queued", experiment.train.epochs)

    def _stored(self) -> dict[str, Path]:
        """The newest run in the store for each settings."""
        found: dict[str, Path] = {}
        for path in sorted((self.folder / "runs").glob("*/run.json"), key=_modified):
            settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
            found[canonical_json(settings)] = path.parent
        return found

    def _training(self, one: Training, stored: Mapping[str, Path]) -> Training:
        choice = {"experiment": one.experiment, "fold": one.fold, "seed": one.seed}
        settings = self.settings.slice("train", **choice)
        log = f"logs/train/{one.experiment}/fold-{one.fold}/seed-{one.seed}.log"
        run = stored.get(settings)
        attempts = [] if run is None else runs.attempts_at(run)
        alive = bool(attempts) and runs.is_alive(attempts[-1], time.time())
        if run is not None:
            one = self._with_history(one, attempts)
        if alive:
            return replace(one, state="running", minutes=_minutes_left(one, attempts))

        published = self.folder / "train" / _place(one)
        card = _card(published)
        if card is not None and canonical_json(card["settings"]) == settings:
            one = self._with_history(one, [published])
            return replace(one, state="finished", minutes=sum(card["seconds_per_epoch"]) / 60)

        error = self._fresh_error(self.folder / log)
        if error is not None:
            return replace(one, state="failed", why=error)
        if run is not None and runs.finished_attempt(run) is not None:
            return replace(one, why="is in the run store; published at once if still what is asked")
        if attempts:
            return self._interrupted(one, attempts[-1], self.folder / log)
        if self.snakemake and self._is_fresh(self.folder / log):
            return replace(one, state="running", why="starting")
        return replace(one, why="not started yet")

    def _interrupted(self, one: Training, attempt: Path, log: Path) -> Training:
        beat = _modified(attempt / "heartbeat")
        go_on = f"goes on after epoch {one.epoch}" if one.epoch else "starts anew"
        if self.snakemake and beat < self.since:
            return replace(one, why=go_on)
        # an attempt that ends by itself sets its heartbeat to the beginning of time
        if beat == 0:
            return replace(one, state="failed", why=last_error(log) or f"see {log}")
        age = time.time() - beat
        sign = (
            "its process is gone"
            if age < 2 * runs.FRESH
            else f"its heartbeat is {_in_words(age)} old"
        )
        return replace(one, state="dead", why=f"killed: {sign}; {go_on}")

    def _with_history(self, one: Training, folders: list[Path]) -> Training:
        """Add what the longest history of some attempts tells."""
        histories = [path for folder in folders if (path := folder / "history.csv").is_file()]
        if not histories:
            return one
        rows, path = max((len(files.read_csv(path)), path) for path in histories)
        experiment = self.settings.config.experiments[one.experiment]
        metric = METRICS[experiment.task][0]
        scores = [float(text or "nan") for text in files.read_csv(path)[f"inner_{metric.name}"]]
        sign = 1 if metric.higher_is_better else -1
        best = max(range(rows), key=lambda row: sign * scores[row])
        if experiment.train.choose == "last":
            best = rows - 1
        chosen = (metric.name, scores[best], best + 1)
        return replace(one, epoch=rows, best=chosen, history=path)


def last_error(log: Path) -> str | None:
    """Return what a command said last in its log, if that is an error.

    Args:
        log: Its log; need not be there.

    Returns:
        The sentence of a user's mistake or of ours, the last line of a traceback, or None.
    """
    if not log.is_file():
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.startswith("headstart: ")]
    if said:
        return said[-1].removeprefix("headstart: ")
    if any(line.startswith("Traceback ") for line in lines):
        return next(line for line in reversed(lines) if line.strip())
    return None


def _place(one: Training) -> str:
    return f"{one.experiment}/main/fold-{one.fold}/seed-{one.seed}"


def _card(published: Path) -> dict[str, Any] | None:
    path = published / "model.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _minutes_left(one: Training, attempts: list[Path]) -> float | None:
    """Minutes until the last epoch, from the time that this attempt took for its own epochs."""
    history = attempts[-1] / "history.csv"
    earlier = [path for a in attempts[:-1] if (path := a / "history.csv").is_file()]
    own = one.epoch - max((len(files.read_csv(path)) for path in earlier), default=0)
    if own < 1 or not history.is_file():
        return None
    # the run's description is written when an attempt begins
    began, latest = _modified(attempts[-1].parent / "run.json"), _modified(history)
    left = (one.epochs - one.epoch) * (latest - began) / own - (time.time() - latest)
    return max(left, 0.0) / 60


def _rows(table: Path) -> int:
    return len(files.read_csv(table)) if table.is_file() else 0


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _in_words(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def _snakemake_in(results: Path) -> int | None:
    """Return the process of the Snakemake that works in a results root, on this machine."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = [os.fsdecode(w) for w in (process / "cmdline").read_bytes().split(b"\0")]
            here = (process / "cwd").readlink() == results
        except OSError:  # it ended meanwhile, or is someone else's
            continue
        # a job's own snakemake has a mode
        if here and any(Path(word).name == "snakemake" for word in words) and "--mode" not in words:
            return int(process.name)
    return None
