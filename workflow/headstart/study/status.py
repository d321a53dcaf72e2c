"""Where a study stands: its stages and its trainings, told from the files that they leave."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import Literal

from headstart.cohort.audit import Audit
from headstart.common import files
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.run_id import CARD
from headstart.common.run_id import HISTORY
from headstart.common.run_id import IDENTITY
from headstart.common.run_id import RunId
from headstart.common.schema import settings_text
from headstart.common.stopping import STOPPED
from headstart.common.text import counted
from headstart.data.demo_card import synthetic
from headstart.data.found_scans import RejectedRow
from headstart.data.inventory import markers_of
from headstart.data.label_table import LabelRow
from headstart.data.label_table import lacking
from headstart.data.label_table import lacking_text
from headstart.evaluation import experiment_words
from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.openings import read_openings
from headstart.evaluation.results import PROTOCOLS
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.study.at_work import is_locked
from headstart.study.at_work import snakemake_on
from headstart.study.config import read_resolved
from headstart.study.estimates import beside_plan
from headstart.study.methods.comparisons import compared
from headstart.study.methods.comparisons import openings_words
from headstart.study.methods.study_files import StudyFiles
from headstart.study.pairs_to_judge import describe_pairs
from headstart.study.pairs_to_judge import open_pairs
from headstart.study.part_sizes import counted_sizes
from headstart.study.part_sizes import share_of
from headstart.study.parts import parts
from headstart.study.slices import Slices
from headstart.study.stages import FETCH
from headstart.study.stages import STAGES
from headstart.study.stages import counted_with
from headstart.training import run_store
from headstart.training.card import ModelCard
from headstart.training.history import History
from headstart.training.history import read_history
from headstart.training.length import epochs_asked

LONGEST = 6  # lines of an error


@dataclass(frozen=True)
class StageStatus:
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
        run: Which one.
        state: queued (by Snakemake, or for when it is started again), running, finished, stopped
            (by Ctrl-C or another signal, in order), failed (it said why), or dead (it was killed).
        epochs: How many epochs it takes; None if that is not known yet.
        epoch: How many of them are done.
        best: The key metric at the epoch whose weights are kept, so far, and that epoch; None
            before the first one.
        minutes: How long it took if it is finished, else how long it will take; None if unknown.
        why: What there is to say about its state; of a finished one, what it took and was to take.
        history: Its history.csv, live or published.
    """

    run: RunId
    state: Literal["queued", "running", "finished", "stopped", "failed", "dead"]
    epochs: int | None
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
        slices: The settings of its last run.
        since: When that run began, by the clock of the file system, s.
        locked: Whether a Snakemake locked the study's files, or left them locked.
        snakemake: Process id of the Snakemake that works on it on this machine; None if there is
            none, or the system does not tell.
    """

    folder: Path
    slices: Slices
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
        resolved = results / study / study_paths.CONFIG
        if not resolved.is_file():
            found = sorted(path.parent.name for path in results.glob(f"*/{study_paths.CONFIG}"))
            raise UserError(
                f"{results}: has no study '{study}'; there are: {', '.join(found) or 'none yet'}"
                " (--results names another folder)"
            )
        config = read_resolved(resolved)
        return cls(
            folder=results / study,
            slices=Slices(config, project, synthetic=synthetic(config.data, project / config.root)),
            since=resolved.stat().st_mtime,
            locked=is_locked(study, results),
            snakemake=snakemake_on(study, results),
        )

    def stages(self) -> list[StageStatus]:
        """How far each stage is, in the order of the work; a part is what one job makes."""
        config = self.slices.config
        stages: dict[str, list[list[str]]] = {}
        root = (self.slices.project / config.root).resolve()
        fetched = [str(root / marker) for source in config.data for marker in markers_of(source)]
        if fetched and not (self.folder / study_paths.LABELS).exists():
            stages[FETCH] = [fetched]
        for name in STAGES:
            if made := parts(name, config):
                stages.setdefault(counted_with(name), []).extend(made)
        return [self._stage(name, some) for name, some in stages.items()]

    def new_scans(self) -> list[StageStatus]:
        """How far the answers for scans from outside the study are that were begun."""
        tables = {
            name: self.folder / study_paths.ANSWERS.format(name=name)
            for name in self.slices.config.new_scans
        }
        return [self._answers(*one) for one in tables.items() if one[1].parent.is_dir()]

    def _answers(self, name: str, table: Path) -> StageStatus:
        stage = f"new-scans/{name}"
        if not _is_written(table):
            return StageStatus(stage, 0, 1, self._why_failed(stage))
        rejected = [cell for cell in files.read_csv(table)["rejected"] if cell]
        told = f"{counted(_rows(table), 'scan')}; {len(rejected)} rejected"
        return StageStatus(stage, 1, 1, told)

    def trainings(self) -> list[Training]:
        """How far each training of the study is."""
        stored = self._stored()
        return [
            self._training(Training(run, "queued", self._epochs(run)), stored)
            for name in self.slices.config.experiments
            for run in self.slices.config.runs(name)
        ]

    def _epochs(self, run: RunId) -> int | None:
        experiment = self.slices.config.experiments[run.experiment]
        if experiment.train.epochs is not None:
            return experiment.train.epochs
        sizes = counted_sizes(self.folder, experiment.target, run.fold, experiment.covariates)
        share = share_of(self.slices.config, run.experiment)
        return epochs_asked(experiment.train, int(share * sizes.training)) if sizes else None

    def _stage(self, name: str, parts: list[list[str]]) -> StageStatus:
        done = sum(all((self.folder / path).exists() for path in paths) for paths in parts)
        if done == len(parts):
            return StageStatus(name, done, done, self.findings(name))
        # of trainings, the table says more
        told = "" if name == "train" else self._why_failed(name)
        return StageStatus(name, done, len(parts), told)

    def findings(self, stage: str) -> str:
        """Say what a stage found that is done; "" if there is nothing to tell."""
        folder = self.folder / stage
        if stage == "label":
            scans, rejected = _rows(folder / "labels.csv"), _rows(folder / "rejected.csv")
            entries = "entry" if rejected == 1 else "entries"
            told = f"{counted(scans, 'scan')}; {rejected} {entries} rejected{_reasons(folder)}"
            return told + self._lacking(folder / "labels.csv")
        if stage == "check":
            rejected = _rows(folder / "rejected.csv")
            if _is_written(folder / "passed.csv"):
                passed = _rows(folder / "passed.csv")
            else:  # too many were rejected
                read = sum(_rows(shard) for shard in (folder / "shards").glob("*.csv"))
                passed = read - rejected
            told = f"{counted(passed, 'scan')} passed; {rejected} rejected{_reasons(folder)}"
            return told + self._lacking(folder / "passed.csv")
        if stage == "split":
            audit = Audit.read(folder / "audit.json")
            return f"{audit.subjects} subjects; {audit.test} held out for the test"
        if stage == "near-duplicates":
            split = self.slices.config.split
            told = describe_pairs([*open_pairs(self.folder, (*split.same, *split.unrelated))])
            return told and f"{told}, for you to judge: figures/cohort/near-duplicates.pdf"
        if stage == "evaluate":
            return " ".join(self._results())
        return ""

    def _lacking(self, table: Path) -> str:
        """Say how many scans of a table lack an optional channel; "" where none may."""
        if not self.slices.config.optional or not _is_written(table):
            return ""
        rows = read_rows(table, LabelRow)
        return "".join(f"; {lacking_text(*one, len(rows))}" for one in lacking(rows).items())

    def _results(self) -> Iterator[str]:
        """Say which experiments beat their baselines; on the test subjects once these are open."""
        for name, experiment in self.slices.config.experiments.items():
            folder = self.folder / "evaluate" / name
            tables = folder / "metrics.csv", folder / "comparison.csv"
            if not (self.slices.config.is_reported(name) and all(map(_is_written, tables))):
                continue
            metrics = read_rows(tables[0], MetricRow)
            differences = read_rows(tables[1], DifferenceRow)
            protocol = next(one for one in PROTOCOLS if having(metrics, protocol=one))
            primary = self.slices.config.primary_metric(name)
            rows = having(metrics, group="all", protocol=protocol)
            against = having(differences, protocol=protocol)
            judgement = judge(having(rows, metric=primary), having(against, metric=primary))
            yield f"{name}, {protocol}: {sentence(judgement, experiment.unit)}"
            if also := beside(experiment.kind, judgement, primary, rows, against):
                yield also
        source = StudyFiles(self.folder, self.slices.config, self.slices.synthetic)
        # of each target by one protocol, the test once it is open
        for family in {rows[0].target: rows for rows in reversed(compared(source))}.values():
            yield from map(experiment_words.sentence, family)
        if openings := read_openings(self.folder / study_paths.OPENINGS):
            yield openings_words(openings)

    def _why_failed(self, stage: str) -> str:
        logs = self.folder / "logs"
        for log in [logs / f"{stage}.log", *sorted((logs / stage).rglob("*.log"))]:
            error = self._fresh_error(log)
            if error is not None:
                return error if error.startswith(STOPPED) else f"failed: {error}"
        return ""

    def _fresh_error(self, log: Path) -> str | None:
        """Return the error that a job of the last run ended with."""
        return last_error(log) if self._is_fresh(log) else None

    def _is_fresh(self, log: Path) -> bool:
        return log.is_file() and _modified(log) >= self.since

    def _stored(self) -> dict[str, Path]:
        """The newest run in the store for each settings."""
        found: dict[str, Path] = {}
        for path in sorted((self.folder / study_paths.STORE).glob(f"*/{IDENTITY}"), key=_modified):
            found[settings_text(run_store.read_identity(path.parent).run)] = path.parent
        return found

    def _training(self, one: Training, stored: Mapping[str, Path]) -> Training:
        settings = settings_text(self.slices.train(*one.run))
        log = self.folder / one.run.log
        run = stored.get(settings)
        attempts = [] if run is None else run_store.attempts_at(run)
        alive = bool(attempts) and run_store.is_alive(attempts[-1], time.time())
        if run is not None:
            one = self._with_history(one, attempts)
        if alive:
            return replace(one, state="running", minutes=_minutes_left(one, attempts))

        published = self.folder / one.run.trained
        card = ModelCard.read(published) if (published / CARD).is_file() else None
        if card is not None and settings_text(card.run) == settings:
            one = self._with_history(one, [published])
            minutes, why = card.seconds / 60, beside_plan(card)
            epochs = epochs_asked(card.run.train, card.counts.training.scans)
            return replace(one, state="finished", epochs=epochs, minutes=minutes, why=why)

        error = self._fresh_error(log)
        if error is not None:
            return _ended(one, error)
        if run is not None and run_store.finished_attempt(run) is not None:
            return replace(one, why="is in the run store; published at once if still what is asked")
        if attempts:
            return self._interrupted(one, attempts[-1], log)
        if self.snakemake and self._is_fresh(log):
            return replace(one, state="running", why="starting")
        return replace(one, why="not started yet")

    def _interrupted(self, one: Training, attempt: Path, log: Path) -> Training:
        beat = _modified(attempt / "heartbeat")
        go_on = _goes_on(one)
        if self.snakemake and beat < self.since:
            return replace(one, why=go_on)
        # an attempt that ends by itself sets its heartbeat to the beginning of time
        if beat == 0:
            return _ended(one, last_error(log) or f"see {log}")
        age = time.time() - beat
        sign = (
            "its process is gone"
            if age < 2 * run_store.FRESH
            else f"its heartbeat is {_in_words(age)} old"
        )
        return replace(one, state="dead", why=f"killed: {sign}; {go_on}")

    def _with_history(self, one: Training, folders: list[Path]) -> Training:
        """Add what the longest history of some attempts tells."""
        found = [(read_history(path), path) for path in _histories(folders)]
        if not found:
            return one
        history, path = max(found, key=lambda pair: (len(pair[0].epochs), pair[1]))
        best = (history.key_metric, history.best, history.chosen) if history.validates else None
        return replace(one, epoch=len(history.epochs), best=best, history=path)


def last_error(log: Path) -> str | None:
    """Return what a command said last in its log, if that is an error.

    Args:
        log: Its log; need not be there.

    Returns:
        The sentence of a user's mistake or of ours, with the first lines of what it lists; the
        last line of a traceback, or None.
    """
    if not log.is_file():
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [place for place, line in enumerate(lines) if line.startswith("headstart: ")]
    if said:
        text = lines[said[-1] :]
        more = [f"  … {len(text) - LONGEST} lines more in the log"] * (len(text) > LONGEST)
        return "\n".join([*text[:LONGEST], *more]).removeprefix("headstart: ")
    if any(line.startswith("Traceback ") for line in lines):
        return next(line for line in reversed(lines) if line.strip())
    return None


def _ended(one: Training, said: str) -> Training:
    """Tell a training that was stopped, and goes on, from one that failed."""
    if said.startswith(STOPPED):
        return replace(one, state="stopped", why=_goes_on(one))
    return replace(one, state="failed", why=said)


def _goes_on(one: Training) -> str:
    return f"goes on after epoch {one.epoch}" if one.epoch else "starts over"


def _minutes_left(one: Training, attempts: list[Path]) -> float | None:
    """Minutes until the last epoch, from the time that this attempt took for its own epochs."""
    history = attempts[-1] / HISTORY
    earlier = [History.read(path) for path in _histories(attempts[:-1])]
    own = one.epoch - max((len(other.epochs) for other in earlier), default=0)
    if own < 1 or one.epochs is None or not history.is_file():
        return None
    # the run's description is written when an attempt begins
    began, latest = _modified(attempts[-1].parent / IDENTITY), _modified(history)
    left = (one.epochs - one.epoch) * (latest - began) / own - (time.time() - latest)
    return max(left, 0.0) / 60


def _histories(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders if (path := folder / HISTORY).is_file()]


def _rows(table: Path) -> int:
    return len(files.read_csv(table)) if _is_written(table) else 0


def _is_written(table: Path) -> bool:
    """Whether a table is there; Snakemake makes an empty file for a log that a stage left out."""
    return table.is_file() and table.stat().st_size > 0


def _reasons(folder: Path) -> str:
    """Count what rejected.csv of a stage gives as reasons, e.g. ` (2 no-row, 1 missing-mask)`."""
    table = folder / "rejected.csv"
    rows = read_rows(table, RejectedRow) if _is_written(table) else []
    counts = Counter(row.reason for row in rows)
    told = ", ".join(f"{n} {reason}" for reason, n in counts.most_common())
    return f" ({told})" if told else ""


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def _in_words(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.0f} hours" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
