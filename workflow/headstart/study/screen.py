"""What a run shows on the screen: a line per stage and per epoch, and how it ended.

The workflow's logger hands over what Snakemake does, job by job; nothing here knows Snakemake.
"""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.stopping import STOPPED
from headstart.common.text import counted
from headstart.common.text import duration
from headstart.study.estimates import measured
from headstart.study.jobs import TARGETS
from headstart.study.jobs import Job
from headstart.study.jobs import by_stage
from headstart.study.jobs import in_words
from headstart.study.settings import Settings
from headstart.study.stages import before_training
from headstart.study.status import Study
from headstart.study.status import last_error

# Seconds between two looks at the logs of trainings.
POLL = 2.0
MOST_FAILURES = 5
# Snakemake's refusals, by the name of the exception: what is wrong, and what to type.
REFUSALS = {
    "LockException": "{study} is locked: another snakemake is at work on it, or one was killed; "
    "`headstart status {called}` says which, and what to type",
    "MissingRuleException": "{said}; leave this target out, or take one of "
    "`snakemake --list-target-rules`",
}
# Snakemake's option takes every word that follows, also what is meant for a target.
NO_PAIR = re.compile(r"Unparsable value: '(.*)'\)")
WORDLESS = "it was killed, or ended without a word"


class Screen:
    """The lines of one run.

    Args:
        settings: The settings.
        words: The words of the command line, without `snakemake`.
        say: Prints a line.
    """

    def __init__(self, settings: Settings, words: Sequence[str], say: Callable[[str], None]):
        self.settings = settings
        self.command = shlex.join(["snakemake", *words])
        self.say = say
        self.jobs: dict[int, Job] = {}
        self.began: dict[int, float] = {}
        self.logs: dict[int, int | None] = {}
        self.left: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.failed: dict[int, tuple[Job, str]] = {}
        self.took: defaultdict[str, float] = defaultdict(float)
        self.start = time.monotonic()
        self._told: set[str] = set()
        self._epochs = EpochLines(self._line)

    def planned(self, rules: Mapping[str, int]) -> None:
        """Take how many jobs of each rule there are to do, and say it."""
        self.left = by_stage(rules)
        self.say(f"{self.settings.config.study}: {in_words(self.left)}")

    def job_began(self, number: int, job: Job) -> None:
        """Take a job that was started, or put into a queue."""
        self.jobs[number], self.began[number] = job, time.monotonic()
        self.logs[number] = _stamp(self.settings.results / job.log)
        if job.stage == "train":
            for stage in before_training():
                self._tell_stage(stage)
            self._epochs.follow(job.name, self.settings.results / job.log)

    def job_finished(self, number: int) -> None:
        """Take a job that came to its end."""
        job = self.jobs.get(number)
        if job is None or job.rule in TARGETS:
            return
        self.failed.pop(number, None)
        self.done[job.stage] += 1
        took = self._seconds(number, job)
        self.took[job.stage] += took
        if job.stage == "train":
            self._epochs.forget(job.name)
            self._line(f"{job.name}: done in {duration(took)}")
        if self.done[job.stage] == self.left[job.stage]:
            self._tell_stage(job.stage)

    def job_failed(self, number: int, said: str | None) -> None:
        """Take a job that failed, and what Snakemake says of it; it may be tried again."""
        job = self.jobs[number]
        log = self.settings.results / job.log
        # a job that never began leaves the log of an earlier one
        why = last_error(log) if _stamp(log) != self.logs[number] else None
        why = why or said or WORDLESS
        self._epochs.forget(job.name)
        ended = "" if why.startswith(STOPPED) else "FAILED: "
        self._line(f"{job.name}: {ended}{why.splitlines()[0]}")
        self.failed[number] = (job, why)

    def end(self, refusals: Sequence[tuple[str, str]], *, stopped: bool) -> Iterator[str]:
        """Say how the run ended; in lines, the last of which tells what to type.

        Args:
            refusals: Snakemake's exceptions: their class and text.
            stopped: Whether the user stopped it.
        """
        self._epochs.stop()
        study, called = self.settings.config.study, self.settings.called
        for stage in self.done:
            self._tell_stage(stage)
        if stopped:
            # what the user stopped has not failed, though it may have had no time to say so
            self.failed = {
                number: (job, why)
                for number, (job, why) in self.failed.items()
                if why != WORDLESS and not why.startswith(STOPPED)
            }
        if self.failed:
            yield from self._failures()
        elif stopped:
            yield "headstart: stopped by you; what is done is kept. The same command goes on:"
            yield f"  {self.command}"
        elif refusals:
            yield from self._refusals(refusals)
        elif self.done:
            yield f"done in {duration(time.monotonic() - self.start)}: `headstart status {called}`"
        else:
            yield f"{study}: nothing to do, all is there: `headstart status {called}`"

    def _failures(self) -> Iterator[str]:
        """Say the same mistake once, however many jobs met it."""
        groups: dict[str, list[Job]] = {}
        for job, why in self.failed.values():
            groups.setdefault(why, []).append(job)
        for why, jobs in list(groups.items())[:MOST_FAILURES]:
            more = f" and {counted(len(jobs) - 1, 'job')} more" if len(jobs) > 1 else ""
            yield f"headstart: {jobs[0].name}{more}: {why}"
            if jobs[0].log:
                yield f"  its log: {self._place(self.settings.results / jobs[0].log)}"
        if len(groups) > MOST_FAILURES:
            yield f"  and {counted(len(groups) - MOST_FAILURES, 'other mistake')}"
        yield "What is done is kept. Fix what is said above, then type the same command:"
        yield f"  {self.command}"

    def _refusals(self, refusals: Sequence[tuple[str, str]]) -> Iterator[str]:
        kind, text = refusals[-1]
        if kind in REFUSALS:
            said = " ".join(_lines(kind, text)).partition(" (if you")[0]
            settings = self.settings
            words = {"study": settings.config.study, "called": settings.called, "said": said}
            yield f"headstart: {REFUSALS[kind].format(**words)}"
        else:
            yield from said_by_snakemake(kind, text)

    def _tell_stage(self, stage: str) -> None:
        if stage in self._told or not self.done[stage]:
            return
        self._told.add(stage)
        # its jobs' own times, one after the other as in a plan: other stages' jobs ran between them
        took = duration(self.took[stage])
        found = "" if stage == "fetch" else self._found(stage)
        jobs = counted(self.done[stage], "job")
        self._line(f"{stage}: {jobs} in {took}{found and f': {found}'}")

    def _seconds(self, number: int, job: Job) -> float:
        """How long a job took, without the time that it lay in a queue where that is known."""
        seen = measured(self.settings.results / job.benchmark) if job.benchmark else None
        return time.monotonic() - self.began[number] if seen is None else seen

    def _found(self, stage: str) -> str:
        folder = self.settings.results / self.settings.config.study
        study = Study(folder, self.settings.slices, since=0, locked=False, snakemake=None)
        try:
            return study.findings(stage)
        except (OSError, UserError):  # it was not all of the stage that ran
            return ""

    def _line(self, text: str) -> None:
        self.say(f"{time.strftime('%H:%M:%S')}  {text}")

    def _place(self, path: Path) -> Path:
        project = self.settings.project
        return path.relative_to(project) if path.is_relative_to(project) else path


