"""What is said before finished networks are trained again."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.parts import files
from headstart.parts import runs
from headstart.parts.config import read_config
from headstart.parts.replan import changes
from headstart.parts.replan import retraining
from headstart.parts.settings import STAGES
from headstart.parts.settings import Settings

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
CODES = dict.fromkeys(STAGES, "code")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A study that is finished: every network published and in the store."""
    settings = Settings(
        read_config(RAW), tmp_path, CODES, listing="files", package="package", networks={}
    )
    settings.write()
    for name, fold in (("age", 0), *(("sex", fold) for fold in range(5))):
        publish(settings, name, fold)
    return settings


def publish(settings: Settings, experiment: str, fold: int) -> None:
    slice_ = json.loads(settings.slice("train", experiment=experiment, fold=fold, seed=0))
    card = {
        "settings": slice_,
        "code_digest": settings.code("train"),
        "cohort_digest": "cohort",
        "seconds_per_epoch": [360.0, 360.0],
        "snapshot": settings.snapshot.name,
    }
    study = settings.results / "small"
    files.write_json(study / f"train/{experiment}/main/fold-{fold}/seed-0/model.json", card)
    key = runs.run_key(slice_, "cohort", settings.code("train"), "")
    (study / "runs" / key / "attempt-1").mkdir(parents=True)
    runs.finish(study / "runs" / key / "attempt-1")


def changed(settings: Settings, path: str, value: Any) -> Settings:
    raw = copy.deepcopy(RAW)
    *above, last = path.split(".")
    section = raw
    for key in above:
        section = section.setdefault(key, {})
    section[last] = value
    return replace(settings, config=read_config(raw))


def test_nothing_changed_nothing_said(settings: Settings) -> None:
    assert retraining(settings) == ""
    assert retraining(changed(settings, "study", "other")) == ""
    assert retraining(changed(settings, "experiments.age.unit", "years")) == ""
    assert retraining(changed(settings, "experiments.age.folds", [0, 1])) == ""


def test_a_changed_key_of_one_experiment(settings: Settings) -> None:
    said = retraining(changed(settings, "experiments.age.train.learning_rate", 0.01))
    assert "  age (fold 0, seed 0): train.learning_rate 0.001 -> 0.01; took 12 min\n" in said
    assert "`headstart vary age --set train.learning_rate=0.01`" in said
    assert "sex" not in said
    assert str(settings.results / "small/runs") in said


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
    assert f"the code of prepare; took 12 min{only}" in said
    said = retraining(replace(settings, codes=dict.fromkeys(STAGES, "other")))
    assert "0): the code of train; the code of label, check, split, prepare; took" in said
    said = retraining(replace(settings, codes=CODES | {"train": "other", "plot": "other"}))
    assert "age (fold 0, seed 0): the code of train; took 12 min\n" in said
    # a window is a setting of the network, too
    said = retraining(changed(settings, "prepare.window", [64, 48, 48]))
    assert "prepare.window [48, 48, 48] -> [64, 48, 48]; took 12 min\n" in said


def test_new_files_are_told_of_until_a_run_has_begun_with_them(settings: Settings) -> None:
    more = replace(settings, listing="more files")
    assert "files in the data folder; took 12 min" in retraining(more)
    more.write()
    assert retraining(more) == ""


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
