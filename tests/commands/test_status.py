"""`headstart status`: every state that a study and its trainings can be in, in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cards import make_card
from cards import make_identity
from rows import label_rows
from small_study import SmallStudy

from headstart.cli import main
from headstart.cohort.pairs import PairRow
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common import processes
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.common.text import duration
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.imaging.scan_rows import CheckRow
from headstart.study.config import read_config
from headstart.study.slices import Slices
from headstart.study.stages import STAGES
from headstart.study.stages import Stage
from headstart.study.status import Study
from headstart.study.status import Training
from headstart.study.status import last_error
from headstart.study.status_text import describe_study
from headstart.training import run_store
from headstart.training.card import Count
from headstart.training.card import Counts
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.spent import Spent

RAW: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}}],
    "prepare": {"window": [48, 48, 48], "shards": 3},
    "experiments": {
        "age": {"task": "regression", "target": "age", "train": {"network": "sfcn", "epochs": 10}}
    },
}
AGE = RunId("age", 0, 0)


class Store:
    """A study whose only training can be put into any state."""

    def __init__(self, project: Path) -> None:
        self.results = project / "results"
        self.folder = self.results / "small"
        self.log = self.folder / AGE.log
        self.run = self.folder / "runs/0123456789abcdef"
        config = read_config(RAW)
        self.settings = Slices(config, project).train(*AGE)
        files.write_json(self.folder / "config.json", config.model_dump(mode="json"))
        self.age(self.folder / "config.json", 3600)

    def age(self, path: Path, seconds: float) -> None:
        then = time.time() - seconds
        os.utime(path, (then, then))

    def attempt(self, number: int, epochs: int, beat: float, owner: str = "elsewhere 1") -> Path:
        """Make an attempt whose last heartbeat was so many seconds ago."""
        attempt = self.run / f"attempt-{number}"
        attempt.mkdir(parents=True)
        run_store.write_identity(self.run, make_identity(self.settings))
        (attempt / "heartbeat").write_text(f"{owner}\n")
        self.age(attempt / "heartbeat", beat)
        if epochs:
            self.history(attempt, epochs)
        return attempt

    def history(self, folder: Path, epochs: int) -> None:
        errors = [9.0 - epoch if epoch < 4 else 6.0 for epoch in range(1, epochs + 1)]
        choose = self.settings.train.keep
        chosen = epochs if choose == "last" else 1 + errors.index(min(errors))
        rows = enumerate(errors, start=1)
        told = tuple(Epoch(number, 0.001, 1.0, 1.0, {"mae": error}) for number, error in rows)
        History("mae", told, chosen).write(folder / "history.csv")

    def publish(self, took: dict[str, Any] | None = None, **settings: Any) -> None:
        folder = self.folder / AGE.trained
        self.history(folder, 10)
        run = self.settings.model_copy(update=settings)
        digest = files.sha256(folder / "history.csv")
        told = {"spent": [Spent(computing=30.0)] * 10, "history_sha256": digest, **(took or {})}
        make_card(run, **told).write(folder)

    def fail(self, said: str, ago: float = 60) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text(f"epoch 1/10  train loss 1\n{said}\n")
        self.age(self.log, ago)

    def read(self, snakemake: int | None = None) -> Study:
        found = Study.read(self.results, "small", self.results.parent)
        return Study(found.folder, found.slices, found.since, found.locked, snakemake)

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


def test_epochs_of_iterations_are_known_once_the_tables_are_there(store: Store) -> None:
    train = {"network": "sfcn", "iterations": 10, "batch_size": 2}
    age = RAW["experiments"]["age"] | {"train": train}
    made = read_config(RAW | {"experiments": {"age": age}})
    files.write_json(store.folder / "config.json", made.model_dump(mode="json"))
    assert store.training().epochs is None
    assert "0/?" in describe_study(store.read(), "")
    study = SmallStudy(store.results.parent / "other")
    for path in (study.passed, study.splits):
        (store.folder / path.parent.name).mkdir()
        shutil.copy(path, store.folder / path.parent.name)
    scans = len(read_cohort(**study.inputs, target="age").training(0))
    assert scans == 8
    assert store.training().epochs == 3


def test_a_finished_training_has_the_epochs_of_the_scans_that_it_had(store: Store) -> None:
    train = {"network": "sfcn", "iterations": 20, "batch_size": 2}
    age = RAW["experiments"]["age"] | {"train": train}
    made = read_config(RAW | {"experiments": {"age": age}})
    files.write_json(store.folder / "config.json", made.model_dump(mode="json"))
    store.settings = Slices(made, store.results.parent).train(*AGE)
    nobody = Count(scans=0, subjects=0)
    four = Count(scans=4, subjects=4)
    counts = Counts(
        training=four, validation=nobody, held_out=nobody, test=nobody, without_target=0
    )
    store.publish({"counts": counts})
    training = store.training()
    assert (training.state, training.epoch, training.epochs) == ("finished", 10, 10)


def test_running_without_validation(store: Store) -> None:
    attempt = store.attempt(1, epochs=4, beat=1)
    epochs = tuple(Epoch(number, 0.001, 1.0) for number in range(1, 5))
    History("mae", epochs, chosen=4).write(attempt / "history.csv")
    training = store.training()
    assert (training.state, training.epoch, training.best) == ("running", 4, None)


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
    store.attempt(1, epochs=0, beat=1, owner=processes.process_identity(process.pid))
    assert store.training().why == "killed: its process is gone; starts over"


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


def test_a_failed_check_tells_how_many_passed_and_what_comes_next(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    check = store.folder / "check"
    for number in (0, 1):
        shard = [CheckRow(subject, "1", path="") for subject in "abcde"]
        write_rows(check / f"shards/{number}.csv", CheckRow, shard)
    rejected = [RejectedRow(subject, "1", "", "crc", "cut") for subject in "ab"]
    write_rows(check / "rejected.csv", RejectedRow, rejected)
    (check / "passed.csv").unlink(missing_ok=True)
    assert store.read().findings("check").startswith("8 scans passed; 2 rejected")
    log = store.folder / "logs/check.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("headstart: check: 2 of 10 scans are rejected\n")
    said = status(store, capsys)
    assert "failed: check: 2 of 10" in said
    assert "next: do what stands beside `failed` above" in said


def test_finished(store: Store) -> None:
    store.attempt(1, epochs=10, beat=60)
    store.publish()
    training = store.training()
    assert (training.state, training.minutes, training.best) == ("finished", 5.0, ("mae", 6.0, 3))
    assert training.history == store.folder / AGE.trained / "history.csv"


def test_what_a_training_took_beside_its_plan(store: Store) -> None:
    spent = [Spent(computing=30.0, memory=0.72)] * 10
    many = Counts(
        training=Count(scans=1000, subjects=1000),
        **dict.fromkeys(("validation", "held_out", "test"), Count(scans=0, subjects=0)),
        without_target=0,
    )
    store.publish({"spent": spent, "counts": many})
    # 0.8 microseconds for each of 48^3 voxels of 1000 scans, and a third of it for 128 of them, 10
    # times, on 2 threads; 480 bytes for each voxel of 4 scans, and what the process holds
    seen = 1000 + 0.35 * 128
    expected = 10 + 10 * seen * 48**3 * 0.8e-6 / min(2, os.cpu_count() or 1)
    assert store.training().why == f"0.7 GB; planned: {duration(expected)}, 0.8 GB"


def test_what_a_training_took_of_a_gpu_beside_its_plan(store: Store) -> None:
    store.publish({"spent": [Spent(computing=30.0, memory=3.0, gpu_memory=1.14)]})
    assert store.training().why == "1.1 GB of the GPU; planned: 1.3 GB"


def test_a_history_that_was_edited_since_is_not_believed(store: Store) -> None:
    store.publish()
    path = store.folder / AGE.trained / "history.csv"
    path.write_text(path.read_text().replace("6.0", "0.6"))
    with pytest.raises(UserError, match=f"{path}: was damaged or edited"):
        store.training()


def test_a_network_of_other_settings_is_not_this_one(store: Store) -> None:
    store.publish(seed=3)
    assert store.training().state == "queued"


def test_finished_in_the_store_but_not_published(store: Store) -> None:
    run_store.finish(store.attempt(1, epochs=10, beat=900))
    assert store.training().state == "queued"
    assert "in the run store" in store.training().why


def test_the_choice_of_the_last_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = {"network": "sfcn", "epochs": 10, "keep": "last"}
    monkeypatch.setitem(RAW["experiments"]["age"], "train", train)
    store = Store(tmp_path / "project")
    store.attempt(1, epochs=5, beat=1)
    assert store.training().best == ("mae", 6.0, 5)


def test_stages(store: Store) -> None:
    stages = {stage.name: stage for stage in store.read().stages()}
    assert list(stages) == [
        *("label", "check", "split", "prepare", "near-duplicates"),
        *("train", "predict", "evaluate", "plot", "report"),
    ]
    assert (stages["prepare"].done, stages["prepare"].parts) == (0, 4)
    labels = label_rows(pd.DataFrame({"subject": [str(number) for number in range(12)]}))
    write_rows(store.folder / "label/labels.csv", LabelRow, labels)
    rejected = [RejectedRow(str(number), "1", "", "no-row", "") for number in (20, 21)]
    write_rows(store.folder / "label/rejected.csv", RejectedRow, rejected)
    files.write_json(store.folder / "prepare/shard-1.json", {})
    log = store.folder / "logs/prepare/2.log"
    log.parent.mkdir(parents=True)
    log.write_text("headstart: scan.nii.gz: not a scan\n")
    stages = {stage.name: stage for stage in store.read().stages()}
    assert stages["label"].told == "12 scans; 2 entries rejected (2 no-row)"
    assert (stages["prepare"].done, stages["prepare"].told) == (
        1,
        "failed: scan.nii.gz: not a scan",
    )


def test_what_was_evaluated_is_told_beside_the_best_baseline(store: Store) -> None:
    def told(*protocols: str) -> str:
        metrics, differences = [], []
        for protocol in protocols:
            rest = {"ci_low": -4.0, "ci_high": -2.0, "ci_method": "", "n": 30}
            for model, value in (("network", 5.0), ("mean", 9.0), ("voxels", 8.0)):
                row = MetricRow(model, "mae", "all", protocol, value, **rest, seed_sd=None)
                metrics.append(row)
            differences.append(DifferenceRow("mae", protocol, "voxels", -3.0, **rest))
        write_rows(store.folder / "evaluate/age/metrics.csv", MetricRow, metrics)
        write_rows(store.folder / "evaluate/age/comparison.csv", DifferenceRow, differences)
        (one,) = [stage for stage in store.read().stages() if stage.name == "evaluate"]
        return one.told

    files.write_text(store.folder / AGE.predicted / "predictions.csv", "")
    store.publish()
    said = "The network beats the best baseline (linear model of voxels of 8 or 16 mm) by 3.00"
    assert told("cross-validation").startswith(f"age, cross-validation: {said}")
    assert told("cross-validation", "test").startswith(f"age, test: {said}")
    files.write_text(store.folder / "evaluate/age/comparison.csv", "")
    (one,) = [stage for stage in store.read().stages() if stage.name == "evaluate"]
    assert one.told == ""


def test_a_part_is_what_a_job_makes(store: Store) -> None:
    parts = {stage.name: stage.parts for stage in store.read().stages()}
    # check: three shards and the table of all; plot: seven figures and two manifests
    assert parts == {
        **{"label": 1, "check": 4, "split": 2, "prepare": 4, "near-duplicates": 1},
        **{"train": 1, "predict": 1, "evaluate": 1, "plot": 9, "report": 1},
    }


def test_a_share_of_held_out_scans_that_was_not_told_again_is_not_done(store: Store) -> None:
    """What was put together before is still there then."""
    raw = {**RAW, "experiments": {"age": {**RAW["experiments"]["age"], "predict": {"shards": 3}}}}
    files.write_json(store.folder / "config.json", read_config(raw).model_dump(mode="json"))
    store.publish()
    folder = store.folder / AGE.predicted
    for name in ("predictions.csv", *(f"predictions-shards/{number}.csv" for number in (0, 2))):
        files.write_text(folder / name, "")
    files.write_text(store.folder / "evaluate/age/metrics.csv", "")

    def done() -> dict[str, tuple[int, int]]:
        return {stage.name: (stage.done, stage.parts) for stage in store.read().stages()}

    assert (done()["predict"], done()["evaluate"]) == ((2, 4), (0, 1))
    files.write_text(folder / "predictions-shards/1.csv", "")
    assert done()["predict"] == (4, 4)


def test_a_stage_more_has_its_line_and_a_part_of_one_counts_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Stage("count the scans of each site", "count-sites/sites.json")
    guess = Stage("guess", "guess/{experiment}/{seed}.csv", rests_on=("train",), part_of="evaluate")
    monkeypatch.setitem(STAGES, "count-sites", counts)
    monkeypatch.setitem(STAGES, "guess", guess)
    for name in ("count-sites/sites.json", "guess/age/0.csv"):
        files.write_text(store.folder / name, "")
    stages = {stage.name: (stage.done, stage.parts) for stage in store.read().stages()}
    assert stages["count-sites"] == (1, 1)
    assert stages["evaluate"] == (0, 2)  # its network is not there
    assert "guess" not in stages
    store.publish()
    stages = {stage.name: (stage.done, stage.parts) for stage in store.read().stages()}
    assert stages["evaluate"] == (1, 2)


def test_scans_as_augmented_rest_on_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = {"network": "sfcn", "augment": [{"RandomNoise": {}}]}
    monkeypatch.setitem(RAW["experiments"]["age"], "train", train)
    store = Store(tmp_path / "project")
    for name in ("augmentation.pdf", "evaluation.pdf"):
        files.write_text(store.folder / "figures/age" / name, "")
    (plot,) = [stage for stage in store.read().stages() if stage.name == "plot"]
    assert (plot.done, plot.parts) == (1, 10)


def test_what_a_person_must_judge_is_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [
        PairRow("101", "1", "102", "1", "near-duplicate", False, 0.4, False, 0.5),
        PairRow("103", "1", "103", "2", "sessions-differ", False, 0.1, False, 9),
    ]
    scans = [key for pair in pairs for key in (pair.key, pair.other)]
    passed = label_rows(pd.DataFrame(scans, columns=["subject", "session"]))
    write_rows(store.folder / "check/passed.csv", LabelRow, passed)
    write_rows(store.folder / "near-duplicates/pairs.csv", PairRow, pairs)
    assert (
        "1 pair of subjects that may be one person and 1 subject whose sessions may be two people, "
        "for you to judge: figures/cohort/near-duplicates.pdf"
    ) in " ".join(status(store, capsys).split())
    write_rows(store.folder / "near-duplicates/pairs.csv", PairRow, [])
    assert "to judge" not in status(store, capsys)


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_stopped_is_not_failed(
    store: Store, signal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.utime(store.attempt(1, epochs=3, beat=60) / "heartbeat", (0, 0))
    store.fail(f"headstart: stopped ({signal}); what is finished stays, the same command goes on")
    training = store.training()
    assert (training.state, training.why) == ("stopped", "goes on after epoch 3")
    # and still after the next run has begun, which has not come to it
    store.age(store.folder / "config.json", 30)
    assert store.training().state == "stopped"
    assert "1 training: 1 stopped" in status(store, capsys)


def test_last_error(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_error(log) is None
    for text, error in (
        ("", None),
        ("epoch 1/2\nheadstart is fine\n", None),
        ("headstart: a: b; c\n", "a: b; c"),
        ("headstart: a:\n  row 2\n  row 3\n", "a:\n  row 2\n  row 3"),
        (
            "headstart: a:\n" + "  row\n" * 9,
            "a:\n" + "  row\n" * 5 + "  … 4 lines more in the log",
        ),
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


def test_experiments_of_a_sweep_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = {"train.learning_rate": ["1e-2", "1e-3"], "train.batch_size": [4, 8], "seeds": [0, 1]}
    monkeypatch.setitem(
        RAW,
        "experiments",
        {**RAW["experiments"], "brain": RAW["experiments"]["age"] | {"sweep": sweep}},
    )
    lines = status(Store(tmp_path / "project"), capsys).splitlines()
    for rate in ("1e-2", "1e-3"):
        for size in (4, 8):
            # each name once, whole, above its two seeds
            place = lines.index(f"brain-learning-rate-{rate}-batch-size-{size}")
            below = [line.split()[:3] for line in lines[place + 1 : place + 3]]
            assert below == [["0", "0", "queued"], ["0", "1", "queued"]]


def test_the_next_command(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = store.results.parent
    monkeypatch.chdir(project)
    resolved = store.folder / "config.json"
    assert f"\n  snakemake --cores 2 --configfile {resolved}\n" in status(store, capsys) + "\n"
    (project / "config").mkdir()
    (project / "config/broken.yaml").write_text("[")
    elsewhere = project / "mine.yaml"
    elsewhere.write_text(f"study: small\nresults: {store.results}\n")
    assert main(["status", str(elsewhere)]) == 0
    # it is the one that was edited; the resolved one has the settings of the last run
    assert f"\n  snakemake --cores 2 --configfile {elsewhere}\n" in capsys.readouterr().out
    (project / "config/my.yaml").write_text("study: small\n")
    assert "\n  snakemake --cores 2 --configfile config/my.yaml" in status(store, capsys)
    (project / "config/config.yaml").write_text("study: small\n")
    assert status(store, capsys).endswith("  snakemake --cores 2\n")
    locks = store.results / ".snakemake/locks"
    locks.mkdir(parents=True)
    assert "--unlock" not in status(store, capsys)
    (locks / "0.input.lock").write_text("other/label/labels.csv\n")
    assert "--unlock" not in status(store, capsys)
    (locks / "1.input.lock").write_text("small/label/labels.csv\n")
    assert "\n  snakemake --unlock\n" in status(store, capsys)
    store.publish()
    # the name leads there from here, and from elsewhere the folder
    assert "\n  headstart plot small\n" in status(store, capsys)
    monkeypatch.chdir(project / "config")
    assert f"\n  headstart plot {store.folder}\n" in status(store, capsys)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(
    ("words", "ours"),
    [
        ([], False),  # the default study
        (["--configfile", "config/small.yaml"], True),
        (["--configfile=config/small.yaml"], True),
        (["--configfile", "config/other.yaml"], False),
        (["--configfiles", "config/other.yaml", "config/small.yaml", "--cores", "1"], True),
        (["--configfile", "config/other.yaml", "--config", "study=small"], True),
        (["--configfile", "config/gone.yaml"], True),  # it may be
    ],
)
def test_a_living_snakemake_is_found_if_it_works_on_this_study(
    store: Store, capsys: pytest.CaptureFixture[str], words: list[str], ours: bool
) -> None:
    config = store.results.parent / "config"
    config.mkdir()
    for name in ("config", "small", "other"):
        study = "demo" if name == "config" else name
        (config / f"{name}.yaml").write_text(f"study: {study}\n")
    command = [sys.executable, "-c", "input(1)", "-m", "snakemake", *words]
    environment = os.environ | {"PWD": str(config.parent)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=store.results, env=environment, **pipes) as process:
        assert process.stdout is not None
        process.stdout.read(1)  # its words are in /proc a moment after it was started
        text = status(store, capsys)
        told = f"snakemake is at work on it: process {process.pid} on this machine"
        assert (told in text) == ours
        assert ("--cores" in text) != ours
        assert "--unlock" not in text
        process.communicate(b"\n")
    assert "no snakemake is at work on it" in status(store, capsys)


def test_a_study_that_was_not_run_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/my.yaml").write_text("study: small\n")
    assert main(["status", "small"]) == 2
    said = capsys.readouterr().err
    assert "not run yet; type: snakemake --cores 2 --configfile config/my.yaml" in said


def test_no_such_study(store: Store) -> None:
    with pytest.raises(UserError, match="has no study 'big'; there are: small"):
        Study.read(store.results, "big", Path())


def test_it_starts_without_the_heavy_libraries() -> None:
    program = (
        "import sys, headstart.commands.status, headstart.commands.vary\n"
        "import headstart.study.retraining\n"
        "print({'torch', 'monai', 'matplotlib', 'scipy', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_results_that_another_version_made_are_named(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    resolved = store.folder / "config.json"
    config = json.loads(resolved.read_text())
    config["split"]["inner"] = config["split"].pop("validation")
    resolved.write_text(json.dumps(config))
    assert main(["status", "small", "--results", str(store.results)]) == 2
    said = capsys.readouterr().err
    assert f"{resolved}: can't be read (split.inner: " in said
    assert f"move {store.folder} away" in said