def said_by_snakemake(kind: str, text: str) -> Iterator[str]:
    """Hand on what only Snakemake has words for; the last line is ours."""
    lines = _lines(kind, text)
    if no_pair := NO_PAIR.search(text):
        yield (
            f"headstart: --config takes KEY=VALUE, and '{no_pair[1]}' is none; a target comes "
            "before it: snakemake TARGET --config KEY=VALUE"
        )
        return
    if len(lines) == 1:
        yield f"headstart: {lines[0]}"
        return
    yield from lines
    if any(line.startswith("Traceback ") for line in lines):
        yield f"headstart: our mistake, not yours: {lines[-1]}; report what stands above"
    else:
        yield f"headstart: snakemake stopped for what stands above ({kind})"


def _lines(kind: str, text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    return [line for line in lines if line != f"{kind}:"] or [kind]


class EpochLines:
    """Follows the logs of trainings, on this machine or on any that writes to the same disk."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._logs: dict[str, _Tail] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, name: str, log: Path) -> None:
        """Follow a training's log from its next beginning on."""
        with self._lock:
            self._logs[name] = _Tail(log)
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def forget(self, name: str) -> None:
        """Say what a training wrote last, and follow it no more."""
        with self._lock:
            self._look(name)
            self._logs.pop(name, None)

    def stop(self) -> None:
        """Say what all trainings wrote last, and end."""
        self._done.set()
        for name in list(self._logs):
            self.forget(name)

    def _watch(self) -> None:
        while not self._done.wait(POLL):
            for name in list(self._logs):
                with self._lock:
                    self._look(name)

    def _look(self, name: str) -> None:
        for line in self._logs[name].lines() if name in self._logs else ():
            if line.startswith(("epoch ", "warning: ")):
                self._say(f"{name}: {line}")


class _Tail:
    """New lines of a file that an earlier run may have left, and that begins again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._old = _stamp(path)
        self._read = 0

    def lines(self) -> list[str]:
        """Return the whole lines that were written since the last call."""
        stamp = _stamp(self._path)
        if stamp is None or stamp == self._old:
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
