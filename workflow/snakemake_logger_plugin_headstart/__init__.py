"""What a run shows on the screen: `logger: headstart` in profiles/default.

Snakemake imports a package of this name by itself, and makes the handler before it looks at a study
or a Snakefile. It hands each of Snakemake's records to a `Screen` of the package headstart, which
has the words. headstart is imported late: the Snakefile first says where its own copy is.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from typing import ClassVar

from snakemake.settings import types
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

STOPPED = ("Terminating processes on user request", "Will exit after finishing")
# Said when a job has failed, which has said why.
FOLLOWS = (
    "At least one job did not complete successfully.",
    "Exiting because a job execution failed. Look above for error messages",
)


def _find_cache() -> None:
    """Give Snakemake's cache a place in the project where there is no home: it is made next."""
    home = os.path.expanduser("~")  # noqa: PTH111 Path's raises where nobody knows the home
    cache = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache")
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    if not os.access(cache, os.W_OK):
        os.environ["XDG_CACHE_HOME"] = str(Path(".snakemake/cache").absolute())


class LogHandler(LogHandlerBase):
    """One line per stage and epoch in place of Snakemake's own, and the last line of a failure."""

    # The settings, once the Snakefile knows them.
    study: ClassVar[Any] = None

    def __post_init__(self) -> None:
        """See how much is to be said, and keep study files from Snakemake."""
        _find_cache()
        asked = self.common_settings
        self.native = bool(asked.printshellcmds or asked.verbose or asked.debug_dag)
        self.silent = Quietness.ALL in (asked.quiet or ())
        self.screen: Any = None
        self.stopped = self.closed = False
        self.planned: list[Any] = []
        self.stats: dict[str, int] = {}
        self.refusals: list[tuple[str, str]] = []
        self.remarks: list[str] = []
        # .snakemake/log has the command of each job in any case
        asked.printshellcmds = True
        # Snakemake would run Python that stands in a study file: the Snakefile reads it instead
        types.load_configfile = lambda _: {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take one of Snakemake's records."""
        try:
            self._take(getattr(record, "event", None), record)
        except Exception as error:
            self._print(f"headstart: our mistake, in what is shown here: {error!r}")

    def close(self) -> None:
        """Say the last words."""
        if not self.closed:
            self.closed = True
            try:
                for line in self._last_words():
                    self._print(line)
            except Exception as error:
                self._print(f"headstart: our mistake, in what is shown here: {error!r}")
        super().close()

    def _take(self, event: LogEvent | None, record: Any) -> None:
        if event == LogEvent.WORKFLOW_STARTED and self.study is not None:
            from headstart.study.screen import Screen

            quiet = self.native or self.silent
            say = (lambda _: None) if quiet else self._print
            self.screen = Screen(self.study, sys.argv[1:], say)
        elif event == LogEvent.ERROR:
            if record.msg not in FOLLOWS:
                self.refusals.append((record.exception, record.msg))
        elif event is None:
            self._take_text(record)
        elif self.screen is not None:
            self._take_job(event, record)

    def _take_text(self, record: logging.LogRecord) -> None:
        text = record.msg or ""
        self.stopped |= text.startswith(STOPPED)
        if self.native or self.silent or text in FOLLOWS:
            return
        if self.screen is None:
            self.remarks.append(text)
        elif record.levelno >= logging.WARNING:
            self._print(text)

    def _take_job(self, event: LogEvent, record: Any) -> None:
        from headstart.study.jobs import Job

        if event == LogEvent.RUN_INFO:
            self.stats = record.stats
            if not self.common_settings.dryrun:
                self.screen.planned(record.stats)
        elif event == LogEvent.JOB_INFO:
            job = Job(
                record.rule_name,
                dict(record.wildcards),
                record.reason,
                *(str(next(iter(files or ()), "")) for files in (record.log, [record.benchmark])),
            )
            if self.common_settings.dryrun:
                self.planned.append(job)
            else:
                self.screen.job_began(record.jobid, job)
        elif event == LogEvent.JOB_FINISHED:
            self.screen.job_finished(record.job_id)
        elif event == LogEvent.JOB_ERROR:
            self.screen.job_failed(record.jobid, record.rule_msg)

    def _last_words(self) -> Any:
        from headstart.study.screen import said_by_snakemake
        from headstart.study.work_plan import work_plan
        from headstart.study.work_plan import work_totals

        dry = self.common_settings.dryrun
        if self.screen is None:
            yield from self.remarks
            for kind, text in self.refusals:
                yield from said_by_snakemake(kind, text)
        elif dry and not self.refusals:
            if self.stats and not self.planned:  # with --quiet, Snakemake tells no single jobs
                yield from work_totals(self.study, self.stats)
            else:
                yield from work_plan(self.study, self.planned)
        elif self.refusals or self.screen.failed or not self.silent:
            yield from self.screen.end(self.refusals, stopped=self.stopped)

    def _print(self, line: str) -> None:
        print(line, file=sys.stdout if self.common_settings.dryrun else sys.stderr, flush=True)

    @property
    def writes_to_stream(self) -> bool:
        """Whether Snakemake's own lines are not wanted."""
        return not self.native

    @property
    def writes_to_file(self) -> bool:
        """Snakemake writes its log itself."""
        return False

    @property
    def has_filter(self) -> bool:
        """All records are needed."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Records are told in other words."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False
