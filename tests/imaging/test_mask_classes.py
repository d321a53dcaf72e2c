"""Values in files and numbers of classes: there and back, and nothing by accident."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headstart.imaging.config import MaskClasses
from headstart.imaging.mask_values import file_values
from headstart.imaging.mask_values import numbered

READ = TypeAdapter(MaskClasses).validate_python


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ({1: "grey", 2: "white"}, {"grey": (1,), "white": (2,)}),
        ({"2": "white", "1": "grey"}, {"grey": (1,), "white": (2,)}),
        ([[1, "grey"], [10, "white"]], {"grey": (1,), "white": (10,)}),
        ({1: "core", 2: "oedema", 4: "core"}, {"core": (1, 4), "oedema": (2,)}),
        ({"b": 1, "c": 2, "a": 4}, {"b": (1,), "c": (2,), "a": (4,)}),
        ({"lesion": 255}, {"lesion": (255,)}),
        ({"b": [2, 4], "a": [1, 3]}, {"b": (2, 4), "a": (1, 3)}),
        ([["cortex", [1026, 2026]]], {"cortex": (1026, 2026)}),
        ({"lesion": "any"}, {"lesion": "any"}),
        ([["lesion", "any"]], {"lesion": "any"}),
        ({1: "any"}, {"any": (1,)}),
        ([], {}),
    ],
)  # fmt: skip
def test_either_way_of_writing_classes(given: Any, classes: dict[str, tuple[int, ...]]) -> None:
    assert list(READ(given).items()) == list(classes.items())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({1: "grey", "white": 2}, "but not both"),
        ({"grey": 0}, "background"),
        ({0: "air"}, "background"),
        ({"grey": [1, 2], "white": 2}, "belongs to 'grey' and to 'white'"),
        ({"lesion": "any", "core": 1}, "leaves no value for another class"),
        ({"lesion": "all"}, "valid integer"),
        ({f"c{n}": n for n in range(1, 257)}, "may be 255"),
    ],
)
def test_classes_that_make_no_sense(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        READ(given)


def test_values_are_merged_and_the_others_are_background() -> None:
    values = np.array([0, 1, 2, 3, 4, 5, 257, 1026, -1, 255, 256, 2.9999, 1e30])
    found = numbered(values, {"a": (1, 3), "b": (2, 4), "c": (1026,)})
    assert found.tolist() == [0, 1, 2, 1, 2, 0, 0, 3, 0, 0, 0, 1, 0]
    assert found.dtype == np.uint8


def test_any_whole_number_above_0_is_of_the_one_class() -> None:
    values = np.array([0, 1, 2.9999, 0.0001, 255, 256, 65535, 2**31 - 1, 2**31, -1, 1e30])
    found = numbered(values, {"lesion": "any"})
    assert found.tolist() == [0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0]
    assert found.dtype == np.uint8
    assert file_values(found, {"lesion": "any"}).tolist() == found.tolist()


@given(st.lists(st.integers(-40_000, 70_000).filter(bool), unique=True, min_size=1, max_size=20))
def test_a_class_of_one_value_gets_it_back(values: list[int]) -> None:
    classes = {f"c{number}": (value,) for number, value in enumerate(values)}
    mask = np.array([0, *values])
    numbers = numbered(mask, classes)
    assert numbers.tolist() == list(range(len(values) + 1))
    np.testing.assert_array_equal(file_values(numbers, classes), mask)


@pytest.mark.parametrize(
    ("value", "kind"), [(255, "u1"), (256, "i2"), (-1, "i2"), (40_000, "u2"), (70_000, "i4")]
)
def test_the_type_holds_the_values(value: int, kind: str) -> None:
    assert file_values(np.array([0, 1], np.uint8), {"a": (value,)}).dtype == kind
