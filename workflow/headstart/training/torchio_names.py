"""Names and arguments of TorchIO's random transforms, known without importing TorchIO.

`torchio_names.json` is written by `headstart schema --write`; a test holds it against the
installed TorchIO.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("torchio_names.json")


@cache
def known_transforms() -> dict[str, list[str]]:
    """Return the arguments of each random transform by class name."""
    return json.loads(TABLE.read_text())


def check_augmentation(transform: Mapping[str, Mapping[str, Any]]) -> None:
    """Check one entry of `train.augment`.

    Args:
        transform: One class name and its keyword arguments, e.g. `{"RandomNoise": {"std": 0.1}}`.

    Raises:
        ValueError: If the class or an argument is unknown to TorchIO, or `OneOf` has nothing to
            choose from; says what is allowed.
    """
    if len(transform) != 1:
        raise ValueError(f"one transform per list entry, but this one has {list(transform)}")
    ((name, arguments),) = transform.items()
    known = known_transforms()
    if name not in known:
        raise ValueError(_unknown(name, list(known), "a random transform of TorchIO"))
    if not isinstance(arguments, Mapping):
        raise ValueError(f"{name} takes `key: value` lines, but not {arguments!r}")
    for argument in arguments:
        if argument not in known[name]:
            raise ValueError(_unknown(argument, known[name], f"an argument of {name}"))
    if name == "OneOf":
        _check_choice(arguments.get("transforms"))
    for nested in _nested(arguments):
        check_augmentation(nested)


def _check_choice(transforms: Any) -> None:
    several = isinstance(transforms, list | tuple) and len(transforms) > 0
    if not several or not all(isinstance(one, Mapping) for one in transforms):
        raise ValueError(
            "OneOf takes one of several transforms, e.g. "
            f"{{transforms: [{{RandomNoise: {{}}}}, {{RandomBlur: {{}}}}]}}, not {transforms!r}"
        )


def every_transform(
    transforms: Sequence[Mapping[str, Mapping[str, Any]]],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and arguments of each transform, also of those inside `OneOf`."""
    for transform in transforms:
        for name, arguments in transform.items():
            yield name, arguments
            yield from every_transform(_nested(arguments))


def without_blanks(transform: Any) -> Any:
    """Return a transform whose missing arguments, `- RandomFlip:` in YAML, are an empty mapping."""
    if not isinstance(transform, Mapping):
        return transform
    return {
        name: {key: _without_blanks_inside(value) for key, value in (arguments or {}).items()}
        if arguments is None or isinstance(arguments, Mapping)
        else arguments
        for name, arguments in transform.items()
    }


def _without_blanks_inside(value: Any) -> Any:
    return [without_blanks(part) for part in value] if holds_transforms(value) else value


def _nested(arguments: Mapping[str, Any]) -> list[Mapping[str, Mapping[str, Any]]]:
    return [part for value in arguments.values() if holds_transforms(value) for part in value]


def holds_transforms(value: Any) -> bool:
    """Tell whether an argument is a list of transforms, as that of `OneOf`."""
    return isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value)


def _unknown(name: str, allowed: list[str], kind: str) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"'{name}' is not {kind}; {hint}allowed: {', '.join(allowed)}"
