"""Arguments that our networks' classes take, and lengths that follow, of what the user gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

Arguments = Mapping[str, Any]
Lengths = tuple[int, ...]  # along x, y and z, or along the two axes of a slice

# How slices lie, by the axis across them: prepared volumes lie right, anterior, superior.
PLANES = ("sagittal", "coronal", "axial")


def per_resolution(given: Arguments, key: str, default: Sequence[Any]) -> Sequence[Any]:
    """Return what the user gave for each resolution, or the default.

    Raises:
        ValueError: If that is no list of whole numbers, or of one for each axis.
    """
    found = given.get(key, default)
    if found is not default and not (
        isinstance(found, list | tuple)
        and all(map(_is_length, found if key != "strides" else _flat(found)))
    ):
        raise ValueError(
            f"{key} must be a list of whole numbers above 0, e.g. {list(default) or [2, 2]}, but "
            f"is {found!r}"
        )
    return found


def _is_length(value: Any) -> bool:
    return type(value) is int and value > 0


def _flat(values: Sequence[Any]) -> list[Any]:
    """Return numbers and those of the lists among them, which are never empty."""
    several = [value if isinstance(value, list | tuple) else [value] for value in values]
    return [number for value in several for number in value or [None]]


def unet_arguments(given: Arguments) -> dict[str, Any]:
    """Return those of a U-Net that follow from each other."""
    widths = per_resolution(given, "channels", (16, 32, 64, 128, 256))
    strides = per_resolution(given, "strides", (2,) * (len(widths) - 1))
    return {"channels": widths, "strides": strides, "num_res_units": 2}


def dynunet_arguments(given: Arguments) -> dict[str, Any]:
    """Return those of a DynUNet that follow from its strides."""
    strides = per_resolution(given, "strides", (1, 2, 2, 2, 2))
    return {
        "strides": strides,
        "kernel_size": (3,) * len(strides),
        "upsample_kernel_size": strides[1:],
        "deep_supr_num": max(1, len(strides) - 3),  # besides the full one; not the two lowest
    }


def resenc_unet_arguments(given: Arguments) -> dict[str, Any]:
    """Return those of a ResEnc U-Net that follow from its widths, as nnU-Net has them."""
    widths = per_resolution(given, "channels", (32, 64, 128, 256, 320))
    return {
        "channels": widths,
        "blocks": (1, 3, 4, *(6,) * len(widths))[: len(widths)],
        "strides": per_resolution(given, "strides", (1, *(2,) * (len(widths) - 1))),
    }


def vit_patch(given: Arguments) -> int:
    """Return the length of the cubes that a vision transformer sees.

    Raises:
        ValueError: If it is no length.
    """
    length = given.get("patch_size", 16)
    if not _is_length(length):
        raise ValueError(f"patch_size must be a whole number above 0, e.g. 16, but is {length!r}")
    return length


def halved(strides: Sequence[int | Sequence[int]], axes: int = 3) -> Lengths:
    """What the lengths of a window are multiples of, with these strides one after the other.

    Args:
        strides: One for all axes, or a list of one for each.
        axes: How many there are: 3, or 2 of a slice.

    Raises:
        ValueError: If a list has more or fewer.
    """
    along = [stride if isinstance(stride, Sequence) else [stride] * axes for stride in strides]
    for stride in along:
        if len(stride) != axes:
            raise ValueError(
                f"strides: {list(stride)} must be a whole number, or a list of {axes}, one for "
                "each axis"
            )
    return tuple(math.prod(axis) for axis in zip(*along, strict=True)) or (1,) * axes


def across(plane: str) -> int:
    """Return the axis across the slices of a plane: 0 left-right, 1 back-front, 2 down-up.

    Raises:
        ValueError: If there is no such plane.
    """
    if plane not in PLANES:
        raise ValueError(f"plane: there is no '{plane}'; allowed: {', '.join(PLANES)}")
    return PLANES.index(plane)
