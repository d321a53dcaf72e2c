"""What is said before finished networks are trained again."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cards import make_card
from cards import make_identity
from cards import make_start

from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.data.inventory import FileRow
from headstart.data.inventory import files_of
from headstart.imaging.scan_rows import ScanFiles
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.jobs import Job
from headstart.study.retraining import changes
from headstart.study.retraining import retraining as retraining_of
from headstart.study.settings import Settings
from headstart.study.stages import STAGES
from headstart.study.work_plan import work_plan
from headstart.training import run_store
from headstart.training.card import ModelCard
from headstart.training.spent import Spent

RAW: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}}],
    "prepare": {"window": [48, 48, 48]},
    "experiments": {
        "age": {"task": "regression", "target": "age", "train": {"network": "sfcn"}},
        "sex": {
            "task": "classification",
            "target": "sex",
            "folds": "all",
            "train": {"network": "sfcn"},
        },
    },
}
FILE = Path("config/small.yaml")
CODES = dict.fromkeys(STAGES, "code")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A study that is finished: every network published and in the store."""
    settings = Settings(
        read_config(RAW), tmp_path, CODES, listing="files", package="package", networks={}
    )
    settings.write()
    (tmp_path / "config").mkdir()
    (tmp_path / FILE).write_text("study: small\n")
    for name, fold in (("age", 0), *(("sex", fold) for fold in range(5))):
        publish(settings, name, fold)
    return settings


def retraining(settings: Settings) -> str:
    return retraining_of(settings, FILE)


def publish(settings: Settings, experiment: str, fold: int) -> None:
    run = RunId(experiment, fold, 0)
    train = settings.config.experiments[experiment].train
    study = settings.results / "small"
    begun, parent = None, ""
    if train.start is not None:
        begun = make_start(
            name=train.start.origin, weights_sha256=settings.weights.get(train.start.origin, "")
        )
        above = settings.config.parent(experiment)
        of = None if above is None else ModelCard.read(study / RunId(above, fold, 0).trained)
        parent = begun.weights_sha256 if of is None else of.key
    identity = make_identity(
        settings.slices.train(*run), code=settings.code("train"), parent=parent
    )
    card = make_card(
        identity.run,
        code=identity.code,
        network_digest=settings.networks.get(train.network, ""),
        loss_digest=settings.networks.get(train.loss or "", ""),
        spent=[Spent(computing=360.0)] * 2,
        snapshot=settings.snapshot.name,
        parent=parent,
        start=begun,
    )
    card.write(study / run.trained)
    key = identity.key
    (study / "runs" / key / "attempt-1").mkdir(parents=True)
    run_store.finish(study / "runs" / key / "attempt-1")


def changed(settings: Settings, path: str, value: Any) -> Settings:
    raw = copy.deepcopy(RAW)
    *above, last = path.split(".")
    section = raw
    for key in above:
        section = section.setdefault(key, {})
    section[last] = value
    return replace(settings, config=read_config(raw))


def test_what_comes_back_from_the_store_is_planned_as_seconds(settings: Settings) -> None:
    train = Job("train", {"experiment": "age", "fold": "0", "seed": "0"}, "Params have changed")

    def planned(of: Settings) -> list[str]:
        (row,) = (line for line in work_plan(of, [train]) if "train age" in line)
        return row.split()[:5]

    back = planned(changed(settings, "experiments.age.unit", "years"))
    again = planned(changed(settings, "experiments.age.train.learning_rate", 0.01))
    assert back[3:5] == ["<", "1"]
    # two epochs took 12 minutes
    assert again[3:5] == ["6.0", "h"]


def test_nothing_changed_nothing_said(settings: Settings) -> None:
    assert retraining(settings) == ""
    assert retraining(changed(settings, "study", "other")) == ""
    assert retraining(changed(settings, "experiments.age.unit", "years")) == ""
    assert retraining(changed(settings, "experiments.age.folds", [0, 1])) == ""


@pytest.mark.parametrize("damage", ["{", '{"config": {}}'])
def test_settings_that_cant_be_read_any_more_are_compared_with_nothing(
    settings: Settings, damage: str
) -> None:
    settings.snapshot.write_text(damage)
    assert retraining(changed(settings, "split.seed", 2)) == ""


