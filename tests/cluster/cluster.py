"""A Grid Engine, an ordinary user with a Python of their own, and what Snakemake did there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from fresh import copy_project
from fresh import write_commands

GRID = Path(__file__).with_name("grid")
USER = os.environ.get("GRID_USER", "alice")
BASE = Path(os.environ.get("GRID_BASE", "/srv/headstart-grid"))
# What all hosts share, like a project's store; nodes don't see the user's home.
STORE = BASE / "store"
PYTHON = STORE / "python/bin/python"
CLONE = STORE / "clone"
# What all jobs ask for; sge-submit puts their own time and memory in.
LIMITS = "-l h_rt={seconds} -l tmem={memory}M"
# The default site with a cluster's waits cut to a test's.
QUICK = {"interval": 2, "grace": 4, "lost": 20, "margin": 45}


@dataclass
class Grid:
    """A running cluster."""

    hosts: list[str]

    @property
    def master(self) -> str:
        return self.hosts[0]

    @property
    def queues(self) -> str:
        """Where all jobs belong, but those of the tests that take the last host away."""
        return ",".join(f"*@{host}" for host in self.hosts[1:-1] or self.hosts)

    @property
    def always(self) -> str:
        """What all jobs ask with."""
        return f"{LIMITS} -q {self.queues}"

    def command(self, *words: str | Path, host: str | None = None) -> list[str]:
        return [str(GRID), "on", "-u", USER, host or self.master, *map(str, words)]

    def run(self, *words: str | Path, check: bool = True) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, check=check)
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Return the state of each job in the queue."""
        lines = (line.split() for line in self.run("qstat", "-u", USER).splitlines())
        return {words[0]: words[4] for words in lines if words and words[0].isdigit()}


@dataclass
class Snakemake:
    """A run of Snakemake's main process on the master host."""

    process: subprocess.Popen[str]
    output: Path
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0

    @property
    def text(self) -> str:
        return self.output.read_text()

    def end(self, limit: float = 240) -> int:
        """Wait for its end; return the exit code."""
        code = self.process.wait(limit)
        self.seconds = time.monotonic() - self.began
        return code

    def submitted(self) -> list[str]:
        return re.findall(r"external jobid '(\d+)'", self.text)


@dataclass
class Study:
    """A folder of the ordinary user, in which the toy workflow runs."""

    grid: Grid
    folder: Path
    runs: int = 0

    def words(self, *words: str, **config: object) -> list[str]:
        """Return the call of the toy workflow through profiles/sge."""
        settings = {"folder": self.folder / "results", "python": PYTHON, **config}
        return [
            *(
                str(PYTHON),
                "-m",
                "snakemake",
                "--profile",
                "profiles/sge",
                "--snakefile",
                "toy.smk",
            ),
            *("--seconds-between-status-checks", "1", "--latency-wait", "5", "--nocolor"),
            *("--rerun-incomplete", *words),
            *("--config", *(f"{key}={value}" for key, value in settings.items())),
        ]

    def start(
        self, *words: str, environment: dict[str, str] | None = None, **config: object
    ) -> Snakemake:
        """Start the toy workflow, with the site's waits cut short."""
        self.runs += 1
        output = self.folder / f"snakemake-{self.runs}.txt"
        variables = {
            "PATH": f"{self.folder}/shims:{PYTHON.parent}:{self.tools}:{os.environ['PATH']}",
            "HEADSTART_SITE": str(self.folder / "quick.conf"),
            **(environment or {}),
        }
        given = (f"{key}={value}" for key, value in variables.items())
        with output.open("w") as file:
            process = subprocess.Popen(
                self.grid.command("env", *given, *self.words(*words, **config)),
                cwd=self.folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return Snakemake(process, output)

    @property
    def tools(self) -> Path:
        """The folder of the profile's commands."""
        return self.folder / "profiles/sge/bin"

    def shim(self, command: str, text: str) -> None:
        """Put a script before a command of Grid Engine or the profile; it calls that {real}."""
        real = shutil.which(command, path=f"{self.tools}:{os.environ['PATH']}")
        script = self.folder / "shims" / command
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\n{text.format(real=real)}\n")
        script.chmod(0o755)

    def set_site(self, **words: object) -> None:
        """Change words of the site's file."""
        with (self.folder / "quick.conf").open("a") as site:
            site.writelines(f"{key}='{value}'\n" for key, value in words.items())

    def records(self) -> list[Path]:
        """Return the files on this study's jobs: what became of each, and what it printed."""
        return list(self.folder.glob("**/.snakemake/sge/jobs/*"))

    def jobs(self) -> dict[str, str]:
        """Return the state of each of this study's jobs in the queue."""
        own = {record.name for record in self.records()}
        return {job: state for job, state in self.grid.jobs().items() if job in own}

    def show(self) -> None:
        """Print what a failed test would be asked: pytest keeps it for those."""
        print(self.grid.run("qstat", "-f", "-u", "*", check=False))
        logs = self.folder.glob("results*/logs/**/*.log")
        files = [*self.folder.glob("snakemake-*.txt"), *self.records(), *logs]
        tail = ["tail", "--verbose", "--lines=50", *sorted(files)]
        print(subprocess.run(tail, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)

    def clear(self) -> None:
        if jobs := self.jobs():
            self.grid.run("qdel", *jobs, check=False)
            wait_until(lambda: not self.jobs(), 90)

    def result(self, name: str) -> Path:
        return self.folder / "results" / name

    def starts(self, name: str) -> list[str]:
        """Return a line for each time that the job of an output was started."""
        file = self.result("runs") / name
        return file.read_text().splitlines() if file.exists() else []

    def go(self, rule: str = "shard") -> None:
        """Let those jobs of a rule go on that wait for this (modes `wait`, `wait-and-fail`)."""
        (self.folder / f"go-{rule}").touch()

    def wait_for_start(self, name: str, times: int = 1) -> None:
        wait_until(lambda: len(self.starts(name)) >= times, 60)

    def record(self, job: str) -> str:
        return self.result(f".snakemake/sge/jobs/{job}").read_text()


def note(what: str, happened: str, seconds: float) -> None:
    """Add a row to the table of figures."""
    if file := os.environ.get("GRID_FIGURES"):
        with Path(file).open("a") as table:
            table.write(f"| {what} | {happened} | {seconds:.0f} s |\n")


def wait_until(condition: object, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.2)


def make_python() -> None:
    """Give the ordinary user a Python with this one's packages; root's own is closed to them."""
    target = STORE / f"python/lib/python{sysconfig.get_python_version()}/site-packages"
    as_user = ["/usr/bin/python3", "-m", "venv", "--without-pip", str(STORE / "python")]
    subprocess.run(as_user, check=True)
    assert target.exists(), f"/usr/bin/python3 is not Python {sysconfig.get_python_version()}"
    target.rmdir()
    source = sysconfig.get_path("purelib")
    if subprocess.run(["cp", "-al", source, target], capture_output=True).returncode:
        shutil.rmtree(target)
        subprocess.run(["cp", "-a", source, target], check=True)
    # the project is installed from a folder that may be closed to them: theirs is the clone
    for link in target.glob("__editable__*.pth"):
        link.unlink()
    (target / "headstart.pth").write_text(f"{CLONE}/workflow\n")
    write_commands(PYTHON)


def make_clone() -> None:
    """Give the ordinary user a clone of the project."""
    copy_project(CLONE)
    subprocess.run(["chown", "-R", "--no-dereference", f"{USER}:", CLONE], check=True)
