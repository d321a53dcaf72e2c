from __future__ import annotations

import copy
from typing import Any

import pandas as pd
import pytest
from rows import label_rows

from headstart.common.errors import UserError
from headstart.study.config import read_config
from headstart.training.mirrors import mirrored_axes
from headstart.training.target import Target
from headstart.training.target import check_target

SIDED = {1: "hippocampus_left", 2: "hippocampus_right"}
PAIR = [["hippocampus_left", "hippocampus_right"]]
FLIP = {"RandomFlip": {"axes": ["LR"]}}


def study(task: str, augment: Any, classes: dict[int, str] = SIDED, **train: Any) -> dict[str, Any]:
    source = {"source": "own", "channels": {"T1": "{side}/{subject}.nii"}}
    target = {"segmentation": "mask", "classification": "kind", "regression": "age"}[task]
    network = "unet" if task == "segmentation" else "densenet121"
    raw: dict[str, Any] = {
        "study": "s",
        "data": [source | {"mask": "{subject}-mask.nii"}],
        "classes": classes,
        "experiments": {
            "one": {
                "task": task,
                "target": target,
                "train": {"network": network, "augment": augment} | train,
            }
        },
    }
    return copy.deepcopy(raw)


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        read_config(raw)
    return str(caught.value)


@pytest.mark.parametrize(
    ("transforms", "axes"),
    [
        ([{"RandomFlip": {}}], {0}),
        ([{"RandomFlip": {"axes": 0}}], {0}),
        ([{"RandomFlip": {"axes": [0, 1, 2]}}], {0, 1, 2}),
        ([{"RandomFlip": {"axes": "Left"}}], {0}),
        ([{"RandomFlip": {"axes": ["lr"]}}], {0}),
        ([{"RandomFlip": {"axes": ["AP", "Superior"]}}], {1, 2}),
        ([{"RandomFlip": {"p": 0}}], set()),
        ([{"RandomFlip": {"flip_probability": 0}}], set()),
        ([{"RandomNoise": {}}, {"OneOf": {"transforms": [{"RandomFlip": {}}]}}], {0}),
        (
            [
                {
                    "OneOf": {
                        "transforms": [{"OneOf": {"transforms": [{"RandomFlip": {"axes": [1]}}]}}]
                    }
                }
            ],
            {1},
        ),
        ([{"RandomAffine": {"degrees": 10}}], set()),
    ],
)
def test_axes_that_are_mirrored(transforms, axes):
    assert mirrored_axes(transforms) == axes


@pytest.mark.parametrize(
    "augment",
    [
        [FLIP],
        [{"RandomFlip": None}],
        [{"RandomFlip": {"axes": ["AP", "LR"], "p": 0.1}}],
        [
            {"RandomNoise": {}},
            {"OneOf": {"transforms": [{"RandomBlur": None}, {"RandomFlip": None}]}},
        ],
    ],
)
def test_classes_named_by_side_are_not_mirrored(augment):
    told = refused(study("segmentation", augment))
    assert "experiments.one.train.augment: RandomFlip turns left into right" in told
    assert "'hippocampus_left', 'hippocampus_right'" in told


def test_other_axes_and_other_classes_are_free():
    read_config(study("segmentation", [{"RandomFlip": {"axes": ["AP"]}}]))
    read_config(study("segmentation", [FLIP], {1: "anterior", 2: "posterior"}))
    read_config(study("regression", [FLIP]))
    told = refused(study("segmentation", [{"RandomFlip": {"axes": [1]}}], {1: "ant", 2: "post"}))
    assert "front into back" in told


def test_a_swap_or_a_reason_allows_the_flip():
    config = read_config(study("segmentation", [FLIP], swap=PAIR))
    assert config.experiments["one"].train.swap == (("hippocampus_left", "hippocampus_right"),)
    read_config(study("segmentation", [FLIP], flip_reason="the phantom is the same on both sides"))


def test_a_blank_reason_is_none():
    assert "left into right" in refused(study("segmentation", [FLIP], flip_reason=" \n "))


def test_a_swap_of_some_classes_leaves_the_others_to_be_told():
    classes = SIDED | {3: "amygdala_left", 4: "amygdala_right"}
    told = refused(study("segmentation", [FLIP], classes, swap=PAIR))
    assert "'amygdala_left', 'amygdala_right'" in told
    assert "hippocampus" not in told


@pytest.mark.parametrize(
    ("swap", "said"),
    [
        ([["hippocampus_left", "thalamus"]], "'thalamus' is no class; allowed: hippocampus_left"),
        ([*PAIR, ["hippocampus_left", "hippocampus_right"]], "stands twice"),
        ([["hippocampus_left"]], "experiments.one.train.swap"),
    ],
)
def test_a_swap_names_classes_once(swap, said):
    assert said in refused(study("segmentation", [FLIP], swap=swap))


