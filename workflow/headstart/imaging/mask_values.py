"""A mask's values as its file holds them, and as numbers of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.imaging.mask_classes import END
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_classes import values_of


def numbered(values: NDArray[np.floating], classes: Classes) -> NDArray[np.uint8]:
    """Convert a mask's values to numbers of classes.

    Args:
        values: The mask as its file holds it, any shape; 2.9999 is 3.
        classes: Each class's values.

    Returns:
        0 for background and for every value of no class, else 1, 2, … in the order of `classes`.
    """
    result = np.empty(values.shape, np.uint8)
    if "any" in classes.values():
        for row, plane in enumerate(values):
            whole = np.rint(plane)
            result[row] = (whole > 0) & (whole < END)
        return result
    number = {0: 0} | {v: n for n, own in enumerate(classes.values(), 1) for v in values_of(own)}
    known = np.array(sorted(number))
    numbers = np.array([number[value] for value in known], np.uint8)
    for row, plane in enumerate(values):  # at once, places take eight times a mask's memory
        whole = np.rint(plane)
        place = np.clip(np.searchsorted(known, whole), 0, len(known) - 1)
        result[row] = np.where(known[place] == whole, numbers[place], np.uint8(0))
    return result


def file_values(numbers: NDArray[np.uint8], classes: Classes) -> NDArray[np.integer[Any]]:
    """Convert numbers of classes to the files' own values; a class of several gets its first.

    Of `any`, that is 1.

    Returns:
        The values, in the smallest type that NIfTI has for them.
    """
    table = np.array([0, *(next(iter(values_of(given))) for given in classes.values())])
    return table.astype(_smallest(table))[numbers]


def millilitres(
    numbers: NDArray[np.uint8], classes: Sequence[str], voxel_ml: float
) -> dict[str, float]:
    """Measure each class.

    Args:
        numbers: Numbers of classes, any shape.
        classes: Names of the classes 1, 2, …
        voxel_ml: Volume of a voxel, ml.

    Returns:
        Name of the class: its volume, ml.
    """
    # plane by plane: numpy counts in numbers eight times as long
    planes = (np.bincount(plane.ravel(), minlength=len(classes) + 1) for plane in numbers)
    counts = sum(planes, np.zeros(len(classes) + 1, np.int64))[1:]
    return {name: float(n) * voxel_ml for name, n in zip(classes, counts, strict=True)}


def _smallest(values: NDArray[np.integer[Any]]) -> type[np.integer[Any]]:
    kinds: Sequence[type[np.integer[Any]]] = (np.uint8, np.int16, np.uint16)
    for kind in kinds:
        if np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max:
            return kind
    return np.int32
