"""Classes of a mask: which values in the files stand for which class.

In the config `{1: grey, 2: white}` names values, `{core: 1, oedema: [2, 3]}` gives each class its
values, and `{lesion: any}` makes one class of all of them. Inside, the classes are numbered 1, 2, …
in that order and 0 is background; values that belong to no class are background too.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import Literal

# Prepared masks are bytes.
MOST_CLASSES = 255
END = 2**31  # of the values that a mask can hold

Values = tuple[int, ...] | Literal["any"]
Classes = Mapping[str, Values]


def values_of(given: Values) -> Collection[int]:
    """Return the values of a class; of `any` all whole numbers above 0 that a mask can hold."""
    return range(1, END) if given == "any" else given


def by_name(given: Any) -> Any:
    """Convert either notation of classes to pairs of a name and its values.

    Args:
        given: A mapping or a list of pairs: of a value and its class's name, or of a class's name
            and its value or values.

    Raises:
        ValueError: If both ways are mixed, or YAML took a word such as `yes` for none.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        return given
    by_value = [_is_whole(key) for key, _ in pairs]
    if not any(by_value):
        for name, values in pairs:
            many = values if isinstance(values, list | tuple) else [values]
            if truths := [value for value in many if isinstance(value, bool)]:
                raise ValueError(f"'{name}' has the value {truths[0]}; must be a whole number")
        return [[n, v if v == "any" or isinstance(v, list | tuple) else [v]] for n, v in pairs]
    if not all(by_value):
        raise ValueError("give either {value: name} or {name: value or [values]}, but not both")
    for value, name in pairs:
        if name is None or isinstance(name, bool):
            raise ValueError(f"the name of {value} is no text to YAML ({name}); put it in quotes")
    named: dict[str, list[int]] = {}
    for value, name in sorted((int(key), str(name)) for key, name in pairs):
        named.setdefault(name, []).append(value)
    return [[name, values] for name, values in named.items()]


def checked(classes: dict[str, Values]) -> dict[str, Values]:
    """Check that a class has values, and each fits a file, is of one class, and not background, 0.

    Raises:
        ValueError: If that is not so, or there are too many classes.
    """
    if len(classes) > MOST_CLASSES:
        raise ValueError(f"has {len(classes)} classes, but there may be {MOST_CLASSES}")
    if "any" in classes.values():
        if len(classes) > 1:
            raise ValueError("`any` leaves no value for another class; keep one class")
        return classes
    owner: dict[int, str] = {}
    for name, given in classes.items():
        values = values_of(given)
        if not values:
            raise ValueError(f"'{name}' has no value; e.g. {{{name}: 1}}")
        for value in values:
            if not -END <= value < END:
                raise ValueError(f"'{name}' has the value {value}, more than a mask can hold")
            if value == 0:
                raise ValueError(f"'{name}' has the value 0, which is background; remove it")
            if owner.setdefault(value, name) != name:
                raise ValueError(f"the value {value} belongs to '{owner[value]}' and to '{name}'")
    return classes


def _is_whole(key: Any) -> bool:
    if isinstance(key, float):
        return key.is_integer()
    try:
        int(key)
    except (TypeError, ValueError):
        return False
    return not isinstance(key, bool)
