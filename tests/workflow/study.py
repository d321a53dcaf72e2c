"""A tiny study, and what Snakemake did with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import yaml

NETWORK = '''
import os
import time

import torch


class Net(torch.nn.Module):
    """Mean of 8 blocks, then one linear layer; fails or dawdles when a test asks for it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool3d(2)
        self.head = torch.nn.Linear(8 * in_channels, out_channels)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps > int(os.environ.get("FAIL_AFTER_STEPS", 1_000_000)):
            raise RuntimeError("the test asked for a failure")
        time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0)))
        return self.head(self.pool(x).flatten(1))
'''


CONFIG = ("--configfile", "config/tiny.yaml")
# What follows the results of an experiment, and the training before them.
FROM_RESULTS = Counter(plot_curves=1, plot_evaluation=1, manifest=1, report=1)
FROM_TRAINING = Counter(train=1, predict=1, evaluate=1) + FROM_RESULTS
FROM_BOTH_TRAININGS = FROM_TRAINING + FROM_TRAINING - Counter(report=1)  # one report for both
# What comes on top where two experiments ask for the same target of the same subjects.
FROM_COMPARED = Counter(compare=1, plot_experiments=1, manifest=1)


@dataclass
class Run:
    """What one call of snakemake printed and started."""

    code: int
    text: str
    jobs: Counter[str]


@dataclass
class Checkout:
    """A copy of the project with a tiny study in it."""

    folder: Path

    @property
    def study(self) -> Path:
        return self.folder / "results" / "tiny"

    def config(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "config/tiny.yaml").read_text())

    def configure(self, config: dict[str, Any]) -> None:
        (self.folder / "config/tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    @property
    def snakemake_itself(self) -> list[str]:
        return [sys.executable, "-m", "snakemake"]

    def command(self, *words: str) -> list[str]:
        # the config last: --configfile would take a target that follows for a second file
        study = () if "--configfile" in words else CONFIG
        # with -p it is Snakemake that tells what it does, job by job
        return [*self.snakemake_itself, "--cores", "2", "-p", *words, *study]

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HEADSTART", "PYTHON"))}
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        return kept | {"PATH": path}

    def snakemake(self, *words: str, **environment: str) -> Run:
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        return Run(done.returncode, text, jobs_in(text))

    def shell(self, command: str) -> None:
        """Run a command where Snakemake runs it."""
        folder = self.folder / "results"
        subprocess.run(command, shell=True, cwd=folder, env=self.environment(), check=True)

    def done(self, *words: str, **environment: str) -> Counter[str]:
        """Run snakemake to its end; return how many jobs of each rule it finished."""
        run = self.snakemake(*words, **environment)
        assert run.code == 0, run.text
        return run.jobs

    def planned(self, *words: str) -> Counter[str]:
        """Dry-run; return how many jobs of each rule would run."""
        run = self.snakemake("-n", *words)
        assert run.code == 0, run.text
        return planned(run.text)

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert before in text, f"{before!r} is not in {file}"
        path.write_text(text.replace(before, after, 1))


def planned(text: str) -> Counter[str]:
    """Count the jobs that a dry run lists, by rule; `all` does not count."""
    jobs: Counter[str] = Counter()
    table = text.split("Job stats:")[1].split("\n\n")[0] if "Job stats:" in text else ""
    for line in table.splitlines()[3:]:
        rule, count = line.split()
        jobs[rule] = int(count)
    del jobs["all"], jobs["total"]
    return jobs


def jobs_in(text: str) -> Counter[str]:
    """Count the jobs that a run finished, by rule; `all` does not count."""
    finished: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("Finished jobid:"):
            finished[line.split("Rule: ")[1].rstrip(")")] += 1
    del finished["all"]
    return finished


def write_scan(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(100, 20, (12, 12, 12))
    nib.save(nib.Nifti1Image(noise.astype(np.int16), np.diag([4, 4, 4, 1])), path)


def write_study(folder: Path, subjects: int = 12) -> None:
    scans = folder / "scans"
    rows = ["ID,Age,Sex,Hand"]
    for number in range(101, 101 + subjects):
        write_scan(scans / f"Sub_{number}" / "T1.nii.gz", number)
        rows.append(f"Sub_{number},{20 + number % 40},{'FM'[number % 2]},R")
    (scans / "participants.csv").write_text("\n".join(rows) + "\n")
    train = {"network": "tiny_net.py:Net", "epochs": 2, "threads": 1, "batch_size": 4}
    config = {
        "study": "tiny",
        "root": "scans",
        "data": [
            {
                "source": "own",
                "path": ".",
                "channels": {"T1": "{subject}/T1.nii.gz"},
                "table": {"path": "participants.csv", "column": "ID"},
                "labels": {"age": "Age", "sex": "Sex"},
            }
        ],
        "split": {"test": 0.2, "folds": 2, "validation": 0.3},
        "prepare": {"voxel_size": [4, 4, 4], "window": [12, 12, 12], "shards": 2},
        "experiments": {
            "age": {"task": "regression", "target": "age", "train": dict(train)},
            "sex": {"task": "classification", "target": "sex", "train": dict(train)},
        },
        "final": "age",
    }
    (folder / "tiny_net.py").write_text(NETWORK)
    Checkout(folder).configure(config)
