"""Mappings whose order means something, kept in a type that has order wherever they travel.

YAML and Python keep the order of a mapping; JSON promises none, and canonical JSON sorts the
keys. So an ordered mapping becomes a list of [key, value] pairs in JSON and is read from either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import TypeVar

from pydantic import BeforeValidator
from pydantic import SerializerFunctionWrapHandler
from pydantic import WrapSerializer

Key = TypeVar("Key")
Value = TypeVar("Value")


def _from_pairs(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return value
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise ValueError("needs `key: value` lines, or a list of [key, value] pairs")
    mapping = {str(key): inner for key, inner in value}
    if len(mapping) < len(value):
        raise ValueError("has a key twice")
    return mapping


def _to_pairs(mapping: Mapping[Any, Any], inner: SerializerFunctionWrapHandler) -> Any:
    return [list(pair) for pair in inner(mapping).items()]


Ordered = Annotated[
    dict[Key, Value],
    BeforeValidator(_from_pairs),
    WrapSerializer(_to_pairs, when_used="json"),
]


def without_order(value: Any) -> Any:
    """Sort the keys of nested mappings whose order means nothing, such as keyword arguments."""
    if isinstance(value, Mapping):
        return {key: without_order(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [without_order(inner) for inner in value]
    return value