def test_a_regression_has_nothing_to_swap():
    assert "no classes" in refused(study("regression", [FLIP], swap=PAIR))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("target", ["side", "left_volume", "lesion_side", "asymmetry", "Seite"])
def test_a_question_about_the_side_is_not_mirrored(task, target):
    raw = study(task, [FLIP])
    raw["experiments"]["one"]["target"] = target
    assert f"'{target}' would keep the name" in refused(raw)


def test_the_values_of_a_map_are_known_before_anything_runs():
    raw = study("classification", [FLIP])
    raw["data"][0] |= {"table": {"path": "t.csv"}}
    raw["data"][0]["labels"] = {"kind": {"from": "focus", "map": {1: "links", 2: "rechts"}}}
    assert "'links', 'rechts'" in refused(raw)
    raw["data"][0]["labels"] = {"kind": {"from": "focus side", "map": {1: "a", 2: "b"}}}
    assert "'focus side'" in refused(raw)


def question(**more: Any) -> Target:
    start = {"experiment": "one", "task": "classification", "target": "kind"}
    return Target(**start | {"augment": [FLIP]} | more)


@pytest.mark.parametrize("values", [("L", "R"), ("left", "right"), ("lh", "rh"), ("sin", "dex")])
def test_values_of_the_table_are_looked_at(values):
    labels = label_rows(pd.DataFrame({"subject": ["1", "2", "3"], "kind": [*values, ""]}))
    with pytest.raises(UserError, match=r"one\.train\.augment: RandomFlip turns left"):
        check_target(labels, question())
    check_target(labels, question(augment=[{"RandomNoise": {}}]))
    check_target(labels, question(swap=[list(values)]))
    with pytest.raises(UserError, match=r"one\.train\.swap: 'up' is no class"):
        check_target(labels, question(swap=[["up", values[0]]]))


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ([{"RandomSwap": {}}], "RandomSwap moves pieces of the image but not of the mask"),
        ([{"OneOf": {"transforms": [{"RandomSwap": {}}]}}], "RandomSwap"),
        ([{"RandomAffine": {"label_interpolation": "linear"}}], "label_interpolation linear"),
        ([{"RandomElasticDeformation": {"label_interpolation": "bspline"}}], "bspline"),
        (
            [
                {
                    "RandomAffineElasticDeformation": {
                        "affine_kwargs": {"label_interpolation": "linear"}
                    }
                }
            ],
            "label_interpolation linear",
        ),
    ],
)
def test_masks_go_where_their_images_go(augment, said):
    assert said in refused(study("segmentation", augment, {1: "lesion"}))
    read_config(study("regression", augment))


NO_AXES: list[Any] = [
    None,
    [None],
    0.0,
    [0.0],
    [["LR"]],
    {"a": 1},
    "x",
    3,
    [],
    True,
    "sagittal",
    "Axial",
    ["Top"],
    "bottom",
    "LAS",
]


@pytest.mark.parametrize("axes", NO_AXES)
def test_axes_that_there_are_not_are_told(axes):
    for more in ({}, {"flip_reason": "none"}):
        told = refused(study("regression", [{"RandomFlip": {"axes": axes}}], **more))
        assert "experiments.one.train.augment: RandomFlip has axes such as [LR]" in told


def test_pieces_of_a_scan_are_not_moved_to_the_other_side():
    raw = study("classification", [{"RandomSwap": {}}])
    read_config(raw)
    raw["experiments"]["one"]["target"] = "hippocampus_left"
    assert "RandomSwap moves pieces of the image to the other side" in refused(raw)


@pytest.mark.parametrize(
    "transforms", [[], None, 3, ["RandomNoise"], [{"RandomNoise": {}}, 3], {"RandomNoise": {}}]
)
def test_one_of_needs_a_list_of_transforms(transforms):
    said = refused(study("regression", [{"OneOf": {"transforms": transforms}}]))
    assert said.startswith("experiments.one.train.augment: OneOf takes one of several transforms")
    assert "[{RandomNoise: {}}, {RandomBlur: {}}]" in said
    assert "OneOf takes" in refused(study("regression", [{"OneOf": {}}]))
    nested = [{"OneOf": {"transforms": [{"RandomNoise": 3}]}}]
    assert "RandomNoise takes `key: value` lines, but not 3" in refused(study("regression", nested))


@pytest.mark.parametrize(
    "nested", [{"RandomBlurr": {}}, {"RandomBlur": {"sd": 1}}, {"RandomBlur": {}, "OneOf": {}}]
)
def test_what_stands_inside_oneof_is_known_too(nested):
    assert "augment" in refused(study("regression", [{"OneOf": {"transforms": [nested]}}]))
