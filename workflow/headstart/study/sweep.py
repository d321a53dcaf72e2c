"""A sweep as a study file writes it: each combination of its values, and what it is called."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from itertools import product
from typing import Any

from headstart.common.errors import UserError
from headstart.common.text import as_number
from headstart.common.text import setting_in_words
from headstart.common.text import value_in_words

SEEDS = "seeds"  # belong to every combination: their spread is what differences are held against
MOST = 64  # combinations: more do not go on a page
LONGEST = 24  # characters of a value in a name
NAME_LIMIT = 100  # characters of an experiment's name, `Name`


def combinations(name: str, grid: Any) -> dict[str, dict[str, Any]]:
    """Return the experiments that a sweep is made of, each as the keys that it sets.

    Args:
        name: The experiment that has the sweep.
        grid: The sweep as it is written: a setting, with dots, and a list of values for each.

    Returns:
        Name: keys and values, nested as in a study file. The last setting varies fastest.

    Raises:
        UserError: If the sweep is none; names the key and what to write.
    """
    where = f"experiments.{name}.sweep"
    if not isinstance(grid, Mapping) or not grid:
        raise UserError(
            f"{where}: must be settings with a list of values for each, e.g. "
            "{train.learning_rate: [1e-3, 3e-4], seeds: [0, 1, 2]}"
        )
    for setting, values in grid.items():
        _check(where, str(setting), values)
    axes = {str(setting): values for setting, values in grid.items() if setting != SEEDS}
    number = math.prod(map(len, axes.values()))
    if number < 2:
        raise UserError(
            f"{where}: has one combination only, and nothing to compare it with; give a setting "
            "several values (beside seeds, which every combination is trained with)"
        )
    if number > MOST:
        raise UserError(f"{where}: has {number} combinations; at most {MOST}: take fewer values")
    seeds = {SEEDS: grid[SEEDS]} if SEEDS in grid else {}
    words = [_axis_words(setting, values) for setting, values in axes.items()]
    names = ["-".join([name, *parts]) for parts in product(*words)]
    if len(set(names)) < number:
        raise UserError(f"{where}: two combinations have one name; sweep the settings one by one")
    if max(map(len, names)) > NAME_LIMIT:
        raise UserError(
            f"{where}: {max(names, key=len)} is longer than {NAME_LIMIT} characters; sweep fewer "
            "settings, or give the experiment a shorter name"
        )
    chosen = (zip(axes, values, strict=True) for values in product(*axes.values()))
    return {one: _nested([*keys, *seeds.items()]) for one, keys in zip(names, chosen, strict=True)}


def swept(experiments: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the experiments that have a sweep."""
    return {
        name: one
        for name, one in experiments.items()
        if isinstance(one, Mapping) and "sweep" in one
    }


def as_written(mistakes: str, experiments: Mapping[str, Any]) -> str:
    """Say of a sweep, once, what is wrong with several of its combinations.

    Args:
        mistakes: A line for each mistake, beginning with its key.
        experiments: The study's experiments, name: keys.
    """
    lines = [_as_written(line, swept(experiments)) for line in mistakes.split("\n")]
    return "\n".join(dict.fromkeys(lines))


def value_at(experiment: Mapping[str, Any], setting: str) -> Any:
    """Return the value that an experiment has for a setting, whose key has dots."""
    value: Any = experiment
    for key in setting.split("."):
        value = value.get(key)  # a key that says nothing may be left out
    return value


def _check(where: str, setting: str, values: Any) -> None:
    key = f"{where}.{setting}"
    if setting != SEEDS and not re.fullmatch(r"train(\.\w+)+", setting):
        raise UserError(
            f"{key}: only `seeds` and keys of `train` can be swept; write them with dots, e.g. "
            "train.learning_rate"
        )
    if not isinstance(values, list | tuple) or not values:
        raise UserError(f"{key}: must be a list with the values to try, e.g. [a, b]")
    numbers = [as_number(value, value) if isinstance(value, str) else value for value in values]
    for place, value in enumerate(numbers):
        if value in numbers[:place]:
            raise UserError(f"{key}: has {values[place]!r} twice; keep one")


def _axis_words(setting: str, values: Sequence[Any]) -> list[str]:
    """Return a word for each value of a setting: learning-rate-1e-3."""
    words = [_slug(value_in_words(value)) for value in values]
    if len(set(words)) < len(words) or not all(0 < len(word) <= LONGEST for word in words):
        words = [str(place) for place in range(1, len(words) + 1)]
    return [f"{_slug(setting_in_words(setting))}-{word}" for word in words]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _nested(settings: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Turn keys with dots into sections."""
    keys: dict[str, Any] = {}
    for setting, value in settings:
        *above, last = setting.split(".")
        section = keys
        for part in above:
            section = section.setdefault(part, {})
        section[last] = value
    return keys


def _as_written(line: str, variants: Mapping[str, Mapping[str, Any]]) -> str:
    for name, experiment in variants.items():
        start = f"experiments.{name}"
        rest = line.removeprefix(start)
        if rest == line or rest[:1] not in (".", ":", "["):
            continue
        is_swept = any(_starts(rest[1:], setting) for setting in experiment["sweep"])
        return f"experiments.{experiment['variant_of']}{'.sweep' * is_swept}{rest}"
    return line


def _starts(text: str, key: str) -> bool:
    return re.match(rf"{re.escape(key)}(?!\w)", text) is not None
