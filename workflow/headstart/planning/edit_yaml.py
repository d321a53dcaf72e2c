"""Add an entry to a hand-written YAML file and keep every other character.

Libraries that keep comments write the text again: ruamel.yaml 0.19 changes 6 to 11 lines of each
study in `config/`, joins lists in braces that stand on several lines, and loses JSON's layout.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from headstart.common.errors import UserError
from headstart.common.strict_yaml import load


@dataclass(frozen=True)
class _Entry:
    """Where an entry of a mapping stands: places in the text, and columns of keys."""

    key: str | None
    column: int
    start: int
    end: int
    below: int | None  # column of the first key in its value, if that is a block
    flow: bool  # whether its value is in braces
    inside: tuple[_Entry, ...]


def add_entry(text: str, section: str, after: str, name: str, value: Mapping[str, Any]) -> str:
    """Add `name: value` to a section of a YAML text, below one of its entries and in its style.

    Args:
        text: The YAML text, a mapping.
        section: A key of the text whose value is a mapping.
        after: The entry of that mapping to write below.
        name: Key of the new entry.
        value: The new entry.

    Returns:
        The text with the entry. Read as YAML, it is what it was and the entry.

    Raises:
        UserError: If the entry to write below is not written out in the text, or the text is laid
            out in a way that can't be added to.
    """
    entries = _find(_entries(text), section).inside
    entry = _find(entries, after)
    in_braces = _find(_entries(text), section).flow
    new = _in_flow(text, entry, name, value) if in_braces else _in_block(text, entry, name, value)
    before = load(text)
    wanted = before | {section: before[section] | {name: value}}
    try:
        kept = load(new) == wanted
    except UserError:
        kept = False
    if not kept:
        raise UserError(
            f"{section}: its layout can't be added to without a change elsewhere; add by hand: "
            f"{_flow({name: value})[1:-1]}"
        )
    return new


def _find(entries: tuple[_Entry, ...], key: str) -> _Entry:
    for entry in entries:
        if entry.key == key:
            return entry
    raise UserError(f"{key}: not written out in the file, so nothing can be added there by a tool")


def _in_block(text: str, entry: _Entry, name: str, value: Mapping[str, Any]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    place = _below(text, entry)
    head, tail = text[:place], text[place:]
    if head and not head.endswith("\n"):
        head += newline
    step = 2 if entry.below is None else entry.below - entry.column
    if entry.flow:
        lines = [" " * entry.column + _flow({name: value})[1:-1]]
    else:
        lines = list(_block({name: value}, entry.column, step))
    # entries that are set apart by empty lines stay so
    above = text[: entry.start - entry.column]
    if re.match(rf"\r?\n {{{entry.column}}}\S", tail) or re.search(r"\n\r?\n\Z", above):
        lines.insert(0, "")
    return head + "".join(line + newline for line in lines) + tail


def _below(text: str, entry: _Entry) -> int:
    """Return the place of the first line below an entry and the comments that belong to it."""
    end = entry.end
    if text[end - 1 : end] != "\n":
        end = text.find("\n", end) + 1 or len(text)
    while comment := re.compile(r"( *)#.*(\n|\Z)").match(text, end):
        if len(comment[1]) <= entry.column:
            break
        end = comment.end()
    return end


def _in_flow(text: str, entry: _Entry, name: str, value: Mapping[str, Any]) -> str:
    if _is_json(text):
        new = json.dumps({name: value}, default=str)[1:-1]
    else:
        new = _flow({name: value})[1:-1]
    start_of_line = text.rfind("\n", 0, entry.start) + 1
    indent = text[start_of_line : entry.start]
    rest = re.compile(r"(,?)([ \t]*(?:#[^\r\n]*)?\r?\n)").match(text, entry.end)
    if indent.strip() or rest is None:
        return f"{text[: entry.end]}, {new}{text[entry.end :]}"
    newline = "\r\n" if rest[2].endswith("\r\n") else "\n"
    return f"{text[: entry.end]},{rest[2]}{indent}{new}{rest[1]}{newline}{text[rest.end() :]}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _block(value: Mapping[str, Any], indent: int, step: int) -> Iterator[str]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield f"{' ' * indent}{_flow(key)}:"
            yield from _block(inner, indent + step, step)
        else:
            yield f"{' ' * indent}{_flow(key)}: {_flow(inner)}"


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    style: dict[str, Any] = {"default_flow_style": True, "width": math.inf, "sort_keys": False}
    text = yaml.safe_dump(value, allow_unicode=True, **style)
    text = text.removesuffix("\n").removesuffix("\n...")
    if "\n" in text:  # a text of several lines
        text = yaml.safe_dump(value, default_style='"', **style).removesuffix("\n")
    return text


def _entries(text: str) -> tuple[_Entry, ...]:
    """Find the entries of a text that is one mapping, and those inside them."""
    try:
        events = [*yaml.parse(text, Loader=yaml.SafeLoader)]
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = "" if where is None else f" in line {where.line + 1}"
        raise UserError(f"not YAML{line}: {getattr(error, 'problem', error)}") from None
    # stream and document begin before the mapping
    _, _, _, entries = _read(events, 2)
    return entries


def _read(events: list[Any], at: int) -> tuple[int, int, int | None, tuple[_Entry, ...]]:
    """Read the node at an event.

    Returns:
        The event after it, the place where its text ends, the column of its first key if it is
        a mapping in block style, and the mapping's entries.
    """
    event, end = events[at], events[at].end_mark.index
    if not isinstance(event, yaml.CollectionStartEvent):
        return at + 1, end, None, ()
    entries = []
    at += 1
    while not isinstance(events[at], yaml.CollectionEndEvent):
        key = events[at]
        if isinstance(event, yaml.MappingStartEvent):
            at, _, _, _ = _read(events, at)
        flow = getattr(events[at], "flow_style", False)
        at, end, below, inside = _read(events, at)
        name = key.value if isinstance(key, yaml.ScalarEvent) else None
        mark = key.start_mark
        entries.append(_Entry(name, mark.column, mark.index, end, below, flow, inside))
    if event.flow_style:
        return at + 1, events[at].end_mark.index, None, tuple(entries)
    return at + 1, end, entries[0].column, tuple(entries)
