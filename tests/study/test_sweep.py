"""A sweep becomes plain experiments, and what is wrong with one is said in a sentence."""

from __future__ import annotations

import copy
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.common.schema import NAME
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.methods import training
from headstart.study.parts import parts
from headstart.study.settings import Settings
from headstart.study.sweep import combinations

STUDY: dict[str, Any] = {
    "study": "small",
    "data": [{"source": "own", "channels": {"T1": "{subject}.nii.gz"}}],
    "prepare": {"window": [48, 48, 48]},
    "experiments": {
        "age": {
            "task": "regression",
            "target": "age",
            "train": {"network": "sfcn", "network_arguments": {"channels": [8, 8, 8]}},
            "sweep": {"train.learning_rate": ["1e-3", 3e-4], "seeds": [0, 1, 2]},
        },
        "sex": {"like": "age", "task": "classification", "target": "sex"},
    },
}
FAST, SLOW = "age-learning-rate-1e-3", "age-learning-rate-0-0003"


def study(grid: Any, **keys: Any) -> Config:
    raw = copy.deepcopy(STUDY) | keys
    raw["experiments"]["age"]["sweep"] = grid
    return read_config(raw)


def complaint(grid: Any, **keys: Any) -> str:
    with pytest.raises(UserError) as caught:
        study(grid, **keys)
    return str(caught.value)


def settings(config: Config, folder: Path) -> Settings:
    return Settings(config, folder, codes={}, listing="", package="", networks={})


def test_each_value_is_an_experiment_trained_with_all_seeds() -> None:
    config = read_config(STUDY)
    assert list(config.experiments) == [FAST, SLOW, "sex"]
    assert [config.experiments[name].train.learning_rate for name in (FAST, SLOW)] == [1e-3, 3e-4]
    assert all(config.experiments[name].seeds == (0, 1, 2) for name in (FAST, SLOW))
    assert [run.experiment for run in config.runs("age")] == [FAST] * 3 + [SLOW] * 3


def test_like_takes_no_sweep_over_and_starts_from_a_combination_too() -> None:
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["longer"] = {"like": FAST, "train": {"epochs": 100}}
    config = read_config(raw)
    assert config.experiments["sex"].seeds == (0,)
    assert config.sweeps == {"age": [FAST, SLOW]}
    longer = config.experiments["longer"]
    assert (longer.train.epochs, longer.train.learning_rate, longer.seeds) == (100, 1e-3, (0, 1, 2))
    assert config.is_evaluated("longer")


def test_a_network_of_another_name_gets_no_arguments_of_the_first() -> None:
    config = study({"train.network": ["sfcn", "resnet18"]})
    found = [config.experiments[f"age-network-{name}"].train for name in ("sfcn", "resnet18")]
    assert [train.network_arguments for train in found] == [{"channels": [8, 8, 8]}, {}]


def test_resolved_config_is_read_back_as_it_was() -> None:
    config = read_config(STUDY)
    assert read_config(config.model_dump(mode="json")) == config


SETTINGS = ["learning_rate", "batch_size", "network", "network_arguments.dropout", "augment"]
VALUES = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40),
    st.lists(st.dictionaries(st.text(max_size=9), st.integers(), max_size=2), max_size=3),
)
GRIDS = st.dictionaries(
    st.sampled_from([f"train.{key}" for key in SETTINGS]),
    st.lists(VALUES, min_size=1, max_size=4, unique_by=repr),
    min_size=1,
    max_size=3,
)


@given(GRIDS)
def test_combinations_are_the_whole_product_in_order_under_names_of_folders(
    grid: dict[str, list[Any]],
) -> None:
    try:
        found = combinations("age", grid)
    except UserError as error:  # e.g. one combination only, or 1 beside 1.0
        assert str(error).startswith("experiments.age.sweep")  # noqa: PT017
        return
    rows = [_values(keys, list(grid)) for keys in found.values()]
    assert rows == [list(row) for row in itertools.product(*grid.values())]
    assert all(re.fullmatch(NAME, name) and len(name) <= 100 for name in found)


