"""Whether an experiment's augmentation leaves its labels true."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Literal

from headstart.training.sides import MIRRORED
from headstart.training.sides import asks_for_side
from headstart.training.sides import sided
from headstart.training.torchio_names import every_transform

# Axis of a prepared volume by TorchIO's names for it. TorchIO itself looks at the first letter
# alone: it takes the plane `sagittal` for superior, and `Top` for the front.
AXES = {
    name: axis
    for axis, names in enumerate(
        ("l r lr rl left right", "a p ap pa anterior posterior", "i s is si inferior superior")
    )
    for name in names.split()
}
WORDS = ("left-right", "back-front", "down-up")
Transforms = Sequence[Mapping[str, Mapping[str, Any]]]


def mirrored_axes(transforms: Transforms) -> set[int]:
    """Return the axes along which a scan may be mirrored: 0 left-right, 1 back-front, 2 down-up.

    Raises:
        ValueError: If a RandomFlip has axes that there are not.
    """
    axes: set[int] = set()
    for name, arguments in every_transform(transforms):
        if name == "RandomFlip":
            named = named_axes(name, arguments.get("axes", 0))
            never = arguments.get("p") == 0 or arguments.get("flip_probability") == 0
            axes |= set() if never else named
    return axes


def flipped_axes(
    flips: Literal["none", 2, 4, 8], transforms: Transforms, swap: Sequence[tuple[str, str]] = ()
) -> tuple[int, ...]:
    """Return the axes along which scans are mirrored in prediction.

    The network must have seen such scans, and must give them the same labels.

    Args:
        flips: `predict.flips`.
        transforms: `train.augment`, checked by `check_mirrors`.
        swap: Classes that a left-right mirror turns into each other.

    Raises:
        ValueError: If training does not mirror so many axes, or a mirror image has other labels.
    """
    if flips == "none":
        return ()
    count, axes = {2: 1, 4: 2, 8: 3}[flips], sorted(mirrored_axes(transforms))
    if swap and 0 in axes:
        raise ValueError(
            f"the mean over {flips} mirror images would mix up the classes of train.swap; write "
            "`none`"
        )
    if len(axes) < count:
        named = " and ".join(WORDS[axis] for axis in axes) or "none"
        along = "an axis" if count == 1 else f"{count} axes"
        raise ValueError(
            f"{flips} mirror images are along {along}, but train.augment mirrors {named}; "
            "write `none`, or add e.g. `- RandomFlip: {axes: [0, 1, 2]}` if the labels stay true"
        )
    return tuple(axes[:count])


def named_axes(name: str, asked: Any) -> set[int]:
    """Return which axes of a prepared volume are meant.

    Args:
        name: The transform.
        asked: Its argument `axes`: numbers or TorchIO's words, such as LR or Anterior.

    Raises:
        ValueError: If there is no such axis.
    """
    several = list(asked) if isinstance(asked, list | tuple) else [asked]
    found = [AXES.get(one.lower()) if isinstance(one, str) else one for one in several]
    axes = {axis for axis in found if type(axis) is int and axis in (0, 1, 2)}
    if not found or not all(type(axis) is int and axis in axes for axis in found):
        raise ValueError(f"{name} has axes such as [LR], [AP], [IS] or [0, 1], but not {asked!r}")
    return axes


def check_masks_follow(transforms: Transforms) -> None:
    """Check that masks go where their images go, and keep their values.

    Raises:
        ValueError: If a transform moves the image alone, or interpolates between classes.
    """
    for name, arguments in every_transform(transforms):
        if name == "RandomSwap":
            raise ValueError("RandomSwap moves pieces of the image but not of the mask; remove it")
        for options in (arguments, *(v for v in arguments.values() if isinstance(v, Mapping))):
            how = options.get("label_interpolation", "nearest")
            if how != "nearest":
                raise ValueError(
                    f"{name} with label_interpolation {how} makes classes that are not there where "
                    "two meet; remove it: masks are interpolated by nearest"
                )


def check_mirrors(
    transforms: Transforms,
    names: Collection[str],
    *,
    asked: Collection[str] = (),
    swap: Sequence[tuple[str, str]] = (),
) -> None:
    """Check that no mirrored scan gets a label that is wrong.

    Args:
        transforms: `train.augment`.
        names: Classes of the mask, or values of the target.
        asked: Names of the target, if it is a label: its own, its columns'.
        swap: Classes that a left-right mirror turns into each other.

    Raises:
        ValueError: If a transform mirrors an axis that the names tell apart.
    """
    swapped = {name for pair in swap for name in pair}
    if any(name == "RandomSwap" for name, _ in every_transform(transforms)):
        moved = sided(names, 0) + [name for name in asked if asks_for_side(name)]
        if moved:
            raise ValueError(
                f"RandomSwap moves pieces of the image to the other side, but {_quoted(moved)} "
                "would keep the name; remove it, or say in train.flip_reason why the label stays "
                "true"
            )
    for axis in sorted(mirrored_axes(transforms)):
        wrong = sided(names, axis)
        if axis == 0:
            wrong = [name for name in wrong if name not in swapped]
            wrong += [] if swap else [name for name in asked if asks_for_side(name)]
        if wrong:
            fix = "" if axis else ", declare train.swap, e.g. [[left, right]]"
            raise ValueError(
                f"RandomFlip turns {MIRRORED[axis]}, but {_quoted(wrong)} would keep the name; "
                f"take that axis out of its `axes` (or RandomFlip out){fix}, or say in "
                "train.flip_reason why the label stays true"
            )


def check_swap(swap: Sequence[tuple[str, str]], names: Collection[str]) -> None:
    """Check that each class stands in one pair at most, and that there is such a class.

    Raises:
        ValueError: If not.
    """
    listed = [name for pair in swap for name in pair]
    unknown = [name for name in listed if name not in names]
    if unknown:
        raise ValueError(f"{_quoted(unknown)} is no class; allowed: {', '.join(names)}")
    if len(set(listed)) < len(listed):
        raise ValueError(f"a class stands twice in {[list(pair) for pair in swap]}")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:4]) + (" …" if len(names) > 4 else "")