def test_a_changed_key_of_one_experiment(settings: Settings) -> None:
    said = retraining(changed(settings, "experiments.age.train.learning_rate", 0.01))
    assert "  age (fold 0, seed 0): train.learning_rate 0.001 -> 0.01; took 12 min\n" in said
    assert "`headstart vary small/age --set train.learning_rate=0.01`" in said
    said = retraining_of(
        changed(settings, "experiments.age.train.learning_rate", 0.01), Path("/tmp/my study.yaml")
    )
    assert "`headstart vary '/tmp/my study.yaml'/age --set train.learning_rate=0.01`" in said
    assert "Finished networks that will be trained again" in said
    assert "sex" not in said
    assert str(settings.results / "small/runs") in said


def test_changed_covariates_train_again(settings: Settings) -> None:
    said = retraining(changed(settings, "experiments.age.covariates", ["sex"]))
    assert said.startswith("Finished networks that will be trained again")
    assert 'age (fold 0, seed 0): covariates null -> ["sex"]' in said


def test_runs_with_the_same_change_are_one_line(settings: Settings) -> None:
    augment = [{"RandomFlip": {"axes": ["LR", "AP", "IS"]}}]
    said = retraining(changed(settings, "experiments.sex.train.augment", augment))
    assert "  sex (5 networks): train.augment; took 12 min each\n" in said
    assert "'train.augment=[{" in said


def test_values_put_back_come_from_the_store(settings: Settings) -> None:
    slower = changed(settings, "experiments.age.train.learning_rate", 0.0001)
    assert "0.001 -> 0.0001" in retraining(slower)
    slower.write()
    publish(slower, "age", 0)
    assert retraining(slower) == ""
    # the first network is not in its place, but is not trained again either
    assert retraining(settings) == ""


def test_the_cohort_s_settings_and_code(settings: Settings) -> None:
    said = retraining(changed(settings, "split.seed", 2))
    only = ", and only if the scans they learn from change"
    assert f"  age (fold 0, seed 0): split.seed 1 -> 2; took 12 min{only}\n" in said
    assert f"  sex (5 networks): split.seed 1 -> 2; took 12 min each{only}\n" in said
    assert "headstart vary" not in said
    said = retraining(replace(settings, codes=CODES | {"prepare": "other"}))
    assert f"the code of prepare was edited; took 12 min{only}" in said
    said = retraining(replace(settings, codes=dict.fromkeys(STAGES, "other")))
    stages = ("train", "label", "check-scans", "check", "split", "prepare")
    words = "; ".join(f"the code of {stage} was edited" for stage in stages)
    assert f"0): {words}; took" in said
    said = retraining(replace(settings, codes=CODES | {"train": "other", "plot": "other"}))
    assert "age (fold 0, seed 0): the code of train was edited; took 12 min\n" in said
    # a window is a setting of the network, too
    said = retraining(changed(settings, "prepare.window", [64, 48, 48]))
    assert "prepare.window [48, 48, 48] -> [64, 48, 48]; took 12 min\n" in said


def test_an_edited_network_of_ones_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.py").touch()
    age = {**RAW["experiments"]["age"], "train": {"network": "net.py:Net"}}
    config = read_config(RAW | {"experiments": {"age": age}})
    networks = {"net.py:Net": "before"}
    settings = Settings(config, tmp_path, CODES, listing="", package="", networks=networks)
    settings.write()
    publish(settings, "age", 0)
    assert retraining(settings) == ""
    said = retraining(replace(settings, networks={"net.py:Net": "after"}))
    assert "age (fold 0, seed 0): net.py, or a file that it imports, was edited; took 12" in said


def test_an_edited_loss_of_ones_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "loss.py").touch()
    age = {**RAW["experiments"]["age"], "train": {"network": "sfcn", "loss": "loss.py:Loss"}}
    config = read_config(RAW | {"experiments": {"age": age}})
    settings = Settings(
        config, tmp_path, CODES, listing="", package="", networks={"loss.py:Loss": "before"}
    )
    settings.write()
    publish(settings, "age", 0)
    assert retraining(settings) == ""
    edited = replace(settings, networks={"loss.py:Loss": "after"})
    assert "age (fold 0, seed 0): loss.py, or a file that it imports, was edited" in retraining(
        edited
    )
    assert edited.upstream("train", "age") != settings.upstream("train", "age")


