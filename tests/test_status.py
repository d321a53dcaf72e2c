"""`headstart status`: every state that a study and its trainings can be in, in words."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from headstart.cli import main
from headstart.parts import files
from headstart.parts import runs
from headstart.parts.config import read_config
from headstart.parts.errors import UserError
from headstart.parts.settings import Settings
from headstart.parts.standing import Study
from headstart.parts.standing import Training
from headstart.parts.standing import last_error

RAW: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}}],
    "prepare": {"window": [48, 48, 48], "shards": 3},
    "experiments": {
        "age": {"task": "regression", "target": "age", "train": {"network": "sfcn", "epochs": 10}}
    },
}
PLACE = "age/main/fold-0/seed-0"


class Store:
    """A study whose only training can be put into any state."""

    def __init__(self, project: Path) -> None:
        self.results = project / "results"
        self.folder = self.results / "small"
        self.log = self.folder / "logs/train/age/fold-0/seed-0.log"
        self.run = self.folder / "runs/0123456789abcdef"
        config = read_config(RAW)
        settings = Settings(config, project, codes={}, listing="", package="", networks={})
        self.slice = json.loads(settings.slice("train", experiment="age", fold=0, seed=0))
        files.write_json(self.folder / "config.json", config.model_dump(mode="json"))
        self.age(self.folder / "config.json", 3600)

    def age(self, path: Path, seconds: float) -> None:
        then = time.time() - seconds
        os.utime(path, (then, then))

    def attempt(self, number: int, epochs: int, beat: float, owner: str = "elsewhere 1") -> Path:
        """Make an attempt whose last heartbeat was so many seconds ago."""
        attempt = self.run / f"attempt-{number}"
        attempt.mkdir(parents=True)
        files.write_json(self.run / "run.json", {"settings": self.slice})
        (attempt / "heartbeat").write_text(f"{owner}\n")
        self.age(attempt / "heartbeat", beat)
        if epochs:
            self.history(attempt, epochs)
        return attempt

    def history(self, folder: Path, epochs: int) -> None:
        errors = [9.0 - epoch if epoch < 4 else 6.0 for epoch in range(1, epochs + 1)]
        table = {"epoch": range(1, epochs + 1), "train_loss": 1.0, "inner_mae": errors}
        files.write_csv(folder / "history.csv", pd.DataFrame(table))

    def publish(self, **settings: Any) -> None:
        folder = self.folder / "train" / PLACE
        self.history(folder, 10)
        card = {"settings": self.slice | settings, "seconds_per_epoch": [30.0] * 10}
        files.write_json(folder / "model.json", card)

    def fail(self, said: str, ago: float = 60) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text(f"epoch 1/10  train loss 1\n{said}\n")
        self.age(self.log, ago)

    def read(self, snakemake: int | None = None) -> Study:
        found = Study.read(self.results, "small", self.results.parent)
        return Study(found.folder, found.settings, found.since, found.locked, snakemake)

    def training(self, snakemake: int | None = None) -> Training:
        (training,) = self.read(snakemake).trainings()
        return training


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "project")


def test_not_started(store: Store) -> None:
    assert (store.training().state, store.training().why) == ("queued", "not started yet")


def test_starting(store: Store) -> None:
    store.fail("")
    assert (store.training(snakemake=7).state, store.training(7).why) == ("running", "starting")
    assert store.training().state == "queued"


def test_running(store: Store) -> None:
    attempt = store.attempt(1, epochs=4, beat=1)
    # four epochs in 120 s, the last of them 10 s ago
    store.age(store.run / "run.json", 130)
    store.age(attempt / "history.csv", 10)
    training = store.training()
    assert (training.state, training.epoch, training.epochs) == ("running", 4, 10)
    assert training.best == ("mae", 6.0, 3)
    assert training.minutes == pytest.approx((6 * 30 - 10) / 60, abs=0.02)


def test_running_again_after_a_kill(store: Store) -> None:
    store.attempt(1, epochs=4, beat=900)
    attempt = store.attempt(2, epochs=0, beat=1)
    training = store.training()
    # epochs of an earlier attempt tell nothing about the pace of this one
    assert (training.state, training.epoch, training.minutes) == ("running", 4, None)
    store.history(attempt, 6)
    store.age(store.run / "run.json", 60)
    store.age(attempt / "history.csv", 0)
    assert store.training().minutes == pytest.approx(4 * 30 / 60, abs=0.02)


def test_killed(store: Store) -> None:
    store.attempt(1, epochs=4, beat=12 * 60)
    training = store.training()
    assert training.state == "dead"
    assert training.why == "killed: its heartbeat is 12 minutes old; goes on after epoch 4"
    # a new Snakemake run will come to it
    store.age(store.folder / "config.json", 30)
    assert store.training(snakemake=7).state == "queued"
    assert store.training().state == "dead"


def test_killed_this_instant_on_this_machine(store: Store) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    store.attempt(1, epochs=0, beat=1, owner=f"{socket.gethostname()} {process.pid}")
    assert store.training().why == "killed: its process is gone; starts anew"


def test_failed_with_a_reason(store: Store) -> None:
    attempt = store.attempt(1, epochs=1, beat=60)
    os.utime(attempt / "heartbeat", (0, 0))
    store.fail("headstart: the loss is nan in epoch 2; lower train.learning_rate")
    training = store.training()
    assert training.state == "failed"
    assert training.why == "the loss is nan in epoch 2; lower train.learning_rate"


def test_failed_before_the_first_attempt(store: Store) -> None:
    store.fail("headstart: split.csv: nobody is left")
    assert (store.training().state, store.training().why) == ("failed", "split.csv: nobody is left")
    # an error of an earlier run is not this run's
    store.fail("headstart: split.csv: nobody is left", ago=7200)
    assert store.training().state == "queued"


def test_finished(store: Store) -> None:
    store.attempt(1, epochs=10, beat=60)
    store.publish()
    training = store.training()
    assert (training.state, training.minutes, training.best) == ("finished", 5.0, ("mae", 6.0, 3))
    assert training.history == store.folder / "train" / PLACE / "history.csv"


def test_a_network_of_other_settings_is_not_this_one(store: Store) -> None:
    store.publish(seed=3)
    assert store.training().state == "queued"


def test_finished_in_the_store_but_not_published(store: Store) -> None:
    runs.finish(store.attempt(1, epochs=10, beat=900))
    assert store.training().state == "queued"
    assert "in the run store" in store.training().why


def test_the_choice_of_the_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = {"network": "sfcn", "epochs": 10, "choose": "last"}
    monkeypatch.setitem(RAW["experiments"]["age"], "train", train)
    store = Store(tmp_path / "project")
    store.attempt(1, epochs=5, beat=1)
    assert store.training().best == ("mae", 6.0, 5)


def test_stages(store: Store) -> None:
    stages = {stage.name: stage for stage in store.read().stages()}
    assert list(stages) == [
        *("label", "check", "split", "prepare", "train", "predict", "evaluate", "plot")
    ]
    assert (stages["prepare"].done, stages["prepare"].parts) == (0, 3)
    for name, rows in (("labels", 12), ("rejected", 2)):
        table = pd.DataFrame({"subject": range(rows)})
        files.write_csv(store.folder / f"label/{name}.csv", table)
    files.write_json(store.folder / "prepare/shard-1.json", {})
    log = store.folder / "logs/prepare/2.log"
    log.parent.mkdir(parents=True)
    log.write_text("headstart: scan.nii.gz: not a scan\n")
    stages = {stage.name: stage for stage in store.read().stages()}
    assert stages["label"].told == "12 scans; 2 entries turned away"
    assert (stages["prepare"].done, stages["prepare"].told) == (
        1,
        "failed: scan.nii.gz: not a scan",
    )


def test_last_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_error(log) is None
    for text, error in (
        ("", None),
        ("epoch 1/2\nheadstart is fine\n", None),
        ("headstart: a: b; c\n", "a: b; c"),
        ("Traceback (most recent call last):\n  x\nMemoryError\n\n", "MemoryError"),
    ):
        log.write_text(text)
        assert last_error(log) == error


def status(store: Store, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["status", "small", "--results", str(store.results)]) == 0
    return capsys.readouterr().out


def test_the_table_fits_100_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = {"age" * 20: RAW["experiments"]["age"], **RAW["experiments"]}
    monkeypatch.setitem(RAW, "experiments", experiments)
    monkeypatch.chdir(tmp_path)
    store = Store(Path("project"))
    os.utime(store.attempt(1, epochs=3, beat=60) / "heartbeat", (0, 0))
    store.fail(f"headstart: {'the loss is nan, ' * 20}; lower train.learning_rate")
    text = status(store, capsys)
    commands = [line for line in text.splitlines() if line.startswith("  ") and "=" in line]
    assert all(len(line) <= 100 for line in text.splitlines() if line not in commands), text
    assert " ".join(text.split()).count("the loss is nan") == 20
    assert "lower train.learning_rate" in " ".join(text.split())
    assert "2 trainings: 1 queued, 1 failed" in text


def test_the_next_command(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = store.results.parent
    monkeypatch.chdir(project)
    resolved = store.folder / "config.json"
    assert f"\n  snakemake --cores 2 --configfile {resolved}\n" in status(store, capsys) + "\n"
    (project / "config").mkdir()
    (project / "config/broken.yaml").write_text("[")
    (project / "config/my.yaml").write_text("study: small\n")
    assert "\n  snakemake --cores 2 --configfile config/my.yaml" in status(store, capsys)
    (project / "config/config.yaml").write_text("study: small\n")
    assert status(store, capsys).endswith("  snakemake --cores 2\n")
    locks = store.results / ".snakemake/locks"
    locks.mkdir(parents=True)
    assert "--unlock" not in status(store, capsys)
    (locks / "0.input.lock").touch()
    assert "\n  snakemake --unlock\n" in status(store, capsys)
    store.publish()
    curves = store.folder / "train" / PLACE / "history.csv"
    assert f"headstart plot --terminal {curves}" in status(store, capsys)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
def test_a_living_snakemake_is_found(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, "-c", "input(1)", "-m", "snakemake"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=store.results, **pipes) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # its words are in /proc a moment after it was started
        text = status(store, capsys)
        assert f"snakemake is at work: process {process.pid} on this machine" in text
        assert "--unlock" not in text
        assert "--cores" not in text
        process.communicate(b"\n")
    assert "no snakemake is at work" in status(store, capsys)


def test_no_such_study(store: Store) -> None:
    with pytest.raises(UserError, match="has no study 'big'; there are: small"):
        Study.read(store.results, "big", Path())


def test_it_starts_without_the_heavy_libraries() -> None:
    program = (
        "import sys, headstart.helps.status, headstart.helps.vary, headstart.parts.replan\n"
        "print({'torch', 'monai', 'matplotlib', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
