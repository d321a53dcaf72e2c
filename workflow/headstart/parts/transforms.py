"""Names and arguments of TorchIO's random transforms, known without importing TorchIO.

`transforms.json` is written by `headstart schema --write`; a test holds it against the
installed TorchIO.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("transforms.json")


@cache
def known_transforms() -> dict[str, list[str]]:
    """Return the arguments of each random transform by class name."""
    return json.loads(TABLE.read_text())


def check_augmentation(transform: Mapping[str, Mapping[str, Any]]) -> None:
    """Check one entry of `train.augment`.

    Args:
        transform: One class name and its keyword arguments, e.g. `{"RandomNoise": {"std": 0.1}}`.

    Raises:
        ValueError: If the class or an argument is unknown to TorchIO; says what is allowed.
    """
    if len(transform) != 1:
        raise ValueError(f"one transform per list entry, but this one has {list(transform)}")
    ((name, arguments),) = transform.items()
    known = known_transforms()
    if name not in known:
        raise ValueError(_unknown(name, list(known), "a random transform of TorchIO"))
    for argument in arguments:
        if argument not in known[name]:
            raise ValueError(_unknown(argument, known[name], f"an argument of {name}"))


def _unknown(name: str, allowed: list[str], kind: str) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"'{name}' is not {kind}; {hint}allowed: {', '.join(allowed)}"