def _values(keys: dict[str, Any], names: list[str]) -> list[Any]:
    found = []
    for name in names:
        value: Any = keys
        for part in name.split("."):
            value = value[part]
        found.append(value)
    return found


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (None, "experiments.age.sweep: must be settings with a list of values for each, e.g. {tra"),
        ({}, "experiments.age.sweep: must be settings with a list of values for each"),
        ({"train.epochs": []}, "sweep.train.epochs: must be a list with the values to try"),
        ({"train.epochs": 3}, "sweep.train.epochs: must be a list with the values to try"),
        ({"train.epochs": [3, "3"]}, "experiments.age.sweep.train.epochs: has '3' twice; keep one"),
        ({"train.epochs": [3, 9], "seeds": [1, 1]}, "age.sweep.seeds: has 1 twice; keep one"),
        ({"epochs": [3, 9]}, "sweep.epochs: only `seeds` and keys of `train` can be swept"),
        ({"train": {"epochs": [3, 9]}}, "age.sweep.train: only `seeds` and keys of `train` can"),
        ({"target": ["age", "sex"]}, "age.sweep.target: only `seeds` and keys of `train` can"),
        ({"train.epoch": [3, 9]}, "sweep.train.epoch: unknown key; did you mean 'epochs'?"),
        ({"seeds": [0, 1]}, "age.sweep: has one combination only, and nothing to compare it with"),
        ({"train.epochs": list(range(1, 80))}, "age.sweep: has 79 combinations; at most 64"),
        (
            {"train.epochs": [0, 9], "train.batch_size": [2, 4]},
            "experiments.age.sweep.train.epochs: 0 is not allowed: must be greater than or equal",
        ),
        (
            {"train.loss": ["l1", "dice"], "train.batch_size": [2, 4]},
            "experiments.age: train.loss 'dice' is not for regression",
        ),
    ],
)
def test_what_is_wrong_is_said_once_with_the_key_as_it_is_written(grid: Any, said: str) -> None:
    found = complaint(grid)
    assert said in found
    assert "\n" not in found


def test_no_validation_set_no_sweep() -> None:
    said = complaint({"train.epochs": [3, 9]}, split={"validation": 0})
    assert said.startswith("experiments.age.sweep: is compared on the validation set, but")


def test_name_of_another_experiment_is_refused() -> None:
    raw = copy.deepcopy(STUDY)
    raw["experiments"][FAST] = {"like": "age"}
    with pytest.raises(UserError, match=f"age.sweep: makes an experiment '{FAST}', and there is"):
        read_config(raw)


def test_variant_of_is_not_for_users() -> None:
    raw = copy.deepcopy(STUDY)
    raw["experiments"]["sex"]["variant_of"] = "age"
    with pytest.raises(UserError, match="variant_of: headstart writes it beside `sweep`"):
        read_config(raw)


def test_final_takes_one_experiment_of_a_sweep() -> None:
    grid = STUDY["experiments"]["age"]["sweep"]
    assert "final: 'age' is a sweep; name the one" in complaint(grid, final="age")
    assert f"final: {FAST} and {SLOW} are of the sweep age" in complaint(grid, final=[FAST, SLOW])
    assert study(grid, final=SLOW).is_evaluated(SLOW)


def test_only_what_was_chosen_is_predicted_evaluated_and_drawn(tmp_path: Path) -> None:
    grid = STUDY["experiments"]["age"]["sweep"]
    before, after = study(grid), study(grid, final=SLOW)
    assert settings(before, tmp_path).figures(SLOW) == ("curves.pdf",)
    assert settings(after, tmp_path).figures(SLOW) == ("curves.pdf", "evaluation.pdf")
    assert settings(before, tmp_path).figures("age") == ("sweep.pdf", "sweep.csv")
    predicted = [[path for path, *_ in parts("predict", one)] for one in (before, after)]
    assert [len([path for path in paths if "/age-" in path]) for paths in predicted] == [0, 3]
    # a page is done once its file is there, and all that it is drawn from
    (page,) = [p for p in parts("plot", before) if p[0] == "figures/age/sweep.pdf"]
    assert len([path for path in page if path.startswith("train/")]) == 6


def test_the_methods_tell_what_was_compared_and_what_was_chosen() -> None:
    config = study({"train.learning_rate": [1e-2, 1e-3], "seeds": [0, 1]})
    said = training._sweep(config, config.sweeps["age"])
    assert said.startswith(
        "2 combinations of learning rate (0.01, 0.001), each trained with seeds 0 "
    )
    assert "mean absolute error of the validation subjects; none is evaluated on held-out" in said
