"""Order that means something survives every way that a config takes to a job."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import get_args
from typing import get_origin

import pytest
from cards import make_card
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.ordered import Ordered
from headstart.common.schema import Arguments
from headstart.common.schema import read_settings
from headstart.data.config import Source
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.settings import Settings
from headstart.training.card import ModelCard
from headstart.training.settings import Run

# Every mapping of the config, with keys that alphabetical order would turn round; a class 10
# because '10' < '2' as text.
STUDY: dict[str, Any] = {
    "study": "small",
    "data": [
        {
            "source": "own",
            "channels": {
                "T1": "{subject}_T1.nii",
                "FLAIR": "{subject}_FLAIR.nii",
                "image": "{subject}_image.nii",
                "T2": "{subject}_T2.nii",
            },
            "mask": "{subject}_m.nii",
            "table": {
                "path": "t.csv",
                "columns": {"Sex": {"missing": ["?"]}, "Age": {"range": [0, 120]}},
            },
            "labels": {"sex": {"from": "Sex", "map": {"2": "w", "1": "m"}}, "age": "Age"},
        }
    ],
    "classes": {value: f"{'kjihgfedcba'[value - 1]}_{value}" for value in range(1, 12)},
    "prepare": {"window": [48, 48, 48]},
    "experiments": {
        "grey": {
            "task": "segmentation",
            "target": "mask",
            "train": {
                "network": "unet",
                "network_arguments": {"strides": [2, 2], "channels": [8, 16]},
                "augment": [{"RandomAffine": {"scales": 0.1, "degrees": 5}}],
            },
        },
        "age": {"task": "regression", "target": "age", "train": {"network": "sfcn"}},
    },
}

NUMBERED = sorted(STUDY["classes"].items())


def shuffled(value: Any, draw: st.DrawFn) -> Any:
    """Return the same with the keys of every mapping in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], draw) for key in draw(st.permutations(list(value)))}
    return [shuffled(inner, draw) for inner in value] if isinstance(value, list) else value


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    return shuffled(STUDY, draw)


def in_order(value: Any) -> Any:
    """Return mappings as lists of pairs, at every depth: equal only in one order."""
    if isinstance(value, dict):
        return [[key, in_order(inner)] for key, inner in value.items()]
    return [in_order(inner) for inner in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@hypothesis_settings(max_examples=50)
@given(raw=studies())
def test_config_as_each_job_reads_it_equals_the_config_order_too(
    raw: dict[str, Any], project: Path
) -> None:
    config = read_config(raw)
    wanted = in_order(config.model_dump())
    settings = Settings(config, project, {}, "", "", {})

    # a job on the cluster reads the snapshot; `status` advises to go on with config.json
    files.write_text(settings.snapshot, settings._text)
    assert in_order(Settings.read(settings.snapshot).config.model_dump()) == wanted
    files.write_json(project / "config.json", config.model_dump(mode="json"))
    again = read_config(json.loads((project / "config.json").read_text()))
    assert in_order(again.model_dump()) == wanted

    # a local job reads its command line, and its settings may stay in a file beside the network
    (source,) = json.loads(settings.slice("label"))["data"]
    assert in_order(Source.model_validate(source).model_dump()) == in_order(
        config.data[0].model_dump()
    )
    asked = settings.slice("train", experiment="grey", fold=0, seed=0)
    make_card(read_settings(Run, asked)).write(project)
    run = ModelCard.read(project).run
    assert run.channels == tuple(raw["data"][0]["channels"])
    assert list(run.classes.items()) == [(name, (value,)) for value, name in NUMBERED]
    assert in_order(run.train.model_dump()) == in_order(
        config.experiments["grey"].train.model_dump()
    )
    for stage, choice in {
        "check-scans": {},
        "prepare": {},
        "predict": {"experiment": "grey", "fold": 0, "seed": 0},
    }.items():
        read = json.loads(settings.slice(stage, **choice))
        if stage != "check-scans":
            assert read["channels"] == list(raw["data"][0]["channels"])
        assert read["classes"] == [[name, [value]] for value, name in NUMBERED]


@given(raw=studies())
@hypothesis_settings(max_examples=20)
def test_keyword_arguments_have_no_order(raw: dict[str, Any]) -> None:
    train = read_config(raw).experiments["grey"].train
    assert list(train.network_arguments) == ["channels", "strides"]
    assert list(train.augment[0]["RandomAffine"]) == ["degrees", "scales"]


def mappings(annotation: Any, markers: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield what stands beside each mapping of a type, e.g. its validators."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is dict:
        yield markers
    if hasattr(annotation, "__metadata__"):
        yield from mappings(inner[0], (*markers, *annotation.__metadata__))
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if name != "augment":  # a list of mappings of one entry each
                yield from mappings(field.annotation, tuple(field.metadata))
    for one in inner:
        yield from mappings(one)


@pytest.mark.parametrize(("model", "count"), [(Config, 10), (Run, 3)])
def test_every_mapping_of_the_config_is_ordered_or_arguments(
    model: type[BaseModel], count: int
) -> None:
    kinds = [set(get_args(kind)[1:]) for kind in (Ordered[str, str], Arguments)]
    found = list(mappings(model))
    assert len(found) == count
    for markers in found:
        assert any(kind <= set(markers) for kind in kinds), markers


@pytest.mark.parametrize("value", [[["T1"]], ["T1"], [1], [["T1", "a.nii"], ["T1", "b.nii"]]])
def test_pairs_that_are_none_are_said(value: Any) -> None:
    study = copy.deepcopy(STUDY)
    study["data"][0]["channels"] = value
    with pytest.raises(UserError, match=r"data\[0\]\.channels: "):
        read_config(study)
