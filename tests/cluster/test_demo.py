"""The demo on the cluster: two experiments side by side, one of them under a short time limit."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cluster import CLONE
from cluster import PYTHON
from cluster import STORE
from cluster import USER
from cluster import Grid
from cluster import note
from cluster import wait_until

from headstart.common import files
from headstart.common.run_id import RunId
from headstart.training.card import ModelCard

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

EPOCHS = 10
SLOW = """
import os, time
from headstart.training.sfcn import SFCN

class Slow(SFCN):
    def forward(self, volumes):
        if self.training:
            time.sleep(float(os.environ.get("SECONDS_PER_STEP", 0)))
        return super().forward(volumes)
"""
RUN = RunId("slow", 0, 0)


def cut_demo(project: Path, always: str) -> None:
    """Give the demo fewer subjects and epochs, and a training that is slow on the cluster."""
    config = yaml.safe_load((project / "config/config.yaml").read_text())
    config["fetch"] = {"demo_subjects": 24}
    config["prepare"]["shards"] = 2
    experiments = config["experiments"]
    for experiment in experiments.values():
        if "train" in experiment:
            experiment["train"]["epochs"] = 2
    network = {
        "network": "slow.py:Slow",
        "network_arguments": {"channels": [8, 8, 8, 8, 8]},
        "epochs": EPOCHS,
    }
    experiments["slow"] = {"like": "age", "train": network}
    config["new_scans"] = {
        "again": {"scans": "data/demo/subjects/Sub_101", "experiment": "age", "shards": 2}
    }
    (project / "config/cut.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (project / "slow.py").write_text(SLOW)
    # the GPUs are make-believe; a turn has 40 s for its start and for steps of 2 s, more than 20 of
    # which are to be done, and 80 s to put away what it has, however busy the machine is
    site = (project / "profiles/sge/sites/ucl-cs.conf").read_text()
    before = "export HEADSTART_DEVICE=cpu SECONDS_PER_STEP=2"
    scratch = f"scratch_folder='{STORE}/scratch/$JOB_ID'"
    quick = f"always='{always}'\ninterval=2\ngrace=4\nmargin=80\nbefore='{before}'\n{scratch}\n"
    (project / "quick.conf").write_text(site + quick)
    subprocess.run(["chown", "-R", "--no-dereference", f"{USER}:", project], check=True)


def test_demo(grid: Grid) -> None:
    project = STORE / "demo"
    shutil.copytree(CLONE, project, symlinks=True)
    cut_demo(project, grid.always)
    results = project / "results"

    def start(name: str, *words: str) -> subprocess.Popen[str]:
        environment = (
            f"PATH={PYTHON.parent}:/usr/bin:/bin",
            f"HEADSTART_SITE={project}/quick.conf",
        )
        snakemake = (
            *("snakemake", "-p", "--profile", "sge", *words, "--configfile", "config/cut.yaml"),
            *("--seconds-between-status-checks", "2", "--latency-wait", "10", "--nocolor"),
        )
        with (project / f"{name}.txt").open("w") as said:
            return subprocess.Popen(
                grid.command("env", *environment, *snakemake),
                cwd=project,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
            )

    began = time.monotonic()
    told = {name: project / f"{name}.txt" for name in ("cohort", "first", "second", "again")}
    assert start("cohort", "cohort").wait(300) == 0, told["cohort"].read_text()
    short = ("--set-resources", "train:runtime=2", "train:scratch_mb=input.size_mb")
    first = start("first", f"demo/{RUN.trained}/model.json", *short)
    attempts = results / "demo/runs"
    wait_until(lambda: first.poll() is not None or list(attempts.glob("*/attempt-1")), 120)
    folders = ("age", "sex", "tissue", "cohort")
    second = start("second", *(f"demo/figures/{folder}/manifest.json" for folder in folders))
    assert second.wait(480) == 0, told["second"].read_text()
    assert first.wait(480) == 0, told["first"].read_text()
    note("the demo, two runs side by side", "all done, rc 0", time.monotonic() - began)
    for folder in folders:
        assert list((results / f"demo/figures/{folder}").glob("*.pdf"))

    # new scans, by networks that are finished: a job for each share, and one that gathers them
    assert start("again", "new_scans").wait(240) == 0, told["again"].read_text()
    answers = files.read_csv(results / "demo/new-scans/again/answers.csv")
    assert len(answers) == len(list((project / "data/demo/subjects/Sub_101").rglob("*.nii.gz")))
    records = [path for path in (results / ".snakemake/sge/jobs").iterdir() if not path.suffix]
    assert sum("hs.predict_shard.again" in path.read_text() for path in records) == 2

    # the job of the slow training: what it asked for, its turns, its volumes on local disk
    [record] = [
        path
        for path in (results / ".snakemake/sge/jobs").iterdir()
        if re.search(r"submitted .* hs\.train\.slow", path.read_text())
    ]
    turns = record.read_text().count("started")
    assert turns > 1
    assert record.with_suffix(".log").read_text().count("it goes on in its next turn") == turns - 1
    log = (results / "demo" / RUN.log).read_text()
    assert f"copied to {STORE}/scratch/{record.name}/prepare" in log
    assert not (STORE / "scratch" / record.name).exists()
    seconds = ModelCard.read(results / "demo" / RUN.trained).seconds

    # the printed command by itself, in one piece
    [command] = re.findall(
        r"^Shell command: (headstart train .*) 2> ", told["first"].read_text(), re.M
    )
    whole = command.replace("demo/runs", "whole/runs").replace(
        f"demo/{RUN.trained}", "whole/published"
    )
    subprocess.run(
        grid.command(
            *("env", f"PATH={PYTHON.parent}:/usr/bin:/bin", f"PYTHONPATH={project}/workflow"),
            *("bash", "-c", whole),
        ),
        cwd=results,
        check=True,
    )
    for name in ("history.csv", "model.safetensors"):
        assert (results / "demo" / RUN.trained / name).read_bytes() == (
            results / "whole/published" / name
        ).read_bytes()
    note(
        f"a training of {seconds:.0f} s under a limit of 120 s",
        f"{turns} turns of one job, history and weights as in one piece",
        time.monotonic() - began,
    )
