"""Controls become experiments of their own, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from headstart.common.errors import UserError
from headstart.figures.registry import figures_of
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.parts import parts
from headstart.study.settings import Settings

STUDY: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}}],
    "prepare": {"window": [48, 48, 48]},
    "split": {"stratify": ["site"]},
    "experiments": {
        "age": {
            "task": "regression",
            "target": "age",
            "folds": [0, 1],
            "train": {"network": "sfcn", "epochs": 12, "patience": 5},
        },
        "sex": {"like": "age", "task": "classification", "target": "sex"},
    },
    "final": "age",
}
ALL = ["age-shuffled", "age-background", "age-quarter", "age-half"]


def study(controls: Any, **more: Any) -> Config:
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["age"] |= {"controls": controls, **more}
    return read_config(raw)


def settings(config: Config, folder: Path) -> Settings:
    codes = dict.fromkeys(("train", "predict", "evaluate", "plot", "label", "check"), "")
    codes |= dict.fromkeys(("check-scans", "split", "prepare", "gather", "near-duplicates"), "")
    codes |= {"inject": ""}
    return Settings(config, folder, codes=codes, listing="", package="", networks={})


@pytest.mark.parametrize("true", [True, "true"])  # --config gives text
def test_true_is_every_control_with_the_experiment_s_own_settings(true: Any) -> None:
    config = study(true)
    assert config.controls("age") == ALL
    assert list(config.experiments) == ["age", *ALL, "sex"]
    base = config.experiments["age"]
    for name in ALL:
        own = config.experiments[name]
        assert (own.control_of, own.folds, own.seeds, own.target) == ("age", (0, 1), (0,), "age")
    assert config.experiments["age-shuffled"].train == base.train
    assert config.experiments["age-background"].train == base.train


def test_fewer_scans_are_learnt_from_in_as_many_steps() -> None:
    trains = {name: one.train for name, one in study("learning-curve").experiments.items()}
    epochs = {name: (train.epochs, train.patience) for name, train in trains.items()}
    assert (epochs["age"], epochs["age-half"]) == ((12, 5), (24, 10))
    assert epochs["age-quarter"] == (48, 20)
    steps = study("learning-curve", train={"network": "sfcn", "iterations": 500}).experiments
    assert {one.train.iterations for name, one in steps.items() if name != "sex"} == {500}


def test_like_takes_no_controls_over() -> None:
    assert study(True).controls("sex") == []


def test_a_control_is_no_result_of_its_own_and_opened_with_its_experiment() -> None:
    config = study(True)
    assert list(filter(config.is_reported, config.experiments)) == ["age", "sex"]
    assert all(config.is_evaluated(name) and config.opens_test(name) for name in ALL)
    assert config.figure_folders == ("cohort", "age", "sex")
    assert "controls" in figures_of(config, "age")
    assert "controls" not in figures_of(config, "sex")
    evaluated = [files[0] for files in parts("evaluate", config)]
    assert "evaluate/age-half/metrics.csv" in evaluated


@pytest.mark.parametrize("nothing", [False, "false", []])
def test_a_study_without_controls_is_what_it_was(nothing: Any, tmp_path: Path) -> None:
    config = study(nothing)
    text = settings(config, tmp_path).slice("train", experiment="age", fold=0, seed=0)
    assert "control" not in text
    assert "stratify" not in text
    assert "control" not in config.model_dump_json()


def test_controls_change_nothing_that_the_experiment_itself_rests_on(tmp_path: Path) -> None:
    before, after = (settings(study(asked), tmp_path) for asked in (False, True))
    for stage in ("train", "predict", "evaluate", "plot"):
        assert before.upstream(stage, "age") == after.upstream(stage, "age")
    assert before.upstream("plot", "age") != after.upstream("controls", "age")
    # a control that is trained otherwise is another figure
    few = settings(study("shuffled"), tmp_path)
    assert few.upstream("controls", "age") != after.upstream("controls", "age")


def test_shares_are_told_by_what_the_split_balances(tmp_path: Path) -> None:
    slices = settings(study(True), tmp_path).slices
    assert slices.train("age-half", 0, 0).stratify == ("site",)
    assert slices.train("age-shuffled", 0, 0).stratify == ()


def test_a_background_has_no_covariates() -> None:
    config = study(True, covariates=["site"])
    assert config.experiments["age-background"].covariates == ()
    assert config.experiments["age-shuffled"].covariates == ("site",)


def test_resolved_config_is_read_back_as_it_was() -> None:
    config = study(True)
    assert read_config(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ("shufled", "experiments.age.controls: 'shufled' is no control"),
        (["mirrored"], "true, or a list of shuffled, background, learning-curve, injected"),
        (3, "experiments.age.controls: "),
        ([["shuffled"]], "experiments.age.controls: "),
    ],
)
def test_a_word_that_is_no_control_is_refused(controls: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        study(controls)


def test_masks_have_no_control_that_must_fail() -> None:
    raw = copy.deepcopy(STUDY)
    raw["classes"] = {1: "rim"}
    raw["data"][0]["mask"] = "{subject}_mask.nii.gz"
    train = {"network": "unet"}
    exp = {"task": "segmentation", "target": "mask", "train": train, "controls": True}
    raw["experiments"] = {"rim": exp}
    del raw["final"]
    assert read_config(raw).controls("rim") == ["rim-quarter", "rim-half"]
    exp["controls"] = ["shuffled"]
    with pytest.raises(UserError, match="shuffled says nothing of a segmentation"):
        read_config(raw)


@pytest.mark.parametrize("start", ["sex", {"from": "sex", "freeze": ["features"]}])
def test_what_has_seen_all_training_subjects_has_no_control_that_is_to_see_fewer(
    start: Any,
) -> None:
    raw = copy.deepcopy(STUDY)
    sex, age = raw["experiments"]["sex"], raw["experiments"]["age"]
    del sex["like"]
    raw["experiments"] = {"sex": age | sex, "age": age | {"train": age["train"] | {"start": start}}}
    age = raw["experiments"]["age"]
    for controls, unfit, rest in (
        (True, "shuffled", "background, injected"),
        (["learning-curve"], "learning-curve", ""),
    ):
        age["controls"] = controls
        said = rf"age.controls: {unfit} says nothing .* from sex, .* write controls: \[{rest}\], or"
        with pytest.raises(UserError, match=said):
            read_config(raw)
    age["controls"] = ["background"]
    assert read_config(raw).controls("age") == ["age-background"]


def test_mistakes_of_an_experiment_are_said_once() -> None:
    with pytest.raises(UserError) as caught:
        study(True, train={"network": "sfcn", "batch_size": 0})
    keys = [line.partition(": ")[0] for line in str(caught.value).split("\n")]
    assert keys == ["experiments.age.train.batch_size", "experiments.sex.train.batch_size"]


def test_a_sweep_has_no_controls_and_no_name_is_taken_twice() -> None:
    with pytest.raises(UserError, match=r"experiments.age.*: belong to one experiment"):
        study(True, sweep={"train.learning_rate": [1e-3, 1e-4]})
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["age"]["controls"] = True
    raw["experiments"]["age-half"] = {"like": "age"}
    with pytest.raises(UserError, match="makes an experiment 'age-half'"):
        read_config(raw)


def test_a_control_is_opened_by_its_experiment_alone() -> None:
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["age"]["controls"] = True
    raw["final"] = ["age-half"]
    with pytest.raises(UserError, match="is a control, and opened with 'age'"):
        read_config(raw)
    raw["final"] = []
    raw["experiments"]["sex"]["control_of"] = "age"
    with pytest.raises(UserError, match="control_of: headstart writes it"):
        read_config(raw)


def test_a_change_that_is_injected_trains_nothing_and_is_a_figure_of_its_own(
    tmp_path: Path,
) -> None:
    config = study("injected")
    assert config.controls("age") == []
    assert config.experiments["age"].controls == ("injected",)
    assert {"injected"} == figures_of(config, "age").keys() & {"injected", "controls"}
    assert [files[0] for files in parts("inject", config)] == ["inject/age/responses.csv"]
    before, after = (settings(study(asked), tmp_path) for asked in (False, "injected"))
    assert before.upstream("plot", "age") == after.upstream("plot", "age")
    assert before.upstream("controls", "age") != after.upstream("controls", "age")
