"""Sizes that a head's scan may have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.imaging.config import Check
from headstart.imaging.config import Prepare
from headstart.imaging.plausible import field_of_view
from headstart.imaging.plausible import out_of_range
from headstart.imaging.scan_rows import CheckRow
from headstart.study.config import read_config
from headstart.study.settings import Settings


@pytest.mark.parametrize(
    ("voxel_size", "window", "wanted"),
    [
        ((2, 2, 2), (96, 112, 96), (50, 600)),
        ((1, 1, 1), (48, 64, 48), (16, 600)),  # crops of the hippocampus
        ((4, 4, 4), (96, 160, 96), (50, 640)),
    ],
)
def test_the_window_says_what_is_looked_at(
    voxel_size: tuple[float, ...], window: tuple[int, ...], wanted: tuple[float, float]
) -> None:
    prepare = Prepare.model_validate({"voxel_size": voxel_size, "window": window})
    assert field_of_view(prepare) == wanted


def test_a_series_may_be_a_slab_of_few_slices() -> None:
    own = Prepare.model_validate({"voxel_size": "own", "window": "own", "series": True})
    assert field_of_view(own) == (10, 600)


@pytest.mark.parametrize(("given", "wanted"), [(None, [16, 600]), ([20, 80], [20, 80])])
def test_what_the_config_says_goes_before_the_window(
    given: list[float] | None, wanted: list[float]
) -> None:
    study = {
        "study": "crops",
        "data": [
            {
                "source": "own",
                "channels": {"T1": "{subject}.nii"},
                "table": {"path": "a.csv", "column": "ID"},
                "labels": {"age": "Age"},
            }
        ],
        "check": {"field_of_view": given},
        "prepare": {"voxel_size": [1, 1, 1], "window": [48, 64, 48]},
        "experiments": {
            "age": {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
        },
    }
    settings = Settings(read_config(study), Path(), {}, "", "", {})
    assert json.loads(settings.slice("check"))["field_of_view"] == wanted


@pytest.mark.parametrize(
    ("voxel_size", "codes"),
    [
        ((1, 1, 1), []),
        ((0.3, 0.3, 3), []),
        ((0.001, 0.001, 0.001), ["field-of-view"]),
        ((1000, 1000, 1000), ["field-of-view"]),
        ((1, 1, 4), ["field-of-view"]),
        ((), []),
    ],
)
def test_a_voxel_size_in_another_unit_is_seen(
    voxel_size: tuple[float, ...], codes: list[str]
) -> None:
    shape = (180, 200, 160) if voxel_size else ()
    row = CheckRow("a", "1", path="a.nii", shape=shape, voxel_size=voxel_size)
    found = list(out_of_range(row, Check(field_of_view=(50, 600))))
    assert [code for code, _ in found] == codes
