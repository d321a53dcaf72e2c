"""Which experiments are compared is known from the config alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from headstart.study.comparable import other_volumes
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.tasks.neighbours import Neighbours

AGE = {"task": "regression", "target": "age", "train": {"network": "sfcn", "epochs": 2}}
SEX = AGE | {"task": "classification", "target": "sex"}


def study(final: list[str], **experiments: Any) -> Config:
    return read_config(
        {
            "study": "s",
            "data": [
                {
                    "source": "own",
                    "channels": {"t1": "{subject}.nii.gz"},
                    "labels": {"age": "age", "sex": "sex"},
                    "table": {"path": "t.csv", "column": "id"},
                }
            ],
            "split": {"test": 0.2, "folds": 3},
            "prepare": {"voxel_size": [4, 4, 4], "window": [32, 40, 32], "shards": 1},
            "experiments": experiments,
            "final": final,
        }
    )


def groups(config: Config) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.protocol, one.experiments) for one in config.comparisons]


def test_those_that_ask_the_same_of_the_same_subjects_are() -> None:
    config = study(["a", "b"], a=AGE, b=AGE, c=AGE | {"folds": "all"}, sex=SEX)
    assert groups(config) == [("test", ("a", "b")), ("hold-out", ("a", "b"))]
    assert config.compared == ["a", "b"]
    assert config.figure_folders[-1] == "experiments"


def test_folds_are_the_same_in_any_order_and_under_any_name() -> None:
    config = study([], a=AGE | {"folds": [2, 0, 1]}, b=AGE | {"folds": "all"})
    assert groups(config) == [("cross-validation", ("a", "b"))]


def test_a_single_experiment_and_a_sweep_are_not() -> None:
    swept = AGE | {"sweep": {"train.learning_rate": [1e-3, 1e-4]}}
    for config in (study(["a"], a=AGE, sex=SEX), study([], a=AGE, b=swept)):
        assert config.comparisons == ()
        assert "experiments" not in config.figure_folders


def test_what_was_chosen_from_a_sweep_is() -> None:
    swept = AGE | {"sweep": {"train.learning_rate": [1e-3, 1e-4]}}
    config = study(["a", "b-learning-rate-0-001"], a=AGE, b=swept)
    assert groups(config)[0] == ("test", ("a", "b-learning-rate-0-001"))


def test_series_that_are_judged_by_other_volumes_are_told_so() -> None:
    def told(**before: int) -> str:
        experiments = {
            name: SimpleNamespace(train=SimpleNamespace(neighbours=Neighbours(before=n, after=1)))
            for name, n in before.items()
        }
        return other_volumes(SimpleNamespace(experiments=experiments), experiments)  # type: ignore[arg-type]

    assert told(a=3, b=3) == ""
    assert told(b=3, a=1) == (
        "They are judged by different volumes of the same series: a by those with 1 volume before "
        "and 1 after them; b by those with 3 volumes before and 1 after them."
    )
    assert other_volumes(study([], a=AGE, b=AGE), "ab") == ""
