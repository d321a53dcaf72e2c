"""A YAML or JSON file that a person wrote, read strictly: what is wrong is said with its line.

The one reader of study files, for Snakemake too: nothing in a file is ever run, and no key that is
there twice loses its first value in silence. Also how a text is written that a person is to paste.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headstart.common.errors import UserError
from headstart.common.walk import refuse_special

# Levels of lists and sections; a study has about seven.
DEEPEST = 50
# How a person writes a whole number. YAML 1.1 also reads 010 as 8, 0x1F as 31 and 12:30 as 750.
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which also refuses keys that are there twice, and odd numbers."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Read a mapping; "1", 1 and 1.0 are one key, as they are in a config."""
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name, line = self._name(key), key.start_mark.line + 1
            if name in lines:
                text = str(key.value)
                raise RefusedError(f"line {line}: {text!r} is there already, in line {lines[name]}")
            lines[name] = line
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Make the value of a node, and say where one is that can't be made, or is misread."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, LookupError, AttributeError) as error:
            # PyYAML looks up `!!bool x`, and takes `!!timestamp x` apart, without a look at them
            why = (
                str(error).partition(";")[0]
                if isinstance(error, ValueError | OverflowError)
                else f"no {node.tag.rpartition(':')[2]}"
            )
            raise RefusedError(
                f"line {node.start_mark.line + 1}: {str(node.value)[:30]!r} can't be read: {why}"
            ) from None
        if isinstance(node, yaml.ScalarNode) and not _is_as_written(value, node.value):
            raise RefusedError(
                f"line {node.start_mark.line + 1}: {node.value!r} is the number {value} to YAML; "
                f"put it in quotes, or write {value}"
            )
        return value

    def _name(self, key: yaml.Node) -> str:
        """Return what a key is called once it is read."""
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith((":merge", ":value")):
            return str(key.value)
        value = self.construct_object(key)
        if isinstance(value, float) and math.isfinite(value):
            return str(int(value) if value.is_integer() else value)
        if isinstance(value, bool | float) or not isinstance(value, str | int):
            raise RefusedError(
                f"line {key.start_mark.line + 1}: the key {key.value!r} is no text to YAML; "
                "put it in quotes"
            )
        return str(value)


class RefusedError(yaml.YAMLError):
    """What is wrong, in one sentence with the line."""


def load(text: str) -> Any:
    """Read a text as JSON if it is that (1e-5 is a number there), or as YAML.

    Raises:
        UserError: If it is neither, a key is there twice, or it is nested without end; names the
            line where there is one.
    """
    try:
        value = _load(text)
        _check_depth(value)
    except RecursionError:
        raise UserError(f"has lists or sections in more than {DEEPEST} levels") from None
    except RefusedError as error:
        raise UserError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        line = "" if where is None else f"line {where.line + 1}: "
        tabs = "; indent with spaces, not with tabs" if "'\\t'" in str(error) else ""
        raise UserError(f"{line}not YAML: {error.problem or error.context}{tabs}") from None
    except yaml.YAMLError as error:
        raise UserError(f"not YAML: {' '.join(str(error).split())}") from None
    return value


def read_study(file: Path) -> dict[str, Any]:
    """Read a study's config file.

    Args:
        file: The file.

    Returns:
        The config as nested dicts and lists, not checked yet.

    Raises:
        UserError: If it can't be read, or is no mapping.
    """
    path = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    refuse_special(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: is not there; {_beside(path)}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(f"{path}: line {line}: is not text in UTF-8; save it as that") from None
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror})") from None
    try:
        raw = load(text)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if raw is None:
        raise UserError(f"{path}: is empty; `headstart init FOLDER` writes a study")
    if not isinstance(raw, dict):
        raise UserError(f"{path}: is not a list of `key: value` lines; see config/README.md")
    if "__use_yte__" in raw:
        raise UserError(
            f"{path}: has the key __use_yte__, with which Snakemake runs Python that stands in the "
            "file; a study file is data: remove the key, and write the values out"
        )
    return raw


def word(text: str) -> str:
    """Write a text as it stands in a list or mapping on one line, with quotes where needed."""
    flow = yaml.safe_dump([text], default_flow_style=True, allow_unicode=True, width=float("inf"))
    return flow.strip()[1:-1]


def overlay(base: Any, top: Any) -> Any:
    """Lay one config over another: sections are merged key by key, anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(top, Mapping)):
        return top
    merged = dict(base)
    for key, value in top.items():
        merged[key] = overlay(base[key], value) if key in base else value
    return merged


def _is_as_written(value: Any, text: str) -> bool:
    """Tell whether a number is the one that a person reads in its text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return WHOLE.fullmatch(text) is not None
    return not (isinstance(value, float) and ":" in text)


def _load(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError:
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 a safe loader


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")  # the YAML loader says in which lines
    return dict(pairs)


def _check_depth(value: Any) -> None:
    """Raise RecursionError for a value that is nested too deeply, or holds itself."""
    level = [value]
    for _ in range(DEEPEST):
        # what several places share counts once, or a few lines could name billions of places
        level = list({id(inner): inner for one in level for inner in _inside(one)}.values())
        if not level:
            return
    raise RecursionError


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _beside(path: Path) -> str:
    """Say what there is where a study file is not, and how the command line is read."""
    found = sorted(str(other) for other in path.parent.glob("*.yaml"))[:9]
    there = f"there are: {', '.join(found)}" if found else "name your study's file"
    if path.suffix in (".yaml", ".yml", ".json"):
        return there
    # Snakemake's option takes every word that follows
    return f"{there}; a target comes before the option: snakemake TARGET --configfile FILE"
