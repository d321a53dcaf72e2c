"""The key `explain` in a study: what it asks for, what waits for it, and what is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from evaluated import make_study
from explained import write_explained

from headstart.common.errors import UserError
from headstart.explanation.config import Explain
from headstart.figures.registry import figures_of
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.estimates import explaining_seconds
from headstart.study.methods.citations import citations
from headstart.study.methods.explanation import explained
from headstart.study.methods.explanation import tell_explanations
from headstart.study.methods.study_files import StudyFiles
from headstart.study.parts import parts
from headstart.study.report.explanation import explanations
from headstart.study.settings import Settings
from headstart.study.stages import STAGES

MAPS = ["occlusion", "grad-cam++"]
AGE = {"task": "regression", "target": "age", "train": {"network": "sfcn", "threads": 1}}
PLAIN = AGE | {"folds": [0]}


def config_of(**experiments: dict[str, Any]) -> Config:
    return read_config(
        {
            "study": "s",
            "data": [
                {"source": "own", "channels": {"T1": "{subject}.nii"}, "mask": "{subject}m.nii"}
            ],
            "classes": {"lesion": 1},
            "prepare": {"window": [64, 64, 64], "voxel_size": [3, 3, 3]},
            "experiments": experiments,
        }
    )


def settings_of(config: Config, folder: Path) -> Settings:
    codes = dict.fromkeys(STAGES, "code")
    return Settings(config, folder, codes=codes, listing="", package="", networks={})


def test_a_list_is_short_for_its_methods() -> None:
    config = config_of(
        short=AGE | {"explain": MAPS}, long=AGE | {"explain": {"methods": MAPS}}, none=AGE
    )
    short, long, none = (one.explain for one in config.experiments.values())
    assert short == long == Explain(methods=("occlusion", "grad-cam++"))
    assert none.methods == ()
    # and a study without it is what it was
    assert "explain" not in config.experiments["none"].model_dump()


@pytest.mark.parametrize(
    ("experiment", "told"),
    [
        (
            {"task": "segmentation", "target": "mask", "train": {"network": "unet"}},
            "a segmentation answers for each voxel by itself",
        ),
        (AGE | {"train": {"network": "vit"}}, "the features of vit are no volumes"),
        (AGE | {"explain": ["saliency"]}, "'saliency' is not allowed"),
    ],
)
def test_what_has_no_map_is_refused(experiment: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        config_of(one={"explain": MAPS} | experiment)


def test_only_an_experiment_that_asks_for_it_is_explained() -> None:
    config = config_of(asks=PLAIN | {"explain": MAPS}, plain=PLAIN)
    predictions = "predict/asks/main/fold-0/seed-0/predictions.csv"
    ((cases, *below),) = parts("explain", config)
    assert cases == "explain/asks/cases.csv"
    assert predictions in below
    assert "explanation" in figures_of(config, "asks")
    assert "explanation" not in figures_of(config, "plain")


def test_a_changed_patch_draws_the_figures_of_its_experiment_alone(tmp_path: Path) -> None:
    def upstream(stage: str, name: str, patch: float) -> str:
        asked = {"methods": MAPS, "patch": patch}
        config = config_of(asks=PLAIN | {"explain": asked}, plain=PLAIN)
        return settings_of(config, tmp_path).upstream(stage, name)

    assert upstream("plot", "asks", 20) != upstream("plot", "asks", 30)
    assert upstream("plot", "plain", 20) == upstream("plot", "plain", 30)
    assert upstream("evaluate", "asks", 20) == upstream("evaluate", "asks", 30)


def test_the_price_follows_the_passes() -> None:
    def seconds(**asked: Any) -> float:
        one = config_of(one=PLAIN | {"explain": {"methods": ["occlusion"], **asked}})
        return explaining_seconds(one, "one") or 0

    few, many = seconds(passes=27), seconds(passes=1000, stride=5)
    # 27 passes and nearly 1000: all else is small beside them
    assert 20 < (many - 10) / (few - 10) < 37
    assert seconds(passes=27, cases=12) > few
    own = PLAIN | {"train": {"network": "my_net.py:Net"}, "explain": MAPS}
    assert explaining_seconds(config_of(own=own), "own") is None


def test_maps_of_what_is_no_longer_chosen_from_a_sweep_are_not_told(tmp_path: Path) -> None:
    make_study(tmp_path, subjects=24)
    swept = PLAIN | {"explain": MAPS, "sweep": {"train.learning_rate": [1e-3, 1e-4]}}
    config = config_of(exp=swept)
    write_explained(tmp_path, next(iter(config.experiments)))
    assert explained(StudyFiles(tmp_path, config, synthetic=False)) == {}


@pytest.mark.parametrize(("alike", "told"), [(0.1, "changes the map"), (0.8, "not to be trusted")])
def test_report_and_methods_say_what_the_check_found(
    tmp_path: Path, alike: float, told: str
) -> None:
    make_study(tmp_path, subjects=24)
    asked, plain = config_of(exp=PLAIN | {"explain": MAPS}), config_of(exp=PLAIN)
    study = StudyFiles(tmp_path, asked, synthetic=False)
    assert not list(tell_explanations(study))  # as long as there are no maps
    write_explained(tmp_path, alike=alike)
    (section,) = explanations(study)
    (methods,) = tell_explanations(study)
    for text in (section.body, methods):
        assert text.count(told) == 2  # by either method
    cited = " ".join(citations(study, []))
    assert all(paper in cited for paper in ("Zeiler", "Chattopadhay", "Adebayo"))
    without = StudyFiles(tmp_path, plain, synthetic=False)
    assert explanations(without) == []
    assert "Adebayo" not in " ".join(citations(without, []))