def starting(start: Any, epochs: int = 60) -> Config:
    """A study of which the experiment `sex` starts from something; age has so many epochs."""
    raw = copy.deepcopy(RAW)
    raw["experiments"]["sex"] |= {"folds": [0]}
    raw["experiments"]["sex"]["train"]["start"] = start
    raw["experiments"]["age"]["train"]["epochs"] = epochs
    return read_config(raw)


def started(tmp_path: Path, start: Any, **weights: str) -> Settings:
    config = starting(start)
    settings = Settings(
        config, tmp_path, CODES, listing="", package="", networks={}, weights=weights
    )
    settings.write()
    return settings


def test_who_starts_from_a_network_that_is_trained_again_is_too(tmp_path: Path) -> None:
    settings = started(tmp_path, "age")
    publish(settings, "age", 0)
    publish(settings, "sex", 0)
    assert retraining(settings) == ""
    longer = replace(settings, config=starting("age", epochs=3))
    said = retraining(longer)
    assert "age (fold 0, seed 0): train.epochs 60 -> 3; took" in said
    assert "sex (fold 0, seed 0): age, which it starts from, is another one; took 12 min\n" in said
    for name in ("train", "predict", "evaluate", "plot"):
        run = {"fold": 0, "seed": 0} if name == "predict" else {}
        assert longer.upstream(name, "sex", **run) != settings.upstream(name, "sex", **run)
    # both are in the store: a change that is undone trains nobody
    longer.write()
    publish(longer, "age", 0)
    publish(longer, "sex", 0)
    assert retraining(longer) == ""
    assert retraining(settings) == ""


def test_who_starts_from_a_file_that_is_another_one_is_trained_again(tmp_path: Path) -> None:
    settings = started(tmp_path, "w.pt", **{"w.pt": "before"})
    publish(settings, "sex", 0)
    assert retraining(settings) == ""
    edited = replace(settings, weights={"w.pt": "after"})
    assert "sex (fold 0, seed 0): w.pt is another file; took 12 min\n" in retraining(edited)
    assert edited.upstream("train", "sex") != settings.upstream("train", "sex")
    assert edited.upstream("train", "age") == settings.upstream("train", "age")


def test_new_files_are_told_of_until_a_run_has_begun_with_them(settings: Settings) -> None:
    more = replace(settings, listing="more files")
    said = retraining(more)
    assert "files in the data folder; took 12 min" in said
    assert "Finished networks that may be trained again" in said
    more.write()
    assert retraining(more) == ""


def test_a_file_that_was_replaced_is_named(settings: Settings) -> None:
    scan = settings.data / "sub-1.nii.gz"
    scan.parent.mkdir(parents=True, exist_ok=True)
    scan.write_bytes(b"12")
    scans = [ScanFiles("1", "1", {"T1": scan.name}, "", "")]
    table = settings.results / "small/label/files/0.csv"
    write_rows(table, FileRow, files_of(scans, settings.data))
    more = replace(settings, listing="more files")
    assert "such as" not in retraining(more)
    scan.write_bytes(b"123")
    # what is kept of the data folder belongs to one run
    again = replace(settings, listing="more files")
    assert "files in the data folder, such as sub-1.nii.gz; took" in retraining(again)


def test_a_card_without_a_snapshot(settings: Settings) -> None:
    settings.snapshot.unlink()
    assert retraining(changed(settings, "split.seed", 2)) == ""
    assert "0.01" in retraining(changed(settings, "experiments.age.train.learning_rate", 0.01))


def test_it_takes_no_time(settings: Settings) -> None:
    other = replace(changed(settings, "split.seed", 2), codes=CODES | {"train": "other"})
    began = time.process_time()
    assert retraining(other)
    assert time.process_time() - began < 0.05


def test_changes() -> None:
    old = {"a": 1, "b": {"c": [1], "d": 2}}
    assert changes(old, copy.deepcopy(old)) == {}
    assert changes(old, {"b": {"c": [2], "d": 2}, "e": 3}) == {
        "a": (1, None),
        "b.c": ([1], [2]),
        "e": (None, 3),
    }
